"""Whatever a client sends is answered by SCIM, and what is refused has left nothing behind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.scim.attributes import Attribute, Mutability, Type
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type

from .client import PATCH_OP, SEARCH_REQUEST, ScimClient
from .portal import Portal
from .snapshots import snapshot
from .thorough import examples

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
KEPT_APART = ("scim_activity", "scim_access_token")
"""Tables that a refused request may write: that it was refused, and when the token was used."""

LONG = "x" * 300
"""Longer than every text column of the portal."""

#: Values that are wrong for most attributes, and unusual for all of them.
VALUES: tuple[Any, ...] = (
    "",
    "plain",
    "\0",
    "a\0b",
    "\ud800",
    "\U0001f600 é ß İ",
    LONG,
    "9" * 30,
    0,
    -(2**63) - 1,
    2**200,
    1e308,
    True,
    [],
    {},
    [[["deep"]]],
    [None],
    {"value": {"value": {"value": 1}}},
    [{"value": "\ud800", "type": 5, "primary": "yes"}, "text", 7, None],
    [{"primary": True, "value": "a@x.org"}, {"primary": True, "value": "b@x.org"}],
)
#: Fewer of them, for the many sub-attributes.
SOME_VALUES: tuple[Any, ...] = ("\0", "\ud800", LONG, 2**64, {"a": 1}, [1])


class Victim:
    """A portal with a client for each dialect, and a user and a group that are attacked."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.clients = [portal.connect(name, dialect=name)[0] for name in DIALECTS]
        self._turn = itertools.cycle(self.clients)
        made = portal.client.post(
            "/Users",
            {
                "userName": "victim@example.com",
                "externalId": "victim",
                "title": "Dr",
                "name": {"givenName": "Vic", "familyName": "Tim"},
                "emails": [{"value": "victim@example.com", "type": "work"}],
                ENTERPRISE: {"department": "Sales"},
            },
        )
        self.user = made.json["id"]
        group = {"displayName": "Victims", "members": [{"value": self.user}]}
        self.group = portal.client.post("/Groups", group).json["id"]
        self.paths = {"Users": f"/Users/{self.user}", "Groups": f"/Groups/{self.group}"}
        self._before = self._state()

    def _state(self) -> dict[str, Any]:
        return snapshot(self.portal, without=KEPT_APART)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send a request in the next dialect; judge its answer, and what it left behind."""
        client: ScimClient = next(self._turn)
        answer = client.request(method, path, body, **options)
        what = f"{method} {path[:80]} {str(body)[:200]!r}"
        assert answer.status_code < 500, f"{what}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.json["schemas"] == [ERROR], what
            assert answer.json["status"] == str(answer.status_code)
            assert len(answer.json["detail"]) > 10
            assert self._state() == self._before, f"{what} was refused and left something behind"
        elif method not in {"GET", "HEAD"}:
            self._before = self._state()
        return answer

    def patch(self, path: str, *operations: Any) -> Any:
        """Send a PATCH."""
        return self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)})

    def everything_can_be_read(self) -> None:
        """What was accepted can be answered, searched and sorted, in every dialect."""
        for client in self.clients:
            for path in ("/Users", "/Groups"):
                for query in ({}, {"sortBy": "externalId"}, {"filter": 'id ne "x"'}):
                    answer = client.get(path, count=200, **query)
                    assert answer.status_code == 200, answer.text
                    json.dumps(answer.json)


@pytest.fixture
def victim(portal: Portal) -> Victim:
    return Victim(portal)


def attributes_of(endpoint: str) -> Iterator[tuple[str, Attribute]]:
    """Yield every attribute of the catalogue with its path."""
    make = user_resource_type if endpoint == "Users" else group_resource_type
    yield from make().keys.items()


def nested(key: str, value: Any) -> dict[str, Any]:
    urn, _, name = key.rpartition(":")
    return {urn: {name: value}} if urn else {name: value}


NAMES = {"Users": "userName", "Groups": "displayName"}


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_wrong_values_of_every_attribute(victim: Victim, endpoint: str) -> None:
    """Each attribute of the catalogue gets each value, by POST, PUT and PATCH, in each dialect."""
    count = itertools.count()
    path = victim.paths[endpoint]
    for (key, _), value in itertools.product(attributes_of(endpoint), VALUES):
        victim.patch(path, {"op": "replace", "path": key, "value": value})
        number = next(count)
        body = {NAMES[endpoint]: f"n{number}@example.com", **nested(key, value)}
        match number % 4:
            case 0:
                victim.send("POST", f"/{endpoint}", body)
            case 1:
                victim.send("PUT", path, body)
            case 2:
                victim.patch(path, {"op": "add", "value": nested(key, value)})
            case _:
                victim.patch(path, {"op": "remove", "path": key, "value": value})
    victim.everything_can_be_read()


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_wrong_values_of_every_sub_attribute(victim: Victim, endpoint: str) -> None:
    path = victim.paths[endpoint]
    for key, attribute in attributes_of(endpoint):
        for sub, value in itertools.product(attribute.sub_attributes, SOME_VALUES):
            element = {"value": "someone@example.com", sub.name: value}
            body: Any = [element] if attribute.multi_valued else element
            victim.patch(path, {"op": "add", "path": key, "value": body})
            filtered = f'{key}[{sub.name} eq "x"].{sub.name}' if attribute.multi_valued else ""
            victim.patch(
                path, {"op": "replace", "path": filtered or f"{key}.{sub.name}", "value": value}
            )
    victim.everything_can_be_read()


def test_a_value_of_the_right_type_is_still_taken(victim: Victim) -> None:
    """The tests above would pass on a service that refuses everything."""
    samples = {Type.STRING: "plain", Type.BOOLEAN: True, Type.REFERENCE: "https://example.com/"}
    taken = 0
    for key, attribute in attributes_of("Users"):
        if attribute.type in samples and attribute.mutability is Mutability.READ_WRITE:
            operation = {"op": "replace", "path": key, "value": samples[attribute.type]}
            taken += victim.patch(victim.paths["Users"], operation).status_code == 200
    assert taken >= 10


def test_texts_longer_than_the_portals_columns(victim: Victim) -> None:
    """A portal that keeps 150 characters says so; it neither cuts nor fails."""
    for key in ("userName", "name.givenName", "name.familyName", "externalId", "emails"):
        value: Any = [{"value": f"{LONG}@example.com"}] if key == "emails" else LONG
        answer = victim.patch(victim.paths["Users"], {"op": "replace", "path": key, "value": value})
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        assert "characters" in answer.json["detail"]
    longest = "é" * 150
    answer = victim.patch(
        victim.paths["Users"], {"op": "replace", "path": "userName", "value": longest}
    )
    assert answer.json["userName"] == longest
    answer = victim.patch(
        victim.paths["Users"], {"op": "replace", "path": "title", "value": "é" * 100_000}
    )
    assert len(answer.json["title"]) == 100_000, "what the link row keeps has no such limit"


DEEP = 100_000
BODIES: dict[str, bytes | str] = {
    "nothing": b"",
    "blank": b" \r\n",
    "no JSON": b"{ no json",
    "two values": b"{} {}",
    "a number": b"7",
    "null": b"null",
    "a text": b'"text"',
    "a list": b"[]",
    "form data": b"userName=a&active=b",
    "XML": b"<User><userName>a</userName></User>",
    "not UTF-8": b'{"userName": "\xff\xfe"}',
    "half of a UTF-8 sequence": b'{"userName": "\xc3',
    "UTF-16": '{"userName": "a"}'.encode("utf-16"),
    "UTF-32": '{"userName": "a"}'.encode("utf-32"),
    "a mark at the beginning": b'\xef\xbb\xbf{"userName": 5}',
    "NaN": b'{"userName": NaN}',
    "Infinity": b'{"userName": "a", "active": -Infinity}',
    "a huge exponent": b'{"userName": "a", "active": 1e999999}',
    "a huge number": b'{"userName": ' + b"9" * 10_000 + b"}",
    "lone surrogates": rb'{"userName": "\ud800", "\udfff": 1}',
    "surrogates as a name": rb'{"userName": "b", "\ud800\ud800": {"\udc00": 1}}',
    "an escaped NUL": rb'{"userName": "a\u0000b"}',
    "a raw NUL": b'{"userName": "a\0b"}',
    "an empty name": b'{"": 1, "userName": 5}',
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a deep value": b'{"userName": "deep", "name": ' + b'{"name":' * 200 + b"1" + b"}" * 201,
    "a huge body": b'{"userName": "' + b"x" * 2_100_000 + b'"}',
    "many unknown names": json.dumps({f"unknown{n}": n for n in range(20_000)}),
    "a long name": json.dumps({"x" * 100_000: 1, "userName": 5}),
    "a name like code": json.dumps({"__proto__": {}, "__class__": 1, "userName": ["a"]}),
    "many e-mails": json.dumps({"userName": 1, "emails": [{"value": "a@x.org"}] * 5_000}),
    "schemas that are none": json.dumps({"schemas": 7, "userName": {"a": 1}}),
}


def test_bodies_that_are_no_resource(victim: Victim) -> None:
    """To every endpoint that reads a body, as the media types that it reads."""
    bodies = BODIES.values()
    if victim.portal.engine.dialect.name != "sqlite":
        # What is too large is refused before a database sees it.
        bodies = [body for body in bodies if len(body) < 10_000]
    for body in bodies:
        for method, path in (
            ("POST", "/Users"),
            ("POST", "/Groups"),
            ("PUT", victim.paths["Users"]),
            ("PUT", victim.paths["Groups"]),
            ("PATCH", victim.paths["Users"]),
            ("PATCH", victim.paths["Groups"]),
            ("POST", "/.search"),
            ("POST", "/Users/.search"),
        ):
            victim.send(method, path, body)
    victim.everything_can_be_read()


def test_duplicate_names_take_no_two_ways(victim: Victim) -> None:
    """RFC 8259 section 4 leaves it open; what is read back is one of the two."""
    answer = victim.send("POST", "/Users", b'{"userName": "first@x.org", "userName": "b@x.org"}')
    assert (answer.status_code, answer.json["userName"]) == (201, "b@x.org")
    twice = victim.send("POST", "/Users", b'{"userName": "c@x.org", "USERNAME": "d@x.org"}')
    assert (twice.status_code, twice.json["scimType"]) == (400, "invalidSyntax")
    for user in victim.portal.client.get("/Users").json["Resources"]:
        assert victim.portal.user(user["userName"]) is not None


@pytest.mark.parametrize(
    "media_type", ["text/plain", "text/garbage", "application/xml", "a/b;c=d", "\xe9", "garbage"]
)
def test_other_media_types(victim: Victim, media_type: str) -> None:
    body = json.dumps({"userName": "media@example.com"})
    answer = victim.send("POST", "/Users", body, content_type=media_type)
    assert answer.status_code == 415


def test_no_media_type(victim: Victim) -> None:
    """A body that isn't declared is taken for JSON."""
    body = json.dumps({"userName": "media@example.com"})
    answer = victim.send("POST", "/Users", body, content_type="")
    assert answer.status_code == 201


