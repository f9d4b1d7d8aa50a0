"""Filters, resources and PATCHes, judged by a library that shares no code with us.

Where the two differ, a test of its own says why: the names of those tests are the list.
"""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, PatchOp, ScimFilter, ScimPolicy, User
from scim2_models.exceptions import SCIMException

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.attributes import Type
from flask_scim_provisioning.scim.errors import InvalidFilter, ScimError
from flask_scim_provisioning.scim.evaluate import matches
from flask_scim_provisioning.scim.filters import parse_filter, render
from flask_scim_provisioning.scim.messages import read_patch_envelope
from flask_scim_provisioning.scim.names import flatten, nest, require
from flask_scim_provisioning.scim.patch import apply_changes, plan

from ..thorough import examples
from .strategies import (
    ENTERPRISE,
    KEYS,
    USERS,
    any_filters,
    filters,
    operations,
    users,
)

TheirUser = User[EnterpriseUser]

FLAT: dict[str, Any] = {
    "userName": "u",
    "title": "t",
    "name": {"givenName": "g", "familyName": "f"},
    "emails": [
        {"value": "a@example.com", "type": "work", "primary": True},
        {"value": "b@example.com", "type": "home"},
    ],
    f"{ENTERPRISE}:department": "d",
}


def theirs(flat):
    return TheirUser.model_validate(nest(flat, USERS))


def flat_of(user):
    dumped = user.model_dump(scim_ctx=Context.DEFAULT)
    return flatten(dumped, USERS)


def comparable(flat):
    """Their enumerations write "Work" as "work", and their models have another order."""
    return json.loads(json.dumps(flat, sort_keys=True).lower())


def their_patch(flat, sent, policy=None):
    """Return the patched flat resource, or the scimType of the refusal."""
    body = {"schemas": [urns.PATCH_OP], "Operations": sent}
    try:
        with policy or nullcontext():
            user = theirs(flat)
            message = PatchOp[TheirUser].model_validate(
                body, scim_ctx=Context.RESOURCE_PATCH_REQUEST
            )
            message.patch(user)
            return comparable(flat_of(user))
    except ValidationError as error:
        return error.errors()[0]["type"].removeprefix("scim_")
    except SCIMException as error:
        return error.scim_type


def our_patch(flat, sent, **habits):
    body = {"schemas": [urns.PATCH_OP], "Operations": sent}
    try:
        planned = plan(read_patch_envelope(body), USERS, **habits)
        return comparable(apply_changes(planned.changes, flat))
    except ScimError as error:
        return error.scim_type


class TestFilters:
    @given(users, filters)
    @settings(max_examples=examples(400), deadline=None)
    def test_a_filter_says_the_same_of_a_user(self, flat, node):
        their_filter = ScimFilter[TheirUser](render(node))
        assert matches(node, flat, USERS) is their_filter.match(theirs(flat))

    @given(any_filters)
    @settings(max_examples=examples(150), deadline=None)
    def test_they_read_what_we_write(self, node):
        text = render(node)
        assert parse_filter(str(ScimFilter(text))) == node

    @given(st.text('ab ()[]."\\eqandornotpr1-', max_size=16))
    @settings(max_examples=examples(300), deadline=None)
    def test_the_same_texts_are_filters(self, text):
        try:
            ScimFilter(text)
        except SCIMException:
            theirs_reads = False
        else:
            theirs_reads = True
        try:
            parse_filter(text)
        except InvalidFilter:
            ours_reads = False
        else:
            ours_reads = True
        assert ours_reads is theirs_reads

    @pytest.mark.parametrize(
        "text",
        ["title eq null", "title ne null", "userName eq null", "userName ne null",
         'title ne "x"', 'emails.display ne "x"', "emails pr", "photos pr", "name pr"],
    )  # fmt: skip
    def test_null_and_nothing_mean_the_same(self, text):
        node = parse_filter(text)
        assert matches(node, FLAT, USERS) is ScimFilter[TheirUser](text).match(theirs(FLAT))

    def test_a_null_among_several_values_differs(self):
        """RFC 7643 section 2.5: null is "unassigned", and an attribute with any value is assigned.

        So ``eq null`` is the contrary of ``pr`` here, of several values too. They compare null
        with each element, and find an attribute that has a value and is null at once.
        """
        flat = {"userName": "u", "emails": [{"value": "a@b.example"}, {"display": "x"}]}
        both = "emails.display pr and emails.display eq null"
        assert ScimFilter[TheirUser](both).match(theirs(flat)) is True
        assert matches(parse_filter(both), flat, USERS) is False

    @pytest.mark.parametrize("text", ['active eq "true"', "title co 5", 'meta.created co "2024"'])
    def test_a_value_of_another_type_differs(self, text):
        """RFC 7644 section 3.12: invalidFilter where "the specified attribute and filter
        comparison combination is not supported". They convert the value, or match nothing; what
        matches nothing by mistake makes an identity provider create a second account.
        """
        ScimFilter[TheirUser](text).match(theirs(FLAT))
        with pytest.raises(InvalidFilter):
            matches(parse_filter(text), FLAT, USERS)

    def test_an_unknown_attribute_differs(self):
        """RFC 7644 section 3.4.2.1 evaluates it to false for searches over several types. In a
        search of one type it is a mistake, and is refused (section 3.12)."""
        assert ScimFilter[TheirUser]("unknown pr").match(theirs(FLAT)) is False
        with pytest.raises(InvalidFilter):
            matches(parse_filter("unknown pr"), FLAT, USERS)

    def test_a_password_differs(self):
        """RFC 7643 section 7: returned "never". A filter that finds a password out, tells it."""
        assert ScimFilter[TheirUser]('password eq "x"').match(theirs(FLAT)) is False
        with pytest.raises(InvalidFilter):
            matches(parse_filter('password eq "x"'), FLAT, USERS)


