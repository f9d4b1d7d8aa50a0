"""Somebody has looked into a failure: it needs no attention until it comes again."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from ..models import Models, utcnow
from . import failures, refusals
from .activity import Action, record_administration
from .errors import IntegrationInvalid
from .integration_views import IntegrationView, get_integration
from .work import run_transaction

__all__ = ["dismiss"]

_HIGHEST = 2**63 - 1


def dismiss(
    session: Session,
    models: Models,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    what: str,
    cause: str,
    until: int,
    actor: str | None = None,
) -> IntegrationView:
    """Say of failures that they need no attention any more.

    :param what: ``"failures"``, ``"members"`` or ``"door"``.
    :param cause: Of the failures, or of the requests at the door.
    :param until: The id of the newest that the administrator has seen.
    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has none with this id.
    :raises IntegrationInvalid: when there is nothing of this kind.
    """
    seen = min(max(until, 0), _HIGHEST)

    def work() -> IntegrationView:
        view = get_integration(session, models, tenant, integration_id)
        if what not in ("failures", "members", "door"):
            raise IntegrationInvalid("what", "Open the page of what failed, and choose there.")
        if what == "door":
            changed = refusals.dismiss(session, models, view.id, cause, seen)
        else:
            of = cause if what == "failures" else None
            changed = failures.dismiss(session, models, view.id, of, seen)
        if changed:
            record_administration(
                session,
                models,
                tenant=tenant,
                integration_id=view.id,
                action=Action.ATTENTION_DISMISSED,
                actor=actor,
                now=utcnow(),
                detail=cause or what,
            )
        return view

    return run_transaction(session, work)
