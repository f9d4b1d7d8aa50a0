"""Refused at the door: who was turned away before anybody knew whose request it was, and why.

The caller gets one and the same answer; what is kept is for administrators. An attacker decides how
many requests come, from where and with what, so nothing of that decides how much is kept: requests
are folded by cause, token and address, a day and an integration have a limited number of rows, and
what comes within a second of the last write waits to be counted with the next.
"""

from __future__ import annotations

import enum
import ipaddress
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..models import Models, utcnow
from ..scim.errors import ScimError, TemporarilyUnavailable, Unauthorized
from .folding import counting_insert, fold_of
from .redaction import storable_text
from .scope import Origin
from .security import SECURITY_LOGGER
from .work import rowcount, run_transaction

__all__ = [
    "Cause",
    "Reason",
    "RefusedRequests",
    "denied",
    "dismiss",
    "keep",
    "prune",
    "reason_for",
    "recent",
    "unclaimed",
    "unreadable",
]

logger = logging.getLogger(SECURITY_LOGGER)

ROWS_A_DAY = 50
"""How many rows of their own the addresses of one integration and day get; the rest share one."""

_WRITE_EVERY = 1.0  # seconds
_LOG_EVERY = 60.0  # seconds
_MOST_PENDING = 1_000
_NEWEST = ("last_at", "user_agent", "request_id", "about", "dismissed")


class Cause(enum.StrEnum):
    """Why a request got no further than the door."""

    NO_TOKEN = "no-token"  # noqa: S105 - the name of a cause
    PLAIN_HTTP = "plain-http"
    BEARER_TWICE = "bearer-twice"
    FOREIGN = "foreign"
    MISTYPED = "mistyped"
    UNKNOWN = "unknown"
    WRONG_SECRET = "wrong-secret"  # noqa: S105 - the name of a cause
    REVOKED = "revoked"
    EXPIRED = "expired"
    OTHER_INTEGRATION = "other-integration"
    WRONG_ADDRESS = "wrong-address"
    DISABLED = "disabled"
    PAUSED = "paused"
    REMOVED = "removed"
    UNKNOWN_INTEGRATION = "unknown-integration"


EXPECTED = frozenset({Cause.DISABLED, Cause.PAUSED})
"""Causes that an administrator has chosen: the token was right."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request was refused; it travels with the error and is never answered.

    :ivar key_id: Of the token, where we have made it.
    :ivar about: Since when: the token is revoked or has expired.
    :ivar integration_id: Whose token it is, where it is one.
    """

    cause: Cause
    key_id: str | None = None
    about: datetime | None = None
    integration_id: uuid.UUID | None = None
    tenant: str | None = None


def denied(cause: Cause, row: Any = None, about: datetime | None = None) -> Unauthorized:
    """Return the one refusal for every wrong token, with the reason that only we know.

    :param row: What was found of the token: ``key_id``, ``integration_id`` and ``tenant``.
    """
    error = Unauthorized()
    error.reason = reason_for(cause, row, about)
    return error


def reason_for(cause: Cause, row: Any = None, about: datetime | None = None) -> Reason:
    """Return the reason for which a token, if any was found, opens nothing."""
    if row is None:
        return Reason(cause)
    return Reason(cause, row.key_id, about, row.integration_id, row.tenant)