OPERATIONS: tuple[Any, ...] = (
    None,
    7,
    [],
    {},
    {"op": None},
    {"op": 5, "path": 5},
    {"op": "explode", "path": "userName"},
    {"op": "\ud800"},
    {"op": "add"},
    {"op": "add", "value": None},
    {"op": "add", "value": "text"},
    {"op": "add", "value": [1, 2]},
    {"op": "remove"},
    {"op": "remove", "path": "userName"},
    {"op": "remove", "path": ""},
    {"op": "remove", "path": "members", "value": [7, None, {"value": None}, {"value": [1]}]},
    {"op": "remove", "path": "members", "value": [{"value": "\0"}, {"value": "\ud800"}]},
    {"op": "add", "path": "members", "value": [{"value": "\0"}]},
    {"op": "add", "path": "members", "value": [{"value": LONG}, {}, {"value": 1}]},
    {"op": "add", "path": "members", "value": [{"value": f"nobody{n}"} for n in range(6_000)]},
    {"op": "add", "path": "members", "value": {"value": {"value": {}}}},
    {"op": "replace", "path": "members", "value": "someone"},
    {"op": "replace", "path": "members.value", "value": "someone"},
    {"op": "replace", "path": 'members[value eq "x"].value', "value": "someone"},
    {"op": "remove", "path": 'members[display co "\\u0000"]'},
    {"op": "remove", "path": 'members[display co "a\0b"]'},
    {"op": "remove", "path": 'members[value gt "a"]'},
    {"op": "remove", "path": "members[value eq 5]"},
    {"op": "remove", "path": "members[unknown eq 5]"},
    {"op": "remove", "path": "members[not (value pr)]"},
    {"op": "add", "path": "emails[type eq", "value": "a"},
    {"op": "add", "path": "emails[" * 200 + "]" * 200, "value": "a"},
    {"op": "add", "path": "emails[" + "(" * 500 + "value pr" + ")" * 500 + "]", "value": "a"},
    {"op": "add", "path": "x" * 50_000, "value": "a"},
    {"op": "add", "path": "\0", "value": "a"},
    {"op": "add", "path": "\ud800", "value": "a"},
    {"op": "add", "path": "urn:", "value": "a"},
    {"op": "add", "path": f"{ENTERPRISE}:", "value": {"a": 1}},
    {"op": "add", "path": ENTERPRISE, "value": "a"},
    {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "\0"}},
    {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": LONG}},
    {"op": "add", "path": f"{ENTERPRISE}:manager.displayName", "value": "\ud800"},
    {"op": "add", "path": "name.name.name", "value": "a"},
    {"op": "add", "path": "userName.value", "value": "a"},
    {"op": "add", "path": 'userName[value eq "a"]', "value": "a"},
    {"op": "replace", "path": "id", "value": "another"},
    {"op": "replace", "path": "meta", "value": {"version": 5}},
    {"op": "replace", "path": "schemas", "value": []},
    {"op": "replace", "value": {"id": "another", "meta": None, "schemas": 5}},
    {"op": "replace", "value": {"emails[": 1, 'emails[type eq "work"].value': 5}},
    {"op": "replace", "value": {f"{ENTERPRISE}:manager.value.value": 5}},
)


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_operations_that_are_none(victim: Victim, endpoint: str) -> None:
    """Alone, and behind one that works: then nothing of that one remains either."""
    path = victim.paths[endpoint]
    # What a dialect makes of an operation is made before a database sees it.
    everywhere = victim.portal.engine.dialect.name == "sqlite"
    for number, operation in enumerate(OPERATIONS):
        for _ in range(len(DIALECTS) if everywhere else 2):
            victim.patch(path, operation)
            first = {"op": "replace", "path": "externalId", "value": f"first{number}"}
            victim.patch(path, first, operation)
    for envelope in ({}, {"Operations": 5}, {"Operations": []}, {"operations": [None]}, [], 7):
        victim.send("PATCH", path, json.dumps(envelope))
    many = [{"op": "replace", "path": "title", "value": str(n)} for n in range(2_000)]
    victim.patch(path, *many)
    victim.everything_can_be_read()


