"""Identity providers, each connected to a portal of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import DATABASES, database_of
from tests.portal import Portal
from tests.thorough import THOROUGH

from .speaker import Speaker


@pytest.fixture(params=DATABASES if THOROUGH else DATABASES[:1])
def database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server_databases: Callable[[str], str],
) -> Iterator[str]:
    """One kind is enough: what a dialect makes of a request is made before a database sees it."""
    yield from database_of(request.param, tmp_path, server_databases)


@pytest.fixture
def speak(make_portal: Callable[..., Portal]) -> Callable[[str], Speaker]:
    """Return a function that connects the provider with that dialect."""

    def connected(provider: str) -> Speaker:
        portal = make_portal(dialect=provider)
        return Speaker(portal, portal.client, provider)

    return connected


@pytest.fixture
def entra(speak: Callable[[str], Speaker]) -> Speaker:
    """Microsoft Entra ID."""
    return speak("entra")


@pytest.fixture
def okta(speak: Callable[[str], Speaker]) -> Speaker:
    """Okta."""
    return speak("okta")
