"""What a use case answers with, and the signals that it sends after the commit."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from ..mapping.access.reading import Found
from ..mapping.resources import ResourceMapping
from ..scim import names
from ..scim.projection import Projection
from . import signals
from .changes import Outcome
from .membership import MembershipChange
from .scope import Scope

__all__ = ["Page", "Resource", "announce", "answer", "body", "resource", "send"]


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
    :ivar start_index: the 1-based index of the first one here; None on a page by cursor.
    :ivar next_cursor: asks for the next page; None on the last one, and on pages by index.
    """

    resources: list[dict[str, Any]]
    total_results: int
    start_index: int | None
    next_cursor: str | None = None


def announce(scope: Scope, mapping: ResourceMapping, outcome: Outcome) -> None:
    """Send the signals of what was committed."""
    is_user = mapping.resource_type.name == "User"
    if outcome.created:
        send(scope, signals.user_created if is_user else signals.group_created, outcome)
    elif outcome.attributes:
        send(scope, signals.user_updated if is_user else signals.group_updated, outcome)
    if is_user and outcome.active is not None:
        reactivated = bool(outcome.active[1])
        send(
            scope,
            signals.user_reactivated if reactivated else signals.user_deactivated,
            outcome,
        )
    if outcome.forgotten:
        send(scope, signals.user_deleted, outcome)
    if outcome.members.changed:
        _announce_members(scope, outcome, outcome.members)
    for resource_id, host_key in outcome.members.left.items():
        left = Outcome(resource_id, host_key, 0)
        _announce_members(scope, left, outcome.members.moved[host_key])


def _announce_members(scope: Scope, outcome: Outcome, members: MembershipChange) -> None:
    send(
        scope,
        signals.membership_changed,
        outcome,
        added=sorted(members.users.added),
        removed=sorted(members.users.removed),
        groups_added=sorted(members.groups.added),
        groups_removed=sorted(members.groups.removed),
    )


def send(scope: Scope, signal: Any, outcome: Outcome, **more: Any) -> None:
    """Send one signal about a resource; in a batch, after its commit."""
    announce = functools.partial(
        signals.send,
        signal,
        scope.tenant,
        integration_id=scope.integration_id,
        resource_id=outcome.id,
        host_id=outcome.host_key,
        request_id=scope.request_id,
        **more,
    )
    scope.work.after_commit(announce)


def answer(
    scope: Scope, mapping: ResourceMapping, outcome: Outcome, projection: Projection | None
) -> Resource:
    """Return the resource as the use case left it, or only its id and version."""
    if outcome.found is not None:
        return resource(scope, mapping, outcome.found, projection, changed=outcome.changed)
    location = f"{scope.base_url}{mapping.endpoint}/{outcome.id}"
    return Resource(outcome.id, {}, outcome.version, location, outcome.changed)


def resource(
    scope: Scope,
    mapping: ResourceMapping,
    found: Found,
    projection: Projection | None,
    *,
    changed: bool,
) -> Resource:
    """Return the resource as it was read."""
    location = f"{scope.base_url}{mapping.endpoint}/{found.id}"
    return Resource(found.id, body(mapping, found, projection), found.version, location, changed)


def body(mapping: ResourceMapping, found: Found, projection: Projection | None) -> dict[str, Any]:
    """Return the JSON object of a resource, projected."""
    # The plan has read no attribute that isn't wanted; only parts of them are left to take away.
    flat = found.flat
    if projection is None:
        projection = Projection.of(mapping.resource_type)
    if projection.trims:
        flat = projection.trim(flat)
    return names.nest(flat, mapping.resource_type)