IDS = (
    "%00",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "%2e%2e",
    "..%2f..",
    "a%2fb",
    "a/b/c",
    "%20",
    "%0a%0d",
    "'%20OR%201=1",
    "%F0%9F%98%80",
    "%C4%B0",
    "{}",
    "*",
    ".search",
    "0",
    "-1",
    "x" * 5_000,
    "00000000-0000-0000-0000-000000000000",
)


def test_ids_that_are_none(victim: Victim) -> None:
    for endpoint, method, identifier in itertools.product(
        ("Users", "Groups", "Schemas", "ResourceTypes"),
        ("GET", "PUT", "PATCH", "DELETE"),
        IDS,
    ):
        body = {"userName": "a", "displayName": "a"}
        answer = victim.send(method, f"/{endpoint}/{identifier}", None if method == "GET" else body)
        assert answer.status_code in {400, 404, 405}, (method, endpoint, identifier)


FILTERS = (
    "userName",
    "userName eq",
    'userName eq "',
    'userName eq "a" and',
    "userName eq 5",
    "userName eq true",
    "userName eq null",
    "userName gt null",
    "active gt true",
    'active eq "maybe"',
    "active co true",
    'userName eq "\0"',
    'userName co "a\0"',
    'userName sw "\\u0000"',
    'userName eq "\\ud800"',
    'title co "\\ud800"',
    'externalId eq "\0"',
    'emails.value eq "\0"',
    'members.display eq "\0"',
    'manager eq "\0"',
    'id eq "\0"',
    'id eq "é"',
    'id co "x"',
    'meta.created gt "yesterday"',
    'meta.created gt "0001-01-01T00:00:00+14:00"',
    'meta.created lt "9999-12-31T23:59:59-14:00"',
    "meta.created gt 5",
    "meta.version eq 5",
    'meta eq "a"',
    "meta pr",
    'schemas eq "urn:unknown"',
    "schemas co 5",
    "password pr",
    'password eq "a"',
    'userName eq "' + "é" * 200 + '"',
    'userName co "' + "É" * 8 + '"',
    'userName eq "' + "x" * 5_000 + '"',
    "(" * 1_000 + "userName pr" + ")" * 1_000,
    "not (" * 50 + "userName pr" + ")" * 50,
    " and ".join(["userName pr"] * 300),
    " or ".join(['title eq "a"'] * 300),
    "emails[" * 30 + "value pr" + "]" * 30,
    'emails[type eq "work" and value eq 7]',
    "emails[unknown pr]",
    'name eq "a"',
    "name.unknown pr",
    "urn:unknown:userName pr",
    f'{ENTERPRISE}:employeeNumber gt "5"',
    f"{ENTERPRISE}:manager pr",
    "x509Certificates.value pr",
    "addresses[country pr]",
    'userName eq "a"; DROP TABLE user',
    "userName eq 1e400",
    f"userName eq {2**80}",
    "' OR 1=1 --",
    "%00",
)


