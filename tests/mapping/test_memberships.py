"""A team's own way of keeping members, and its words on who is seen, kept and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from tests.portal import Portal

from .hosts import one_team_each, open_portal


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """A portal whose people belong to one team at most; DELETE deletes them."""
    with ExitStack() as stack:
        portal = open_portal(database, one_team_each())
        stack.callback(portal.close)
        roles = portal.app.extensions["scim_provisioning"].models.role.__table__
        allowed = {
            kind: ["CREATE", "READ", "UPDATE", "DELETE"] for kind in ("USERS", "GROUPS", "BINDINGS")
        }
        with portal.engine.begin() as connection:
            connection.execute(sa.update(roles).values(permissions=allowed))
        yield portal


def create(portal: Portal, kind: str, **attributes: Any) -> str:
    answer = portal.client.post(f"/{kind}", attributes)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def members(portal: Portal, group: str) -> list[str]:
    found = portal.client.get(f"/Groups/{group}").json.get("members", [])
    return sorted(member["value"] for member in found)


def test_members_move_through_the_teams_own_store(portal: Portal) -> None:
    """Every operation on members ends in a method of the store, by the host's keys."""
    ada, bob, eve = (create(portal, "Users", userName=name) for name in ("ada", "bob", "eve"))
    red = create(portal, "Groups", displayName="Red", members=[{"value": ada}, {"value": bob}])
    blue = create(portal, "Groups", displayName="Blue")
    assert members(portal, red) == sorted([ada, bob])

    add = {"op": "add", "path": "members", "value": [{"value": ada}, {"value": eve}]}
    assert portal.client.patch(f"/Groups/{blue}", [add]).status_code == 204
    assert (members(portal, red), members(portal, blue)) == ([bob], sorted([ada, eve]))

    by_name = {"op": "remove", "path": 'members[display eq "EVE"]'}
    assert portal.client.patch(f"/Groups/{blue}", [by_name]).status_code == 204
    assert members(portal, blue) == [ada]

    replace = {"op": "replace", "path": "members", "value": [{"value": bob}]}
    assert portal.client.patch(f"/Groups/{blue}", [replace]).status_code == 204
    assert (members(portal, red), members(portal, blue)) == ([], [bob])

    found = portal.client.get("/Groups", filter=f'members eq "{bob}"').json["Resources"]
    assert [group["displayName"] for group in found] == ["Blue"]
    assert portal.client.delete(f"/Groups/{blue}").status_code == 204
    players = portal.models.User
    assert portal.session.scalars(sa.select(players.squad_id)).all() == [None] * 3


def test_a_user_who_is_deleted_is_gone(portal: Portal) -> None:
    """Meta.on_delete = "delete", and the role allows it: row, link and external id are gone."""
    ada = create(portal, "Users", userName="ada", externalId="a")
    group = create(portal, "Groups", displayName="Red", members=[{"value": ada}])
    assert portal.client.delete(f"/Users/{ada}").status_code == 204
    assert portal.user("ada") is None
    assert portal.client.get(f"/Users/{ada}").status_code == 404
    assert members(portal, group) == []
    tables = portal.app.extensions["scim_provisioning"].models
    assert portal.session.execute(tables.external_id.__table__.select()).all() == []
    assert create(portal, "Users", userName="ada") != ada


def test_deleting_needs_the_permission(portal: Portal) -> None:
    ada = create(portal, "Users", userName="ada")
    roles = portal.app.extensions["scim_provisioning"].models.role.__table__
    portal.session.execute(sa.update(roles).values(permissions={"USERS": ["UPDATE", "READ"]}))
    portal.session.commit()
    answer = portal.client.delete(f"/Users/{ada}")
    assert answer.status_code == 403
    assert "USERS: delete" in answer.json["detail"]
    assert portal.user("ada") is not None


def test_who_exists_is_refused_where_the_team_says_so(portal: Portal) -> None:
    """Meta.on_existing = "refuse": a person whom SCIM doesn't know yet is a 409."""
    portal.add(portal.models.User(username="ada"))
    answer = portal.client.post("/Users", {"userName": "ADA"})
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
    found = portal.client.get("/Users", filter='userName eq "ada"').json
    assert found["totalResults"] == 1, "matching is what the answer asks for"


def test_who_is_not_visible_is_not_there(portal: Portal) -> None:
    """Meta.visible: not in lists, filters, groups or counts, and no id opens them."""
    player = portal.add(portal.models.User(username="ghost", hidden=False))
    ghost = portal.client.get("/Users", filter='userName eq "ghost"').json["Resources"][0]["id"]
    ada = create(portal, "Users", userName="ada")
    group = create(portal, "Groups", displayName="Red", members=[{"value": ghost}, {"value": ada}])
    assert len(members(portal, group)) == 2
    player.hidden = True
    portal.session.commit()
    change = [{"op": "replace", "path": "active", "value": False}]
    requests = (
        portal.client.get(f"/Users/{ghost}"),
        portal.client.patch(f"/Users/{ghost}", change),
        portal.client.put(f"/Users/{ghost}", {"userName": "ghost"}),
        portal.client.delete(f"/Users/{ghost}"),
    )
    assert [answer.status_code for answer in requests] == [404] * 4
    assert portal.client.get("/Users").json["totalResults"] == 1
    assert members(portal, group) == [ada]
    for text in (f'members eq "{ghost}"', 'members.display eq "ghost"'):
        assert portal.client.get("/Groups", filter=text).json["totalResults"] == 0
    remove = [{"op": "remove", "path": 'members[display eq "ghost"]'}]
    portal.client.patch(f"/Groups/{group}", remove)
    assert portal.user("ghost").squad_id is not None


def test_a_name_held_by_somebody_invisible_is_taken(portal: Portal) -> None:
    """The portal's own constraint has the last word, and the answer is a 409 all the same."""
    portal.add(portal.models.User(username="ghost", hidden=True))
    answer = portal.client.post("/Users", {"userName": "ghost"})
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")


def test_who_is_protected_is_neither_deactivated_nor_deleted(portal: Portal) -> None:
    """Meta.protected answers with the team's own sentence; other changes wait for a decision."""
    portal.add(portal.models.User(username="root", root=True))
    found = portal.client.get("/Users", filter='userName eq "root"').json["Resources"][0]
    path = f"/Users/{found['id']}"
    off = [{"op": "replace", "path": "active", "value": False}]
    refused = (
        portal.client.patch(path, off),
        portal.client.put(path, {"userName": "root", "active": False}),
        portal.client.delete(path),
    )
    for answer in refused:
        assert answer.status_code == 403, answer.text
        assert answer.json["detail"] == "This player holds the keys; choose another first."
    assert portal.user("root").is_active
    assert portal.client.get(path).json == found
    title = [{"op": "replace", "path": "title", "value": "Captain"}]
    answer = portal.client.patch(path, title)
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
    assert "inbox" in answer.json["detail"]
