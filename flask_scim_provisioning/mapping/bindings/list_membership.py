"""Members in a list of keys, which the group or the member has in one column: JSON or ARRAY."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from ..errors import MappingError, Unsettled
from ..host.attributes import HostAttribute
from ..host.keys import HostKey, KeyColumns, in_order
from ..host.own_writes import own_writes
from ..host.relationships import unloaded
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from ..sql.backends import chunks
from ..sql.lists import elements_of, key_reader
from ..sql.types import is_array
from .association_objects import refused_by_host
from .base import Watched
from .membership import Membership, Moved, members_but

__all__ = ["ListMembership"]


class ListMembership(Membership):
    """``Team.member_ids``, the keys of the users; or ``User.team_ids``, those of the teams.

    A change reads the whole list and writes it, as one update of the row, which is locked. Keys of
    rows that aren't there any more are nobody, and stay in the list.

    :param attribute: the column, of the group or of the member.
    :raises MappingError: when those who are named have a composite key.
    """

    def __init__(
        self, attribute: HostAttribute, groups: HostTable, members: HostTable, *, of_group: bool
    ) -> None:
        self._groups, self._members, self._of_group = groups, members, of_group
        self.in_members_row = not of_group
        self._owner, self._named = (groups, members) if of_group else (members, groups)
        self._attribute = attribute
        self.place = f"the list {attribute.label}"
        if not self._named.key.is_single:
            raise MappingError(
                f"{attribute.label} is a list, and {self._named.model.__name__} has a key of "
                "several columns; write a MembershipStore."
            )
        key: Any = self._named.key.columns[0]
        self._read: Callable[[Any], Any] = key_reader(key.type)
        owner, named = aliased(self._owner.model), aliased(self._named.model)
        owner_key = [getattr(owner, name).expression for name in self._owner.key_names]
        named_key = getattr(named, self._named.key_names[0]).expression
        table, says = elements_of(getattr(owner, attribute.key).expression, named_key)
        labels = [f"owner_{number}" for number in range(len(owner_key))]
        pairs = (
            sa.select(
                *(each.label(label) for each, label in zip(owner_key, labels, strict=True)),
                named_key.label("named"),
            )
            .select_from(owner)
            .join(table, sa.true())
            .join(named, says)
            .distinct()
            .subquery()
        )
        owners = KeyColumns(tuple(pairs.c[label] for label in labels))
        of_named = KeyColumns((pairs.c.named,))
        self._pairs = pairs
        self._group, self._member = (owners, of_named) if of_group else (of_named, owners)
        self._all = sa.select(*self._member.columns).where(self._group.equals("group_key"))
        self._around = sa.select(*self._group.columns).where(self._member.equals("member_key"))

    def rows(self) -> tuple[Any, Any, Any]:
        """Return a row for each element that names somebody."""
        return self._pairs, self._group, self._member

    def watched(self) -> Watched | None:
        """Return the group's own row, where the list is a part of it."""
        column = self._attribute.column
        if not self._of_group or column is None:
            return None
        return Watched(column.table, self._groups.key.columns, (column,))

    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Put keys into the list."""
        if self._of_group:
            written = [self._written(view, key) for key in members]
            self._change(view, group, [group], lambda kept: [*kept, *written])
        else:
            here = self._written(view, group)
            self._change(view, group, members, lambda kept: [*kept, here])
        return {}

    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """Take keys out of the list."""
        if self._of_group:
            gone = set(members)
            self._change(view, group, [group], lambda kept: self._without(kept, gone))
        else:
            self._change(view, group, members, lambda kept: self._without(kept, {group}))

    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """Read the list, in SQL."""
        named = self._group.parameters("group_key", group)
        return members_but(view, self._all, named, self._member, members)

    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """Empty the list, or take the group out of those of its members."""
        if self._of_group:
            self._change(view, group, [group], lambda kept: [])
        else:
            self.remove_members(view, group, self.other_members(view, group, ()))

    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """Take one out of the lists of its groups, or empty its own."""
        if not self._of_group:
            self._change(view, None, [member], lambda kept: [])
            return
        read = self._group.reader(0)
        found = view.execute(self._around, self._member.parameters("member_key", member))
        around = [read(row) for row in found]
        self._change(view, None, around, lambda kept: self._without(kept, {member}))

    def _written(self, view: Viewpoint, key: HostKey) -> Any:
        """Return a key as an element; JSON knows numbers and texts."""
        if isinstance(key, int) or is_array(self._attribute.type, view.connection.dialect):
            return key
        return str(key)

    def _without(self, kept: Iterable[Any], gone: set[HostKey]) -> list[Any]:
        return [each for each in kept if self._read(each) not in gone]

    def _change(
        self,
        view: Viewpoint,
        group: HostKey | None,
        owners: Sequence[HostKey],
        change: Callable[[list[Any]], list[Any]],
    ) -> None:
        """Write the lists of some rows anew, each of them locked.

        :param group: whose version SCIM moves itself.
        """
        session, table = view.session, self._owner
        statement = (
            sa.select(table.model)
            .where(table.key.among("keys"))
            .order_by(*table.key.columns)
            .options(*unloaded(table.mapper))
            .execution_options(populate_existing=True)
        )
        if view.backend != "sqlite":
            statement = statement.with_for_update()
        name = self._attribute.key
        for part in chunks(in_order(owners)):
            with session.no_autoflush:
                found = session.scalars(statement, {"keys": list(part), **view.parameters}).all()
                if len(found) < len(part):
                    raise Unsettled("The portal is removing a member; send the request again.")
                try:
                    for each in found:
                        before = getattr(each, name)
                        kept = list(before) if isinstance(before, list | tuple) else []
                        after = change(kept)
                        if after != kept:
                            setattr(each, name, after)
                except (ValueError, AssertionError):
                    raise refused_by_host() from None
            with own_writes(self._groups, session, lambda key: key == group):
                session.flush()
