"""The groups of a user, read-only: the other side of membership (RFC 7643 section 4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ...scim import attributes as scim
from ..host.ids import given_id
from ..host.keys import HostKey, KeyColumns
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from .base import Binding, Build, Dump, Keeping
from .membership import Membership, key_columns
from .slots import Slot, constant_slot

__all__ = ["GroupsBinding"]


class GroupsBinding(Binding):
    """The groups that a user is directly a member of, read for a whole page in one statement.

    Groups around those, whose type would be ``indirect``, aren't told.

    :param display: what a group is called.
    """

    keeping = Keeping.RELATED
    has_elements = True

    def __init__(
        self,
        attribute: scim.Attribute,
        store: Membership,
        users: HostTable,
        groups: HostTable,
        display: Slot,
    ) -> None:
        super().__init__("groups", attribute)
        self.place = store.place
        self._of_row, self._of_member = store.of_row, store.of_member
        self._users, self._groups = users, groups
        self._display = display
        pairs, group, user = store.rows()
        self._pairs = pairs
        self._group, self._user = key_columns(group), key_columns(user)
        columns = [*self._user.columns, *self._group.columns]
        self._select = (
            self._selecting(*columns, groups.links.c.id, display.expression)
            .where(self._user.among("keys"))
            .order_by(*columns)
        )

    def _selecting(self, *columns: Any) -> sa.Select[Any]:
        groups = self._groups
        select = (
            sa.select(*columns)
            .select_from(groups.model)
            .join(self._pairs, groups.key.same(self._group))
            .outerjoin(groups.links, groups.link_key.same(self._group))
            .where(groups.links.c.deleted.is_(None), *self._of_row, *groups.boundaries())
        )
        if self._of_member:
            those = sa.select(*self._users.key.columns).where(*self._of_member)
            select = select.where(self._user.inside(those.correlate(None)))
        return select

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the groups of each of the users, in one statement."""
        found: dict[HostKey, list[dict[str, Any]]] = {}
        base = f"{dump.base_url}{self._groups.endpoint}/"
        convert = self._display.from_host
        width = self._user.width
        read_user, read_group = self._user.reader(0), self._group.reader(width)
        id_at = width + self._group.width
        for row in view.execute(self._select, {"keys": list(keys)}):
            resource_id, display = row[id_at], row[id_at + 1]
            if resource_id is None:
                dump.miss(self._groups.name, read_group(row))
                continue
            shown = convert(display) if convert is not None else display
            found.setdefault(read_user(row), []).append(
                {
                    "value": resource_id,
                    "$ref": base + resource_id,
                    "display": shown,
                    "type": "direct",
                }
            )
        return found

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search among the groups of a user."""
        slots: dict[str, Slot] = {}
        link_id = self._groups.links.c.id
        for sub in self.attribute.sub_attributes:
            if sub.name == "value":
                slots["value"] = Slot(sub, link_id, self.place, to_host=given_id)
            elif sub.name == "display":
                shown = self._display
                slots["display"] = Slot(
                    sub, shown.expression, shown.place, to_host=str, textual=True
                )
            elif sub.name == "type":
                slots["type"] = constant_slot(sub, "direct")
        named: KeyColumns = self._user
        found = self._selecting(*named.columns).where(link_id.is_not(None), build(slots.get))
        return self._users.key.inside(found.correlate(None))
