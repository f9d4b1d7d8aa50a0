"""Users may have a tenant column where groups have none, and the other way round."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from .clubs import clubs
from .hosts import open_portal


@pytest.mark.parametrize("tenants", ["", "users", "groups", "users groups"])
def test_members_and_groups_are_seen_whichever_has_a_tenant(database: str, tenants: str) -> None:
    """Each resource type is narrowed by its own tenant, also where it is reached by the other."""
    with ExitStack() as stack:
        portal = open_portal(database, clubs(tenants))
        stack.callback(portal.close)
        client = portal.client
        ada = client.post("/Users", {"userName": "ada"}).json["id"]
        body = {"displayName": "Red", "members": [{"value": ada}]}
        red = client.post("/Groups", body).json
        path = f"/Groups/{red['id']}"
        assert [member["value"] for member in red["members"]] == [ada]
        assert client.get(path).json["members"] == red["members"]
        found = client.get("/Groups", filter=f'members eq "{ada}"').json
        assert found["totalResults"] == 1
        person = client.get(f"/Users/{ada}", attributes="groups").json
        assert [group["value"] for group in person["groups"]] == [red["id"]]
        found = client.get("/Users", filter=f'groups eq "{red["id"]}"').json
        assert found["totalResults"] == 1
        remove = [{"op": "remove", "path": f'members[value eq "{ada}"]'}]
        assert client.patch(path, remove).status_code == 204
        assert not client.get(path).json.get("members")

        stranger, _ = portal.connect("Elsewhere", tenant="elsewhere")
        add = [{"op": "add", "path": "members", "value": [{"value": ada}]}]
        assert client.patch(path, add).status_code == 204
        assert stranger.get(f"/Users/{ada}").status_code == (404 if "users" in tenants else 200)
        group = stranger.get(path)
        assert group.status_code == (404 if "groups" in tenants else 200)
        if group.status_code == 200:
            assert bool(group.json.get("members")) is ("users" not in tenants)
