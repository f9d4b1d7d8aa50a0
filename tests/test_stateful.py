"""The service does what a model in plain Python does, step by step, whatever is asked of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from .model_directory import DEPARTMENT, ENTERPRISE, MANAGER, Answer, ModelDirectory, Refused
from .portal import Portal
from .thorough import THOROUGH

NAMES = ("Ann", "ann", "Bob", "bob@example.com", "Cy_d", "d%e", "Eve", "Fay", "Gus", "Hal")
WORDS = ("work", "Work", "x", "100%", "a_b", 'say "hi"', "back\\slash")
TITLES = (*WORDS, None)
NOBODY = "00000000-0000-4000-8000-000000000000"
STEPS = 500


class Walk:
    """A random walk over the service and the model at once."""

    def __init__(self, portal: Portal, seed: int) -> None:
        self.portal = portal
        self.client = portal.client
        self.model = ModelDirectory()
        self.dice = random.Random(seed)
        self.dead: list[str] = [NOBODY, "no-id"]
        self.seen: set[str] = set()

    def step(self) -> None:
        """Do something."""
        kind = self.dice.choice(("Users", "Users", "Groups"))
        writes = (self.create, self.create, self.replace, self.modify, self.modify, self.modify)
        act = self.dice.choice((*writes, self.read, self.search, self.delete))
        act(kind)

    def some_id(self, kind: str) -> str:
        """Return an id, mostly one that is there."""
        ids = self.model.ids(kind)
        if ids and self.dice.random() < 0.9:
            return self.dice.choice(ids)
        return self.dice.choice(self.dead)

    def maybe(self, values: Mapping[str, Callable[[], Any]], chance: float) -> dict[str, Any]:
        """Return some of the values."""
        return {key: make() for key, make in values.items() if self.dice.random() < chance}

    def email(self) -> dict[str, Any]:
        """Return an e-mail address, with more or less beside it."""
        pick = self.dice.choice
        parts = {
            "value": lambda: f"{pick(WORDS)}@example.com",
            "type": lambda: pick(("work", "home", "Work")),
            "primary": lambda: pick((True, False)),
            "display": lambda: pick(WORDS),
        }
        return self.maybe(parts, 0.7) or {"value": "a@example.com"}

    def emails(self) -> list[dict[str, Any]]:
        """Return a few addresses, at most one of them primary."""
        found = [self.email() for _ in range(self.dice.randint(1, 3))]
        for extra in [each for each in found if each.get("primary")][1:]:
            extra["primary"] = False
        return found

    def values(self, kind: str) -> dict[str, Any]:
        """Return values of attributes, by flat key, without the name."""
        pick = self.dice.choice
        if kind == "Groups":
            return self.maybe({"externalId": lambda: pick(TITLES)}, 0.5)
        name = {
            "givenName": lambda: pick(WORDS),
            "familyName": lambda: pick(WORDS),
            "formatted": lambda: pick(WORDS),
        }
        manager = (*self.model.ids("Users"), *self.dead)
        return self.maybe(
            {
                "externalId": lambda: pick(TITLES),
                "title": lambda: pick(TITLES),
                "displayName": lambda: pick(TITLES),
                "active": lambda: pick((True, False, True, False, None)),
                "name": lambda: self.maybe(name, 0.6) or None,
                "emails": lambda: pick((self.emails(), self.emails(), None)),
                DEPARTMENT: lambda: pick(TITLES),
                MANAGER: lambda: pick(({"value": pick(manager)}, None)),
            },
            0.4,
        )

    def resource(self, kind: str) -> dict[str, Any]:
        """Return a whole resource by flat key; now and then its name is missing."""
        key = "userName" if kind == "Users" else "displayName"
        flat = self.values(kind)
        if self.dice.random() < 0.95:
            flat[key] = self.dice.choice((*NAMES, *NAMES, " "))
        if kind == "Groups" and self.dice.random() < 0.6:
            flat["members"] = self.some_members()
        return flat

    def some_members(self) -> list[dict[str, str]]:
        """Return members, seldom one that nobody knows."""
        ids = self.model.ids("Users")
        found = self.dice.sample(ids, self.dice.randint(0, min(3, len(ids))))
        if self.dice.random() < 0.1:
            found.append(self.dice.choice(self.dead))
        return [{"value": each} for each in found]

    def if_match(self, kind: str, resource_id: str) -> str | None:
        """Return a precondition, or mostly none."""
        entry = self.model.named(kind, resource_id)
        version = entry.version if entry is not None else 1
        return self.dice.choice((None,) * 6 + ("*", f'W/"{version}"', f'W/"{version + 1}"'))

    def compare(self, what: str, answer: Any, expected: Callable[[], Answer]) -> None:
        """Assert that the service has answered as the model does."""
        try:
            wanted = expected()
        except Refused as refusal:
            wanted = refusal.answer
        self.seen.add(f"{what.split()[0]} {wanted.status}")
        assert answer.status_code == wanted.status, f"{what}: {answer.text}, not {wanted}"
        if wanted.status >= 400:
            assert answer.json.get("scimType") == wanted.scim_type, f"{what}: {answer.text}"
            return
        if wanted.etag is not None:
            assert answer.headers["ETag"] == wanted.etag, what
        if wanted.body is None:
            assert not answer.data
        elif "totalResults" in wanted.body:
            assert answer.json["totalResults"] == wanted.body["totalResults"], what
            assert answer.json["itemsPerPage"] == len(wanted.body["Resources"]), what
            found = [bare(each) for each in answer.json["Resources"]]
            assert found == wanted.body["Resources"], what
        else:
            assert bare(answer.json) == wanted.body, what

    def create(self, kind: str) -> None:
        """POST."""
        flat = self.resource(kind)
        answer = self.client.post(f"/{kind}", nested(flat))
        made = answer.json.get("id")
        self.compare(f"POST {kind} {flat}", answer, lambda: self.model.create(kind, flat, made))

    def replace(self, kind: str) -> None:
        """PUT."""
        resource_id, flat = self.some_id(kind), self.resource(kind)
        match = self.if_match(kind, resource_id)
        headers = {"If-Match": match} if match else {}
        answer = self.client.put(f"/{kind}/{resource_id}", nested(flat), headers=headers)
        self.compare(
            f"PUT {kind} {resource_id} {match} {flat}",
            answer,
            lambda: self.model.replace(kind, resource_id, flat, match),
        )

    def operation(self, kind: str) -> dict[str, Any]:
        """Return one operation of a PATCH, valid or not."""
        pick = self.dice.choice
        if self.dice.random() < 0.05:
            return pick(
                (
                    {"op": "remove"},
                    {"op": "move", "path": "title", "value": "x"},
                    {"op": "replace", "path": "noSuchThing", "value": "x"},
                    {"op": "replace", "path": "id", "value": "x"},
                    {"op": "replace", "path": "emails[", "value": "x"},
                    {"op": "replace", "path": "externalId", "value": 5},
                )
            )
        if kind == "Groups" and self.dice.random() < 0.7:
            op = pick(("add", "add", "replace", "remove", "remove"))
            if op == "remove":
                condition = f'members[value eq "{self.some_id("Users")}"]'
                return {"op": op, "path": pick((condition, condition, condition, "members"))}
            return {"op": op, "path": "members", "value": self.some_members()}
        if self.dice.random() < 0.2:
            key = "userName" if kind == "Users" else "displayName"
            return {"op": "replace", "path": key, "value": pick((*NAMES, ""))}
        if kind == "Users" and self.dice.random() < 0.3:
            condition = pick(('type eq "work"', "primary eq true", "not (value pr)"))
            path = f"emails[{condition}]"
            return pick(
                (
                    {"op": "replace", "path": f"{path}.value", "value": "new@example.com"},
                    {"op": "add", "path": f"{path}.primary", "value": True},
                    {"op": "remove", "path": f"{path}.display"},
                    {"op": "remove", "path": path},
                    {"op": "add", "path": "emails", "value": [self.email()]},
                )
            )
        values = self.values(kind)
        if not values or self.dice.random() < 0.4:
            return {"op": pick(("add", "replace")), "value": nested(values)}
        key, value = pick(list(values.items()))
        if self.dice.random() < 0.3:
            return {"op": "remove", "path": key}
        return {"op": pick(("add", "replace")), "path": key, "value": value}

    def modify(self, kind: str) -> None:
        """PATCH."""
        resource_id = self.some_id(kind)
        operations = [self.operation(kind) for _ in range(self.dice.randint(1, 3))]
        match = self.if_match(kind, resource_id)
        headers = {"If-Match": match} if match else {}
        answer = self.client.patch(f"/{kind}/{resource_id}", operations, headers=headers)
        self.compare(
            f"PATCH {kind} {resource_id} {match} {operations}",
            answer,
            lambda: self.model.modify(kind, resource_id, operations, match),
        )

    def read(self, kind: str) -> None:
        """GET."""
        resource_id = self.some_id(kind)
        answer = self.client.get(f"/{kind}/{resource_id}")
        self.compare(f"GET {resource_id}", answer, lambda: self.model.read(kind, resource_id))

    def delete(self, kind: str) -> None:
        """DELETE."""
        resource_id = self.some_id(kind)
        match = self.if_match(kind, resource_id)
        headers = {"If-Match": match} if match else {}
        answer = self.client.delete(f"/{kind}/{resource_id}", headers=headers)
        self.compare(
            f"DELETE {kind} {resource_id} {match}",
            answer,
            lambda: self.model.delete(kind, resource_id, match),
        )
        if answer.status_code == 204:
            self.dead.append(resource_id)

    def term(self, kind: str) -> str:
        """Return one term of a filter."""
        pick = self.dice.choice
        attributes = ["externalId", "displayName"]
        if kind == "Users":
            attributes += ["userName", "title", "name.familyName", "department"]
            if self.dice.random() < 0.15:
                return f"active {pick(('eq', 'ne'))} {pick(('true', 'false'))}"
        elif self.dice.random() < 0.3:
            return f'members.value eq "{self.some_id("Users")}"'
        attribute = pick(attributes)
        op = pick(("eq", "ne", "co", "sw", "ew", "gt", "le", "pr"))
        if op == "pr":
            return f"{attribute} pr"
        word = pick((*NAMES, *WORDS)).replace("\\", "\\\\").replace('"', '\\"')
        return f'{attribute} {op} "{word}"'

    def search(self, kind: str) -> None:
        """GET of all, by a filter."""
        terms = [self.term(kind) for _ in range(self.dice.randint(0, 3))]
        terms = [f"not ({each})" if self.dice.random() < 0.2 else each for each in terms]
        text = self.dice.choice((" and ", " or ")).join(terms) or None
        start, count = self.dice.choice((1, 1, 2, 4)), self.dice.choice((0, 2, 50))
        sort_by, descending = None, self.dice.random() < 0.5
        if self.dice.random() < 0.3:
            sort_by = "userName" if kind == "Users" else "displayName"
        query: dict[str, Any] = {"startIndex": start, "count": count}
        if text is not None:
            query["filter"] = text
        if sort_by is not None:
            query |= {"sortBy": sort_by, "sortOrder": "descending" if descending else "ascending"}
        answer = self.client.get(f"/{kind}", **query)
        self.compare(
            f"SEARCH {kind} {query}",
            answer,
            lambda: self.model.search(kind, text, start, count, sort_by, descending),
        )

    def compare_rows(self) -> None:
        """Assert that the host's tables hold what the model does."""
        models, model = self.portal.models, self.model
        people = self.portal.session.scalars(sa.select(models.User)).all()
        found = [
            {
                "username": each.username,
                "first_name": each.first_name,
                "last_name": each.last_name,
                "email": each.email,
                "is_active": each.is_active,
                "department": each.department,
                "manager": each.manager.username if each.manager else None,
            }
            for each in sorted(people, key=lambda each: each.id)
        ]
        assert found == [model.row(entry) for _, entry in sorted(model.users.items())]
        teams = self.portal.session.scalars(sa.select(models.Team)).all()
        assert {team.name: {each.username for each in team.members} for team in teams} == {
            entry.flat["displayName"]: {model.users[row].flat["userName"] for row in entry.members}
            for entry in model.groups.values()
        }


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of values by flat key."""
    body: dict[str, Any] = {}
    for key, value in flat.items():
        urn, _, name = key.rpartition(":")
        if urn:
            body.setdefault(urn, {})[name] = value
        else:
            body[key] = value
    return body


def bare(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource without what depends on the clock and on URLs."""
    found = dict(body)
    meta = found["meta"]
    found["meta"] = {name: meta[name] for name in ("resourceType", "version")}
    if "manager" in found.get(ENTERPRISE, {}):
        manager = {"value": found[ENTERPRISE]["manager"]["value"]}
        found[ENTERPRISE] = {**found[ENTERPRISE], "manager": manager}
    if "members" in found:
        for member in found["members"]:
            assert member.pop("$ref").endswith(f"/Users/{member['value']}")
    return found


@pytest.mark.parametrize("seed", range(10 if THOROUGH else 3))
def test_the_service_and_the_model_agree(portal: Portal, seed: int) -> None:
    """Equal answers at every step, and equal rows at the end; 500 steps each on SQLite."""
    steps = STEPS if portal.engine.dialect.name == "sqlite" else STEPS // 10
    walk = Walk(portal, seed)
    for number in range(steps):
        try:
            walk.step()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number}: {error}") from error
    walk.compare_rows()
    usual = {"POST 201", "POST 409", "PUT 200", "PATCH 200", "PATCH 204", "DELETE 204"}
    assert steps < STEPS or usual <= walk.seen, "the walk has been to too few places"
