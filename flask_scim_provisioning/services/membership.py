"""Changing who belongs to a group: each change touches only the rows that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..dialects.notes import leave
from ..mapping.membership import MembersBinding
from ..mapping.predicates import element_condition
from ..mapping.reading import Viewpoint
from ..scim.errors import InvalidValue, shown
from ..scim.filters import Compare, Filter, Or
from ..scim.patch import Add, Change, Edit, Remove, Replace, Set
from .scope import Scope

__all__ = ["MembershipChange", "change_members"]

_SHOWN_IDS = 5


@dataclass(slots=True)
class MembershipChange:
    """What became of a group's members.

    :ivar added: the host's keys of the users who are members now and weren't.
    :ivar removed: the host's keys of those who were.
    :ivar unknown: SCIM ids that name no user here; they were skipped.
    """

    added: set[Any] = field(default_factory=set)
    removed: set[Any] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anybody came or went."""
        return bool(self.added or self.removed)

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


def change_members(
    scope: Scope,
    binding: MembersBinding,
    view: Viewpoint,
    group: Any,
    changes: Sequence[Change],
) -> MembershipChange:
    """Carry out the changes of one request to the members of one group, in their order.

    :param group: the host's key of the group.
    :raises InvalidValue: when a member is unknown, and neither the team nor, where it says nothing,
        the dialect skips those.
    """
    outcome = MembershipChange()
    editor = _Editor(scope, binding, view, group, outcome)
    gathered: list[str] = []
    for change in changes:
        match change:
            case Remove(filter=condition, target=target) if condition is not None:
                ids = _named_ids(condition)
                if ids is not None:
                    gathered += ids
                    continue
                editor.flush(gathered)
                editor.remove_matching(condition, target.attribute)
            case Remove():
                gathered.clear()
                editor.replace([])
            case Add(values=values):
                editor.flush(gathered)
                editor.add(_ids(values))
            case Replace(values=values):
                gathered.clear()
                editor.replace(_ids(values))
            case Set() | Edit():
                raise InvalidValue(
                    f"operation {change.target.number}: a member is immutable; remove it and add "
                    "another."
                )
    editor.flush(gathered)
    return outcome


def _ids(values: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of members, each once; GUIDs may differ in case."""
    return list(dict.fromkeys(str(member.get("value", "")).lower() for member in values))


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


@dataclass(frozen=True, slots=True)
class _Editor:
    scope: Scope
    binding: MembersBinding
    view: Viewpoint
    group: Any
    outcome: MembershipChange

    def _named(self, ids: Sequence[str]) -> dict[str, tuple[Any, bool]]:
        return self.binding.named(self.view.connection, self.group, ids, self.view.parameters)

    def add(self, ids: Sequence[str]) -> None:
        """Make users members."""
        named = self._known(ids)
        missing = [key for key, present in named.values() if not present]
        if missing:
            self.binding.store.add(self.view.connection, self.group, missing)
            self.outcome.note_added(missing)

    def _known(self, ids: Sequence[str]) -> dict[str, tuple[Any, bool]]:
        if not ids:
            return {}
        named = self._named(ids)
        unknown = [member for member in ids if member not in named]
        if unknown:
            self._meet_unknown(unknown)
        return named

    def _meet_unknown(self, unknown: Sequence[str]) -> None:
        named = ", ".join(shown(member) for member in unknown[:_SHOWN_IDS])
        if len(unknown) > _SHOWN_IDS:
            named += f" and {len(unknown) - _SHOWN_IDS} more"
        if not self._skips_unknown():
            raise InvalidValue(
                f"members: no user here has the id {named}; provision the user first, and "
                "send its id as the service answered it."
            )
        self.outcome.unknown.extend(unknown)
        leave(
            self.scope.notes,
            f"{len(unknown)} unknown member(s) skipped: {named}; they are added when the identity "
            "provider sends them again after the user exists",
        )

    def _skips_unknown(self) -> bool:
        choice = self.binding.unknown_members
        return self.scope.dialect.skip_unknown_members if choice is None else choice == "skip"

    def flush(self, ids: list[str]) -> None:
        """Remove the gathered ids; who isn't a member stays none."""
        if not ids:
            return
        named = self._named(list(dict.fromkeys(ids)))
        leaving = [key for key, present in named.values() if present]
        self._remove(leaving)
        ids.clear()

    def _remove(self, keys: Sequence[Any]) -> None:
        if keys:
            self.binding.store.remove(self.view.connection, self.group, keys)
            self.outcome.note_removed(keys)

    def remove_matching(self, condition: Filter, attribute: Any) -> None:
        """Remove the members who meet a filter."""
        dialect = self.view.connection.dialect.name
        statement = self.binding.matching(
            lambda find: element_condition(attribute, condition, find, dialect), self.group
        )
        self._remove(list(self.view.connection.scalars(statement, self.view.parameters)))

    def replace(self, ids: Sequence[str]) -> None:
        """Make these the only members, as a difference."""
        named = self._known(ids)
        keys = [key for key, _ in named.values()]
        leaving = self.binding.store.others(self.view.connection, self.group, keys)
        self._remove(leaving)
        missing = [key for key, present in named.values() if not present]
        if missing:
            self.binding.store.add(self.view.connection, self.group, missing)
            self.outcome.note_added(missing)
