"""How the columns of a link row are read: as SCIM writes them, with as little work as can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...column_types import JsonDocument
from .instants import format_datetime

__all__ = ["InstantText", "StoredDocument"]

Convert: TypeAlias = Callable[[Any], Any]


def _instant(value: Any) -> str | None:
    return None if value is None else format_datetime(value)


def _instant_from_text(value: Any) -> str | None:
    return None if value is None else f"{value[:10]}T{value[11:23]}Z"


class InstantText(sa.TypeDecorator[str]):
    """Reads a ``UtcDateTime`` as SCIM writes it.

    SQLite keeps it as text that is almost that; to parse it and to write it again would be a sixth
    of the time that a page of users takes.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Take the text as it is on SQLite, and the driver's value elsewhere."""
        kind = sa.String() if dialect.name == "sqlite" else sa.DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Convert:
        """Return ``2024-05-15T09:21:23.000Z``."""
        return _instant_from_text if dialect.name == "sqlite" else _instant


def _reader_of_json() -> Convert:
    """Return orjson's reader where it is installed; a page of users has a hundred documents."""
    try:
        import orjson
    except ImportError:
        return json.loads
    return orjson.loads


_read_json = _reader_of_json()


def _document_from_text(value: Any) -> Any:
    return None if value is None else _read_json(value)


class StoredDocument(JsonDocument):
    """Reads the JSON of a link row, by the fastest reader that is installed."""

    cache_ok = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Convert:
        """Return the document, or None where there is none."""
        return _document_from_text
