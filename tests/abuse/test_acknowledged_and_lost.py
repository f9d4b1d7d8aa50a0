"""After an error that ends a transaction, nothing before it is answered as done."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services import work
from flask_scim_provisioning.services.activity import recent
from tests.api.test_bulk import heard, patch, send, user
from tests.portal import Portal

from .conftest import databases

IMPATIENT = {"SCIM_WAIT_SECONDS": 1}
NAMES = ["ada", "bob", "cyd", "dan"]
NEW = "Countess"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_LONGEST_PAUSE", 0.01)


@pytest.fixture
def paths(portal: Portal) -> list[str]:
    """The paths of four people."""
    answers = [portal.client.post("/Users", {"userName": name}) for name in NAMES]
    return [f"/Users/{answer.json['id']}" for answer in answers]


def afresh(portal: Portal) -> Iterator[int]:
    """Yield the number of each operation, where nobody is promoted yet.

    A portal for each would take MariaDB seconds.
    """
    activity = portal.app.extensions["scim_provisioning"].models.activity.__table__
    for number in range(1, len(NAMES) + 1):
        with portal.engine.begin() as connection:
            connection.execute(sa.update(portal.models.User).values(first_name=None))
            connection.execute(sa.delete(activity))
        yield number


def promote(path: str) -> dict[str, Any]:
    """Change a column of the host's, so that its own row is locked."""
    return patch(path, {"op": "replace", "path": "name.givenName", "value": NEW})


def promoted(portal: Portal) -> list[bool]:
    return [portal.user(name).first_name == NEW for name in NAMES]


def told(portal: Portal) -> list[str]:
    """What the activity log says was changed, in order."""
    models = portal.app.extensions["scim_provisioning"].models
    entries = recent(portal.session, models, portal.integration.id, 100)
    return [
        entry.resource_name or ""
        for entry in reversed(entries)
        if entry.action == "user.updated" and entry.outcome == "ok"
    ]


def key_of(portal: Portal, name: str) -> int:
    return int(portal.user(name).id)


TURNS = itertools.count()


def lock(connection: sa.Connection, key: int) -> None:
    """Write a row, each time something else."""
    users = sa.table("user", sa.column("id"), sa.column("department"))
    connection.execute(
        sa.update(users).where(users.c.id == key).values(department=str(next(TURNS)))
    )


@contextmanager
def at_operation(portal: Portal, number: int, act: Callable[[Any], None]) -> Iterator[list[int]]:
    """Do something just before the host's row of the operation with this number is written.

    It is done once, so that a second attempt may succeed.
    """
    met: list[int] = []
    seen = 0

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        nonlocal seen
        if not met and statement.startswith("UPDATE") and "first_name" in statement:
            seen += 1
            if seen == number:
                met.append(number)
                act(connection)

    sa.event.listen(portal.engine, "before_cursor_execute", before)
    try:
        yield met
    finally:
        sa.event.remove(portal.engine, "before_cursor_execute", before)


def all_or_nothing(portal: Portal, answer: Any, names: list[str]) -> None:
    """Compare the answer, the rows, the activity and the signals."""
    if answer.status_code == 200:
        assert {each["status"] for each in answer.json["Operations"]} == {"200"}
        assert promoted(portal) == [True] * 4
        assert told(portal) == NAMES
        assert names == ["user-updated"] * 4
    else:
        assert answer.status_code == 503
        assert answer.mimetype == "application/scim+json"
        assert answer.headers["Retry-After"].isdigit()
        assert promoted(portal) == [False] * 4
        assert told(portal) == []
        assert names == []


@databases("postgresql", "mariadb")
def test_a_deadlock_at_each_operation(portal: Portal, paths: list[str]) -> None:
    """Somebody else holds the row of this operation and waits for that of an earlier one.

    The other has written more, so that MariaDB gives up the request; PostgreSQL gives up whoever
    finds out.
    """
    first = key_of(portal, NAMES[0])
    spare = portal.add_users([f"spare{number}" for number in range(50)])
    won: list[int] = []
    for number in afresh(portal):
        mine = key_of(portal, NAMES[number - 1])
        threads: list[threading.Thread] = []
        holding = threading.Event()

        def other(
            number: int = number, mine: int = mine, holding: threading.Event = holding
        ) -> None:
            with portal.engine.connect() as connection:
                for key in [*spare, mine]:
                    lock(connection, key)
                holding.set()
                try:
                    lock(connection, first)
                    connection.commit()
                    won.append(number)
                except sa.exc.DBAPIError:
                    connection.rollback()

        def meet(
            _connection: Any,
            threads: list[threading.Thread] = threads,
            holding: threading.Event = holding,
            other: Callable[[], None] = other,
        ) -> None:
            threads.append(threading.Thread(target=other))
            threads[0].start()
            assert holding.wait(10)

        with heard() as names, at_operation(portal, number, meet) as met:
            answer = send(portal, *(promote(path) for path in paths))
        threads[0].join()
        assert met == [number]
        assert answer.status_code == 200
        all_or_nothing(portal, answer, names)
    if portal.engine.dialect.name != "postgresql":
        assert won == [1, 2, 3, 4]


