"""The mapping in the console: what is filled, what nobody maps, and what a request would do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services import coverage

from .pages import HOSTILE, Admin, text_of

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
COST_CENTER = f"{ENTERPRISE}:costCenter"


def try_out(admin: Admin, method: str, endpoint: str, body: Any, resource_id: str = "") -> Any:
    return admin.send(
        "/{id}/try",
        method=method,
        endpoint=endpoint,
        resource_id=resource_id,
        body=body if isinstance(body, str) else json.dumps(body),
    )


def rows_of(admin: Admin) -> dict[str, list[Any]]:
    """Return every row of every table, but for what a browser's visit leaves."""
    with admin.portal.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for table in admin.portal.db.metadata.sorted_tables
        }


def person(admin: Admin, name: str, /, **values: Any) -> str:
    made = admin.portal.client.post("/Users", {"userName": name, "externalId": name, **values})
    assert made.status_code == 201, made.text
    return str(made.json["id"])


@pytest.fixture
def maya(admin: Admin) -> str:
    return person(admin, "maya@example.com", displayName="Maya", active=True)


def test_the_mapping_says_how_many_have_an_attribute_and_what_was_seen(admin: Admin) -> None:
    person(admin, "maya@example.com", name={"givenName": "Maya"}, title="Lead")
    person(admin, "noah@example.com", name={"givenName": "Noah"})
    page = admin.get("/{id}/mapping")
    text = text_of(page)
    assert "is true of 2 people that this directory has sent" in text
    assert re.search(r"title .*? 50 %, last “Lead”", text)
    assert re.search(r"name .*? 100 %, last “Noah”", text)
    assert "This directory has sent no groups yet." in text


def test_the_mapping_says_what_is_sent_and_mapped_nowhere(admin: Admin) -> None:
    person(admin, "maya@example.com", title="Lead", **{ENTERPRISE: {"costCenter": HOSTILE}})
    page = admin.get("/{id}/mapping")
    text = text_of(page)
    unmapped = text.partition("Sent, and mapped nowhere")[2].partition("Groups")[0]
    assert COST_CENTER in unmapped
    assert "title , 100 % have it, last “Lead”" in unmapped
    assert "userName" not in unmapped
    assert HOSTILE not in page.text


def test_only_whom_this_directory_has_sent_is_looked_at(admin: Admin) -> None:
    person(admin, "maya@example.com", title="Lead")
    other, _ = admin.portal.connect("Okta")
    other.post("/Users", {"userName": "noah@example.com", "externalId": "n", "title": "Cook"})
    text = text_of(admin.get("/{id}/mapping"))
    assert "is true of 1 person " in text
    assert "Cook" not in text


def test_the_mapping_looks_at_no_more_than_a_sample(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        person(admin, f"p{number}@example.com")
    with admin.portal.statements() as few:
        admin.get("/{id}/mapping")
    monkeypatch.setattr(coverage, "SAMPLE", 3)
    text = text_of(admin.get("/{id}/mapping"))
    assert "is true of 3 people" in text
    for number in range(4, 9):
        person(admin, f"p{number}@example.com")
    with admin.portal.statements() as many:
        admin.get("/{id}/mapping")
    assert few.count == many.count


@pytest.mark.parametrize(
    ("method", "endpoint", "body", "told"),
    [
        (
            "POST",
            "/Users",
            {"userName": "noah@example.com", "active": "False", "title": "Cook"},
            ["answered with 201", "New row of User", "username — noah@example.com"],
        ),
        (
            "PUT",
            "/Users",
            {"userName": "maya@example.com", "name": {"givenName": "May"}},
            ["answered with 200", "Changed row of User", "first_name — May"],
        ),
        (
            "PATCH",
            "/Users",
            {"Operations": [{"op": "Replace", "path": "active", "value": False}]},
            ["answered with 200", "is_active True False"],
        ),
        ("DELETE", "/Users", "", ["answered with 204", "is_active True False"]),
        ("POST", "/Groups", {"displayName": "Sales"}, ["201", "New row of Team", "name — Sales"]),
    ],
)
def test_a_request_is_tried_out_and_taken_back(
    admin: Admin, maya: str, method: str, endpoint: str, body: Any, told: list[str]
) -> None:
    before = rows_of(admin)
    answer = try_out(admin, method, endpoint, body, "" if method == "POST" else maya)
    text = text_of(answer)
    for each in told:
        assert each in text
    assert rows_of(admin) == before


def test_what_would_be_refused_is_told_and_nothing_is_recorded(admin: Admin, maya: str) -> None:
    before = rows_of(admin)
    taken = text_of(try_out(admin, "POST", "/Users", {"userName": "MAYA@example.com"}))
    assert "answered with 409" in taken
    assert "already in use" in taken
    assert "answered with 400" in text_of(try_out(admin, "PATCH", "/Users", {}, maya))
    assert "answered with 404" in text_of(try_out(admin, "PUT", "/Users", {"userName": "x"}))
    assert "answered with 400" in text_of(try_out(admin, "POST", "/Users", "[]"))
    assert rows_of(admin) == before


def test_members_who_would_come_and_go_are_counted(admin: Admin, maya: str) -> None:
    group = admin.portal.client.post("/Groups", {"displayName": "Sales"}).json["id"]
    body = {"Operations": [{"op": "add", "path": "members", "value": [{"value": maya}]}]}
    before = rows_of(admin)
    assert "1 joined the group" in text_of(try_out(admin, "PATCH", "/Groups", body, group))
    assert rows_of(admin) == before


def test_a_request_that_changes_nothing_says_so(admin: Admin, maya: str) -> None:
    body = {"Operations": [{"op": "replace", "path": "displayName", "value": "Maya"}]}
    assert "Nothing would change." in text_of(try_out(admin, "PATCH", "/Users", body, maya))


def test_what_is_no_json_comes_back_with_the_form(admin: Admin) -> None:
    answer = try_out(admin, "POST", "/Users", "{" + HOSTILE)
    assert answer.status_code == 422
    assert "Please check the form" in text_of(answer)
    assert HOSTILE not in answer.text


def test_a_recorded_request_can_be_tried_again(admin: Admin, maya: str) -> None:
    admin.portal.client.patch(
        f"/Users/{maya}", [{"op": "replace", "path": "title", "value": "Lead"}]
    )
    listed = admin.get("/{id}/activity").text
    entry = re.search(r"/activity/(\d+)", listed)
    assert entry is not None
    shown = admin.get("/{id}/activity/" + entry[1]).text
    assert f"/try?entry={entry[1]}" in shown
    form = admin.get("/{id}/try?entry=" + entry[1]).text
    assert f'value="{maya}"' in form
    assert re.search(r"<option selected value=\"PATCH\"", form)
    assert "&#34;title&#34;" in form
    assert admin.get("/{id}/try?entry=999999999").status_code == 200


def test_passwords_are_never_shown(admin: Admin) -> None:
    body = {"userName": "noah@example.com", "password": "hunter2-secret"}
    answer = try_out(admin, "POST", "/Users", body)
    shown = answer.text.partition('id="scim-result"')[2]
    assert "answered with 201" in text_of(answer)
    assert "hunter2" not in shown
