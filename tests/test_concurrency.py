"""Requests at the same time, each over a connection of its own: nothing is lost, nothing fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from .portal import Portal

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANY = 20


def at_once(requests: Sequence[Callable[[], Any]]) -> list[Any]:
    """Send requests at the same moment, each in a thread, and return their answers in order."""
    gate = threading.Barrier(len(requests))

    def send(request: Callable[[], Any]) -> Any:
        gate.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as threads:
        answers = list(threads.map(send, requests))
    assert [answer.text for answer in answers if answer.status_code >= 500] == []
    return answers


@pytest.fixture
def portal(make_portal: Callable[..., Portal]) -> Portal:
    """A portal whose pool has a connection for every thread."""
    options = {"pool_size": MANY, "max_overflow": MANY, "pool_timeout": 60}
    return make_portal(config={"SQLALCHEMY_ENGINE_OPTIONS": options})


def created(portal: Portal, **attributes: Any) -> str:
    """Create a user, and return the path."""
    answer = portal.client.post("/Users", attributes)
    assert answer.status_code == 201, answer.text
    return f"/Users/{answer.json['id']}"


def version(portal: Portal, path: str) -> int:
    return int(portal.client.get(path).headers["ETag"].strip('W/"'))


def test_members_added_at_once_are_all_there(portal: Portal) -> None:
    ids = [created(portal, userName=f"user{n}").split("/")[-1] for n in range(MANY)]
    group = f"/Groups/{portal.client.post('/Groups', {'displayName': 'Pioneers'}).json['id']}"

    def add(member: str) -> Callable[[], Any]:
        change = {"op": "add", "path": "members", "value": [{"value": member}]}
        return lambda: portal.client.patch(group, [change])

    answers = at_once([add(member) for member in ids])
    assert {answer.status_code for answer in answers} == {204}
    members = portal.client.get(group).json["members"]
    assert sorted(member["value"] for member in members) == sorted(ids)
    assert version(portal, group) == 1 + MANY

    def remove(member: str) -> Callable[[], Any]:
        change = {"op": "remove", "path": f'members[value eq "{member}"]'}
        return lambda: portal.client.patch(group, [change])

    at_once([remove(member) for member in ids[: MANY // 2]])
    members = portal.client.get(group).json["members"]
    assert sorted(member["value"] for member in members) == sorted(ids[MANY // 2 :])


def test_one_member_added_many_times_at_once_comes_once(portal: Portal) -> None:
    """An identity provider repeats what timed out, maybe while the first is still under way."""
    member = created(portal, userName="ada").split("/")[-1]
    group = f"/Groups/{portal.client.post('/Groups', {'displayName': 'Pioneers'}).json['id']}"
    change = {"op": "add", "path": "members", "value": [{"value": member}]}
    answers = at_once([lambda: portal.client.patch(group, [change])] * 8)
    assert {answer.status_code for answer in answers} == {204}
    assert len(portal.client.get(group).json["members"]) == 1
    assert version(portal, group) == 2


def test_changes_of_different_attributes_are_all_kept(portal: Portal) -> None:
    """Some live in columns, some together in one JSON document of the link row."""
    path = created(portal, userName="ada")
    values = {
        "name.givenName": "Ada",
        "name.familyName": "Lovelace",
        "name.middleName": "King",
        "title": "Countess",
        "nickName": "Enchantress",
        "locale": "en-GB",
        "timezone": "Europe/London",
        "userType": "Analyst",
        "displayName": "Ada Lovelace",
        f"{ENTERPRISE}:department": "Engines",
        f"{ENTERPRISE}:costCenter": "1843",
        f"{ENTERPRISE}:employeeNumber": "1",
        "externalId": "lovelace",
    }

    def change(target: str, value: str) -> Callable[[], Any]:
        operation = {"op": "replace", "path": target, "value": value}
        return lambda: portal.client.patch(path, [operation])

    answers = at_once([change(*pair) for pair in values.items()])
    assert {answer.status_code for answer in answers} == {200}
    kept = portal.client.get(path).json
    found = {}
    for target in values:
        urn, _, name = target.rpartition(":")
        value: Any = kept[urn] if urn else kept
        for part in name.split("."):
            value = value[part]
        found[target] = value
    assert found == values
    assert version(portal, path) == 1 + len(values)


def test_one_name_is_created_once(portal: Portal) -> None:
    """In whatever case it is written, one is created and the others are told so."""
    bodies = [{"userName": name} for name in ["ada@example.com"] * 7 + ["ADA@example.com"]]
    answers = at_once([lambda body=body: portal.client.post("/Users", body) for body in bodies[:7]])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 6
    refused = [answer.json for answer in answers if answer.status_code == 409]
    assert {error["scimType"] for error in refused} == {"uniqueness"}
    users = portal.models.User
    assert portal.session.scalar(sa.select(sa.func.count()).select_from(users)) == 1
    assert portal.client.post("/Users", bodies[-1]).status_code == 409


@pytest.fixture
def unaided(portal: Portal) -> Portal:
    """A portal whose database lets two people, and two teams, have the same name."""
    dialect = portal.engine.dialect.name
    with portal.engine.begin() as connection:
        for table, column in (("user", "username"), ("team", "name")):
            if dialect == "sqlite":
                connection.exec_driver_sql(f"DROP INDEX ix_{table}_{column}_lower")
            elif dialect == "postgresql":
                connection.exec_driver_sql(f"DROP INDEX ix_{table}_{column}_lower")
                connection.exec_driver_sql(
                    f'ALTER TABLE "{table}" DROP CONSTRAINT {table}_{column}_key'
                )
            else:
                connection.exec_driver_sql(
                    f"ALTER TABLE {table} DROP INDEX {column}, ADD INDEX ({column})"
                )
    return portal


CASES = ["casey", "CASEY", "Casey", "cASEY"] * 2
LETTERS = ["zoë", "ZOË", "Zoë", "zOË"] * 2


@pytest.mark.parametrize("names", [CASES, LETTERS])
@pytest.mark.parametrize("path", ["/Users", "/Groups"])
def test_one_name_is_created_once_without_help(
    unaided: Portal, path: str, names: list[str]
) -> None:
    """RFC 7643 section 4.1.1: userName is unique without regard to case; and so is a group's name.

    Where the portal has no unique index that ignores case, those who come at once wait for each
    other.
    """
    key = "userName" if path == "/Users" else "displayName"
    for turn in range(3):
        bodies = [{key: f"{name}{turn}"} for name in names]
        answers = at_once([lambda body=body: unaided.client.post(path, body) for body in bodies])
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        found = unaided.client.get(path, filter=f'{key} eq "{names[0]}{turn}"').json
        assert found["totalResults"] == 1


@pytest.mark.parametrize("path", ["/Users", "/Groups"])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_names_are_taken_once_without_help(unaided: Portal, path: str, method: str) -> None:
    """Renames are no other than creates."""
    key = "userName" if path == "/Users" else "displayName"
    client = unaided.client
    paths = [
        f"{path}/{client.post(path, {key: f'name{number}'}).json['id']}"
        for number in range(len(CASES) // 2)
    ]

    def send(number: int) -> Callable[[], Any]:
        name = CASES[number]
        if number >= len(paths):
            return lambda: client.post(path, {key: name})
        if method == "put":
            return lambda: client.put(paths[number], {key: name})
        operation = {"op": "replace", "path": key, "value": name}
        return lambda: client.patch(paths[number], [operation])

    answers = at_once([send(number) for number in range(len(CASES))])
    statuses = sorted(answer.status_code for answer in answers)
    assert (statuses[0] // 100, statuses[1:]) == (2, [409] * 7), statuses
    assert client.get(path, filter=f'{key} eq "casey"').json["totalResults"] == 1


def test_one_group_is_created_once(portal: Portal) -> None:
    answers = at_once([lambda: portal.client.post("/Groups", {"displayName": "Pioneers"})] * 6)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


def test_one_person_of_the_portal_is_adopted_once(portal: Portal) -> None:
    """Two who take over the same row must not both believe that it is theirs."""
    portal.add_users(["ada"])
    answers = at_once([lambda: portal.client.post("/Users", {"userName": "ada"})] * 6)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    created_id = next(answer.json["id"] for answer in answers if answer.status_code == 201)
    assert portal.client.get(f"/Users/{created_id}").status_code == 200


def test_names_are_exchanged_by_nobody(portal: Portal) -> None:
    """Several want the same new name at once: one has it."""
    paths = [created(portal, userName=f"user{n}") for n in range(6)]
    change = [{"op": "replace", "path": "userName", "value": "wanted"}]
    answers = at_once([lambda path=path: portal.client.patch(path, change) for path in paths])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    names = {user["userName"] for user in portal.client.get("/Users").json["Resources"]}
    assert len(names) == 6
    assert "wanted" in names


def test_who_expects_another_version_is_refused(portal: Portal) -> None:
    """RFC 7644 section 3.14: of several who have read the same version, one writes."""
    path = created(portal, userName="ada")
    headers = {"If-Match": portal.client.get(path).headers["ETag"]}

    def change(number: int) -> Callable[[], Any]:
        operation = {"op": "replace", "path": "title", "value": str(number)}
        return lambda: portal.client.patch(path, [operation], headers=headers)

    answers = at_once([change(number) for number in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


def test_people_are_given_one_id_when_first_read_at_once(portal: Portal) -> None:
    portal.add_users([f"user{number}" for number in range(50)])
    answers = at_once([lambda: portal.client.get("/Users")] * 8)
    pages = [
        sorted((user["userName"], user["id"]) for user in answer.json["Resources"])
        for answer in answers
    ]
    assert len(pages[0]) == 50
    assert [page for page in pages if page != pages[0]] == []


def test_deleting_and_changing_at_once_fails_nobody(portal: Portal) -> None:
    path = created(portal, userName="ada")
    change = [{"op": "replace", "path": "title", "value": "Countess"}]
    requests = [lambda: portal.client.delete(path), lambda: portal.client.patch(path, change)] * 4
    answers = at_once(requests)
    statuses = [answer.status_code for answer in answers]
    assert statuses[::2].count(204) == 1
    assert set(statuses) <= {200, 204, 404}
    assert portal.client.get(path).status_code == 404
    assert portal.user("ada").is_active is False


def test_a_new_cycle_beside_readers(portal: Portal) -> None:
    """Creates, changes and reads of different people meet, as in an initial cycle."""
    paths = [created(portal, userName=f"user{number}") for number in range(6)]

    def work(number: int) -> Callable[[], Any]:
        def send() -> Any:
            portal.client.post("/Users", {"userName": f"new{number}", "title": "new"})
            portal.client.get("/Users", filter=f'userName eq "new{number}"')
            change = {"op": "replace", "path": "name.givenName", "value": f"given{number}"}
            return portal.client.patch(paths[number], [change])

        return send

    answers = at_once([work(number) for number in range(6)])
    assert {answer.status_code for answer in answers} == {200}
    assert portal.client.get("/Users", filter='title eq "new"').json["totalResults"] == 6
    names = {portal.user(f"user{number}").first_name for number in range(6)}
    assert names == {f"given{number}" for number in range(6)}
