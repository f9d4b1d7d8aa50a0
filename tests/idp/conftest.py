"""Identity providers, each connected to a portal of its own."""

from collections.abc import Callable

import pytest

from tests.portal import Portal

from .speaker import Speaker


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
