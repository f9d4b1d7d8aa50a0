"""The leniency that every client gets, and where RFC 7644 is kept to the letter."""

from typing import Any

import pytest

from flask_scim_provisioning.dialects import DIALECTS, dialect_named
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from flask_scim_provisioning.scim.catalogue import user_resource_type
from flask_scim_provisioning.scim.errors import (
    InvalidFilter,
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    MutabilityError,
    NoTarget,
)

from .conftest import MANAGER, Spoken

DIALECT = DIALECTS["generic"]
OWN = "urn:example:params:scim:schemas:portal:2.0:User"
EXTENDED = user_resource_type(
    (
        Schema(
            OWN,
            "PortalUser",
            "What only this portal knows.",
            (
                Attribute("codes", multi_valued=True),
                Attribute("numbers", Type.INTEGER, multi_valued=True),
            ),
        ),
    )
)


def test_booleans_from_strings(user: Spoken) -> None:
    operation = {"op": "Replace", "path": "active", "value": "False"}
    assert user.patched({"active": True}, operation)[0] == {"active": False}


@pytest.mark.parametrize("value", ["yes", "0", "", 0, 1, [True]])
def test_other_values_are_no_booleans(user: Spoken, value: Any) -> None:
    """A guess would keep a dismissed person signed in."""
    with pytest.raises(InvalidValue):
        user.patched({"active": True}, {"op": "replace", "path": "active", "value": value})


def test_members_removed_by_value(group: Spoken) -> None:
    before = {"members": [{"value": "1"}, {"value": "2"}]}
    operation = {"op": "remove", "path": "members", "value": [{"value": "1"}]}
    assert group.patched(before, operation)[0] == {"members": [{"value": "2"}]}


@pytest.mark.parametrize(
    ("before", "listed", "after"),
    [
        (
            {"addresses": [{"type": "work", "locality": "Rome"}, {"type": "home"}]},
            [{"type": "work", "locality": "Rome"}],
            {"addresses": [{"type": "home"}]},
        ),
        (
            {"addresses": [{"type": "work", "locality": "Rome"}]},
            [{"type": "work", "locality": "Oslo"}],
            {"addresses": [{"type": "work", "locality": "Rome"}]},
        ),
        ({f"{OWN}:codes": ["a", "b", "c"]}, ["A", "c"], {f"{OWN}:codes": ["b"]}),
        ({f"{OWN}:codes": ["a", "b"]}, [{"value": "a"}], {f"{OWN}:codes": ["b"]}),
        ({f"{OWN}:codes": ["a"]}, [], {f"{OWN}:codes": ["a"]}),
        ({f"{OWN}:numbers": [1, 2]}, [2], {f"{OWN}:numbers": [1]}),
    ],
)
def test_listed_values_are_removed_and_no_others(
    before: dict[str, Any], listed: list[Any], after: dict[str, Any]
) -> None:
    """Also where an attribute is a list of plain values, or its elements have no ``value``."""
    path = next(iter(before))
    operation = {"op": "remove", "path": path, "value": listed}
    assert Spoken(DIALECT, EXTENDED).patched(before, operation)[0] == after


def test_operations_keep_their_numbers(group: Spoken) -> None:
    """A detail has the number of the operation as it was sent."""
    nobody = {"op": "remove", "path": "members", "value": []}
    with pytest.raises(InvalidValue, match="operation 2: displayName"):
        group.patched({}, nobody, {"op": "replace", "path": "displayName", "value": 7})


@pytest.mark.parametrize("listed", [[{}], [{"type": None}], ["Rome"], [None]])
def test_a_listed_value_that_says_nothing_is_refused(user: Spoken, listed: list[Any]) -> None:
    before = {"addresses": [{"type": "work"}]}
    with pytest.raises(InvalidValue):
        user.patched(before, {"op": "remove", "path": "addresses", "value": listed})


def test_names_of_an_operation_in_any_case(user: Spoken) -> None:
    operation = {"Op": "Add", "Path": "TITLE", "Value": "Guide"}
    assert user.patched({}, operation)[0] == {"title": "Guide"}


def test_path_of_a_whole_extension(user: Spoken) -> None:
    """A schema's URN is a path to all its attributes."""
    urn, _, _ = MANAGER.rpartition(":")
    before = {MANAGER: {"value": "1"}}
    assert user.patched(before, {"op": "remove", "path": urn})[0] == {}
    after, _ = user.patched({}, {"op": "add", "path": urn, "value": {"manager": "2"}})
    assert after == {MANAGER: {"value": "2"}}


def test_replace_of_a_missing_element_is_no_target(user: Spoken) -> None:
    """RFC 7644 section 3.5.2.3: no match of the filter fails with "noTarget"."""
    operation = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@y"}
    with pytest.raises(NoTarget):
        user.patched({}, operation)


def test_unknown_attribute_is_an_invalid_path(user: Spoken) -> None:
    """RFC 7644 section 3.12, table 9."""
    with pytest.raises(InvalidPath):
        user.patched({}, {"op": "replace", "path": "shoeSize", "value": "44"})


def test_read_only_attribute_is_a_mutability_error(user: Spoken) -> None:
    """RFC 7644 section 3.12, table 9."""
    with pytest.raises(MutabilityError):
        user.patched({}, {"op": "replace", "path": "id", "value": "1"})


def test_remove_without_a_path_is_no_target(user: Spoken) -> None:
    """RFC 7644 section 3.5.2.2: if "path" is unspecified, the operation fails with "noTarget"."""
    with pytest.raises(NoTarget):
        user.patched({"title": "Guide"}, {"op": "remove"})


def test_unknown_op_is_refused(user: Spoken) -> None:
    with pytest.raises(InvalidSyntax):
        user.patched({}, {"op": "move", "path": "title", "value": "x"})


def test_empty_string_stays(user: Spoken) -> None:
    operation = {"op": "replace", "path": "title", "value": ""}
    assert user.patched({"title": "Guide"}, operation)[0] == {"title": ""}


@pytest.mark.parametrize(
    "text",
    ["", "userName", "userName eq", 'userName eq "a" b', 'userName eq "a', "(" * 100, '"' * 20_000],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter):
        DIALECT.filter(text, [])


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_what_is_no_resource_is_refused(user: Spoken, body: Any) -> None:
    with pytest.raises(InvalidSyntax):
        user.read(body)


def test_unknown_dialect_names_the_known_ones() -> None:
    with pytest.raises(LookupError, match="generic, entra, okta"):
        dialect_named("azure")
