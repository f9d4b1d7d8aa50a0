"""The brake holds what is too many, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_scim_provisioning.services.policies import Policies

from .conftest import FAULTS, OFF, Directory

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
WAYS: dict[str, Callable[[Directory, str], Any]] = {
    "deactivated": Directory.off,
    "deleted": Directory.delete,
}


def people(count: int) -> list[str]:
    return [f"p{number:02}" for number in range(count)]


@pytest.fixture
def braked(directory: Directory) -> Directory:
    """A directory of ten people, of whom two may go within an hour."""
    directory.policies(brake_percent=20, brake_least=1, brake_groups=True)
    directory.create(*people(10))
    return directory


def gone(directory: Directory) -> list[str]:
    return [name for name in directory.paths if not getattr(directory.row(name), "is_active", 0)]


def held(directory: Directory) -> list[tuple[str, Any]]:
    found = directory.command("held", "Entra ID", code=_code(directory))
    return [(each["resource_name"], each["decision"]) for each in found]


def _code(directory: Directory) -> int:
    result = directory.portal.app.test_cli_runner().invoke(args=["scim", "held", "Entra ID"])
    return int(result.exit_code)


@pytest.mark.parametrize("way", WAYS)
def test_more_than_a_part_is_held_and_released(braked: Directory, way: str) -> None:
    act = WAYS[way]
    answers = [act(braked, name) for name in people(5)]
    assert [each.status_code for each in answers[2:]] == [503, 503, 503]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert "an administrator of the portal has to release it" in answers[2].json["detail"]
    assert gone(braked) == people(2)
    assert held(braked) == [(name, None) for name in people(5)[2:]]
    (health,) = braked.command("health", code=1)
    assert health["state"] == "attention"
    assert health["problems"][0]["code"] == "held-changes"
    assert "holds 3 people" in health["reason"]
    # Held is held, whatever comes; all others wait too, and nothing else does.
    assert act(braked, "p02").status_code == 503
    assert act(braked, "p09").status_code == 503
    assert braked.client.patch(braked.paths["p08"], [{**OFF, "value": True}]).status_code < 300
    braked.command("release", "Entra ID", "--all")
    assert [act(braked, name).status_code < 300 for name in [*people(5)[2:], "p09"]] == [True] * 4
    assert gone(braked) == [*people(5), "p09"]
    assert held(braked) == []
    assert braked.command("health")[0]["state"] != "attention"
    first = next(each for each in braked.records() if each["resource_name"] == "p02")
    assert (first["count"], first["decision"], first["held"]) == (2, "released", None)
    assert first["decided_by"] == "flask scim"


def test_what_is_rejected_is_answered_with_a_sentence(braked: Directory) -> None:
    for name in people(4):
        braked.off(name)
    ids = {each["resource_name"]: each["id"] for each in braked.command("held", "Entra ID", code=1)}
    braked.command("reject", "Entra ID", str(ids["p02"]))
    answer = braked.off("p02")
    assert answer.status_code == 403
    assert "An administrator of this portal has rejected this" in answer.json["detail"]
    assert braked.off("p03").status_code == 503
    braked.command("release", "Entra ID", str(ids["p03"]))
    assert braked.off("p03").status_code < 300
    assert braked.off("p02").status_code == 403
    assert gone(braked) == ["p00", "p01", "p03"]
    # Nobody waits any more, so that others go again, and a decision can be changed.
    assert braked.off("p04").status_code < 300
    braked.command("release", "Entra ID", str(ids["p02"]))
    assert braked.off("p02").status_code < 300
    told = [each["action"] for each in braked.command("activity", "Entra ID", "--limit", "100")]
    assert told.count("held.released") == 2
    assert told.count("held.rejected") == 1


def test_in_bulk_it_is_the_same(braked: Directory) -> None:
    operations = [
        {"method": "PATCH", "path": braked.paths[name], "data": {"Operations": [OFF]}}
        for name in people(6)
    ]
    body = {"schemas": [BULK], "Operations": operations}
    answer = braked.client.post("/Bulk", body)
    found = [each["status"] for each in answer.json["Operations"]]
    assert found == ["200", "200", "503", "503", "503", "503"]
    assert gone(braked) == people(2)
    assert [name for name, _ in held(braked)] == people(6)[2:]
    braked.command("release", "Entra ID", "--all")
    again = braked.client.post("/Bulk", body).json["Operations"]
    assert {each["status"] for each in again} == {"200"}
    assert gone(braked) == people(6)


def test_repetitions_and_refusals_are_not_counted(braked: Directory) -> None:
    for _ in range(3):
        assert braked.off("p00").status_code < 300
    assert braked.client.patch(braked.paths["p01"], [OFF, {"op": "bad"}]).status_code == 400
    broken = [OFF, {"op": "replace", "path": "userName", "value": "p02"}]
    assert braked.client.patch(braked.paths["p01"], broken).status_code == 409
    FAULTS.add("p01")
    assert braked.off("p01").status_code == 503
    FAULTS.clear()
    assert held(braked) == []
    assert braked.off("p01").status_code < 300


def test_nothing_is_held_below_the_least(directory: Directory) -> None:
    directory.create(*people(10))
    assert all(directory.off(name).status_code < 300 for name in people(10))
    assert Policies() == Policies(brake_percent=50, brake_least=100, brake_most=None)


def test_a_fixed_number_and_no_brake(directory: Directory) -> None:
    directory.create(*people(10))
    directory.policies(brake_percent="", brake_most=3)
    assert [directory.off(name).status_code for name in people(4)][-1] == 503
    directory.policies(brake_percent="")
    assert directory.off("p03").status_code < 300
    assert all(directory.off(name).status_code < 300 for name in people(10))


def test_removals_from_a_group_are_held(braked: Directory) -> None:
    path = braked.group("all", people(10))
    other = braked.group("other", people(3))

    def remove(group: str, *names: str) -> Any:
        ids = [{"value": braked.paths[name].rpartition("/")[2]} for name in names]
        return braked.client.patch(group, [{"op": "remove", "path": "members", "value": ids}])

    def only(group: str, *names: str) -> Any:
        ids = [{"value": braked.paths[name].rpartition("/")[2]} for name in names]
        return braked.client.patch(group, [{"op": "replace", "path": "members", "value": ids}])

    assert remove(path, "p00", "p01").status_code < 300
    assert remove(path, "p02").status_code == 503
    assert only(path, "p09").status_code == 503
    assert braked.members(path) == set(people(10)[2:])
    assert held(braked) == [("all", None)]
    assert "holds 1 removal from a group" in braked.command("health", code=1)[0]["reason"]
    # People and other groups don't wait for it.
    assert braked.off("p05").status_code < 300
    assert remove(other, "p00").status_code < 300
    braked.command("reject", "Entra ID", "--all")
    assert only(path, "p09").status_code == 403
    (record,) = braked.command("held", "Entra ID")
    braked.command("release", "Entra ID", str(record["id"]))
    assert only(path, "p08", "p09").status_code < 300
    assert remove(path, "p08").status_code < 300
    assert braked.members(path) == {"p09"}
    assert held(braked) == []
    assert [each["resource_name"] for each in braked.records()] == ["p05"]


def test_requests_that_meet_are_counted_one_after_the_other(braked: Directory) -> None:
    names, answers = people(10), []
    start = threading.Barrier(5)

    def act(mine: list[str]) -> None:
        start.wait()
        for name in mine:
            answers.append(braked.off(name).status_code)

    threads = [threading.Thread(target=act, args=(names[n::5],)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(status < 300 for status in answers) == 2
    assert len(gone(braked)) == 2
    assert answers.count(503) == 8


def test_integrations_are_braked_apart(braked: Directory) -> None:
    for name in people(3):
        braked.off(name)
    other, _ = braked.portal.connect("Other")
    assert other.patch(braked.paths["p05"], [OFF]).status_code < 300


def test_who_is_moved_away_has_left(braked: Directory) -> None:
    """A group that is taken over with other members loses those whom it had."""
    path = braked.group("all", people(10))
    ids = {each["value"] for each in braked.client.get(path).json["members"]}
    body = {"displayName": "all", "members": [{"value": sorted(ids)[0]}]}
    with braked.portal.engine.begin() as connection:
        links = braked.portal.app.extensions["scim_provisioning"].mappings["Groups"].links
        connection.execute(links.delete())
    assert braked.client.post("/Groups", body).status_code == 503
    found = braked.client.get("/Groups", filter='displayName eq "all"').json["Resources"]
    assert braked.members(f"/Groups/{found[0]['id']}") == set(people(10))


def test_in_bulk_all_that_follows_waits(braked: Directory) -> None:
    """Who is created meanwhile makes no room for others to go."""
    off = [
        {"method": "PATCH", "path": braked.paths[name], "data": {"Operations": [OFF]}}
        for name in people(4)
    ]
    new = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": str(number),
            "data": {"userName": f"new{number}", "externalId": f"new{number}"},
        }
        for number in range(30)
    ]
    body = {"schemas": [BULK], "Operations": [*off[:3], *new, off[3]]}
    answer = braked.client.post("/Bulk", body).json["Operations"]
    found = {each.get("location", "").rpartition("/")[2]: each["status"] for each in answer}
    wanted = [found[path.rpartition("/")[2]] for path in map(braked.paths.get, people(4))]
    assert wanted == ["200", "200", "503", "503"]
    assert gone(braked) == people(2)


def test_a_bulk_request_that_fails_first_leaves_one_record(directory: Directory) -> None:
    directory.create("ada")
    off = {"method": "PATCH", "path": directory.paths["ada"], "data": {"Operations": [OFF]}}
    FAULTS.add("ada")
    try:
        failed = directory.client.post("/Bulk", {"schemas": [BULK], "Operations": [off]})
    finally:
        FAULTS.clear()
    assert failed.json["Operations"][0]["status"] == "503"
    done = directory.client.post("/Bulk", {"schemas": [BULK], "Operations": [off]})
    assert done.json["Operations"][0]["status"] == "200"
    (record,) = directory.records()
    assert (record["count"], record["blocked"] is not None) == (1, True)
