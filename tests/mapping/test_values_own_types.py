"""Columns whose types a team has written itself: what is read is what is found and sorted by."""

from __future__ import annotations

import base64
import enum
import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping.bindings.converters import _CONVERTERS
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from tests.portal import Portal

from .shapes import opened, refusal, shape

URN = "urn:example:params:scim:schemas:types:2.0:User"
OWN = Schema(
    URN,
    "Types",
    "An attribute for each type.",
    (
        Attribute("trial", Type.BOOLEAN),
        Attribute("letter", Type.BOOLEAN),
        Attribute("rank"),
        Attribute("badge"),
        Attribute("seen", Type.DATE_TIME),
        Attribute("since", Type.DATE_TIME),
        Attribute("points", Type.INTEGER),
        Attribute("secret"),
        Attribute("hidden"),
        Attribute("fee"),
        Attribute("guess", Type.BOOLEAN),
    ),
)


class Rank(enum.Enum):
    """What people are; a portal keeps the names."""

    LOW = "Zeta"
    HIGH = "Alpha"


class Locked(sa.TypeDecorator[bool]):
    """True is kept as false."""

    impl = sa.Boolean
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else not value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else not value


class Letter(sa.TypeDecorator[Any]):
    """Y or N, and nothing is N; it doesn't say that it gives truth values."""

    impl = sa.String(1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value not in (None, True, False):
            raise ValueError("no truth value")
        return None if value is None else "N" if not value else "Y"

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value == "Y"


class Lower(sa.TypeDecorator[str]):
    """Text in lower case, without blanks around it."""

    impl = sa.String(60)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value.strip().lower()


class Named(sa.TypeDecorator[Rank]):
    """An enumeration by name."""

    impl = sa.String(10)
    cache_ok = True
    python_type = Rank

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value.name

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else Rank[value]


class Guid(sa.TypeDecorator[Any]):
    """The recipe of SQLAlchemy's documentation, which says nothing of what it gives."""

    impl = sa.CHAR(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.Uuid())
        return dialect.type_descriptor(sa.CHAR(32))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return uuid.UUID(str(value)).hex

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


class Aware(sa.TypeDecorator[datetime]):
    """Points in time in UTC, which are refused without a time zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is not None and value.tzinfo is None:
            raise TypeError("tzinfo is required")
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value.replace(tzinfo=UTC)


class Seconds(sa.TypeDecorator[datetime]):
    """Points in time as numbers."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else int(value.timestamp())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else datetime.fromtimestamp(value, UTC)


class Digits(sa.TypeDecorator[int]):
    """Numbers as text, which databases sort otherwise."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else int(value)


class Sealed(sa.TypeDecorator[str]):
    """A text that nobody reads in the database; the same one is always the same there."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else base64.b85encode(value.encode()).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else base64.b85decode(value).decode()


_NUMBERS = itertools.count()


class Salted(Sealed):
    """One that is another each time, as good encryption makes it."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        sealed = super().process_bind_param(value, dialect)
        return None if sealed is None else f"{next(_NUMBERS)} {sealed}"

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else super().process_result_value(value.split()[1], dialect)


class Money:
    """A class of the team's own."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Cents(sa.TypeDecorator[Money]):
    """Money as a number."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else value.cents

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Money | None:
        return None if value is None else Money(value)


def _to_money(value: str) -> Money:
    units, _, cents = value.partition(".")
    return Money(int(units) * 100 + int(cents))


MONEY = fields.Conversion(lambda money: f"{money.cents // 100}.{money.cents % 100:02}", _to_money)
fields.register_converter("string", Money, MONEY)


@shape
def portal_of_types(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal with a type of its own for every column."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(Lower, unique=True)
        may_enter: Mapped[bool] = mapped_column("locked", Locked, default=True)
        mail: Mapped[str | None] = mapped_column(Lower)
        trial: Mapped[bool | None] = mapped_column(Locked)
        letter: Mapped[Any] = mapped_column(Letter, nullable=True)
        rank: Mapped[Rank | None] = mapped_column(Named)
        badge: Mapped[Any] = mapped_column(Guid, nullable=True)
        seen: Mapped[datetime | None] = mapped_column(Aware)
        since: Mapped[datetime | None] = mapped_column(Seconds)
        points: Mapped[int | None] = mapped_column(Digits)
        secret: Mapped[str | None] = mapped_column(Sealed)
        hidden: Mapped[str | None] = mapped_column(Salted)
        fee: Mapped[Any] = mapped_column(Cents, nullable=True)

    return Person, {
        "Meta": {"extensions": (OWN,)},
        "user_name": fields.Attribute(Person.login),
        "active": fields.Attribute(Person.may_enter),
        "emails": fields.Email(Person.mail),
        **{
            name: fields.Attribute(getattr(Person, name))
            for name in (
                *("trial", "letter", "rank", "badge", "seen", "since", "points"),
                *("secret", "hidden", "fee"),
            )
        },
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal with two people, of whom one has nothing but a name."""
    with opened(database, portal_of_types()) as made:
        yield made


BADGE = "6f1c7a52-5c4f-4c35-8a3e-0f6a8b6f5d11"
ADA: dict[str, Any] = {
    "userName": "ada",
    "active": True,
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
    URN: {
        "trial": True,
        "letter": True,
        "rank": "Zeta",
        "badge": BADGE,
        "seen": "2024-05-15T09:21:23.000Z",
        "since": "2024-05-15T09:21:23.000Z",
        "points": 10,
        "secret": "Countess",
        "hidden": "Enchantress",
        "fee": "12.05",
    },
}
BOB: dict[str, Any] = {
    "userName": "bob",
    "active": False,
    "emails": [{"value": "bob@example.com", "type": "work", "primary": True}],
    URN: {
        "trial": False,
        "letter": False,
        "rank": "Alpha",
        "badge": str(uuid.UUID(int=7)),
        "seen": "2025-05-15T09:21:23.000Z",
        "since": "2023-05-15T09:21:23.000Z",
        "points": 9,
        "secret": "Builder",
        "hidden": "Hidden",
        "fee": "0.70",
    },
}


def create(portal: Portal, *people: dict[str, Any]) -> list[dict[str, Any]]:
    answers = [portal.client.post("/Users", person) for person in people]
    assert [answer.status_code for answer in answers] == [201] * len(people), answers[0].json
    return [answer.json for answer in answers]


def found(portal: Portal, filter_: str) -> list[str]:
    answer = portal.client.get("/Users", filter=filter_)
    assert answer.status_code == 200, (filter_, answer.json)
    return [each["userName"] for each in answer.json["Resources"]]


def refused(portal: Portal, filter_: str) -> bool:
    answer = portal.client.get("/Users", filter=filter_)
    return bool(answer.status_code == 400 and answer.json["scimType"] == "invalidFilter")


def test_what_is_written_is_read_back(portal: Portal) -> None:
    """Whatever the column has: here it has the contrary, another case, bytes or a number."""
    created = create(portal, ADA, BOB)
    for sent, got in zip((ADA, BOB), created, strict=True):
        again = portal.client.get(f"/Users/{got['id']}").json
        assert {key: again[key] for key in sent} == sent
    raw = 'SELECT locked, letter, "rank", points, secret FROM person ORDER BY id'
    if portal.engine.dialect.name == "mysql":
        raw = raw.replace('"', "`")
    with portal.engine.connect() as connection:
        (locked, *texts), _ = connection.exec_driver_sql(raw).all()
    assert bool(locked) is False
    assert texts == ["Y", "LOW", "10", base64.b85encode(b"Countess").decode()]


def test_filters_go_through_the_type(portal: Portal) -> None:
    """Each finds the one person of whom the same is read, and not the other."""
    create(portal, ADA, BOB)
    assert found(portal, "active eq true") == ["ada"]
    assert found(portal, "active eq false") == ["bob"]
    assert found(portal, 'userName eq "ADA"') == ["ada"]
    assert found(portal, 'userName eq " ada "') == ["ada"]  # the type has no blanks around it
    assert found(portal, 'userName co "D"') == ["ada"]
    assert found(portal, 'emails.value eq "Ada@Example.com"') == ["ada"]
    assert found(portal, 'emails[type eq "work" and value sw "BOB"]') == ["bob"]
    for name, value in ADA[URN].items():
        if name == "hidden":
            continue
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
        assert found(portal, f"{URN}:{name} eq {shown}") == ["ada"], name
        assert found(portal, f"{URN}:{name} ne {shown}") == ["bob"], name
    assert found(portal, f'{URN}:seen gt "2024-05-15T11:21:23+02:00"') == ["bob"]
    assert found(portal, f'{URN}:since lt "2024-01-01T00:00:00Z"') == ["bob"]
    assert found(portal, f'{URN}:rank eq "zeta"') == ["ada"]
    assert found(portal, f'{URN}:badge eq "{BADGE.upper()}"') == ["ada"]


def test_what_sql_cannot_say_is_refused(portal: Portal) -> None:
    """A part of a sealed text, any that is another each time, the order of numbers as text."""
    create(portal, ADA, BOB)
    for filter_ in (
        f'{URN}:secret co "Count"',
        f'{URN}:secret sw "C"',
        f'{URN}:secret gt "A"',
        f'{URN}:hidden eq "Enchantress"',
        f'{URN}:hidden co "Ench"',
        f'{URN}:badge sw "6f1c"',
        f'{URN}:rank co "et"',
        f'{URN}:fee co "12"',
        f"{URN}:points gt 9",
    ):
        assert refused(portal, filter_), filter_
    for name in ("secret", "hidden", "badge", "points", "fee"):
        answer = portal.client.get("/Users", sortBy=f"{URN}:{name}")
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue"), name


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("active", ["bob", "ada"]),
        (f"{URN}:trial", ["bob", "ada"]),
        (f"{URN}:letter", ["bob", "ada"]),
        (f"{URN}:rank", ["bob", "ada"]),
        (f"{URN}:seen", ["ada", "bob"]),
        (f"{URN}:since", ["bob", "ada"]),
        ("userName", ["ada", "bob"]),
    ],
)
def test_it_is_sorted_by_what_is_read(portal: Portal, name: str, order: list[str]) -> None:
    create(portal, ADA, BOB)
    pages = portal.client.get("/Users", sortBy=name).json["Resources"]
    assert [each["userName"] for each in pages] == order


