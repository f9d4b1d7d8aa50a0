"""What a request costs: statements are counted, and none of them grows with the directory."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.models import utcnow

from .client import ScimClient
from .portal import Portal

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORK_EMAIL = 'emails[type eq "work"].value'
FEW, MANY = 10, 10_000
SMALL, LARGE = 10, 100_000
BEYOND = 1_000_000
"""Keys that are given here begin beyond those that the database gives."""

Request = Callable[[str], Any]
"""Sends one request, with a value that no request had before, and returns the answer."""


def people(portal: Portal, start: int, stop: int) -> None:
    """Put people whom SCIM knows into the portal; the database makes them, each time twice as many.

    Their keys begin beyond those that the database gives by itself.
    """
    users = portal.models.User.__table__
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    first, last = BEYOND + start, BEYOND + stop
    with portal.engine.begin() as connection:
        there = 1
        connection.execute(users.insert().values(**person(sa.literal(first))))
        while there < last - first:
            more = person(users.c.id + there)
            those = users.c.id.between(first, min(first + there, last - there) - 1)
            connection.execute(
                users.insert().from_select(list(more), sa.select(*more.values()).where(those))
            )
            there *= 2
        now = utcnow()
        known = {"version": 1, "created": now, "last_modified": now}
        identity = sa.literal("00000000-0000-4000-8000-") + sa.cast(
            sa.literal(10**11) + users.c.id, sa.String(20)
        )
        columns = {
            "id": identity,
            "host_id": users.c.id,
            **{name: sa.literal(value, links.c[name].type) for name, value in known.items()},
        }
        connection.execute(
            links.insert().from_select(
                list(columns), sa.select(*columns.values()).where(users.c.id.between(first, last))
            )
        )


def person(key: Any) -> dict[str, Any]:
    """Return the columns of a person with this key, in SQL."""
    name = sa.literal("person") + sa.cast(key - BEYOND, sa.String(20))
    return {
        "id": key,
        "username": name,
        "email": name + sa.literal("@example.com"),
        "is_active": sa.true(),
        "is_admin": sa.false(),
    }


def analyse(portal: Portal) -> None:
    """Let the database know how large its tables are, as it finds out by itself in production."""
    analyse = {"postgresql": "ANALYZE", "sqlite": "ANALYZE"}.get(portal.engine.dialect.name)
    if analyse is not None:
        with portal.engine.begin() as connection:
            connection.exec_driver_sql(analyse)


def scim_id(portal: Portal, key: int) -> str:
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    found = portal.session.scalar(sa.select(links.c.id).where(links.c.host_id == BEYOND + key))
    assert found is not None
    return str(found)


def cost(portal: Portal, request: Request, value: str) -> tuple[int, int]:
    """Return how many statements a request sends, and how many rows they give."""
    request(f"first{value}")  # when a token was last used is written every five minutes only
    with portal.statements() as spent:
        answer = request(value)
    assert answer.status_code in {200, 201, 204}, answer.text
    return spent.count, spent.rows


def requests_of_a_user(client: ScimClient, user: str, manager: str) -> dict[str, Request]:
    """Return every kind of request that concerns one user."""
    path = f"/Users/{user}"
    turns = itertools.cycle(["False", "True"])

    def patch(*operations: dict[str, Any]) -> Any:
        return client.patch(path, operations)

    def replace(target: str) -> Request:
        return lambda value: patch({"op": "Replace", "path": target, "value": value})

    return {
        "match": lambda value: client.get("/Users", filter='userName eq "person7"'),
        "match by externalId": lambda value: client.get("/Users", filter='externalId eq "x7"'),
        "match nobody": lambda value: client.get("/Users", filter=f'userName eq "{value}"'),
        "get": lambda value: client.get(path),
        "active": lambda value: patch({"op": "Replace", "path": "active", "value": next(turns)}),
        "active without a path": lambda value: patch(
            {"op": "replace", "value": {"active": next(turns) == "True"}}
        ),
        "name part": replace("name.givenName"),
        "e-mail": lambda value: patch(
            {"op": "Replace", "path": WORK_EMAIL, "value": f"{value}@example.com"}
        ),
        "userName": replace("userName"),
        "manager": lambda value: patch(
            {
                "op": "Add",
                "path": f"{ENTERPRISE}:manager",
                "value": "" if value.startswith("first") else manager,
            }
        ),
        "stored": replace("title"),
        "externalId": replace("externalId"),
        "several at once": lambda value: patch(
            {"op": "Replace", "path": "name.familyName", "value": value},
            {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": value},
            {"op": "Replace", "path": "displayName", "value": value},
            {"op": "Replace", "path": "active", "value": next(turns)},
        ),
        "nothing new": lambda value: patch({"op": "Replace", "path": "nickName", "value": "same"}),
        "put": lambda value: client.put(
            path, {"userName": value, "active": True, "emails": [{"value": f"{value}@x.org"}]}
        ),
        "post": lambda value: client.post(
            "/Users",
            {"userName": f"new{value}", "externalId": f"x{value}", "name": {"givenName": "A"}},
        ),
        "page of 5": lambda value: client.get("/Users", count=5),
    }


#: The statements of each request, authentication included.
OF_A_USER = {
    "match": 2,
    "match by externalId": 2,
    "match nobody": 2,
    "get": 2,
    "active": 5,
    "active without a path": 5,
    "name part": 5,
    "e-mail": 5,
    "stored": 4,
    "several at once": 5,
    "nothing new": 2,
    "post": 6,
}

#: Those that lock: MySQL and MariaDB lock by a statement of its own, and look up a name again.
LOCKING = ("active", "active without a path", "name part", "e-mail", "stored", "several at once")


@pytest.mark.portal(dialect="entra")
def test_requests_cost_the_same_in_a_large_directory(portal: Portal) -> None:
    people(portal, 1, FEW + 1)
    user, manager = scim_id(portal, 2), scim_id(portal, 3)
    requests = requests_of_a_user(portal.client, user, manager)
    portal.client.patch(
        f"/Users/{scim_id(portal, 7)}", [{"op": "add", "path": "externalId", "value": "x7"}]
    )
    few = {name: cost(portal, send, f"few-{i}") for i, (name, send) in enumerate(requests.items())}
    people(portal, 1_000, 1_000 + MANY - FEW)
    analyse(portal)
    many = {
        name: cost(portal, send, f"many-{i}") for i, (name, send) in enumerate(requests.items())
    }
    assert many == few
    more = 1 if portal.engine.dialect.name in ("mysql", "mariadb") else 0
    expected = {
        name: count + (more if name in (*LOCKING, "nothing new") else 0)
        for name, count in OF_A_USER.items()
    }
    assert {name: few[name][0] for name in OF_A_USER} == expected, few
    assert {name: spent for name, (spent, _) in few.items() if spent > 9} == {}


def test_a_unique_index_saves_a_statement(portal: Portal) -> None:
    """Where the database keeps names apart, nobody has to; which is asked once only."""
    users = portal.app.extensions["scim_provisioning"].mappings["Users"]
    pool = portal.engine.pool

    def create(value: str) -> Any:
        return portal.client.post("/Users", {"userName": value})

    portal.client.get("/Users")
    create("first")
    (aided, _), (again, _) = cost(portal, create, "ada"), cost(portal, create, "bob")
    assert users.kept_apart[pool] is True
    users.kept_apart[pool] = False
    unaided, _ = cost(portal, create, "eve")
    # SQLite's transaction begins earlier, and MySQL and MariaDB lock what they look up.
    more = 1 if portal.engine.dialect.name == "postgresql" else 0
    assert (again, unaided) == (aided, aided + more)


def test_page_of_100_costs_as_little_as_a_page_of_5(portal: Portal) -> None:
    """With everybody linked, a page is one statement and a count, after authentication."""
    people(portal, 1, 301)
    costs = [
        cost(portal, lambda _, n=count: portal.client.get("/Users", count=n), "")
        for count in (5, 100)
    ]
    # SQLite has been asked before, and nobody has written since.
    count = 0 if portal.engine.dialect.name == "sqlite" else 1
    assert [statements for statements, _ in costs] == [2 + count, 2 + count]


def test_people_who_come_and_go_are_counted_whoever_writes(portal: Portal) -> None:
    """SQLite isn't asked to count again while nobody has written; whatever is written counts."""

    def total() -> int:
        return int(portal.client.get("/Users", count=1).json["totalResults"])

    users = portal.models.User
    portal.add_users(["a", "b", "c"])
    assert [total(), total()] == [3, 3]
    portal.add_users(["d"])  # on a connection of the portal's own
    assert total() == 4
    ada = portal.client.post("/Users", {"userName": "ada"}).json
    assert total() == 5
    portal.client.delete(f"/Users/{ada['id']}")
    assert [total(), total()] == [4, 4]
    gone = sa.delete(users).where(users.username == "b")
    session = portal.session
    session.execute(gone)
    session.rollback()
    assert total() == 4
    session.execute(gone)
    session.commit()
    assert total() == 3
    if portal.engine.dialect.name == "sqlite":
        total()  # each connection of the pool counts once
        with portal.statements() as cost:
            assert total() == 3
        assert not [each for each in cost.statements if "count(" in each]


