"""The members of a group: users, and groups inside it where the host has those.

Whatever the group's size, only the rows that a request names are touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter

from ..scim import attributes as scim
from .bindings import Binding, Build, Collection, Dump, constant_slot
from .links import given_id, may_be_id
from .slots import Slot
from .stores import MembershipStore, chunks

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["MembersBinding", "MembersOfAKind", "NestedGroups"]


class MembersOfAKind:
    """The members of one resource type.

    :ivar store: where the host keeps them.
    :ivar kind: ``"User"`` or ``"Group"``, the ``type`` of each of them.
    """

    def __init__(
        self, store: MembershipStore, groups: ResourceMapping, target: ResourceMapping
    ) -> None:
        self.store = store
        self.kind = target.resource_type.name
        self._groups = groups
        self._endpoint = target.endpoint
        link: Any = target.links
        table: Any = target.table
        display = target.display_slot()
        # Those of other tenants, and those whom SCIM doesn't see, are nobody's members here.
        boundaries = target.boundaries()
        if target is groups:
            # In a filter, the group outside and the one inside are rows of the same tables.
            link, table = link.alias(), table.alias()
            adapt = ClauseAdapter(table).traverse
            display = replace(display, expression=adapt(display.expression))
            boundaries = [adapt(each) for each in boundaries]
        self._link, self._table = link, table
        self._key = table.c[target.key.key]
        self._display, self._boundaries = display, boundaries
        self._rows = store.rows()
        pairs, group, member = self._rows
        named = pairs.join(table, self._key == member)
        self._selects = {
            shown: sa.select(group, member, link.c.id, display.expression if shown else sa.null())
            .select_from(
                (named if shown or boundaries else pairs).outerjoin(link, link.c.host_id == member)
            )
            .where(
                group.in_(sa.bindparam("keys", expanding=True)),
                link.c.deleted.is_(None),
                *boundaries,
            )
            .order_by(group, member)
            for shown in (False, True)
        }
        group_key = sa.bindparam("group_key", type_=group.type)
        mine = sa.and_(member == link.c.host_id, group == group_key)
        self._named = (
            sa.select(link.c.id, link.c.host_id, member)
            .select_from(link.join(table, self._key == link.c.host_id).outerjoin(pairs, mine))
            .where(
                link.c.id.in_(sa.bindparam("ids", expanding=True)),
                link.c.deleted.is_(None),
                *boundaries,
            )
        )

    def fetch(
        self,
        connection: sa.Connection,
        keys: Sequence[Any],
        found: dict[Any, list[dict[str, Any]]],
        dump: Dump,
        parameters: Mapping[str, Any],
        *,
        shown: bool,
    ) -> None:
        """Add the members of each of the groups to ``found``, by one statement.

        Members that have no link yet are added to what is missing in ``dump``.

        :param shown: whether to tell their names, for which their own table is read.
        """
        kind = self.kind
        base = f"{dump.base_url}{self._endpoint}/"
        missing = dump.missing if kind == "User" else dump.missing_groups
        convert = self._display.from_host
        last: Any = None
        members: list[dict[str, Any]] = []
        rows = connection.execute(self._selects[shown], {**parameters, "keys": list(keys)})
        for group, key, member, display in rows:
            if member is None:
                missing.add(key)
                continue
            if group != last:
                last = group
                members = found.setdefault(group, [])
            if convert is not None and display is not None:
                display = convert(display)
            members.append(
                {"value": member, "$ref": base + member, "display": display, "type": kind}
                if display is not None
                else {"value": member, "$ref": base + member, "type": kind}
            )

    def named(
        self,
        connection: sa.Connection,
        group: Any,
        ids: Sequence[str],
        parameters: Mapping[str, Any],
    ) -> dict[str, tuple[Any, bool]]:
        """Return the host keys of those with these SCIM ids, and whether each is a member.

        One statement for each 5,000 ids; ids that name nobody are not in the answer.
        """
        found: dict[str, tuple[Any, bool]] = {}
        for part in chunks([each for each in ids if may_be_id(each)]):
            named = {**parameters, "ids": list(part), "group_key": group}
            for member, key, present in connection.execute(self._named, named):
                found[member] = (key, present is not None)
        return found

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search among the members of a group."""
        inner, condition = self._joined(build)
        return (
            sa.exists()
            .select_from(inner)
            .where(self._rows[1] == self._groups.key, *condition)
            .correlate(self._groups.table)
        )

    def matching(self, build: Build, group: Any) -> sa.Select[Any]:
        """Return the statement that finds the keys of the members who meet a condition."""
        inner, condition = self._joined(build)
        _, group_column, member = self._rows
        return sa.select(member).select_from(inner).where(group_column == group, *condition)

    def _joined(self, build: Build) -> tuple[sa.FromClause, list[sa.ColumnElement[bool]]]:
        pairs, _, member = self._rows
        inner = pairs.join(self._link, self._link.c.host_id == member).join(
            self._table, self._key == member
        )
        slots: Mapping[str, Slot] = self._slots()
        return inner, [self._link.c.deleted.is_(None), *self._boundaries, build(slots.get)]

    def _slots(self) -> dict[str, Slot]:
        slots: dict[str, Slot] = {}
        attribute = self._groups.resource_type.keys["members"]
        for sub in attribute.sub_attributes:
            match sub.name:
                case "value":
                    slots["value"] = Slot(
                        sub, self._link.c.id, None, given_id, None, False, False, self.store.place
                    )
                case "display":
                    shown = self._display
                    slots["display"] = Slot(
                        sub, shown.expression, None, _same, None, False, True, shown.place
                    )
                case "type":
                    slots["type"] = constant_slot(sub, self.kind)
        return slots


