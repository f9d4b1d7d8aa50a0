"""What happened: one entry for each request that changed something, and for each kind of failure.

Entries of what was done join the transaction that did it; entries of what failed are written by a
transaction of their own, after the rollback. Failures of one kind and one subject within an hour
share an entry, which counts them; failed reads have no subject, so that nobody fills the log by
asking. Secrets never get here: payloads, paths and details are redacted first.
"""

from __future__ import annotations

import enum
import functools
import logging
import re
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import REFUSED, Models, utcnow
from .database_errors import kind_of_error
from .folding import counting_insert, fold_of
from .redaction import redact, redact_path, redact_text, storable_text
from .scope import Scope
from .work import rowcount, run_transaction

__all__ = [
    "Action",
    "ActivityEntry",
    "ActivityPage",
    "Attention",
    "AttentionCount",
    "cause_of",
    "count_attention",
    "entry",
    "page",
    "prune",
    "recent",
    "record",
    "record_administration",
    "record_failure",
]

logger = logging.getLogger(__name__)

_PRUNE_AT_ONCE = 5_000
_UNAVAILABLE = 503
_LONGEST_PATH = 1000
_LOOK_BACK = 10_000
"""How many entries a page goes through for what no index finds."""

# What a refusal takes from the latest of those that share its entry.
_NEWEST = (
    "last_at",
    "detail",
    "duration_ms",
    "request_id",
    "notes",
    "payload",
    "path",
    "address",
    "key_id",
    "dismissed",
)


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
    INTEGRATION_EDITED = "integration.edited"
    INTEGRATION_PAUSED = "integration.paused"
    INTEGRATION_REMOVED = "integration.removed"
    INTEGRATION_ENABLED = "integration.enabled"
    INTEGRATION_DISABLED = "integration.disabled"
    TOKEN_ROTATED = "token.rotated"  # noqa: S105 - the name of an event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an event
    ROLE_CHANGED = "role.changed"
    ATTENTION_DISMISSED = "attention.dismissed"
    HELD_RELEASED = "held.released"
    HELD_REJECTED = "held.rejected"
    PEOPLE_LET_GO = "people.let_go"
    USER_ADOPTED = "user.adopted"
    CONFLICT_DECIDED = "conflict.decided"
    CONFLICTS_DECIDED = "conflicts.decided"


READS = frozenset(
    {
        Action.USER_READ,
        Action.USER_SEARCHED,
        Action.GROUP_READ,
        Action.GROUP_SEARCHED,
        Action.REQUEST,
    }
)
"""What has no subject when it fails."""


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
    :ivar cause: What failures with the same reason have in common; None for what was done.
    :ivar changes: What was changed: ``attributes`` (names), ``added`` and ``removed`` (the host's
        keys of members), ``added_count``, ``removed_count``, ``skipped`` (ids that name nobody),
        ``kept`` (a DELETE that deactivated), ``was`` (settings before), ``taken_over`` (a person
        whom the portal had before; ``by`` what they were met, ``decided_by`` whom).
    :ivar count: How many requests the entry stands for; ``at`` is the first and ``last_at`` the
        latest of them.
    :ivar dismissed: Whether an administrator has said that it needs no attention.
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
    cause: str | None
    changes: Mapping[str, Any] | None
    method: str | None
    path: str | None
    address: str | None
    key_id: str | None
    count: int
    last_at: datetime | None
    dismissed: bool

    @property
    def latest(self) -> datetime:
        """When it happened, or happened last."""
        return self.last_at or self.at


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Entries, newest first.

    :ivar next_before: Give it to ``page(before=...)`` for the older ones; None on the last page. A
        page that looks for what is rare may be short, or empty, and not the last.
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
    cause: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    origin, hidden = scope.origin, scope.hidden
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
        "detail": None if detail is None else storable_text(redact_text(detail, hidden), 1000),
        "duration_ms": (time.perf_counter() - scope.started) * 1000,
        "request_id": storable_text(scope.request_id, 64),
        "notes": redact(scope.notes) if scope.notes else None,
        "payload": redact(scope.request_body, hidden),
        "cause": cause,
        "changes": changes or None,
        "method": origin.method,
        "path": None
        if origin.path is None
        else storable_text(redact_path(origin.path, hidden), _LONGEST_PATH),
        "address": storable_text(origin.address, 45),
        "key_id": origin.key_id,
        "fold": None,
        "count": 1,
        "last_at": None,
        "dismissed": False,
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
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry in the transaction that does what it tells of.

    :param resource_type: ``"User"`` or ``"Group"``.
    :param resource_id: The SCIM id.
    :param resource_name: What an administrator knows it by: ``userName`` or ``displayName``.
    :param attention: Why somebody should look at it although it succeeded.
    :param status: The HTTP status of the answer.
    :param changes: As ``ActivityEntry.changes``.
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
        changes=changes,
    )
    scope.work.log(scope.session, _insert(scope.models), row)


