"""The bodies Okta sends, against the sections of the wire reference."""

from __future__ import annotations

import pytest

from flask_scim_provisioning.simulator import okta_payloads as payloads
from flask_scim_provisioning.simulator.okta_payloads import App
from flask_scim_provisioning.simulator.people import Directory, Group, Person

from .server import ENTERPRISE, GROUP, USER

PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]


@pytest.fixture
def person() -> Person:
    made = Directory("Borealis", seed=1, users=1, groups=0).people[0]
    made.okta_id, made.scim_id = "00u18ep2sjmnGT1wk698", "5fc0c238"
    made.user_name = "ava@example.com"
    made.given_name, made.family_name = "Ava", "Nguyen"
    made.title, made.department = "Sales Manager", "Sales"
    return made


def operations(*listed):
    return {"schemas": PATCH, "Operations": list(listed)}


def test_3_3_a_wizard_app_creates_with_what_is_still_mapped(person):
    assert payloads.new_user(person, App.WIZARD, "xxxxxxxx") == {
        "schemas": [USER, ENTERPRISE],
        "userName": "ava@example.com",
        "name": {"givenName": "Ava", "familyName": "Nguyen"},
        "emails": [{"primary": True, "value": "ava@example.com"}],
        "title": "Sales Manager",
        "externalId": "00u18ep2sjmnGT1wk698",
        "groups": [],
        "password": "xxxxxxxx",
        "active": True,
        ENTERPRISE: {"department": "Sales"},
    }


def test_3_3_a_catalogue_app_creates_with_the_default_mapping(person):
    body = payloads.new_user(person, App.CATALOGUE, "1mz050nq")
    assert body["emails"] == [{"primary": True, "value": "ava@example.com", "type": "work"}]
    assert body["displayName"] == "Ava Nguyen"
    assert body["locale"] == person.locale
    assert body["groups"] == []
    assert body["password"] == "1mz050nq"
    assert body["active"] is True


def test_3_5_a_put_is_the_servers_resource_with_oktas_values_over_it(person):
    resource = {
        "id": "5fc0c238",
        "schemas": [USER],
        "meta": {"resourceType": "User", "location": "https://portal.test/Users/5fc0c238"},
        "userName": "octocat@github.com",
        "name": {"givenName": "Mona", "familyName": "Octocat", "formatted": "Mona Octocat"},
        "nickName": "octo",
        "active": False,
        ENTERPRISE: {"costCenter": "4130"},
    }
    body = payloads.merged(resource, person, App.WIZARD)
    assert body["name"] == {
        "givenName": "Ava",
        "familyName": "Nguyen",
        "formatted": "Mona Octocat",
    }
    assert body["userName"] == "ava@example.com"
    assert body[ENTERPRISE] == {"costCenter": "4130", "department": "Sales"}
    assert (body["id"], body["meta"]) == (resource["id"], resource["meta"])
    assert body["nickName"] == "octo"
    assert body["active"] is False, "a profile push never activates"
    assert "password" not in body
    assert resource["name"]["givenName"] == "Mona", "the server's answer stays as it was"


def test_3_6_a_profile_patch_has_no_path_and_keys_that_are_no_change(person):
    (operation,) = payloads.patch_profile(person, "5fc0c238")["Operations"]
    assert operation["op"] == "replace"
    assert "path" not in operation
    assert operation["value"]["id"] == "5fc0c238"
    assert operation["value"]["schemas"] == [USER]
    assert operation["value"][ENTERPRISE]["department"] == "Sales"
    assert "active" not in operation["value"]
    assert payloads.patch_email(person) == operations(
        {"op": "replace", "path": "emails[primary eq true].value", "value": "ava@example.com"}
    )


@pytest.mark.parametrize("active", [False, True])
def test_3_7_a_catalogue_app_switches_by_patch_without_a_path(active):
    assert payloads.patch_active(active) == operations(
        {"op": "replace", "value": {"active": active}}
    )


def test_3_7_a_wizard_app_puts_the_servers_resource_with_active_changed():
    resource = {"id": "1", "userName": "a@b.c", "active": True, "displayName": "Mona Octocat"}
    assert payloads.with_active(resource, False) == {**resource, "active": False}


def test_3_8_password_sync_is_a_patch_without_a_path():
    assert payloads.patch_password("n3w-secret") == operations(
        {"op": "replace", "value": {"password": "n3w-secret"}}
    )


def test_3_10_a_group_is_created_with_values_and_displays(person):
    group = Group(key="k", display_name="Example Group")
    assert payloads.new_group(group, [person]) == {
        "schemas": [GROUP],
        "displayName": "Example Group",
        "members": [{"value": "5fc0c238", "display": "ava@example.com"}],
    }


def test_3_11_a_put_holds_the_whole_list(person):
    group = Group(key="k", display_name="SCIM_test1", members=[person], scim_id="g1")
    assert payloads.put_group(group) == {
        "schemas": [GROUP],
        "id": "g1",
        "displayName": "SCIM_test1",
        "members": [{"value": "5fc0c238", "display": "ava@example.com"}],
    }


def test_3_11_somebody_without_a_scim_id_is_left_out(person):
    person.scim_id = None
    assert payloads.member_values([person]) == []


def test_3_12_the_name_goes_without_a_path_and_with_the_id():
    group = Group(key="k", display_name="Test SCIMv2", scim_id="abf4dd94")
    assert payloads.patch_name(group) == operations(
        {"op": "replace", "value": {"id": "abf4dd94", "displayName": "Test SCIMv2"}}
    )


def test_3_12_memberships_are_removed_one_by_one_and_added_in_one(person):
    assert payloads.patch_members([person], [person]) == operations(
        {"op": "remove", "path": 'members[value eq "5fc0c238"]'},
        {
            "op": "add",
            "path": "members",
            "value": [{"value": "5fc0c238", "display": "ava@example.com"}],
        },
    )


def test_3_12_push_now_replaces_the_list_even_by_an_empty_one():
    assert payloads.push_members([]) == operations(
        {"op": "replace", "path": "members", "value": []}
    )
    assert payloads.push_members([], with_path=False) == operations(
        {"op": "replace", "value": {"members": []}}
    )
