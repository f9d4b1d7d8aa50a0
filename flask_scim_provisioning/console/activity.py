"""The page of an integration's activity: every entry, page by page."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import activity, integrations
from ..services.activity import Attention
from .access import caller
from .presenters import EntryPage, present, trail

__all__ = ["show_activity"]

_PAGE = 50

_ATTENTION = "attention"
_OUTCOMES = {
    "": "All",
    _ATTENTION: "Needs attention",
    "ok": "Done",
    "refused": "Refused",
    "failed": "Failed",
}


def show_activity(integration_id: str) -> ResponseReturnValue:
    """Show one page of the log, newest first; ``outcome`` and ``before`` choose which."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    outcome = request.args.get("outcome", "")
    if outcome not in _OUTCOMES:
        outcome = ""
    before = request.args.get("before", type=_entry_id)
    needed = outcome == _ATTENTION
    page = activity.page(
        session,
        models,
        view.id,
        limit=_PAGE,
        before=before,
        outcome=None if needed else outcome or None,
        attention=Attention.MEMBERS_SKIPPED if needed else None,
    )
    now = utcnow()
    return render_template(
        "scim_provisioning/integrations/activity.html",
        integration=present(view, now),
        activity=[EntryPage.of(entry, now) for entry in page.entries],
        filters=[
            (label, _url(integration_id, name), name == outcome)
            for name, label in _OUTCOMES.items()
        ],
        filtered=bool(outcome),
        newest=None if before is None else _url(integration_id, outcome),
        older=None if page.next_before is None else _url(integration_id, outcome, page.next_before),
        trail=trail(view, "Activity"),
    )


def _entry_id(text: str) -> int:
    """Read an id; ``ValueError``, which Flask takes for "not given", when no entry can have it."""
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number


def _url(integration_id: str, outcome: str, before: int | None = None) -> str:
    return url_for(
        "scim_console.show_activity",
        integration_id=integration_id,
        outcome=outcome or None,
        before=before,
    )
