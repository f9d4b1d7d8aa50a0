"""PATCH (RFC 7644 section 3.5.2)."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.attributes import (
    Attribute,
    Mutability,
    ResourceType,
    Schema,
    Type,
)
from flask_scim_provisioning.scim.errors import (
    InvalidFilter,
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    MutabilityError,
    NoTarget,
    ScimError,
)
from flask_scim_provisioning.scim.filters import AttrPath, Compare, Or
from flask_scim_provisioning.scim.patch import (
    Add,
    Edit,
    Operation,
    Remove,
    Replace,
    Set,
    Target,
    apply_changes,
    plan,
)
from flask_scim_provisioning.scim.paths import PatchPath

from ..thorough import examples
from .strategies import ENTERPRISE, GROUPS, USERS, operations, users

BABS: dict[str, Any] = {
    "userName": "bjensen",
    "title": "Guide",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "emails": [
        {"value": "bj@work.example", "type": "work", "primary": True},
        {"value": "babs@home.example", "type": "home"},
    ],
    f"{ENTERPRISE}:department": "Tours",
}


def patched(*operations, flat=None, resource_type=USERS, **habits):
    planned = plan([Operation(*parts) for parts in operations], resource_type, **habits)
    return apply_changes(planned.changes, BABS if flat is None else flat)


def emails(*operations, **habits):
    return patched(*operations, **habits).get("emails")


class TestAdd:
    """Section 3.5.2.1."""

    def test_to_what_isn_t_there_adds_it(self):
        assert patched(("add", "nickName", "Babs"))["nickName"] == "Babs"

    def test_to_what_has_one_value_replaces_it(self):
        """ "If the target location specifies a single-valued attribute, the existing value is
        replaced"."""
        assert patched(("add", "title", "Boss"))["title"] == "Boss"

    def test_to_what_has_several_values_appends(self):
        new = {"value": "x@example.com", "type": "other"}
        assert emails(("add", "emails", [new])) == [*BABS["emails"], new]
        assert emails(("add", "emails", new)) == [*BABS["emails"], new]

    def test_of_a_value_that_is_there_changes_nothing(self):
        """ "If the value already exists, no changes SHOULD be made to the resource"."""
        same = {"value": "BABS@home.example", "type": "home"}
        assert emails(("add", "emails", [same])) == BABS["emails"]

    def test_of_one_value_twice_adds_it_once(self):
        new = {"value": "x@example.com"}
        assert emails(("add", "emails", [new, new])) == [*BABS["emails"], new]

    def test_case_makes_a_value_another_one_where_it_is_exact(self):
        certificates = [{"value": "YQ=="}]
        flat = {"x509Certificates": certificates}
        added = patched(("add", "x509Certificates", [{"value": "yq=="}]), flat=flat)
        assert len(added["x509Certificates"]) == 2

    def test_without_a_path_adds_what_the_value_has(self):
        """ "If omitted, the target location is assumed to be the resource itself"."""
        added = patched(
            ("add", None, {"nickName": "Babs", "emails": [{"value": "babs@jensen.org"}]})
        )
        assert added["nickName"] == "Babs"
        assert added["emails"] == [*BABS["emails"], {"value": "babs@jensen.org"}]

    def test_to_a_complex_attribute_keeps_the_other_sub_attributes(self):
        assert patched(("add", "name", {"middleName": "Jane"}))["name"] == {
            "givenName": "Barbara",
            "familyName": "Jensen",
            "middleName": "Jane",
        }

    def test_of_nothing_adds_nothing(self):
        assert emails(("add", "emails", [])) == BABS["emails"]
        assert emails(("add", None, {"emails": None})) == BABS["emails"]


