"""The host's objects behind a relationship, whatever its team says of loading them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import (
    RelationshipDirection,
    RelationshipProperty,
    attributes,
    lazyload,
    object_session,
    with_parent,
)
from sqlalchemy.orm.collections import collection_adapter

from ..errors import MappingError
from ..host.attributes import label_of
from ..host.conditions import condition_of

__all__ = ["Related", "is_own", "terms_on"]

_BY_STATEMENT = ("dynamic", "write_only")


class Related:
    """One relationship of the host's model: its objects are read, put in place, added, removed.

    They are read by a statement of our own, so that ``lazy="raise"`` forbids nothing, and what is
    loaded with an object needn't be.

    :param source: the relationship, such as ``User.addresses``.
    :param removes: whether objects are taken away, and not only added.
    :raises MappingError: when nothing can be written to it.
    """

    def __init__(self, source: Any, *, removes: bool = True) -> None:
        prop: RelationshipProperty[Any] = source.property
        self._source = source
        self._prop = prop
        self._key = prop.key
        self._model: Any = prop.mapper.class_
        label = label_of(source)
        if prop.viewonly:
            raise MappingError(
                f"{label} is viewonly, so that nothing can be written to it: map the relationship "
                "that it is a view of."
            )
        self._values: dict[str, Any] = {}
        if prop.direction is RelationshipDirection.ONETOMANY:
            self._values = _values_of_new(prop, label)
            if removes:
                _check_orphans(prop, label)

    def rows(self, entity: Any) -> list[Any]:
        """Return the objects that belong to one of the host's, and let it know them."""
        state: Any = sa.inspect(entity)
        if self._prop.lazy not in _BY_STATEMENT and self._key in state.dict:
            value = state.dict[self._key]
            if self._prop.uselist:
                return list(collection_adapter(value))
            return [] if value is None else [value]
        found: Sequence[Any] = []
        session = object_session(entity)
        if state.persistent and session is not None:
            rows = sa.select(self._model).options(lazyload("*"))
            statement = rows.where(with_parent(entity, self._source))
            with session.no_autoflush:
                found = session.scalars(statement.order_by(*self._prop.mapper.primary_key)).all()
        if self._prop.lazy not in _BY_STATEMENT:
            value = list(found) if self._prop.uselist else next(iter(found), None)
            attributes.set_committed_value(entity, self._key, value)
        return list(found)

    def make(self) -> Any:
        """Return a new object that belongs to nobody, and meets the relationship's condition."""
        if _needs_no_arguments(self._model):
            row = self._model()
        else:
            row = self._prop.mapper.class_manager.new_instance()
        for name, value in self._values.items():
            setattr(row, name, value)
        return row

    def change(self, entity: Any, gone: Sequence[Any], new: Sequence[Any]) -> None:
        """Take objects from one of the host's, and give it others."""
        if self._prop.lazy in _BY_STATEMENT:
            collection = getattr(entity, self._key)
            for row in gone:
                collection.remove(row)
            for row in new:
                collection.add(row)
        elif self._prop.uselist:
            adapter = collection_adapter(getattr(entity, self._key))
            for row in gone:
                adapter.remove_with_event(row)
            for row in new:
                adapter.append_with_event(row)
        else:
            setattr(entity, self._key, new[0] if new else None)


def _values_of_new(prop: RelationshipProperty[Any], label: str) -> dict[str, Any]:
    """Return what a new object has to say so that the relationship has it.

    :raises MappingError: when nothing that it says would do.
    """
    table: Any = prop.mapper.local_table
    owners = list(prop.parent.tables)
    found = condition_of([prop.primaryjoin], prop.local_remote_pairs or (), table, owners)
    terms = [*found.unwritable, *map(str, found.of_member)]
    if terms:
        raise MappingError(
            f"{label} has a condition that a new {prop.mapper.class_.__name__} can't be made to "
            f"meet ({terms[0]}): map a relationship that says column == value."
        )
    return {
        prop.mapper.get_property_by_column(column).key: value
        for column, value in found.values.items()
    }


def _check_orphans(prop: RelationshipProperty[Any], label: str) -> None:
    """What is removed from a relationship is deleted, or else belongs to nobody from then on."""
    if prop.cascade.delete_orphan:
        return
    fixed = [column for _, column in prop.local_remote_pairs or () if not column.nullable]
    if fixed:
        raise MappingError(
            f"{label} keeps rows that are removed from it, and {fixed[0].table.name}."
            f'{fixed[0].name} can\'t be empty: add cascade="all, delete-orphan" to the '
            "relationship."
        )


def _needs_no_arguments(model: Any) -> bool:
    try:
        inspect.signature(model.__init__).bind(None)
    except TypeError:
        return False
    return True


def is_own(prop: RelationshipProperty[Any]) -> bool:
    """Say whether each object of a relationship to one has an object of its own behind it."""
    if prop.direction is RelationshipDirection.ONETOMANY:
        return not prop.uselist
    columns = {column for column, _ in prop.local_remote_pairs or ()}
    table: Any = prop.parent.local_table
    if len(columns) == 1 and next(iter(columns)).unique:
        return True
    keys: list[Any] = [table.primary_key, *table.constraints, *table.indexes]
    return any(
        (
            isinstance(key, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
            or getattr(key, "unique", 0)
        )
        and set(key.columns) == columns
        for key in keys
    )


def terms_on(prop: RelationshipProperty[Any]) -> list[Any]:
    """Return what the condition of a relationship says of its objects beside equal keys."""
    table: Any = prop.mapper.local_table
    owners = list(prop.parent.tables)
    return condition_of([prop.primaryjoin], prop.local_remote_pairs or (), table, owners).of_row
