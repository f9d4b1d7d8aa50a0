"""The portal's own door."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from example_app import create_app
from example_app.database import db
from example_app.models import SignInAttempt, User

from .conftest import EMAIL, PASSWORD, Visitor

OTHER_SITES = [
    "//evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "/\t/evil.example",
    "/%0a/evil.example\n",
    "javascript:alert(1)",
    " //evil.example",
    "/\x00/evil.example",
]


@pytest.mark.parametrize("target", OTHER_SITES)
def test_nobody_is_sent_to_another_site(visitor: Visitor, target: str) -> None:
    page = f"/sign-in?next={quote(target, safe='')}"
    answer = visitor.submit("/sign-in", page, username=EMAIL, password=PASSWORD)
    paths = [each.location for each in answer.history]
    assert all(path == "/" for path in paths), paths
    assert answer.request.host == "localhost"


def test_somebody_goes_on_where_they_wanted_to(visitor: Visitor) -> None:
    answer = visitor.submit(
        "/sign-in", "/sign-in?next=/teams%3Fq%3Da", username=EMAIL, password=PASSWORD
    )
    assert [each.location for each in answer.history] == ["/teams?q=a"]


@pytest.mark.parametrize(
    "query", ["endpoint=x", "_external=1", "_scheme=x", "q=%00", "department=%00", "state=%00"]
)
@pytest.mark.parametrize("path", ["/people", "/teams", "/audit"])
def test_no_address_breaks_a_page(
    app: Flask, administrator: Visitor, path: str, query: str
) -> None:
    with app.app_context():
        db.session.add_all(User(username=f"person{n:02}") for n in range(30))
        db.session.commit()
    answer = administrator.open(f"{path}?{query}")
    assert answer.status_code == (400 if "%00" in query else 200)
    if path == "/people" and query == "endpoint=x":
        assert "/people?endpoint=x&amp;page=2" in answer.text
        assert administrator.open("/people?endpoint=x&page=2").status_code == 200


def test_nul_in_a_form_is_refused(visitor: Visitor) -> None:
    assert visitor.submit("/sign-in", username="a\x00", password="b").status_code == 400


def test_a_known_name_takes_as_long_as_an_unknown_one(app: Flask, visitor: Visitor) -> None:
    with app.app_context():
        db.session.add(User(username="no.password@meridian.example"))
        db.session.commit()

    def took(name: str) -> float:
        begun = time.perf_counter()
        assert "No active account" in visitor.sign_in(name, "wrong").text
        return time.perf_counter() - begun

    took(EMAIL)
    names = (EMAIL, "nobody@meridian.example", "no.password@meridian.example")
    fastest = {name: min(took(name) for _ in range(3)) for name in names}
    assert max(fastest.values()) < 6 * min(fastest.values()), fastest


def test_passwords_are_tried_so_often_and_no_oftener(app: Flask, visitor: Visitor) -> None:
    for _ in range(10):
        assert visitor.sign_in(EMAIL, "wrong").status_code == 200
    answer = visitor.sign_in()
    assert answer.status_code == 429
    assert "wrong too often" in answer.text
    # From elsewhere the person gets in.
    elsewhere = Visitor(app.test_client())
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert "Good to see you" in elsewhere.sign_in().text
    # And later from here too; what is old is forgotten.
    with app.app_context():
        for attempt in db.session.scalars(sa.select(SignInAttempt)):
            attempt.at -= timedelta(hours=1)
        db.session.commit()
    assert visitor.sign_in("somebody", "wrong").status_code == 200
    assert "Good to see you" in visitor.sign_in().text
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(SignInAttempt)) == 1


@pytest.mark.parametrize(("url", "secure"), [("https://portal.example", True), (None, False)])
def test_cookies_go_by_https_only_where_there_is_https(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    url: str | None,
    secure: bool,
) -> None:
    if url is not None:
        monkeypatch.setenv("PORTAL_URL", url)
    monkeypatch.setenv("PORTAL_PROXIES", "1")
    app = create_app({"TESTING": True, "WTF_CSRF_ENABLED": False})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    answer = app.test_client().post(
        "/sign-in",
        data={"username": EMAIL, "password": PASSWORD, "remember": "y"},
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"},
        base_url="https://portal.example" if secure else None,
    )
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all(("Secure" in each) is secure for each in cookies), cookies
    assert all("HttpOnly" in each and "SameSite=Lax" in each for each in cookies)
    with app.app_context():
        db.engine.dispose()
    assert environment
