"""Points in time that are kept as text are found and sorted as such, whatever their time zone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from flask_scim_provisioning.scim.catalogue import user_resource_type
from flask_scim_provisioning.scim.evaluate import matches
from flask_scim_provisioning.scim.filters import parse_filter
from flask_scim_provisioning.scim.values import instant

from ..databases import DATABASES, drop_tables
from ..portal import Host, Portal
from .hosts import open_portal

URN = "urn:example:params:scim:schemas:staff:2.0:User"
PLACES = ("hired", "joined", "left", "contract.start")
LISTS = ("trips", "badges.since")

STAFF = Schema(
    URN,
    "Staff",
    "Points in time, in the link row and in columns of the host that are text.",
    (
        Attribute("hired", Type.DATE_TIME),
        Attribute("joined", Type.DATE_TIME),
        Attribute("left", Type.DATE_TIME),
        Attribute(
            "contract",
            Type.COMPLEX,
            sub_attributes=(Attribute("start", Type.DATE_TIME), Attribute("note")),
        ),
        Attribute("trips", Type.DATE_TIME, multi_valued=True),
        Attribute(
            "badges",
            Type.COMPLEX,
            multi_valued=True,
            sub_attributes=(Attribute("value"), Attribute("since", Type.DATE_TIME)),
        ),
    ),
)
USERS = user_resource_type((STAFF,))

# The traps: the same point in time in other zones and cases, digits beyond microseconds, half
# hours, a year's end, a leap day, before 1970, the first and the last that Python knows.
MOMENTS = (
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00",
    "2024-01-01t00:00:00z",
    "2023-12-31T19:00:00-05:00",
    "2024-01-01T05:30:00+05:30",
    "2024-01-01T00:00:00.000Z",
    "2023-12-31T23:59:59.9999999Z",
    "2023-12-31T23:59:59.999999",
    "2024-01-01T00:00:00.1-00:30",
    "2024-01-01T00:30:00.100000000+00:00",
    "2024-01-01T00:00:00.05Z",
    "2024-01-01T00:00:00.5Z",
    "2024-01-01T23:59:00+23:59",
    "2024-02-29T12:00:00Z",
    "2024-03-01T01:00:00+14:00",
    "2000-02-29T23:59:59Z",
    "1969-12-31T23:59:59.25Z",
    "1970-01-01T00:00:00Z",
    "1900-03-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
)
# What only somebody else can have written.
NONE_AT_ALL = (
    "",
    "now",
    "soon",
    "2460000.5",
    "2024-01-01",
    "2024-13-01T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00+0100",
    "2024-01-01T00:00:00 Z",
    "\u0662\u0660\u0662\u0664-01-01T00:00:00Z",
)


@functools.cache
def staff() -> Host:
    """A portal that keeps one point in time in a column of text, and one in a JSON column."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(150), unique=True)
        joined: Mapped[str | None] = mapped_column(sa.String(50))
        more: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)

    class Circle(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "circle"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)

    class Staff(UserSchema):
        class Meta:
            model = Person
            extensions = (STAFF,)

        user_name = fields.Attribute(Person.login)
        joined = fields.Attribute(Person.joined)
        left = fields.JsonKey(Person.more, "left")

    class Circles(GroupSchema):
        class Meta:
            model = Circle

        display_name = fields.Attribute(Circle.name)

    provisioning = Provisioning(db, user_schema=Staff, group_schema=Circles)
    return Host(db, Person, Circle, Person.__table__, provisioning)


