"""The service, judged over a socket by a tester and a client that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from .browser import served
from .portal import Portal


@pytest.fixture
def scim(portal: Portal) -> Iterator[SyncSCIMClient]:
    """A client of the portal's integration, over a real socket."""
    with served(portal.app) as root:
        headers = {"Authorization": f"Bearer {portal.client.token}"}
        with Client(base_url=root + portal.client.base, headers=headers) as client:
            yield SyncSCIMClient(client)


def test_the_tester_finds_no_error(scim: SyncSCIMClient) -> None:
    """``scim2 test`` reports neither an ERROR nor a CRITICAL."""
    results = check_server(scim)
    wrong = [
        f"{result.title}: {result.reason}"
        for result in results
        if result.status in (Status.ERROR, Status.CRITICAL)
    ]
    assert wrong == []
    assert sum(result.status is Status.SUCCESS for result in results) > 100


def test_a_client_finds_its_way_by_discovery(scim: SyncSCIMClient, portal: Portal) -> None:
    """RFC 7644 section 4: the three discovery endpoints are enough to work with the service."""
    scim.discover()
    user_model = scim.get_resource_model("User")
    group_model = scim.get_resource_model("Group")
    ada = scim.create(user_model(user_name="ada@example.com", title="Countess"))
    assert portal.user("ada@example.com").is_active

    found = scim.query(user_model, query_parameters={"filter": 'userName eq "ADA@example.com"'})
    assert [user.id for user in found.resources] == [ada.id]

    ada.title = "Programmer"
    assert scim.replace(ada).title == "Programmer"

    team = scim.create(group_model(display_name="Engines", members=[{"value": ada.id}]))
    assert [member.value for member in scim.query(group_model, team.id).members] == [ada.id]

    scim.delete(group_model, team.id)
    scim.delete(user_model, ada.id)
    assert portal.team("Engines") is None
    assert not portal.user("ada@example.com").is_active
