"""Who comes too fast is told when to come again (RFC 6585 section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_scim_provisioning.api import rate_limits
from flask_scim_provisioning.api.rate_limits import Buckets
from flask_scim_provisioning.services.activity import recent
from flask_scim_provisioning.settings import SettingsError
from tests.abuse.conftest import databases
from tests.portal import Portal

from .test_routing import is_scim_error


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_steadily() -> None:
    """As many as in a minute may come at once; then one at a time, as it fills."""
    clock = Clock()
    buckets = Buckets(clock)
    assert [buckets.wait("a", 6, take=True) for _ in range(6)] == [0.0] * 6
    assert buckets.wait("a", 6, take=True) == pytest.approx(10)
    clock.now += 4
    assert buckets.wait("a", 6, take=True) == pytest.approx(6)
    clock.now += 6
    assert buckets.wait("a", 6, take=True) == 0
    assert buckets.wait("a", 6, take=True) == pytest.approx(10)
    assert buckets.wait("b", 6, take=True) == 0
    clock.now += 3600
    assert [buckets.wait("a", 6, take=True) == 0 for _ in range(7)] == [True] * 6 + [False]


def test_asking_takes_nothing() -> None:
    buckets = Buckets(Clock())
    assert [buckets.wait("a", 1, take=False) for _ in range(3)] == [0.0] * 3


def test_a_process_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client decides how many addresses it has, and not how much memory that costs."""
    monkeypatch.setattr(rate_limits, "_MOST_KEYS", 10)
    buckets = Buckets(Clock())
    for number in range(100):
        buckets.wait(str(number), 1, take=True)
    assert len(buckets._left) == 10
    assert buckets.wait("99", 1, take=True) > 0


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_RATE_LIMIT": 3})
def test_an_integration_that_is_too_fast(portal: Portal) -> None:
    other, _ = portal.connect("Okta")
    assert [portal.client.get("/Users").status_code for _ in range(3)] == [200] * 3
    for _ in range(5):
        answer = portal.client.get("/Users")
        assert is_scim_error(answer, 429)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert other.get("/Users").status_code == 200
    models = portal.app.extensions["scim_provisioning"].models
    entries = recent(portal.session, models, portal.integration.id)
    assert [entry.status for entry in entries if entry.status == 429] == [429]


def wrong(portal: Portal, address: str, token: str = "nobodys") -> Any:
    return portal.app.test_client().get(
        f"{portal.client.base}/Users",
        headers={"Authorization": f"Bearer {token}"},
        environ_overrides={"REMOTE_ADDR": address},
    )


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_REFUSED_RATE_LIMIT": 2})
def test_an_address_that_guesses_tokens(portal: Portal) -> None:
    """The database isn't asked any more; other addresses are answered as ever."""
    other, _ = portal.connect("Okta")
    for _ in range(2):
        assert is_scim_error(wrong(portal, "192.0.2.1", str(other.token)), 401)
    with portal.statements(at_most=0):
        answer = wrong(portal, "192.0.2.1", str(other.token))
    assert is_scim_error(answer, 429)
    assert int(answer.headers["Retry-After"]) >= 1
    assert is_scim_error(wrong(portal, "192.0.2.2"), 401)
    assert portal.client.get("/Users").status_code == 200


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_REFUSED_RATE_LIMIT": 2})
def test_an_address_with_a_right_token_is_never_counted(portal: Portal) -> None:
    assert {portal.client.get("/Users").status_code for _ in range(9)} == {200}


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_RATE_LIMIT": None, "SCIM_REFUSED_RATE_LIMIT": None})
def test_limits_can_be_turned_off(portal: Portal) -> None:
    assert {wrong(portal, "192.0.2.1").status_code for _ in range(9)} == {401}


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_RATE_LIMIT": 3, "SCIM_RATE_LIMIT_STORAGE": "memory://"})
def test_a_store_that_all_processes_share(portal: Portal) -> None:
    """The package's own store in memory counts as Redis does."""
    assert [portal.client.get("/Users").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    assert int(portal.client.get("/Users").headers["Retry-After"]) >= 1


REDIS = {"SCIM_RATE_LIMIT": 1, "SCIM_RATE_LIMIT_STORAGE": "redis://127.0.0.1:9"}


@databases("sqlite")
@pytest.mark.portal(config=REDIS)
def test_a_store_that_is_away_refuses_nobody(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    assert {portal.client.get("/Users").status_code for _ in range(3)} == {200}
    assert "store of rate limits" in caplog.text


@databases("sqlite")
def test_a_store_that_nobody_knows(make_portal: Callable[..., Portal]) -> None:
    with pytest.raises(SettingsError, match="redis://localhost") as refusal:
        make_portal(config={"SCIM_RATE_LIMIT_STORAGE": "cellar://:hunter2@localhost"})
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(SettingsError, match="a URL"):
        make_portal(config={"SCIM_RATE_LIMIT_STORAGE": "redis"})


@databases("sqlite")
def test_a_store_without_the_package(
    make_portal: Callable[..., Portal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(rate_limits.importlib, "import_module", missing)
    with pytest.raises(SettingsError, match="rate-limits"):
        make_portal(config={"SCIM_RATE_LIMIT_STORAGE": "redis://localhost"})