def unreadable(text: str | None) -> Cause:
    """Say what is wrong with an ``Authorization`` header that has no token of ours."""
    words = (text or "").split()
    if not words or [word.lower() for word in words] == ["bearer"]:
        return Cause.NO_TOKEN
    joined = "".join(words)
    if "scim_" in joined:
        return Cause.MISTYPED
    if [word.lower().rstrip(":") for word in words].count("bearer") > 1:
        return Cause.BEARER_TWICE
    return Cause.FOREIGN


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests of one day that were refused at the door for one cause, as pages show them.

    :ivar integration_id: None where the address names none of ours.
    :ivar about: Since when the token is revoked or expired, or the integration removed.
    :ivar key_id: Of the token, where it is one of this tenant's.
    :ivar address: None where there were too many to tell apart; of IPv6 the network.
    :ivar request_id: Of the latest.
    """

    id: int
    tenant: str
    integration_id: uuid.UUID | None
    cause: str
    about: datetime | None
    key_id: str | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    first_at: datetime
    last_at: datetime
    count: int
    dismissed: bool


@dataclass(slots=True)
class _Pending:
    row: dict[str, Any]
    count: int = 0
    unlogged: int = 0
    written: float = -_WRITE_EVERY
    logged: float = -_LOG_EVERY


@dataclass(slots=True)
class _Tally:
    """What this process has seen and not written yet; bounded, whatever is sent."""

    pending: dict[tuple[Any, ...], _Pending] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: tuple[Any, ...], row: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        """Count a request; return the rows to write now, and how many to tell the log of."""
        now = time.monotonic()
        with self.lock:
            if key not in self.pending and len(self.pending) >= _MOST_PENDING:
                self.pending = {
                    each: waiting
                    for each, waiting in self.pending.items()
                    if waiting.count or now - waiting.written < _LOG_EVERY
                }
                if len(self.pending) >= _MOST_PENDING:
                    key = ("others", row["tenant"], row["integration_id"], row["cause"])
                    row = row | {"key_id": None, "address": None}
            mine = self.pending.setdefault(key, _Pending(row))
            mine.row = row | {"first_at": mine.row["first_at"] if mine.count else row["first_at"]}
            mine.count += 1
            mine.unlogged += 1
            told = 0
            if now - mine.logged >= _LOG_EVERY:
                told, mine.unlogged, mine.logged = mine.unlogged, 0, now
            return self._due(now, _WRITE_EVERY), told

    def rest(self) -> list[dict[str, Any]]:
        """Return everything that waits."""
        with self.lock:
            return self._due(time.monotonic(), 0)

    def _due(self, now: float, every: float) -> list[dict[str, Any]]:
        rows = []
        for waiting in self.pending.values():
            if waiting.count and now - waiting.written >= every:
                rows.append(waiting.row | {"count": waiting.count})
                waiting.count, waiting.written = 0, now
        return rows


_TALLIES: WeakKeyDictionary[Any, _Tally] = WeakKeyDictionary()


def _tally(session: Session) -> _Tally:
    engine = session.get_bind().engine
    tally = _TALLIES.get(engine)
    if tally is None:
        tally = _TALLIES.setdefault(engine, _Tally())
    return tally


def keep(
    session: Session,
    models: Models,
    error: ScimError,
    *,
    tenant: str,
    integration_id: str,
    origin: Origin,
    request_id: str,
    plain_http: bool = False,
) -> None:
    """Count a refusal at the door, in a transaction of its own; it never raises.

    :param error: What is answered, with its ``reason``.
    :param tenant: The tenant in the URL.
    :param integration_id: The integration in the URL.
    :param plain_http: Whether it came by HTTP where HTTPS was to be expected.
    """
    reason = error.reason
    if not isinstance(reason, Reason):
        return
    try:
        row = _row(session, models, reason, tenant, integration_id, origin, request_id, plain_http)
        key = tuple(row[name] for name in ("tenant", "integration_id", "cause", "key_id"))
        due, told = _tally(session).add((*key, row["address"]), row)
        if told:
            _log(row, told)
        _write(session, models, due)
    except (SQLAlchemyError, TemporarilyUnavailable) as failure:
        session.rollback()
        logger.error("Request %s could not be counted (%s).", request_id, type(failure).__name__)


def _row(
    session: Session,
    models: Models,
    reason: Reason,
    tenant: str,
    integration_id: str,
    origin: Origin,
    request_id: str,
    plain_http: bool,
) -> dict[str, Any]:
    cause, about, now = reason.cause, reason.about, utcnow()
    table = models.integration.__table__
    session.rollback()
    found = None
    given = _uuid(integration_id)
    if given is not None:
        found = session.execute(
            sa.select(table.c.id, table.c.tenant, table.c.removed).where(table.c.id == given)
        ).first()
    if found is not None and found.tenant == tenant:
        if found.removed is not None:
            cause, about = Cause.REMOVED, found.removed
    elif reason.integration_id is not None:
        # The token is good, and the address isn't; its owner is whom that concerns.
        cause, found = Cause.WRONG_ADDRESS, None
    else:
        cause, found = Cause.UNKNOWN_INTEGRATION, None
    if cause is Cause.NO_TOKEN and plain_http:
        cause = Cause.PLAIN_HTTP
    if found is not None:
        owner, owner_tenant = found.id, found.tenant
    elif cause is Cause.WRONG_ADDRESS:
        owner, owner_tenant = reason.integration_id, reason.tenant or ""
    else:
        owner = None
        owner_tenant = tenant if _is_tenant(session, models, tenant) else ""
    session.rollback()
    return {
        "tenant": owner_tenant,
        "integration_id": owner,
        "cause": cause.value,
        "about": about,
        # Another tenant's token is nobody's business here.
        "key_id": reason.key_id if reason.tenant == owner_tenant else None,
        "address": _network(origin.address),
        "user_agent": storable_text(origin.user_agent, 255),
        "request_id": storable_text(request_id, 64),
        "first_at": now,
        "last_at": now,
        "dismissed": False,
    }


def _is_tenant(session: Session, models: Models, tenant: str) -> bool:
    table = models.integration.__table__
    if len(tenant) > 64:
        return False
    return (
        session.execute(sa.select(table.c.id).where(table.c.tenant == tenant)).first() is not None
    )


def _uuid(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def _network(address: str | None) -> str | None:
    """Return an address as it is told apart: who has one of IPv6 has 2**64 of them."""
    if address is None:
        return None
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if known.version == 4:
        return str(known)
    mapped = known.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((known, 64), strict=False))


def _write(session: Session, models: Models, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    if not rows:
        return
    table = models.refusal.__table__
    statement = counting_insert(table, session.get_bind().dialect.name, _NEWEST)

    def work() -> None:
        for row in rows:
            session.execute(statement, _folded(session, table, row))

    run_transaction(session, work)


def _folded(session: Session, table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its fold; where the day has too many, that of all the others."""
    day = row["first_at"].date()
    key = (day, row["tenant"], row["integration_id"], row["cause"])
    own = fold_of(*key, row["key_id"], row["address"])
    if session.execute(sa.select(table.c.id).where(table.c.fold == own)).first() is None:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        of_the_day = (
            sa.select(table.c.id)
            .where(
                table.c.tenant == row["tenant"],
                table.c.integration_id.is_(None)
                if row["integration_id"] is None
                else table.c.integration_id == row["integration_id"],
                table.c.last_at >= midnight,
            )
            .limit(ROWS_A_DAY)
        )
        if len(session.execute(of_the_day).all()) >= ROWS_A_DAY:
            return row | {"fold": fold_of(*key, "others"), "key_id": None, "address": None}
    return row | {"fold": own}