class NestedGroups(MembersOfAKind):
    """The groups inside a group, which may contain groups in their turn."""

    def __init__(self, store: MembershipStore, groups: ResourceMapping) -> None:
        super().__init__(store, groups, groups)
        pairs, outer, inner = self._rows
        # Both terms select the same column: PostgreSQL wants one type, to its length.
        above = (
            sa.select(outer.label("group_key"))
            .select_from(pairs)
            .where(inner == sa.bindparam("inner_key", type_=inner.type))
            .cte("above", recursive=True, nesting=True)
        )
        further = sa.select(outer).select_from(pairs.join(above, inner == above.c.group_key))
        self._above = sa.select(above.union(further).c.group_key)
        links = groups.links
        self._lock = (
            sa.select(links.c.id)
            .where(links.c.host_id.in_(sa.bindparam("keys", expanding=True)))
            .order_by(links.c.id)
            .with_for_update()
        )
        self._look_again = (
            sa.update(links)
            .where(
                links.c.host_id.in_(sa.bindparam("keys", expanding=True)),
                links.c.host_id.in_(self._above),
            )
            .values(version=links.c.version)
        )

    def above(self, connection: sa.Connection, group: Any) -> set[Any]:
        """Return the keys of the groups that contain a group, directly or through others.

        It is one statement, and it ends also where the host itself has made a circle. What SCIM
        doesn't see counts too: the portal would run in a circle all the same.
        """
        return set(connection.scalars(self._above, {"inner_key": group})) - {None}

    def lock(self, connection: sa.Connection, keys: Iterable[Any]) -> bool:
        """Keep others from nesting these groups until the transaction ends.

        :returns: whether that was needed: on SQLite one transaction writes at a time.
        """
        if connection.dialect.name == "sqlite":
            return False
        for part in chunks(list(keys)):
            connection.execute(self._lock, {"keys": list(part)})
        return True

    def is_overtaken(
        self, connection: sa.Connection, group: Any, above: set[Any], inner: Iterable[Any]
    ) -> bool:
        """Say whether others have nested groups since ``above`` was read, and before the lock.

        :param inner: the keys of the groups that are to be inside.
        """
        if connection.dialect.name not in ("mysql", "mariadb"):
            return self.above(connection, group) != above
        # There a transaction goes on reading what it has read at first. Only what an UPDATE looks
        # at is of now, and so is the number of rows that it finds; it changes none.
        found, keys = 0, list(inner)
        for part in chunks(keys):
            parameters = {"keys": list(part), "inner_key": group}
            found += connection.execute(self._look_again, parameters).rowcount
        return found != len(above.intersection(keys))


class MembersBinding(Binding, Collection):
    """The members of a group (RFC 7643 section 4.2).

    :ivar kinds: of members, the users first.
    :ivar nested: the groups inside a group, or None where the host doesn't nest them.
    :ivar unknown_members: ``"skip"`` or ``"refuse"``; None leaves it to the dialect.
    """

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        users: MembersOfAKind,
        nested: NestedGroups | None,
        unknown_members: str | None,
    ) -> None:
        super().__init__(key, attribute)
        self.unknown_members = unknown_members
        self.nested = nested
        self.kinds: tuple[MembersOfAKind, ...] = (users, nested) if nested else (users,)
        self.store = users.store
        self.place = users.store.place
        if nested is not None:
            self.place = f"{self.place}; groups: {nested.store.place}"

    def fetch(
        self,
        connection: sa.Connection,
        keys: Sequence[Any],
        dump: Dump,
        parameters: Mapping[str, Any],
        *,
        shown: bool,
    ) -> dict[Any, Any]:
        """Return the members of each of the groups: one statement for each kind, and no entity.

        :param shown: whether to tell their names.
        """
        found: dict[Any, list[dict[str, Any]]] = {}
        for kind in self.kinds:
            kind.fetch(connection, keys, found, dump, parameters, shown=shown)
        return found

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search among the members of a group, whatever their kind."""
        first, *more = (kind.any(build) for kind in self.kinds)
        return sa.or_(first, *more) if more else first

    def leave_all(self, connection: sa.Connection, kind: str, key: Any) -> None:
        """End every membership of one who is deleted; a group's own members go with it."""
        for members in self.kinds:
            if kind == "Group":
                members.store.clear(connection, key)
            if members.kind == kind:
                members.store.leave_all(connection, key)


def _same(value: Any) -> Any:
    return value