class TestReplace:
    """Section 3.5.2.3."""

    def test_of_what_isn_t_there_adds_it(self):
        """ "If the target location path specifies an attribute that does not exist, the service
        provider SHALL treat the operation as an "add"."""
        assert patched(("replace", "nickName", "Babs"))["nickName"] == "Babs"

    def test_of_a_multi_valued_attribute_replaces_all_values(self):
        new = [{"value": "x@example.com"}]
        assert emails(("replace", "emails", new)) == new
        assert emails(("replace", "emails", new[0])) == new

    def test_of_a_complex_attribute_keeps_what_it_doesn_t_name(self):
        """ "Sub-attributes that are not specified SHALL be left unchanged"."""
        assert patched(("replace", "name", {"familyName": "Smith"}))["name"] == {
            "givenName": "Barbara",
            "familyName": "Smith",
        }

    def test_of_elements_by_a_filter(self):
        assert emails(("replace", 'emails[type eq "home"]', {"value": "x@example.com"})) == [
            BABS["emails"][0],
            {"value": "x@example.com", "type": "home"},
        ]

    def test_of_a_sub_attribute_of_matching_elements(self):
        assert emails(("replace", 'emails[value co "example"].type', "other")) == [
            {**element, "type": "other"} for element in BABS["emails"]
        ]

    def test_of_a_sub_attribute_of_all_elements(self):
        assert emails(("replace", "emails.type", "other")) == [
            {**element, "type": "other"} for element in BABS["emails"]
        ]

    def test_of_a_sub_attribute_where_there_is_no_element_adds_one(self):
        assert patched(("replace", "emails.value", "x@y.z"), flat={})["emails"] == [
            {"value": "x@y.z"}
        ]

    def test_of_elements_that_aren_t_there_has_no_target(self):
        """ "If the target location is a multi-valued attribute for which a value selection filter
        has been supplied and no record match was made, the service provider SHALL indicate
        failure by returning HTTP status code 400 and a "scimType" error code of "noTarget"."""
        for path in ('emails[type eq "other"].value', 'phoneNumbers[type eq "work"].value'):
            with pytest.raises(NoTarget, match="operation 1"):
                patched(("replace", path, "x@y.z"))

    def test_without_a_path_reads_every_name_as_a_path(self):
        """Entra and Okta send dotted names, names behind a URN, and whole extensions there."""
        changed = patched(
            (
                "replace",
                None,
                {
                    "displayName": "Babs",
                    "name.givenName": "Babs",
                    f"{ENTERPRISE}:employeeNumber": "7",
                    ENTERPRISE: {"department": "IT", "manager": {"value": "1"}},
                    'emails[type eq "home"].value': "b@home.example",
                    "schemas": [urns.USER],
                },
            )
        )
        assert changed == {
            "userName": "bjensen",
            "title": "Guide",
            "displayName": "Babs",
            "name": {"givenName": "Babs", "familyName": "Jensen"},
            "emails": [BABS["emails"][0], {"value": "b@home.example", "type": "home"}],
            f"{ENTERPRISE}:employeeNumber": "7",
            f"{ENTERPRISE}:department": "IT",
            f"{ENTERPRISE}:manager": {"value": "1"},
        }

    @pytest.mark.parametrize("path", ["title", "emails", "name", f"{ENTERPRISE}:department"])
    def test_by_nothing_removes(self, path):
        """RFC 7643 section 2.5: null, and the empty array, are the state "unassigned"."""
        key = path
        assert key not in patched(("replace", path, None))
        assert key not in patched(("replace", None, {path: None}))
        if path == "emails":
            assert key not in patched(("replace", path, []))

    def test_of_a_sub_attribute_by_null_removes_it(self):
        assert patched(("replace", "name.givenName", None))["name"] == {"familyName": "Jensen"}
        assert patched(("replace", "name", {"givenName": None}))["name"] == {"familyName": "Jensen"}
        assert "name" not in patched(("replace", "name", {"givenName": None, "familyName": None}))
        changed = emails(("replace", 'emails[type eq "home"]', {"type": None}))
        assert changed == [BABS["emails"][0], {"value": "babs@home.example"}]

    def test_by_an_empty_string_is_an_empty_string(self):
        assert patched(("replace", "title", ""))["title"] == ""

    def test_of_a_whole_extension(self):
        assert patched(("replace", ENTERPRISE, {"costCenter": "9"})) == {
            **BABS,
            f"{ENTERPRISE}:costCenter": "9",
        }
        assert f"{ENTERPRISE}:department" not in patched(("replace", ENTERPRISE, None))

    def test_by_a_bare_name_of_an_extension_attribute(self):
        """Entra's documentation sends the path "manager"."""
        assert patched(("add", "manager", {"value": "1"}))[f"{ENTERPRISE}:manager"] == {
            "value": "1"
        }


