"""The page of those who left: what the brake holds, and what became of everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import brake, integrations, offboarding
from ..services.errors import IntegrationInvalid
from ..services.offboarding import OffboardingPage, Record
from .access import acting_administrator, caller
from .forms import ActionForm
from .presenters import Badge, Moment, present, tabs, trail

__all__ = ["decide", "leavers_document", "show_leavers"]

_SHOWN_HELD = 200
_PER_DOCUMENT = 500


def show_leavers(integration_id: str) -> ResponseReturnValue:
    """Show what is held and what became of those who left; ``format=json`` is for machines."""
    if request.args.get("format") == "json":
        return leavers_document(integration_id)
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now, text = utcnow(), request.args.get("q", "").strip()[:255]
    before = request.args.get("before", type=int)
    held = offboarding.held(session, models, view.id)
    page = offboarding.page(session, models, view.id, before=before, text=text or None)
    here = "scim_console.show_leavers"
    return render_template(
        "scim_provisioning/integrations/leavers.html",
        integration=present(view, now),
        held=[_held(each, now) for each in held[:_SHOWN_HELD]],
        held_count=len(held),
        undecided=sum(each.decision is None for each in held),
        records=[_row(each, now) for each in page.records],
        text=text,
        form_url=url_for(here, integration_id=view.id),
        json_url=url_for("scim_console.leavers_document", integration_id=view.id, q=text or None),
        first=None if before is None else url_for(here, integration_id=view.id, q=text or None),
        more=None
        if page.next_before is None
        else url_for(here, integration_id=view.id, q=text or None, before=page.next_before),
        action=ActionForm(),
        tabs=tabs(view.id, "show_leavers"),
        trail=trail(view, "Leavers"),
    )


def leavers_document(integration_id: str) -> ResponseReturnValue:
    """Answer with the records, for auditors; ``before`` asks for older ones, ``q`` for a person."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    page: OffboardingPage = offboarding.page(
        session,
        models,
        view.id,
        before=request.args.get("before", type=int),
        limit=_PER_DOCUMENT,
        text=request.args.get("q", "").strip()[:255] or None,
    )
    return jsonify(
        {"records": [each.as_json() for each in page.records], "next_before": page.next_before}
    )


def decide(integration_id: str) -> ResponseReturnValue:
    """Release or reject what the brake holds: those that are ticked, or all that wait."""
    ActionForm().require_valid()
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    decision = request.form.get("decision", "")
    ticked = request.form.getlist("record", type=int)
    every = request.form.get("which") == "all"
    target = redirect(url_for("scim_console.show_leavers", integration_id=view.id), 303)
    if not every and not ticked:
        flash("Tick somebody first.", "error")
        return target
    try:
        decided = brake.decide(
            session,
            models,
            tenant,
            view.id,
            decision=decision,
            ids=None if every else ticked,
            actor=acting_administrator(),
        )
    except IntegrationInvalid as error:
        flash(str(error), "error")
        return target
    count = "1 change is" if len(decided) == 1 else f"{len(decided)} changes are"
    flash(
        f"{count} released: the directory carries them out when it tries again."
        if decision == "released"
        else f"{count} rejected: the directory is told so, and nothing is changed.",
        "success",
    )
    return target


_KINDS = {
    "deactivated": "is to be deactivated",
    "deleted": "is to be deleted",
    "removed": "loses many members",
}


def _held(record: Record, now: datetime) -> dict[str, Any]:
    decision = {
        None: Badge("Waits for you", "warn", "alert"),
        "released": Badge("Released", "info", "clock"),
        "rejected": Badge("Rejected", "plain", "cross"),
    }[record.decision]
    return {
        "id": record.id,
        "name": record.resource_name or record.resource_id,
        "what": _KINDS.get(record.kind, record.kind),
        "why": record.trouble,
        "since": Moment.of(record.received, now),
        "count": record.count,
        "badge": decision,
        "by": record.decided_by,
    }


def _row(record: Record, now: datetime) -> dict[str, Any]:
    return {
        "name": record.resource_name or record.resource_id,
        "badge": _state(record),
        "received": Moment.of(record.received, now),
        "blocked": Moment.of(record.blocked, now),
        "facts": _facts(record),
        "due": Moment.of(record.due, now),
        "due_action": {"delete": "Will be deleted", "unlink": "Will be forgotten"}.get(
            record.due_action or ""
        ),
        "returned": Moment.of(record.returned, now),
        "hooks": [
            (each.get("hook", ""), "; ".join(each.get("done") or ["done"]))
            for each in record.hooks or ()
        ],
        "request_id": record.request_id,
    }


def _state(record: Record) -> Badge:
    if record.blocked is None:
        return Badge("Not done", "bad", "alert")
    if record.returned is not None:
        return Badge("Came back", "info", "check")
    if record.deleted is not None:
        return Badge("Deleted", "good", "check")
    return Badge("Signed out and blocked", "good", "check")


def _facts(record: Record) -> list[str]:
    if record.blocked is None:
        times = "once" if record.count == 1 else f"{record.count} times"
        return [f"Tried {times}: {record.trouble or 'not done yet'}"]
    found = ["Sign-in blocked and sessions ended at once"]
    if record.groups_left:
        groups = "1 group" if record.groups_left == 1 else f"{record.groups_left} groups"
        found.append(f"taken out of {groups}")
    if record.count > 1:
        found.append(f"at the {record.count}th request" if record.count > 3 else "after a retry")
    if record.unlinked is not None:
        found.append("the directory doesn't know the account any more")
    return found
