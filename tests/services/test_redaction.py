"""What is kept of a request: never a secret, wherever it stood and however it was wrapped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_scim_provisioning.scim.attributes import (
    Attribute,
    Mutability,
    ResourceType,
    Returned,
    Schema,
    Type,
)
from flask_scim_provisioning.services.redaction import (
    REDACTED,
    hidden_names,
    redact,
    redact_filter,
    redact_path,
    redact_text,
)

from ..thorough import examples

SECRET = "t1meF0rTea!"
HIDDEN = frozenset({"badge", "locker"})

NAMES = st.sampled_from(
    [
        "password",
        "PASSWD",
        "passphrase",
        "pwd",
        "pin",
        "userPin",
        "PIN",
        "otp",
        "totpSeed",
        "clientSecret",
        "apiToken",
        "api_key",
        "Api-Key",
        "privateKey",
        "private key",
        "sshKey",
        "authorization",
        "credentials",
        "badge",
        "Locker",
    ]
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
PLAIN = st.text(alphabet="abcdefgh ", min_size=1, max_size=8)


def _under_a_name(name: str, secret: Any) -> Any:
    return {name: secret}


def _under_a_urn(name: str, secret: Any) -> Any:
    return {f"urn:example:2.0:User:{name}": secret}


def _by_a_path(name: str, secret: Any) -> Any:
    return {"op": "replace", "path": f"urn:example:2.0:User:{name}", "value": secret}


def _by_a_value_path(name: str, secret: Any) -> Any:
    return {"op": "add", "path": f'keys[type eq "x"].{name}', "value": [{"value": secret}]}


def _by_a_name_beside(name: str, secret: Any) -> Any:
    return {"name": name, "value": secret}


def _in_a_filter(name: str, secret: Any) -> Any:
    return {"filter": f"{name.replace(' ', '')} eq {json.dumps(str(secret))}"}


def _in_a_value_filter(name: str, secret: Any) -> Any:
    return {"Path": f"keys[{name.replace(' ', '')} eq {json.dumps(str(secret))}].value"}


PLACES = st.sampled_from(
    [
        _under_a_name,
        _under_a_urn,
        _by_a_path,
        _by_a_value_path,
        _by_a_name_beside,
        _in_a_filter,
        _in_a_value_filter,
    ]
)


def _in_a_list(body: Any) -> Any:
    return [body]


def _in_an_object(body: Any) -> Any:
    return {"urn:example:2.0:User": body}


def _in_a_string(body: Any) -> Any:
    return {"value": json.dumps(body)}


def _in_a_string_of_a_list(body: Any) -> Any:
    return [json.dumps([body], indent=1)]


WRAPPINGS = st.lists(
    st.sampled_from([_in_a_list, _in_an_object, _in_a_string, _in_a_string_of_a_list]), max_size=4
)


@settings(max_examples=examples(400), deadline=None)
@given(NAMES, PLACES, WRAPPINGS, PLAIN)
def test_no_wrapping_hides_a_secret_from_the_redaction(name, place, wrappings, plain) -> None:
    """Keycloak sends JSON in a string, Entra paths with filters, scripts what they like."""
    body: Any = {"nickName": plain, "data": place(name, SECRET)}
    for wrap in wrappings:
        body = wrap(body)
    assert SECRET not in json.dumps(redact(body, HIDDEN))


@settings(max_examples=examples(200), deadline=None)
@given(NAMES, st.sampled_from(["eq", "NE", "co", "sw"]), st.sampled_from(['"{}"', "{}", '"{}']))
def test_no_literal_beside_a_secret_name_is_kept_of_a_filter(name, operator, quoted) -> None:
    """Also of one that can't be read: it was refused, and refusals are what the log keeps."""
    text = f"{name.replace(' ', '')} {operator} {quoted.format(SECRET)}"
    for kept in (
        redact_filter(text, HIDDEN),
        redact_filter(f'userName eq "ada" and ({text}', HIDDEN),
        redact_text(f"The filter {text} can't be read.", HIDDEN),
        redact_path(f"/Users?count=1&filter={text.replace(' ', '+')}", HIDDEN),
        redact_path(f"/Users?filter={text.replace(' ', '%20')}", HIDDEN),
    ):
        assert SECRET not in kept


