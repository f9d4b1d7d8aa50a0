"""From what a team names to where members are kept: which of the places is it?"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import (
    Mapper,
    QueryableAttribute,
    RelationshipDirection,
    RelationshipProperty,
    aliased,
)

from ..errors import MappingError
from ..host.attributes import attribute_of, label_of
from ..host.conditions import RowCondition, condition_of
from ..host.keys import KeyColumns
from ..host.relationships import direction_of, relationship_of
from ..host.tables import HostTable
from ..sql.lists import is_list
from .association_objects import AssociationObjects
from .base import Watched
from .key_membership import KeyMembership
from .list_membership import ListMembership
from .membership import Membership, MembershipStore, StoredMembership, key_columns
from .shown_membership import ShownMembership
from .table_membership import TableMembership

__all__ = ["Membership", "MembershipStore", "TableMembership", "key_columns", "store_of"]

_TO_MANY = RelationshipDirection.ONETOMANY
_TO_ONE = RelationshipDirection.MANYTOONE
_MANY = RelationshipDirection.MANYTOMANY


def store_of(
    source: Any,
    inner: Any,
    groups: HostTable,
    members: HostTable,
    *,
    read_only: bool = False,
) -> Membership:
    """Return where members are kept, from what a team has declared.

    :param source: a relationship of the group or of the member, a list in a column of either, the
        team's own store, or a SELECT of pairs.
    :param inner: with association objects, their relationship to the member.
    :param groups: the host's table of groups.
    :param members: the table of those who are kept there: users, or groups once more.
    :param read_only: members are shown, and never changed.
    :raises MappingError: when the declaration can't work.
    """
    if isinstance(source, Membership):
        return source
    if isinstance(source, MembershipStore):
        return StoredMembership(source)
    if isinstance(source, sa.Select):
        return _selected(source, groups, members, read_only=read_only)
    if direction_of(source) is None and inner is None:
        found = _list(source, groups, members)
        if found is not None:
            return found
    place = _Place(source, inner, groups, members)
    return place.shown() if read_only else place.kept()


def _selected(
    source: sa.Select[Any], groups: HostTable, members: HostTable, *, read_only: bool
) -> Membership:
    widths = groups.key.width, members.key.width
    if not read_only:
        raise MappingError(
            f"{groups.owner}: members that a SELECT finds can't be changed; add read_only=True to "
            "fields.Members, or name the relationship that they are kept in."
        )
    if len(source.selected_columns) != sum(widths):
        raise MappingError(
            f"{groups.owner}: fields.Members(<SELECT>) takes the key of {groups.model.__name__} "
            f"and that of {members.model.__name__}, {sum(widths)} columns, and nothing else."
        )
    return ShownMembership(source, *widths, "a SELECT", None)


def _list(source: Any, groups: HostTable, members: HostTable) -> Membership | None:
    """Return the store behind a list of keys in a column, if it is one."""
    owner = getattr(source, "parent", None)
    if not isinstance(source, QueryableAttribute) or not isinstance(owner, Mapper):
        return None
    of_group = _related(owner, groups.mapper)
    if not of_group and not _related(owner, members.mapper):
        return None
    attribute = attribute_of(source, (groups if of_group else members).mapper)
    if not is_list(attribute.type):
        return None
    return ListMembership(attribute, groups, members, of_group=of_group)


class _Place:
    """The relationships between groups and members, from whichever side they are declared.

    :raises MappingError: when they lead from or to something else.
    """

    def __init__(self, source: Any, inner: Any, groups: HostTable, members: HostTable) -> None:
        self._source, self._inner = source, inner
        self._groups, self._members = groups, members
        self._label = label_of(source)
        self._argument = "groups" if members is groups else "members"
        begins: Any = getattr(source, "property", None)
        self._of_members = (
            inner is None
            and isinstance(begins, RelationshipProperty)
            and members is not groups
            and _related(begins.parent, members.mapper)
            and _related(begins.mapper, groups.mapper)
        )
        self._from_object = (
            inner is not None
            and direction_of(source) is _TO_ONE
            and isinstance(getattr(inner, "property", None), RelationshipProperty)
            and _related(inner.property.parent, begins.parent)
            and _related(begins.mapper, groups.mapper)
        )
        if inner is not None and not self._from_object:
            relationship_of(source, _TO_MANY)
        elif inner is None and not self._of_members and direction_of(source) is not _TO_MANY:
            relationship_of(source, _MANY)
        if inner is not None:
            relationship_of(inner, _TO_ONE)
        self._check_ends()

    def _check_ends(self) -> None:
        """Refuse a relationship that begins or ends at another model than it should."""
        begins: Any = self._source.property
        last = self._source if self._inner is None else self._inner
        ends: Any = last.property
        groups, members = self._groups, self._members
        model = groups.model.__name__
        if not (self._of_members or self._from_object or _related(begins.parent, groups.mapper)):
            raise MappingError(
                f"{groups.owner}: {self._label} is no relationship of {model}; name one of "
                f"{model}'s own in the line of fields.Members."
            )
        if not self._of_members and not _related(ends.mapper, members.mapper):
            wanted = members.model.__name__
            keyword = "group=" if self._argument == "groups" else "user="
            raise MappingError(
                f"{groups.owner}: {label_of(last)} leads to {ends.mapper.class_.__name__}, and the "
                f"{self._argument} of fields.Members are {wanted}: name a relationship to "
                f"{wanted}, or name the association objects' relationship to {wanted} with "
                f"{keyword}<relationship>."
            )

    def kept(self) -> Membership:
        """Return the store that changes what the relationship shows.

        :raises MappingError: when it has terms that no new row can be made to meet.
        """
        properties = [self._source.property]
        if self._inner is not None:
            properties.append(self._inner.property)
        if any(each.viewonly for each in properties):
            raise MappingError(
                f"{self._groups.owner}: {self._label} is viewonly, and members couldn't be changed "
                "there; show them only: fields.Members(..., read_only=True)."
            )
        if self._inner is not None:
            return self._objects()
        if self._source.property.direction is _MANY:
            return self._secondary()
        return self._foreign_key()

    def _secondary(self) -> Membership:
        prop: Any = self._source.property
        table = prop.secondary
        if not isinstance(table, sa.Table):
            raise MappingError(
                f"{self._groups.owner}: the secondary of {self._label} is no table, and members "
                "couldn't be changed there; show them only: fields.Members(..., read_only=True)."
            )
        near, far = prop.synchronize_pairs, prop.secondary_synchronize_pairs
        if self._of_members:
            near, far = far, near
        group = _named(near, self._groups, self._source)
        member = _named(far, self._members, self._source)
        condition = self._condition([prop.primaryjoin, prop.secondaryjoin], [*near, *far], table)
        store = TableMembership(table, group, member, condition=condition)
        store.check_columns(self._label)
        return store

    def _objects(self) -> Membership:
        outer: Any = self._source.property
        inner: Any = self._inner.property
        mapper: Mapper[Any] = outer.parent if self._from_object else outer.mapper
        of_group = outer.local_remote_pairs
        if self._from_object:
            of_group = [(theirs, mine) for mine, theirs in of_group]
        of_member = [(theirs, mine) for mine, theirs in inner.local_remote_pairs]
        group = _named(of_group, self._groups, self._source)
        member = _named(of_member, self._members, self._inner)
        tables = {column.table for column in (*group.columns, *member.columns)}
        if len(tables) != 1:
            raise MappingError(
                f"{self._groups.owner}: {mapper.class_.__name__} keeps its group and its member in "
                "two tables; write a MembershipStore."
            )
        table: sa.Table = tables.pop()
        condition = self._condition(
            [outer.primaryjoin, inner.primaryjoin], [*of_group, *of_member], table
        )
        objects = AssociationObjects(
            mapper,
            self._groups,
            self._members,
            group,
            member,
            None if self._from_object else outer,
            inner,
            self._groups.owner,
        )
        store = TableMembership(table, group, member, condition=condition, objects=objects)
        store.check_columns(self._label)
        return store

    def _foreign_key(self) -> Membership:
        prop: Any = self._source.property
        pairs = prop.local_remote_pairs
        if self._of_members:
            pairs = [(theirs, mine) for mine, theirs in pairs]
        columns = _named(pairs, self._groups, self._source)
        plain: tuple[Any, ...] = columns.columns
        condition = self._condition([prop.primaryjoin], pairs, plain[0].table)
        relation = None
        for each in self._members.mapper.relationships:
            if (
                each.direction is _TO_ONE
                and not each.viewonly
                and set(each.local_columns) == set(plain)
                and self._groups.mapper.isa(each.mapper)
            ):
                relation = each.key
        return KeyMembership(self._groups, self._members, columns, relation, condition, self._label)

    def _condition(self, joins: list[Any], pairs: list[Any], table: sa.Table) -> RowCondition:
        found = condition_of(joins, pairs, table, self._members.mapper.tables)
        if found.unwritable:
            raise MappingError(
                f"{self._groups.owner}: {self._label} has the condition {found.unwritable[0]}, and "
                "no value of a new row is sure to meet it; use one that compares a column of "
                f"{table.name} with a constant, or show members only: fields.Members(..., "
                "read_only=True)."
            )
        return found

    def shown(self) -> Membership:
        """Return what the relationship shows, whatever its conditions are."""
        groups, members = self._groups, self._members
        near, far = aliased(groups.model), aliased(members.model)
        group = [getattr(near, name).label(f"group_{name}") for name in groups.key_names]
        member = [getattr(far, name).label(f"member_{name}") for name in members.key_names]
        pairs: Any = sa.select(*group, *member)
        if self._of_members:
            pairs = pairs.select_from(far).join(getattr(far, self._source.key).of_type(near))
        elif self._inner is None:
            pairs = pairs.select_from(near).join(getattr(near, self._source.key).of_type(far))
        elif self._from_object:
            between = aliased(self._source.property.parent.class_)
            pairs = (
                pairs.select_from(between)
                .join(getattr(between, self._source.key).of_type(near))
                .join(getattr(between, self._inner.key).of_type(far))
            )
        else:
            between = aliased(self._source.property.mapper.class_)
            pairs = (
                pairs.select_from(near)
                .join(getattr(near, self._source.key).of_type(between))
                .join(getattr(between, self._inner.key).of_type(far))
            )
        return ShownMembership(
            pairs.distinct(),
            len(group),
            len(member),
            f"the relationship {self._label}",
            self._rows(),
        )

    def _rows(self) -> Watched | None:
        """Return the rows behind a relationship, where one table has the keys of both."""
        prop: Any = self._source.property
        pairs = prop.synchronize_pairs
        if self._of_members and prop.secondary is not None:
            pairs = prop.secondary_synchronize_pairs
        # The foreign keys come second.
        owner = tuple(theirs for _, theirs in pairs)
        table = owner[0].table if owner else None
        if not isinstance(table, sa.Table) or len(owner) != self._groups.key.width:
            return None
        return Watched(table, owner, owner)


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


def _related(one: Any, other: Any) -> bool:
    return bool(one.isa(other) or other.isa(one))
