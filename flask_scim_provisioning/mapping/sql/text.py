"""Comparing text in SQL as SCIM means it, on each database, with an index where there is one.

SCIM compares without case unless an attribute is caseExact (RFC 7643 section 2.2). Databases
differ: SQLite's ``lower`` knows ASCII only, PostgreSQL's follows the locale, MariaDB's knows few
letters, and its collations ignore accents and trailing blanks as well. So both sides of every
comparison go through the database's own ``lower``, and what that may not know is said beside it:

* where an index has to answer (``eq``), by the spellings of a value in either case;
* elsewhere by one function, whatever the value's letters are and however many: SQLite gets one of
  ours, PostgreSQL translates the other case of each letter that the value has, and MySQL and
  MariaDB match a regular expression that has each letter in either case.

Two things remain that a database without Unicode can't do. They concern letters beyond ASCII only:

* ``gt``, ``ge``, ``lt``, ``le`` and sorting have to fold letters that no value names. SQLite leaves
  capital letters beyond ASCII as they are, so that É comes before é; MariaDB those that it doesn't
  know, such as ϴ.
* ``eq`` on a value of ASCII letters doesn't find the Kelvin sign that stands for a k, where the
  database's ``lower`` doesn't turn it into one.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ...scim.evaluate import fold
from .backends import FOLD, MYSQL

__all__ = ["contains", "ends", "equals", "in_order", "ordered", "sort_key", "starts"]

_MOST_SPELLINGS = 64
"""How many spellings an index is asked for; a value that has more is compared without one."""

_IN_ORDER = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
_BESIDE_NUL = {"gt": "gt", "ge": "gt", "lt": "le", "le": "le"}

_DOTTED = ("\u0130", "i\u0307")
"""The Turkish capital, the one letter that becomes two; some databases make it a plain i."""

_STRAY = {
    "k": "\u212a",
    "\u00df": "\u1e9e",
    "\u00e5": "\u212b",
    "\u03b8": "\u03f4",
    "\u03c3": "\u03c2",
    "\u03c9": "\u2126",
}
"""Letters that fold into another, of which they are neither capital nor title case."""


def _others(letter: str) -> set[str]:
    """Return the letters beyond ASCII that fold into a letter, without itself."""
    found = {letter.upper(), letter.title(), _STRAY.get(letter, letter)}
    return {char for char in found if char != letter and len(char) == 1 and not char.isascii()}


_KNOWN_TO_COLLATIONS = ((0xC0, 0x17F), (0x386, 0x3CE), (0x400, 0x47F), (0x531, 0x586))
"""Letters whose two cases are equal in every collation of MySQL's and MariaDB's without case."""


def _is_known(letter: str) -> bool:
    """Say whether a collation without case finds a letter's other case by itself."""
    if len(letter) > 1 or letter in _STRAY:
        return False
    return any(low <= ord(letter) <= high for low, high in _KNOWN_TO_COLLATIONS)


