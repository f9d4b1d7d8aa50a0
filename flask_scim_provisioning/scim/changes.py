"""What a PATCH request changes; ``applying`` says what becomes of a resource.

The ``repr`` of a change hides its values, which may be a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .attributes import Attribute
from .filters import Filter


@dataclass(frozen=True, slots=True)
class Target:
    """The place that a change is about.

    :param key: The flat key of the top-level attribute.
    :param number: The number of the operation, from 1, for what is said about it.
    """

    key: str
    attribute: Attribute
    sub: Attribute | None = None
    number: int = 1

    @property
    def leaf(self) -> Attribute:
        """The sub-attribute if there is one, the attribute otherwise."""
        return self.attribute if self.sub is None else self.sub

    @property
    def label(self) -> str:
        """The operation and the name of the place, for details."""
        name = self.attribute.name if self.sub is None else f"{self.attribute.name}.{self.sub.name}"
        return f"operation {self.number}: {name}"


@dataclass(frozen=True, slots=True)
class Set:
    """Give a single-valued attribute, or the sub-attribute of one, its value.

    The value of a complex attribute is merged: what it doesn't name is kept.
    """

    target: Target
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Add:
    """Add values to a multi-valued attribute, except those that it has already."""

    target: Target
    values: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Remove:
    """Take away a value: of the attribute, of its matching elements, or a sub-attribute of them."""

    target: Target
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Replace:
    """Give a multi-valued attribute these values and no others."""

    target: Target
    values: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Edit:
    """Change the matching elements of a multi-valued attribute; all of them without a filter.

    :param value: What the sub-attribute becomes; without one, an object that is merged in.
    :param create: Whether to make the element that the filter describes when none matches.
    """

    target: Target
    filter: Filter | None
    value: Any = field(repr=False)
    create: bool = False


Change: TypeAlias = Set | Add | Remove | Replace | Edit
