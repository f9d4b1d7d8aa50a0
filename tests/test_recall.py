"""What is answered after a write is what is read, whoever else has a say in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from .portal import Portal

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DEPARTMENT = f"{ENTERPRISE}:department"

TRIGGERS = {
    "sqlite": [
        'CREATE TRIGGER shout AFTER UPDATE ON "user" WHEN NEW.department <> upper(NEW.department)'
        ' BEGIN UPDATE "user" SET department = upper(department) WHERE id = NEW.id; END'
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION shout() RETURNS trigger AS "
        "'BEGIN NEW.department := upper(NEW.department); RETURN NEW; END' LANGUAGE plpgsql",
        'CREATE TRIGGER shout BEFORE UPDATE ON "user" FOR EACH ROW EXECUTE FUNCTION shout()',
    ],
    "mysql": [
        "CREATE TRIGGER shout BEFORE UPDATE ON user FOR EACH ROW"
        " SET NEW.department = UPPER(NEW.department)"
    ],
}


def replace(portal: Portal, path: str, value: Any, attribute: str = DEPARTMENT) -> Any:
    return portal.client.patch(path, [{"op": "replace", "path": attribute, "value": value}])


def created(portal: Portal, **attributes: Any) -> str:
    answer = portal.client.post("/Users", {"userName": "ada", **attributes})
    assert answer.status_code == 201, answer.text
    return f"/Users/{answer.json['id']}"


def execute(portal: Portal, *statements: str) -> None:
    with portal.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def shouting(portal: Portal) -> Iterator[Portal]:
    """A portal whose database writes departments in capitals."""
    backend = portal.engine.dialect.name
    execute(portal, *TRIGGERS["mysql" if backend == "mariadb" else backend])
    yield portal
    execute(
        portal, 'DROP TRIGGER shout ON "user"' if backend == "postgresql" else "DROP TRIGGER shout"
    )


def test_a_trigger_is_seen(shouting: Portal) -> None:
    path = created(shouting)
    answer = replace(shouting, path, "Sales")
    assert answer.json[ENTERPRISE]["department"] == "SALES"
    assert shouting.client.get(path).json == answer.json


def test_a_listener_that_sends_statements_is_seen(portal: Portal) -> None:
    users = portal.models.User.__table__

    def after_update(_mapper: Any, connection: sa.Connection, user: Any) -> None:
        shout = {"department": sa.func.upper(users.c.department)}
        connection.execute(users.update().where(users.c.id == user.id).values(shout))

    path = created(portal)
    assert replace(portal, path, "Quiet").json[ENTERPRISE]["department"] == "Quiet"
    sa.event.listen(portal.models.User, "after_update", after_update)
    try:
        answer = replace(portal, path, "Sales")
    finally:
        sa.event.remove(portal.models.User, "after_update", after_update)
    assert answer.json[ENTERPRISE]["department"] == "SALES"


def test_what_is_answered_is_what_is_read(portal: Portal) -> None:
    boss = created(portal, userName="boss").rpartition("/")[2]
    path = created(portal, externalId="x1", title="Captain", emails=[{"value": "ada@example.com"}])
    changes: list[tuple[str, Any]] = [
        ("name.givenName", "Ada"),
        ("name.familyName", "Łoś"),
        ("title", "Admiral"),
        ("externalId", "x2"),
        ("active", False),
        (f"{ENTERPRISE}:manager", {"value": boss}),
        (DEPARTMENT, "Sales"),
        ("emails", [{"value": "a@example.com", "type": "home"}, {"value": "b@example.com"}]),
        (DEPARTMENT, "Sales"),
        ("phoneNumbers", [{"value": "1", "type": "work"}]),
    ]
    for attribute, value in changes:
        answer = replace(portal, path, value, attribute)
        assert answer.status_code == 200, answer.text
        read = portal.client.get(path)
        assert read.json == answer.json, attribute
        assert read.headers["ETag"] == answer.headers["ETag"]
    put = portal.client.put(path, {"userName": "eve", "active": True, "title": "Pilot"})
    assert portal.client.get(path).json == put.json
    new = portal.client.post("/Users", {"userName": "new", "nickName": "n", "active": False})
    assert portal.client.get(f"/Users/{new.json['id']}").json == new.json


@pytest.mark.parametrize("attribute", [DEPARTMENT, "externalId"])
def test_who_waits_for_a_lock_reads_what_was_committed(portal: Portal, attribute: str) -> None:
    """A value that was sent is written, though it was there when the request began to wait."""
    path = created(portal, externalId="here", **{ENTERPRISE: {"department": "here"}})
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    users = portal.models.User.__table__
    externals = portal.app.extensions["scim_provisioning"].models.external_id.__table__
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(replace(portal, path, "here", attribute))
    )
    with portal.engine.begin() as connection:
        connection.execute(links.update().values(version=links.c.version + 1))
        connection.execute(users.update().values(department="there"))
        connection.execute(externals.update().values(external_id="there"))
        waiting.start()
        time.sleep(0.5)
    waiting.join()
    read = portal.client.get(path).json
    assert answers[0].json == read
    values = {DEPARTMENT: read[ENTERPRISE]["department"], "externalId": read["externalId"]}
    assert values == {DEPARTMENT: "there", "externalId": "there", attribute: "here"}


def begins_itself(engine: sa.Engine) -> None:
    """Begin SQLite's transactions as SQLAlchemy's own recipe does it."""

    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    engine.dispose()
    sa.event.listen(engine, "connect", connect)
    sa.event.listen(engine, "begin", begin)


def test_a_host_that_begins_transactions_itself(make_portal: Callable[..., Portal]) -> None:
    """Nobody knows there who writes, so the lock is taken by an update that changes nothing."""
    portal = make_portal()
    if portal.engine.dialect.name != "sqlite":
        return
    path = created(portal)
    with portal.statements() as usual:
        assert replace(portal, path, "Sales").status_code == 200
    begins_itself(portal.engine)
    with portal.statements() as spent:
        assert replace(portal, path, "Legal").status_code == 200
    locking = "SET version=scim_user_link.version WHERE"
    assert [locking in " ".join(usual.statements), locking in " ".join(spent.statements)] == [
        False,
        True,
    ]
