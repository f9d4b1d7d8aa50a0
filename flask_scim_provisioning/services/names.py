"""What people and groups are called, by the keys that the activity log keeps of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.resources import ResourceMapping
from .activity import ActivityEntry

__all__ = ["Names", "names_of"]

_OF_KIND = {"Users": ("added", "removed"), "Groups": ("groups_added", "groups_removed")}

Names = Mapping[str, str]
"""Names by the text of a host's key; of groups with a ``g`` before it."""


def names_of(
    session: Session, mappings: Mapping[str, ResourceMapping], entries: Iterable[ActivityEntry]
) -> Names:
    """Return what those are called who came to groups or left them; one statement for each kind.

    Who isn't there any more has no name.
    """
    changes = [entry.changes for entry in entries if entry.changes]
    found: dict[str, str] = {}
    for endpoint, ways in _OF_KIND.items():
        mapping = mappings.get(endpoint)
        if mapping is None:
            continue
        prefix = "g" if endpoint == "Groups" else ""
        keys = {key for change in changes for way in ways for key in change.get(way, ())}
        for key, name in _names(session, mapping, sorted(keys, key=str)):
            found[f"{prefix}{key}"] = str(name)
    return found


def _names(
    session: Session, mapping: ResourceMapping, keys: Sequence[Any]
) -> Iterable[tuple[Any, Any]]:
    table, slot = mapping.table, mapping.display
    if not keys or not table.key.is_single:
        return ()
    (column,) = table.key.columns
    try:
        if column.type.python_type is uuid.UUID:
            keys = [uuid.UUID(str(key)) for key in keys]
    except (NotImplementedError, ValueError):
        return ()
    statement = sa.select(column, slot.expression).where(table.key.among("keys"))
    rows = session.execute(statement, {"keys": list(keys)}, bind_arguments={"mapper": table.mapper})
    return [
        (key, name if slot.from_host is None else slot.from_host(name))
        for key, name in rows
        if name is not None
    ]
