"""Entra ID creates users (payloads P2 to P8)."""

import pytest

from .speaker import ENTERPRISE, Speaker

DEFAULT = ("P2", "P2b")


@pytest.mark.parametrize("number", DEFAULT)
def test_entra_p2_and_p2b_a_user_is_created_with_all_that_was_sent(entra: Speaker, number: str):
    sent = entra.payload(number)
    made = entra.post(sent)
    expected = {name: item for name, item in sent.items() if name not in ("meta", "roles")}
    expected["schemas"] = made["schemas"]
    assert made | expected == made
    assert "roles" not in made
    assert entra.read(f"/Users/{made['id']}") == made
    row = entra.portal.user("bjensen@contoso.com")
    assert (row.first_name, row.last_name, row.is_active) == ("Barbara", "Jensen", True)
    assert row.email == "bjensen@contoso.com"


def test_entra_p3_nulls_and_misplaced_keys_are_no_error(entra: Speaker):
    made = entra.post(entra.payload("P3"))
    absent = {"addresses", "phoneNumbers", "preferredLanguage", "title", "department", "manager"}
    assert not absent & set(made)
    assert ENTERPRISE not in made
    row = entra.portal.user("jyoung@contoso.com")
    assert (row.first_name, row.last_name, row.department) == ("Joy", "Young", None)


def test_entra_p4_a_manager_as_a_string_is_answered_as_an_object(entra: Speaker):
    boss = entra.user("boss@contoso.com")
    sent = entra.payload("P4", **{"26118915-6090-4610-87e4-49d8ca9f808d": boss})
    made = entra.post(sent)
    assert made[ENTERPRISE]["manager"]["value"] == boss
    row = entra.portal.user("bjensen@contoso.com")
    assert row.manager_id == entra.portal.user("boss@contoso.com").id


def test_entra_p4_a_manager_whom_nobody_knows_is_no_error(entra: Speaker):
    made = entra.post(entra.payload("P4"))
    assert entra.read(f"/Users/{made['id']}") == made
    assert entra.portal.user("bjensen@contoso.com").manager_id is None


def test_entra_p5_booleans_as_strings_are_answered_as_booleans(entra: Speaker):
    made = entra.post(entra.payload("P5"))
    assert made["active"] is True
    assert made["emails"] == [{"type": "work", "primary": True, "value": "emp9@contoso.com"}]
    assert entra.portal.user("emp9@contoso.com").is_active is True


def test_entra_p6_a_custom_extension_is_no_error(entra: Speaker):
    sent = entra.payload("P6")
    made = entra.post(sent)
    assert set(made) & set(sent) == {"schemas", "userName", "active"}
    assert entra.rows() == ["bjensen@contoso.com"]


@pytest.mark.parametrize(("part", "roles"), [(1, ["Admin"]), (2, ["Admin", "User"])])
def test_entra_p7_roles_are_read_back(entra: Speaker, part: int, roles: list[str]):
    made = entra.post(entra.payload("P7", part))
    assert [role["value"] for role in made["roles"]] == roles
    assert {role["type"] for role in made["roles"]} == {"WindowsAzureActiveDirectoryRole"}
    assert made["roles"][0]["primary"] is (part == 1)
    assert entra.rows() == ["alice@contoso.com"]


def test_entra_p7_a_roles_display_name_is_its_display(entra: Speaker):
    complex_roles = entra.post(entra.payload("P7", 2))["roles"]
    assertive = entra.payload("P7", 3)
    assert complex_roles == assertive["roles"]
    assertive["userName"] = "bob@contoso.com"
    assert entra.post(assertive)["roles"] == complex_roles


def test_entra_p8_a_duplicate_is_a_conflict(entra: Speaker):
    entra.post(entra.payload("P2"))
    answer = entra.send("POST", "/Users", entra.payload("P2"))
    assert answer.status_code == 409
    assert (answer.json["scimType"], answer.json["status"]) == ("uniqueness", "409")
    assert "userName" in answer.json["detail"]
    assert entra.rows() == ["bjensen@contoso.com"]