def _log(row: Mapping[str, Any], count: int) -> None:
    logger.warning(
        "SCIM request refused: cause=%s tenant=%s integration=%s key_id=%s address=%s "
        "request_id=%s count=%d",
        row["cause"],
        row["tenant"] or "-",
        row["integration_id"] or "-",
        row["key_id"] or "-",
        row["address"] or "-",
        row["request_id"],
        count,
    )


def recent(
    session: Session,
    models: Models,
    *,
    tenant: str | None = None,
    integration_ids: Sequence[uuid.UUID] | None = None,
    since: datetime | None = None,
    limit: int = 500,
) -> Sequence[RefusedRequests]:
    """Return what was refused at the door, the latest first.

    :param tenant: Only what concerns this tenant.
    :param integration_ids: Only what concerns these integrations.
    :param since: Only what was refused since then; seven days without it.
    """
    _write_pending(session, models)
    table = models.refusal.__table__
    columns = [table.c[name] for name in RefusedRequests.__slots__]
    since = since or utcnow() - timedelta(days=7)
    statement = (
        sa.select(*columns)
        .where(table.c.last_at >= since)
        .order_by(table.c.last_at.desc(), table.c.id.desc())
        .limit(limit)
    )
    if tenant is not None:
        statement = statement.where(table.c.tenant == tenant)
    if integration_ids is not None:
        statement = statement.where(table.c.integration_id.in_(integration_ids))
    return [RefusedRequests(*row) for row in session.execute(statement)]


def unclaimed(
    session: Session, models: Models, tenant: str, since: datetime | None = None
) -> Sequence[RefusedRequests]:
    """Return what was refused for integrations that don't exist or were removed, the latest first.

    :param tenant: In whose URLs they were looked for.
    :param since: Only what was refused since then; seven days without it.
    """
    _write_pending(session, models)
    table, integration = models.refusal.__table__, models.integration.__table__
    removed = sa.select(integration.c.id).where(
        integration.c.tenant == tenant, integration.c.removed.is_not(None)
    )
    statement = (
        sa.select(*[table.c[name] for name in RefusedRequests.__slots__])
        .where(
            table.c.tenant == tenant,
            table.c.last_at >= (since or utcnow() - timedelta(days=7)),
            sa.or_(table.c.integration_id.is_(None), table.c.integration_id.in_(removed)),
        )
        .order_by(table.c.last_at.desc(), table.c.id.desc())
        .limit(500)
    )
    return [RefusedRequests(*row) for row in session.execute(statement)]


