"""JSON and ARRAY columns of the host's: keys of objects, elements of lists, and odd documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import Mapped, mapped_column

from flask_scim_provisioning import fields
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from tests.portal import Portal

from .shapes import opened, refusal, shape

URN = "urn:example:params:scim:schemas:json:2.0:User"
OWN = Schema(
    URN,
    "Json",
    "Values inside documents.",
    (
        Attribute("floor", Type.INTEGER),
        Attribute("rate", Type.DECIMAL),
        Attribute("remote", Type.BOOLEAN),
        Attribute("tags", multi_valued=True),
        Attribute("words", multi_valued=True),
    ),
)


@shape
def portal_of_documents(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal that keeps nearly everything in documents."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        settings: Mapped[Any] = mapped_column(MutableDict.as_mutable(sa.JSON()), nullable=True)
        tags: Mapped[Any] = mapped_column(MutableList.as_mutable(sa.JSON()), nullable=True)
        phones: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
        mails: Mapped[Any] = mapped_column(sa.JSON, default=list)
        words: Mapped[Any] = mapped_column(
            sa.JSON().with_variant(ARRAY(sa.String(40)), "postgresql"), nullable=True
        )

    return Person, {
        "Meta": {"extensions": (OWN,)},
        "user_name": fields.Attribute(Person.login),
        "locale": fields.JsonKey(Person.settings, "locale"),
        "title": fields.JsonKey(Person.settings, "job", "the title's name"),
        "floor": fields.JsonKey(Person.settings, "office", "floor"),
        "rate": fields.JsonKey(Person.settings, "rate"),
        "remote": fields.JsonKey(Person.settings, "remote"),
        "tags": fields.JsonList(Person.tags),
        "words": fields.JsonList(Person.words),
        "phone_numbers": fields.JsonList(Person.phones, value="number", type="kind"),
        "emails": fields.JsonList(Person.mails),
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal without anybody."""
    with opened(database, portal_of_documents()) as made:
        yield made


ADA: dict[str, Any] = {
    "userName": "ada",
    "locale": "en-GB",
    "title": "Countess",
    "phoneNumbers": [{"value": "1815", "type": "work"}, {"value": "1852", "type": "home"}],
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
    URN: {
        "floor": 3,
        "rate": 12.5,
        "remote": True,
        "tags": ["Pioneer", "poet"],
        "words": ["number", "engine"],
    },
}


def create(portal: Portal, **sent: Any) -> str:
    answer = portal.client.post("/Users", {**ADA, **sent})
    assert answer.status_code == 201, answer.json
    return f"/Users/{answer.json['id']}"


def found(portal: Portal, filter_: str) -> list[str]:
    answer = portal.client.get("/Users", filter=filter_)
    assert answer.status_code == 200, (filter_, answer.json)
    return [each["userName"] for each in answer.json["Resources"]]


def row(portal: Portal) -> Any:
    return portal.session.scalars(sa.select(portal.models.User)).first()


def test_documents_are_written_and_read_back(portal: Portal) -> None:
    path = create(portal)
    got = portal.client.get(path).json
    assert {key: got[key] for key in ADA} == ADA
    ada = row(portal)
    assert ada.settings == {
        "locale": "en-GB",
        "job": {"the title's name": "Countess"},
        "office": {"floor": 3},
        "rate": 12.5,
        "remote": True,
    }
    assert (ada.tags, ada.words) == (["Pioneer", "poet"], ["number", "engine"])
    assert ada.phones[0] == {"number": "1815", "kind": "work"}
    assert ada.mails == ["ada@example.com"]
    again = portal.client.put(path, ADA).json
    assert again["meta"]["version"] == got["meta"]["version"]


def test_what_else_a_document_has_stays(portal: Portal) -> None:
    """Other keys of an object, and what an element says beside its value."""
    path = create(portal)
    ada = row(portal)
    ada.settings["theme"] = "dark"
    ada.settings["office"] = {"floor": 3, "desk": 7}
    ada.phones = [{**each, "checked": True} for each in ada.phones]
    portal.session.commit()
    changes = [
        {"op": "remove", "path": f"{URN}:floor"},
        {"op": "remove", "path": "title"},
        {"op": "remove", "path": 'phoneNumbers[value eq "1815"]'},
        {"op": "add", "path": "phoneNumbers", "value": [{"value": "1843", "type": "other"}]},
    ]
    assert portal.client.patch(path, changes).status_code in (200, 204)
    ada = row(portal)
    assert ada.settings == {
        "locale": "en-GB",
        "theme": "dark",
        "office": {"desk": 7},
        "rate": 12.5,
        "remote": True,
    }
    assert ada.phones == [
        {"number": "1852", "kind": "home", "checked": True},
        {"number": "1843", "kind": "other"},
    ]


