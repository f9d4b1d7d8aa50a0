"""The bodies Entra sends, against the numbered payloads of the wire reference."""

from __future__ import annotations

import pytest

from flask_scim_provisioning.simulator import entra_payloads as payloads
from flask_scim_provisioning.simulator.entra_payloads import Dialect
from flask_scim_provisioning.simulator.people import Directory, Group, Person

from .server import ENTERPRISE, GROUP, USER

PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
DEFAULT, FLAG = Dialect.DEFAULT, Dialect.FLAG


@pytest.fixture
def person() -> Person:
    made = Directory("Aurelia", seed=1, users=1, groups=0).people[0]
    made.key = "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
    made.user_name = "bjensen@contoso.com"
    made.given_name, made.family_name = "Barbara", "Jensen"
    made.title, made.department = "Tour Guide", "Tour Operations"
    made.employee_number, made.locale = "701984", "en-US"
    made.office, made.street = "18/2111", "100 Universal City Plaza"
    made.city, made.region, made.postal_code, made.country = "Hollywood", "CA", "91608", "US"
    made.phone, made.mobile, made.fax = "+1 555 555 5555", "+1 555 555 4444", "+1 555 555 3333"
    return made


def operations(*listed):
    return {"schemas": PATCH, "Operations": list(listed)}


def test_p2_creates_a_user_with_all_default_mappings(person):
    assert payloads.new_user(person) == {
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "bjensen@contoso.com",
        "active": True,
        "displayName": "Barbara Jensen",
        "title": "Tour Guide",
        "preferredLanguage": "en-US",
        "emails": [{"primary": True, "type": "work", "value": "bjensen@contoso.com"}],
        "name": {
            "formatted": "Barbara Jensen",
            "familyName": "Jensen",
            "givenName": "Barbara",
        },
        "addresses": [
            {
                "primary": True,
                "type": "work",
                "formatted": "18/2111",
                "streetAddress": "100 Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "US",
            }
        ],
        "phoneNumbers": [
            {"primary": True, "type": "work", "value": "+1 555 555 5555"},
            {"type": "mobile", "value": "+1 555 555 4444"},
            {"type": "fax", "value": "+1 555 555 3333"},
        ],
        "meta": {"resourceType": "User"},
        "roles": [],
        ENTERPRISE: {"employeeNumber": "701984", "department": "Tour Operations"},
    }


def test_p2_leaves_out_what_is_null_in_entra(person):
    person.title = person.mobile = person.fax = None
    body = payloads.new_user(person)
    assert "title" not in body
    assert [phone["type"] for phone in body["phoneNumbers"]] == ["work"]


def test_p4_creates_with_the_manager_as_a_bare_string(person):
    body = payloads.new_user(person, manager="26118915-6090-4610-87e4-49d8ca9f808d")
    assert body[ENTERPRISE]["manager"] == "26118915-6090-4610-87e4-49d8ca9f808d"


def test_p5_creates_with_booleans_as_strings(person):
    body = payloads.new_user(person, texts=True)
    assert body["active"] == "True"
    assert body["emails"][0]["primary"] == "True"


