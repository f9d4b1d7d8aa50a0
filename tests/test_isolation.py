"""Two tenants with two integrations each: a token opens its own integration, and nothing else."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.api.routes import ROUTES
from flask_scim_provisioning.services import integrations
from flask_scim_provisioning.services.tokens import rotate_token

from .client import PATCH_OP, ScimClient
from .portal import Portal
from .snapshots import snapshot

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class Directory:
    """One tenant's integration, with a person and a group that it has created."""

    client: ScimClient
    integration: Any
    user: str
    group: str
    label: str


@pytest.fixture
def portal(make_portal: Callable[..., Portal]) -> Portal:
    """A portal whose rows belong to tenants."""
    return make_portal(tenants=True, tenant="contoso", dialect="generic")


@pytest.fixture
def directories(portal: Portal) -> list[Directory]:
    """Two tenants with two integrations each, and something in every one of them."""
    clients = [(portal.client, portal.integration)]
    clients += [
        portal.connect(name, tenant=tenant)
        for name, tenant in (("Okta", "contoso"), ("Entra ID", "fabrikam"), ("Okta", "fabrikam"))
    ]
    return [fill(client, made, f"dir{number}") for number, (client, made) in enumerate(clients)]


def fill(client: ScimClient, integration: Any, label: str) -> Directory:
    user = client.post(
        "/Users",
        {
            "userName": f"{label}-person@example.com",
            "externalId": f"{label}-external",
            "title": f"{label}-title",
            "emails": [{"value": f"{label}-mail@example.com", "type": "work"}],
        },
    )
    assert user.status_code == 201, user.text
    group = client.post(
        "/Groups",
        {
            "displayName": f"{label}-group",
            "externalId": f"{label}-group-external",
            "members": [{"value": user.json["id"]}],
        },
    )
    assert group.status_code == 201, group.text
    return Directory(client, integration, user.json["id"], group.json["id"], label)


def every_request(owner: Directory) -> Iterator[tuple[str, str, Any]]:
    """Yield each route with each method, those that it hasn't included, and a body that works."""
    names = {"Users": owner.user, "Groups": owner.group}
    for route in ROUTES:
        kind = route.path[0] if route.path else ""
        item = names.get(kind) or {"ResourceTypes": "User", "Schemas": ENTERPRISE}.get(kind, "")
        path = "/" + "/".join(item if segment == "*" else segment for segment in route.path)
        for method in EVERY_METHOD:
            yield method, path, body_of(method, path)


def body_of(method: str, path: str) -> Any:
    if method not in {"POST", "PUT", "PATCH"}:
        return None
    if path.endswith("/.search"):
        return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}
    if method == "PATCH":
        change = {"op": "replace", "path": "externalId", "value": "stolen"}
        return {"schemas": [PATCH_OP], "Operations": [change]}
    return {"userName": "eve@example.com", "displayName": "Eve's group", "active": False}


def seen(answer: Any) -> tuple[Any, ...]:
    """Everything that a caller is told, but for the id of the request and the date."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"X-Request-ID", "Date"}}
    return answer.status_code, answer.data, tuple(sorted(headers.items()))


def strangers(portal: Portal, directories: list[Directory]) -> dict[str, Callable[..., Any]]:
    """Return everybody who has no business at the first integration, by how they try."""
    owner, neighbour, foreign, _ = directories
    client = owner.client
    models = portal.app.extensions["scim_provisioning"].models
    tokens = models.access_token.__table__

    past = datetime(2020, 1, 1, tzinfo=UTC)

    def another_token(**values: Any) -> ScimClient:
        """Give the owner one more token, which isn't valid any more."""
        made = rotate_token(portal.session, models, "contoso", owner.integration.id).reveal()
        mine = tokens.c.key_id == made.split("_")[1]
        portal.session.execute(sa.update(tokens).where(mine).values(**values))
        portal.session.commit()
        return client.with_token(made)

    revoked, expired = another_token(revoked=past), another_token(expires=past)
    # A rotation ends the other tokens; the owner's own goes on.
    portal.session.execute(
        sa.update(tokens).where(tokens.c.key_id == client.token.split("_")[1]).values(revoked=None)
    )
    portal.session.commit()
    admin = portal.add(
        portal.models.User(username="root", is_admin=True, is_active=True, org_id="contoso")
    )
    browser = portal.sign_in(admin)

    def by_cookie(method: str, path: str, body: Any) -> Any:
        return browser.open(f"{client.base}{path}", method=method, json=body)

    unknown = str(uuid.uuid4())
    integration = str(owner.integration.id)
    return {
        "no token": client.with_token(None).request,
        "a wrong token": client.with_token("scim_wrong").request,
        "a damaged token": client.with_token(f"{client.token[:-2]}AA").request,
        "a token of the same tenant": client.with_token(neighbour.client.token).request,
        "a token of another tenant": client.with_token(foreign.client.token).request,
        "a revoked token": revoked.request,
        "an expired token": expired.request,
        "a session cookie": by_cookie,
        "another tenant in the URL": ScimClient(
            portal.app, client.base.replace("/contoso/", "/fabrikam/"), client.token
        ).request,
        "an unknown integration": ScimClient(
            portal.app, client.base.replace(integration, unknown), client.token
        ).request,
    }


