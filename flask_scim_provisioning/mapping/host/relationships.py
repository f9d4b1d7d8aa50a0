"""The relationships of the host's models, as their mappers know them."""

from __future__ import annotations

import operator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty, lazyload

from ..errors import MappingError
from .attributes import label_of

__all__ = ["direction_of", "is_plain", "joined", "relationship_of", "unloaded"]


def direction_of(source: Any) -> RelationshipDirection | None:
    """Return the direction of ``User.manager``, or None where it is no relationship."""
    direction: RelationshipDirection | None = getattr(
        getattr(source, "property", None), "direction", None
    )
    return direction


def relationship_of(source: Any, direction: RelationshipDirection) -> RelationshipProperty[Any]:
    """Return the relationship property behind ``User.manager``.

    :raises MappingError: when it is no relationship, or not of that direction.
    """
    if direction_of(source) is not direction:
        raise MappingError(
            f"{label_of(source)} is no {direction.name.lower()} relationship; map the relationship "
            "itself, such as User.manager, not its foreign key."
        )
    prop: RelationshipProperty[Any] = source.property
    return prop


def joined(source: Any, other: Any) -> sa.ColumnElement[bool]:
    """Return the whole condition of a relationship from a model to an alias of the other one.

    It is the mapper's own, with whatever a team has said in ``primaryjoin``.
    """
    condition: sa.ColumnElement[bool] = source.of_type(other).__clause_element__()
    return condition


def is_plain(prop: RelationshipProperty[Any]) -> bool:
    """Say whether a relationship is nothing but equal keys."""
    terms = _terms(prop.primaryjoin)
    if prop.secondaryjoin is not None:
        terms += _terms(prop.secondaryjoin)
    pairs = len(prop.synchronize_pairs) + len(prop.secondary_synchronize_pairs or ())
    return len(terms) == pairs


def _terms(condition: Any) -> list[Any]:
    if getattr(condition, "operator", None) is operator.and_:
        return [term for each in condition.clauses for term in _terms(each)]
    return [condition]


_EAGER = ("joined", "selectin", "subquery", "immediate", False)


def unloaded(mapper: Mapper[Any]) -> list[Any]:
    """Return the options that load an object without what its relationships would load with it.

    A team whose members are loaded with it has 100,000 of them.
    """
    return [
        lazyload(getattr(mapper.class_, each.key))
        for each in mapper.relationships
        if each.lazy in _EAGER
    ]