WRONG = {
    Type.STRING: (5, True, {"value": "x"}, ["x"]),
    Type.BOOLEAN: ("maybe", 7, {}, ["x"]),
    Type.REFERENCE: (5, False, {"value": "x"}),
    Type.BINARY: (5, True, ["x"]),
    Type.COMPLEX: ("x", 5, False),
}


@st.composite
def broken_users(draw):
    """A user that is right, or that has one wrong value, or lacks its name."""
    flat = draw(users)
    resource = nest(flat, USERS)
    key = draw(st.sampled_from(KEYS))
    attribute = USERS.keys[key]
    wrong = draw(st.sampled_from(WRONG[attribute.type]))
    place = resource
    name = attribute.name
    if key.startswith(ENTERPRISE):
        place = resource.setdefault(ENTERPRISE, {})
        resource["schemas"] = [urns.USER, ENTERPRISE]
    match draw(st.integers(0, 4)):
        case 0:
            place[name] = wrong
        case 1 if attribute.multi_valued:
            place[name] = [wrong]
        case 2 if attribute.type is Type.COMPLEX and name != "manager":
            sub = draw(st.sampled_from(attribute.sub_attributes))
            value = {sub.name: draw(st.sampled_from(WRONG[sub.type]))}
            place[name] = [value] if attribute.multi_valued else value
        case 3:
            del resource["userName"]
    return resource


