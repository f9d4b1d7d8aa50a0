"""What SQLite, PostgreSQL, MySQL and MariaDB do differently, but for comparing text."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ...scim.evaluate import fold

__all__ = [
    "CHUNK",
    "FOLD",
    "MYSQL",
    "begin_writing",
    "chunks",
    "insert_unless_there",
    "prepare",
]

T = TypeVar("T")

MYSQL = ("mysql", "mariadb")

FOLD = "scim_fold"
"""A function of ours in SQLite, which forgets the case of every letter there is."""

CHUNK = 5_000
"""How many ids one statement names: SQLite allows 32,766 parameters, PostgreSQL 65,535."""


def chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    """Cut a long list of ids into what one statement can name."""
    return (items[i : i + CHUNK] for i in range(0, len(items), CHUNK))


def insert_unless_there(
    table: sa.Table,
    key: Sequence[sa.Column[Any]],
    backend: str,
    source: tuple[Sequence[str], sa.Select[Any]] | None = None,
) -> sa.Insert:
    """Return an insert that leaves alone what is there already.

    It is forgiven one collision only, that of ``key``, where the database can say so; every other
    constraint is an error.

    :param key: columns with a unique constraint of their own.
    :param backend: the database's name in SQLAlchemy.
    :param source: the names of the columns, and the select that the rows come from.
    """
    insert: Any
    match backend:
        case "postgresql":
            insert = postgresql.insert(table)
        case "sqlite":
            insert = sqlite.insert(table)
        case "mysql" | "mariadb":
            insert = mysql.insert(table)
        case _:
            insert = sa.insert(table)
    if source is not None:
        insert = insert.from_select(*source)
    if backend in ("postgresql", "sqlite"):
        insert = insert.on_conflict_do_nothing(index_elements=list(key))
    elif backend in MYSQL:
        # An update that changes nothing; IGNORE would also let foreign keys and empty values pass.
        same: Mapping[str, Any] = {column.name: column for column in key[:1]}
        insert = insert.on_duplicate_key_update(**same)
    made: sa.Insert = insert
    return made


def prepare(connection: sa.Connection) -> None:
    """Give a connection to SQLite what its own functions can't do; others need nothing."""
    if connection.dialect.name != "sqlite" or FOLD in connection.info:
        return
    driver: Any = connection.connection.dbapi_connection
    driver.create_function(FOLD, 1, _fold, deterministic=True)
    connection.info[FOLD] = True


def _fold(value: object) -> object:
    return fold(value) if isinstance(value, str) else value


# A key of Connection.info.
_BEGUN = "scim_begun"


def begin_writing(connection: sa.Connection) -> bool:
    """Begin a transaction of SQLite's that writes, before it reads anything.

    Python's driver begins one before the first statement that writes; what is read before then may
    be old by then. It is begun past the engine, as the driver does it.

    :returns: whether nobody else writes until the transaction ends. Where the host's engine begins
        its transactions itself, nobody knows before something is written.
    """
    driver: Any = connection.connection.dbapi_connection
    present = connection.get_transaction()
    if getattr(driver, "in_transaction", True):
        begun = connection.info.get(_BEGUN)
        return begun is not None and present is not None and begun() is present
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        driver.execute(_BEGIN)
    except dbapi.Error as error:
        raise sa.exc.DBAPIError.instance(
            _BEGIN, None, error, dbapi.Error, dialect=connection.dialect
        ) from error
    connection.info[_BEGUN] = None if present is None else weakref.ref(present)
    return present is not None


_BEGIN = "BEGIN IMMEDIATE"
