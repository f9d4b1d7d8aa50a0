"""What became of everybody who left: one record for each time, for those who have to prove it.

A record begins with the first request that somebody is to go, and is done when the person is
blocked, in the same transaction. What prevented it meanwhile, a hook that failed or the brake, is
counted in the record that is open, however often a directory tries.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..mapping.host.keys import HostKey
from ..models import Models, utcnow
from ..scim.errors import ScimError
from .folding import counting_insert, fold_of
from .redaction import redact_text, storable_text
from .scope import Scope
from .work import ends_transaction, rowcount, run_transaction, savepoint

__all__ = [
    "Leaver",
    "OffboardingPage",
    "Record",
    "came_back",
    "forget_open",
    "held",
    "key_text",
    "left",
    "note_trouble",
    "page",
    "prune",
]

_LONGEST_TROUBLE = 1000


@dataclass(frozen=True, slots=True)
class Leaver:
    """Who is to go, or the group that many are to be removed from.

    :ivar kind: ``"deactivated"``, ``"deleted"`` or ``"removed"``.
    """

    kind: str
    resource_id: str
    name: Any = None
    host_key: HostKey | None = None

    def fold(self, integration_id: uuid.UUID) -> str:
        """Return what the open record of this one is found by, however it is to go."""
        about = "group" if self.kind == "removed" else "person"
        return fold_of("leaver", integration_id, about, self.resource_id)


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one person.

    :ivar kind: ``"deactivated"``, ``"deleted"``, or ``"removed"`` from a group, which is held.
    :ivar received: when the first request came, and ``last_at`` the latest that failed.
    :ivar count: how many requests it took so far.
    :ivar trouble: what prevented it at last.
    :ivar held: since when the brake holds it; ``decision`` is ``"released"``, ``"rejected"`` or
        None.
    :ivar blocked: since when the person can't sign in.
    :ivar hooks: by the name of each hook, what it says that it has done.
    :ivar groups_left: how many groups the person was taken out of.
    :ivar due: when the account is to be forgotten or deleted, by ``due_action``.
    :ivar returned: when the person came back.
    """

    id: int
    integration_id: uuid.UUID
    tenant: str
    kind: str
    resource_id: str
    resource_name: str | None
    host_key: str | None
    request_id: str | None
    received: datetime
    last_at: datetime | None
    count: int
    trouble: str | None
    held: datetime | None
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    blocked: datetime | None
    sessions_ended: datetime | None
    hooks: Sequence[Mapping[str, Any]] | None
    groups_left: int | None
    unlinked: datetime | None
    deleted: datetime | None
    due: datetime | None
    due_action: str | None
    returned: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return it for machines, in the names of this record."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, datetime):
                value = value.astimezone(UTC).isoformat(timespec="milliseconds")
            found[each.name] = str(value) if isinstance(value, uuid.UUID) else value
        return found


@dataclass(frozen=True, slots=True)
class OffboardingPage:
    """Records, the newest first.

    :ivar next_before: Give it to ``page(before=...)`` for the older ones; None on the last page.
    """

    records: Sequence[Record]
    next_before: int | None


def key_text(host_key: HostKey | None) -> str | None:
    """Return a key of the portal's as it is kept and compared."""
    if host_key is None:
        return None
    values = host_key if isinstance(host_key, tuple) else (host_key,)
    return storable_text(json.dumps([str(value) for value in values], ensure_ascii=False), 255)


def left(
    scope: Scope,
    leaver: Leaver,
    *,
    resource_id: str | None = None,
    calls: Sequence[tuple[str, Sequence[str]]] = (),
    groups_left: int | None = None,
    unlinked: bool = False,
    deleted: bool = False,
    due: datetime | None = None,
    due_action: str | None = None,
) -> None:
    """Tell what became of somebody, in the transaction that does it; it ends the open record.

    :param resource_id: the id that the person has got by it.
    :param calls: the hooks that were called, and what they say.
    """
    table, now = scope.models.offboarding.__table__, utcnow()
    connection = scope.session.connection()
    fold = leaver.fold(scope.integration_id)
    done = {
        "fold": None,
        "kind": leaver.kind,
        "resource_id": (resource_id or leaver.resource_id)[:64],
        "resource_name": storable_text(leaver.name, 255),
        "host_key": key_text(leaver.host_key),
        "request_id": storable_text(scope.request_id, 64),
        "held": None,
        "blocked": now,
        "sessions_ended": now,
        "hooks": [{"hook": name, "done": list(texts)} for name, texts in calls] or None,
        "groups_left": groups_left,
        "unlinked": now if unlinked else None,
        "deleted": now if deleted else None,
        "due": due,
        "due_action": due_action,
        "trouble": None,
    }
    # Looked for before it is written: MySQL would lock the gap where there is none.
    open_id = connection.scalar(sa.select(table.c.id).where(table.c.fold == fold))
    if open_id is not None:
        connection.execute(sa.update(table).where(table.c.id == open_id).values(done))
        return
    connection.execute(
        sa.insert(table).values(
            integration_id=scope.integration_id,
            tenant=scope.tenant,
            received=now,
            count=1,
            **done,
        )
    )


