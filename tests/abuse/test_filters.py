"""The largest filters that are read can be answered by every database; what is larger is a 400."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_scim_provisioning.scim.filters import MAX_DEPTH, MAX_LENGTH, MAX_NESTING, MAX_TERMS

from ..portal import Portal

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#: A comparison for each way in which the portal keeps an attribute.
TERMS = (
    'userName eq "x"',
    'title co "x"',
    'name.familyName sw "x"',
    "active eq true",
    'emails.value ew "x"',
    "phoneNumbers pr",
    'phoneNumbers[type eq "x" and value co "y"]',
    'externalId eq "x"',
    f'{ENTERPRISE}:manager.value eq "x"',
    'groups.display eq "x"',
    'meta.created gt "2024-01-01T00:00:00Z"',
    'schemas eq "urn:x"',
)


def nested(term: str, depth: int) -> str:
    """Return a filter whose ``and`` and ``or`` stand so deep in each other."""
    for level in range(depth):
        term = f"({term}) {('and', 'or')[level % 2]} {TERMS[level % 2]}"
    return term


def in_brackets(depth: int) -> str:
    term = 'value co "x"'
    for level in range(depth):
        term = f'({term} {("and", "or")[level % 2]} not (type eq "y"))'
    return f"phoneNumbers[{term}]"


@pytest.mark.parametrize("term", TERMS)
def test_the_largest_filters_are_answered(portal: Portal, term: str) -> None:
    comparisons = MAX_TERMS // (1 + term.count(" and "))
    alternatives = min(comparisons, MAX_LENGTH // len(f"{term} or "))
    refusals = min(comparisons, MAX_LENGTH // len(f"not ({term}) and "))
    largest = [
        "not (" * (MAX_DEPTH - 1) + term + ")" * (MAX_DEPTH - 1),
        " or ".join([term] * alternatives),
        " and ".join([f"not ({term})"] * refusals),
        nested(term, MAX_NESTING - 2),
    ]
    for text in largest:
        answer = portal.client.search("/Users", filter=text)
        assert answer.status_code == 200, (text[:200], answer.text)


def test_the_deepest_filters_in_brackets_are_answered(portal: Portal) -> None:
    text = in_brackets(MAX_NESTING - 1)
    assert portal.client.search("/Users", filter=text).status_code == 200
    user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    operation = {"op": "remove", "path": text}
    assert portal.client.patch(f"/Users/{user}", [operation]).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "not (" * (MAX_DEPTH + 1) + "title pr" + ")" * (MAX_DEPTH + 1),
        nested("title pr", MAX_NESTING + 1),
        in_brackets(MAX_NESTING + 1),
        " or ".join(["title pr"] * (MAX_TERMS + 1)),
        'userName eq "' + "x" * 8_192 + '"',
        "(" * 100_000,
        "emails[" * 100_000,
        "not(" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_what_is_larger_is_refused(portal: Portal, text: str) -> None:
    answer = portal.client.search("/Users", filter=text)
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidFilter")
    group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]
    for path in (f"members[{text}]", text):
        answer = portal.client.patch(f"/Groups/{group}", [{"op": "remove", "path": path}])
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidPath")


@pytest.mark.portal(dialect="keycloak")
def test_json_in_a_string_is_no_deeper_than_a_body(portal: Portal) -> None:
    """What Keycloak's plug-in packs into a string is read like a body."""
    user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    for depth in (40, 900, 100_000):
        value: Any = '{"name":' * depth + "1" + "}" * depth
        answer = portal.client.patch(f"/Users/{user}", [{"op": "replace", "value": value}])
        assert answer.status_code == 400, answer.text
        assert json.loads(answer.text)["detail"]


def test_nothing_is_kept_of_filters_that_nobody_sends_twice(portal: Portal) -> None:
    """SQLAlchemy keeps what it has compiled: of 300 filters of 190 terms that was 1.6 GB."""

    def kept() -> int:
        return len(portal.engine._compiled_cache)

    for text in (TERMS[0], f"{TERMS[0]} and {TERMS[1]}"):
        assert portal.client.search("/Users", filter=text).status_code == 200
    usual = kept()
    for number in range(3, 20):
        text = " or ".join(TERMS[each % len(TERMS)] for each in range(number))
        assert portal.client.search("/Users", filter=text, count=2).status_code == 200
        assert portal.client.search("/Users", filter=text, cursor="").status_code == 200
    assert kept() <= usual + 1, "the statement that finds a page by its keys is usual"
