"""The same portal, whose team wants its own constructor to be called: ``Meta.factory``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("Meta.factory",)


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(150), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    gravatar: Mapped[str | None] = mapped_column(sa.String(64))
    is_active: Mapped[bool] = mapped_column(default=True)

    welcomed: ClassVar[list[str]] = []

    def __init__(self, email: str, first_name: str, last_name: str) -> None:
        self.email = email
        self.first_name = first_name
        self.last_name = last_name
        self.gravatar = hashlib.sha256(email.encode()).hexdigest()
        self.welcomed.append(email)


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)

    def __init__(self, name: str) -> None:
        self.name = name


# models end


# provisioning begin
def new_user(values: Mapping[str, Any]) -> User:
    return User(
        values["userName"],
        first_name=values.get("name.givenName") or "",
        last_name=values.get("name.familyName") or "",
    )


class PortalUser(UserSchema):
    class Meta:
        model = User
        factory = new_user

    user_name = fields.Attribute(User.email)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("factory")
    app.config.update(SECRET_KEY="factory", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestFactory(ProvisioningContract):
    def test_the_portals_own_constructor_has_run(self, portal: Flask) -> None:
        """Once for a new person; and not again, whatever happens to them later."""
        User.welcomed.clear()
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        assert scim.put(f"/Users/{ada['id']}", self.renamed(self.new_user(1))).status_code == 200
        assert scim.delete(f"/Users/{ada['id']}").status_code == 204
        self.create_user(scim, 1)
        assert User.welcomed == [ada["userName"]]
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert user.gravatar == hashlib.sha256(ada["userName"].encode()).hexdigest()
            assert (user.first_name, user.is_active) == ("Ada1", True)

    def test_who_was_refused_was_not_welcomed(self, portal: Flask) -> None:
        User.welcomed.clear()
        scim = self.connect(portal)
        assert scim.post("/Users", dict(self.new_user(1), active="perhaps")).status_code == 400
        assert User.welcomed == []
