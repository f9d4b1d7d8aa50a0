"""Sessions that a directory ends: at the next request, and for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, current_user, login_user

from .client import ScimClient, counted
from .plain import PlainPortal, plain_portal


@pytest.fixture(params=[True, False], ids=["column", "no column"])
def portal(database_url: str, request: pytest.FixtureRequest) -> Iterator[PlainPortal]:
    """A portal with Flask-Login, whose people have a column for ``active``, or have none."""
    with ExitStack() as portals:
        made = plain_portal(database_url, "flask-sqlalchemy", has_active=request.param)
        portals.callback(made.close)
        _sign_in_pages(made)
        yield made


def _sign_in_pages(portal: PlainPortal) -> None:
    login, model = LoginManager(portal.app), portal.models.User

    class Visitor(UserMixin):
        def __init__(self, user: Any) -> None:
            self.user = user

        def get_id(self) -> str:
            return portal.provisioning.session_id(self.user)

    @login.user_loader
    def load(session_id: str) -> Any:
        user = portal.provisioning.load_user(session_id)
        return None if user is None else Visitor(user)

    @portal.app.get("/sign-in/<name>")
    def sign_in(name: str) -> str:
        user = portal.session().scalars(sa.select(model).where(model.username == name)).one()
        login_user(Visitor(user), remember=True)
        return "ok"

    @portal.app.get("/me")
    def me() -> str:
        return current_user.user.username if current_user.is_authenticated else "nobody"


def signed_in(portal: PlainPortal, name: str = "ada") -> FlaskClient:
    browser = portal.app.test_client()
    assert browser.get(f"/sign-in/{name}").text == "ok"
    assert browser.get("/me").text == name
    return browser


def create(client: ScimClient, name: str = "ada", **values: Any) -> str:
    answer = client.post("/Users", {"userName": name, **values})
    assert answer.status_code == 201, answer.json
    return f"/Users/{answer.json['id']}"


def switch(client: ScimClient, path: str, value: bool) -> None:
    answer = client.patch(path, [{"op": "replace", "path": "active", "value": value}])
    assert answer.status_code in (200, 204)


def off_by_patch(client: ScimClient, path: str) -> str:
    switch(client, path, False)
    return path


def off_by_put(client: ScimClient, path: str) -> str:
    assert client.put(path, {"userName": "ada", "active": False}).status_code == 200
    return path


def off_by_delete(client: ScimClient, path: str) -> str:
    assert client.delete(path).status_code == 204
    return ""


OFF: list[Callable[[ScimClient, str], str]] = [off_by_patch, off_by_put, off_by_delete]


@pytest.mark.parametrize("leave", OFF)
def test_who_comes_back_does_not_come_back_with_the_old_cookies(
    portal: PlainPortal, leave: Callable[[ScimClient, str], str]
) -> None:
    client = portal.client()
    path = create(client)
    browser, remembering = signed_in(portal), signed_in(portal)
    remembering.delete_cookie("session")
    assert remembering.get("/me").text == "ada"
    remembering.delete_cookie("session")
    path = leave(client, path)
    assert browser.get("/me").text == remembering.get("/me").text == "nobody"
    if path:
        switch(client, path, True)
    else:
        path = create(client)
    # The cookies of before, as a thief or another computer still has them.
    assert browser.get("/me").text == remembering.get("/me").text == "nobody"
    again = signed_in(portal)
    off_by_patch(client, path)
    switch(client, path, True)
    assert again.get("/me").text == "nobody"
    assert signed_in(portal).get("/me").text == "ada"


def test_nobody_is_signed_out_by_anything_else(portal: PlainPortal) -> None:
    """Nor by being taken over, or by a portal that begins to use session ids."""
    with portal.app.app_context():
        session = portal.session()
        session.add(portal.models.User(username="ada"))
        session.commit()
        key = session.scalars(sa.select(portal.models.User.id)).one()
    browser = signed_in(portal)
    with browser.session_transaction() as cookie:
        assert cookie["_user_id"] == str(key)
    client = portal.client()
    path = create(client, title="Countess")
    client.put(path, {"userName": "ada", "title": "Lady", "active": True})
    switch(client, path, True)
    client.patch(path, [{"op": "replace", "path": "title", "value": "Ada"}])
    assert browser.get("/me").text == "ada"


def test_who_is_taken_over_inactive_is_signed_out(portal: PlainPortal) -> None:
    with portal.app.app_context():
        portal.session().add(portal.models.User(username="ada"))
        portal.session().commit()
    browser = signed_in(portal)
    client = portal.client()
    path = create(client, active=False)
    assert browser.get("/me").text == "nobody"
    switch(client, path, True)
    assert browser.get("/me").text == "nobody"


def test_others_stay(portal: PlainPortal) -> None:
    client = portal.client()
    path = create(client)
    create(client, "grace")
    browser = signed_in(portal, "grace")
    off_by_patch(client, path)
    assert browser.get("/me").text == "grace"


def test_it_costs_one_read_beside_the_person(portal: PlainPortal) -> None:
    client = portal.client()
    path = create(client)
    off_by_patch(client, path)
    switch(client, path, True)
    browser = signed_in(portal)
    with counted(portal.engine) as cost:
        assert browser.get("/me").text == "ada"
    assert cost.count == 2, cost.statements


def test_other_kinds_of_sessions_can_ask_since_when(portal: PlainPortal) -> None:
    client = portal.client()
    path, model = create(client), portal.models.User

    def asked() -> datetime | None:
        with portal.app.app_context():
            user = portal.session().scalars(sa.select(model)).one()
            return portal.provisioning.signed_out(user)

    assert asked() is None
    before = datetime.now(UTC)
    off_by_patch(client, path)
    ended = asked()
    assert ended is not None
    assert before <= ended <= datetime.now(UTC)


@pytest.mark.parametrize(
    "text", ["", "~", "ada", "1,2", "1~", "1~zz", "9" * 400, "\x00", "1\x00", "é", "-", "1" * 60]
)
def test_a_session_of_nobody_is_nobodys(portal: PlainPortal, text: str) -> None:
    client = portal.client()
    path = create(client)
    off_by_patch(client, path)
    switch(client, path, True)
    with portal.app.app_context():
        assert portal.provisioning.load_user(text) is None


def test_who_is_not_there_yet_has_no_session(portal: PlainPortal) -> None:
    with portal.app.app_context():
        user = portal.models.User(username="new")
        with pytest.raises(ValueError, match="flush"):
            portal.provisioning.session_id(user)
        assert portal.provisioning.signed_out(user) is None
        with pytest.raises(TypeError, match="session_id wants a User"):
            portal.provisioning.session_id(None)
