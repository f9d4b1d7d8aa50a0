"""A portal that says who administers it, and whom no directory may change."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields

from .portal import Host

__all__ = ["VAULT", "guarded_host"]

VAULT = "This account is for emergencies."


@functools.cache
def guarded_host() -> Host:
    """Declare the portal, once in a process: levels, roles and teams make administrators."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)

    team_member = sa.Table(
        "keeper_team_member",
        db.metadata,
        sa.Column("team_id", sa.ForeignKey("keeper_team.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("keeper.id"), primary_key=True),
    )

    user_role = sa.Table(
        "keeper_user_role",
        db.metadata,
        sa.Column("role_id", sa.ForeignKey("keeper_role.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("keeper.id"), primary_key=True),
    )

    class Role(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "keeper_role"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(60), unique=True)
        is_admin: Mapped[bool] = mapped_column(default=False)

    class User(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "keeper"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(100), unique=True)
        first_name: Mapped[str | None] = mapped_column(sa.String(100))
        email: Mapped[str | None] = mapped_column(sa.String(255))
        is_active: Mapped[bool] = mapped_column(default=True)
        level: Mapped[str | None] = mapped_column(sa.String(20))
        password_hash: Mapped[str | None] = mapped_column(sa.String(255))
        role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("keeper_role.id"))
        role = relationship(Role)
        roles = relationship(Role, secondary=user_role)

        def set_password(self, password: str) -> None:
            """Keep something of it."""
            self.password_hash = f"hash of {len(password)}"

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "keeper_team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)
        members = relationship(User, secondary=team_member, backref="teams")

    class PortalUser(UserSchema):
        class Meta:
            model = User

            @staticmethod
            def administrators() -> Any:
                """Whoever is one by level, by role or by team."""
                teams: Any = User.teams  # type: ignore[attr-defined]
                return sa.or_(
                    User.level == "admin",
                    User.role.has(Role.is_admin),
                    User.roles.any(Role.is_admin),
                    teams.any(Team.name == "Admins"),
                )

            @staticmethod
            def protected(user: Any) -> str | None:
                """Keep the last resort of the portal."""
                return VAULT if user.username == "vault" else None

        user_name = fields.Attribute(User.username)
        name = fields.Complex(given_name=User.first_name)
        emails = fields.Email(User.email)
        active = fields.Attribute(User.is_active)
        title = fields.Attribute(User.level)
        user_type = fields.Lookup(User.role, by=Role.name)
        roles = fields.LookupMany(User.roles, by=Role.name)
        password = fields.Password(User.set_password)

    class PortalGroup(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
    return Host(db, User, Team, team_member, provisioning)
