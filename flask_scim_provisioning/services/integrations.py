"""Provisioning integrations: create, edit, enable, pause, disable, remove, look at."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

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
    RemovedIntegration,
    endpoint_path,
    get_integration,
    get_removed,
    list_integrations,
    list_removed,
    lock_integration,
)
from .permissions import ensure_role
from .policies import Policies
from .security import log_change
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
    "Managed",
    "RemovedIntegration",
    "count_managed",
    "create_integration",
    "disable_integration",
    "enable_integration",
    "endpoint_path",
    "forget_removed",
    "get_integration",
    "get_removed",
    "list_integrations",
    "list_removed",
    "pause_integration",
    "remove_integration",
    "update_integration",
]

TYPES: Mapping[str, str] = MappingProxyType({"scim-2.0": "SCIM 2.0"})
"""The provisioning types, and what they are called."""

_DELETE_AT_ONCE = 5_000

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
    enabled: bool = True,
    actor: str | None = None,
) -> CreatedIntegration:
    """Create an integration with its service account, role, binding and token.

    :param tenant: Stands in the endpoint's URL.
    :param name: Unique in the tenant, at most 120 characters.
    :param description: At most 500 characters.
    :param type: A key of ``TYPES``.
    :param dialect: A key of ``DIALECTS``: the identity provider.
    :param lifetime: Of the token; None for ever.
    :param enabled: Whether its requests are let in; a draft's aren't until it is enabled.
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
                enabled=enabled,
                draft=not enabled,
                created=now,
                updated=now,
                state_since=now,
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
        secret = issue_token(session, models, account_id, now=now, lifetime=lifetime, actor=actor)
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=integration_id,
            action=Action.INTEGRATION_CREATED,
            actor=actor,
            now=now,
            key_id=secret.key_id,
        )
        return secret

    try:
        secret = run_transaction(session, work)
    except IntegrityError as error:
        if _name_is_taken(session, models, tenant, name):
            raise IntegrationNameTaken from error
        # Somebody else made the tenant's role at the same time; now it is there.
        secret = run_transaction(session, work)
    log_change(Action.INTEGRATION_CREATED, tenant, integration_id, actor, secret.key_id)
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
    if type_ not in TYPES:
        raise IntegrationInvalid("type", f"Choose one of these types: {', '.join(TYPES)}.")
    _check_settings(name=name, description=description, dialect=dialect)


def _check_settings(*, name: str, description: str, dialect: str) -> None:
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise IntegrationInvalid(
            "name", f"Give it a name of at most {NAME_LENGTH} characters, on one line."
        )
    if len(description) > DESCRIPTION_LENGTH or "\x00" in description:
        raise IntegrationInvalid(
            "description", f"Shorten the description to {DESCRIPTION_LENGTH} characters of text."
        )
    if dialect not in DIALECTS:
        raise IntegrationInvalid(
            "dialect", f"Choose one of these identity providers: {', '.join(DIALECTS)}."
        )


def update_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    name: str,
    description: str,
    dialect: str,
    policies: Policies | None = None,
    actor: str | None = None,
) -> IntegrationView:
    """Edit the settings of an integration; its endpoint, tokens and links stay as they are.

    :param name: Unique in the tenant, at most 120 characters.
    :param description: At most 500 characters.
    :param dialect: A key of ``DIALECTS``: the identity provider.
    :param policies: What it may do to people; None leaves them as they are.
    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    :raises IntegrationInvalid: when a value can't be used; its ``field`` says which.
    :raises IntegrationNameTaken: when the tenant has another integration of this name.
    """
    name, description = name.strip(), description.strip()
    _check_settings(name=name, description=description, dialect=dialect)
    table, now = models.integration.__table__, utcnow()
    wanted = {"name": name, "description": description, "dialect": dialect}

    def work() -> bool:
        view = lock_integration(session, models, tenant, integration_id)
        before = {each: getattr(view, each) for each in wanted}
        was: dict[str, Any] = {
            each: value for each, value in before.items() if value != wanted[each]
        }
        values: dict[str, Any] = {each: wanted[each] for each in was}
        if policies is not None and policies != view.policies:
            new = policies.values()
            was |= {
                each: value for each, value in view.policies.values().items() if value != new[each]
            }
            values["policies"] = policies.document() or None
        if not was:
            return False
        session.execute(sa.update(table).where(table.c.id == view.id).values(updated=now, **values))
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=Action.INTEGRATION_EDITED,
            actor=actor,
            now=now,
            changes={"attributes": list(was), "was": was},
        )
        return True

    try:
        changed = run_transaction(session, work)
    except IntegrityError as error:
        raise IntegrationNameTaken from error
    view = get_integration(session, models, tenant, integration_id)
    if changed:
        log_change(Action.INTEGRATION_EDITED, tenant, view.id, actor)
        signals.send(
            signals.integration_updated, tenant, integration_id=view.id, name=view.name, actor=actor
        )
    return view


def enable_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Let an integration's requests in, again or at first; it ends a pause too.

    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    """
    return _switch(session, models, tenant, integration_id, actor, Action.INTEGRATION_ENABLED)


def pause_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Put off every request of an integration: 503, so that its client tries again later.

    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    :raises IntegrationInvalid: when it is disabled: it has nothing to pause.
    """
    return _switch(session, models, tenant, integration_id, actor, Action.INTEGRATION_PAUSED)


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
    return _switch(session, models, tenant, integration_id, actor, Action.INTEGRATION_DISABLED)


