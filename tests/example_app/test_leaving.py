"""A leaver is gone: in the browser, in every worker, with every cookie, and with every API key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import sqlalchemy as sa

from ..browser import chromium
from .conftest import EMAIL, PASSWORD, Running

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAYA, SECRET = "maya@meridian.example", "a good word to remember"


class Directory:
    """What an identity provider says of Maya."""

    def __init__(self, portal: Running) -> None:
        self.endpoint, self._token = portal.connect("Contoso", "generic")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self._token}"
        answer = self.session.post(f"{self.endpoint}/Users", json=self._maya(), timeout=20)
        assert answer.status_code == 201, answer.text
        self.path = f"{self.endpoint}/Users/{answer.json()['id']}"

    @staticmethod
    def _maya() -> dict[str, Any]:
        return {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": MAYA,
            "externalId": "maya",
        }

    def says(self, active: bool) -> requests.Response:
        operation = {"op": "replace", "path": "active", "value": active}
        message = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation],
        }
        return self.session.patch(self.path, json=message, timeout=20)


@contextmanager
def engine_of(portal: Running) -> Iterator[sa.Engine]:
    engine = sa.create_engine(portal.environment["DATABASE_URL"])
    try:
        yield engine
    finally:
        engine.dispose()


def _give_a_password(portal: Running) -> None:
    from werkzeug.security import generate_password_hash

    from example_app.models import User

    with engine_of(portal) as engine, engine.begin() as connection:
        statement = sa.update(User.__table__).where(User.__table__.c.username == MAYA)
        connection.execute(statement.values(password_hash=generate_password_hash(SECRET)))


def _sign_in(page: Page, url: str, name: str = MAYA, password: str = SECRET) -> None:
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail or user name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Keep me signed in").check()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Good to see you").wait_for()


def _is_signed_in(page: Page, url: str) -> bool:
    page.goto(f"{url}/people")
    return "/sign-in" not in page.url


def _only_remembered(page: Page) -> list[Any]:
    """Leave the browser only the remember cookie, as after it was closed."""
    cookies = page.context.cookies()
    page.context.clear_cookies()
    kept = [each for each in cookies if each["name"] == "remember_token"]
    assert kept
    page.context.add_cookies(kept)
    return kept


@pytest.mark.timeout(300)
def test_somebody_is_signed_out_everywhere_and_for_good(start: Callable[[], Running]) -> None:
    portal, second = start(), start()
    directory = Directory(portal)
    _give_a_password(portal)
    with chromium() as browser:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.set_default_timeout(20_000)
        _sign_in(page, portal.url)
        assert _is_signed_in(page, second.url)
        page.get_by_role("link", name=MAYA).first.click()
        page.get_by_role("button", name="Make an API key").click()
        key = page.locator("#api-key").inner_text()
        program = {"X-API-Key": key}
        asked = requests.get(f"{second.url}/api/me", headers=program, timeout=20)
        assert asked.json()["username"] == MAYA
        page.goto(f"{second.url}/people")
        cookies = page.context.cookies()

        # The key can't be ended: 503, and everything is as before.
        with engine_of(portal) as engine:
            with engine.begin() as connection:
                connection.execute(sa.text("ALTER TABLE api_key RENAME TO api_key_away"))
            try:
                answer = directory.says(False)
            finally:
                with engine.begin() as connection:
                    connection.execute(sa.text("ALTER TABLE api_key_away RENAME TO api_key"))
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert directory.session.get(directory.path, timeout=20).json()["active"] is True
        assert _is_signed_in(page, portal.url)
        assert requests.get(f"{portal.url}/api/me", headers=program, timeout=20).ok

        # The retry succeeds, and the next click is the last one.
        page.goto(f"{second.url}/people")
        assert directory.says(False).status_code == 200
        page.get_by_role("link", name="Teams").first.click()
        page.get_by_role("heading", name="Sign in to Meridian").wait_for()
        assert not _is_signed_in(page, portal.url)
        for url in (portal.url, second.url):
            refused = requests.get(f"{url}/api/me", headers=program, timeout=20)
            assert refused.status_code == 401

        # Nor with the remember cookie, and not when the person comes back.
        page.context.add_cookies(cookies)
        kept = _only_remembered(page)
        assert not _is_signed_in(page, second.url)
        assert directory.says(True).status_code == 200
        page.context.clear_cookies()
        page.context.add_cookies(kept)
        assert not _is_signed_in(page, portal.url)
        page.context.clear_cookies()
        page.context.add_cookies(cookies)
        assert not _is_signed_in(page, second.url)
        assert requests.get(f"{portal.url}/api/me", headers=program, timeout=20).status_code == 401
        _sign_in(page, portal.url)

        # The record says so, to administrators and to auditors.
        page.context.clear_cookies()
        _sign_in(page, portal.url, EMAIL, PASSWORD)
        page.goto(f"{portal.url}/provisioning/")
        page.get_by_role("link", name="Contoso").first.click()
        page.get_by_role("link", name="Leavers").click()
        row = page.get_by_role("row", name=MAYA)
        assert "1 API key ended" in row.inner_text()
        assert "Came back" in row.inner_text()
        address = page.get_by_role("link", name="As JSON").get_attribute("href")
        document = page.context.request.get(f"{portal.url}{address}").json()
    (record,) = json.loads(portal.command("scim", "offboarding", "--json").stdout)
    assert document["records"] == [record]
    assert record["count"] == 1  # of failed tries
    assert record["received"] < record["blocked"] == record["sessions_ended"]
    assert record["hooks"] == [
        {"hook": "PortalUser.Meta.on_deactivate", "done": ["1 API key ended"]}
    ]
