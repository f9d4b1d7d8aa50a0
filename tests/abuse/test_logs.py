"""What a log says of a failure quotes no value, and is no longer than somebody reads."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.test_bulk import send, user
from tests.api.test_routing import is_scim_error
from tests.portal import Portal

from .conftest import databases

pytestmark = databases("sqlite")

CREATE = "flask_scim_provisioning.services.directory.create_resource"
PRIVATE = "ada@" + "example.com"


def chained(scope: Any, *_arguments: Any, **_options: Any) -> None:
    """Fail as a setter of the host's does that tells of the database's error in its own words."""
    try:
        statement = sa.text("SELECT nothing FROM team WHERE name = :name")
        scope.session.execute(statement, {"name": PRIVATE})
    except sa.exc.DBAPIError as error:
        raise RuntimeError(f"{PRIVATE} can't be kept") from error


def endless(*_arguments: Any, **_options: Any) -> None:
    first(0)


def first(depth: int) -> None:
    second(depth + 1)


def second(depth: int) -> None:
    first(depth + 1)


def plain(*_arguments: Any, **_options: Any) -> None:
    raise RuntimeError("the sprocket is missing")


def logged(portal: Portal, caplog: pytest.LogCaptureFixture, *, bulk: bool) -> str:
    caplog.clear()
    if bulk:
        answer = send(portal, user("ada", emails=[{"value": PRIVATE}]))
        assert [each["status"] for each in answer.json["Operations"]] == ["500"]
    else:
        answer = portal.client.post("/Users", {"userName": "ada"})
        assert is_scim_error(answer, 500)
    assert PRIVATE not in answer.text
    return caplog.text


@pytest.mark.parametrize("bulk", [False, True])
def test_an_error_that_a_databases_error_led_to(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bulk: bool
) -> None:
    """Python shows both, and SQLAlchemy's shows the statement and its parameters."""
    monkeypatch.setattr(CREATE, chained)
    text = logged(portal, caplog, bulk=bulk)
    assert PRIVATE not in text
    assert "RuntimeError" in text
    assert "OperationalError 1" in text
    assert "in chained" in text


@pytest.mark.parametrize("bulk", [False, True])
def test_a_recursion_without_an_end(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bulk: bool
) -> None:
    """Two functions that call each other filled 2,000 lines."""
    monkeypatch.setattr(CREATE, endless)
    text = logged(portal, caplog, bulk=bulk)
    assert "RecursionError" in text
    assert len(text.splitlines()) < 150


@pytest.mark.parametrize("bulk", [False, True])
def test_any_other_failure_is_told_in_full(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bulk: bool
) -> None:
    monkeypatch.setattr(CREATE, plain)
    text = logged(portal, caplog, bulk=bulk)
    assert "the sprocket is missing" in text
    assert "in plain" in text
