"""Changing who belongs to a group: each change touches only the rows that it names."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa

from ..dialects.notes import leave
from ..mapping.links import may_be_id, moment
from ..mapping.membership import MembersBinding, MembersOfAKind, NestedGroups
from ..mapping.predicates import element_condition
from ..mapping.reading import Unsettled, Viewpoint
from ..mapping.resources import ResourceMapping
from ..scim.errors import InvalidValue, shown
from ..scim.filters import Compare, Filter, Or
from ..scim.patch import Add, Change, Edit, Remove, Replace, Set
from .scope import Scope

__all__ = [
    "Difference",
    "MembershipChange",
    "change_members",
    "has_members",
    "move_versions_of_groups",
]

Rows: TypeAlias = tuple[sa.FromClause, sa.ColumnElement[Any], sa.ColumnElement[Any]]
"""The table of members, its group key and its member key."""

_SHOWN_IDS = 5


@dataclass(slots=True)
class Difference:
    """Who came and who went, by the host's keys."""

    added: set[Any] = field(default_factory=set)
    removed: set[Any] = field(default_factory=set)

    def note_added(self, keys: Iterable[Any]) -> None:
        """Remember who came; who had left in the same request has only stayed."""
        for key in keys:
            if key in self.removed:
                self.removed.discard(key)
            else:
                self.added.add(key)

    def note_removed(self, keys: Iterable[Any]) -> None:
        """Remember who left; who had come in the same request was never there."""
        for key in keys:
            if key in self.added:
                self.added.discard(key)
            else:
                self.removed.add(key)


@dataclass(slots=True)
class MembershipChange:
    """What became of a group's members.

    :ivar users: the users who are members now and weren't, and those who were.
    :ivar groups: the same of nested groups.
    :ivar skipped: SCIM ids that name nobody here, or a group that can't be inside this one.
    """

    users: Difference = field(default_factory=Difference)
    groups: Difference = field(default_factory=Difference)
    skipped: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anybody came or went."""
        users, groups = self.users, self.groups
        return bool(users.added or users.removed or groups.added or groups.removed)

    def of(self, members: MembersOfAKind) -> Difference:
        """Return the difference among the members of a kind."""
        return self.users if members.kind == "User" else self.groups


def change_members(
    scope: Scope,
    binding: MembersBinding,
    view: Viewpoint,
    group: Any,
    changes: Sequence[Change],
) -> MembershipChange:
    """Carry out the changes of one request to the members of one group, in their order.

    :param group: the host's key of the group.
    :raises InvalidValue: when a member is unknown, or a group would be inside itself, and neither
        the team nor, where it says nothing, the dialect skips those.
    """
    outcome = MembershipChange()
    editor = _Editor(scope, binding, view, group, outcome)
    for change in changes:
        match change:
            case Remove(filter=condition, target=target) if condition is not None:
                ids = _named_ids(condition)
                if ids is None:
                    editor.remove_matching(condition, target.attribute)
                else:
                    editor.plan.remove(ids)
            case Remove():
                editor.plan.replace([])
            case Add(values=values):
                editor.plan.add(_ids(values))
            case Replace(values=values):
                editor.plan.replace(_ids(values))
            case Set() | Edit():
                raise InvalidValue(
                    f"operation {change.target.number}: a member is immutable; remove it and add "
                    "another."
                )
    editor.carry_out()
    return outcome


def has_members(mapping: ResourceMapping, view: Viewpoint, group: Any) -> bool:
    """Say whether a group has any member.

    :param group: the host's key of the group.
    """
    connection = view.connection
    return any(
        connection.scalar(
            mapping.kept(
                f"has members: {members.kind}", functools.partial(_any_of, members.store.rows())
            ),
            {"group_key": group},
        )
        for members in (mapping.members.kinds if mapping.members is not None else ())
    )


def _any_of(rows: Rows) -> Any:
    pairs, group, member = rows
    has_key = sa.and_(group == sa.bindparam("group_key", type_=group.type), member.is_not(None))
    return sa.select(sa.exists().select_from(pairs).where(has_key))


def move_versions_of_groups(mapping: ResourceMapping, view: Viewpoint, resource_id: str) -> None:
    """Give the groups that a resource is in a new version, in one statement.

    :param resource_id: the SCIM id of who is about to leave them.
    """
    binding = mapping.groups.members
    for members in binding.kinds if binding is not None else ():
        if members.kind == mapping.resource_type.name and may_be_id(resource_id):
            statement = mapping.kept(
                "move versions of groups",
                functools.partial(_moved, mapping, members.store.rows()),
            )
            given = {"member_id": resource_id.lower(), "now": moment()}
            view.connection.execute(statement, given)


def _moved(mapping: ResourceMapping, rows: Rows) -> Any:
    pairs, group, member = rows
    links, own = mapping.groups.links, mapping.links.alias()
    # MySQL reads no table that it updates, unless what was read has been put aside.
    groups = (
        sa.select(group.label("group_key"))
        .distinct()
        .select_from(pairs.join(own, own.c.host_id == member))
        .where(own.c.id == sa.bindparam("member_id"))
        .subquery()
    )
    return (
        sa.update(links)
        .where(links.c.host_id.in_(sa.select(groups.c.group_key)))
        .values(version=links.c.version + 1, last_modified=sa.bindparam("now"))
    )


def _ids(values: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of members, each once; GUIDs may differ in case.

    ``type`` isn't asked: ids are unique among all resources, so the id says what it names. Where a
    client sends the URL alone, its last part is the id (RFC 7643 section 2.4, ``$ref``).

    :raises InvalidValue: when a member has no id.
    """
    ids = list(dict.fromkeys(_id(member) for member in values))
    if "" in ids:
        raise InvalidValue(
            "members: one of them has an empty value; send the id that this service has given the "
            "user, or leave the member out."
        )
    return ids


