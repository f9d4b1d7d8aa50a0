"""What an administrator does while requests are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.services import integrations
from tests.api.test_bulk import heard, send, user
from tests.api.test_routing import is_scim_error
from tests.portal import Portal

from .conftest import databases

Act = Callable[[Session, Any, str, Any], object]


def remove(session: Session, models: Any, tenant: str, integration: Any) -> None:
    integrations.remove_integration(session, models, tenant, integration)


def disable(session: Session, models: Any, tenant: str, integration: Any) -> None:
    integrations.disable_integration(session, models, tenant, integration)


@contextmanager
def meanwhile(portal: Portal, act: Act, number: int = 1) -> Iterator[None]:
    """Let an administrator act just before the host's n-th row is inserted."""
    models = portal.app.extensions["scim_provisioning"].models
    met: list[int] = []

    def before(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.startswith("INSERT INTO") and statement.split()[2].strip('"`') == "user":
            met.append(1)
            if len(met) == number:
                with Session(portal.engine) as session:
                    act(session, models, "main", portal.integration.id)

    portal.session.close()
    sa.event.listen(portal.engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        sa.event.remove(portal.engine, "before_cursor_execute", before)
    assert len(met) >= number


def test_a_request_in_the_middle_of_a_removal_is_the_last(portal: Portal) -> None:
    """It was let in before, and does what it answers; the next one is a 401."""
    portal.client.get("/Users")
    with heard() as names, meanwhile(portal, remove):
        answer = portal.client.post("/Users", {"userName": "ada", "externalId": "1"})
    assert answer.status_code == 201
    assert portal.user("ada") is not None
    assert names == ["user-created"]
    assert is_scim_error(portal.client.get("/Users"), 401)


@databases("postgresql", "mariadb")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_integration_is_a_401_also_in_the_middle_of_a_bulk_request(
    portal: Portal, number: int
) -> None:
    """On SQLite nobody is removed meanwhile: one transaction writes at a time."""
    portal.client.get("/Users")
    with heard() as names, meanwhile(portal, remove, number):
        answer = send(portal, user("ada"), user("bob"), user("cyd"))
    assert is_scim_error(answer, 401)
    assert portal.user("ada") is None
    assert names == []


@databases("postgresql", "mariadb")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_disabled_integration_ends_a_bulk_request(portal: Portal, number: int) -> None:
    """Nothing of it is kept: the administrator's word counts from when it was given."""
    portal.client.get("/Users")
    with heard() as names, meanwhile(portal, disable, number):
        answer = send(portal, user("ada"), user("bob"), user("cyd"))
    assert is_scim_error(answer, 403)
    assert [portal.user(name) for name in ("ada", "bob", "cyd")] == [None] * 3
    assert names == []
