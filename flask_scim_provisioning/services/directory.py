"""The use cases of SCIM: create, get, search, replace, modify, delete; one transaction each.

Each checks the permission, does its work inside the boundaries of the scope, writes what happened
in the same transaction, and sends signals after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..mapping import reading, searching, writing
from ..mapping.reading import Found, Unlinked, Viewpoint
from ..mapping.resources import ResourceMapping
from ..scim import across, names
from ..scim.errors import InvalidValue, MutabilityError, ResourceNotFound, Uniqueness
from ..scim.filters import AttrPath, attr_path, parse_filter
from ..scim.messages import SearchRequest
from ..scim.patch import Change, Operation, Replace, Target, apply_change, plan
from ..scim.projection import Projection
from ..scim.versions import Preconditions
from . import activity, permissions, signals
from .activity import Action
from .membership import MembershipChange, change_members
from .scope import Scope, run_transaction, unit_of_work

__all__ = [
    "Page",
    "Resource",
    "create_resource",
    "delete_resource",
    "get_resource",
    "modify_resource",
    "replace_resource",
    "search_resources",
]

T = TypeVar("T")

_KINDS = {"User": "USERS", "Group": "GROUPS"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is answered.

    :ivar body: the JSON object, projected; empty where the caller wanted none.
    :ivar version: of the resource, for its entity tag.
    :ivar changed: whether the request changed anything.
    """

    id: str
    body: dict[str, Any]
    version: int
    location: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the resources that a search found.

    :ivar total_results: how many it found in all.
    :ivar start_index: the 1-based index of the first one here.
    """

    resources: list[dict[str, Any]]
    total_results: int
    start_index: int


@dataclass(slots=True)
class _Outcome:
    """What a writing use case did, for its answer and its signals."""

    id: str
    host_key: Any
    version: int
    found: Found | None = None
    changed: bool = True
    created: bool = False
    active: tuple[Any, Any] | None = None
    attributes: bool = False
    members: MembershipChange = field(default_factory=MembershipChange)


def _view(scope: Scope, mapping: ResourceMapping) -> Viewpoint:
    connection = scope.session.connection(bind_arguments={"mapper": mapping.mapper})
    tenant = mapping.tenant_of(scope.tenant)
    return Viewpoint(connection, scope.integration_id, tenant, scope.base_url)


def _read(scope: Scope, work: Callable[[bool], T]) -> T:
    """Run a use case that reads; should it need links, again in a transaction that writes them."""
    try:
        with unit_of_work(scope.session):
            return work(False)
    except Unlinked:
        return run_transaction(scope.session, lambda: work(True))


def get_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    projection: Projection | None = None,
) -> Resource:
    """Return one resource (RFC 7644 section 3.4.1).

    :raises ResourceNotFound: when there is none, or it isn't this tenant's.
    """
    permissions.require(scope, _KINDS[mapping.resource_type.name], "READ")

    def work(link: bool) -> Found:
        view = _view(scope, mapping)
        found = reading.fetch_one(mapping, resource_id, view, projection, link=link)
        if found is None:
            raise ResourceNotFound(_gone(mapping))
        return found

    found = _read(scope, work)
    return _resource(scope, mapping, found, projection, changed=False)


def search_resources(
    scope: Scope,
    mappings: ResourceMapping | Sequence[ResourceMapping],
    request: SearchRequest,
    *,
    default_count: int = 100,
    max_count: int = 200,
) -> Page:
    """Return one page of what a search finds (RFC 7644 sections 3.4.2 and 3.4.3).

    :param mappings: one resource type, or several for a search at the root.
    :param request: ``start_index`` is 1-based; ``count`` is cut to ``max_count``.
    :raises InvalidFilter: when the filter can't be answered; never an empty page instead.
    """
    if isinstance(mappings, ResourceMapping):
        mappings = [mappings]
    for mapping in mappings:
        permissions.require(scope, _KINDS[mapping.resource_type.name], "READ")
    node = parse_filter(request.filter) if request.filter else None
    sort_by = attr_path(request.sort_by) if request.sort_by else None
    types = [mapping.resource_type for mapping in mappings]
    if len(types) > 1 and sort_by is not None and not across.is_defined(sort_by, types):
        raise InvalidValue("sortBy names no attribute of this portal; name another one.")
    count = default_count if request.count is None else min(request.count, max_count)
    projections = {
        mapping.endpoint: Projection.of(
            mapping.resource_type,
            request.attributes,
            request.excluded_attributes,
            scope.dialect.requested,
        )
        for mapping in mappings
    }

    def work(link: bool) -> tuple[list[dict[str, Any]], int]:
        resources: list[dict[str, Any]] = []
        total = 0
        offset = request.start_index - 1
        for mapping in mappings:
            projection = projections[mapping.endpoint]
            own_node, own_sort = node, sort_by
            if len(types) > 1:
                own_node = node and across.narrowed(node, mapping.resource_type, types)
                own_sort = sort_by if _has(mapping, sort_by) else None
            found, matching = searching.fetch_page(
                mapping,
                _view(scope, mapping),
                node=own_node,
                sort_by=own_sort,
                descending=request.sort_order == "descending",
                offset=max(0, offset - total),
                limit=max(0, count - len(resources)),
                projection=projection,
                link=link,
            )
            total += matching
            resources += [_body(mapping, item, projection) for item in found]
        return resources, total

    resources, total = _read(scope, work)
    return Page(resources, total, request.start_index)


def _has(mapping: ResourceMapping, path: AttrPath | None) -> bool:
    return path is not None and across.is_defined(path, (mapping.resource_type,))


def create_resource(
    scope: Scope,
    mapping: ResourceMapping,
    payload: Mapping[str, Any],
    projection: Projection | None = None,
) -> Resource:
    """Create a resource, or adopt a row of the host that has no SCIM id (RFC 7644 section 3.3).

    :param payload: the resource in JSON, clean by the RFC.
    :raises Uniqueness: when its name is taken by a resource that SCIM knows.
    :raises InvalidValue: when a value is missing or wrong.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, _KINDS[kind], "CREATE")
    flat = names.flatten(payload, mapping.resource_type, scope.notes)
    names.require(flat, mapping.resource_type)
    values = _validated(mapping, flat, partial=False)
    name = values[mapping.lookup_key]

    def work() -> _Outcome:
        view = _view(scope, mapping)
        host_key, resource_id = _create_row(scope, mapping, view, name, values)
        changes = _only_members(mapping, values["members"]) if values.get("members") else ()
        members = _set_members(scope, mapping, view, host_key, changes)
        outcome = _Outcome(resource_id, host_key, 1, created=True, members=members)
        action = Action.USER_CREATED if kind == "User" else Action.GROUP_CREATED
        _record(scope, mapping, action, outcome, name, 201)
        outcome.found = reading.fetch_one(mapping, resource_id, view, projection, link=True)
        return outcome

    outcome = run_transaction(scope.session, work)
    _announce(scope, mapping, outcome)
    return _answer(scope, mapping, outcome, projection)


