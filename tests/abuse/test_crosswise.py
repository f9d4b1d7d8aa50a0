"""Bulk requests that want the same things in opposite orders; ``races.py`` plays more rounds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.portal import Portal

from .races import PROCESSES, RACES, Race

ROUNDS = 2


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
def test_crosswise_requests_lose_nothing(make_portal: Callable[..., Portal], race: Race) -> None:
    """Each is carried out, for what it names is locked at its beginning, in one order."""
    options = {"pool_size": PROCESSES + 1, "pool_timeout": 60}
    portal = make_portal(config={"SQLALCHEMY_ENGINE_OPTIONS": options})
    for turn in map(str, range(ROUNDS)):
        needed = race.prepare(portal.client, turn)
        gate = threading.Barrier(PROCESSES)

        def send(
            place: int,
            gate: threading.Barrier = gate,
            needed: list[str] = needed,
            turn: str = turn,
        ) -> tuple[int, object]:
            gate.wait()
            return race.request(portal.client, needed, turn, place)

        with ThreadPoolExecutor(PROCESSES) as threads:
            answers = list(threads.map(send, range(PROCESSES)))
        assert [status for status, _ in answers] == [200] * PROCESSES
        assert list(race.check(portal.client, needed, turn, answers)) == []


def test_a_bulk_request_locks_all_that_it_names_by_two_statements(portal: Portal) -> None:
    """Groups come first, as in a request that changes one; each kind in the order of its ids."""
    names = [f"user{number}" for number in range(20)]
    paths = [
        f"/Users/{portal.client.post('/Users', {'userName': name}).json['id']}" for name in names
    ]
    change = {"op": "replace", "path": "title", "value": "x"}
    operations = [
        {"method": "PATCH", "path": path, "data": {"Operations": [change]}} for path in paths
    ]
    with portal.statements() as cost:
        answer = portal.client.post("/Bulk", {"Operations": operations})
    assert {each["status"] for each in answer.json["Operations"]} == {"200"}
    locks = [each for each in cost.statements if "ORDER BY scim" in each and "FOR UPDATE" in each]
    kinds = ["group" if "scim_group_link" in each else "user" for each in locks]
    assert kinds == ([] if portal.engine.dialect.name == "sqlite" else ["group", "user"])
