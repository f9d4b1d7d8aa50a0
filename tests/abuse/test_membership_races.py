"""Somebody is deleted while somebody else adds them to a group.

Each order of the two is one that could have happened alone: the one who is deleted is no member.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.portal import Portal

PATIENCE = 1.0
"""How long the second waits for the first before the first goes on (seconds)."""


@pytest.fixture
def portal(make_portal: Callable[..., Portal]) -> Portal:
    """A portal whose pool has a connection for each."""
    return make_portal(config={"SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 5}})


@contextmanager
def stopped_at_commit(
    portal: Portal, verb: str, table: str
) -> Iterator[tuple[threading.Event, Any]]:
    """Stop the request that writes such a statement before its commit, until it is let go."""
    reached, go = threading.Event(), threading.Event()
    mine: set[int] = set()

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if verb in statement and table in statement:
            mine.add(threading.get_ident())

    def commit(connection: Any) -> None:
        if threading.get_ident() in mine and not reached.is_set():
            reached.set()
            go.wait(30)

    sa.event.listen(portal.engine, "before_cursor_execute", before)
    sa.event.listen(portal.engine, "commit", commit)
    try:
        yield reached, go
    finally:
        go.set()
        sa.event.remove(portal.engine, "before_cursor_execute", before)
        sa.event.remove(portal.engine, "commit", commit)


def raced(
    portal: Portal, verb: str, table: str, first: Callable[[], Any], second: Callable[[], Any]
) -> tuple[int, int]:
    """Send two requests, the second while the first is about to commit; return their statuses."""
    portal.session.close()
    with (
        ThreadPoolExecutor(2) as threads,
        stopped_at_commit(portal, verb, table) as (reached, go),
    ):
        one = threads.submit(first)
        assert reached.wait(30)
        two = threads.submit(second)
        threading.Event().wait(PATIENCE)
        go.set()
        return one.result().status_code, two.result().status_code


def requests(portal: Portal) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return what deletes a user, and what adds them to a group."""
    user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    group = portal.client.post("/Groups", {"displayName": "team"}).json["id"]
    add = {"op": "add", "path": "members", "value": [{"value": user}]}
    return (
        lambda: portal.client.delete(f"/Users/{user}"),
        lambda: portal.client.patch(f"/Groups/{group}", [add]),
    )


def members(portal: Portal) -> list[str]:
    return [member.username for member in portal.team("team").members]


def test_who_is_being_deleted_is_not_added(portal: Portal) -> None:
    delete, add = requests(portal)
    deleted, added = raced(portal, "UPDATE", "scim_user_link", delete, add)
    assert deleted == 204
    # A generic client is told that nobody has this id.
    assert added == 400
    assert members(portal) == []


def test_who_is_being_added_is_deleted_with_the_membership(portal: Portal) -> None:
    delete, add = requests(portal)
    assert raced(portal, "INSERT", "team_member", add, delete) == (204, 204)
    assert members(portal) == []