class TestRemove:
    """Section 3.5.2.2."""

    def test_without_a_path_is_no_target(self):
        """ "If "path" is unspecified, the operation fails with ... "noTarget"."""
        with pytest.raises(NoTarget):
            patched(("remove",))

    def test_of_a_single_value(self):
        assert "title" not in patched(("remove", "title"))
        assert "title" not in patched(("remove", "title", "whatever it was"))

    def test_of_what_isn_t_there_succeeds(self):
        assert patched(("remove", "nickName"), ("remove", "photos.value")) == BABS

    def test_of_all_values(self):
        assert "emails" not in patched(("remove", "emails"))

    def test_of_elements_by_a_filter(self):
        assert emails(("remove", 'emails[type eq "home"]')) == BABS["emails"][:1]
        assert emails(("remove", 'emails[type eq "other"]')) == BABS["emails"]
        assert emails(("remove", "emails[value pr]")) is None

    def test_of_a_sub_attribute(self):
        assert patched(("remove", "name.givenName"))["name"] == {"familyName": "Jensen"}
        assert emails(("remove", 'emails[type eq "home"].type')) == [
            BABS["emails"][0],
            {"value": "babs@home.example"},
        ]

    def test_of_the_last_sub_attribute_leaves_no_empty_object(self):
        """RFC 7643 section 2.5: a complex attribute without values is unassigned."""
        flat = {"roles": [{"value": "a"}, {"value": "b", "type": "c"}], "name": {"formatted": "x"}}
        assert patched(("remove", "roles.value"), ("remove", "name.formatted"), flat=flat) == {
            "roles": [{"type": "c"}]
        }

    def test_of_an_extension(self):
        assert f"{ENTERPRISE}:department" not in patched(("remove", ENTERPRISE))

    def test_of_the_core_schema_is_refused(self):
        with pytest.raises(NoTarget):
            patched(("remove", urns.USER))

    def test_of_listed_values_never_removes_them_all(self):
        """A remove whose value lists members once emptied whole groups in other services."""
        with pytest.raises(InvalidValue, match="filter"):
            patched(("remove", "members", [{"value": "1"}]), resource_type=GROUPS)
        with pytest.raises(InvalidValue, match="filter"):
            patched(("remove", "members", []), resource_type=GROUPS)

    def test_of_a_required_attribute_is_a_matter_of_mutability(self):
        """ "If an attribute is removed or becomes unassigned and is defined as a required
        attribute or a read-only attribute, the server SHALL return ... "mutability"."""
        for operation in (("remove", "userName"), ("replace", "userName", None)):
            with pytest.raises(MutabilityError, match="userName is required"):
                patched(operation)
        with pytest.raises(InvalidValue, match="userName is required"):
            patched(("replace", "userName", " "))


class TestPrimary:
    """Section 3.5.2: a new primary value makes the others not primary."""

    def test_added(self):
        new = {"value": "x@example.com", "primary": True}
        assert emails(("add", "emails", [new])) == [
            {**BABS["emails"][0], "primary": False},
            BABS["emails"][1],
            new,
        ]

    def test_edited(self):
        assert emails(("replace", 'emails[type eq "home"].primary', True)) == [
            {**BABS["emails"][0], "primary": False},
            {**BABS["emails"][1], "primary": True},
        ]

    def test_the_same_again_changes_nothing(self):
        assert emails(("replace", 'emails[type eq "work"].primary', True)) == BABS["emails"]

    def test_of_several_the_one_that_is_stays_it(self):
        roles = [{"value": "a"}, {"value": "b", "primary": True}]
        changed = patched(("replace", "roles.primary", True), flat={"roles": roles})
        assert changed["roles"] == [{"value": "a", "primary": False}, roles[1]]

    def test_more_than_one_is_refused(self):
        for operation in (
            ("add", "emails", [{"value": "x", "primary": True}, {"value": "y", "primary": True}]),
            ("replace", "roles.primary", True),
        ):
            with pytest.raises(InvalidValue, match="primary"):
                patched(operation, flat={"roles": [{"value": "a"}, {"value": "b"}]})


