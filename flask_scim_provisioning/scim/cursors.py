"""Cursors: where the next page begins, sealed so that only this service reads and writes them.

RFC 9865 section 2 lets a cursor be anything of the unreserved characters. Ours carry all that the
next page needs, so that nothing is kept between two requests and every process can answer either.
They are encrypted, because a cursor stands in URLs, and what people are sorted by is personal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from .errors import ExpiredCursor, InvalidCursor, InvalidValue

__all__ = ["Position", "Seal", "derive_key"]

_TAG_BYTES = 16
_MOST_CHARACTERS = 4096


def derive_key(secret: str | bytes) -> bytes:
    """Return the key of cursors from an application's secret, which thereby stays its own."""
    given = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(given, b"flask-scim-provisioning cursor", hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after the resource that the page before ended with.

    :ivar part: which of the searched resource types, counted from 0.
    :ivar after: what that resource was sorted by, its key last; None at the beginning.
    :ivar total: how many resources the search found when it began.
    """

    part: int = 0
    after: tuple[Any, ...] | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes cursors of positions, and positions of cursors.

    A cursor belongs to one search, its ``binding``: whose it is, of what, its filter and its order.
    The seal is that of RFC 5297 with HMAC as its pseudo-random function: the tag is made of binding
    and text, and begins the key stream. It needs no random number that could come twice.

    :ivar key: from :func:`derive_key`.
    :ivar lifetime: how many seconds a cursor may be used; None for ever.
    """

    key: bytes = field(repr=False)
    lifetime: int | None = None

    def close(self, position: Position, binding: Sequence[str | None], now: float) -> str:
        """Return a position as a cursor.

        :param now: seconds since the epoch.
        :raises InvalidValue: when it has a value that can't stand in a cursor.
        """
        after = None if position.after is None else [_packed(value) for value in position.after]
        text = json.dumps([int(now), position.part, position.total, after], separators=(",", ":"))
        plain = text.encode()
        tag = self._tag(plain, binding)
        sealed = tag + self._mixed(plain, tag)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, cursor: str, binding: Sequence[str | None], now: float) -> Position:
        """Return the position that a cursor was made of.

        :raises InvalidCursor: when it isn't one of ours, or belongs to another search.
        :raises ExpiredCursor: when it has been used too late.
        """
        sealed = _decoded(cursor)
        tag, mixed = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        plain = self._mixed(mixed, tag)
        if not hmac.compare_digest(tag, self._tag(plain, binding)):
            raise InvalidCursor
        made, part, total, after = json.loads(plain)
        if self.lifetime is not None and now > made + self.lifetime:
            raise ExpiredCursor
        values = None if after is None else tuple(_unpacked(value) for value in after)
        return Position(part, values, total)

    def _tag(self, plain: bytes, binding: Sequence[str | None]) -> bytes:
        message = json.dumps(list(binding)).encode() + b"\0" + plain
        return hmac.digest(self.key, b"tag\0" + message, hashlib.sha256)[:_TAG_BYTES]

    def _mixed(self, data: bytes, tag: bytes) -> bytes:
        """Encrypt or decrypt: the same, with the same key stream."""
        stream = b"".join(
            hmac.digest(self.key, b"stream\0" + tag + block.to_bytes(4), hashlib.sha256)
            for block in range(-(-len(data) // hashlib.sha256().digest_size))
        )
        return bytes(one ^ other for one, other in zip(data, stream, strict=False))


def _decoded(cursor: str) -> bytes:
    if len(cursor) > _MOST_CHARACTERS:
        raise InvalidCursor
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    if len(sealed) <= _TAG_BYTES:
        raise InvalidCursor
    return sealed


def _packed(value: Any) -> Any:
    """Return a value of a database as JSON that remembers its type."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case uuid.UUID():
            return {"uuid": value.hex}
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case bytes():
            return {"bytes": value.hex()}
        case _:
            raise InvalidValue(
                "sortBy names an attribute that a cursor can't keep its place by; use startIndex "
                "with it, or sort by another one."
            )


def _unpacked(value: Any) -> Any:
    match value:
        case {"uuid": text}:
            return uuid.UUID(hex=text)
        case {"datetime": text}:
            return datetime.fromisoformat(text)
        case {"date": text}:
            return date.fromisoformat(text)
        case {"decimal": text}:
            return Decimal(text)
        case {"bytes": text}:
            return bytes.fromhex(text)
        case _:
            return value
