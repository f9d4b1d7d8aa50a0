"""What happened: one entry for each request that changed something or failed.

Entries of what was done join the transaction that did it; entries of what failed are written by a
transaction of their own, after the rollback. Secrets never get here: payloads are redacted first.
"""

from __future__ import annotations

import enum
import functools
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..models import Models, utcnow
from ..scim.errors import TemporarilyUnavailable
from .redaction import redact, storable_text
from .scope import Scope, rowcount, run_transaction

__all__ = [
    "Action",
    "ActivityEntry",
    "ActivityPage",
    "Attention",
    "AttentionCount",
    "count_attention",
    "page",
    "prune",
    "recent",
    "record",
    "record_administration",
    "record_failure",
    "write",
]

logger = logging.getLogger(__name__)

_PRUNE_AT_ONCE = 5_000


class Action(enum.StrEnum):
    """Everything that an entry can tell."""

    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_REPLACED = "user.replaced"
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    USER_DELETED = "user.deleted"
    USER_READ = "user.read"
    USER_SEARCHED = "user.searched"
    GROUP_CREATED = "group.created"
    GROUP_UPDATED = "group.updated"
    GROUP_REPLACED = "group.replaced"
    GROUP_DELETED = "group.deleted"
    GROUP_READ = "group.read"
    GROUP_SEARCHED = "group.searched"
    MEMBERS_CHANGED = "group.members.changed"
    REQUEST = "request"
    INTEGRATION_CREATED = "integration.created"
    INTEGRATION_ENABLED = "integration.enabled"
    INTEGRATION_DISABLED = "integration.disabled"
    TOKEN_ROTATED = "token.rotated"  # noqa: S105 - the name of an event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an event


class Attention(enum.StrEnum):
    """Why an entry of what was done needs an administrator's attention all the same."""

    MEMBERS_SKIPPED = "members.skipped"
    MEMBERS_MOVED = "members.moved"


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One entry, as pages and commands show it.

    :ivar actor: The administrator who acted; None for the identity provider.
    :ivar outcome: ``"ok"``, ``"refused"`` (4xx) or ``"failed"`` (5xx).
    :ivar attention: One of ``Attention``, where not all that was sent could be done.
    """

    id: int
    at: datetime
    integration_id: uuid.UUID
    tenant: str
    actor: str | None
    action: str
    resource_type: str | None
    resource_id: str | None
    resource_name: str | None
    outcome: str
    attention: str | None
    status: int | None
    scim_type: str | None
    detail: str | None
    duration_ms: float | None
    request_id: str | None
    notes: Sequence[str] | None
    payload: Any | None


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Entries, newest first.

    :ivar next_before: Give it to ``page(before=...)`` for the older ones; None on the last page.
    """

    entries: Sequence[ActivityEntry]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class AttentionCount:
    """How many entries need attention.

    :ivar more: There are more than were counted.
    :ivar latest: When the newest of them was written; None where there is none.
    """

    count: int
    more: bool
    latest: datetime | None


@functools.lru_cache(maxsize=64)
def _insert(models: Models) -> sa.Insert:
    return sa.insert(models.activity.__table__)


@functools.lru_cache(maxsize=64)
def _entries(models: Models) -> sa.Select[tuple[Any, ...]]:
    table = models.activity.__table__
    columns = [table.c[each.name] for each in fields(ActivityEntry)]
    return sa.select(*columns).order_by(table.c.id.desc())


def _row(
    scope: Scope,
    action: Action,
    *,
    resource_type: str | None,
    resource_id: object | None,
    resource_name: str | None,
    outcome: str,
    attention: Attention | None = None,
    status: int,
    scim_type: str | None,
    detail: str | None,
) -> dict[str, Any]:
    return {
        "at": utcnow(),
        "integration_id": scope.integration_id,
        "tenant": scope.tenant,
        "actor": None,
        "action": action.value,
        "resource_type": resource_type,
        "resource_id": storable_text(resource_id, 64),
        "resource_name": storable_text(resource_name, 255),
        "outcome": outcome,
        "attention": attention,
        "status": int(status),
        "scim_type": scim_type,
        "detail": storable_text(detail, 1000),
        "duration_ms": (time.perf_counter() - scope.started) * 1000,
        "request_id": storable_text(scope.request_id, 64),
        "notes": redact(scope.notes) if scope.notes else None,
        "payload": redact(scope.request_body),
    }


def record(
    scope: Scope,
    action: Action,
    *,
    resource_type: str | None = None,
    resource_id: object | None = None,
    resource_name: str | None = None,
    outcome: str = "ok",
    attention: Attention | None = None,
    status: int,
    scim_type: str | None = None,
    detail: str | None = None,
) -> None:
    """Write an entry in the transaction that does what it tells of.

    :param resource_type: ``"User"`` or ``"Group"``.
    :param resource_id: The SCIM id.
    :param resource_name: What an administrator knows it by: ``userName`` or ``displayName``.
    :param attention: Why somebody should look at it although it succeeded.
    :param status: The HTTP status of the answer.
    """
    row = _row(
        scope,
        action,
        resource_type=resource_type,
        resource_id=resource_id,
        resource_name=resource_name,
        outcome=outcome,
        attention=attention,
        status=status,
        scim_type=scim_type,
        detail=detail,
    )
    if scope.batch is not None:
        scope.batch.entries.append(row)
        return
    scope.session.connection().execute(_insert(scope.models), row)


