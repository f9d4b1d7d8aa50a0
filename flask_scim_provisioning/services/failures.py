"""What failed and isn't solved: grouped by cause, with whom it concerns and since when.

A failure is solved when the same person or group was written successfully afterwards; a failed read
has no subject, and is over when a day has passed without it. Everything here is found by the index
of refusals and read for all integrations at once, so that a list of them costs as many statements
as one of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.resources import ResourceMapping
from ..models import REFUSED, Models
from .activity import READS, Action, Attention
from .work import rowcount

__all__ = [
    "FailureGroup",
    "Skipped",
    "Subject",
    "dismiss",
    "open_failures",
    "open_skips",
    "successes_since",
]

WINDOW = timedelta(days=7)
"""How far back failures are looked for."""

READ_WINDOW = timedelta(days=1)

_PER_INTEGRATION = 300
_AT_ONCE = 100  # SQLite joins 500 selects at most
_SUBJECTS = 50
_REQUESTS = 5
_LATER_ENTRIES = 1_000

_TEMPORARY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a failure concerns, by the name that the portal or the request had for them."""

    resource_type: str | None
    resource_id: str | None
    name: str | None

    @property
    def shown(self) -> str:
        """The name, or the id where nobody knows it."""
        return self.name or self.resource_id or ""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures with one cause.

    :ivar action: What was tried: a value of ``activity.Action``.
    :ivar detail: The sentence of the latest of them.
    :ivar requests: How many requests failed.
    :ivar subjects: Whom they concern, the latest first; at most 50.
    :ivar subject_count: How many those are.
    :ivar more: There are more failures than were read.
    :ivar request_ids: Of the latest requests.
    :ivar latest_id: Of the newest entry; what is dismissed ends there.
    """

    integration_id: uuid.UUID
    cause: str
    action: str
    outcome: str
    status: int | None
    scim_type: str | None
    detail: str | None
    requests: int
    since: datetime
    latest: datetime
    subjects: Sequence[Subject]
    subject_count: int
    more: bool
    request_ids: Sequence[str]
    latest_id: int

    @property
    def error(self) -> str:
        """The name of the error's class, by which a remedy is found."""
        return self.cause.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A change of a group that left out members whom nobody knows.

    :ivar ids: The SCIM ids that were left out, as far as they are kept.
    """

    integration_id: uuid.UUID
    entry_id: int
    at: datetime
    group: str | None
    ids: Sequence[str]


def _chunks(ids: Sequence[uuid.UUID]) -> Iterable[Sequence[uuid.UUID]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _newest_of_each(
    table: Any, columns: Sequence[Any], ids: Sequence[uuid.UUID], *conditions: Any, limit: int
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Return the newest rows of each integration, each read from its end of the index."""
    parts = []
    for integration_id in ids:
        part = (
            sa.select(*columns)
            .where(table.c.integration_id == integration_id, *conditions)
            .order_by(table.c.id.desc())
            .limit(limit)
            .subquery()
        )
        parts.append(sa.select(part))
    return parts[0] if len(parts) == 1 else sa.union_all(*parts)


def open_failures(
    session: Session, models: Models, integration_ids: Sequence[uuid.UUID], now: datetime
) -> Mapping[uuid.UUID, Sequence[FailureGroup]]:
    """Return what failed in the last week and isn't solved, by integration; the latest first."""
    table = models.activity.__table__
    columns = [
        table.c[name]
        for name in (
            "id",
            "integration_id",
            "at",
            "last_at",
            "action",
            "outcome",
            "status",
            "scim_type",
            "detail",
            "cause",
            "resource_type",
            "resource_id",
            "resource_name",
            "request_id",
            "count",
        )
    ]
    rows: list[Any] = []
    for part in _chunks(integration_ids):
        statement = _newest_of_each(
            table,
            columns,
            part,
            sa.text(REFUSED),
            table.c.outcome.in_(["refused", "failed"]),
            table.c.dismissed.is_(False),
            limit=_PER_INTEGRATION + 1,
        )
        rows += session.execute(statement).all()
    oldest = now - WINDOW
    recent = [row for row in rows if (row.last_at or row.at) >= oldest and not _is_normal(row)]
    solved = _Successes.since(session, models, recent)
    unsolved = [row for row in recent if not solved.solves(row, now)]
    many = {
        each
        for each in integration_ids
        if sum(row.integration_id == each for row in rows) > _PER_INTEGRATION
    }
    return _grouped(unsolved, many)


_GUARDS = frozenset({"LastAdministrator", "Protected", "PrivilegeRefused", "DisabledByPortal"})
"""The kinds of refusals that stand until somebody in the portal or the directory does something."""

_GUARDED_WINDOW = timedelta(days=7)
"""Directories repeat what was refused with each cycle; what isn't repeated so long is given up."""


def _kind(row: Any) -> str:
    return str(row.cause or "").partition("-")[0]


