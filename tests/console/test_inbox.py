"""The inbox in Chromium: what waits, what speaks for and against it, and deciding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask_login import LoginManager, current_user, login_user
from flask_wtf import CSRFProtect

from flask_scim_provisioning.services import integrations
from flask_scim_provisioning.services.policies import Policies

from ..browser import served
from ..local_people import local_people
from ..mapping.hosts import open_portal
from ..portal import Portal
from .test_browser import NARROW, WIDE, axe, browser  # noqa: F401 - these are fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@dataclass
class Site:
    """A portal in whose inbox somebody waits, and the administrator's window.

    :ivar complaints: what the browser refused because of the Content-Security-Policy.
    """

    portal: Portal
    root: str
    page: Page
    complaints: list[str]

    def open(self, path: str = "") -> Page:
        """Open a page of the integration."""
        self.page.goto(f"{self.root}/provisioning/{self.portal.integration.id}{path}")
        return self.page

    def create(self, name: str, **more: Any) -> int:
        """Let the directory create a person; return the status."""
        body = {
            "userName": name,
            "externalId": f"x-{name}",
            "name": {"givenName": name.title()},
            "emails": [{"value": f"{name}@contoso.example", "type": "work", "primary": True}],
            DEPARTMENT: {"department": "Engines"},
            **more,
        }
        return int(self.portal.client.post("/Users", body).status_code)


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    """A portal that asks, with an administrator who signs in."""
    host = local_people(signs_in_by_email=True)
    portal = open_portal(f"sqlite:///{tmp_path / 'portal.sqlite3'}", host, dialect="entra")
    app = portal.app
    CSRFProtect(app)
    login = LoginManager(app)

    @login.user_loader  # type: ignore[untyped-decorator]
    def load(key: str) -> Any:
        return host.db.session.get(host.User, int(key))

    @app.get("/sign-in/<int:key>")
    def sign_in(key: int) -> str:
        login_user(host.db.session.get(host.User, key))
        return "signed in"

    @app.after_request
    def restrict(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    state = app.extensions["scim_provisioning"]
    app.extensions["scim_provisioning"] = replace(
        state, admin_required=lambda: bool(getattr(current_user, "is_admin", False))
    )
    integrations.update_integration(
        portal.session,
        state.models,
        "main",
        portal.integration.id,
        name="Contoso Entra ID",
        description="",
        dialect="entra",
        policies=Policies.chosen({"taking_over": "ask", "match_people_by": "userName+emails"}),
    )
    yield portal
    portal.close()


def _window(chrome: Browser, portal: Portal, root: str, **options: Any) -> Site:
    admin = portal.user("grace")
    if admin is None:
        admin = portal.add(
            portal.models.User(
                username="grace", is_admin=True, last_login_at=datetime(2026, 3, 1, 9, 30)
            )
        )
    page = chrome.new_context(**({"viewport": WIDE} | options)).new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if "Content Security" in message.text else None
        ),
    )
    page.goto(f"{root}/sign-in/{admin.id}")
    return Site(portal, root, page, complaints)


def _people(portal: Portal) -> None:
    """Add people whom the portal has had before."""
    usual = {"first_name": "Augusta", "department": "Poetry"}
    user = portal.models.User
    portal.add(
        user(username="ada", email="ada@home.example", last_login_at=datetime(2026, 5, 4), **usual),
        user(username="bob", email="bob@home.example", is_active=False, **usual),
        user(username="eve", email="mallory@contoso.example", **usual),
        user(username="mallory", email="mal@home.example", **usual),
    )
    team = portal.add(portal.models.Team(name="Analysts"))
    with portal.engine.begin() as connection:
        connection.execute(
            portal.models.team_member.insert(),
            {"team_id": team.id, "user_id": portal.user("ada").id},
        )


WINDOWS = [
    pytest.param({"viewport": WIDE, "color_scheme": "light"}, id="wide light"),
    pytest.param({"viewport": NARROW, "color_scheme": "dark"}, id="narrow dark"),
]


@pytest.mark.parametrize("options", WINDOWS)
def test_an_administrator_decides(browser, axe, portal: Portal, options: Any) -> None:  # noqa: F811
    """From the overview to the decision, without JavaScript's help, and what becomes of it."""
    with served(portal.app) as root:
        site = _window(browser, portal, root, reduced_motion="reduce", **options)

        def check(name: str) -> None:
            assert axe(site.page) == [], name
            width = site.page.evaluate("document.documentElement.scrollWidth")
            assert width <= options["viewport"]["width"], name
            shots = os.environ.get("SCIM_TEST_SCREENSHOTS")
            if shots:
                scheme = options["color_scheme"]
                site.page.screenshot(path=f"{shots}/{scheme}-{name}.png", full_page=True)

        site.open("/inbox")
        assert site.page.get_by_text("No decision waits").is_visible()
        check("empty")
        _people(portal)
        for name in ("ada", "bob", "grace", "mallory"):
            assert site.create(name, active=True) == 409
        page = site.open()
        assert page.get_by_text("4 decisions wait").first.is_visible()
        page.get_by_role("link", name="Open the inbox").first.click()
        check("waiting")
        page.get_by_role("link", name="mallory").click()
        assert page.get_by_text("Several people of the portal could be this one").is_visible()
        check("several")
        page.go_back()
        page.get_by_role("link", name="ada", exact=True).click()
        for text in ("user name", "2026-05-04 00:00", "Analysts", "givenName Augusta", "Engines"):
            assert page.get_by_text(text).first.is_visible(), text
        assert page.get_by_text("It is what this person signs in with, and stays.").is_visible()
        check("conflict")
        page.get_by_role("button", name="Decide").click()
        assert page.get_by_text("Choose what becomes of this person").first.is_visible()
        check("errors")
        page.get_by_label("Take over, and write the directory's profile").check()
        page.get_by_role("button", name="Decide").click()
        assert page.get_by_text("ada is taken over when the identity provider").is_visible()
        page.get_by_role("link", name="Decided").click()
        assert page.get_by_text("by grace").is_visible()
        check("decided")
        page.get_by_role("link", name="Waiting").click()
        page.get_by_role("button", name="Take all over, keep profiles").click()
        assert page.get_by_text("Decided about 1 person").is_visible()
        assert page.get_by_text("2 still wait").is_visible()
        statuses = [site.create(name, active=True) for name in ("ada", "bob", "grace", "mallory")]
        assert statuses == [201, 201, 409, 409]
        portal.session.rollback()
        ada, bob = portal.user("ada"), portal.user("bob")
        assert (ada.first_name, ada.email) == ("Ada", "ada@home.example")
        assert (bob.first_name, bob.is_active) == ("Augusta", False)
        page = site.open("/activity")
        assert page.get_by_text("Took over ada, whom the portal had before").first.is_visible()
        assert page.get_by_text("Decided about bob").first.is_visible()
        check("activity")
        assert site.complaints == []


def test_pages_of_the_inbox_are_found_by_key(portal: Portal, browser) -> None:  # noqa: F811
    with served(portal.app) as root:
        site = _window(browser, portal, root, java_script_enabled=False)
        user = portal.models.User
        names = [f"p{number:03}" for number in range(60)]
        portal.add(*(user(username=name) for name in names))
        for name in names:
            assert site.create(name) == 409
        page = site.open("/inbox")
        assert page.locator("tbody tr").count() == 50
        page.get_by_role("link", name="More").click()
        assert page.locator("tbody tr").count() == 10
        page.get_by_role("link", name="First").click()
        page.get_by_role("button", name="Leave all alone").click()
        assert page.get_by_text("Decided about 60 people").is_visible()
        table = portal.app.extensions["scim_provisioning"].models.activity.__table__
        decided = sa.select(sa.func.count()).where(table.c.action == "conflict.decided")
        portal.session.rollback()
        assert portal.session.scalar(decided) == 60
        assert site.create("p000") == 409
        assert page.goto(f"{page.url.split('?')[0]}/999999").status == 404
