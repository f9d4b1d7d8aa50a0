"""A team's functions for who leaves: after the row, in its transaction, all of it or nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, object_session

from flask_scim_provisioning import (
    GroupSchema,
    MappingError,
    Provisioning,
    UserSchema,
    fields,
)
from tests.portal import Portal

from .shapes import opened, shape

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
OFF = {"op": "replace", "path": "active", "value": False}

FAULTS: dict[str, Callable[[Any], None]] = {}
"""What a hook does beside its work, by the login of the person; emptied by each test."""


def _session(person: Any) -> Session:
    session = object_session(person)
    assert session is not None
    return session


def _declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        leavings: Mapped[int] = mapped_column(default=0)
        origin: Mapped[str] = mapped_column(sa.String(20), server_default="directory")

    class ApiKey(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "api_key"

        id: Mapped[int] = mapped_column(primary_key=True)
        person_id: Mapped[int] = mapped_column(sa.ForeignKey(Person.id, ondelete="CASCADE"))
        secret: Mapped[str] = mapped_column(sa.String(20), unique=True)

    Person.keys_of = ApiKey

    def on_deactivate(person: Any) -> list[str]:
        session = _session(person)
        person.leavings += 1
        keys = session.scalars(sa.select(ApiKey).where(ApiKey.person_id == person.id)).all()
        for key in keys:
            session.delete(key)
        FAULTS.get(person.login, lambda _: None)(person)
        return [f"{len(keys)} API keys ended"]

    def on_reactivate(person: Any) -> None:
        FAULTS.get(person.login, lambda _: None)(person)

    return Person, {
        "Meta": {"on_deactivate": on_deactivate, "on_reactivate": on_reactivate},
        "user_name": fields.Attribute(Person.login),
        "active": fields.Attribute(Person.is_active),
    }


_SHAPE = shape(_declare)


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    FAULTS.clear()
    with opened(database, _SHAPE()) as made:
        made.app.testing = False
        made.app.config["PROPAGATE_EXCEPTIONS"] = False
        yield made


def _breaks_a_constraint(person: Any) -> None:
    key = type(person).keys_of
    session = _session(person)
    session.add_all([key(person_id=person.id, secret="x"), key(person_id=person.id, secret="x")])


def _breaks_it_at_once(person: Any) -> None:
    _breaks_a_constraint(person)
    _session(person).flush()


def _raises(error: Exception) -> Callable[[Any], None]:
    def fault(_person: Any) -> None:
        raise error

    return fault


WRONG: dict[str, Callable[[Any], None]] = {
    "an error of its own": _raises(RuntimeError("the key store is away: hunter2")),
    "a ValueError": _raises(ValueError("no such key")),
    "a KeyError": _raises(KeyError("token")),
    "a constraint, when it is flushed": _breaks_a_constraint,
    "a constraint": _breaks_it_at_once,
    "a statement that is wrong": lambda person: _session(person).execute(sa.text("SELECT no")),
}


def add(portal: Portal, login: str = "ada") -> str:
    answer = portal.client.post("/Users", {"userName": login})
    assert answer.status_code == 201, answer.json
    key = portal.models.User.keys_of
    person = portal.session.scalars(
        sa.select(portal.models.User.id).where(portal.models.User.login == login)
    ).one()
    portal.session.add(key(person_id=person, secret=login))
    portal.session.commit()
    return f"/Users/{answer.json['id']}"


def state(portal: Portal, login: str = "ada") -> tuple[Any, ...]:
    """Return whether somebody is active, how often they left, and their keys."""
    model = portal.models.User
    portal.session.rollback()
    portal.session.expire_all()
    person = portal.session.scalars(sa.select(model).where(model.login == login)).one_or_none()
    if person is None:
        return (None, None, 0)
    count = sa.select(sa.func.count()).where(model.keys_of.person_id == person.id)
    found = (person.is_active, person.leavings, portal.session.scalar(count))
    portal.session.rollback()
    return found


def patch(portal: Portal, path: str) -> Any:
    return portal.client.patch(path, [OFF])


def put(portal: Portal, path: str) -> Any:
    return portal.client.put(path, {"userName": "ada", "active": False})


def delete(portal: Portal, path: str) -> Any:
    return portal.client.delete(path)


@pytest.mark.parametrize("way", [patch, put, delete])
@pytest.mark.parametrize("fault", WRONG)
def test_when_a_hook_fails_nothing_is_changed_and_the_retry_calls_it_again(
    portal: Portal, fault: str, way: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = add(portal)
    before = portal.client.get(path)
    FAULTS["ada"] = WRONG[fault]
    with caplog.at_level(logging.ERROR):
        answer = way(portal, path)
    assert answer.status_code == 503, answer.json
    assert int(answer.headers["Retry-After"]) > 0
    assert "nothing was changed" in answer.json["detail"]
    assert "PortalUser.Meta.on_deactivate failed with" in caplog.text
    assert "hunter2" not in caplog.text + str(answer.json)
    assert state(portal) == (True, 0, 1)
    after = portal.client.get(path)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    FAULTS.clear()
    assert way(portal, path).status_code in (200, 204)
    assert state(portal) == (False, 1, 0)


def test_who_comes_inactive_has_a_row_by_then(portal: Portal) -> None:
    seen: list[Any] = []
    FAULTS["eve"] = lambda person: seen.append((person.id, person.leavings, person.origin))
    created = portal.client.post("/Users", {"userName": "eve", "active": False})
    assert created.status_code == 201, created.json
    assert [(bool(key), leavings, origin) for key, leavings, origin in seen] == [
        (True, 1, "directory")
    ]
    assert state(portal, "eve") == (False, 1, 0)


def test_who_comes_inactive_does_not_come_when_the_hook_fails(portal: Portal) -> None:
    FAULTS["eve"] = WRONG["an error of its own"]
    inactive = {"userName": "eve", "active": False}
    assert portal.client.post("/Users", inactive).status_code == 503
    assert state(portal, "eve") == (None, None, 0)
    FAULTS.clear()
    assert portal.client.post("/Users", inactive).status_code == 201


def test_who_is_taken_over_and_comes_back_does_so_with_the_hook_or_not_at_all(
    portal: Portal,
) -> None:
    path = add(portal)
    assert portal.client.delete(path).status_code == 204
    FAULTS["ada"] = WRONG["a ValueError"]
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 503
    assert state(portal) == (False, 1, 0)
    FAULTS.clear()
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 201
    assert state(portal) == (True, 1, 0)


@pytest.mark.parametrize("fault", WRONG)
def test_in_bulk_the_others_go_on(portal: Portal, fault: str) -> None:
    paths = {login: add(portal, login) for login in ("ada", "bob", "eve")}
    FAULTS["bob"] = WRONG[fault]
    operations = [
        {"method": "PATCH", "path": path, "data": {"Operations": [OFF]}} for path in paths.values()
    ]
    answer = portal.client.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    assert answer.status_code == 200, answer.json
    assert [each["status"] for each in answer.json["Operations"]] == ["200", "503", "200"]
    assert [state(portal, login)[0] for login in paths] == [False, True, False]
    FAULTS.clear()
    assert patch(portal, paths["bob"]).status_code in (200, 204)


def test_the_version_moves_once_whatever_the_hook_changes(portal: Portal) -> None:
    path = add(portal)
    answer = patch(portal, path)
    assert answer.headers["ETag"] == portal.client.get(path).headers["ETag"] == 'W/"2"'


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_hook_that_ends_the_transaction_is_named(
    portal: Portal, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = add(portal)
    FAULTS["ada"] = lambda person: getattr(_session(person), ends)()
    with caplog.at_level(logging.ERROR):
        assert patch(portal, path).status_code >= 500
    assert "PortalUser.Meta.on_deactivate" in caplog.text
    assert state(portal) == (True, 0, 1)


def test_a_hook_of_groups_is_refused_at_startup() -> None:
    db = SQLAlchemy(model_class=type("Base", (DeclarativeBase,), {}))
    person, attributes = _declare(db)

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(60), unique=True)

    class PortalGroup(GroupSchema):
        class Meta:
            model = Team
            on_deactivate = print

        display_name = fields.Attribute(Team.name)

    options = type("Meta", (), {"model": person, **attributes.pop("Meta")})
    people = type("PortalUser", (UserSchema,), {"Meta": options, **attributes})
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI="sqlite://")
    db.init_app(app)
    made = Provisioning(db, user_schema=people, group_schema=PortalGroup)
    with pytest.raises(MappingError, match="set it in the schema of users"):
        made.init_app(app, admin_required=lambda: False)
