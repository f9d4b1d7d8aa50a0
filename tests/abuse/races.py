"""Races of whole processes: ``python -m tests.abuse.races --rounds 100 --database URL``.

Without a database it plays on a SQLite file, an embedded PostgreSQL, and the MariaDB of
``SCIM_TEST_MARIADB_URL``. It exits with 1 when anything is lost, or answered with 500.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.client import ScimClient
from tests.databases import drop_database, embedded_postgresql, empty_database

__all__ = ["RACES", "Outcome", "Race"]

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PEOPLE = 12
PROCESSES = 4

Json = dict[str, Any]


@dataclass
class Outcome:
    """What became of the rounds of one race.

    :ivar statuses: how often each status was answered; those of operations have a star.
    :ivar lost: sentences about what was answered with success and isn't so.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def failed(self) -> int:
        """How many requests or operations were answered with 500."""
        return self.statuses["500"] + self.statuses["*500"]


@dataclass(frozen=True)
class Race:
    """What several do at once.

    :ivar prepare: makes what they need in a round, and returns it.
    :ivar request: sends the request of one of them; its place decides about the order.
    :ivar check: compares the answers with what there is, and yields what was lost.
    """

    name: str
    prepare: Callable[[ScimClient, str], list[str]]
    request: Callable[[ScimClient, list[str], str, int], tuple[int, Any]]
    check: Callable[[ScimClient, list[str], str, Sequence[tuple[int, Any]]], Iterator[str]]


def bulk(client: ScimClient, operations: list[Json]) -> tuple[int, Any]:
    answer = client.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    return answer.status_code, answer.json


def ordered(items: Sequence[str], place: int) -> list[str]:
    """Return things forwards, backwards, or in any order."""
    if place % 3 == 2:
        return random.sample(items, len(items))
    return list(items) if place % 3 == 0 else list(reversed(items))


def made(client: ScimClient, operations: list[Json]) -> list[str]:
    status, answer = bulk(client, operations)
    assert status == 200, answer
    return [each["location"].rpartition("/")[2] for each in answer["Operations"]]


def people(client: ScimClient, turn: str) -> list[str]:
    names = [f"{turn}-{number}" for number in range(PEOPLE)]
    return made(
        client,
        [
            {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}
            for name in names
        ],
    )


def patch(path: str, *operations: Json) -> Json:
    data = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return {"method": "PATCH", "path": path, "data": data}


def succeeded(answers: Sequence[tuple[int, Any]], wanted: str = "200") -> list[int]:
    """Return how many operations of each answer were carried out."""
    return [
        sum(each["status"] == wanted for each in answer["Operations"]) if status == 200 else 0
        for status, answer in answers
    ]


def change(client: ScimClient, ids: list[str], turn: str, place: int) -> tuple[int, Any]:
    new = {"op": "replace", "path": "name.givenName", "value": f"{turn} by {place}"}
    return bulk(client, [patch(f"/Users/{each}", new) for each in ordered(ids, place)])


def changed(
    client: ScimClient, ids: list[str], turn: str, answers: Sequence[tuple[int, Any]]
) -> Iterator[str]:
    done = succeeded(answers)
    found = [client.get(f"/Users/{each}") for each in ids]
    versions = [int(each.headers["ETag"].strip('W/"')) for each in found]
    names = {each.json["name"]["givenName"] for each in found if "name" in each.json}
    if sum(done) != sum(versions) - len(ids):
        yield f"{sum(done)} changes were acknowledged, and {sum(versions) - len(ids)} were made"
    if len(names) > 1:
        yield f"the changes of several requests are mixed: {len(names)} names"


def nobody(_client: ScimClient, turn: str) -> list[str]:
    return [f"{turn}-{number}" for number in range(PEOPLE)]


def create(client: ScimClient, names: list[str], _turn: str, place: int) -> tuple[int, Any]:
    return bulk(
        client,
        [
            {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}
            for name in ordered(names, place)
        ],
    )


def created(
    client: ScimClient, names: list[str], _turn: str, answers: Sequence[tuple[int, Any]]
) -> Iterator[str]:
    times = Counter(
        each["bulkId"]
        for status, answer in answers
        if status == 200
        for each in answer["Operations"]
        if each["status"] == "201"
    )
    for name in names:
        found = client.get("/Users", filter=f'userName eq "{name}"').json["totalResults"]
        if times[name] != found:
            yield f"a name was created {times[name]} times, and {found} have it"


def team(client: ScimClient, turn: str) -> list[str]:
    members = people(client, turn)
    groups = made(
        client,
        [
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": name,
                "data": {"displayName": f"{turn} {name}"},
            }
            for name in ("one", "two")
        ],
    )
    return [*members, *groups]