def _is_normal(row: Any) -> bool:
    """Say whether a client asks so in the course of its work: "do you know this one?".

    What waits for a decision, or was decided so, is told by the inbox.
    """
    if _kind(row) in ("DecisionWaits", "AccountRefused"):
        return True
    # Who is deleted and isn't there is as the client wants it (RFC 9110 section 9.2.2).
    asked = row.action in READS or row.action in (Action.USER_DELETED, Action.GROUP_DELETED)
    return bool(row.status == 404 and asked and row.resource_type is not None)


@dataclass(frozen=True, slots=True)
class _Successes:
    """When each subject was last written successfully, by integration and by id or name."""

    latest: Mapping[tuple[uuid.UUID, str], datetime]
    any: Mapping[uuid.UUID, datetime]

    @classmethod
    def since(cls, session: Session, models: Models, rows: Sequence[Any]) -> _Successes:
        """Look up those of whom something failed."""
        latest: dict[tuple[uuid.UUID, str], datetime] = {}
        anything: dict[uuid.UUID, datetime] = {}
        if not rows:
            return cls(latest, anything)
        table = models.activity.__table__
        owners = sorted({row.integration_id for row in rows}, key=str)
        by_subject = (
            (table.c.resource_id, {row.resource_id for row in rows if row.resource_id}),
            (table.c.resource_name, {row.resource_name for row in rows if row.resource_name}),
        )
        for column, wanted in by_subject:
            if not wanted:
                continue
            found = session.execute(
                sa.select(table.c.integration_id, column, sa.func.max(table.c.at))
                .where(
                    column.in_(sorted(wanted)),
                    table.c.integration_id.in_(owners),
                    table.c.outcome == "ok",
                )
                .group_by(table.c.integration_id, column)
            )
            for owner, subject, at in found:
                latest[owner, subject] = at
        temporary = sorted(
            {row.integration_id for row in rows if row.status in _TEMPORARY}, key=str
        )
        for part in _chunks(temporary):
            statement = _newest_of_each(
                table,
                [table.c.integration_id, table.c.at],
                part,
                table.c.outcome == "ok",
                table.c.status.is_not(None),
                limit=1,
            )
            anything |= {row.integration_id: row.at for row in session.execute(statement)}
        return cls(latest, anything)

    def solves(self, row: Any, now: datetime) -> bool:
        """Say whether a failure is over."""
        failed = row.last_at or row.at
        owner = row.integration_id
        if row.status in _TEMPORARY and failed < self.any.get(owner, failed):
            return True
        if row.action in READS:
            return bool(failed < now - READ_WINDOW)
        if _kind(row) in _GUARDS:
            # That something else of the person could be changed mends nothing.
            return bool(failed < now - _GUARDED_WINDOW)
        subjects = (row.resource_id, row.resource_name)
        done = [self.latest.get((owner, each)) for each in subjects if each]
        return any(at is not None and at > failed for at in done)


