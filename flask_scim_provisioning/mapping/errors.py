"""Mistakes in a declaration, found at start-up."""

__all__ = ["MappingError"]


class MappingError(Exception):
    """A schema declaration that can't work; the message says which line to change."""
