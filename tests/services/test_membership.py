"""Changing who belongs to a group: the order of operations, unknown ids, and what is told."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.services.activity import count_attention, recent
from flask_scim_provisioning.services.signals import group_updated, membership_changed
from tests.client import ScimClient
from tests.portal import Portal

UNKNOWN = "00000000-0000-4000-8000-00000000dead"


class Group:
    """A group of the portal, and people to put into it."""

    def __init__(self, portal: Portal, members: str = "") -> None:
        self.portal = portal
        self.ids = {
            name: str(portal.client.post("/Users", {"userName": name}).json["id"])
            for name in ("ada", "bob", "eve", "dan")
        }
        self.keys = {name: portal.user(name).id for name in self.ids}
        body = {"displayName": "Pioneers", "members": self.values(*members.split())}
        self.path = f"/Groups/{portal.client.post('/Groups', body).json['id']}"
        self.told: list[dict[str, Any]] = []

    def values(self, *names: str) -> list[dict[str, str]]:
        return [{"value": self.ids.get(name, name)} for name in names]

    @property
    def names(self) -> list[str]:
        """Who belongs to it, by the portal's own rows."""
        return sorted(user.username for user in self.portal.team("Pioneers").members)

    @property
    def version(self) -> str:
        return str(self.portal.client.get(self.path).headers["ETag"])

    def patch(self, *operations: dict[str, Any], client: ScimClient | None = None) -> Any:
        """Send a PATCH and remember what membership_changed says of it."""
        with ExitStack() as stack:

            def hear(sender: str, **values: Any) -> None:
                self.told.append(values)

            stack.enter_context(membership_changed.connected_to(hear))
            return (client or self.portal.client).patch(self.path, operations)

    def add(self, *names: str) -> dict[str, Any]:
        return {"op": "add", "path": "members", "value": self.values(*names)}

    def remove(self, *names: str) -> dict[str, Any]:
        return {"op": "remove", "path": "members", "value": self.values(*names)}

    def remove_one(self, name: str) -> dict[str, Any]:
        return {"op": "remove", "path": f'members[value eq "{self.ids.get(name, name)}"]'}

    def replace(self, *names: str) -> dict[str, Any]:
        return {"op": "replace", "path": "members", "value": self.values(*names)}


def test_operations_count_in_their_order(portal: Portal) -> None:
    """RFC 7644 section 3.5.2: each operation sees what the ones before it have left."""
    group = Group(portal, "ada")
    cases: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([group.add("bob"), group.remove("bob")], ["ada"]),
        ([group.remove("ada"), group.add("ada")], ["ada"]),
        ([group.remove_one("ada"), group.remove_one("bob"), group.add("eve")], ["eve"]),
        ([group.add("bob"), group.remove("eve"), group.add("dan")], ["bob", "dan"]),
        ([group.replace("ada"), group.add("eve")], ["ada", "eve"]),
        ([group.add("bob"), group.replace("dan")], ["dan"]),
        ([group.add("ada", "bob"), {"op": "remove", "path": "members"}], []),
        ([{"op": "remove", "path": "members"}, group.add("ada", "ada", "bob")], ["ada", "bob"]),
    ]
    for operations, expected in cases:
        assert group.patch(*operations).status_code == 204
        assert group.names == expected, operations


def test_only_the_difference_is_told(portal: Portal) -> None:
    """By the portal's own keys: who is a member now and wasn't, and the other way round."""
    group = Group(portal, "ada bob")
    group.patch(group.replace("bob", "eve"))
    (told,) = group.told
    assert (told["added"], told["removed"]) == ([group.keys["eve"]], [group.keys["ada"]])
    assert told["resource_id"] == group.path.split("/")[-1]
    assert told["host_id"] == portal.team("Pioneers").id
    group.told.clear()
    group.patch(group.add("dan"), group.remove("dan"), group.remove("bob"), group.add("bob"))
    assert group.told == []


def test_the_same_again_changes_nothing(portal: Portal) -> None:
    """Identity providers repeat themselves; the version stays, and nobody is told."""
    group = Group(portal, "ada bob")
    before = group.version
    for operation in (
        group.add("ada"),
        group.remove("eve"),
        group.remove_one("eve"),
        group.replace("bob", "ada"),
    ):
        assert group.patch(operation).status_code == 204
    assert (group.version, group.told, group.names) == (before, [], ["ada", "bob"])
    group.patch(group.add("eve"))
    assert group.version != before