def _id(member: Mapping[str, Any]) -> str:
    value = member.get("value") or str(member.get("$ref", "")).rstrip("/").rpartition("/")[2]
    return str(value).lower()


def _named_ids(condition: Filter) -> list[str] | None:
    """Return the ids in ``members[value eq "a" or value eq "b"]``, or None for another filter."""
    terms = condition.terms if isinstance(condition, Or) else (condition,)
    ids = []
    for term in terms:
        match term:
            case Compare(path=path, op="eq", value=str() as value) if path.name.lower() == "value":
                ids.append(value.lower())
            case _:
                return None
    return ids


_Named: TypeAlias = "list[tuple[MembersOfAKind, dict[str, tuple[Any, bool]]]]"
"""For each kind of member, those that a request names: their keys, and whether they are members."""


@dataclass(slots=True)
class _Plan:
    """What the operations so far make of the members, whatever their number.

    :ivar others_leave: whether who isn't named is no member any more.
    :ivar stays: by the id of each who is named, whether it is a member at the end.
    :ivar added: the ids that were to be added, in their order; each has to be somebody's.
    """

    others_leave: bool = False
    stays: dict[str, bool] = field(default_factory=dict)
    added: dict[str, None] = field(default_factory=dict)

    def add(self, ids: Iterable[str]) -> None:
        """Let these be members."""
        for each in ids:
            self.stays[each] = True
            self.added[each] = None

    def remove(self, ids: Iterable[str]) -> None:
        """Let these be none."""
        self.stays.update(dict.fromkeys(ids, False))

    def replace(self, ids: Iterable[str]) -> None:
        """Let these be the only ones."""
        self.others_leave = True
        self.stays.clear()
        self.add(ids)


_LOOKS_OF_A_SEARCH = 5_000
"""What a search among a group's members costs a request; it looks at each of them."""


