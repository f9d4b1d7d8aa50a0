"""A portal that keeps how somebody signs in apart from who they are: a one-to-one profile."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.Attribute(relationship, column)",)


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
    email: Mapped[str] = mapped_column(sa.String(150), unique=True)
    password_hash: Mapped[str | None] = mapped_column(sa.String(200))
    is_active: Mapped[bool] = mapped_column(default=True)
    profile: Mapped[Profile | None] = relationship(
        back_populates="user", cascade="all, delete-orphan"
    )


class Profile(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    phone: Mapped[str | None] = mapped_column(sa.String(40))
    biography: Mapped[str] = mapped_column(sa.Text, default="")
    user: Mapped[User] = relationship(back_populates="profile")


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.email)
    active = fields.Attribute(User.is_active)
    name = fields.Complex(
        given_name=fields.Attribute(User.profile, Profile.first_name),
        family_name=fields.Attribute(User.profile, Profile.last_name),
    )
    phone_numbers = fields.OneValue(
        value=fields.Attribute(User.profile, Profile.phone), type="work"
    )


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("profile_table")
    app.config.update(SECRET_KEY="profile table", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestProfileTable(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        return super().new_user(n) | {"phoneNumbers": [{"value": f"+44 {n}", "type": "work"}]}

    def renamed(self, user: dict[str, Any]) -> dict[str, Any]:
        phones = [{"value": "+44 99", "type": "work"}]
        return super().renamed(user) | {"phoneNumbers": phones}

    def existing_user(self, portal: Flask, n: int) -> str:
        """Somebody who never filled in a profile."""
        with portal.app_context():
            db.session.add(User(email=f"old.{n}@contract.example", password_hash="secret"))
            db.session.commit()
        return f"old.{n}@contract.example"

    def test_there_is_one_profile_for_each_person(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            profile = db.session.scalars(sa.select(Profile)).one()
            assert (profile.first_name, profile.phone) == ("Ada1", "+44 1")
            profile.biography = "Wrote the first program."
            db.session.commit()
        assert scim.put(f"/Users/{ada}", self.renamed(self.new_user(1))).status_code == 200
        with portal.app_context():
            profile = db.session.scalars(sa.select(Profile)).one()
            assert (profile.last_name, profile.phone) == ("Byron", "+44 99")
            assert profile.biography == "Wrote the first program."

    def test_a_profile_of_nothing_is_made_for_nobody(self, portal: Flask) -> None:
        scim = self.connect(portal)
        assert scim.post("/Users", {"userName": "bob@contract.example"}).status_code == 201
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert user.profile is None or user.profile.first_name is None
        found = self.found(scim, "/Users", 'not (name.givenName eq "Ada")')
        assert len(found) == 1, "who has no profile isn't found by what isn't so"
