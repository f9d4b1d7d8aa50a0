"""Multi-valued attributes over the host's relationships: a related table, roles by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection, lazyload

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ...scim.evaluate import folded
from ..errors import MappingError
from ..host.attributes import attribute_of, label_of
from ..host.keys import HostKey, KeyColumns
from ..host.relationships import is_plain, relationship_of
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from .base import Binding, Build, Dump, Keeping, Unit, Watched, parts_as_read
from .loading import Related
from .slots import Slot, column_slot, constant_slot

__all__ = ["RolesBinding", "ValuesBinding"]

_OF = "$of"
"""What the host has of the element that something is kept beside."""


def _key_order(row: Any) -> tuple[bool, tuple[Any, ...]]:
    """Return what rows are sorted by as their table's key does; new ones are the last."""
    identity = sa.inspect(row).identity
    return identity is None, identity or ()


class _RelatedBinding(Binding):
    """Rows beside the host's own, in their own order."""

    keeping = Keeping.RELATED
    has_elements = True

    def __init__(self, key: str, attribute: scim.Attribute, source: Any, table: HostTable) -> None:
        super().__init__(key, attribute)
        self._related = Related(source)
        self._table = table
        self.place = label_of(source)

    def normalise(self, value: Any) -> Any:
        """The host keeps no order, and "not primary" may be said or not (RFC 7643 section 2.4)."""
        told = [
            {name: part for name, part in each.items() if (name, part) != ("primary", False)}
            if isinstance(each, dict)
            else each
            for each in value or ()
        ]
        return sorted(told, key=lambda element: json.dumps(element, sort_keys=True))