def kill(portal: Portal) -> Callable[[Any], None]:
    """Return what ends the connection of a request."""

    def killed(connection: Any) -> None:
        postgresql = portal.engine.dialect.name == "postgresql"
        ask = "SELECT pg_backend_pid()" if postgresql else "SELECT CONNECTION_ID()"
        cursor = connection.connection.cursor()
        cursor.execute(ask)
        pid = cursor.fetchone()[0]
        end = f"SELECT pg_terminate_backend({pid})" if postgresql else f"KILL CONNECTION {pid}"
        with portal.engine.connect() as other:
            other.exec_driver_sql(end)

    return killed


@databases("postgresql", "mariadb")
def test_a_killed_connection_at_each_operation(portal: Portal, paths: list[str]) -> None:
    for number in afresh(portal):
        with heard() as names, at_operation(portal, number, kill(portal)) as met:
            answer = send(portal, *(promote(path) for path in paths))
        assert met == [number]
        assert answer.status_code == 200
        all_or_nothing(portal, answer, names)


@databases("postgresql", "mariadb")
@pytest.mark.portal(config=IMPATIENT)
def test_a_lock_that_is_not_given_at_each_operation(portal: Portal, paths: list[str]) -> None:
    """A time-out ends the whole request, and is no operation's 500 inside a 200."""
    for number in afresh(portal):
        key = key_of(portal, NAMES[number - 1])
        with portal.engine.connect() as other:
            lock(other, key)
            with heard() as names:
                answer = send(portal, *(promote(path) for path in paths))
            other.rollback()
        assert answer.status_code == 503
        all_or_nothing(portal, answer, names)
    answer = send(portal, *(promote(path) for path in paths))
    assert {each["status"] for each in answer.json["Operations"]} == {"200"}


@databases("sqlite")
@pytest.mark.portal(config=IMPATIENT)
def test_a_file_that_is_locked(portal: Portal, paths: list[str]) -> None:
    with portal.engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        with heard() as names:
            answer = send(portal, *(promote(path) for path in paths))
        other.rollback()
    assert answer.status_code == 503
    all_or_nothing(portal, answer, names)


def take_back(connection: Any) -> None:
    """End the transaction, as the database does by itself after some errors."""
    connection.connection.driver_connection.rollback()
    if connection.dialect.name == "sqlite":
        # As the driver does before a statement that writes.
        connection.connection.cursor().execute("BEGIN")


def test_a_transaction_that_the_database_takes_back(portal: Portal, paths: list[str]) -> None:
    """Whatever error comes with it, also one that nobody has heard of: the savepoint is asked."""

    def fail(connection: Any) -> None:
        take_back(connection)
        raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("never heard of"))

    for number in afresh(portal):
        with heard() as names, at_operation(portal, number, fail) as met:
            answer = send(portal, *(promote(path) for path in paths))
        assert met == [number]
        all_or_nothing(portal, answer, names)


@databases("sqlite", "mariadb")
def test_a_transaction_that_is_taken_back_without_a_word(portal: Portal, paths: list[str]) -> None:
    """A setter of the host's may roll back; PostgreSQL itself would say so."""
    for number in afresh(portal):
        with heard() as names, at_operation(portal, number, take_back) as met:
            answer = send(portal, *(promote(path) for path in paths))
        assert met == [number]
        all_or_nothing(portal, answer, names)


@databases("sqlite")
def test_a_full_disk_at_each_operation(portal: Portal, paths: list[str]) -> None:
    """SQLite takes the transaction back, and the savepoints with it."""

    def fill(connection: Any) -> None:
        cause = sqlite3.OperationalError("database or disk is full")
        cause.sqlite_errorcode = sqlite3.SQLITE_FULL
        connection.connection.driver_connection.rollback()
        raise sa.exc.OperationalError("UPDATE", {}, cause)

    for number in afresh(portal):
        with heard() as names, at_operation(portal, number, fill) as met:
            answer = send(portal, *(promote(path) for path in paths))
        assert met == [number]
        assert answer.status_code == 503
        all_or_nothing(portal, answer, names)


def test_one_operation_that_fails_still_leaves_the_others(portal: Portal, paths: list[str]) -> None:
    operations = [promote(path) for path in paths]
    operations[1] = user("ada")
    answer = send(portal, *operations)
    assert [each["status"] for each in answer.json["Operations"]] == ["200", "409", "200", "200"]
    assert promoted(portal) == [True, False, True, True]
