"""A request that is tried out leaves nothing behind, on any database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from flask_scim_provisioning.console.mapping import _scope
from flask_scim_provisioning.services import integrations, signals
from flask_scim_provisioning.services.rehearsal import Rehearsal, rehearse

from ..portal import Portal


def rows_of(portal: Portal) -> dict[str, list[str]]:
    with portal.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for table in portal.db.metadata.sorted_tables
        }


def tried(portal: Portal, method: str, resource_id: str | None, data: Any) -> Rehearsal:
    with portal.app.app_context():
        state = portal.app.extensions["scim_provisioning"]
        view = integrations.get_integration(
            state.session, state.models, "main", portal.integration.id
        )
        return rehearse(_scope(view), state.mappings["Users"], method, resource_id, data)


def test_nothing_is_kept_whatever_comes_of_it(portal: Portal) -> None:
    maya = portal.client.post("/Users", {"userName": "maya", "externalId": "1"}).json["id"]
    before = rows_of(portal)
    made = tried(portal, "POST", None, {"userName": "noah", "externalId": "2"})
    assert (made.status, made.error) == (201, None)
    assert made.body is not None
    assert made.body["userName"] == "noah"
    assert [(row.act, row.model) for row in made.rows] == [("insert", "User")]
    taken = tried(portal, "POST", None, {"userName": "MAYA"})
    assert taken.status == 409
    assert not taken.rows
    # A value that only the database itself refuses.
    long = {"userName": "noah", "name": {"givenName": "x" * 101}}
    assert tried(portal, "POST", None, long).status in (201, 400)
    gone = tried(portal, "DELETE", maya, None)
    assert gone.rows[0].values == (("is_active", "True", "False"),)
    assert rows_of(portal) == before
    assert portal.client.get(f"/Users/{maya}").json["active"] is True


def test_nobody_is_told_of_a_try(portal: Portal) -> None:
    heard: list[Any] = []

    def hear(_sender: Any, **values: Any) -> None:
        heard.append(values)

    with signals.user_created.connected_to(hear):
        assert tried(portal, "POST", None, {"userName": "noah"}).status == 201
    assert not heard
