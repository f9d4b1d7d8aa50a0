"""Scalars behind a relationship to one: a role that is looked up, a profile of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import (
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    aliased,
    lazyload,
    object_session,
)

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ..errors import MappingError
from ..host.attributes import attribute_of, label_of
from ..host.relationships import joined, relationship_of
from .loading import Related, is_own, terms_on
from .slots import Slot, Watched, column_slot

__all__ = ["lookup_slot", "profile_slot"]


def lookup_slot(attribute: scim.Attribute, source: Any, by: Any) -> Slot:
    """Return the slot of a to-one relationship that is looked up by a column, such as a role."""
    prop = relationship_of(source, RelationshipDirection.MANYTOONE)
    named = attribute_of(by, prop.mapper)
    inner = column_slot(attribute, named)
    target = prop.mapper.class_
    key = source.key
    other = aliased(target)
    expression = sa.select(getattr(other, named.key)).where(joined(source, other)).scalar_subquery()
    nullable = all(column.nullable for column, _ in prop.local_remote_pairs or ())
    wanted = getattr(target, named.key)
    # A role is loaded without the people who have it, whatever its model says of loading them.
    roles = sa.select(target).options(lazyload("*"))
    terms = terms_on(prop)

    def assign(entity: Any, value: Any) -> None:
        session = object_session(entity)
        if value is None or session is None:
            setattr(entity, key, None)
            return
        with session.no_autoflush:
            found = session.scalars(roles.where(wanted == value, *terms)).first()
        if found is None:
            raise InvalidValue(
                f"{attribute.name}: this portal has no {target.__name__} of that {named.key}; "
                "create it there, or map another value."
            )
        setattr(entity, key, found)

    return replace(
        inner,
        expression=expression,
        place=f"{label_of(source)}, by {named.label}",
        write=assign,
        required=not nullable,
        defaulted=False,
        name=None,
    )


def profile_slot(attribute: scim.Attribute, source: Any, column: Any, mapper: Mapper[Any]) -> Slot:
    """Return the slot of a column in a second table, of which each person has a row at most.

    The row is made when there is something to be kept.

    :raises MappingError: when the relationship leads to rows that several people share.
    """
    prop: Any = getattr(source, "property", None)
    label = label_of(source)
    if not isinstance(prop, RelationshipProperty) or not mapper.isa(prop.parent):
        raise MappingError(
            f"{label} is no relationship of {mapper.class_.__name__}: write fields.Attribute("
            f"{mapper.class_.__name__}.<relationship to one>, <its class>.<column>)."
        )
    if not is_own(prop):
        raise MappingError(
            f"{label} leads to rows that several {mapper.class_.__name__} objects may have, and a "
            "change for one would be a change for all: use fields.Lookup, or make its foreign key "
            "unique."
        )
    inner = column_slot(attribute, attribute_of(column, prop.mapper))
    if inner.write is None or inner.name is None:
        raise MappingError(f"{inner.place} can't be written: map another column.")
    write = inner.write
    related = Related(source, removes=False)
    other = aliased(prop.mapper.class_)
    keys = [
        getattr(other, prop.mapper.get_property_by_column(k).key) for k in prop.mapper.primary_key
    ]
    expression = (
        sa.select(getattr(other, inner.name))
        .where(joined(source, other))
        .order_by(*keys)
        .limit(1)
        .scalar_subquery()
    )

    def assign(entity: Any, value: Any) -> None:
        found = related.rows(entity)
        if value is None and found and inner.required:
            raise InvalidValue(f"{attribute.name} can't be empty in this portal; send a value.")
        if found:
            write(found[0], value)
        elif value is not None:
            row = related.make()
            related.change(entity, (), [row])
            write(row, value)

    return replace(
        inner,
        expression=expression,
        place=f"{label}, {inner.place}",
        write=assign,
        required=False,
        defaulted=False,
        name=None,
        watched=_watched(prop, inner),
    )


def _watched(prop: RelationshipProperty[Any], inner: Slot) -> tuple[Watched, ...]:
    """Return the rows of a second table that name the resource by its key."""
    owner = dict(prop.local_remote_pairs or ())
    key = prop.parent.primary_key
    if prop.direction is not RelationshipDirection.ONETOMANY or set(owner) != set(key):
        return ()
    named = tuple(owner[column] for column in key)
    return (Watched(prop.mapper.local_table, named, (inner.expression,)),)
