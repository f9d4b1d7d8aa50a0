"""The service, judged over a socket by a tester and a client that nobody here wrote.

The client validates each answer with ``scim2_models``: status, media type, schemas, characteristics
of attributes, and what each message must have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import Client
from scim2_client import SCIMResponseException
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import (
    BulkOperation,
    BulkRequest,
    BulkResponse,
    Error,
    ListResponse,
    PatchOp,
    PatchOperation,
    SCIMException,
    SearchRequest,
)
from scim2_tester import Status, check_server

from .browser import served
from .databases import DATABASES
from .mapping.hosts import open_portal
from .portal import Portal
from .services.test_passwords import host as host_with_passwords

SKIPPED: Mapping[str, str] = {}
"""What the tester may skip: the title of a check, and why no server could support it."""


@contextmanager
def client_of(portal: Portal) -> Iterator[SyncSCIMClient]:
    """Give a client of the portal's integration, over a real socket."""
    with served(portal.app) as root:
        headers = {"Authorization": f"Bearer {portal.client.token}"}
        with Client(base_url=root + portal.client.base, headers=headers) as client:
            yield SyncSCIMClient(client)


@pytest.fixture
def scim(portal: Portal) -> Iterator[SyncSCIMClient]:
    """A client that knows nothing yet of the service."""
    with client_of(portal) as client:
        yield client


@pytest.fixture
def known(scim: SyncSCIMClient) -> SyncSCIMClient:
    """A client that has read the three discovery documents."""
    scim.discover()
    return scim


def assert_content(scim: SyncSCIMClient) -> None:
    """Let the tester try all it knows: each result is a success, or listed with its reason."""
    results = check_server(scim)
    unlike = {
        f"{result.resource_type} {result.title}": f"{result.status.name}: {result.reason}"
        for result in results
        if result.status not in (Status.SUCCESS, Status.SKIPPED)
    }
    assert unlike == {}
    skipped = {result.title: result.reason for result in results if result.status is Status.SKIPPED}
    assert skipped == SKIPPED
    assert len(results) > 100


def test_the_tester_is_content_and_skips_nothing(scim: SyncSCIMClient) -> None:
    """``scim2 test`` has neither an ERROR nor a SKIPPED."""
    assert_content(scim)


@pytest.mark.parametrize("database", DATABASES[:1], indirect=True)
def test_the_tester_is_content_with_passwords(database: str) -> None:
    """An attribute that can be written and is never returned costs no check its success."""
    portal = open_portal(database, host_with_passwords(placeholders=False))
    try:
        with client_of(portal) as scim:
            assert_content(scim)
    finally:
        portal.close()


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


def test_a_user_is_created_read_replaced_and_deleted(known: SyncSCIMClient, portal: Portal) -> None:
    """RFC 7644 sections 3.3 to 3.6, with the version of each answer as condition of the next."""
    user_model = known.get_resource_model("User")
    ada = known.create(
        user_model(
            user_name="ada@example.com",
            external_id="ext-1",
            name={"givenName": "Ada", "familyName": "King"},
            emails=[{"value": "ada@example.com", "type": "work", "primary": True}],
            phone_numbers=[{"value": "+44 20 1234", "type": "mobile"}],
            active=True,
        )
    )
    row = portal.user("ada@example.com")
    assert (row.first_name, row.last_name, row.email) == ("Ada", "King", "ada@example.com")
    assert ada.meta.version == 'W/"1"'
    assert known.query(ada) is ada, "304: it hasn't changed since"
    assert known.query(user_model, ada.id).model_dump() == ada.model_dump()

    ada.name.family_name, ada.phone_numbers = "Lovelace", None
    replaced = known.replace(ada)
    assert (replaced.name.family_name, replaced.phone_numbers) == ("Lovelace", None)
    assert replaced.meta.version == 'W/"2"'
    assert portal.user("ada@example.com").last_name == "Lovelace"
    ada.meta.version, ada.title = 'W/"1"', "Countess"
    with pytest.raises(SCIMException) as stale:
        known.replace(ada)
    assert stale.value.status == 412

    with pytest.raises(SCIMException) as taken:
        known.create(user_model(user_name="ADA@example.com"))
    assert (taken.value.status, taken.value.scim_type) == (409, "uniqueness")

    known.delete(replaced)
    assert portal.user("ada@example.com").is_active is False
    gone = known.query(user_model, ada.id, raise_scim_errors=False)
    assert isinstance(gone, Error)
    assert gone.status == 404


def people(scim: SyncSCIMClient, *names: str) -> dict[str, Any]:
    """Create users, and return them by name."""
    user_model = scim.get_resource_model("User")
    return {name: scim.create(user_model(user_name=name)) for name in names}