def test_nothing_is_read_or_changed_without_the_right_token(
    portal: Portal, directories: list[Directory]
) -> None:
    """One answer for everybody, byte for byte, on every route with every method."""
    owner = directories[0]
    attempts = strangers(portal, directories)
    before = snapshot(portal, without=["scim_refusal"])
    for method, path, body in every_request(owner):
        answers = {who: seen(ask(method, path, body)) for who, ask in attempts.items()}
        status, data, headers = answers["no token"]
        assert status == 401, (method, path)
        assert dict(headers)["WWW-Authenticate"].startswith("Bearer")
        assert {who for who, answer in answers.items() if answer != answers["no token"]} == set()
        assert owner.label.encode() not in data
    assert snapshot(portal, without=["scim_refusal"]) == before
    assert owner.client.get(f"/Users/{owner.user}").status_code == 200


def test_the_routes_of_this_test_are_really_all(directories: list[Directory]) -> None:
    """The owner's own token opens what is refused above, so that the paths are right ones."""
    owner = directories[0]
    statuses = {
        owner.client.request(method, path, body).status_code
        for method, path, body in every_request(owner)
        if method == "GET"
    }
    assert statuses <= {200, 405, 501}
    assert len({path for _, path, _ in every_request(owner)}) == len(ROUTES)


def test_a_scim_token_opens_no_page(portal: Portal, directories: list[Directory]) -> None:
    """Every page of the console, as a header and as a cookie: never its content."""
    owner = directories[0]
    pages = [
        str(rule).replace("<uuid:integration_id>", str(owner.integration.id))
        for rule in portal.app.url_map.iter_rules()
        if rule.endpoint.startswith("scim_console.") and not rule.endpoint.endswith("static")
    ]
    assert len(pages) > 3
    before = snapshot(portal)
    for path in pages:
        for method in ("GET", "POST"):
            answer = portal.app.test_client().open(
                re.sub(r"<[^>]+>", str(owner.integration.id), path),
                method=method,
                headers={"Authorization": f"Bearer {owner.client.token}"},
            )
            assert answer.status_code in {302, 400, 401, 403, 404, 405}, (method, path)
            assert owner.integration.name not in answer.text
    assert snapshot(portal) == before


