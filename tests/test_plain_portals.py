"""Portals without Flask-SQLAlchemy, and portals with users only, meet a simulated provider."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_scim_provisioning.simulator import run

from .plain import PlainPortal, plain_portal


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., PlainPortal]]:
    """Return a function that builds a portal on the database."""
    with ExitStack() as portals:

        def made(*arguments: Any, **options: Any) -> PlainPortal:
            portal = plain_portal(database_url, *arguments, **options)
            portals.callback(portal.close)
            return portal

        yield made


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an application; yield its root."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def simulate(portal: PlainPortal, provider: str, **options: Any) -> str:
    """Play a provider against a portal; return what surprised it."""
    client = portal.client(provider)
    chosen: dict[str, Any] = {"users": 5, "groups": 1, "workers": 1, **options}
    chosen |= {"dialect": "default", "app": "catalogue"}
    with served(portal.app) as root:
        report = run(provider, root + client.base, client.token or "", **chosen)
    return "" if report.ok else report.as_text()


@pytest.mark.parametrize(
    ("source", "provider"),
    [("scoped", "entra"), ("scoped", "okta"), ("sessionmaker", "okta"), ("lite", "entra")],
)
def test_a_portal_without_flask_sqlalchemy_surprises_no_provider(
    make: Callable[..., PlainPortal], source: str, provider: str
) -> None:
    portal = make(source)
    assert simulate(portal, provider) == ""
    assert portal.engine.pool.checkedout() == 0


@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_a_portal_with_users_only_surprises_no_provider(
    make: Callable[..., PlainPortal], provider: str
) -> None:
    assert simulate(make("scoped", groups=False), provider, groups=0) == ""


@pytest.fixture
def users_only(make: Callable[..., PlainPortal]) -> PlainPortal:
    """A portal that maps no groups."""
    return make("flask-sqlalchemy", groups=False)


def test_a_portal_with_users_only_has_no_groups(users_only: PlainPortal) -> None:
    client = users_only.client()
    ada = client.post("/Users", {"userName": "ada", "groups": [{"value": "x"}]})
    assert ada.status_code == 201
    assert "groups" not in ada.json
    for method, path in (("GET", "/Groups"), ("POST", "/Groups"), ("GET", "/Groups/1")):
        answer = client.request(method, path, {} if method == "POST" else None)
        assert (answer.status_code, answer.mimetype) == (404, "application/scim+json")
    bulk = client.post(
        "/Bulk",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {"method": "POST", "path": "/Groups", "bulkId": "1", "data": {"displayName": "x"}}
            ],
        },
    )
    assert bulk.json["Operations"][0]["status"] == "404"
    assert client.get("", filter='userName eq "ada"').json["totalResults"] == 1
    assert client.delete(f"/Users/{ada.json['id']}").status_code == 204


def test_discovery_tells_of_users_only(users_only: PlainPortal) -> None:
    client = users_only.client()
    kinds = client.get("/ResourceTypes").json["Resources"]
    assert [kind["name"] for kind in kinds] == ["User"]
    assert client.get("/ResourceTypes/Group").status_code == 404
    schemas = {
        each["id"].rsplit(":", 1)[-1]: each for each in client.get("/Schemas").json["Resources"]
    }
    assert "Group" not in schemas
    assert "groups" not in {each["name"] for each in schemas["User"]["attributes"]}


def test_there_is_no_table_for_groups(users_only: PlainPortal) -> None:
    tables = set(users_only.models.metadata.tables)
    assert "scim_user_link" in tables
    assert "scim_group_link" not in tables


def test_pages_and_commands_work_with_users_only(users_only: PlainPortal) -> None:
    users_only.client()
    browser = users_only.app.test_client()
    listed = browser.get("/provisioning/")
    assert "Contoso" in listed.text
    runner = users_only.app.test_cli_runner()
    assert runner.invoke(args=["scim", "list"]).exit_code == 0
    described = json.loads(runner.invoke(args=["scim", "mapping", "--json"]).output)
    assert list(described) == ["Users"]
    found = json.loads(runner.invoke(args=["scim", "doctor", "--json"]).output)
    assert not any("Group" in finding["message"] for finding in found)
    assert any("User by userName" in finding["message"] for finding in found)
