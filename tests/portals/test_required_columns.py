"""A portal with columns that no directory knows and no row can do without."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("Meta.defaults",)


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


class Role(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    uniquifier: Mapped[str] = mapped_column(sa.String(64), unique=True)
    role_id: Mapped[int] = mapped_column(sa.ForeignKey("role.id"))
    team_limit: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
    role: Mapped[Role] = relationship()


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    owner: Mapped[str] = mapped_column(sa.String(80))
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
def reader() -> int:
    return db.session.scalars(sa.select(Role.id).filter_by(name="Reader")).one()


class PortalUser(UserSchema):
    class Meta:
        model = User
        defaults = {
            User.password_hash: lambda: secrets.token_hex(16),
            User.uniquifier: lambda: uuid.uuid4().hex,
            User.role_id: reader,
            User.team_limit: 3,
        }

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)
    user_type = fields.Lookup(User.role, by=Role.name)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team
        defaults = {Team.owner: "directory"}

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("required_columns")
    app.config.update(SECRET_KEY="required columns", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([Role(name="Reader"), Role(name="Administrator")])
        db.session.commit()


class TestRequiredColumns(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            role = db.session.scalars(sa.select(Role).filter_by(name="Administrator")).one()
            user = User(username=f"old.{n}", password_hash="of old", uniquifier=f"old {n}")
            user.role, user.team_limit = role, 99
            db.session.add(user)
            db.session.commit()
        return f"old.{n}"

    def test_new_rows_have_values_of_their_own(self, portal: Flask) -> None:
        scim = self.connect(portal)
        people = self.create_users(scim, 1, 2)
        self.create_group(scim, 1, people)
        assert self.read(scim, f"/Users/{people[0]}")["userType"] == "Reader"
        with portal.app_context():
            users = db.session.scalars(sa.select(User)).all()
            assert len({user.password_hash for user in users}) == 2
            assert len({user.uniquifier for user in users}) == 2
            assert {(user.role.name, user.team_limit) for user in users} == {("Reader", 3)}
            assert db.session.scalars(sa.select(Team.owner)).all() == ["directory"]

    def test_what_is_sent_wins(self, portal: Flask) -> None:
        scim = self.connect(portal)
        body: dict[str, Any] = self.new_user(1) | {"userType": "Administrator"}
        assert scim.post("/Users", body).json["userType"] == "Administrator"

    def test_nobody_is_demoted(self, portal: Flask) -> None:
        """Values for new rows are never given to a row that is there."""
        scim = self.connect(portal)
        name = self.existing_user(portal, 1)
        adopted = scim.post("/Users", dict(self.new_user(1), userName=name))
        assert adopted.status_code == 201
        path = f"/Users/{adopted.json['id']}"
        title = {"op": "replace", "path": "title", "value": "Countess"}
        assert scim.patch(path, [title]).status_code == 200
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.role.name, user.team_limit) == ("Administrator", 99)
            assert (user.password_hash, user.uniquifier) == ("of old", "old 1")
        assert scim.put(path, dict(self.new_user(1), userName=name)).status_code in (200, 400)
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.password_hash, user.team_limit) == ("of old", 99)
            assert user.role.name == "Administrator"
