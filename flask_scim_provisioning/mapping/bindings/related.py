"""Bindings over the host's relationships: another person, a looked-up row, a related table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection, aliased, object_session

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ..errors import MappingError
from ..host.attributes import attribute_of, host_attribute, label_of
from ..host.ids import given_id
from ..host.keys import HostKey, KeyColumns
from ..host.relationships import is_plain, joined, relationship_of
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from .base import Binding, Build, Dump, Keeping, Reader, Row, Unit, Watched
from .slots import Slot, column_slot, stored_slot

__all__ = ["ReferenceBinding", "ValuesBinding", "lookup_slot"]

_GUID_LENGTH = 36


class ReferenceBinding(Binding):
    """A to-one relationship to another resource, such as the manager (RFC 7643 section 4.3).

    A value that names nobody known here is kept in the link row, so that it is read back
    (Entra's validator names managers that don't exist).
    """

    refers = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: Any,
        table: HostTable,
        target: HostTable,
    ) -> None:
        super().__init__(key, attribute)
        self._stored = table.links.c.stored
        self._target = target
        self._relationship = source.key
        self.place = label_of(source)
        self._names = _foreign_keys(source, table, target)
        columns = [host_attribute(table.mapper, name) for name in self._names]
        self._required = any(not column.is_nullable for column in columns)
        local = KeyColumns(tuple(column.expression for column in columns))
        self._read_key = local.reader
        link = target.links.alias()
        here = target.link_key_of(link).same(local)
        seen = target.seen()
        within = [] if seen is None else [local.inside(seen)]
        self._linked = (
            sa.select(link.c.id).where(here, link.c.deleted.is_(None), *within).scalar_subquery()
        )
        # A person whom SCIM has deleted has a link, and is nobody's manager for SCIM: "" says so.
        # It says the same of one beyond the boundaries, who needs no link.
        gone: Any = link.c.deleted.is_not(None)
        known: Any = sa.select(sa.case((gone, ""), else_=link.c.id)).where(here).scalar_subquery()
        if within:
            known = sa.case((within[0], known), else_="")
        self.expressions = (*local.columns, known)

    def reader(self, start: int) -> Reader:
        """Read the SCIM id of the other resource."""
        users, kind = f"{self._target.endpoint}/", self._target.name
        linked_at = start + len(self._names)
        read_key = self._read_key(start)

        def read(row: Row, dump: Dump) -> Any:
            linked = row[linked_at]
            if linked:
                return {"value": linked, "$ref": dump.base_url + users + linked}
            if linked is None and row[start] is not None:
                dump.miss(kind, read_key(row))
            return None

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Set the foreign key; an id that names nobody remains."""
        wanted = (value or {}).get("value")
        found: HostKey | None = None
        if wanted is not None:
            found = self._target.host_keys(unit.view, [wanted]).get(wanted.lower())
        if found is None and self._required:
            raise InvalidValue(
                f"{self.attribute.name} must name a user that exists here; provision it first."
            )
        parts = self._target.key.values(found) if found is not None else [None] * len(self._names)
        for name, part in zip(self._names, parts, strict=True):
            setattr(entity, name, part)
        if object_session(entity) is not None and sa.inspect(entity).persistent:
            unit.session.expire(entity, [self._relationship])
        return {"value": wanted} if wanted is not None and found is None else None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Prefer the person who is known."""
        return value or remainder

    def normalise(self, value: Any) -> Any:
        """Only the id says who it is; a GUID does so in any case."""
        if not value or "value" not in value:
            return None
        named = value["value"]
        return {"value": named.lower() if len(named) == _GUID_LENGTH else named}

    def slot(self, sub: str | None) -> Slot | None:
        """Search by the SCIM id of the other resource, or by the one that remained."""
        if sub not in (None, "value"):
            return None
        leaf = self.attribute.sub("value") or self.attribute
        kept = stored_slot(self._stored, self.key, self.attribute, leaf)
        # Either is an id, and clients write those in either case.
        expression = sa.func.coalesce(self._linked, sa.func.lower(kept.expression))
        return Slot(leaf, expression, self.place, to_host=given_id)


def _foreign_keys(source: Any, table: HostTable, target: HostTable) -> tuple[str, ...]:
    """Return the attributes that name the other row, in the order of its key."""
    prop = relationship_of(source, RelationshipDirection.MANYTOONE)
    local: dict[str | None, str] = {}
    for mine, theirs in prop.local_remote_pairs or ():
        local[target.name_of(theirs)] = table.mapper.get_property_by_column(mine).key
    related = prop.mapper.isa(target.mapper) or target.mapper.isa(prop.mapper)
    if not related or set(local) != set(target.key_names):
        raise MappingError(
            f"{label_of(source)} does not refer to {target.model.__name__} by its key."
        )
    return tuple(local[name] for name in target.key_names)


def lookup_slot(attribute: scim.Attribute, source: Any, by: Any) -> Slot:
    """Return the slot of a to-one relationship that is looked up by a column, such as a role."""
    prop = relationship_of(source, RelationshipDirection.MANYTOONE)
    named = attribute_of(by, prop.mapper)
    inner = column_slot(attribute, named)
    target = prop.mapper.class_
    key = source.key
    other = aliased(target)
    expression = sa.select(getattr(other, named.key)).where(joined(source, other)).scalar_subquery()
    nullable = all(column.nullable for column, _ in prop.local_remote_pairs or ())

    def assign(entity: Any, value: Any) -> None:
        session = object_session(entity)
        if value is None or session is None:
            setattr(entity, key, None)
            return
        with session.no_autoflush:
            found = session.scalars(sa.select(target).where(by == value)).first()
        if found is None:
            raise InvalidValue(
                f"{attribute.name}: this portal has no {target.__name__} of that {by.key}; "
                "create it there, or map another value."
            )
        setattr(entity, key, found)

    return Slot(
        attribute,
        expression,
        f"{label_of(source)}, by {named.label}",
        inner.from_host,
        inner.to_host,
        assign,
        required=not nullable,
        textual=inner.textual,
    )


def _key_order(row: Any) -> tuple[bool, tuple[Any, ...]]:
    """Return what rows are sorted by as their table's key does; new ones are the last."""
    identity = sa.inspect(row).identity
    return identity is None, identity or ()


