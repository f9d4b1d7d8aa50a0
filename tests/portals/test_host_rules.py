"""A portal with rules of its own: validators, types and listeners that refuse, and an audit log."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    validates,
)

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Phone(sa.TypeDecorator[str]):
    """Digits only."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and not value.strip("+ ").replace(" ", "").isdigit():
            raise ValueError(f"{value} is no phone number")
        return value


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    title: Mapped[str | None] = mapped_column(sa.String(100))
    phone: Mapped[str | None] = mapped_column(Phone)
    is_active: Mapped[bool] = mapped_column(default=True)

    @validates("username")
    def _check_username(self, _key: str, value: str) -> str:
        if value.startswith("root"):
            raise ValueError("names beginning with root are reserved")
        return value

    @validates("title")
    def _check_title(self, _key: str, value: str | None) -> str | None:
        assert value != "Emperor", "we have no emperors"
        return value


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)

    @validates("name")
    def _check_name(self, _key: str, value: str) -> str:
        if value == "Everybody":
            raise ValueError("Everybody isn't a team")
        return value


class Audit(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(sa.String(200))


@event.listens_for(db.session, "before_flush")
def write_audit(session: Session, _context: Any, _instances: Any) -> None:
    for row in session.new:
        if isinstance(row, User):
            session.add(Audit(what=f"new {row.username}"))
    for row in session.dirty:
        if isinstance(row, User) and session.is_modified(row):
            session.add(Audit(what=f"changed {row.username}"))


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    title = fields.Attribute(User.title)
    phone_numbers = fields.OneValue(value=User.phone, type="work")
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("host_rules")
    app.config.update(SECRET_KEY="host rules", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestHostRules(ProvisioningContract):
    def test_what_the_portal_refuses_is_refused(self, portal: Flask) -> None:
        """RFC 7644 section 3.12: 400 ``invalidValue``, without the portal's own sentence."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        path = f"/Users/{ada['id']}"
        phone = [{"value": "call me", "type": "work"}]
        for answer in (
            scim.post("/Users", dict(self.new_user(2), userName="root")),
            scim.post("/Users", dict(self.new_user(2), title="Emperor")),
            scim.post("/Users", dict(self.new_user(2), phoneNumbers=phone)),
            scim.patch(path, [{"op": "replace", "path": "userName", "value": "root"}]),
            scim.patch(path, [{"op": "replace", "path": "title", "value": "Emperor"}]),
            scim.patch(path, [{"op": "replace", "path": "phoneNumbers", "value": phone}]),
            scim.post("/Groups", dict(self.new_group(1), displayName="Everybody")),
        ):
            assert (answer.status_code, answer.json.get("scimType")) == (400, "invalidValue")
            for own in ("reserved", "emperors", "call me", "Everybody"):
                assert own not in answer.json["detail"]
        assert self.read(scim, path) == ada
        assert scim.get("/Users").json["totalResults"] == 1

    def test_the_portals_log_has_each_write(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        path = f"/Users/{ada['id']}"
        title = {"op": "replace", "path": "title", "value": "Countess"}
        for _ in range(2):
            assert scim.patch(path, [title]).status_code == 200
        assert scim.delete(path).status_code == 204
        name = ada["userName"]
        with portal.app_context():
            log = db.session.scalars(sa.select(Audit.what).order_by(Audit.id)).all()
        assert log == [f"new {name}", f"changed {name}", f"changed {name}"]
