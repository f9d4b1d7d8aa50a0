"""How long a connection waits for the locks of others, bounded while a use case has it.

What the host has declared stands where it is shorter, and is put back when the transaction ends:
the connection goes back to the host's pool.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["bounded_wait", "is_bounded", "milliseconds", "note_bounded", "waiting_at_most"]

_KEY = "scim_lock_wait"
_MYSQL = ("mysql", "mariadb")
_SHORTEST_MS = 10
"""What stands for no wait at all on PostgreSQL, where 0 is for ever."""


@contextmanager
def waiting_at_most(session: Session, seconds: float) -> Iterator[None]:
    """Bound each wait for a lock of somebody else, until the transaction of the session ends.

    :param seconds: 0 to wait for nobody; MySQL, which counts in whole seconds from 1 on, waits one.
    """
    connection = session.connection()
    match connection.dialect.name:
        case "postgresql":
            if seconds <= 0 or not is_bounded(session):
                _bound_postgresql(connection, seconds)
                note_bounded(session)
            yield
        case "sqlite":
            with _changed(session, connection, _Sqlite(connection), max(0, seconds)):
                yield
        case "mysql" | "mariadb":
            with _changed(session, connection, _Mysql(connection), max(0, seconds)):
                yield
        case _:
            yield


# PostgreSQL: a setting that is local to the transaction.


def bounded_wait() -> sa.ColumnElement[Any]:
    """Return the expression that bounds the waits of PostgreSQL's present transaction.

    Its parameter ``lock_wait`` is what ``milliseconds`` returns. ``lock_timeout`` is 0 for no
    bound; a shorter one than ours is the host's, and stands.
    """
    bound = sa.bindparam("lock_wait", type_=sa.Text)
    declared = sa.func.current_setting("lock_timeout", type_=sa.Text)
    longer = sa.cast(declared, sa.Interval) > sa.cast(bound, sa.Interval)
    return sa.case(
        (sa.or_(declared == "0", longer), sa.func.set_config("lock_timeout", bound, True)),
        else_=declared,
    )


@functools.cache
def _bounding() -> sa.Select[Any]:
    return sa.select(bounded_wait())


def _bound_postgresql(connection: sa.Connection, seconds: float) -> None:
    connection.execute(_bounding(), {"lock_wait": milliseconds(seconds)})


def milliseconds(seconds: float) -> str:
    """Return a bound as PostgreSQL writes it."""
    return f"{max(_SHORTEST_MS, int(seconds * 1000))}ms"


def note_bounded(session: Session) -> None:
    """Remember that the present transaction of a session is bounded, which costs a statement."""
    session.info[_KEY] = _present(session)


def is_bounded(session: Session) -> bool:
    """Say whether the present transaction is bounded already."""
    present = _present(session)
    return present is not None and session.info.get(_KEY) is present


def _present(session: Session) -> SessionTransaction | None:
    return session.get_transaction()


# SQLite, MySQL and MariaDB: a setting of the connection, which has to be put back.


class _Sqlite:
    """``PRAGMA busy_timeout``, in milliseconds."""

    def __init__(self, connection: sa.Connection) -> None:
        self._driver: Any = connection.connection.driver_connection

    def declared(self) -> Sequence[float]:
        return (float(_run(self._driver, "PRAGMA busy_timeout")[0]) / 1000,)

    def set(self, waits: Sequence[float]) -> None:
        _run(self._driver, f"PRAGMA busy_timeout = {math.ceil(waits[0] * 1000)}")


class _Mysql:
    """The waits for a row and for a table, in whole seconds; MariaDB takes 0."""

    def __init__(self, connection: sa.Connection) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._info = connection.info
        self._least = 0 if getattr(connection.dialect, "is_mariadb", False) else 1

    def declared(self) -> Sequence[float]:
        known: Sequence[float] | None = self._info.get(_KEY)
        if known is None:
            waits = "@@SESSION.innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout"
            known = self._info[_KEY] = _run(self._driver, f"SELECT {waits}")
        return known

    def set(self, waits: Sequence[float]) -> None:
        row, table = (max(self._least, math.ceil(wait)) for wait in waits)
        _run(
            self._driver,
            f"SET SESSION innodb_lock_wait_timeout = {row}, SESSION lock_wait_timeout = {table}",
        )


def _run(driver: Any, statement: str) -> Sequence[Any]:
    """Run a statement past the engine: it is no work of the host's, whose listeners see none."""
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
        return tuple(cursor.fetchone()) if cursor.description else ()
    finally:
        cursor.close()


@contextmanager
def _changed(
    session: Session, connection: sa.Connection, wait: _Sqlite | _Mysql, seconds: float
) -> Iterator[None]:
    # Where the connection is gone, the work itself finds out, over SQLAlchemy's own handling of it.
    broken: Any = connection.dialect.loaded_dbapi.Error
    declared: Sequence[float] = ()
    with suppress(broken):
        declared = wait.declared()
        if any(each > seconds for each in declared):
            wait.set([min(each, seconds) for each in declared])
        else:
            declared = ()
    if not declared:
        yield
        return

    def put_back(_session: Session) -> None:
        # Once the transaction has ended, for a commit waits too; and before the pool has it back.
        nonlocal declared
        if declared and not session.in_nested_transaction():
            with suppress(broken):
                wait.set(declared)
            declared = ()

    for event in _ENDS:
        sa.event.listen(session, event, put_back)
    try:
        yield
    finally:
        for event in _ENDS:
            sa.event.remove(session, event, put_back)
        put_back(session)


_ENDS = ("after_commit", "after_rollback")