class TestResources:
    @given(broken_users())
    @settings(max_examples=examples(400), deadline=None)
    def test_the_same_users_are_refused(self, resource):
        manager = resource.get(ENTERPRISE, {}).get("manager")
        assume(not isinstance(manager, dict) or manager.keys() == {"value", "$ref"})
        try:
            TheirUser.model_validate(resource, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        except (ValidationError, SCIMException):
            they_accept = False
        else:
            they_accept = True
        try:
            require(flatten(resource, USERS), USERS)
        except ScimError:
            we_accept = False
        else:
            we_accept = True
        assert we_accept is they_accept, resource

    @given(users)
    @settings(max_examples=examples(100), deadline=None)
    def test_a_user_comes_through_their_models_as_it_was(self, flat):
        assert comparable(flat_of(theirs(flat))) == comparable(flat)

    @pytest.mark.parametrize(
        ("attribute", "value", "why"),
        [
            ("active", "False", "RFC 7643 section 2.3.2: a JSON boolean, true or false"),
            ("active", 1, "RFC 7643 section 2.3.2: a JSON boolean, true or false"),
            ("emails", {}, "RFC 7643 section 2.4: a multi-valued attribute is a JSON array"),
        ],
    )
    def test_what_we_refuse_and_they_convert(self, attribute, value, why):
        """The dialects convert what identity providers send, each with a note."""
        sent = {"schemas": [urns.USER], "userName": "u", attribute: value}
        if attribute == "active":
            assert TheirUser.model_validate(sent).active in (True, False)
        with pytest.raises(ScimError):
            flatten(sent, USERS)

    @pytest.mark.parametrize(
        "extra",
        [
            {"emails": [{"value": "not an address"}]},
            {"shoeSize": 44},
            {ENTERPRISE: {"manager": {"value": "1"}}},
        ],
        ids=lambda extra: next(iter(extra)),
    )
    def test_what_we_accept_and_they_refuse(self, extra):
        """RFC 7643 section 4.1.2 says that addresses SHOULD be as in RFC 5321; section 4.3 that a
        manager's "$ref" is RECOMMENDED; and RFC 7644 section 3.3 lets a service ignore what it
        doesn't know. Identity providers send all three."""
        sent = {"schemas": [urns.USER, ENTERPRISE], "userName": "u", **extra}
        with pytest.raises(ValidationError):
            TheirUser.model_validate(sent, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        assert flatten(sent, USERS)["userName"] == "u"


def is_argued(sent):
    """Whether a PATCH may meet one of the differences that have a test of their own below."""
    subs_removed = False
    for operation in sent:
        path = operation.get("path") or next(iter(operation["value"]))
        name = path.removeprefix(f"{ENTERPRISE}:")
        if name.startswith("manager"):
            return True
        multi_valued = USERS.find(None, name.partition(".")[0].partition("[")[0])[1].multi_valued
        if operation["op"] == "remove":
            subs_removed = subs_removed or (multi_valued and not name.endswith("]"))
        elif subs_removed or (multi_valued and "." in name and "[" not in name):
            return True
        value = operation.get("value")
        if "[" in name and (
            name.endswith("].primary") or (isinstance(value, dict) and value.get("primary") is True)
        ):
            return True
        values = next(iter(value.values())) if not operation.get("path") and value else value
        if isinstance(values, list):
            distinct = {json.dumps(comparable(item)) for item in values}
            if len(distinct) < len(values):
                return True
    return False


class TestPatches:
    @given(users, st.lists(operations(), min_size=1, max_size=3))
    @settings(max_examples=examples(600), deadline=None)
    def test_a_patch_makes_the_same_user(self, flat, planned):
        sent = [
            {"op": operation.op}
            | ({} if operation.path is None else {"path": operation.path})
            | ({} if operation.op == "remove" else {"value": operation.value})
            for operation in planned
        ]
        assume(not is_argued(sent))
        assert our_patch(flat, sent) == their_patch(flat, sent)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "name", "value": {"givenName": "x"}},
            {"op": "replace", "path": "name", "value": {"givenName": None}},
            {"op": "replace", "path": "name", "value": None},
            {"op": "replace", "path": "title", "value": None},
            {"op": "replace", "value": {"title": None}},
            {"op": "add", "value": {"emails": []}},
            {"op": "replace", "value": {"emails": []}},
            {"op": "replace", "value": {"emails": None}},
            {"op": "replace", "path": "emails", "value": {"value": "c@example.com"}},
            {"op": "add", "path": "emails", "value": {"value": "c@example.com", "primary": True}},
            {"op": "add", "path": "emails",
             "value": [{"value": "A@example.com", "type": "work", "primary": True}]},
            {"op": "add", "path": "emails",
             "value": [{"value": "c@example.com", "primary": True},
                       {"value": "d@example.com", "primary": True}]},
            {"op": "replace", "path": 'emails[type eq "home"]',
             "value": {"value": "c@example.com"}},
            {"op": "replace", "path": 'emails[type eq "home"]', "value": {"primary": True}},
            {"op": "replace", "path": 'emails[type eq "home"].value', "value": None},
            {"op": "replace", "path": 'emails[type eq "other"].value', "value": "c@example.com"},
            {"op": "add", "path": 'emails[type eq "other"].value', "value": "c@example.com"},
            {"op": "replace", "path": 'EMAILS[TYPE EQ "WORK"].VALUE', "value": "n@example.com"},
            {"op": "replace", "path": "emails.type", "value": "other"},
            {"op": "remove", "path": "emails.type"},
            {"op": "remove", "path": 'emails[type eq "home"].value'},
            {"op": "remove", "path": 'emails[type eq "other"]'},
            {"op": "remove", "path": 'emails[type eq "work" or type eq "home"]'},
            {"op": "remove", "path": "emails", "value": [{"value": "a@example.com"}]},
            {"op": "remove", "path": "userName"},
            {"op": "remove"},
            {"op": "remove", "path": ENTERPRISE},
            {"op": "replace", "path": ENTERPRISE, "value": {"department": "x"}},
            {"op": "replace", "value": {ENTERPRISE: {"costCenter": "x"}}},
            {"op": "replace", "value": {ENTERPRISE: None}},
            {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "z"},
            {"op": "replace", "value": {f"{ENTERPRISE}:department": "z", "name.givenName": "y"}},
            {"op": "replace", "path": "id", "value": "z"},
            {"op": "replace", "value": {"id": "z"}},
            {"op": "replace", "path": "meta.version", "value": "z"},
            {"op": "replace", "path": "groups", "value": []},
            {"op": "replace", "path": f"{ENTERPRISE}:manager.displayName", "value": "x"},
            {"op": "replace", "path": "unknown", "value": "z"},
            {"op": "replace", "path": "name.unknown", "value": "z"},
            {"op": "replace", "path": "title", "value": 5},
            {"op": "replace", "path": "userName", "value": None},
            {"op": "replace", "path": "emails[", "value": "x"},
            {"op": "replace", "path": "emails[unknown eq 1].value", "value": "x"},
            {"op": "replace", "path": "title"},
            {"op": "replace", "value": "x"},
            {"op": "replace", "value": {"schemas": ["urn:example:x"], "title": "y"}},
        ],
        ids=json.dumps,
    )  # fmt: skip
    def test_an_operation_has_the_same_outcome(self, operation):
        assert our_patch(FLAT, [operation]) == their_patch(FLAT, [operation])

    @pytest.mark.parametrize(
        "sent",
        [
            [{"op": "add", "path": 'emails[type eq "other"].value', "value": "c@example.com"}],
            [{"op": "add", "path": 'emails[type eq "other"].primary', "value": True}],
            [{"op": "replace", "path": "roles[primary eq true].value", "value": "c"},
             {"op": "replace", "path": "roles[primary eq true].display", "value": "C"}],
            [{"op": "add", "path": 'roles[type eq "a" and display eq "b"].value', "value": "c"}],
            [{"op": "add", "path": 'roles[type eq "a" or display eq "b"].value', "value": "c"}],
            [{"op": "add", "path": 'roles[type ne "a"].value', "value": "c"}],
            [{"op": "add", "path": 'roles[type eq "a"].type', "value": "c"}],
            [{"op": "add", "path": 'roles[type eq "a"]', "value": {"value": "c"}}],
            [{"op": "remove", "path": 'roles[type eq "a"].value'}],
            [{"op": "add", "path": "unknown", "value": 1},
             {"op": "add", "value": {"unknown": 1, "title": "x"}}],
        ],
        ids=json.dumps,
    )  # fmt: skip
    def test_a_tolerant_service_does_the_same(self, sent):
        policy = ScimPolicy(
            unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
            unknown=ScimPolicy.Unknown.ignore,
        )
        ours = our_patch(FLAT, sent, create_missing=True, lenient=True)
        assert ours == their_patch(FLAT, sent, policy)