class TestMutability:
    """RFC 7643 section 7; RFC 7644 section 3.5.2: "mutability"."""

    @pytest.mark.parametrize(
        "path",
        ["id", "meta", "meta.version", "groups", 'groups[value eq "1"]', "manager.displayName"],
    )
    def test_what_is_read_only_is_refused(self, path):
        for operation in (("replace", path, "x"), ("add", path, "x"), ("remove", path)):
            with pytest.raises(MutabilityError, match="operation 1"):
                patched(operation)

    def test_what_is_read_only_is_ignored_with_a_note_where_the_dialect_is_lenient(self):
        planned = plan([Operation("add", None, {"id": "1", "title": "x"})], USERS, lenient=True)
        assert planned.notes == ("operation 1: read-only attribute id ignored",)
        assert [change.target.key for change in planned.changes] == ["title"]

    def test_a_read_only_sub_attribute_inside_a_value_is_ignored(self):
        """Okta sends the manager's displayName beside the id."""
        sent = {"value": "1", "displayName": "Bob"}
        assert patched(("add", "manager", sent))[f"{ENTERPRISE}:manager"] == {"value": "1"}

    def test_what_is_immutable_can_be_set_once(self):
        badge = Attribute("badge", mutability=Mutability.IMMUTABLE)
        keys = Attribute("keys", multi_valued=True, mutability=Mutability.IMMUTABLE)
        box = Attribute(
            "box",
            Type.COMPLEX,
            mutability=Mutability.IMMUTABLE,
            sub_attributes=(Attribute("width"), Attribute("height")),
        )
        resource_type = ResourceType(
            "Thing", "/Things", Schema("urn:example:thing", "Thing", "", (badge, keys, box))
        )
        first = patched(
            ("add", "badge", "1"),
            ("add", "keys", ["k"]),
            ("add", "box", {"width": "1"}),
            flat={},
            resource_type=resource_type,
        )
        assert first == {"badge": "1", "keys": ["k"], "box": {"width": "1"}}
        for again in (("add", "badge", "1"), ("add", "keys", ["K"]), ("replace", "keys", ["k"])):
            assert patched(again, flat=first, resource_type=resource_type) == first
        for change in (
            ("replace", "badge", "2"),
            ("remove", "badge"),
            ("add", "keys", ["l"]),
            ("replace", "keys", ["l"]),
            ("remove", "keys"),
            ("remove", 'keys[value eq "k"]'),
            ("replace", "box.width", "2"),
            ("add", "box.height", "2"),
        ):
            with pytest.raises(MutabilityError):
                patched(change, flat=first, resource_type=resource_type)

    def test_the_id_of_a_member_can_t_change(self):
        """RFC 7643 section 4.2: members.value is immutable; members come and go as a whole."""
        group = {"members": [{"value": "1"}]}
        with pytest.raises(MutabilityError):
            patched(
                ("replace", 'members[value eq "1"].value', "2"), flat=group, resource_type=GROUPS
            )

    def test_a_required_multi_valued_attribute_keeps_a_value(self):
        tags = Attribute("tags", multi_valued=True, required=True)
        resource_type = ResourceType(
            "Thing", "/Things", Schema("urn:example:thing", "Thing", "", (tags,))
        )
        flat = {"tags": ["a", "b"]}
        remove_a = ("remove", 'tags[value eq "a"]')
        assert patched(remove_a, flat=flat, resource_type=resource_type) == {"tags": ["b"]}
        with pytest.raises(MutabilityError):
            patched(("remove", "tags[value pr]"), flat=flat, resource_type=resource_type)


