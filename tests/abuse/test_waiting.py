"""How long a request waits for a database that others hold: bounded once, never to keep books."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services.activity import recent
from tests.api.test_routing import is_scim_error
from tests.portal import Portal

from .conftest import databases

IMPATIENT = {"SCIM_WAIT_SECONDS": 1}

# Before there was a bound, three attempts of ten seconds and the failure's own entry took longer.
pytestmark = pytest.mark.timeout(25)


@contextmanager
def held(portal: Portal, table: str) -> Iterator[None]:
    """Let nobody else write a table; on SQLite, any table."""
    with portal.engine.connect() as other:
        match portal.engine.dialect.name:
            case "sqlite":
                other.exec_driver_sql("BEGIN IMMEDIATE")
            case "postgresql":
                other.exec_driver_sql(f'LOCK TABLE "{table}" IN SHARE ROW EXCLUSIVE MODE')
            case _:
                other.exec_driver_sql(f"SELECT * FROM `{table}` FOR UPDATE")
        yield
        other.rollback()


def waits(portal: Portal) -> Any:
    """Return how long the connections of the pool wait by themselves."""
    with portal.engine.connect() as connection:
        match portal.engine.dialect.name:
            case "sqlite":
                return connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            case "postgresql":
                return connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
            case _:
                both = "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout"
                return tuple(connection.exec_driver_sql(both).one())


def last_used(portal: Portal) -> Any:
    models = portal.app.extensions["scim_provisioning"].models
    return portal.session.scalar(sa.select(models.access_token.last_used))


@pytest.mark.portal(config=IMPATIENT)
def test_a_database_that_stays_locked_is_a_503(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """It says when to return, it is logged once, and the next request is fine."""
    before = waits(portal)
    user = portal.client.post("/Users", {"userName": "ada"}).json
    path = f"/Users/{user['id']}"
    change = [{"op": "replace", "path": "name.givenName", "value": "Ada"}]
    caplog.clear()
    with held(portal, "user"):
        answer = portal.client.patch(path, change)
    assert is_scim_error(answer, 503)
    assert answer.headers["Retry-After"].isdigit()
    records = [each for each in caplog.records if each.name.startswith("flask_scim")]
    assert len(records) == 1
    assert answer.headers["X-Request-ID"] in records[0].getMessage()
    assert "Ada" not in caplog.text
    assert waits(portal) == before
    assert portal.client.patch(path, change).status_code == 200
    assert waits(portal) == before


def test_a_wait_that_the_host_has_declared_stands(portal: Portal) -> None:
    """Ours is a bound, and the host's is shorter."""
    shorter = {
        "sqlite": "PRAGMA busy_timeout = 100",
        "postgresql": "SET lock_timeout = '100ms'",
    }.get(portal.engine.dialect.name, "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 1")
    portal.session.close()
    portal.engine.dispose()

    @sa.event.listens_for(portal.engine, "connect")
    def declare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(shorter)
        cursor.close()
        connection.commit()

    user = portal.client.post("/Users", {"userName": "ada"}).json
    before = waits(portal)
    with held(portal, "user"):
        change = [{"op": "replace", "path": "name.givenName", "value": "Ada"}]
        answer = portal.client.patch(f"/Users/{user['id']}", change)
    assert is_scim_error(answer, 503)
    assert waits(portal) == before


def test_the_last_use_of_a_token_waits_for_nobody(portal: Portal) -> None:
    """It is bookkeeping: the next request writes it."""
    with held(portal, "scim_access_token"):
        assert portal.client.get("/Users").status_code == 200
    assert last_used(portal) is None
    assert portal.client.get("/Users").status_code == 200
    assert last_used(portal) is not None
    with held(portal, "scim_access_token"):
        assert portal.client.get("/Users").status_code == 200


def test_the_record_of_a_failure_waits_for_nobody(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    portal.client.get("/Users")
    with held(portal, "scim_activity"):
        answer = portal.client.post("/Users", {"userName": 7, "nickName": "secretive"})
    assert is_scim_error(answer, 400)
    assert answer.headers["X-Request-ID"] in caplog.text
    assert "secretive" not in caplog.text


def test_a_record_that_fails_tells_its_kind_only(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """What SQLAlchemy says of an error quotes the parameters: names, and the payload."""
    portal.client.get("/Users")
    models = portal.app.extensions["scim_provisioning"].models
    portal.session.close()
    models.activity.__table__.drop(portal.engine)
    answer = portal.client.post("/Users", {"userName": "ada", "active": "secretive"})
    assert is_scim_error(answer, 400)
    records = [each for each in caplog.records if each.name.startswith("flask_scim")]
    assert len(records) == 1
    assert answer.headers["X-Request-ID"] in records[0].getMessage()
    assert records[0].exc_info is None
    assert "secretive" not in caplog.text
    models.activity.__table__.create(portal.engine)


@databases("postgresql", "mariadb")
def test_a_connection_that_is_lost_while_committing_is_not_repeated(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what became of it: repeated, a creation would answer 409 for its own success."""
    committed = []

    def lose(connection: Any) -> None:
        if committed:
            return
        committed.append(1)
        connection.connection.driver_connection.commit()
        connection.connection.driver_connection.close()

    portal.client.get("/Users")
    sa.event.listen(portal.engine, "commit", lose)
    try:
        answer = portal.client.post("/Users", {"userName": "ada"})
    finally:
        sa.event.remove(portal.engine, "commit", lose)
    assert is_scim_error(answer, 503)
    assert "nothing was changed" not in answer.json["detail"]
    assert portal.user("ada") is not None
    models = portal.app.extensions["scim_provisioning"].models
    entries = recent(portal.session, models, portal.integration.id)
    assert [entry.outcome for entry in entries if entry.action == "user.created"] == ["ok"]
