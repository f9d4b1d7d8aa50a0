"""Membership stores: where the host keeps who belongs to a group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection

from ..errors import MappingError
from ..host.attributes import label_of
from ..host.keys import KeyColumns
from ..host.relationships import direction_of, relationship_of
from ..host.tables import HostTable
from ..sql.backends import CHUNK, chunks

__all__ = ["MembershipStore", "ParentMembership", "TableMembership", "key_columns", "store_of"]


class MembershipStore(ABC):
    """Where the members of groups are kept; a team may write its own.

    Keys are the primary keys of the host's rows. No method reads members that it isn't told. A
    store of nested groups has the same methods; what they call users are the groups inside.
    """

    place = "a membership store"

    @abstractmethod
    def add(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """Make the users members; who is one already stays one."""

    @abstractmethod
    def remove(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """End the membership of the users; who isn't a member stays none."""

    @abstractmethod
    def others(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> list[Any]:
        """Return the members who aren't among the users."""

    @abstractmethod
    def clear(self, connection: sa.Connection, group: Any) -> None:
        """End every membership of one group."""

    @abstractmethod
    def leave_all(self, connection: sa.Connection, user: Any) -> None:
        """End every membership of one user."""

    @abstractmethod
    def rows(self) -> tuple[sa.FromClause, Any, Any]:
        """Return the table of members, its group key and its user key, for reading in SQL.

        A key is a column, or a tuple of the columns of a composite one.
        """


def key_columns(columns: Any) -> KeyColumns:
    """Return what a store says of a key: a column, or several."""
    if isinstance(columns, KeyColumns):
        return columns
    return KeyColumns(tuple(columns) if isinstance(columns, tuple | list) else (columns,))


class TableMembership(MembershipStore):
    """Members in a secondary table, or in the table of an association object.

    :param group: the column that names the group, or a tuple of those of a composite key.
    :param user: the same for the member.
    :param members: the key of the members' own table; without it, what ``user`` refers to.
    """

    def __init__(
        self, table: sa.Table, group: Any, user: Any, members: KeyColumns | None = None
    ) -> None:
        group, user = key_columns(group), key_columns(user)
        if members is None:
            members = KeyColumns(tuple(_referred(column) for column in user.columns))
        self._table, self._group, self._user = table, group, user
        self.place = f"the table {table.name}"
        mine = group.equals("group_key")
        self._remove = sa.delete(table).where(mine, user.among("user_keys"))
        self._others = sa.select(*user.columns).where(mine, user.not_among("user_keys"))
        self._clear = sa.delete(table).where(mine)
        self._all = sa.select(*user.columns).where(mine)
        self._leave = sa.delete(table).where(user.equals("user_key"))
        there = sa.exists().select_from(table).where(mine, user.same(members))
        wanted = sa.select(*group.bind("group_key"), *members.columns).where(
            members.among("user_keys"), ~there
        )
        columns: list[Any] = [*group.columns, *user.columns]
        self._insert = sa.insert(table).from_select(columns, wanted)

    @classmethod
    def of(cls, source: Any, user: Any, groups: HostTable, members: HostTable) -> TableMembership:
        """Return the store behind ``Team.members``, or ``Team.memberships`` and their user.

        :raises MappingError: when the relationship has another shape.
        """
        if user is None:
            prop: Any = relationship_of(source, RelationshipDirection.MANYTOMANY)
            return cls(
                prop.secondary,
                _named(prop.synchronize_pairs, groups, source),
                _named(prop.secondary_synchronize_pairs, members, source),
                members.key,
            )
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        other: Any = relationship_of(user, RelationshipDirection.MANYTOONE)
        table = prop.mapper.local_table
        store = cls(
            table,
            _named(prop.local_remote_pairs, groups, source),
            _named([(theirs, mine) for mine, theirs in other.local_remote_pairs], members, user),
            members.key,
        )
        store.check_columns(source)
        return store

    def check_columns(self, source: Any) -> None:
        """Refuse an association object that can't be inserted by its two keys.

        :raises MappingError: when another column has neither a default nor room for nothing.
        """
        keys: set[Any] = {*self._group.columns, *self._user.columns}
        for column in self._table.columns:
            if column in keys or column.nullable:
                continue
            automatic = column.primary_key and column.autoincrement in (True, "auto")
            if column.default is None and column.server_default is None and not automatic:
                raise MappingError(
                    f"{label_of(source)}: {self._table.name}.{column.name} needs a value for each "
                    "new member; give the column a default, or write a MembershipStore."
                )

    def add(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """One insert-select for each 5,000 users."""
        self._each(connection, self._insert, group, users)

    def remove(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """One delete for each 5,000 users."""
        self._each(connection, self._remove, group, users)

    def _each(
        self, connection: sa.Connection, statement: Any, group: Any, users: Sequence[Any]
    ) -> None:
        named = self._named(group)
        for part in chunks(users):
            connection.execute(statement, {**named, "user_keys": list(part)})

    def others(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> list[Any]:
        """One select of keys; a list too long for one statement is compared here."""
        named, read = self._named(group), self._user.reader(0)
        if len(users) <= CHUNK:
            rows = connection.execute(self._others, {**named, "user_keys": list(users)})
            return [read(row) for row in rows]
        stay = set(users)
        members = (read(row) for row in connection.execute(self._all, named))
        return [key for key in members if key not in stay]

    def clear(self, connection: sa.Connection, group: Any) -> None:
        """One delete."""
        connection.execute(self._clear, self._named(group))

    def leave_all(self, connection: sa.Connection, user: Any) -> None:
        """One delete."""
        connection.execute(self._leave, self._user.parameters("user_key", user))

    def _named(self, group: Any) -> Mapping[str, Any]:
        named: Mapping[str, Any] = self._group.parameters("group_key", group)
        return named

    def rows(self) -> tuple[sa.FromClause, Any, Any]:
        """Return the association table."""
        return self._table, self._group.columns, self._user.columns


def _referred(column: sa.Column[Any]) -> sa.Column[Any]:
    (foreign_key,) = column.foreign_keys
    return foreign_key.column


def _named(pairs: Any, table: HostTable, source: Any) -> KeyColumns:
    """Return the columns that name a row of a table by its key, in the key's order.

    :raises MappingError: when they name it by something else.
    """
    columns = {table.name_of(mine): theirs for mine, theirs in pairs}
    if set(columns) != set(table.key_names):
        raise MappingError(
            f"{label_of(source)} doesn't name {table.model.__name__} by its primary key; write a "
            "MembershipStore."
        )
    return KeyColumns(tuple(columns[name] for name in table.key_names))


class ParentMembership(MembershipStore):
    """Nested groups by a foreign key to the group around them: each is inside one at most."""

    def __init__(self, parent: sa.Column[Any], key: sa.Column[Any]) -> None:
        self._parent, self._key = parent, key
        self.place = f"the column {parent.table.name}.{parent.name}"
        mine = parent == sa.bindparam("group_key")
        named: Any = sa.bindparam("group_keys", expanding=True)
        update = sa.update(parent.table)
        self._add = update.where(key.in_(named)).values({parent: sa.bindparam("group_key")})
        empty = {parent: sa.null()}
        self._remove = update.where(mine, key.in_(named)).values(empty)
        self._clear = update.where(mine).values(empty)
        self._leave = update.where(key == sa.bindparam("inner_key")).values(empty)
        self._all = sa.select(key).where(mine)

    @classmethod
    def of(cls, source: Any) -> ParentMembership:
        """Return the store behind ``Team.subteams``, over the foreign key ``Team.parent_id``.

        :raises MappingError: when the foreign key can't be empty.
        """
        prop: Any = relationship_of(source, RelationshipDirection.ONETOMANY)
        ((key, parent),) = prop.local_remote_pairs
        if not parent.nullable:
            raise MappingError(
                f"{label_of(source)}: {parent.table.name}.{parent.name} can't be empty, and a "
                "group that is removed from another one has no parent; let the column be nullable."
            )
        return cls(parent, key)

    def add(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """Move the groups here from wherever they were."""
        for part in chunks(users):
            connection.execute(self._add, {"group_key": group, "group_keys": list(part)})

    def remove(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """Let those go that are here."""
        for part in chunks(users):
            connection.execute(self._remove, {"group_key": group, "group_keys": list(part)})

    def others(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> list[Any]:
        """Return the groups here that aren't named."""
        stay = set(users)
        inside = connection.scalars(self._all, {"group_key": group})
        return [key for key in inside if key not in stay]

    def clear(self, connection: sa.Connection, group: Any) -> None:
        """Let every group go that is here."""
        connection.execute(self._clear, {"group_key": group})

    def leave_all(self, connection: sa.Connection, user: Any) -> None:
        """Take one group out of the one that it is in."""
        connection.execute(self._leave, {"inner_key": user})

    def rows(self) -> tuple[sa.FromClause, Any, Any]:
        """Return the groups' table once more, seen as those inside."""
        inner = self._parent.table.alias()
        return inner, inner.c[self._parent.key], inner.c[self._key.key]


def store_of(
    source: Any,
    inner: Any,
    groups: HostTable,
    members: HostTable,
) -> MembershipStore:
    """Return the store behind what a team has declared.

    :param source: the relationship of the group, or the team's own store.
    :param inner: with association objects, their relationship to the member.
    :param groups: the host's table of groups.
    :param members: the table of those who are kept there: users, or groups once more.
    :raises MappingError: when the declaration can't work.
    """
    if isinstance(source, MembershipStore):
        return source
    nested = members is groups
    if nested and inner is None and direction_of(source) is RelationshipDirection.ONETOMANY:
        _check_end(source, source, groups, members)
        return ParentMembership.of(source)
    relationship_of(
        source,
        RelationshipDirection.MANYTOMANY if inner is None else RelationshipDirection.ONETOMANY,
    )
    if inner is not None:
        relationship_of(inner, RelationshipDirection.MANYTOONE)
    _check_end(source, source if inner is None else inner, groups, members)
    return TableMembership.of(source, inner, groups, members)


def _check_end(
    source: Any,
    last: Any,
    groups: HostTable,
    members: HostTable,
) -> None:
    """Refuse a relationship that begins or ends at another model than it should.

    :param source: where the way from a group to its members begins.
    :param last: where it ends; the same relationship, unless there are association objects.
    """
    begins: Any = source.property
    ends: Any = last.property
    argument = "groups" if members is groups else "members"
    if not _related(begins.parent, groups.mapper):
        raise MappingError(
            f"{groups.owner}: {label_of(source)} is no relationship of {groups.model.__name__}; "
            f"name one of {groups.model.__name__}'s own in the line of fields.Members."
        )
    if not _related(ends.mapper, members.mapper):
        wanted = members.model.__name__
        hint = f", or name the association objects' relationship to {wanted} with group="
        raise MappingError(
            f"{groups.owner}: {label_of(last)} leads to {ends.mapper.class_.__name__}, and the "
            f"{argument} of fields.Members are {wanted}: name a relationship to {wanted}"
            f"{hint if members is groups else ''}."
        )


def _related(one: Any, other: Any) -> bool:
    return bool(one.isa(other) or other.isa(one))
