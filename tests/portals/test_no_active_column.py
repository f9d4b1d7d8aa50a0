"""A portal that has no place for "inactive", and one whose own way is a method."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("Provisioning.is_active", "Meta.on_deactivate", "Meta.on_reactivate")


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
    api_key: Mapped[str | None] = mapped_column(sa.String(64))
    suspensions: Mapped[int] = mapped_column(default=0)

    def suspend(self) -> None:
        self.api_key = None
        self.suspensions += 1


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

        @staticmethod
        def on_deactivate(user: User) -> None:
            user.suspend()

        @staticmethod
        def on_reactivate(user: User) -> None:
            user.api_key = "new"

    user_name = fields.Attribute(User.username)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("no_active_column")
    app.config.update(SECRET_KEY="no active column", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestNoActiveColumn(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(username=f"old.{n}", api_key="of old"))
            db.session.commit()
        return f"old.{n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = db.session.scalars(sa.select(User).filter_by(username=user_name)).first()
            return user is not None and provisioning.is_active(user)

    def test_who_scim_never_met_is_active(self, portal: Flask) -> None:
        assert self.may_sign_in(portal, self.existing_user(portal, 1)) is True

    def test_the_portals_own_method_runs_once(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            db.session.scalars(sa.select(User)).one().api_key = "secret"
            db.session.commit()
        for active, expected in (
            (False, (None, 1)),
            (False, (None, 1)),
            (True, ("new", 1)),
            (True, ("new", 1)),
        ):
            operation = {"op": "replace", "path": "active", "value": active}
            assert scim.patch(f"/Users/{ada}", [operation]).status_code == 200
            with portal.app_context():
                user = db.session.scalars(sa.select(User)).one()
                assert (user.api_key, user.suspensions) == expected
        assert scim.delete(f"/Users/{ada}").status_code == 204
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.api_key, user.suspensions) == (None, 2)
