"""Types of columns that a team has written itself: what they give, and what can be asked of them.

A ``TypeDecorator`` may turn values into anything on their way to the database: letters for truth
values, other time zones, secrets. What it does is found out by doing it to samples, once, so that
no filter means something else than what is read.
"""

from __future__ import annotations

import functools
import itertools
import types
import typing
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from ..sql.types import Kind, innermost, python_type_of

__all__ = ["REFUSALS", "OwnType"]

REFUSALS = (ValueError, TypeError, AssertionError, AttributeError, LookupError, ArithmeticError)
"""What a type raises that can't keep a value."""

_OVERRIDDEN = (
    "process_bind_param",
    "process_result_value",
    "bind_processor",
    "result_processor",
    "bind_expression",
    "column_expression",
    "load_dialect_impl",
)
_TEXTS = (
    "Ada.Lovelace@Example.com",
    "ada",
    "+44 20 7946 0958",
    "+442079460958",
    "1815",
    "6f1c7a52-5c4f-4c35-8a3e-0f6a8b6f5d11",
    "https://example.com/Ada",
    "en-GB",
    "Europe/London",
)
_EARLY = datetime(1999, 12, 31, 23, 59, tzinfo=UTC)
_MOMENTS = (_EARLY, _EARLY + timedelta(minutes=2), _EARLY + timedelta(days=9_000))
_IN_ORDER: dict[type[Any], Sequence[Sequence[Any]]] = {
    int: [(-20, -3, 0, 2), (0, 2, 10, 1000), (2, 10)],
    float: [(-20.5, -3.0, 0.0, 2.5), (0.0, 2.5, 10.0, 1000.0)],
    Decimal: [tuple(map(Decimal, ("-20.5", "0", "2.5"))), tuple(map(Decimal, ("2.5", "10")))],
    datetime: [_MOMENTS, tuple(moment.replace(tzinfo=None) for moment in _MOMENTS)],
    date: [tuple(moment.date() for moment in _MOMENTS)],
}
_SAMPLES: tuple[Any, ...] = (
    *_TEXTS,
    *_MOMENTS[:1],
    _EARLY.replace(tzinfo=None),
    True,
    1815,
    Decimal("18.15"),
    18.15,
    uuid.UUID("6f1c7a52-5c4f-4c35-8a3e-0f6a8b6f5d11"),
    _EARLY.date(),
)