def test_documents_are_searched_as_they_are_read(portal: Portal) -> None:
    create(portal)
    create(portal, userName="bob", phoneNumbers=[], emails=[], locale="de", **{URN: {"floor": 11}})
    for filter_, names in (
        ('locale eq "EN-gb"', ["ada"]),
        ('title sw "count"', ["ada", "bob"]),
        (f"{URN}:floor gt 3", ["bob"]),
        (f"{URN}:rate eq 12.5", ["ada"]),
        (f"{URN}:remote eq true", ["ada"]),
        (f"not ({URN}:remote pr)", ["bob"]),
        (f'{URN}:tags eq "pioneer"', ["ada"]),
        (f'{URN}:words co "gin"', ["ada"]),
        (f"{URN}:words pr", ["ada"]),
        ('phoneNumbers[type eq "home" and value sw "18"]', ["ada"]),
        ('phoneNumbers[type eq "work" and value eq "1852"]', []),
        ('emails.value eq "Ada@example.com"', ["ada"]),
        ("emails pr", ["ada"]),
    ):
        assert found(portal, filter_) == names, filter_
    pages = portal.client.get("/Users", sortBy=f"{URN}:floor", sortOrder="descending").json
    assert [each["userName"] for each in pages["Resources"]] == ["bob", "ada"]


ODD = ("null", "7", '"text"', "true", "[]", "[1, null, {}]", "{}", '{"locale": {"a": 1}}')
MORE = ('{"locale": [1], "rate": "much", "remote": "yes", "office": {"floor": "9x"}}', "[[1]]")


@pytest.mark.parametrize("document", [*ODD, *MORE])
def test_what_is_no_value_of_the_attribute_fails_no_list(portal: Portal, document: str) -> None:
    """It is shown as nothing, and found as nothing."""
    create(portal)
    names = ("settings", "tags", "phones", "mails")
    given = "CAST(:document AS JSON)" if portal.engine.dialect.name == "postgresql" else ":document"
    columns, values = ", ".join(names), ", ".join([given] * len(names))
    insert = sa.text(f"INSERT INTO person (login, {columns}) VALUES ('odd', {values})")
    with portal.engine.begin() as connection:
        connection.execute(insert, {"document": document})
    answer = portal.client.get("/Users")
    assert answer.status_code == 200
    odd = answer.json["Resources"][1]
    assert odd["userName"] == "odd"
    assert "locale" not in odd
    for filter_ in (
        f"{URN}:floor gt 0",
        f"{URN}:rate gt 0",
        f"{URN}:remote pr",
        'locale eq "en-GB"',
        "phoneNumbers pr",
        f'{URN}:tags eq "pioneer"',
    ):
        assert found(portal, filter_) == ["ada"], filter_
    assert portal.client.get("/Users", sortBy=f"{URN}:floor").status_code == 200


def test_a_document_that_is_no_object_is_not_overwritten(portal: Portal) -> None:
    path = create(portal)
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE person SET settings = '[1]'")
    change = {"op": "replace", "path": "locale", "value": "fr"}
    answer = portal.client.patch(path, [change])
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: {"locale": fields.JsonKey(p.login)}, "names no key"),
        (lambda p: {"emails": fields.JsonList(p.login)}, "no JSON or ARRAY"),
        (lambda p: {"title": fields.JsonList(p.data)}, "use fields.JsonKey"),
        (lambda p: {"emails": fields.JsonList(p.data, valu="x")}, "no sub-attribute 'valu'"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_startup(make: Any, words: str) -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            data: Mapped[Any] = mapped_column(sa.JSON, nullable=True)

        return Person, {"user_name": fields.Attribute(Person.login), **make(Person)}

    assert words in refusal(declare)
