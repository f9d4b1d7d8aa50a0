"""Portals of every shape, each opened on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema
from tests.portal import Host, Portal

from .hosts import open_portal

__all__ = [
    "Open",
    "fresh",
    "group_schema",
    "names",
    "opened",
    "provision",
    "start",
    "user_schema",
]

Open = Callable[..., Portal]


@pytest.fixture
def opened(database_url: str) -> Iterator[Open]:
    """Opens a portal: ``opened(db, users, groups)``."""
    with ExitStack() as stack:

        def open_(db: Any, users: Any, groups: Any, dialect: str = "generic") -> Portal:
            provisioning = Provisioning(db, user_schema=users, group_schema=groups)
            host = Host(db, users.opts.model, groups.opts.model, sa.table("none"), provisioning)
            portal = open_portal(database_url, host, dialect=dialect)
            stack.callback(portal.close)
            return portal

        yield open_


def start(db: Any, users: Any, groups: Any) -> None:
    """Start a portal that has no database yet."""
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI="sqlite://")
    db.init_app(app)
    Provisioning(db, user_schema=users, group_schema=groups).init_app(
        app, admin_required=lambda: False
    )


def fresh() -> Any:
    """Return a Flask-SQLAlchemy object with a base of its own."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    return SQLAlchemy(model_class=Base)


def user_schema(fields: Mapping[str, Any], **meta: Any) -> type[UserSchema]:
    """Return a schema of users with these fields and options of Meta."""
    return type("PortalUser", (UserSchema,), {"Meta": type("Meta", (), meta), **fields})


def group_schema(fields: Mapping[str, Any], **meta: Any) -> type[GroupSchema]:
    """Return a schema of groups with these fields and options of Meta."""
    return type("PortalGroup", (GroupSchema,), {"Meta": type("Meta", (), meta), **fields})


def provision(portal: Portal, kind: str, **attributes: Any) -> dict[str, Any]:
    """Create a resource and return it as it was answered."""
    answer = portal.client.post(f"/{kind}", attributes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def names(portal: Portal, **query: Any) -> list[str]:
    """Return the names of the users that a search finds."""
    answer = portal.client.get("/Users", **query)
    assert answer.status_code == 200, answer.text
    return [each["userName"] for each in answer.json["Resources"]]
