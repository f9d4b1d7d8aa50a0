"""Members who name their group by a foreign key: each is in one group at most, and moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from ...scim.errors import ScimError
from ..errors import MappingError, Unsettled
from ..host.conditions import RowCondition
from ..host.keys import HostKey, KeyColumns, in_order
from ..host.listening import hears_updates
from ..host.own_writes import own_writes
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from ..sql.backends import CHUNK, MYSQL, chunks
from ..sql.constraints import Violated, violation
from .association_objects import refused_by_host, rows_by_key
from .base import Watched
from .membership import Membership, Moved, members_but, refused_row

__all__ = ["KeyMembership"]


class KeyMembership(Membership):
    """One team for each user, over ``User.team_id``; or for each team, over ``Team.parent_id``.

    :param columns: of the members' table, which name the group.
    :param relation: the relationship from a member to its group, where the host has one.
    :raises MappingError: when a member can't be without a group, or the relationship has terms of
        its own.
    """

    in_members_row = True

    def __init__(
        self,
        groups: HostTable,
        members: HostTable,
        columns: KeyColumns,
        relation: Any,
        condition: RowCondition,
        label: str,
    ) -> None:
        plain: tuple[Any, ...] = columns.columns
        self._groups, self._members = groups, members
        self._table: sa.Table = plain[0].table
        self._names = tuple(members.mapper.get_property_by_column(each).key for each in plain)
        self._relation = relation
        self.place = f"the column {self._table.name}.{', '.join(each.name for each in plain)}"
        if condition.of_row:
            raise MappingError(
                f"{label} has a condition beside its foreign key; use a relationship of the key "
                "alone, or show its members only: fields.Members(..., read_only=True)."
            )
        self._emptied = [each for each in plain if each.nullable and not each.primary_key]
        if not self._emptied:
            raise MappingError(
                f"{label}: {self._table.name}.{plain[0].name} can't be empty, and who is removed "
                "from a group has none; let the column be nullable, or show members only: "
                "fields.Members(..., read_only=True)."
            )
        self._seat = seat = aliased(members.model)
        self._group = KeyColumns(tuple(getattr(seat, name).expression for name in self._names))
        self._member = KeyColumns(
            tuple(getattr(seat, name).expression for name in members.key_names)
        )
        self._plain = columns
        mine, those = self._group.equals("group_key"), self._member.among("member_keys")
        select = sa.select(*self._member.columns).select_from(seat)
        self._all = select.where(mine)
        self._others = self._all.where(self._member.not_among("member_keys"))
        self._here = self._all.where(those)
        self._in_a_group = (
            sa.select(*self._member.columns, *self._group.columns)
            .select_from(seat)
            .where(those)
            .order_by(*self._member.columns)
        )
        key = self._key_of_table()
        update = sa.update(self._table)
        to_here = dict(zip(plain, columns.bind("group_key"), strict=True))
        nothing = {each: sa.null() for each in self._emptied}
        is_here = columns.equals("of_group")
        self._move = update.where(key.among("member_keys")).values(to_here)
        self._empty = update.where(key.among("member_keys"), is_here).values(nothing)
        self._empty_all = update.where(is_here).values(nothing)
        self._leave = update.where(key.equals("member_key")).values(nothing)

    def _key_of_table(self) -> KeyColumns:
        """Return the key of the table that has the foreign key; a subclass may have two tables."""
        found: tuple[Any, ...] = tuple(
            next(each for each in prop.columns if each.table is self._table)
            for prop in (self._members.mapper.column_attrs[n] for n in self._members.key_names)
        )
        return KeyColumns(found)

    def rows(self) -> tuple[Any, Any, Any]:
        """Return the members' model once more, seen as those inside."""
        return self._seat, self._group, self._member

    def watched(self) -> Watched:
        """Return the members' rows, by the column that names the group."""
        return Watched(self._table, self._plain.columns, self._plain.columns)

    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Move the members here from wherever they were."""
        moved: dict[HostKey, list[HostKey]] = {}
        read_member = self._member.reader(0)
        read_group = self._group.reader(self._member.width)
        here = self._plain.parameters("group_key", group)
        statement = self._in_a_group
        if view.backend != "sqlite":
            statement = statement.with_for_update(
                of=self._seat if view.backend not in MYSQL else None
            )
        for part in chunks(in_order(members)):
            keys = {"member_keys": list(part)}
            there = 0
            for row in view.execute(statement, keys):
                there += 1
                before = read_group(row)
                if before != group and None not in self._plain.values(before):
                    moved.setdefault(before, []).append(read_member(row))
            if there < len(part):
                raise Unsettled("The portal is removing a member; send the request again.")
            self._write(view, part, group, {group, *moved}, self._move, {**keys, **here})
        return moved

    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """Let those go that are here."""
        here = self._plain.parameters("of_group", group)
        for part in chunks(members):
            keys = {"member_keys": list(part)}
            if self._is_heard(view):
                found = view.execute(
                    self._here, {**keys, **self._group.parameters("group_key", group)}
                )
                read = self._member.reader(0)
                part = [read(row) for row in found]
            self._write(view, part, None, {group}, self._empty, {**keys, **here})

    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """One select of keys; a list too long for one statement is compared here."""
        named = self._group.parameters("group_key", group)
        if len(members) <= CHUNK:
            named = {**named, "member_keys": list(members)}
            return members_but(view, self._others, named, self._member, ())
        return members_but(view, self._all, named, self._member, members)

    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """Let everybody go who is here."""
        if self._is_heard(view):
            self.remove_members(view, group, self.other_members(view, group, ()))
        else:
            self._write(
                view, (), None, {group}, self._empty_all, self._plain.parameters("of_group", group)
            )

    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """Take one out of the group that it is in."""
        named = self._key_of_table().parameters("member_key", member)
        self._write(view, [member], None, set(), self._leave, named)

    def _is_heard(self, view: Viewpoint) -> bool:
        names = [*self._names, *([self._relation] if self._relation else [])]
        return hears_updates(self._members.mapper, view.session, names)

    def _write(
        self,
        view: Viewpoint,
        members: Sequence[HostKey],
        group: HostKey | None,
        own: set[HostKey],
        update: sa.Update,
        parameters: Mapping[str, Any],
    ) -> None:
        """Write by one statement; on the host's objects, where it listens to them.

        :param group: where the members belong from now on; None for nowhere.
        :param own: the groups whose versions SCIM moves itself.
        """
        try:
            if self._is_heard(view):
                self._set(view, members, group, own)
            else:
                view.connection.execute(update, parameters)
        except (ValueError, AssertionError):
            raise refused_by_host() from None
        except DBAPIError as error:
            told = self._refusal(error)
            if told is None:
                raise
            raise told from None

    def _set(
        self,
        view: Viewpoint,
        members: Sequence[HostKey],
        group: HostKey | None,
        own: set[HostKey],
    ) -> None:
        session = view.session
        around = None
        if self._relation is not None and group is not None:
            around = rows_by_key(view, self._groups, [group])[group]
        values: tuple[Any, ...] = ()
        if group is not None:
            values = self._plain.values(group)
        plain: tuple[Any, ...] = self._plain.columns
        with session.no_autoflush:
            for each in rows_by_key(view, self._members, members).values():
                if self._relation is not None:
                    setattr(each, self._relation, around)
                elif group is not None:
                    for name, value in zip(self._names, values, strict=True):
                        setattr(each, name, value)
                else:
                    for name, column in zip(self._names, plain, strict=True):
                        if column in self._emptied:
                            setattr(each, name, None)
        with own_writes(self._groups, session, lambda key: key in own):
            session.flush()

    def _refusal(self, error: DBAPIError) -> ScimError | None:
        found = violation(error, self._table)
        if found is None:
            return None
        if found.kind is Violated.FOREIGN_KEY:
            return Unsettled("The portal is removing this group; send the request again.")
        return refused_row(self._table, found)
