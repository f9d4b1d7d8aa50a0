"""Bindings: where one SCIM attribute lives, and how it is read, written and searched there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from ..scim import attributes as scim
from .elements import Elements
from .slots import Slot, json_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .resources import ResourceMapping

__all__ = [
    "Binding",
    "Build",
    "Collection",
    "ComplexBinding",
    "Dump",
    "Reader",
    "ScalarBinding",
    "StoredBinding",
    "Unit",
    "constant_slot",
    "parts_reader",
    "stored_slot",
]


@dataclass(slots=True)
class Dump:
    """What reading needs beside the row.

    :ivar base_url: the absolute SCIM base URL that ``$ref`` and ``location`` begin with.
    :ivar missing: keys of host users that are referred to and have no link yet; filled by readers.
    :ivar missing_groups: the same of groups.
    """

    base_url: str
    missing: set[Any]
    missing_groups: set[Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """What writing needs beside the host's object.

    :ivar parameters: what every statement takes, as ``Viewpoint.parameters``.
    """

    session: Session
    connection: sa.Connection
    parameters: Mapping[str, Any]
    mapping: ResourceMapping


Reader: TypeAlias = Callable[[Sequence[Any], Dump], Any]
Build: TypeAlias = Callable[[Callable[[str], Slot | None]], sa.ColumnElement[bool]]


class Binding:
    """Where one attribute lives.

    ``expressions`` are selected with each row; ``reader`` turns them into a SCIM value. ``write``
    puts a SCIM value on the host's object and returns what the host has no place for; that
    remainder is kept in the link row, and ``merge`` joins the two again, so that an identity
    provider reads back what it wrote.
    """

    expressions: tuple[sa.ColumnElement[Any], ...] = ()
    place = ""

    def __init__(self, key: str, attribute: scim.Attribute) -> None:
        self.key = key
        self.attribute = attribute

    def reader(self, start: int) -> Reader:
        """Return the function that reads the value from a row, beginning at column ``start``.

        Nothing is read from the row unless a binding says otherwise.
        """
        return lambda row, dump: None

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write a value (None clears it) and return the remainder, or None.

        Nothing is written to the host's object unless a binding says otherwise.
        """
        return None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Join what the host keeps with the remainder in the link row."""
        return remainder if value is None else value

    def normalise(self, value: Any) -> Any:
        """Return the part of a value that says whether a write changes anything."""
        return value

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of the attribute or of a sub-attribute, or None where there is none."""
        del sub
        return None

    def clearable(self) -> bool:
        """Say whether a replace that doesn't name the attribute may clear it."""
        return True

    def writable(self) -> bool:
        """Say whether what a client writes is kept; a constant stays what it is."""
        return True


class Collection(ABC):
    """A multi-valued attribute whose elements can be searched."""

    @abstractmethod
    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Return SQL that says whether one element meets the condition."""


def constant_slot(attribute: scim.Attribute, value: Any) -> Slot:
    """Return the slot of a value that never changes and isn't written."""
    textual = isinstance(value, str)
    return Slot(
        attribute, sa.literal(value), None, lambda v: v, None, False, textual, f"always {value!r}"
    )


def stored_slot(
    stored: Any, key: str, attribute: scim.Attribute, sub: scim.Attribute | None = None
) -> Slot:
    """Return the slot of a single-valued attribute, or of its sub-attribute, in the link row."""
    path = stored[key] if sub is None else stored[(key, sub.name)]
    leaf = sub or attribute
    expression, textual = json_value(path, leaf)
    return Slot(leaf, expression, None, lambda v: v, None, False, textual, "the link row")