class OwnType:
    """What a ``TypeDecorator`` does, as far as samples tell.

    :ivar python_type: of its values: as it says itself, or as ``process_result_value`` is
        annotated, or as a sample comes back; None where nothing tells.
    :ivar keeps_text: the database has the very text that is read, so that parts of it can be
        searched.
    :ivar of_nothing: what is read of NULL.
    """

    def __init__(self, kind: sa.TypeDecorator[Any]) -> None:
        self.kind = kind
        self.python_type = python_type_of(kind) or _annotated(type(kind))
        changed = {name for name in _OVERRIDDEN if _is_overridden(kind, name)}
        if self.python_type is None and not changed:
            self.python_type = python_type_of(innermost(kind))
        if self.python_type is None:
            self.python_type = self._guessed()
        self.keeps_text = self.python_type in (None, str) and self._keeps_text(changed)
        try:
            self.of_nothing = self.returned(None)
        except Exception:  # whatever a team's code raises, it says nothing of NULL
            self.of_nothing = None

    @classmethod
    def of(cls, kind: Kind) -> OwnType | None:
        """Return what is known of a type, or None where it is SQLAlchemy's own."""
        return cls(kind) if isinstance(kind, sa.TypeDecorator) else None

    def bound(self, value: Any, backend: str | None = None) -> Any:
        """Return what the database is given for a value."""
        dialect = _dialect(backend)
        process = self.kind.dialect_impl(dialect).bind_processor(dialect)
        return value if process is None else process(value)

    def returned(self, raw: Any) -> Any:
        """Return the value that is read where the database has ``raw``."""
        dialect = _dialect(None)
        process: Any = self.kind.dialect_impl(dialect).result_processor(dialect, None)
        return raw if process is None else process(raw)

    def checked(self, value: Any) -> Any:
        """Return a value that the type can keep.

        :raises ValueError: with a sentence, where it can't.
        """
        try:
            raw = self.bound(value)
            self.returned(raw)
        except REFUSALS:
            raise ValueError(
                "this portal can't keep this value; correct the attribute mapping of the identity "
                "provider."
            ) from None
        except Exception:
            return value  # it needs the application's context, or more: flushing will tell
        length = getattr(self.kind, "length", None)
        if isinstance(length, int) and isinstance(raw, str) and len(raw) > length:
            raise ValueError(
                f"this portal keeps at most {length} characters, not {len(raw)}; shorten the value."
            )
        return value

    def as_read(self, value: Any) -> Any:
        """Return what is read once a value is written."""
        try:
            return self.returned(self.bound(value))
        except Exception:  # whatever a team's code raises, nothing else is known of the value
            return value

    def text(self, value: str, backend: str) -> str:
        """Return the text that the database has for one that is searched for."""
        try:
            raw = self.bound(value, backend)
        except Exception:  # a part of a text may be none that the type takes
            return value
        return raw if isinstance(raw, str) else value

    def finds(self, value: Any, backend: str | None) -> bool:
        """Say whether an equal value is kept in the same way each time, so that it can be found."""
        try:
            return bool(self.bound(value, backend) == self.bound(value, backend))
        except Exception:  # then executing the statement will tell
            return True

    @property
    def can_be_found(self) -> bool:
        """Whether equal values are kept in the same way, as far as samples tell."""
        return self.finds(_TEXTS[1], None)

    @functools.cached_property
    def takes_zones(self) -> bool:
        """Whether a point in time keeps its time zone."""
        try:
            return bool(self.returned(self.bound(_EARLY)) == _EARLY)
        except Exception:  # whatever a team's code raises, it doesn't take one
            return False

    def _guessed(self) -> type[Any] | None:
        """Return the type of the first sample that comes back as it was."""
        wrapped = python_type_of(innermost(self.kind))
        for sample in sorted(_SAMPLES, key=lambda each: type(each) is not wrapped):
            try:
                back = self.returned(self.bound(sample))
                if type(back) is type(sample) and back == sample:
                    return type(sample)
            except Exception:  # noqa: S112 - a sample that the type doesn't take
                continue
        return None

    @functools.cached_property
    def keeps_order(self) -> bool:
        """Whether the database has values in the order in which they are read."""
        kind = self.python_type
        if kind is None or issubclass(kind, bool):
            return False
        for base, rows in _IN_ORDER.items():
            if issubclass(kind, base):
                taken = [same for same in map(self._is_in_order, rows) if same is not None]
                return bool(taken) and all(taken)
        return False

    def _is_in_order(self, values: Sequence[Any]) -> bool | None:
        try:
            raws = [self.bound(value) for value in values]
            return all(one < next_ for one, next_ in itertools.pairwise(raws))
        except Exception:  # samples that the type doesn't take
            return None

    def _keeps_text(self, changed: Iterable[str]) -> bool:
        if {"bind_expression", "column_expression"} & set(changed):
            return False
        for backend in ("sqlite", "postgresql", "mysql"):
            plain = self.kind.load_dialect_impl(_dialect(backend))
            if not isinstance(innermost(plain), sa.String) or isinstance(plain, sa.Enum):
                return False
        taken = [same for same in map(self._is_same, _TEXTS) if same is not None]
        return bool(taken) and all(taken)

    def _is_same(self, sample: str) -> bool | None:
        """Say whether a text is read as it is in the database; None where it isn't taken."""
        try:
            raw = self.bound(sample)
            return bool(isinstance(raw, str) and self.returned(raw) == raw)
        except Exception:  # a sample that the type doesn't take
            return None


def _is_overridden(kind: Kind, name: str) -> bool:
    while isinstance(kind, sa.TypeDecorator):
        if getattr(type(kind), name) is not getattr(sa.TypeDecorator, name):
            return True
        kind = kind.impl_instance
    return False


def _annotated(decorator: type[Any]) -> type[Any] | None:
    """Return what ``process_result_value`` is annotated to return, where that is one class.

    What stands in brackets behind ``TypeDecorator`` is for type checkers only: SQLAlchemy forgets
    it.
    """
    try:
        returned = typing.get_type_hints(decorator.process_result_value).get("return")
    except (NameError, TypeError, AttributeError):
        return None  # a name that only type checkers import
    parts = [each for each in typing.get_args(returned) if each is not type(None)]
    if typing.get_origin(returned) in (typing.Union, types.UnionType):
        returned = parts[0] if len(parts) == 1 else None
    found = typing.get_origin(returned) or returned
    is_one = isinstance(found, type) and found not in (Any, object, type(None))
    return found if is_one else None


@functools.cache
def _dialect(backend: str | None) -> sa.Dialect:
    if backend is None:
        return DefaultDialect()
    made: sa.Dialect = sa.make_url(f"{backend}://").get_dialect()()
    return made
