"""When the service itself can't: what the client is told, and what the log is."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa
from flask.cli import routes_command
from sqlalchemy.exc import OperationalError

from tests.portal import Portal

from .test_routing import is_scim_error

SEARCH = "flask_scim_provisioning.services.directory.search_resources"


def raising(error: Exception) -> Any:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    return fail


def test_busy_database_is_a_503_that_says_when_to_return(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Okta understands whole seconds in Retry-After, and nothing else."""
    busy = OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))
    monkeypatch.setattr(SEARCH, raising(busy))
    answer = portal.client.get("/Users")
    assert is_scim_error(answer, 503)
    assert answer.headers["Retry-After"].isdigit()


def test_database_that_is_away_is_a_503(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    away = OperationalError(None, None, sqlite3.OperationalError("unable to open database file"))
    monkeypatch.setattr("flask_scim_provisioning.services.tokens.authenticate", raising(away))
    assert is_scim_error(portal.client.get("/Users"), 503)


def test_error_of_the_database_is_logged_without_values(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text quotes the row, and the row is somebody's address."""
    address = "@".join(("ada", "example.com"))

    def fail(scope: Any, *_arguments: Any, **_options: Any) -> None:
        statement = sa.text("SELECT nothing FROM team WHERE name = :name")
        scope.session.execute(statement, {"name": address})

    monkeypatch.setattr(SEARCH, fail)
    answer = portal.client.get("/Users")
    assert is_scim_error(answer, 500)
    assert "failed with" in caplog.text
    assert "test_failures.py" in caplog.text
    assert address not in caplog.text + answer.text


def test_failure_is_recorded_after_the_rollback(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = portal.models.User

    def fail(scope: Any, *_arguments: Any, **_options: Any) -> None:
        scope.session.add(user(username="half", is_active=True))
        scope.session.flush()
        raise RuntimeError("too late")

    monkeypatch.setattr(SEARCH, fail)
    portal.client.get("/Users")
    assert portal.user("half") is None
    table = portal.app.extensions["scim_provisioning"].models.activity.__table__
    last = portal.session.execute(table.select().order_by(table.c.id.desc())).mappings().first()
    assert (last["action"], last["outcome"], last["status"]) == ("user.searched", "failed", 500)
    assert "too late" not in last["detail"]


def test_routes_can_be_listed(portal: Portal) -> None:
    listed = portal.app.test_cli_runner().invoke(routes_command)
    assert "scim_api.dispatch" in listed.output