@pytest.mark.parametrize("path", ["/Users", "/Groups", "/"])
def test_filters_that_are_none(victim: Victim, path: str) -> None:
    for text in FILTERS:
        answers = [
            victim.send("GET", path, query={"filter": text}),
            victim.send("POST", f"{path.rstrip('/')}/.search", search(filter=text)),
        ]
        assert {answer.status_code for answer in answers} <= {200, 400}, text


def search(**parameters: Any) -> dict[str, Any]:
    return {"schemas": [SEARCH_REQUEST], **parameters}


NUMBERS = ("", "0", "-5", "x", "1.5", "1e3", "9" * 40, "\0", "٣", "NaN", "+1", " 7 ")
NAMES_OF_ATTRIBUTES = ("", ",,,", "\0", "unknown", "x" * 5_000, "emails[", "urn:", "userName.x.y")


@pytest.mark.parametrize("path", ["/Users", "/Groups", "/"])
def test_parameters_that_are_none(victim: Victim, path: str) -> None:
    for number in NUMBERS:
        victim.send("GET", path, query={"startIndex": number, "count": number})
    for name in (*NAMES_OF_ATTRIBUTES, "id", "meta", "members", "emails", "name", "schemas"):
        victim.send("GET", path, query={"sortBy": name, "sortOrder": name})
        victim.send("GET", path, query={"sortBy": name, "sortOrder": "descending"})
        victim.send("GET", path, query={"attributes": name, "excludedAttributes": ""})
        victim.send("GET", path, query={"excludedAttributes": name})
    for query in (
        "filter=%ff",
        "%00=%00",
        "filter",
        "&&&==",
        "filter=a&filter=b",
        "count=1&count=x",
    ):
        victim.send("GET", f"{path}?{query}")
    for value in (None, 7, [], {}, True, "\ud800", "\0", 2**80, -1.5, ["a", 5]):
        for name in ("startIndex", "count", "filter", "sortBy", "sortOrder", "attributes"):
            victim.send("POST", f"{path.rstrip('/')}/.search", search(**{name: value}))


