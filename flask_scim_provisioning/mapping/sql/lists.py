"""Lists of keys in one column, JSON or ARRAY: one row for each of their elements."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["elements_of", "is_array", "is_list", "key_reader"]


def is_list(type_: sa.types.TypeEngine[Any]) -> bool:
    """Say whether a column may have a list: JSON, or ARRAY of PostgreSQL."""
    inner = type_.impl_instance if isinstance(type_, sa.TypeDecorator) else type_
    return isinstance(inner, sa.JSON | sa.ARRAY)


def is_array(type_: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> bool:
    """Say whether a column is an ARRAY on a database; a variant is one on PostgreSQL alone."""
    inner = type_.dialect_impl(dialect)
    return isinstance(
        inner.impl_instance if isinstance(inner, sa.TypeDecorator) else inner, sa.ARRAY
    )


def elements_of(
    column: sa.ColumnElement[Any], key: sa.ColumnElement[Any]
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return a table of the elements of a list, and SQL that says whether one names a key.

    What is no list has no elements, and an element that can be no key names nobody.
    """
    each = _Elements(column).table_valued(sa.column("value", sa.String()))
    text = sa.type_coerce(each.c.value, sa.String())
    kind = _python_type(key.type)
    if kind is int:
        return each, key == _Integer(text)
    if kind is uuid.UUID:
        return each, sa.type_coerce(key, sa.String()) == _Uuid(text)
    return each, sa.type_coerce(key, sa.String()) == _Text(text)


def key_reader(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return the function that reads an element of a list as a key of a type; None for none."""
    kind = _python_type(type_)

    def read(element: Any) -> Any:
        try:
            if kind is int:
                return int(element) if not isinstance(element, bool | float) else None
            if kind is uuid.UUID:
                return element if isinstance(element, uuid.UUID) else uuid.UUID(element)
        except (TypeError, ValueError, AttributeError):
            return None
        return element

    return read


def _python_type(type_: sa.types.TypeEngine[Any]) -> type[Any]:
    try:
        found: type[Any] = type_.python_type
    except NotImplementedError:
        return str
    return found


class _Elements(FunctionElement[Any]):
    """The elements of a JSON list, as a table; their texts are its values."""

    name = "scim_elements"
    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    document = compiler.process(element.clauses, **kwargs)
    # Two conditions, one inside the other: json_type() fails where there is no JSON.
    is_list = f"CASE WHEN json_type({document}) = 'array' THEN {document} END"
    return f"json_each(CASE WHEN json_valid({document}) THEN {is_list} END)"


@compiles(_Elements, "postgresql")
def _elements_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    # JSON in either form, and an ARRAY.
    document = f"to_jsonb({compiler.process(element.clauses, **kwargs)})"
    return (
        f"jsonb_array_elements_text(CASE WHEN jsonb_typeof({document}) = 'array' "
        f"THEN {document} END)"
    )


@compiles(_Elements, "mysql", "mariadb")
def _elements_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document = compiler.process(element.clauses, **kwargs)
    return (
        f"JSON_TABLE(IF(JSON_TYPE({document}) = 'ARRAY', {document}, NULL), '$[*]' "
        "COLUMNS (value VARCHAR(255) PATH '$'))"
    )


class _Integer(FunctionElement[int]):
    """The whole number that a text is, or NULL."""

    type = sa.BigInteger()
    name = "scim_integer"
    inherit_cache = True


@compiles(_Integer, "sqlite")
def _integer_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"
    return (
        f"CASE WHEN CAST(CAST({text} AS INTEGER) AS TEXT) = {text} THEN CAST({text} AS INTEGER) END"
    )


@compiles(_Integer, "postgresql")
def _integer_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return f"CASE WHEN {text} ~ '^-?[0-9]{{1,18}}$' THEN CAST({text} AS BIGINT) END"


@compiles(_Integer, "mysql", "mariadb")
def _integer_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return f"CASE WHEN {text} REGEXP '^-?[0-9]{{1,18}}$' THEN CAST({text} AS SIGNED) END"


class _Uuid(FunctionElement[Any]):
    """A UUID as the database compares it, of a text in any spelling; NULL where it is none."""

    type = sa.String()
    name = "scim_uuid"
    inherit_cache = True


@compiles(_Uuid)
def _uuid(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return f"lower(replace({text}, '-', ''))"


@compiles(_Uuid, "postgresql")
def _uuid_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return f"CASE WHEN replace({text}, '-', '') ~* '^[0-9a-f]{{32}}$' THEN CAST({text} AS UUID) END"


class _Text(FunctionElement[str]):
    """A text that is compared to the letter, whatever collation the other one has."""

    type = sa.String()
    name = "scim_text"
    inherit_cache = True


@compiles(_Text)
def _text(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


@compiles(_Text, "mysql", "mariadb")
def _text_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return (
        f"CONVERT({compiler.process(element.clauses, **kwargs)} USING utf8mb4) COLLATE utf8mb4_bin"
    )
