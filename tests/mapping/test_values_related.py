"""Values in a related table: each row belongs to its value, and keeps what else it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, attribute_keyed_dict, mapped_column, relationship

from flask_scim_provisioning import fields
from tests.portal import Portal

from .shapes import Declare, opened, refusal, shape

STRATEGIES = (
    "select",
    "selectin",
    "joined",
    "raise",
    "raise_on_sql",
    "dynamic",
    "write_only",
)


def portal_of_addresses(lazy: Any = "select", *, one_of_a_type: bool = False) -> Declare:
    """Return a portal that knows of each address whether it was verified."""

    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            addresses = relationship("Address", cascade="all, delete-orphan", lazy=lazy)

        class Address(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "address"
            __table_args__ = (sa.UniqueConstraint("person_id", "kind"),) if one_of_a_type else ()

            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
            text: Mapped[str] = mapped_column(sa.String(80))
            kind: Mapped[str | None] = mapped_column(sa.String(20))
            verified: Mapped[bool] = mapped_column(default=False)

        return Person, {
            "user_name": fields.Attribute(Person.login),
            "emails": fields.Values(Person.addresses, value=Address.text, type=Address.kind),
        }

    return declare


_MADE = {lazy: shape(portal_of_addresses(lazy)) for lazy in STRATEGIES}
_ONE_OF_A_TYPE = shape(portal_of_addresses(one_of_a_type=True))


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal whose addresses are loaded as usual."""
    with opened(database, _MADE["select"]()) as made:
        yield made


def email(value: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"value": f"{value}@example.com", "type": kind, **more}


def create(portal: Portal, *emails: dict[str, Any], login: str = "ada") -> str:
    answer = portal.client.post("/Users", {"userName": login, "emails": list(emails)})
    assert answer.status_code == 201, answer.json
    return f"/Users/{answer.json['id']}"


def verify(portal: Portal) -> None:
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE address SET verified = true")


def verified(portal: Portal) -> dict[str, bool]:
    with portal.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT text, verified FROM address").all()
    return {text.split("@")[0]: bool(said) for text, said in rows}


def put(portal: Portal, path: str, *emails: dict[str, Any]) -> dict[str, Any]:
    answer = portal.client.put(path, {"userName": "ada", "emails": list(emails)})
    assert answer.status_code == 200, answer.json
    got: dict[str, Any] = answer.json
    return got


ONE, TWO, THREE = email("one", "other"), email("two", "other"), email("three", "work")


def test_the_others_of_a_type_keep_their_rows_when_one_goes(portal: Portal) -> None:
    path = create(portal, ONE, TWO, THREE)
    verify(portal)
    remove = {"op": "remove", "path": 'emails[value eq "one@example.com"]'}
    assert portal.client.patch(path, [remove]).status_code in (200, 204)
    assert verified(portal) == {"two": True, "three": True}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_is_known_of_a_value_stays_with_it_in_whatever_order_it_is_sent(
    portal: Portal, order: tuple[int, ...]
) -> None:
    """Also where its type changes, and never for a value that is new."""
    path = create(portal, ONE, TWO, THREE)
    verify(portal)
    sent = [email("new", "other"), {**TWO, "type": "work"}, email("THREE", "home")]
    got = put(portal, path, *(sent[number] for number in order))
    assert {name.lower(): said for name, said in verified(portal).items()} == {
        "new": False,
        "two": True,
        "three": True,
    }
    assert {each["value"].lower(): each["type"] for each in got["emails"]} == {
        "new@example.com": "other",
        "two@example.com": "work",
        "three@example.com": "home",
    }


def test_what_is_sent_beside_a_value_stays_with_it(portal: Portal) -> None:
    """The portal has no place for a display, and it is read back beside the right value."""
    path = create(portal, ONE, {**TWO, "display": "Two"}, THREE)
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM address WHERE text LIKE 'one%%'")
    got = portal.client.get(path).json["emails"]
    assert got == [{**TWO, "display": "Two"}, THREE]


def test_a_table_with_room_for_one_of_each_type_keeps_one(database: str) -> None:
    """A second row would be refused before the first one is gone."""
    with opened(database, _ONE_OF_A_TYPE()) as portal:
        path = create(portal, email("old", "work"), email("home", "home"))
        got = put(portal, path, email("home", "home"), email("new", "work"))
        assert {each["value"] for each in got["emails"]} == {"home@example.com", "new@example.com"}


