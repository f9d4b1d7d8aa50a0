"""What a service account may do: resources times verbs, given through a role."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.bindings.base import Keeping
from ..mapping.resources import ResourceMapping
from ..models import Models
from ..scim.errors import Forbidden
from .scope import Scope

__all__ = [
    "KINDS",
    "RESOURCES",
    "SCIM_PROVISIONER",
    "SCIM_PROVISIONER_PERMISSIONS",
    "VERBS",
    "ensure_role",
    "flatten_permissions",
    "may",
    "require",
    "require_bindings",
    "require_roles",
]

RESOURCES = ("GROUPS", "USERS", "BINDINGS")
"""What there are permissions for; bindings are memberships, and the roles that people have."""

VERBS = ("CREATE", "READ", "UPDATE", "DELETE")

KINDS: Mapping[str, str] = MappingProxyType({"User": "USERS", "Group": "GROUPS"})
"""What each resource type is called among the permissions."""

_ROLES = ("roles", "entitlements")
"""The attributes of a user that say what they may do in the portal."""

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
    if not may(scope, resource, verb):
        raise Forbidden(
            f"The integration's service account lacks the permission {resource}: {verb.lower()}; "
            "an administrator can add it to its role."
        )


def may(scope: Scope, resource: str, verb: str) -> bool:
    """Say whether a role of the service account has a permission."""
    return f"{resource}:{verb}" in scope.permissions


def require_bindings(scope: Scope, *, made: bool, ended: bool, replaced: bool = False) -> None:
    """Let only those change memberships and roles who may.

    :param made: somebody has come; that is ``CREATE``.
    :param ended: somebody has gone; that is ``DELETE``.
    :param replaced: one was put in the place of another, which ``UPDATE`` alone allows too.
    :raises Forbidden: when no role of the service account has the permission.
    """
    if replaced and may(scope, "BINDINGS", "UPDATE"):
        return
    if made:
        require(scope, "BINDINGS", "CREATE")
    if ended:
        require(scope, "BINDINGS", "DELETE")


def require_roles(
    scope: Scope,
    mapping: ResourceMapping,
    new: Mapping[str, Any],
    old: Mapping[str, Any],
) -> None:
    """Let only those change the roles of people in the portal who may.

    What the portal has no place for is kept beside it and gives nobody anything.

    :param new: changed values by key.
    :param old: the values before.
    :raises Forbidden: when no role of the service account has the permission.
    """
    for key in _ROLES:
        binding = mapping.bindings.get(key)
        if key not in new or binding is None or binding.keeping is Keeping.LINK:
            continue
        now, before = _named(new[key]), _named(old.get(key))
        require_bindings(scope, made=bool(now - before), ended=bool(before - now), replaced=True)


def _named(elements: Any) -> set[str]:
    return {str(each.get("value")) for each in elements or () if isinstance(each, Mapping)}


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
