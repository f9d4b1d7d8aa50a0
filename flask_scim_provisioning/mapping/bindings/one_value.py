"""A multi-valued attribute of which the host keeps one element: its column, and the link row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from ..host.tables import HostTable
from .base import (
    Binding,
    Build,
    Dump,
    Reader,
    Row,
    Unit,
    other_than_mirrored,
    parts_as_read,
    parts_reader,
)
from .json_elements import Elements
from .slots import Slot, constant_slot

__all__ = ["OneValueBinding"]

BOUND = "$bound"
"""Marks the host's element among those in the link row."""


class OneValueBinding(Binding):
    """A multi-valued attribute of which the host keeps one element, such as the work e-mail.

    The host's element is the primary one, or else the one of the declared type, or else the first.
    The other elements, and what the host's element has beside its slots, remain in the link row.
    """

    has_elements = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        slots: Mapping[str, Slot],
        constants: Mapping[str, Any],
        table: HostTable,
    ) -> None:
        super().__init__(key, attribute)
        self._slots = slots
        self._constants = dict(constants)
        self._table = table
        self.expressions = tuple(slot.expression for slot in slots.values())
        self.place = ", ".join(slot.place for slot in slots.values())
        self._mirrors = {name for name, slot in slots.items() if slot.mirrors is not None}
        self._searchable = dict(slots)
        for name, value in constants.items():
            sub = attribute.sub(name)
            if sub is not None:
                self._searchable[sub.name] = constant_slot(sub, value)

    def reader(self, start: int) -> Reader:
        """Read the host's element."""
        parts, constants = parts_reader(self._slots, start), self._constants

        def read(row: Row, dump: Dump) -> Any:
            element = parts(row)
            return [{**element, **constants}] if element else None

        return read

    def _chosen(self, elements: list[dict[str, Any]]) -> int | None:
        """Return the index of the element that the host keeps."""
        kind = self._constants.get("type")
        usable = [i for i, element in enumerate(elements) if self._slots.keys() & element.keys()]
        for index in usable:
            if elements[index].get("primary") is True:
                return index
        for index in usable:
            if elements[index].get("type") == kind:
                return index
        return usable[0] if usable else None

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the host's element; the others remain, and what it has beside its slots."""
        elements: list[dict[str, Any]] = value or []
        chosen = self._chosen(elements)
        element = elements[chosen] if chosen is not None else {}
        sent = {}
        for name, slot in self._slots.items():
            slot.set(entity, element.get(name), f"{self.attribute.name}.{name}")
            other = other_than_mirrored(slot, element.get(name), entity, unit)
            if other is not None:
                sent[name] = other
        remainder = [
            {BOUND: True, **{k: v for k, v in part.items() if k not in self._slots}, **sent}
            if index == chosen
            else part
            for index, part in enumerate(elements)
        ]
        usual = [] if chosen is None else [{BOUND: True, **self._constants}]
        return None if remainder == usual else remainder

    def merge(self, value: Any, remainder: Any) -> Any:
        """Put the host's element back into its place among the others."""
        own = {k: v for k, v in value[0].items() if k in self._slots} if value else None
        merged = []
        for part in remainder:
            if BOUND not in part:
                merged.append(part)
            elif own is not None:
                merged.append({**own, **{k: v for k, v in part.items() if k != BOUND}})
        if own is not None and not any(BOUND in part for part in remainder):
            merged.insert(0, value[0])
        return merged or None

    def has_others(self, remainder: Any) -> bool:
        """Say whether a remainder has elements beside the host's."""
        return any(BOUND not in part or self._mirrors & part.keys() for part in remainder or ())

    def normalise(self, value: Any) -> Any:
        """What the host's element reads the same of doesn't differ."""
        elements: list[dict[str, Any]] = list(value or [])
        chosen = self._chosen(elements)
        if chosen is not None:
            elements[chosen] = parts_as_read(self._slots, elements[chosen])
        return elements

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of a sub-attribute of the host's element, for sorting."""
        return self._searchable.get(sub or "value")

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the host's element by the host's index, and the others where there are some."""
        table, links = self._table, self._table.links
        elements = Elements(links.c.stored, self.key, self.attribute)
        present = sa.or_(*(slot.expression.is_not(None) for slot in self._slots.values()))
        own = (
            table.linked(*table.key.columns)
            .where(present, build(lambda sub: self._find(sub, elements)))
            .correlate(None)
        )
        whole = sa.not_(elements.marked(BOUND))
        if self._mirrors:
            # What was sent otherwise than another attribute has it stands among the others.
            sent = sa.or_(*(elements.marked(name) for name in sorted(self._mirrors)))
            kept = elements.exist(elements.marked(BOUND), sent)
            own = own.where(sa.or_(links.c.others.is_(None), sa.not_(kept)))
            whole = sa.or_(whole, sent)
        others = (
            sa.select(*table.link_key.columns)
            .where(links.c.others.is_not(None), elements.exist(whole, build(elements.find)))
            .correlate(None)
        )
        # MariaDB would look into a bare UNION once for each row of the host.
        found = own.union_all(others).subquery()
        return table.key.inside(sa.select(*found.c))

    def _find(self, sub: str, elements: Elements) -> Slot | None:
        """Return the slot of a sub-attribute of the host's element.

        What it has beside its slots is as the client wrote it, or else as declared.
        """
        if sub in self._slots:
            return self._slots[sub]
        kept = elements.find(sub)
        if kept is None:
            return None
        declared = self._constants.get(sub)
        bound = elements.marked(BOUND)
        expression = sa.case(
            (elements.exist(bound), elements.first(kept.expression, bound)),
            else_=sa.null() if declared is None else sa.literal(declared),
        )
        return replace(kept, expression=expression)

    def slots(self) -> Iterable[Slot]:
        """Return the slots of the host's element."""
        return self._slots.values()

    @property
    def note(self) -> str:
        """The host has room for one element."""
        return "one value in the host, the others in the link row"

    def clearable(self) -> bool:
        """Left alone where one of the slots can't be empty."""
        return not any(slot.required or slot.mirrors for slot in self._slots.values())

    def is_demanded(self) -> bool:
        """Say whether clients have to send a value."""
        return any(slot.required and not slot.optional for slot in self._slots.values())
