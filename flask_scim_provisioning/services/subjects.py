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
    """Return the name that a payload gives a new resource, in whatever case its keys are.

    Where the name itself is missing, that may be why it was refused: then it is called by whatever
    else an administrator may know it by.
    """
    if not isinstance(body, Mapping):
        return None
    for path in (mapping.lookup_key, *_OTHER_NAMES):
        found = _text_at(body, path.lower().split("."))
        if found:
            return found
    return None


_OTHER_NAMES = ("displayName", "name.formatted", "emails.value", "name.familyName", "externalId")


def _text_at(value: Any, path: list[str]) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if not path:
        return value.strip() if isinstance(value, str) else None
    if not isinstance(value, Mapping):
        return None
    for key, inner in value.items():
        if isinstance(key, str) and key.lower() == path[0]:
            return _text_at(inner, path[1:])
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
