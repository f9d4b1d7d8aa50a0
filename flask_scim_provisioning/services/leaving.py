"""How people leave and come back: what a policy makes of it, the brake, hooks and the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..dialects.notes import leave
from ..mapping.access import writing
from ..mapping.access.hooks import HookFailed
from ..mapping.access.reading import Found
from ..mapping.host.keys import HostKey
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..models import utcnow
from . import brake, offboarding, permissions
from .membership import MembershipChange, move_versions_of_groups
from .offboarding import Leaver
from .policies import Policies
from .scope import Scope

__all__ = [
    "Leaving",
    "attempt",
    "begin",
    "delete",
    "finish",
    "leaving_of",
    "refuse_mass_removal",
    "require_permission",
    "take_over",
]


@dataclass(frozen=True, slots=True)
class Leaving:
    """What becomes of somebody who is deactivated or deleted.

    :ivar now: ``"deactivate"``, ``"unlink"``: the directory forgets the account too, or
        ``"delete"``.
    :ivar later: what becomes of it after the grace period: ``"unlink"``, ``"delete"``, or None.
    :ivar groups: whether the memberships end.
    """

    now: str
    later: str | None
    groups: bool


def leaving_of(policies: Policies, mapping: ResourceMapping, *, deleting: bool) -> Leaving:
    """Return what a policy makes of it.

    :param deleting: whether a DELETE asks for it; then nothing is found by its id afterwards (RFC
        7644 section 3.6), so that the directory forgets the account in each case.
    """
    if mapping.table.name == "Group":
        return Leaving("delete" if mapping.deletes_rows else "unlink", None, groups=True)
    least = "unlink" if deleting else "deactivate"
    final = policies.leavers
    if final == "portal":
        final = "delete" if deleting and mapping.deletes_rows else least
    elif final == "deactivate":
        final = least
    groups = deleting if policies.leavers_groups == "portal" else policies.leavers_groups == "leave"
    if policies.leavers_days is None or final == least:
        return Leaving(final, None, groups)
    return Leaving(least, final, groups)


def require_permission(scope: Scope, mapping: ResourceMapping, *, deleting: bool) -> Leaving:
    """Return what becomes of somebody, if the role allows it.

    Who is to be deleted and may only be deactivated is deactivated: the leaver is out in any case.

    :raises Forbidden: when the role doesn't allow what a DELETE asks for.
    """
    leaving = leaving_of(scope.policies, mapping, deleting=deleting)
    kind = "GROUPS" if mapping.table.name == "Group" else "USERS"
    deletes = "delete" in (leaving.now, leaving.later)
    by_policy = kind == "USERS" and scope.policies.leavers == "delete"
    if deletes and by_policy and f"{kind}:DELETE" not in scope.permissions:
        deletes = False
        leaving = Leaving("unlink" if deleting else "deactivate", None, leaving.groups)
        leave(
            scope.notes,
            "the account is kept: the integration's role lacks the permission USERS: delete, "
            "which `flask scim role` grants",
        )
    permissions.require(scope, kind, "DELETE" if deletes else "UPDATE")
    return leaving


@contextmanager
def attempt(leaver: Leaver) -> Iterator[None]:
    """Let the failure of a hook tell whom it was about."""
    try:
        yield
    except HookFailed as error:
        error.leaver = leaver
        raise


def _leaver(mapping: ResourceMapping, found: Found, kind: str) -> Leaver:
    return Leaver(kind, found.id, found.flat.get(mapping.lookup_key), found.host_key)


@contextmanager
def begin(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    changed: Mapping[str, Any],
) -> Iterator[None]:
    """Let the block deactivate somebody, if it does; nobody is asked about other changes.

    :raises ChangeHeld: when the brake holds it.
    """
    if changed.get(ACTIVE) is not False:
        yield
        return
    leaving = require_permission(scope, mapping, deleting=False)
    leaver = _leaver(mapping, found, "deactivated")
    brake.check(scope, mapping, view, leaver, vanishes=leaving.now != "deactivate")
    with attempt(leaver):
        yield


def refuse_mass_removal(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    change: MembershipChange,
) -> None:
    """Hold what has removed too many members from a group, or moved them to this one.

    :raises ChangeHeld: when the brake holds it.
    """
    if mapping.members is None:
        return
    left = {(found.id, found.host_key): change}
    left |= {(left_id, key): change.moved[key] for left_id, key in change.left.items()}
    for (resource_id, host_key), gone in left.items():
        name = found.flat.get(mapping.lookup_key) if host_key == found.host_key else None
        group = Leaver("removed", resource_id, name, host_key)
        if gone.users.removed and brake.check_members(scope, mapping, view, group, gone):
            offboarding.forget_open(scope, group)


def finish(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    active: tuple[Any, Any] | None,
) -> bool:
    """Do what becomes of the account, once it is written and read for the answer; keep the record.

    :param active: whether the person was active, and is now; None where that didn't change.
    :returns: whether the directory doesn't know the account any more.
    """
    if active is None or active[1] is None:
        return False
    if active[1]:
        offboarding.came_back(scope, found.host_key)
        return False
    leaving = require_permission(scope, mapping, deleting=False)
    leaver, groups_left = _leaver(mapping, found, "deactivated"), None
    ends = leaving.now != "deactivate"
    if leaving.groups or leaving.now == "delete":
        groups_left = move_versions_of_groups(mapping, view, found.id)
        if mapping.memberships is not None and not ends:
            mapping.memberships.leave_all(view, mapping.table.name, found.host_key)
    if ends:
        # The hook was called already.
        inactive = replace(found, stored={**found.stored, ACTIVE: False})
        writing.delete_resource(
            mapping,
            scope.session,
            view,
            inactive,
            deletes_row=leaving.now == "delete",
            leaves_groups=leaving.groups,
        )
    _tell(scope, view, leaver, leaving, groups_left)
    return ends


def delete(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    leaving: Leaving,
    groups_left: int | None,
) -> None:
    """Delete a resource from SCIM, as the policy says.

    :param groups_left: how many groups have got a new version for it.
    :raises ChangeHeld: when the brake holds it.
    """
    leaver = _leaver(mapping, found, "deleted")
    is_person = mapping.table.name != "Group"
    if is_person:
        leaves = found.flat.get(ACTIVE) is not False  # else it was counted when they did
        brake.check(scope, mapping, view, leaver, leaves=leaves, vanishes=True)
    with attempt(leaver):
        writing.delete_resource(
            mapping,
            scope.session,
            view,
            found,
            deletes_row=leaving.now == "delete",
            leaves_groups=leaving.groups,
        )
    if is_person:
        leaves = leaving.groups or leaving.now == "delete"
        _tell(scope, view, leaver, leaving, groups_left if leaves else None)


def _tell(
    scope: Scope, view: Viewpoint, leaver: Leaver, leaving: Leaving, groups_left: int | None
) -> None:
    due = None
    if leaving.later is not None:
        due = utcnow() + timedelta(days=scope.policies.leavers_days or 0)
    offboarding.left(
        scope,
        leaver,
        calls=view.calls,
        groups_left=groups_left,
        unlinked=leaving.now == "unlink",
        deleted=leaving.now == "delete",
        due=due,
        due_action=leaving.later,
    )


def take_over(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    host_key: HostKey,
    values: Mapping[str, Any],
    *,
    is_gone: bool,
) -> str:
    """Take over a row of the portal's, and return its id: somebody comes back, or leaves by it.

    :param is_gone: whether a directory had deleted them over SCIM.
    :raises ChangeHeld: when it would deactivate somebody, and the brake holds it.
    """
    if mapping.table.name == "Group" or values.get(ACTIVE) is not False:
        resource_id = writing.revive_resource(mapping, scope.session, view, host_key, values)
        if mapping.table.name != "Group":
            offboarding.came_back(scope, host_key)
        return resource_id
    # Who is gone can only be there again where the portal says itself who is active.
    may_be_active = not is_gone or (mapping.state is not None and bool(mapping.state.expressions))
    leaves = may_be_active and writing.is_active(mapping, scope.session, view, host_key)
    # Nobody knows it by an id yet.
    known_as = offboarding.key_text(host_key) or ""
    leaver = Leaver("deactivated", known_as, values.get(mapping.lookup_key), host_key)
    if leaves:
        brake.check(scope, mapping, view, leaver)
    with attempt(leaver):
        resource_id = writing.revive_resource(mapping, scope.session, view, host_key, values)
    if leaves:
        offboarding.left(scope, leaver, resource_id=resource_id, calls=view.calls)
    return resource_id
