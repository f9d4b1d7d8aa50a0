"""A portal with ``Mapped[]``, UUID keys, a mixin of timestamps and a naming convention."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


class Timestamps:
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


team_members = sa.Table(
    "team_members",
    Base.metadata,
    sa.Column("team_id", sa.ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
)


class Person(Timestamps, db.Model):
    __tablename__ = "people"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    login: Mapped[str] = mapped_column(sa.String(255), unique=True)
    display_name: Mapped[str | None] = mapped_column(sa.String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    manager_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    manager: Mapped[Person | None] = relationship(remote_side="Person.id")


class Team(Timestamps, db.Model):
    __tablename__ = "teams"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    title: Mapped[str] = mapped_column(sa.String(255), unique=True)
    people: Mapped[list[Person]] = relationship(secondary=team_members)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Person

    user_name = fields.Attribute(Person.login)
    display_name = fields.Attribute(Person.display_name)
    active = fields.Attribute(Person.enabled)
    manager = fields.Reference(Person.manager)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.title)
    members = fields.Members(Team.people)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("uuid_keys")
    app.config.update(SECRET_KEY="uuid keys", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestUuidKeys(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(Person(login=f"Old.{n}@contract.example"))
            db.session.commit()
        return f"Old.{n}@contract.example"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            person = db.session.scalars(sa.select(Person).filter_by(login=user_name)).first()
            return person is not None and person.enabled

    def test_the_managers_row_is_the_person(self, portal: Flask) -> None:
        scim = self.connect(portal, "entra")
        ada, bob = self.create_users(scim, 1, 2)
        urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        assigning = {"op": "Add", "path": f"{urn}:manager", "value": bob}
        assert scim.patch(f"/Users/{ada}", [assigning]).status_code == 200
        with portal.app_context():
            one = db.session.scalars(sa.select(Person).filter_by(display_name="Ada1 Lovelace"))
            assert one.one().manager.display_name == "Ada2 Lovelace"

    def test_the_portals_timestamps_move(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            before = db.session.scalars(sa.select(Person)).one().updated_at
        renaming = {"op": "replace", "path": "displayName", "value": "Countess"}
        assert scim.patch(f"/Users/{ada}", [renaming]).status_code == 200
        with portal.app_context():
            after = db.session.scalars(sa.select(Person)).one()
            assert after.display_name == "Countess"
            assert after.updated_at >= before
            assert after.created_at <= after.updated_at


@pytest.mark.parametrize("kind", ["Primary key", "foreign key"])
def test_the_naming_convention_reaches_every_table(portal: Flask, kind: str) -> None:
    """The extension's tables are the host's metadata's, and follow its convention."""
    prefix = {"Primary key": "pk_", "foreign key": "fk_"}[kind]
    with portal.app_context():
        if kind == "Primary key" and db.engine.dialect.name == "mysql":
            return  # MariaDB calls every primary key PRIMARY
        inspector = sa.inspect(db.engine)
        for table in inspector.get_table_names():
            if kind == "Primary key":
                names = [inspector.get_pk_constraint(table)["name"]]
            else:
                names = [key["name"] for key in inspector.get_foreign_keys(table)]
            assert all(name.startswith(prefix) for name in names), (table, names)