class ValuesBinding(_RelatedBinding):
    """A multi-valued complex attribute over a related table of the host."""

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: Any,
        table: HostTable,
        slots: Mapping[str, Slot],
        constants: Mapping[str, Any],
    ) -> None:
        super().__init__(key, attribute, source, table)
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        self._slots = slots
        self._constants = dict(constants)
        self._searchable = dict(slots)
        for name, value in constants.items():
            part = attribute.sub(name)
            if part is not None:
                self._searchable[part.name] = constant_slot(part, value)
        columns = [slot.expression for slot in slots.values()]
        # Where the rows name the resource by its key, its own table need not be read.
        owner = {
            table.mapper.get_property_by_column(mine).key: theirs
            for mine, theirs in prop.local_remote_pairs or ()
        }
        if is_plain(prop) and set(owner) == set(table.key_names):
            self._owner = KeyColumns(tuple(owner[name] for name in table.key_names))
            self._rows = sa.select(*self._owner.columns, *columns).select_from(prop.mapper.class_)
        else:
            self._owner = table.key
            self._rows = (
                sa.select(*table.key.columns, *columns).select_from(table.model).join(source)
            )
        self._select = self._rows.where(self._owner.among("keys")).order_by(
            *prop.mapper.primary_key
        )
        self._watched: tuple[Watched, ...] = ()
        if set(owner) == set(table.key_names):
            named = tuple(owner[name] for name in table.key_names)
            self._watched = (Watched(prop.mapper.local_table, named, tuple(columns)),)
        self._by_type = (
            "value" not in slots
            or _is_one_of_a_type(prop, slots.get("type"))
            or _says_nothing_else(prop, columns)
        )

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the elements of each of the rows, in one statement."""
        found: dict[HostKey, list[dict[str, Any]]] = {}
        parts = [(name, slot.from_host) for name, slot in self._slots.items()]
        read_key, start = self._owner.reader(0), self._owner.width
        for row in view.execute(self._select, {"keys": list(keys)}):
            element = dict(self._constants)
            for index, (name, convert) in enumerate(parts, start):
                part = row[index]
                if part is not None and convert is not None:
                    part = convert(part)
                if part is not None:
                    element[name] = part
            found.setdefault(read_key(row), []).append(element)
        return found

    def watched(self) -> Iterable[Watched]:
        """The related rows are a part of the resource."""
        return self._watched

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Make the related rows equal to the elements, keeping the rows that stay as they are."""
        wanted: list[dict[str, Any]] = list(value or [])
        before = self._related.rows(entity)
        found = self._matched(before, wanted)
        used = {id(row) for row in found if row is not None}
        new: list[Any] = []
        kept: list[tuple[Any, dict[str, Any]]] = []
        for element, row in zip(wanted, found, strict=True):
            if row is None:
                row = self._related.make()
                new.append(row)
                unit.session.add(row)  # what is looked up for it is asked of its session
            for name, slot in self._slots.items():
                part = element.get(name)
                if part is None and name == "primary" and slot.required:
                    part = False  # RFC 7643 section 2.4: not specified means that it isn't
                slot.set(row, part, f"{self.attribute.name}.{name}")
            kept.append((row, element))
        self._related.change(entity, [row for row in before if id(row) not in used], new)
        # They are read in the order of their keys, whatever the order in which they were sent.
        kept.sort(key=lambda pair: _key_order(pair[0]))
        remainder = [self._beside(element) for _, element in kept]
        return None if not any(remainder) else remainder

    def _beside(self, element: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the host has no place for, with what it has, or None where it has all."""
        rest = {name: part for name, part in element.items() if name not in self._slots}
        if rest == self._constants:
            return None
        return {**rest, _OF: self._own(parts_as_read(self._slots, element))}

    def _own(self, element: Mapping[str, Any]) -> dict[str, Any]:
        return {name: part for name, part in element.items() if name in self._slots}

    def _matched(self, rows: Sequence[Any], wanted: Sequence[dict[str, Any]]) -> list[Any]:
        """Return the row of each element, None where a new one is to be made.

        A row belongs to its value: whatever else it says, such as when that was verified, is said
        of the value. It is taken by its type where it says nothing else, or has no value of its
        own, and where the host's table has room for one of each type.
        """
        left = list(rows)
        found: list[Any] = [None] * len(wanted)
        whole = [name for name, slot in self._slots.items() if slot.name is not None]
        ways: list[list[str]] = [whole]
        if "value" in self._slots:
            ways += [["value", "type"], ["value"]]
        if self._by_type:
            ways.append(["type"])
        for names in ways:
            for number, element in enumerate(wanted):
                if found[number] is None:
                    found[number] = self._taken(left, element, names)
        return found

    def _taken(self, left: list[Any], element: Mapping[str, Any], names: Sequence[str]) -> Any:
        """Take a row that has the same parts as an element, if there is one."""
        slots = [self._slots.get(name) for name in names]
        if not names or any(slot is None or slot.name is None for slot in slots):
            return None
        if all(element.get(name) is None for name in names):
            return None
        for row in left:
            if all(self._is_same(row, name, element.get(name)) for name in names):
                left.remove(row)
                return row
        return None

    def _is_same(self, row: Any, name: str, value: Any) -> bool:
        slot = self._slots[name]
        shown, wanted = slot.read(getattr(row, str(slot.name))), slot.as_read(value)
        if isinstance(shown, str) and isinstance(wanted, str):
            return bool(folded(slot.attribute, shown) == folded(slot.attribute, wanted))
        return bool(shown == wanted)

    def merge(self, value: Any, remainder: Any) -> Any:
        """Give each element its own remainder back."""
        left = [part for part in remainder if part]
        merged = []
        for element in value or []:
            own = self._own(element)
            part = next((each for each in left if each.get(_OF) == own), None)
            if part is None:
                merged.append(element)
                continue
            left.remove(part)
            merged.append({**{k: v for k, v in part.items() if k != _OF}, **own})
        return merged or None

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the related rows by their own index; the host's rows follow from them."""
        named = self._rows.with_only_columns(*self._owner.columns).where(
            build(self._searchable.get)
        )
        return self._table.key.inside(named.correlate(None))


def _is_one_of_a_type(prop: Any, kind: Slot | None) -> bool:
    """Say whether the host's table has room for one row of each type."""
    if kind is None or not isinstance(kind.expression, sa.ColumnElement):
        return False
    table = prop.mapper.local_table
    column = table.c.get(getattr(kind.expression, "key", None))
    allowed = {theirs for _, theirs in prop.local_remote_pairs or ()} | {column}
    keys = [table.primary_key, *table.constraints, *table.indexes]
    return column is not None and any(
        (
            isinstance(key, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
            or getattr(key, "unique", 0)
        )
        and column in set(key.columns)
        and set(key.columns) <= allowed
        for key in keys
    )


def _says_nothing_else(prop: Any, columns: Iterable[Any]) -> bool:
    """Say whether the related table has no columns beside keys and what is mapped."""
    table = prop.mapper.local_table
    known = {theirs for _, theirs in prop.local_remote_pairs or ()} | set(table.primary_key)
    names = {column.name for column in known} | {getattr(each, "name", None) for each in columns}
    return all(column.name in names for column in table.columns)


class RolesBinding(_RelatedBinding):
    """Roles, entitlements and the like: rows that many people share, looked up by a column.

    :param by: what a role is called, such as ``Role.name``.
    """

    def __init__(
        self, key: str, attribute: scim.Attribute, source: Any, by: Any, table: HostTable
    ) -> None:
        super().__init__(key, attribute, source, table)
        prop = relationship_of(source, RelationshipDirection.MANYTOMANY)
        named = attribute_of(by, prop.mapper)
        leaf = attribute.sub("value") if attribute.type is scim.Type.COMPLEX else attribute
        if leaf is None:
            raise MappingError(f"{attribute.name} has no value by which {label_of(by)} is found.")
        self._is_complex = attribute.type is scim.Type.COMPLEX
        self._slot = column_slot(leaf, named)
        if not self._slot.searchable:
            raise MappingError(f"{named.label} can't be searched by: map another column.")
        self.place = f"{label_of(source)}, by {named.label}"
        self._model: Any = prop.mapper.class_
        self._name = named.key
        self._by = getattr(self._model, named.key)
        self._rows = sa.select(*table.key.columns, self._by).select_from(table.model).join(source)
        self._select = self._rows.where(table.key.among("keys")).order_by(
            self._by, *prop.mapper.primary_key
        )
        secondary: Any = prop.secondary
        owner = {
            table.mapper.get_property_by_column(mine).key: theirs
            for mine, theirs in prop.synchronize_pairs
        }
        self._watched: tuple[Watched, ...] = ()
        if set(owner) == set(table.key_names):
            columns = tuple(owner[name] for name in table.key_names)
            self._watched = (Watched(secondary, columns, ()),)

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the names of the roles of each of the rows, in one statement."""
        found: dict[HostKey, list[Any]] = {}
        read_key, at = self._table.key.reader(0), self._table.key.width
        for row in view.execute(self._select, {"keys": list(keys)}):
            name = self._slot.read(row[at])
            if name is not None:
                element = {"value": name} if self._is_complex else name
                found.setdefault(read_key(row), []).append(element)
        return found

    def watched(self) -> Iterable[Watched]:
        """Who gets a role or loses one is changed."""
        return self._watched

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Give the roles that are named and take the others; what is said beside them remains."""
        elements: list[Any] = list(value or [])
        names = [each.get("value") if self._is_complex else each for each in elements]
        wanted = self._found([name for name in names if name is not None], unit)
        before = self._related.rows(entity)
        there = {id(row) for row in before}
        asked = {id(row) for row in wanted}
        gone = [row for row in before if id(row) not in asked]
        self._related.change(entity, gone, [row for row in wanted if id(row) not in there])
        if not self._is_complex or all(each.keys() <= {"value"} for each in elements):
            return None
        return elements

    def _found(self, names: Sequence[Any], unit: Unit) -> list[Any]:
        """Return the roles of these names, each once.

        :raises InvalidValue: when this portal has none of a name.
        """
        if not names:
            return []
        label = self.attribute.name
        try:
            values = [self._slot.to_host(name) for name in names]
        except ValueError as error:
            raise InvalidValue(f"{label}: {error}") from None
        spelled = self._by.in_(values)
        if self._slot.textual:
            lower = sa.func.lower(sa.type_coerce(self._by, sa.String()))
            spelled = sa.or_(spelled, lower.in_([str(value).lower() for value in values]))
        wanted = sa.select(self._model).where(spelled).options(lazyload("*"))
        rows = unit.session.scalars(wanted).all()
        exact = {self._slot.read(getattr(row, self._name)): row for row in rows}
        alike = {self._folded(name): row for name, row in exact.items()}
        found: dict[int, Any] = {}
        for name in names:
            row = exact.get(name, alike.get(self._folded(name)))
            if row is None:
                raise InvalidValue(
                    f"{label}: this portal has no {self._model.__name__} of that {self._name}; "
                    "create it there, or map another value."
                )
            found[id(row)] = row
        return list(found.values())

    def _folded(self, name: Any) -> Any:
        return folded(self._slot.attribute, name) if isinstance(name, str) else name

    def merge(self, value: Any, remainder: Any) -> Any:
        """Say beside each role what was sent beside it."""
        said = {self._folded(each.get("value")): each for each in remainder or ()}
        return [
            {**said.get(self._folded(each["value"]), {}), **each} for each in value or ()
        ] or None

    def normalise(self, value: Any) -> Any:
        """Roles are called the same in any case, and have no order."""
        elements = [
            {**each, "value": self._folded(each.get("value"))}
            if self._is_complex
            else self._folded(each)
            for each in value or ()
        ]
        return super().normalise(elements)

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the names of roles; the host's rows follow from them."""

        def find(sub: str) -> Slot | None:
            return self._slot if sub == "value" else None

        named = self._rows.with_only_columns(*self._table.key.columns).where(build(find))
        return self._table.key.inside(named.correlate(None))
