"""How many requests are answered in a minute: of an integration, and refused ones of an address.

Without a store each process counts for itself, in buckets that fill steadily: as many requests as
a minute allows may come at once. With ``SCIM_RATE_LIMIT_STORAGE`` all processes count together, by
the package ``limits``.
"""

from __future__ import annotations

import importlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..settings import SettingsError

__all__ = ["Buckets", "RateLimits"]

logger = logging.getLogger(__name__)

_MINUTE = 60.0
_MOST_KEYS = 10_000
"""How many integrations and addresses a process remembers; those who were silent longest go."""


class Counter(Protocol):
    """Counts what each key has had in a minute."""

    def wait(self, key: str, per_minute: int, *, take: bool) -> float:
        """Return how long a key has to wait for one more (seconds), 0 where it has one free.

        :param take: whether it takes that one.
        """
        ...


class Buckets:
    """Token buckets in the memory of one process.

    :param clock: the time in seconds, from anywhere on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # What is left in each bucket, and when that was so.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, per_minute: int, *, take: bool) -> float:
        """Return how long a key has to wait for one more (seconds), 0 where it has one free."""
        now, rate = self._clock(), per_minute / _MINUTE
        with self._lock:
            left, then = self._left.pop(key, (float(per_minute), now))
            left = min(float(per_minute), left + (now - then) * rate)
            short = max(0.0, 1.0 - left)
            if take and not short:
                left -= 1.0
            self._left[key] = (left, now)
            if len(self._left) > _MOST_KEYS:
                self._left.popitem(last=False)
        return short / rate


class _Shared:
    """Counts in a store that all processes share.

    :param url: as the package ``limits`` reads it: ``"redis://localhost:6379"``.
    """

    def __init__(self, url: str) -> None:
        try:
            # An extra, and typed; it is imported only where it is asked for.
            limits: Any = importlib.import_module("limits")
            strategies: Any = importlib.import_module("limits.strategies")
            storage: Any = importlib.import_module("limits.storage")
            store = storage.storage_from_string(url)
        except ImportError:
            raise SettingsError(
                "SCIM_RATE_LIMIT_STORAGE needs a package that isn't installed: run "
                "`pip install flask-scim-provisioning[rate-limits]`."
            ) from None
        except Exception as error:
            # The URL may have a password, and the package's words may quote it.
            raise SettingsError(
                f"SCIM_RATE_LIMIT_STORAGE can't be used ({type(error).__name__}); it has to be a "
                'URL such as "redis://localhost:6379".'
            ) from None
        self._per_minute: Callable[[int], Any] = limits.RateLimitItemPerMinute
        self._strategy = strategies.FixedWindowRateLimiter(store)

    def wait(self, key: str, per_minute: int, *, take: bool) -> float:
        """Return how long a key has to wait for one more (seconds); 0 where nobody knows."""
        item = self._per_minute(per_minute)
        try:
            ask = self._strategy.hit if take else self._strategy.test
            if ask(item, "scim", key):
                return 0.0
            reset: float = self._strategy.get_window_stats(item, "scim", key).reset_time
        except Exception as error:
            # Counting is bookkeeping: no reason to refuse anybody.
            logger.warning("The store of rate limits can't be asked (%s).", type(error).__name__)
            return 0.0
        return max(1.0, reset - time.time())


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of one application.

    :ivar of_integration: requests of one integration in a minute; None for any number.
    :ivar of_address: refused authentications of one address in a minute; None for any number.
    """

    counter: Counter
    of_integration: int | None
    of_address: int | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RateLimits:
        """Return the limits that the settings name.

        :raises SettingsError: when the store can't be used.
        """
        url = settings["SCIM_RATE_LIMIT_STORAGE"]
        return cls(
            Buckets() if url is None else _Shared(url),
            settings["SCIM_RATE_LIMIT"],
            settings["SCIM_REFUSED_RATE_LIMIT"],
        )

    def integration(self, identity: object) -> int | None:
        """Count a request of an integration; return after how many seconds it may come again."""
        return self._asked(f"integration {identity}", self.of_integration, take=True)

    def address(self, address: str | None) -> int | None:
        """Return after how many seconds an address may show a token again; None for now."""
        return self._asked(f"address {address}", self.of_address, take=False)

    def refused(self, address: str | None) -> None:
        """Count a token of an address that opened nothing."""
        self._asked(f"address {address}", self.of_address, take=True)

    def is_told(self, identity: object) -> bool:
        """Say whether the activity has been told in this minute that an integration is too fast."""
        return self.counter.wait(f"told {identity}", 1, take=True) > 0

    def _asked(self, key: str, per_minute: int | None, *, take: bool) -> int | None:
        if per_minute is None:
            return None
        seconds = self.counter.wait(key, per_minute, take=take)
        return math.ceil(seconds) if seconds > 0 else None
