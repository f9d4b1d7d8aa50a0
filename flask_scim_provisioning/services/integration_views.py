"""Provisioning integrations as pages and commands show them."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from .errors import IntegrationNotFound
from .policies import Policies
from .work import begin_writing

__all__ = [
    "IntegrationView",
    "RemovedIntegration",
    "endpoint_path",
    "get_integration",
    "get_removed",
    "list_integrations",
    "list_removed",
    "lock_integration",
    "uuid_of",
]


@dataclass(frozen=True, slots=True)
class IntegrationView:
    """An integration, as pages and commands show it.

    :ivar dialect: Which identity provider's habits are understood: a key of ``DIALECTS``.
    :ivar draft: Whether it was never enabled.
    :ivar paused: Since when its requests are put off; None if they aren't.
    :ivar state_since: When it was enabled, paused or disabled for the last time.
    :ivar permissions: Of the service account, ``{"USERS": ["CREATE", ...], ...}``.
    :ivar policies: What it may do to people.
    :ivar last_used: When a token was last used, true to five minutes; None if never.
    """

    id: uuid.UUID
    tenant: str
    name: str
    description: str
    type: str
    dialect: str
    enabled: bool
    draft: bool
    paused: datetime | None
    created: datetime
    updated: datetime
    state_since: datetime
    service_account_id: uuid.UUID
    service_account: str
    role: str | None
    permissions: Mapping[str, Sequence[str]]
    policies: Policies
    last_used: datetime | None


def endpoint_path(prefix: str, tenant: str, integration_id: uuid.UUID | str) -> str:
    """Return the path of an integration's SCIM base, without a slash at its end.

    :param prefix: ``SCIM_URL_PREFIX``.
    """
    return f"{prefix.rstrip('/')}/{tenant}/integrations/{integration_id}/scim/v2"


@functools.lru_cache(maxsize=64)
def _views(models: Models) -> sa.Select[tuple[Any, ...]]:
    integration, account = models.integration.__table__, models.service_account.__table__
    binding, role = models.binding.__table__, models.role.__table__
    token = models.access_token.__table__
    last_used = (
        sa.select(sa.func.max(token.c.last_used))
        .where(token.c.service_account_id == account.c.id)
        .scalar_subquery()
    )
    return (
        sa.select(
            integration.c.id,
            integration.c.tenant,
            integration.c.name,
            integration.c.description,
            integration.c.type,
            integration.c.dialect,
            integration.c.enabled,
            integration.c.draft,
            integration.c.paused,
            integration.c.created,
            integration.c.updated,
            sa.func.coalesce(integration.c.state_since, integration.c.created).label("state_since"),
            account.c.id.label("service_account_id"),
            account.c.name.label("service_account"),
            role.c.name.label("role"),
            role.c.permissions,
            integration.c.policies,
            last_used.label("last_used"),
        )
        .select_from(
            integration.join(account, account.c.integration_id == integration.c.id)
            .outerjoin(binding, binding.c.service_account_id == account.c.id)
            .outerjoin(role, role.c.id == binding.c.role_id)
        )
        .where(integration.c.removed.is_(None))
        .order_by(integration.c.tenant, integration.c.name)
    )


def _view(row: Any) -> IntegrationView:
    values = row._asdict()
    values["permissions"] = values["permissions"] or {}
    values["policies"] = Policies.of(values["policies"])
    return IntegrationView(**values)


def list_integrations(
    session: Session, models: Models, tenant: str | None = None
) -> Sequence[IntegrationView]:
    """Return a tenant's integrations by name; those of all tenants when it is None."""
    statement = _views(models)
    if tenant is not None:
        statement = statement.where(models.integration.__table__.c.tenant == tenant)
    # One entry each, even where somebody has bound a second role to the service account.
    found: dict[uuid.UUID, IntegrationView] = {}
    for row in session.execute(statement):
        found.setdefault(row.id, _view(row))
    return list(found.values())


def get_integration(
    session: Session, models: Models, tenant: str, integration_id: uuid.UUID | str
) -> IntegrationView:
    """Return one integration of a tenant.

    :raises IntegrationNotFound: when the tenant has none with this id, or the id is no UUID.
    """
    table = models.integration.__table__
    statement = _views(models).where(
        table.c.tenant == tenant, table.c.id == uuid_of(integration_id)
    )
    row = session.execute(statement).first()
    if row is None:
        raise IntegrationNotFound
    return _view(row)


def lock_integration(
    session: Session, models: Models, tenant: str, integration_id: uuid.UUID | str
) -> IntegrationView:
    """Return one integration of a tenant, which nobody else changes until the transaction ends.

    Whoever decides by its state or its tokens begins here, so that two who act at once act one
    after the other.

    :raises IntegrationNotFound: when the tenant has none with this id, or the id is no UUID.
    """
    begin_writing(session)
    table = models.integration.__table__
    row = sa.select(table.c.id).where(
        table.c.tenant == tenant, table.c.id == uuid_of(integration_id)
    )
    if session.execute(row.with_for_update()).first() is None:
        raise IntegrationNotFound
    return get_integration(session, models, tenant, integration_id)


@dataclass(frozen=True, slots=True)
class RemovedIntegration:
    """What is still known of an integration that was removed; its activity can be read."""

    id: uuid.UUID
    tenant: str
    name: str
    dialect: str
    created: datetime
    removed: datetime


def list_removed(
    session: Session, models: Models, tenant: str | None = None
) -> Sequence[RemovedIntegration]:
    """Return a tenant's removed integrations, the latest first; of all tenants when it is None."""
    statement = _removed(models)
    if tenant is not None:
        statement = statement.where(models.integration.__table__.c.tenant == tenant)
    return [RemovedIntegration(*row) for row in session.execute(statement)]


def get_removed(
    session: Session, models: Models, tenant: str, integration_id: uuid.UUID | str
) -> RemovedIntegration:
    """Return one removed integration of a tenant.

    :raises IntegrationNotFound: when the tenant had none with this id, or it wasn't removed.
    """
    table = models.integration.__table__
    statement = _removed(models).where(
        table.c.tenant == tenant, table.c.id == uuid_of(integration_id)
    )
    row = session.execute(statement).first()
    if row is None:
        raise IntegrationNotFound
    return RemovedIntegration(*row)


@functools.lru_cache(maxsize=64)
def _removed(models: Models) -> sa.Select[tuple[Any, ...]]:
    table = models.integration.__table__
    name = sa.func.coalesce(table.c.former_name, table.c.name)
    return (
        sa.select(
            table.c.id, table.c.tenant, name, table.c.dialect, table.c.created, table.c.removed
        )
        .where(table.c.removed.is_not(None))
        .order_by(table.c.removed.desc())
    )


def uuid_of(integration_id: uuid.UUID | str) -> uuid.UUID:
    """Return an integration's id, given as text or not.

    :raises IntegrationNotFound: when the text is none.
    """
    if isinstance(integration_id, uuid.UUID):
        return integration_id
    try:
        return uuid.UUID(integration_id)
    except ValueError:
        raise IntegrationNotFound from None