class ScalarBinding(Binding):
    """One slot: a column, an expression with a setter, a JSON key, a constant, a look-up."""

    def __init__(self, key: str, slot: Slot) -> None:
        super().__init__(key, slot.attribute)
        self._slot = slot
        self.expressions = (slot.expression,)
        self.place = slot.place

    @property
    def is_plain(self) -> bool:
        """Whether the column's value is the SCIM value."""
        return self._slot.from_host is None

    def reader(self, start: int) -> Reader:
        """Read the one column."""
        convert = self._slot.from_host
        if convert is None:
            return lambda row, dump: row[start]

        def read(row: Sequence[Any], dump: Dump) -> Any:
            value = row[start]
            return None if value is None else convert(value)

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the one column; nothing remains."""
        self._slot.set(entity, value, self.attribute.name)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the one slot."""
        return self._slot if sub is None else None

    def normalise(self, value: Any) -> Any:
        """What can't be written never differs, and what reads the same doesn't either."""
        return self._slot.as_read(value) if self.writable() else None

    def writable(self) -> bool:
        """Whether the slot can be set."""
        return self._slot.write is not None

    def clearable(self) -> bool:
        """A column that can't be empty is left alone, and so is ``active``."""
        return not self._slot.required and self.attribute.name != "active"


class StoredBinding(Binding, Collection):
    """An attribute that the host has no place for: the link row keeps it as it was written."""

    place = "the link row"

    def __init__(self, key: str, attribute: scim.Attribute, stored: Any) -> None:
        super().__init__(key, attribute)
        self._stored = stored

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """All of it remains."""
        return value

    def merge(self, value: Any, remainder: Any) -> Any:
        """Return what was stored."""
        return remainder

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot inside the link row; :meth:`any` searches the elements of lists."""
        if self.attribute.multi_valued:
            return None
        if sub is None:
            is_complex = self.attribute.type is scim.Type.COMPLEX
            return None if is_complex else stored_slot(self._stored, self.key, self.attribute)
        found = self.attribute.sub(sub)
        return stored_slot(self._stored, self.key, self.attribute, found) if found else None

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the elements in the link row."""
        elements = Elements(self._stored, self.key, self.attribute)
        return elements.exist(build(elements.find))


def parts_reader(
    slots: Mapping[str, Slot], start: int
) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Return the function that reads sub-attributes from a row, beginning at column ``start``."""
    parts = [
        (name, start + index, slot.from_host) for index, (name, slot) in enumerate(slots.items())
    ]

    def read(row: Sequence[Any]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for name, index, convert in parts:
            part = row[index]
            if part is not None and convert is not None:
                part = convert(part)
            if part is not None:
                value[name] = part
        return value

    return read


class ComplexBinding(Binding):
    """A single-valued complex attribute over several slots, such as ``name``."""

    def __init__(
        self, key: str, attribute: scim.Attribute, slots: Mapping[str, Slot], stored: Any
    ) -> None:
        super().__init__(key, attribute)
        self._slots = slots
        self._stored = stored
        self.expressions = tuple(slot.expression for slot in slots.values())
        self.place = ", ".join(f"{name}: {slot.place}" for name, slot in slots.items())

    def reader(self, start: int) -> Reader:
        """Read each sub-attribute from its slot."""
        read = parts_reader(self._slots, start)
        return lambda row, dump: read(row) or None

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the sub-attributes that have a slot; the others remain."""
        value = value or {}
        for name, slot in self._slots.items():
            slot.set(entity, value.get(name), f"{self.attribute.name}.{name}")
        return {name: part for name, part in value.items() if name not in self._slots} or None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Join the sub-attributes."""
        return {**remainder, **(value or {})}

    def normalise(self, value: Any) -> Any:
        """A sub-attribute that can't be written never differs."""
        fixed = {name for name, slot in self._slots.items() if slot.write is None}
        return {k: v for k, v in (value or {}).items() if k not in fixed} if fixed else value

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of a sub-attribute, in the host or in the link row."""
        if sub is None:
            return None
        if sub in self._slots:
            return self._slots[sub]
        found = self.attribute.sub(sub)
        return stored_slot(self._stored, self.key, self.attribute, found) if found else None

    def clearable(self) -> bool:
        """Left alone where one of the slots can't be empty."""
        return not any(slot.required for slot in self._slots.values())
