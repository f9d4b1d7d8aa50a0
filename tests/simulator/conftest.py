"""A simulation against the server in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from flask_scim_provisioning.simulator import run
from flask_scim_provisioning.simulator.report import Report

from .server import BASE, TOKEN, FakeServer

Play = Callable[..., Report]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Play a provider against a server; few people and one worker unless told otherwise."""
    # Requests looks through the whole environment for proxies, before each request.
    monkeypatch.setattr("requests.utils.getproxies", dict)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:

        def played(server: FakeServer, provider: str, **options: Any) -> Report:
            mocked.reset()
            server.mount(mocked)
            chosen = {"users": 24, "groups": 3, "workers": 1, **options}
            return run(provider, BASE, TOKEN, **chosen)

        yield played
