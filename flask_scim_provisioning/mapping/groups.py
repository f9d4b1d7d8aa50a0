"""The groups of a user, read-only: the other side of membership (RFC 7643 section 4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..scim import attributes as scim
from .bindings import Binding, Build, Collection, Dump, constant_slot
from .links import given_id
from .membership import MembersBinding
from .slots import Slot

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["GroupsBinding"]


class GroupsBinding(Binding, Collection):
    """The groups that a user is directly a member of, read for a whole page in one statement.

    Groups around those, whose type would be ``indirect``, aren't told.
    """

    def __init__(
        self,
        attribute: scim.Attribute,
        members: MembersBinding,
        users: ResourceMapping,
        groups: ResourceMapping,
    ) -> None:
        super().__init__("groups", attribute)
        self.place = members.place
        self._users, self._groups = users, groups
        self._table, self._group, self._user = members.store.rows()
        self._link = groups.links.alias()
        self._display = groups.display_slot()
        self._joined = self._table.join(groups.table, groups.key == self._group).outerjoin(
            self._link, self._link.c.host_id == self._group
        )
        self._select = (
            sa.select(self._user, self._group, self._link.c.id, self._display.expression)
            .select_from(self._joined)
            .where(
                self._user.in_(sa.bindparam("keys", expanding=True)),
                self._link.c.deleted.is_(None),
                *groups.boundaries(),
            )
            .order_by(self._user, self._group)
        )

    def fetch(
        self,
        connection: sa.Connection,
        keys: Sequence[Any],
        dump: Dump,
        parameters: Mapping[str, Any],
    ) -> dict[Any, Any]:
        """Return the groups of each of the users, in one statement.

        Groups that have no link yet are added to ``dump.missing_groups``.
        """
        found: dict[Any, list[dict[str, Any]]] = {}
        base = f"{dump.base_url}{self._groups.endpoint}/"
        convert = self._display.from_host
        rows = connection.execute(self._select, {**parameters, "keys": list(keys)})
        for user, group, resource_id, display in rows:
            if resource_id is None:
                dump.missing_groups.add(group)
                continue
            shown = convert(display) if convert is not None else display
            found.setdefault(user, []).append(
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
        for sub in self.attribute.sub_attributes:
            if sub.name == "value":
                slots["value"] = Slot(
                    sub, self._link.c.id, None, given_id, None, False, False, self.place
                )
            elif sub.name == "display":
                shown = self._display
                slots["display"] = Slot(
                    sub, shown.expression, None, str, None, False, True, shown.place
                )
            elif sub.name == "type":
                slots["type"] = constant_slot(sub, "direct")
        return (
            sa.exists()
            .select_from(self._joined)
            .where(
                self._user == self._users.key,
                self._link.c.deleted.is_(None),
                self._link.c.id.is_not(None),
                build(slots.get),
                *self._groups.boundaries(),
            )
            .correlate(self._users.table)
        )
