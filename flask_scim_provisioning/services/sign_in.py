"""What the directory has said of a person, for the portal's own sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa

from ..mapping.bindings.base import Keeping
from ..mapping.host.keys import HostKey
from ..mapping.resources import ACTIVE, ResourceMapping

__all__ = ["Standing", "is_active", "key_in", "session_id_of", "standing_of"]

_MARK = "~"
_TOO_LARGE = 1 << 63


@dataclass(frozen=True, slots=True)
class Standing:
    """What the directory has said of a person.

    :ivar active: whether the person may sign in.
    :ivar signed_out: when a directory has last ended the person's sessions; None where none has.
    """

    active: bool
    signed_out: datetime | None = None


def is_active(mapping: ResourceMapping, connection: sa.Connection, host_key: HostKey) -> bool:
    """Say whether a person may sign in, in one indexed read.

    Where ``active`` is an attribute of the portal's own, that is the answer. Where it isn't, the
    link row has it: who was deactivated or deleted by the directory may not, and whom no directory
    has ever spoken of may.

    :param host_key: the primary key of the portal's row.
    """
    table = mapping.table
    slot = _own_slot(mapping)
    if slot is not None:
        statement = mapping.kept(
            "active in the portal",
            lambda: (
                sa.select(slot.expression)
                .select_from(table.model)
                .where(table.key.equals("host_key"))
            ),
        )
        found = connection.execute(statement, table.key.parameters("host_key", host_key)).first()
        if found is None:
            return False
        return bool(found[0] if slot.from_host is None else slot.from_host(found[0]))
    if not table.link.watch.is_there(connection):
        return True  # a portal before its migration goes on as before
    links = mapping.links
    statement = mapping.kept(
        "active in the link",
        lambda: sa.select(links.c.deleted, links.c.stored).where(table.link_key.equals("host_key")),
    )
    row = connection.execute(statement, table.link_key.parameters("host_key", host_key)).first()
    return row is None or _may(row)


def standing_of(mapping: ResourceMapping, connection: sa.Connection, host_key: HostKey) -> Standing:
    """Return what the directory has said of a person, in one indexed read.

    :param host_key: the primary key of the portal's row.
    """
    table, links, slot = mapping.table, mapping.links, _own_slot(mapping)
    if not table.link.watch.is_there(connection):
        return Standing(is_active(mapping, connection, host_key))
    parameters = table.link_key.parameters("link_key", host_key)
    if slot is None:
        statement = mapping.kept(
            "standing in the link",
            lambda: sa.select(links.c.deleted, links.c.stored, links.c.signed_out).where(
                table.link_key.equals("link_key")
            ),
        )
        row = connection.execute(statement, parameters).first()
        return Standing(active=True) if row is None else Standing(_may(row), row.signed_out)
    of_link = sa.select(links.c.signed_out).where(table.link_key.equals("link_key"))
    statement = mapping.kept(
        "standing in the portal",
        lambda: (
            sa.select(slot.expression, of_link.scalar_subquery())
            .select_from(table.model)
            .where(table.key.equals("host_key"))
        ),
    )
    parameters |= table.key.parameters("host_key", host_key)
    found = connection.execute(statement, parameters).first()
    if found is None:
        return Standing(active=False)
    active = found[0] if slot.from_host is None else slot.from_host(found[0])
    return Standing(bool(active), found[1])


def _own_slot(mapping: ResourceMapping) -> Any:
    """Return where the portal keeps ``active``; None where the link does."""
    state = mapping.state
    return None if state is None or state.keeping is Keeping.LINK else state.slot(None)


def _may(row: Any) -> bool:
    return row.deleted is None and (row.stored or {}).get(ACTIVE) is not False


def session_id_of(mapping: ResourceMapping, host_key: HostKey, standing: Standing) -> str:
    """Return what names a person in a session that ends when the directory ends it.

    As long as none was ended it is the key alone, so that who is signed in when a portal begins to
    use it stays so.
    """
    key = ",".join(quote(str(value), safe="") for value in mapping.table.key.values(host_key))
    ended = standing.signed_out
    return key if ended is None else f"{key}{_MARK}{_micros(ended):x}"


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def key_in(mapping: ResourceMapping, session_id: str) -> HostKey | None:
    """Return the key of whom a session names; None where it names nobody."""
    texts = session_id.partition(_MARK)[0].split(",")
    columns: Sequence[Any] = mapping.table.key.columns
    if len(texts) != len(columns) or not session_id.isascii():
        return None
    try:
        values = tuple(
            _value(column, unquote(text)) for column, text in zip(columns, texts, strict=True)
        )
    except (ValueError, TypeError, NotImplementedError):
        return None
    return values[0] if len(values) == 1 else values


def _value(column: Any, text: str) -> Any:
    """Return a part of a key from its text.

    :raises ValueError: when no database would take it.
    """
    value = column.type.python_type(text)
    if "\x00" in text or (isinstance(value, int) and abs(value) >= _TOO_LARGE):
        raise ValueError("This names nobody.")
    return value
