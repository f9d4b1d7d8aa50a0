"""What a service account may do: resources times verbs, given through a role."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..scim.errors import Forbidden
from .scope import Scope

__all__ = [
    "SCIM_PROVISIONER",
    "SCIM_PROVISIONER_PERMISSIONS",
    "ensure_role",
    "flatten_permissions",
    "require",
]

SCIM_PROVISIONER = "SCIMProvisioner"
"""The name of the role that every integration's service account gets."""

SCIM_PROVISIONER_PERMISSIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "GROUPS": ("CREATE", "READ", "UPDATE", "DELETE"),
        "USERS": ("CREATE", "READ", "UPDATE"),
        "BINDINGS": ("CREATE", "READ", "UPDATE", "DELETE"),
    }
)
"""Users are deactivated rather than deleted, so the role has no ``USERS: DELETE``."""


def flatten_permissions(permissions: Mapping[str, Any] | None) -> frozenset[str]:
    """Return ``{"USERS": ["READ"]}`` as ``{"USERS:READ"}``."""
    if not permissions:
        return frozenset()
    return frozenset(f"{kind}:{verb}" for kind, verbs in permissions.items() for verb in verbs)


def require(scope: Scope, resource: str, verb: str) -> None:
    """Let only those go on who have the permission.

    :param resource: ``USERS``, ``GROUPS`` or ``BINDINGS``.
    :param verb: ``CREATE``, ``READ``, ``UPDATE`` or ``DELETE``.
    :raises Forbidden: when no role of the service account has it.
    """
    if f"{resource}:{verb}" not in scope.permissions:
        raise Forbidden(
            f"The integration's service account lacks the permission {resource}: {verb.lower()}; "
            "an administrator can add it to its role."
        )


def ensure_role(session: Session, models: Models, tenant: str) -> uuid.UUID:
    """Return the tenant's ``SCIMProvisioner`` role, made now if it isn't there.

    A role that is there stays as it is: its permissions may have been narrowed on purpose.

    :raises sqlalchemy.exc.IntegrityError: when somebody else makes it at the same time; repeat the
        transaction.
    """
    role = models.role.__table__
    existing: uuid.UUID | None = session.scalar(
        sa.select(role.c.id).where(role.c.tenant == tenant, role.c.name == SCIM_PROVISIONER)
    )
    if existing is not None:
        return existing
    role_id = uuid.uuid4()
    permissions = {kind: list(verbs) for kind, verbs in SCIM_PROVISIONER_PERMISSIONS.items()}
    session.execute(
        sa.insert(role).values(
            id=role_id, tenant=tenant, name=SCIM_PROVISIONER, permissions=permissions
        )
    )
    return role_id
