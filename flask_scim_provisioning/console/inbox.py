"""The inbox: people whom a directory wants and whom the portal had before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import inbox, integrations
from ..services.conflicts import Decision, Reason
from ..services.errors import IntegrationInvalid
from ..services.inbox import Row
from ..state import current_provisioning
from .access import acting_administrator, caller
from .forms import ActionForm, DecisionForm, add_error, form_status
from .presenters import Badge, Moment, present, tabs, trail

__all__ = ["decide_all", "show_conflict", "show_inbox"]

_REASONS: Mapping[Reason, str] = {
    Reason.POLICY: "This integration asks before it takes anybody over.",
    Reason.GUARDED: "This person is protected, so that nobody takes them over without being asked.",
    Reason.AMBIGUOUS: "Several people of the portal could be this one.",
    Reason.UNVERIFIED: "They were met by an e-mail address that the portal hasn't verified.",
}
_WHY: Mapping[Reason, Badge] = {
    Reason.POLICY: Badge("Asked for", "info", "info"),
    Reason.GUARDED: Badge("Protected", "warn", "shield"),
    Reason.AMBIGUOUS: Badge("Several people", "warn", "alert"),
    Reason.UNVERIFIED: Badge("Not verified", "warn", "alert"),
}
_DECIDED: Mapping[Decision, Badge] = {
    Decision.LINK: Badge("Take over", "good", "check"),
    Decision.KEEP: Badge("Take over, keep profile", "good", "check"),
    Decision.REFUSE: Badge("Left alone", "plain", "cross"),
}
_BY: Mapping[str, str] = {
    "userName": "user name",
    "externalId": "external id",
    "emails": "e-mail address",
}
_STATES: Mapping[str, str] = {"": "Waiting", "decided": "Decided"}


def show_inbox(integration_id: str) -> ResponseReturnValue:
    """List who waits for a decision, or with ``state=decided`` what was decided and isn't done."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    state = "decided" if request.args.get("state") == "decided" else ""
    before = request.args.get("before", type=_row_id)
    users = current_provisioning.mappings["Users"]
    page = inbox.page(session, models, users, view.id, decided=bool(state), before=before)
    now = utcnow()

    def url(**values: Any) -> str:
        return url_for("scim_console.show_inbox", integration_id=view.id, **values)

    return render_template(
        "scim_provisioning/integrations/inbox.html",
        integration=present(view, now),
        rows=[
            (
                row.look_up,
                row.name if row.people == 1 else f"{row.people} people",
                _WHY[row.reason] if row.decision is None else _DECIDED[row.decision],
                Moment.of(row.decided_at or row.last_at, now),
                row.decided_by or "",
                url_for("scim_console.show_conflict", integration_id=view.id, conflict_id=row.id),
            )
            for row in page.rows
        ],
        decided=bool(state),
        filters=[
            (label, url(state=name or None), name == state) for name, label in _STATES.items()
        ],
        newest=max((row.id for row in page.rows), default=0) if before is None else before,
        first=None if before is None else url(state=state or None),
        more=None
        if page.next_before is None
        else url(state=state or None, before=page.next_before),
        action=ActionForm(),
        tabs=tabs(view.id, "show_inbox"),
        trail=trail(view, "Inbox"),
    )


def show_conflict(integration_id: str, conflict_id: int) -> ResponseReturnValue:
    """Show what speaks for and against taking somebody over; decide."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    users = current_provisioning.mappings["Users"]
    found = inbox.detail(session, models, users, view, conflict_id)
    if found is None:
        abort(404)
    row = found.row
    form = DecisionForm([(each.link_id, each.name) for each in found.candidates])
    if form.is_accepted():
        try:
            inbox.decide(
                session,
                models,
                users,
                tenant,
                view.id,
                row.id,
                decision=form.decision.data or "",
                person=form.chosen_person(),
                actor=acting_administrator(),
            )
        except IntegrationInvalid as error:
            if error.field not in form:
                raise
            add_error(form[error.field], str(error))
        else:
            flash(_done(row, form.decision.data), "success")
            return redirect(url_for("scim_console.show_inbox", integration_id=view.id), 303)
    now = utcnow()
    page = render_template(
        "scim_provisioning/integrations/conflict.html",
        integration=present(view, now),
        form=form,
        row=row,
        reason=_REASONS[row.reason],
        badge_of=_WHY[row.reason] if row.decision is None else _DECIDED[row.decision],
        first=Moment.of(row.first_at, now),
        last=Moment.of(row.last_at, now),
        decided=None if row.decision is None else Moment.of(row.decided_at, now),
        candidates=[
            (each, ", ".join(_BY.get(name, name) for name in each.by)) for each in found.candidates
        ],
        trail=[
            *trail(view),
            ("Inbox", url_for("scim_console.show_inbox", integration_id=view.id)),
            (row.look_up, None),
        ],
    )
    return page, form_status(form)


def _done(row: Row, decision: str | None) -> str:
    match decision:
        case "ask":
            return f"{row.look_up} waits for a decision again."
        case "refuse":
            return f"{row.look_up} is left alone: the directory gets no account for this person."
        case _:
            return f"{row.look_up} is taken over when the identity provider tries again."


def decide_all(integration_id: str) -> ResponseReturnValue:
    """Decide the same of all who wait."""
    ActionForm().require_valid()
    session, models, tenant = caller()
    decided, left = inbox.decide_all(
        session,
        models,
        current_provisioning.mappings["Users"],
        tenant,
        integration_id,
        decision=request.form.get("decision", ""),
        until=request.form.get("until", 0, type=_row_id) or 0,
        actor=acting_administrator(),
    )
    people = "1 person" if decided == 1 else f"{decided:,} people"
    rest = f" {left:,} still wait: decide about each of them." if left else ""
    flash(f"Decided about {people}; it is done when the identity provider tries again.{rest}")
    return redirect(url_for("scim_console.show_inbox", integration_id=integration_id), 303)


def _row_id(text: str) -> int:
    """Read an id; ``ValueError``, which Flask takes for "not given", when no row can have it."""
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number
