"""The use cases of SCIM: create, get, search, replace, modify, delete; one transaction each.

Each checks the permission, does its work inside the boundaries of the scope, writes what happened
in the same transaction, and sends signals after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..dialects.notes import leave
from ..mapping.access import reading, recall, searching, writing
from ..mapping.access.reading import Found
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..scim import across, names
from ..scim.cursors import Seal
from ..scim.errors import InvalidValue, ResourceNotFound
from ..scim.filters import attr_path
from ..scim.messages import SearchRequest
from ..scim.patch import Operation, plan
from ..scim.projection import Projection
from ..scim.versions import Preconditions
from . import guards, leaving, permissions, signals, takeover
from .activity import Action
from .answers import Page, Resource, announce, answer, resource, send
from .changes import (
    Outcome,
    changed_values,
    locked,
    not_found,
    note_dropped_password,
    only_members,
    record,
    refuse_growth,
    refuse_read_only,
    save,
    set_members,
    takes_placeholders,
    validated,
    view_of,
    without_placeholders,
)
from .membership import has_members, move_versions_of_groups
from .paging import Search, page_by_cursor, page_by_index, read
from .scope import Scope
from .takeover import Met

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


def _shown(
    scope: Scope, mapping: ResourceMapping, projection: Projection | None
) -> Projection | None:
    """Return what the answer to a write shows: of who may not read, no more than what it is."""
    if permissions.may(scope, permissions.KINDS[mapping.resource_type.name], "READ"):
        return projection
    return Projection.of(mapping.resource_type, ["meta"], ())


def get_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    projection: Projection | None = None,
) -> Resource:
    """Return one resource (RFC 7644 section 3.4.1).

    :raises ResourceNotFound: when there is none, or it isn't this tenant's.
    """
    permissions.require(scope, permissions.KINDS[mapping.resource_type.name], "READ")

    def work(link: bool) -> Found:
        view = view_of(scope, mapping)
        found = reading.fetch_one(mapping, resource_id, view, projection, link=link)
        if found is None:
            raise ResourceNotFound(not_found(mapping))
        return found

    found = read(scope, work)
    return resource(scope, mapping, found, projection, changed=False)


def search_resources(
    scope: Scope,
    mappings: ResourceMapping | Sequence[ResourceMapping],
    request: SearchRequest,
    *,
    default_count: int = 100,
    max_count: int = 200,
    seal: Seal | None = None,
) -> Page:
    """Return one page of what a search finds (RFC 7644 sections 3.4.2 and 3.4.3).

    :param mappings: one resource type, or several for a search at the root.
    :param request: ``start_index`` is 1-based; ``count`` is cut to ``max_count``.
    :param seal: makes cursors, for those who ask for pages by cursor.
    :raises InvalidFilter: when the filter can't be answered; never an empty page instead.
    :raises InvalidCursor: when the cursor isn't one of this search.
    """
    if isinstance(mappings, ResourceMapping):
        mappings = [mappings]
    for mapping in mappings:
        permissions.require(scope, permissions.KINDS[mapping.resource_type.name], "READ")
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

    search = Search(
        mappings,
        request.filter,
        sort_by,
        request.sort_order == "descending",
        count,
        projections,
    )
    if request.cursor is not None:
        return page_by_cursor(scope, search, request, seal)
    return page_by_index(scope, search, request.start_index)


def create_resource(
    scope: Scope,
    mapping: ResourceMapping,
    payload: Mapping[str, Any],
    projection: Projection | None = None,
    *,
    wants_body: bool = True,
) -> Resource:
    """Create a resource, or adopt a row of the host that has no SCIM id (RFC 7644 section 3.3).

    :param payload: the resource in JSON, clean by the RFC.
    :param wants_body: whether the caller wants the resource's body.
    :raises Uniqueness: when its name is taken by a resource that SCIM knows.
    :raises InvalidValue: when a value is missing or wrong.
    :raises Forbidden: when it takes a row over, and the service account may create and not update.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, permissions.KINDS[kind], "CREATE")
    projection = _shown(scope, mapping, projection)
    refuse_read_only(mapping)
    flat: dict[str, Any] = names.flatten(payload, mapping.resource_type, scope.notes)
    names.require(flat, mapping.resource_type)
    if not takes_placeholders(mapping):
        flat = without_placeholders(scope, flat)
    note_dropped_password(scope, mapping, flat)
    values = validated(mapping, flat, partial=False)
    refuse_growth(scope, mapping, values)
    name = values[mapping.lookup_key]

    if mapping.refers(values) or "externalId" in scope.policies.match_people_by:
        # Who is referred to, or met, is looked for; outside the savepoint, which may be undone.
        scope.work.settle()

    def work() -> Outcome:
        view = view_of(scope, mapping)
        action = Action.USER_CREATED if kind == "User" else Action.GROUP_CREATED
        existing = None
        if not scope.work.takes_free(mapping.endpoint, name):
            existing = searching.find_by_lookup(mapping, name, view, claim=True)
        met = None
        if kind == "User":
            met = takeover.meet(scope, mapping, view, name, values, existing)
        if met is not None:
            outcome, taken = _take_over(scope, mapping, view, values, met)
            if wants_body:
                outcome.found = reading.fetch_one(mapping, outcome.id, view, projection, link=True)
            outcome.forgotten = leaving.finish(scope, mapping, view, taken, outcome.active)
            return outcome
        host_key, resource_id = _create_row(scope, mapping, view, existing, values)
        changes = only_members(mapping, values["members"]) if values.get("members") else ()
        members = set_members(scope, mapping, view, host_key, changes)
        if members.changed:
            group = Found(host_key, resource_id, 1, "", "", {}, {mapping.lookup_key: name})
            leaving.refuse_mass_removal(scope, mapping, view, group, members)
        outcome = Outcome(resource_id, host_key, 1, created=True, members=members)
        record(scope, mapping, action, outcome, name, 201)
        if wants_body:
            outcome.found = recall.fetch_written(mapping, resource_id, view, projection)
        return outcome

    outcome = takeover.asking(scope, mapping, work)
    announce(scope, mapping, outcome)
    return answer(scope, mapping, outcome, projection)


