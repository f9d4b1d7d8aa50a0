"""People whom a directory wants and whom the portal had before: what waits for a decision.

A client decides how often it tries and with what, so nothing of that decides how much is kept:
attempts that want the same name and meet the same people share a row, and an integration has a
limited number of rows. What was decided and is done has no row any more; the history tells of it.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.host.keys import HostKey
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ResourceMapping
from ..models import Models, utcnow
from ..scim.errors import DecisionWaits
from .folding import counting_insert, fold_of
from .redaction import redact, storable_text
from .scope import Scope
from .work import DatabaseUnavailable, bookkeep, rowcount, savepoint

__all__ = [
    "MOST_ROWS",
    "Decided",
    "Decision",
    "Match",
    "Reason",
    "Waiting",
    "Wanted",
    "decided",
    "fold",
    "forget_of",
    "keep",
    "link_ids",
    "prune",
    "settle",
    "waiting",
]

MOST_ROWS = 5_000
"""How many people of one integration wait or are left alone; who comes later isn't kept."""

_NEWEST = ("last_at", "sent", "external_id", "reason")
_PATIENCE = 2.0
"""How long an attempt waits to be kept (seconds); one that isn't gets a 503 and comes again."""


class Reason(enum.StrEnum):
    """Why nobody but an administrator can decide."""

    POLICY = "policy"
    GUARDED = "guarded"
    AMBIGUOUS = "ambiguous"
    UNVERIFIED = "unverified"