class TestCreateMissing:
    """Entra addresses the element of a type whether it is there or not."""

    @pytest.mark.parametrize("op", ["add", "replace"])
    def test_the_filter_describes_the_element(self, op):
        created = patched(
            (op, 'addresses[type eq "work"].formatted', "Building 7"),
            (op, 'addresses[type eq "work"].country', "US"),
            create_missing=True,
        )
        assert created["addresses"] == [
            {"type": "work", "formatted": "Building 7", "country": "US"}
        ]

    def test_a_primary_role_is_primary_by_a_boolean(self):
        created = patched(
            ("add", "roles[primary eq true].display", "Admin"),
            ("add", "roles[primary eq true].value", "admin"),
            create_missing=True,
        )
        assert created["roles"] == [{"primary": True, "display": "Admin", "value": "admin"}]

    def test_a_created_primary_element_is_the_only_one(self):
        path = 'emails[type eq "other" and primary eq true].value'
        changed = emails(("add", path, "x@example.com"), create_missing=True)
        assert [element.get("primary") for element in changed] == [False, None, True]

    @pytest.mark.parametrize(
        "condition", ['type ne "work"', 'type eq "a" or type eq "b"', "type pr", "type eq null"]
    )
    def test_a_filter_that_describes_nothing_has_no_target(self, condition):
        with pytest.raises(NoTarget):
            patched(("add", f"roles[{condition}].value", "x"), flat={}, create_missing=True)

    def test_a_value_that_contradicts_the_filter_is_refused(self):
        with pytest.raises(InvalidValue, match="contradicts"):
            patched(("add", 'roles[type eq "a"].type', "b"), create_missing=True)

    def test_nothing_is_created_for_no_value(self):
        for value in (None, {}, {"value": None}):
            path = 'roles[type eq "a"]' + (".value" if value is None else "")
            assert patched(("replace", path, value), create_missing=True) == BABS

    def test_a_remove_creates_nothing(self):
        assert patched(("remove", 'roles[type eq "a"].value'), create_missing=True) == BABS


class TestRefusals:
    @pytest.mark.parametrize(
        ("operation", "error"),
        [
            (("move", "title", "x"), InvalidSyntax),
            (("Replace", "title", "x"), InvalidSyntax),
            (("add", "unknown", "x"), InvalidPath),
            (("add", "name.unknown", "x"), InvalidPath),
            (("add", "emails[", "x"), InvalidPath),
            (("add", 'name[givenName eq "x"].familyName', "x"), InvalidPath),
            (("add", None, {"no name": "x"}), InvalidPath),
            (("add", None, "x"), InvalidValue),
            (("add", None, None), InvalidValue),
            (("add", ENTERPRISE, "x"), InvalidValue),
            (("add", "active", "False"), InvalidValue),
            (("add", "title", {"value": "x"}), InvalidValue),
            (("add", "emails", ["x"]), InvalidValue),
            (("add", 'emails[type eq "work"]', "x"), InvalidValue),
            (("add", "name", "x"), InvalidValue),
            (("add", "emails[unknown pr].value", "x"), InvalidFilter),
            (("add", 'emails[primary eq "True"].value', "x"), InvalidFilter),
            (("remove", "emails[unknown pr]"), InvalidFilter),
        ],
        ids=repr,
    )
    def test_a_wrong_operation_is_refused_before_anything_is_read(self, operation, error):
        with pytest.raises(error, match="operation 2: "):
            plan([Operation("add", "title", "x"), Operation(*operation)], USERS)

    def test_the_detail_has_no_value(self):
        for operation in (
            ("add", 'unknown[value eq "secret"].x', "secret"),
            ("add", 'emails[type eq "secret"].value', "x"),
            ("add", "active", "secret"),
            ("add", 'emails[type eq "secret" x', "secret"),
        ):
            with pytest.raises(ScimError) as caught:
                patched(operation)
            assert "secret" not in caught.value.detail

    def test_unknown_attributes_are_ignored_with_a_note_where_the_dialect_is_lenient(self):
        planned = plan(
            [
                Operation("add", f"{urns.USER}:role", "owner"),
                Operation("add", None, {"no name": 1, "x.y": 2, "nickName": "B"}),
                Operation("add", "name", {"maidenName": "x", "familyName": "y"}),
            ],
            USERS,
            lenient=True,
        )
        assert planned.notes == (
            f"operation 1: unknown attribute {urns.USER}:role ignored",
            "operation 2: unknown attribute no name ignored",
            "operation 2: unknown attribute x.y ignored",
            "operation 3: unknown attribute name.maidenName ignored",
        )
        assert [change.target.key for change in planned.changes] == ["nickName", "name"]

    def test_schemas_can_t_be_patched(self):
        """RFC 7643 section 3: schemas says what attributes are there, and follows from them."""
        assert patched(("replace", "schemas", ["urn:example:x"])) == BABS


