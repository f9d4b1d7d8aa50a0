"""A portal whose people sign in by e-mail, some of them verified, some of them administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields

from .portal import Host

__all__ = ["GUARDED", "local_people"]

GUARDED = "An administrator of this portal."


def local_people(*, signs_in_by_email: bool = False) -> Host:
    """Declare its models: some statements are made for one kind of database, and kept."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)

    class User(UserMixin, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "local_person"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        first_name: Mapped[str | None] = mapped_column(sa.String(100))
        email: Mapped[str | None] = mapped_column(sa.String(255))
        email_verified: Mapped[bool] = mapped_column(default=False)
        is_active: Mapped[bool] = mapped_column(default=True)
        is_admin: Mapped[bool] = mapped_column(default=False)
        department: Mapped[str | None] = mapped_column(sa.String(100))
        number: Mapped[str | None] = mapped_column(sa.String(100))
        pet: Mapped[str | None] = mapped_column(sa.String(100))
        last_login_at: Mapped[datetime | None]

    pairs = sa.Table(
        "local_member",
        db.metadata,
        sa.Column("team_id", sa.ForeignKey("local_team.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("local_person.id"), primary_key=True),
    )

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "local_team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)
        members = relationship(User, secondary=pairs)

    by_email = signs_in_by_email

    class LocalUser(UserSchema):
        class Meta:
            model = User
            verified_email = User.email_verified
            signs_in_by_email = by_email
            last_sign_in = User.last_login_at

            @staticmethod
            def protected(user: Any) -> str | None:
                """Let nobody take an administrator over without being asked."""
                return GUARDED if user.is_admin else None

        user_name = fields.Attribute(User.username)
        name = fields.Complex(given_name=User.first_name)
        emails = fields.Email(User.email)
        active = fields.Attribute(User.is_active)
        department = fields.Attribute(User.department)

    class LocalTeam(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    provisioning = Provisioning(db, user_schema=LocalUser, group_schema=LocalTeam)
    return Host(db, User, Team, pairs, provisioning)
