"""Keeping what was made of a text that a client sent, within so many bytes.

Clients repeat themselves, and one that doesn't must not fill the memory: what is kept is bounded by
its number and by the length of the texts.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

__all__ = ["LONGEST_KEPT", "MOST_KEPT", "kept"]

T = TypeVar("T")

LONGEST_KEPT = 256
"""The longest text (characters) that something is kept for."""

MOST_KEPT = 512
"""For how many texts it is kept."""


def kept(make: Callable[[str], T]) -> Callable[[str], T]:
    """Return a function that remembers what it has made of short texts.

    What is made of a text must be no larger than a small multiple of it.
    """
    remembered = lru_cache(maxsize=MOST_KEPT)(make)

    @wraps(make)
    def call(text: str) -> T:
        return remembered(text) if len(text) <= LONGEST_KEPT else make(text)

    return call
