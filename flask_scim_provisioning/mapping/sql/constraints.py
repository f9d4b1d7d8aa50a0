"""What a database says of a row that it refuses: which constraint, and over which columns."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

__all__ = ["Violated", "Violation", "is_no_table", "kind_of", "number_of", "state_of", "violation"]


class Violated(enum.Enum):
    """The kinds of constraints, in the words of a message."""

    UNIQUE = "a unique constraint"
    FOREIGN_KEY = "a foreign key"
    NOT_NULL = "a column that can't be empty"
    CHECK = "a check constraint"
    OTHER = "a constraint"


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint that a row doesn't meet.

    :ivar name: of the constraint, where the database tells it.
    :ivar columns: the names of its columns in the database, as far as they are known.
    """

    kind: Violated
    name: str | None
    columns: frozenset[str]

    @property
    def label(self) -> str:
        """What it is, for people."""
        if self.columns:
            return f"{self.kind.value} ({', '.join(sorted(self.columns))})"
        return f"{self.kind.value} ({self.name})" if self.name else self.kind.value


# PostgreSQL: "Error Codes", class 23.
_SQLSTATES = {
    "23505": Violated.UNIQUE,
    "23P01": Violated.UNIQUE,
    "23503": Violated.FOREIGN_KEY,
    "23001": Violated.FOREIGN_KEY,
    "23502": Violated.NOT_NULL,
    "23514": Violated.CHECK,
}
# MySQL and MariaDB: some of these come as OperationalError.
_ERRNOS = {
    1062: Violated.UNIQUE,
    1586: Violated.UNIQUE,
    1216: Violated.FOREIGN_KEY,
    1217: Violated.FOREIGN_KEY,
    1451: Violated.FOREIGN_KEY,
    1452: Violated.FOREIGN_KEY,
    1048: Violated.NOT_NULL,
    1364: Violated.NOT_NULL,
    3819: Violated.CHECK,
    4025: Violated.CHECK,
}
_WORDS = (
    ("UNIQUE constraint failed", Violated.UNIQUE),
    ("FOREIGN KEY constraint failed", Violated.FOREIGN_KEY),
    ("NOT NULL constraint failed", Violated.NOT_NULL),
    ("CHECK constraint failed", Violated.CHECK),
)

_NOT_WRITABLE = frozenset({"55000", 1288, 1348, 1394, 1395, 1471})
"""A view that takes no rows, by SQLSTATE of PostgreSQL and by error number of MySQL."""


def kind_of(error: DBAPIError) -> Violated | None:
    """Return which kind of constraint a failed statement has violated, where it is one of these."""
    cause: Any = error.orig
    # A driver of MySQL may give both; its numbers say more than the general "23000".
    number, state = number_of(cause), state_of(cause)
    if number is not None:
        return _ERRNOS.get(number)
    if state is not None:
        return _SQLSTATES.get(state)
    message = str(cause)
    return next((kind for words, kind in _WORDS if words in message), None)


def violation(error: DBAPIError, table: sa.Table) -> Violation | None:
    """Return what a failed statement has violated; None where it failed for another reason."""
    cause: Any = error.orig
    kind, message = kind_of(error), str(cause)
    if kind is not None:
        if number_of(cause) is not None:
            return _on_mysql(kind, message, table)
        if state_of(cause) is not None:
            return _on_postgresql(kind, cause, table)
        return _on_sqlite(kind, message, table)
    if isinstance(error, IntegrityError | DataError):
        return Violation(Violated.OTHER, None, frozenset())
    return None


def is_no_table(error: DBAPIError) -> bool:
    """Say whether a statement failed because a view takes no rows."""
    cause: Any = error.orig
    code = number_of(cause) or state_of(cause)
    return code in _NOT_WRITABLE or "because it is a view" in str(cause)


def state_of(cause: Any) -> str | None:
    """Return the SQLSTATE of a driver's error, where it has one."""
    found = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return found if isinstance(found, str) else None


def number_of(cause: Any) -> int | None:
    """Return the number that MySQL and MariaDB give an error."""
    arguments = getattr(cause, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _on_postgresql(kind: Violated, cause: Any, table: sa.Table) -> Violation:
    diagnostics = getattr(cause, "diag", None)
    name = getattr(diagnostics, "constraint_name", None)
    detail = getattr(diagnostics, "message_detail", None) or ""
    column = getattr(diagnostics, "column_name", None)
    columns = {column} if column else set()
    if kind in (Violated.UNIQUE, Violated.FOREIGN_KEY):
        # "Key (user_id)=(5) …" in the words of the server's language.
        found = re.search(r"\(([^()]*)\)=\(", detail)
        columns = _split(found[1]) if found else _columns_of(table, name)
    return Violation(kind, name, frozenset(columns))


def _on_mysql(kind: Violated, message: str, table: sa.Table) -> Violation:
    name: str | None = None
    columns: set[str] = set()
    match kind:
        case Violated.UNIQUE:
            found = re.findall(r"for key '([^']+)'", message)
            name = found[-1].rpartition(".")[2] if found else None
            columns = _columns_of(table, name)
        case Violated.FOREIGN_KEY:
            found = re.findall(r"CONSTRAINT `([^`]+)` FOREIGN KEY \(([^)]*)\)", message)
            if found:
                name, columns = found[0][0], _split(found[0][1])
        case Violated.CHECK:
            found = re.findall(r"(?:CONSTRAINT `|[Cc]heck constraint ')([^`']+)", message)
            name = found[0] if found else None
        case _:
            found = re.findall(r"(?:Column|Field) '([^']+)'", message)
            columns = set(found[:1])
    return Violation(kind, name, frozenset(columns))


def _on_sqlite(kind: Violated, message: str, table: sa.Table) -> Violation:
    _, _, rest = message.partition("failed: ")
    name: str | None = None
    columns: set[str] = set()
    if kind in (Violated.UNIQUE, Violated.NOT_NULL):
        index = re.fullmatch(r"index '(.+)'", rest)
        if index is not None:
            name, columns = index[1], _columns_of(table, index[1])
        else:
            columns = {part.rpartition(".")[2] for part in rest.split(", ") if part}
    elif rest:
        name = rest
    return Violation(kind, name, frozenset(columns))


def _split(text: str) -> set[str]:
    return {part.strip().strip('"`') for part in text.split(",")}


def _columns_of(table: sa.Table, name: str | None) -> set[str]:
    """Return the columns of a unique constraint or index, as the host's metadata has it."""
    if name == "PRIMARY":
        return _names(table.primary_key.columns)
    unique: list[Any] = [table.primary_key]
    unique += [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    unique += [each for each in table.indexes if each.unique]
    for each in unique:
        if each.name is not None and str(each.name) == name:
            return _names(each.columns)
    # MySQL calls a constraint without a name by its first column.
    for each in unique:
        first = next(iter(each.columns), None)
        if first is not None and name is not None and re.fullmatch(rf"{first.name}(_\d+)?", name):
            return _names(each.columns)
    return set()


def _names(columns: Iterable[Any]) -> set[str]:
    return {column.name for column in columns}