class TestArguedPatches:
    """Where we differ, and what the RFC says."""

    def differ(self, operation, flat=FLAT):
        ours, their = our_patch(flat, [operation]), their_patch(flat, [operation])
        assert ours != their
        return ours, their

    def test_a_sub_attribute_of_an_attribute_without_values_makes_one(self):
        """RFC 7644 section 3.5.2.3: what "does not exist" is treated "as an "add"", and 3.5.2.1:
        "if the target location does not exist, the attribute and value are added". They drop it,
        and answer a success."""
        ours, their = self.differ({"op": "add", "path": "roles.value", "value": "x"})
        assert ours["roles"] == [{"value": "x"}]
        assert "roles" not in their

    def test_of_several_that_shall_be_primary_the_one_that_is_stays_it(self):
        """RFC 7644 section 3.5.2 sets "primary" to false "for all other values" when one becomes
        primary. They move the mark to the one that has just become it, and back the next time; an
        identity provider that repeats itself shall change nothing."""
        ours, their = self.differ({"op": "replace", "path": "emails.primary", "value": True})
        assert [element.get("primary") for element in ours["emails"]] == [True, False]
        assert [element.get("primary") for element in their["emails"]] == [False, True]

    def test_the_same_value_twice_in_one_add_is_added_once(self):
        """RFC 7644 section 3.5.2.1: "If the value already exists, no changes SHOULD be made"; the
        second one does, once the first is there."""
        twice = [{"value": "x"}, {"value": "x"}]
        ours, their = self.differ({"op": "add", "path": "roles", "value": twice})
        assert (len(ours["roles"]), len(their["roles"])) == (1, 2)

    def test_an_element_without_sub_attributes_is_none(self):
        """RFC 7643 section 2.5: nothing is left of it that could be a value. They keep it for the
        operations that follow, where ``not (…)`` finds it."""
        sent = [
            {"op": "remove", "path": "roles.value"},
            {"op": "add", "path": "roles[not (value pr)].type", "value": "y"},
        ]
        flat = {"userName": "u", "roles": [{"value": "x"}]}
        assert our_patch(flat, sent) == "noTarget"
        assert their_patch(flat, sent)["roles"] == [{"type": "y"}]

    def test_a_manager_may_lose_its_value(self):
        """RFC 7643 section 4.3: both sub-attributes are RECOMMENDED, neither is required."""
        flat = {**FLAT, f"{ENTERPRISE}:manager": {"value": "1"}}
        ours, their = self.differ({"op": "remove", "path": f"{ENTERPRISE}:manager.value"}, flat)
        assert f"{ENTERPRISE}:manager".lower() not in ours
        assert their == "mutability"

    def test_adding_null_adds_nothing(self):
        """RFC 7643 section 2.5: null and an empty array are the same. They clear the attribute for
        one and not for the other."""
        ours, their = self.differ({"op": "add", "value": {"emails": None}})
        assert "emails" in ours
        assert "emails" not in their

    def test_replacing_elements_by_null_removes_them(self):
        """RFC 7643 section 2.5: null unassigns."""
        ours, their = self.differ(
            {"op": "replace", "path": 'emails[type eq "home"]', "value": None}
        )
        assert [element["type"] for element in ours["emails"]] == ["work"]
        assert their == "invalidValue"

    def test_a_remove_of_a_single_value_may_say_which(self):
        """RFC 7644 section 3.5.2.2 knows no value of a remove; of a single-valued attribute there
        is only one thing that can be meant."""
        ours, their = self.differ({"op": "remove", "path": "title", "value": "t"})
        assert "title" not in ours
        assert their == "invalidValue"

    def test_a_bare_name_of_an_extension_attribute_is_found(self):
        """Entra's documentation sends the path "manager"; RFC 7644 section 3.10 asks for the URN
        where a name would be ambiguous, and this one isn't."""
        ours, their = self.differ({"op": "replace", "path": "department", "value": "z"})
        assert ours[f"{ENTERPRISE}:department".lower()] == "z"
        assert their == "invalidPath"

    def test_an_unknown_member_of_an_object_is_left_out(self):
        """RFC 7644 section 3.3 lets a service ignore what it doesn't know; the plan has a note."""
        ours, their = self.differ({"op": "replace", "path": "name", "value": {"unknown": "z"}})
        assert ours == comparable(FLAT)
        assert their == "invalidValue"

    def test_an_unknown_name_without_a_path_is_an_invalid_path(self):
        """Each name is a path here, since Entra sends paths there."""
        assert self.differ({"op": "replace", "value": {"unknown": "z"}}) == (
            "invalidPath",
            "invalidValue",
        )

    def test_a_boolean_is_a_boolean(self):
        """RFC 7643 section 2.3.2. The dialects convert "False", with a note."""
        ours, their = self.differ({"op": "replace", "path": "active", "value": "False"})
        assert ours == "invalidValue"
        assert their["active"] is False

    def test_a_user_name_isn_t_empty(self):
        """RFC 7643 section 4.1.1: "Each User MUST include a non-empty userName value"."""
        ours, their = self.differ({"op": "replace", "path": "userName", "value": ""})
        assert ours == "invalidValue"
        assert their["username"] == ""

    def test_a_filter_behind_a_single_value_is_an_invalid_path(self):
        """RFC 7644 section 3.5.2: valuePath is for multi-valued attributes, so the path is wrong,
        whatever is in its brackets."""
        path = 'name[givenName eq "g"].familyName'
        assert self.differ({"op": "replace", "path": path, "value": "x"}) == (
            "invalidPath",
            "invalidFilter",
        )

    def test_schemas_follow_from_the_attributes(self):
        """RFC 7643 section 3: "schemas" says which schemas' attributes are there."""
        ours, their = self.differ({"op": "replace", "path": "schemas", "value": ["urn:x"]})
        assert ours == comparable(FLAT)
        assert their == "invalidValue"

    def test_an_unknown_op_is_a_matter_of_syntax(self):
        """RFC 7644 section 3.12: invalidSyntax, "did not conform to the request schema"."""
        assert self.differ({"op": "move", "path": "title"}) == ("invalidSyntax", "invalidValue")

    def test_read_only_sub_attributes_inside_a_value_are_ignored(self):
        """RFC 7644 section 3.3. Identity providers send back what they read."""
        value = {"value": "1", "$ref": "https://a.example", "displayName": "x"}
        ours, their = self.differ({"op": "add", "path": f"{ENTERPRISE}:manager", "value": value})
        assert "displayname" not in ours[f"{ENTERPRISE}:manager".lower()]
        assert their == "mutability"

    def test_an_empty_path_is_no_path(self):
        """Some clients send an empty path for none (RFC 7644 section 3.5.2)."""
        operation = {"op": "replace", "path": "", "value": {"title": "y"}}
        assert our_patch(FLAT, [operation]) == their_patch(FLAT, [operation])
        assert our_patch(FLAT, [operation])["title"] == "y"
