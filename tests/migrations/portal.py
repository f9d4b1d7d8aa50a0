"""A portal as ``flask db`` sees it: a process of its own, with nothing but its models."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""What Flask-Migrate's documentation tells portals on SQLite to have."""


def metadata_of(convention: str) -> sa.MetaData:
    """Return the portal's metadata, which has a naming convention or none."""
    return sa.MetaData(naming_convention=CONVENTION if convention else None)


class Base(DeclarativeBase):
    """The portal's own base."""

    metadata = metadata_of(os.environ.get("PORTAL_CONVENTION", ""))


db = SQLAlchemy(model_class=Base)

team_member = sa.Table(
    "team_member",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
)


class User(db.Model):  # type: ignore[name-defined, misc]
    """A person."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)


class Team(db.Model):  # type: ignore[name-defined, misc]
    """A group of people."""

    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=team_member)


class PortalUser(UserSchema):
    """Where users are."""

    class Meta:
        model = User

    user_name = fields.Attribute(User.username)


class PortalGroup(GroupSchema):
    """Where groups are."""

    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)


def create_app() -> Flask:
    """Return the application that ``flask --app tests.migrations.portal`` finds."""
    app = Flask("portal")
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"])
    db.init_app(app)
    options: dict[str, Any] = {"render_as_batch": True}
    Migrate(app, db, **options)
    provisioning.init_app(app, admin_required=lambda: False)
    return app