_NEWEST = ("last_at", "request_id", "trouble", "kind", "resource_name", "host_key")
_NEWEST_HELD = (*_NEWEST, "held")


def note_trouble(scope: Scope, error: ScimError) -> None:
    """Count a request that couldn't let somebody go, after its rollback; one row for each person.

    The error says itself whom it is about, where it is about anybody. It raises only where the
    transaction of a bulk request is lost.
    """
    leaver: Leaver | None = getattr(error, "leaver", None)
    if leaver is None:
        return
    now, held = utcnow(), bool(getattr(error, "holds", False))
    row = {
        "fold": leaver.fold(scope.integration_id),
        "integration_id": scope.integration_id,
        "tenant": scope.tenant,
        "kind": leaver.kind,
        "resource_id": leaver.resource_id[:64],
        "resource_name": storable_text(leaver.name, 255),
        "host_key": key_text(leaver.host_key),
        "request_id": storable_text(scope.request_id, 64),
        "received": now,
        "last_at": now,
        "count": 1,
        "trouble": storable_text(
            redact_text(str(error.reason or error.detail), scope.hidden), _LONGEST_TROUBLE
        ),
        "held": now if held else None,
    }
    newest = _NEWEST_HELD if held else _NEWEST
    backend = scope.session.get_bind().dialect.name
    statement = counting_insert(scope.models.offboarding.__table__, backend, newest)
    if not scope.work.is_shared:
        scope.work.log_failure(scope.session, statement, row)
        return
    # What follows in the same transaction has to see it.
    try:
        with savepoint(scope.session):
            scope.session.connection().execute(statement, row)
    except SQLAlchemyError as failure:
        if ends_transaction(failure):
            raise


def forget_open(scope: Scope, leaver: Leaver) -> None:
    """Forget that the removal of many from a group was held; it is done."""
    table = scope.models.offboarding.__table__
    connection = scope.session.connection()
    fold = leaver.fold(scope.integration_id)
    open_id = connection.scalar(sa.select(table.c.id).where(table.c.fold == fold))
    if open_id is not None:
        connection.execute(sa.delete(table).where(table.c.id == open_id))


def came_back(scope: Scope, host_key: HostKey) -> None:
    """Tell that somebody is there again, so that nothing more becomes of the account."""
    table = scope.models.offboarding.__table__
    connection = scope.session.connection()
    ids = connection.scalars(
        sa.select(table.c.id).where(
            table.c.host_key == key_text(host_key),
            table.c.tenant == scope.tenant,
            table.c.blocked.is_not(None),
            table.c.returned.is_(None),
            table.c.deleted.is_(None),
        )
    ).all()
    if ids:
        connection.execute(
            sa.update(table).where(table.c.id.in_(ids)).values(returned=utcnow(), due=None)
        )


@functools.lru_cache(maxsize=64)
def _records(models: Models) -> sa.Select[tuple[Any, ...]]:
    table = models.offboarding.__table__
    return sa.select(*(table.c[each.name] for each in fields(Record)))


def page(
    session: Session,
    models: Models,
    integration_id: uuid.UUID | None = None,
    *,
    tenant: str | None = None,
    before: int | None = None,
    limit: int = 50,
    text: str | None = None,
) -> OffboardingPage:
    """Return one page of records, the newest first: an integration's, a tenant's, or all there are.

    :param before: ``OffboardingPage.next_before`` of the newer page.
    :param text: Only those of this person, by user name or SCIM id.
    """
    table = models.offboarding.__table__
    statement = _records(models).where(table.c.kind != "removed").order_by(table.c.id.desc())
    if integration_id is not None:
        statement = statement.where(table.c.integration_id == integration_id)
    if tenant is not None:
        statement = statement.where(table.c.tenant == tenant)
    if before is not None:
        statement = statement.where(table.c.id < before)
    if text is not None:
        names = list(dict.fromkeys([text, text.lower()]))
        statement = statement.where(
            sa.or_(table.c.resource_name.in_(names), table.c.resource_id == text.lower())
        )
    rows = [Record(*row) for row in session.execute(statement.limit(limit + 1))]
    more = len(rows) > limit
    return OffboardingPage(rows[:limit], rows[limit - 1].id if more else None)


def held(session: Session, models: Models, integration_id: uuid.UUID) -> Sequence[Record]:
    """Return what the brake holds of an integration, decided or not, the oldest first."""
    table = models.offboarding.__table__
    statement = (
        _records(models)
        .where(table.c.integration_id == integration_id, table.c.held.is_not(None))
        .order_by(table.c.id)
    )
    return [Record(*row) for row in session.execute(statement)]


def prune(session: Session, models: Models, before: datetime) -> int:
    """Delete the records that are older and wait for nothing, and return how many they were."""
    table = models.offboarding.__table__
    statement = sa.delete(table).where(
        sa.func.coalesce(table.c.last_at, table.c.received) < before,
        sa.or_(table.c.blocked.is_(None), table.c.blocked < before),
        table.c.due.is_(None),
    )
    return run_transaction(session, lambda: rowcount(session.execute(statement)))
