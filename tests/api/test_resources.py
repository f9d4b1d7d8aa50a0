"""Users and groups over HTTP: statuses, headers, and what an answer has."""

from __future__ import annotations

import pytest

from tests.portal import Portal

from .test_routing import is_scim_error

ADA = {
    "userName": "ada",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
}


def test_create_answers_201_with_the_place_and_the_version(portal: Portal) -> None:
    """RFC 7644 section 3.3: 201, the Location header, and the resource."""
    answer = portal.client.post("/Users", ADA)
    location = f"http://localhost{portal.client.base}/Users/{answer.json['id']}"
    assert answer.status_code == 201
    assert answer.headers["Location"] == location == answer.json["meta"]["location"]
    assert answer.headers["ETag"] == answer.json["meta"]["version"] == 'W/"1"'
    assert answer.json["userName"] == "ada"
    assert answer.json["name"] == ADA["name"]
    assert answer.json["emails"] == ADA["emails"]


def test_create_again_is_a_409(portal: Portal) -> None:
    """RFC 7644 section 3.3: 409 with the scimType "uniqueness"."""
    portal.client.post("/Users", ADA)
    answer = portal.client.post("/Users", {"userName": "ADA"})
    assert is_scim_error(answer, 409)
    assert answer.json["scimType"] == "uniqueness"


@pytest.mark.portal(config={"SCIM_EXTERNAL_URL": "https://portal.example.com"})
def test_location_is_right_behind_a_proxy(portal: Portal) -> None:
    answer = portal.client.post("/Users", ADA)
    assert answer.json["meta"]["location"].startswith(
        f"https://portal.example.com{portal.client.base}/Users/"
    )


def test_put_answers_200_with_the_resource(portal: Portal) -> None:
    """Okta's engineers refused a 204."""
    user = portal.client.post("/Users", ADA).json
    answer = portal.client.put(f"/Users/{user['id']}", {**ADA, "title": "Countess"})
    assert (answer.status_code, answer.json["title"]) == (200, "Countess")
    assert answer.headers["ETag"] == 'W/"2"'


def test_patch_of_a_user_answers_200_with_the_resource(portal: Portal) -> None:
    user = portal.client.post("/Users", ADA).json
    answer = portal.client.patch(
        f"/Users/{user['id']}", [{"op": "replace", "path": "active", "value": False}]
    )
    assert (answer.status_code, answer.json["active"]) == (200, False)


def test_patch_of_a_group_answers_204_unless_attributes_are_named(portal: Portal) -> None:
    """The answer would be the whole membership."""
    group = portal.client.post("/Groups", {"displayName": "Pioneers"}).json
    rename = [{"op": "replace", "path": "displayName", "value": "Founders"}]
    answer = portal.client.patch(f"/Groups/{group['id']}", rename)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["ETag"] == 'W/"2"'
    named = portal.client.patch(f"/Groups/{group['id']}?attributes=displayName", rename)
    assert named.status_code == 200
    assert named.json["displayName"] == "Founders"
    assert "members" not in named.json


def test_delete_answers_204_and_then_404(portal: Portal) -> None:
    """RFC 7644 section 3.6."""
    for path, body in (("/Users", ADA), ("/Groups", {"displayName": "Pioneers"})):
        place = f"{path}/{portal.client.post(path, body).json['id']}"
        answer = portal.client.delete(place)
        assert (answer.status_code, answer.data) == (204, b"")
        assert is_scim_error(portal.client.get(place), 404)
        assert is_scim_error(portal.client.delete(place), 404)
        assert portal.client.get(path).json["totalResults"] == 0


def test_unknown_and_foreign_resources_are_the_same_404(portal: Portal) -> None:
    user = portal.client.post("/Users", ADA).json["id"]
    unknown = portal.client.get("/Users/1b0d7f3e-0000-4000-8000-000000000000")
    foreign = portal.client.get(f"/Groups/{user}")
    strange = portal.client.get("/Users/%00'%22;--")
    assert is_scim_error(unknown, 404)
    assert is_scim_error(foreign, 404)
    assert strange.data == unknown.data


