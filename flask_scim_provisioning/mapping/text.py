"""Comparing text in SQL as SCIM means it, on each database, with an index where there is one.

SCIM compares without case unless an attribute is caseExact (RFC 7643 section 2.2). Databases
differ: SQLite's ``lower`` and ``LIKE`` know ASCII only, PostgreSQL's follow the locale,
MariaDB's collations ignore accents and trailing blanks as well. Both sides of every comparison go
through the database's own ``lower``, and values with other letters than ASCII are given in each
of their spellings.
"""

from __future__ import annotations

import itertools
import operator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

__all__ = ["contains", "ends", "equals", "in_order", "ordered", "sort_key", "starts"]

_MOST_LETTERS = 6
"""How many letters beyond ASCII are tried in both cases: 64 spellings at most."""

_MYSQL = ("mysql", "mariadb")
_IN_ORDER = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def _bytes(expression: Any) -> sa.ColumnElement[Any]:
    """Return the bytes of a text in UTF-8, so that nothing but the same text is equal to it."""
    return sa.cast(sa.cast(expression, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)


def spellings(value: str) -> list[str]:
    """Return a value in both cases of each letter that ``lower`` may not know."""
    if value.isascii():
        return [value]
    letters = [
        {char.lower(), char.upper()} if not char.isascii() and len(char.upper()) == 1 else {char}
        for char in value
    ]
    if sum(len(choice) > 1 for choice in letters) > _MOST_LETTERS:
        return list({value, value.lower(), value.upper()})
    return ["".join(parts) for parts in itertools.product(*map(sorted, letters))]


def _compares_like_scim(expression: Any) -> bool:
    """Say whether a MariaDB comparison can only find too much, so that an index may narrow it.

    Columns ignore case by their collation unless it says otherwise; JSON functions and
    expressions compare exactly, and would find too little.
    """
    collation = getattr(expression.type, "collation", None) or ""
    return isinstance(expression, sa.Column) and not collation.endswith(("_bin", "_cs"))


def _text(value: str, name: str | None = None) -> sa.BindParameter[str]:
    return sa.bindparam(name, value, sa.String(), unique=name is None)


def equals(
    expression: Any, value: str, *, case_exact: bool, dialect: str, name: str | None = None
) -> sa.ColumnElement[bool]:
    """Return SQL for ``eq``, in a form that an index can answer.

    :param name: the name of the parameter, for a statement that is kept; the value is ASCII then.
    """
    given = _text(value, name)
    if dialect in _MYSQL:
        if case_exact:
            return sa.and_(expression == given, _bytes(expression) == _bytes(given))
        exact = _bytes(sa.func.lower(expression)) == _bytes(sa.func.lower(given))
        return sa.and_(expression == given, exact) if _compares_like_scim(expression) else exact
    if case_exact:
        same: sa.ColumnElement[bool] = expression == given
        return same
    if name is not None:
        return sa.func.lower(expression) == sa.func.lower(given)
    forms = [sa.func.lower(_text(form)) for form in spellings(value)]
    lowered = sa.func.lower(expression)
    return lowered == forms[0] if len(forms) == 1 else lowered.in_(forms)


def _sides(expression: Any, value: str, *, case_exact: bool, dialect: str) -> list[tuple[Any, Any]]:
    """Return the pairs of haystack and needle, one for each spelling."""
    if dialect in _MYSQL:
        if case_exact:
            return [(_bytes(expression), _bytes(_text(value)))]
        return [(_bytes(sa.func.lower(expression)), _bytes(sa.func.lower(_text(value))))]
    if case_exact:
        return [(expression, _text(value))]
    lowered = sa.func.lower(expression)
    return [(lowered, sa.func.lower(_text(form))) for form in spellings(value)]


def contains(
    expression: Any, value: str, *, case_exact: bool, dialect: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``co``."""
    position = sa.func.strpos if dialect == "postgresql" else sa.func.instr
    pairs = _sides(expression, value, case_exact=case_exact, dialect=dialect)
    return sa.or_(*(position(hay, needle) > 0 for hay, needle in pairs))


def starts(
    expression: Any, value: str, *, case_exact: bool, dialect: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``sw``."""
    pairs = _sides(expression, value, case_exact=case_exact, dialect=dialect)
    return sa.or_(
        *(sa.func.substr(hay, 1, sa.func.length(needle)) == needle for hay, needle in pairs)
    )


def ends(expression: Any, value: str, *, case_exact: bool, dialect: str) -> sa.ColumnElement[bool]:
    """Return SQL for ``ew``; the value isn't empty."""
    pairs = _sides(expression, value, case_exact=case_exact, dialect=dialect)
    if dialect == "sqlite":
        return sa.or_(
            *(sa.func.substr(hay, -sa.func.length(needle)) == needle for hay, needle in pairs)
        )
    return sa.or_(*(sa.func.right(hay, sa.func.length(needle)) == needle for hay, needle in pairs))


def _ordering(expression: Any, *, case_exact: bool, dialect: str) -> Any:
    folded = expression if case_exact else sa.func.lower(expression)
    if dialect in _MYSQL:
        return _bytes(folded)
    return sa.collate(folded, "C" if dialect == "postgresql" else "BINARY")


def ordered(
    expression: Any, op: str, value: str, *, case_exact: bool, dialect: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``gt``, ``ge``, ``lt``, ``le``: by code point, as RFC 7644 3.4.2.2 asks."""
    left = _ordering(expression, case_exact=case_exact, dialect=dialect)
    given: Any = _text(value if case_exact else value.lower())
    right = _bytes(given) if dialect in _MYSQL else given
    return in_order(left, op, right)


def in_order(left: Any, op: str, right: Any) -> sa.ColumnElement[bool]:
    """Return SQL for ``gt``, ``ge``, ``lt`` or ``le``."""
    condition: sa.ColumnElement[bool] = _IN_ORDER[op](left, right)
    return condition


def sort_key(expression: Any, *, case_exact: bool, dialect: str) -> Any:
    """Return what text is sorted by (RFC 7644 section 3.4.2.3)."""
    return _ordering(expression, case_exact=case_exact, dialect=dialect)
