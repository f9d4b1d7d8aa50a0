"""Processes that each take one of the last two administrators away, by whatever way.

``python -m tests.abuse.administrator_races --rounds 100 --database URL`` exits with 1 when nobody
is left, or a request is answered with 500.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.client import ScimClient
from tests.guarded import guarded_host
from tests.mapping.hosts import open_portal
from tests.portal import Portal, write_ahead

__all__ = ["play"]

Json = dict[str, Any]


def _deactivate(client: ScimClient, user: str, _team: str) -> int:
    operation = {"op": "replace", "path": "active", "value": False}
    return int(client.patch(f"/Users/{user}", [operation]).status_code)


def _delete(client: ScimClient, user: str, _team: str) -> int:
    return int(client.delete(f"/Users/{user}").status_code)


def _demote(client: ScimClient, user: str, _team: str) -> int:
    return int(client.patch(f"/Users/{user}", [{"op": "remove", "path": "title"}]).status_code)


def _remove(client: ScimClient, user: str, team: str) -> int:
    operation = {"op": "remove", "path": f'members[value eq "{user}"]'}
    return int(client.patch(f"/Groups/{team}", [operation]).status_code)


WAYS: dict[str, tuple[bool, Callable[[ScimClient, str, str], int]]] = {
    "deactivate": (False, _deactivate),
    "delete": (False, _delete),
    "demote": (False, _demote),
    "out of the team": (True, _remove),
}
"""How an administrator goes, and whether it is a team that makes one of them."""


def _act(url: str, base: str, token: str, meet: Any, orders: Any, answers: Any) -> None:
    """Run in a process of its own, on an application of its own."""
    host = guarded_host()
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=url)
    host.db.init_app(app)
    host.provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        if host.db.engine.dialect.name == "sqlite":
            write_ahead(host.db.engine)
    client = ScimClient(app, base, token)
    while (order := orders.get()) is not None:
        way, user, team = order
        meet.wait()
        try:
            answers.put(WAYS[way][1](client, user, team))
        except Exception as error:  # it is told as what it is
            answers.put(repr(error))


def _prepare(portal: Portal, turn: int, way: str, place: int) -> str:
    """Make an administrator who can go this way; return the SCIM id."""
    by_team, _ = WAYS[way]
    name = f"{turn}-{place}"
    user = portal.add(portal.models.User(username=name, level=None if by_team else "admin"))
    if by_team:
        keeper = portal.models.Team.__table__
        with portal.engine.begin() as connection:
            team = connection.scalar(sa.select(keeper.c.id).where(keeper.c.name == "Admins"))
            row = {"team_id": team, "user_id": user.id}
            connection.execute(portal.models.team_member.insert().values(row))
    found = portal.client.get("/Users", filter=f'userName eq "{name}"').json["Resources"]
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    with portal.engine.begin() as connection:
        connection.execute(sa.update(links).values(local=None))  # a directory has them already
    return str(found[0]["id"])


def _left(portal: Portal) -> int:
    mapping = portal.app.extensions["scim_provisioning"].mappings["Users"]
    model = mapping.model
    counted = sa.select(sa.func.count()).select_from(model)
    return int(portal.session.scalar(counted.where(mapping.administrators, model.is_active)) or 0)


def play(url: str, rounds: int) -> tuple[Counter[str], list[str]]:
    """Play rounds of each pair of ways; return the answers, and what was lost."""
    portal = open_portal(url, guarded_host())
    portal.add(portal.models.Team(name="Admins"))
    found = portal.client.get("/Groups", filter='displayName eq "Admins"').json["Resources"]
    team = str(found[0]["id"])
    spawn = multiprocessing.get_context("spawn")
    meet, answers = spawn.Barrier(2), spawn.Queue()
    orders = [spawn.Queue(), spawn.Queue()]
    base, token = portal.client.base, str(portal.client.token)
    processes = [
        spawn.Process(target=_act, args=(url, base, token, meet, each, answers)) for each in orders
    ]
    for process in processes:
        process.start()
    statuses: Counter[str] = Counter()
    lost: list[str] = []
    pairs = itertools.cycle(itertools.combinations_with_replacement(WAYS, 2))
    for turn, pair in zip(range(rounds), pairs, strict=False):
        ids = [_prepare(portal, turn, way, place) for place, way in enumerate(pair)]
        for order, way, user in zip(orders, pair, ids, strict=True):
            order.put((way, user, team))
        told = sorted(str(answers.get(timeout=120)) for _ in processes)
        statuses.update(told)
        if _left(portal) != 1:
            lost.append(f"{pair}: {told}, and {_left(portal)} are left")
        with portal.engine.begin() as connection:
            connection.execute(portal.models.team_member.delete())
            users = portal.models.User.__table__
            connection.execute(sa.update(users).values(level=None, is_active=False))
    for order in orders:
        order.put(None)
    for process in processes:
        process.join()
    portal.close()
    return statuses, lost


def main() -> int:
    """Play, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--database", required=True)
    given = parser.parse_args()
    statuses, lost = play(given.database, given.rounds)
    sys.stdout.write(f"{given.rounds} rounds: {dict(statuses)}; lost: {lost or 'nothing'}\n")
    return int(bool(lost) or any(not each.isdecimal() or each == "500" for each in statuses))


if __name__ == "__main__":
    sys.exit(main())