def test_known_version_isn_t_answered_again(portal: Portal) -> None:
    """RFC 7644 section 3.14: If-None-Match."""
    answer = portal.client.post("/Users", ADA)
    place = f"/Users/{answer.json['id']}"
    again = portal.client.get(place, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert portal.client.get(place, headers={"If-None-Match": 'W/"7"'}).status_code == 200


def test_groups_of_a_known_version_are_answered_again(portal: Portal) -> None:
    """A user who joins a group keeps the version: the group has changed, not the user."""
    answer = portal.client.post("/Users", ADA)
    member = {"value": answer.json["id"]}
    portal.client.post("/Groups", {"displayName": "Pioneers", "members": [member]})
    known = {"If-None-Match": answer.headers["ETag"]}
    place = f"/Users/{member['value']}"
    assert portal.client.get(place, headers=known).status_code == 304
    again = portal.client.get(place, headers=known, attributes="groups.display")
    assert (again.status_code, again.json["groups"]) == (200, [{"display": "Pioneers"}])


def test_members_of_a_known_version_are_answered_again(portal: Portal) -> None:
    """The portal can delete a member by SQL, of which no version tells."""
    user = portal.client.post("/Users", ADA).json["id"]
    made = portal.client.post("/Groups", {"displayName": "P", "members": [{"value": user}]})
    known = {"If-None-Match": made.headers["ETag"]}
    place = f"/Groups/{made.json['id']}"
    with portal.engine.begin() as connection:
        connection.execute(portal.models.team_member.delete())
    again = portal.client.get(place, headers=known)
    assert (again.status_code, again.json["members"]) == (200, [])
    assert portal.client.get(place, headers=known, excludedAttributes="members").status_code == 304


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_version_is_a_412(portal: Portal, method: str) -> None:
    """RFC 7644 section 3.14: If-Match."""
    user = portal.client.post("/Users", ADA)
    place = f"/Users/{user.json['id']}"
    body = {
        "PUT": ADA,
        "PATCH": {"Operations": [{"op": "add", "path": "title", "value": "Countess"}]},
        "DELETE": None,
    }[method]
    stale = portal.client.request(method, place, body, headers={"If-Match": 'W/"7"'})
    assert is_scim_error(stale, 412)
    assert portal.client.get(place).headers["ETag"] == user.headers["ETag"]
    fresh = portal.client.request(method, place, body, headers={"If-Match": user.headers["ETag"]})
    assert fresh.status_code in {200, 204}


def test_attributes_and_excluded_attributes(portal: Portal) -> None:
    """RFC 7644 section 3.9; ``id`` is returned always."""
    answer = portal.client.post("/Users?attributes=userName", ADA)
    assert set(answer.json) == {"schemas", "id", "userName"}
    place = f"/Users/{answer.json['id']}"
    assert set(portal.client.get(place, attributes="name.givenName").json["name"]) == {"givenName"}
    assert "emails" not in portal.client.get(place, excludedAttributes="emails,name").json


def test_search_by_post_is_the_search_by_get(portal: Portal) -> None:
    """RFC 7644 section 3.4.3."""
    for name in ("ada", "grace", "joan"):
        portal.client.post("/Users", {"userName": name})
    query = {"filter": 'userName ne "grace"', "sortBy": "userName", "sortOrder": "descending"}
    by_get = portal.client.get("/Users", **query, attributes="userName").json
    by_post = portal.client.search("/Users", **query, attributes=["userName"]).json
    assert by_get == by_post
    assert [each["userName"] for each in by_get["Resources"]] == ["joan", "ada"]


def test_search_at_the_root_meets_every_type(portal: Portal) -> None:
    """RFC 7644 section 3.4.2.1: what a type doesn't have counts as having no value."""
    portal.client.post("/Users", {"userName": "ada", "displayName": "Ada"})
    portal.client.post("/Groups", {"displayName": "Pioneers"})
    expected = {
        'userName eq "ada"': ["Ada"],
        'displayName sw "pio"': ["Pioneers"],
        'userName eq "ada" or displayName eq "pioneers"': ["Ada", "Pioneers"],
        'userName ne "ada"': ["Pioneers"],
        'not (userName eq "ada")': ["Pioneers"],
        "userName pr": ["Ada"],
        'emails[type eq "work"]': [],
        'displayName pr and not (members.value eq "x")': ["Ada", "Pioneers"],
    }
    for text, names in expected.items():
        found = portal.client.search("", filter=text, sortBy="userName").json
        assert [each["displayName"] for each in found["Resources"]] == names, text
    for parameters in ({"filter": 'shoeSize eq "44"'}, {"sortBy": "shoeSize"}):
        assert is_scim_error(portal.client.search("", **parameters), 400)


@pytest.mark.portal(config={"SCIM_MAX_RESULTS": 2, "SCIM_DEFAULT_RESULTS": 1})
def test_page_sizes_are_the_settings(portal: Portal) -> None:
    for name in ("ada", "grace", "joan"):
        portal.client.post("/Users", {"userName": name})
    assert portal.client.get("/Users").json["itemsPerPage"] == 1
    assert portal.client.get("/Users", count=100).json["itemsPerPage"] == 2


def test_members_excluded_cost_no_query(portal: Portal) -> None:
    """Every group read of Entra's carries excludedAttributes=members."""
    users = [portal.client.post("/Users", {"userName": name}).json for name in ("ada", "grace")]
    members = [{"value": user["id"]} for user in users]
    group = portal.client.post("/Groups", {"displayName": "P", "members": members}).json
    place = f"/Groups/{group['id']}"
    with portal.statements() as without:
        assert "members" not in portal.client.get(place, excludedAttributes="members").json
    with portal.statements() as whole:
        assert len(portal.client.get(place).json["members"]) == 2
    assert without.count < whole.count


def activities(portal: Portal) -> list[dict[str, object]]:
    table = portal.app.extensions["scim_provisioning"].models.activity.__table__
    rows = portal.session.execute(table.select().order_by(table.c.id)).mappings()
    return [dict(row) for row in rows if row["action"] != "integration.created"]


def test_refused_request_is_recorded(portal: Portal) -> None:
    """With what was asked for, by whom, and the reason; without secrets."""
    portal.client.post(
        "/Users", {"userName": "", "password": "hunter2"}, headers={"X-Request-ID": "r1"}
    )
    (entry,) = activities(portal)
    assert entry["action"] == "user.created"
    assert (entry["outcome"], entry["status"], entry["scim_type"]) == (
        "refused",
        400,
        "invalidValue",
    )
    assert entry["resource_type"] == "User"
    assert entry["request_id"] == "r1"
    assert "hunter2" not in str(entry)
    assert entry["detail"]


def test_unauthenticated_request_is_recorded_for_nobody(portal: Portal) -> None:
    portal.client.with_token("wrong").post("/Users", ADA)
    assert activities(portal) == []


@pytest.mark.portal(dialect="entra")
def test_notes_of_the_dialect_are_recorded(portal: Portal) -> None:
    user = portal.client.post("/Users", ADA).json
    disable = [{"op": "Replace", "path": "active", "value": "False"}]
    portal.client.patch(f"/Users/{user['id']}", disable)
    assert 'string "False" read as false at active' in activities(portal)[-1]["notes"]
