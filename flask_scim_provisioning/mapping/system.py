"""Bindings of what the extension keeps itself: ``id``, ``externalId``, ``meta``."""

from __future__ import annotations

import sqlalchemy as sa

from ..models import Models
from ..scim import attributes as scim
from .bindings import Binding, Build, Collection, Reader, constant_slot
from .links import given_id
from .slots import Slot, format_datetime, parse_datetime

__all__ = ["ExternalIdBinding", "IdBinding", "MetaBinding"]


class IdBinding(Binding):
    """The SCIM id in the link row."""

    place = "the link row"

    def __init__(self, link: sa.Table) -> None:
        super().__init__("id", scim.ID)
        # GUIDs may differ in case (Entra's sample compares them without); ours are lower-case.
        self._slot = Slot(scim.ID, link.c.id, None, given_id, None, False, False, self.place)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the id's column."""
        return self._slot if sub is None else None


class MetaBinding(Binding):
    """What the link row knows of the resource."""

    place = "the link row"

    def __init__(self, link: sa.Table, resource_type: scim.ResourceType) -> None:
        super().__init__("meta", scim.META)
        self._slots: dict[str, Slot] = {}
        for name, column in (("created", link.c.created), ("lastModified", link.c.last_modified)):
            sub = scim.META.by_name[name]
            self._slots[name] = Slot(
                sub, column, format_datetime, parse_datetime, None, False, False, self.place
            )
        kind = scim.META.by_name["resourceType"]
        self._slots["resourceType"] = constant_slot(kind, resource_type.name)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of a sub-attribute that can be searched."""
        return self._slots.get(sub) if sub is not None else None


class ExternalIdBinding(Binding, Collection):
    """``externalId`` as the calling integration sees it (RFC 7643 section 3.1).

    Statements take the integration as the parameter ``integration``.
    """

    place = "scim_external_id"

    def __init__(self, link: sa.Table, models: Models, resource_type: scim.ResourceType) -> None:
        super().__init__("externalId", scim.EXTERNAL_ID)
        table = models.external_id.__table__
        self.table = table
        self._link = link
        self._mine = sa.and_(
            table.c.integration_id
            == sa.bindparam("integration", type_=table.c.integration_id.type),
            table.c.resource_type == resource_type.name,
        )
        self._value = Slot(
            scim.EXTERNAL_ID,
            table.c.external_id,
            None,
            lambda value: value,
            None,
            False,
            True,
            self.place,
        )
        found = (
            sa.select(table.c.external_id)
            .where(self._mine, table.c.link_id == link.c.id)
            .scalar_subquery()
        )
        self._sorting = Slot(
            scim.EXTERNAL_ID, found, None, lambda value: value, None, False, True, self.place
        )
        self.expressions = (found,)

    def reader(self, start: int) -> Reader:
        """Read the one value."""
        return lambda row, dump: row[start]

    def slot(self, sub: str | None) -> Slot | None:
        """Return what is sorted by."""
        return self._sorting if sub is None else None

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search by the index of values; the host's row follows from it.

        The host's key is compared and not the link's: where a condition concerns the outer side
        of the join only, SQLite reads the whole table.
        """
        condition = build(lambda name: self._value)
        host_id = self._link.c.host_id
        (reference,) = host_id.foreign_keys
        named = (
            sa.select(host_id)
            .join(self.table, self.table.c.link_id == self._link.c.id)
            .where(self._mine, condition)
        )
        return reference.column.in_(named)
