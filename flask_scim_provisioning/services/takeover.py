"""Taking over existing people: whom a directory meets, who decides, and what is written of them.

Two ways lead to somebody whom the portal had before: a directory creates a person who is there
already, or it finds one and then writes. Both ask here, once for each person; from then on they are
the directory's, and nothing here concerns them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from ..dialects.notes import leave
from ..mapping.access import reading, standing
from ..mapping.access.predicates import where
from ..mapping.access.reading import Found
from ..mapping.bindings.base import Keeping
from ..mapping.host.keys import HostKey
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..scim.errors import AccountRefused, DecisionWaits, Protected, Uniqueness
from ..scim.filters import parse_filter
from ..scim.projection import Projection
from . import conflicts
from .conflicts import Decided, Decision, Match, Reason, Wanted
from .guards import protected_among
from .scope import Scope, transact

__all__ = [
    "Met",
    "allowed",
    "asking",
    "claim",
    "contact",
    "found_of",
    "guards_of",
    "meet",
    "note_left",
    "taken_name",
    "verified_email",
    "without_enabling",
]

T = TypeVar("T")

_MOST_ADDRESSES = 5
_MOST_MATCHES = 5


@dataclass(frozen=True, slots=True)
class Met:
    """Somebody whom the portal had before, and what becomes of them.

    :ivar decided: Who has decided it, where it wasn't the policy.
    """

    match: Match
    how: Decision
    decided: Decided | None = None


def guards_of(
    mapping: ResourceMapping, view: Viewpoint, keys: Sequence[HostKey]
) -> dict[HostKey, str]:
    """Return those whom nobody takes over without asking, and why: administrators, protected."""
    found: dict[HostKey, str] = {}
    if keys and mapping.administrators is not None:
        administrators = standing.administrators_among(mapping, view, keys)
        found = dict.fromkeys(administrators, "An administrator of the portal.")
    return found | protected_among(mapping, view, keys)


def taken_name(mapping: ResourceMapping) -> Uniqueness:
    """Return the refusal of a second resource with a name."""
    return Uniqueness(
        f"{mapping.lookup_key} is already in use by another {mapping.resource_type.name}; "
        "match the existing one instead of creating a new one."
    )


def asking(scope: Scope, mapping: ResourceMapping, work: Callable[[], T]) -> T:
    """Run a use case that writes, and put into the inbox what has to wait for a decision."""
    try:
        return transact(scope, work)
    except DecisionWaits as error:
        if scope.work.keeps_failures:
            conflicts.keep(scope, mapping, error)
        raise


def _policy(scope: Scope, mapping: ResourceMapping, *, creates: bool) -> Decision | None:
    """Return what the policy says, None to ask; by itself what the portal's team has declared.

    ``Meta.on_existing`` is about creating: who is found first is updated.
    """
    match scope.policies.taking_over:
        case "portal":
            refuses = creates and mapping.options.on_existing == "refuse"
            return Decision.REFUSE if refuses else Decision.LINK
        case "ask":
            return None
        case chosen:
            return Decision(chosen)


def meet(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    name: str,
    values: Mapping[str, Any],
    existing: tuple[HostKey, str | None, datetime | None] | None,
) -> Met | None:
    """Say whom of the portal's people the creation of a person is about; None for nobody.

    :param existing: who has the name, as ``searching.find_by_lookup`` returns it.
    :raises Uniqueness: when it is somebody whom a directory has already, or may not have.
    :raises DecisionWaits: when an administrator has to decide.
    """
    found: list[Match] = []
    if existing is not None:
        host_key, link_id, deleted = existing
        if deleted is not None:
            return None  # who was deleted over SCIM comes back
        if _is_known(scope, mapping, view, host_key, link_id):
            raise taken_name(mapping)
        found.append(Match(host_key, link_id, (mapping.lookup_key,), verified=True))
    for match in _others(scope, mapping, view, values):
        same = next((each for each in found if each.host_key == match.host_key), None)
        if same is None:
            found.append(match)
        else:
            both = replace(same, by=(*same.by, *match.by), verified=same.verified or match.verified)
            found[found.index(same)] = both
    if not found:
        return None
    how = _policy(scope, mapping, creates=True)
    ids = [match.link_id for match in found if match.link_id is not None]
    if len(ids) == len(found):
        decided = conflicts.decided(scope, mapping, name, ids)
        if decided is not None:
            chosen = next((each for each in found if each.link_id == decided.link_id), found[0])
            return _as_decided(chosen, decided)
    if how is Decision.REFUSE:
        raise taken_name(mapping)
    return _met(mapping, view, name, found, values, how)


def _is_known(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    host_key: HostKey,
    link_id: str | None,
) -> bool:
    if scope.work.is_linked(mapping.table, host_key):
        return True
    if link_id is None:
        return False
    links = mapping.links
    statement = mapping.kept(
        "is local", lambda: sa.select(links.c.local).where(links.c.id == sa.bindparam("link"))
    )
    return not view.connection.scalar(statement, {"link": link_id})


def _reason(
    mapping: ResourceMapping, view: Viewpoint, found: Sequence[Match], how: Decision | None
) -> Reason | None:
    if len(found) > 1:
        return Reason.AMBIGUOUS
    if not found[0].verified:
        return Reason.UNVERIFIED
    if guards_of(mapping, view, [found[0].host_key]):
        return Reason.GUARDED
    return Reason.POLICY if how is None else None


def _met(
    mapping: ResourceMapping,
    view: Viewpoint,
    name: str,
    found: Sequence[Match],
    values: Mapping[str, Any],
    how: Decision | None,
) -> Met:
    """Return what the policy says of whom a request meets.

    :raises DecisionWaits: when an administrator has to decide.
    :raises Protected: when who is protected would be locked out, or sign in otherwise.
    """
    reason = _reason(mapping, view, found, how)
    refused = values.get(ACTIVE) is False or values.get("password")
    if refused and reason is Reason.GUARDED:
        for sentence in protected_among(mapping, view, [found[0].host_key]).values():
            raise Protected(sentence)  # which nobody can decide otherwise
    if reason is None and how is not None:
        return Met(found[0], how)
    external_id = values.get("externalId")
    error = DecisionWaits(
        "This portal has this person already, and a decision about them waits in its console, in "
        "the inbox of this integration; what an administrator decides there is done when the "
        "request is sent again."
    )
    error.reason = Wanted(name, external_id, found, values, reason or Reason.POLICY)
    raise error


def _as_decided(match: Match, decided: Decided) -> Met:
    if decided.decision is Decision.REFUSE:
        raise AccountRefused(
            "This portal has this person already, and an administrator has decided that this "
            "directory doesn't get them; the inbox of the integration has the decision."
        )
    return Met(match, decided.decision, decided)


def contact(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    values: Mapping[str, Any],
) -> Met:
    """Say what becomes of a person of the portal whom a directory has found and now writes.

    :param values: what it writes.
    :raises Uniqueness: when it may not.
    :raises DecisionWaits: when an administrator has to decide.
    """
    match = Match(found.host_key, found.id, (mapping.lookup_key,), verified=True)
    name = str(found.flat.get(mapping.lookup_key) or found.id)
    decided = conflicts.decided(scope, mapping, name, [found.id])
    if decided is not None:
        return _as_decided(match, decided)
    how = _policy(scope, mapping, creates=False)
    if how is Decision.REFUSE:
        raise Uniqueness(
            "This portal had this person before, and this directory takes nobody over; an "
            "administrator of the portal can change that in the settings of the integration."
        )
    return _met(mapping, view, name, [match], values, how)


def found_of(mapping: ResourceMapping, view: Viewpoint, met: Met) -> Found:
    """Return the person as the portal has them.

    :raises Uniqueness: when they are gone, or somebody else's, in the meantime.
    """
    link_id = met.match.link_id
    if link_id is None:
        link_id = conflicts.link_ids(mapping, view.connection, [met.match])[met.match.host_key]
    everything = Projection.inside(mapping.resource_type, (), ("members", "password"))
    found = reading.fetch_one(mapping, link_id, view, everything, link=True)
    if found is None or not found.local:
        raise taken_name(mapping)
    return found


def claim(scope: Scope, mapping: ResourceMapping, view: Viewpoint, found: Found) -> None:
    """Make a person the directory's.

    :raises Uniqueness: when another one has been faster.
    """
    disabled = found.flat.get(ACTIVE) is False
    if not conflicts.settle(scope, mapping, view, found.id, disabled=disabled):
        raise taken_name(mapping)


def allowed(
    scope: Scope, mapping: ResourceMapping, found: Found, values: Mapping[str, Any], met: Met
) -> dict[str, Any]:
    """Return what of the directory's values is written at first contact, and note what isn't."""
    kept = dict(values)
    if met.how is Decision.KEEP:
        kept = {key: value for key, value in kept.items() if _is_beside(mapping, key, value)}
        leave(scope.notes, "this portal's own profile is kept, as it was decided")
    elif "emails" in kept and _signs_in_by_email(mapping):
        differs = _addresses(kept) != _addresses(found.flat)
        if differs and not scope.policies.may_rewrite_sign_in_email:
            del kept["emails"]
            leave(scope.notes, "the e-mail address that this person signs in with is kept")
    if found.flat.get(ACTIVE) is False and not kept.get(ACTIVE):
        leave(scope.notes, _STAYS_DISABLED)
    return kept


_STAYS_DISABLED = "this portal has disabled this person, who stays disabled"


def without_enabling(scope: Scope, found: Found, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out that somebody becomes active whom the portal disabled before it lost them.

    A directory sends that with each cycle, so that it holds until the portal enables them, or the
    directory says itself that they are to be inactive. Where a policy forbids it altogether, the
    guards refuse it.
    """
    if found.local is None or found.flat.get(ACTIVE) is not False or not values.get(ACTIVE):
        return values
    if scope.policies.may_reenable != "known":
        return values
    leave(scope.notes, _STAYS_DISABLED)
    return {key: value for key, value in values.items() if key != ACTIVE}


