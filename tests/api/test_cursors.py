"""Pages by cursor (RFC 9865)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tests.client import ScimClient
from tests.portal import Portal

NAMES = [f"person{number:02}" for number in range(10)]


def refusal(answer: TestResponse) -> tuple[int, str | None]:
    assert answer.json is not None
    return answer.status_code, answer.json.get("scimType")


def pages(client: ScimClient, path: str, **query: Any) -> list[Any]:
    """Ask for all pages of a search."""
    answers = [client.get(path, cursor="", **query).json]
    while "nextCursor" in answers[-1]:
        assert len(answers) < 50
        answers.append(client.get(path, cursor=answers[-1]["nextCursor"], **query).json)
    return answers


def names(*answers: Any) -> list[str]:
    return [
        each.get("userName") or each["displayName"]
        for answer in answers
        for each in answer["Resources"]
    ]


def test_an_empty_cursor_asks_for_the_first_page(portal: Portal) -> None:
    """RFC 9865 section 2, the example: a page has nextCursor, and no startIndex."""
    portal.add_users(NAMES)
    answer = portal.client.get("/Users", cursor="", count=4)
    assert answer.status_code == 200
    page = answer.json
    assert page["totalResults"] == 10
    assert page["itemsPerPage"] == 4
    assert "startIndex" not in page
    assert names(page) == NAMES[:4]
    following = portal.client.get("/Users", cursor=page["nextCursor"], count=4).json
    assert names(following) == NAMES[4:8]
    assert following["totalResults"] == 10


def test_the_last_page_has_no_next_cursor(portal: Portal) -> None:
    """RFC 9865 section 2: nextCursor is omitted only to say that there are no more pages."""
    portal.add_users(NAMES)
    assert [len(page["Resources"]) for page in pages(portal.client, "/Users", count=4)] == [4, 4, 2]
    assert [len(page["Resources"]) for page in pages(portal.client, "/Users", count=5)] == [5, 5]
    assert [len(page["Resources"]) for page in pages(portal.client, "/Users", count=10)] == [10]


def test_without_matches_there_is_one_page(portal: Portal) -> None:
    (page,) = pages(portal.client, "/Users", filter='userName sw "nobody"')
    assert (page["totalResults"], page["Resources"]) == (0, [])


def test_index_pagination_stays_the_default(portal: Portal) -> None:
    """RFC 9865 section 2.4: a search that names no method is answered by the default one."""
    portal.add_users(NAMES)
    page = portal.client.get("/Users", count=4).json
    assert "nextCursor" not in page
    assert page["startIndex"] == 1


def test_the_configuration_tells_of_pagination(portal: Portal) -> None:
    """RFC 9865 section 4."""
    config = portal.client.get("/ServiceProviderConfig").json
    assert config["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 100,
        "maxPageSize": 200,
        "cursorTimeout": 86_400,
    }


def test_a_search_by_post_takes_cursors(portal: Portal) -> None:
    """RFC 9865 section 3."""
    portal.add_users(NAMES)
    page = portal.client.search("/Users", cursor="", count=6).json
    following = portal.client.search("/Users", cursor=page["nextCursor"], count=6).json
    assert names(page, following) == NAMES
    assert "nextCursor" not in following


def test_a_cursor_of_a_get_works_in_a_search_by_post(portal: Portal) -> None:
    portal.add_users(NAMES)
    page = portal.client.get("/Users", cursor="", count=6).json
    assert names(portal.client.search("/Users", cursor=page["nextCursor"]).json) == NAMES[6:]


def test_pages_follow_each_other_while_people_come_and_go(portal: Portal) -> None:
    """Nobody who stays is left out or answered twice, whoever is created or deleted meanwhile."""
    portal.add_users(NAMES)
    everyone = portal.client.get("/Users").json["Resources"]
    first = portal.client.get("/Users", cursor="", count=4).json
    for gone in (everyone[0], everyone[3], everyone[6]):
        assert portal.client.delete(f"/Users/{gone['id']}").status_code == 204
    portal.add_users(["later1", "later2"])
    second = portal.client.get("/Users", cursor=first["nextCursor"], count=4).json
    assert names(second) == ["person04", "person05", "person07", "person08"]
    third = portal.client.get("/Users", cursor=second["nextCursor"], count=4).json
    assert names(third) == ["person09", "later1", "later2"]


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize(
    "sort_by", ["name.familyName", "active", "userName", "meta.created", "title", "externalId"]
)
def test_pages_by_cursor_are_sorted_as_pages_by_index(
    portal: Portal, sort_by: str, order: str, count: int
) -> None:
    """RFC 9865 section 2.2; people without a value, and several with one value, among them."""
    families = ["Ömer", "abel", "Abel", None, "Cain", None, "abel", "", "Z", "a"]
    for number, (name, family) in enumerate(zip(NAMES, families, strict=True)):
        body: dict[str, Any] = {"userName": name, "active": number % 3 > 0}
        if family is not None:
            body |= {"name": {"familyName": family}, "title": family, "externalId": f"{family}!"}
        assert portal.client.post("/Users", body).status_code == 201
    query = {"sortBy": sort_by, "sortOrder": order}
    whole = portal.client.get("/Users", **query)
    if whole.status_code == 400:
        assert refusal(portal.client.get("/Users", cursor="", **query)) == refusal(whole)
        return
    assert names(*pages(portal.client, "/Users", count=count, **query)) == names(whole.json)


def test_pages_of_a_filter(portal: Portal) -> None:
    portal.add_users([*NAMES, "somebody"])
    found = pages(portal.client, "/Users", filter='userName sw "person"', count=3)
    assert names(*found) == NAMES
    assert {page["totalResults"] for page in found} == {10}


def test_a_look_up_by_cursor(portal: Portal) -> None:
    portal.add_users(NAMES)
    (page,) = pages(portal.client, "/Users", filter='userName eq "person07"', count=1)
    assert names(page) == ["person07"]


def test_people_with_one_external_id_are_on_several_pages(portal: Portal) -> None:
    for name in NAMES:
        portal.client.post("/Users", {"userName": name, "externalId": "same"})
    found = pages(portal.client, "/Users", filter='externalId eq "same"', count=3)
    assert names(*found) == NAMES


def test_pages_go_over_all_resource_types(portal: Portal) -> None:
    """RFC 7644 section 3.4.2.1: a search at the root."""
    portal.add_users(NAMES[:4])
    for name in ("red", "blue", "green"):
        portal.add_team(name)
    found = pages(portal.client, "/", count=3)
    assert names(*found) == [*NAMES[:4], "red", "blue", "green"]
    assert [page["totalResults"] for page in found] == [7, 7, 7]
    assert [page["itemsPerPage"] for page in found] == [3, 3, 1]
    at_the_edge = pages(portal.client, "/", count=4)
    assert [page["itemsPerPage"] for page in at_the_edge] == [4, 3]


def test_a_type_without_resources_is_no_page_of_its_own(portal: Portal) -> None:
    portal.add_users(NAMES[:4])
    assert [page["itemsPerPage"] for page in pages(portal.client, "/", count=4)] == [4]


def test_a_page_has_the_attributes_that_are_asked_for(portal: Portal) -> None:
    portal.add_users(NAMES)
    for page in pages(portal.client, "/Users", count=4, attributes="userName"):
        assert all(each.keys() == {"schemas", "id", "userName"} for each in page["Resources"])


def test_a_count_of_nothing_only_counts(portal: Portal) -> None:
    """RFC 7644 table 6: "A value of "0" indicates that no resource results are to be returned"."""
    portal.add_users(NAMES)
    page = portal.client.get("/Users", cursor="", count=0).json
    assert (page["totalResults"], page["Resources"]) == (10, [])
    assert "nextCursor" not in page


def test_a_count_that_is_no_number_is_invalid(portal: Portal) -> None:
    """RFC 9865 section 2.1: invalidCount."""
    assert refusal(portal.client.get("/Users", cursor="", count="many")) == (400, "invalidCount")
    assert refusal(portal.client.search("/Users", cursor="", count="1")) == (400, "invalidCount")
    assert refusal(portal.client.get("/Users", count="many")) == (400, "invalidValue")


def test_a_page_is_no_larger_than_the_portal_allows(portal: Portal) -> None:
    portal.add_users([f"many{number:03}" for number in range(210)])
    found = pages(portal.client, "/Users", count=100_000)
    assert [page["itemsPerPage"] for page in found] == [200, 10]


@pytest.mark.parametrize("cursor", ["x", "a" * 100, "%00", "ü", "../..", "=", "a" * 10_000])
def test_what_is_no_cursor_is_invalid(portal: Portal, cursor: str) -> None:
    """RFC 9865 section 2.1: invalidCursor."""
    path = f"/Users?cursor={quote(cursor, safe='%')}"
    assert refusal(portal.client.get(path)) == (400, "invalidCursor")


def test_a_cursor_belongs_to_its_search(portal: Portal) -> None:
    """RFC 9865 section 2: the next page is asked for with all other parameters the same."""
    portal.add_users(NAMES)
    query = {"filter": 'userName sw "p"', "sortBy": "userName", "count": 4}
    cursor = portal.client.get("/Users", cursor="", **query).json["nextCursor"]
    for change in (
        {"filter": 'userName sw "q"'},
        {"sortBy": "name.familyName"},
        {"sortOrder": "descending"},
    ):
        answer = portal.client.get("/Users", cursor=cursor, **{**query, **change})
        assert refusal(answer) == (400, "invalidCursor"), change
    assert refusal(portal.client.get("/Groups", cursor=cursor, count=4)) == (400, "invalidCursor")


def test_a_cursor_opens_nothing_of_another_integration(portal: Portal) -> None:
    """RFC 9865 section 6.2: a cursor grants nothing to who has found it."""
    portal.add_users(NAMES)
    cursor = portal.client.get("/Users", cursor="", count=4).json["nextCursor"]
    other, _ = portal.connect("Okta")
    assert refusal(other.get("/Users", cursor=cursor, count=4)) == (400, "invalidCursor")


def test_a_cursor_expires(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9865 section 2.1: expiredCursor."""
    portal.add_users(NAMES)
    cursor = portal.client.get("/Users", cursor="", count=4).json["nextCursor"]
    clock = "flask_scim_provisioning.services.paging.time.time"
    import time

    now = time.time()
    monkeypatch.setattr(clock, lambda: now + 86_500)
    assert refusal(portal.client.get("/Users", cursor=cursor, count=4)) == (400, "expiredCursor")


