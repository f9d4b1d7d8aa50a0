"""Entra ID sets and clears managers and roles (payloads P30 to P37)."""

import pytest

from .speaker import ENTERPRISE, Speaker

ROLE = "WindowsAzureActiveDirectoryRole"


@pytest.mark.parametrize(
    ("number", "value"),
    [("P30", "271"), ("P30b", "271"), ("P31", "XYMKVVRYDIOO"), ("P32", "26118915")],
)
def test_entra_p30_p30b_p31_and_p32_a_manager_in_any_form(entra: Speaker, number: str, value: str):
    boss, key = entra.user("boss"), entra.user("ann")
    sent = entra.payload(number, **{value: boss})
    user = entra.patch(f"/Users/{key}", sent).json
    assert user[ENTERPRISE]["manager"]["value"] == boss
    assert "manager" not in user
    assert entra.portal.user("ann").manager_id == entra.portal.user("boss").id
    version = user["meta"]["version"]
    assert entra.patch(f"/Users/{key}", sent).json["meta"]["version"] == version


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_entra_p33_a_manager_is_cleared_in_four_forms(entra: Speaker, part: int):
    boss = entra.user("boss")
    key = entra.user("ann", **{ENTERPRISE: {"manager": boss}})
    sent = entra.payload("P33", part, **{"26118915": boss})
    assert ENTERPRISE not in entra.patch(f"/Users/{key}", sent).json
    assert ENTERPRISE not in entra.read(f"/Users/{key}")
    assert entra.portal.user("ann").manager_id is None


def test_entra_p34_a_single_role_is_found_by_the_string_true(entra: Speaker):
    key = entra.user("ann")
    for _ in range(2):
        user = entra.patch(f"/Users/{key}", entra.payload("P34")).json
        assert user["roles"] == [
            {"primary": True, "display": "Admin", "value": "admin", "type": ROLE}
        ]
    assert entra.rows() == ["ann"]


@pytest.mark.parametrize(
    ("number", "roles"),
    [
        ("P35", [{"value": "25", "display": "Role1234"}]),
        ("P36", [{"value": "User", "display": "User"}, {"value": "Admin", "display": "Admin"}]),
    ],
)
def test_entra_p35_and_p36_json_in_a_string_is_a_role(
    entra: Speaker, number: str, roles: list[dict[str, str]]
):
    key = entra.user("ann")
    for _ in range(2):
        assert entra.patch(f"/Users/{key}", entra.payload(number)).json["roles"] == roles
    assert entra.rows() == ["ann"]


def test_entra_p37_assertive_roles_are_the_only_ones(entra: Speaker):
    key = entra.user("ann", roles=[{"value": "Old", "type": ROLE}])
    sent = entra.payload("P37")
    user = entra.patch(f"/Users/{key}", sent).json
    assert user["roles"] == sent["Operations"][0]["value"]
    assert entra.rows() == ["ann"]
