"""Telling apart what SCIM itself writes through the host's session from what the host writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from .keys import HostKey
from .tables import HostTable

__all__ = ["is_own_write", "own_writes"]

_WRITING = "scim_writing"
"""A key of Session.info."""


@contextmanager
def own_writes(
    table: HostTable, session: Session, is_own: Callable[[HostKey], bool]
) -> Iterator[None]:
    """Let the flushes inside be SCIM's own, as far as some resources go: it moves their versions.

    What listeners of the host change of others meanwhile counts.

    :param is_own: says of a key of the table whether it is one of those.
    """
    outer = session.info.get(_WRITING)
    session.info[_WRITING] = (table, is_own)
    try:
        yield
    finally:
        if outer is None:
            del session.info[_WRITING]
        else:
            session.info[_WRITING] = outer


def is_own_write(session: Session, table: HostTable, key: HostKey) -> bool:
    """Say whether a flush writes a resource that SCIM is writing."""
    found = session.info.get(_WRITING)
    return found is not None and found[0].links is table.links and bool(found[1](key))
