"""The inside of a use case that writes: lock, compare, save what differs, tell the log."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..dialects.notes import leave
from ..mapping.access import reading, searching, writing
from ..mapping.access.reading import Found
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ResourceMapping
from ..scim.applying import changed_attributes
from ..scim.attributes import Mutability
from ..scim.errors import Forbidden, InvalidValue, MutabilityError, ResourceNotFound, Uniqueness
from ..scim.filters import Filter, leaves
from ..scim.names import Checked
from ..scim.patch import Change, Replace, Target
from ..scim.projection import Projection
from ..scim.versions import Preconditions
from . import activity, guards, leaving, permissions, takeover
from .activity import Action, Attention
from .membership import MembershipChange, change_members
from .scope import Scope
from .takeover import Met

__all__ = [
    "Outcome",
    "changed_values",
    "locked",
    "not_found",
    "note_dropped_password",
    "only_members",
    "record",
    "refuse_growth",
    "refuse_read_only",
    "save",
    "set_members",
    "takes_placeholders",
    "validated",
    "view_of",
    "without_placeholders",
]

_TOLD = 20
"""How many names, keys or ids of one kind an entry of the activity log keeps."""


@dataclass(slots=True)
class Outcome:
    """What a writing use case did, for its answer and its signals.

    :ivar kept: whether the portal keeps the row of what was deleted.
    :ivar forgotten: whether a policy has deleted from SCIM whom the request deactivated.
    """

    id: str
    host_key: Any
    version: int
    found: Found | None = None
    changed: bool = True
    created: bool = False
    active: tuple[Any, Any] | None = None
    attributes: bool = False
    changed_names: tuple[str, ...] = ()
    members: MembershipChange = field(default_factory=MembershipChange)
    kept: bool = False
    forgotten: bool = False
    met: Met | None = None


_USUAL_TERMS = 2
"""How many comparisons the filters of identity providers make; their statements are kept."""


def view_of(scope: Scope, mapping: ResourceMapping, node: Filter | None = None) -> Viewpoint:
    """Return the eyes of a scope on one resource type, on the session's connection.

    :param node: the filter that is searched by. SQLAlchemy keeps what it has compiled, 25 kB for
        each comparison; of a filter that isn't usual it keeps nothing.
    """
    connection = scope.session.connection(bind_arguments={"mapper": mapping.table.mapper})
    if node is not None and leaves(node) > _USUAL_TERMS:
        connection = connection.execution_options(compiled_cache=None)
    tenants = mapping.tenants_of(scope.tenant)
    return Viewpoint(
        scope.session, connection, scope.integration_id, tenants, scope.base_url, scope.notes
    )


def validated(
    mapping: ResourceMapping, flat: Mapping[str, Any], *, partial: bool
) -> dict[str, Any]:
    """Pass values through the team's validators; what the schema has no field for passes by."""
    values = mapping.schema.validated(flat, partial=partial)
    if "externalId" in flat and "externalId" not in values:
        values["externalId"] = flat["externalId"]
    return values


