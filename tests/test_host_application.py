"""The host's application as others have made it: its hooks, its hosts, its templates, its JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask, abort, g, redirect, request
from flask.json.provider import DefaultJSONProvider
from flask_seasurf import SeaSurf
from flask_wtf import CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.exceptions import TooManyRequests
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from .client import ScimClient
from .plain import PlainPortal, plain_portal


@pytest.fixture
def make(tmp_path: Any) -> Iterator[Callable[..., PlainPortal]]:
    """Return a function that builds a portal; what is asked here, no database has a say in."""
    with ExitStack() as portals:

        def made(**options: Any) -> PlainPortal:
            url = f"sqlite:///{tmp_path / 'portal.sqlite3'}"
            portal = plain_portal(url, "flask-sqlalchemy", **options)
            portals.callback(portal.close)
            return portal

        yield made


@pytest.fixture
def portal(make: Callable[..., PlainPortal]) -> PlainPortal:
    return make()


def works(client: ScimClient) -> None:
    """Assert that an identity provider gets through with all that it sends."""
    made = client.post("/Users", {"userName": "ada"})
    assert made.status_code == 201, made.text
    path = f"/Users/{made.json['id']}"
    assert client.get(path).json["userName"] == "ada"
    renamed = client.patch(path, [{"op": "replace", "path": "userName", "value": "ada.l"}])
    assert renamed.json["userName"] == "ada.l"
    assert client.delete(path).status_code == 204
    assert client.get("/ServiceProviderConfig").status_code == 200
    wrong = client.with_token("wrong").get("/Users")
    assert (wrong.status_code, wrong.mimetype) == (401, "application/scim+json")


def to_the_log_in_page(app: Flask) -> None:
    @app.before_request
    def wall() -> Any:
        return redirect("/log-in")


def to_a_page_that_refuses(app: Flask) -> None:
    @app.before_request
    def wall() -> Any:
        return "<h1>Sign in first</h1>", 401


def to_an_abort(app: Flask) -> None:
    @app.before_request
    def wall() -> None:
        abort(403)


def to_nothing(app: Flask) -> None:
    @app.before_request
    def wall() -> None:
        abort(404)


def to_an_error(app: Flask) -> None:
    """It was never called without somebody who is signed in."""

    @app.before_request
    def wall() -> None:
        g.organisation = g.user.organisation


def to_an_asynchronous_wall(app: Flask) -> None:
    @app.before_request
    async def wall() -> Any:
        return redirect("/log-in")


def to_a_form_without_token(app: Flask) -> None:
    """Protection against CSRF as tutorials write it."""

    @app.before_request
    def protect() -> None:
        if request.method not in ("GET", "HEAD", "OPTIONS") and not request.form.get("_token"):
            abort(400, "Missing token")


def to_seasurf(app: Flask) -> None:
    SeaSurf(app)


def to_flask_wtf(app: Flask) -> None:
    CSRFProtect(app)


WALLS = [
    to_the_log_in_page,
    to_a_page_that_refuses,
    to_an_abort,
    to_nothing,
    to_an_error,
    to_an_asynchronous_wall,
    to_a_form_without_token,
    to_seasurf,
    to_flask_wtf,
]


@pytest.mark.parametrize("leads", WALLS, ids=lambda wall: wall.__name__)
def test_scim_gets_through_without_a_line_in_the_host(
    portal: PlainPortal, leads: Callable[[Flask], None]
) -> None:
    leads(portal.app)
    works(portal.client())


def test_it_does_not_matter_who_was_registered_first(make: Callable[..., PlainPortal]) -> None:
    portal = make(before=to_the_log_in_page)
    works(portal.client())


def test_pages_of_the_host_stay_behind_its_wall(portal: PlainPortal) -> None:
    @portal.app.get("/secret")
    def secret() -> str:
        raise AssertionError("Nobody gets here.")

    to_the_log_in_page(portal.app)
    browser = portal.app.test_client()
    for path in ("/secret", "/nothing", "/provisioning/"):
        assert browser.get(path).headers["Location"] == "/log-in"


def test_what_hooks_leave_is_there_after_the_request(portal: PlainPortal) -> None:
    """Many a portal counts the time that its requests take."""

    @portal.app.before_request
    def begin() -> None:
        g.began = 1

    @portal.app.after_request
    def end(response: Any) -> Any:
        response.headers["X-Began"] = str(g.began)
        return response

    to_an_abort(portal.app)
    assert portal.client().get("/Users").headers["X-Began"] == "1"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_limits_and_maintenance_hold_for_everybody(portal: PlainPortal, status: int) -> None:
    @portal.app.before_request
    def limit() -> Any:
        if status == 429:
            raise TooManyRequests(retry_after=7)
        return "<h1>We are back soon</h1>", status

    answer = portal.client().get("/Users")
    assert (answer.status_code, answer.mimetype) == (status, "application/scim+json")
    if status == 429:
        assert answer.headers["Retry-After"] == "7"


def test_a_portal_may_let_its_hooks_decide(make: Callable[..., PlainPortal]) -> None:
    portal = make(config={"SCIM_OBEY_HOST_HOOKS": True})
    client = portal.client()
    to_the_log_in_page(portal.app)
    assert client.get("/Users").headers["Location"] == "/log-in"


READERS: dict[str, Callable[[], Any]] = {
    "data": lambda: request.get_data(),
    "data-not-kept": lambda: request.get_data(cache=False),
    "stream": lambda: request.stream.read(),
    "lines": lambda: list(request.stream),
    "a-part": lambda: request.stream.read(7),
    "json": lambda: request.get_json(silent=True, force=True),
    "form": lambda: request.form,
    "input": lambda: request.environ["wsgi.input"].read(request.content_length or 0),
}


@pytest.mark.parametrize("obey", [False, True])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_body_that_a_hook_has_read_can_be_read_again(
    make: Callable[..., PlainPortal], read: Callable[[], Any], obey: bool
) -> None:
    portal = make(config={"SCIM_OBEY_HOST_HOOKS": obey})
    client = portal.client()

    @portal.app.before_request
    def look() -> None:
        read()

    works(client)
    too_large = client.request("POST", "/Users", b" " * 2_000_001)
    assert too_large.status_code == 413


def test_a_body_that_was_read_before_the_request_is_matched(portal: PlainPortal) -> None:
    client = portal.client()

    @portal.app.url_value_preprocessor
    def look(_endpoint: Any, _values: Any) -> None:
        request.get_data()

    works(client)


class Peculiar(DefaultJSONProvider):
    """A portal's own provider: what it reads and writes, only the portal's own code understands."""

    def dumps(self, obj: Any, **options: Any) -> str:
        return super().dumps(obj, **{**options, "indent": 7, "sort_keys": True})

    def loads(self, s: str | bytes, **options: Any) -> Any:
        return super().loads(s, **{**options, "parse_float": Decimal})

    def response(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("SCIM is answered by the service.")


def test_the_json_provider_of_the_host_has_no_part_in_scim(portal: PlainPortal) -> None:
    portal.app.json = Peculiar(portal.app)
    client = portal.client()
    works(client)
    assert "\n" not in client.get("/Users").text
    browse(portal)


def browse(portal: PlainPortal, **options: Any) -> list[str]:
    """Open every page of the console and use its forms; return what was seen."""
    browser = portal.app.test_client()
    seen: list[str] = []

    def open_(path: str, method: str = "GET", **data: str) -> str:
        answer = browser.open(path, method=method, data=data or None, **options)
        assert answer.status_code in (200, 303), (path, answer.status_code, answer.text)
        seen.append(answer.text)
        return answer.text

    def submit(path: str, **data: str) -> str:
        hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', open_(path))
        values = {
            name[1]: value[1]
            for field in hidden
            if (name := re.search(r'name="([^"]*)"', field))
            and (value := re.search(r'value="([^"]*)"', field))
        }
        return open_(path, "POST", **values, **data)

    open_("/provisioning/")
    made = submit("/provisioning/new", name="Entra", dialect="entra", description="x")
    found = re.search(r"/integrations/([0-9a-f-]{36})/scim", made)
    assert found is not None, made
    page = f"/provisioning/{found[1]}"
    for path in (page, f"{page}/activity", f"{page}/rotate", f"{page}/remove"):
        open_(path)
    rotated = submit(f"{page}/rotate", overlap="1d")
    assert rotated
    open_("/provisioning/")
    return seen


def test_pages_are_rendered_where_nothing_may_be_undefined(portal: PlainPortal) -> None:
    portal.app.jinja_env.undefined = StrictUndefined
    client = portal.client()
    client.post("/Users", {"userName": "ada"})
    client.post("/Users", {"userName": "ada"})
    browse(portal)


@pytest.mark.parametrize("host", ["portal.example.com", "other.example.org:8443", "localhost"])
def test_a_portal_that_matches_hosts(make: Callable[..., PlainPortal], host: str) -> None:
    portal = make(flask={"host_matching": True, "static_host": "static.example.com"})
    client = portal.client()
    works(client)
    answer = client.post("/Users", {"userName": "grace"}, headers={"Host": host})
    assert answer.headers["Location"].startswith(f"http://{host}/api/v1/main/")
    pages = browse(portal, headers={"Host": host})
    assert all("//static.example.com" not in page for page in pages)
    style = re.search(r'href="(/provisioning/static/[^"]+\.css[^"]*)"', pages[0])
    assert style is not None
    got = portal.app.test_client().get(style[1].replace("&amp;", "&"), headers={"Host": host})
    assert got.status_code == 200
    got.close()


@pytest.mark.parametrize("host", ["example.com", "portal.example.com", "a.b.example.com"])
def test_a_portal_that_matches_subdomains(make: Callable[..., PlainPortal], host: str) -> None:
    portal = make(flask={"subdomain_matching": True}, config={"SERVER_NAME": "example.com"})
    client = portal.client()
    answer = client.post("/Users", {"userName": "grace"}, headers={"Host": host})
    assert answer.headers["Location"].startswith(f"http://{host}/api/v1/main/")
    browse(portal, headers={"Host": host})


def test_a_portal_below_a_path(portal: PlainPortal) -> None:
    client = portal.client()
    mounted = Client(DispatcherMiddleware(Flask("other"), {"/app": portal.app}))
    made = mounted.post(
        f"/app{client.base}/Users",
        json={"userName": "ada"},
        headers={"Authorization": f"Bearer {client.token}"},
    )
    assert made.status_code == 201
    assert made.headers["Location"].startswith(f"http://localhost/app{client.base}/Users/")
    page = mounted.get("/app/provisioning/")
    assert 'href="/app/provisioning/' in page.text


def test_a_link_to_the_console_can_be_made_anywhere(make: Callable[..., PlainPortal]) -> None:
    """A portal's own layout has it on every page, and a command may send it."""
    from flask import url_for

    portal = make(
        flask={"host_matching": True, "static_host": "x"}, config={"SERVER_NAME": "example.com"}
    )
    with portal.app.app_context():
        assert url_for("scim_console.index") == "http://example.com/provisioning/"
    with portal.app.test_request_context("/", base_url="http://portal.example.com"):
        assert url_for("scim_console.index") == "/provisioning/"