def write(scope: Scope, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the entries of a batch, in the transaction that does what they tell of."""
    if rows:
        scope.session.connection().execute(_insert(scope.models), rows)


def record_failure(
    scope: Scope,
    action: Action,
    *,
    status: int,
    scim_type: str | None = None,
    detail: str | None = None,
    resource_type: str | None = None,
    resource_id: object | None = None,
    resource_name: str | None = None,
) -> None:
    """Write an entry of what failed, in a transaction of its own; call it after the rollback.

    In a batch it joins the batch's transaction, which goes on after one of its operations failed.

    It never raises: the client gets the answer to its own failure, not to ours.
    """
    row = _row(
        scope,
        action,
        resource_type=resource_type,
        resource_id=resource_id,
        resource_name=resource_name,
        outcome="failed" if status >= 500 else "refused",
        status=status,
        scim_type=scim_type,
        detail=detail,
    )
    if scope.batch is not None:
        scope.batch.entries.append(row)
        return
    try:
        run_transaction(scope.session, lambda: scope.session.execute(_insert(scope.models), row))
    except (SQLAlchemyError, TemporarilyUnavailable):
        logger.exception("The failure of request %s could not be recorded.", scope.request_id)


def record_administration(
    session: Session,
    models: Models,
    *,
    tenant: str,
    integration_id: uuid.UUID,
    action: Action,
    actor: str | None,
    now: datetime,
) -> None:
    """Write what an administrator did, in the transaction that does it."""
    row = {
        "at": now,
        "integration_id": integration_id,
        "tenant": tenant,
        "actor": storable_text(actor, 255),
        "action": action.value,
        "outcome": "ok",
    }
    session.execute(_insert(models), row)


def recent(
    session: Session, models: Models, integration_id: uuid.UUID, limit: int = 20
) -> Sequence[ActivityEntry]:
    """Return the newest entries of an integration, newest first."""
    return page(session, models, integration_id, limit=limit).entries


def page(
    session: Session,
    models: Models,
    integration_id: uuid.UUID,
    *,
    limit: int = 50,
    before: int | None = None,
    outcome: str | None = None,
    attention: Attention | None = None,
    resource_type: str | None = None,
) -> ActivityPage:
    """Return one page of an integration's entries, newest first.

    A page begins after an id and not at an offset: a busy integration writes while somebody reads,
    and old pages cost as little as new ones.

    :param before: ``ActivityPage.next_before`` of the newer page.
    :param outcome: Only these: ``"ok"``, ``"refused"`` or ``"failed"``.
    :param attention: Only those that need attention for this reason.
    :param resource_type: Only these: ``"User"`` or ``"Group"``.
    """
    table = models.activity.__table__
    statement = _entries(models).where(table.c.integration_id == integration_id).limit(limit + 1)
    if before is not None:
        statement = statement.where(table.c.id < before)
    if outcome is not None:
        statement = statement.where(table.c.outcome == outcome)
    if attention is not None:
        statement = statement.where(table.c.attention == attention)
    if resource_type is not None:
        statement = statement.where(table.c.resource_type == resource_type)
    entries = [ActivityEntry(*row) for row in session.execute(statement)]
    if len(entries) <= limit:
        return ActivityPage(entries, None)
    return ActivityPage(entries[:limit], entries[limit - 1].id)


def count_attention(
    session: Session, models: Models, integration_id: uuid.UUID, *, at_most: int = 99
) -> AttentionCount:
    """Count the entries of an integration that need attention, by their index.

    :param at_most: How far to count: nobody minds the difference, and a busy log has many.
    """
    table = models.activity.__table__
    statement = (
        sa.select(table.c.at)
        .where(
            table.c.integration_id == integration_id,
            table.c.attention == Attention.MEMBERS_SKIPPED,
        )
        .order_by(table.c.id.desc())
        .limit(at_most + 1)
    )
    moments = session.scalars(statement).all()
    return AttentionCount(
        min(len(moments), at_most), len(moments) > at_most, moments[0] if moments else None
    )


def prune(session: Session, models: Models, before: datetime) -> int:
    """Delete the entries older than ``before``, and return how many they were.

    Ids grow with time, so the first entry to keep is found from the old end, without an index on
    the time; many small transactions keep nobody waiting.
    """
    table = models.activity.__table__
    keep = session.scalar(
        sa.select(table.c.id).where(table.c.at >= before).order_by(table.c.id).limit(1)
    )
    first, last = session.execute(sa.select(sa.func.min(table.c.id), sa.func.max(table.c.id))).one()
    if first is None:
        return 0
    end = keep if keep is not None else last + 1
    deleted = 0
    for start in range(first, end, _PRUNE_AT_ONCE):
        chunk = sa.delete(table).where(
            table.c.id >= start, table.c.id < min(start + _PRUNE_AT_ONCE, end)
        )
        result = run_transaction(session, functools.partial(session.execute, chunk))
        deleted += rowcount(result)
    return deleted
