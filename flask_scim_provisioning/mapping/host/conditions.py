"""What a relationship's join says beside its equal keys, and what a new row needs to meet it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    False_,
    Grouping,
    Null,
    True_,
    UnaryExpression,
)

__all__ = ["RowCondition", "condition_of"]


@dataclass(slots=True)
class RowCondition:
    """The terms of a join that aren't equal keys.

    :ivar of_row: those on the table in between, in its own columns.
    :ivar of_member: those on the members' tables, in theirs.
    :ivar values: what a new row has to say so that it meets the terms, by column.
    :ivar unwritable: in SQL, the terms that no value makes true.
    """

    of_row: list[sa.ColumnElement[bool]] = field(default_factory=list)
    of_member: list[sa.ColumnElement[bool]] = field(default_factory=list)
    values: dict[sa.Column[Any], Any] = field(default_factory=dict)
    unwritable: list[str] = field(default_factory=list)


def condition_of(
    joins: Iterable[Any],
    pairs: Iterable[tuple[Any, Any]],
    row: sa.FromClause,
    members: Sequence[sa.FromClause],
) -> RowCondition:
    """Return what joins say beside their pairs of equal columns.

    :param pairs: the columns that a row names a group and a member by, with what they name.
    :param row: the table of memberships.
    :param members: the members' tables.
    """
    same = {frozenset((hash(one), hash(other))) for one, other in pairs}
    found = RowCondition()
    for join in joins:
        for term in _terms(join):
            if not _is_pair(term, same):
                _sort(term, row, members, found)
    return found


def _terms(join: Any) -> list[Any]:
    if join is None:
        return []
    if isinstance(join, Grouping):
        return _terms(join.element)
    if getattr(join, "operator", None) is operators.and_:
        return [term for each in join.clauses for term in _terms(each)]
    return [join]


def _is_pair(term: Any, same: set[frozenset[int]]) -> bool:
    return (
        isinstance(term, BinaryExpression)
        and term.operator is operators.eq
        and frozenset((hash(term.left), hash(term.right))) in same
    )


def _sort(
    term: Any, row: sa.FromClause, members: Sequence[sa.FromClause], found: RowCondition
) -> None:
    columns = [each for each in visitors.iterate(term) if isinstance(each, sa.Column)]
    plain = _plainly(term)
    if columns and all(_own(column, row) is not None for column in columns):
        found.of_row.append(plain)
        value = _value(term, row)
        if value is None:
            found.unwritable.append(_text(plain))
        else:
            found.values.update(value)
    elif columns and all(
        any(_own(column, each) is not None for each in members) for column in columns
    ):
        found.of_member.append(plain)
    else:
        found.unwritable.append(_text(plain))


def _text(term: Any) -> str:
    return str(term.compile(compile_kwargs={"literal_binds": False}))


def _own(column: sa.Column[Any], table: sa.FromClause) -> Any:
    """Return a table's column without the marks that a relationship puts on it."""
    own = table.c.get(column.key)
    return own if own is not None and hash(own) == hash(column) else None


def _plainly(term: Any) -> Any:
    """Return a term without the marks that a relationship puts on its columns."""

    def plain(element: Any, **_kwargs: Any) -> Any:
        if isinstance(element, sa.Column) and isinstance(element.table, sa.Table):
            table: Any = element.table
            own = table.metadata.tables.get(table.key)
            return own.c[element.key] if own is not None and element.key in own.c else None
        return None

    return visitors.replacement_traverse(term, {}, plain)


def _value(term: Any, row: sa.FromClause) -> Mapping[sa.Column[Any], Any] | None:
    """Return what a new row has to say to meet a term: nothing where its defaults do."""
    if isinstance(term, sa.Column):
        return {_own(term, row): True}  # a flag by itself
    if isinstance(term, UnaryExpression):
        element: Any = term.element
        if isinstance(element, sa.Column) and term.operator in (
            operators.inv,
            operators.is_false,
            operators.is_true,
        ):
            return {_own(element, row): term.operator is operators.is_true}
        return None
    if not isinstance(term, BinaryExpression) or not isinstance(term.left, sa.Column):
        return None
    column = _own(term.left, row)
    known, value = _constant(term.right)
    if not known:
        return None
    default = (
        column.default.arg if column.default is not None and column.default.is_scalar else None
    )
    match term.operator:
        case operators.eq | operators.is_ if not isinstance(value, list):
            return {column: value}
        case operators.in_op if len(value) == 1:
            return {column: value[0]}
        case operators.in_op if default is not None and default in value:
            return {}
        case operators.ne | operators.is_not if value is None:
            return {} if column.default is not None or column.server_default is not None else None
        case operators.ne if default is not None and default != value:
            return {}
        case operators.not_in_op if default is not None and default not in value:
            return {}
    return None


def _constant(right: Any) -> tuple[bool, Any]:
    """Say whether SQL is a constant, and return it."""
    if isinstance(right, Grouping):
        return _constant(right.element)
    if isinstance(right, Null):
        return True, None
    if isinstance(right, True_ | False_):
        return True, isinstance(right, True_)
    if isinstance(right, BindParameter) and right.callable is None and not right.required:
        value: Any = right.value
        return True, list(value) if right.expanding else value
    return False, None