@pytest.mark.portal(config={"SCIM_CURSOR_SECONDS": None})
def test_cursors_may_live_for_ever(portal: Portal) -> None:
    config = portal.client.get("/ServiceProviderConfig").json
    assert "cursorTimeout" not in config["pagination"]


def test_without_a_secret_key_there_are_no_cursors(portal: Portal) -> None:
    portal.app.config["SECRET_KEY"] = None
    assert portal.client.get("/ServiceProviderConfig").json["pagination"]["cursor"] is False
    answer = portal.client.get("/Users", cursor="")
    assert refusal(answer) == (501, None)
    assert "SECRET_KEY" in answer.json["detail"]


def test_every_worker_reads_the_cursors_of_the_others(portal: Portal) -> None:
    """Processes share nothing but the database and the configuration."""
    from tests.portal import build_portal

    portal.add_users(NAMES)
    cursor = portal.client.get("/Users", cursor="", count=4).json["nextCursor"]
    url = portal.engine.url.render_as_string(hide_password=False)
    other = build_portal(url, tenant="main2", empty=False)
    client = ScimClient(other.app, portal.client.base, portal.client.token)
    assert names(client.get("/Users", cursor=cursor, count=4).json) == NAMES[4:8]
    other.close()


def test_a_page_by_cursor_costs_few_statements(portal: Portal) -> None:
    """The matches are counted once, for the first page."""
    portal.add_users([f"many{number:03}" for number in range(60)])
    portal.client.get("/Users", count=100)  # everybody gets an id
    first = portal.client.get("/Users", cursor="", count=20).json
    with portal.statements(at_most=3) as cost:
        portal.client.get("/Users", cursor=first["nextCursor"], count=20)
    assert cost.rows <= 1 + 21 + 20