def _create_row(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    name: str,
    values: Mapping[str, Any],
) -> tuple[Any, str]:
    existing = searching.find_by_lookup(mapping, name, view)
    if existing is None:
        return writing.insert_resource(mapping, scope.session, view, values)
    host_key, resource_id, deleted = existing
    known = resource_id is not None and deleted is None
    if known or (resource_id is None and mapping.options.on_existing == "refuse"):
        raise Uniqueness(
            f"{mapping.lookup_key} is already in use by another {mapping.resource_type.name}; "
            "match the existing one instead of creating a new one."
        )
    scope.notes.append(f"existing {mapping.resource_type.name.lower()} of this portal taken over")
    complete = dict(values)
    if mapping.bindings.get("active") is not None and complete.get("active") is None:
        complete["active"] = True
    return host_key, writing.revive_resource(mapping, scope.session, view, host_key, complete)


def replace_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    payload: Mapping[str, Any],
    preconditions: Preconditions | None = None,
    projection: Projection | None = None,
) -> Resource:
    """Replace a resource (RFC 7644 section 3.5.1).

    Members that aren't named are never touched, and neither is what the host can't leave empty;
    other attributes that aren't named are cleared, unless the dialect keeps them.

    :raises ResourceNotFound: when there is none.
    :raises PreconditionFailed: when its version is another.
    :raises Uniqueness: when the new name is taken.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, _KINDS[kind], "UPDATE")
    flat = names.flatten(payload, mapping.resource_type, scope.notes)
    names.require(flat, mapping.resource_type)
    values = _validated(mapping, flat, partial=False)
    if not scope.dialect.put_keeps_absent:
        for key in mapping.clearable_keys:
            values.setdefault(key, None)

    def work() -> _Outcome:
        view = _view(scope, mapping)
        found = _locked(mapping, resource_id, view, preconditions)
        members = _only_members(mapping, values["members"]) if "members" in values else ()
        action = Action.USER_REPLACED if kind == "User" else Action.GROUP_REPLACED
        outcome = _save(scope, mapping, view, found, values, members, action, 200)
        outcome.found = reading.fetch_one(mapping, resource_id, view, projection, link=True)
        return outcome

    outcome = run_transaction(scope.session, work)
    _announce(scope, mapping, outcome)
    return _answer(scope, mapping, outcome, projection)


def modify_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    operations: Sequence[Operation],
    preconditions: Preconditions | None = None,
    projection: Projection | None = None,
    *,
    answer: bool = True,
) -> Resource:
    """Carry out a PATCH, all of it or nothing (RFC 7644 section 3.5.2).

    A request that changes nothing writes nothing: the version stays, and no signal is sent.

    :param answer: whether the caller wants the resource's body.
    :raises ResourceNotFound: when there is none.
    :raises PreconditionFailed: when its version is another.
    :raises NoTarget: when a filter matches nothing.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, _KINDS[kind], "UPDATE")
    planned = plan(
        operations,
        mapping.resource_type,
        create_missing=scope.dialect.create_missing,
        lenient=scope.dialect.lenient,
    )
    scope.notes.extend(planned.notes)
    own = [change for change in planned.changes if change.target.key != "members"]
    of_members = [change for change in planned.changes if change.target.key == "members"]
    touched = sorted({change.target.key for change in own} - {"password"})
    wanted = Projection.of(mapping.resource_type, [*touched, mapping.lookup_key], ())

    def work() -> _Outcome:
        view = _view(scope, mapping)
        found = _locked(mapping, resource_id, view, preconditions, wanted)
        values = _changed_values(mapping, found, own)
        action = Action.USER_UPDATED if kind == "User" else Action.GROUP_UPDATED
        outcome = _save(scope, mapping, view, found, values, of_members, action, 200)
        if answer:
            outcome.found = reading.fetch_one(mapping, resource_id, view, projection, link=True)
        return outcome

    outcome = run_transaction(scope.session, work)
    _announce(scope, mapping, outcome)
    return _answer(scope, mapping, outcome, projection)


