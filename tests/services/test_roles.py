"""What a role's permissions are asked for: people, groups, and who belongs to what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flask_scim_provisioning.services import roles
from flask_scim_provisioning.services.activity import Action, recent
from flask_scim_provisioning.services.errors import IntegrationInvalid
from flask_scim_provisioning.services.security import SECURITY_LOGGER
from tests.guarded import guarded_host
from tests.mapping.hosts import open_portal
from tests.portal import Portal

Json = dict[str, Any]


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    with ExitStack() as stack:
        portal = open_portal(database, guarded_host())
        stack.callback(portal.close)
        role = next(
            each.class_
            for each in portal.db.Model.registry.mappers
            if each.class_.__name__ == "Role"
        )
        portal.add(role(name="Reader"))
        yield portal


def deny(portal: Portal, *permissions: str) -> None:
    models = portal.app.extensions["scim_provisioning"].models
    roles.change_role(portal.session, models, "main", deny=permissions)


def create(portal: Portal, path: str, **values: Any) -> str:
    answer = portal.client.post(path, values)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def group_of(portal: Portal) -> tuple[str, str, str]:
    """Return the path of a group, the id of its one member, and that of somebody else."""
    one, two = create(portal, "/Users", userName="one"), create(portal, "/Users", userName="two")
    group = create(portal, "/Groups", displayName="Readers", members=[{"value": one}])
    return f"/Groups/{group}", one, two


def add(member: str) -> Json:
    return {"op": "add", "path": "members", "value": [{"value": member}]}


def remove(member: str) -> Json:
    return {"op": "remove", "path": f'members[value eq "{member}"]'}


def replace_all(member: str) -> Json:
    return {"op": "replace", "path": "members", "value": [{"value": member}]}


CHANGES: dict[str, tuple[str, Callable[[str, str], Json]]] = {
    "adding": ("BINDINGS:CREATE", lambda _one, two: add(two)),
    "removing": ("BINDINGS:DELETE", lambda one, _two: remove(one)),
    "removing all": ("BINDINGS:DELETE", lambda _one, _two: {"op": "remove", "path": "members"}),
}


@pytest.mark.parametrize("way", CHANGES)
def test_memberships_need_bindings(portal: Portal, way: str) -> None:
    needed, change = CHANGES[way]
    path, one, two = group_of(portal)
    deny(portal, needed)
    answer = portal.client.patch(path, [change(one, two)])
    assert answer.status_code == 403
    assert f"BINDINGS: {needed.partition(':')[2].lower()}" in answer.json["detail"]
    assert [each["value"] for each in portal.client.get(path).json["members"]] == [one]


def test_what_changes_nothing_needs_nothing(portal: Portal) -> None:
    path, one, two = group_of(portal)
    deny(portal, "BINDINGS:CREATE", "BINDINGS:UPDATE", "BINDINGS:DELETE")
    assert portal.client.patch(path, [add(one)]).status_code == 204
    assert portal.client.patch(path, [remove(two)]).status_code == 204
    assert portal.client.put(path, {"displayName": "Others"}).status_code == 200


def test_who_may_update_may_replace(portal: Portal) -> None:
    path, one, two = group_of(portal)
    deny(portal, "BINDINGS:CREATE", "BINDINGS:DELETE")
    assert portal.client.patch(path, [replace_all(two)]).status_code == 204
    body = {"displayName": "Readers", "members": [{"value": one}]}
    assert portal.client.put(path, body).status_code == 200
    deny(portal, "BINDINGS:UPDATE")
    assert portal.client.patch(path, [replace_all(two)]).status_code == 403
    assert portal.client.put(path, body | {"members": []}).status_code == 403


def test_a_new_group_has_members_only_of_who_may(portal: Portal) -> None:
    _, one, _ = group_of(portal)
    deny(portal, "BINDINGS:CREATE", "BINDINGS:UPDATE")
    body = {"displayName": "New", "members": [{"value": one}]}
    assert portal.client.post("/Groups", body).status_code == 403
    assert portal.team("New") is None
    assert portal.client.post("/Groups", {"displayName": "New"}).status_code == 201


def test_roles_are_bindings_too(portal: Portal) -> None:
    path = f"/Users/{create(portal, '/Users', userName='ada')}"
    give = {"op": "add", "path": "roles", "value": [{"value": "Reader"}]}
    assert portal.client.patch(path, [give]).status_code == 200
    deny(portal, "BINDINGS:CREATE", "BINDINGS:UPDATE", "BINDINGS:DELETE")
    assert portal.client.patch(path, [{"op": "remove", "path": "roles"}]).status_code == 403
    assert portal.client.get(path).json["roles"][0]["value"] == "Reader"
    body = {"userName": "bob", "roles": [{"value": "Reader"}]}
    assert portal.client.post("/Users", body).status_code == 403
    assert portal.user("bob") is None


def test_to_create_is_neither_to_update_nor_to_read(portal: Portal) -> None:
    portal.add(portal.models.User(username="old", first_name="Old"))
    portal.add(portal.models.Team(name="Old"))
    deny(portal, "USERS:UPDATE", "USERS:READ", "GROUPS:UPDATE")
    taken = portal.client.post("/Users", {"userName": "old", "name": {"givenName": "New"}})
    assert (taken.status_code, "USERS: update" in taken.json["detail"]) == (403, True)
    assert portal.user("old").first_name == "Old"
    assert portal.client.post("/Groups", {"displayName": "Old"}).status_code == 403
    made = portal.client.post("/Users", {"userName": "new", "title": "Dr"})
    assert made.status_code == 201
    assert set(made.json) == {"schemas", "id", "meta"}
    assert portal.client.get(f"/Users/{made.json['id']}").status_code == 403


def test_a_role_is_narrowed_and_widened_by_a_command(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    run = portal.app.test_cli_runner().invoke
    shown = run(args=["scim", "role"])
    assert "USERS:     create, read, update\n" in shown.output
    with caplog.at_level(logging.INFO, SECURITY_LOGGER):
        changed = run(args=["scim", "role", "--grant", "USERS:DELETE", "--deny", "bindings:delete"])
    assert "USERS:     create, read, update, delete\n" in changed.output
    assert "BINDINGS:  create, read, update\n" in changed.output
    assert "action=role.changed" in caplog.text
    models = portal.app.extensions["scim_provisioning"].models
    entry = recent(portal.session, models, portal.integration.id, 1)[0]
    assert (entry.action, entry.actor) == (Action.ROLE_CHANGED, "flask scim")
    assert entry.detail is not None
    assert "was given USERS:DELETE and was denied BINDINGS:DELETE" in entry.detail
    assert run(args=["scim", "role", "--deny", "BINDINGS:DELETE"]).exit_code == 0
    assert recent(portal.session, models, portal.integration.id, 1)[0].id == entry.id
    for wrong in (["--tenant", "nobody"], ["--grant", "USERS:FLY"], ["--deny", "DELETE"]):
        assert run(args=["scim", "role", *wrong]).exit_code == 1
    with pytest.raises(IntegrationInvalid):
        roles.change_role(portal.session, models, "main", grant=["CARS:READ"])