@pytest.mark.parametrize("lazy", STRATEGIES)
def test_rows_are_written_whatever_way_they_are_loaded(database: str, lazy: str) -> None:
    with opened(database, _MADE[lazy]()) as portal:
        path = create(portal, ONE, TWO)
        verify(portal)
        got = put(portal, path, THREE, TWO)
        assert [each["value"] for each in got["emails"]] == ["two@example.com", "three@example.com"]
        assert verified(portal) == {"two": True, "three": False}
        add = {"op": "add", "path": "emails", "value": [ONE]}
        assert portal.client.patch(path, [add]).status_code in (200, 204)
        remove = {"op": "remove", "path": "emails"}
        assert portal.client.patch(path, [remove]).status_code in (200, 204)
        assert verified(portal) == {}
        create(portal, THREE, login="bob")
        assert verified(portal) == {"three": False}


@shape
def portal_of_contacts(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal with one table of contacts for all kinds, by a column that isn't the key."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        mails = relationship(
            "Contact",
            primaryjoin="and_(Person.login == Contact.login, Contact.medium == 'mail')",
            cascade="all, delete-orphan",
            overlaps="phones",
        )
        phones = relationship(
            "Contact",
            primaryjoin="and_(Person.login == Contact.login, Contact.medium == 'phone')",
            collection_class=attribute_keyed_dict("text"),
            cascade="all, delete-orphan",
            overlaps="mails",
        )

    class Contact(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "contact"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.ForeignKey("person.login"))
        medium: Mapped[str] = mapped_column(sa.String(20))
        text: Mapped[str] = mapped_column(sa.String(80))

    return Person, {
        "user_name": fields.Attribute(Person.login),
        "emails": fields.Values(Person.mails, value=Contact.text, type="work"),
        "phone_numbers": fields.Values(Person.phones, value=Contact.text),
    }


def test_a_relationship_with_a_condition_has_its_own_rows_only(database: str) -> None:
    """New rows meet the condition, and the rows of the other relationship stay."""
    with opened(database, portal_of_contacts()) as portal:
        body = {
            "userName": "ada",
            "emails": [{"value": "ada@example.com", "type": "work"}],
            "phoneNumbers": [{"value": "1815"}, {"value": "1852"}],
        }
        created = portal.client.post("/Users", body)
        assert created.status_code == 201, created.json
        path = f"/Users/{created.json['id']}"
        got = portal.client.get(path).json
        assert {key: got[key] for key in body} == body
        assert portal.client.put(path, {**body, "emails": []}).status_code == 200
        got = portal.client.get(path).json
        assert "emails" not in got
        assert got["phoneNumbers"] == body["phoneNumbers"]
        for filter_, names in (
            ('phoneNumbers.value eq "1815"', ["ada"]),
            ('emails.value eq "1815"', []),
            ('emails[type eq "work"]', []),
        ):
            found = portal.client.get("/Users", filter=filter_).json["Resources"]
            assert [each["userName"] for each in found] == names


def test_a_constant_is_searched_like_any_other_part(database: str) -> None:
    with opened(database, portal_of_contacts()) as portal:
        emails = [{"value": "ada@example.com", "type": "work"}]
        portal.client.post("/Users", {"userName": "ada", "emails": emails})
        filter_ = 'emails[type eq "WORK" and value sw "ada"]'
        assert portal.client.get("/Users", filter=filter_).json["totalResults"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, 'add cascade="all, delete-orphan"'),
        ({"viewonly": True}, "is viewonly"),
        (
            {
                "primaryjoin": "and_(Person.id == Row.person_id, Row.text != Person.login)",
                "cascade": "all, delete-orphan",
            },
            "has a condition that a new Row can't be made to meet",
        ),
    ],
)
def test_a_relationship_that_cannot_be_written_is_refused_at_startup(
    options: dict[str, Any], words: str
) -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            rows = relationship("Row", **options)

        class Row(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "row"
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
            text: Mapped[str] = mapped_column(sa.String(60))

        return Person, {
            "user_name": fields.Attribute(Person.login),
            "emails": fields.Values(Person.rows, value=Row.text),
        }

    assert words in refusal(declare)
