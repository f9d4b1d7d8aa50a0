"""A portal with more states than two: invited, active, locked, disabled."""

from __future__ import annotations

import enum

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.Choice",)


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


class Status(enum.Enum):
    INVITED = "invited"
    ACTIVE = "active"
    LOCKED = "locked"
    DISABLED = "disabled"


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    status: Mapped[Status] = mapped_column(default=Status.INVITED)


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
    active = fields.Choice(User.status, true=Status.ACTIVE, false=Status.DISABLED)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("status_enum")
    app.config.update(SECRET_KEY="status enum", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestStatusEnum(ProvisioningContract):
    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        return self._status(portal, user_name) is Status.ACTIVE

    def _status(self, portal: Flask, user_name: str) -> Status:
        with portal.app_context():
            return db.session.scalars(sa.select(User.status).filter_by(username=user_name)).one()

    def test_a_third_state_is_shown_as_it_is_found(self, portal: Flask) -> None:
        """And stays itself, as long as nobody says anything about ``active``."""
        scim = self.connect(portal)
        with portal.app_context():
            db.session.add_all(User(username=each.value, status=each) for each in Status)
            db.session.commit()
        users = scim.get("/Users").json["Resources"]
        shown = {each["userName"]: each.get("active") for each in users}
        assert shown["active"] is True
        assert shown["disabled"] is False
        for value in (True, False):
            found = self.found(scim, "/Users", f"active eq {str(value).lower()}")
            names = {each["userName"] for each in users if each["id"] in found}
            assert names == {name for name, active in shown.items() if active is value}
        for user in users:
            title = {"op": "replace", "path": "title", "value": "Countess"}
            assert scim.patch(f"/Users/{user['id']}", [title]).status_code == 200
            same = {"op": "replace", "path": "active", "value": user.get("active")}
            if "active" in user:
                assert scim.patch(f"/Users/{user['id']}", [same]).status_code == 200
            assert self._status(portal, user["userName"]).value == user["userName"]
