"""Bearer tokens: issued, rotated, revoked, and found by key id in one indexed read."""

from __future__ import annotations

import functools
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import NAME_LENGTH, Models, UtcDateTime, utcnow
from ..scim.errors import IntegrationDisabled, TemporarilyUnavailable
from . import refusals, signals
from .activity import Action, record_administration
from .errors import IntegrationInvalid, IntegrationNotFound
from .integration_views import lock_integration
from .patience import bounded_wait, milliseconds, note_bounded, waiting_at_most
from .permissions import flatten_permissions
from .policies import Policies
from .redaction import storable_text
from .refusals import Cause, denied
from .scope import Origin
from .security import log_change
from .token_secrets import TokenSecret
from .work import LONGEST_WAIT, bookkeep, run_transaction

__all__ = [
    "Authenticated",
    "RevokedToken",
    "TokenSecret",
    "TokenView",
    "authenticate",
    "issue_token",
    "list_tokens",
    "live_tokens",
    "revoke_leaked",
    "revoke_token",
    "rotate_token",
]

LAST_USED_EVERY = timedelta(minutes=5)
PAUSED_RETRY_AFTER = 600
"""After how many seconds a client of a paused integration is asked to try again."""

_LEAKED = re.compile(r"scim_[0-9A-Za-z]{16}_[0-9A-Za-z]{178}")
_NOBODYS_DIGEST = TokenSecret.new().digest()


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose token a request carries."""

    integration_id: uuid.UUID
    integration_name: str
    tenant: str
    dialect: str
    service_account_id: uuid.UUID
    permissions: frozenset[str]
    policies: Policies
    token_id: uuid.UUID
    key_id: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """What may be shown of a token.

    :ivar expires: The end that it was made with; None for none.
    :ivar retires: When it ends because another has replaced it and is in use; None before that.
    :ivar last_used: True to five minutes, and so are its address and its user agent.
    :ivar successor_id: The token that has replaced it.
    :ivar overlap_seconds: How long it goes on working after its successor was first used; None
        until somebody revokes it.
    """

    id: uuid.UUID
    key_id: str
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None
    label: str | None = None
    created_by: str | None = None
    revoked_by: str | None = None
    first_used: datetime | None = None
    last_used_address: str | None = None
    last_used_agent: str | None = None
    successor_id: uuid.UUID | None = None
    overlap_seconds: int | None = None
    retires: datetime | None = None

    @property
    def ends(self) -> datetime | None:
        """When it ends by itself, as far as that is known."""
        return min(filter(None, (self.expires, self.retires)), default=None)

    def is_active(self, now: datetime) -> bool:
        """Say whether it opens anything at this instant."""
        return self.revoked is None and (self.ends is None or now < self.ends)


@functools.lru_cache(maxsize=64)
def _by_key_id(models: Models, backend: str) -> sa.Select[tuple[object, ...]]:
    token, account = models.access_token.__table__, models.service_account.__table__
    integration, binding = models.integration.__table__, models.binding.__table__
    role = models.role.__table__
    # Where the request goes on in this transaction, its waits are bounded without a statement more.
    more = [bounded_wait()] if backend == "postgresql" else []
    return (
        sa.select(
            token.c.id.label("token_id"),
            token.c.digest,
            token.c.expires,
            token.c.revoked,
            token.c.last_used,
            token.c.first_used,
            token.c.retires,
            token.c.key_id,
            account.c.id.label("service_account_id"),
            integration.c.id.label("integration_id"),
            integration.c.tenant,
            integration.c.name,
            integration.c.dialect,
            integration.c.enabled,
            integration.c.paused,
            integration.c.policies,
            role.c.permissions,
            *more,
        )
        .select_from(
            token.join(account, account.c.id == token.c.service_account_id)
            .join(integration, integration.c.id == account.c.integration_id)
            .outerjoin(binding, binding.c.service_account_id == account.c.id)
            .outerjoin(role, role.c.id == binding.c.role_id)
        )
        .where(token.c.key_id == sa.bindparam("key_id"))
    )


@functools.lru_cache(maxsize=64)
def _touch(models: Models) -> sa.Update:
    token = models.access_token.__table__
    stale = sa.or_(token.c.last_used.is_(None), token.c.last_used <= sa.bindparam("before"))
    now = sa.bindparam("now", type_=UtcDateTime)
    return (
        sa.update(token)
        .where(token.c.id == sa.bindparam("token_id"), stale)
        .values(
            last_used=now,
            first_used=sa.func.coalesce(token.c.first_used, now),
            last_used_address=sa.bindparam("address"),
            last_used_agent=sa.bindparam("agent"),
        )
    )


def authenticate(
    session: Session,
    models: Models,
    bearer_text: str | None,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    origin: Origin | None = None,
    now: datetime | None = None,
    deadline: float | None = None,
) -> Authenticated:
    """Find out whose token this is, and whether it belongs to the URL it was sent to.

    One statement finds everything. Everything that is wrong is wrong in the same way, so that an
    answer tells nothing of tokens, integrations and tenants that the caller can't see; why, is told
    to administrators, in the error's ``reason``.

    :param bearer_text: The ``Authorization`` header, or what follows its scheme.
    :param tenant: The tenant in the URL.
    :param integration_id: The integration in the URL.
    :param deadline: until when the database may be waited for, by ``time.perf_counter()``.
    :param origin: Where the request came from, for what is shown of the token's last use.
    :raises Unauthorized: for every token that doesn't open this URL.
    :raises IntegrationDisabled: when it does, and an administrator has disabled the integration.
    :raises TemporarilyUnavailable: when it does, and an administrator has paused the integration.
    """
    now = now or utcnow()
    token = TokenSecret.parse(bearer_text)
    if token is None:
        raise denied(refusals.unreadable(bearer_text))
    rows = _rows(session, models, token.key_id, deadline)
    if not token.matches(rows[0].digest if rows else _NOBODYS_DIGEST) or not rows:
        raise denied(Cause.WRONG_SECRET, rows[0]) if rows else denied(Cause.UNKNOWN)
    row = rows[0]
    if row.revoked is not None:
        raise denied(Cause.REVOKED, row, row.revoked)
    ends = min(filter(None, (row.expires, row.retires)), default=None)
    if ends is not None and ends <= now:
        raise denied(Cause.EXPIRED, row, ends)
    if row.tenant != tenant or str(row.integration_id) != str(integration_id).lower():
        raise denied(Cause.OTHER_INTEGRATION, row)
    if not row.enabled:
        disabled = IntegrationDisabled()
        disabled.reason = refusals.reason_for(Cause.DISABLED, row)
        raise disabled
    if row.paused is not None:
        paused = TemporarilyUnavailable(
            "This integration is paused; an administrator can resume it on its page. Send the "
            "request again later.",
            retry_after=PAUSED_RETRY_AFTER,
        )
        paused.reason = refusals.reason_for(Cause.PAUSED, row)
        raise paused
    if row.last_used is None or now - row.last_used >= LAST_USED_EVERY:
        _record_use(session, models, row, origin or Origin(), now)
    return Authenticated(
        integration_id=row.integration_id,
        integration_name=row.name,
        tenant=row.tenant,
        dialect=row.dialect,
        service_account_id=row.service_account_id,
        permissions=frozenset().union(*(flatten_permissions(each.permissions) for each in rows)),
        policies=Policies.of(row.policies),
        token_id=row.token_id,
        key_id=row.key_id,
    )


def _rows(
    session: Session, models: Models, key_id: str, deadline: float | None
) -> Sequence[sa.Row[Any]]:
    seconds = LONGEST_WAIT if deadline is None else deadline - time.perf_counter()
    connection = session.connection()
    backend = connection.dialect.name
    statement, values = _by_key_id(models, backend), {"key_id": key_id}
    if backend == "postgresql":
        values["lock_wait"] = milliseconds(seconds)
        rows = connection.execute(statement, values).all()
        note_bounded(session)
        return rows
    if backend != "sqlite":
        # What only reads waits for nobody there.
        return connection.execute(statement, values).all()
    with waiting_at_most(session, seconds):
        return connection.execute(statement, values).all()


def _record_use(session: Session, models: Models, row: Any, origin: Origin, now: datetime) -> None:
    """Write the last use, in a transaction of its own.

    In the request's transaction it would lock the token's row, and with it every other request of
    the same identity provider. The condition makes it one write when workers meet. Where somebody
    else holds what it needs, it is left to the next request.
    """
    values = {
        "token_id": row.token_id,
        "now": now,
        "before": now - LAST_USED_EVERY,
        "address": storable_text(origin.address, 45),
        "agent": storable_text(origin.user_agent, 255),
    }

    def work() -> None:
        session.execute(_touch(models), values)
        if row.first_used is None:
            _retire_predecessors(session, models, row.token_id, now)
        if row.retires is not None:
            _postpone_retirement(session, models, row.token_id, now)

    bookkeep(session, work)


def _retire_predecessors(
    session: Session, models: Models, token_id: uuid.UUID, now: datetime
) -> None:
    """Begin the time that the tokens before this one have left: it is in use now."""
    token = models.access_token.__table__
    replaced = sa.select(token.c.id, token.c.overlap_seconds).where(
        token.c.successor_id == token_id,
        token.c.overlap_seconds.is_not(None),
        token.c.retires.is_(None),
        token.c.revoked.is_(None),
    )
    for old in session.execute(replaced).all():
        session.execute(
            sa.update(token)
            .where(token.c.id == old.id)
            .values(retires=now + timedelta(seconds=old.overlap_seconds))
        )


def _postpone_retirement(
    session: Session, models: Models, token_id: uuid.UUID, now: datetime
) -> None:
    """Let a replaced token live on as long as it is used: whoever uses it hasn't got the new one.

    An administrator may have tested the new token in the identity provider and not saved it.
    """
    token = models.access_token.__table__
    overlap = session.scalar(sa.select(token.c.overlap_seconds).where(token.c.id == token_id))
    if overlap is not None:
        session.execute(
            sa.update(token)
            .where(token.c.id == token_id)
            .values(retires=now + timedelta(seconds=overlap))
        )


def issue_token(
    session: Session,
    models: Models,
    service_account_id: uuid.UUID,
    *,
    now: datetime,
    lifetime: timedelta | None = None,
    label: str | None = None,
    actor: str | None = None,
    token_id: uuid.UUID | None = None,
) -> TokenSecret:
    """Make a token for a service account, in the caller's transaction.

    :param lifetime: Until it expires; None for ever.
    :param label: What administrators call it.
    :param actor: Who makes it.
    """
    secret = TokenSecret.new()
    session.execute(
        sa.insert(models.access_token.__table__).values(
            id=token_id or uuid.uuid4(),
            service_account_id=service_account_id,
            key_id=secret.key_id,
            digest=secret.digest(),
            created=now,
            expires=None if lifetime is None else now + lifetime,
            label=label or None,
            created_by=storable_text(actor, 255),
        )
    )
    return secret


def rotate_token(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID,
    *,
    overlap: timedelta | None = timedelta(0),
    lifetime: timedelta | None = None,
    label: str | None = None,
    actor: str | None = None,
    now: datetime | None = None,
) -> TokenSecret:
    """Give an integration a new token, which replaces its old ones.

    :param overlap: How long the old tokens go on working after the new one was first used, so that
        nothing fails while an administrator pastes it, however long that takes; as long as one is
        still used it goes on. None leaves them until they are revoked; zero ends them at once.
        None of them lives longer than it would have.
    :param lifetime: Of the new one; None for ever.
    :param label: What administrators call the new one, at most 120 characters.
    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has no such integration.
    :raises IntegrationInvalid: when the label is too long.
    """
    moment = now or utcnow()
    token = models.access_token.__table__
    if label is not None and (len(label) > NAME_LENGTH or not label.isprintable()):
        raise IntegrationInvalid(
            "label", f"Use at most {NAME_LENGTH} characters for the label, on one line."
        )
    successor = uuid.uuid4()
    replaced: dict[str, Any] = {"successor_id": successor, "retires": None}
    if overlap is not None and not overlap:
        replaced |= {"revoked": moment, "revoked_by": storable_text(actor, 255)}
    else:
        seconds = None if overlap is None else int(overlap.total_seconds())
        replaced |= {"overlap_seconds": seconds}

    def work() -> tuple[TokenSecret, str]:
        view = lock_integration(session, models, tenant, integration_id)
        account_id = view.service_account_id
        active = sa.and_(
            token.c.service_account_id == account_id,
            token.c.revoked.is_(None),
            sa.or_(token.c.expires.is_(None), token.c.expires > moment),
            sa.or_(token.c.retires.is_(None), token.c.retires > moment),
        )
        session.execute(sa.update(token).where(active).values(replaced))
        secret = issue_token(
            session,
            models,
            account_id,
            now=moment,
            lifetime=lifetime,
            label=label,
            actor=actor,
            token_id=successor,
        )
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=integration_id,
            action=Action.TOKEN_ROTATED,
            actor=actor,
            now=moment,
            key_id=secret.key_id,
        )
        return secret, view.name

    secret, name = run_transaction(session, work)
    log_change(Action.TOKEN_ROTATED, tenant, integration_id, actor, secret.key_id)
    signals.send(
        signals.token_rotated, tenant, integration_id=integration_id, name=name, actor=actor
    )
    return secret


def revoke_token(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID,
    token_id: uuid.UUID,
    *,
    actor: str | None = None,
    now: datetime | None = None,
) -> bool:
    """End one token at once; False when the integration has no such token, or it was over already.

    :param actor: Who does it, for the activity log.
    """
    moment = now or utcnow()
    token = models.access_token.__table__

    def work() -> tuple[str, str] | None:
        try:
            view = lock_integration(session, models, tenant, integration_id)
        except IntegrationNotFound:
            return None
        mine = sa.and_(
            token.c.id == token_id,
            token.c.service_account_id == view.service_account_id,
            token.c.revoked.is_(None),
        )
        key_id = session.scalar(sa.select(token.c.key_id).where(mine))
        if key_id is None:
            return None
        values = {"revoked": moment, "revoked_by": storable_text(actor, 255)}
        session.execute(sa.update(token).where(mine).values(values))
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=integration_id,
            action=Action.TOKEN_REVOKED,
            actor=actor,
            now=moment,
            key_id=key_id,
        )
        return key_id, view.name

    ended = run_transaction(session, work)
    if ended is None:
        return False
    key_id, name = ended
    log_change(Action.TOKEN_REVOKED, tenant, integration_id, actor, key_id)
    signals.send(
        signals.token_revoked,
        tenant,
        integration_id=integration_id,
        name=name,
        actor=actor,
        key_id=key_id,
    )
    return True


def revoke_leaked(
    session: Session, models: Models, text: str, *, actor: str | None = None
) -> RevokedToken | None:
    """End the token that somebody has found somewhere, whoever's it is; None if it is nobody's.

    :param text: The token, with or without what stands around it.
    """
    found = _LEAKED.search("".join(text.split()))
    secret = None if found is None else TokenSecret.parse(found[0])
    if secret is None:
        return None
    rows = _rows(session, models, secret.key_id, None)
    session.rollback()
    if not rows or not secret.matches(rows[0].digest):
        return None
    row = rows[0]
    ended = revoke_token(session, models, row.tenant, row.integration_id, row.token_id, actor=actor)
    return RevokedToken(row.key_id, row.tenant, row.name, ended)


@dataclass(frozen=True, slots=True)
class RevokedToken:
    """Which token was found, and whether it was still alive."""

    key_id: str
    tenant: str
    integration_name: str
    ended: bool


def list_tokens(session: Session, models: Models, integration_id: uuid.UUID) -> Sequence[TokenView]:
    """Return an integration's tokens, newest first."""
    token, account = models.access_token.__table__, models.service_account.__table__
    columns = [token.c[name] for name in TokenView.__slots__]
    rows = session.execute(
        sa.select(*columns)
        .join(account, account.c.id == token.c.service_account_id)
        .where(account.c.integration_id == integration_id)
        .order_by(token.c.created.desc(), token.c.id)
    )
    return [TokenView(*row) for row in rows]


def live_tokens(
    session: Session, models: Models, integration_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, Sequence[TokenView]]:
    """Return the tokens of several integrations that weren't revoked, newest first."""
    token, account = models.access_token.__table__, models.service_account.__table__
    columns = [token.c[name] for name in TokenView.__slots__]
    rows = session.execute(
        sa.select(account.c.integration_id, *columns)
        .join(account, account.c.id == token.c.service_account_id)
        .where(account.c.integration_id.in_(integration_ids), token.c.revoked.is_(None))
        .order_by(token.c.created.desc(), token.c.id)
    )
    found: dict[uuid.UUID, list[TokenView]] = {}
    for owner, *values in rows:
        found.setdefault(owner, []).append(TokenView(*values))
    return found
