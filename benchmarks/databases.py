"""Databases for both applications: the same settings, and a way to fill them quickly."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

__all__ = ["bulk_insert", "drop_database", "empty_database", "engine_at", "use_wal"]

_ROWS = 5_000


def use_wal(engine: sa.Engine) -> None:
    """Switch SQLite to write-ahead logging, as a portal in production does; nothing elsewhere."""
    if engine.dialect.name != "sqlite":
        return

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


def engine_at(url: str) -> sa.Engine:
    """Return an engine with the settings that both applications are measured with."""
    engine = sa.create_engine(url)
    use_wal(engine)
    return engine


def bulk_insert(
    connection: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Insert ``rows`` into ``table``, some thousands at a time."""
    iterator = iter(rows)
    while batch := [dict(row) for row in itertools.islice(iterator, _ROWS)]:
        connection.execute(table.insert(), batch)
    key = table.c.get("id")
    if connection.dialect.name == "postgresql" and key is not None:
        _advance_sequence(connection, table, key)


def _advance_sequence(connection: sa.Connection, table: sa.Table, key: sa.Column[Any]) -> None:
    """Let PostgreSQL continue after the integer keys that were given."""
    if isinstance(key.type, sa.Integer):
        sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', key.name)
        highest = sa.select(sa.func.coalesce(sa.func.max(key), 1)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sequence, highest)))


def empty_database(server: str, folder: Path, name: str) -> str:
    """Return the URL of a new, empty database.

    :param server: ``sqlite`` for a file in ``folder``, else the URL of a PostgreSQL server on which
        databases may be made and dropped.
    """
    if server == "sqlite":
        for path in folder.glob(f"{name}.db*"):
            path.unlink()
        return f"sqlite:///{folder / name}.db"
    url = sa.make_url(server)
    engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "scim_benchmark_{name}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "scim_benchmark_{name}"')
    engine.dispose()
    return url.set(database=f"scim_benchmark_{name}").render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Leave nothing behind on a server; a SQLite file goes with its folder."""
    place = sa.make_url(url)
    if place.get_backend_name() == "sqlite":
        return
    engine = sa.create_engine(place.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{place.database}" WITH (FORCE)')
    engine.dispose()