class Decision(enum.StrEnum):
    """What becomes of somebody whom the portal had before."""

    LINK = "link"
    KEEP = "keep"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Match:
    """A person of the portal whom a request has met.

    :ivar link_id: The SCIM id; None where there is no link yet.
    :ivar by: By what: ``userName``, ``externalId`` or ``emails``.
    :ivar verified: Whether that proves that it is the same person.
    """

    host_key: HostKey
    link_id: str | None
    by: tuple[str, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants that has to wait; it travels with the refusal and is never answered."""

    name: str
    external_id: str | None
    matches: Sequence[Match]
    values: Mapping[str, Any]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decided:
    """What an administrator has decided of one attempt.

    :ivar link_id: Of the person whom they chose.
    """

    decision: Decision
    link_id: str
    by: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many decisions of an integration wait, and since when."""

    count: int
    since: datetime


def fold(integration_id: uuid.UUID, mapping: ResourceMapping, name: str, ids: Sequence[str]) -> str:
    """Return the key of all attempts that want a name and meet the same people."""
    return fold_of(integration_id, mapping.resource_type.name, name.lower(), *sorted(ids))


def decided(
    scope: Scope, mapping: ResourceMapping, name: str, ids: Sequence[str]
) -> Decided | None:
    """Return what was decided of an attempt; None where nobody has decided."""
    table = scope.models.conflict.__table__
    statement = sa.select(
        table.c.decision, table.c.link_id, table.c.decided_by, table.c.decided_at
    ).where(
        table.c.fold == fold(scope.integration_id, mapping, name, ids),
        table.c.decision.is_not(None),
    )
    row = scope.session.connection().execute(statement).first()
    if row is None:
        return None
    return Decided(Decision(row.decision), row.link_id, row.decided_by, row.decided_at)


def keep(scope: Scope, mapping: ResourceMapping, error: DecisionWaits) -> None:
    """Write down that an attempt waits; call it after the rollback of what it did.

    :raises DatabaseUnavailable: when it can't be written, because nobody could decide then.
    """
    wanted = error.reason
    if not isinstance(wanted, Wanted):
        return
    full = False

    def work() -> None:
        nonlocal full
        full = not _write(scope, mapping, wanted)

    if scope.work.is_shared:
        with savepoint(scope.session):
            work()
    else:
        prevented = bookkeep(scope.session, work, seconds=_PATIENCE)
        if prevented is not None:
            raise DatabaseUnavailable from prevented
    if full:
        error.detail = (
            "This portal has this person already, and its inbox of such decisions is full; let an "
            "administrator of the portal decide there, and send the request again."
        )


def _write(scope: Scope, mapping: ResourceMapping, wanted: Wanted) -> bool:
    session, table = scope.session, scope.models.conflict.__table__
    links = session.connection(bind_arguments={"mapper": mapping.table.mapper})
    ids = link_ids(mapping, links, wanted.matches)
    key = fold(scope.integration_id, mapping, wanted.name, list(ids.values()))
    connection = session.connection()
    known = connection.scalar(sa.select(table.c.id).where(table.c.fold == key))
    if known is None:
        counted = sa.select(sa.func.count()).where(table.c.integration_id == scope.integration_id)
        if (connection.scalar(counted) or 0) >= MOST_ROWS:
            return False
    now = utcnow()
    row = {
        "fold": key,
        "integration_id": scope.integration_id,
        "resource_type": mapping.resource_type.name,
        "look_up": storable_text(wanted.name, 255),
        "external_id": storable_text(wanted.external_id, 255),
        "link_id": ids[wanted.matches[0].host_key],
        "matches": [
            {"id": ids[match.host_key], "by": list(match.by), "verified": match.verified}
            for match in wanted.matches
        ],
        "sent": redact(dict(wanted.values), scope.hidden),
        "reason": wanted.reason.value,
        "first_at": now,
        "last_at": now,
        "count": 1,
    }
    connection.execute(counting_insert(table, connection.dialect.name, _NEWEST), row)
    return True


def link_ids(
    mapping: ResourceMapping, connection: sa.Connection, matches: Sequence[Match]
) -> dict[HostKey, str]:
    """Return the SCIM ids of those who were met, by their keys; who has none gets one."""
    ids = {match.host_key: match.link_id for match in matches if match.link_id is not None}
    missing = [match.host_key for match in matches if match.link_id is None]
    if missing:
        mapping.table.make_links(connection, missing)
        links, key = mapping.links, mapping.table.link_key
        read = key.reader(1)
        # Locked, so that a link which somebody else has just made is seen by every database.
        chosen = sa.select(links.c.id, *key.columns).where(key.among("keys")).with_for_update()
        rows = connection.execute(chosen, {"keys": missing})
        ids |= {read(row): row[0] for row in rows}
    return ids


def settle(
    scope: Scope, mapping: ResourceMapping, view: Viewpoint, link_id: str, *, disabled: bool
) -> bool:
    """Give a person who was the portal's own to the identity provider that writes them.

    What waited for a decision about them doesn't any more.

    :param disabled: Whether the portal has disabled them, which is remembered.
    :returns: whether it was the first to do so.
    """
    links = mapping.links
    claim = mapping.kept(
        "take over",
        lambda: (
            sa.update(links)
            .where(links.c.id == sa.bindparam("link"), links.c.local.is_(True))
            .values(local=sa.bindparam("remembered"))
        ),
    )
    values = {"link": link_id, "remembered": False if disabled else None}
    if not rowcount(view.connection.execute(claim, values)):
        return False
    forget_of(scope, link_id)
    return True


def forget_of(scope: Scope, link_id: str) -> None:
    """Forget what waited, or was decided, about a person."""
    table = scope.models.conflict.__table__
    statement = sa.delete(table).where(table.c.link_id == link_id)
    scope.session.connection().execute(statement)


def waiting(
    session: Session,
    models: Models,
    users: ResourceMapping | None,
    integration_ids: Sequence[uuid.UUID],
) -> Mapping[uuid.UUID, Waiting]:
    """Return what waits, by integration; about those who are there and still the portal's own."""
    if users is None or not integration_ids:
        return {}
    table, links = models.conflict.__table__, users.links
    statement = (
        sa.select(table.c.integration_id, sa.func.count(), sa.func.min(table.c.first_at))
        .select_from(table)
        .join(links, links.c.id == table.c.link_id)
        .where(
            table.c.integration_id.in_(integration_ids),
            table.c.decision.is_(None),
            links.c.local.is_(True),
            links.c.deleted.is_(None),
        )
        .group_by(table.c.integration_id)
    )
    rows = session.execute(statement, bind_arguments={"mapper": users.table.mapper})
    return {row[0]: Waiting(int(row[1]), row[2]) for row in rows}


def prune(session: Session, models: Models, before: datetime) -> int:
    """Delete what no identity provider has asked for since then, in the caller's transaction."""
    table = models.conflict.__table__
    return rowcount(session.execute(sa.delete(table).where(table.c.last_at < before)))
