"""Whether a host wants to hear what is written: through its mappers, its sessions, its classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipDirection, Session

__all__ = [
    "hears_deletes",
    "hears_inserts",
    "hears_updates",
    "hears_writes",
    "is_plainly_made",
    "listen",
]

_OURS: WeakKeyDictionary[Mapper[Any], Counter[str]] = WeakKeyDictionary()
"""How many listeners of our own each mapper has; those of the host are the others."""

_FLUSHES = ("before_flush", "after_flush", "after_flush_postexec")
_NEW = ("before_attach", "after_attach", "transient_to_pending", "pending_to_persistent")
_GONE = ("persistent_to_deleted",)


def listen(mapper: Mapper[Any], event: str, function: Callable[..., Any]) -> None:
    """Listen to what a mapper writes; the function gets states instead of objects."""
    sa.event.listen(mapper, event, function, raw=True, propagate=True)
    _OURS.setdefault(mapper, Counter())[event] += 1


def hears_inserts(mapper: Mapper[Any], session: Session) -> bool:
    """Say whether new rows have to be made as objects, so that the host sees them.

    So it is too where the mapper fills columns by itself, or has several tables.
    """
    return (
        _is_intricate(mapper)
        or not is_plainly_made(mapper)
        or _hears(mapper, ("before_insert", "after_insert"))
        or _hears_session(session, (*_FLUSHES, *_NEW))
    )


def hears_updates(mapper: Mapper[Any], session: Session, names: Iterable[str]) -> bool:
    """Say whether changes of some attributes have to be made on objects."""
    return (
        mapper.version_id_col is not None
        or _hears_attributes(mapper, names)
        or _hears(mapper, ("before_update", "after_update"))
        or _hears_session(session, _FLUSHES)
    )


def hears_writes(mapper: Mapper[Any], session: Session) -> bool:
    """Say whether the host may send statements of its own when a row is written."""
    events = ("before_insert", "after_insert", "before_update", "after_update")
    return _hears(mapper, events) or _hears_session(session, _FLUSHES)


def hears_deletes(mapper: Mapper[Any], session: Session) -> bool:
    """Say whether rows have to be deleted as objects: for listeners, or for rows that go along."""
    return (
        _is_intricate(mapper)
        or any(
            not each.viewonly
            and (each.direction is not RelationshipDirection.MANYTOONE or each.cascade.delete)
            for each in mapper.relationships
        )
        or _hears(mapper, ("before_delete", "after_delete"))
        or _hears_session(session, (*_FLUSHES, *_GONE))
    )


def is_plainly_made(mapper: Mapper[Any]) -> bool:
    """Say whether a class has no constructor, validator or listener that a row would miss."""
    manager: Any = mapper.class_manager
    constructor = getattr(manager, "original_init", None)
    module = getattr(constructor, "__module__", None) or "builtins"
    custom = module.partition(".")[0] not in ("builtins", "sqlalchemy")
    return not (
        custom or mapper.validators or _hears_attributes(mapper, mapper.column_attrs.keys())
    )


def _is_intricate(mapper: Mapper[Any]) -> bool:
    return (
        mapper.inherits is not None
        or len(mapper.tables) > 1
        or mapper.polymorphic_on is not None
        or mapper.version_id_col is not None
    )


def _hears_attributes(mapper: Mapper[Any], names: Iterable[str]) -> bool:
    names = set(names)
    manager: Any = mapper.class_manager
    return bool(names & set(mapper.validators)) or any(
        len(manager[name].dispatch.set) > 0 for name in names if name in manager
    )


def _hears(mapper: Mapper[Any], events: Iterable[str]) -> bool:
    dispatch: Any = mapper.dispatch
    for event in events:
        ours = sum(_OURS[each][event] for each in mapper.iterate_to_root() if each in _OURS)
        if len(getattr(dispatch, event)) > ours:
            return True
    return False


def _hears_session(session: Session, events: Iterable[str]) -> bool:
    dispatch: Any = session.dispatch
    return any(len(getattr(dispatch, event)) > 0 for event in events)
