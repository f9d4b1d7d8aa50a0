"""A request costs what it is long: work is counted, and twice the size is twice the work.

What is counted are the calls of functions, also of those that are written in C, and the statements
that are sent to the database; ``python -m benchmarks.curves`` measures the time.
"""

from __future__ import annotations

import copy
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.scim.applying import apply_changes
from flask_scim_provisioning.scim.catalogue import user_resource_type
from flask_scim_provisioning.scim.errors import InvalidValue
from flask_scim_provisioning.scim.limits import Limits
from flask_scim_provisioning.scim.messages import SearchRequest, read_patch_envelope
from flask_scim_provisioning.scim.names import flatten
from flask_scim_provisioning.scim.patch import plan
from flask_scim_provisioning.scim.projection import Projection

from ..portal import Portal

USERS = user_resource_type()
SMALL, LARGE = 100, 400
DIALECT_NAMES = ("generic", "entra", "onelogin")


def work(call: Callable[[], Any]) -> int:
    """Return how many functions a call calls."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return calls


def grown(cost: Callable[[int], int]) -> float:
    """Return how many times as much work the large request is."""
    for size in (SMALL, LARGE):
        cost(size)  # what is kept for later requests is made now
    return cost(LARGE) / cost(SMALL)


def phones(count: int) -> list[dict[str, Any]]:
    return [{"value": f"+49 {number:05}", "type": "work"} for number in range(count)]


def each(op: str, path: str, values: list[Any]) -> list[Any]:
    return [{"op": op, "path": path, "value": value} for value in values]


def spelled(name: str, count: int) -> list[str]:
    """Return a name in as many spellings, which differ in case."""
    places = [index for index, letter in enumerate(name) if letter.isalpha()]
    return [
        "".join(
            letter.upper() if index in places and number >> places.index(index) & 1 else letter
            for index, letter in enumerate(name.lower())
        )
        for number in range(count)
    ]


#: Operations by their number; each of them was once looked for among all values.
PATCHES: dict[str, Callable[[int], list[Any]]] = {
    "one value added again": lambda n: each("add", "phoneNumbers", phones(1) * n),
    "values added one by one": lambda n: each("add", "phoneNumbers", phones(n)),
    "values added at once": lambda n: each("add", "phoneNumbers", [phones(n)]),
    "values removed by a filter": lambda n: [
        {"op": "remove", "path": f'phoneNumbers[value eq "{phone["value"]}"]'}
        for phone in phones(n)
    ],
    "listed values removed": lambda n: each("remove", "phoneNumbers", [phones(n)]),
    "values altered": lambda n: [
        {"op": "add", "path": f'phoneNumbers[value eq "{phone["value"]}"].display', "value": "x"}
        for phone in phones(n)
    ],
    "values that are primary in turn": lambda n: [
        {"op": "add", "path": f'phoneNumbers[value eq "{phone["value"]}"].primary', "value": True}
        for phone in phones(n)
    ],
    "values altered by two terms": lambda n: [
        {
            "op": "add",
            "path": f'phoneNumbers[type eq "work" and value eq "{phone["value"]}"].display',
            "value": "x",
        }
        for phone in phones(n)
    ],
    "a title set again": lambda n: each("replace", "title", ["x"] * n),
    "parts of a name": lambda n: each("add", "name", [{"givenName": f"{i}"} for i in range(n)]),
    "names without a path": lambda n: (
        [{"op": "add", "value": dict.fromkeys(spelled("title", 16))}] * n
    ),
}


def patched(dialect: str, operations: list[Any], flat: dict[str, Any]) -> None:
    habits = DIALECTS[dialect]
    envelope = read_patch_envelope({"Operations": operations})
    planned = plan(
        habits.operations(envelope, USERS, []),
        USERS,
        create_missing=habits.create_missing,
        lenient=habits.lenient,
    )
    apply_changes(planned.changes, flat)


@pytest.mark.parametrize("shape", PATCHES)
@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_patch_costs_what_it_is_long(dialect: str, shape: str) -> None:
    """The resource has as many values as there are operations, so that both are twice as many."""

    def cost(size: int) -> int:
        flat = {"userName": "ada", "phoneNumbers": phones(size)}
        operations = PATCHES[shape](size)
        return work(lambda: patched(dialect, operations, flat))

    assert grown(cost) < LARGE / SMALL * 1.25


BODIES: dict[str, Callable[[int], dict[str, Any]]] = {
    "unknown attributes": lambda n: {f"unknown{i}": i for i in range(n)},
    "unknown parts": lambda n: {"name": {f"unknown{i}": i for i in range(n)}},
    "values": lambda n: {"phoneNumbers": phones(n)},
    "an extension's attribute in its spellings": lambda n: dict.fromkeys(
        spelled("employeenumber", n), "x"
    ),
    "an old extension in its spellings": lambda n: dict.fromkeys(
        spelled("urn:scim:schemas:extension:enterprise:2.0", n)
    ),
}


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_post_costs_what_it_is_long(dialect: str, shape: str) -> None:
    def cost(size: int) -> int:
        body = {"userName": "ada", **BODIES[shape](size)}

        def read() -> None:
            flatten(DIALECTS[dialect].resource(copy.copy(body), USERS, []), USERS)

        return work(read)

    assert grown(cost) < LARGE / SMALL * 1.25


NAMES: dict[str, Callable[[int], list[str]]] = {
    "unknown": lambda n: [f"unknown{i}" for i in range(n)],
    "repeated": lambda n: ["emails.value"] * n,
    "spelled": lambda n: spelled("preferredlanguage", n),
}


@pytest.mark.parametrize("shape", NAMES)
def test_a_list_of_attributes_costs_what_it_is_long(shape: str) -> None:
    def cost(size: int) -> int:
        body = {"attributes": NAMES[shape](size)}

        def read() -> None:
            Projection.of(USERS, SearchRequest.from_body(body).attributes)

        return work(read)

    assert grown(cost) < LARGE / SMALL * 1.25


class TestMembers:
    """Whatever the number of operations, the members who are named are looked up at once."""

    def test_who_comes_and_goes_takes_as_many_statements_as_one(self, portal: Portal) -> None:
        portal.add_users([f"u{number}" for number in range(40)])
        people = [each["id"] for each in portal.client.get("/Users").json["Resources"]]
        group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]

        def operations(count: int) -> list[Any]:
            sent: list[Any] = []
            for number in range(count):
                person = people[number % len(people)]
                sent += [
                    {"op": "add", "path": "members", "value": [{"value": person}]},
                    {"op": "remove", "path": f'members[value eq "{people[number % 7]}"]'},
                ]
            return sent

        counts = []
        for size in (8, 200):
            with portal.statements() as cost:
                answer = portal.client.patch(f"/Groups/{group}", operations(size))
            assert answer.status_code == 204, answer.text
            counts.append(cost.count)
        assert counts[1] <= counts[0] + 1, counts

    def test_the_last_operation_about_a_member_counts(self, portal: Portal) -> None:
        portal.add_users(["ada", "bob", "eve"])
        ids = {
            user["userName"]: user["id"] for user in portal.client.get("/Users").json["Resources"]
        }
        sent = {"displayName": "Team", "members": [{"value": ids["ada"]}, {"value": ids["bob"]}]}
        group = portal.client.post("/Groups", sent).json["id"]

        def patch(*operations: Any) -> set[str]:
            answer = portal.client.patch(f"/Groups/{group}?attributes=members", operations)
            assert answer.status_code == 200, answer.text
            names = {value: name for name, value in ids.items()}
            return {names[each["value"]] for each in answer.json.get("members", [])}

        def add(name: str) -> Any:
            return {"op": "add", "path": "members", "value": [{"value": ids[name]}]}

        def remove(name: str) -> Any:
            return {"op": "remove", "path": f'members[value eq "{ids[name]}"]'}

        def replace(*names: str) -> Any:
            members = [{"value": ids[name]} for name in names]
            return {"op": "replace", "path": "members", "value": members}

        everybody = {"op": "remove", "path": "members"}
        by_name = {"op": "remove", "path": 'members[display sw "a"]'}
        assert patch(add("eve"), remove("eve")) == {"ada", "bob"}
        assert patch(remove("ada"), add("ada")) == {"ada", "bob"}
        assert patch(replace("eve"), add("ada"), remove("eve")) == {"ada"}
        assert patch(everybody, add("bob"), add("eve")) == {"bob", "eve"}
        assert patch(add("ada"), by_name, add("eve")) == {"bob", "eve"}
        assert patch(by_name, add("ada")) == {"ada", "bob", "eve"}
        assert patch(add("ada"), everybody) == set()

    def test_who_is_unknown_is_refused_also_when_removed_again(self, portal: Portal) -> None:
        group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]
        nobody = str(uuid.uuid4())
        operations = [
            {"op": "add", "path": "members", "value": [{"value": nobody}]},
            {"op": "remove", "path": f'members[value eq "{nobody}"]'},
            {"op": "replace", "path": "members", "value": []},
        ]
        answer = portal.client.patch(f"/Groups/{group}", operations)
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")

    def test_searches_among_the_members_are_bounded(self, portal: Portal) -> None:
        """Each of them looks at every member of the group."""
        group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]
        search = {"op": "remove", "path": 'members[display sw "a"]'}
        assert portal.client.patch(f"/Groups/{group}", [search] * 40).status_code == 204
        answer = portal.client.patch(f"/Groups/{group}", [search] * 41)
        assert (answer.status_code, answer.json["scimType"]) == (400, "tooMany")


class TestLimits:
    """What a client could let grow from request to request has limits, which are settings."""

    @pytest.mark.portal(config={"SCIM_MAX_VALUES": 10})
    def test_an_attribute_has_so_many_values(self, portal: Portal) -> None:
        path = f"/Users/{portal.client.post('/Users', {'userName': 'ada'}).json['id']}"
        many = {"userName": "bob", "phoneNumbers": phones(11)}
        refused = [
            portal.client.post("/Users", many),
            portal.client.put(path, many),
            portal.client.patch(path, each("add", "phoneNumbers", [phones(11)])),
            portal.client.patch(path, each("add", "phoneNumbers", phones(11))),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
            assert "SCIM_MAX_VALUES is 10" in answer.json["detail"]
        assert portal.client.patch(path, each("add", "phoneNumbers", phones(10))).status_code == 200
        again = portal.client.patch(path, each("add", "phoneNumbers", phones(11)))
        assert again.status_code == 400
        assert len(portal.client.get(path).json["phoneNumbers"]) == 10

    @pytest.mark.portal(config={"SCIM_MAX_STORED_BYTES": 1_000})
    def test_so_much_is_kept_of_a_resource(self, portal: Portal) -> None:
        path = f"/Users/{portal.client.post('/Users', {'userName': 'ada'}).json['id']}"
        for key in ("title", "nickName", "timezone"):
            answer = portal.client.patch(path, each("add", key, ["é" * 300]))
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        assert "SCIM_MAX_STORED_BYTES is 1000" in answer.json["detail"]
        assert "timezone" not in portal.client.get(path).json
        body = {"userName": "bob", "title": "x" * 1_000}
        assert portal.client.post("/Users", body).status_code == 400
        assert portal.client.put(path, body).status_code == 400

    def test_what_is_larger_already_may_shrink(self) -> None:
        """A limit that was lowered keeps nobody from removing values."""
        limits = Limits(values=2, stored_bytes=20)
        limits.check_values("emails", [1, 2, 3], [1, 2, 3, 4])
        limits.check_stored({"title": "x" * 20}, {"title": "x" * 30})
        with pytest.raises(InvalidValue):
            limits.check_values("emails", [1, 2, 3, 4], [1, 2, 3])
        with pytest.raises(InvalidValue):
            limits.check_stored({"title": "x" * 30}, {"title": "x" * 20})

    def test_a_large_resource_is_written_so_often_in_a_request(self, portal: Portal) -> None:
        """Each operation of a bulk request writes again what is kept of the resource."""
        sent = {"userName": "ada", "nickName": "x" * 240_000}
        path = f"/Users/{portal.client.post('/Users', sent).json['id']}"
        operations = [
            {
                "method": "PATCH",
                "path": path,
                "data": {"Operations": [{"op": "replace", "path": "title", "value": str(number)}]},
            }
            for number in range(100)
        ]
        answer = portal.client.post("/Bulk", {"Operations": operations})
        statuses = [each["status"] for each in answer.json["Operations"]]
        assert statuses == ["200"] * 83 + ["400"] * 17
        last = answer.json["Operations"][-1]["response"]
        assert (last["scimType"], "several requests" in last["detail"]) == ("tooMany", True)
        assert portal.client.get(path).json["title"] == "82"

    @pytest.mark.portal(config={"SCIM_MAX_VALUES": 2})
    def test_members_have_no_limit(self, portal: Portal) -> None:
        portal.add_users(["ada", "bob", "eve"])
        members = [{"value": user["id"]} for user in portal.client.get("/Users").json["Resources"]]
        answer = portal.client.post("/Groups", {"displayName": "Team", "members": members})
        assert len(answer.json["members"]) == 3
