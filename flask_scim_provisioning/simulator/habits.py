"""What each identity provider sends beside the body, and what it does about 429 and 503."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Headers:
    """What one identity provider sends, and does not send, beside the body."""

    always: Mapping[str, str]
    with_body: Mapping[str, str]
    absent: tuple[str, ...] = ()
    blank_as_plus: bool = True


# Entra: no User-Agent, no Accept, no Content-Type without a body.
ENTRA = Headers(
    always={"ADSCIMVersion": "6.0"},
    with_body={"Content-Type": "application/scim+json; charset=utf-8"},
    absent=("User-Agent", "Accept-Encoding"),
)
_OKTA_ALWAYS = {
    "User-Agent": "Okta SCIM Client 1.0.0",
    "Accept": "application/scim+json",
    "Accept-Charset": "utf-8",
    "Accept-Encoding": "gzip,deflate",
    "Connection": "Keep-Alive",
}
# Captures of wizard apps write a blank in a filter as %20, those of catalogue apps as a plus.
OKTA_WIZARD = Headers(_OKTA_ALWAYS, ENTRA.with_body, blank_as_plus=False)
OKTA_CATALOGUE = Headers(_OKTA_ALWAYS, ENTRA.with_body)


@dataclass(frozen=True)
class RetryPolicy:
    """What the provider does about 429.

    :param attempts: how often one request is sent at most.
    :param without: seconds the provider would wait when ``Retry-After`` is no integer; the
        simulator records a surprise and waits ``patience`` at most.
    :param doubling: whether each further 429 doubles the wait.
    :param patience: the longest wait in seconds before the simulator gives up on the object.
    """

    attempts: int
    without: float
    doubling: bool
    patience: float = 60.0


# Entra pauses for Retry-After; without it the object waits for the next cycle, 40 minutes later.
ENTRA_RETRY = RetryPolicy(attempts=5, without=2400.0, doubling=False)
# Okta understands whole seconds only, takes 5 minutes otherwise, and gives up after the tenth.
OKTA_RETRY = RetryPolicy(attempts=10, without=300.0, doubling=True)
