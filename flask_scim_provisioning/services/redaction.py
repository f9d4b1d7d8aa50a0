"""What may be kept of a payload: no secret, nothing that a database can't store, not too much."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["REDACTED", "redact", "storable_text"]

REDACTED = "[redacted]"
_LARGEST_PAYLOAD = 16_384  # characters of JSON
_LONGEST_LIST = 20
_LONGEST_TEXT = 500
_DEEPEST = 12

_SECRET_NAME = re.compile(
    r"passw|secret|token|credential|authorization|api[-_]?key|private[-_]?key", re.IGNORECASE
)
# PostgreSQL keeps no NUL in text, and no database keeps half of a surrogate pair.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def storable_text(value: object | None, length: int) -> str | None:
    """Return a text cut to a length, without what some database can't store."""
    if value is None:
        return None
    text = str(value)
    if not text.isprintable():
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text[:length]


def redact(body: Any) -> Any:
    """Return a copy of a payload that may be kept: without secrets, storable, and not too large.

    A value is secret when its name says so, whether the name is a key or the path of a PATCH
    operation. Long lists and texts are cut, because a membership has 100,000 values.
    """
    if body is None:
        return None
    kept = _redacted(body, 0)
    size = len(json.dumps(kept))
    return kept if size <= _LARGEST_PAYLOAD else f"[{size} characters, too long to keep]"


def _redacted(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return "[too deep to keep]"
    match value:
        case str():
            text = storable_text(value, _LONGEST_TEXT)
            return text if len(value) <= _LONGEST_TEXT else f"{text}… [{len(value)} characters]"
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            named = [(_name(str(key)), item) for key, item in value.items()]
            secret_path = any(
                name.plain == "path" and isinstance(path, str) and _SECRET_NAME.search(path)
                for name, path in named
            )
            return {
                name.kept: REDACTED
                if name.secret or (secret_path and name.plain == "value")
                else _redacted(item, depth + 1)
                for name, item in named
            }
        case list() | tuple():
            shown = [_redacted(item, depth + 1) for item in value[:_LONGEST_LIST]]
            more = len(value) - _LONGEST_LIST
            return shown if more <= 0 else [*shown, f"… and {more} more"]
        case _:
            return f"[{type(value).__name__}]"


class _Name(NamedTuple):
    """What is to be known of a member's name.

    :ivar kept: as it may be stored.
    :ivar plain: in lower case, without blanks around it.
    """

    kept: str
    plain: str
    secret: bool


@functools.lru_cache(maxsize=1_024)
def _name(key: str) -> _Name:
    kept = storable_text(key, _LONGEST_TEXT) or ""
    return _Name(kept, key.strip().lower(), _SECRET_NAME.search(key) is not None)