def of_each_kind(ids: tuple[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Yield every request that names one resource, for these ids of a user and a group."""
    for kind, identifier in zip(("Users", "Groups"), ids, strict=True):
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            path = f"/{kind}/{identifier}"
            yield method, path, body_of(method, path)
            yield method, f"{path}?attributes=userName,members", body_of(method, path)


def test_a_foreign_resource_is_an_unknown_one(portal: Portal, directories: list[Directory]) -> None:
    """The same 404, byte for byte, and the other tenant's rows stay as they are."""
    owner, _, foreign, _ = directories
    nobody = (str(uuid.uuid4()), str(uuid.uuid4()))
    before = snapshot(portal, without=["scim_activity", "scim_access_token"])
    swapped = (owner.group, owner.user)
    for ids in ((foreign.user, foreign.group), swapped):
        for theirs, none in zip(of_each_kind(ids), of_each_kind(nobody), strict=True):
            answers = [owner.client.request(*theirs), owner.client.request(*none)]
            assert answers[0].status_code == 404, theirs
            assert seen(answers[0]) == seen(answers[1])
    assert snapshot(portal, without=["scim_activity", "scim_access_token"]) == before


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "dir2-person@example.com"',
        'userName co "dir2"',
        'not (userName co "dir0")',
        'emails.value eq "dir2-mail@example.com"',
        'emails[type eq "work" and value sw "dir2"]',
        'externalId eq "dir2-external"',
        'title eq "dir2-title"',
        'id eq "{user}"',
        'userName pr and id eq "{user}" or title sw "dir2"',
        'externalId sw "dir2" or externalId sw "dir3"',
    ],
)
def test_no_filter_finds_users_of_another_tenant(directories: list[Directory], text: str) -> None:
    owner, _, foreign, _ = directories
    wanted = text.replace("{user}", foreign.user)
    found = [
        owner.client.get("/Users", filter=wanted).json,
        owner.client.search("/Users", filter=wanted).json,
        owner.client.get("/", filter=wanted).json,
    ]
    assert [label for page in found for label in labels(page) if label in {"dir2", "dir3"}] == []
    if not text.startswith("not"):
        assert [page["totalResults"] for page in found] == [0, 0, 0]


def labels(page: Any) -> set[str]:
    return set(re.findall(r"dir\d", repr(page.get("Resources"))))


@pytest.mark.parametrize(
    "text", ['displayName sw "dir2"', 'members eq "{user}"', 'id eq "{group}"']
)
def test_no_filter_finds_groups_of_another_tenant(directories: list[Directory], text: str) -> None:
    owner, _, foreign, _ = directories
    wanted = text.replace("{user}", foreign.user).replace("{group}", foreign.group)
    assert owner.client.get("/Groups", filter=wanted).json["totalResults"] == 0


def test_lists_hold_ones_own_tenant_only(directories: list[Directory]) -> None:
    """Both integrations of a tenant see its people, sorted or page by page; nobody sees others."""
    for directory, mine in zip(directories, ["01", "01", "23", "23"], strict=True):
        expected = {f"dir{number}" for number in mine}
        for query in ({}, {"sortBy": "userName"}, {"startIndex": 2}, {"startIndex": 1, "count": 1}):
            for path in ("/Users", "/Groups", "/"):
                page = directory.client.get(path, **query)
                assert labels(page.json) <= expected, (path, query)
        assert labels(directory.client.get("/Users").json) == expected
        assert directory.client.get("/Users").json["totalResults"] == 2
        assert directory.client.get("/Users", count=0).json["totalResults"] == 2
        assert directory.client.get("/").json["totalResults"] == 4


@pytest.mark.parametrize("dialect", ["generic", "entra", "okta"])
def test_a_foreign_user_becomes_nobodys_member(
    portal: Portal, directories: list[Directory], dialect: str
) -> None:
    """A foreign id is answered as an unknown one, by whatever way it is added."""
    foreign = directories[2]
    client, _ = portal.connect(f"One more {dialect}", tenant="contoso", dialect=dialect)
    before = snapshot(portal, without=["scim_activity", "scim_access_token"])
    answers = []
    for member in (foreign.user, str(uuid.uuid4())):
        value = [{"value": member}]
        path = f"/Groups/{directories[0].group}"
        answers.append(
            [
                (answer.status_code, answer.text.replace(member, "the member"))
                for answer in (
                    client.patch(path, [{"op": "add", "path": "members", "value": value}]),
                    client.patch(path, [{"op": "remove", "path": "members", "value": value}]),
                    client.patch(path, [{"op": "remove", "path": f'members[value eq "{member}"]'}]),
                )
            ]
        )
    assert answers[0] == answers[1]
    assert snapshot(portal, without=["scim_activity", "scim_access_token"]) == before


def test_a_foreign_manager_is_an_unknown_one(portal: Portal, directories: list[Directory]) -> None:
    """The id is read back, as every unknown one, and the portal's row refers to nobody."""
    owner, _, foreign, _ = directories
    path = f"/Users/{owner.user}"
    told = []
    for manager in (foreign.user, str(uuid.uuid4())):
        answer = owner.client.patch(
            path, [{"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": manager}}]
        )
        assert answer.status_code == 200, answer.text
        assert portal.user("dir0-person@example.com").manager_id is None
        told.append(str(answer.json[ENTERPRISE]).replace(manager, "the manager"))
        assert owner.client.get("/Users", filter=f'manager eq "{manager}"').status_code == 200
    assert told[0] == told[1]


