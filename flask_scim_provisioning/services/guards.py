"""What no directory may do: lock everybody out, take over who is protected, make administrators.

Every use case that writes passes through here, whatever the request looked like. What becomes of
the portal's administrators is looked at after the flush, in the transaction that writes: whom the
request concerns, what they were before and what they are now. A refusal rolls all of it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..mapping.access import standing, writing
from ..mapping.access.reading import Found
from ..mapping.bindings.association_objects import rows_by_key
from ..mapping.bindings.base import Keeping
from ..mapping.bindings.members import MembersBinding, MembersOfAKind
from ..mapping.host.ids import moment
from ..mapping.host.keys import HostKey
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..mapping.sql.backends import chunks
from ..scim.errors import DisabledByPortal, LastAdministrator, PrivilegeRefused, Protected
from . import permissions
from .scope import Scope
from .sign_in import is_active

__all__ = [
    "MembershipGuard",
    "adopting",
    "changing",
    "check_new",
    "deleting",
    "protected_among",
    "refuse_protected",
]


class _Administrators:
    """What becomes of the administrators among some people while something is written.

    :param mapping: of users.
    """

    def __init__(self, scope: Scope, mapping: ResourceMapping, view: Viewpoint) -> None:
        self.scope, self.mapping, self.view = scope, mapping, view
        self._seen: set[HostKey] = set()
        self._before: dict[HostKey, bool] = {}
        self._renamed: set[HostKey] = set()
        self._around: tuple[MembersBinding, HostKey] | None = None
        self._locked = False

    @property
    def are_known(self) -> bool:
        """Whether the team says who they are."""
        return self.mapping.administrators is not None

    @property
    def _may_be_protected(self) -> bool:
        return self.mapping.options.protected is not None

    def see(self, keys: Collection[HostKey], *, renamed: bool = False) -> None:
        """Remember what these people are; call it before anything of theirs is written."""
        new = [key for key in keys if key not in self._seen]
        if not self.are_known or not new:
            return
        self._remember(standing.administrators_among(self.mapping, self.view, new))
        self._seen.update(new)
        if renamed:
            self._renamed.update(new)

    def see_members(self, binding: MembersBinding, group: HostKey) -> None:
        """Remember those whom a change of a group itself may concern."""
        if self.are_known and self._around is None:
            self._around = (binding, group)
            self._remember(self._of_group())

    def note_new(self, key: HostKey) -> None:
        """Remember somebody who wasn't there, and so was nothing."""
        if self.are_known:
            self._seen.add(key)

    def _of_group(self) -> dict[HostKey, bool]:
        if self._around is None:
            return {}
        return standing.administrators_of_groups(self.mapping, self.view, *self._around)

    def _remember(self, found: Mapping[HostKey, bool]) -> None:
        for key, active in found.items():
            self._before.setdefault(key, active)
        if any(found.values()) and not self._locked:
            standing.lock_administrators(self.mapping, self.view, self.scope.tenant)
            self._locked = True

    def check(self) -> None:
        """Compare with what they are now; call it after the flush.

        :raises LastAdministrator: when nobody would be left who is active.
        :raises PrivilegeRefused: when somebody has become one, and the integration may not do that.
        :raises Protected: when somebody has become one, or is none any more, whom nobody changes.
        """
        may = self.scope.policies.may_grant_administrators
        if not self.are_known or (may and not self._before and not self._may_be_protected):
            return
        now: dict[HostKey, bool] = {}
        keys = self._seen.union(self._before)
        if keys:
            now = standing.administrators_among(self.mapping, self.view, keys)
        now |= self._of_group()
        gained = [key for key in now if key not in self._before]
        changed = gained + [key for key in self._before if key not in now]
        _refuse_any(self.mapping, self.view, changed)
        if gained and not may:
            who = "somebody" if len(gained) == 1 else f"{len(gained)} people"
            raise PrivilegeRefused(
                f"This would make {who} an administrator of the portal, which this integration "
                "may not; give the rights in the portal, or let an administrator of the portal "
                "allow it to make administrators."
            )
        lost = [
            key
            for key, active in self._before.items()
            if active and (key in self._renamed or not now.get(key))
        ]
        if lost and not standing.other_administrator(self.mapping, self.view, lost):
            raise LastAdministrator(
                "The portal would be left without an active administrator, or its last one be "
                "renamed; let somebody else administer it first, or take this person out of what "
                "is provisioned."
            )