def test_rows_of_members_who_stay_are_not_written_anew(portal: Portal) -> None:
    """A replace is a difference: what the portal keeps beside a membership survives."""
    group = Group(portal, "ada bob")
    with portal.statements() as cost:
        group.patch(group.replace("ada", "bob", "eve"))
    touching = [text for text in cost.statements if "team_member" in text]
    assert not any(text.startswith("DELETE") for text in touching)
    assert sum(text.startswith("INSERT") for text in touching) == 1


def test_an_id_counts_in_any_case(portal: Portal) -> None:
    """GUIDs do: Entra and Okta send them as they like."""
    group = Group(portal)
    value = [{"value": group.ids["ada"].upper()}]
    assert group.patch({"op": "add", "path": "members", "value": value}).status_code == 204
    assert group.names == ["ada"]
    path = f'members[value eq "{group.ids["ada"].upper()}"]'
    assert group.patch({"op": "remove", "path": path}).status_code == 204
    assert group.names == []


def test_an_unknown_member_is_refused_with_all_the_others(portal: Portal) -> None:
    """The RFC's way: nothing of the request remains, and the detail names the id."""
    group = Group(portal, "ada")
    for operations in (
        [group.add("bob", UNKNOWN)],
        [group.remove("ada"), group.add(UNKNOWN)],
        [group.replace(UNKNOWN, "bob")],
    ):
        answer = group.patch(*operations)
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        assert UNKNOWN in answer.json["detail"]
        assert "provision the user first" in answer.json["detail"]
        assert group.names == ["ada"]
    assert group.told == []


def test_removing_an_unknown_member_is_done_already(portal: Portal) -> None:
    """Who isn't there needs no removal; an identity provider that hears 404 would try for ever."""
    group = Group(portal, "ada")
    assert group.patch(group.remove(UNKNOWN)).status_code == 204
    assert group.patch(group.remove_one(UNKNOWN)).status_code == 204
    assert group.names == ["ada"]


@pytest.mark.parametrize("choice", [None, "skip", "refuse"])
@pytest.mark.parametrize("dialect", ["generic", "entra", "okta"])
def test_unknown_members_as_the_team_or_else_the_dialect_says(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, dialect: str, choice: str | None
) -> None:
    """Where they are skipped the others come in, and the log says whom it needs attention for."""
    group = Group(portal)
    state = portal.app.extensions["scim_provisioning"]
    monkeypatch.setattr(state.mappings["Groups"].members, "unknown_members", choice)
    client, integration = portal.connect(f"Speaks {dialect}", dialect=dialect)
    strangers = [f"{UNKNOWN[:-1]}{number}" for number in range(7)]
    answer = group.patch(group.add("ada", *strangers, "bob"), client=client)
    entry = recent(portal.session, state.models, integration.id)[0]
    if choice == "skip" or (choice is None and DIALECTS[dialect].skip_unknown_members):
        assert answer.status_code == 204
        assert group.names == ["ada", "bob"]
        assert (entry.outcome, entry.attention) == ("ok", "members.skipped")
        (told,) = [note for note in entry.notes or () if "unknown member" in note]
        named = ", ".join(strangers[:5])
        assert told.startswith(f"7 unknown member(s) skipped: {named} and 2 more; ")
    else:
        assert answer.status_code == 400
        assert strangers[0] in answer.json["detail"]
        assert group.names == []
        assert (entry.outcome, entry.attention) == ("refused", None)


