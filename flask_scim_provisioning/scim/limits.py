"""How much of one resource is kept: what a client may let grow from request to request.

RFC 7644 section 3.12 (table 9) has no code for a resource that is too large; ``invalidValue`` is
what a change that can't be carried out is answered with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidValue

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one resource.

    :ivar values: how many values a multi-valued attribute has at most; members have no limit.
    :ivar stored_bytes: how much is kept beside the portal's own columns: bytes of JSON in UTF-8.
    """

    values: int = 2_000
    stored_bytes: int = 250_000

    def check_values(self, name: str, after: Any, before: Any = None) -> None:
        """Let an attribute have no more values than the limit; what has more may only shrink.

        :raises InvalidValue: when it would have more.
        """
        if not isinstance(after, list) or len(after) <= self.values:
            return
        if not isinstance(before, list) or len(after) > len(before):
            raise InvalidValue(
                f"{name} would have {len(after)} values, and SCIM_MAX_VALUES is {self.values}; "
                "send fewer, or let the portal's team raise the limit."
            )

    def check_stored(self, after: Mapping[str, Any], before: Mapping[str, Any]) -> int:
        """Let no more be kept of a resource than the limit; what is larger may only shrink.

        Returns how much it would be, in bytes.

        :param after: what would be kept beside the portal's columns, by flat key.
        :param before: what is kept now.
        :raises InvalidValue: when it would be more.
        """
        size = _size(after)
        if size > self.stored_bytes and size > _size(before):
            raise InvalidValue(
                f"{size} bytes would be kept of this resource beside the portal's own columns, "
                f"and SCIM_MAX_STORED_BYTES is {self.stored_bytes}; send shorter or fewer values, "
                "or let the portal's team raise the limit."
            )
        return size


def _size(kept: Mapping[str, Any]) -> int:
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return len(text) if text.isascii() else len(text.encode())