def test_a_group_lists_no_member_of_another_tenant(
    portal: Portal, directories: list[Directory]
) -> None:
    """Even where the portal itself has mixed two tenants, SCIM tells only its own."""
    owner, _, foreign, _ = directories
    stranger = portal.user("dir2-person@example.com").id
    pair = {"team_id": portal.team("dir0-group").id, "user_id": stranger}
    portal.session.execute(portal.models.team_member.insert().values(pair))
    portal.session.commit()
    group = owner.client.get(f"/Groups/{owner.group}").json
    assert [member["value"] for member in group["members"]] == [owner.user]
    for text in (f'members eq "{foreign.user}"', 'members.display co "dir2"'):
        assert owner.client.get("/Groups", filter=text).json["totalResults"] == 0, text
    answer = owner.client.patch(
        f"/Groups/{owner.group}", [{"op": "remove", "path": 'members[display co "dir2"]'}]
    )
    assert answer.status_code in {204, 400}
    assert len(portal.team("dir0-group").members) == 2


def test_a_manager_of_another_tenant_is_not_told(
    portal: Portal, directories: list[Directory]
) -> None:
    """A reference that the portal itself has made across tenants shows no foreign id."""
    owner, _, foreign, _ = directories
    manager = portal.user("dir2-person@example.com").id
    row = portal.user("dir0-person@example.com")
    row.manager_id = manager
    portal.session.commit()
    assert foreign.user not in owner.client.get(f"/Users/{owner.user}").text
    text = f'manager eq "{foreign.user}"'
    assert owner.client.get("/Users", filter=text).json["totalResults"] == 0


def test_a_name_taken_by_another_tenant_tells_nothing_about_it(
    portal: Portal, directories: list[Directory]
) -> None:
    """The portal's user names are unique among all tenants, so the answer can only be 409.

    It is the one of a name taken within the tenant, and it says neither who nor where.
    """
    owner, neighbour, foreign, _ = directories
    before = snapshot(portal, without=["scim_activity", "scim_access_token"])
    told = []
    for taken in (neighbour, foreign):
        answer = owner.client.post("/Users", {"userName": f"{taken.label}-person@example.com"})
        assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert taken.label not in answer.text
        assert taken.user not in answer.text
        told.append(answer.json)
    assert told[0].keys() == told[1].keys()
    assert snapshot(portal, without=["scim_activity", "scim_access_token"]) == before


def test_an_external_id_belongs_to_its_integration(directories: list[Directory]) -> None:
    """RFC 7643 section 3.1: it is scoped to the provisioning client, even in one tenant."""
    owner, neighbour, *_ = directories
    seen_by_neighbour = neighbour.client.get(f"/Users/{owner.user}").json
    assert seen_by_neighbour["userName"] == "dir0-person@example.com"
    assert "externalId" not in seen_by_neighbour
    for text in ('externalId eq "dir0-external"', 'externalId sw "dir0"', 'externalId co "-"'):
        assert "dir0" not in labels(neighbour.client.get("/Users", filter=text).json), text
    path = f"/Users/{owner.user}"
    change = [{"op": "replace", "path": "externalId", "value": "as the neighbour calls it"}]
    assert neighbour.client.patch(path, change).json["externalId"] == "as the neighbour calls it"
    assert owner.client.get(path).json["externalId"] == "dir0-external"
    by_external = 'externalId eq "dir0-group-external"'
    assert owner.client.get("/Groups", filter=by_external).json["totalResults"] == 1
    assert neighbour.client.get("/Groups", filter=by_external).json["totalResults"] == 0


def test_removing_one_integration_leaves_the_others_alone(
    portal: Portal, directories: list[Directory]
) -> None:
    owner, neighbour, foreign, _ = directories
    models = portal.app.extensions["scim_provisioning"].models
    integrations.remove_integration(portal.session, models, "contoso", owner.integration.id)
    assert owner.client.get("/Users").status_code == 401
    assert neighbour.client.get("/Users").json["totalResults"] == 2
    assert foreign.client.get(f"/Users/{foreign.user}").json["externalId"] == "dir2-external"
    assert portal.user("dir0-person@example.com").is_active