def without_placeholders(scope: Scope, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the identity provider sends with a new user for the sake of form."""
    kept = values
    for rewrite in scope.dialect.placeholder_rewrites:
        kept = rewrite(kept, scope.notes)
    return Checked(kept) if isinstance(values, Checked) else dict(kept)


def takes_placeholders(mapping: ResourceMapping) -> bool:
    """Say whether the team wants also the random passwords of new users."""
    password = mapping.bindings.get("password")
    return password is not None and password.takes_placeholders


def note_dropped_password(scope: Scope, mapping: ResourceMapping, keys: Iterable[str]) -> None:
    """Say that a password was dropped, because the team maps none (RFC 7643 section 4.1.1)."""
    if "password" in keys and "password" not in mapping.bindings:
        leave(scope.notes, "password ignored: this portal takes none")


def locked(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    preconditions: Preconditions | None,
    projection: Projection | None = None,
    *,
    entity: bool = False,
) -> Found:
    """Return the resource, which nobody else changes until the transaction ends.

    :param entity: read the host's object with it.
    """
    wanted = projection or Projection.inside(mapping.resource_type, (), ("members", "password"))
    found = reading.fetch_locked(mapping, resource_id, view, wanted, entity=entity)
    if found is None:
        raise ResourceNotFound(not_found(mapping))
    if preconditions is not None:
        preconditions.check_write(found.version)
    return found


def not_found(mapping: ResourceMapping) -> str:
    """Return what is said of an id that isn't there; unknown and foreign ids get the same."""
    return (
        f"No {mapping.resource_type.name} has this id here; search for it by "
        f"{mapping.lookup_key}, or restart the provisioning job so that it forgets the id."
    )


def changed_values(
    scope: Scope, mapping: ResourceMapping, found: Found, changes: Sequence[Change]
) -> dict[str, Any]:
    """Apply changes to the attributes they name, and return the new values."""
    # A password is never kept unless the team maps it.
    kept = [change for change in changes if change.target.key in mapping.bindings]
    values = changed_attributes(kept, found.flat, scope.budget)
    for key, value in values.items():
        attribute = mapping.bindings[key].attribute
        if value is None and attribute.mutability is Mutability.WRITE_ONLY:
            raise MutabilityError(
                f"{key} can be set and not removed; send another one, or make the user inactive."
            )
    checked = validated(mapping, values, partial=True)
    return {key: checked.get(key) for key in values}


_BYTES_OF_A_LOOK = 100
"""How much of what is kept is written anew in the time of a look at an element."""


def refuse_growth(
    scope: Scope, mapping: ResourceMapping, values: Mapping[str, Any], found: Found | None = None
) -> None:
    """Let no resource become larger than the limits of the scope.

    :param values: new values by flat key.
    :param found: the resource as it is, unless it is new.
    :raises InvalidValue: when it would; the detail names the limit.
    :raises TooMany: when a bulk request writes large resources again and again.
    """
    flat: Mapping[str, Any] = {} if found is None else found.flat
    stored: Mapping[str, Any] = {} if found is None else found.stored
    beside = {}
    for key, value in values.items():
        binding = mapping.bindings.get(key)
        if binding is None or value is None or binding is mapping.members:
            continue
        scope.limits.check_values(binding.attribute.name, value, flat.get(key))
        if binding.leaves_remainder:
            beside[key] = value
    if beside:
        size = scope.limits.check_stored({**stored, **beside}, stored)
        scope.budget.charge(size // _BYTES_OF_A_LOOK)


def save(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    values: Mapping[str, Any],
    members: Sequence[Change],
    action: Action,
    status: int,
    met: Met | None = None,
) -> Outcome:
    """Write what differs, and tell the activity log; nothing is written where nothing differs.

    :param met: what was decided of somebody who is created and whom the portal had before.
    """
    if values.get("active", True) is None:
        raise InvalidValue(
            "active says whether somebody may sign in, and can't be empty; send true or false."
        )
    created = met is not None
    if found.local and mapping.resource_type.name == "User":
        met = met or takeover.contact(scope, mapping, view, found, values)
        takeover.claim(scope, mapping, view, found)
        values = takeover.allowed(scope, mapping, found, values, met)
    values = takeover.without_enabling(scope, found, values)
    changed = {
        key: value
        for key, value in values.items()
        if key != "members" and _differs(mapping, key, value, found.flat.get(key))
    }
    refuse_growth(scope, mapping, changed, found)
    name = changed.get(mapping.lookup_key)
    if name is not None:
        _refuse_taken(mapping, view, found, name)
    permissions.require_roles(scope, mapping, changed, found.flat)
    membership = set_members(scope, mapping, view, found.host_key, members)
    leaving.refuse_mass_removal(scope, mapping, view, found, membership)
    outcome = Outcome(found.id, found.host_key, found.version, members=membership)
    outcome.met = met
    outcome.attributes = bool(changed)
    outcome.changed_names = tuple(changed)
    outcome.changed = outcome.attributes or membership.changed
    if "active" in changed:
        outcome.active = (found.flat.get("active"), changed["active"])
        if found.local is False and changed["active"] is False:
            takeover.note_left(mapping, view, found)
        if not created:
            action = Action.USER_REACTIVATED if changed["active"] else Action.USER_DEACTIVATED
    elif membership.changed and not changed:
        action = Action.MEMBERS_CHANGED
    if outcome.changed:
        guarded = guards.changing(
            scope, mapping, view, found, changed, decided=met is not None and bool(met.decided)
        )
        with guarded, leaving.begin(scope, mapping, view, found, changed):
            writing.save_changes(mapping, scope.session, view, found, changed)
        outcome.version += 1
    else:
        writing.note_unchanged(view, found)
    if outcome.changed or membership.skipped or met is not None:
        shown = name or found.flat.get(mapping.lookup_key)
        record(scope, mapping, action, outcome, shown, status)
    return outcome


def _differs(mapping: ResourceMapping, key: str, new: Any, old: Any) -> bool:
    attribute = mapping.bindings[key].attribute
    hides = attribute.hidden or len(attribute.visible_parts) < len(attribute.sub_attributes)
    if hides and new is not None:
        return True  # a version that stays would tell that the value has been guessed
    normalise = mapping.bindings[key].normalise
    return bool(_given(normalise(new)) != _given(normalise(old)))


def _given(value: Any) -> Any:
    """Return None for what says nothing; 0 and false say something."""
    return None if value in ("", [], {}) else value


def _refuse_taken(mapping: ResourceMapping, view: Viewpoint, found: Found, name: str) -> None:
    taken = searching.find_by_lookup(mapping, name, view, claim=True)
    if taken is None or taken[0] == found.host_key:
        return
    kind = mapping.resource_type.name
    if taken[2] is not None:
        raise Uniqueness(
            f"{mapping.lookup_key} is still in use by a {kind} that was deleted over SCIM and that "
            "this portal has kept; remove or rename it in the portal, or give another value."
        )
    raise Uniqueness(
        f"{mapping.lookup_key} is already in use by another {kind}; give it another value."
    )


def refuse_read_only(mapping: ResourceMapping) -> None:
    """Let nobody write what the portal only shows.

    :raises Forbidden: when the team says so, as it must of a view.
    """
    if mapping.reads_only:
        raise Forbidden(
            f"This portal's {mapping.endpoint.strip('/').lower()} can be read over SCIM and not "
            "changed; change them in the portal, and switch off in the identity provider what "
            "creates, updates or deletes them."
        )


def only_members(mapping: ResourceMapping, members: Sequence[Any] | None) -> Sequence[Change]:
    """Return the change that makes these members the only ones."""
    if mapping.members is None:
        return ()
    return [Replace(Target("members", mapping.members.attribute, None, 1), tuple(members or ()))]


def set_members(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    group: Any,
    changes: Sequence[Change],
) -> MembershipChange:
    """Carry out changes of members; without any, the members stay as they are."""
    binding = mapping.members
    if binding is None or not changes:
        return MembershipChange()
    guard = guards.MembershipGuard(scope, mapping, view, group)
    return change_members(scope, binding, view, group, changes, guard)


def record(
    scope: Scope,
    mapping: ResourceMapping,
    action: Action,
    outcome: Outcome,
    name: Any,
    status: int,
) -> None:
    """Tell the activity log, in the same transaction."""
    attention = None
    if outcome.members.skipped:
        attention = Attention.MEMBERS_SKIPPED
    elif outcome.members.moved:
        attention = Attention.MEMBERS_MOVED
    activity.record(
        scope,
        action,
        resource_type=mapping.resource_type.name,
        resource_id=outcome.id,
        resource_name=name,
        attention=attention,
        status=status,
        changes=_told(action, outcome),
    )


def _told(action: Action, outcome: Outcome) -> dict[str, Any]:
    """Return what was changed, as the activity log keeps it: names and keys, never values."""
    told: dict[str, Any] = {}
    if outcome.changed_names:
        told["attributes"] = list(outcome.changed_names[:_TOLD])
    members = outcome.members
    for kind, difference in (("", members.users), ("groups_", members.groups)):
        for way, keys in (("added", difference.added), ("removed", difference.removed)):
            if keys:
                shown = itertools.islice(keys, _TOLD)
                told[f"{kind}{way}"] = [
                    key if isinstance(key, int | str) else str(key) for key in shown
                ]
                told[f"{kind}{way}_count"] = len(keys)
    if members.skipped:
        told["skipped"] = members.skipped[:_TOLD]
        told["skipped_count"] = len(members.skipped)
    if action is Action.USER_DELETED and outcome.kept:
        told["kept"] = True
    if outcome.met is not None:
        told["taken_over"] = outcome.met.how.value
        told["by"] = list(outcome.met.match.by)
        if outcome.met.decided is not None:
            told["decided_by"] = outcome.met.decided.by
    return told
