"""What an error of a database means for the transaction it happened in, as a table.

Each driver has codes of its own: SQLSTATE on PostgreSQL, error numbers on MySQL and MariaDB, result
codes on SQLite. What the table doesn't name refuses one statement, which the databases promise for
every error that they don't say otherwise of.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

__all__ = [
    "DATABASE_ERRORS",
    "DatabaseError",
    "Meaning",
    "code_of",
    "is_away",
    "is_connection_lost",
    "kind_of_error",
    "meaning_of",
    "traceback_of",
]


_LONGEST_CHAIN = 10
_MOST_FRAMES = 30


class Meaning(enum.Enum):
    """What has to follow from an error."""

    AGAIN = "the transaction is lost; the same one, from its beginning, may succeed"
    UNAVAILABLE = "the database can't do it now; the client is told when to return"
    REFUSED = "one statement is refused; what was done before it stands"


@dataclass(frozen=True, slots=True)
class DatabaseError:
    """One row of the table.

    :ivar backend: ``"postgresql"``, ``"mysql"`` (MariaDB too) or ``"sqlite"``.
    :ivar code: SQLSTATE or its class of two characters, error number, or primary result code.
    :ivar what: the name that the database gives it.
    :ivar words: a part of its text, where a code has several meanings, or a driver tells none.
    """

    backend: str
    code: str | int
    what: str
    meaning: Meaning
    words: str = ""


def _rows(backend: str, meaning: Meaning, *errors: tuple[Any, ...]) -> tuple[DatabaseError, ...]:
    return tuple(DatabaseError(backend, code, what, meaning, *more) for code, what, *more in errors)


DATABASE_ERRORS: tuple[DatabaseError, ...] = (
    # "PostgreSQL Error Codes", appendix A of its manual.
    *_rows(
        "postgresql",
        Meaning.AGAIN,
        ("08", "connection_exception"),
        ("25P02", "in_failed_sql_transaction"),
        ("25P03", "idle_in_transaction_session_timeout"),
        ("3B001", "invalid_savepoint_specification"),
        ("40000", "transaction_rollback"),
        ("40001", "serialization_failure"),
        ("40003", "statement_completion_unknown"),
        ("40P01", "deadlock_detected"),
        ("55P03", "lock_not_available"),
        ("57P01", "admin_shutdown"),
        ("57P02", "crash_shutdown"),
        ("57P05", "idle_session_timeout"),
    ),
    *_rows(
        "postgresql",
        Meaning.UNAVAILABLE,
        ("25006", "read_only_sql_transaction"),
        ("25P04", "transaction_timeout"),
        ("53", "insufficient_resources"),
        ("57014", "query_canceled"),
        ("57P03", "cannot_connect_now"),
        ("57P04", "database_dropped"),
        ("58", "system_error"),
    ),
    # "MariaDB Error Code Reference" and "MySQL Server Error Message Reference"; 2xxx is the client.
    *_rows(
        "mysql",
        Meaning.AGAIN,
        (1020, "ER_CHECKREAD"),
        (1053, "ER_SERVER_SHUTDOWN"),
        (1158, "ER_NET_READ_ERROR"),
        (1159, "ER_NET_READ_INTERRUPTED"),
        (1160, "ER_NET_ERROR_ON_WRITE"),
        (1161, "ER_NET_WRITE_INTERRUPTED"),
        (1205, "ER_LOCK_WAIT_TIMEOUT"),
        (1213, "ER_LOCK_DEADLOCK"),
        (1305, "ER_SP_DOES_NOT_EXIST", "SAVEPOINT"),
        (1412, "ER_TABLE_DEF_CHANGED"),
        (1927, "ER_CONNECTION_KILLED"),
        (2006, "CR_SERVER_GONE_ERROR"),
        (2013, "CR_SERVER_LOST"),
        (2055, "CR_SERVER_LOST_EXTENDED"),
        (3572, "ER_LOCK_NOWAIT"),
        (4031, "ER_CLIENT_INTERACTION_TIMEOUT"),
    ),
    *_rows(
        "mysql",
        Meaning.UNAVAILABLE,
        (1021, "ER_DISK_FULL"),
        (1030, "ER_GET_ERRNO"),
        (1037, "ER_OUTOFMEMORY"),
        (1040, "ER_CON_COUNT_ERROR"),
        (1041, "ER_OUT_OF_RESOURCES"),
        (1047, "ER_UNKNOWN_COM_ERROR", "WSREP"),
        (1114, "ER_RECORD_FILE_FULL"),
        (1180, "ER_ERROR_DURING_COMMIT"),
        (1203, "ER_TOO_MANY_USER_CONNECTIONS"),
        (1206, "ER_LOCK_TABLE_FULL"),
        (1223, "ER_CANT_UPDATE_WITH_READLOCK"),
        (1226, "ER_USER_LIMIT_REACHED"),
        (1290, "ER_OPTION_PREVENTS_STATEMENT"),
        (1317, "ER_QUERY_INTERRUPTED"),
        (1637, "ER_TOO_MANY_CONCURRENT_TRXS"),
        (1792, "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION"),
        (1836, "ER_READ_ONLY_MODE"),
        (1969, "ER_STATEMENT_TIMEOUT"),
        (2002, "CR_CONNECTION_ERROR"),
        (2003, "CR_CONN_HOST_ERROR"),
        (3024, "ER_QUERY_TIMEOUT"),
    ),
    # "Result and Error Codes" of SQLite; an extended code has the primary one in its low byte.
    *_rows(
        "sqlite",
        Meaning.AGAIN,
        (1, "SQLITE_ERROR", "no such savepoint"),
        (5, "SQLITE_BUSY", "database is locked"),
        (6, "SQLITE_LOCKED", "database table is locked"),
        (15, "SQLITE_PROTOCOL", "locking protocol"),
        (17, "SQLITE_SCHEMA", "database schema has changed"),
    ),
    *_rows(
        "sqlite",
        Meaning.UNAVAILABLE,
        (7, "SQLITE_NOMEM", "out of memory"),
        (8, "SQLITE_READONLY", "attempt to write a readonly database"),
        (9, "SQLITE_INTERRUPT", "interrupted"),
        (10, "SQLITE_IOERR", "disk I/O error"),
        (13, "SQLITE_FULL", "database or disk is full"),
        (14, "SQLITE_CANTOPEN", "unable to open database file"),
    ),
)

_BY_CODE: Mapping[tuple[str, str | int], DatabaseError] = {
    (row.backend, row.code): row for row in DATABASE_ERRORS
}
_BY_WORDS = tuple(row for row in DATABASE_ERRORS if row.backend == "sqlite" and row.words)
# Codes that mean one thing among several only with their words.
_NEEDS_WORDS = frozenset({("mysql", 1047), ("mysql", 1305), ("sqlite", 1)})


def code_of(error: BaseException) -> tuple[str, str | int] | None:
    """Return the kind of database and the code of a driver's error, if it has one.

    :param error: SQLAlchemy's error or the driver's own.
    """
    cause: Any = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return None
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int):
        return "sqlite", code & 0xFF
    first = cause.args[0] if getattr(cause, "args", ()) else None
    # Some of MySQL's drivers tell a SQLSTATE beside the number, which says more.
    for number in (first, getattr(cause, "errno", None)):
        if isinstance(number, int):
            return "mysql", number
    if isinstance(first, Mapping):  # pg8000
        first = first.get("C")
        return ("postgresql", first) if isinstance(first, str) else None
    for name in ("sqlstate", "pgcode"):  # psycopg and asyncpg; psycopg2
        state = getattr(cause, name, None)
        if isinstance(state, str):
            return "postgresql", state
    return None


def meaning_of(error: BaseException) -> Meaning:
    """Return what follows from an error; one that isn't a database's refuses what raised it."""
    if isinstance(error, PoolTimeout):
        return Meaning.UNAVAILABLE
    if isinstance(error, StaleDataError):
        # Somebody else has written the row that the host's version column guards.
        return Meaning.AGAIN
    if not isinstance(error, DBAPIError):
        return Meaning.REFUSED
    known = _known(error)
    if known is not None:
        return known.meaning
    if error.connection_invalidated:
        return Meaning.AGAIN
    return Meaning.UNAVAILABLE if _is_unconnected(error) else Meaning.REFUSED


def _is_unconnected(error: DBAPIError) -> bool:
    """Say whether no connection could be made; drivers have many words and few codes for that."""
    if isinstance(error, IntegrityError | DataError | NotSupportedError):
        return False
    return error.statement is None and isinstance(error, OperationalError | InterfaceError)


def _known(error: DBAPIError) -> DatabaseError | None:
    code = code_of(error)
    text = str(error.orig)
    if code is None:
        return next((row for row in _BY_WORDS if row.words in text), None)
    backend, number = code
    row = _BY_CODE.get(code)
    if row is None and backend == "postgresql":
        row = _BY_CODE.get((backend, str(number)[:2]))
    if row is not None and code in _NEEDS_WORDS and row.words not in text:
        return None
    return row


def kind_of_error(error: BaseException | None) -> str:
    """Return what a log may say of an error: its kind and code; its text quotes values."""
    cause = getattr(error, "orig", None) or error
    code = code_of(error) if isinstance(error, DBAPIError) else None
    return type(cause).__name__ if code is None else f"{type(cause).__name__} {code[1]}"


def traceback_of(error: BaseException) -> str:
    """Return what a log may say of a failure, with where it happened and what led to it.

    Where a database's error is among what led to it, only kinds are told: the text of such an error
    quotes values, and so may whatever was made of it. A recursion is told by its end.
    """
    chain: list[BaseException] = []
    earlier: BaseException | None = error
    while earlier is not None and len(chain) < _LONGEST_CHAIN:
        chain.append(earlier)
        hidden = earlier.__suppress_context__
        earlier = earlier.__cause__ or (None if hidden else earlier.__context__)
    quotes = any(isinstance(each, StatementError) or code_of(each) for each in chain)
    parts = []
    for each in reversed(chain):
        parts += traceback.format_tb(each.__traceback__, -_MOST_FRAMES)
        told = kind_of_error(each) if quotes else f"{type(each).__name__}: {each}"
        parts.append(f"{told}\n")
    return "".join(parts)


def is_connection_lost(error: BaseException) -> bool:
    """Say whether the connection was lost: at a commit, nobody knows then what became of it."""
    if not isinstance(error, DBAPIError):
        return False
    code = code_of(error)
    if code is not None and code[0] == "mysql" and code[1] in _LOST_NUMBERS:
        return True
    if code is not None and code[0] == "postgresql" and str(code[1])[:2] in ("08", "57"):
        return str(code[1]) != "57014"
    return error.connection_invalidated


def is_away(error: BaseException) -> bool:
    """Say whether the database wasn't reached, so that it is no use to ask it for anything else."""
    if isinstance(error, PoolTimeout) or is_connection_lost(error):
        return True
    if not isinstance(error, DBAPIError):
        return False
    # A commit that fails has no statement either, and most of its errors are in the table.
    return _is_unconnected(error) and (_known(error) is None or code_of(error) in _UNREACHED)


_UNREACHED = frozenset({("mysql", 1040), ("mysql", 2002), ("mysql", 2003), ("sqlite", 14)})
_LOST_NUMBERS = frozenset({1053, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031})