@settings(max_examples=examples(300), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    )
)
def test_whatever_json_says_can_be_kept(body) -> None:
    """No payload makes the redaction fail, and what it returns is JSON that a database takes."""
    kept = json.dumps(redact(body, HIDDEN), ensure_ascii=False)
    assert kept.encode()
    assert "\\u0000" not in kept


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "ada@example.com", "title": "Opinion leader", "nickName": "Spinner"},
        {"filter": 'userName eq "ada@example.com"'},
        {"path": 'emails[type eq "work"].value', "value": "ada@example.com"},
        {"displayName": "[Engines]", "externalId": '"7"'[1:2]},
        {"members": [{"value": "2819c223", "display": "Token team"}]},
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]},
    ],
)
def test_what_is_no_secret_is_kept_as_it_was(body) -> None:
    assert redact(body, HIDDEN) == body


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmno",
        "sent with bearer abcdefghijklmno by hand",
        "scim_0123456789abcdef_abcdefghijklmnoABC",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_tokens_are_known_by_their_looks(text) -> None:
    kept = redact_text(text)
    assert REDACTED in kept
    assert "abcdefghijklmno" not in kept
    assert "eyJ" not in kept


def test_a_filter_that_speaks_of_a_secret_keeps_its_shape() -> None:
    kept = redact_filter(f'userName eq "ada" and password sw "{SECRET}"')
    assert kept == f'userName eq "{REDACTED}" and password sw "{REDACTED}"'


def test_the_path_of_a_request_keeps_what_an_administrator_looks_for() -> None:
    kept = redact_path("/Users?filter=userName%20eq%20%22ada%22&count=1")
    assert kept == '/Users?filter=userName eq "ada"&count=1'
    assert redact_path("/Users?password=x&access_token=y") == (
        f"/Users?password={REDACTED}&access_token={REDACTED}"
    )


def test_json_that_is_broken_off_is_left_out_where_it_speaks_of_a_secret() -> None:
    assert redact({"value": '{"password": "' + SECRET}) == {"value": REDACTED}
    assert redact({"value": '{"nickName": "Ada'}) == {"value": '{"nickName": "Ada'}


def test_the_schema_says_what_is_hidden() -> None:
    """RFC 7643 section 7: ``writeOnly`` and ``returned: never``, also of sub-attributes."""
    core = Schema(
        "urn:x:User",
        "User",
        "",
        (Attribute("password", mutability=Mutability.WRITE_ONLY), Attribute("title")),
    )
    own = Schema(
        "urn:x:Own",
        "Own",
        "",
        (
            Attribute("badge", returned=Returned.NEVER),
            Attribute(
                "vault",
                Type.COMPLEX,
                sub_attributes=(Attribute("Locker", returned=Returned.NEVER), Attribute("room")),
            ),
        ),
    )
    assert hidden_names([ResourceType("User", "/Users", core, (own,))]) == {
        "password",
        "badge",
        "locker",
    }
    body = {"urn:x:Own": {"badge": SECRET, "vault": {"locker": SECRET, "room": "7"}}}
    kept = redact(body, frozenset({"badge", "locker"}))
    assert kept == {"urn:x:Own": {"badge": REDACTED, "vault": {"locker": REDACTED, "room": "7"}}}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["a" * 60_000, "password " * 7_000, "pin=" * 15_000, '{"a":' * 9_000, " " * 60_000]
)
def test_no_text_takes_long_to_read(text) -> None:
    """Work is linear in the text: a client decides how long it is."""
    kept = redact({"nickName": text, "filter": text, text: 1})
    assert len(json.dumps(kept)) < 10_000
    assert redact_path(f"/Users?filter={text}")
