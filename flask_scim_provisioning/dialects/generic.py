"""Clients that keep to the RFC, with the leniency that costs nobody anything."""

from typing import ClassVar

from .base import Dialect


class Generic(Dialect):
    """RFC 7644 as it is written; for identity providers without a dialect of their own."""

    name: ClassVar[str] = "generic"
    title: ClassVar[str] = "Other (SCIM 2.0)"
