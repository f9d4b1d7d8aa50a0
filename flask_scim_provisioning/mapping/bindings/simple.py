"""Single values: in a column, over several columns, or in the link row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from .base import Binding, Build, Dump, Keeping, Reader, Row, Unit, parts_as_read, parts_reader
from .json_elements import Elements
from .slots import Slot, stored_slot

__all__ = ["ComplexBinding", "ScalarBinding", "StoredBinding"]


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

    def normalise(self, value: Any) -> Any:
        """What can't be written never differs, and what reads the same doesn't either."""
        return self._slot.as_read(value) if self.writable() else None

    def writable(self) -> bool:
        """Whether the slot can be set."""
        return self._slot.write is not None

    def clearable(self) -> bool:
        """A column that can't be empty is left alone."""
        return not self._slot.required


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
        for name, slot in self._slots.items():
            slot.set(entity, value.get(name), f"{self.attribute.name}.{name}")
        return {name: part for name, part in value.items() if name not in self._slots} or None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Join the sub-attributes."""
        return {**remainder, **(value or {})}

    def normalise(self, value: Any) -> Any:
        """A sub-attribute that can't be written never differs, and what reads the same neither."""
        return parts_as_read(self._slots, value) if value else value

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
