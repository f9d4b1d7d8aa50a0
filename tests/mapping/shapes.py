"""Small portals for the tests of values: a team writes its model and what it maps, and no more."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.mapping import MappingError
from tests.compiled import assemble_once
from tests.databases import make_tables
from tests.portal import Host, Portal, write_ahead

__all__ = ["USER", "Declare", "opened", "refusal", "shape"]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"

Declare = Callable[[SQLAlchemy], tuple[type[Any], dict[str, Any]]]
"""Declares models; returns that of people and the attributes of their schema.

``Meta`` among these has options of the schema.
"""


def shape(declare: Declare) -> Callable[[], Host]:
    """Return what makes the portal of a declaration, once in a process."""

    @functools.cache
    def made() -> Host:
        return host_of(declare)

    return made


def host_of(declare: Declare) -> Host:
    """Make the portal of a declaration, with plain groups.

    :raises MappingError: when the declaration can't work, as soon as an application is connected.
    """

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    model, attributes = declare(db)
    key = sa.inspect(model).local_table.primary_key.columns[0]
    pairs = sa.Table(
        "team_member",
        db.metadata,
        sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey(key, ondelete="CASCADE"), primary_key=True),
    )

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members = relationship(model, secondary=pairs)

    options = {"model": model, **attributes.pop("Meta", {})}
    people = type("PortalUser", (UserSchema,), {"Meta": type("Meta", (), options), **attributes})

    class PortalGroup(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    provisioning = Provisioning(db, user_schema=people, group_schema=PortalGroup)
    return Host(db, model, Team, pairs, provisioning)


def refusal(declare: Declare) -> str:
    """Return what a team reads whose application doesn't start."""
    with pytest.raises(MappingError) as refused:
        _connected("sqlite://", host_of(declare))
    return str(refused.value)


def _connected(url: str, made: Host) -> Flask:
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=url, TESTING=True)
    made.db.init_app(app)
    assemble_once(made.provisioning)
    made.provisioning.init_app(app, admin_required=lambda: False)
    return app


@contextmanager
def opened(url: str, made: Host, dialect: str = "generic") -> Iterator[Portal]:
    """Run a portal of this kind on a database for ``make_tables``."""
    app = _connected(url, made)
    with app.app_context():
        if made.db.engine.dialect.name == "sqlite":
            write_ahead(made.db.engine)
        make_tables(made.db.engine, made.db.metadata)
    portal = Portal(app, made, tenant="main", dialect=dialect)
    try:
        yield portal
    finally:
        portal.close()