def test_a_group_is_created_read_replaced_and_deleted(
    known: SyncSCIMClient, portal: Portal
) -> None:
    """Also a replace that names no members, which leaves them alone."""
    group_model = known.get_resource_model("Group")
    user = people(known, "ada", "bob")
    team = known.create(
        group_model(display_name="Engines", members=[{"value": user["ada"].id}], external_id="g-1")
    )
    assert [member.username for member in portal.team("Engines").members] == ["ada"]
    renamed = known.replace(group_model(id=team.id, display_name="Engine room"))
    assert [member.value for member in renamed.members] == [user["ada"].id]
    members = [{"value": user["bob"].id}]
    known.replace(group_model(id=team.id, display_name="Engine room", members=members))
    assert [member.username for member in portal.team("Engine room").members] == ["bob"]
    known.delete(group_model, team.id)
    assert portal.team("Engine room") is None
    assert portal.user("bob").is_active


def test_users_are_found_by_both_kinds_of_search(known: SyncSCIMClient) -> None:
    """RFC 7644 sections 3.4.2 and 3.4.3: a GET, a POST to ``.search``, and one over all types."""
    user_model = known.get_resource_model("User")
    user = people(known, "ada", "bob", "eve", "dan")
    team = known.create(
        known.get_resource_model("Group")(
            display_name="ada's friends", members=[{"value": user["bob"].id}]
        )
    )
    request = SearchRequest(
        filter='userName ne "dan"',
        sort_by="userName",
        sort_order=SearchRequest.SortOrder.descending,
        start_index=2,
        count=1,
        attributes=["userName"],
    )
    for found in (
        known.query(user_model, query_parameters=request),
        known.search(user_model, request),
    ):
        assert isinstance(found, ListResponse)
        assert (found.total_results, found.start_index, found.items_per_page) == (3, 2, 1)
        (bob,) = found.resources
        assert (bob.id, bob.user_name, bob.meta) == (user["bob"].id, "bob", None)

    everywhere = known.search(
        SearchRequest(filter='userName eq "ada" or displayName co "FRIENDS"', count=10)
    )
    assert {each.meta.resource_type for each in everywhere.resources} == {"User", "Group"}
    assert {each.id for each in everywhere.resources} == {user["ada"].id, team.id}
    assert known.query(query_parameters={"filter": 'userName eq "ada"'}).total_results == 1
    nobody = known.query(user_model, query_parameters={"filter": 'userName eq "nobody"'})
    assert (nobody.total_results, nobody.resources) == (0, [])
    with pytest.raises(SCIMException) as refused:
        known.query(user_model, query_parameters={"filter": "userName eq"})
    assert refused.value.scim_type == "invalidFilter"


