"""A portal that declares its relationships on the user's side, and the other by ``backref``."""

from __future__ import annotations

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

# models begin
db = SQLAlchemy()

user_roles = db.Table(
    "user_roles",
    db.Column("user_id", db.ForeignKey("user.id"), primary_key=True),
    db.Column("team_id", db.ForeignKey("team.id"), primary_key=True),
)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(255), unique=True, nullable=False)
    active = db.Column(db.Boolean, nullable=False, default=True)
    teams = db.relationship("Team", secondary=user_roles, backref=db.backref("users", lazy=True))


class Team(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(255), unique=True, nullable=False)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.email)
    active = fields.Attribute(User.active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(User.teams)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("backref_only")
    app.config.update(SECRET_KEY="backref only", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestBackrefOnly(ProvisioningContract):
    def test_both_sides_show_the_members(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1, 2))
        with portal.app_context():
            team = db.session.scalars(db.select(Team)).one()
            assert len(team.users) == 2
            assert all(user.teams == [team] for user in team.users)
