"""What a filter means (RFC 7644 section 3.4.2.2, table 3)."""

import pytest
from hypothesis import given, settings

from flask_scim_provisioning.scim.attributes import Attribute, ResourceType, Schema, Type
from flask_scim_provisioning.scim.errors import InvalidFilter
from flask_scim_provisioning.scim.evaluate import check_filter, element_matches, matches
from flask_scim_provisioning.scim.filters import negation, parse_filter

from ..thorough import examples
from .strategies import ENTERPRISE, USERS, filters, users

BABS = {
    "id": "2819c223",
    "externalId": "Babs-1",
    "userName": "BJensen",
    "name": {"givenName": "Barbara", "familyName": "O'Malley"},
    "active": True,
    "displayName": "",
    "emails": [
        {"value": "babs@home.example", "type": "home", "primary": False},
        {"value": "BJ@work.example", "type": "work", "primary": True},
    ],
    "photos": [{"type": "photo"}],
    "meta": {"created": "2024-01-01T00:00:00Z", "resourceType": "User"},
    f"{ENTERPRISE}:department": "Tour Operations",
    f"{ENTERPRISE}:manager": {"value": "26118915"},
}

TRUE = [
    # Without caseExact, case doesn't count; attribute names and operators never count it.
    'userName eq "bjensen"',
    'USERNAME EQ "BJENSEN"',
    'userName co "JEN"',
    'userName sw "bj"',
    'userName ew "SEN"',
    'userName co ""',
    'userName gt "a"',
    'userName le "bjensen"',
    'externalId eq "Babs-1"',
    'not (externalId eq "babs-1")',
    "active eq true",
    "active ne false",
    # A dotted name, a URN, and Entra's bare name of an extension attribute.
    'name.familyName co "o\'m"',
    f'{ENTERPRISE}:department eq "tour operations"',
    f'{ENTERPRISE.upper()}:DEPARTMENT sw "tour"',
    'manager eq "26118915"',
    'id eq "2819c223" and manager eq "26118915"',
    # Any of several values satisfies a comparison, and "ne" says that none is equal.
    'emails eq "bj@work.example"',
    'emails.value co "home"',
    'emails.type eq "work"',
    'emails ne "nobody@example.com"',
    'not (emails ne "babs@home.example")',
    # The element in brackets is one and the same.
    'emails[type eq "work" and value sw "bj"]',
    'not (emails[type eq "work" and value sw "babs"])',
    'emails[type eq "work"].value eq "bj@work.example"',
    "emails[primary eq true]",
    'emails[not (type eq "work")]',
    # Points in time, not texts.
    'meta.created eq "2024-01-01T01:00:00+01:00"',
    'meta.created lt "2024-01-01T00:00:00.001Z"',
    # Presence: not of an empty string, nor of what isn't there.
    "name pr",
    "emails pr",
    "emails.type pr",
    "not (displayName pr)",
    "not (title pr)",
    "not (photos.value pr)",
    "not (emails.display pr)",
    # null is no value (RFC 7643 section 2.5).
    "title eq null",
    "displayName eq null",
    "emails.display eq null",
    "userName ne null",
    "not (userName eq null)",
    # What has no value is unequal to everything, and neither greater nor less.
    'title ne "x"',
    'not (title eq "x")',
    'not (title gt "a")',
    'not (title le "z")',
    'not (title co "")',
    'not (title eq "x" and userName pr)',
]

REFUSED = [
    "userName eq 5",
    "userName eq true",
    'active eq "True"',
    "active gt true",
    "active co true",
    "userName gt null",
    'name eq "x"',
    'meta.created gt "yesterday"',
    'meta.created sw "2024"',
    'x509Certificates.value gt "YQ=="',
    'password eq "x"',
    "password pr",
    "unknown pr",
    "name.unknown pr",
    "emails[unknown pr]",
    'emails[type eq "work" and primary eq "True"]',
    'name[givenName eq "x"]',
    'userName[value eq "x"]',
    "urn:example:other:User:userName pr",
    "emails[urn:example:other:User:type pr]",
]


@pytest.mark.parametrize("text", TRUE)
def test_babs_satisfies(text):
    node = parse_filter(text)
    check_filter(node, USERS)
    assert matches(node, BABS, USERS) is True


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_t_be_compared_is_refused_rather_than_false(text):
    """RFC 7644 section 3.12: invalidFilter, also where "the specified attribute and filter
    comparison combination is not supported"."""
    node = parse_filter(text)
    with pytest.raises(InvalidFilter):
        matches(node, BABS, USERS)
    with pytest.raises(InvalidFilter):
        check_filter(node, USERS)


@pytest.mark.parametrize("text", REFUSED)
def test_a_check_sees_terms_that_an_evaluation_doesn_t_reach(text):
    node = parse_filter(f"not (userName pr or not ({text}))")
    assert matches(node, BABS, USERS) is False
    with pytest.raises(InvalidFilter):
        check_filter(node, USERS)


def test_numbers_are_compared_as_numbers():
    numbers = Schema(
        "urn:example:numbers",
        "Numbers",
        "",
        (Attribute("size", Type.INTEGER), Attribute("share", Type.DECIMAL)),
    )
    resource_type = ResourceType("Thing", "/Things", numbers)
    flat = {"size": 10, "share": 0.5}
    for text in ("size gt 9", "size ge 10.0", "share lt 1", "size ne 9", "share eq 5e-1"):
        assert matches(parse_filter(text), flat, resource_type)
    for text in ('size eq "10"', "size eq true", "size co 1"):
        with pytest.raises(InvalidFilter):
            matches(parse_filter(text), flat, resource_type)


def test_an_element_that_is_no_object_is_called_value():
    codes = Attribute("codes", multi_valued=True)
    resource_type = ResourceType(
        "Thing", "/Things", Schema("urn:example:codes", "Codes", "", (codes,))
    )
    assert matches(parse_filter('codes[value eq "A"]'), {"codes": ["b", "a"]}, resource_type)
    assert matches(parse_filter('codes eq "A"'), {"codes": ["b", "a"]}, resource_type)
    assert not matches(parse_filter('codes[value eq "c"]'), {"codes": ["b", "a"]}, resource_type)
    assert not element_matches(parse_filter("value pr"), "", codes)
    with pytest.raises(InvalidFilter):
        element_matches(parse_filter("other pr"), "a", codes)


def test_a_list_of_values_that_are_one_sub_attribute():
    """A sub-attribute may be multi-valued itself."""
    attribute = Attribute(
        "access",
        Type.COMPLEX,
        multi_valued=True,
        sub_attributes=(Attribute("scopes", multi_valued=True),),
    )
    resource_type = ResourceType(
        "Thing", "/Things", Schema("urn:example:access", "Access", "", (attribute,))
    )
    flat = {"access": [{"scopes": ["read", "write"]}]}
    assert matches(parse_filter('access.scopes eq "write"'), flat, resource_type)
    assert matches(parse_filter('access[scopes eq "read"]'), flat, resource_type)
    assert not matches(parse_filter('access.scopes eq "none"'), flat, resource_type)


def test_schemas_can_be_searched():
    """RFC 7644 section 3.4.2.2, an example: ``schemas eq "urn:…"``."""
    flat = {"schemas": [USERS.schema.id]}
    assert matches(parse_filter(f'schemas eq "{USERS.schema.id}"'), flat, USERS)


@given(users, filters)
@settings(max_examples=examples(300), deadline=None)
def test_a_negation_means_the_contrary(flat, node):
    assert matches(negation(node), flat, USERS) is not matches(node, flat, USERS)
