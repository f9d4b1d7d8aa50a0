"""Entra ID provisions groups and their members (payloads P40 to P49)."""

import pytest

from .speaker import NOBODY, Speaker

NAME = "Tour Guides"


@pytest.mark.parametrize(("number", "name"), [("P40", NAME), ("P41", "Org Admin")])
def test_entra_p40_and_p41_a_group_is_created(entra: Speaker, number: str, name: str):
    made = entra.post(entra.payload(number), "/Groups")
    assert (made["displayName"], made["id"]) == (name, made["meta"]["location"].split("/")[-1])
    assert made["externalId"] == "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"
    assert made["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:Group"]
    assert entra.portal.team(name) is not None
    assert entra.send("POST", "/Groups", entra.payload(number)).status_code == 409
    assert entra.team(name) == []


@pytest.mark.parametrize("part", [1, 2])
def test_entra_p42_a_group_is_renamed_and_keeps_its_members(entra: Speaker, part: int):
    group = entra.group(NAME, entra.user("ann"))
    answer = entra.patch(f"/Groups/{group}", entra.payload("P42", part))
    assert answer.data == b""
    assert entra.read(f"/Groups/{group}")["displayName"] == "New name"
    assert (entra.portal.team(NAME), entra.team("New name")) == (None, ["ann"])


def test_entra_p42_a_group_gets_another_external_id(entra: Speaker):
    group = entra.post(entra.payload("P40"), "/Groups")["id"]
    entra.patch(f"/Groups/{group}", entra.payload("P42", 3))
    external = "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900160"
    assert entra.names(f"filter=externalId+eq+%22{external}%22", "/Groups") == [NAME]


@pytest.mark.parametrize("part", [1, 2])
def test_entra_p43_members_are_added(entra: Speaker, part: int):
    ann, bob, eve = (entra.user(name) for name in ("ann", "bob", "eve"))
    group = entra.group(NAME)
    names = {"f648f8d5ea4e4cd38e9c": ann, '"8"': f'"{ann}"', '"9"': f'"{bob}"', '"10"': f'"{eve}"'}
    sent = entra.payload("P43", part, **names)
    for _ in range(2):
        assert entra.patch(f"/Groups/{group}", sent).data == b""
        assert entra.team(NAME) == (["ann"] if part == 1 else ["ann", "bob", "eve"])


def test_entra_p43_an_unknown_member_doesnt_keep_the_others_out(entra: Speaker):
    group = entra.group(NAME)
    entra.patch(f"/Groups/{group}", entra.payload("P43", 2, **{'"8"': f'"{entra.user("ann")}"'}))
    assert entra.team(NAME) == ["ann"]
    assert "2 unknown member(s) skipped" in " ".join(entra.notes())


def test_entra_p44_a_remove_with_values_removes_only_these(entra: Speaker):
    ann, bob, eve = (entra.user(name) for name in ("ann", "bob", "eve"))
    group = entra.group(NAME, ann, bob, eve)
    sent = entra.payload("P44", u1091=ann, u1092=bob)
    for _ in range(2):
        assert entra.patch(f"/Groups/{group}", sent).data == b""
        assert entra.team(NAME) == ["eve"]
    entra.operate(f"/Groups/{group}", {"op": "Remove", "path": "members"})
    assert entra.team(NAME) == []


def test_entra_p45_a_member_is_removed_by_a_filter(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, ann, bob)
    sent = entra.payload("P45", **{"7f4bc1a3-285e-48ae-8202-5accb43efb0e": ann})
    for _ in range(2):
        entra.patch(f"/Groups/{group}", sent)
        assert entra.team(NAME) == ["bob"]


def test_entra_p46_a_replace_makes_these_the_only_members(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, ann)
    sent = entra.payload("P46", **{"805d32c6-9e01-43b9-9735-4576cae634b5": bob})
    entra.patch(f"/Groups/{group}", sent)
    assert entra.team(NAME) == ["bob"]


def test_entra_p47_operations_apply_in_order(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, bob)
    entra.patch(f"/Groups/{group}", entra.payload("P47", U1=ann))
    assert entra.team(NAME) == ["bob"]


def test_entra_p48_a_member_may_be_a_string(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, bob)
    names = {"f648f8d5ea4e4cd38e9c": ann}
    entra.patch(f"/Groups/{group}", entra.payload("P48", 1, **names))
    assert entra.team(NAME) == ["ann", "bob"]
    entra.patch(f"/Groups/{group}", entra.payload("P48", 2, **names))
    assert entra.team(NAME) == ["bob"]


def test_entra_p49_a_deleted_group_leaves_its_people(entra: Speaker):
    group = entra.group(NAME, entra.user("ann"))
    answer = entra.send("DELETE", f"/Groups/{group}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert entra.send("GET", f"/Groups/{group}").status_code == 404
    assert entra.send("DELETE", f"/Groups/{group}").status_code == 404
    assert entra.send("DELETE", f"/Groups/{NOBODY}").status_code == 404
    assert entra.portal.team(NAME) is None
    assert entra.portal.user("ann").is_active is True