def test_no_operations_change_nothing():
    """Microsoft's validator sends an empty list."""
    assert plan([], USERS).changes == ()


def test_the_shapes_of_changes():
    members = Target("members", GROUPS.keys["members"], None, 1)
    one_of_two = Or(
        (
            Compare(AttrPath(None, "value"), "eq", "1"),
            Compare(AttrPath(None, "value"), "eq", "2"),
        )
    )
    sent = [
        (Operation("add", "members", [{"value": "1"}, {"value": "2", "display": "x"}]),
         Add(members, ({"value": "1"}, {"value": "2"}))),
        (Operation("replace", "members", [{"value": "1"}]), Replace(members, ({"value": "1"},))),
        (Operation("remove", "members"), Remove(members)),
        (Operation("remove", PatchPath(AttrPath(None, "members"), one_of_two)),
         Remove(members, one_of_two)),
        (Operation("replace", "displayName", "x"),
         Set(Target("displayName", GROUPS.keys["displayName"]), "x")),
    ]  # fmt: skip
    for operation, change in sent:
        assert plan([operation], GROUPS).changes == (change,)
    work = Compare(AttrPath(None, "type"), "eq", "work")
    attribute = USERS.keys["emails"]
    assert plan(
        [Operation("add", 'emails[type eq "work"].value', "x")], USERS, create_missing=True
    ).changes == (Edit(Target("emails", attribute, attribute.sub("value")), work, "x", True),)


def test_changes_and_operations_hide_their_values():
    operation = Operation("add", "password", "hunter2")
    assert "hunter2" not in repr(operation)
    assert "hunter2" not in repr(plan([operation], USERS))


@given(users, st.lists(operations(), max_size=3), st.booleans())
@settings(max_examples=examples(250), deadline=None)
def test_a_patch_changes_nothing_in_place_and_fails_as_a_scim_error_only(flat, sent, create):
    before = copy.deepcopy((flat, sent))
    try:
        changes = plan(sent, USERS, create_missing=create).changes
        after = apply_changes(changes, flat)
    except ScimError:
        after = {}
    assert (flat, sent) == before
    assert None not in after.values()
    for key, attribute in USERS.keys.items():
        if attribute.multi_valued and key in after:
            primary = [element for element in after[key] if element.get("primary") is True]
            assert after[key]
            assert len(primary) <= 1


@given(users, operations())
@settings(max_examples=examples(250), deadline=None)
def test_the_same_patch_again_changes_nothing(flat, operation):
    """So that an identity provider that repeats itself doesn't make new versions."""
    try:
        changes = plan([operation], USERS).changes
        once = apply_changes(changes, flat)
        twice = apply_changes(changes, once)
    except ScimError:
        return  # An edit may leave nothing that its own filter matches: it has no target then.
    if isinstance(changes[0], Edit) and changes[0].filter is not None:
        return  # It may match other elements the second time.
    assert twice == once


@given(
    st.sampled_from(("add", "replace", "remove", "test")),
    st.none() | st.text(max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(("userName", "emails", "value", "name", "x")), inner)
        ),
        max_leaves=8,
    ),
    st.booleans(),
)
@settings(max_examples=examples(300), deadline=None)
def test_rubbish_is_refused_as_a_scim_error(op, path, value, lenient):
    with contextlib.suppress(ScimError):
        planned = plan([Operation(op, path, value)], USERS, lenient=lenient)
        apply_changes(planned.changes, BABS)
