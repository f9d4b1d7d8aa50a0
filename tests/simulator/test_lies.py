"""A server that answers wrongly is found out."""

from __future__ import annotations

from typing import Any

import pytest

from flask_scim_provisioning.simulator.report import Kind, Report

from .server import ENTERPRISE, FakeServer, Lie


def kinds(report: Report) -> set[Kind]:
    return {surprise.kind for surprise in report.surprises}


def each_user(answer: Any) -> list[dict[str, Any]]:
    if not isinstance(answer, dict):
        return []
    listed = answer.get("Resources", [answer])
    return [resource for resource in listed if "userName" in resource]


def boolean_as_text(server, method, path, status, answer):
    for user in each_user(answer):
        user["active"] = str(user["active"])
    return status, answer


def no_content_on_post(server, method, path, status, answer):
    return (204, None) if method == "POST" and status == 201 else (status, answer)


def leaked_password(server, method, path, status, answer):
    sent = server.requests[-1][2]
    if method == "POST" and path == "/Users" and status == 201:
        answer["password"] = sent.get("password", "x")
    return status, answer


def leaked_token(server, method, path, status, answer):
    for user in each_user(answer):
        user["nickName"] = "Bearer scim_secret-token-of-the-test"
    return status, answer


def html_error(server, method, path, status, answer):
    return (status, "<h1>Conflict</h1>") if status == 409 else (status, answer)


def broken(server, method, path, status, answer):
    return (500, "<h1>Oops</h1>") if method == "PATCH" else (status, answer)


def no_id(server, method, path, status, answer):
    if method == "POST" and status == 201:
        del answer["id"]
    return status, answer


def another_id(server, method, path, status, answer):
    if method in ("PATCH", "PUT") and isinstance(answer, dict) and "userName" in answer:
        answer["id"] = "changed"
    return status, answer


def resources_missing(server, method, path, status, answer):
    if isinstance(answer, dict) and answer.get("Resources") == []:
        del answer["Resources"]
    return status, answer


def counters_as_text(server, method, path, status, answer):
    if isinstance(answer, dict) and "totalResults" in answer:
        answer["totalResults"] = str(answer["totalResults"])
    return status, answer


def lower_case_names(server, method, path, status, answer):
    for user in each_user(answer):
        user["userName"] = user["userName"].lower()
    return status, answer


def lost_member(server, method, path, status, answer):
    if method == "GET" and isinstance(answer, dict) and answer.get("members"):
        answer["members"].pop()
    return status, answer


def emptied_group(server, method, path, status, answer):
    body = server.requests[-1][2]
    for operation in (body or {}).get("Operations", ()):
        if operation["op"] == "Remove" and operation.get("path") == "members":
            server.groups[path.rpartition("/")[2]]["members"] = []
    return status, answer


def manager_as_text(server, method, path, status, answer):
    for user in each_user(answer):
        enterprise = user.get(ENTERPRISE, {})
        if "manager" in enterprise:
            enterprise["manager"] = enterprise["manager"]["value"]
    return status, answer


def manager_never_cleared(server, method, path, status, answer):
    body = server.requests[-1][2]
    for operation in (body or {}).get("Operations", ()):
        if operation["op"] == "Remove" and operation["path"].endswith(":manager"):
            user = server.users[path.rpartition("/")[2]]
            user[ENTERPRISE]["manager"] = {"value": user["id"]}
    return status, answer


def hidden_when_inactive(server, method, path, status, answer):
    if isinstance(answer, dict) and "Resources" in answer:
        kept = [r for r in answer["Resources"] if r.get("active", True)]
        gone = len(answer["Resources"]) - len(kept)
        answer |= {
            "Resources": kept,
            "itemsPerPage": len(kept),
            "totalResults": answer["totalResults"] - gone,
        }
    return status, answer


def never_deleted(server, method, path, status, answer):
    if method == "GET" and status == 404 and path.count("/") == 2:
        kind = "User" if path.startswith("/Users") else "Group"
        schema = f"urn:ietf:params:scim:schemas:core:2.0:{kind}"
        name = {"userName": "ghost"} if kind == "User" else {"displayName": "ghost"}
        return 200, {"schemas": [schema], "id": path.rpartition("/")[2], **name}
    return status, answer


def members_although_excluded(server, method, path, status, answer):
    listed = answer.get("Resources", [answer]) if isinstance(answer, dict) else []
    for resource in listed:
        if "displayName" in resource and "userName" not in resource:
            resource.setdefault("members", [])
    return status, answer


def status_as_number(server, method, path, status, answer):
    if status >= 400 and isinstance(answer, dict):
        answer["status"] = status
    return status, answer


def duplicates_taken(server, method, path, status, answer):
    if status == 409:
        return 201, {"id": "new"}
    return status, answer


