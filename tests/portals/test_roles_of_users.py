"""A portal that gives roles to people, which Entra sends as app roles; and a default role."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.LookupMany",)


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

user_role = sa.Table(
    "user_role",
    db.metadata,
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
    sa.Column("role_id", sa.ForeignKey("role.id"), primary_key=True),
)
user_right = sa.Table(
    "user_right",
    db.metadata,
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
    sa.Column("right_id", sa.ForeignKey("right.id"), primary_key=True),
)
team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class Role(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)


class Right(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(80), unique=True)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    roles: Mapped[list[Role]] = relationship(secondary=user_role)
    rights: Mapped[list[Right]] = relationship(secondary=user_right)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)
    roles = fields.LookupMany(User.roles, by=Role.name)
    entitlements = fields.LookupMany(User.rights, by=Right.code)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("roles_of_users")
    app.config.update(SECRET_KEY="roles of users", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        roles = [Role(name=name) for name in ("Reader", "Writer", "Administrator")]
        rights = [Right(code=code) for code in ("export", "import")]
        db.session.add_all([*roles, *rights])
        db.session.commit()


class TestRolesOfUsers(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        roles = [{"value": "Reader"}, {"value": "Writer"}]
        return super().new_user(n) | {"roles": roles, "entitlements": [{"value": "export"}]}

    def renamed(self, user: dict[str, Any]) -> dict[str, Any]:
        return super().renamed(user) | {"roles": [{"value": "Writer"}]}

    def _roles(self, portal: Flask) -> set[str]:
        with portal.app_context():
            return {role.name for role in db.session.scalars(sa.select(User)).one().roles}

    def test_roles_are_rows_of_the_portal(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        path = f"/Users/{ada}"
        assert self._roles(portal) == {"Reader", "Writer"}
        adding = {"op": "add", "path": "roles", "value": [{"value": "Administrator"}]}
        for _ in range(2):
            assert scim.patch(path, [adding]).status_code == 200
            assert self._roles(portal) == {"Reader", "Writer", "Administrator"}
        removing = {"op": "remove", "path": 'roles[value eq "Writer"]'}
        assert scim.patch(path, [removing]).status_code == 200
        assert self._roles(portal) == {"Reader", "Administrator"}
        assert self.found(scim, "/Users", 'roles.value eq "administrator"') == [ada]
        assert self.found(scim, "/Users", 'roles[value eq "Writer"]') == []
        with portal.app_context():
            assert len(db.session.scalars(sa.select(Role)).all()) == 3

    def test_a_role_that_nobody_knows_is_refused(self, portal: Flask) -> None:
        """It is neither made nor left out in silence."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)
        unknown = {"op": "add", "path": "roles", "value": [{"value": "Emperor"}]}
        refused = scim.patch(f"/Users/{ada['id']}", [unknown])
        assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")
        assert self._roles(portal) == {"Reader", "Writer"}

    def test_entras_app_roles(self, portal: Flask) -> None:
        """``AssertiveAppRoleAssignmentsComplex`` sends them with a type and a display name."""
        entra = self.connect(portal, "entra")
        kind = "WindowsAzureActiveDirectoryRole"
        roles = [
            {"primary": False, "type": kind, "display": name, "value": name}
            for name in ("Reader", "Administrator")
        ]
        created = entra.post("/Users", self.new_user(1) | {"roles": roles})
        assert created.status_code == 201, created.json
        assert self._roles(portal) == {"Reader", "Administrator"}
        assert {each["value"] for each in created.json["roles"]} == {"Reader", "Administrator"}
