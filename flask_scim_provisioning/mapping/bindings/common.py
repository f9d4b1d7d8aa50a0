"""Bindings of what the extension keeps itself: ``id``, ``externalId``, ``meta``."""

from __future__ import annotations

import sqlalchemy as sa

from ...models import Models
from ...scim import attributes as scim
from ..host.ids import given_id
from ..host.tables import HostTable
from ..sql.instants import format_datetime, parse_datetime
from .base import Binding, Build, Keeping, Reader
from .slots import Slot, constant_slot

__all__ = ["ExternalIdBinding", "IdBinding", "MetaBinding"]


class IdBinding(Binding):
    """The SCIM id in the link row."""

    place = "the link row"

    def __init__(self, table: HostTable) -> None:
        super().__init__("id", scim.ID)
        # GUIDs may differ in case (Entra's sample compares them without); ours are lower-case.
        self._slot = Slot(scim.ID, table.links.c.id, self.place, to_host=given_id)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the id's column."""
        return self._slot if sub is None else None


class MetaBinding(Binding):
    """What the link row knows of the resource."""

    place = "the link row"

    def __init__(self, table: HostTable) -> None:
        super().__init__("meta", scim.META)
        self._slots: dict[str, Slot] = {}
        link = table.links.c
        for name, column in (("created", link.created), ("lastModified", link.last_modified)):
            sub = scim.META.by_name[name]
            self._slots[name] = Slot(sub, column, self.place, format_datetime, parse_datetime)
        kind = scim.META.by_name["resourceType"]
        self._slots["resourceType"] = constant_slot(kind, table.name)

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of a sub-attribute that can be searched."""
        return self._slots.get(sub) if sub is not None else None


class ExternalIdBinding(Binding):
    """``externalId`` as the calling integration sees it (RFC 7643 section 3.1).

    Statements take the integration as the parameter ``integration``.
    """

    keeping = Keeping.APART
    place = "scim_external_id"
    has_elements = True

    def __init__(self, table: HostTable, models: Models) -> None:
        super().__init__("externalId", scim.EXTERNAL_ID)
        ids = models.external_id.__table__
        self._ids = ids
        self._table = table
        self._mine = sa.and_(
            ids.c.integration_id == sa.bindparam("integration", type_=ids.c.integration_id.type),
            ids.c.resource_type == table.name,
        )
        self._value = Slot(scim.EXTERNAL_ID, ids.c.external_id, self.place, textual=True)
        found = (
            sa.select(ids.c.external_id)
            .where(self._mine, ids.c.link_id == table.links.c.id)
            .scalar_subquery()
        )
        self._sorting = Slot(scim.EXTERNAL_ID, found, self.place, textual=True)
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
        links = self._table.links
        named = (
            sa.select(*self._table.link_key.columns)
            .join_from(links, self._ids, self._ids.c.link_id == links.c.id)
            .where(self._mine, condition)
            .correlate(None)
        )
        return self._table.key.inside(named)
