"""What a client sends is parsed once and checked once."""

from __future__ import annotations

import uuid
from typing import Any

import marshmallow
import pytest

from flask_scim_provisioning import UserSchema, fields
from flask_scim_provisioning.scim import filters, values
from flask_scim_provisioning.scim.attributes import Type
from flask_scim_provisioning.scim.catalogue import user_resource_type
from flask_scim_provisioning.scim.errors import InvalidValue
from flask_scim_provisioning.scim.names import Checked, flatten

from ..portal import Portal


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the texts that were checked, one for each look at it."""
    seen: list[str] = []
    check = values._CHECKS[Type.STRING]

    def look(value: Any, path: str) -> Any:
        seen.append(path)
        return check(value, path)

    monkeypatch.setitem(values._CHECKS, Type.STRING, look)  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("dialect", ["generic", "okta"])
def test_each_value_of_a_resource_is_checked_once(
    portal: Portal, checked: list[str], method: str, dialect: str
) -> None:
    client, _ = portal.connect("Another", dialect=dialect)
    path = "/Users"
    if method == "PUT":
        path = f"/Users/{client.post('/Users', {'userName': 'ada'}).json['id']}"
    checked.clear()
    body = {
        "userName": "ada",
        "title": "Countess",
        "name": {"givenName": "Ada"},
        "emails": [{"value": "ada@example.com", "type": "work"}],
        "phoneNumbers": [{"value": "1"}, {"value": "2"}],
    }
    assert client.request(method, path, body).status_code in (200, 201)
    assert sorted(checked) == sorted(
        [
            "userName",
            "title",
            "name.givenName",
            "emails.value",
            "emails.type",
            "phoneNumbers.value",
            "phoneNumbers.value",
        ]
    )


def test_a_filter_is_parsed_once(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    start = filters.Reader.__init__

    def read(self: Any, text: str, *more: Any) -> None:
        parsed.append(text)
        start(self, text, *more)

    monkeypatch.setattr(filters.Reader, "__init__", read)
    client, _ = portal.connect("Entra ID 2", dialect="entra")
    # What was parsed for an earlier test is kept.
    text = f'manager eq "nobody" and active eq "True" and title sw "{uuid.uuid4()}"'
    for ask in (
        lambda: client.get("/Users", filter=text),
        lambda: client.search("/Users", filter=text + " "),
        lambda: client.get("/Users", filter=text, cursor=""),
    ):
        assert ask().status_code == 200
    assert parsed == [text]


def test_what_a_hook_of_the_team_has_changed_is_checked_again() -> None:
    """Marshmallow's hooks may put anything into a resource."""
    flat = flatten({"userName": "ada", "title": "x"}, user_resource_type())
    assert isinstance(flat, Checked)
    assert flat.vouches("title", flat["title"])
    assert not flat.vouches("title", ["another"])
    assert not flat.vouches("nickName", "x")
    assert not flat.vouches(None, None)


def test_a_value_that_a_hook_has_spoiled_is_refused(portal: Portal) -> None:
    class Hooked(UserSchema):
        class Meta:
            model = portal.models.User

        user_name = fields.Attribute(portal.models.User.username)

        @marshmallow.pre_load
        def spoil(self, data: Any, **_: Any) -> Any:
            data["title"] = 7
            return data

    flat = flatten({"userName": "ada", "title": "x"}, user_resource_type())
    with pytest.raises(InvalidValue, match="title"):
        Hooked().validated(flat, partial=False)
