"""One column behind several attributes: a full name, or a user name that is the e-mail address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_scim_provisioning import fields
from tests.portal import Portal

from .shapes import opened, refusal, shape


@shape
def portal_of_names(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal with one name, which can't be empty, and an address to sign in with."""

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(sa.String(80), unique=True)
        name: Mapped[str] = mapped_column(sa.String(80))
        is_active: Mapped[bool] = mapped_column(default=True)
        called: Mapped[str | None] = mapped_column(sa.String(80))

    return Person, {
        "user_name": fields.Attribute(Person.email),
        "name": fields.FullName(Person.name),
        "emails": fields.Email(fields.SameAs("user_name")),
        "active": fields.Attribute(Person.is_active),
        "nick_name": fields.Attribute(Person.called),
        "title": fields.SameAs("nick_name"),
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal without anybody."""
    with opened(database, portal_of_names()) as made:
        yield made


def create(portal: Portal, **sent: Any) -> dict[str, Any]:
    answer = portal.client.post("/Users", {"userName": "ada@example.com", **sent})
    assert answer.status_code == 201, answer.json
    made: dict[str, Any] = answer.json
    return made


def patch(portal: Portal, user: dict[str, Any], *operations: tuple[str, Any]) -> dict[str, Any]:
    changes = [{"op": "replace", "path": path, "value": value} for path, value in operations]
    path = f"/Users/{user['id']}"
    assert portal.client.patch(path, changes).status_code in (200, 204)
    got: dict[str, Any] = portal.client.get(path).json
    return got


def found(portal: Portal, filter_: str) -> list[str]:
    answer = portal.client.get("/Users", filter=filter_)
    assert answer.status_code == 200, answer.json
    return [each["userName"] for each in answer.json["Resources"]]


def kept(portal: Portal) -> str:
    name: str = portal.session.scalars(sa.select(portal.models.User.name)).one()
    return name


PARTS = {"givenName": "Ada", "familyName": "Lovelace", "middleName": "King"}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {"name": {**PARTS, "formatted": "Ada King Lovelace"}, "displayName": "Ada L."},
            "Ada King Lovelace",
        ),
        ({"name": PARTS, "displayName": "Ada L."}, "Ada L."),
        ({"name": PARTS}, "Ada Lovelace"),
        ({"name": {"familyName": "Lovelace"}}, "Lovelace"),
        ({"displayName": "Ada L."}, "Ada L."),
        ({}, "ada@example.com"),
    ],
)
def test_the_name_is_made_of_what_there_is_and_all_that_was_sent_is_read_back(
    portal: Portal, sent: dict[str, Any], expected: str
) -> None:
    user = create(portal, **sent)
    assert kept(portal) == expected
    parts = [sent.get("name", {}).get(part) for part in ("givenName", "familyName")]
    whole = " ".join(filter(None, parts)) or expected
    assert user["name"] == {"formatted": whole, **sent.get("name", {})}
    assert user["displayName"] == sent.get("displayName", expected)
    body = {"userName": "ada@example.com", **sent}
    again = portal.client.put(f"/Users/{user['id']}", body).json
    assert (again["name"], again["displayName"]) == (user["name"], user["displayName"])
    assert again["meta"]["version"] == user["meta"]["version"]


def test_each_attribute_is_changed_alone_and_none_is_lost(portal: Portal) -> None:
    """The other parts are read back as they were sent, so that nobody sends them again."""
    user = create(portal, name=PARTS)
    user = patch(portal, user, ("name.familyName", "Byron"))
    assert kept(portal) == "Ada Byron"
    assert user["name"] == {**PARTS, "familyName": "Byron", "formatted": "Ada Byron"}
    assert user["displayName"] == "Ada Byron"
    user = patch(portal, user, ("displayName", "Countess"))
    assert kept(portal) == "Countess"
    assert user["displayName"] == "Countess"
    assert user["name"] == {**PARTS, "familyName": "Byron", "formatted": "Ada Byron"}
    user = patch(portal, user, ("name.formatted", "Ada, Lady Byron"))
    assert kept(portal) == "Ada, Lady Byron"
    assert (user["displayName"], user["name"]["givenName"]) == ("Countess", "Ada")
    user = patch(portal, user, ("name.givenName", "Augusta"))
    assert kept(portal) == "Ada, Lady Byron"
    assert user["name"]["givenName"] == "Augusta"


def test_a_name_that_the_portal_changes_is_the_portals(portal: Portal) -> None:
    """Nobody knows which of its words is the family name, and so the parts are gone."""
    user = create(portal, name=PARTS, displayName="Ada L.")
    with portal.engine.begin() as connection:
        connection.execute(sa.update(portal.models.User).values(name="Ada King"))
    got = portal.client.get(f"/Users/{user['id']}").json
    assert (got["name"], got["displayName"]) == ({"formatted": "Ada King"}, "Ada King")
    assert found(portal, 'name.familyName eq "Lovelace"') == []
    assert found(portal, 'displayName eq "Ada L."') == []
    assert found(portal, 'displayName eq "ada king"') == ["ada@example.com"]


def test_names_are_found_and_sorted_as_they_are_read(portal: Portal) -> None:
    create(portal, name=PARTS, displayName="Zed")
    create(portal, userName="bob@example.com", name={"formatted": "Bob"}, displayName="Alf")
    assert found(portal, 'name.familyName eq "lovelace"') == ["ada@example.com"]
    assert found(portal, 'name.middleName sw "K"') == ["ada@example.com"]
    assert found(portal, 'name.formatted eq "ada lovelace"') == ["ada@example.com"]
    assert found(portal, 'displayName eq "Alf"') == ["bob@example.com"]
    assert found(portal, 'displayName eq "Bob"') == []
    assert found(portal, "name.givenName pr") == ["ada@example.com"]
    for name, order in (("displayName", "bob"), ("name.formatted", "ada")):
        resources = portal.client.get("/Users", sortBy=name).json["Resources"]
        assert resources[0]["userName"].startswith(order)


def test_members_are_called_by_the_portals_name(portal: Portal) -> None:
    user = create(portal, name=PARTS, displayName="Ada L.")
    members = [{"value": user["id"]}]
    team = portal.client.post("/Groups", {"displayName": "Ops", "members": members}).json
    got = portal.client.get(f"/Groups/{team['id']}", attributes="members.display").json
    assert got["members"][0]["display"] == "Ada L."


def test_an_address_that_is_the_user_name_follows_it(portal: Portal) -> None:
    """The user name wins; nothing is kept beside it where both are the same."""
    user = create(portal, emails=[{"value": "ada@example.com", "type": "work", "primary": True}])
    assert user["emails"] == [{"value": "ada@example.com", "type": "work", "primary": True}]
    user = patch(portal, user, ("userName", "lovelace@example.com"))
    assert user["emails"][0]["value"] == "lovelace@example.com"
    assert found(portal, 'emails.value eq "LOVELACE@example.com"') == ["lovelace@example.com"]
    assert found(portal, 'emails.value eq "ada@example.com"') == []


def test_an_address_that_is_another_one_is_read_back_and_found(portal: Portal) -> None:
    """So an identity provider that sends two values finds both, and sends neither again."""
    other = [{"value": "ada@home.example", "type": "work", "primary": True}]
    user = create(portal, emails=other)
    assert (user["userName"], user["emails"]) == ("ada@example.com", other)
    version = user["meta"]["version"]
    user = patch(portal, user, ("emails", other))
    assert user["meta"]["version"] == version
    assert found(portal, 'emails.value eq "ada@home.example"') == ["ada@example.com"]
    assert found(portal, 'emails.value eq "ada@example.com"') == []
    assert found(portal, 'emails[type eq "work" and value sw "ada@home"]') == ["ada@example.com"]
    user = patch(portal, user, ('emails[type eq "work"].value', "ada@example.com"))
    assert user["emails"][0]["value"] == "ada@example.com"
    assert found(portal, 'emails.value eq "ada@example.com"') == ["ada@example.com"]
    email = portal.session.scalars(sa.select(portal.models.User.email)).one()
    assert email == "ada@example.com"


def test_a_single_value_follows_too(portal: Portal) -> None:
    user = create(portal, nickName="Enchantress")
    assert user["title"] == "Enchantress"
    user = patch(portal, user, ("title", "Countess"))
    assert (user["nickName"], user["title"]) == ("Enchantress", "Countess")
    assert found(portal, 'title eq "countess"') == ["ada@example.com"]
    assert found(portal, 'title eq "enchantress"') == []
    user = patch(portal, user, ("title", "Enchantress"), ("nickName", "Ada"))
    assert (user["nickName"], user["title"]) == ("Ada", "Enchantress")
    user = patch(portal, user, ("title", "Ada"))
    assert found(portal, 'title eq "ada"') == ["ada@example.com"]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (
            lambda p: {"nick_name": fields.Attribute(p.login)},
            "userName and nickName are both kept in Person.login",
        ),
        (lambda p: {"emails": fields.Email(p.login)}, 'fields.SameAs("user_name")'),
        (lambda p: {"title": fields.SameAs("user_nam")}, "names no field"),
        (lambda p: {"emails": fields.Email(fields.SameAs("emails"))}, "names no field"),
        (lambda p: {"nick_name": fields.FullName(p.login)}, "is for name, not nickName"),
    ],
)
def test_two_attributes_in_one_column_are_refused_unless_one_wins(
    attributes: Any, words: str
) -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)

        return Person, {"user_name": fields.Attribute(Person.login), **attributes(Person)}

    assert words in refusal(declare)