def _letters(value: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each letter of a folded value, and all that fold into it, itself included."""
    for part in value.replace(_DOTTED[1], _DOTTED[0]):
        if part == _DOTTED[0]:
            yield _DOTTED[1], list(_DOTTED)
        else:
            yield part, sorted({part, *_others(part)})


def spellings(value: str, *, collated: bool = False) -> list[str] | None:
    """Return a folded value in both cases of each letter that the database may not know.

    :param collated: they are compared by a collation of MySQL's or MariaDB's, not by ``lower``.
    :returns: None where there are more than an index should be asked for.
    """
    if value.isascii():
        return [value]
    choices = [
        [letter] if letter.isascii() or (collated and _is_known(letter)) else spelled
        for letter, spelled in _letters(value)
    ]
    count = 1
    for choice in choices:
        count *= len(choice)
        if count > _MOST_SPELLINGS:
            return None
    return ["".join(parts) for parts in itertools.product(*choices)]


def _folded(expression: Any, value: str, backend: str) -> Any:
    """Return SQL that folds text, as far as the letters of a folded value are concerned.

    Its depth is the same whatever the value is. MySQL and MariaDB have a way of their own, but for
    letters of ASCII.
    """
    if value.isascii():
        return sa.func.lower(_replaced(_plain(expression, backend), sorted(set(value))))
    if backend == "sqlite":
        return getattr(sa.func, FOLD)(expression, type_=sa.String())
    if "i" in value:
        expression = sa.func.replace(expression, *map(_text, _DOTTED))
    pairs = [(other, letter) for letter in sorted(set(value)) for other in sorted(_others(letter))]
    if pairs:
        capitals, small = ("".join(letters) for letters in zip(*pairs, strict=True))
        expression = sa.func.translate(expression, _text(capitals), _text(small))
    return sa.func.lower(expression)


def _plain(expression: Any, backend: str) -> Any:
    """Return text in a character set that has every letter."""
    if backend in MYSQL:
        return sa.cast(expression, mysql.CHAR(charset="utf8mb4"))
    return expression


def _replaced(expression: Any, letters: list[str]) -> Any:
    if "i" in letters:
        expression = sa.func.replace(expression, *map(_text, _DOTTED))
    for letter in letters:
        for other in sorted(_others(letter)):
            expression = sa.func.replace(expression, _text(other), _text(letter))
    return expression


def _matches(expression: Any, value: str, backend: str, form: str = "{}") -> Any:
    """Return SQL that matches a folded value letter by letter, in either case."""
    parts = []
    for letter, spelled in _letters(value):
        if letter.isascii():
            spelled = sorted({letter, letter.upper(), *spelled})
        if len(spelled) == 1:
            parts.append(re.escape(spelled[0]))
        elif all(len(each) == 1 for each in spelled):
            parts.append(f"[{''.join(spelled)}]")
        else:
            parts.append(f"(?:{'|'.join(spelled)}|I{letter[1:]})")
    # The letters say their case themselves, whatever the column's collation thinks of it.
    pattern = "(?-i)" + form.format("".join(parts))
    return _plain(expression, backend).regexp_match(_text(pattern))


def _bytes(expression: Any) -> sa.ColumnElement[Any]:
    """Return the bytes of a text in UTF-8, so that nothing but the same text is equal to it."""
    return sa.cast(sa.cast(expression, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)


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
    expression: Any, value: str, *, case_exact: bool, backend: str, name: str | None = None
) -> sa.ColumnElement[bool]:
    """Return SQL for ``eq``, in a form that an index can answer.

    :param name: the name of the parameter, for a statement that is kept; the value is ASCII then.
    """
    same: sa.ColumnElement[bool]
    if "\0" in value:
        return sa.false()
    if case_exact:
        return _equals_exactly(expression, _text(value, name), backend)
    if name is not None:
        # The parameter's letters aren't known yet: it is folded by the database, too.
        given: Any = _text(value, name)
        right, letters = sa.func.lower(given), "i"
        forms: list[Any] | None = [given]
    else:
        letters = fold(value)
        given, forms = _text(letters), _forms(letters)
        right = given
    if backend in MYSQL and not letters.isascii():
        same = _matches(expression, letters, backend, r"\A{}\z")
        forms = _forms(letters, collated=True)
        if forms is None or not _compares_like_scim(expression):
            return same
        return sa.and_(_one_of(expression, forms), same)
    folded = _folded(expression, letters, backend)
    if backend in MYSQL:
        same = _bytes(folded) == _bytes(right)
        if forms is None or not _compares_like_scim(expression):
            return same
        return sa.and_(_one_of(expression, forms), same)
    if forms is None:
        same = folded == right
        return same
    lowered = sa.func.lower(expression)
    found = _one_of(lowered, [sa.func.lower(form) for form in forms])
    if backend == "postgresql" and "i" in letters:
        return sa.and_(found, folded == right)
    return found


def _forms(value: str, *, collated: bool = False) -> list[Any] | None:
    found = spellings(value, collated=collated)
    return None if found is None else [_text(form) for form in found]


def _one_of(expression: Any, forms: list[Any]) -> sa.ColumnElement[bool]:
    one: sa.ColumnElement[bool] = (
        expression == forms[0] if len(forms) == 1 else expression.in_(forms)
    )
    return one


def _equals_exactly(expression: Any, given: Any, backend: str) -> sa.ColumnElement[bool]:
    same: sa.ColumnElement[bool] = expression == given
    if backend not in MYSQL:
        return same
    exact: sa.ColumnElement[bool] = _bytes(expression) == _bytes(given)
    return sa.and_(same, exact) if isinstance(expression, sa.Column) else exact


def _sides(expression: Any, value: str, *, case_exact: bool, backend: str) -> tuple[Any, Any]:
    """Return haystack and needle in a form in which they are compared as they are."""
    if case_exact:
        left, right = expression, _text(value)
    else:
        value = fold(value)
        left, right = _folded(expression, value, backend), _text(value)
    return (_bytes(left), _bytes(right)) if backend in MYSQL else (left, right)


def contains(
    expression: Any, value: str, *, case_exact: bool, backend: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``co``."""
    if "\0" in value:
        return sa.false()
    if backend in MYSQL and not case_exact and not fold(value).isascii():
        matched: sa.ColumnElement[bool] = _matches(expression, fold(value), backend)
        return matched
    position = sa.func.strpos if backend == "postgresql" else sa.func.instr
    hay, needle = _sides(expression, value, case_exact=case_exact, backend=backend)
    found: sa.ColumnElement[bool] = position(hay, needle) > 0
    return found


def starts(
    expression: Any, value: str, *, case_exact: bool, backend: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``sw``."""
    if "\0" in value:
        return sa.false()
    if backend in MYSQL and not case_exact and not fold(value).isascii():
        matched: sa.ColumnElement[bool] = _matches(expression, fold(value), backend, r"\A{}")
        return matched
    hay, needle = _sides(expression, value, case_exact=case_exact, backend=backend)
    found: sa.ColumnElement[bool] = sa.func.substr(hay, 1, sa.func.length(needle)) == needle
    return found


def ends(expression: Any, value: str, *, case_exact: bool, backend: str) -> sa.ColumnElement[bool]:
    """Return SQL for ``ew``; the value isn't empty."""
    if "\0" in value:
        return sa.false()
    if backend in MYSQL and not case_exact and not fold(value).isascii():
        matched: sa.ColumnElement[bool] = _matches(expression, fold(value), backend, r"{}\z")
        return matched
    hay, needle = _sides(expression, value, case_exact=case_exact, backend=backend)
    length = sa.func.length(needle)
    end = sa.func.substr(hay, -length) if backend == "sqlite" else sa.func.right(hay, length)
    found: sa.ColumnElement[bool] = end == needle
    return found


def _ordering(expression: Any, *, case_exact: bool, backend: str) -> Any:
    folded = expression
    if not case_exact:
        # The letters that databases fold otherwise, if they fold any.
        odd = [] if backend == "sqlite" else ["i", *sorted(_STRAY)]
        folded = sa.func.lower(_replaced(_plain(expression, backend), odd))
    if backend in MYSQL:
        return _bytes(folded)
    return sa.collate(folded, "C" if backend == "postgresql" else "BINARY")


def ordered(
    expression: Any, op: str, value: str, *, case_exact: bool, backend: str
) -> sa.ColumnElement[bool]:
    """Return SQL for ``gt``, ``ge``, ``lt``, ``le``: by code point, as RFC 7644 3.4.2.2 asks."""
    left = _ordering(expression, case_exact=case_exact, backend=backend)
    before, nul, _ = (value if case_exact else fold(value)).partition("\0")
    given: Any = _text(before)
    # No kept text has a NUL, so it stands right behind what is before the NUL.
    op = _BESIDE_NUL[op] if nul else op
    return in_order(left, op, _bytes(given) if backend in MYSQL else given)


def in_order(left: Any, op: str, right: Any) -> sa.ColumnElement[bool]:
    """Return SQL for ``gt``, ``ge``, ``lt`` or ``le``."""
    condition: sa.ColumnElement[bool] = _IN_ORDER[op](left, right)
    return condition


def sort_key(expression: Any, *, case_exact: bool, backend: str) -> Any:
    """Return what text is sorted by (RFC 7644 section 3.4.2.3)."""
    return _ordering(expression, case_exact=case_exact, backend=backend)