def protected_among(
    mapping: ResourceMapping, view: Viewpoint, keys: Collection[HostKey]
) -> dict[HostKey, str]:
    """Return those whom the team protects, and why; they are loaded together."""
    protected = mapping.options.protected
    if protected is None:
        return {}
    found: dict[HostKey, str] = {}
    for part in chunks(list(keys)):
        for key, entity in rows_by_key(view, mapping.table, part).items():
            reason = protected(entity)
            if reason:
                found[key] = str(reason)
    return found


def _refuse_any(mapping: ResourceMapping, view: Viewpoint, keys: Collection[HostKey]) -> None:
    """Leave people alone as soon as the team protects one of them.

    :raises Protected: with the team's reason.
    """
    for reason in protected_among(mapping, view, keys).values():
        raise Protected(reason)


def refuse_protected(scope: Scope, mapping: ResourceMapping, host_key: HostKey) -> None:
    """Leave those alone whom the team protects: nobody changes them, or signs in as them.

    :raises Protected: with the team's reason.
    """
    protected = mapping.options.protected
    if protected is None:
        return
    reason = protected(writing.existing_entity(mapping, scope.session, host_key))
    if reason:
        raise Protected(str(reason))


@contextmanager
def changing(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    changed: Mapping[str, Any],
    *,
    decided: bool = False,
) -> Iterator[None]:
    """Guard the writing of changed attributes of one user or group.

    :param found: as it was read under its lock.
    :param changed: the new values by key.
    :param decided: whether an administrator has decided that this is written of somebody protected.
    :raises Protected: when it is protected.
    :raises DisabledByPortal: when the portal has deactivated somebody who would be active again.
    """
    host_key = found.host_key
    # What nobody can decide about is that who is protected is locked out, or signs in otherwise.
    if not decided or changed.get(ACTIVE) is False or changed.get("password"):
        refuse_protected(scope, mapping, host_key)
    people = _Administrators(scope, _users(mapping), view)
    if mapping.table.name == "User":
        if changed.get(ACTIVE) is True and scope.policies.may_reenable == "never":
            _refuse_reenabling(mapping, view, host_key)
        bindings = mapping.bindings
        if any(key == ACTIVE or bindings[key].keeping is not Keeping.LINK for key in changed):
            people.see([host_key], renamed=mapping.lookup_key in changed)
    elif changed and mapping.members is not None and _rests_on_groups(people.mapping):
        people.see_members(mapping.members, host_key)
    yield
    people.check()


@contextmanager
def deleting(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    *,
    was_active: bool,
) -> Iterator[None]:
    """Guard the deletion of one user or group.

    :param found: as it was read under its lock.
    :raises Protected: when it is protected, or a member is whose own row says where they belong.
    """
    host_key = found.host_key
    refuse_protected(scope, mapping, host_key)
    people = _Administrators(scope, _users(mapping), view)
    binding = mapping.members
    if mapping.table.name == "User":
        people.see([host_key])
    elif binding is not None:
        in_rows = any(members.store.in_members_row for members in binding.kinds)
        if in_rows or _rests_on_groups(people.mapping):
            people.see_members(binding, host_key)
        for members in binding.kinds:
            other = _mapping_of(mapping, members)
            if members.store.in_members_row and other.options.protected is not None:
                _refuse_any(other, view, members.others(view, host_key, ()))
    yield
    if mapping.table.name == "User" and was_active:
        _note_state(mapping, view, host_key, active=False)
    people.check()


@contextmanager
def adopting(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    host_key: HostKey,
    values: MutableMapping[str, Any],
) -> Iterator[None]:
    """Guard that a creation takes over a row which is there already.

    Who was deactivated by a directory is active again, unless the creation says otherwise; who was
    by the portal itself stays inactive.

    :param values: what is written; ``active`` is filled in.
    :raises Protected: when it is protected.
    :raises DisabledByPortal: when the portal has deactivated somebody who would be active again.
    :raises Forbidden: when the service account may create and not update.
    """
    # Who creates what is there already changes it.
    permissions.require(scope, permissions.KINDS[mapping.table.name], "UPDATE")
    permissions.require_roles(scope, mapping, values, {})
    refuse_protected(scope, mapping, host_key)
    people = _Administrators(scope, _users(mapping), view)
    disabled = False
    if mapping.table.name == "User":
        people.see([host_key], renamed=_is_renamed(mapping, scope, host_key, values))
        disabled = _is_disabled_by_portal(mapping, view, host_key)
        if disabled and scope.policies.may_reenable != "always":
            if values.get(ACTIVE) is True:
                raise _disabled()
            values.pop(ACTIVE, None)
        elif mapping.bindings.get(ACTIVE) is not None and values.get(ACTIVE) is None:
            values[ACTIVE] = True
    elif mapping.members is not None and _rests_on_groups(people.mapping):
        people.see_members(mapping.members, host_key)
    yield
    if disabled and values.get(ACTIVE) is not True:
        # That a directory agrees doesn't let it take back what the portal has done.
        _note_state(mapping, view, host_key, active=True)
    people.check()


