"""The brake: what lets many people go at once waits until an administrator has looked at it.

A wrong filter in a directory deactivates half of a company within minutes. What one integration
deactivates, deletes, or removes from one group within an hour is counted; what is more than its
policy allows is answered with 503, which directories try again, so that nothing is lost. Once it
holds something it holds all that follows, until somebody has decided: who is released goes at the
directory's next try, and what is rejected is answered with 403.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ResourceMapping
from ..models import Models, utcnow
from ..scim.errors import Forbidden, TemporarilyUnavailable
from .activity import Action, record_administration
from .errors import IntegrationInvalid
from .folding import counting_insert, fold_of
from .integration_views import IntegrationView, lock_integration
from .membership import MembershipChange
from .offboarding import Leaver, Record, held
from .policies import Policies
from .scope import Scope
from .work import run_transaction

__all__ = [
    "ChangeHeld",
    "ChangeRejected",
    "HeldChanges",
    "check",
    "check_members",
    "decide",
    "waiting",
]

_RETRY_AFTER = 600
_WINDOW = timedelta(hours=1)
_SLOT = 300  # seconds
_ALLOWED = timedelta(days=1)
"""How long the removals from a group go on unbraked once they are released."""


class ChangeHeld(TemporarilyUnavailable):
    """The brake holds a change until an administrator has decided."""

    holds = True

    def __init__(self, leaver: Leaver, reason: str) -> None:
        super().__init__(
            "This directory lets more people go than this portal allows without a question, so "
            "that nothing was changed; an administrator of the portal has to release it on the "
            "integration's page, and the request can be sent again.",
            retry_after=_RETRY_AFTER,
        )
        self.leaver = leaver
        self.reason = reason


class ChangeRejected(Forbidden):
    """An administrator has looked at a change and doesn't want it."""

    def __init__(self, leaver: Leaver) -> None:
        super().__init__(
            "An administrator of this portal has rejected this, and nothing was changed; correct "
            "the assignment in the identity provider, or ask the administrator to release it."
        )
        self.leaver = leaver


def check(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    leaver: Leaver,
    *,
    leaves: bool = True,
    vanishes: bool = False,
) -> None:
    """Let somebody go, or hold that; called in the transaction that does it, before it does.

    :param leaves: whether the person was active until now.
    :param vanishes: whether the directory won't know the person any more.
    :raises ChangeHeld: when it is held.
    :raises ChangeRejected: when an administrator has rejected it.
    """
    _check(
        scope,
        leaver,
        _Number(int(leaves), int(vanishes)),
        "people",
        lambda at_most: _people(scope, mapping, view, at_most) - int(vanishes),
    )


def check_members(
    scope: Scope,
    mapping: ResourceMapping,
    view: Viewpoint,
    leaver: Leaver,
    change: MembershipChange,
) -> bool:
    """Let members of a group go, or hold that; called after it was done, before it is committed.

    :returns: whether an administrator has released it.
    :raises ChangeHeld: when it is held.
    :raises ChangeRejected: when an administrator has rejected it.
    """
    gone = len(change.users.removed)
    if not gone or mapping.members is None or not scope.policies.brake_groups:
        return False
    users = mapping.members.kinds[0]

    return _check(
        scope,
        leaver,
        _Number(gone, gone),
        f"group:{leaver.resource_id}",
        lambda at_most: users.count(view, leaver.host_key, at_most),
    )


@dataclass(frozen=True, slots=True)
class _Number:
    """How many left, and how many of them aren't counted among those who are there any more."""

    left: int
    vanished: int


def _check(
    scope: Scope, leaver: Leaver, number: _Number, about: str, size: Callable[[int], int]
) -> bool:
    """Say whether somebody has released what was held."""
    policies = scope.policies
    if policies.brake_percent is None and policies.brake_most is None:
        return False
    row = _row(scope, leaver, about)
    if row.held is not None:
        if row.decision == "released":
            return True
        if row.decision == "rejected":
            raise ChangeRejected(leaver)
        raise ChangeHeld(leaver, "held until an administrator decides")
    if leaver.kind != "removed" and row.others:
        raise ChangeHeld(leaver, "held with the others until an administrator decides")
    total, allowed = _count(scope, row, number)
    if allowed or not _is_too_many(policies, total, size):
        return False
    raise ChangeHeld(leaver, _reason(policies, total.left))


