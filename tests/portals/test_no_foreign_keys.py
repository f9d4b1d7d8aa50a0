"""A portal whose database knows no foreign keys: its joins say what belongs together."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

group_person = sa.Table(
    "group_person",
    db.metadata,
    sa.Column("group_ref", sa.Integer, primary_key=True),
    sa.Column("person_ref", sa.Integer, primary_key=True),
)


class Person(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(sa.String(150), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    boss_ref: Mapped[int | None]
    boss = relationship(
        "Person",
        primaryjoin=lambda: foreign(Person.boss_ref) == sa.orm.remote(Person.id),
        uselist=False,
    )


class Group(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    cn: Mapped[str] = mapped_column(sa.String(150), unique=True)
    people: Mapped[list[Person]] = relationship(
        secondary=group_person,
        primaryjoin=lambda: Group.id == foreign(group_person.c.group_ref),
        secondaryjoin=lambda: Person.id == foreign(group_person.c.person_ref),
    )


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Person

    user_name = fields.Attribute(Person.uid)
    active = fields.Attribute(Person.active)
    manager = fields.Reference(Person.boss)


class PortalGroup(GroupSchema):
    class Meta:
        model = Group

    display_name = fields.Attribute(Group.cn)
    members = fields.Members(Group.people)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("no_foreign_keys")
    app.config.update(SECRET_KEY="no foreign keys", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestNoForeignKeys(ProvisioningContract):
    def test_nothing_points_to_what_is_gone(self, portal: Flask) -> None:
        """No database takes the rows of a group away here, so the service does."""
        scim = self.connect(portal)
        people = self.create_users(scim, 1, 2)
        group = self.create_group(scim, 1, people)["id"]
        with portal.app_context():
            assert len(db.session.execute(sa.select(group_person)).all()) == 2
        assert scim.delete(f"/Groups/{group}").status_code == 204
        with portal.app_context():
            assert db.session.execute(sa.select(group_person)).all() == []
