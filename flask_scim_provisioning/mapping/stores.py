"""Membership stores: where the host keeps who belongs to a group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, RelationshipDirection

from .errors import MappingError
from .relations import relationship_of

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = [
    "MembershipStore",
    "ParentMembership",
    "TableMembership",
    "chunks",
    "insert_ignoring",
    "store_of",
]

CHUNK = 5_000
"""How many ids one statement names: SQLite allows 32,766 parameters, PostgreSQL 65,535."""


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Cut a long list of ids into what one statement can name."""
    return (items[i : i + CHUNK] for i in range(0, len(items), CHUNK))


def insert_ignoring(connection: sa.Connection, table: sa.Table, source: Any) -> Any:
    """Return an insert-select that leaves rows which are there already alone, per database."""
    names, select = source
    match connection.dialect.name:
        case "postgresql":
            insert = postgresql.insert(table).from_select(names, select)
            return insert.on_conflict_do_nothing()
        case "mysql" | "mariadb":
            return sa.insert(table).prefix_with("IGNORE").from_select(names, select)
        case "sqlite":
            return sa.insert(table).prefix_with("OR IGNORE").from_select(names, select)
        case _:
            return sa.insert(table).from_select(names, select)


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
    def rows(self) -> tuple[sa.FromClause, sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """Return the table of members, its group key and its user key, for reading in SQL."""


class TableMembership(MembershipStore):
    """Members in a secondary table, or in the table of an association object."""

    def __init__(self, table: sa.Table, group: sa.Column[Any], user: sa.Column[Any]) -> None:
        self._table, self._group, self._user = table, group, user
        self.place = f"the table {table.name}"
        self._mine = group == sa.bindparam("group_key")
        named = user.in_(sa.bindparam("user_keys", expanding=True))
        self._remove = sa.delete(table).where(self._mine, named)
        others = user.not_in(sa.bindparam("user_keys", expanding=True))
        self._others = sa.select(user).where(self._mine, others)
        self._clear = sa.delete(table).where(self._mine)
        self._all = sa.select(user).where(self._mine)
        self._leave = sa.delete(table).where(user == sa.bindparam("user_key"))
        self._inserts: dict[str, Any] = {}

    @classmethod
    def of(
        cls, source: InstrumentedAttribute[Any], user: InstrumentedAttribute[Any] | None
    ) -> TableMembership:
        """Return the store behind ``Team.members``, or ``Team.memberships`` and their user.

        :raises MappingError: when the relationship has another shape.
        """
        if user is None:
            prop = relationship_of(source, RelationshipDirection.MANYTOMANY)
            ((_, group_column),) = prop.synchronize_pairs
            ((_, user_column),) = prop.secondary_synchronize_pairs
            return cls(prop.secondary, group_column, user_column)
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        ((_, group_column),) = prop.local_remote_pairs
        other = relationship_of(user, RelationshipDirection.MANYTOONE)
        ((user_column, _),) = other.local_remote_pairs
        store = cls(prop.mapper.local_table, group_column, user_column)
        store.check_columns(source)
        return store

    def check_columns(self, source: InstrumentedAttribute[Any]) -> None:
        """Refuse an association object that can't be inserted by its two keys.

        :raises MappingError: when another column has neither a default nor room for nothing.
        """
        for column in self._table.columns:
            if column in (self._group, self._user) or column.nullable:
                continue
            automatic = column.primary_key and column.autoincrement in (True, "auto")
            if column.default is None and column.server_default is None and not automatic:
                raise MappingError(
                    f"{source}: {self._table.name}.{column.name} needs a value for each new "
                    "member; give the column a default, or write a MembershipStore."
                )

    def _insert(self, connection: sa.Connection) -> Any:
        found = self._inserts.get(connection.dialect.name)
        if found is None:
            users = self._user_table()
            select = sa.select(sa.bindparam("group_key", type_=self._group.type), users).where(
                users.in_(sa.bindparam("user_keys", expanding=True))
            )
            names = [self._group.name, self._user.name]
            found = insert_ignoring(connection, self._table, (names, select))
            self._inserts[connection.dialect.name] = found
        return found

    def _user_table(self) -> sa.Column[Any]:
        (foreign_key,) = self._user.foreign_keys
        return foreign_key.column

    def add(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """One insert-select for each 5,000 users."""
        for part in chunks(users):
            connection.execute(
                self._insert(connection), {"group_key": group, "user_keys": list(part)}
            )

    def remove(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
        """One delete for each 5,000 users."""
        for part in chunks(users):
            connection.execute(self._remove, {"group_key": group, "user_keys": list(part)})

    def others(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> list[Any]:
        """One select of keys; a list too long for one statement is compared here."""
        if len(users) <= CHUNK:
            parameters = {"group_key": group, "user_keys": list(users)}
            return list(connection.scalars(self._others, parameters))
        stay = set(users)
        members = connection.scalars(self._all, {"group_key": group})
        return [key for key in members if key not in stay]

    def clear(self, connection: sa.Connection, group: Any) -> None:
        """One delete."""
        connection.execute(self._clear, {"group_key": group})

    def leave_all(self, connection: sa.Connection, user: Any) -> None:
        """One delete."""
        connection.execute(self._leave, {"user_key": user})

    def rows(self) -> tuple[sa.FromClause, sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """Return the association table."""
        return self._table, self._group, self._user


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
    def of(cls, source: InstrumentedAttribute[Any]) -> ParentMembership:
        """Return the store behind ``Team.subteams``, over the foreign key ``Team.parent_id``.

        :raises MappingError: when the foreign key can't be empty.
        """
        prop = relationship_of(source, RelationshipDirection.ONETOMANY)
        ((key, parent),) = prop.local_remote_pairs
        if not parent.nullable:
            raise MappingError(
                f"{source}: {parent.table.name}.{parent.name} can't be empty, and a group that is "
                "removed from another one has no parent; let the column be nullable."
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

    def rows(self) -> tuple[sa.FromClause, sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """Return the groups' table once more, seen as those inside."""
        inner = self._parent.table.alias()
        return inner, inner.c[self._parent.key], inner.c[self._key.key]


def store_of(
    source: InstrumentedAttribute[Any] | MembershipStore,
    inner: InstrumentedAttribute[Any] | None,
    groups: ResourceMapping,
    members: ResourceMapping,
) -> MembershipStore:
    """Return the store behind what a team has declared.

    :param source: the relationship of the group, or the team's own store.
    :param inner: with association objects, their relationship to the member.
    :param groups: the mapping of groups.
    :param members: the mapping of those who are kept there: users, or groups once more.
    :raises MappingError: when the declaration can't work.
    """
    if isinstance(source, MembershipStore):
        return source
    nested = members is groups
    direction = getattr(getattr(source, "property", None), "direction", None)
    if nested and inner is None and direction is RelationshipDirection.ONETOMANY:
        _check_end(source, source, groups, members)
        return ParentMembership.of(source)
    store = TableMembership.of(source, inner)
    _check_end(source, source if inner is None else inner, groups, members)
    return store


def _check_end(
    source: InstrumentedAttribute[Any],
    last: InstrumentedAttribute[Any],
    groups: ResourceMapping,
    members: ResourceMapping,
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
            f"{groups.schema_name}: {source} is no relationship of {groups.model.__name__}; "
            f"name one of {groups.model.__name__}'s own in the line of fields.Members."
        )
    if not _related(ends.mapper, members.mapper):
        wanted = members.model.__name__
        hint = f", or name the association objects' relationship to {wanted} with group="
        raise MappingError(
            f"{groups.schema_name}: {last} leads to {ends.mapper.class_.__name__}, and the "
            f"{argument} of fields.Members are {wanted}: name a relationship to {wanted}"
            f"{hint if members is groups else ''}."
        )


def _related(one: Any, other: Any) -> bool:
    return bool(one.isa(other) or other.isa(one))
