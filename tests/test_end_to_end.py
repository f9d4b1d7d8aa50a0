"""An administrator of the example portal connects an identity provider, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sqlalchemy.orm import Session

from .browser import chromium, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EMAIL = "alex@meridian.example"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The example portal with its administrator; returns its address."""
    from example_app import create_app
    from example_app.accounts import ensure_administrator
    from example_app.database import db

    monkeypatch.setenv("SECRET_KEY", "for tests only")
    database = f"sqlite:///{tmp_path / 'portal.sqlite3'}"
    monkeypatch.setenv("DATABASE_URL", database)
    app = create_app()
    with app.app_context():
        db.create_all()
        with Session(db.engine) as session:
            ensure_administrator(session, EMAIL, PASSWORD)
            session.commit()
    with served(app) as address:
        yield address
    with app.app_context():
        db.engine.dispose()


class IdentityProvider:
    """What an identity provider does with the two values that were pasted into it."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/scim+json; charset=utf-8",
        }

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Send one request."""
        return requests.request(
            method, f"{self.endpoint}{path}", json=body, headers=self.headers, timeout=20
        )

    def create(self, email: str, given: str, family: str) -> str:
        """Create a person as Entra does, and return the SCIM id."""
        answer = self.send(
            "POST",
            "/Users",
            {
                "schemas": [
                    "urn:ietf:params:scim:schemas:core:2.0:User",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                ],
                "externalId": email.split("@")[0],
                "userName": email,
                "active": True,
                "displayName": f"{given} {family}",
                "name": {"givenName": given, "familyName": family},
                "emails": [{"type": "work", "value": email, "primary": True}],
            },
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def copied(page: Page, label: str) -> str:
    """Press the copy button of a value, and return what is in the clipboard."""
    page.get_by_role("button", name=f"Copy {label}").click()
    page.get_by_text(f"{label} copied.").wait_for(state="attached")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_from_signing_in_to_removing(browser: Browser, portal: str):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()

    # Sign in; only then there is a Provisioning area.
    page.goto(f"{portal}/provisioning/")
    page.locator('input[name="username"]').fill(EMAIL)
    page.locator('input[name="password"]').fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Provisioning").first.click()
    page.get_by_text("No directory is connected yet").wait_for()

    # Create an integration and copy its two values.
    page.get_by_role("link", name="Create integration").click()
    page.get_by_label("Name", exact=True).fill("Contoso Entra ID")
    page.get_by_label("Microsoft Entra ID").check()
    page.get_by_role("button", name="Create integration").click()
    page.get_by_role("heading", name="Integration created").wait_for()
    entra = IdentityProvider(copied(page, "Endpoint URL"), copied(page, "Secret token"))
    assert entra.endpoint.startswith(f"{portal}/api/v1/main/integrations/")
    page.get_by_role("link", name="I have copied both values").click()
    page.get_by_text("Waiting for first request").first.wait_for()

    # Test Connection, and a first cycle.
    nobody = entra.send("GET", '/Users?filter=userName eq "0c9d4f2e-5b1f-4a57-9f5c-3f1f9b6f1c11"')
    assert (nobody.status_code, nobody.json()["totalResults"]) == (200, 0)
    adele = entra.create("adele.vance@contoso.example", "Adele", "Vance")
    group = entra.send(
        "POST",
        "/Groups",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Field engineering",
            "members": [{"value": adele}],
        },
    )
    assert group.status_code == 201, group.text
    off = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    }
    assert entra.send("PATCH", f"/Users/{adele}", off).json()["active"] is False

    # The activity tells it, and what was read leniently.
    page.reload()
    page.locator(".scim-badge", has_text="Active").first.wait_for()
    activity = page.get_by_role("table", name="Latest activity of Contoso Entra ID")
    assert activity.get_by_role("row", name="Created adele.vance@contoso.example").count()
    assert activity.get_by_role("row", name="Created the group Field engineering").count()
    deactivated = activity.get_by_role("row", name="Deactivated adele.vance")
    assert deactivated.get_by_role("list", name="Notes").is_visible()

    # She is in the portal's own pages.
    page.get_by_role("navigation", name="Portal").get_by_role("link", name="People").click()
    page.get_by_role("link", name="Adele Vance").wait_for()

    # Disabled: every request is refused, with a sentence.
    page.get_by_role("link", name="Provisioning").first.click()
    page.get_by_role("link", name="Contoso Entra ID").click()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("Contoso Entra ID is disabled").wait_for()
    refused = entra.send("GET", f"/Users/{adele}")
    assert (refused.status_code, refused.json()["status"]) == (403, "403")
    assert "disabled" in refused.json()["detail"]

    page.get_by_role("button", name="Enable").click()
    page.get_by_text("Contoso Entra ID is enabled").wait_for()
    assert entra.send("GET", f"/Users/{adele}").status_code == 200

    # Removed: the token opens nothing, and nobody is lost.
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Remove integration").click()
    page.get_by_label("Type “Contoso Entra ID” to confirm").fill("Contoso Entra ID")
    page.get_by_role("button", name="Remove integration").click()
    page.get_by_text("Contoso Entra ID is removed").wait_for()
    assert entra.send("GET", f"/Users/{adele}").status_code == 401
    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name="Adele Vance").wait_for()
    context.close()
