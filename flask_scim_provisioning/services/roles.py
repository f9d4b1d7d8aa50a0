"""Narrowing and widening what the service accounts of a tenant may do."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models, utcnow
from .activity import Action, record_administration
from .errors import IntegrationInvalid, RoleNotFound
from .permissions import RESOURCES, SCIM_PROVISIONER, VERBS, flatten_permissions
from .security import log_change
from .work import begin_writing, run_transaction

__all__ = ["change_role", "get_role"]


def get_role(
    session: Session, models: Models, tenant: str, name: str = SCIM_PROVISIONER
) -> Mapping[str, Sequence[str]]:
    """Return the permissions of a role: the verbs of each resource.

    :raises RoleNotFound: when the tenant has none of this name.
    """
    role = models.role.__table__
    found = session.scalar(
        sa.select(role.c.permissions).where(role.c.tenant == tenant, role.c.name == name)
    )
    if found is None:
        raise RoleNotFound
    permissions: Mapping[str, Sequence[str]] = found
    return permissions


def change_role(
    session: Session,
    models: Models,
    tenant: str,
    *,
    grant: Iterable[str] = (),
    deny: Iterable[str] = (),
    name: str = SCIM_PROVISIONER,
    actor: str | None = None,
) -> Mapping[str, Sequence[str]]:
    """Give a role permissions, take others from it, and return those that it has then.

    It counts from the next request of every integration that has the role; each of them has an
    entry of it in its activity.

    :param grant: Such as ``"USERS:DELETE"``, in any case.
    :param deny: The same; it counts where both name one.
    :param actor: Who does it, for the activity log.
    :raises RoleNotFound: when the tenant has none of this name.
    :raises IntegrationInvalid: when something is no permission.
    """
    more, less = _read(grant), _read(deny)
    role, binding = models.role.__table__, models.binding.__table__
    integration = models.integration.__table__
    this = sa.and_(role.c.tenant == tenant, role.c.name == name)

    def work() -> tuple[list[uuid.UUID], Mapping[str, Sequence[str]]]:
        begin_writing(session)
        row = session.execute(
            sa.select(role.c.id, role.c.permissions).where(this).with_for_update()
        ).first()
        if row is None:
            raise RoleNotFound
        before = flatten_permissions(row.permissions)
        after = (before | more) - less
        if after == before:
            return [], row.permissions
        changed = {
            kind: [verb for verb in VERBS if f"{kind}:{verb}" in after] for kind in RESOURCES
        }
        session.execute(sa.update(role).where(role.c.id == row.id).values(permissions=changed))
        holders = session.scalars(
            sa.select(integration.c.id)
            .join(binding, binding.c.integration_id == integration.c.id)
            .where(binding.c.role_id == row.id, integration.c.removed.is_(None))
            .order_by(integration.c.id)
        ).all()
        for each in holders:
            record_administration(
                session,
                models,
                tenant=tenant,
                integration_id=each,
                action=Action.ROLE_CHANGED,
                actor=actor,
                now=utcnow(),
                detail=f"The role {name} {_told(after - before, before - after)}.",
                changes={"attributes": ["permissions"], "was": {"permissions": sorted(before)}},
            )
        return list(holders), changed

    holders, permissions = run_transaction(session, work)
    for each in holders:
        log_change(Action.ROLE_CHANGED, tenant, each, actor)
    return permissions


def _told(granted: Iterable[str], denied: Iterable[str]) -> str:
    parts = []
    for words, which in (("was given", granted), ("was denied", denied)):
        if which:
            parts.append(f"{words} {', '.join(sorted(which))}")
    return " and ".join(parts)


def _read(permissions: Iterable[str]) -> frozenset[str]:
    """Return permissions as they are kept.

    :raises IntegrationInvalid: when something is none.
    """
    found = set()
    for text in permissions:
        kind, _, verb = text.strip().upper().partition(":")
        if kind not in RESOURCES or verb not in VERBS:
            raise IntegrationInvalid(
                "permission",
                f"There is no permission {text!r}; write one of {', '.join(RESOURCES)}, a colon, "
                f"and one of {', '.join(VERBS)}, such as USERS:DELETE.",
            )
        found.add(f"{kind}:{verb}")
    return frozenset(found)
