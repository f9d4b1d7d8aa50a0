"""What becomes of an account and of memberships, by the policy of the integration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import FAULTS, ON, Directory

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=[True, False], ids=["column", "no column"])
def has_column(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


WAYS: dict[str, Callable[[Directory, str], Any]] = {
    "deactivated": Directory.off,
    "deleted": Directory.delete,
}


def is_gone(directory: Directory, name: str) -> bool:
    return bool(directory.client.get(directory.paths[name]).status_code == 404)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["portal", "deactivate", "unlink", "delete"])
def test_what_becomes_of_the_account(directory: Directory, policy: str, way: str) -> None:
    directory.permit("CREATE", "READ", "UPDATE", "DELETE")
    directory.policies(leavers=policy)
    directory.create("ada", "bob")
    answer = WAYS[way](directory, "ada")
    assert answer.status_code in (200, 204), answer.json
    if way == "deactivated" and answer.status_code == 200:
        assert answer.json["active"] is False
    kept = policy in ("portal", "deactivate") and way == "deactivated"
    assert is_gone(directory, "ada") is not kept
    row = directory.row("ada")
    assert (row is None) is (policy == "delete")
    if row is not None:
        assert row.keys == 0
        assert getattr(row, "is_active", False) is False
    (record,) = directory.records()
    assert (record["kind"], record["resource_name"]) == (way, "ada")
    assert record["blocked"] == record["sessions_ended"] is not None
    assert record["hooks"] == [
        {"hook": "PortalUser.Meta.on_deactivate", "done": ["2 API keys ended"]}
    ]
    assert (record["deleted"] is not None) is (policy == "delete")
    assert record["request_id"] == answer.headers["X-Request-ID"]
    # The same account comes back, with its own key.
    if not kept:
        directory.create("ada")
    else:
        assert directory.on("ada").status_code in (200, 204)
    if row is not None:
        assert directory.row("ada").id == row.id
        (record,) = directory.records()
        assert record["returned"] is not None
    assert directory.row("bob").keys == 2


@pytest.mark.parametrize("way", WAYS)
def test_who_may_not_be_deleted_is_locked_out_all_the_same(directory: Directory, way: str) -> None:
    """The permission is for deleting; a leaver is out whatever the role allows."""
    directory.policies(leavers="delete")
    directory.create("ada", "bob")
    assert WAYS[way](directory, "ada").status_code in (200, 204)
    assert directory.row("ada").keys == 0
    (entry, *_) = directory.command("activity", "Entra ID", "--limit", "1")
    assert any("USERS: delete" in note for note in entry["notes"])
    directory.policies(leavers="delete", leavers_days=30)
    assert WAYS[way](directory, "bob").status_code in (200, 204)
    assert directory.row("bob").keys == 0
    assert [each["due"] for each in directory.records()] == [None, None]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["portal", "keep", "leave"])
def test_what_becomes_of_memberships(directory: Directory, policy: str, way: str) -> None:
    directory.policies(leavers_groups=policy)
    directory.create("ada", "bob")
    groups = [directory.group(name, ["ada", "bob"]) for name in ("one", "two")]
    before = directory.client.get(groups[0]).json["meta"]["version"]
    assert WAYS[way](directory, "ada").status_code in (200, 204)
    stays = policy == "keep" or (policy == "portal" and way == "deactivated")
    (record,) = directory.records()
    assert record["groups_left"] == (None if stays else 2)
    shown = {"ada", "bob"} if stays and way == "deactivated" else {"bob"}
    assert directory.members(groups[0]) == shown
    after = directory.client.get(groups[0]).json["meta"]["version"]
    assert (before == after) is (shown == {"ada", "bob"})
    if way == "deleted":
        directory.create("ada")
    else:
        directory.on("ada")
    assert directory.members(groups[0]) == ({"ada", "bob"} if stays else {"bob"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["unlink", "delete"])
def test_a_grace_period(directory: Directory, policy: str, way: str) -> None:
    directory.permit("CREATE", "READ", "UPDATE", "DELETE")
    directory.policies(leavers=policy, leavers_days=30)
    directory.create("ada", "bob", "eve")
    for name in ("ada", "bob"):
        assert WAYS[way](directory, name).status_code in (200, 204)
        assert is_gone(directory, name) is (way == "deleted")
        row = directory.row(name)
        assert (row.keys, getattr(row, "is_active", False)) == (0, False)
    if way == "deleted" and policy == "unlink":
        assert all(record["due"] is None for record in directory.records())
        return
    soon, later = directory.records()
    assert datetime.fromisoformat(soon["due"]) > datetime.now(UTC) + timedelta(days=29)
    assert directory.command("due") == {"done": 0, "left": 0, "failed": {}}
    # Bob comes back in time.
    if way == "deleted":
        directory.create("bob")
    else:
        directory.on("bob")
    directory.let_time_pass(due=LONG_AGO)
    assert directory.command("due") == {"done": 1, "left": 0, "failed": {}}
    assert directory.command("due") == {"done": 0, "left": 0, "failed": {}}
    assert (directory.row("ada") is None) is (policy == "delete")
    assert is_gone(directory, "ada")
    assert not is_gone(directory, "bob")
    of_ada = next(each for each in directory.records() if each["resource_name"] == "ada")
    assert of_ada["due"] is None
    assert of_ada["deleted" if policy == "delete" else "unlinked"] is not None
    assert later["id"] != soon["id"]


def test_what_is_due_is_not_done_for_those_whom_the_portal_wants(
    directory: Directory, has_column: bool
) -> None:
    directory.permit("CREATE", "READ", "UPDATE", "DELETE")
    directory.policies(leavers="delete", leavers_days=1)
    directory.create("ada", "bob", "eve")
    for name in ("ada", "bob", "eve"):
        directory.off(name)
    session, model = directory.portal.session, directory.portal.models.User
    people = {person.login: person for person in session.query(model)}
    if has_column:
        people["ada"].is_active = True  # an administrator of the portal lets her in again
    else:
        directory.client.patch(directory.paths["ada"], [ON])
    people["bob"].is_protected = True
    session.commit()
    directory.let_time_pass(due=LONG_AGO)
    done = directory.command("due", code=1)
    assert (done["done"], done["left"]) == (1, int(has_column))
    assert done["failed"] == {"bob": "Break glass."}
    assert directory.row("eve") is None
    assert directory.row("ada") is not None
    assert directory.row("bob") is not None
    # What fails is tried again, and keeps nobody else.
    people = {person.login: person for person in session.query(model)}
    people["bob"].is_protected = False
    session.commit()
    assert directory.command("due")["done"] == 1
    assert directory.row("bob") is None


def test_nothing_is_due_while_the_integration_is_off(directory: Directory) -> None:
    directory.permit("CREATE", "READ", "UPDATE", "DELETE")
    directory.policies(leavers="delete", leavers_days=1)
    directory.create("ada")
    directory.delete("ada")
    directory.let_time_pass(due=LONG_AGO)
    directory.command("pause", str(directory.integration.id))
    assert directory.command("due")["done"] == 0
    assert directory.row("ada") is not None
    directory.command("enable", str(directory.integration.id))
    directory.permit("CREATE", "READ", "UPDATE")
    assert "USERS: delete" in directory.command("due", code=1)["failed"]["ada"]
    directory.permit("CREATE", "READ", "UPDATE", "DELETE")
    assert directory.command("due")["done"] == 1
    assert directory.row("ada") is None


def test_a_retry_adds_no_record(directory: Directory) -> None:
    directory.create("ada")
    FAULTS.add("ada")
    for way in (Directory.off, Directory.delete, Directory.off):
        assert way(directory, "ada").status_code == 503
    (record,) = directory.records()
    assert (record["count"], record["blocked"], record["hooks"]) == (3, None, None)
    assert record["trouble"] == "PortalUser.Meta.on_deactivate failed with RuntimeError"
    received = record["received"]
    FAULTS.clear()
    assert directory.delete("ada").status_code == 204
    (record,) = directory.records()
    assert (record["kind"], record["trouble"], record["count"]) == ("deleted", None, 3)
    assert record["received"] == received
    assert record["blocked"] > received
    directory.create("ada")
    directory.off("ada")
    directory.off("ada")
    assert len(directory.records()) == 2


def test_who_is_taken_over_inactive_has_left(directory: Directory) -> None:
    model, session = directory.portal.models.User, directory.portal.session
    session.add_all([model(login="ada"), model(login="bob")])
    session.commit()
    directory.create("ada", active=False)
    directory.create("bob")
    directory.create("eve", active=False)
    (record,) = directory.records()
    assert (record["resource_name"], record["kind"]) == ("ada", "deactivated")
    assert record["resource_id"] == directory.paths["ada"].rpartition("/")[2]


@pytest.mark.parametrize("how", ["keep", "detach", "deactivate"])
def test_removing_an_integration_asks_what_becomes_of_its_people(
    directory: Directory, how: str, has_column: bool
) -> None:
    directory.create("ada", "bob", "eve", "old")
    directory.off("old")
    directory.on("old")  # with sessions that were ended once
    other, _ = directory.portal.connect("Other")
    ada = directory.paths["ada"]
    other.patch(ada, [{"op": "add", "path": "externalId", "value": "other-ada"}])
    session, model = directory.portal.session, directory.portal.models.User
    people = {person.login: person for person in session.query(model)}
    people["eve"].is_protected = True
    session.commit()
    integration = str(directory.integration.id)
    if how == "deactivate":
        directory.command("remove", integration, "--yes", "--people", how, code=1)
        assert directory.integration.removed is None  # not before everybody is done
        assert directory.row("bob").keys == 0
        session.query(model).filter_by(login="eve").one().is_protected = False
        session.commit()
    directory.command("remove", integration, "--yes", "--people", how)

    def active(name: str) -> Any:
        return other.get(directory.paths[name]).json.get("active", True)

    if how == "keep":
        assert all(active(name) for name in directory.paths)
    elif how == "deactivate":
        assert [name for name in directory.paths if active(name)] == ["ada"]
        assert directory.row("eve").keys == 0
    else:
        for name, status in (("bob", 201), ("eve", 409)):  # who is protected waits in the inbox
            assert other.get(directory.paths[name]).status_code == 404
            assert other.post("/Users", {"userName": name}).status_code == status
        assert active("ada")
        assert active("old")
        assert other.post("/Users", {"userName": "old"}).status_code == 409
        assert all(getattr(directory.row(name), "is_active", True) for name in directory.paths)


def test_an_empty_state_lets_nobody_go(directory: Directory) -> None:
    """It is neither true nor false, so that nothing may become of the account."""
    directory.policies(leavers="delete", brake_most=1)
    directory.create("ada", "bob")
    for name in ("ada", "bob"):
        for operation in (
            {"op": "remove", "path": "active"},
            {"op": "replace", "path": "active", "value": None},
            {"op": "replace", "value": {"active": None}},
        ):
            answer = directory.client.patch(directory.paths[name], [operation])
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert directory.records() == []
    assert all(directory.client.get(path).json["active"] for path in directory.paths.values())


def test_who_cannot_be_deleted_keeps_nobody_else(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the host's own listener raises concerns one person; the others' day has come too."""
    from flask_scim_provisioning.services import people as service

    directory.create("ada", "bob", "eve")
    write = service.writing.save_changes

    def fail(mapping: Any, session: Any, view: Any, found: Any, values: Any) -> None:
        if found.flat["userName"] == "ada":
            raise RuntimeError("the host's listener")
        write(mapping, session, view, found, values)

    monkeypatch.setattr(service.writing, "save_changes", fail)
    directory.command(
        "remove", str(directory.integration.id), "--yes", "--people", "deactivate", code=1
    )
    assert [directory.row(name).keys for name in ("ada", "bob", "eve")] == [2, 0, 0]
