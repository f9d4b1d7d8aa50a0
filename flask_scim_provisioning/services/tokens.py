"""Bearer tokens: issued, rotated, revoked, and found by key id in one indexed read."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models, utcnow
from ..scim.errors import IntegrationDisabled, Unauthorized
from . import signals
from .activity import Action, record_administration
from .errors import IntegrationNotFound
from .patience import bounded_wait, milliseconds, note_bounded, waiting_at_most
from .permissions import flatten_permissions
from .token_secrets import TokenSecret
from .work import LONGEST_WAIT, bookkeep, rowcount, run_transaction

__all__ = [
    "Authenticated",
    "TokenSecret",
    "TokenView",
    "authenticate",
    "issue_token",
    "list_tokens",
    "revoke_token",
    "rotate_token",
]

LAST_USED_EVERY = timedelta(minutes=5)

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
    token_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class TokenView:
    """What may be shown of a token."""

    id: uuid.UUID
    key_id: str
    created: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None

    def is_active(self, now: datetime) -> bool:
        """Say whether it opens anything at this instant."""
        return self.revoked is None and (self.expires is None or now < self.expires)


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
            account.c.id.label("service_account_id"),
            integration.c.id.label("integration_id"),
            integration.c.tenant,
            integration.c.name,
            integration.c.dialect,
            integration.c.enabled,
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
    return (
        sa.update(token)
        .where(token.c.id == sa.bindparam("token_id"), stale)
        .values(last_used=sa.bindparam("now"))
    )


def authenticate(
    session: Session,
    models: Models,
    bearer_text: str | None,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    now: datetime | None = None,
    deadline: float | None = None,
) -> Authenticated:
    """Find out whose token this is, and whether it belongs to the URL it was sent to.

    One statement finds everything. Everything that is wrong is wrong in the same way, so that an
    answer tells nothing of tokens, integrations and tenants that the caller can't see.

    :param bearer_text: The ``Authorization`` header, or what follows its scheme.
    :param tenant: The tenant in the URL.
    :param integration_id: The integration in the URL.
    :param deadline: until when the database may be waited for, by ``time.perf_counter()``.
    :raises Unauthorized: for every token that doesn't open this URL.
    :raises IntegrationDisabled: when it does, and an administrator has disabled the integration.
    """
    now = now or utcnow()
    token = TokenSecret.parse(bearer_text)
    if token is None:
        raise Unauthorized
    rows = _rows(session, models, token.key_id, deadline)
    if not token.matches(rows[0].digest if rows else _NOBODYS_DIGEST) or not rows:
        raise Unauthorized
    row = rows[0]
    if row.revoked is not None or (row.expires is not None and row.expires <= now):
        raise Unauthorized
    if row.tenant != tenant or str(row.integration_id) != str(integration_id).lower():
        raise Unauthorized
    if not row.enabled:
        raise IntegrationDisabled
    if row.last_used is None or now - row.last_used >= LAST_USED_EVERY:
        _record_use(session, models, row.token_id, now)
    return Authenticated(
        integration_id=row.integration_id,
        integration_name=row.name,
        tenant=row.tenant,
        dialect=row.dialect,
        service_account_id=row.service_account_id,
        permissions=frozenset().union(*(flatten_permissions(each.permissions) for each in rows)),
        token_id=row.token_id,
    )


def _rows(
    session: Session, models: Models, key_id: str, deadline: float | None
) -> Sequence[sa.Row[Any]]:
    seconds = LONGEST_WAIT if deadline is None else deadline - time.perf_counter()
    backend = session.connection().dialect.name
    statement, values = _by_key_id(models, backend), {"key_id": key_id}
    if backend == "postgresql":
        values["lock_wait"] = milliseconds(seconds)
        rows = session.connection().execute(statement, values).all()
        note_bounded(session)
        return rows
    if backend != "sqlite":
        # What only reads waits for nobody there.
        return session.connection().execute(statement, values).all()
    with waiting_at_most(session, seconds):
        return session.connection().execute(statement, values).all()


def _record_use(session: Session, models: Models, token_id: uuid.UUID, now: datetime) -> None:
    """Write the last use, in a transaction of its own.

    In the request's transaction it would lock the token's row, and with it every other request of
    the same identity provider. The condition makes it one write when workers meet. Where somebody
    else holds what it needs, it is left to the next request.
    """
    values = {"token_id": token_id, "now": now, "before": now - LAST_USED_EVERY}
    bookkeep(session, lambda: session.connection().execute(_touch(models), values))


def issue_token(
    session: Session,
    models: Models,
    service_account_id: uuid.UUID,
    *,
    now: datetime,
    lifetime: timedelta | None = None,
) -> TokenSecret:
    """Make a token for a service account, in the caller's transaction.

    :param lifetime: Until it expires; None for ever.
    """
    secret = TokenSecret.new()
    session.execute(
        sa.insert(models.access_token.__table__).values(
            id=uuid.uuid4(),
            service_account_id=service_account_id,
            key_id=secret.key_id,
            digest=secret.digest(),
            created=now,
            expires=None if lifetime is None else now + lifetime,
        )
    )
    return secret


def rotate_token(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID,
    *,
    overlap: timedelta = timedelta(0),
    lifetime: timedelta | None = None,
    actor: str | None = None,
    now: datetime | None = None,
) -> TokenSecret:
    """Give an integration a new token, and end its old ones.

    :param overlap: How long the old tokens go on working, so that nothing fails while an
        administrator pastes the new one. None of them lives longer than it would have.
    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has no such integration.
    """
    moment = now or utcnow()
    integration, account = models.integration.__table__, models.service_account.__table__
    token = models.access_token.__table__
    owner = (
        sa.select(account.c.id, integration.c.name)
        .join(integration, integration.c.id == account.c.integration_id)
        .where(integration.c.id == integration_id, integration.c.tenant == tenant)
    )

    def work() -> tuple[TokenSecret, str]:
        row = session.execute(owner).one_or_none()
        if row is None:
            raise IntegrationNotFound
        end = moment + overlap
        active = sa.and_(
            token.c.service_account_id == row.id,
            token.c.revoked.is_(None),
            sa.or_(token.c.expires.is_(None), token.c.expires > end),
        )
        ending = {"expires": end} if overlap else {"revoked": moment}
        session.execute(sa.update(token).where(active).values(ending))
        secret = issue_token(session, models, row.id, now=moment, lifetime=lifetime)
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=integration_id,
            action=Action.TOKEN_ROTATED,
            actor=actor,
            now=moment,
        )
        return secret, row.name

    secret, name = run_transaction(session, work)
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
    integration, account = models.integration.__table__, models.service_account.__table__
    token = models.access_token.__table__
    accounts = (
        sa.select(account.c.id)
        .join(integration, integration.c.id == account.c.integration_id)
        .where(integration.c.id == integration_id, integration.c.tenant == tenant)
    )
    statement = (
        sa.update(token)
        .where(
            token.c.id == token_id,
            token.c.service_account_id.in_(accounts),
            token.c.revoked.is_(None),
        )
        .values(revoked=moment)
    )

    def work() -> bool:
        ended = rowcount(session.execute(statement)) == 1
        if ended:
            record_administration(
                session,
                models,
                tenant=tenant,
                integration_id=integration_id,
                action=Action.TOKEN_REVOKED,
                actor=actor,
                now=moment,
            )
        return ended

    return run_transaction(session, work)


def list_tokens(session: Session, models: Models, integration_id: uuid.UUID) -> Sequence[TokenView]:
    """Return an integration's tokens, newest first."""
    token, account = models.access_token.__table__, models.service_account.__table__
    rows = session.execute(
        sa.select(
            token.c.id,
            token.c.key_id,
            token.c.created,
            token.c.expires,
            token.c.last_used,
            token.c.revoked,
        )
        .join(account, account.c.id == token.c.service_account_id)
        .where(account.c.integration_id == integration_id)
        .order_by(token.c.created.desc(), token.c.id)
    )
    return [TokenView(*row) for row in rows]
