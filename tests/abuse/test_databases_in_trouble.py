"""A database in trouble is answered with 503 and Retry-After, and the next request is fine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.test_bulk import heard, send, user
from tests.api.test_routing import is_scim_error
from tests.portal import Portal

from .conftest import databases

Wreck = Callable[[Any], object]


@contextmanager
def wrecked(portal: Portal, wreck: Wreck, *, start: str = "INSERT") -> Iterator[None]:
    """Wreck the transaction of each request before its first statement that begins like this."""

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.startswith(start) and "user" in statement:
            wreck(connection)

    sa.event.listen(portal.engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        sa.event.remove(portal.engine, "before_cursor_execute", before)


def says(statement: str) -> Wreck:
    """Return what sends a statement past SQLAlchemy."""

    def wreck(connection: Any) -> None:
        cursor = connection.connection.cursor()
        cursor.execute(statement)
        cursor.close()

    return wreck


def fails(*arguments: Any, **values: Any) -> Wreck:
    """Return what fails as a driver says that the server did."""

    class Failure(Exception):
        """What a driver raises."""

    def wreck(_connection: Any) -> None:
        cause = Failure(*arguments)
        vars(cause).update(values)
        raise sa.exc.OperationalError("INSERT", {}, cause)

    return wreck


def is_unavailable_once(portal: Portal, caplog: pytest.LogCaptureFixture, wreck: Wreck) -> None:
    """Send a request, and a bulk request, to a wrecked database; then once more to a sound one."""
    portal.client.get("/Users")
    caplog.clear()
    with heard() as names, wrecked(portal, wreck):
        answer = portal.client.post("/Users", {"userName": "lovelace"})
        bulk = send(portal, user("bob"), user("cyd"))
    for each in (answer, bulk):
        assert is_scim_error(each, 503)
        assert each.headers["Retry-After"].isdigit()
    records = [each for each in caplog.records if each.name.startswith("flask_scim")]
    assert len(records) == 2
    assert "lovelace" not in caplog.text
    assert names == []
    assert portal.user("lovelace") is None
    assert portal.client.post("/Users", {"userName": "lovelace"}).status_code == 201
    statuses = [each["status"] for each in send(portal, user("bob")).json["Operations"]]
    assert statuses == ["201"]


@databases("postgresql")
@pytest.mark.parametrize(
    "wreck",
    [
        says("SET TRANSACTION READ ONLY"),
        fails("disk full", sqlstate="53100"),
        fails("too many connections", sqlstate="53300"),
        fails("out of memory", sqlstate="53200"),
        fails("canceling statement due to statement timeout", sqlstate="57014"),
        fails("the database system is starting up", sqlstate="57P03"),
        fails("could not read block", sqlstate="58030"),
    ],
)
def test_postgresql(portal: Portal, caplog: pytest.LogCaptureFixture, wreck: Wreck) -> None:
    """Read-only after a fail-over, full, exhausted, too slow, starting."""
    is_unavailable_once(portal, caplog, wreck)


@databases("postgresql")
def test_a_statement_of_postgresql_that_takes_too_long(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(connection: Any) -> None:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
        connection.exec_driver_sql("SELECT pg_sleep(1)")

    is_unavailable_once(portal, caplog, slow)


@databases("mariadb")
@pytest.mark.parametrize(
    "wreck",
    [
        fails(1290, "The MariaDB server is running with the --read-only option"),
        fails(1792, "Cannot execute statement in a READ ONLY transaction"),
        fails(1969, "Query execution was interrupted (max_statement_time exceeded)"),
        fails(1021, "Disk full"),
        fails(1114, "The table 'user' is full"),
        fails(1040, "Too many connections"),
    ],
)
def test_mariadb(portal: Portal, caplog: pytest.LogCaptureFixture, wreck: Wreck) -> None:
    """Read-only after a fail-over, too slow, full, exhausted."""
    is_unavailable_once(portal, caplog, wreck)


@databases("mariadb")
def test_a_statement_of_mariadb_that_takes_too_long(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    many = "information_schema.columns"

    def slow(connection: Any) -> None:
        connection.exec_driver_sql(
            f"SET STATEMENT max_statement_time = 0.02 FOR SELECT COUNT(*) FROM {many} a, {many} b"
        )

    is_unavailable_once(portal, caplog, slow)


@databases("sqlite")
def test_a_full_disk(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite's own limit stands for the disk's; it takes the transaction back."""
    portal.client.get("/Users")
    with portal.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    long = {"userName": "ada", "nickName": "x" * 100_000}
    with wrecked(portal, says(f"PRAGMA max_page_count = {pages}")):
        answer = portal.client.post("/Users", long)
        bulk = send(portal, user("bob"), user("cyd", nickName="x" * 100_000), user("dan"))
    portal.session.close()
    portal.engine.dispose()
    assert is_scim_error(answer, 503)
    assert is_scim_error(bulk, 503)
    assert [portal.user(name) for name in ("ada", "bob", "dan")] == [None] * 3
    assert portal.client.post("/Users", long).status_code == 201


@databases("sqlite")
@pytest.mark.parametrize(
    "wreck",
    [
        fails("disk I/O error", sqlite_errorcode=sqlite3.SQLITE_IOERR_FSYNC),
        fails("attempt to write a readonly database", sqlite_errorcode=sqlite3.SQLITE_READONLY),
        fails("unable to open database file", sqlite_errorcode=sqlite3.SQLITE_CANTOPEN),
    ],
)
def test_sqlite(portal: Portal, caplog: pytest.LogCaptureFixture, wreck: Wreck) -> None:
    is_unavailable_once(portal, caplog, wreck)


@databases("sqlite")
def test_a_file_that_only_may_be_read(portal: Portal) -> None:
    portal.client.get("/Users")
    with wrecked(portal, says("PRAGMA query_only = ON")):
        answer = portal.client.post("/Users", {"userName": "ada"})
    portal.session.close()
    portal.engine.dispose()
    assert is_scim_error(answer, 503)
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 201


def test_reading_from_a_database_in_trouble(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """A search reads in no transaction that is repeated; it means the same all the same."""
    portal.client.get("/Users")
    causes = {
        "sqlite": fails("disk I/O error", sqlite_errorcode=sqlite3.SQLITE_IOERR),
        "postgresql": fails("canceling statement due to statement timeout", sqlstate="57014"),
    }
    wreck = causes.get(portal.engine.dialect.name, fails(1969, "interrupted"))
    caplog.clear()
    with wrecked(portal, wreck, start="SELECT"):
        answer = portal.client.get("/Users")
    assert is_scim_error(answer, 503)
    assert answer.headers["Retry-After"].isdigit()
    assert len([each for each in caplog.records if each.name.startswith("flask_scim")]) == 1
    assert portal.client.get("/Users").status_code == 200


@pytest.mark.portal(
    config={
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.1},
    }
)
def test_a_pool_without_a_free_connection(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    portal.session.close()
    with portal.engine.connect(), portal.engine.connect():
        answer = portal.client.get("/Users")
    assert is_scim_error(answer, 503)
    assert answer.headers["Retry-After"].isdigit()
    assert len([each for each in caplog.records if each.name.startswith("flask_scim")]) == 1
    assert portal.client.get("/Users").status_code == 200
