"""What every place of members answers for itself, and what a team writes for one of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...scim.errors import InvalidValue, ScimError, Uniqueness
from ..host.keys import HostKey, KeyColumns
from ..host.viewpoint import Viewpoint
from ..sql.constraints import Violated, Violation
from .base import Watched

__all__ = [
    "Membership",
    "MembershipStore",
    "Moved",
    "StoredMembership",
    "key_columns",
    "members_but",
    "refused_row",
]

Moved: TypeAlias = Mapping[HostKey, Sequence[HostKey]]
"""By the key of the group that they were in until now, the keys of those who were moved."""


class Membership(ABC):
    """Where the host keeps who belongs to a group.

    Keys are the primary keys of the host's rows. In nested groups, members are the groups inside.

    :ivar place: where that is, for people.
    :ivar writable: whether members can be changed there.
    :ivar in_members_row: whether it is the member's own row that says so.
    :ivar of_row: conditions that a row of ``rows`` has to meet, or it is none.
    :ivar of_member: conditions on the members' own columns; who doesn't meet them is no member and
        can't become one.
    """

    place = "a membership store"
    writable = True
    in_members_row = False
    of_row: tuple[sa.ColumnElement[bool], ...] = ()
    of_member: tuple[sa.ColumnElement[bool], ...] = ()

    @abstractmethod
    def rows(self) -> tuple[Any, Any, Any]:
        """Return what members are selected from, its group key and its member key.

        A key is a column, or a tuple of the columns of a composite one.
        """

    def watched(self) -> Watched | None:
        """Return the rows whose changes change their group."""
        pairs, group, member = self.rows()
        return Watched(pairs, key_columns(group).columns, key_columns(member).columns)

    @abstractmethod
    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Make these members, who are none yet; return who was moved here from another group.

        :raises Unsettled: when others have changed the same rows meanwhile.
        :raises Uniqueness: when the database refuses a row, because another one has its values.
        :raises InvalidValue: when it refuses a row for another reason.
        """

    @abstractmethod
    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """End the membership of these; who isn't a member stays none."""

    @abstractmethod
    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """Return the members who aren't among these."""

    @abstractmethod
    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """End every membership of one group."""

    @abstractmethod
    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """End every membership of one member."""


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


class StoredMembership(Membership):
    """Members in a store that a team has written."""

    def __init__(self, store: MembershipStore) -> None:
        self._store = store
        self.place = store.place

    def rows(self) -> tuple[Any, Any, Any]:
        """Return what the store returns."""
        return self._store.rows()

    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Let the store add them; it doesn't tell who was moved."""
        self._store.add(view.connection, group, members)
        return {}

    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """Let the store remove them."""
        self._store.remove(view.connection, group, members)

    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """Ask the store."""
        return self._store.others(view.connection, group, members)

    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """Let the store remove them."""
        self._store.clear(view.connection, group)

    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """Let the store remove the member."""
        self._store.leave_all(view.connection, member)


def key_columns(columns: Any) -> KeyColumns:
    """Return what a store says of a key: a column, or several."""
    if isinstance(columns, KeyColumns):
        return columns
    return KeyColumns(tuple(columns) if isinstance(columns, tuple | list) else (columns,))


def members_but(
    view: Viewpoint,
    statement: sa.Select[Any],
    named: Mapping[str, Any],
    member: KeyColumns,
    stay: Sequence[HostKey],
) -> list[HostKey]:
    """Return the members that a statement reads, without those who stay.

    :param statement: selects the member's key, and nothing else.
    :param named: its parameters.
    """
    kept, read = set(stay), member.reader(0)
    keys = (read(row) for row in view.execute(statement, named))
    return [key for key in keys if key not in kept]


def refused_row(table: sa.Table, found: Violation) -> ScimError:
    """Return what is told of a row that a constraint of the host's refuses for good."""
    if found.kind is Violated.UNIQUE:
        return Uniqueness(
            f"members: another row of {table.name} stands in the way of {found.label}; "
            "remove it in the portal, or ask its team."
        )
    return InvalidValue(
        f"members: this portal's database refuses a row of {table.name} for "
        f"{found.label}; ask the portal's team who can be in this group."
    )
