"""A portal whose base says what types mean: flags as letters, ULIDs, lower-case addresses."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Locked(sa.TypeDecorator[bool]):
    """True is kept as false, in a column that says who is locked out."""

    impl = sa.Boolean
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: sa.Dialect) -> bool | None:
        return None if value is None else not value

    def process_result_value(self, value: bool | None, dialect: sa.Dialect) -> bool | None:
        return None if value is None else not value


class Email(sa.TypeDecorator[str]):
    """An address in lower case, whoever wrote it."""

    impl = sa.String(255)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value.lower() if value is not None else None


class Ulid(sa.TypeDecorator[str]):
    """26 characters that are in order of time."""

    impl = sa.CHAR(26)
    cache_ok = True


class Weekdays(sa.TypeDecorator[list[str]]):
    """A few words as one text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> list[str] | None:
        return None if value is None else value.split()


def new_ulid() -> str:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(alphabet[number >> shift & 31] for shift in range(125, -1, -5))


class Base(DeclarativeBase):
    registry = registry(type_annotation_map={str: sa.String(255), uuid.UUID: sa.String(36)})


db = SQLAlchemy(model_class=Base)

team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[str] = mapped_column(Ulid, primary_key=True, default=new_ulid)
    username: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None] = mapped_column(Email)
    may_enter: Mapped[bool] = mapped_column("locked", Locked, default=True)
    remote: Mapped[list[str]] = mapped_column(Weekdays, default=lambda: ["monday", "friday"])


class Team(db.Model):
    id: Mapped[str] = mapped_column(Ulid, primary_key=True, default=new_ulid)
    name: Mapped[str] = mapped_column(unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    emails = fields.Email(User.email)
    active = fields.Attribute(User.may_enter)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("own_types")
    app.config.update(SECRET_KEY="own types", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestOwnTypes(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(username=f"old.{n}", email=f"Old.{n}@Contract.example"))
            db.session.commit()
        return f"old.{n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(sa.select(User).filter_by(username=user_name)).first()
            return user is not None and user.may_enter

    def test_rows_keep_what_the_types_say(self, portal: Flask) -> None:
        scim = self.connect(portal)
        sent = self.new_user(1)
        sent["emails"][0]["value"] = "Ada@Contract.example"
        ada = scim.post("/Users", sent).json
        assert ada["emails"][0]["value"] == "ada@contract.example"
        with portal.app_context():
            columns = sa.text('SELECT email, locked, remote, id FROM "user"')
            if db.engine.dialect.name == "mysql":
                columns = sa.text("SELECT email, locked, remote, id FROM user")
            email, locked, remote, key = db.session.execute(columns).one()
            assert (email, bool(locked), remote) == ("ada@contract.example", False, "monday friday")
            assert len(key) == 26
        for shouted in ("Ada@Contract.example", "ada@contract.example"):
            filter_ = f'emails.value eq "{shouted}"'
            assert self.found(scim, "/Users", filter_) == [ada["id"]]

    def test_the_extensions_own_tables_keep_their_types(self, portal: Flask) -> None:
        """What the host's base says of ``uuid.UUID`` is said of the host's columns."""
        with portal.app_context():
            types: dict[str, Any] = {
                column["name"]: column["type"]
                for column in sa.inspect(db.engine).get_columns("scim_integration")
            }
            if db.engine.dialect.name == "postgresql":
                assert isinstance(types["id"], sa.UUID)