def test_nothing_is_what_the_type_makes_of_it(portal: Portal) -> None:
    """Here it reads as false, so that it is found and sorted as false."""
    create(portal, ADA, {"userName": "eve"})
    eve = portal.client.get("/Users", filter='userName eq "eve"').json["Resources"][0]
    assert eve[URN]["letter"] is False
    assert "trial" not in eve[URN]
    assert found(portal, f"{URN}:letter eq false") == ["eve"]
    assert found(portal, f"{URN}:letter pr") == ["ada", "eve"]
    assert found(portal, f"{URN}:trial pr") == ["ada"]


def test_a_repeated_request_changes_nothing(portal: Portal) -> None:
    """The type makes lower case of it each time; that is no change."""
    (ada,) = create(portal, ADA)
    change: list[dict[str, Any]] = [
        {"op": "replace", "path": "userName", "value": "  ADA"},
        {
            "op": "replace",
            "path": "emails",
            "value": [{**ADA["emails"][0], "value": "Ada@Example.com"}],
        },
    ]
    first = portal.client.patch(f"/Users/{ada['id']}", change)
    assert first.status_code in (200, 204)
    after = portal.client.get(f"/Users/{ada['id']}").json
    assert after["userName"] == "ada"
    assert after["emails"] == ADA["emails"]
    assert after["meta"]["version"] == ada["meta"]["version"]


def test_what_the_type_does_not_take_is_refused(portal: Portal) -> None:
    (ada,) = create(portal, ADA)
    for name, value in (("rank", "Omega"), ("badge", "no uuid"), ("fee", "much")):
        change = [{"op": "replace", "path": f"{URN}:{name}", "value": value}]
        answer = portal.client.patch(f"/Users/{ada['id']}", change)
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue"), name
    long = portal.client.post("/Users", {"userName": "x" * 61})
    assert (long.status_code, long.json["scimType"]) == (400, "invalidValue")
    assert "60 characters" in long.json["detail"]


def test_a_user_name_that_cannot_be_looked_up_is_refused_at_startup() -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(Salted, unique=True)

        return Person, {"user_name": fields.Attribute(Person.login)}

    assert "Person.login makes another value of it each time" in refusal(declare)


def test_a_converter_of_a_team_counts_for_its_type_only() -> None:
    assert _CONVERTERS[Type.STRING, Money](Cents()) is MONEY
    assert (Type.BOOLEAN, Money) not in _CONVERTERS