def test_headers_that_are_none(victim: Victim) -> None:
    path = victim.paths["Users"]
    for header, value in itertools.product(
        ("If-Match", "If-None-Match", "X-Request-ID", "Accept", "Content-Encoding"),
        ("", "*", "W/", '"', 'W/"99999999999999999999999"', "x" * 5_000, "\xe9", 'W/"1", W/"x"'),
    ):
        victim.send("GET", path, headers={header: value})
        operation = {"op": "replace", "path": "nickName", "value": "Vic"}
        body = {"schemas": [PATCH_OP], "Operations": [operation]}
        victim.send("PATCH", path, body, headers={header: value})


def json_values() -> st.SearchStrategy[Any]:
    """JSON with names and texts that mean something to the service, and such that don't."""
    names = [key for key, _ in (*attributes_of("Users"), *attributes_of("Groups"))]
    names += [ENTERPRISE, "value", "type", "primary", "display", "op", "path", "Operations"]
    names += ["givenName", "formatted", "USERNAME", 'emails[type eq "work"].value', "$ref"]
    words = ["add", "replace", "Remove", "work", "true", "members", 'members[value eq "a"]']
    text = st.one_of(st.sampled_from(names + words), st.text(max_size=12))
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), text, st.just("\ud800")
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.one_of(st.sampled_from(names), st.text(max_size=6)), inner, max_size=5
            ),
        ),
        max_leaves=12,
    )


