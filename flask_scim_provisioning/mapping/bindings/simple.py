"""Single values: in a column, over several columns, or in the link row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from .base import (
    Binding,
    Build,
    Dump,
    Keeping,
    Reader,
    Row,
    Unit,
    other_than_mirrored,
    parts_as_read,
    parts_reader,
)
from .json_elements import Elements
from .slots import Slot, stored_slot

__all__ = ["ComplexBinding", "MirrorBinding", "ScalarBinding", "StoredBinding"]


class ScalarBinding(Binding):
    """One slot: a column, an expression with a setter, a JSON key, a constant, a look-up."""

    leaves_remainder = False

    def __init__(self, key: str, slot: Slot) -> None:
        super().__init__(key, slot.attribute)
        self._slot = slot
        self.expressions = (slot.expression,)
        self.place = slot.place

    @property
    def plain_column(self) -> bool:
        """Whether the column's value is the SCIM value."""
        return self._slot.from_host is None

    def reader(self, start: int) -> Reader:
        """Read the one column."""
        convert = self._slot.from_host
        if convert is None:
            return lambda row, dump: row[start]

        def read(row: Row, dump: Dump) -> Any:
            value = row[start]
            return None if value is None else convert(value)

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the one column; nothing remains."""
        self._slot.set(entity, value, self.attribute.name)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the one slot."""
        return self._slot if sub is None else None

    def slots(self) -> Iterable[Slot]:
        """Return the one slot."""
        return (self._slot,)

    def normalise(self, value: Any) -> Any:
        """What can't be written never differs, and what reads the same doesn't either."""
        return self._slot.as_read(value) if self.writable() else None

    def writable(self) -> bool:
        """Whether the slot can be set."""
        return not self._slot.is_fixed

    def clearable(self) -> bool:
        """A column that can't be empty is left alone."""
        return not self._slot.required

    def is_demanded(self) -> bool:
        """Say whether clients have to send a value."""
        return self._slot.required and not self._slot.optional


class MirrorBinding(ScalarBinding):
    """An attribute that has the value of another one; what is sent otherwise is in the link row."""

    leaves_remainder = True

    def __init__(self, key: str, slot: Slot, stored: sa.ColumnElement[Any]) -> None:
        super().__init__(key, slot)
        self._stored = stored

    @property
    def note(self) -> str:
        """Another attribute decides."""
        return f"the same as {self._slot.mirrors}; what is sent otherwise is kept as sent"

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Keep what differs from the other attribute."""
        return other_than_mirrored(self._slot, value, entity, unit)

    def merge(self, value: Any, remainder: Any) -> Any:
        """Prefer what was sent."""
        return value if remainder is None else remainder

    def slot(self, sub: str | None) -> Slot | None:
        """Search by what was sent, or else by the other attribute."""
        return _sent_or(self._slot, self._stored[self.key]) if sub is None else None

    def display_slot(self) -> Slot | None:
        """Return the other attribute's."""
        return self._slot

    def clearable(self) -> bool:
        """It is never without a value of its own."""
        return False

    def is_demanded(self) -> bool:
        """The other attribute has a value."""
        return False


def _sent_or(slot: Slot, path: Any) -> Slot:
    """Return a slot that prefers what is kept at a path of the link row."""
    column = sa.type_coerce(slot.expression, sa.String())
    return replace(slot, expression=sa.func.coalesce(path.as_string(), column), own=None)


class StoredBinding(Binding):
    """An attribute that the host has no place for: the link row keeps it as it was written."""

    keeping = Keeping.LINK
    place = "the link row"

    def __init__(self, key: str, attribute: scim.Attribute, stored: sa.ColumnElement[Any]) -> None:
        super().__init__(key, attribute)
        self.has_elements = attribute.multi_valued
        self._stored = stored

    @property
    def note(self) -> str:
        """Nothing of the host's is behind it."""
        return "kept as sent, so that it is read back"

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

    def searchable(self) -> bool:
        """Every part of it can be searched, whatever it is."""
        return True


class ComplexBinding(Binding):
    """A single-valued complex attribute over several slots, such as ``name``."""

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        slots: Mapping[str, Slot],
        stored: sa.ColumnElement[Any],
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
        remainder = {name: part for name, part in value.items() if name not in self._slots}
        for name, slot in self._slots.items():
            slot.set(entity, value.get(name), f"{self.attribute.name}.{name}")
            sent = other_than_mirrored(slot, value.get(name), entity, unit)
            if sent is not None:
                remainder[name] = sent
        return remainder or None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Join the sub-attributes; one that has another attribute's value prefers what was sent."""
        sent = {
            n: remainder[n] for n, slot in self._slots.items() if slot.mirrors and n in remainder
        }
        return {**remainder, **(value or {}), **sent}

    def normalise(self, value: Any) -> Any:
        """A sub-attribute that can't be written never differs, and what reads the same neither."""
        return parts_as_read(self._slots, value) if value else value

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of a sub-attribute, in the host or in the link row."""
        if sub is None:
            return None
        found = self._slots.get(sub)
        if found is not None:
            if found.mirrors is None:
                return found
            return _sent_or(found, self._stored[(self.key, sub)])
        part = self.attribute.sub(sub)
        return stored_slot(self._stored, self.key, self.attribute, part) if part else None

    def slots(self) -> Iterable[Slot]:
        """Return the slots of the sub-attributes that have one."""
        return self._slots.values()

    def clearable(self) -> bool:
        """Left alone where one of the slots can't be empty."""
        return not any(slot.required or slot.mirrors for slot in self._slots.values())

    def is_demanded(self) -> bool:
        """Say whether clients have to send a value."""
        return any(slot.required and not slot.optional for slot in self._slots.values())
