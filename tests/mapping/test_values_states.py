"""Whether somebody is active, where it is kept as a status, a contrary or a point in time."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_scim_provisioning import fields
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from tests.portal import Portal

from .shapes import opened, refusal, shape

URN = "urn:example:params:scim:schemas:states:2.0:User"
STATES = Schema(
    URN,
    "States",
    "Truth values of all kinds.",
    (
        Attribute("trusted", Type.BOOLEAN),
        Attribute("present", Type.BOOLEAN),
        Attribute("quiet", Type.BOOLEAN),
        Attribute("level"),
    ),
)


class Status(enum.Enum):
    """What a portal says of people."""

    PENDING = "pending"
    ACTIVE = "active"
    TRIAL = "trial"
    SUSPENDED = "suspended"
    BANNED = "banned"


@shape
def portal_of_states(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal where everything that is true is kept otherwise."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        status: Mapped[Status] = mapped_column(sa.Enum(Status), default=Status.PENDING)
        is_suspect: Mapped[bool | None] = mapped_column()
        left_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
        noise: Mapped[int] = mapped_column(default=0)
        grade: Mapped[str] = mapped_column(sa.String(10), default="C")

    return Person, {
        "Meta": {"extensions": (STATES,)},
        "user_name": fields.Attribute(Person.login),
        "active": fields.Choice(
            Person.status, true=Status.ACTIVE, false=Status.SUSPENDED, also_true=[Status.TRIAL]
        ),
        "trusted": fields.Not(Person.is_suspect),
        "present": fields.ActiveUnless(Person.left_at),
        "quiet": fields.Not(Person.noise),
        "level": fields.Attribute(Person.grade, read=lambda grade: {"A": "best"}.get(grade, grade)),
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal with one person in each state."""
    with opened(database, portal_of_states()) as made:
        made.add(*(made.models.User(login=each.value, status=each) for each in Status))
        table = made.app.extensions["scim_provisioning"].mappings["Users"].table
        with made.engine.begin() as connection:
            keys = list(connection.scalars(sa.select(made.models.User.id)))
            table.make_links(connection, keys)
            # A directory has them already: who is disabled when it gets them stays so.
            connection.execute(sa.update(table.links).values(local=None))
        yield made


def by_name(portal: Portal, **query: str) -> dict[str, dict[str, Any]]:
    answer = portal.client.get("/Users", **query)
    assert answer.status_code == 200, answer.json
    return {each["userName"]: each for each in answer.json["Resources"]}


def status(portal: Portal, login: str) -> Status:
    model = portal.models.User
    found: Status = portal.session.scalars(
        sa.select(model.status).where(model.login == login)
    ).one()
    return found


def test_every_other_state_is_shown_as_inactive_and_found_alike(portal: Portal) -> None:
    shown = {name: each["active"] for name, each in by_name(portal).items()}
    assert shown == {
        "pending": False,
        "active": True,
        "trial": True,
        "suspended": False,
        "banned": False,
    }
    for value in (True, False):
        found = by_name(portal, filter=f"active eq {str(value).lower()}")
        assert sorted(found) == sorted(name for name, active in shown.items() if active is value)
    ordered = list(by_name(portal, sortBy="active"))
    assert set(ordered[:3]) == {"pending", "suspended", "banned"}
    assert set(by_name(portal, filter="active pr")) == set(shown)


@pytest.mark.parametrize("state", list(Status))
def test_a_state_stays_while_what_is_sent_is_what_is_shown(portal: Portal, state: Status) -> None:
    person = by_name(portal)[state.value]
    path = f"/Users/{person['id']}"
    shown = person["active"]
    replace = {"op": "replace", "path": "active", "value": shown}
    assert portal.client.patch(path, [replace]).status_code in (200, 204)
    body = {"userName": state.value, "active": shown, "nickName": "new"}
    assert portal.client.put(path, body).status_code == 200
    assert status(portal, state.value) is state
    contrary = {"op": "replace", "path": "active", "value": not shown}
    assert portal.client.patch(path, [contrary]).status_code in (200, 204)
    assert status(portal, state.value) is (Status.SUSPENDED if shown else Status.ACTIVE)
    assert portal.client.get(path).json["active"] is (not shown)


def test_a_new_person_gets_the_state_that_is_sent_or_the_portals_own(portal: Portal) -> None:
    for name, sent, expected in (
        ("on", {"active": True}, Status.ACTIVE),
        ("off", {"active": False}, Status.SUSPENDED),
        ("new", {}, Status.PENDING),
    ):
        answer = portal.client.post("/Users", {"userName": name, **sent})
        assert answer.status_code == 201
        assert status(portal, name) is expected
        assert answer.json["active"] is (expected is Status.ACTIVE)


def test_the_contrary_of_a_column_is_found_as_it_is_shown(portal: Portal) -> None:
    """Nothing is the contrary of true, too."""
    model = portal.models.User
    with portal.engine.begin() as connection:
        connection.execute(sa.update(model).where(model.login == "banned").values(is_suspect=True))
        connection.execute(sa.update(model).where(model.login == "active").values(is_suspect=False))
        connection.execute(sa.update(model).where(model.login == "trial").values(noise=7))
    people = by_name(portal)
    assert {name for name, each in people.items() if each[URN]["trusted"]} == (
        set(people) - {"banned"}
    )
    assert set(by_name(portal, filter=f"{URN}:trusted eq true")) == set(people) - {"banned"}
    assert set(by_name(portal, filter=f"{URN}:quiet eq false")) == {"trial"}
    assert people["trial"][URN]["quiet"] is False
    path = f"/Users/{people['active']['id']}"
    replace = {"op": "replace", "path": f"{URN}:trusted", "value": False}
    assert portal.client.patch(path, [replace]).status_code in (200, 204)
    assert portal.client.get(path).json[URN]["trusted"] is False
    assert list(by_name(portal, sortBy=f"{URN}:trusted"))[:2] == ["active", "banned"]


