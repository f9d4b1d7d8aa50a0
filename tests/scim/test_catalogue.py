"""The schemas of RFC 7643, compared with those of a library that shares no code with us."""

import pytest
from scim2_models import EnterpriseUser, Group, User

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.attributes import Mutability, Returned, Type, Uniqueness
from flask_scim_provisioning.scim.catalogue import (
    ENTERPRISE_USER_SCHEMA,
    GROUP_SCHEMA,
    USER_SCHEMA,
)

from .strategies import GROUPS, USERS

PAIRS = ((USER_SCHEMA, User), (GROUP_SCHEMA, Group), (ENTERPRISE_USER_SCHEMA, EnterpriseUser))

COMPARED = ("type", "multiValued", "required", "mutability", "returned", "uniqueness", "caseExact")

ARGUED = {
    # RFC 7643 section 4.3 calls both of them "RECOMMENDED", and 8.7.1 has "required": false.
    ("manager.value", "required"),
    ("manager.$ref", "required"),
    # A display name of a member is the member's own (section 4.2 has no such sub-attribute).
    ("members.display", "mutability"),
    # Both cost a look at other tables, so they are answered to those who ask.
    ("members.display", "returned"),
    ("groups", "returned"),
    # scim2-models leaves these as they are by default; RFC 7643 section 2.3.6: "case exact".
    ("x509Certificates.value", "caseExact"),
    # RFC 7643 section 2.3.7: "A reference ... is case exact".
    ("profileUrl", "caseExact"),
    ("photos.value", "caseExact"),
    ("groups.$ref", "caseExact"),
    ("members.$ref", "caseExact"),
    ("manager.$ref", "caseExact"),
}


def characteristics(attributes, prefix=""):
    for attribute in attributes:
        name = prefix + attribute["name"]
        yield from (((name, which), attribute.get(which, False)) for which in COMPARED)
        yield from characteristics(attribute.get("subAttributes", ()), f"{name}.")


@pytest.mark.parametrize(("ours", "model"), PAIRS, ids=[schema.name for schema, _ in PAIRS])
def test_every_characteristic_is_the_one_of_scim2_models(ours, model):
    theirs = dict(characteristics(model.to_schema().model_dump()["attributes"]))
    mine = dict(characteristics(ours.as_json()["attributes"]))
    assert mine.keys() == theirs.keys()
    different = {key for key in mine if mine[key] != theirs[key]}
    assert different <= ARGUED, different - ARGUED


def test_a_name_is_found_in_any_case_and_behind_its_urn():
    """RFC 7643 section 2.1: "Attribute names are case insensitive"."""
    department = f"{urns.ENTERPRISE_USER}:department"
    assert USERS.find(None, "USERNAME")[0] == "userName"
    assert USERS.find(urns.USER.upper(), "username")[0] == "userName"
    assert USERS.find(urns.ENTERPRISE_USER, "Department")[0] == department
    assert USERS.find(None, "department")[0] == department
    assert USERS.find(urns.USER, "department") is None
    assert USERS.find("urn:example:unknown", "userName") is None


def test_common_attributes_are_part_of_every_resource_type():
    """RFC 7643 section 3.1."""
    for resource_type in (USERS, GROUPS):
        for name in ("id", "externalId", "meta", "schemas"):
            assert resource_type.find(None, name)[0] == name
            assert resource_type.schema.attribute(name) is None


def test_keys_stand_in_the_order_in_which_a_resource_is_written():
    keys = list(USERS.keys)
    assert keys[:4] == ["schemas", "id", "externalId", "userName"]
    assert keys[-1] == "meta"
    assert USERS.schema_of(f"{urns.ENTERPRISE_USER}:manager") == urns.ENTERPRISE_USER
    assert USERS.schema_of("userName") == urns.USER


def test_what_provisioning_depends_on():
    user_name = USERS.keys["userName"]
    assert (user_name.required, user_name.case_exact) == (True, False)
    assert user_name.uniqueness is Uniqueness.SERVER
    password = USERS.keys["password"]
    assert (password.mutability, password.returned) == (Mutability.WRITE_ONLY, Returned.NEVER)
    assert USERS.keys["groups"].mutability is Mutability.READ_ONLY
    assert USERS.keys["active"].type is Type.BOOLEAN
    assert USERS.keys["externalId"].case_exact


def test_types_of_values_are_published():
    """Entra's validator tests ``emails[type eq "untyped"]`` where ``type`` lists no values."""
    emails = USERS.keys["emails"].sub("type")
    phones = USERS.keys["phoneNumbers"].sub("type")
    assert emails.canonical_values == ("work", "home", "other")
    assert {"work", "mobile", "fax"} <= set(phones.canonical_values)