@dataclass(slots=True)
class _Editor:
    scope: Scope
    binding: MembersBinding
    view: Viewpoint
    group: Any
    outcome: MembershipChange
    plan: _Plan = field(default_factory=_Plan)

    def _named(self, ids: Sequence[str]) -> tuple[_Named, Sequence[str]]:
        """Find ids among the users, what is left among the groups; return what is left at last."""
        found: _Named = []
        for members in self.binding.kinds:
            named = {}
            if ids:
                view = self.view
                named = members.named(view.connection, self.group, ids, view.parameters)
                ids = [each for each in ids if each not in named]
            found.append((members, named))
        return found, ids

    def carry_out(self) -> None:
        """Write what is planned: one look-up of all who are named, and the rows that differ.

        :raises InvalidValue: when one who was to be added is unknown, and isn't skipped.
        """
        plan, self.plan = self.plan, _Plan()
        if not (plan.others_leave or plan.stays):
            return
        found, left = self._named(list(plan.stays | plan.added))
        unknown = [each for each in left if each in plan.added]
        if unknown:
            self._meet_unknown(unknown)
        for members, named in found:
            staying = {each: who for each, who in named.items() if plan.stays.get(each)}
            if plan.others_leave:
                keys = [key for key, _ in staying.values()]
                gone = members.store.others(self.view.connection, self.group, keys)
            else:
                gone = [
                    key for each, (key, is_one) in named.items() if is_one and each not in staying
                ]
            self._remove(members, gone)
            self._add(members, staying)

    def _add(self, members: MembersOfAKind, named: Mapping[str, tuple[Any, bool]]) -> None:
        missing = {member: key for member, (key, present) in named.items() if not present}
        if missing and isinstance(members, NestedGroups):
            missing = self._without_circles(members, missing)
        if missing:
            keys = list(missing.values())
            members.store.add(self.view.connection, self.group, keys)
            self.outcome.of(members).note_added(keys)

    def _meet_unknown(self, unknown: Sequence[str]) -> None:
        if not self._skips():
            nested = self.binding.nested is not None
            raise InvalidValue(
                f"members: no user {'or group ' if nested else ''}here has the id "
                f"{_shown(unknown)}; provision the user {'or group ' if nested else ''}first, and "
                "send its id as the service answered it."
            )
        self.outcome.skipped.extend(unknown)
        leave(
            self.scope.notes,
            f"{len(unknown)} unknown member(s) skipped: {_shown(unknown)}; they are added when the "
            "identity provider sends them again after the user exists",
        )

    def _skips(self) -> bool:
        choice = self.binding.unknown_members
        return self.scope.dialect.skip_unknown_members if choice is None else choice == "skip"

    def _without_circles(self, nested: NestedGroups, inner: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out the groups that contain this one, or refuse them.

        :raises Unsettled: when others have nested groups meanwhile; the next attempt sees it.
        """
        connection = self.view.connection
        above = nested.above(connection, self.group)
        if nested.lock(connection, above.union(inner.values())) and nested.is_overtaken(
            connection, self.group, above, inner.values()
        ):
            raise Unsettled("Groups are being nested by others; send the request again.")
        above.add(self.group)
        circular = [member for member, key in inner.items() if key in above]
        if circular:
            self._meet_circular(circular)
        return {member: key for member, key in inner.items() if key not in above}

    def _meet_circular(self, circular: Sequence[str]) -> None:
        if not self._skips():
            raise InvalidValue(
                f"members: the group {_shown(circular)} is this group itself, or contains it, and "
                "no group can be inside itself; leave it out, or take this group out of it first."
            )
        self.outcome.skipped.extend(circular)
        leave(
            self.scope.notes,
            f"{len(circular)} group(s) skipped that would have been inside themselves: "
            f"{_shown(circular)}; take this group out of them in the identity provider, or them "
            "out of this group",
        )

    def _remove(self, members: MembersOfAKind, keys: Sequence[Any]) -> None:
        if keys:
            members.store.remove(self.view.connection, self.group, keys)
            self.outcome.of(members).note_removed(keys)

    def remove_matching(self, condition: Filter, attribute: Any) -> None:
        """Remove the members who meet a filter.

        :raises TooMany: when a request has too many filters that have to look at every member.
        """
        self.scope.budget.charge(_LOOKS_OF_A_SEARCH)
        self.carry_out()
        connection = self.view.connection
        dialect = connection.dialect.name
        for members in self.binding.kinds:
            statement = members.matching(
                lambda find: element_condition(attribute, condition, find, dialect), self.group
            )
            # No filter is worth keeping its statement for.
            once = {"compiled_cache": None}
            found = connection.scalars(statement, self.view.parameters, execution_options=once)
            self._remove(members, list(found))


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(shown(each) for each in ids[:_SHOWN_IDS]) + more
