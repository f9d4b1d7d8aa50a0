"""``attributes``, ``excludedAttributes`` and ``returned`` (RFC 7644 section 3.9)."""

import pytest

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.attributes import (
    Attribute,
    ResourceType,
    Returned,
    Schema,
    Type,
)
from flask_scim_provisioning.scim.projection import Projection

from .strategies import ENTERPRISE, GROUPS, USERS

FLAT = {
    "id": "1",
    "userName": "bjensen",
    "password": "hunter2",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "emails": [{"value": "a@b.c", "type": "work"}, {"type": "home"}],
    f"{ENTERPRISE}:department": "IT",
    f"{ENTERPRISE}:manager": {"value": "2", "displayName": "Bob"},
    "meta": {"resourceType": "User", "version": 'W/"1"'},
}


def trimmed(attributes=(), excluded=()):
    return Projection.of(USERS, attributes, excluded).trim(FLAT)


def without(*keys):
    return {key: value for key, value in FLAT.items() if key not in keys}


def test_by_default_everything_but_what_is_never_returned():
    assert trimmed() == without("password")


def test_what_is_never_returned_isn_t_even_on_request():
    """RFC 7643 section 7: never, "regardless of the value of "attributes"."""
    assert trimmed(["password"]) == {"id": "1"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["userName"], {"userName": "bjensen"}),
        (["USERNAME"], {"userName": "bjensen"}),
        ([f"{urns.USER}:userName"], {"userName": "bjensen"}),
        (["name.familyName"], {"name": {"familyName": "Jensen"}}),
        (["name", "name.familyName"], {"name": FLAT["name"]}),
        (["emails.value"], {"emails": [{"value": "a@b.c"}]}),
        (["emails.display"], {}),
        ([f"{ENTERPRISE}:department"], {f"{ENTERPRISE}:department": "IT"}),
        ([f"{ENTERPRISE}:manager.value"], {f"{ENTERPRISE}:manager": {"value": "2"}}),
        (
            [ENTERPRISE],
            {key: FLAT[key] for key in FLAT if key.startswith(ENTERPRISE)},
        ),
        (["meta.version"], {"meta": {"version": 'W/"1"'}}),
        (["unknown", "not a name", 'emails[type eq "work"]'], {}),
        ([" userName "], {"userName": "bjensen"}),
    ],
    ids=repr,
)
def test_named_attributes_come_with_those_that_are_always_returned(attributes, expected):
    assert trimmed(attributes) == {"id": "1", **expected}


def test_the_urn_of_the_core_schema_names_all_its_attributes():
    assert trimmed([urns.USER]) == {key: FLAT[key] for key in ("id", "userName", "name", "emails")}


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        (["name", "EMAILS"], without("password", "name", "emails")),
        (["id"], without("password")),
        (["name.givenName"], {**without("password"), "name": {"familyName": "Jensen"}}),
        (["emails.type"], {**without("password"), "emails": [{"value": "a@b.c"}]}),
        ([ENTERPRISE], {k: v for k, v in without("password").items() if ENTERPRISE not in k}),
        (["unknown"], without("password")),
    ],
    ids=repr,
)
def test_excluded_attributes_are_left_out_unless_they_are_always_returned(excluded, expected):
    assert trimmed((), excluded) == expected


def test_what_is_excluded_is_not_there_even_if_it_is_named():
    assert trimmed(["userName", "name"], ["name.givenName"]) == {
        "id": "1",
        "userName": "bjensen",
        "name": {"familyName": "Jensen"},
    }


def test_what_is_returned_on_request_needs_to_be_named():
    secret = Attribute("motto", returned=Returned.REQUEST)
    box = Attribute(
        "box",
        Type.COMPLEX,
        sub_attributes=(
            Attribute("key", returned=Returned.ALWAYS),
            Attribute("width"),
            Attribute("weight", returned=Returned.REQUEST),
            Attribute("secret", returned=Returned.NEVER),
        ),
    )
    resource_type = ResourceType(
        "Thing", "/Things", Schema("urn:example:thing", "Thing", "", (secret, box))
    )
    flat = {"motto": "m", "box": {"key": 1, "width": 2, "weight": 3, "secret": 4}}

    def answer(*attributes, excluded=()):
        return Projection.of(resource_type, attributes, excluded).trim(flat)

    assert answer() == {"box": {"key": 1, "width": 2}}
    assert answer("motto") == {"motto": "m"}
    assert answer("box") == {"box": {"key": 1, "width": 2}}
    assert answer("box.weight") == {"box": {"key": 1, "weight": 3}}
    assert answer("box.secret") == {"box": {"key": 1}}
    assert answer(excluded=["box.key", "box.width"]) == {"box": {"key": 1}}


def test_members_that_nobody_wants_need_not_be_read():
    """Entra excludes them in every look-up of a group."""
    assert Projection.of(GROUPS).wants("members")
    assert not Projection.of(GROUPS, (), ["members"]).wants("members")
    assert not Projection.of(GROUPS, ["displayName"]).wants("members")
    assert Projection.of(GROUPS, ["members.value"]).wants("members")


def test_two_projections_that_want_the_same_are_equal():
    one = Projection.of(USERS, ["userName", "name.givenName"])
    other = Projection.of(USERS, ["NAME.givenname", f"{urns.USER}:userName"])
    assert one == other
    assert hash(one) == hash(other)


def test_whether_the_client_named_what_it_wants():
    assert not Projection.of(USERS).names_attributes
    assert not Projection.of(USERS, (), ["name"]).names_attributes
    assert Projection.of(USERS, ["unknown"]).names_attributes
