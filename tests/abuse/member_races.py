"""People are deleted while they are added to groups: ``python -m tests.abuse.member_races``.

Two processes add everybody to a group each, in opposite orders, one deletes some over SCIM, and one
deletes others as the portal does. ``--rounds N`` and ``--database URL`` as for ``races.py``. It
exits with 1 when anything is lost, or answered with 500.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from tests.client import ScimClient
from tests.databases import drop_tables
from tests.mapping.hosts import open_portal
from tests.mapping.teams import host_of
from tests.portal import Portal, write_ahead

from .races import Outcome, databases

__all__ = ["SHAPES", "play"]

SHAPES = ("raced", "raced and deleted", "raced for one team")
PROCESSES = 4
PEOPLE = 6
DELETED_OVER_SCIM = (0, 1)
DELETED_BY_THE_PORTAL = (2, 3)

Answers = list[tuple[int, int]]
"""Of one process: which person each request was about, and the status."""


def portal_of(url: str, shape: str) -> Portal:
    """Make the tables of a portal, and one integration that may delete people."""
    if not url.startswith("sqlite"):
        drop_tables(url)
    portal = open_portal(url, host_of(shape))
    roles = portal.app.extensions["scim_provisioning"].models.role.__table__
    allowed = {
        kind: ["CREATE", "READ", "UPDATE", "DELETE"] for kind in ("USERS", "GROUPS", "BINDINGS")
    }
    with portal.engine.begin() as connection:
        connection.execute(sa.update(roles).values(permissions=allowed))
    return portal


def app_of(url: str, shape: str) -> Flask:
    """Return the same portal for another process, on the tables that are there."""
    host = host_of(shape)
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=url, TESTING=True)
    host.db.init_app(app)
    host.provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        if host.db.engine.dialect.name == "sqlite":
            write_ahead(host.db.engine)
    return app


def act(
    client: ScimClient, shape: str, place: int, people: list[Any], groups: list[str]
) -> Answers:
    """Do the part of one process.

    :param people: SCIM ids, and the portal's own keys.
    """
    if place < 2:
        order = range(PEOPLE) if place == 0 else range(PEOPLE - 1, -1, -1)
        return [(each, _add(client, groups[place], people[each][0])) for each in order]
    if place == 2:
        return [
            (each, client.delete(f"/Users/{people[each][0]}").status_code)
            for each in DELETED_OVER_SCIM
        ]
    return [(each, _delete(client.app, shape, people[each][1])) for each in DELETED_BY_THE_PORTAL]


def _add(client: ScimClient, group: str, member: str) -> int:
    change = {"op": "add", "path": "members", "value": [{"value": member}]}
    return client.patch(f"/Groups/{group}", [change]).status_code


def _delete(app: Flask, shape: str, key: int) -> int:
    """Delete somebody as the portal does; return 204, or 503 where the database wouldn't."""
    host = host_of(shape)
    with app.app_context():
        session = host.db.session
        try:
            session.delete(session.get(host.User, key))
            session.commit()
        except DBAPIError:
            session.rollback()
            return 503
        finally:
            session.remove()
    return 204


def _run(url: str, shape: str, base: str, token: str, place: int, go: Any, told: Any) -> None:
    client = ScimClient(app_of(url, shape), base, token)
    told.put((place, [], 0.0))
    while (needed := go.get()) is not None:
        people, groups, moment = needed
        time.sleep(max(0.0, moment - time.time()))
        begun = time.perf_counter()
        try:
            answers = act(client, shape, place, people, groups)
        except Exception as error:
            sys.stderr.write(f"{error!r}\n")
            answers = [(-1, 500)]
        told.put((place, answers, time.perf_counter() - begun))


def play(url: str, shape: str, rounds: int) -> Outcome:
    """Play on one database, each round with people of its own."""
    portal = portal_of(url, shape)
    base, token = portal.client.base, str(portal.client.token)
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    goes = [spawn.Queue() for _ in range(PROCESSES)]
    processes = [
        spawn.Process(target=_run, args=(url, shape, base, token, place, go, told))
        for place, go in enumerate(goes)
    ]
    outcome = Outcome()
    try:
        for process in processes:
            process.start()
        for _ in processes:
            told.get(timeout=60)
        for number in range(rounds):
            people, groups = _prepared(portal, number)
            moment = time.time() + 0.05
            for go in goes:
                go.put((people, groups, moment))
            found = sorted(told.get(timeout=120) for _ in processes)
            for place, answers, seconds in found:
                kind = ("adds", "adds", "deletes", "the portal deletes")[place]
                outcome.statuses.update(
                    "500" if status == 500 else f"{kind} {status}" for _, status in answers
                )
                outcome.slowest = max(outcome.slowest, seconds)
            outcome.lost.extend(_lost(portal, number, people, groups, [each[1] for each in found]))
    finally:
        for go in goes:
            go.put(None)
        for process in processes:
            process.join(20)
            if process.is_alive():
                process.terminate()
        portal.close()
    return outcome


def _prepared(portal: Portal, number: int) -> tuple[list[Any], list[str]]:
    people = []
    for each in range(PEOPLE):
        name = f"user{number}-{each}"
        answer = portal.client.post("/Users", {"userName": name})
        people.append((answer.json["id"], portal.user(name).id))
    names = [f"team{number}-{each}" for each in range(2)]
    groups = [portal.client.post("/Groups", {"displayName": name}).json["id"] for name in names]
    portal.session.close()
    return people, groups


def _lost(
    portal: Portal, number: int, people: list[Any], groups: list[str], answers: list[Answers]
) -> Iterator[str]:
    """Compare what was answered with what there is."""
    members = {}
    for place, group in enumerate(groups):
        found = portal.client.get(f"/Groups/{group}").json.get("members", [])
        members[place] = {member["value"] for member in found}
    deleted = {each for answers_of in answers[2:] for each, status in answers_of if status == 204}
    added = [{each for each, status in answers[place] if status == 204} for place in (0, 1)]
    for place in (0, 1):
        for each in added[place] - deleted:
            elsewhere = people[each][0] in members[1 - place] and each in added[1 - place]
            one_team = "team_id" in portal.models.User.__table__.c
            if people[each][0] not in members[place] and not (one_team and elsewhere):
                yield f"a member was acknowledged and isn't there (round {number})"
    gone = {people[each][0] for each in deleted}
    for place in (0, 1):
        if members[place] & gone:
            yield f"who was deleted is a member (round {number})"
    for each in DELETED_OVER_SCIM:
        if each not in deleted:
            continue
        name = f"user{number}-{each}"
        again = portal.client.post("/Users", {"userName": name}).json["id"]
        shown = portal.client.get(f"/Users/{again}", attributes="groups").json
        if shown.get("groups"):
            yield f"who was deleted and hired again is in a group (round {number})"
    portal.session.close()


def main() -> int:
    """Play, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--database", action="append", default=[])
    parser.add_argument("--shape", action="append", choices=SHAPES)
    given = parser.parse_args()
    bad = False
    with databases(given.database) as urls:
        for url in urls:
            for shape in given.shape or SHAPES:
                outcome = play(url, shape, given.rounds)
                bad = bad or bool(outcome.failed or outcome.lost)
                statuses = ", ".join(f"{each}: {n}" for each, n in sorted(outcome.statuses.items()))
                lost = Counter(each.partition(" (")[0] for each in outcome.lost)
                sys.stdout.write(
                    f"{url.partition(':')[0]}: {shape}: {given.rounds} rounds, {statuses}; "
                    f"slowest {outcome.slowest:.1f} s; lost: {dict(lost) or 'nothing'}\n"
                )
                sys.stdout.flush()
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
