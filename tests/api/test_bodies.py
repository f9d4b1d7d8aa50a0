"""Bodies: media types, sizes, and everything that is no SCIM message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.portal import Portal

from .test_routing import is_scim_error

ADA = {"userName": "ada"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "application/JSON;charset=UTF-8",
        None,
    ],
)
def test_media_types_that_are_read(portal: Portal, content_type: str | None) -> None:
    """Entra and Okta send a charset; a server that compared it literally answered 415."""
    answer = portal.client.post("/Users", ADA, content_type=content_type)
    assert answer.status_code == 201
    assert answer.mimetype == "application/scim+json"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
def test_other_media_types_are_refused(portal: Portal, content_type: str) -> None:
    assert is_scim_error(portal.client.post("/Users", ADA, content_type=content_type), 415)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_content_type_without_a_body_does_not_matter(portal: Portal, method: str) -> None:
    user = portal.client.post("/Users", ADA).json
    answer = portal.client.request(
        method, f"/Users/{user['id']}", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code in {200, 204}


NO_JSON = {
    "empty": b"",
    "words": b"hello",
    "half": b'{"userName": "ada"',
    "NaN": b'{"userName": "ada", "x": NaN}',
    "Infinity": b'{"userName": "ada", "x": -Infinity}',
    "Latin-1": '{"userName": "\u00e4da"}'.encode("latin-1"),
    "UTF-16": json.dumps(ADA).encode("utf-16"),
    "two values": b"{} {}",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "huge number": b'{"userName": ' + b"9" * 10_000 + b"}",
    "list": b"[]",
    "string": b'"userName"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/Users"),
        ("PUT", "/Users/{user}"),
        ("PATCH", "/Users/{user}"),
        ("PATCH", "/Groups/{user}"),
        ("POST", "/.search"),
        ("POST", "/Groups/.search"),
    ],
)
def test_what_is_no_message_is_invalid_syntax(portal: Portal, method: str, path: str) -> None:
    """RFC 7644 section 3.12, table 9."""
    path = path.format(user=portal.client.post("/Users", ADA).json["id"])
    for name, data in NO_JSON.items():
        answer = portal.client.request(method, path, data)
        assert is_scim_error(answer, 400), name
        assert answer.json["scimType"] == "invalidSyntax", name
    assert portal.client.get("/Users").json["totalResults"] == 1


def test_byte_order_mark_is_read_over(portal: Portal) -> None:
    data = b"\xef\xbb\xbf" + json.dumps(ADA).encode()
    assert portal.client.post("/Users", data).status_code == 201


WRONG_VALUES: dict[str, Any] = {
    "number as name": {"userName": 7},
    "list as name": {"userName": ["ada"]},
    "no name": {"displayName": "Ada"},
    "blank name": {"userName": " "},
    "NUL": {"userName": "a\u0000b"},
    "lone surrogate": {"userName": "a\ud800b"},
    "lone surrogate in a sub-attribute": {"userName": "ada", "name": {"givenName": "\udfff"}},
    "string as object": {"userName": "ada", "name": "Ada"},
    "number in a list": {"userName": "ada", "emails": [7]},
    "word as boolean": {"userName": "ada", "active": "perhaps"},
    "two primaries": {
        "userName": "ada",
        "emails": [{"value": "a@x", "primary": True}, {"value": "b@x", "primary": True}],
    },
}


@pytest.mark.parametrize("dialect", ["generic", "entra", "okta"])
def test_wrong_values_leave_nothing_half_written(portal: Portal, dialect: str) -> None:
    client, _ = portal.connect(dialect, dialect=dialect)
    for name, body in WRONG_VALUES.items():
        answer = client.post("/Users", body)
        assert is_scim_error(answer, 400), name
        assert answer.json["scimType"] == "invalidValue", name
    assert client.get("/Users").json["totalResults"] == 0


def test_number_beyond_64_bits_is_no_failure_of_the_service(portal: Portal) -> None:
    answer = portal.client.post("/Users", b'{"userName": "ada", "x": 99999999999999999999999}')
    assert answer.status_code == 201
    search = portal.client.get("/Users", filter="userName eq 99999999999999999999999")
    assert is_scim_error(search, 400)


@pytest.mark.portal(config={"SCIM_MAX_BODY_BYTES": 1000})
def test_body_that_is_too_large(portal: Portal) -> None:
    body = json.dumps({"userName": "ada", "title": "x" * 2000})
    assert is_scim_error(portal.client.post("/Users", body), 413)
    fits = json.dumps({"userName": "ada", "title": "x" * 900})
    assert portal.client.post("/Users", fits).status_code == 201


@pytest.mark.portal(config={"SCIM_MAX_BODY_BYTES": 1000})
def test_body_that_is_too_large_without_a_length(portal: Portal) -> None:
    """Sent in chunks a body has no Content-Length; it is read up to the limit and no further."""
    from io import BytesIO

    stream = BytesIO(json.dumps({"userName": "ada", "title": "x" * 100_000}).encode())
    answer = portal.app.test_client().post(
        f"{portal.client.base}/Users",
        input_stream=stream,
        headers={
            "Authorization": f"Bearer {portal.client.token}",
            "Content-Type": "application/scim+json",
            "Transfer-Encoding": "chunked",
        },
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert is_scim_error(answer, 413)
    assert stream.tell() <= 1001


@pytest.mark.portal(config={"MAX_CONTENT_LENGTH": 1000})
def test_limit_of_the_host_is_a_scim_error_too(portal: Portal) -> None:
    body = json.dumps({"userName": "ada", "title": "x" * 2000})
    assert is_scim_error(portal.client.post("/Users", body), 413)


QUERIES = [
    {"startIndex": "one"},
    {"count": "many"},
    {"sortOrder": "sideways"},
    {"filter": "userName"},
    {"filter": 'userName eq "a" and'},
    {"filter": "(" * 1000},
    {"filter": 'userName eq "' + "x" * 20_000},
    {"filter": 'shoeSize eq "44"'},
    {"filter": "not " * 1000 + 'userName eq "a"'},
]


def test_wrong_parameters_are_400(portal: Portal) -> None:
    """A filter that can't be answered is never an empty list: that would make duplicates."""
    for query in QUERIES:
        for endpoint in ("/Users", "/Groups", "/"):
            assert is_scim_error(portal.client.get(endpoint, **query), 400), query


PAGES: list[tuple[dict[str, str], int]] = [
    ({"startIndex": "0"}, 2),
    ({"startIndex": "-5"}, 2),
    ({"startIndex": "9" * 5000}, 0),
    ({"count": "-1"}, 0),
    ({"count": "0"}, 0),
    ({"count": "1"}, 1),
    ({"count": "9" * 5000}, 2),
    ({"startIndex": "", "count": ""}, 2),
    ({"unknown": "x"}, 2),
]


def test_paging_parameters(portal: Portal) -> None:
    """RFC 7644 section 3.4.2.4: less than 1 is 1, negative is 0."""
    for name in ("ada", "grace"):
        portal.client.post("/Users", {"userName": name})
    for query, items in PAGES:
        found = portal.client.get("/Users", **query).json
        assert (found["totalResults"], found["itemsPerPage"]) == (2, items), query
        assert len(found["Resources"]) == items
