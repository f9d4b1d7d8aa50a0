"""A portal whose groups contain groups, by a table of inclusions."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

employment = sa.Table(
    "employment",
    db.metadata,
    sa.Column("department_id", sa.ForeignKey("department.id"), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True, index=True),
)


class Person(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(sa.String(150), unique=True)
    active: Mapped[bool] = mapped_column(default=True)


class Inclusion(db.Model):
    outer_id: Mapped[int] = mapped_column(sa.ForeignKey("department.id"), primary_key=True)
    inner_id: Mapped[int] = mapped_column(
        sa.ForeignKey("department.id"), primary_key=True, index=True
    )
    since: Mapped[datetime] = mapped_column(default=datetime.now)
    inner: Mapped[Department] = relationship(foreign_keys=[inner_id])


class Department(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    people: Mapped[list[Person]] = relationship(secondary=employment)
    inclusions: Mapped[list[Inclusion]] = relationship(foreign_keys=[Inclusion.outer_id])


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Person

    user_name = fields.Attribute(Person.login)
    active = fields.Attribute(Person.active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Department

    display_name = fields.Attribute(Department.name)
    members = fields.Members(Department.people, groups=Department.inclusions, group=Inclusion.inner)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("nested_groups")
    app.config.update(SECRET_KEY="nested groups", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestNestedGroups(ProvisioningContract):
    nested_groups = True

    def test_inclusions_are_rows_of_the_portal(self, portal: Flask) -> None:
        scim = self.connect(portal)
        inner, outer = self.create_group(scim, 1)["id"], self.create_group(scim, 2)["id"]
        adding = {"op": "add", "path": "members", "value": [{"value": inner, "type": "Group"}]}
        assert scim.patch(f"/Groups/{outer}", [adding]).status_code == 204
        with portal.app_context():
            row = db.session.scalars(sa.select(Inclusion)).one()
            assert row.inner.name == "Contract group 1"
            assert row.since is not None
        assert scim.delete(f"/Groups/{inner}").status_code == 204
        assert self.members(scim, outer, "Group") == []
