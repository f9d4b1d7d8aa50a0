"""Provisioning integrations: create, enable, disable, remove, look at."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..dialects import DIALECTS
from ..models import DESCRIPTION_LENGTH, NAME_LENGTH, TENANT_LENGTH, Models, utcnow
from . import signals
from .activity import Action, record_administration
from .errors import (
    IntegrationError,
    IntegrationInvalid,
    IntegrationNameTaken,
    IntegrationNotFound,
)
from .integration_views import (
    IntegrationView,
    endpoint_path,
    get_integration,
    list_integrations,
)
from .permissions import ensure_role
from .tokens import TokenSecret, issue_token
from .work import run_transaction

__all__ = [
    "TYPES",
    "CreatedIntegration",
    "IntegrationError",
    "IntegrationInvalid",
    "IntegrationNameTaken",
    "IntegrationNotFound",
    "IntegrationView",
    "create_integration",
    "disable_integration",
    "enable_integration",
    "endpoint_path",
    "get_integration",
    "list_integrations",
    "remove_integration",
]

logger = logging.getLogger(__name__)

TYPES: Mapping[str, str] = MappingProxyType({"scim-2.0": "SCIM 2.0"})
"""The provisioning types, and what they are called."""

# It stands in the endpoint's URL as it is (RFC 3986 section 2.3, unreserved).
_TENANT = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~-]{{0,{TENANT_LENGTH - 1}}}")


@dataclass(frozen=True, slots=True)
class CreatedIntegration:
    """A new integration, with the secret that exists nowhere else."""

    integration: IntegrationView
    secret: TokenSecret


def create_integration(
    session: Session,
    models: Models,
    *,
    tenant: str,
    name: str,
    description: str = "",
    type: str = "scim-2.0",  # noqa: A002 - the name of the form field and of the column
    dialect: str = "generic",
    lifetime: timedelta | None = None,
    actor: str | None = None,
) -> CreatedIntegration:
    """Create an integration with its service account, role, binding and token.

    :param tenant: Stands in the endpoint's URL.
    :param name: Unique in the tenant, at most 120 characters.
    :param description: At most 500 characters.
    :param type: A key of ``TYPES``.
    :param dialect: A key of ``DIALECTS``: the identity provider.
    :param lifetime: Of the token; None for ever.
    :param actor: Who does it, for the activity log.
    :raises IntegrationInvalid: when a value can't be used; its ``field`` says which.
    :raises IntegrationNameTaken: when the tenant has an integration of this name.
    """
    name, description = name.strip(), description.strip()
    _check(tenant=tenant, name=name, description=description, type_=type, dialect=dialect)
    integration_id, now = uuid.uuid4(), utcnow()

    def work() -> TokenSecret:
        role_id = ensure_role(session, models, tenant)
        session.execute(
            sa.insert(models.integration.__table__).values(
                id=integration_id,
                tenant=tenant,
                name=name,
                description=description,
                type=type,
                dialect=dialect,
                enabled=True,
                created=now,
                updated=now,
            )
        )
        account_id = uuid.uuid4()
        session.execute(
            sa.insert(models.service_account.__table__).values(
                id=account_id,
                integration_id=integration_id,
                name=f"scim-{integration_id}",
                created=now,
            )
        )
        session.execute(
            sa.insert(models.binding.__table__).values(
                id=uuid.uuid4(),
                role_id=role_id,
                service_account_id=account_id,
                integration_id=integration_id,
            )
        )
        secret = issue_token(session, models, account_id, now=now, lifetime=lifetime)
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=integration_id,
            action=Action.INTEGRATION_CREATED,
            actor=actor,
            now=now,
        )
        return secret

    try:
        secret = run_transaction(session, work)
    except IntegrityError as error:
        if _name_is_taken(session, models, tenant, name):
            raise IntegrationNameTaken from error
        # Somebody else made the tenant's role at the same time; now it is there.
        secret = run_transaction(session, work)
    signals.send(
        signals.integration_created, tenant, integration_id=integration_id, name=name, actor=actor
    )
    return CreatedIntegration(get_integration(session, models, tenant, integration_id), secret)


def _name_is_taken(session: Session, models: Models, tenant: str, name: str) -> bool:
    table = models.integration.__table__
    statement = sa.select(table.c.id).where(table.c.tenant == tenant, table.c.name == name)
    return session.execute(statement).first() is not None


def _check(*, tenant: str, name: str, description: str, type_: str, dialect: str) -> None:
    if not _TENANT.fullmatch(tenant):
        raise IntegrationInvalid(
            "tenant",
            f"A tenant stands in the URL: use at most {TENANT_LENGTH} letters, digits, dots, "
            "hyphens and underscores, beginning with a letter or digit.",
        )
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise IntegrationInvalid(
            "name", f"Give it a name of at most {NAME_LENGTH} characters, on one line."
        )
    if len(description) > DESCRIPTION_LENGTH or "\x00" in description:
        raise IntegrationInvalid(
            "description", f"Shorten the description to {DESCRIPTION_LENGTH} characters of text."
        )
    if type_ not in TYPES:
        raise IntegrationInvalid("type", f"Choose one of these types: {', '.join(TYPES)}.")
    if dialect not in DIALECTS:
        raise IntegrationInvalid(
            "dialect", f"Choose one of these identity providers: {', '.join(DIALECTS)}."
        )


def enable_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Let an integration's requests in again; nothing happens if they are let in already.

    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    """
    return _switch(session, models, tenant, integration_id, actor, enabled=True)


