"""The payloads of Okta, of its wizard apps and of its catalog apps."""

from typing import Any

import pytest

from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.scim.urns import ENTERPRISE_USER, USER

from .conftest import DEPARTMENT, Spoken

DIALECT = DIALECTS["okta"]

UID = "23a35c27-23d3-4c03-b4c5-6443c09e7173"


def test_create_as_documented(user: Spoken) -> None:
    """``groups`` is read-only; what a placeholder for a password means, the team says."""
    flat, notes = user.read(
        {
            "schemas": [USER],
            "userName": "test.user@okta.local",
            "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
            "displayName": "Test User",
            "locale": "en-US",
            "externalId": "00ujl29u0le5T6Aj10h7",
            "groups": [],
            "password": "1mz050nq",
            "active": True,
        }
    )
    assert flat == {
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "active": True,
        "password": "1mz050nq",
    }
    assert not any("1mz050nq" in note for note in notes)


def test_create_of_a_wizard_app(user: Spoken) -> None:
    """An address needn't have a type; a mapped department is in the extension."""
    flat, _ = user.read(
        {
            "schemas": [USER, ENTERPRISE_USER],
            "userName": "ava@example.com",
            "name": {"givenName": "Ava", "familyName": "Nguyen"},
            "emails": [{"primary": True, "value": "ava@example.com"}],
            "title": "Sales Manager",
            "groups": [],
            "password": "xxxxxxxx",
            "active": True,
            ENTERPRISE_USER: {"department": "Sales"},
        }
    )
    assert flat["emails"] == [{"primary": True, "value": "ava@example.com"}]
    assert flat[DEPARTMENT] == "Sales"


def test_put_with_everything_that_came_back(user: Spoken) -> None:
    """A real PUT from 2018: Okta's merge echoes what the service made, and a stale formatted."""
    flat, notes = user.read(
        {
            "active": True,
            "displayName": "Jane Smith",
            "emails": [{"primary": True, "type": "work", "value": "jane@test.com"}],
            "externalId": "00u6a15d23T9AeHhF5d7",
            "groups": [],
            "id": "5fc0c238-1112-11e8-8e45-920c87bdbd75",
            "locale": "en-US",
            "meta": {"created": "2018-02-13T15:05:24.000-08:00", "resourceType": "User"},
            "name": {"familyName": "Smith", "formatted": "Mona Octocat", "givenName": "Jane"},
            "schemas": [USER],
            "userName": "jane@test.com",
        }
    )
    assert flat["name"] == {"familyName": "Smith", "givenName": "Jane"}
    assert "id" not in flat
    assert "meta" not in flat
    assert "name.formatted ignored in favour of the parts of the name" in notes
    assert not any("Octocat" in note for note in notes)


def test_formatted_name_without_parts_is_kept(user: Spoken) -> None:
    flat, _ = user.read({"userName": "m", "name": {"formatted": "Mona Octocat"}})
    assert flat["name"] == {"formatted": "Mona Octocat"}


def test_empty_mapped_values_are_no_values(user: Spoken) -> None:
    """A full profile push writes empty values; they are accepted and blank what is there."""
    flat, _ = user.read(
        {
            "userName": "a",
            "name": {"givenName": "Another", "middleName": "", "familyName": "User"},
            "title": "",
            "emails": [
                {"primary": True, "value": "a@example.com", "type": "work"},
                {"primary": False, "value": ""},
            ],
        }
    )
    assert flat == {
        "userName": "a",
        "name": {"givenName": "Another", "familyName": "User"},
        "emails": [{"primary": True, "value": "a@example.com", "type": "work"}],
    }


def test_roles_as_strings(user: Spoken) -> None:
    """Okta's default template has ``roles`` as a list of strings."""
    flat, _ = user.read({"userName": "a", "roles": ["Admin", "Auditor"]})
    assert flat["roles"] == [{"value": "Admin"}, {"value": "Auditor"}]


USER_PATCHES: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    (
        "changed attributes without a path",
        {"displayName": "Old"},
        {"displayName": "New Name", "title": "Lead"},
        {"displayName": "New Name", "title": "Lead"},
    ),
    (
        "keys that are no change",
        {"active": False},
        {
            "id": UID,
            "schemas": [USER],
            "meta": {"resourceType": "User"},
            "active": True,
            ENTERPRISE_USER: {"department": "Sales"},
        },
        {"active": True, DEPARTMENT: "Sales"},
    ),
    ("deactivate", {"active": True}, {"active": False}, {"active": False}),
    ("deactivate with the id", {"active": True}, {"id": UID, "active": False}, {"active": False}),
    (
        "password sync",
        {"title": "Lead"},
        {"password": "n3w-secret"},
        {"title": "Lead", "password": "n3w-secret"},
    ),
]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [row[1:] for row in USER_PATCHES],
    ids=[r[0] for r in USER_PATCHES],
)
def test_user_patch_without_a_path(
    user: Spoken, before: dict[str, Any], value: Any, after: dict[str, Any]
) -> None:
    assert user.patched(before, {"op": "replace", "value": value})[0] == after


def test_primary_email_by_a_boolean_filter(user: Spoken) -> None:
    before = {"emails": [{"primary": True, "value": "old@example.com"}]}
    operation = {
        "op": "replace",
        "path": "emails[primary eq true].value",
        "value": "new@example.com",
    }
    assert user.patched(before, operation)[0] == {
        "emails": [{"primary": True, "value": "new@example.com"}]
    }


def test_group_name_with_the_id_in_the_value(group: Spoken) -> None:
    """The name comes with each membership update; members stay as they are."""
    before = {"displayName": "Test", "members": [{"value": "u"}]}
    operation = {"op": "replace", "value": {"id": "abf4dd94", "displayName": "Test SCIMv2"}}
    after, _ = group.patched(before, operation)
    assert after == {"displayName": "Test SCIMv2", "members": [{"value": "u"}]}


def test_group_membership(group: Spoken) -> None:
    before = {"members": [{"value": "removeUser1"}, {"value": "removeUser2"}, {"value": "stays"}]}
    after, _ = group.patched(
        before,
        {"op": "remove", "path": 'members[value eq "removeUser1"]'},
        {"op": "remove", "path": 'members[value eq "removeUser2"]'},
        {
            "op": "add",
            "path": "members",
            "value": [{"value": "addUser1"}, {"value": "addUser2"}],
        },
    )
    named = [member["value"] for member in after["members"]]
    assert named == ["stays", "addUser1", "addUser2"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "members", "value": [{"value": "u", "display": None}]},
        {"op": "replace", "value": {"members": [{"value": "u"}]}},
    ],
    ids=["with a path", "without a path"],
)
def test_full_push(group: Spoken, operation: dict[str, Any]) -> None:
    after, _ = group.patched({"members": [{"value": "old"}]}, operation)
    assert after == {"members": [{"value": "u"}]}


def test_full_push_of_an_empty_group(group: Spoken) -> None:
    before = {"members": [{"value": "old"}]}
    assert group.patched(before, {"op": "replace", "path": "members", "value": []})[0] == {}


def test_group_with_an_extension_of_scim_1(group: Spoken) -> None:
    body = {"displayName": "T", "urn:okta:custom:group:1.0": {"description": "…"}}
    assert group.read(body)[0] == {"displayName": "T"}


def test_put_leaves_alone_what_okta_does_not_map() -> None:
    assert DIALECT.put_keeps_absent