def _row(scope: Scope, leaver: Leaver, about: str) -> Any:
    """Return what was counted, and what is held, in one statement; make the row where none is.

    The row is locked before it is counted up, so that two requests that meet are counted one after
    the other; what fails later is taken back with its transaction.
    """
    connection = scope.session.connection()
    table = scope.models.brake.__table__
    fold = fold_of("brake", scope.integration_id, about)
    parameters = {
        "brake": fold,
        "leaver": leaver.fold(scope.integration_id),
        "integration": scope.integration_id,
    }
    found = connection.execute(_reading(scope.models), parameters).first()
    if found is None:
        statement = counting_insert(table, connection.dialect.name, ("last_at",))
        made = {
            "fold": fold,
            "integration_id": scope.integration_id,
            "last_at": utcnow(),
            "count": 0,
            "slots": None,
        }
        connection.execute(statement, made)
        found = connection.execute(_reading(scope.models), parameters).one()
    return found


@functools.lru_cache(maxsize=64)
def _reading(models: Models) -> sa.Select[tuple[Any, ...]]:
    table, record = models.brake.__table__, models.offboarding.__table__
    mine = record.c.fold == sa.bindparam("leaver")
    waits = sa.exists().where(
        record.c.integration_id == sa.bindparam("integration"),
        record.c.held.is_not(None),
        record.c.decision.is_(None),
        record.c.kind != "removed",
    )
    return (
        sa.select(
            table.c.id,
            table.c.slots,
            table.c.allowed_until,
            sa.select(record.c.held).where(mine).scalar_subquery().label("held"),
            sa.select(record.c.decision).where(mine).scalar_subquery().label("decision"),
            waits.label("others"),
        )
        .where(table.c.fold == sa.bindparam("brake"))
        .with_for_update(of=table)
    )