def note_left(mapping: ResourceMapping, view: Viewpoint, found: Found) -> None:
    """Remember no more that the portal has disabled somebody: now the directory has."""
    links = mapping.links
    view.connection.execute(sa.update(links).where(links.c.id == found.id).values(local=None))


def _is_beside(mapping: ResourceMapping, key: str, value: Any) -> bool:
    """Say whether writing a value leaves the host's row alone; who leaves has to leave, though."""
    if key == ACTIVE:
        return value is False
    binding = mapping.bindings.get(key)
    return binding is not None and binding.keeping in (Keeping.LINK, Keeping.APART)


def _signs_in_by_email(mapping: ResourceMapping) -> bool:
    return bool(mapping.options.signs_in_by_email)


def _addresses(values: Mapping[str, Any]) -> list[str]:
    return [
        str(each["value"]).strip().lower()
        for each in values.get("emails") or ()
        if isinstance(each, Mapping) and each.get("value")
    ]


def verified_email(mapping: ResourceMapping) -> sa.ColumnElement[bool]:
    """Return SQL that says whether a person's address has been verified; nobody's, unless told."""
    declared = mapping.options.verified_email
    return sa.false() if declared is None else sa.type_coerce(declared, sa.Boolean())


def _others(
    scope: Scope, mapping: ResourceMapping, view: Viewpoint, values: Mapping[str, Any]
) -> Iterator[Match]:
    """Yield those who are met by another attribute than the name, as far as the policy says so."""
    chosen = scope.policies.match_people_by
    external_id = values.get("externalId")
    if "externalId" in chosen and isinstance(external_id, str) and external_id:
        if mapping.is_apart("externalId"):
            _refuse_known(scope, mapping, external_id)
        else:
            yield from _found(scope, mapping, view, "externalId", [external_id], "externalId")
    if "emails" in chosen:
        addresses = _addresses(values)[:_MOST_ADDRESSES]
        yield from _found(scope, mapping, view, "emails.value", addresses, "emails")


