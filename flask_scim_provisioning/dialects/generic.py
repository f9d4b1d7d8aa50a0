"""Clients that keep to the RFC, with the leniency that costs nobody anything."""

from collections.abc import Mapping
from typing import Any, ClassVar

from .base import Dialect
from .values import member_of


class Generic(Dialect):
    """RFC 7644 as it is written; for identity providers without a dialect of their own."""

    name: ClassVar[str] = "generic"
    title: ClassVar[str] = "Other (SCIM 2.0)"

    def requested_with(self, body: Any) -> tuple[str, ...]:
        """Who sends the names of members reads them in the answer.

        Source: Okta's reference sends ``{"value": …, "display": …}`` for each member and looks for
        both, also while nobody has said that it is Okta.
        """
        members = member_of(body, "members") if isinstance(body, Mapping) else None
        named = isinstance(members, list) and any(
            isinstance(each, Mapping) and "display" in each for each in members
        )
        return ("members.display",) if named else ()