def _count(scope: Scope, row: Any, number: _Number) -> tuple[_Number, bool]:
    """Add to what was counted, and return how many it makes within the hour.

    :returns: also whether an administrator has allowed any number for now.
    """
    table, now = scope.models.brake.__table__, utcnow()
    oldest = int((now - _WINDOW).timestamp())
    slots = {at: each for at, each in (row.slots or {}).items() if int(at) + _SLOT > oldest}
    slot = str(int(now.timestamp()) // _SLOT * _SLOT)
    left, vanished = slots.get(slot, (0, 0))
    slots[slot] = [left + number.left, vanished + number.vanished]
    values = {"slots": slots, "last_at": now, "count": table.c.count + number.left}
    scope.session.connection().execute(sa.update(table).where(table.c.id == row.id).values(values))
    allowed = row.allowed_until is not None and row.allowed_until > now
    total = _Number(
        sum(each[0] for each in slots.values()), sum(each[1] for each in slots.values())
    )
    return total, allowed


def _is_too_many(policies: Policies, total: _Number, size: Callable[[int], int]) -> bool:
    left = total.left
    if policies.brake_most is not None and left > policies.brake_most:
        return True
    percent = policies.brake_percent
    if percent is None or left <= (policies.brake_least or 0):
        return False
    # No more are counted than it takes to know.
    enough = left * 100 // percent + 1
    return left * 100 > percent * (size(enough) + total.vanished)


def _reason(policies: Policies, total: int) -> str:
    if policies.brake_most is not None and total > policies.brake_most:
        return f"{total} within an hour, and {policies.brake_most} are allowed"
    return f"{total} within an hour, which is more than {policies.brake_percent} %"


def _people(scope: Scope, mapping: ResourceMapping, view: Viewpoint, at_most: int) -> int:
    """Count the people whom the directory knows; where it gives no ids, those whom SCIM does."""
    external, links, table = scope.models.external_id.__table__, mapping.links, mapping.table
    own = sa.select(external.c.id).where(
        external.c.integration_id == scope.integration_id,
        external.c.resource_type == mapping.table.name,
    )
    every = table.linked(links.c.id).where(
        links.c.id.is_not(None),
        links.c.deleted.is_(None),
        links.c.local.is_not(True),
        *table.boundaries(),
    )
    for each in (own, every):
        part = each.limit(at_most).subquery()
        found = view.execute(sa.select(sa.func.count()).select_from(part)).scalar_one()
        if found:
            return int(found)
    return 0


@dataclass(frozen=True, slots=True)
class HeldChanges:
    """What waits for a decision about one integration.

    :ivar more: whether there are more than were counted.
    """

    people: int
    groups: int
    since: datetime


def waiting(
    session: Session, models: Models, integration_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, HeldChanges]:
    """Count what waits for a decision, by integration."""
    table = models.offboarding.__table__
    group = sa.case((table.c.kind == "removed", 1), else_=0)
    rows = session.execute(
        sa.select(
            table.c.integration_id,
            sa.func.count(),
            sa.func.sum(group),
            sa.func.min(table.c.received),
        )
        .where(
            table.c.integration_id.in_(integration_ids),
            table.c.held.is_not(None),
            table.c.decision.is_(None),
        )
        .group_by(table.c.integration_id)
    )
    return {
        key: HeldChanges(int(count) - int(groups), int(groups), since)
        for key, count, groups, since in rows
    }


def decide(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    decision: str,
    ids: Collection[int] | None = None,
    actor: str | None = None,
) -> Sequence[Record]:
    """Release or reject what the brake holds; a decision can be changed until it is carried out.

    :param decision: ``"released"`` or ``"rejected"``.
    :param ids: Of which records; None for all that wait.
    :param actor: Who decides, for the records.
    :returns: What was decided now.
    :raises IntegrationNotFound: when the tenant has no such integration.
    :raises IntegrationInvalid: when it is no decision, or nothing of these is held.
    """
    if decision not in ("released", "rejected"):
        raise IntegrationInvalid("decision", "Choose to release or to reject.")
    table, now = models.offboarding.__table__, utcnow()

    def work() -> tuple[IntegrationView, Sequence[Record]]:
        view = lock_integration(session, models, tenant, integration_id)
        wanted = [
            each
            for each in held(session, models, view.id)
            if (each.decision is None if ids is None else each.id in ids)
            and each.decision != decision
        ]
        if not wanted:
            raise IntegrationInvalid(
                "decision", "Nothing of this is held any more; open the page again."
            )
        for start in range(0, len(wanted), 500):
            part = [each.id for each in wanted[start : start + 500]]
            session.execute(
                sa.update(table)
                .where(table.c.id.in_(part), table.c.held.is_not(None))
                .values(decision=decision, decided_by=(actor or "")[:255] or None, decided_at=now)
            )
        if decision == "released":
            _open(session, models, view.id, wanted, now)
        names = [each.resource_name or each.resource_id for each in wanted]
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=Action.HELD_RELEASED if decision == "released" else Action.HELD_REJECTED,
            actor=actor,
            now=now,
            changes={"held": names[:20], "held_count": len(names)},
        )
        return view, wanted

    return run_transaction(session, work)[1]


def _open(
    session: Session,
    models: Models,
    integration_id: uuid.UUID,
    released: Sequence[Record],
    now: datetime,
) -> None:
    """Begin to count anew what somebody has allowed; a group is left alone for a day."""
    table = models.brake.__table__
    abouts = {
        "people" if each.kind != "removed" else f"group:{each.resource_id}" for each in released
    }
    for about in abouts:
        until = None if about == "people" else now + _ALLOWED
        session.execute(
            sa.update(table)
            .where(table.c.fold == fold_of("brake", integration_id, about))
            .values(slots=None, allowed_until=until)
        )