def relative_location(server, method, path, status, answer):
    for user in each_user(answer):
        user["meta"]["location"] = f"/Users/{user.get('id')}"
    return status, answer


LIES: list[tuple[Lie, str, Kind]] = [
    (boolean_as_text, "entra", Kind.READ_BACK),
    (no_content_on_post, "entra", Kind.STATUS),
    (no_content_on_post, "okta", Kind.STATUS),
    (leaked_password, "okta", Kind.SENSITIVE),
    (leaked_token, "entra", Kind.SENSITIVE),
    (html_error, "entra", Kind.CONTENT_TYPE),
    (html_error, "entra", Kind.ERROR_BODY),
    (broken, "entra", Kind.SERVER_ERROR),
    (no_id, "entra", Kind.MISSING_ID),
    (another_id, "okta", Kind.MISSING_ID),
    (resources_missing, "entra", Kind.LIST),
    (counters_as_text, "okta", Kind.LIST),
    (lower_case_names, "entra", Kind.READ_BACK),
    (lost_member, "entra", Kind.MEMBERS),
    (lost_member, "okta", Kind.MEMBERS),
    (emptied_group, "entra", Kind.MEMBERS),
    (manager_as_text, "entra", Kind.READ_BACK),
    (manager_never_cleared, "entra", Kind.READ_BACK),
    (hidden_when_inactive, "entra", Kind.MATCH),
    (hidden_when_inactive, "okta", Kind.MATCH),
    (never_deleted, "entra", Kind.STATUS),
    (members_although_excluded, "entra", Kind.BODY),
    (status_as_number, "entra", Kind.ERROR_BODY),
    (duplicates_taken, "okta", Kind.STATUS),
    (relative_location, "entra", Kind.BODY),
]


@pytest.mark.parametrize(
    ("lie", "provider", "kind"), LIES, ids=[f"{p}-{lie.__name__}-{k.name}" for lie, p, k in LIES]
)
def test_a_lie_is_found_out(play, lie, provider, kind):
    report = play(FakeServer(lie=lie), provider)
    assert kind in kinds(report), report.as_text()
    assert not report.ok


def test_the_detail_of_a_surprise_says_what_was_expected_and_what_came(play):
    report = play(FakeServer(lie=no_content_on_post), "okta", app="wizard")
    surprise = next(s for s in report.surprises if s.kind is Kind.STATUS)
    assert surprise.request == "POST /Users"
    assert surprise.detail == "expected 201, got 204"
    assert surprise.step == "wizard: assign users"


def test_a_wrong_content_type_is_found_out(play):
    server = FakeServer()
    server.media_type = "application/json"
    assert kinds(play(server, "entra")) == {Kind.CONTENT_TYPE}


def test_a_bystander_who_changes_is_found_out(play):
    def demoted(server, method, path, status, answer):
        if method == "DELETE":
            server.users[local]["active"] = False
        return status, answer

    server = FakeServer(lie=demoted)
    local = server.local_user("administrator")
    assert Kind.BYSTANDER in kinds(play(server, "entra"))


def test_a_refused_token_stops_the_run_before_anything_is_written(play):
    def refused(server, method, path, status, answer):
        return 401, {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "401",
            "detail": "The token is revoked.",
        }

    server = FakeServer(lie=refused)
    report = play(server, "entra")
    assert report.stopped == "GET /Users was answered 401: The token is revoked."
    assert not report.ok
    assert len(server.requests) == 1


def test_a_failing_connection_test_stops_the_run(play):
    def disabled(server, method, path, status, answer):
        return 403, {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "403",
            "detail": "The integration is disabled.",
        }

    report = play(FakeServer(lie=disabled), "okta")
    assert report.stopped == "Test API Credentials failed at GET /Users."
    assert "The integration is disabled." in report.surprises[0].detail


def test_neither_token_nor_password_is_in_a_report(play):
    server = FakeServer(lie=leaked_password)
    report = play(server, "okta", app="wizard")
    passwords = [
        body["password"] for m, _, body in server.requests if m == "POST" and body.get("password")
    ]
    text = report.as_text() + str(report.as_json())
    assert "scim_secret-token-of-the-test" not in text
    assert not any(password in text for password in passwords)


def test_one_failed_person_does_not_stop_the_others(play):
    def one_refused(server, method, path, status, answer):
        body = server.requests[-1][2]
        if method == "POST" and path == "/Users" and len(server.users) == 3:
            del server.users[answer["id"]]
            return 400, {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "400",
                "detail": f"{len(body)} attributes are too many.",
            }
        return status, answer

    server = FakeServer(lie=one_refused)
    server.local_user("administrator")
    report = play(server, "okta", app="wizard")
    assert Kind.STATUS in kinds(report)
    assert len(server.users) < 5
    assert report.stopped is None
