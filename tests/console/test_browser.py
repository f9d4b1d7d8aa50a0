"""The pages in Chromium: accessible, without JavaScript too, and under a strict policy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.models import utcnow

from ..browser import chromium, served
from ..portal import Portal, build_portal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = [
    "/",
    "/?tenant=empty",
    "/new",
    "/activity",
    "/removed",
    "/refused",
    "/{id}",
    "/{disabled}",
    "/{waiting}",
    "/{id}/failures",
    "/{waiting}/failures",
    "/{id}/activity/{entry}",
    "/{id}/people",
    "/{id}/groups",
    "/{id}/mapping",
    "/{id}/try",
    "/{id}/credentials",
    "/{id}/connect",
    "/{id}/settings",
    "/{id}/disable",
    "/{gone}/activity",
    "/{gone}",
    "/{id}/activity",
    "/{id}/activity?outcome=refused",
    "/{id}/activity?outcome=attention",
    "/{disabled}/activity?outcome=failed",
    "/{id}/rotate",
    "/{id}/remove",
    "/{id}/tokens/{key}/revoke",
    "/nothing",
]
NARROW = {"width": 320, "height": 740}
WIDE = {"width": 1280, "height": 800}


@dataclass
class Visit:
    """A signed-in administrator's browser window.

    :ivar complaints: what the browser refused because of the Content-Security-Policy.
    """

    page: Page
    root: str
    names: dict[str, str]
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Open a page of the console; ``{id}`` and its like stand for the portal's own."""
        self.page.goto(f"{self.root}/provisioning{path.format(**self.names)}")
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def axe() -> Callable[[Page], list[str]]:
    """Return a function that checks a page and returns what is wrong with it."""
    import axe_playwright_python

    script = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

    def check(page: Page) -> list[str]:
        page.evaluate(script)
        found = page.evaluate("axe.run()")["violations"]
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]

    return check


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Portal, str, dict[str, str]]]:
    """A running portal with integrations in every state, and a strict policy."""
    from flask import request

    from flask_scim_provisioning.services.integrations import (
        disable_integration,
        remove_integration,
    )
    from flask_scim_provisioning.services.tokens import TokenSecret

    folder = tmp_path_factory.mktemp("site")
    portal = build_portal(f"sqlite:///{folder / 'portal.sqlite3'}", dialect="entra")
    state = portal.app.extensions["scim_provisioning"]
    tenant = lambda: request.args.get("tenant", "main")  # noqa: E731 - as a host would write it
    portal.app.extensions["scim_provisioning"] = _replaced(state, tenant=tenant)

    @portal.app.after_request
    def restrict(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    _, disabled = portal.connect("Old directory", dialect="okta")
    disable_integration(portal.session, state.models, "main", disabled.id)
    _, waiting = portal.connect("New directory", dialect="jumpcloud")
    former, gone = portal.connect("Former directory", dialect="google")
    remove_integration(portal.session, state.models, "main", gone.id)
    assert former.get("/Users").status_code == 401
    stranger = portal.client.with_token(TokenSecret.new().reveal())
    assert stranger.get("/Users").status_code == 401
    body = {"userName": "maya@example.com", "active": "perhaps"}
    assert portal.client.post("/Users", body).status_code == 400
    body = {"userName": "noor@example.com", "externalId": "e1"}
    assert portal.client.post("/Users", body).status_code == 201
    usual = {
        "integration_id": portal.integration.id,
        "tenant": "main",
        "at": utcnow(),
        "resource_type": "User",
        "action": "user.updated",
        "resource_name": "a.very.long.name.indeed@research.and.development.example.com",
    }
    activity = state.models.activity
    portal.add(
        activity(outcome="ok", status=200, notes=["Read the string “False” as false."], **usual),
        activity(outcome="refused", status=409, detail="userName is taken.", **usual),
        activity(outcome="failed", status=500, **usual),
        activity(
            outcome="ok",
            status=204,
            attention="members.skipped",
            notes=["1 unknown member(s) skipped: 2819c223-7f76-453a-919d-413861904646"],
            **usual,
        ),
    )
    portal.add(portal.models.User(username="ada", is_admin=True))
    names = {
        "id": str(portal.integration.id),
        "disabled": str(disabled.id),
        "waiting": str(waiting.id),
        "gone": str(gone.id),
        "entry": str(portal.session.scalar(sa.select(sa.func.max(activity.id)))),
        "key": portal.client.token.split("_")[1],
    }
    with served(portal.app) as root:
        yield portal, root, names
    portal.close()


def _replaced(state: Any, **values: Any) -> Any:
    from dataclasses import replace

    return replace(state, **values)


@pytest.fixture
def visit(
    browser: Browser, site: tuple[Portal, str, dict[str, str]]
) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a window, with the options of Playwright's ``new_context``."""
    portal, root, names = site
    contexts = []

    def start(**options: Any) -> Visit:
        context = browser.new_context(**({"viewport": WIDE} | options))
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{root}/sign-in/{portal.user('ada').id}")
        visit = Visit(page, root, names)
        page.on(
            "console",
            lambda message: (
                visit.complaints.append(message.text)
                if "Content Security Policy" in message.text
                else None
            ),
        )
        return visit

    yield start
    for context in contexts:
        context.close()


def fill_in(page: Page, name: str, dialect: str = "entra") -> None:
    """Fill in the form that creates an integration, and send it."""
    page.get_by_label("Name", exact=True).fill(name)
    page.locator(f'input[value="{dialect}"]').check()
    page.get_by_role("button", name="Create integration").click()
    page.get_by_role("heading", name="Integration created").wait_for()


in_two_ways = pytest.mark.parametrize(
    ("viewport", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide light", "narrow dark"]
)


@pytest.mark.parametrize("part", range(4))
@in_two_ways
def test_every_page_is_accessible(visit, axe, viewport: Any, scheme: str, part: int):
    window = visit(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    for path in PAGES[part::4]:
        page = window.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert axe(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
    assert window.complaints == []


@in_two_ways
def test_a_form_is_accessible_with_errors_and_with_a_token(visit, axe, viewport: Any, scheme: str):
    window = visit(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    page = window.open("/new")
    page.get_by_role("button", name="Create integration").click()
    assert axe(page) == [], "with errors"
    fill_in(page, f"Axe {scheme} {viewport['width']}")
    assert axe(page) == [], "with a token"
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert window.complaints == []


def test_headings_go_down_one_level_at_a_time(visit):
    window = visit()
    for path in PAGES:
        page = window.open(path)
        levels = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(each => +each.tagName[1])"
        )
        assert levels.count(1) == 1, path
        assert levels[0] == 1, path
        steps = [below - above for above, below in itertools.pairwise(levels)]
        assert max(steps, default=0) <= 1, path


def test_everything_can_be_done_without_javascript(visit):
    window = visit(java_script_enabled=False)
    page = window.open("/new")
    fill_in(page, "Without JavaScript", "okta")
    assert page.get_by_label("Secret token").input_value().startswith("scim_")
    assert page.locator("[data-scim-copy]:visible").count() == 0
    page.get_by_role("link", name="I have copied both values").click()
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_text("Without JavaScript is paused").is_visible()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable").click()
    assert page.get_by_text("Without JavaScript is disabled").is_visible()
    page.get_by_role("button", name="Enable").click()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("Description").fill("Edited")
    page.get_by_role("button", name="Save").click()
    assert page.get_by_text("The settings of Without JavaScript are saved").is_visible()
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Rotate token").click()
    page.get_by_role("button", name="Make a new token").click()
    assert page.get_by_label("Secret token").input_value().startswith("scim_")
    page.get_by_role("link", name="I have copied both values").click()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Remove integration").click()
    page.get_by_label("Type “Without JavaScript” to confirm").fill("Without JavaScript")
    page.get_by_role("button", name="Remove integration").click()
    assert page.get_by_text("Without JavaScript is removed").is_visible()


def test_a_button_copies_each_value(visit):
    window = visit(permissions=["clipboard-read", "clipboard-write"])
    page = window.open("/new")
    fill_in(page, "Copied")
    for label in ("Endpoint URL", "Secret token"):
        page.get_by_role("button", name=f"Copy {label}").click()
        page.get_by_text(f"{label} copied.").wait_for(state="attached")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.get_by_label(label, exact=True).input_value()
    assert window.complaints == []


def test_a_value_is_selected_as_a_whole_when_it_is_focused(visit):
    page = visit().open("/{id}")
    page.get_by_label("Endpoint URL").focus()
    selected = page.evaluate("getSelection().toString()")
    assert selected == page.get_by_label("Endpoint URL").input_value()


def test_the_keyboard_alone_creates_an_integration(visit):
    page = visit().open("/new")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "scim-main"
    for key in ("Tab", "Tab"):  # over the trail, to the first field
        page.keyboard.press(key)
    page.keyboard.type("By keyboard")
    page.keyboard.press("Tab")
    page.keyboard.type("For people who don't use a mouse")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first identity provider
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Integration created").wait_for()
    assert page.get_by_text("Next: set up Okta").is_visible()


def test_whatever_has_the_focus_is_outlined(visit):
    page = visit().open("/{id}")
    stops = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        stop, outline = page.evaluate(
            """() => {
                const element = document.activeElement;
                const style = getComputedStyle(element);
                return [element.outerHTML.slice(0, 120), style.outlineStyle];
            }"""
        )
        if stop.startswith("<body") or stop in stops:
            break
        stops.add(stop)
        assert outline != "none", stop
    assert len(stops) > 8


def test_errors_take_the_focus_and_lead_to_their_fields(visit):
    page = visit().open("/new")
    page.get_by_role("button", name="Create integration").click()
    summary = page.get_by_role("alert")
    assert summary.evaluate("element => element === document.activeElement")
    summary.get_by_role("link", name="Enter a name for the integration.").click()
    assert page.evaluate("document.activeElement.id") == "name"


def test_nothing_moves_for_who_wants_no_motion(visit):
    page = visit(reduced_motion="reduce").open("/{id}")
    moving = page.evaluate(
        """[...document.querySelectorAll('*')].filter(each => {
            const style = getComputedStyle(each);
            return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
        }).map(each => each.outerHTML.slice(0, 80))"""
    )
    assert moving == []


def test_dark_follows_the_page_around_it(visit):
    """A portal that is light only says nothing of ``color-scheme``, and so stays light."""
    page = visit(color_scheme="dark").open("/{id}")
    card = page.locator(".scim-card").first
    dark = card.evaluate("element => getComputedStyle(element).backgroundColor")
    page.evaluate("document.body.style.colorScheme = 'light'")
    light = card.evaluate("element => getComputedStyle(element).backgroundColor")
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(23, 30, 41)")


def test_a_portal_changes_the_colours_in_its_own_style_sheet(visit):
    page = visit(reduced_motion="reduce").open("/")
    page.evaluate("document.documentElement.style.setProperty('--scim-accent', 'rgb(0, 100, 0)')")
    button = page.get_by_role("link", name="Create integration")
    colour = button.evaluate("element => getComputedStyle(element).backgroundColor")
    assert colour == "rgb(0, 100, 0)"
