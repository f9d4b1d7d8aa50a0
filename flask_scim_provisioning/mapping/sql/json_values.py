"""Scalars of SCIM's types inside JSON documents, as SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ...scim import attributes as scim

__all__ = ["document_of", "json_value", "sql_type", "typed_json"]

_WHOLE = "^-?[0-9]{1,18}$"
_NUMBER = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"


class _Document(FunctionElement[Any]):
    """A JSON column of the host's, or NULL where it has something else."""

    type = sa.JSON()
    name = "scim_document"
    inherit_cache = True


@compiles(_Document)
def _document(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


@compiles(_Document, "sqlite")
def _document_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    # SQLite keeps JSON as text, and fails the whole statement by one that is none.
    column = compiler.process(element.clauses, **kwargs)
    return f"CASE WHEN json_valid({column}) THEN {column} END"


@compiles(_Document, "postgresql")
def _document_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS JSONB)"


class _Scalar(FunctionElement[str]):
    """The text of a scalar at a path of a document; NULL where something else is there."""

    type = sa.String()
    name = "scim_scalar_at"
    inherit_cache = True


@compiles(_Scalar, "sqlite")
def _scalar_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, path = (compiler.process(each, **kwargs) for each in element.clauses)
    return (
        f"CASE WHEN json_type({document}, {path}) IN ('true', 'false') "
        f"THEN json_type({document}, {path}) "
        f"WHEN json_type({document}, {path}) NOT IN ('object', 'array', 'null') "
        f"THEN CAST(json_extract({document}, {path}) AS TEXT) END"
    )


@compiles(_Scalar, "postgresql")
def _scalar_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, path = (compiler.process(each, **kwargs) for each in element.clauses)
    # Strictly, so that a list of objects isn't taken for one; what isn't there is no error.
    strict = f"CAST('strict ' || {path} AS JSONPATH)"
    found = f"jsonb_path_query_first({document}, {strict}, '{{}}', true)"
    return (
        f"CASE WHEN jsonb_typeof({found}) IN ('string', 'number', 'boolean') "
        f"THEN {found} #>> '{{}}' END"
    )


@compiles(_Scalar, "mysql", "mariadb")
def _scalar_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, path = (compiler.process(each, **kwargs) for each in element.clauses)
    found = f"JSON_EXTRACT({document}, {path})"
    return (
        f"CASE WHEN JSON_TYPE({found}) NOT IN ('OBJECT', 'ARRAY', 'NULL') "
        f"THEN JSON_UNQUOTE({found}) END"
    )


def document_of(
    column: sa.ColumnElement[Any], path: Sequence[str], attribute: scim.Attribute
) -> tuple[sa.ColumnElement[Any], bool]:
    """Return the SQL of a scalar in a JSON column of the host's, and whether it is text.

    Whatever else the column has, or the path leads to, is NULL: no row makes a statement fail.

    :param path: the keys that lead to it.
    """
    names = "".join("." + json.dumps(name) for name in path)
    # The path is ours and the same in each statement, and some databases take no parameter for it.
    where = sa.literal_column("'" + f"${names}".replace("'", "''") + "'", sa.String())
    text: Any = _Scalar(_Document(column), where)
    match attribute.type:
        case scim.Type.BOOLEAN:
            return sa.case((text == "true", sa.true()), (text == "false", sa.false())), False
        case scim.Type.INTEGER:
            number = sa.cast(text, sa.BigInteger)
            return sa.case((text.regexp_match(_WHOLE), number)), False
        case scim.Type.DECIMAL:
            return sa.case((text.regexp_match(_NUMBER), sa.cast(text, sa.Float))), False
        case _:
            return text, True


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
