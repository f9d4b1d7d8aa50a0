"""The page of what went wrong: failures by cause, who was left out, who was refused at the door."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import dismissals, health, integrations, refusals
from ..services.refusals import RefusedRequests
from ..state import current_provisioning
from .access import acting_administrator, caller
from .forms import ActionForm
from .presenters import DoorPage, FailurePage, HealthPage, Moment, present, tabs, trail

__all__ = ["dismiss", "show_failures", "show_refused"]

_SHOWN_SKIPPED = 20


def show_failures(integration_id: str) -> ResponseReturnValue:
    """Show what failed and isn't solved: why, how often, whom it concerns, and what to do."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now = utcnow()
    found = health.assess_one(session, models, current_provisioning.mappings, view, now)
    page = present(view, now)
    by_cause: dict[str, list[RefusedRequests]] = {}
    for row in found.door:
        by_cause.setdefault(row.cause, []).append(row)
    return render_template(
        "scim_provisioning/integrations/failures.html",
        integration=page,
        health=HealthPage.of(found, now),
        failures=[FailurePage.of(group, page, now) for group in found.failures],
        skipped=[
            (
                each.group or "A group",
                list(each.ids),
                Moment.of(each.at, now),
                url_for("scim_console.show_entry", integration_id=view.id, entry_id=each.entry_id),
            )
            for each in found.skipped[:_SHOWN_SKIPPED]
        ],
        skipped_until=max((each.entry_id for each in found.skipped), default=0),
        skipped_url=url_for(
            "scim_console.show_activity", integration_id=view.id, outcome="attention"
        ),
        door=[DoorPage.of(rows, now) for rows in by_cause.values()],
        action=ActionForm(),
        tabs=tabs(view.id, "show_failures"),
        trail=trail(view, "Failures"),
    )


def show_refused() -> ResponseReturnValue:
    """Show what was refused for integrations that don't exist or were removed."""
    session, models, tenant = caller()
    now = utcnow()
    by_cause: dict[str, list[RefusedRequests]] = {}
    for row in refusals.unclaimed(session, models, tenant):
        by_cause.setdefault(row.cause, []).append(row)
    return render_template(
        "scim_provisioning/integrations/refused.html",
        door=[DoorPage.of(rows, now) for rows in by_cause.values()],
        trail=trail("Refused requests"),
    )


def dismiss(integration_id: str) -> ResponseReturnValue:
    """Say of failures that somebody has looked into them."""
    ActionForm().require_valid()
    session, models, tenant = caller()
    view = dismissals.dismiss(
        session,
        models,
        tenant,
        integration_id,
        what=request.form.get("what", ""),
        cause=request.form.get("cause", "")[:64],
        until=request.form.get("until", 0, type=int),
        actor=acting_administrator(),
    )
    flash("Marked as looked into. It needs attention again when it comes again.", "success")
    return redirect(url_for("scim_console.show_failures", integration_id=view.id), 303)
