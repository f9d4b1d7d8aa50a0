"""Group membership: only the rows that a request names are touched, whatever the group's size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, RelationshipDirection

from ..scim import attributes as scim
from .bindings import Binding, Build, Collection, Dump, constant_slot
from .errors import MappingError
from .links import given_id, may_be_id
from .relations import relationship_of
from .slots import Slot

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["MembersBinding", "MembershipStore", "TableMembership", "chunks", "insert_ignoring"]

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

    Keys are the primary keys of the host's rows. No method reads members that it isn't told.
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


class MembersBinding(Binding, Collection):
    """The members of a group (RFC 7643 section 4.2).

    :ivar unknown_members: ``"skip"`` or ``"refuse"``; None leaves it to the dialect.
    """

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        store: MembershipStore,
        groups: ResourceMapping,
        users: ResourceMapping,
    ) -> None:
        super().__init__(key, attribute)
        self.store = store
        self.users = users
        self._groups = groups
        self.place = store.place
        self.unknown_members: str | None = groups.options.unknown_members
        table, group, user = store.rows()
        link = users.link.__table__
        self._rows = (table, group, user)
        self._link = link
        display = users.display_slot()
        self._display = display
        # Users of other tenants, and those whom SCIM doesn't see, are nobody's members here.
        boundaries = users.boundaries()
        named = table.join(users.table, users.key == user)
        self._selects = {
            shown: sa.select(group, user, link.c.id, display.expression if shown else sa.null())
            .select_from(
                (named if shown or boundaries else table).outerjoin(link, link.c.host_id == user)
            )
            .where(
                group.in_(sa.bindparam("keys", expanding=True)),
                link.c.deleted.is_(None),
                *boundaries,
            )
            .order_by(group, user)
            for shown in (False, True)
        }
        mine = sa.and_(user == link.c.host_id, group == sa.bindparam("group_key", type_=group.type))
        self._named = (
            sa.select(link.c.id, link.c.host_id, user)
            .select_from(link.join(users.table, users.key == link.c.host_id).outerjoin(table, mine))
            .where(
                link.c.id.in_(sa.bindparam("ids", expanding=True)),
                link.c.deleted.is_(None),
                *users.boundaries(),
            )
        )

    def fetch(
        self,
        connection: sa.Connection,
        keys: Sequence[Any],
        dump: Dump,
        parameters: Mapping[str, Any],
        *,
        shown: bool,
    ) -> dict[Any, Any]:
        """Return the members of each of the groups, in one statement that loads no user.

        Members who have no link yet are added to ``dump.missing``.

        :param shown: whether to tell their names, for which the users' table is read.
        """
        found: dict[Any, list[dict[str, Any]]] = {}
        base = f"{dump.base_url}{self.users.endpoint}/"
        convert = self._display.from_host
        last: Any = None
        members: list[dict[str, Any]] = []
        rows = connection.execute(self._selects[shown], {**parameters, "keys": list(keys)})
        for group, user, member, display in rows:
            if member is None:
                dump.missing.add(user)
                continue
            if group != last:
                last = group
                members = found.setdefault(group, [])
            if convert is not None and display is not None:
                display = convert(display)
            members.append(
                {"value": member, "$ref": base + member, "display": display, "type": "User"}
                if display is not None
                else {"value": member, "$ref": base + member, "type": "User"}
            )
        return found

    def named(
        self,
        connection: sa.Connection,
        group: Any,
        ids: Sequence[str],
        parameters: Mapping[str, Any],
    ) -> dict[str, tuple[Any, bool]]:
        """Return the host keys of the users with these SCIM ids, and whether each is a member.

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
        table, group, user = self._rows
        users = self.users.table
        slots: Mapping[str, Slot] = self._slots()
        inner = table.join(self._link, self._link.c.host_id == user).join(
            users, self.users.key == user
        )
        return (
            sa.exists()
            .select_from(inner)
            .where(
                group == self._groups.key,
                self._link.c.deleted.is_(None),
                *self.users.boundaries(),
                build(slots.get),
            )
            .correlate(self._groups.table)
        )

    def matching(self, build: Build, group: Any) -> sa.Select[Any]:
        """Return the statement that finds the keys of the members who meet a condition."""
        table, group_column, user = self._rows
        inner = table.join(self._link, self._link.c.host_id == user).join(
            self.users.table, self.users.key == user
        )
        slots = self._slots()
        return (
            sa.select(user)
            .select_from(inner)
            .where(
                group_column == group,
                self._link.c.deleted.is_(None),
                *self.users.boundaries(),
                build(slots.get),
            )
        )

    def _slots(self) -> dict[str, Slot]:
        slots: dict[str, Slot] = {}
        for sub in self.attribute.sub_attributes:
            match sub.name:
                case "value":
                    identifier = self._link.c.id
                    slots["value"] = Slot(
                        sub, identifier, None, given_id, None, False, False, self.place
                    )
                case "display":
                    shown = self._display
                    slots["display"] = Slot(
                        sub, shown.expression, None, _same, None, False, True, shown.place
                    )
                case "type":
                    slots["type"] = constant_slot(sub, "User")
        return slots


def _same(value: Any) -> Any:
    return value