def _switch(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None,
    action: Action,
) -> IntegrationView:
    table = models.integration.__table__
    now = utcnow()
    enabled = action is not Action.INTEGRATION_DISABLED
    paused = action is Action.INTEGRATION_PAUSED

    def work() -> bool:
        view = lock_integration(session, models, tenant, integration_id)
        if paused and not view.enabled:
            raise IntegrationInvalid(
                "state", "It is disabled, so that there is nothing to pause; enable it first."
            )
        if (view.enabled, view.paused is not None) == (enabled, paused):
            return False
        values = {
            "enabled": enabled,
            "paused": now if paused else None,
            "draft": False,
            "updated": now,
            "state_since": now,
        }
        session.execute(sa.update(table).where(table.c.id == view.id).values(values))
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=action,
            actor=actor,
            now=now,
        )
        return True

    changed = run_transaction(session, work)
    view = get_integration(session, models, tenant, integration_id)
    if changed:
        log_change(action, tenant, view.id, actor)
        signals.send(_SWITCHED[action], tenant, integration_id=view.id, name=view.name, actor=actor)
    return view


_SWITCHED = {
    Action.INTEGRATION_ENABLED: signals.integration_enabled,
    Action.INTEGRATION_DISABLED: signals.integration_disabled,
    Action.INTEGRATION_PAUSED: signals.integration_paused,
}


def remove_integration(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    actor: str | None = None,
) -> IntegrationView:
    """Remove an integration with its tokens, service account and external ids.

    The host's users and groups stay, and so does the role, which a tenant's integrations share.
    What happened can still be read, until ``prune`` deletes it with what else is old.

    One short transaction ends the integration; what it leaves is deleted by many, so that nobody
    waits for a directory of a million people.

    :param actor: Who does it, for the log.
    :returns: What it was.
    :raises IntegrationNotFound: when the tenant has none with this id.
    """
    now = utcnow()

    def work() -> IntegrationView:
        view = lock_integration(session, models, tenant, integration_id)
        # Said one by one: SQLite cascades only where the host has switched its foreign keys on.
        account = models.service_account.__table__
        token, binding = models.access_token.__table__, models.binding.__table__
        integration = models.integration.__table__
        session.execute(
            sa.delete(token).where(token.c.service_account_id == view.service_account_id)
        )
        bound = sa.or_(
            binding.c.integration_id == view.id,
            binding.c.service_account_id == view.service_account_id,
        )
        session.execute(sa.delete(binding).where(bound))
        session.execute(sa.delete(account).where(account.c.id == view.service_account_id))
        # Nothing more becomes of the accounts that it has let go.
        record = models.offboarding.__table__
        waits = sa.and_(record.c.integration_id == view.id, record.c.due.is_not(None))
        session.execute(sa.update(record).where(waits).values(due=None))
        conflict = models.conflict.__table__
        session.execute(sa.delete(conflict).where(conflict.c.integration_id == view.id))
        # Its name is free for another one, and no other has its id.
        ended = {"removed": now, "enabled": False, "paused": None, "updated": now}
        session.execute(
            sa.update(integration)
            .where(integration.c.id == view.id)
            .values(name=str(view.id), former_name=view.name, **ended)
        )
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=Action.INTEGRATION_REMOVED,
            actor=actor,
            now=now,
            detail=view.name,
        )
        return view

    view = run_transaction(session, work)
    _delete_external_ids(session, models, view.id)
    log_change(Action.INTEGRATION_REMOVED, tenant, view.id, actor)
    signals.send(
        signals.integration_removed, tenant, integration_id=view.id, name=view.name, actor=actor
    )
    return view


@dataclass(frozen=True, slots=True)
class Managed:
    """How many people and groups an identity provider knows here, by its own id for them."""

    people: int
    groups: int


def count_managed(session: Session, models: Models, integration_id: uuid.UUID) -> Managed:
    """Count those who are no longer kept up to date when an integration ends."""
    table = models.external_id.__table__
    rows = session.execute(
        sa.select(table.c.resource_type, sa.func.count())
        .where(table.c.integration_id == integration_id)
        .group_by(table.c.resource_type)
    )
    found = {kind: int(count) for kind, count in rows}
    return Managed(found.get("User", 0), found.get("Group", 0))


def _delete_external_ids(session: Session, models: Models, integration_id: uuid.UUID) -> None:
    table = models.external_id.__table__
    some = sa.select(table.c.id).where(table.c.integration_id == integration_id)
    while ids := session.scalars(some.limit(_DELETE_AT_ONCE)).all():
        statement = sa.delete(table).where(table.c.id.in_(ids))
        run_transaction(session, functools.partial(session.execute, statement))


def forget_removed(session: Session, models: Models, before: datetime) -> int:
    """Delete what is left of integrations that were removed before then and have no activity.

    :returns: How many they were.
    """
    table, entry = models.integration.__table__, models.activity.__table__
    told = sa.exists().where(entry.c.integration_id == table.c.id)
    record, brake = models.offboarding.__table__, models.brake.__table__
    proven = sa.exists().where(record.c.integration_id == table.c.id)
    statement = sa.select(table.c.id).where(table.c.removed < before, ~told, ~proven)
    forgotten = session.scalars(statement).all()
    for integration_id in forgotten:
        _delete_external_ids(session, models, integration_id)
        counted = sa.delete(brake).where(brake.c.integration_id == integration_id)
        run_transaction(session, functools.partial(session.execute, counted))
        delete = sa.delete(table).where(table.c.id == integration_id)
        run_transaction(session, functools.partial(session.execute, delete))
    return len(forgotten)