_SHOWN = re.compile(r"\"[^\"]*\"|'[^']*'|“[^”]*”|\d+|[0-9a-f]{8}-[0-9a-f-]{27}")


def cause_of(error: Exception, detail: str) -> str:
    """Return what failures with the same reason have in common, at most 64 characters.

    The sentence of a refusal names attributes and says what is wrong with them; what it quotes is
    left out, because it differs from person to person.
    """
    name = type(error).__name__[:50]
    return f"{name}-{zlib.crc32(_SHOWN.sub('', detail).encode(errors='replace')):08x}"


def record_failure(
    scope: Scope,
    action: Action,
    *,
    status: int,
    scim_type: str | None = None,
    detail: str | None = None,
    cause: str | None = None,
    resource_type: str | None = None,
    resource_id: object | None = None,
    resource_name: str | None = None,
) -> bool:
    """Write an entry of what failed, in a transaction of its own; call it after the rollback.

    In a batch it joins the batch's transaction, which goes on after one of its operations failed.

    It never raises, and never waits: the client gets the answer to its own failure, not to ours.

    :param cause: As ``cause_of`` returns it.
    :returns: whether it was written; why not, is logged, unless the database is busy or away,
        which its caller logs.
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
        cause=cause or f"{status}-{scim_type or ''}",
    )
    statement = _insert(scope.models)
    if not scope.work.is_shared:
        subject = None if action in READS else row["resource_id"] or row["resource_name"]
        hour = row["at"].replace(minute=0, second=0, microsecond=0)
        row["fold"] = fold_of(
            scope.integration_id, action, row["outcome"], status, row["cause"], subject, hour
        )
        row["last_at"] = row["at"]
        backend = scope.session.get_bind().dialect.name
        statement = counting_insert(scope.models.activity.__table__, backend, _NEWEST)
    prevented = scope.work.log_failure(scope.session, statement, row)
    if prevented is not None and status != _UNAVAILABLE:
        logger.warning(
            "The failure of request %s could not be recorded (%s).",
            scope.request_id,
            kind_of_error(prevented),
        )
    return prevented is None


def record_administration(
    session: Session,
    models: Models,
    *,
    tenant: str,
    integration_id: uuid.UUID,
    action: Action,
    actor: str | None,
    now: datetime,
    detail: str | None = None,
    changes: Mapping[str, Any] | None = None,
    key_id: str | None = None,
    people: Sequence[tuple[str | None, str]] = (),
) -> None:
    """Write what an administrator did, in the transaction that does it.

    :param detail: A sentence about it; without secrets.
    :param changes: As ``ActivityEntry.changes``.
    :param key_id: Of the token that it is about.
    :param people: The SCIM ids and the names of those it is about; each gets an entry.
    """
    row = {
        "at": now,
        "integration_id": integration_id,
        "tenant": tenant,
        "actor": storable_text(actor, 255),
        "action": action.value,
        "outcome": "ok",
        "detail": storable_text(detail, 1000),
        "changes": changes or None,
        "key_id": key_id,
        "count": 1,
        "dismissed": False,
    }
    rows = [
        row
        | {
            "resource_type": "User",
            "resource_id": storable_text(identity, 64),
            "resource_name": storable_text(name, 255),
        }
        for identity, name in people
    ]
    session.execute(_insert(models), rows or row)


def recent(
    session: Session, models: Models, integration_id: uuid.UUID, limit: int = 20
) -> Sequence[ActivityEntry]:
    """Return the newest entries of an integration, newest first."""
    return page(session, models, integration_id, limit=limit).entries


def entry(
    session: Session, models: Models, integration_id: uuid.UUID, entry_id: int
) -> ActivityEntry | None:
    """Return one entry of an integration, or None where it has none with this id."""
    table = models.activity.__table__
    statement = _entries(models).where(
        table.c.integration_id == integration_id, table.c.id == entry_id
    )
    row = session.execute(statement).first()
    return None if row is None else ActivityEntry(*row)


def page(
    session: Session,
    models: Models,
    integration_id: uuid.UUID | None = None,
    *,
    tenant: str | None = None,
    limit: int = 50,
    before: int | None = None,
    outcome: str | None = None,
    attention: Attention | None = None,
    resource_type: str | None = None,
    action: str | None = None,
    cause: str | None = None,
    text: str | None = None,
    since: datetime | None = None,
) -> ActivityPage:
    """Return one page of entries, newest first: an integration's, a tenant's, or all there are.

    A page begins after an id and not at an offset: a busy integration writes while somebody reads,
    and old pages cost as little as new ones.

    :param before: ``ActivityPage.next_before`` of the newer page.
    :param outcome: Only these: ``"ok"``, ``"refused"`` or ``"failed"``.
    :param attention: Only those that need attention for this reason.
    :param resource_type: Only these: ``"User"`` or ``"Group"``.
    :param action: Only these: a value of ``Action``.
    :param cause: Only the failures with this cause.
    :param text: Only those about this person or group (name or id), or of this request id.
    :param since: Only what happened since then.
    """
    table = models.activity.__table__
    conditions = []
    if integration_id is not None:
        conditions.append(table.c.integration_id == integration_id)
    if tenant is not None:
        conditions.append(table.c.tenant == tenant)
    if before is not None:
        conditions.append(table.c.id < before)
    found_by_index: list[Any] = []
    if cause is not None:
        found_by_index.append(table.c.cause == cause)
    if attention is not None:
        found_by_index.append(table.c.attention == attention)
    if text is not None:
        found_by_index.append(table.c.id.in_(_about(table, text)))
    if outcome in ("refused", "failed"):
        found_by_index.append(table.c.outcome == outcome)
    if cause is not None or outcome in ("refused", "failed"):
        # Said in the words of the partial index, so that every database knows that it may take it.
        found_by_index.append(sa.text(REFUSED))
    others: list[Any] = []
    if outcome == "ok":
        others.append(table.c.outcome == outcome)
    if resource_type is not None:
        others.append(table.c.resource_type == resource_type)
    if action is not None:
        others.append(table.c.action == action)
    if since is not None:
        others.append(sa.func.coalesce(table.c.last_at, table.c.at) >= since)
    newest = None
    if others and not found_by_index:
        # No index has these, and what is looked for may be rare: a page looks back so far and no
        # farther, and the next one goes on from there.
        newest = (
            sa.select(table.c.id, table.c.at)
            .where(*conditions)
            .order_by(table.c.id.desc())
            .limit(_LOOK_BACK)
            .subquery()
        )
        others.append(table.c.id.in_(sa.select(newest.c.id)))
    statement = _entries(models).where(*conditions, *found_by_index, *others).limit(limit + 1)
    entries = [ActivityEntry(*row) for row in session.execute(statement)]
    if len(entries) > limit:
        return ActivityPage(entries[:limit], entries[limit - 1].id)
    if newest is not None:
        looked = sa.select(sa.func.min(newest.c.id), sa.func.count(), sa.func.min(newest.c.at))
        last, count, oldest = session.execute(looked).one()
        if count == _LOOK_BACK and (since is None or oldest >= since):
            return ActivityPage(entries, last)
    return ActivityPage(entries, None)


def _about(table: Any, text: str) -> Any:
    """Return the ids of the entries about a text: each way to find it has an index of its own."""
    names = list(dict.fromkeys([text, text.lower()]))
    found = [
        sa.select(table.c.id).where(condition)
        for condition in (
            table.c.resource_id == text.lower(),
            table.c.resource_name.in_(names),
            table.c.request_id == text,
        )
    ]
    return sa.union_all(*found)


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

    Ids grow with time, so they are gone through from the old end, many small transactions that keep
    nobody waiting. An entry that is young in spite of its id (a clock was wrong, rows were put
    back, a refusal came again) is stepped over.
    """
    table = models.activity.__table__
    old = sa.func.coalesce(table.c.last_at, table.c.at) < before
    deleted, start = 0, 0
    while True:
        part = sa.select(table.c.id, old).where(table.c.id >= start).order_by(table.c.id)
        rows = session.execute(part.limit(_PRUNE_AT_ONCE)).all()
        if not rows:
            return deleted
        last = rows[-1].id
        if any(row[1] for row in rows):
            chunk = sa.delete(table).where(table.c.id.between(rows[0].id, last), old)
            result = run_transaction(session, functools.partial(session.execute, chunk))
            deleted += rowcount(result)
            start = last + 1
            continue
        beyond = session.scalar(sa.select(sa.func.min(table.c.id)).where(table.c.id > last, old))
        if beyond is None:
            return deleted
        start = beyond