class ValuesBinding(Binding):
    """A multi-valued complex attribute over a related table of the host."""

    keeping = Keeping.RELATED
    has_elements = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: Any,
        table: HostTable,
        slots: Mapping[str, Slot],
        constants: Mapping[str, Any],
    ) -> None:
        super().__init__(key, attribute)
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        self._relationship = source.key
        self._model = prop.mapper.class_
        self._table = table
        self._slots = slots
        self._constants = dict(constants)
        self.place = label_of(source)
        columns = [slot.expression for slot in slots.values()]
        # Where the rows name the resource by its key, its own table need not be read.
        owner = {
            table.mapper.get_property_by_column(mine).key: theirs
            for mine, theirs in prop.local_remote_pairs or ()
        }
        if is_plain(prop) and set(owner) == set(table.key_names):
            self._owner = KeyColumns(tuple(owner[name] for name in table.key_names))
            self._rows = sa.select(*self._owner.columns, *columns).select_from(self._model)
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

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the elements of each of the rows, in one statement."""
        found: dict[HostKey, list[dict[str, Any]]] = {}
        parts = [(name, slot.from_host) for name, slot in self._slots.items()]
        read_key, start = self._owner.reader(0), self._owner.width
        for row in view.execute(self._select, {"keys": list(keys)}):
            element = dict(self._constants)
            for index, (name, convert) in enumerate(parts, start):
                part = row[index]
                if part is not None:
                    element[name] = convert(part) if convert else part
            found.setdefault(read_key(row), []).append(element)
        return found

    def watched(self) -> Iterable[Watched]:
        """The related rows are a part of the resource."""
        return self._watched

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Make the related rows equal to the elements, keeping the rows that stay as they are."""
        wanted: list[dict[str, Any]] = list(value or [])
        rows = list(getattr(entity, self._relationship))
        kept: list[tuple[Any, dict[str, Any]]] = []
        for element in wanted:
            row = self._take(rows, element)
            for name, slot in self._slots.items():
                slot.set(row, element.get(name), f"{self.attribute.name}.{name}")
            kept.append((row, {k: v for k, v in element.items() if k not in self._slots}))
        # They are read in the order of their keys, whatever the order in which they were sent.
        kept.sort(key=lambda pair: _key_order(pair[0]))
        setattr(entity, self._relationship, [row for row, _ in kept])
        remainder = [rest for _, rest in kept]
        usual = [self._constants] * len(wanted)
        return None if remainder == usual else remainder

    def _take(self, rows: list[Any], element: dict[str, Any]) -> Any:
        """Return the row of an element: one of the same type or value, or a new one."""
        for name in ("type", "value"):
            slot = self._slots.get(name)
            if slot is None or slot.name is None or element.get(name) is None:
                continue
            for row in rows:
                if getattr(row, slot.name) == slot.to_host(element[name]):
                    rows.remove(row)
                    return row
        return self._model()

    def merge(self, value: Any, remainder: Any) -> Any:
        """Give each element its own remainder back."""
        return [
            {**(remainder[i] if i < len(remainder) else {}), **element}
            for i, element in enumerate(value or [])
        ] or None

    def normalise(self, value: Any) -> Any:
        """The host keeps no order, so that another one is no change."""
        return sorted(value or [], key=lambda element: json.dumps(element, sort_keys=True))

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the related rows by their own index; the host's rows follow from them."""
        named = self._rows.with_only_columns(*self._owner.columns).where(build(self._slots.get))
        return self._table.key.inside(named.correlate(None))