def _write_pending(session: Session, models: Models) -> None:
    rest = _tally(session).rest()
    try:
        _write(session, models, rest)
    except (SQLAlchemyError, TemporarilyUnavailable) as failure:
        session.rollback()
        logger.error("Refused requests could not be counted (%s).", type(failure).__name__)


def dismiss(
    session: Session, models: Models, integration_id: uuid.UUID, cause: str, until: int
) -> int:
    """Say of what was refused so far that it needs no attention; what comes later will again.

    In the caller's transaction.

    :param until: The highest id that the administrator has seen.
    """
    table = models.refusal.__table__
    statement = (
        sa.update(table)
        .where(
            table.c.integration_id == integration_id,
            table.c.cause == cause,
            table.c.id <= until,
            table.c.dismissed.is_(False),
        )
        .values(dismissed=True)
    )
    return rowcount(session.execute(statement))


def prune(session: Session, models: Models, before: datetime) -> int:
    """Delete the rows that were last counted before then, and return how many they were."""
    table = models.refusal.__table__
    statement = sa.delete(table).where(table.c.last_at < before)
    return run_transaction(session, lambda: rowcount(session.execute(statement)))


TITLES: Mapping[str, str] = MappingProxyType(
    {
        Cause.NO_TOKEN: "without a token",
        Cause.PLAIN_HTTP: "over plain HTTP, without a token",
        Cause.BEARER_TWICE: "with “Bearer” twice and no token of this portal",
        Cause.FOREIGN: "with something that is no token of this portal",
        Cause.MISTYPED: "with a token that is cut off or mistyped",
        Cause.UNKNOWN: "with a token that this portal doesn't know",
        Cause.WRONG_SECRET: "with a token whose secret is wrong",
        Cause.REVOKED: "with a token that was revoked",
        Cause.EXPIRED: "with a token that has expired",
        Cause.OTHER_INTEGRATION: "with the token of another integration",
        Cause.WRONG_ADDRESS: "with a token of this integration, at a wrong address",
        Cause.DISABLED: "while the integration is disabled",
        Cause.PAUSED: "while the integration is paused",
        Cause.REMOVED: "although the integration was removed",
        Cause.UNKNOWN_INTEGRATION: "for an integration that doesn't exist",
    }
)
"""How each cause ends the sentence “Refused …”."""

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        Cause.NO_TOKEN: "Paste the token into the identity provider, and test the connection.",
        Cause.PLAIN_HTTP: "Begin the endpoint URL with https:// in the identity provider: a "
        "redirect from http:// loses the token.",
        Cause.BEARER_TWICE: "Paste the token without the word Bearer; the identity provider adds "
        "it.",
        Cause.FOREIGN: "Rotate the token, and paste the new one: what is sent isn't one of ours.",
        Cause.MISTYPED: "Paste the token again, all 200 characters; if it is lost, rotate it.",
        Cause.UNKNOWN: "Rotate the token, and paste the new one: the one that is sent may be of "
        "another portal, or of an integration that was removed.",
        Cause.WRONG_SECRET: "Rotate the token, and paste the new one. If nobody has changed the "
        "token there, somebody may be guessing.",
        Cause.REVOKED: "Rotate the token, and paste the new one.",
        Cause.EXPIRED: "Rotate the token, and paste the new one.",
        Cause.OTHER_INTEGRATION: "Paste this integration's own token, or the endpoint URL of the "
        "integration that the token belongs to.",
        Cause.WRONG_ADDRESS: "Paste the endpoint URL of this integration again.",
        Cause.DISABLED: "Enable the integration, or stop the job in the identity provider.",
        Cause.PAUSED: "Resume the integration; the identity provider tries again by itself.",
        Cause.REMOVED: "Stop the job in the identity provider, or give it the address and the "
        "token of another integration.",
        Cause.UNKNOWN_INTEGRATION: "Compare the endpoint URL in the identity provider with that "
        "of the integration.",
    }
)
"""The one thing to do about each cause."""
