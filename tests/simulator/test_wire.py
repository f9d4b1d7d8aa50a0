"""Headers, encodings and retries, on a real socket where the mock can't see them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import responses

from flask_scim_provisioning.simulator.habits import (
    ENTRA,
    ENTRA_RETRY,
    OKTA_CATALOGUE,
    OKTA_RETRY,
    OKTA_WIZARD,
    Headers,
    RetryPolicy,
)
from flask_scim_provisioning.simulator.report import Kind, Report
from flask_scim_provisioning.simulator.wire import (
    ObjectFailed,
    Quarantined,
    Wire,
    literal,
    split_endpoint,
)

from .server import BASE, TOKEN, list_response, scim_error

Heard = list[tuple[str, dict[str, str]]]
EMPTY = list_response([], 1, 0)


@pytest.fixture
def listener() -> Iterator[tuple[str, Heard]]:
    heard: Heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.path, dict(self.headers.items())))
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(length)
            body = json.dumps(EMPTY).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/scim+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/scim/v2", heard
    server.shutdown()
    thread.join()
    server.server_close()


def wire(
    endpoint: str = BASE, headers: Headers = ENTRA, retry: RetryPolicy = ENTRA_RETRY
) -> tuple[Wire, Report]:
    report = Report("entra", endpoint)
    return Wire(endpoint, TOKEN, report, headers, retry), report


def test_entra_reads_with_two_headers_and_no_user_agent(listener):
    endpoint, heard = listener
    wire(endpoint)[0].get("/Users", {"filter": 'userName eq "bjensen@contoso.com"'})
    path, headers = heard[0]
    assert path == "/scim/v2/Users?filter=userName+eq+%22bjensen%40contoso.com%22"
    assert set(headers) == {"Host", "Authorization", "ADSCIMVersion"}
    assert headers["ADSCIMVersion"] == "6.0"
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_entra_writes_scim_json_with_its_charset(listener):
    endpoint, heard = listener
    wire(endpoint)[0].call("POST", "/Users", {"userName": "Zoë"})
    assert heard[0][1]["Content-Type"] == "application/scim+json; charset=utf-8"
    assert "User-Agent" not in heard[0][1]


def test_okta_says_who_it_is(listener):
    endpoint, heard = listener
    connection, _ = wire(endpoint, OKTA_WIZARD, OKTA_RETRY)
    connection.get("/Users", {"startIndex": 1, "count": 2})
    path, headers = heard[0]
    assert path == "/scim/v2/Users?startIndex=1&count=2"
    assert headers == {
        "Host": headers["Host"],
        "Authorization": f"Bearer {TOKEN}",
        "User-Agent": "Okta SCIM Client 1.0.0",
        "Accept": "application/scim+json",
        "Accept-Charset": "utf-8",
        "Accept-Encoding": "gzip,deflate",
        "Connection": "Keep-Alive",
    }


def test_okta_encodes_blanks_in_both_ways_and_a_plus_always():
    asked = {"filter": f"userName eq {literal('ann+x@b.example')}"}
    encoded = "?filter=userName{0}eq{0}%22ann%2Bx%40b.example%22"
    assert wire(headers=OKTA_WIZARD)[0].encode(asked) == encoded.format("%20")
    assert wire(headers=OKTA_CATALOGUE)[0].encode(asked) == encoded.format("+")


def test_a_filter_literal_is_a_json_string():
    assert literal('Café "24/7" \\ 東京') == '"Café \\"24/7\\" \\\\ 東京"'


@pytest.mark.parametrize(
    "pasted",
    [BASE, f"{BASE}/", f" {BASE}\n", f"{BASE}?aadOptscim062020", f"{BASE}/?aadOptscim062020"],
)
def test_an_endpoint_is_taken_as_administrators_paste_it(pasted):
    base, flags = split_endpoint(pasted)
    assert base == BASE
    assert flags == ({"aadoptscim062020"} if "?" in pasted else set())


@pytest.mark.parametrize("pasted", ["", "portal.test/scim", "ftp://portal.test/scim"])
def test_an_endpoint_that_is_no_http_url_is_refused(pasted):
    with pytest.raises(ValueError, match="http or https URL"):
        split_endpoint(pasted)


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("flask_scim_provisioning.simulator.wire.time.sleep", waits.append)
    return waits


def throttle(*retry_after: str | None) -> None:
    for value in retry_after:
        responses.get(
            f"{BASE}/Users",
            json=scim_error(429, "Too many requests."),
            status=429,
            headers={} if value is None else {"Retry-After": value},
            content_type="application/scim+json",
        )
    responses.get(f"{BASE}/Users", json=EMPTY, content_type="application/scim+json")


@responses.activate
def test_retry_after_is_obeyed_and_is_no_surprise(slept):
    throttle("3")
    connection, report = wire()
    assert connection.get("/Users").status == 200
    assert slept == [3.0]
    assert report.ok
    assert report.steps[0].throttled == 1
    assert report.steps[0].statuses == {429: 1, 200: 1}


@responses.activate
def test_okta_doubles_its_wait_with_each_further_429(slept):
    throttle("2", "2", "2")
    connection, report = wire(headers=OKTA_WIZARD, retry=OKTA_RETRY)
    connection.get("/Users")
    assert slept == [2.0, 4.0, 8.0]
    assert report.ok


@pytest.mark.parametrize("value", [None, "Wed, 21 Oct 2026 07:28:00 GMT", "1.5"])
@responses.activate
def test_a_retry_after_that_is_no_whole_number_is_a_surprise(slept, value):
    throttle(value)
    connection, report = wire(headers=OKTA_WIZARD, retry=OKTA_RETRY)
    connection.get("/Users")
    assert [surprise.kind for surprise in report.surprises] == [Kind.THROTTLING]


@responses.activate
def test_okta_gives_up_after_the_tenth_429(slept):
    throttle(*["0"] * 20)
    connection, report = wire(headers=OKTA_WIZARD, retry=OKTA_RETRY)
    with pytest.raises(ObjectFailed):
        connection.get("/Users")
    assert report.requests == 10


@responses.activate
def test_no_answer_is_a_surprise_about_one_object():
    responses.get(f"{BASE}/Users", body=requests.ConnectTimeout("slow"))
    connection, report = wire()
    with pytest.raises(ObjectFailed):
        connection.get("/Users")
    assert [s.kind for s in report.surprises] == [Kind.NO_ANSWER]
    assert report.surprises[0].detail == "ConnectTimeout"


@responses.activate
def test_a_refused_token_stops_the_job_and_a_forbidden_object_does_not():
    connection, _ = wire()
    for status, error in ((401, Quarantined), (403, ObjectFailed)):
        responses.get(
            f"{BASE}/Users/{status}",
            json=scim_error(status, "No."),
            status=status,
            content_type="application/scim+json",
        )
        with pytest.raises(error):
            connection.get(f"/Users/{status}")


@responses.activate
def test_a_redirect_is_not_followed():
    responses.get(f"{BASE}/Users", status=308, headers={"Location": f"{BASE}/Users/"})
    connection, report = wire()
    with pytest.raises(ObjectFailed):
        connection.get("/Users")
    assert "expected 200, got 308" in report.surprises[-1].detail


def page(start: int, ids: list[int], total: int) -> None:
    responses.get(
        f"{BASE}/Users",
        match=[responses.matchers.query_param_matcher({"startIndex": start, "count": 100})],
        json=list_response([{"id": str(number)} for number in ids], start, total),
        content_type="application/scim+json",
    )


@responses.activate
def test_pages_go_on_where_the_server_ended():
    page(1, [1, 2], 3)
    page(3, [3], 3)
    connection, report = wire()
    assert [user["id"] for user in connection.pages("/Users")] == ["1", "2", "3"]
    assert report.ok


@responses.activate
def test_somebody_on_two_pages_is_a_surprise():
    page(1, [1, 2], 4)
    page(3, [2, 3], 4)
    connection, report = wire()
    assert len(connection.pages("/Users")) == 3
    assert {surprise.kind for surprise in report.surprises} == {Kind.LIST}


@responses.activate
def test_a_list_that_moved_while_it_was_read_is_read_again():
    page(1, [1, 2], 4)
    page(3, [2, 3], 4)
    page(1, [1, 2], 3)
    page(3, [3], 3)
    connection, report = wire()
    assert len(connection.pages("/Users")) == 3
    assert report.ok


def test_the_token_is_in_no_repr_of_the_connection():
    connection, _ = wire()
    assert TOKEN not in repr(connection)
    assert TOKEN not in repr(connection._session().auth)
