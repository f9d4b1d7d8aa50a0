"""What the type of a column is, under the ``TypeDecorator`` of a portal."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

__all__ = ["Kind", "innermost", "is_array", "python_type_of"]

Kind: TypeAlias = "sa.types.TypeEngine[Any]"


def innermost(kind: Kind) -> Kind:
    """Return what the database is given, under however many decorators."""
    while isinstance(kind, sa.TypeDecorator):
        kind = kind.impl_instance
    return kind


def is_array(kind: Kind, dialect: sa.Dialect) -> bool:
    """Say whether a column is an ARRAY on a database; a variant is one on PostgreSQL alone."""
    return isinstance(innermost(kind.dialect_impl(dialect)), sa.ARRAY)


def python_type_of(kind: Kind) -> type[Any] | None:
    """Return the type of a column's values, or None where it doesn't say."""
    try:
        found = kind.python_type
    except NotImplementedError:
        return None
    return None if found is object else found
