"""A portal that keeps a manager's name as text, and no more."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


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
    manager: Mapped[str | None] = mapped_column(sa.String(150))
    is_active: Mapped[bool] = mapped_column(default=True)


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
    manager = fields.Complex(display_name=User.manager)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("manager_as_text")
    app.config.update(SECRET_KEY="manager as text", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestManagerAsText(ProvisioningContract):
    """The manager's id is kept beside the portal's tables."""

    def test_the_portals_text_is_shown(self, portal: Flask) -> None:
        """RFC 7643 section 4.3: ``displayName`` of a manager is read-only."""
        scim = self.connect(portal)
        with portal.app_context():
            db.session.add(User(username="ada", manager="Charles Babbage"))
            db.session.commit()
        (ada,) = scim.get("/Users").json["Resources"]
        assert ada[ENTERPRISE]["manager"] == {"displayName": "Charles Babbage"}
        filter_ = f'{ENTERPRISE}:manager.displayName eq "charles babbage"'
        assert self.found(scim, "/Users", filter_) == [ada["id"]]