def _refuse_known(scope: Scope, mapping: ResourceMapping, external_id: str) -> None:
    """Let a directory have nobody twice whom it knows by an id of its own."""
    table, links = scope.models.external_id.__table__, mapping.links
    statement = (
        sa.select(table.c.id)
        .join(links, links.c.id == table.c.link_id)
        .where(
            table.c.integration_id == scope.integration_id,
            table.c.resource_type == mapping.table.name,
            table.c.external_id == external_id,
            links.c.deleted.is_(None),
        )
        .limit(1)
    )
    if scope.session.connection().scalar(statement) is not None:
        raise Uniqueness(
            "externalId is already in use by another User; match the existing one instead of "
            "creating a new one."
        )


def _found(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    path: str,
    sought: Sequence[str],
    by: str,
) -> Iterator[Match]:
    """Yield those of the portal's people who have one of the values and no directory yet."""
    if not sought:
        return
    node = parse_filter(" or ".join(f"{path} eq {json.dumps(value)}" for value in sought))
    table, links = mapping.table, mapping.links
    proven = sa.true() if by == "externalId" else verified_email(mapping)
    statement = (
        table.linked(links.c.id, proven.label("proven"), *table.key.columns)
        .where(
            where(mapping, node, view.backend),
            sa.or_(links.c.id.is_(None), links.c.local.is_(True)),
            *table.boundaries(),
        )
        .limit(_MOST_MATCHES)
    )
    read = table.key.reader(2)
    for row in view.execute(statement).all():
        if not scope.work.is_linked(table, read(row)):
            yield Match(read(row), row[0], (by,), verified=bool(row[1]))
