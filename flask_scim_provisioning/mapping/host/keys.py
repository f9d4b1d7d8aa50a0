"""Keys of the host's rows, of one column or of several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

__all__ = ["HostKey", "KeyColumns", "in_order"]

HostKey: TypeAlias = Hashable
"""The primary key of one row: its value, or a tuple where it has several columns."""


@dataclass(frozen=True, eq=False)
class KeyColumns:
    """The columns that name a row: of the host's table, of a link, or of a membership.

    Statements take a key by the name of a parameter; ``parameters`` gives it its value.
    """

    columns: tuple[sa.ColumnElement[Any], ...]

    @property
    def is_single(self) -> bool:
        """Whether a key is one value and not a tuple."""
        return len(self.columns) == 1

    @property
    def width(self) -> int:
        """How many columns a key has."""
        return len(self.columns)

    def same(self, other: KeyColumns) -> sa.ColumnElement[bool]:
        """Return SQL that says whether both name the same row."""
        return _all(
            mine == theirs for mine, theirs in zip(self.columns, other.columns, strict=True)
        )

    def equals(self, name: str) -> sa.ColumnElement[bool]:
        """Return SQL that compares with the parameter ``name``."""
        return _all(
            column == sa.bindparam(each, type_=column.type)
            for each, column in zip(self._names(name), self.columns, strict=True)
        )

    def bind(self, name: str) -> tuple[sa.BindParameter[Any], ...]:
        """Return the parameter ``name`` as columns, for an insert-select."""
        return tuple(
            sa.bindparam(each, type_=column.type)
            for each, column in zip(self._names(name), self.columns, strict=True)
        )

    def among(self, name: str) -> sa.ColumnElement[bool]:
        """Return SQL that looks for the key in a list, the parameter ``name``."""
        return self._compared().in_(sa.bindparam(name, expanding=True))

    def not_among(self, name: str) -> sa.ColumnElement[bool]:
        """Return SQL that misses the key in a list, the parameter ``name``."""
        return self._compared().not_in(sa.bindparam(name, expanding=True))

    def inside(self, select: sa.Select[Any]) -> sa.ColumnElement[bool]:
        """Return SQL that looks for the key among what a statement selects."""
        return self._compared().in_(select)

    def outside(self, select: sa.Select[Any]) -> sa.ColumnElement[bool]:
        """Return SQL that misses the key among what a statement selects."""
        return self._compared().not_in(select)

    def is_none(self) -> sa.ColumnElement[bool]:
        """Return SQL that says whether nobody is named."""
        return self.columns[0].is_(None)

    def parameters(self, name: str, key: HostKey) -> dict[str, Any]:
        """Return what ``equals(name)`` takes for a key."""
        return dict(zip(self._names(name), self.values(key), strict=True))

    def values(self, key: HostKey) -> tuple[Any, ...]:
        """Return a key column by column."""
        return (key,) if self.is_single else key  # type: ignore[return-value]

    def reader(self, start: int) -> Callable[[Sequence[Any]], Any]:
        """Return the function that reads a key from a row; None or Nones where there is none."""
        if self.is_single:
            return itemgetter(start)
        stop = start + len(self.columns)
        return lambda row: tuple(row[start:stop])

    def _compared(self) -> sa.ColumnElement[Any]:
        return self.columns[0] if self.is_single else sa.tuple_(*self.columns)

    def _names(self, name: str) -> list[str]:
        if self.is_single:
            return [name]
        return [f"{name}_{number}" for number in range(len(self.columns))]


def in_order(keys: Iterable[HostKey]) -> list[HostKey]:
    """Return keys in an order that is the same for everybody, so that locks never cross."""
    return sorted(keys, key=repr)


def _all(conditions: Iterable[sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    first, *more = conditions
    return sa.and_(first, *more) if more else first
