"""The payloads of Microsoft Entra ID, as documented and as logged."""

import json
from typing import Any

import pytest

from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.scim.errors import InvalidSyntax, InvalidValue
from flask_scim_provisioning.scim.filters import parse_filter
from flask_scim_provisioning.scim.patch import Operation
from flask_scim_provisioning.scim.urns import ENTERPRISE_USER, USER

from .conftest import DEPARTMENT, MANAGER, Spoken

DIALECT = DIALECTS["entra"]

WORK = 'emails[type eq "work"].value'
ROLE_TYPE = "WindowsAzureActiveDirectoryRole"
EMPLOYEE_NUMBER = f"{ENTERPRISE_USER}:employeeNumber"
U1, U2, U3 = "7f4bc1a3-285e-48ae-8202-5accb43efb0e", "u1091", "u1092"


def op(op: str, path: str | None = None, value: Any = None) -> dict[str, Any]:
    operation = {"op": op, "path": path, "value": value}
    return {name: item for name, item in operation.items() if item is not None}


USER_PATCHES: list[tuple[str, dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = [
    (
        "several attributes, one operation each, with a capital",
        {"displayName": "Old", "emails": [{"type": "work", "value": "old@contoso.com"}]},
        [
            op("Replace", "displayName", "Pvlo"),
            op("Replace", WORK, "new@contoso.com"),
            op("Replace", "name.givenName", "Gtfd"),
            op("Replace", "name.familyName", "Pkqf"),
            op("Replace", "externalId", "Eqpj"),
            op("Replace", EMPLOYEE_NUMBER, "Eqpj"),
        ],
        {
            "displayName": "Pvlo",
            "emails": [{"type": "work", "value": "new@contoso.com"}],
            "name": {"givenName": "Gtfd", "familyName": "Pkqf"},
            "externalId": "Eqpj",
            EMPLOYEE_NUMBER: "Eqpj",
        },
    ),
    ("disable", {"active": True}, [op("Replace", "active", "False")], {"active": False}),
    ("enable", {"active": False}, [op("Replace", "active", "True")], {"active": True}),
    (
        "disable after an edited mapping",
        {"active": True},
        [op("Replace", "active", "false")],
        {"active": False},
    ),
    (
        "disable with a boolean and a capital",
        {"active": True},
        [op("Replace", "active", False)],
        {"active": False},
    ),
    ("active added", {}, [op("Add", "active", "True")], {"active": True}),
    ("add a scalar", {}, [op("Add", "nickName", "Babs")], {"nickName": "Babs"}),
    (
        "add over an existing scalar",
        {"nickName": "B"},
        [op("Add", "nickName", "Babs")],
        {"nickName": "Babs"},
    ),
    (
        "elements that don't exist are created, and found by the next operation",
        {},
        [
            op("Add", WORK, "bjensen@contoso.com"),
            op("Add", 'phoneNumbers[type eq "mobile"].value', "+1 555 0100"),
            op("Add", 'addresses[type eq "work"].formatted', "Building 7"),
            op("Add", 'addresses[type eq "work"].country', "US"),
        ],
        {
            "emails": [{"type": "work", "value": "bjensen@contoso.com"}],
            "phoneNumbers": [{"type": "mobile", "value": "+1 555 0100"}],
            "addresses": [{"type": "work", "formatted": "Building 7", "country": "US"}],
        },
    ),
    (
        "replace of what isn't there, captured live",
        {},
        [
            op("Replace", WORK, "a@contoso.com"),
            op("Replace", 'addresses[type eq "work"].formatted', "HQ"),
            op("Add", DEPARTMENT, "IT"),
        ],
        {
            "emails": [{"type": "work", "value": "a@contoso.com"}],
            "addresses": [{"type": "work", "formatted": "HQ"}],
            DEPARTMENT: "IT",
        },
    ),
    (
        "other types of the default mapping",
        {"emails": [{"type": "work", "value": "w@contoso.com"}]},
        [
            op("Add", 'emails[type eq "other"].value', "alias@contoso.com"),
            op("Add", 'phoneNumbers[type eq "fax"].value', "+1 555 0199"),
            op("Add", 'addresses[type eq "other"].formatted', "Branch"),
            op("Replace", "name.formatted", "Barbara Jensen"),
            op("Replace", "preferredLanguage", "de"),
        ],
        {
            "emails": [
                {"type": "work", "value": "w@contoso.com"},
                {"type": "other", "value": "alias@contoso.com"},
            ],
            "phoneNumbers": [{"type": "fax", "value": "+1 555 0199"}],
            "addresses": [{"type": "other", "formatted": "Branch"}],
            "name": {"formatted": "Barbara Jensen"},
            "preferredLanguage": "de",
        },
    ),
    (
        "types that only the validator's schema discovery makes up",
        {},
        [op("add", 'emails[type eq "untyped"].value', "x@contoso.com")],
        {"emails": [{"type": "untyped", "value": "x@contoso.com"}]},
    ),
    (
        "an unknown attribute with the core prefix is ignored",
        {"title": "Guide"},
        [op("Add", f"{USER}:role", "owner")],
        {"title": "Guide"},
    ),
    (
        "a known attribute with the core prefix",
        {},
        [op("Add", f"{USER}:name.givenName", "Barbara")],
        {"name": {"givenName": "Barbara"}},
    ),
    (
        "an unknown extension is ignored",
        {"title": "Guide"},
        [
            op(
                "Add",
                "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:codes",
                [{"value": "1"}],
            )
        ],
        {"title": "Guide"},
    ),
    (
        "an empty string clears",
        {"title": "Guide", "phoneNumbers": [{"type": "work", "value": "1"}]},
        [op("replace", "title", ""), op("replace", 'phoneNumbers[type eq "work"].value', "")],
        {},
    ),
    (
        "an empty string clears nothing that isn't there",
        {},
        [op("replace", 'phoneNumbers[type eq "work"].value', "")],
        {},
    ),
    (
        "null clears",
        {"title": "Guide"},
        [{"op": "replace", "path": "title", "value": None}],
        {},
    ),
    (
        "an empty string clears without a path",
        {"title": "A"},
        [op("replace", None, {"title": ""})],
        {},
    ),
    (
        "remove with a path",
        {
            "title": "Guide",
            "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "fax", "value": "2"}],
            DEPARTMENT: "IT",
        },
        [
            op("Remove", "title"),
            op("Remove", 'phoneNumbers[type eq "work"]'),
            op("Remove", DEPARTMENT),
        ],
        {"phoneNumbers": [{"type": "fax", "value": "2"}]},
    ),
    ("no operations change nothing", {"title": "Guide"}, [], {"title": "Guide"}),
    ("flag: disable", {"active": True}, [op("replace", "active", False)], {"active": False}),
    (
        "flag: all without a filter in one operation without a path",
        {"name": {"formatted": "Old"}},
        [
            op("replace", WORK, "TestMhvaes@contoso.com"),
            op(
                "replace",
                None,
                {
                    "displayName": "Bjfe",
                    "name.givenName": "Kkom",
                    "name.familyName": "Unua",
                    EMPLOYEE_NUMBER: "Aklq",
                },
            ),
        ],
        {
            "emails": [{"type": "work", "value": "TestMhvaes@contoso.com"}],
            "displayName": "Bjfe",
            "name": {"formatted": "Old", "givenName": "Kkom", "familyName": "Unua"},
            EMPLOYEE_NUMBER: "Aklq",
        },
    ),
    (
        "flag: the same with add",
        {},
        [
            op(
                "add",
                None,
                {
                    "displayName": "John Doe",
                    "title": "Engineer",
                    "name.givenName": "John",
                    "name.familyName": "Doe",
                    "name.formatted": "John Doe",
                },
            )
        ],
        {
            "displayName": "John Doe",
            "title": "Engineer",
            "name": {"givenName": "John", "familyName": "Doe", "formatted": "John Doe"},
        },
    ),
    (
        "flag: a dotted key into a multi-valued attribute",
        {},
        [op("add", None, {"emails.value": "x@y"})],
        {"emails": [{"value": "x@y"}]},
    ),
    (
        "a whole extension without a path",
        {EMPLOYEE_NUMBER: "1"},
        [op("replace", None, {ENTERPRISE_USER: {"department": "Ops"}})],
        {EMPLOYEE_NUMBER: "1", DEPARTMENT: "Ops"},
    ),
    (
        "flag: userName without a path",
        {"userName": "old@contoso.com"},
        [op("replace", None, {"userName": "new.name@contoso.com"})],
        {"userName": "new.name@contoso.com"},
    ),
    ("manager as a string", {}, [op("Add", MANAGER, "271")], {MANAGER: {"value": "271"}}),
    (
        "manager replaced by a string",
        {MANAGER: {"value": "1"}},
        [op("Replace", MANAGER, "271")],
        {MANAGER: {"value": "271"}},
    ),
    (
        "manager as an object",
        {},
        [op("add", MANAGER, {"value": "XYMKVVRYDIOO"})],
        {MANAGER: {"value": "XYMKVVRYDIOO"}},
    ),
    (
        "manager as a list, by its bare name",
        {},
        [op("Add", "manager", [{"value": "26118915"}])],
        {MANAGER: {"value": "26118915"}},
    ),
    (
        "manager without a path",
        {},
        [op("replace", None, {MANAGER: "271"})],
        {MANAGER: {"value": "271"}},
    ),
    (
        "manager cleared by an empty string",
        {MANAGER: {"value": "1"}},
        [op("replace", MANAGER, "")],
        {},
    ),
    (
        "manager cleared by an empty value",
        {MANAGER: {"value": "1"}},
        [op("replace", MANAGER, {"value": ""})],
        {},
    ),
    ("manager removed", {MANAGER: {"value": "1"}}, [op("Remove", MANAGER)], {}),
    (
        "manager removed by its value",
        {MANAGER: {"value": "26118915"}},
        [op("remove", 'manager[value eq "26118915"]')],
        {},
    ),
    (
        "a single role, chosen by the string True",
        {},
        [
            op("Add", 'roles[primary eq "True"].display', "Admin"),
            op("Add", 'roles[primary eq "True"].value', "admin"),
            op("Add", 'roles[primary eq "True"].type', ROLE_TYPE),
        ],
        {"roles": [{"primary": True, "display": "Admin", "value": "admin", "type": ROLE_TYPE}]},
    ),
    (
        "a role as JSON in a string",
        {},
        [
            op(
                "Add",
                "roles",
                [{"value": json.dumps({"id": "06b0", "value": "25", "displayName": "Role1234"})}],
            )
        ],
        {"roles": [{"value": "25", "display": "Role1234"}]},
    ),
    (
        "several roles as JSON in strings are added",
        {"roles": [{"value": "Old"}]},
        [
            op(
                "Add",
                "roles",
                [
                    {"value": json.dumps({"value": "User", "displayName": "User"})},
                    {"value": json.dumps({"value": "Admin", "displayName": "Admin"})},
                ],
            )
        ],
        {
            "roles": [
                {"value": "Old"},
                {"value": "User", "display": "User"},
                {"value": "Admin", "display": "Admin"},
            ]
        },
    ),
    (
        "roles replaced by objects",
        {"roles": [{"value": "Old"}]},
        [
            op(
                "replace",
                "roles",
                [{"primary": False, "type": ROLE_TYPE, "display": "User", "value": "User"}],
            )
        ],
        {"roles": [{"primary": False, "type": ROLE_TYPE, "display": "User", "value": "User"}]},
    ),
    (
        "rename",
        {"userName": "old@contoso.com"},
        [op("Replace", "userName", "new@contoso.com")],
        {"userName": "new@contoso.com"},
    ),
    (
        "a scalar wrapped in a list of objects",
        {},
        [op("Replace", "displayName", [{"$ref": None, "value": "Babs"}])],
        {"displayName": "Babs"},
    ),
    (
        "primary as a string in a filtered path",
        {"emails": [{"type": "work", "value": "w@contoso.com"}]},
        [op("Add", 'emails[type eq "work"].primary', "True")],
        {"emails": [{"type": "work", "value": "w@contoso.com", "primary": True}]},
    ),
]


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [row[1:] for row in USER_PATCHES],
    ids=[row[0] for row in USER_PATCHES],
)
def test_user_patch(
    user: Spoken, before: dict[str, Any], operations: list[Any], after: dict[str, Any]
) -> None:
    assert user.patched(before, *operations)[0] == after


MEMBERS = [{"value": U1}, {"value": U2}, {"value": U3}]

GROUP_PATCHES: list[tuple[str, dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = [
    (
        "rename",
        {"displayName": "Old"},
        [op("Replace", "displayName", "New name")],
        {"displayName": "New name"},
    ),
    (
        "rename without a path",
        {"displayName": "Old"},
        [op("replace", None, {"displayName": "New name", "externalId": "8aa1"})],
        {"displayName": "New name", "externalId": "8aa1"},
    ),
    (
        "add members with a null $ref",
        {},
        [op("Add", "members", [{"$ref": None, "value": U1}])],
        {"members": [{"value": U1}]},
    ),
    (
        "add several members",
        {},
        [op("Add", "members", [{"value": "8"}, {"value": "9"}, {"value": "10"}])],
        {"members": [{"value": "8"}, {"value": "9"}, {"value": "10"}]},
    ),
    (
        "remove the listed members only",
        {"members": MEMBERS},
        [op("Remove", "members", [{"$ref": None, "value": U2}, {"$ref": None, "value": U3}])],
        {"members": [{"value": U1}]},
    ),
    (
        "remove a member given as a string",
        {"members": MEMBERS},
        [op("Remove", "members", U1)],
        {"members": [{"value": U2}, {"value": U3}]},
    ),
    (
        "remove a member given as an object",
        {"members": MEMBERS},
        [op("Remove", "members", {"value": U1})],
        {"members": [{"value": U2}, {"value": U3}]},
    ),
    (
        "remove a member who is none",
        {"members": MEMBERS},
        [op("Remove", "members", [{"value": "nobody"}])],
        {"members": MEMBERS},
    ),
    (
        "remove an empty list of members",
        {"members": MEMBERS},
        [op("Remove", "members", [])],
        {"members": MEMBERS},
    ),
    ("remove all members", {"members": MEMBERS}, [op("Remove", "members")], {}),
    (
        "flag: remove a member by a filter",
        {"members": MEMBERS},
        [op("remove", f'members[value eq "{U1}"]')],
        {"members": [{"value": U2}, {"value": U3}]},
    ),
    (
        "replace the whole list",
        {"members": MEMBERS},
        [op("replace", "members", [{"value": "805d32c6"}])],
        {"members": [{"value": "805d32c6"}]},
    ),
    (
        "add and remove the same member",
        {},
        [op("add", "members", [{"value": "U1"}]), op("remove", 'members[value eq "U1"]')],
        {},
    ),
    (
        "add a member given as a string",
        {},
        [op("Add", "members", U1)],
        {"members": [{"value": U1}]},
    ),
    (
        "remove a member by a filter without quotation marks",
        {"members": MEMBERS},
        [op("remove", f"members[value eq {U2}]")],
        {"members": [{"value": U1}, {"value": U3}]},
    ),
]


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [row[1:] for row in GROUP_PATCHES],
    ids=[row[0] for row in GROUP_PATCHES],
)
def test_group_patch(
    group: Spoken, before: dict[str, Any], operations: list[Any], after: dict[str, Any]
) -> None:
    assert group.patched(before, *operations)[0] == after


def test_members_removed_by_value_are_one_operation(group: Spoken) -> None:
    """One statement can remove them all, however many they are."""
    listed = [{"value": str(number)} for number in range(500)]
    sent = [Operation("Remove", "members", listed)]
    clean = DIALECT.operations(sent, group.resource_type, [])
    assert len(clean) == 1


def test_value_to_remove_has_to_say_which(group: Spoken) -> None:
    with pytest.raises(InvalidValue, match="operation 1"):
        group.patched({"members": MEMBERS}, op("Remove", "members", [{"display": "Babs"}]))


NOTES: list[tuple[dict[str, Any], str]] = [
    (op("Replace", "active", "False"), 'string "False" read as false at active'),
    (op("Replace", "title", "Guide"), 'op "Replace" read as replace'),
    (op("add", MANAGER, "271"), "string read as an object with a value at manager"),
    (op("replace", MANAGER, ""), "empty value read as no value at manager"),
    (op("replace", "title", ""), "empty string read as no value at title"),
    (
        op("add", 'roles[primary eq "True"].value', "admin"),
        'string "True" read as true in a filter on primary',
    ),
    (op("add", "roles", ["Admin"]), "string read as an object with a value at roles"),
]


@pytest.mark.parametrize(("operation", "note"), NOTES, ids=[note for _, note in NOTES])
def test_each_deviation_leaves_a_note(user: Spoken, operation: dict[str, Any], note: str) -> None:
    assert note in user.patched({}, operation)[1]


def test_clean_operation_leaves_no_note(user: Spoken) -> None:
    assert user.patched({}, op("replace", "title", "Guide"))[1] == []


def test_create_with_the_documented_shape(user: Spoken) -> None:
    flat, notes = user.read(
        {
            "schemas": [USER, ENTERPRISE_USER],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "bjensen@contoso.com",
            "active": True,
            "emails": [{"primary": True, "type": "work", "value": "bjensen@contoso.com"}],
            "meta": {"resourceType": "User"},
            "name": {
                "formatted": "Barbara Jensen",
                "familyName": "Jensen",
                "givenName": "Barbara",
            },
            "roles": [],
        }
    )
    assert flat == {
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "bjensen@contoso.com",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": "bjensen@contoso.com"}],
        "name": {"formatted": "Barbara Jensen", "familyName": "Jensen", "givenName": "Barbara"},
    }
    assert notes == []


def test_create_with_nulls_and_misplaced_attributes(user: Spoken) -> None:
    flat, _ = user.read(
        {
            "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
            "externalId": "jyoung",
            "userName": "jyoung@contoso.com",
            "active": True,
            "addresses": None,
            "displayName": "Joy Young",
            "emails": [{"type": "work", "value": "jyoung@contoso.com", "primary": True}],
            "meta": {"resourceType": "User"},
            "name": {"familyName": "Young", "givenName": "Joy"},
            "phoneNumbers": None,
            "preferredLanguage": None,
            "title": None,
            "department": None,
            "manager": None,
        }
    )
    assert flat == {
        "externalId": "jyoung",
        "userName": "jyoung@contoso.com",
        "active": True,
        "displayName": "Joy Young",
        "emails": [{"type": "work", "value": "jyoung@contoso.com", "primary": True}],
        "name": {"familyName": "Young", "givenName": "Joy"},
    }


def test_misplaced_enterprise_attributes_are_adopted(user: Spoken) -> None:
    flat, notes = user.read({"userName": "j", "department": "Tours", "manager": "26118915"})
    assert flat == {"userName": "j", DEPARTMENT: "Tours", MANAGER: {"value": "26118915"}}
    assert f"department read as {DEPARTMENT}" in notes


def test_extension_object_wins_over_a_misplaced_attribute(user: Spoken) -> None:
    flat, _ = user.read(
        {"userName": "j", "department": "Wrong", ENTERPRISE_USER: {"Department": "Right"}}
    )
    assert flat[DEPARTMENT] == "Right"


def test_create_with_the_manager_as_a_string(user: Spoken) -> None:
    flat, _ = user.read({"userName": "b", ENTERPRISE_USER: {"manager": "26118915"}})
    assert flat[MANAGER] == {"value": "26118915"}


def test_create_with_booleans_as_strings(user: Spoken) -> None:
    flat, notes = user.read(
        {
            "userName": "emp9@contoso.com",
            "active": "True",
            "emails": [{"type": "work", "primary": "True", "value": "emp9@contoso.com"}],
        }
    )
    assert (flat["active"], flat["emails"][0]["primary"]) == (True, True)
    assert notes == [
        'string "True" read as true at active',
        'string "True" read as true at emails.primary',
    ]


def test_create_with_an_extension_of_the_customer(user: Spoken) -> None:
    custom = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
    flat, _ = user.read({"userName": "b", custom: {"CustomAttribute": "701984"}})
    assert flat == {"userName": "b"}


@pytest.mark.parametrize(
    "role",
    [
        {"primary": True, "type": ROLE_TYPE, "value": "Admin"},
        {"primary": False, "type": ROLE_TYPE, "displayName": "Admin", "value": "Admin"},
        {"primary": False, "type": ROLE_TYPE, "display": "Admin", "value": "Admin"},
    ],
    ids=["SingleAppRoleAssignment", "AppRoleAssignmentsComplex", "Assertive"],
)
def test_create_with_roles(user: Spoken, role: dict[str, Any]) -> None:
    flat, _ = user.read({"userName": "alice@contoso.com", "roles": [role]})
    sent = dict(role)
    if "displayName" in sent:
        sent["display"] = sent.pop("displayName")
    assert flat["roles"] == [sent]


def test_create_of_the_validator(user: Spoken) -> None:
    """Only ``roles.primary`` is a string there, and the manager points nowhere."""
    flat, _ = user.read(
        {
            "userName": "shaniya@bauch.co.uk",
            "roles": [{"primary": "True", "display": "R", "value": "O", "type": "I"}],
            ENTERPRISE_USER: {"manager": {"value": "GZFDHGRKQLCG"}},
            "locale": "PUWGYNUKSGVE",
            "profileUrl": "RVSZJGLGMDLF",
        }
    )
    assert flat["roles"][0]["primary"] is True
    assert flat[MANAGER] == {"value": "GZFDHGRKQLCG"}


def test_create_a_group_with_microsofts_own_schema(group: Spoken) -> None:
    flat, _ = group.read(
        {
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group",
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
            ],
            "externalId": "8aa1a0c0",
            "displayName": "Tour Guides",
            "members": [],
            "meta": {"resourceType": "Group"},
        }
    )
    assert flat == {"externalId": "8aa1a0c0", "displayName": "Tour Guides"}


FILTERS = [
    ('userName eq "bjensen@contoso.com"', 'userName eq "bjensen@contoso.com"'),
    (
        'emails[type eq "work"].value eq "b@contoso.com"',
        'emails[type eq "work"].value eq "b@contoso.com"',
    ),
    (
        'emails[type eq "work"] eq "b@contoso.com"',
        'emails[type eq "work"].value eq "b@contoso.com"',
    ),
    ('id eq "U" and manager eq "M"', 'id eq "U" and manager.value eq "M"'),
    ('manager eq "M" and id eq "U"', 'manager.value eq "M" and id eq "U"'),
    ('id eq "G" and members eq "U"', 'id eq "G" and members.value eq "U"'),
    (f'{MANAGER} eq "M"', f'{MANAGER}.value eq "M"'),
    ("externalId eq jyoung", 'externalId eq "jyoung"'),
    ("userName eq 'jyoung'", 'userName eq "jyoung"'),
    ('userName eq "jyoung" &', 'userName eq "jyoung"'),
    ('roles[primary eq "True"]', "roles[primary eq true]"),
    ('active eq "false"', "active eq false"),
    (
        'displayName eq "a eq b" and externalId eq x',
        'displayName eq "a eq b" and externalId eq "x"',
    ),
]


@pytest.mark.parametrize(("sent", "clean"), FILTERS, ids=[sent for sent, _ in FILTERS])
def test_filter(sent: str, clean: str) -> None:
    notes: list[str] = []
    assert DIALECT.filter(sent, notes) == parse_filter(clean)
    assert bool(notes) == (sent != clean)


@pytest.mark.parametrize(
    "operation",
    ["replace", None, {"path": "title", "value": "x"}, {"op": 1}, {"op": "add", "path": 1}],
)
def test_what_is_no_operation_is_refused(user: Spoken, operation: Any) -> None:
    with pytest.raises(InvalidSyntax, match="operation 1"):
        user.patched({}, operation)