@pytest.fixture(scope="module", params=DATABASES)
def portal(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    server_databases: Callable[[str], str],
) -> Iterator[Portal]:
    """The portal on each database, with a person for each point in time, and for each nonsense."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('times') / 'portal.sqlite3'}"
    else:
        url = server_databases(request.param)
    opened = open_portal(url, staff())
    try:
        _fill(opened)
        yield opened
    finally:
        opened.close()
        if request.param != "sqlite":
            drop_tables(url)


def _fill(portal: Portal) -> None:
    following = itertools.cycle(MOMENTS[3:])
    for number, moment in enumerate(MOMENTS):
        other = next(following)
        own = {
            "hired": moment,
            "joined": moment,
            "left": moment,
            "contract": {"start": moment, "note": "x"},
            "trips": [moment, other],
            "badges": [{"value": "a", "since": moment}, {"value": "b", "since": other}],
        }
        body = {"userName": f"person{number}", URN: own}
        answer = portal.client.post("/Users", body)
        assert answer.status_code == 201, answer.text
        assert answer.json[URN] == own, "what is written is what is read"
    assert portal.client.post("/Users", {"userName": "nobody"}).status_code == 201
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    table = portal.models.User.__table__
    for number, text in enumerate(NONE_AT_ALL):
        name = f"odd{number}"
        assert portal.client.post("/Users", {"userName": name}).status_code == 201
        kept = {
            f"{URN}:hired": text,
            f"{URN}:contract": {"start": text},
            f"{URN}:trips": [text],
            f"{URN}:badges": [{"value": "c", "since": text}],
        }
        with portal.engine.begin() as connection:
            mine = table.c.login == name
            connection.execute(
                sa.update(table).where(mine).values(joined=text, more={"left": text})
            )
            key = connection.scalar(sa.select(table.c.id).where(mine))
            connection.execute(sa.update(links).where(links.c.host_id == key).values(stored=kept))


def everybody(portal: Portal) -> dict[str, dict[str, Any]]:
    """Return all people as a filter sees them, by name."""
    found = {}
    for resource in portal.client.get("/Users", count=200).json["Resources"]:
        own = {f"{URN}:{name}": value for name, value in resource.pop(URN, {}).items()}
        found[resource["userName"]] = {**resource, **own}
    return found


def ask(portal: Portal, text: str) -> set[str]:
    answer = portal.client.search("/Users", filter=text, count=200)
    assert answer.status_code == 200, (text, answer.text)
    return {resource["userName"] for resource in answer.json["Resources"]}


@pytest.mark.parametrize("place", [*PLACES, *LISTS])
def test_points_in_time_are_compared_as_such(portal: Portal, place: str) -> None:
    """RFC 7644 section 3.4.2.2: chronologically."""
    people = everybody(portal)
    texts = [f"{URN}:{place} pr", f"not ({URN}:{place} pr)", f"{URN}:{place} eq null"]
    for number, moment in enumerate(MOMENTS):
        for op in ("eq", "gt", "le") if number % 2 else ("ne", "ge", "lt"):
            texts.append(f'{URN}:{place} {op} "{moment}"')
    texts += [
        f'not ({URN}:{place} gt "2024-01-01T00:00:00Z")',
        f'{URN}:{place} ge "2024-01-01T00:00:00Z" and {URN}:{place} lt "2024-01-02T00:00:00Z"',
    ]
    wrong = {}
    for text in texts:
        node = parse_filter(text)
        wanted = {name for name, flat in people.items() if matches(node, flat, USERS)}
        if (found := ask(portal, text)) != wanted:
            wrong[text] = sorted(found - wanted), sorted(wanted - found)
    assert wrong == {}


def test_one_element_has_both(portal: Portal) -> None:
    """In brackets, the point in time is that of the same element."""
    people = everybody(portal)
    for op in ("eq", "ge", "lt"):
        text = f'{URN}:badges[value eq "b" and since {op} "1970-01-01T01:00:00+01:00"]'
        node = parse_filter(text)
        wanted = {name for name, flat in people.items() if matches(node, flat, USERS)}
        assert ask(portal, text) == wanted != set()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_points_in_time_are_sorted_as_such(portal: Portal, place: str, order: str) -> None:
    """RFC 7644 section 3.4.2.3, from page to page, too; who has none is last, or first."""
    query = {"sortBy": f"{URN}:{place}", "sortOrder": order}
    whole = portal.client.get("/Users", count=200, **query).json["Resources"]
    page = portal.client.get("/Users", cursor="", count=5, **query).json
    paged = page["Resources"]
    while "nextCursor" in page:
        page = portal.client.get("/Users", cursor=page["nextCursor"], count=5, **query).json
        paged += page["Resources"]
    first, _, sub = place.partition(".")

    def moment(resource: dict[str, Any]) -> Any:
        value = resource.get(URN, {}).get(first)
        return instant((value or {}).get(sub, "") if sub else value or "")

    for found in (whole, paged):
        assert len({resource["id"] for resource in found}) == len(MOMENTS) + len(NONE_AT_ALL) + 1
        moments = [moment(resource) for resource in found]
        if order == "descending":
            moments.reverse()
        there = [each for each in moments if each is not None]
        assert len(there) == len(MOMENTS)
        assert moments[: len(there)] == sorted(there)
