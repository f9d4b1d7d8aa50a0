"""The portal's own ways to set something: called once, and inside the request's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping import MappingError
from flask_scim_provisioning.mapping.checks import is_deaf
from tests.portal import Portal

from .shapes import opened, refusal, shape


def _session(person: Any) -> Session:
    session = object_session(person)
    assert session is not None
    return session


def _quietly(person: Any) -> None:
    try:
        _session(person).commit()
    except MappingError:
        person.nick = "swallowed"


def _with_a_savepoint(person: Any) -> None:
    with _session(person).begin_nested():
        person.calls += " saved"


WAYS: dict[str, Callable[[Any], Any]] = {
    "commits": lambda person: _session(person).commit(),
    "commits and says nothing": _quietly,
    "rolls back": lambda person: _session(person).rollback(),
    "flushes": lambda person: _session(person).flush(),
    "has a savepoint of its own": _with_a_savepoint,
}


def set_nick(person: Any, value: str | None) -> None:
    """Set a name, in the way that the name says."""
    person.nick = value
    if value in WAYS:
        WAYS[value](person)


def _declare(db: SQLAlchemy, *, column: bool) -> tuple[type[Any], dict[str, Any]]:
    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        calls: Mapped[str] = mapped_column(sa.String(200), default="")
        nick: Mapped[str | None] = mapped_column(sa.String(60))

        def lock(self) -> None:
            self.calls = (self.calls or "") + " locked"

        def unlock(self) -> None:
            self.calls = (self.calls or "") + " unlocked"

    def on_deactivate(person: Any) -> None:
        person.lock()

    def on_reactivate(person: Any) -> None:
        person.unlock()

    attributes: dict[str, Any] = {
        "Meta": {"on_deactivate": on_deactivate, "on_reactivate": on_reactivate},
        "user_name": fields.Attribute(Person.login),
        "nick_name": fields.Computed(Person.nick, write=set_nick),
    }
    if column:
        attributes["active"] = fields.Attribute(Person.is_active)
    return Person, attributes


_WITH = shape(lambda db: _declare(db, column=True))
_WITHOUT = shape(lambda db: _declare(db, column=False))


@pytest.fixture(params=[_WITH, _WITHOUT], ids=["a column", "no column"])
def portal(database: str, request: pytest.FixtureRequest) -> Iterator[Portal]:
    """The portal with a column for active, or with methods only."""
    with opened(database, request.param()) as made:
        yield made


def create(portal: Portal, login: str = "ada", **sent: Any) -> str:
    answer = portal.client.post("/Users", {"userName": login, **sent})
    assert answer.status_code == 201, answer.json
    return f"/Users/{answer.json['id']}"


def calls(portal: Portal, login: str = "ada") -> list[str]:
    model = portal.models.User
    found = portal.session.scalars(sa.select(model.calls).where(model.login == login)).one()
    return str(found).split()


def test_the_methods_are_called_when_the_state_changes_and_only_then(portal: Portal) -> None:
    path = create(portal)
    assert calls(portal) == []
    off = {"op": "replace", "path": "active", "value": False}
    portal.client.patch(path, [off])
    portal.client.patch(path, [off])
    portal.client.put(path, {"userName": "ada", "active": False, "title": "Countess"})
    assert calls(portal) == ["locked"]
    assert portal.client.get(path).json["active"] is False
    portal.client.patch(path, [{**off, "value": True}])
    portal.client.put(path, {"userName": "ada", "active": True})
    assert calls(portal) == ["locked", "unlocked"]
    portal.client.delete(path)
    assert calls(portal) == ["locked", "unlocked", "locked"]
    create(portal)
    assert calls(portal)[-1] == "unlocked"


def test_who_comes_inactive_is_locked(portal: Portal) -> None:
    create(portal, active=False)
    assert calls(portal) == ["locked"]
    create(portal, "bob", active=True)
    assert calls(portal, "bob") == []


def test_a_refused_request_calls_nothing_that_stays(portal: Portal) -> None:
    path = create(portal)
    create(portal, "bob")
    changes = [
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "userName", "value": "bob"},
    ]
    assert portal.client.patch(path, changes).status_code == 409
    assert calls(portal) == []


@pytest.mark.parametrize("way", ["commits", "commits and says nothing", "rolls back"])
def test_a_setter_that_ends_the_transaction_changes_nothing_and_is_named(
    portal: Portal, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = create(portal)
    portal.app.config["PROPAGATE_EXCEPTIONS"] = False
    portal.app.testing = False
    changes = [
        {"op": "replace", "path": "nickName", "value": way},
        {"op": "replace", "path": "userName", "value": "lovelace"},
    ]
    with caplog.at_level(logging.ERROR):
        answer = portal.client.patch(path, changes)
    assert answer.status_code == 500
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert "what sets nickName (set_nick)" in caplog.text
    got = portal.client.get(path).json
    assert got["userName"] == "ada"
    assert "nickName" not in got
    created = portal.client.post("/Users", {"userName": "eve", "nickName": way})
    assert created.status_code == 500
    assert portal.client.get("/Users", filter='userName eq "eve"').json["totalResults"] == 0


@pytest.mark.parametrize("way", ["flushes", "has a savepoint of its own"])
def test_a_setter_may_do_what_leaves_the_transaction_alone(portal: Portal, way: str) -> None:
    path = create(portal)
    change = {"op": "replace", "path": "nickName", "value": way}
    assert portal.client.patch(path, [change]).status_code in (200, 204)
    assert portal.client.get(path).json["nickName"] == way


def test_a_portal_without_active_is_told(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """It answers that somebody is inactive who can still sign in."""

    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        person, attributes = _declare(db, column=False)
        del attributes["Meta"]
        return person, attributes

    with caplog.at_level(logging.WARNING), opened(database, shape(declare)()) as portal:
        assert "PortalUser maps no active" in caplog.text
        path = create(portal, active=False)
        assert portal.client.get(path).json["active"] is False
        assert is_deaf(portal.app.extensions["scim_provisioning"].mappings["Users"])
        told = portal.app.test_cli_runner().invoke(args=["scim", "doctor"])
        assert "they can still sign in to this portal" in told.output


def test_a_hook_that_is_no_function_is_refused_at_startup() -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        person, attributes = _declare(db, column=True)
        return person, {**attributes, "Meta": {"on_deactivate": "lock"}}

    assert "Meta.on_deactivate is 'lock'" in refusal(declare)
