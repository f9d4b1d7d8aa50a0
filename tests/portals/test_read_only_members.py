"""A portal that keeps who is in which team for itself, and lets the directory see it."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.Members(read_only)", "fields.Not")


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    blocked: Mapped[bool] = mapped_column(default=False)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Not(User.blocked)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members, read_only=True)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("read_only_members")
    app.config.update(SECRET_KEY="read-only members", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestReadOnlyMembers(ProvisioningContract):
    groups = "read-only"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(Team(name=f"Old {n}", members=[User(username=f"member.{n}")]))
            db.session.commit()
        return f"Old {n}"

    def test_the_portals_own_members_are_shown(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.existing_group(portal, 1)
        (user,) = self.found(scim, "/Users", 'userName eq "member.1"')
        (group,) = self.found(scim, "/Groups", 'displayName eq "Old 1"')
        self.assert_members(scim, group, [user])
        clearing = {"op": "remove", "path": "members"}
        refused = scim.patch(f"/Groups/{group}", [clearing])
        assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")
        self.assert_members(scim, group, [user])
