"""Scalars of SCIM's types inside JSON documents, as SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim

__all__ = ["json_value", "sql_type", "typed_json"]


def json_value(path: Any, attribute: scim.Attribute) -> tuple[sa.ColumnElement[Any], bool]:
    """Return the SQL of a scalar inside a JSON document, and whether it is text."""
    if attribute.type is scim.Type.DECIMAL:
        return path.as_float(), False
    return typed_json(path.as_string(), attribute)


def typed_json(text: Any, attribute: scim.Attribute) -> tuple[sa.ColumnElement[Any], bool]:
    """Return SQL of the attribute's type from the text of a scalar in JSON, which may be NULL.

    Booleans are spelled out, because MariaDB takes one that isn't there for false; SQLite has them
    as numbers unless they are cast.
    """
    match attribute.type:
        case scim.Type.BOOLEAN:
            text = sa.cast(text, sa.String)
            yes, no = text.in_(("true", "1")), text.in_(("false", "0"))
            return sa.case((yes, sa.true()), (no, sa.false())), False
        case scim.Type.INTEGER:
            return sa.cast(text, sa.BigInteger), False
        case scim.Type.DECIMAL:
            return sa.cast(text, sa.Float), False
        case _:
            return text, True


def sql_type(attribute: scim.Attribute) -> sa.types.TypeEngine[Any]:
    """Return the SQL type that a scalar of SCIM's is compared as."""
    match attribute.type:
        case scim.Type.BOOLEAN:
            return sa.Boolean()
        case scim.Type.INTEGER:
            return sa.BigInteger()
        case scim.Type.DECIMAL:
            return sa.Float()
        case _:
            return sa.String()
