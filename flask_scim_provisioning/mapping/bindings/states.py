"""Truth values that the host keeps as something else: a status, a contrary, a point in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from ..errors import MappingError
from ..host.attributes import HostAttribute
from ..sql.types import python_type_of
from .own_types import OwnType
from .slots import Slot

__all__ = ["choice_slot", "contrary_slot", "unless_slot"]


def _truth_slot(
    attribute: scim.Attribute,
    source: HostAttribute,
    sql: sa.ColumnElement[bool],
    is_true: Callable[[Any], bool],
    make: Callable[[bool], Any],
) -> Slot:
    """Return a slot that shows a truth value, and writes only where another one is wanted.

    So whatever else the host's value says stays as it is while that is true of it.

    :param sql: says what is shown, and is never NULL.
    :param is_true: says the same of a host's value.
    :param make: the host's value for one that isn't shown yet.
    :raises MappingError: when the attribute is no truth value, or nothing can be written.
    """
    if attribute.type is not scim.Type.BOOLEAN or attribute.multi_valued:
        raise MappingError(
            f"{attribute.name} is no truth value, and {source.label} would give one: map "
            "fields.Attribute, or another attribute."
        )
    key = source.key

    def assign(entity: Any, value: Any) -> None:
        # A new object has no value yet, and what its defaults will be isn't known here.
        is_new = not sa.inspect(entity).persistent
        if is_new or is_true(getattr(entity, key)) is not bool(value):
            setattr(entity, key, make(bool(value)))

    return Slot(
        attribute,
        sa.case((sql, sa.true()), else_=sa.false()),
        source.label,
        bool,
        bool,
        assign if source.settable else None,
        required=True,
        defaulted=source.has_default,
        optional=source.is_nullable,
        name=key,
        is_true=is_true,
    )


def choice_slot(
    attribute: scim.Attribute,
    source: HostAttribute,
    true: Sequence[Any],
    false: Sequence[Any],
) -> Slot:
    """Return the slot of a status that means yes in some of its states, and no in all others.

    :param true: the states that mean yes; the first one is written. ``false``: those that mean no.
    :raises MappingError: when a state means both, or is none of the column's.
    """
    twice = [state for state in true if state in false]
    if twice:
        raise MappingError(f"{source.label}: {twice[0]!r} can't be true and false; leave one out.")
    enum_class = getattr(source.type, "enum_class", None)
    known: Any = list(enum_class) if enum_class else getattr(source.type, "enums", None)
    for state in (*true, *false):
        if known is not None and state not in known:
            raise MappingError(f"{source.label} has no state {state!r}; it has {known!r}.")
    same = [source.expression == sa.literal(state, source.type) for state in true]
    return _truth_slot(
        attribute,
        source,
        sa.or_(*same),
        lambda value: value in true,
        lambda wanted: true[0] if wanted else false[0],
    )


def contrary_slot(attribute: scim.Attribute, source: HostAttribute) -> Slot:
    """Return the slot of the contrary of a truth value; nothing is the contrary of true.

    :raises MappingError: when the column has no truth values.
    """
    kind = _python_type(source)
    if kind not in (bool, int):
        raise MappingError(
            f"{source.label} is {source.type!r} and no truth value: use "
            f"fields.Choice({source.label}, true=..., false=...) or fields.ActiveUnless."
        )
    sql = source.expression == sa.literal(True, source.type)
    if kind is int:
        sql = source.expression != sa.literal(0, source.type)
    return _truth_slot(
        attribute,
        source,
        sa.not_(sa.func.coalesce(sql, sa.false())),
        lambda value: not value,
        lambda wanted: kind(not wanted),
    )


def unless_slot(
    attribute: scim.Attribute, source: HostAttribute, now: Callable[[], Any] | None
) -> Slot:
    """Return the slot of something that is so unless a column has a value.

    :param now: the value that says since when it isn't so; without it the present instant, as the
        column takes it.
    :raises MappingError: when nobody says what a column takes, or it can't be empty.
    """
    make = now or _present(source)
    if make is None:
        raise MappingError(
            f"{source.label} is {source.type!r} and no point in time: say what is written with "
            "now=<a function>."
        )
    if not source.is_nullable:
        raise MappingError(
            f"{source.label} can't be empty, so that nobody would ever be active: map another "
            "column, or use fields.Choice."
        )
    return _truth_slot(
        attribute,
        source,
        source.expression.is_(None),
        lambda value: value is None,
        lambda wanted: None if wanted else make(),
    )


def _python_type(source: HostAttribute) -> Any:
    own = OwnType.of(source.type)
    return own.python_type if own is not None else python_type_of(source.type)


def _present(source: HostAttribute) -> Callable[[], Any] | None:
    """Return what gives the present instant as a column takes it."""
    kind, own = _python_type(source), OwnType.of(source.type)
    if kind is date:
        return date.today
    if kind is not datetime:
        return None
    aware = own.takes_zones if own is not None else getattr(source.type, "timezone", False)
    return (lambda: datetime.now(UTC)) if aware else lambda: datetime.now(UTC).replace(tzinfo=None)
