"""Paths, methods and refusals under the SCIM prefix."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, abort

from tests.portal import Portal

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def is_scim_error(answer: Any, status: int) -> bool:
    return (
        answer.status_code == status
        and answer.mimetype == "application/scim+json"
        and answer.json["schemas"] == [ERROR]
        and answer.json["status"] == str(status)
        and bool(answer.json["detail"])
    )


def test_slashes_too_many_are_no_redirect(portal: Portal) -> None:
    """Entra's tenant URL may end in a slash, and an identity provider follows no redirect."""
    for path in ("/Users", "//Users", "/Users/", "///Users//", "/Users/?count=1", "//Users?"):
        answer = portal.client.request("GET", path)
        assert answer.status_code == 200, path
        assert answer.json["totalResults"] == 0


def test_base_url_is_a_search_of_everything(portal: Portal) -> None:
    """RFC 7644 section 3.4.2.1: a query against the server root."""
    portal.client.post("/Users", {"userName": "ada"})
    portal.client.post("/Groups", {"displayName": "Pioneers"})
    for path in ("", "/", "//", "?aadOptscim062020", "/?aadOptscim062020"):
        found = portal.client.request("GET", path).json
        assert found["totalResults"] == 2, path
        kinds = {each["meta"]["resourceType"] for each in found["Resources"]}
        assert kinds == {"User", "Group"}


def test_unknown_path_is_a_scim_error(portal: Portal) -> None:
    for path in ("/Nothing", "/users", "/Users/a/b", "/Schemas/a/b", "/.search/x", "/Users/a%2Fb"):
        for method in ("GET", "POST", "DELETE"):
            assert is_scim_error(portal.client.request(method, path), 404), (method, path)


WRONG_METHODS = [
    ("DELETE", "/Users", "GET, HEAD, OPTIONS, POST"),
    ("PUT", "/Groups", "GET, HEAD, OPTIONS, POST"),
    ("POST", "/Users/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ("GET", "/.search", "OPTIONS, POST"),
    ("POST", "/Schemas", "GET, HEAD, OPTIONS"),
    ("POST", "/", "GET, HEAD, OPTIONS"),
    ("PROPFIND", "/Users", "GET, HEAD, OPTIONS, POST"),
    ("TRACE", "/Users", "GET, HEAD, OPTIONS, POST"),
]


def test_wrong_method_is_a_scim_error_with_allow(portal: Portal) -> None:
    """RFC 9110 section 15.5.6: the answer has an Allow header."""
    for method, path, allowed in WRONG_METHODS:
        answer = portal.client.request(method, path)
        assert is_scim_error(answer, 405), (method, path)
        assert answer.headers["Allow"] == allowed


def test_options_tells_the_methods(portal: Portal) -> None:
    """RFC 9110 section 9.3.7; and it is nothing that the activity log should call a failure."""
    for path, methods in (
        ("/Users", "GET, HEAD, OPTIONS, POST"),
        ("/Users/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/Bulk", "OPTIONS, POST"),
    ):
        answer = portal.client.request("OPTIONS", path)
        assert (answer.status_code, answer.data) == (204, b""), path
        assert answer.headers["Allow"] == methods
    assert is_scim_error(portal.client.request("OPTIONS", "/Nothing"), 404)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/scim+json", "application/scim+json"),
        ("*/*", "application/scim+json"),
        ("application/*", "application/scim+json"),
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/scim+json, application/json", "application/scim+json"),
        ("application/scim+json;q=0.5, application/json", "application/json"),
        ("application/json;q=0", "application/scim+json"),
        ("text/html", "application/scim+json"),
        ("rubbish", "application/scim+json"),
    ],
)
def test_plain_json_for_those_who_like_it_better(
    portal: Portal, accept: str, expected: str
) -> None:
    """RFC 7644 section 3.8; whatever a client accepts, it is never refused for it."""
    for path, status in (("/Users", 200), ("/Users/1", 404)):
        answer = portal.client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.mimetype) == (status, expected)


def test_what_the_service_does_not_have_is_501(portal: Portal) -> None:
    """RFC 7644 section 3.11: /Me may be answered with 501."""
    for method, path in (("GET", "/Me"), ("PATCH", "/Me")):
        assert is_scim_error(portal.client.request(method, path), 501), (method, path)


def test_head_is_get_without_a_body(portal: Portal) -> None:
    user = portal.client.post("/Users", {"userName": "ada"}).json
    answer = portal.client.request("HEAD", f"/Users/{user['id']}")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["ETag"] == 'W/"1"'


def test_failure_of_the_service_tells_nothing_and_is_logged(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("flask_scim_provisioning.services.directory.search_resources", fail)
    answer = portal.client.get("/Users", headers={"X-Request-ID": "trace-7"})
    assert is_scim_error(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["X-Request-ID"] == "trace-7"
    assert "trace-7" in caplog.text
    assert "the secret of the house" in caplog.text


@pytest.mark.portal(config={"SCIM_OBEY_HOST_HOOKS": True})
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 429, 500, 503])
def test_what_the_host_aborts_with_is_a_scim_error(portal: Portal, status: int) -> None:
    """A login wall or a limiter of the host's runs before every view, and may before ours."""
    host_pages(portal.app, status)
    assert is_scim_error(portal.client.get("/Users"), status)


def host_pages(app: Flask, status: int) -> None:
    """Give the host an error page of its own, and a function that aborts."""
    app._got_first_request = False  # the portal of the test has answered nobody yet

    @app.errorhandler(status)
    def page(error: Any) -> tuple[str, int]:
        return "<h1>the host's page</h1>", status

    @app.before_request
    def wall() -> None:
        abort(status)


def test_pages_of_the_host_stay_the_hosts(portal: Portal) -> None:
    answer = portal.app.test_client().get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
