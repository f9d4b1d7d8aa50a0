"""A portal as Flask-SQLAlchemy's tutorials have it: ``db.Column``, integer keys, a join table."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

# models begin
db = SQLAlchemy()

memberships = db.Table(
    "memberships",
    db.Column("user_id", db.Integer, db.ForeignKey("users.id"), primary_key=True),
    db.Column("group_id", db.Integer, db.ForeignKey("groups.id"), primary_key=True),
)


class User(db.Model):
    __tablename__ = "users"

    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(80), unique=True, nullable=False)
    email = db.Column(db.String(120), unique=True)
    first_name = db.Column(db.String(80))
    last_name = db.Column(db.String(80))
    active = db.Column(db.Boolean, nullable=False, default=True)
    points = db.Column(db.Integer, nullable=False, default=0)


class Group(db.Model):
    __tablename__ = "groups"

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True, nullable=False)
    users = db.relationship(User, secondary=memberships, backref="groups", lazy="select")


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    emails = fields.Email(User.email)
    active = fields.Attribute(User.active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Group

    display_name = fields.Attribute(Group.name)
    members = fields.Members(Group.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("classic")
    app.config.update(SECRET_KEY="classic", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app, admin_required=lambda: False)
    # provisioning end
    return app


class TestClassic(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(username=f"old.{n}", first_name="Old", points=n))
            db.session.commit()
        return f"old.{n}"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(Group(name=f"Old {n}"))
            db.session.commit()
        return f"Old {n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(db.select(User).filter_by(username=user_name)).first()
            return user is not None and user.active

    def test_what_only_the_portal_knows_stays(self, portal: Flask) -> None:
        """Taking somebody over leaves alone what no attribute maps."""
        scim = self.connect(portal, "entra")
        name = self.existing_user(portal, 7)
        assert scim.post("/Users", dict(self.new_user(1), userName=name)).status_code == 201
        with portal.app_context():
            user = db.session.scalars(db.select(User)).one()
            assert (user.username, user.points, user.first_name) == (name, 7, "Ada1")

    def test_rows_of_members_are_the_portals_own(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        self.create_group(scim, 1, [ada, bob])
        with portal.app_context():
            group = db.session.scalars(db.select(Group)).one()
            assert {user.first_name for user in group.users} == {"Ada1", "Ada2"}
            assert [each.name for each in group.users[0].groups] == [group.name]


@pytest.mark.parametrize("name", ["ada", "ADA", "ada@contract.example"])
def test_short_names_are_names(portal: Flask, name: str) -> None:
    """The portal's names needn't be addresses."""
    scim = TestClassic().connect(portal)
    created = scim.post("/Users", {"userName": name, "schemas": []})
    assert created.status_code == 201, created.json
    assert created.json["userName"] == name
