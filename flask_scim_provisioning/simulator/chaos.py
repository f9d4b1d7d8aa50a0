"""A network that loses connections: when one is dropped, and what the client knows afterwards."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from enum import StrEnum

HIGHEST_RATE = 0.9
# A request whose client has gone may still be carried out; what is sent after it must not be
# overtaken by it. An identity provider's time-out of many seconds gives the same certainty.
SETTLING = 0.3
_SHORTEST_WAIT, _LONGEST_WAIT = 0.001, 0.03


class Moment(StrEnum):
    """When the connection was dropped."""

    BEFORE = "before sending"
    WAITING = "while waiting"
    UNREAD = "answer unread"


class Dropped(Exception):
    """The connection was dropped on purpose.

    :param moment: when; from ``WAITING`` on the server may have done what was asked.
    """

    def __init__(self, moment: Moment) -> None:
        super().__init__(moment.value)
        self.moment = moment


@dataclass(frozen=True)
class Drop:
    """One connection that will be dropped.

    :ivar patience: seconds to wait for the answer before hanging up, for ``WAITING``.
    """

    moment: Moment
    patience: float


class Chaos:
    """Decides which connections are dropped; the same seed decides alike.

    With several workers, which request meets which decision depends on who comes first.

    :param rate: the share of connections that is dropped, 0 to 0.9.
    :param seed: any number.
    :raises ValueError: the rate is out of range.
    """

    def __init__(self, rate: float, seed: int) -> None:
        if not 0 <= rate <= HIGHEST_RATE:
            raise ValueError(f"The rate of dropped connections must be 0 to {HIGHEST_RATE}.")
        self.rate = rate
        self._random = random.Random(f"chaos:{seed}")  # noqa: S311 - repeatable, no secret
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self.rate > 0

    def draw(self) -> Drop | None:
        """Decide about the next connection; None lets it live."""
        if not self:
            return None
        with self._lock:
            if self._random.random() >= self.rate:
                return None
            moment = self._random.choice(list(Moment))
            return Drop(moment, self._random.uniform(_SHORTEST_WAIT, _LONGEST_WAIT))
