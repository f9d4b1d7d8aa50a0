"""Constraints and indexes of the extension's own tables, with names that they keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.schema import conv

__all__ = ["foreign", "index", "named", "unique"]


class Unnamed(NamedTuple):
    """A constraint or an index that has yet to get its name.

    :ivar kind: what names of its kind begin with.
    :ivar make: makes it, given its name; None leaves the name to the database.
    """

    kind: str
    columns: Sequence[str]
    make: Callable[[str | None], Any]


def unique(*columns: str) -> Unnamed:
    """Declare that no two rows have the same values here."""
    return Unnamed("uq", columns, lambda name: sa.UniqueConstraint(*columns, name=name))


def foreign(
    columns: str | Sequence[str], target: str | sa.Column[Any] | Sequence[sa.Column[Any]]
) -> Unnamed:
    """Declare a foreign key whose rows go with the row that they refer to.

    :param columns: one, or those of a composite key, as ``target`` has them.
    """
    mine = [columns] if isinstance(columns, str) else list(columns)
    theirs: Any = [target] if isinstance(target, str | sa.Column) else list(target)

    def make(name: str | None) -> sa.ForeignKeyConstraint:
        return sa.ForeignKeyConstraint(mine, theirs, name=name, ondelete="CASCADE")

    return Unnamed("fk", mine, make)


def index(name: str, *columns: str, only: str | None = None, is_unique: bool = False) -> Unnamed:
    """Declare an index.

    A unique one has a name on every database, so that a migration can add it to a table that is
    there, and take it away again.

    :param only: SQL of what holds for the rows that the index has, where a database can leave the
        others out. An index of all rows would tempt SQLite to walk it for ``IS NULL``.
    """
    where: dict[str, Any] = {}
    if only is not None:
        where["postgresql_where"] = where["sqlite_where"] = sa.text(only)
    return Unnamed(
        "ix", columns, lambda given: sa.Index(given or name, *columns, unique=is_unique, **where)
    )


def named(metadata: sa.MetaData, table: str, *items: Unnamed) -> tuple[Any, ...]:
    """Make constraints and indexes with the names that they keep.

    Where the host's naming convention has a name for one, it gets that; where it has none, the
    database names it. A convention that can't name it, because it asks for a name that isn't there
    or for something that only the host's tables have, is passed over.
    """
    return tuple(item.make(_name(metadata, table, item)) for item in items)


def _name(metadata: sa.MetaData, table: str, item: Unnamed) -> str | None:
    trial = sa.MetaData(schema=metadata.schema, naming_convention=metadata.naming_convention)
    made = item.make(None)
    try:
        sa.Table(table, trial, *(sa.Column(name, sa.Integer()) for name in item.columns), made)
        name = made.name
    except Exception:  # a convention may be any function of the host's
        name = item.make(None).name or "_".join((item.kind, table, *item.columns))
    # SQLAlchemy takes a name of this class as it is.
    return None if name is None else conv(name)
