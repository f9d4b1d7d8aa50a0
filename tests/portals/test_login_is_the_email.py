"""A portal where people sign in by their address: two attributes of SCIM are one column."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.SameAs",)


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

    user_name = fields.Attribute(User.email)
    emails = fields.OneValue(value=fields.SameAs("user_name"), type="work", primary=True)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("login_is_the_email")
    app.config.update(SECRET_KEY="login is the email", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestLoginIsTheEmail(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(email=f"old.{n}@contract.example"))
            db.session.commit()
        return f"old.{n}@contract.example"

    def test_the_name_wins(self, portal: Flask) -> None:
        """Both are shown alike, and found alike, whichever was changed."""
        scim = self.connect(portal, "entra")
        ada = self.create_user(scim, 1)["id"]
        renaming = {"op": "Replace", "path": "userName", "value": "king@contract.example"}
        assert scim.patch(f"/Users/{ada}", [renaming]).status_code == 200
        read = self.read(scim, f"/Users/{ada}")
        assert [each["value"] for each in read["emails"]] == ["king@contract.example"]
        filter_ = 'emails[type eq "work"].value eq "king@contract.example"'
        assert self.found(scim, "/Users", filter_) == [ada]
        with portal.app_context():
            assert db.session.scalars(sa.select(User.email)).one() == "king@contract.example"
