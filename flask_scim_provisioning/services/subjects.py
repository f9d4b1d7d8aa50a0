"""Whom an entry of the activity log is about, also where nothing was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ..mapping.access import reading
from ..mapping.resources import ResourceMapping
from ..scim.errors import ScimError
from ..scim.projection import Projection
from .changes import view_of
from .scope import Scope

__all__ = ["name_in", "name_of"]


def name_in(body: Any, mapping: ResourceMapping) -> str | None:
    """Return the name that a payload gives a new resource, in whatever case its key is."""
    if not isinstance(body, Mapping):
        return None
    wanted = mapping.lookup_key.lower()
    for key, value in body.items():
        if isinstance(key, str) and key.lower() == wanted and isinstance(value, str):
            return value
    return None


def name_of(scope: Scope, mapping: ResourceMapping, resource_id: str) -> str | None:
    """Return what a resource is called, or was called when it was last told of.

    It never raises: an entry without a name is better than none.
    """
    session = scope.session
    try:
        wanted = Projection.of(mapping.resource_type, [mapping.lookup_key], ())
        found = reading.fetch_one(mapping, resource_id, view_of(scope, mapping), wanted)
        if found is not None:
            return str(found.flat.get(mapping.lookup_key))
        table = scope.models.activity.__table__
        last = (
            sa.select(table.c.resource_name)
            .where(
                table.c.resource_id == resource_id.lower()[:64],
                table.c.integration_id == scope.integration_id,
                table.c.resource_name.is_not(None),
            )
            .order_by(table.c.id.desc())
            .limit(1)
        )
        known: str | None = session.scalar(last)
        return known
    except (SQLAlchemyError, ScimError, reading.Unlinked):
        return None
    finally:
        session.rollback()
