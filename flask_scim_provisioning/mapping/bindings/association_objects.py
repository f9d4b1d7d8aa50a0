"""Memberships as objects of the host: made and deleted through its mapper, where it listens."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipDirection, Session, selectinload
from sqlalchemy.orm.attributes import instance_dict, instance_state
from sqlalchemy.orm.base import PassiveFlag

from ...scim.errors import InvalidValue
from ..errors import MappingError, Unsettled
from ..host.keys import HostKey, KeyColumns
from ..host.listening import hears_deletes, hears_inserts, is_plainly_made
from ..host.own_writes import own_writes
from ..host.relationships import unloaded
from ..host.tables import HostTable
from ..host.viewpoint import Viewpoint
from ..sql.backends import CHUNK, chunks

__all__ = ["AssociationObjects", "refused_by_host", "rows_by_key"]


def refused_by_host() -> InvalidValue:
    """Return what is told where a rule of the host's classes refuses a membership."""
    return InvalidValue(
        "members: a rule of this portal refuses the membership; ask the portal's team which people "
        "can be in this group."
    )


def rows_by_key(view: Viewpoint, table: HostTable, keys: Sequence[HostKey]) -> dict[HostKey, Any]:
    """Return the host's objects with these keys, without what their relationships load.

    :raises Unsettled: when one isn't there any more; the next attempt sees that.
    """
    statement = (
        sa.select(table.model).where(table.key.among("keys")).options(*unloaded(table.mapper))
    )
    with view.session.no_autoflush:
        found = view.session.scalars(statement, {"keys": list(keys), **view.parameters})
        objects = {table.key_of(each): each for each in found}
    if any(key not in objects for key in keys):
        raise Unsettled("The portal is removing a member; send the request again.")
    return objects


class AssociationObjects:
    """The class of a membership, and how objects of it are made.

    :param to_group: the columns that name the group, and ``to_member`` those of the member.
    :param of_groups: the relationship from the group to its memberships, where there is one.
    :param of_members: the one from a membership to its member.
    :raises MappingError: when its constructor asks for something else than the two.
    """

    def __init__(
        self,
        mapper: Mapper[Any],
        groups: HostTable,
        members: HostTable,
        to_group: KeyColumns,
        to_member: KeyColumns,
        of_groups: Any,
        of_members: Any,
        owner: str,
    ) -> None:
        self.mapper, self.model = mapper, mapper.class_
        self._groups, self._members = groups, members
        self._of_groups = of_groups
        self._group_names = self._names(to_group)
        self._member_names = self._names(to_member)
        self._group_relation = self._relation(to_group, groups)
        self._member_relation = None if of_members.viewonly else of_members.key
        self._arguments = self._constructor_arguments(owner)
        self.group = KeyColumns(self._expressions(self._group_names))
        self.member = KeyColumns(self._expressions(self._member_names))

    def _names(self, columns: KeyColumns) -> tuple[str, ...]:
        plain: tuple[Any, ...] = columns.columns
        return tuple(self.mapper.get_property_by_column(column).key for column in plain)

    def _expressions(self, names: Iterable[str]) -> tuple[Any, ...]:
        return tuple(getattr(self.model, name).expression for name in names)

    def _relation(self, columns: KeyColumns, table: HostTable) -> str | None:
        """Return the relationship from a membership to its group, where there is one."""
        wanted = set(columns.columns)
        for each in self.mapper.relationships:
            if (
                each.direction is RelationshipDirection.MANYTOONE
                and not each.viewonly
                and set(each.local_columns) == wanted
                and table.mapper.isa(each.mapper)
            ):
                return each.key
        return None

    def _constructor_arguments(self, owner: str) -> tuple[str, ...]:
        if is_plainly_made(self.mapper):
            return ()
        known = {*self._group_names, *self._member_names}
        known |= {name for name in (self._group_relation, self._member_relation) if name}
        taken = []
        for name, parameter in inspect.signature(self.model).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name in known and parameter.kind is not parameter.POSITIONAL_ONLY:
                taken.append(name)
            elif parameter.default is parameter.empty:
                raise MappingError(
                    f"{owner}: {self.model.__name__}({name}=...) is needed for each new member, "
                    "and only its group and its member are known; give the argument a default, or "
                    "write a MembershipStore."
                )
        return tuple(taken)

    def makes_rows(self, session: Session) -> bool:
        """Say whether new rows have to be objects."""
        return hears_inserts(self.mapper, session)

    def deletes_rows(self, session: Session) -> bool:
        """Say whether rows have to be deleted as objects."""
        return hears_deletes(self.mapper, session)

    def insert(
        self,
        view: Viewpoint,
        group: HostKey,
        members: Sequence[HostKey],
        values: Mapping[str, Any],
    ) -> None:
        """Make an object for each of the members, and flush them together.

        :param values: what each of them says beside.
        """
        session = view.session
        around = rows_by_key(view, self._groups, [group])[group]
        for part in chunks(members):
            people = rows_by_key(view, self._members, part)
            with session.no_autoflush:
                for key in part:
                    self._add(session, around, group, people[key], key, values)
            self._flush(session, group)

    def _add(
        self,
        session: Session,
        around: Any,
        group: HostKey,
        member: Any,
        key: HostKey,
        values: Mapping[str, Any],
    ) -> None:
        said = dict(zip(self._group_names, self._groups.key.values(group), strict=True))
        said |= dict(zip(self._member_names, self._members.key.values(key), strict=True))
        if self._group_relation is not None:
            said[self._group_relation] = around
        if self._member_relation is not None:
            said[self._member_relation] = member
        try:
            made = self.model(**{name: said[name] for name in self._arguments})
            for name, value in {**said, **values}.items():
                setattr(made, name, value)
        except (ValueError, AssertionError):
            raise refused_by_host() from None
        if self._group_relation is None and self._of_groups is not None:
            # An object of a class whose orphans are deleted needs its parent; nothing is loaded.
            collection = getattr(self._groups.model, self._of_groups.key).impl
            collection.append(
                instance_state(around),
                instance_dict(around),
                made,
                None,
                PassiveFlag.PASSIVE_NO_FETCH,
            )
        session.add(made)

    def delete(self, view: Viewpoint, group: HostKey | None, *conditions: Any, **keys: Any) -> None:
        """Delete the objects that meet the conditions, some thousands at once.

        :param group: whose version SCIM moves itself; the others are moved by what is flushed.
        :param keys: the parameters of the conditions.
        """
        session = view.session
        statement = (
            sa.select(self.model)
            .where(*conditions)
            .order_by(*self.mapper.primary_key)
            .limit(CHUNK)
            .options(*unloaded(self.mapper))
        )
        if self._member_relation is not None:
            # For the host's listeners, who ask each membership for its member.
            member = selectinload(getattr(self.model, self._member_relation))
            statement = statement.options(member.options(*unloaded(self._members.mapper)))
        while True:
            with session.no_autoflush:
                found = session.scalars(statement, {**view.parameters, **keys}).all()
                for each in found:
                    session.delete(each)
            if found:
                self._flush(session, group)
            if len(found) < CHUNK:
                return

    def _flush(self, session: Session, group: HostKey | None) -> None:
        try:
            with own_writes(self._groups, session, lambda key: key == group):
                session.flush()
        except (ValueError, AssertionError):
            raise refused_by_host() from None