def test_p10_replaces_several_attributes_with_one_capitalised_operation_each():
    differences = [
        ("replace", "displayName", "Pvlo"),
        ("replace", 'emails[type eq "work"].value', "new@contoso.com"),
        ("replace", "name.givenName", "Gtfd"),
        ("replace", f"{ENTERPRISE}:employeeNumber", "Eqpj"),
    ]
    assert payloads.update(differences, DEFAULT) == operations(
        {"op": "Replace", "path": "displayName", "value": "Pvlo"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "new@contoso.com"},
        {"op": "Replace", "path": "name.givenName", "value": "Gtfd"},
        {"op": "Replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "Eqpj"},
    )


@pytest.mark.parametrize(("active", "text"), [(False, "False"), (True, "True")])
def test_p11_disables_and_enables_with_a_string(active, text):
    assert payloads.set_active(active, DEFAULT) == operations(
        {"op": "Replace", "path": "active", "value": text}
    )


def test_p11_is_the_form_of_active_within_an_update_too():
    assert payloads.update([("replace", "active", True)], DEFAULT) == operations(
        {"op": "Replace", "path": "active", "value": "True"}
    )


def test_p12_adds_what_the_server_has_no_value_for(person):
    resource = {"userName": person.user_name, "title": "Dispatcher"}
    wanted = {"userName": person.user_name, "title": "Tour Guide", "nickName": "Babs"}
    assert payloads.update(payloads.changes(resource, wanted), DEFAULT) == operations(
        {"op": "Replace", "path": "title", "value": "Tour Guide"},
        {"op": "Add", "path": "nickName", "value": "Babs"},
    )


def test_p13_adds_to_an_element_that_does_not_exist_yet():
    resource = {"phoneNumbers": [{"type": "work", "value": "1"}]}
    wanted = {'phoneNumbers[type eq "mobile"].value': "+1 555 0100"}
    assert payloads.update(payloads.changes(resource, wanted), DEFAULT) == operations(
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1 555 0100"}
    )


def test_nothing_is_sent_when_nothing_differs_or_the_source_is_null():
    resource = {"title": "Tour Guide", "active": True, "nickName": "Babs"}
    wanted = {"title": "Tour Guide", "active": True, "nickName": None}
    assert payloads.update(payloads.changes(resource, wanted), FLAG) is None


def test_a_string_is_no_boolean_when_values_are_compared():
    assert payloads.changes({"active": "True"}, {"active": True}) == [("replace", "active", True)]


def test_p20_disables_with_a_boolean():
    assert payloads.set_active(False, FLAG) == operations(
        {"op": "replace", "path": "active", "value": False}
    )


def test_p21_merges_all_but_filtered_paths_into_one_operation_without_a_path():
    differences = [
        ("replace", "displayName", "Bjfe"),
        ("replace", 'emails[type eq "work"].value', "TestMhvaes@contoso.com"),
        ("replace", "name.givenName", "Kkom"),
        ("replace", "name.familyName", "Unua"),
        ("replace", f"{ENTERPRISE}:employeeNumber", "Aklq"),
    ]
    assert payloads.update(differences, FLAG) == operations(
        {
            "op": "replace",
            "path": 'emails[type eq "work"].value',
            "value": "TestMhvaes@contoso.com",
        },
        {
            "op": "replace",
            "value": {
                "displayName": "Bjfe",
                "name.givenName": "Kkom",
                "name.familyName": "Unua",
                f"{ENTERPRISE}:employeeNumber": "Aklq",
            },
        },
    )


def test_p22_merges_additions_alike():
    differences = [("add", "title", "Engineer"), ("add", "name.formatted", "John Doe")]
    assert payloads.update(differences, FLAG) == operations(
        {"op": "add", "value": {"title": "Engineer", "name.formatted": "John Doe"}}
    )


def test_p30_sets_the_manager_as_a_string():
    assert payloads.set_manager("271", DEFAULT) == operations(
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "271"}
    )
    assert payloads.set_manager("271", DEFAULT, replace=True)["Operations"][0]["op"] == "Replace"
    assert payloads.set_manager("271", FLAG)["Operations"][0]["op"] == "add"


def test_p33_removes_the_manager_in_four_forms():
    path = f"{ENTERPRISE}:manager"
    forms = [payloads.clear_manager(FLAG, "26118915", number) for number in range(4)]
    assert forms == [
        operations({"op": "remove", "path": path}),
        operations({"op": "replace", "path": path, "value": ""}),
        operations({"op": "replace", "path": path, "value": {"value": ""}}),
        operations({"op": "remove", "path": 'manager[value eq "26118915"]'}),
    ]


def test_p18_clears_with_an_empty_string_with_null_and_with_a_removal():
    forms = [payloads.clear_values(["title"], FLAG, number) for number in range(3)]
    assert forms == [
        operations({"op": "replace", "path": "title", "value": ""}),
        operations({"op": "replace", "path": "title", "value": None}),
        operations({"op": "remove", "path": "title"}),
    ]


def test_p40_and_p41_create_a_group_without_members():
    group = Group(key="8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", display_name="Tour Guides")
    assert payloads.new_group(group, old_sample=True) == {
        "schemas": [
            GROUP,
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
        ],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "Tour Guides",
        "meta": {"resourceType": "Group"},
    }
    assert payloads.new_group(group) == {
        "schemas": [GROUP],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "Tour Guides",
        "members": [],
        "meta": {"resourceType": "Group"},
    }


def test_p42_renames_a_group_in_both_forms():
    assert payloads.rename_group("New name", DEFAULT) == operations(
        {"op": "Replace", "path": "displayName", "value": "New name"}
    )
    assert payloads.rename_group("New name", FLAG) == operations(
        {"op": "replace", "value": {"displayName": "New name"}}
    )


def test_p43_adds_members_with_and_without_ref():
    assert payloads.add_members(["8", "9"], DEFAULT) == operations(
        {"op": "Add", "path": "members", "value": [{"value": "8"}, {"value": "9"}]}
    )
    assert payloads.add_members(["8"], DEFAULT, refs=True) == operations(
        {"op": "Add", "path": "members", "value": [{"$ref": None, "value": "8"}]}
    )


def test_p44_removes_members_by_a_value_array_without_a_filter():
    assert payloads.remove_members(["u1091", "u1092"], DEFAULT) == operations(
        {
            "op": "Remove",
            "path": "members",
            "value": [{"$ref": None, "value": "u1091"}, {"$ref": None, "value": "u1092"}],
        }
    )


def test_p45_removes_members_by_filters():
    assert payloads.remove_members(["7f4bc1a3-285e-48ae-8202-5accb43efb0e"], FLAG) == operations(
        {"op": "remove", "path": 'members[value eq "7f4bc1a3-285e-48ae-8202-5accb43efb0e"]'}
    )
