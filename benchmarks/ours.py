"""A portal that predates SCIM, with Provisioning registered on it: what is measured."""

import os
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from benchmarks import people
from benchmarks.databases import bulk_insert, engine_at, use_wal
from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.services.integrations import create_integration

__all__ = ["create_app", "seed"]


class Base(DeclarativeBase):
    """The portal's own base."""


db = SQLAlchemy(model_class=Base)
team_member = sa.Table(
    "team_member",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_team_member_user_id", "user_id"),
)


class User(db.Model):  # type: ignore[name-defined, misc]  # db.Model is made at run time
    """Somebody who works with the portal."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(255), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    email: Mapped[str | None] = mapped_column(sa.String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    department: Mapped[str | None] = mapped_column(sa.String(100))
    manager_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user.id"))


class Team(db.Model):  # type: ignore[name-defined, misc]  # db.Model is made at run time
    """A group of people."""

    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    members = relationship(User, secondary=team_member)


sa.Index("ix_user_username_lower", sa.func.lower(User.username), unique=True)
sa.Index("ix_team_name_lower", sa.func.lower(Team.name), unique=True)


class PortalUser(UserSchema):
    """The portal's people, as SCIM sees them."""

    class Meta:
        """Where they are kept."""

        model = User

    user_name = fields.Attribute(User.username)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    emails = fields.Email(User.email)
    active = fields.Attribute(User.is_active)
    department = fields.Attribute(User.department)


class PortalGroup(GroupSchema):
    """The portal's teams, as SCIM sees them."""

    class Meta:
        """Where they are kept."""

        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)


def create_app() -> Flask:
    """Return the portal over the database that ``BENCHMARK_DATABASE`` names."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "it signs nothing here"
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["BENCHMARK_DATABASE"]
    db.init_app(app)
    provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        use_wal(db.engine)
    return app


def seed(database: str, count: int) -> tuple[str, str]:
    """Make the tables, fill them with ``count`` people and their groups, all known to SCIM.

    :returns: the path of the SCIM endpoint, and the bearer token.
    """
    os.environ["BENCHMARK_DATABASE"] = database
    models = create_app().extensions["scim_provisioning"].models
    engine = engine_at(database)
    db.metadata.drop_all(engine)
    db.metadata.create_all(engine)
    with Session(engine) as session:
        created = create_integration(
            session, models, tenant=people.TENANT, name="Benchmark", dialect="entra"
        )
        integration_id, secret = created.integration.id, created.secret.reveal()
        session.commit()
    tables = db.metadata.tables
    now = datetime.now(UTC)
    numbers = range(1, count + people.SPARE + 1)
    sizes = people.group_sizes(count)

    def link(link_id: str, host_id: int, attributes: dict[str, Any] | None) -> dict[str, Any]:
        common = {"version": 1, "created": now, "last_modified": now, "deleted": None}
        return {"id": link_id, "host_id": host_id, "stored": attributes, **common}

    def external(link_id: str, resource_type: str, value: str) -> dict[str, Any]:
        return {
            "integration_id": integration_id,
            "resource_type": resource_type,
            "link_id": link_id,
            "external_id": value,
        }

    with engine.begin() as connection:
        bulk_insert(connection, tables["user"], (people.user(n) for n in numbers))
        bulk_insert(
            connection,
            tables["scim_user_link"],
            (link(people.user_id(n), n, people.stored(n)) for n in numbers),
        )
        bulk_insert(
            connection,
            tables["scim_external_id"],
            (external(people.user_id(n), "User", people.external_id(n)) for n in numbers),
        )
        bulk_insert(connection, tables["team"], people.team_rows(sizes))
        bulk_insert(
            connection,
            tables["scim_group_link"],
            (link(people.group_id(size), n, None) for n, size in enumerate(sizes, 1)),
        )
        bulk_insert(
            connection,
            tables["scim_external_id"],
            (external(people.group_id(size), "Group", f"team-{size}") for size in sizes),
        )
        bulk_insert(connection, tables["team_member"], people.member_rows(sizes))
    engine.dispose()
    return f"/api/v1/{people.TENANT}/integrations/{integration_id}/scim/v2", secret
