"""Members in a table between groups and members: a secondary one, or that of association objects.

An insert is forgiven nothing: who is a member already isn't inserted, and a row that the database
refuses is told as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ...scim.errors import InvalidValue, MutabilityError, ScimError
from ..errors import MappingError, Unsettled
from ..host.conditions import RowCondition
from ..host.keys import HostKey, KeyColumns
from ..host.viewpoint import Viewpoint
from ..sql.backends import CHUNK, chunks
from ..sql.constraints import Violated, is_no_table, violation
from .association_objects import AssociationObjects
from .base import Watched
from .membership import Membership, Moved, key_columns, members_but, refused_row

__all__ = ["TableMembership"]


class TableMembership(Membership):
    """Members in a secondary table, or in the table of an association object.

    :param group: the column that names the group, or a tuple of those of a composite key.
    :param user: the same for the member.
    :param condition: what a row has to meet, and what a new one says so that it does.
    :param objects: the class of the rows, where they are association objects.
    """

    def __init__(
        self,
        table: sa.Table,
        group: Any,
        user: Any,
        *,
        condition: RowCondition | None = None,
        objects: AssociationObjects | None = None,
    ) -> None:
        group, user = key_columns(group), key_columns(user)
        self._table, self._group, self._user = table, group, user
        self._objects = objects
        self.place = f"the table {table.name}"
        condition = condition or RowCondition()
        self.of_row, self.of_member = tuple(condition.of_row), tuple(condition.of_member)
        self._values = condition.values
        self._keys = {column.name for column in (*group.columns, *user.columns)}
        self._colliding: dict[str, sa.ColumnElement[bool] | None] = {}
        mine, those = group.equals("group_key"), user.among("user_keys")
        self._remove = sa.delete(table).where(mine, those, *self.of_row)
        self._clear = sa.delete(table).where(mine, *self.of_row)
        self._leave = sa.delete(table).where(user.equals("user_key"), *self.of_row)
        self._insert = sa.insert(table)
        self._insert_and_tell = self._insert.returning(user.columns[0])
        pairs, its_group, its_user = self.rows()
        its_group, its_user = key_columns(its_group), key_columns(its_user)
        self._all = (
            sa.select(*its_user.columns)
            .select_from(pairs)
            .where(its_group.equals("group_key"), *self.of_row)
        )
        self._others = self._all.where(its_user.not_among("user_keys"))

    def rows(self) -> tuple[Any, Any, Any]:
        """Return the table, or the class of its rows."""
        if self._objects is not None:
            return self._objects.model, self._objects.group, self._objects.member
        return self._table, self._group, self._user

    def watched(self) -> Watched:
        """Return the table's rows, and what says whether they count."""
        columns: list[Any] = [*self._user.columns]
        for term in self.of_row:
            columns += [each for each in _columns(term) if each.table is self._table]
        return Watched(self._table, self._group.columns, tuple(columns))

    def check_columns(self, label: str) -> None:
        """Refuse a table whose rows need more than their two keys.

        :raises MappingError: when another column has neither a default nor room for nothing.
        """
        given: set[Any] = {*self._group.columns, *self._user.columns, *self._values}
        for column in self._table.columns:
            if column in given or column.nullable:
                continue
            if self._objects is not None and column not in set(self._objects.mapper.columns):
                continue  # of a table that the class doesn't map whole
            automatic = column is self._table.autoincrement_column
            made = column.computed is not None or column.identity is not None
            if self._objects is not None:
                mapper = self._objects.mapper
                made = made or column is mapper.version_id_col or column is mapper.polymorphic_on
            if column.default is None and column.server_default is None and not (automatic or made):
                raise MappingError(
                    f"{label}: {self._table.name}.{column.name} needs a value for each "
                    "new member; give the column a default, or write a MembershipStore."
                )

    def add_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> Moved:
        """Insert a row for each, with defaults of its own.

        Where somebody's row is there and doesn't meet the condition, and the table takes no second
        one, it is made to meet it.
        """
        with _Told(self, view):
            members = self._without_revived(view, group, members)
            if not members:
                return {}
            if self._objects is not None and self._objects.makes_rows(view.session):
                mapper = self._objects.mapper
                values = {
                    mapper.get_property_by_column(column).key: value
                    for column, value in self._values.items()
                }
                self._objects.insert(view, group, members, values)
            else:
                self._insert_rows(view, group, members)
        return {}

    def _insert_rows(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        said = {column.key: value for column, value in self._values.items()}
        said |= _said(self._group, group)
        tells = view.connection.dialect.insert_executemany_returning
        for part in chunks(members):
            rows = [{**said, **_said(self._user, key)} for key in part]
            if not tells:
                view.connection.execute(self._insert, rows)
                continue
            made = view.connection.execute(self._insert_and_tell, rows)
            if len(made.all()) < len(rows):
                raise InvalidValue(
                    f"members: this portal's database has left out rows of {self._table.name}, and "
                    "nobody was added; ask the portal's team for the rule behind it."
                )

    def _without_revived(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> Sequence[HostKey]:
        """Let rows in the way of new ones meet the condition; return whose there are none."""
        colliding = self._collisions(view.backend)
        if colliding is None:
            return members
        mine, those = self._group.equals("group_key"), self._user.among("user_keys")
        there = sa.select(*self._user.columns).where(mine, those, colliding)
        named = self._group.parameters("group_key", group)
        read = self._user.reader(0)
        revived: set[HostKey] = set()
        for part in chunks(members):
            found = view.connection.execute(there, {**named, "user_keys": list(part)})
            keys = {read(row) for row in found}
            if keys:
                update = sa.update(self._table).where(mine, those, colliding).values(self._values)
                view.connection.execute(update, {**named, "user_keys": list(keys)})
                revived |= keys
        return [key for key in members if key not in revived]

    def _collisions(self, backend: str) -> sa.ColumnElement[bool] | None:
        """Return SQL of the rows outside the condition that a new row would collide with."""
        if not self.of_row:
            return None
        if backend not in self._colliding:
            found = [sa.and_(*terms) for terms in self._unique_terms(backend)]
            self._colliding[backend] = sa.or_(*found) if found else None
        return self._colliding[backend]

    def _unique_terms(self, backend: str) -> list[list[Any]]:
        pair = {*self._group.columns, *self._user.columns}
        known = pair | set(self._values)
        found = []
        for columns in _unique_keys(self._table, backend):
            beside = columns - pair
            if columns <= known and all(self._values[each] is not None for each in beside):
                found.append([sa.true(), *(each == self._values[each] for each in beside)])
        return found

    def refusal(self, error: DBAPIError, backend: str) -> ScimError | None:
        """Return what is told of a row that the database has refused; None for other failures."""
        if is_no_table(error):
            return MutabilityError(
                f"members: {self._table.name} is a view of this portal that takes no rows, and "
                "members can't be changed; the portal's team says so by fields.Members(..., "
                "read_only=True)."
            )
        found = violation(error, self._table)
        if found is None:
            return None
        if found.kind is Violated.UNIQUE:
            names = self._keys | {column.name for column in self._values}
            foreseen = not self.of_row or self._collisions(backend) is not None
            if foreseen and found.columns and found.columns <= names:
                return Unsettled("The portal is adding the same members; send the request again.")
            return refused_row(self._table, found)
        if found.kind is Violated.FOREIGN_KEY and found.columns & self._keys:
            return Unsettled("The portal is removing a member; send the request again.")
        return refused_row(self._table, found)

    def remove_members(self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]) -> None:
        """One delete for each 5,000; through the mapper, where the host listens to it."""
        objects = self._objects
        named = self._group.parameters("group_key", group)
        with _Told(self, view):
            for part in chunks(members):
                keys = {**named, "user_keys": list(part)}
                if objects is not None and objects.deletes_rows(view.session):
                    mine = objects.group.equals("group_key")
                    those = objects.member.among("user_keys")
                    objects.delete(view, group, mine, those, *self.of_row, **keys)
                else:
                    view.connection.execute(self._remove, keys)

    def other_members(
        self, view: Viewpoint, group: HostKey, members: Sequence[HostKey]
    ) -> list[HostKey]:
        """One select of keys; a list too long for one statement is compared here."""
        named = self._group.parameters("group_key", group)
        if len(members) <= CHUNK:
            named = {**named, "user_keys": list(members)}
            return members_but(view, self._others, named, self._user, ())
        return members_but(view, self._all, named, self._user, members)

    def remove_all(self, view: Viewpoint, group: HostKey) -> None:
        """One delete; through the mapper, where the host listens to it."""
        objects, keys = self._objects, self._group.parameters("group_key", group)
        with _Told(self, view):
            if objects is not None and objects.deletes_rows(view.session):
                mine = objects.group.equals("group_key")
                objects.delete(view, group, mine, *self.of_row, **keys)
            else:
                view.connection.execute(self._clear, keys)

    def leave_all(self, view: Viewpoint, member: HostKey) -> None:
        """One delete; through the mapper, where the host listens to it."""
        objects, keys = self._objects, self._user.parameters("user_key", member)
        with _Told(self, view):
            if objects is not None and objects.deletes_rows(view.session):
                its = objects.member.equals("user_key")
                objects.delete(view, None, its, *self.of_row, **keys)
            else:
                view.connection.execute(self._leave, keys)


class _Told:
    """Tells what a database refuses inside the block in the words of the protocol."""

    def __init__(self, membership: TableMembership, view: Viewpoint) -> None:
        self._refusal: Callable[[DBAPIError, str], ScimError | None] = membership.refusal
        self._backend = view.backend

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DBAPIError):
            told = self._refusal(error, self._backend)
            if told is not None:
                raise told from None


def _said(columns: KeyColumns, key: HostKey) -> Mapping[str, Any]:
    plain: tuple[Any, ...] = columns.columns
    return {each.key: value for each, value in zip(plain, columns.values(key), strict=True)}


def _columns(term: Any) -> list[Any]:
    return [each for each in sa.sql.visitors.iterate(term) if isinstance(each, sa.Column)]


def _unique_keys(table: sa.Table, backend: str) -> list[set[Any]]:
    """Return the columns of each unique key that counts for all rows."""
    found: list[set[Any]] = [set(table.primary_key.columns)]
    found += [
        set(each.columns) for each in table.constraints if isinstance(each, sa.UniqueConstraint)
    ]
    for index in table.indexes:
        partial = index.dialect_kwargs.get(f"{backend}_where") is not None
        plain = all(isinstance(each, sa.Column) for each in index.expressions)
        if index.unique and plain and not partial:
            found.append(set(index.columns))
    return [each for each in found if each]
