"""Mistakes in a declaration, found at start-up; and what another attempt may settle."""

from ..scim.errors import TemporarilyUnavailable

__all__ = ["MappingError", "Unsettled"]


class MappingError(Exception):
    """A schema declaration that can't work; the message says which line to change."""


class Unsettled(TemporarilyUnavailable):
    """Others change the same rows, and this transaction can't see theirs; the next one does."""