def disable_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Refuse every request of an integration from now on; its token and its links stay.

    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    """
    return _switch(session, models, tenant, integration_id, actor, enabled=False)


def _switch(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None,
    *,
    enabled: bool,
) -> IntegrationView:
    table = models.integration.__table__
    now = utcnow()

    def work() -> bool:
        view = get_integration(session, models, tenant, integration_id)
        if view.enabled is enabled:
            return False
        statement = sa.update(table).where(table.c.id == view.id)
        session.execute(statement.values(enabled=enabled, updated=now))
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=Action.INTEGRATION_ENABLED if enabled else Action.INTEGRATION_DISABLED,
            actor=actor,
            now=now,
        )
        return True

    changed = run_transaction(session, work)
    view = get_integration(session, models, tenant, integration_id)
    if changed:
        signal = signals.integration_enabled if enabled else signals.integration_disabled
        signals.send(signal, tenant, integration_id=view.id, name=view.name, actor=actor)
    return view


def remove_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Remove an integration with its tokens, service account, external ids and activity.

    The host's users and groups stay, and so does the role, which a tenant's integrations share.

    :param actor: Who does it, for the log.
    :returns: What it was.
    :raises IntegrationNotFound: when the tenant has none with this id.
    """

    def work() -> IntegrationView:
        view = get_integration(session, models, tenant, integration_id)
        # Said one by one: SQLite cascades only where the host has switched its foreign keys on.
        account = models.service_account.__table__
        token, binding = models.access_token.__table__, models.binding.__table__
        external_id, entry = models.external_id.__table__, models.activity.__table__
        integration = models.integration.__table__
        session.execute(sa.delete(entry).where(entry.c.integration_id == view.id))
        session.execute(sa.delete(external_id).where(external_id.c.integration_id == view.id))
        session.execute(
            sa.delete(token).where(token.c.service_account_id == view.service_account_id)
        )
        bound = sa.or_(
            binding.c.integration_id == view.id,
            binding.c.service_account_id == view.service_account_id,
        )
        session.execute(sa.delete(binding).where(bound))
        session.execute(sa.delete(account).where(account.c.id == view.service_account_id))
        session.execute(sa.delete(integration).where(integration.c.id == view.id))
        return view

    view = run_transaction(session, work)
    # Its activity log went with it, so that this is the only trace.
    logger.info("The integration %s of tenant %s was removed by %s.", view.id, tenant, actor)
    signals.send(
        signals.integration_removed, tenant, integration_id=view.id, name=view.name, actor=actor
    )
    return view
