"""Another person: by a relationship, or by what a column says of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection, aliased, object_session

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ..errors import MappingError
from ..host.attributes import HostAttribute, attribute_of, host_attribute, label_of
from ..host.ids import given_id
from ..host.keys import HostKey, KeyColumns
from ..host.relationships import relationship_of
from ..host.tables import HostTable
from ..sql.types import python_type_of
from .base import Binding, Dump, Reader, Row, Unit
from .slots import Slot, stored_slot

__all__ = ["NamedReference", "ReferenceBinding"]

_GUID_LENGTH = 36


class _Reference(Binding):
    """What every reference to another person has in common.

    A value that names nobody known here is kept in the link row, so that it is read back
    (Entra's validator names managers that don't exist).
    """

    refers = True

    def __init__(
        self, key: str, attribute: scim.Attribute, table: HostTable, target: HostTable
    ) -> None:
        super().__init__(key, attribute)
        self._stored = table.links.c.stored
        self._target = target
        self._linked: Any = None

    def _known(self, wanted: str | None, unit: Unit) -> HostKey | None:
        """Return the key of the person whom an id names, or None."""
        if wanted is None:
            return None
        return self._target.host_keys(unit.view, [wanted]).get(wanted.lower())

    def _unknown(self) -> InvalidValue:
        return InvalidValue(
            f"{self.attribute.name} must name a user that exists here; provision it first."
        )

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


class ReferenceBinding(_Reference):
    """A to-one relationship to another resource, such as the manager (RFC 7643 section 4.3)."""

    names_by_key = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: Any,
        table: HostTable,
        target: HostTable,
    ) -> None:
        super().__init__(key, attribute, table, target)
        self._relationship = source.key
        self.place = label_of(source)
        self._names = self.naming = _foreign_keys(source, table, target)
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
        found = self._known(wanted, unit)
        if found is None and self._required:
            raise self._unknown()
        parts = self._target.key.values(found) if found is not None else [None] * len(self._names)
        for name, part in zip(self._names, parts, strict=True):
            setattr(entity, name, part)
        if object_session(entity) is not None and sa.inspect(entity).persistent:
            unit.session.expire(entity, [self._relationship])
        return {"value": wanted} if wanted is not None and found is None else None


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


class NamedReference(_Reference):
    """Another person, whom a column names by something of theirs, such as their e-mail address.

    :param source: the column that names them, such as ``User.manager_email``.
    :param by: what it names them by, such as ``User.email``; their key where it is None.
    :raises MappingError: when the columns can't be compared.
    """

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: Any,
        by: Any,
        table: HostTable,
        target: HostTable,
    ) -> None:
        super().__init__(key, attribute, table, target)
        self._mine = table.attribute(source)
        self._theirs = self._named(by)
        if not self._mine.settable:
            raise MappingError(f"{self._mine.label} can't be written: map another column.")
        self.naming = (self._mine.key,)
        self._required = not self._mine.is_nullable
        self.place = f"{self._mine.label}, by {self._theirs.label}"
        person, link = aliased(target.model), target.links.alias()
        person_key = KeyColumns(tuple(getattr(person, name) for name in target.key_names))
        same = getattr(person, self._theirs.key) == self._mine.expression
        seen = target.seen()
        within = [] if seen is None else [person_key.inside(seen)]
        found = (
            sa.select(person)
            .outerjoin(link, target.link_key_of(link).same(person_key))
            .where(same, *within)
            .order_by(*person_key.columns)
            .limit(1)
        )

        def of(column: Any) -> Any:
            return found.with_only_columns(column).scalar_subquery()

        alive: Any = sa.case((link.c.deleted.is_(None), link.c.id))
        self._linked = of(alive)
        # A person whom SCIM has deleted has a link, and is nobody's manager for SCIM: "" says so.
        known = sa.case((link.c.deleted.is_not(None), ""), else_=link.c.id)
        self.expressions = (of(known), *(of(column) for column in person_key.columns))
        self._find = sa.select(self._theirs.expression).where(target.key.equals("named_key"))

    def _named(self, by: Any) -> HostAttribute:
        target = self._target
        if by is not None:
            return attribute_of(by, target.mapper)
        if len(target.key_names) != 1:
            raise MappingError(
                f"{self._mine.label} is one column, and {target.model.__name__} has a composite "
                "key: say by what it names people with by=<an attribute of theirs>."
            )
        found = host_attribute(target.mapper, target.key_names[0])
        mine, theirs = self._mine.type, found.type
        if python_type_of(mine) is not python_type_of(theirs):
            raise MappingError(
                f"{self._mine.label} is {mine!r}, and the key of {target.model.__name__} is "
                f"{theirs!r}: say by what it names people, as in fields.Reference("
                f"{self._mine.label}, by={target.model.__name__}.email), or map its text with "
                f"fields.Complex(value={self._mine.label})."
            )
        return found

    def reader(self, start: int) -> Reader:
        """Read the SCIM id of the other resource."""
        users, kind = f"{self._target.endpoint}/", self._target.name
        read_key = self._target.key.reader(start + 1)

        def read(row: Row, dump: Dump) -> Any:
            linked = row[start]
            if linked:
                return {"value": linked, "$ref": dump.base_url + users + linked}
            if linked is None and row[start + 1] is not None:
                dump.miss(kind, read_key(row))
            return None

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write what the other person is named by; an id that names nobody remains."""
        wanted = (value or {}).get("value")
        found = self._known(wanted, unit)
        name = None
        if found is not None:
            parameters = self._target.key.parameters("named_key", found)
            name = unit.view.execute(self._find, parameters).scalars().first()
        if name is None and self._required:
            raise self._unknown()
        self._assign(entity, name)
        return {"value": wanted} if wanted is not None and name is None else None

    def slots(self) -> tuple[Slot, ...]:
        """Return the column that names the other person."""
        leaf = self.attribute.sub("value") or self.attribute
        mine = self._mine
        return (Slot(leaf, mine.expression, mine.label, write=self._assign, name=mine.key),)

    def _assign(self, entity: Any, value: Any) -> None:
        setattr(entity, self._mine.key, value)
