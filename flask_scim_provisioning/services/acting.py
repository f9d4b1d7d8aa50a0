"""The scope of an integration that nobody is calling, for what is done in its name."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.orm import Session

from ..dialects import DIALECTS, Generic
from ..models import Models
from .integration_views import IntegrationView
from .permissions import flatten_permissions
from .scope import Scope

__all__ = ["scope_of"]


def scope_of(
    session: Session, models: Models, view: IntegrationView, *, base_url: str = "", **more: Any
) -> Scope:
    """Return what the integration's own requests have: its permissions, policies and provider.

    :param base_url: as ``Scope.base_url``; empty where nothing is answered.
    :param more: further values of the scope, such as its limits.
    """
    return Scope(
        session=session,
        models=models,
        tenant=view.tenant,
        integration_id=view.id,
        integration_name=view.name,
        service_account_id=view.service_account_id,
        permissions=flatten_permissions(view.permissions),
        policies=view.policies,
        dialect=DIALECTS.get(view.dialect, DIALECTS[Generic.name]),
        request_id=uuid.uuid4().hex,
        base_url=base_url,
        **more,
    )