def join(client: ScimClient, ids: list[str], _turn: str, place: int) -> tuple[int, Any]:
    """Add people of one's own to both groups, and change people of all."""
    members, groups = ids[:-2], ids[-2:]
    own = members[place::PROCESSES]
    add = {"op": "add", "path": "members", "value": [{"value": each} for each in own]}
    new = {"op": "replace", "path": "name.givenName", "value": f"by {place}"}
    operations = [patch(f"/Groups/{each}", add) for each in ordered(groups, place % 2)]
    operations += [patch(f"/Users/{each}", new) for each in ordered(members, place)]
    return bulk(client, random.sample(operations, len(operations)))


def joined(
    client: ScimClient, ids: list[str], _turn: str, answers: Sequence[tuple[int, Any]]
) -> Iterator[str]:
    members, groups = ids[:-2], ids[-2:]
    wanted = {
        member
        for place, (status, _) in enumerate(answers)
        if status == 200
        for member in members[place::PROCESSES]
    }
    for group in groups:
        found = {each["value"] for each in client.get(f"/Groups/{group}").json["members"]}
        if found != wanted:
            yield f"{len(wanted)} members were acknowledged, and {len(found)} are there"


RACES = (
    Race("bulk requests change the same people in opposite orders", people, change, changed),
    Race("bulk requests create the same names in opposite orders", nobody, create, created),
    Race("bulk requests change groups and people in any order", team, join, joined),
)


def told(outcome: Outcome, answers: Sequence[tuple[int, Any]]) -> None:
    for status, answer in answers:
        outcome.statuses[str(status)] += 1
        if status == 200:
            outcome.statuses.update(f"*{each['status']}" for each in answer["Operations"])


def _play(
    url: str, base: str, token: str, place: int, rounds: int, meet: Any, queue: Any, go: Any
) -> None:
    """Run in a process of its own, on an application of its own."""
    os.environ["SCIM_TEST_SERVED_URL"] = url
    from .served import create_app

    client = ScimClient(create_app(), base, token)
    for _ in range(rounds):
        for race in RACES:
            turn, needed = go.get()
            meet.wait()
            begun = time.perf_counter()
            try:
                answer = race.request(client, needed, turn, place)
            except Exception as error:
                answer = (500, repr(error))
            queue.put((place, answer, time.perf_counter() - begun))


def play(url: str, rounds: int) -> dict[str, Outcome]:
    """Play all races on one database, each round with people of its own."""
    from tests.portal import build_portal

    portal = build_portal(url)
    base, token = portal.client.base, str(portal.client.token)
    spawn = multiprocessing.get_context("spawn")
    meet, queue = spawn.Barrier(PROCESSES), spawn.Queue()
    goes = [spawn.Queue() for _ in range(PROCESSES)]
    processes = [
        spawn.Process(target=_play, args=(url, base, token, place, rounds, meet, queue, go))
        for place, go in enumerate(goes)
    ]
    for process in processes:
        process.start()
    outcomes = {race.name: Outcome() for race in RACES}
    for number in range(rounds):
        for race in RACES:
            turn = f"{number}-{uuid.uuid4().hex[:6]}"
            needed = race.prepare(portal.client, turn)
            for go in goes:
                go.put((turn, needed))
            found = sorted(queue.get(timeout=300) for _ in processes)
            answers = [answer for _, answer, _ in found]
            outcome = outcomes[race.name]
            told(outcome, answers)
            outcome.slowest = max(outcome.slowest, *(seconds for _, _, seconds in found))
            outcome.lost.extend(race.check(portal.client, needed, turn, answers))
    for process in processes:
        process.join()
    portal.close()
    return outcomes


@contextmanager
def databases(given: Sequence[str]) -> Iterator[list[str]]:
    """Yield the URLs of empty databases."""
    if given:
        yield list(given)
        return
    with ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory())
        urls = [f"sqlite:///{Path(folder) / 'races.sqlite3'}"]
        run = uuid.uuid4().hex
        server = ends.enter_context(embedded_postgresql(run))
        urls.append(empty_database(server, f"races_{run[:8]}"))
        mariadb = os.environ.get("SCIM_TEST_MARIADB_URL")
        if mariadb is not None:
            urls.append(empty_database(mariadb, f"races_{run[:8]}"))
            ends.callback(drop_database, urls[-1])
        yield urls


def main() -> int:
    """Play, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--database", action="append", default=[])
    given = parser.parse_args()
    bad = False
    with databases(given.database) as urls:
        for url in urls:
            for name, outcome in play(url, given.rounds).items():
                bad = bad or bool(outcome.failed or outcome.lost)
                statuses = ", ".join(f"{each}: {n}" for each, n in sorted(outcome.statuses.items()))
                sys.stdout.write(
                    f"{url.partition(':')[0]}: {name}: {given.rounds} rounds, {statuses}; "
                    f"slowest {outcome.slowest:.1f} s; lost: {outcome.lost[:3] or 'nothing'}\n"
                )
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
