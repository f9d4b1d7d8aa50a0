"""One odd row never makes a list fail: it is shown without the attribute, or left out."""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping.doctor import odd_rows
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from tests.portal import Portal

from .shapes import opened, shape

URN = "urn:example:params:scim:schemas:odd:2.0:User"
ODD = Schema(URN, "Odd", "What may be odd.", (Attribute("hired", Type.DATE_TIME),))


class Level(enum.Enum):
    """What the portal still knows."""

    JUNIOR = "Junior"
    SENIOR = "Senior"


class Sealed(sa.TypeDecorator[str]):
    """A text that is kept backwards, behind a mark without which it can't be opened."""

    impl = sa.String(80)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else "!" + value[::-1]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is not None and not value.startswith("!"):
            raise RuntimeError("this was never sealed")
        return None if value is None else value[:0:-1]


@shape
def portal_of_odd_rows(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal in whose tables not everything is as its model says."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str | None] = mapped_column(sa.String(60), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        level: Mapped[Level | None] = mapped_column(sa.Enum(Level, native_enum=False, length=20))
        secret: Mapped[str | None] = mapped_column(Sealed)
        hired: Mapped[datetime | None] = mapped_column(sa.DateTime)
        mails = relationship("Mail", cascade="all, delete-orphan")

    class Mail(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "mail"

        id: Mapped[int] = mapped_column(primary_key=True)
        person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
        text: Mapped[str] = mapped_column(sa.String(60))
        kind: Mapped[Level | None] = mapped_column(sa.Enum(Level, native_enum=False, length=20))

    return Person, {
        "Meta": {"extensions": (ODD,)},
        "user_name": fields.Attribute(Person.login),
        "active": fields.Attribute(Person.is_active),
        "title": fields.Attribute(Person.level),
        "nick_name": fields.Attribute(Person.secret),
        "hired": fields.Attribute(Person.hired),
        "emails": fields.Values(Person.mails, value=Mail.text, type=Mail.kind),
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal with twenty people, of whom the eighth can be made odd."""
    with opened(database, portal_of_odd_rows()) as made:
        names = [f"user{number:02}" for number in range(20)]
        made.add(*(made.models.User(login=name, level=Level.SENIOR) for name in names))
        assert made.client.get("/Users", count=50).json["totalResults"] == 20
        yield made


def spoil(portal: Portal, sql: str) -> None:
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(sql)


def listed(portal: Portal, **query: Any) -> dict[str, dict[str, Any]]:
    answer = portal.client.get("/Users", count=50, **query)
    assert answer.status_code == 200, answer.json
    return {each["userName"]: each for each in answer.json["Resources"]}


@pytest.mark.parametrize(
    ("sql", "path"),
    [
        ("UPDATE person SET level = 'ANCIENT' WHERE login = 'user07'", "title"),
        ("UPDATE person SET secret = 'plain' WHERE login = 'user07'", "nickName"),
        ("INSERT INTO mail (id, person_id, text, kind) VALUES (1, 8, 'x', 'ANCIENT')", "emails"),
    ],
)
def test_a_row_is_shown_without_what_cannot_be_read(
    portal: Portal, sql: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(portal, sql)
    with caplog.at_level(logging.WARNING):
        people = listed(portal)
    assert len(people) == 20
    assert path not in people["user07"]
    assert all(each["title"] == "Senior" for name, each in people.items() if name != "user07")
    assert list(listed(portal, sortBy="userName"))[7] == "user07"
    assert any(path in record.getMessage() for record in caplog.records)
    assert "user07" not in caplog.text
    one = portal.client.get(f"/Users/{people['user07']['id']}")
    assert one.status_code == 200
    assert path not in one.json
    found = portal.client.get("/Users", filter='userName eq "user07"').json
    assert found["totalResults"] == 1
    assert portal.client.get("/Users", attributes="userName", count=50).status_code == 200


def test_who_can_be_shown_in_part_can_be_deactivated(portal: Portal) -> None:
    """It would be the worst of all rows to lose."""
    spoil(portal, "UPDATE person SET level = 'ANCIENT', secret = 'plain' WHERE login = 'user07'")
    path = f"/Users/{listed(portal)['user07']['id']}"
    off = {"op": "replace", "path": "active", "value": False}
    answer = portal.client.patch(path, [off])
    assert answer.status_code in (200, 204), answer.json
    assert portal.client.get(path).json["active"] is False
    with portal.engine.connect() as connection:
        row = "SELECT is_active, level FROM person WHERE login = 'user07'"
        active, level = connection.exec_driver_sql(row).one()
    assert (bool(active), level) == (False, "ANCIENT")


@pytest.mark.parametrize("name", ["NULL", "''"])
def test_who_has_no_name_is_left_out(portal: Portal, name: str) -> None:
    spoil(portal, f"UPDATE person SET login = {name} WHERE login = 'user07'")
    people = listed(portal)
    assert len(people) == 19
    assert "user07" not in people
    first = portal.client.get("/Users", count=10).json
    assert (len(first["Resources"]), first["totalResults"]) == (9, 20)
    rest = portal.client.get("/Users", count=50, startIndex=11).json
    assert len(rest["Resources"]) == 10


def test_a_text_that_is_no_date_hides_nobody(tmp_path: Path) -> None:
    """Only SQLite keeps a date as text."""
    with opened(f"sqlite:///{tmp_path / 'portal.sqlite3'}", portal_of_odd_rows()) as portal:
        portal.add(portal.models.User(login="ada"), portal.models.User(login="bob"))
        spoil(portal, "UPDATE person SET hired = 'last summer' WHERE login = 'ada'")
        assert set(listed(portal)) == {"ada", "bob"}


def test_a_list_costs_more_only_where_a_row_is_odd(portal: Portal) -> None:
    listed(portal)
    with portal.statements() as usual:
        listed(portal)
    spoil(portal, "UPDATE person SET level = 'ANCIENT' WHERE login = 'user07'")
    with portal.statements() as odd:
        listed(portal)
    spoil(portal, "UPDATE person SET level = 'SENIOR' WHERE login = 'user07'")
    with portal.statements() as again:
        listed(portal)
    assert usual.count == again.count < odd.count < usual.count + 60


def test_the_doctor_names_the_rows(portal: Portal) -> None:
    spoil(portal, "UPDATE person SET level = 'ANCIENT' WHERE id IN (3, 8)")
    spoil(portal, "UPDATE person SET login = NULL WHERE id = 5")
    mapping = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.connect() as connection:
        found = list(odd_rows(mapping, connection))
    assert [(each.level, each.message.split(":")[1].split()[0]) for each in found] == [
        ("problem", "userName"),
        ("warning", "title"),
    ]
    assert "the rows with these keys: 3, 8." in found[1].message
    assert "keys: 5." in found[0].message
