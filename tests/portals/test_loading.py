"""A portal that says how its relationships are loaded, once in each of SQLAlchemy's ways."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

SHAPES = (
    "selectin",
    "joined",
    "subquery",
    "immediate",
    "raise",
    "raise_on_sql",
    "dynamic",
    "write_only",
)


def create_app(url: str, strategy: str) -> Flask:
    # Where a relationship is to one, only some of the ways make sense.
    to_one: Any = "select" if strategy in ("dynamic", "write_only") else strategy

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
        name: Mapped[str] = mapped_column(sa.String(50), unique=True)

    class User(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"))
        manager_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user.id"))
        role = relationship(Role, lazy=to_one)
        manager = relationship("User", remote_side="User.id", lazy=to_one)
        addresses = relationship("Address", cascade="all, delete-orphan", lazy=strategy)

    class Address(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"))
        email: Mapped[str] = mapped_column(sa.String(150))
        kind: Mapped[str | None] = mapped_column(sa.String(20))

    class Team(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members = relationship(User, secondary=team_user, lazy=strategy)

    # models end

    # provisioning begin
    class PortalUser(UserSchema):
        class Meta:
            model = User

        user_name = fields.Attribute(User.username)
        active = fields.Attribute(User.is_active)
        user_type = fields.Lookup(User.role, by=Role.name)
        manager = fields.Reference(User.manager)
        emails = fields.Values(User.addresses, value=Address.email, type=Address.kind)

    class PortalGroup(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
    # provisioning end

    app = Flask(f"loading_{strategy}")
    app.config.update(SECRET_KEY="loading", SQLALCHEMY_DATABASE_URI=url, ROLE=Role)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        session = app.extensions["sqlalchemy"].session
        session.add_all([app.config["ROLE"](name="Reader"), app.config["ROLE"](name="Writer")])
        session.commit()


class TestLoading(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        user = super().new_user(n)
        home = {"value": f"home.{n}@contract.example", "type": "home"}
        emails = [{"value": user["userName"], "type": "work"}, home]
        return user | {"userType": "Reader", "emails": emails}

    def renamed(self, user: dict[str, Any]) -> dict[str, Any]:
        emails = [{"value": "new@contract.example", "type": "work"}, user["emails"][1]]
        return super().renamed(user) | {"userType": "Writer", "emails": emails}
