"""Connections that are dropped: nothing is lost, nothing is there twice."""

from __future__ import annotations

import pytest

from flask_scim_provisioning.simulator.chaos import Chaos, Moment
from flask_scim_provisioning.simulator.report import Kind

from .server import FakeServer


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch):
    monkeypatch.setattr("flask_scim_provisioning.simulator.wire.SETTLING", 0.0)


@pytest.mark.parametrize("provider", ["entra", "okta"])
@pytest.mark.parametrize("workers", [1, 4])
def test_dropped_connections_are_no_surprise_and_leave_the_directory_as_it_should_be(
    play, provider, workers
):
    server = FakeServer()
    report = play(server, provider, chaos=0.2, workers=workers)
    assert report.ok, report.as_text()
    assert "connections were dropped on purpose" in report.as_text()
    names = [user["userName"].lower() for user in server.users.values()]
    assert len(names) == len(set(names))


def test_a_post_whose_answer_was_lost_is_repeated_refused_and_adopted(play):
    server = FakeServer()
    report = play(server, "entra", chaos=0.5)
    assert report.ok, report.as_text()
    assert sum(step.done_before for step in report.steps) > 0
    posts = [body["userName"] for m, p, body in server.requests if (m, p) == ("POST", "/Users")]
    assert len(posts) > len(set(posts))


def test_cleanup_under_chaos_leaves_nothing(play):
    server = FakeServer()
    assert play(server, "entra", chaos=0.4, cleanup=True).ok
    assert not server.users
    assert not server.groups


def test_the_same_seed_drops_the_same_connections():
    def drawn(seed: int) -> list[object]:
        chaos = Chaos(0.3, seed)
        return [chaos.draw() for _ in range(200)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert {drop.moment for drop in drawn(7) if drop} == set(Moment)


def test_without_chaos_no_connection_is_dropped():
    assert not any(Chaos(0.0, 1).draw() for _ in range(1000))


def test_a_rate_that_would_never_end_is_refused():
    with pytest.raises(ValueError, match="rate"):
        Chaos(0.99, 1)


@pytest.mark.parametrize("endpoint", ["users", "groups"])
def test_a_server_that_creates_twice_under_chaos_is_found_out(play, endpoint):
    class Careless(FakeServer):
        def refuse_duplicate(self, store, resource):
            if store is not getattr(self, endpoint):
                super().refuse_duplicate(store, resource)

    report = play(Careless(), "entra", chaos=0.5)
    assert any(s.kind in (Kind.EXTRA, Kind.MATCH, Kind.STATUS) for s in report.surprises)


def test_a_user_nobody_asked_for_is_found_out(play):
    def lie(server, method, path, status, body):
        if method == "DELETE" and path.startswith("/Users"):
            server.local_user(f"ghost{len(server.requests)}@aurelia.example")
        return status, body

    report = play(FakeServer(lie=lie), "entra")
    assert any(s.kind is Kind.EXTRA for s in report.surprises), report.as_text()
