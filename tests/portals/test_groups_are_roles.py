"""A portal without teams: its directory's groups are the roles that people have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

user_role = sa.Table(
    "user_role",
    db.metadata,
    sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role_name", sa.ForeignKey("role.name", ondelete="CASCADE"), primary_key=True),
)


class Role(db.Model):
    name: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    built_in: Mapped[bool] = mapped_column(default=False)
    users: Mapped[list[User]] = relationship(secondary=user_role, back_populates="roles")


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    roles: Mapped[list[Role]] = relationship(secondary=user_role, back_populates="users")


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Role
        visible = (Role.built_in.is_(False),)

    display_name = fields.Attribute(Role.name)
    members = fields.Members(Role.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("groups_are_roles")
    app.config.update(SECRET_KEY="groups are roles", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        db.session.add(Role(name="Administrator", permissions=["*"], built_in=True))
        db.session.commit()


class TestGroupsAreRoles(ProvisioningContract):
    def test_the_built_in_role_is_none_of_scims(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            user.roles.append(db.session.get(Role, "Administrator"))
            db.session.commit()
        assert scim.get("/Groups").json["totalResults"] == 0
        assert self.groups_of(scim, ada) == []
        taken = scim.post("/Groups", dict(self.new_group(1), displayName="Administrator"))
        assert (taken.status_code, taken.json["scimType"]) == (409, "uniqueness")
        with portal.app_context():
            role = db.session.get(Role, "Administrator")
            assert (role.permissions, len(role.users)) == (["*"], 1)

    def renamed_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The name is the role's key, and what refers to it would be lost by another."""
        return dict(group, externalId="another")

    def test_a_key_is_renamed_with_all_that_refers_to_it_or_not_at_all(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        group = self.create_group(scim, 1, [ada])
        path = f"/Groups/{group['id']}"
        renaming = {"op": "replace", "path": "displayName", "value": "Readers"}
        answer = scim.patch(path, [renaming])
        name = "Readers" if answer.status_code < 300 else group["displayName"]
        assert answer.status_code in (200, 204, 400)
        assert self.read(scim, path)["displayName"] == name
        self.assert_members(scim, group["id"], [ada])
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert [role.name for role in user.roles] == [name]
