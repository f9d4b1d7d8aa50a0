"""The pages of activity: every entry, page by page, and each by itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ..models import Models, utcnow
from ..services import activity, integrations
from ..services.activity import Action, ActivityEntry, Attention
from ..services.errors import IntegrationNotFound
from ..services.integrations import IntegrationView, RemovedIntegration
from ..services.names import names_of
from ..services.rehearsal import METHODS
from ..state import current_provisioning
from .access import caller
from .presenters import EntryPage, tabs, trail
from .sentences import headline

__all__ = ["show_activity", "show_all_activity", "show_entry"]

_PAGE = 50

_ATTENTION = "attention"
_OUTCOMES = {
    "": "All",
    _ATTENTION: "Needs attention",
    "ok": "Done",
    "refused": "Refused",
    "failed": "Failed",
}
_LONGEST_TEXT = 255
_TIMES = {
    "": ("Any time", None),
    "1h": ("The last hour", timedelta(hours=1)),
    "1d": ("The last day", timedelta(days=1)),
    "7d": ("The last seven days", timedelta(days=7)),
}


def show_activity(integration_id: str) -> ResponseReturnValue:
    """Show one page of an integration's log, newest first, also when it was removed.

    ``outcome``, ``action``, ``cause``, ``when`` and ``q`` narrow it; it begins at ``before``.
    """
    session, models, tenant = caller()
    view = _found(session, models, tenant, integration_id)
    live = isinstance(view, IntegrationView)
    return _page(
        "scim_console.show_activity",
        {"integration_id": view.id},
        activity_of=view.name,
        names={view.id: ""},
        tenant=tenant,
        integration_id=view.id,
        removed=not live,
        tabs=tabs(view.id, "show_activity") if live else [],
        trail=_trail(view, "Activity"),
    )


def _trail(view: IntegrationView | RemovedIntegration, *steps: str) -> Any:
    """Return the way to a page, also where the integration has no page any more."""
    if isinstance(view, IntegrationView):
        return trail(view, *steps)
    return trail(view.name, *steps)


def show_all_activity() -> ResponseReturnValue:
    """Show one page of the log of all the tenant's integrations, newest first."""
    session, models, tenant = caller()
    names = {each.id: each.name for each in integrations.list_removed(session, models, tenant)}
    names |= {
        each.id: each.name for each in integrations.list_integrations(session, models, tenant)
    }
    return _page(
        "scim_console.show_all_activity",
        {},
        activity_of="all integrations",
        names=names,
        tenant=tenant,
        integration_id=None,
        removed=False,
        tabs=[],
        trail=trail("Activity"),
    )


def show_entry(integration_id: str, entry_id: int) -> ResponseReturnValue:
    """Show everything that is known of one entry."""
    session, models, tenant = caller()
    view = _found(session, models, tenant, integration_id)
    entry = None
    if entry_id < 2**63:
        entry = activity.entry(session, models, view.id, entry_id)
    if entry is None:
        abort(404)
    shown = EntryPage.of(entry, utcnow(), names_of(session, current_provisioning.mappings, [entry]))
    return render_template(
        "scim_provisioning/integrations/entry.html",
        entry=shown,
        about=None
        if entry.resource_name is None
        else url_for("scim_console.show_activity", integration_id=view.id, q=entry.resource_name),
        who=entry.resource_name,
        try_url=_try_url(view, entry),
        trail=[
            *_trail(view),
            ("Activity", url_for("scim_console.show_activity", integration_id=view.id)),
            ("Entry", None),
        ],
    )


def _try_url(view: IntegrationView | RemovedIntegration, entry: ActivityEntry) -> str | None:
    """Return where a request that was recorded can be tried again."""
    resource, _, name = (entry.path or "").strip("/").partition("/")
    tried = entry.method in METHODS and resource in current_provisioning.mappings
    if not tried or name == ".search" or not isinstance(view, IntegrationView):
        return None
    return url_for("scim_console.try_out", integration_id=view.id, entry=entry.id)


def _found(
    session: Session, models: Models, tenant: str, integration_id: str
) -> IntegrationView | RemovedIntegration:
    try:
        return integrations.get_integration(session, models, tenant, integration_id)
    except IntegrationNotFound:
        return integrations.get_removed(session, models, tenant, integration_id)


def _page(
    endpoint: str,
    values: Mapping[str, Any],
    *,
    activity_of: str,
    names: Mapping[uuid.UUID, str],
    tenant: str,
    integration_id: uuid.UUID | None,
    removed: bool,
    tabs: Any,
    trail: Any,
) -> ResponseReturnValue:
    session, models, _ = caller()
    outcome = request.args.get("outcome", "")
    if outcome not in _OUTCOMES:
        outcome = ""
    action = request.args.get("action", "")
    if action not in {each.value for each in Action}:
        action = ""
    text = request.args.get("q", "").strip()[:_LONGEST_TEXT]
    cause = request.args.get("cause", "")[:64]
    when = request.args.get("when", "")
    if when not in _TIMES:
        when = ""
    now, ago = utcnow(), _TIMES[when][1]
    before = request.args.get("before", type=_entry_id)
    needed = outcome == _ATTENTION
    page = activity.page(
        session,
        models,
        integration_id,
        tenant=tenant,
        limit=_PAGE,
        before=before,
        outcome=None if needed else outcome or None,
        attention=Attention.MEMBERS_SKIPPED if needed else None,
        action=action or None,
        cause=cause or None,
        text=text or None,
        since=None if ago is None else now - ago,
    )
    members = names_of(session, current_provisioning.mappings, page.entries)

    def url(**changed: Any) -> str:
        chosen: dict[str, Any] = {
            "outcome": outcome,
            "action": action,
            "q": text,
            "cause": cause,
            "when": when,
        }
        shown = {name: value or None for name, value in (chosen | changed).items()}
        return url_for(endpoint, **values, **shown)

    return render_template(
        "scim_provisioning/integrations/activity.html",
        activity_of=activity_of,
        removed=removed,
        activity=[_shown(entry, now, members, names) for entry in page.entries],
        filters=[(label, url(outcome=name), name == outcome) for name, label in _OUTCOMES.items()],
        filtered=bool(outcome or action or text or cause or when),
        form_url=url_for(endpoint, **values),
        text=text,
        outcome=outcome,
        cause=cause,
        action=action,
        when=when,
        times=[(value, label) for value, (label, _) in _TIMES.items()],
        actions=[(each.value, headline(each)) for each in Action],
        everything=url_for(endpoint, **values),
        newest=None if before is None else url(),
        older=None if page.next_before is None else url(before=page.next_before),
        tabs=tabs,
        trail=trail,
    )


def _shown(
    entry: ActivityEntry, now: Any, members: Mapping[str, str], names: Mapping[uuid.UUID, str]
) -> EntryPage:
    return EntryPage.of(entry, now, members, names.get(entry.integration_id, ""))


def _entry_id(text: str) -> int:
    """Read an id; ``ValueError``, which Flask takes for "not given", when no entry can have it."""
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number