def _create_row(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    existing: tuple[Any, str | None, Any] | None,
    values: Mapping[str, Any],
) -> tuple[Any, str]:
    """Insert a row, or take over a group of the portal's, or who was deleted over SCIM."""
    work = scope.work
    if existing is None:
        made = writing.insert_resource(mapping, scope.session, view, values, work.later)
        guards.check_new(scope, mapping, view, made[0], values)
        return made
    host_key, resource_id, deleted = existing
    known = resource_id is not None and deleted is None
    known = known or work.is_linked(mapping.table, host_key)
    if known or (resource_id is None and mapping.options.on_existing == "refuse"):
        raise takeover.taken_name(mapping)
    scope.notes.append(f"existing {mapping.resource_type.name.lower()} of this portal taken over")
    complete = without_placeholders(scope, values)  # who exists has a password already
    with guards.adopting(scope, mapping, view, host_key, complete):
        taken = leaving.take_over(
            scope, mapping, view, host_key, complete, is_gone=deleted is not None
        )
        return host_key, taken


def _take_over(
    scope: Scope, mapping: ResourceMapping, view: Viewpoint, values: Mapping[str, Any], met: Met
) -> tuple[Outcome, Found]:
    """Take over a person of the portal's, who keeps the row and what hangs on it.

    :raises Forbidden: when the role may create and not update: who is there already is changed.
    """
    permissions.require(scope, "USERS", "UPDATE")
    found = takeover.found_of(mapping, view, met)
    complete = without_placeholders(scope, values)  # who exists has a password already
    sent = {key: value for key, value in complete.items() if value is not None}
    leave(scope.notes, "existing user of this portal taken over")
    outcome = save(scope, mapping, view, found, sent, (), Action.USER_CREATED, 201, met)
    outcome.created = True
    return outcome, found