def test_who_left_keeps_the_first_point_in_time(portal: Portal) -> None:
    model = portal.models.User

    def left_at() -> Any:
        return portal.session.scalars(sa.select(model.left_at).where(model.login == "active")).one()

    person = by_name(portal)["active"]
    path = f"/Users/{person['id']}"
    assert person[URN]["present"] is True
    leave = {"op": "replace", "path": f"{URN}:present", "value": False}
    portal.client.patch(path, [leave])
    first = left_at()
    assert first is not None
    assert portal.client.patch(path, [leave]).status_code in (200, 204)
    body = {"userName": "active", "active": True, URN: {"present": False}}
    assert portal.client.put(path, body).status_code == 200
    assert left_at() == first
    assert set(by_name(portal, filter=f"{URN}:present eq false")) == {"active"}
    portal.client.patch(path, [{**leave, "value": True}])
    assert left_at() is None


def test_what_read_makes_of_a_text_is_not_searched_wrongly(portal: Portal) -> None:
    """SQL can't call a function of Python's; a filter is refused, and never finds others."""
    model = portal.models.User
    with portal.engine.begin() as connection:
        connection.execute(sa.update(model).where(model.login == "active").values(grade="A"))
    assert by_name(portal)["active"][URN]["level"] == "best"
    for filter_ in (f'{URN}:level eq "best"', f'{URN}:level sw "b"', f'{URN}:level eq "A"'):
        answer = portal.client.get("/Users", filter=filter_)
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidFilter")
    answer = portal.client.get("/Users", sortBy=f"{URN}:level")
    assert answer.status_code == 400


@shape
def portal_of_functions(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal whose team says in functions what its columns mean."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        disabled: Mapped[bool] = mapped_column(default=False)
        status: Mapped[Status | None] = mapped_column(sa.Enum(Status))
        nick: Mapped[str | None] = mapped_column(sa.String(60))

    return Person, {
        "user_name": fields.Attribute(Person.login),
        "active": fields.Attribute(
            Person.disabled, read=lambda value: not value, write=lambda value: not value
        ),
        "user_type": fields.Attribute(
            Person.status,
            read=lambda status: "staff" if status is Status.ACTIVE else "guest",
            write=lambda value: Status.ACTIVE if value == "staff" else Status.PENDING,
        ),
        "nick_name": fields.Attribute(Person.nick, write=str.lower),
    }


def test_functions_over_a_few_values_are_searched_by_what_they_make_of_each(database: str) -> None:
    """An inverse boolean is found as it is shown, and so is a group of states."""
    with opened(database, portal_of_functions()) as portal:
        model = portal.models.User
        portal.add(
            model(login="ada", status=Status.ACTIVE),
            model(login="bob", status=Status.BANNED, disabled=True),
            model(login="eve"),
        )
        people = by_name(portal)
        assert {name: each["active"] for name, each in people.items()} == {
            "ada": True,
            "bob": False,
            "eve": True,
        }
        assert set(by_name(portal, filter="active eq true")) == {"ada", "eve"}
        assert set(by_name(portal, filter="active eq false")) == {"bob"}
        assert set(by_name(portal, filter='userType eq "GUEST"')) == {"bob"}
        assert set(by_name(portal, filter='userType ne "guest"')) == {"ada", "eve"}
        assert list(by_name(portal, sortBy="active")) == ["bob", "ada", "eve"]
        assert list(by_name(portal, sortBy="userType")) == ["bob", "ada", "eve"]
        path = f"/Users/{people['eve']['id']}"
        replace = {"op": "replace", "value": {"active": False, "nickName": "EVE"}}
        assert portal.client.patch(path, [replace]).status_code in (200, 204)
        assert set(by_name(portal, filter="active eq false")) == {"bob", "eve"}
        assert set(by_name(portal, filter='nickName eq "Eve"')) == {"eve"}
        assert portal.client.get(path).json["nickName"] == "eve"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda p: fields.Choice(p.status, true=Status.ACTIVE, false=Status.ACTIVE),
            "can't be true and false",
        ),
        (lambda p: fields.Choice(p.status, true="on", false=Status.ACTIVE), "has no state 'on'"),
        (lambda p: fields.Not(p.login), "use fields.Choice(Person.login"),
        (lambda p: fields.ActiveUnless(p.login), "say what is written with now="),
        (lambda p: fields.ActiveUnless(p.since), "can't be empty"),
    ],
)
def test_a_column_that_cannot_say_it_is_refused_at_startup(make: Any, words: str) -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            status: Mapped[Status | None] = mapped_column(sa.Enum(Status))
            since: Mapped[datetime] = mapped_column(server_default=sa.func.now())

        return Person, {"user_name": fields.Attribute(Person.login), "active": make(Person)}

    assert words in refusal(declare)
