"""Lists of keys in one column, JSON or ARRAY: one row for each of their elements."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .types import python_type_of

__all__ = ["JsonElements", "elements_of", "is_list", "key_reader"]


def is_list(type_: sa.types.TypeEngine[Any]) -> bool:
    """Say whether a column may have a list: JSON, or ARRAY of PostgreSQL."""
    inner = type_.impl_instance if isinstance(type_, sa.TypeDecorator) else type_
    return isinstance(inner, sa.JSON | sa.ARRAY)


def elements_of(
    column: sa.ColumnElement[Any], key: sa.ColumnElement[Any]
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return a table of the elements of a list, and SQL that says whether one names a key.

    What is no list has no elements, and an element that can be no key names nobody.
    """
    each = _Texts(column).table_valued(sa.column("value", sa.String()))
    text = sa.type_coerce(each.c.value, sa.String())
    kind = python_type_of(key.type)
    if kind is int:
        return each, key == _Integer(text)
    if kind is uuid.UUID:
        return each, sa.type_coerce(key, sa.String()) == _Uuid(text)
    return each, sa.type_coerce(key, sa.String()) == _Text(text)


def key_reader(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return the function that reads an element of a list as a key of a type; None for none."""
    kind = python_type_of(type_)

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


class JsonElements(FunctionElement[Any]):
    """The elements of the list that a column has, JSON or ARRAY, as a table of them."""

    name = "scim_elements"
    inherit_cache = True

    on_postgresql = "jsonb_array_elements"
    on_mysql = "JSON"


class _Texts(JsonElements):
    """The same as texts."""

    inherit_cache = True

    on_postgresql = "jsonb_array_elements_text"
    on_mysql = "VARCHAR(255)"


@compiles(JsonElements, "sqlite")
def _elements_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    document = compiler.process(element.clauses, **kwargs)
    # Two conditions, one inside the other: json_type() fails where there is no JSON.
    is_list = f"CASE WHEN json_type({document}) = 'array' THEN {document} END"
    return f"json_each(CASE WHEN json_valid({document}) THEN {is_list} END)"


@compiles(JsonElements, "postgresql")
def _elements_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    # JSON in either form, and an ARRAY.
    document = f"to_jsonb({compiler.process(element.clauses, **kwargs)})"
    is_list = f"CASE WHEN jsonb_typeof({document}) = 'array' THEN {document} END"
    return f"{element.on_postgresql}({is_list})"


@compiles(JsonElements, "mysql", "mariadb")
def _elements_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document = compiler.process(element.clauses, **kwargs)
    return (
        f"JSON_TABLE(IF(JSON_TYPE({document}) = 'ARRAY', {document}, NULL), '$[*]' "
        f"COLUMNS (value {element.on_mysql} PATH '$'))"
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
