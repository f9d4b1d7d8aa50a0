"""What a team declares as never returned, or as written only, is told by nothing (RFC 7643, 7)."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.scim.attributes import (
    Attribute,
    Mutability,
    Returned,
    Schema,
    Type,
)

from ..mapping.hosts import open_portal
from ..portal import Host, Portal

URN = "urn:example:params:scim:schemas:vault:2.0:User"


def never(name: str, **more: Any) -> Attribute:
    return Attribute(name, returned=Returned.NEVER, **more)


def written(name: str, **more: Any) -> Attribute:
    return Attribute(name, mutability=Mutability.WRITE_ONLY, **more)


def group_of(name: str, *parts: Attribute, **more: Any) -> Attribute:
    return Attribute(name, Type.COMPLEX, sub_attributes=parts, **more)


VAULT = Schema(
    URN,
    "Vault",
    "What nobody reads.",
    (
        never("pin"),
        written("answer"),
        never("secrets", multi_valued=True),
        group_of("card", Attribute("label"), never("number"), written("code")),
        group_of("badge", never("value"), never("formatted")),
        group_of(
            "keys",
            never("value"),
            Attribute("label"),
            Attribute("note", returned=Returned.REQUEST),
            multi_valued=True,
        ),
    ),
)
GIVEN: dict[str, Any] = {
    "pin": "hush-1",
    "answer": "hush-2",
    "secrets": ["hush-3"],
    "card": {"label": "Gold", "number": "hush-4", "code": "hush-5"},
    "badge": {"value": "hush-6"},
    "keys": [{"value": "hush-7", "label": "Door", "note": "Left"}],
}
TOLD = {"card": {"label": "Gold"}, "keys": [{"label": "Door"}]}
HIDDEN = ("pin", "answer", "secrets", "card.number", "card.code", "badge.value", "keys.value")


@functools.cache
def vault() -> Host:
    """A portal that keeps a PIN and a card's number in columns, and the rest beside them."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    pairs = sa.Table(
        "team_member",
        db.metadata,
        sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
    )

    class User(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "user"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        pin: Mapped[str | None] = mapped_column(sa.String(50))
        number: Mapped[str | None] = mapped_column(sa.String(50))

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members = relationship(User, secondary=pairs)

    class VaultUser(UserSchema):
        class Meta:
            model = User
            extensions = (VAULT,)

        user_name = fields.Attribute(User.username)
        pin = fields.Attribute(User.pin)
        card = fields.Complex(number=User.number)

    class VaultGroup(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    provisioning = Provisioning(db, user_schema=VaultUser, group_schema=VaultGroup)
    return Host(db, User, Team, pairs, provisioning)


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    opened = open_portal(database, vault())
    yield opened
    opened.close()


def ada(portal: Portal, **given: Any) -> str:
    body = {"userName": "ada", URN: given or GIVEN}
    answer = portal.client.post("/Users", body)
    assert answer.status_code == 201, answer.text
    return f"/Users/{answer.json['id']}"


def kept(portal: Portal) -> dict[str, Any]:
    """Return what the portal keeps beside its columns."""
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    stored = portal.session.scalar(sa.select(links.c.stored))
    return {key[len(URN) + 1 :]: value for key, value in stored.items() if key.startswith(URN)}


class TestAnswers:
    def test_of_every_kind_are_without_it(self, portal: Portal) -> None:
        path = ada(portal)
        assert portal.client.get(path).json[URN] == TOLD
        title = [{"op": "add", "path": "title", "value": "x"}]
        answers = [
            portal.client.get(path),
            portal.client.get("/Users"),
            portal.client.get("/Users", cursor=""),
            portal.client.search("/Users", attributes=[URN]),
            portal.client.search(""),
            portal.client.put(path, {"userName": "ada", URN: GIVEN}),
            portal.client.patch(path, title),
            portal.client.post("/Users", {"userName": "bob", URN: GIVEN}),
            *(portal.client.get(path, attributes=f"{URN}:{name}") for name in HIDDEN),
            *(portal.client.get(path, attributes=f"{URN}:{name}") for name in GIVEN),
            *(portal.client.get(path, excludedAttributes=f"{URN}:{name}.x") for name in GIVEN),
            portal.client.get(path, excludedAttributes=f"{URN}:card.label"),
        ]
        for answer in answers:
            assert answer.status_code in (200, 201), answer.text
            assert "hush" not in answer.text

    def test_have_what_is_returned_on_request_for_who_requests_it(self, portal: Portal) -> None:
        path = ada(portal)
        asked = portal.client.get(path, attributes=f"{URN}:keys.note,{URN}:keys.value").json
        assert asked[URN] == {"keys": [{"note": "Left"}]}


class TestFilters:
    @pytest.mark.parametrize(
        "text",
        [
            *(f'{URN}:{name} eq "hush"' for name in HIDDEN),
            *(f"{URN}:{name} pr" for name in HIDDEN),
            *(f'not ({URN}:{name} co "h")' for name in HIDDEN),
            f'{URN}:keys eq "hush-7"',
            f'{URN}:badge eq "hush-6"',
            f'{URN}:keys[value eq "hush-7"]',
            f"{URN}:keys[value pr]",
            f'{URN}:keys[label eq "Door" and not (value sw "h")]',
            f'{URN}:secrets[value eq "hush-3"]',
            f'userName eq "ada" or {URN}:pin sw "h"',
        ],
    )
    def test_that_ask_for_it_are_refused(self, portal: Portal, text: str) -> None:
        ada(portal)
        for answer in (
            portal.client.search("/Users", filter=text),
            portal.client.search("", filter=text),
        ):
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidFilter")

    def test_of_presence_look_at_what_is_visible(self, portal: Portal) -> None:
        ada(portal, badge={"value": "hush-6"}, card={"number": "1"}, keys=[{"value": "hush-7"}])
        for text in (f"{URN}:badge pr", f"{URN}:card pr", f"{URN}:keys pr", f'schemas eq "{URN}"'):
            assert portal.client.get("/Users", filter=text).json["totalResults"] == 0, text
        portal.client.post("/Users", {"userName": "bob", URN: GIVEN})
        for text in (f"{URN}:card pr", f"{URN}:keys pr", f'schemas eq "{URN}"'):
            assert portal.client.get("/Users", filter=text).json["totalResults"] == 1, text

    def test_and_paths_of_a_patch_are_refused(self, portal: Portal) -> None:
        path = ada(portal)
        for operation in (
            {"op": "remove", "path": f'{URN}:keys[value eq "hush-7"]'},
            {"op": "replace", "path": f"{URN}:keys[value pr].label", "value": "x"},
            {"op": "remove", "path": f'{URN}:secrets[value eq "hush-3"]'},
            {"op": "remove", "path": f"{URN}:secrets", "value": ["hush-3"]},
            {"op": "remove", "path": f"{URN}:keys", "value": [{"value": "hush-7"}]},
        ):
            answer = portal.client.patch(path, [operation])
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize("name", [*HIDDEN, "badge", "keys"])
def test_nobody_is_sorted_by_it(portal: Portal, name: str) -> None:
    """A PIN is found out by sorting by it thirteen times."""
    ada(portal)
    for query in ({}, {"cursor": "", "count": 1}):
        answer = portal.client.get("/Users", sortBy=f"{URN}:{name}", **query)
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")


class TestWriting:
    """What can't be read is kept all the same."""

    def test_it_is_kept(self, portal: Portal) -> None:
        ada(portal)
        row = portal.user("ada")
        assert (row.pin, row.number) == ("hush-1", "hush-4")
        beside = {**GIVEN, "card": {"label": "Gold", "code": "hush-5"}}
        del beside["pin"]
        assert kept(portal) == beside

    def test_a_value_that_is_added_leaves_the_others(self, portal: Portal) -> None:
        path = ada(portal)
        changes = [
            {"op": "add", "path": f"{URN}:secrets", "value": ["hush-8"]},
            {"op": "add", "path": f"{URN}:keys", "value": [{"value": "hush-9", "label": "Gate"}]},
            {"op": "replace", "path": f"{URN}:card.label", "value": "Silver"},
        ]
        assert portal.client.patch(path, changes).status_code == 200
        now = kept(portal)
        assert now["secrets"] == ["hush-3", "hush-8"]
        assert [each["value"] for each in now["keys"]] == ["hush-7", "hush-9"]
        assert now["card"] == {"label": "Silver", "code": "hush-5"}
        assert portal.user("ada").number == "hush-4"

    @pytest.mark.parametrize("name", ["pin", "secrets", "keys"])
    def test_a_version_does_not_tell_a_guess(self, portal: Portal, name: str) -> None:
        path = ada(portal)
        versions = [portal.client.get(path).headers["ETag"]]
        for _ in range(2):
            guess = {"op": "add", "path": f"{URN}:{name}", "value": GIVEN[name]}
            versions.append(portal.client.patch(path, [guess]).headers["ETag"])
        assert len(set(versions)) == 3

    def test_it_can_be_taken_away(self, portal: Portal) -> None:
        path = ada(portal)
        answer = portal.client.patch(path, [{"op": "remove", "path": f"{URN}:secrets"}])
        assert answer.status_code == 200, answer.text
        assert "secrets" not in kept(portal)
        assert json.dumps(kept(portal)).count("hush") == 4