def replace_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    payload: Mapping[str, Any],
    preconditions: Preconditions | None = None,
    projection: Projection | None = None,
    *,
    wants_body: bool = True,
) -> Resource:
    """Replace a resource (RFC 7644 section 3.5.1).

    A group without ``members`` keeps those that it has, unless the dialect says that there are
    none; what the host can't leave empty is kept too. Other attributes that aren't named are
    cleared, unless the dialect keeps them.

    :param wants_body: whether the caller wants the resource's body.
    :raises ResourceNotFound: when there is none.
    :raises PreconditionFailed: when its version is another.
    :raises Uniqueness: when the new name is taken.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, permissions.KINDS[kind], "UPDATE")
    projection = _shown(scope, mapping, projection)
    refuse_read_only(mapping)
    flat = names.flatten(payload, mapping.resource_type, scope.notes)
    names.require(flat, mapping.resource_type)
    note_dropped_password(scope, mapping, flat)
    values = validated(mapping, flat, partial=False)
    if values.get("active") is None:
        # RFC 7643 section 2.5: null says nothing, and so neither dismisses nor readmits anybody.
        values.pop("active", None)
    if not scope.dialect.put_keeps_absent:
        for key in mapping.clearable_keys:
            values.setdefault(key, None)
    unnamed = mapping.members is not None and "members" not in values
    if unnamed and scope.dialect.put_clears_members:
        values["members"] = None
        leave(scope.notes, "a PUT without members read as one of a group that has none")

    def work() -> Outcome:
        scope.budget.charge(0)  # of a bulk request that has spent it, nothing more is read
        view = view_of(scope, mapping)
        found = locked(mapping, resource_id, view, preconditions, entity=True)
        members = only_members(mapping, values["members"]) if "members" in values else ()
        action = Action.USER_REPLACED if kind == "User" else Action.GROUP_REPLACED
        keeps = unnamed and not members and not scope.dialect.put_keeps_absent
        if keeps and has_members(mapping, view, found.host_key):
            leave(scope.notes, "members aren't in the PUT, and stay; send an empty list for none")
        else:
            keeps = False
        outcome = save(scope, mapping, view, found, values, members, action, 200)
        if keeps and not outcome.changed:
            # Whoever wonders why the last member has still access will look for it.
            record(scope, mapping, action, outcome, found.flat.get(mapping.lookup_key), 200)
        if wants_body:
            outcome.found = recall.fetch_written(mapping, resource_id, view, projection)
        outcome.forgotten = leaving.finish(scope, mapping, view, found, outcome.active)
        return outcome

    outcome = takeover.asking(scope, mapping, work)
    announce(scope, mapping, outcome)
    return answer(scope, mapping, outcome, projection)


def modify_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    operations: Sequence[Operation],
    preconditions: Preconditions | None = None,
    projection: Projection | None = None,
    *,
    wants_body: bool = True,
) -> Resource:
    """Carry out a PATCH, all of it or nothing (RFC 7644 section 3.5.2).

    A request that changes nothing writes nothing: the version stays, and no signal is sent.

    :param wants_body: whether the caller wants the resource's body.
    :raises ResourceNotFound: when there is none.
    :raises PreconditionFailed: when its version is another.
    :raises NoTarget: when a filter matches nothing.
    """
    kind = mapping.resource_type.name
    permissions.require(scope, permissions.KINDS[kind], "UPDATE")
    projection = _shown(scope, mapping, projection)
    refuse_read_only(mapping)
    planned = plan(
        operations,
        mapping.changeable,
        create_missing=scope.dialect.create_missing,
        lenient=scope.dialect.lenient,
        resource_id=resource_id,
    )
    scope.notes.extend(planned.notes)
    own = [change for change in planned.changes if change.target.key != "members"]
    of_members = [change for change in planned.changes if change.target.key == "members"]
    note_dropped_password(scope, mapping, [change.target.key for change in own])
    touched = sorted({change.target.key for change in own} - {"password"})
    always = [mapping.lookup_key] if kind == "Group" else [mapping.lookup_key, ACTIVE]
    wanted = Projection.inside(
        mapping.resource_type,
        [*touched, *always, "externalId", *mapping.naming_keys],
    )
    # An answer is made of the object too, where it says the same as reading once more.
    with_entity = wants_body or writing.needs_entity(mapping, touched)

    def work() -> Outcome:
        if not scope.work.is_shared:
            scope.budget.renew()  # this may be another attempt
        scope.budget.charge(0)  # of a bulk request that has spent it, nothing more is read
        view = view_of(scope, mapping)
        found = locked(mapping, resource_id, view, preconditions, wanted, entity=with_entity)
        values = changed_values(scope, mapping, found, own)
        action = Action.USER_UPDATED if kind == "User" else Action.GROUP_UPDATED
        outcome = save(scope, mapping, view, found, values, of_members, action, 200)
        if planned.notes and not planned.changes:
            # A success that did nothing at all is what an administrator will look for.
            record(scope, mapping, action, outcome, found.flat.get(mapping.lookup_key), 200)
        if wants_body:
            outcome.found = recall.fetch_written(mapping, resource_id, view, projection)
        outcome.forgotten = leaving.finish(scope, mapping, view, found, outcome.active)
        return outcome

    outcome = takeover.asking(scope, mapping, work)
    announce(scope, mapping, outcome)
    return answer(scope, mapping, outcome, projection)


def delete_resource(
    scope: Scope,
    mapping: ResourceMapping,
    resource_id: str,
    preconditions: Preconditions | None = None,
) -> None:
    """Delete a resource from SCIM (RFC 7644 section 3.6).

    A user is deactivated and kept by the host, unless the team says otherwise; a group is deleted,
    and its members stay. The groups that it was in have a new version.

    :raises ResourceNotFound: when there is none.
    :raises Forbidden: when the role allows neither deactivating nor deleting.
    """
    kind = mapping.resource_type.name
    becomes = leaving.require_permission(scope, mapping, deleting=True)
    refuse_read_only(mapping)

    def work() -> Outcome:
        view = view_of(scope, mapping)
        wanted = Projection.of(mapping.resource_type, [mapping.lookup_key, ACTIVE], ())
        # Groups are locked before their members, as a change of the members does it.
        groups = move_versions_of_groups(mapping, view, resource_id)
        found = locked(mapping, resource_id, view, preconditions, wanted)
        active = found.flat.get(ACTIVE) is not False
        with guards.deleting(scope, mapping, view, found, was_active=active):
            if found.local and kind == "User":
                takeover.contact(scope, mapping, view, found, {})
            leaving.delete(scope, mapping, view, found, becomes, groups)
        outcome = Outcome(found.id, found.host_key, found.version)
        outcome.kept = becomes.now != "delete"
        action = Action.USER_DELETED if kind == "User" else Action.GROUP_DELETED
        record(scope, mapping, action, outcome, found.flat.get(mapping.lookup_key), 204)
        return outcome

    outcome = takeover.asking(scope, mapping, work)
    signal = signals.user_deleted if kind == "User" else signals.group_deleted
    send(scope, signal, outcome)
