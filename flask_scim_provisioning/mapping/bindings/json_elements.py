"""Searching in the lists of the link row: one row for each element of a JSON list."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ...scim import attributes as scim
from ..host.links import StoredJson
from ..sql.json_values import json_value, typed_json
from .slots import Slot

__all__ = ["Elements"]


class _Each(FunctionElement[Any]):
    """The elements of the list that a JSON document has under a key, as a table."""

    name = "scim_each"
    inherit_cache = True


@compiles(_Each, "sqlite")
def _each_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, key = _arguments(element, compiler, kwargs, '$."{}"')
    return f"json_each({document}, {key})"


@compiles(_Each, "postgresql")
def _each_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, key = _arguments(element, compiler, kwargs, "{}")
    return f"jsonb_array_elements({document} -> {key})"


@compiles(_Each, "mysql", "mariadb")
def _each_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    document, key = _arguments(element, compiler, kwargs, '$."{}"[*]')
    return f"JSON_TABLE({document}, {key} COLUMNS (value JSON PATH '$'))"


def _arguments(element: Any, compiler: Any, kwargs: Any, path: str) -> tuple[str, str]:
    """Return the document's SQL and that of the path, a literal, as MariaDB demands."""
    document, key = element.clauses
    literal = compiler.render_literal_value(path.format(key.name), sa.String())
    return compiler.process(document, **kwargs), literal


class _Scalar(FunctionElement[str]):
    """The text of an element that is no object."""

    type = sa.String()
    name = "scim_scalar"
    inherit_cache = True


@compiles(_Scalar, "sqlite")
def _scalar_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"


@compiles(_Scalar, "postgresql")
def _scalar_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"{compiler.process(element.clauses, **kwargs)} #>> '{{}}'"


@compiles(_Scalar, "mysql", "mariadb")
def _scalar_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"JSON_UNQUOTE({compiler.process(element.clauses, **kwargs)})"


class Elements:
    """The elements of one attribute in the link row, as a subquery may ask for them."""

    def __init__(self, stored: sa.ColumnElement[Any], key: str, attribute: scim.Attribute) -> None:
        self._attribute = attribute
        self._links: sa.FromClause = stored.table
        self._table = _Each(stored, sa.literal_column(key)).table_valued(
            sa.column("value", StoredJson)
        )
        self._value = self._table.c.value

    def find(self, sub: str) -> Slot | None:
        """Return the slot of a sub-attribute, or of elements that are no objects."""
        if self._attribute.type is not scim.Type.COMPLEX:
            if sub != "value":
                return None
            return self._slot(self._attribute, *typed_json(_Scalar(self._value), self._attribute))
        leaf = self._attribute.sub(sub)
        if leaf is None or leaf.multi_valued:
            return None
        return self._slot(leaf, *json_value(self._value[leaf.name], leaf))

    def _slot(self, leaf: scim.Attribute, expression: Any, textual: bool) -> Slot:
        return Slot(leaf, expression, "the link row", textual=textual)

    def marked(self, name: str) -> sa.ColumnElement[bool]:
        """Return SQL that says whether an element has a key that is no sub-attribute."""
        found: sa.ColumnElement[bool] = self._value[name].as_string().is_not(None)
        return found

    def exist(self, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """Return SQL that says whether an element meets the conditions."""
        return sa.exists(
            sa.select(sa.literal_column("1"))
            .select_from(self._table)
            .where(*conditions)
            .correlate(self._links)
        )

    def first(self, expression: Any, condition: sa.ColumnElement[bool]) -> Any:
        """Return an expression of the element that meets a condition; one at most does."""
        return (
            sa.select(expression)
            .select_from(self._table)
            .where(condition)
            .limit(1)
            .correlate(self._links)
            .scalar_subquery()
        )