def test_every_way_to_name_members_tells_of_those_who_were_skipped(portal: Portal) -> None:
    """POST, PUT, PATCH and Bulk; also where nothing else changed, and never where all are known."""
    group = Group(portal)
    okta, integration = portal.connect("Okta", dialect="okta")
    members = group.values("ada", UNKNOWN)
    made = okta.post("/Groups", {"displayName": "Engines", "members": members})
    path = f"/Groups/{made.json['id']}"
    okta.put(path, {"displayName": "Engines", "members": members})
    okta.patch(path, [group.add(UNKNOWN)])
    operation = {"method": "PATCH", "path": path, "data": {"Operations": [group.add(UNKNOWN)]}}
    assert okta.post("/Bulk", {"Operations": [operation]}).status_code == 200
    okta.patch(path, [group.add("bob")])
    models = portal.app.extensions["scim_provisioning"].models
    entries = recent(portal.session, models, integration.id, 5)
    assert [entry.attention for entry in entries] == [None, *["members.skipped"] * 4]
    counted = count_attention(portal.session, models, integration.id)
    assert (counted.count, counted.more, counted.latest) == (4, False, entries[1].at)
    assert count_attention(portal.session, models, integration.id, at_most=3).more


def test_members_are_removed_by_what_they_are_called(portal: Portal) -> None:
    group = Group(portal, "ada bob eve")
    assert group.patch({"op": "remove", "path": 'members[display sw "A"]'}).status_code == 204
    assert group.names == ["bob", "eve"]
    path = 'members[type eq "User" and not (display eq "eve")]'
    assert group.patch({"op": "remove", "path": path}).status_code == 204
    assert group.names == ["eve"]


def test_a_member_is_immutable(portal: Portal) -> None:
    """RFC 7643 section 8.7.1: value, $ref and type of a member are; remove it and add another."""
    group = Group(portal, "ada")
    path = f'members[value eq "{group.ids["ada"]}"].value'
    answer = group.patch({"op": "replace", "path": path, "value": group.ids["bob"]})
    assert answer.status_code == 400
    assert answer.json["scimType"] in {"mutability", "invalidValue"}
    assert group.names == ["ada"]


def test_a_rename_with_members_is_one_change(portal: Portal) -> None:
    """One version, and both signals."""
    group = Group(portal, "ada")
    heard: list[str] = []

    def hear(sender: str, **values: Any) -> None:
        heard.append(values["resource_id"])

    with group_updated.connected_to(hear):
        rename = {"op": "replace", "path": "externalId", "value": "Founders"}
        group.patch(rename, group.add("bob"), group.remove("ada"))
    assert group.version == 'W/"2"'
    assert (len(heard), len(group.told), group.names) == (1, 1, ["bob"])


def test_who_is_deleted_leaves_every_group(portal: Portal) -> None:
    group = Group(portal, "ada bob")
    assert portal.client.delete(f"/Users/{group.ids['ada']}").status_code == 204
    assert group.names == ["bob"]
    assert group.patch(group.add("ada")).status_code == 400


def test_people_of_the_portal_are_members_before_scim_knows_them(portal: Portal) -> None:
    """A team that was there before is answered with its members, each with an id."""
    keys = portal.add_users(["old1", "old2"])
    portal.add_team("Elders", keys)
    page = portal.client.get("/Groups", filter='displayName eq "elders"').json
    members = page["Resources"][0]["members"]
    names = {portal.client.get(f"/Users/{member['value']}").json["userName"] for member in members}
    assert names == {"old1", "old2"}


def test_many_members_at_once(portal: Portal) -> None:
    """More than one statement can name: nobody is lost, added or removed."""
    count = 6_000
    keys = portal.add_users([f"user{number}" for number in range(count)])
    users = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.begin() as connection:
        users.table.make_links(connection, keys)
        ids = list(connection.scalars(sa.select(users.links.c.id)))
    path = f"/Groups/{portal.client.post('/Groups', {'displayName': 'Everybody'}).json['id']}"
    pairs = portal.models.team_member

    def number_of_members() -> Any:
        return portal.session.scalar(sa.select(sa.func.count()).select_from(pairs))

    everybody = [{"value": each} for each in ids]
    add = {"op": "add", "path": "members", "value": everybody}
    assert portal.client.patch(path, [add]).status_code == 204
    assert number_of_members() == count
    replace = {"op": "replace", "path": "members", "value": everybody[10:]}
    assert portal.client.patch(path, [replace]).status_code == 204
    assert number_of_members() == count - 10
    remove = {"op": "remove", "path": "members", "value": everybody[:-1]}
    assert portal.client.patch(path, [remove]).status_code == 204
    assert number_of_members() == 1
