"""The paths of PATCH (RFC 7644 section 3.5.2, figure 7)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.attributes import Attribute, ResourceType, Schema
from flask_scim_provisioning.scim.catalogue import USER_SCHEMA
from flask_scim_provisioning.scim.errors import InvalidPath
from flask_scim_provisioning.scim.filters import AttrPath, Compare
from flask_scim_provisioning.scim.paths import (
    Location,
    PatchPath,
    compared,
    locate,
    parse_path,
    resolve,
)

from ..thorough import examples
from .strategies import ENTERPRISE, GROUPS, USERS

WORK = Compare(AttrPath(None, "type"), "eq", "work")

PATHS = {
    "members": PatchPath(AttrPath(None, "members")),
    "name.familyName": PatchPath(AttrPath(None, "name", "familyName")),
    'addresses[type eq "work"]': PatchPath(AttrPath(None, "addresses"), WORK),
    'addresses[type eq "work"].streetAddress': PatchPath(
        AttrPath(None, "addresses"), WORK, "streetAddress"
    ),
    'members[value eq "2819c223"].displayName': PatchPath(
        AttrPath(None, "members"),
        Compare(AttrPath(None, "value"), "eq", "2819c223"),
        "displayName",
    ),
    f"{ENTERPRISE}:department": PatchPath(AttrPath(ENTERPRISE, "department")),
    f"{ENTERPRISE}:manager.value": PatchPath(AttrPath(ENTERPRISE, "manager", "value")),
    f'{urns.USER}:emails[type eq "work"].value': PatchPath(
        AttrPath(urns.USER, "emails"), WORK, "value"
    ),
    "urn:example:acme:2.0": PatchPath(AttrPath("urn:example:acme:2.0", "")),
}


@pytest.mark.parametrize("text", PATHS)
def test_a_path_and_its_parts(text):
    assert parse_path(text) == PATHS[text]
    assert str(PATHS[text]) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "emails[", "emails[]", "emails[type]", "emails]", "a b", "a.b.c", "name.", ".name",
     'emails[type eq "work"', 'emails[type eq "work"]x', 'emails[type eq "work"].', "1",
     'emails.value[type eq "work"]', "emails[a[b pr]]", "and", "a\0", "urn:", "[type pr]"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_path_is_refused(text):
    """RFC 7644 section 3.12: "invalidPath: The "path" attribute was invalid or malformed"."""
    with pytest.raises(InvalidPath):
        parse_path(text)


def test_the_column_is_the_one_of_the_path():
    with pytest.raises(InvalidPath, match="column 13 of the path"):
        parse_path("emails[type x]")


def test_a_deep_or_long_path_is_refused():
    for text in ("emails[" + "(" * 5000, "a" * 100_000, "not (" * 1000):
        with pytest.raises(InvalidPath):
            parse_path(text)


def place(text, resource_type=USERS):
    return resolve(parse_path(text), resource_type)


@pytest.mark.parametrize(
    ("text", "key", "label"),
    [
        ("USERNAME", "userName", "userName"),
        ("Name.GivenName", "name", "name.givenName"),
        (f"{urns.USER}:userName", "userName", "userName"),
        (f"{ENTERPRISE.upper()}:Department", f"{ENTERPRISE}:department", "department"),
        ("manager.value", f"{ENTERPRISE}:manager", "manager.value"),
        ("emails.type", "emails", "emails.type"),
        ("emails[value pr].type", "emails", "emails.type"),
        ("members.$ref", None, None),
        ("urn:example:unknown:userName", None, None),
        ("name.nothing", None, None),
        ("userName.nothing", None, None),
    ],
)
def test_a_path_names_a_place_of_the_resource_type(text, key, label):
    found = place(text)
    assert (found and found.key, found and found.label) == (key, label)


def test_a_urn_alone_names_a_whole_schema():
    """Nothing is split at the dots of a URN: ``2.0:User`` is no sub-attribute."""
    assert place(ENTERPRISE) is USERS.extensions[0]
    assert place(urns.USER.upper()) is USERS.schema
    assert place(urns.GROUP) is None


def test_the_urn_of_an_extension_may_end_in_a_version():
    acme = Schema("urn:example:acme:2.0", "Acme", "", (Attribute("code"),))
    resource_type = ResourceType("User", "/Users", USER_SCHEMA, (acme,))
    assert place("urn:example:acme:2.0", resource_type) is acme
    assert place("urn:example:acme:2.0:code", resource_type).key == "urn:example:acme:2.0:code"


def test_brackets_stand_behind_multi_valued_attributes_only():
    """RFC 7644 section 3.5.2: valuePath selects "specific values of a complex multi-valued
    attribute"."""
    with pytest.raises(InvalidPath, match="only one value"):
        place('name[givenName eq "x"]')


def test_a_comparison_without_a_sub_attribute_is_about_the_value():
    """RFC 7644 section 3.4.2.2: ``emails co "example.com"``."""
    emails = locate(AttrPath(None, "emails"), USERS)
    assert compared(emails).label == "emails.value"
    assert compared(locate(AttrPath(None, "manager"), USERS)).label == "manager.value"
    name = Location("name", USERS.keys["name"])
    assert compared(name) == name
    assert compared(locate(AttrPath(None, "members"), GROUPS)).label == "members.value"


@given(st.text(max_size=40) | st.text('()[]. "\\andornteqpr:urn1-$', max_size=40))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_is_read_or_refused_and_nothing_else(text):
    try:
        parsed = parse_path(text)
    except InvalidPath:
        return
    assert parse_path(str(parsed)) == parsed
