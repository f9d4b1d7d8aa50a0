"""Ids of resources, and points in time as links keep them."""

from __future__ import annotations

import uuid
from datetime import datetime

from ...models import utcnow

__all__ = ["given_id", "may_be_id", "moment", "new_id"]


def new_id() -> str:
    """Return a new SCIM id, 36 characters."""
    return str(uuid.uuid4())


def moment() -> datetime:
    """Return the present instant as precisely as ``meta`` shows it: in milliseconds."""
    now = utcnow()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def may_be_id(text: str) -> bool:
    """Say whether a text can be compared with ids; no database takes NUL or half a surrogate."""
    return text.isascii() and text.isprintable()


def given_id(text: str) -> str:
    """Return an id as it is kept; GUIDs may differ in case.

    :raises ValueError: when it is none.
    """
    if not may_be_id(text):
        raise ValueError("this is no id of the service.")
    return text.lower()
