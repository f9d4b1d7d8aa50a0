"""A portal with several columns behind one attribute, and a check of its own."""

from __future__ import annotations

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

team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    first_name: Mapped[str] = mapped_column(sa.String(100), default="")
    last_name: Mapped[str] = mapped_column(sa.String(100), default="")
    street: Mapped[str | None] = mapped_column(sa.String(100))
    city: Mapped[str | None] = mapped_column(sa.String(100))
    state: Mapped[str] = mapped_column(sa.String(1), default="A")

    __table_args__ = (sa.CheckConstraint("state IN ('A', 'I')", name="state_of_user"),)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
def set_whole_name(user: User, value: str | None) -> None:
    user.first_name, _, user.last_name = (value or "").partition(" ")


def set_active(user: User, value: bool | None) -> None:
    user.state = "I" if value is False else "A"


class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    display_name = fields.Computed(
        sa.func.nullif(sa.func.trim(User.first_name + " " + User.last_name), ""),
        write=set_whole_name,
    )
    addresses = fields.OneValue(street_address=User.street, locality=User.city, type="work")
    active = fields.Computed(User.state == "A", write=set_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("composed_values")
    app.config.update(SECRET_KEY="composed values", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestComposedValues(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        address = {"streetAddress": f"{n} St James's Square", "locality": "London", "type": "work"}
        return super().new_user(n) | {"addresses": [address]}

    def renamed(self, user: dict[str, Any]) -> dict[str, Any]:
        address = dict(user["addresses"][0], locality="Bath")
        return super().renamed(user) | {"addresses": [address]}

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(sa.select(User).filter_by(username=user_name)).first()
            return user is not None and user.state == "A"

    def test_the_columns_have_their_parts(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        assert scim.put(f"/Users/{ada}", self.renamed(self.new_user(1))).status_code == 200
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.first_name, user.last_name) == ("Ada1", "Byron")
            assert (user.street, user.city) == ("1 St James's Square", "Bath")