def check_new(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    host_key: HostKey,
    values: Mapping[str, Any],
) -> None:
    """Guard the creation of somebody who wasn't there; call it after the flush.

    :param values: what was written.
    :raises PrivilegeRefused: when it makes an administrator, and the integration may not.
    :raises Forbidden: when it gives roles, and the service account may not.
    """
    if mapping.table.name != "User":
        return
    permissions.require_roles(scope, mapping, values, {})
    if scope.policies.may_grant_administrators:
        return
    people = _Administrators(scope, mapping, view)
    people.note_new(host_key)
    people.check()


class MembershipGuard:
    """Guards the changes of one group's members, in one request.

    :param mapping: of the group.
    """

    def __init__(
        self, scope: Scope, mapping: ResourceMapping, view: Viewpoint, group: HostKey
    ) -> None:
        self._mapping, self._view, self._group = mapping, view, group
        self._people = _Administrators(scope, _users(mapping), view)

    def before(self, members: MembersOfAKind, keys: Sequence[HostKey]) -> None:
        """Look at those who are about to come or to go.

        :raises Protected: when one of them is protected, and their own row would be changed.
        """
        if members.store.in_members_row:
            _refuse_any(_mapping_of(self._mapping, members), self._view, keys)
        elif not _rests_on_groups(self._people.mapping):
            return
        if members.kind == "User":
            self._people.see(keys)
        elif self._mapping.members is not None:
            self._people.see_members(self._mapping.members, self._group)

    def check_left(self, scope: Scope, groups: Collection[HostKey]) -> None:
        """Look at the groups whose members have come here.

        :raises Protected: when one of them is protected.
        """
        for key in groups:
            refuse_protected(scope, self._mapping, key)

    def check(self) -> None:
        """Look at what became of them, as ``_Administrators.check`` does."""
        self._people.check()


def _users(mapping: ResourceMapping) -> ResourceMapping:
    found: ResourceMapping = mapping.peers["User"]
    return found


def _mapping_of(mapping: ResourceMapping, members: MembersOfAKind) -> ResourceMapping:
    found: ResourceMapping = mapping.peers[members.kind]
    return found


def _rests_on_groups(users: ResourceMapping) -> bool:
    """Say whether the condition of administrators looks at more than a person's own row."""
    return users.administrators is not None and standing.looks_elsewhere(users)


def _is_renamed(
    mapping: ResourceMapping, scope: Scope, host_key: HostKey, values: Mapping[str, Any]
) -> bool:
    """Say whether who is taken over would be called otherwise, be it in another case."""
    slot = mapping.bindings[mapping.lookup_key].slot(None)
    if slot is None or slot.name is None:
        return False
    entity = writing.existing_entity(mapping, scope.session, host_key)
    return bool(slot.read(getattr(entity, slot.name)) != values.get(mapping.lookup_key))


def _is_disabled_by_portal(mapping: ResourceMapping, view: Viewpoint, host_key: HostKey) -> bool:
    state = mapping.state
    if state is None or state.keeping is Keeping.LINK:
        return False  # only directories say it
    if is_active(mapping, view.connection, host_key):
        return False
    return not standing.was_deactivated_by_directory(mapping, view, host_key)


def _refuse_reenabling(mapping: ResourceMapping, view: Viewpoint, host_key: HostKey) -> None:
    if _is_disabled_by_portal(mapping, view, host_key):
        raise _disabled()


def _disabled() -> DisabledByPortal:
    return DisabledByPortal(
        "This portal has deactivated this person itself, and this integration may not activate "
        "them; an administrator of the portal can, or can let the integration do so."
    )


def _note_state(
    mapping: ResourceMapping, view: Viewpoint, host_key: HostKey, *, active: bool
) -> None:
    """Keep that it was a directory that deactivated somebody; or that it isn't any more."""
    now = None if active else moment()
    standing.write_deactivated(mapping, view, host_key, now)