def test_first_page_links_all_its_people_at_once(portal: Portal) -> None:
    """Who was there before SCIM gets an id when first answered; a page of them in one insert."""
    portal.client.get("/Users", count=0)
    portal.add_users([f"old{number}" for number in range(200)])
    # On PostgreSQL the second transaction says anew how long it waits for others.
    more = 1 if portal.engine.dialect.name == "postgresql" else 0
    with portal.statements(at_most=6 + more):
        page = portal.client.get("/Users", count=100).json
    assert len({user["id"] for user in page["Resources"]}) == 100


def members_of(portal: Portal, name: str, first: int, last: int) -> str:
    """Make a group of the people with these keys, and return its SCIM id."""
    key = portal.add_team(name)
    pairs, users = portal.models.team_member, portal.models.User.__table__
    those = users.c.id.between(BEYOND + first, BEYOND + last - 1)
    with portal.engine.begin() as connection:
        connection.execute(
            pairs.insert().from_select(
                ["team_id", "user_id"], sa.select(sa.literal(key), users.c.id).where(those)
            )
        )
    answer = portal.client.get(
        "/Groups", filter=f'displayName eq "{name}"', excludedAttributes="members"
    )
    return str(answer.json["Resources"][0]["id"])


def requests_of_a_member(client: ScimClient, group: str, member: str) -> dict[str, Request]:
    """Return every kind of request that names one member of a group."""
    path = f"/Groups/{group}"
    name = client.get(path, excludedAttributes="members").json["displayName"]

    def add(_: str = "") -> Any:
        return client.patch(path, [{"op": "Add", "path": "members", "value": [{"value": member}]}])

    def after_adding(operation: dict[str, Any]) -> tuple[Request, Request]:
        return add, lambda _: client.patch(path, [operation])

    by_value = {"op": "Remove", "path": "members", "value": [{"value": member}]}
    by_filter = {"op": "remove", "path": f'members[value eq "{member}"]'}
    prepared = {
        "remove by value": after_adding(by_value),
        "add": (lambda _: client.patch(path, [by_filter]), add),
        "remove by filter": after_adding(by_filter),
    }
    sent: dict[str, Request] = {}
    for label, (prepare, request) in prepared.items():

        def both(value: str, prepare: Request = prepare, request: Request = request) -> Any:
            return prepare(value) if value.startswith("first") else request(value)

        sent[label] = both
    sent["add again"] = lambda _: add()
    sent["without members"] = lambda _: client.get(path, excludedAttributes="members")
    sent["is member"] = lambda _: client.get(
        "/Groups",
        filter=f'id eq "{group}" and members eq "{member}"',
        excludedAttributes="members",
    )
    sent["find"] = lambda _: client.get(
        "/Groups", filter=f'displayName eq "{name}"', excludedAttributes="members"
    )
    return sent


