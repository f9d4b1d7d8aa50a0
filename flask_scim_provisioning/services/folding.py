"""Rows that stand for many events: found by what is the same in all of them, counted in one write.

One statement inserts the row or counts it up, so that workers that meet lose no event and wait for
each other no longer than that statement takes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

__all__ = ["counting_insert", "fold_of"]


def fold_of(*parts: object) -> str:
    """Return the key of everything that has these parts, 64 characters."""
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


@functools.lru_cache(maxsize=64)
def counting_insert(table: sa.Table, dialect: str, newest: tuple[str, ...]) -> sa.Insert:
    """Return the statement that inserts a row with a new ``fold``, or adds its ``count``.

    :param dialect: The name of the database's dialect.
    :param newest: The columns that the row takes from the latest event.
    """
    statement: Any
    if dialect in ("mysql", "mariadb"):
        statement = mysql.insert(table)
        counting = statement.on_duplicate_key_update(_changes(table, statement.inserted, newest))
        return cast("sa.Insert", counting)
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    changes = _changes(table, statement.excluded, newest)
    counting = statement.on_conflict_do_update(index_elements=[table.c.fold], set_=changes)
    return cast("sa.Insert", counting)


def _changes(table: sa.Table, given: Any, newest: Sequence[str]) -> dict[str, Any]:
    return {"count": table.c.count + given.count, **{name: given[name] for name in newest}}