def operations() -> st.SearchStrategy[Any]:
    return st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "Replace", "remove"]), "value": json_values()},
            optional={
                "path": st.one_of(
                    st.sampled_from([key for key, _ in attributes_of("Users")] + ["members"]),
                    st.sampled_from(['emails[type eq "work"].value', "name.givenName", "manager"]),
                    st.text(max_size=8),
                )
            },
        ),
        max_size=3,
    )


def random_requests() -> st.SearchStrategy[tuple[str, str, Any]]:
    endpoints = st.sampled_from(["Users", "Groups"])
    named = st.builds(
        lambda body, user, group: {"userName": user, "displayName": group, **body},
        st.dictionaries(st.sampled_from([k for k, _ in attributes_of("Users")]), json_values()),
        st.text(max_size=8),
        st.text(max_size=8),
    )
    bodies = st.one_of(json_values(), named)
    envelope = operations().map(lambda ops: {"schemas": [PATCH_OP], "Operations": ops})
    return st.one_of(
        st.tuples(st.sampled_from(["POST", "PUT", "PATCH"]), endpoints, bodies),
        st.tuples(st.just("PATCH"), endpoints, envelope),
    )


def test_random_json(make_portal: Callable[..., Portal]) -> None:
    """No JSON value that Hypothesis can think of is answered with 5xx, or half written."""
    victim = Victim(make_portal())

    @settings(
        max_examples=examples(150),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(random_requests())
    def attack(request: tuple[str, str, Any]) -> None:
        method, endpoint, body = request
        path = f"/{endpoint}" if method == "POST" else victim.paths[endpoint]
        victim.send(method, path, json.dumps(body))

    attack()
    victim.everything_can_be_read()
