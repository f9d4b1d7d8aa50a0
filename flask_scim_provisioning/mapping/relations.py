"""Bindings over the host's relationships: another person, a looked-up row, a related table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, RelationshipDirection, object_session
from sqlalchemy.sql.util import ClauseAdapter

from ..scim import attributes as scim
from ..scim.errors import InvalidValue
from .bindings import Binding, Build, Collection, Dump, Reader, Unit, stored_slot
from .errors import MappingError
from .links import given_id
from .slots import Slot, column_slot

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["ReferenceBinding", "ValuesBinding", "lookup_slot", "relationship_of"]

_GUID_LENGTH = 36


def relationship_of(source: InstrumentedAttribute[Any], direction: RelationshipDirection) -> Any:
    """Return the relationship property behind ``User.manager``.

    :raises MappingError: when it is no relationship, or not of that direction.
    """
    prop = getattr(source, "property", None)
    if getattr(prop, "direction", None) is not direction:
        raise MappingError(
            f"{source} is no {direction.name.lower()} relationship; map the relationship itself, "
            "such as User.manager, not its foreign key."
        )
    return prop


class ReferenceBinding(Binding):
    """A to-one relationship to another resource, such as the manager (RFC 7643 section 4.3).

    A value that names nobody known here is kept in the link row, so that it is read back
    (Entra's validator names managers that don't exist).
    """

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: InstrumentedAttribute[Any],
        target: ResourceMapping,
        stored: Any,
    ) -> None:
        super().__init__(key, attribute)
        self._stored = stored
        prop = relationship_of(source, RelationshipDirection.MANYTOONE)
        (local, remote) = prop.local_remote_pairs[0]
        if len(prop.local_remote_pairs) != 1 or remote is not target.key:
            raise MappingError(f"{source} does not refer to {target.model.__name__} by its key.")
        self._target = target
        self._relationship = source.key
        self._foreign_key = prop.parent.get_property_by_column(local).key
        self._required = not local.nullable
        self.place = f"{source.class_.__name__}.{source.key}"
        link = target.link.__table__.alias()
        person = target.table.alias()
        boundaries = [ClauseAdapter(person).traverse(each) for each in target.boundaries()]
        there: Any = link
        if boundaries:
            there = link.join(person, person.c[target.key.key] == link.c.host_id)
        self._linked = (
            sa.select(link.c.id)
            .select_from(there)
            .where(link.c.host_id == local, link.c.deleted.is_(None), *boundaries)
            .scalar_subquery()
        )
        # A person whom SCIM has deleted has a link, and is nobody's manager for SCIM: "" says so.
        # It says the same of one beyond the boundaries, who needs no link.
        gone: Any = link.c.deleted.is_not(None)
        known: Any = sa.select(sa.case((gone, ""), else_=link.c.id)).where(link.c.host_id == local)
        if boundaries:
            seen = sa.func.coalesce(sa.and_(*boundaries), sa.false())
            known = (
                sa.select(sa.case((gone, ""), (seen, link.c.id), else_=""))
                .select_from(person.outerjoin(link, person.c[target.key.key] == link.c.host_id))
                .where(person.c[target.key.key] == local)
            )
        known = known.scalar_subquery()
        self.expressions = (local, known)

    def reader(self, start: int) -> Reader:
        """Read the SCIM id of the other resource."""
        users = f"{self._target.endpoint}/"

        def read(row: Sequence[Any], dump: Dump) -> Any:
            linked = row[start + 1]
            if linked:
                return {"value": linked, "$ref": dump.base_url + users + linked}
            if linked is None and row[start] is not None:
                dump.missing.add(row[start])
            return None

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Set the foreign key; an id that names nobody remains."""
        wanted = (value or {}).get("value")
        found = None
        if wanted is not None:
            known = self._target.host_keys(unit.connection, [wanted], unit.parameters)
            found = known.get(wanted.lower())
        if found is None and self._required:
            raise InvalidValue(
                f"{self.attribute.name} must name a user that exists here; provision it first."
            )
        setattr(entity, self._foreign_key, found)
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
        return Slot(leaf, expression, None, given_id, None, False, False, self.place)


def lookup_slot(
    attribute: scim.Attribute, source: InstrumentedAttribute[Any], by: InstrumentedAttribute[Any]
) -> Slot:
    """Return the slot of a to-one relationship that is looked up by a column, such as a role."""
    prop = relationship_of(source, RelationshipDirection.MANYTOONE)
    ((local, remote),) = prop.local_remote_pairs
    inner = column_slot(attribute, by)
    target = prop.mapper.class_
    key = source.key
    place = f"{source.class_.__name__}.{key}, by {by.class_.__name__}.{by.key}"
    expression = (
        sa.select(inner.expression).where(remote == local).scalar_subquery()
        if remote.table is not local.table
        else _self_lookup(inner, local, remote)
    )

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
        inner.from_host,
        inner.to_host,
        assign,
        not local.nullable,
        inner.textual,
        place,
    )


def _self_lookup(inner: Slot, local: Any, remote: Any) -> Any:
    other = local.table.alias()
    column = other.c[inner.expression.key]
    return sa.select(column).where(other.c[remote.key] == local).scalar_subquery()


def _key_order(row: Any) -> tuple[bool, tuple[Any, ...]]:
    """Return what rows are sorted by as their table's key does; new ones are the last."""
    identity = sa.inspect(row).identity
    return identity is None, identity or ()


class ValuesBinding(Binding, Collection):
    """A multi-valued complex attribute over a related table of the host.

    :ivar parent: the column of the host's row that the related rows refer to.
    :ivar child: their column that does.
    :ivar columns: what is read of them.
    """

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: InstrumentedAttribute[Any],
        slots: Mapping[str, Slot],
        constants: Mapping[str, Any],
    ) -> None:
        super().__init__(key, attribute)
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        ((parent, child),) = prop.local_remote_pairs
        self._relationship = source.key
        self._model = prop.mapper.class_
        self._slots = slots
        self._constants = dict(constants)
        self.parent = parent
        self.child = child
        self.place = f"{source.class_.__name__}.{source.key}"
        self.columns = [slot.expression for slot in slots.values()]
        order = list(child.table.primary_key.columns)
        self._select = (
            sa.select(child, *self.columns)
            .where(child.in_(sa.bindparam("keys", expanding=True)))
            .order_by(*order)
        )

    def fetch(
        self,
        connection: sa.Connection,
        keys: Sequence[Any],
        dump: Dump,
        parameters: Mapping[str, Any],
    ) -> dict[Any, Any]:
        """Return the elements of each of the rows, in one statement."""
        found: dict[Any, list[dict[str, Any]]] = {}
        parts = [(name, slot.from_host) for name, slot in self._slots.items()]
        for row in connection.execute(self._select, {"keys": list(keys)}):
            element = dict(self._constants)
            for index, (name, convert) in enumerate(parts, 1):
                part = row[index]
                if part is not None:
                    element[name] = convert(part) if convert else part
            found.setdefault(row[0], []).append(element)
        return found

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
            if slot is None or element.get(name) is None:
                continue
            column = getattr(slot.expression, "key", None)
            for row in rows:
                if column and getattr(row, column, None) == slot.to_host(element[name]):
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
        condition = build(self._slots.get)
        found: sa.ColumnElement[bool] = self.parent.in_(sa.select(self.child).where(condition))
        return found