def delete_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    preconditions: Preconditions | None = None,
) -> None:
    """Delete a resource from SCIM (RFC 7644 section 3.6).

    A user is deactivated and kept by the host, unless the team says otherwise; a group is deleted,
    and its members stay.

    :raises ResourceNotFound: when there is none.
    :raises Forbidden: when the role allows neither deactivating nor deleting.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, _KINDS[kind], "DELETE" if mapping.deletes_rows else "UPDATE")

    def work() -> _Outcome:
        view = _view(scope, mapping)
        wanted = Projection.of(mapping.resource_type, [mapping.lookup_key], ())
        found = _locked(mapping, resource_id, view, preconditions, wanted)
        _refuse_protected(scope, mapping, found)
        writing.delete_resource(mapping, scope.session, view, found)
        outcome = _Outcome(found.id, found.host_key, found.version)
        action = Action.USER_DELETED if kind == "User" else Action.GROUP_DELETED
        _record(scope, mapping, action, outcome, found.flat.get(mapping.lookup_key), 204)
        return outcome

    outcome = run_transaction(scope.session, work)
    signal = signals.user_deleted if kind == "User" else signals.group_deleted
    _send(scope, signal, outcome)


def _validated(
    mapping: ResourceMapping, flat: Mapping[str, Any], *, partial: bool
) -> dict[str, Any]:
    """Pass values through the team's validators; what the schema has no field for passes by."""
    values = mapping.schema.validated(flat, partial=partial)
    if "externalId" in flat and "externalId" not in values:
        values["externalId"] = flat["externalId"]
    return values


def _locked(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    preconditions: Preconditions | None,
    projection: Projection | None = None,
) -> Found:
    """Return the resource, which nobody else changes until the transaction ends."""
    wanted = projection or Projection.of(mapping.resource_type, (), ("members",))
    found = reading.fetch_one(mapping, resource_id, view, wanted, lock=True, link=True)
    if found is None:
        raise ResourceNotFound(_gone(mapping))
    if preconditions is not None:
        preconditions.check_write(found.version)
    return found


def _gone(mapping: ResourceMapping) -> str:
    return (
        f"No {mapping.resource_type.name} has this id here; search for it by "
        f"{mapping.lookup_key}, or restart the provisioning job so that it forgets the id."
    )


def _changed_values(
    mapping: ResourceMapping, found: Found, changes: Sequence[Change]
) -> dict[str, Any]:
    """Apply changes to the attributes they name, and return the new values."""
    values: dict[str, Any] = {}
    for change in changes:
        key = change.target.key
        if key not in mapping.bindings:
            continue  # a password, which is never kept unless the team maps it
        current = values[key] if key in values else found.flat.get(key)
        values[key] = apply_change(change, current)
    checked = _validated(mapping, values, partial=True)
    return {key: checked.get(key) for key in values}