@pytest.mark.portal(dialect="entra")
def test_one_member_costs_the_same_in_a_large_group(portal: Portal) -> None:
    """The same statements, and the same number of rows: no other member is read."""
    people(portal, 1, LARGE + 3)
    small = members_of(portal, "Small", 1, SMALL + 1)
    large = members_of(portal, "Large", 1, LARGE + 1)
    analyse(portal)
    member = scim_id(portal, LARGE + 2)
    costs = [
        {
            name: cost(portal, send, "")
            for name, send in requests_of_a_member(portal.client, group, member).items()
        }
        for group in (small, large)
    ]
    assert costs[0] == costs[1]
    # Where rows have locks, who is added is held by a statement of its own.
    allowed = 7 if portal.engine.dialect.name == "sqlite" else 8
    assert max(statements for statements, _ in costs[1].values()) <= allowed, costs[1]
    assert max(rows for _, rows in costs[1].values()) <= 6, costs[1]


def test_a_group_with_members_is_read_in_one_more_statement(portal: Portal) -> None:
    """Neither the number of members nor of groups adds a statement, and no user is loaded."""
    people(portal, 1, 1_002)
    groups = [members_of(portal, "Small", 1, 6), members_of(portal, "Large", 1, 1_001)]
    costs = [
        cost(portal, lambda _, g=group: portal.client.get(f"/Groups/{g}"), "") for group in groups
    ]
    assert [statements for statements, _ in costs] == [3, 3]
    assert costs[1][1] - costs[0][1] == 995
    with portal.statements(at_most=3) as without:
        portal.client.get(f"/Groups/{groups[1]}", excludedAttributes="members")
    assert "team_member" not in "".join(without.statements)
    with portal.statements(at_most=4):
        page = portal.client.get("/Groups").json
    assert [len(group["members"]) for group in page["Resources"]] == [5, 1_000]


def test_creating_a_group_with_many_members_is_no_loop(portal: Portal) -> None:
    people(portal, 1, 1_002)
    ids = [user["id"] for user in portal.client.get("/Users", count=200).json["Resources"]]
    # What is asked once is asked by now.
    portal.client.post("/Groups?excludedAttributes=members", {"displayName": "First"})
    spent = []
    for count in (2, 200):
        members = [{"value": each} for each in ids[:count]]
        with portal.statements() as cost_of_one:
            answer = portal.client.post(
                "/Groups?excludedAttributes=members",
                {"displayName": f"Group of {count}", "members": members},
            )
        assert answer.status_code == 201, answer.text
        spent.append(cost_of_one.count)
    assert spent[0] == spent[1]
    assert len(portal.team("Group of 200").members) == 200
