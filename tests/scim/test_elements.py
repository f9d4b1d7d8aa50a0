"""Changes of many elements mean what they mean one at a time, and cost what the request is long."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim import elements as module
from flask_scim_provisioning.scim.applying import apply_changes
from flask_scim_provisioning.scim.attributes import (
    Attribute,
    Mutability,
    ResourceType,
    Schema,
    Type,
)
from flask_scim_provisioning.scim.elements import Budget
from flask_scim_provisioning.scim.errors import ScimError, TooMany
from flask_scim_provisioning.scim.patch import Operation, plan

from ..thorough import examples
from . import straightforward
from .strategies import (
    KEYS,
    USERS,
    element_filters,
    one_primary,
    operations,
    users,
    value_of,
    words,
)

PHONES = USERS.keys["phoneNumbers"]
THINGS = ResourceType(
    "Thing",
    "/Things",
    Schema(
        "urn:example:thing",
        "Thing",
        "",
        (
            Attribute("tags", multi_valued=True, required=True),
            Attribute("numbers", Type.INTEGER, multi_valued=True),
            Attribute("moments", Type.DATE_TIME, multi_valued=True),
            Attribute("keys", multi_valued=True, mutability=Mutability.IMMUTABLE),
            Attribute(
                "parts",
                Type.COMPLEX,
                multi_valued=True,
                sub_attributes=(
                    Attribute("value", required=True),
                    Attribute("aliases", multi_valued=True),
                    Attribute("serial", mutability=Mutability.IMMUTABLE),
                    Attribute("size", Type.DECIMAL),
                    Attribute("primary", Type.BOOLEAN),
                ),
            ),
        ),
    ),
)
NAMES = tuple(attribute.name for attribute in THINGS.schema.attributes)


PART = st.fixed_dictionaries(
    {"value": words},
    optional={
        "aliases": st.lists(words, min_size=1, max_size=2),
        "serial": words,
        "size": st.sampled_from((0.5, 1)),
        "primary": st.booleans(),
    },
)


def one(name: str) -> st.SearchStrategy[Any]:
    return PART if name == "parts" else value_of(THINGS.keys[name])


def several(name: str) -> st.SearchStrategy[Any]:
    return st.lists(one(name), min_size=1, max_size=3).map(one_primary)


@st.composite
def things(draw: st.DrawFn) -> Operation:
    """An operation on a resource whose attributes have every shape."""
    attribute = THINGS.keys[draw(st.sampled_from(NAMES))]
    path = attribute.name
    if draw(st.booleans()):
        path += draw(st.sampled_from(CONDITIONS[attribute.name]))
    sub = draw(st.sampled_from((None, *attribute.sub_attributes)))
    op = draw(st.sampled_from(("add", "replace", "remove")))
    if sub is not None:
        leaf = value_of(sub)
        value = draw(st.lists(leaf, max_size=2) if sub.multi_valued else leaf)
        return Operation(op, f"{path}.{sub.name}", None if op == "remove" else value)
    if op == "remove":
        return Operation(op, path)
    return Operation(op, path, draw((one if "[" in path else several)(attribute.name)))


CONDITIONS = {
    "tags": ('[value eq "A"]', '[value co "b" or value eq "work"]', '[not (value eq "a")]'),
    "numbers": ("[value eq 1]", "[value eq 1.0 or value gt 2]", "[value ne 0]"),
    "moments": ('[value eq "2024-01-01T00:00:00Z"]', '[value gt "2024-01-01T00:00:00Z"]'),
    "keys": ('[value eq "a"]', '[value pr and value eq "b"]'),
    "parts": (
        '[value eq "a" and primary eq true]',
        '[aliases eq "B" or (size eq 0.5 and value pr)]',
        "[primary eq true]",
        '[not (value eq "a" or serial pr)]',
        "[value eq null]",
    ),
}

thing = st.fixed_dictionaries({}, optional={name: several(name) for name in NAMES})


def outcome(apply: Any, sent: list[Operation], flat: dict[str, Any], kind: ResourceType) -> Any:
    """Return the resource after a PATCH, or the kind of its refusal."""
    try:
        changes = plan(sent, kind, create_missing=True).changes
        return apply(changes, copy.deepcopy(flat))
    except ScimError as error:
        return type(error)


@given(thing, st.lists(things(), max_size=6))
@settings(max_examples=examples(600), deadline=None)
def test_many_changes_mean_what_they_mean_one_at_a_time(flat, sent):
    expected = outcome(straightforward.apply_changes, sent, flat, THINGS)
    assert outcome(apply_changes, sent, flat, THINGS) == expected


@given(users, st.lists(operations(), max_size=6))
@settings(max_examples=examples(400), deadline=None)
def test_changes_of_users_mean_what_they_mean_one_at_a_time(flat, sent):
    expected = outcome(straightforward.apply_changes, sent, flat, USERS)
    assert outcome(apply_changes, sent, flat, USERS) == expected


@given(st.data())
@settings(max_examples=examples(200), deadline=None)
def test_what_an_index_finds_is_what_a_look_at_every_element_finds(data):
    key = data.draw(st.sampled_from([key for key in KEYS if USERS.keys[key].multi_valued]))
    attribute = USERS.keys[key]
    elements = data.draw(st.lists(value_of(attribute), min_size=1, max_size=8))
    condition = data.draw(element_filters(attribute))
    found = module.Elements(attribute, elements, Budget())._found(condition)
    straight = [
        number
        for number, element in enumerate(elements, 1)
        if straightforward.element_matches(condition, element, attribute)
    ]
    assert found == straight


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"value": f"+49 {number}", "type": "other"} for number in range(count)]


def test_what_no_index_finds_is_bounded():
    """Every element beside every operation is refused before it takes seconds."""
    sent = [Operation("remove", f'phoneNumbers[value co "x{n}"]') for n in range(1_000)]
    changes = plan(sent, USERS).changes
    with pytest.raises(TooMany, match=str(module.MOST_LOOKS)):
        apply_changes(changes, {"phoneNumbers": numbered(1_000)})
    apply_changes(changes, {"phoneNumbers": numbered(100)})


@pytest.mark.parametrize(
    "path", ["phoneNumbers.type", 'phoneNumbers[type eq "other"].display', "phoneNumbers[type pr]"]
)
def test_altering_every_element_many_times_is_bounded(path):
    value: Any = "other" if "." in path else {"type": "other"}
    changes = plan([Operation("replace", path, value)] * 1_000, USERS).changes
    with pytest.raises(TooMany):
        apply_changes(changes, {"phoneNumbers": numbered(1_000)})


def test_a_budget_is_for_all_changes_of_a_request_and_can_be_renewed():
    budget = Budget(10)
    budget.charge(10)
    with pytest.raises(TooMany, match="more than 10 "):
        budget.charge(1)
    budget.renew()
    budget.charge(10)