def _save(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    values: Mapping[str, Any],
    members: Sequence[Change],
    action: Action,
    status: int,
) -> _Outcome:
    """Write what differs, and tell the activity log; nothing is written where nothing differs."""
    changed = {
        key: value
        for key, value in values.items()
        if key != "members" and _differs(mapping, key, value, found.flat.get(key))
    }
    name = changed.get(mapping.lookup_key)
    if name is not None:
        _refuse_taken(mapping, view, found, name)
    if changed.get("active") is False:
        _refuse_protected(scope, mapping, found)
    membership = _set_members(scope, mapping, view, found.host_key, members)
    outcome = _Outcome(found.id, found.host_key, found.version, members=membership)
    outcome.attributes = bool(changed)
    outcome.changed = outcome.attributes or membership.changed
    if "active" in changed:
        outcome.active = (found.flat.get("active"), changed["active"])
        action = Action.USER_REACTIVATED if changed["active"] else Action.USER_DEACTIVATED
    elif membership.changed and not changed:
        action = Action.MEMBERS_CHANGED
    if outcome.changed:
        writing.save_changes(mapping, scope.session, view, found, changed)
        outcome.version += 1
    if outcome.changed or membership.unknown:
        shown = name or found.flat.get(mapping.lookup_key)
        _record(scope, mapping, action, outcome, shown, status)
    return outcome


def _differs(mapping: ResourceMapping, key: str, new: Any, old: Any) -> bool:
    normalise = mapping.bindings[key].normalise
    return bool((normalise(new) or None) != (normalise(old) or None)) or (new is False) != (
        old is False
    )


def _refuse_taken(mapping: ResourceMapping, view: Viewpoint, found: Found, name: str) -> None:
    taken = searching.find_by_lookup(mapping, name, view)
    if taken is not None and taken[0] != found.host_key:
        raise Uniqueness(
            f"{mapping.lookup_key} is already in use by another {mapping.resource_type.name}; "
            "give it another value."
        )


def _refuse_protected(scope: Scope, mapping: ResourceMapping, found: Found) -> None:
    protected = mapping.options.protected
    if protected is None:
        return
    reason = protected(writing.existing_entity(mapping, scope.session, found.host_key))
    if reason:
        raise MutabilityError(str(reason))


def _only_members(mapping: ResourceMapping, members: Sequence[Any] | None) -> Sequence[Change]:
    """Return the change that makes these members the only ones."""
    if mapping.members is None:
        return ()
    return [Replace(Target("members", mapping.members.attribute, None, 1), tuple(members or ()))]


def _set_members(
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
    return change_members(scope, binding, view, group, changes)


def _record(
    scope: Scope,
    mapping: ResourceMapping,
    action: Action,
    outcome: _Outcome,
    name: Any,
    status: int,
) -> None:
    activity.record(
        scope,
        action,
        resource_type=mapping.resource_type.name,
        resource_id=outcome.id,
        resource_name=name,
        status=status,
    )


def _announce(scope: Scope, mapping: ResourceMapping, outcome: _Outcome) -> None:
    """Send the signals of what was committed."""
    is_user = mapping.resource_type.name == "User"
    if outcome.created:
        _send(scope, signals.user_created if is_user else signals.group_created, outcome)
    elif outcome.attributes:
        _send(scope, signals.user_updated if is_user else signals.group_updated, outcome)
    if is_user and outcome.active is not None:
        reactivated = bool(outcome.active[1])
        _send(
            scope,
            signals.user_reactivated if reactivated else signals.user_deactivated,
            outcome,
        )
    if outcome.members.changed:
        signals.send(
            signals.membership_changed,
            scope.tenant,
            integration_id=scope.integration_id,
            resource_id=outcome.id,
            host_id=outcome.host_key,
            request_id=scope.request_id,
            added=sorted(outcome.members.added),
            removed=sorted(outcome.members.removed),
        )


def _send(scope: Scope, signal: Any, outcome: _Outcome) -> None:
    signals.send(
        signal,
        scope.tenant,
        integration_id=scope.integration_id,
        resource_id=outcome.id,
        host_id=outcome.host_key,
        request_id=scope.request_id,
    )


def _answer(
    scope: Scope, mapping: ResourceMapping, outcome: _Outcome, projection: Projection | None
) -> Resource:
    if outcome.found is not None:
        return _resource(scope, mapping, outcome.found, projection, changed=outcome.changed)
    location = f"{scope.base_url}{mapping.endpoint}/{outcome.id}"
    return Resource(outcome.id, {}, outcome.version, location, outcome.changed)


def _resource(
    scope: Scope,
    mapping: ResourceMapping,
    found: Found,
    projection: Projection | None,
    *,
    changed: bool,
) -> Resource:
    location = f"{scope.base_url}{mapping.endpoint}/{found.id}"
    return Resource(found.id, _body(mapping, found, projection), found.version, location, changed)


def _body(mapping: ResourceMapping, found: Found, projection: Projection | None) -> dict[str, Any]:
    # The plan has read no attribute that isn't wanted; only parts of them are left to take away.
    flat = found.flat
    if projection is not None and projection.trims:
        flat = projection.trim(flat)
    return names.nest(flat, mapping.resource_type)
