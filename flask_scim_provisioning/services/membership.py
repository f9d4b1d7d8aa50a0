"""Changing who belongs to a group: each change touches only the rows that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..dialects.notes import leave
from ..mapping.access.predicates import element_condition
from ..mapping.bindings.members import MembersBinding, MembersOfAKind, NestedGroups
from ..mapping.errors import Unsettled
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ResourceMapping
from ..scim.errors import InvalidValue, shown
from ..scim.filters import Compare, Filter, Or
from ..scim.patch import Add, Change, Edit, Remove, Replace, Set
from . import permissions
from .guards import MembershipGuard
from .scope import Scope

__all__ = [
    "Difference",
    "MembershipChange",
    "change_members",
    "has_members",
    "move_versions_of_groups",
]

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
    :ivar moved: where each is in one group at most, by the host's key of the group that they were
        in, who has left it for this one.
    :ivar left: the same groups with their SCIM ids, as their receivers are told.
    """

    users: Difference = field(default_factory=Difference)
    groups: Difference = field(default_factory=Difference)
    skipped: list[str] = field(default_factory=list)
    moved: dict[Any, MembershipChange] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anybody came or went."""
        users, groups = self.users, self.groups
        return bool(users.added or users.removed or groups.added or groups.removed)

    def note_moved(self, members: MembersOfAKind, moved: Mapping[Any, Sequence[Any]]) -> None:
        """Remember who came from another group."""
        for group, keys in moved.items():
            self.moved.setdefault(group, MembershipChange()).of(members).note_removed(keys)

    def of(self, members: MembersOfAKind) -> Difference:
        """Return the difference among the members of a kind."""
        return self.users if members.kind == "User" else self.groups


def change_members(
    scope: Scope,
    binding: MembersBinding,
    view: Viewpoint,
    group: Any,
    changes: Sequence[Change],
    guard: MembershipGuard,
) -> MembershipChange:
    """Carry out the changes of one request to the members of one group, in their order.

    :param group: the host's key of the group.
    :param guard: looks at who comes and who goes.
    :raises InvalidValue: when a member is unknown, or a group would be inside itself, and neither
        the team nor, where it says nothing, the dialect skips those.
    :raises Forbidden: when the service account may not change memberships like that.
    """
    outcome = MembershipChange()
    editor = _Editor(scope, binding, view, group, outcome, guard)
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
    guard.check_left(scope, outcome.moved)
    guard.check()
    _require(scope, changes, outcome)
    if outcome.moved:
        _leave_others(scope, binding, view, outcome)
    return outcome


def _require(scope: Scope, changes: Sequence[Change], outcome: MembershipChange) -> None:
    """Let only those change memberships who may.

    :raises Forbidden: when no role of the service account has the permission.
    """
    users, groups = outcome.users, outcome.groups
    whole = all(isinstance(change, Replace) for change in changes)
    permissions.require_bindings(
        scope,
        made=bool(users.added or groups.added),
        ended=bool(users.removed or groups.removed),
        replaced=whole,
    )
    if outcome.moved:
        permissions.require_bindings(scope, made=False, ended=True, replaced=True)


def _leave_others(
    scope: Scope, binding: MembersBinding, view: Viewpoint, outcome: MembershipChange
) -> None:
    """Move the versions of the groups that somebody was moved from, and tell of it."""
    outcome.left = binding.leave_others(view, outcome.moved)
    count = sum(
        len(each.users.removed) + len(each.groups.removed) for each in outcome.moved.values()
    )
    leave(
        scope.notes,
        f"{count} member(s) moved here from other groups, because this portal keeps one group for "
        f"each: {_shown(list(outcome.left))}; let the identity provider assign each of them to one "
        "group",
    )


def has_members(mapping: ResourceMapping, view: Viewpoint, group: Any) -> bool:
    """Say whether a group has any member.

    :param group: the host's key of the group.
    """
    kinds = mapping.members.kinds if mapping.members is not None else ()
    return any(members.has_any(view, group) for members in kinds)


def move_versions_of_groups(mapping: ResourceMapping, view: Viewpoint, resource_id: str) -> int:
    """Give the groups that a resource is in a new version, in one statement; return how many.

    :param resource_id: the SCIM id of who is about to leave them.
    """
    binding = mapping.memberships
    return sum(
        members.move_versions_around(view, resource_id)
        for members in (binding.kinds if binding is not None else ())
        if members.kind == mapping.table.name
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
    guard: MembershipGuard
    plan: _Plan = field(default_factory=_Plan)

    def _named(self, ids: Sequence[str], *, lock: bool = False) -> tuple[_Named, Sequence[str]]:
        """Find ids among the users, what is left among the groups; return what is left at last.

        :param lock: let nobody delete them until the transaction ends.
        """
        found: _Named = []
        for members in self.binding.kinds:
            named = {}
            if ids:
                named = members.named(self.view, self.group, ids, lock=lock)
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
        found, left = self._named(list(plan.stays | plan.added), lock=bool(plan.added))
        unknown = [each for each in left if each in plan.added]
        if unknown:
            self._meet_unknown(unknown)
        for members, named in found:
            staying = {each: who for each, who in named.items() if plan.stays.get(each)}
            if plan.others_leave:
                keys = [key for key, _ in staying.values()]
                gone = members.others(self.view, self.group, keys)
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
            self.guard.before(members, keys)
            moved = members.add(self.view, self.group, keys)
            self.outcome.of(members).note_added(keys)
            self.outcome.note_moved(members, moved)

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
        above = nested.above(self.view, self.group)
        if nested.lock(self.view, above.union(inner.values())) and nested.is_overtaken(
            self.view, self.group, above, inner.values()
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
            self.guard.before(members, keys)
            members.remove(self.view, self.group, keys)
            self.outcome.of(members).note_removed(keys)

    def remove_matching(self, condition: Filter, attribute: Any) -> None:
        """Remove the members who meet a filter.

        :raises TooMany: when a request has too many filters that have to look at every member.
        """
        self.scope.budget.charge(_LOOKS_OF_A_SEARCH)
        self.carry_out()
        backend = self.view.backend
        # No filter is worth keeping its statement for.
        self.view.connection.execution_options(compiled_cache=None)
        for members in self.binding.kinds:
            found = members.matching(
                self.view,
                lambda find: element_condition(attribute, condition, find, backend),
                self.group,
            )
            self._remove(members, found)


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(shown(each) for each in ids[:_SHOWN_IDS]) + more
