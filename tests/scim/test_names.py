"""Between the JSON of a resource and its flat form (RFC 7643 sections 2.1, 2.5 and 3)."""

import pytest
from hypothesis import given, settings

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.errors import InvalidSyntax, InvalidValue
from flask_scim_provisioning.scim.names import flatten, nest, require

from ..thorough import examples
from .strategies import ENTERPRISE, GROUPS, USERS, users


def test_names_and_urns_count_in_any_case():
    assert flatten({"USERNAME": "b", ENTERPRISE.upper(): {"DEPARTMENT": "IT"}}, USERS) == {
        "userName": "b",
        f"{ENTERPRISE}:department": "IT",
    }


def test_an_extension_attribute_may_stand_under_its_full_name():
    assert flatten({f"{ENTERPRISE}:department": "IT"}, USERS) == {f"{ENTERPRISE}:department": "IT"}


def test_core_attributes_may_stand_behind_the_urn_of_their_schema():
    assert flatten({f"{urns.USER}:title": "Boss", urns.USER: {"nickName": "B"}}, USERS) == {
        "title": "Boss",
        "nickName": "B",
    }


def test_what_the_service_sets_itself_is_dropped_in_silence():
    """RFC 7644 section 3.3: attributes with a mutability of readOnly are ignored."""
    notes: list[str] = []
    sent = {"id": "1", "meta": "rubbish", "groups": 7, "schemas": [urns.USER], "userName": "b"}
    assert flatten(sent, USERS, notes) == {"userName": "b"}
    assert notes == []


def test_unknown_attributes_are_dropped_with_a_note():
    notes: list[str] = []
    sent = {
        "userName": "b",
        "department": "top level",
        "urn:example:other:2.0:User": {"x": 1},
        ENTERPRISE: {"desk": 1},
        "name": {"maidenName": "x"},
    }
    assert flatten(sent, USERS, notes) == {"userName": "b", "name": None}
    assert notes == [
        "unknown attribute department ignored",
        "unknown attribute urn:example:other:2.0:User ignored",
        f"unknown attribute {ENTERPRISE}:desk ignored",
        "unknown attribute name.maidenName ignored",
    ]


def test_what_is_named_without_a_value_is_none_and_what_is_not_named_is_not_there():
    """RFC 7643 section 2.5: null and an empty array are "unassigned"."""
    assert flatten({"title": None, "emails": [], "name": {}}, USERS) == {
        "title": None,
        "emails": None,
        "name": None,
    }


def test_an_extension_that_is_null_has_no_values():
    flat = flatten({ENTERPRISE: None}, USERS)
    assert flat == dict.fromkeys(f"{ENTERPRISE}:{a.name}" for a in USERS.extensions[0].attributes)


@pytest.mark.parametrize(
    "sent",
    [
        {"userName": "a", "username": "b"},
        {ENTERPRISE: {"department": "a"}, f"{ENTERPRISE}:department": "b"},
    ],
    ids=["case", "two places"],
)
def test_an_attribute_given_twice_is_refused(sent):
    with pytest.raises(InvalidSyntax, match="twice"):
        flatten(sent, USERS)


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"active": "yes"}, "active"),
        ({"emails": [{"value": 5}]}, "emails.value"),
        ({ENTERPRISE: {"manager": "1"}}, "manager"),
        ({ENTERPRISE: "IT"}, ENTERPRISE),
        ({"schemas": "urn"}, "schemas"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(sent, place):
    with pytest.raises(InvalidValue, match=place):
        flatten(sent, USERS)


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_a_resource_is_an_object(body):
    with pytest.raises(InvalidSyntax):
        flatten(body, USERS)


@pytest.mark.parametrize("flat", [{}, {"userName": None}, {"userName": " "}], ids=repr)
def test_a_user_without_a_user_name_is_refused(flat):
    """RFC 7643 section 4.1.1: userName is REQUIRED, and non-empty."""
    with pytest.raises(InvalidValue, match="userName"):
        require(flat, USERS)


def test_a_whole_resource_has_what_is_required():
    require({"userName": "b"}, USERS)
    require({"displayName": "g"}, GROUPS)


def test_schemas_first_extensions_after_core_and_meta_last():
    flat = {
        "meta": {"resourceType": "User"},
        f"{ENTERPRISE}:department": "IT",
        "title": "Boss",
        "userName": "b",
        "id": "1",
        "nickName": None,
    }
    resource = nest(flat, USERS)
    assert list(resource) == ["schemas", "id", "userName", "title", ENTERPRISE, "meta"]
    assert resource["schemas"] == [urns.USER, ENTERPRISE]


def test_an_extension_without_data_isn_t_in_schemas():
    assert nest({"userName": "b", f"{ENTERPRISE}:department": None}, USERS) == {
        "schemas": [urns.USER],
        "userName": "b",
    }


@given(users)
@settings(max_examples=examples(100), deadline=None)
def test_nesting_and_flattening_are_each_other_s_contrary(flat):
    assert flatten(nest(flat, USERS), USERS) == flat