def _grouped(
    rows: Iterable[Any], many: set[uuid.UUID]
) -> Mapping[uuid.UUID, Sequence[FailureGroup]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        cause = row.cause or f"{row.status}-{row.scim_type or ''}"
        groups.setdefault((row.integration_id, row.action, cause), []).append(row)
    found: dict[uuid.UUID, list[FailureGroup]] = {}
    for (owner, action, cause), members in groups.items():
        members.sort(key=lambda row: row.last_at or row.at, reverse=True)
        newest = members[0]
        subjects = dict.fromkeys(
            Subject(row.resource_type, row.resource_id, row.resource_name)
            for row in members
            if (row.resource_name or row.resource_id) and action not in READS
        )
        group = FailureGroup(
            integration_id=owner,
            cause=cause,
            action=action,
            outcome=newest.outcome,
            status=newest.status,
            scim_type=newest.scim_type,
            detail=newest.detail,
            requests=sum(row.count or 1 for row in members),
            since=min(row.at for row in members),
            latest=newest.last_at or newest.at,
            subjects=list(subjects)[:_SUBJECTS],
            subject_count=len(subjects),
            more=owner in many,
            request_ids=[row.request_id for row in members if row.request_id][:_REQUESTS],
            latest_id=max(row.id for row in members),
        )
        found.setdefault(owner, []).append(group)
    for each in found.values():
        each.sort(key=lambda group: group.latest, reverse=True)
    return found


def open_skips(
    session: Session,
    models: Models,
    mappings: Mapping[str, ResourceMapping],
    integration_ids: Sequence[uuid.UUID],
) -> Mapping[uuid.UUID, Sequence[Skipped]]:
    """Return the changes of groups that left members out who are still left out.

    One is over when its group is gone or was replaced, and when all whom it left out came later.
    """
    table = models.activity.__table__
    columns = [
        table.c[name]
        for name in ("id", "integration_id", "at", "resource_id", "resource_name", "changes")
    ]
    rows: list[Any] = []
    for part in _chunks(integration_ids):
        statement = _newest_of_each(
            table,
            columns,
            part,
            table.c.attention == Attention.MEMBERS_SKIPPED,
            table.c.dismissed.is_(False),
            limit=100,
        )
        rows += session.execute(statement).all()
    later = _later_changes(session, table, rows)
    keys = _keys_of(session, table, mappings, rows)
    found: dict[uuid.UUID, list[Skipped]] = {}
    for row in rows:
        ids = (row.changes or {}).get("skipped", [])
        if _came_later(row, ids, keys, later.get(row.resource_id, ())):
            continue
        found.setdefault(row.integration_id, []).append(
            Skipped(row.integration_id, row.id, row.at, row.resource_name, ids)
        )
    return found


def _later_changes(
    session: Session, table: Any, rows: Sequence[Any]
) -> Mapping[str, Sequence[Any]]:
    groups = sorted({row.resource_id for row in rows if row.resource_id})
    if not groups:
        return {}
    statement = (
        sa.select(
            table.c.id, table.c.resource_id, table.c.action, table.c.attention, table.c.changes
        )
        .where(
            table.c.resource_id.in_(groups),
            table.c.outcome == "ok",
            table.c.id > min(row.id for row in rows),
        )
        .order_by(table.c.id.desc())
        .limit(_LATER_ENTRIES)
    )
    later: dict[str, list[Any]] = {}
    for row in session.execute(statement):
        later.setdefault(row.resource_id, []).append(row)
    return later


def _keys_of(
    session: Session, table: Any, mappings: Mapping[str, ResourceMapping], rows: Sequence[Any]
) -> Mapping[str, Any]:
    """Return the host's keys of those who were left out and are known by now.

    Who was deleted and came back has another id than the one that was left out, and the same name.
    """
    ids = {each for row in rows for each in (row.changes or {}).get("skipped", [])}
    if not ids:
        return {}
    keys = _keys(session, mappings, ids)
    strangers = sorted(ids - keys.keys())
    if not strangers:
        return keys
    names = {
        row.resource_id: row.resource_name
        for row in session.execute(
            sa.select(table.c.resource_id, table.c.resource_name)
            .where(table.c.resource_id.in_(strangers), table.c.resource_name.is_not(None))
            .order_by(table.c.id)
        )
    }
    if not names:
        return keys
    returned = {
        row.resource_name: row.resource_id
        for row in session.execute(
            sa.select(table.c.resource_name, table.c.resource_id)
            .where(
                table.c.resource_name.in_(sorted(set(names.values()))),
                table.c.integration_id.in_(sorted({row.integration_id for row in rows}, key=str)),
                table.c.action.in_(["user.created", "group.created"]),
                table.c.outcome == "ok",
            )
            .order_by(table.c.id)
        )
    }
    by_id = _keys(session, mappings, set(returned.values()))
    for stranger, name in names.items():
        key = by_id.get(returned.get(name, ""))
        if key is not None:
            keys[stranger] = key
    return keys


def _keys(
    session: Session, mappings: Mapping[str, ResourceMapping], ids: set[str]
) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for mapping in mappings.values():
        links = mapping.links
        key = mapping.table.link_key
        statement = sa.select(links.c.id, *key.columns).where(
            links.c.id.in_(sorted(ids)), links.c.deleted.is_(None)
        )
        read = key.reader(1)
        keys |= {row.id: read(row) for row in session.execute(statement)}
    return keys


def _came_later(
    row: Any, ids: Sequence[str], keys: Mapping[str, Any], later: Sequence[Any]
) -> bool:
    after = [each for each in later if each.id > row.id]
    if any(each.action == "group.deleted" for each in after):
        return True
    if any(each.action == "group.replaced" and not each.attention for each in after):
        return True
    total = (row.changes or {}).get("skipped_count", len(ids))
    if not ids or total > len(ids):
        return False
    added: set[str] = set()
    for each in after:
        changes = each.changes or {}
        for name in ("added", "groups_added"):
            added |= {str(key) for key in changes.get(name, ())}
    return all(each in keys and str(keys[each]) in added for each in ids)


def successes_since(
    session: Session,
    models: Models,
    integration_id: uuid.UUID,
    moment: datetime,
    *,
    at_most: int = 999,
) -> int:
    """Count the requests that did something since then, as far as ``at_most`` and one more."""
    table = models.activity.__table__
    newest = (
        sa.select(table.c.at, table.c.outcome)
        .where(table.c.integration_id == integration_id, table.c.status.is_not(None))
        .order_by(table.c.id.desc())
        .limit(at_most + 1)
        .subquery()
    )
    statement = sa.select(sa.func.count()).where(newest.c.outcome == "ok", newest.c.at > moment)
    return session.scalar(statement) or 0


def dismiss(
    session: Session, models: Models, integration_id: uuid.UUID, cause: str | None, until: int
) -> int:
    """Say of failures that they need no attention; those that come later will again.

    In the caller's transaction.

    :param cause: Of the failures; None for the members who were left out.
    :param until: The id of the newest entry that the administrator has seen.
    """
    table = models.activity.__table__
    statement = sa.update(table).where(
        table.c.integration_id == integration_id,
        table.c.id <= until,
        table.c.dismissed.is_(False),
    )
    if cause is None:
        statement = statement.where(table.c.attention == Attention.MEMBERS_SKIPPED)
    else:
        statement = statement.where(
            sa.text(REFUSED),
            table.c.outcome.in_(["refused", "failed"]),
            table.c.cause == cause,
        )
    return rowcount(session.execute(statement.values(dismissed=True)))
