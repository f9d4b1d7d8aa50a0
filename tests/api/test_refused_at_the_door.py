"""Who is refused before anybody knows whose request it is: counted, explained, and not answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.scim.errors import Unauthorized
from flask_scim_provisioning.services import integrations, refusals, tokens
from flask_scim_provisioning.services.refusals import REMEDIES, TITLES, Cause
from flask_scim_provisioning.services.token_secrets import TokenSecret

from ..client import ScimClient
from ..portal import Portal


@pytest.fixture
def models(portal: Portal) -> Any:
    return portal.app.extensions["scim_provisioning"].models


@pytest.fixture
def door(portal: Portal, models: Any) -> Callable[..., list[Any]]:
    """Return what was refused, the latest first."""

    def read(**values: Any) -> list[Any]:
        return list(refusals.recent(portal.session, models, **values))

    return read


@pytest.fixture
def send(portal: Portal) -> Callable[..., Any]:
    """Return a function that asks for users with any header, address and URL."""

    def request(
        authorization: str | None = None, *, base: str = portal.client.base, **options: Any
    ) -> Any:
        headers = {} if authorization is None else {"Authorization": authorization}
        return portal.app.test_client().get(f"{base}/Users", headers=headers, **options)

    return request


def test_every_wrong_token_has_a_reason_that_only_administrators_see(
    portal: Portal, models: Any, door: Any, send: Any
) -> None:
    session, view = portal.session, portal.integration
    other, _ = portal.connect("Other")
    foreign, _ = portal.connect("Foreign", tenant="acme")
    token = portal.client.token
    forged = TokenSecret(token.split("_")[1], TokenSecret.new().secret).reveal()
    revoked = tokens.rotate_token(session, models, "main", view.id, overlap=None)
    for each in tokens.list_tokens(session, models, view.id):
        if each.key_id == revoked.key_id:
            tokens.revoke_token(session, models, "main", view.id, each.id)
    past = utcnow() - timedelta(days=9)
    expired = tokens.rotate_token(
        session, models, "main", view.id, overlap=None, lifetime=timedelta(days=1), now=past
    )
    attempts = {
        Cause.NO_TOKEN: None,
        Cause.BEARER_TWICE: "Bearer Bearer hello",
        Cause.FOREIGN: "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x",
        Cause.MISTYPED: f"Bearer {token[:-7]}",
        Cause.UNKNOWN: f"Bearer {TokenSecret.new().reveal()}",
        Cause.WRONG_SECRET: f"Bearer {forged}",
        Cause.REVOKED: f"Bearer {revoked.reveal()}",
        Cause.EXPIRED: f"Bearer {expired.reveal()}",
        Cause.OTHER_INTEGRATION: f"Bearer {other.token}",
    }
    answers = set()
    for text in attempts.values():
        answer = send(text)
        answers.add((answer.status_code, answer.text))
    assert answers == {(401, answer.text)}
    assert Unauthorized().detail in answer.text

    found = {each.cause: each for each in door(integration_ids=[view.id])}
    assert set(found) == set(attempts)
    assert all(each.count == 1 for each in found.values())
    assert found[Cause.EXPIRED].about == past + timedelta(days=1)
    assert found[Cause.EXPIRED].key_id == expired.key_id
    assert found[Cause.REVOKED].about is not None
    assert found[Cause.OTHER_INTEGRATION].key_id == other.token.split("_")[1]
    # Another tenant's token is no business of this one's administrators.
    assert send(f"Bearer {foreign.token}").status_code == 401
    keys = [each.key_id for each in door() if each.cause == Cause.OTHER_INTEGRATION]
    assert sorted(keys, key=str) == sorted([None, other.token.split("_")[1]], key=str)
    assert not any(each.key_id == foreign.token.split("_")[1] for each in door(tenant="main"))


def test_a_wrong_address_is_told_to_the_owner_of_the_token(
    portal: Portal, door: Any, send: Any
) -> None:
    base = portal.client.base.replace("/main/", "/Main/")
    assert send(f"Bearer {portal.client.token}", base=base).status_code == 401
    (row,) = door(integration_ids=[portal.integration.id])
    assert row.cause == Cause.WRONG_ADDRESS


def test_disabled_and_paused_integrations_count_who_still_calls(
    portal: Portal, models: Any, door: Any
) -> None:
    arguments = (portal.session, models, "main", portal.integration.id)
    integrations.disable_integration(*arguments)
    assert portal.client.get("/Users").status_code == 403
    integrations.enable_integration(*arguments)
    integrations.pause_integration(*arguments)
    paused = portal.client.get("/Users")
    assert paused.status_code == 503
    assert int(paused.headers["Retry-After"]) > 0
    assert "paused" in paused.json["detail"]
    integrations.enable_integration(*arguments)
    assert portal.client.get("/Users").status_code == 200
    assert {each.cause for each in door()} == {Cause.DISABLED, Cause.PAUSED}


def test_requests_to_a_removed_integration_say_since_when(
    portal: Portal, models: Any, door: Any
) -> None:
    integrations.remove_integration(portal.session, models, "main", portal.integration.id)
    assert portal.client.get("/Users").status_code == 401
    (row,) = door(tenant="main")
    assert (row.cause, row.integration_id) == (Cause.REMOVED, portal.integration.id)
    assert row.about is not None


@pytest.mark.portal(config={"SCIM_EXTERNAL_URL": "https://portal.example.com"})
def test_plain_http_is_told_apart(send: Any, door: Any) -> None:
    """A redirect from http to https loses the token, and nobody sees why."""
    send()
    assert [each.cause for each in door()] == [Cause.PLAIN_HTTP]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.portal(config={"SCIM_REFUSED_RATE_LIMIT": None})
@pytest.mark.timeout(300)
def test_ten_thousand_requests_with_wrong_tokens_add_a_handful_of_rows(
    portal: Portal, models: Any, door: Any, send: Any
) -> None:
    """An attacker decides how many, from where and with what, and fills nothing."""
    client = portal.app.test_client()
    secrets = [TokenSecret.new().reveal() for _ in range(20)]
    tenants = ["main", "nobody", "x" * 300]
    ids = [str(portal.integration.id), "0" * 8, "00000000-0000-4000-8000-000000000000"]
    for number in range(10_000):
        answer = client.get(
            f"/api/v1/{tenants[number % 3]}/integrations/{ids[number // 3 % 3]}/scim/v2/Users",
            headers={"Authorization": f"Bearer {secrets[number % 20]}", "User-Agent": str(number)},
        )
        assert answer.status_code == 401
    rows = door()
    assert len(rows) <= 6
    assert sum(each.count for each in rows) == 10_000


def test_the_addresses_of_a_day_share_a_row_in_the_end(
    portal: Portal, models: Any, door: Any, send: Any
) -> None:
    for number in range(300):
        send("Bearer x", environ_overrides={"REMOTE_ADDR": f"192.0.2.{number % 256}"})
        send("Bearer x", environ_overrides={"REMOTE_ADDR": f"2001:db8::{number:x}"})
    rows = door()
    assert len(rows) <= refusals.ROWS_A_DAY + 2
    assert sum(each.count for each in rows) == 600
    (network,) = [each for each in rows if each.address and ":" in each.address]
    assert (network.address, network.count) == ("2001:db8::/64", 300)


def test_refusals_are_security_events_throttled(
    send: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """OWASP ASVS 5, section 16.3: with key id and address, never with what was sent."""
    secret = TokenSecret.new()
    for _ in range(50):
        send(f"Bearer {secret.reveal()}")
    lines = [each for each in caplog.records if each.name == "flask_scim_provisioning.security"]
    assert len(lines) == 1
    assert "cause=unknown" in lines[0].getMessage()
    assert "address=127.0.0.1" in lines[0].getMessage()
    assert secret.secret not in caplog.text


def test_a_count_that_cannot_be_written_is_no_500(
    portal: Portal, models: Any, send: Any, caplog: pytest.LogCaptureFixture
) -> None:
    portal.session.commit()
    models.refusal.__table__.drop(portal.engine)
    assert send("Bearer x").status_code == 401
    assert "could not be counted" in caplog.text


def test_what_was_dismissed_needs_attention_when_it_comes_again(
    portal: Portal, models: Any, door: Any, send: Any
) -> None:
    send("Bearer x")
    (row,) = door()
    session = portal.session
    assert refusals.dismiss(session, models, portal.integration.id, row.cause, row.id) == 1
    session.commit()
    assert door()[0].dismissed
    refusals._TALLIES.clear()
    send("Bearer x")
    assert (door()[0].dismissed, door()[0].count) == (False, 2)


def test_old_rows_are_pruned(portal: Portal, models: Any, door: Any, send: Any) -> None:
    send("Bearer x")
    assert len(door()) == 1
    assert refusals.prune(portal.session, models, utcnow() - timedelta(days=1)) == 0
    assert refusals.prune(portal.session, models, utcnow() + timedelta(days=1)) == 1


def test_every_cause_has_a_title_and_a_remedy() -> None:
    assert set(TITLES) == set(REMEDIES) == set(Cause)


def test_an_accepted_request_leaves_nothing_at_the_door(
    portal: Portal, door: Any, models: Any
) -> None:
    assert isinstance(portal.client, ScimClient)
    assert portal.client.get("/Users").status_code == 200
    assert door() == []
    with portal.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(models.refusal)) == 0
