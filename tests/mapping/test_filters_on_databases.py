"""A filter means the same in SQL, on every database, as ``scim.evaluate`` says it means."""

from __future__ import annotations

import itertools
import random
from typing import Any

from flask_scim_provisioning.scim.catalogue import user_resource_type
from flask_scim_provisioning.scim.evaluate import matches
from flask_scim_provisioning.scim.filters import parse_filter
from flask_scim_provisioning.scim.urns import ENTERPRISE_USER

from ..portal import Portal

USERS = user_resource_type()

# The traps: case, accents, blanks, what LIKE reads otherwise, nothing at all, and the empty string.
TEXTS = (
    "Work",
    "work",
    "jose",
    "José",
    "JOSÉ",
    "É",
    "50%",
    "x_y",
    "xay",
    "back\\slash",
    "trail ",
    "trail",
    "ärger",
    "Ärger",
    "日本",
    "'; --",
)
PLACES = (
    "userName",
    "externalId",
    "title",
    "nickName",
    "name.givenName",
    "name.familyName",
    "name.formatted",
    "emails.value",
    f"{ENTERPRISE_USER}:department",
    f"{ENTERPRISE_USER}:costCenter",
)
OPERATORS = ("eq", "ne", "co", "sw", "ew")


def people() -> list[dict[str, Any]]:
    """Sixty people, whose attributes are there or not in every combination that matters."""
    chance = random.Random(7)
    made = []
    for number in range(60):
        text = itertools.cycle(TEXTS)
        person: dict[str, Any] = {
            "schemas": [USERS.schema.id],
            "userName": f"{chance.choice(TEXTS).strip()}{number}@Example.com",
            "active": chance.random() < 0.7,
        }
        for key in ("externalId", "title", "nickName"):
            if chance.random() < 0.7:
                person[key] = chance.choice(TEXTS)
        name = {
            part: chance.choice(TEXTS)
            for part in ("givenName", "familyName", "formatted")
            if chance.random() < 0.6
        }
        if name:
            person["name"] = name
        if chance.random() < 0.8:
            value = f"{chance.choice(TEXTS).strip()}@example.com"
            person["emails"] = [{"value": value, "type": "work", "primary": True}]
        extension = {
            key: next(text) if chance.random() < 0.2 else chance.choice(TEXTS)
            for key in ("department", "costCenter")
            if chance.random() < 0.6
        }
        if extension:
            person[ENTERPRISE_USER] = extension
        made.append(person)
    return made


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filters() -> list[str]:
    """More than three hundred filters: each place with each operator, and logic over them."""
    chance = random.Random(11)
    simple = [
        f"{place} {operator} {quoted(text)}"
        for place in PLACES
        for operator in OPERATORS
        for text in chance.sample(TEXTS, 4)
    ]
    simple += [f"{place} pr" for place in (*PLACES, "name", "emails", "active", "meta")]
    simple += [f"{place} {op} null" for place in ("title", "emails.value") for op in ("eq", "ne")]
    simple += [
        f"{place} {operator} {quoted(text)}"
        for place in ("userName", "externalId", "title", f"{ENTERPRISE_USER}:costCenter")
        for operator in ("gt", "ge", "lt", "le")
        for text in ("Work", "jose", "x_y")
    ]
    simple += [
        "active eq true",
        "active ne true",
        'emails[type eq "work" and value co "@example"]',
        'emails[type eq "home"]',
        'emails[type eq "work"].value eq "jose@example.com"',
        'emails[primary eq true and not (value sw "x")]',
        'meta.resourceType eq "User"',
        'meta.created gt "2020-01-01T00:00:00Z"',
        'meta.lastModified lt "2020-01-01T00:00:00+02:00"',
        f'schemas eq "{ENTERPRISE_USER}"',
        f'schemas ne "{ENTERPRISE_USER}"',
        'USERNAME EQ "nobody"',
        f'{USERS.schema.id}:userName sw "WORK"',
        'department co "o"',
    ]
    combined = []
    for _ in range(120):
        one, two, three = chance.sample(simple, 3)
        combined += [
            chance.choice(
                (
                    f"not ({one})",
                    f"{one} and {two}",
                    f"{one} or {two} and {three}",
                    f"not ({one} and ({two} or {three}))",
                    f"not ({one}) and not ({two} or not ({three}))",
                )
            )
        ]
    return simple + combined


def flat(resource: dict[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in resource.items() if key != ENTERPRISE_USER}
    for name, value in resource.get(ENTERPRISE_USER, {}).items():
        values[f"{ENTERPRISE_USER}:{name}"] = value
    return values


def test_sql_finds_whom_the_reference_finds(portal: Portal) -> None:
    """RFC 7644 section 3.4.2.2; 300 filters and more, the same rows on each database."""
    for person in people():
        answer = portal.client.post("/Users", person)
        assert answer.status_code == 201, answer.text
    everybody = portal.client.get("/Users", count=200).json["Resources"]
    assert len(everybody) == 60
    directory = {user["id"]: flat(user) for user in everybody}
    asked = filters()
    assert len(asked) >= 300
    wrong = {}
    for text in asked:
        node = parse_filter(text)
        wanted = {key for key, user in directory.items() if matches(node, user, USERS)}
        answer = portal.client.get("/Users", filter=text, count=200, attributes="id")
        if answer.status_code != 200:
            wrong[text] = answer.json.get("detail")
            continue
        found = {user["id"] for user in answer.json["Resources"]}
        if found != wanted or answer.json["totalResults"] != len(wanted):
            extra = [directory[key]["userName"] for key in found - wanted]
            missing = [directory[key]["userName"] for key in wanted - found]
            wrong[text] = f"too many {extra[:3]}, too few {missing[:3]}"
    assert wrong == {}


def test_some_of_the_filters_find_somebody_and_not_everybody() -> None:
    """The test above would be easy if every filter found all or none."""
    resources = [flat(person) for person in people()]
    telling = 0
    for text in filters():
        if "meta" in text or "schemas" in text:
            continue
        node = parse_filter(text)
        telling += 0 < sum(matches(node, user, USERS) for user in resources) < len(resources)
    assert telling > 200