def test_a_user_is_changed_by_patch(known: SyncSCIMClient, portal: Portal) -> None:
    """RFC 7644 section 3.5.2: add, replace and remove, with paths, filters and without a path."""
    user_model = known.get_resource_model("User")
    ada = people(known, "ada")["ada"]

    def change(*operations: Mapping[str, Any]) -> Any:
        made = [PatchOperation[user_model](**each) for each in operations]
        return known.modify(user_model, ada.id, PatchOp[user_model](operations=made))

    changed = change(
        {"op": "add", "path": "name.givenName", "value": "Ada"},
        {"op": "add", "path": "emails", "value": [{"value": "ada@home.example", "type": "home"}]},
        {"op": "replace", "value": {"title": "Countess", "active": True}},
    )
    assert (changed.name.given_name, changed.title) == ("Ada", "Countess")
    assert [(email.type, email.value) for email in changed.emails] == [("home", "ada@home.example")]
    changed = change(
        {"op": "replace", "path": 'emails[type eq "home"].value', "value": "a@home.example"},
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": "active", "value": False},
    )
    assert [email.value for email in changed.emails] == ["a@home.example"]
    assert (changed.title, changed.active) == (None, False)
    assert portal.user("ada").is_active is False
    with pytest.raises(SCIMException) as missing:
        change({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@example.com"})
    assert missing.value.scim_type == "noTarget"

    untitle = PatchOp[user_model](
        operations=[PatchOperation[user_model](op="remove", path="title")]
    )
    assert known.modify(known.query(user_model, ada.id), untitle).title is None
    with pytest.raises(SCIMException) as stale:
        known.modify(ada, untitle)
    assert stale.value.status == 412


def test_members_are_changed_by_patch(known: SyncSCIMClient, portal: Portal) -> None:
    """The answer is 204, which the client takes for "done as you said"."""
    group_model = known.get_resource_model("Group")
    user = people(known, "ada", "bob", "eve")
    team = known.create(group_model(display_name="Engines", members=[{"value": user["ada"].id}]))

    def change(**operation: Any) -> list[str]:
        patch = PatchOp[group_model](operations=[PatchOperation[group_model](**operation)])
        assert known.modify(group_model, team.id, patch) is None
        return sorted(member.username for member in portal.team("Engines").members)

    both = [{"value": user["bob"].id}, {"value": user["eve"].id}]
    assert change(op="add", path="members", value=both) == ["ada", "bob", "eve"]
    path = f'members[value eq "{user["ada"].id}"]'
    assert change(op="remove", path=path) == ["bob", "eve"]
    assert change(op="replace", path="members", value=both[:1]) == ["bob"]
    assert change(op="remove", path="members") == []


def test_many_operations_go_in_one_request(known: SyncSCIMClient, portal: Portal) -> None:
    """RFC 7644 section 3.7: references, also to what comes later, and one that fails alone."""
    user_model, group_model = (known.get_resource_model(name) for name in ("User", "Group"))
    ada = people(known, "ada")["ada"]
    users, groups = BulkOperation[user_model], BulkOperation[group_model]
    members = [{"value": "bulkId:bob"}, {"value": ada.id}]
    title = PatchOp[user_model](
        operations=[PatchOperation[user_model](op="replace", path="title", value="Countess")]
    )
    request = BulkRequest[user_model | group_model](
        operations=[
            groups(
                method="POST",
                bulk_id="team",
                path="/Groups",
                data=group_model(display_name="Engines", members=members),
            ),
            users(method="POST", bulk_id="bob", path="/Users", data=user_model(user_name="bob")),
            users(method="POST", bulk_id="twice", path="/Users", data=user_model(user_name="ada")),
            users(method="PATCH", path=f"/Users/{ada.id}", data=title),
        ]
    )
    answer = known.bulk(request)
    assert isinstance(answer, BulkResponse)
    statuses = {each.bulk_id: each.status for each in answer.operations}
    assert statuses == {"team": 201, "bob": 201, "twice": 409, None: 200}
    (failed,) = [each for each in answer.operations if each.bulk_id == "twice"]
    assert failed.response.scim_type == "uniqueness"
    assert sorted(member.username for member in portal.team("Engines").members) == ["ada", "bob"]
    assert known.query(user_model, ada.id).title == "Countess"

    (created,) = [each for each in answer.operations if each.bulk_id == "bob"]
    bob = created.location.rpartition("/")[2]
    replaced = user_model(user_name="bob", title="Builder")
    answer = known.bulk(
        BulkRequest[user_model](
            fail_on_errors=1,
            operations=[
                users(method="PUT", path=f"/Users/{bob}", data=replaced),
                users(method="DELETE", path=f"/Users/{ada.id}"),
                users(method="DELETE", path=f"/Users/{ada.id}"),
                users(method="DELETE", path=f"/Users/{bob}"),
            ],
        )
    )
    assert [each.status for each in answer.operations] == [200, 204, 404]
    assert portal.user("ada").is_active is False
    assert portal.user("bob").is_active is True


def test_pages_follow_by_cursor(known: SyncSCIMClient) -> None:
    """RFC 9865: from page to page by ``nextCursor``, with GET and with ``.search``."""
    user_model = known.get_resource_model("User")
    names = [f"user{number}" for number in range(7)]
    people(known, *names)
    assert known.provider.config.pagination.cursor is True

    for ask in (
        lambda request: known.query(user_model, query_parameters=request),
        lambda request: known.search(user_model, request),
    ):
        cursor, sizes, seen = "", [], []
        while cursor is not None:
            page = ask(SearchRequest(cursor=cursor, count=3, sort_by="userName"))
            assert isinstance(page, ListResponse)
            assert page.start_index is None
            sizes.append(page.items_per_page)
            seen += [user.user_name for user in page.resources]
            cursor = page.next_cursor
        assert (sizes, seen) == ([3, 3, 1], names)

    with pytest.raises(SCIMException) as refused:
        known.query(user_model, query_parameters={"cursor": "not-a-cursor", "count": "3"})
    assert refused.value.scim_type == "invalidCursor"


def test_the_client_would_notice(known: SyncSCIMClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without what the RFC demands fails these tests, so that their silence counts."""
    from flask_scim_provisioning.scim import names

    user_model = known.get_resource_model("User")
    ada = people(known, "ada")["ada"]
    monkeypatch.setattr(names, "nest", lambda flat, resource_type: {"id": flat["id"]})
    with pytest.raises(SCIMResponseException):
        known.query(user_model, ada.id)
