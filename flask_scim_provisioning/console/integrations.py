"""The pages of provisioning integrations: each reads, calls one use case, and presents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flask import flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import activity, failures, health, integrations, managed, refusals
from ..services.health import State
from ..services.integrations import IntegrationInvalid, IntegrationNameTaken, IntegrationView
from ..services.names import names_of
from ..state import current_provisioning
from .access import acting_administrator, caller
from .credentials import reveal_once
from .forms import ActionForm, IntegrationForm, PolicyForm, RemoveForm, add_error, form_status
from .guides import PROVIDERS, provider_named
from .mapping import mapping_rows, resource_types, title_of
from .presenters import (
    EntryPage,
    HealthPage,
    Moment,
    ProblemPage,
    present,
    tabs,
    trail,
)

__all__ = [
    "connect",
    "create",
    "disable",
    "edit",
    "enable",
    "health_document",
    "index",
    "pause",
    "remove",
    "show",
    "show_groups",
    "show_people",
    "show_removed",
]

_SHOWN_ENTRIES = 10
_PER_PAGE = 20


def index() -> ResponseReturnValue:
    """List the tenant's integrations with their health, 20 to a page; ``q`` looks for some."""
    session, models, tenant = caller()
    now, state = utcnow(), current_provisioning
    text = request.args.get("q", "").strip()
    every = integrations.list_integrations(session, models, tenant)
    found = [view for view in every if _matches(view, text)]
    pages = max(1, math.ceil(len(found) / _PER_PAGE))
    number = min(max(request.args.get("page", 1, type=int), 1), pages)
    shown = found[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    healths = health.assess(session, models, state.mappings, shown, now)
    return render_template(
        "scim_provisioning/integrations/index.html",
        integrations=[
            (present(view, now), HealthPage.of(each, now))
            for view, each in zip(shown, healths, strict=True)
        ],
        searchable=len(every) > _PER_PAGE,
        text=text,
        total=len(every),
        found=len(found),
        pages=[
            (str(each), url_for("scim_console.index", q=text or None, page=each), each == number)
            for each in range(1, pages + 1)
        ],
        removed=len(integrations.list_removed(session, models, tenant)),
        refused=sum(row.count for row in refusals.unclaimed(session, models, tenant)),
        trail=[],
    )


def _matches(view: IntegrationView, text: str) -> bool:
    words = f"{view.name} {view.description} {provider_named(view.dialect).label}".lower()
    return text.lower() in words


def health_document() -> ResponseReturnValue:
    """Answer with the health of the tenant's integrations, for a monitoring system."""
    session, models, tenant = caller()
    views = integrations.list_integrations(session, models, tenant)
    found = health.assess(session, models, current_provisioning.mappings, views)
    return jsonify({"integrations": [each.as_json() for each in found]})


def show_removed() -> ResponseReturnValue:
    """List the integrations that were removed, and lead to their history."""
    session, models, tenant = caller()
    now = utcnow()
    return render_template(
        "scim_provisioning/integrations/removed.html",
        removed=[
            (
                each.name,
                provider_named(each.dialect).label,
                Moment.of(each.removed, now),
                url_for("scim_console.show_activity", integration_id=each.id),
            )
            for each in integrations.list_removed(session, models, tenant)
        ],
        trail=trail("Removed integrations"),
    )


def create() -> ResponseReturnValue:
    """Show the form; create the integration and show its token."""
    form = IntegrationForm()
    if form.is_accepted():
        session, models, tenant = caller()
        try:
            created = integrations.create_integration(
                session,
                models,
                tenant=tenant,
                lifetime=current_provisioning.token_lifetime,
                actor=acting_administrator(),
                **form.values(),
            )
        except (IntegrationNameTaken, IntegrationInvalid) as error:
            if error.field not in form:
                raise
            add_error(form[error.field], str(error))
        else:
            return reveal_once(
                created.integration,
                created.secret,
                heading="Integration created",
                lead=f"{created.integration.name} is enabled and waits for its first request.",
                guided=True,
            )
    page = render_template(
        "scim_provisioning/integrations/create.html",
        form=form,
        providers=PROVIDERS,
        trail=trail("Create"),
    )
    return page, form_status(form)


def show(integration_id: str) -> ResponseReturnValue:
    """Show how an integration is, and what it did last."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now, mappings = utcnow(), current_provisioning.mappings
    found = health.assess_one(session, models, mappings, view, now)
    entries = activity.recent(session, models, view.id, _SHOWN_ENTRIES)
    names = names_of(session, mappings, entries)
    return render_template(
        "scim_provisioning/integrations/show.html",
        integration=present(view, now),
        health=HealthPage.of(found, now),
        problems=_shown_problems(found, now),
        last_failure=_last_failure(session, models, view, found, now),
        activity=[EntryPage.of(entry, now, names) for entry in entries],
        managed=integrations.count_managed(session, models, view.id),
        action=ActionForm(),
        tabs=tabs(view.id, "show"),
        trail=trail(view.name),
    )


def _shown_problems(found: health.Health, now: Any) -> Sequence[ProblemPage]:
    """Return the problems that the state doesn't tell already."""
    return [
        ProblemPage.of(problem, found.integration_id, now)
        for problem in found.problems
        if found.state is not State.ATTENTION or problem.reason != found.reason
    ]


def _last_failure(
    session: Any, models: Any, view: IntegrationView, found: health.Health, now: Any
) -> tuple[Moment | None, str] | None:
    """Return when something was refused last, with what went well since; an old error is old."""
    if found.failures:
        return None
    newest = activity.page(session, models, view.id, outcome="refused", limit=1).entries
    if not newest:
        return None
    moment = newest[0].latest
    count = failures.successes_since(session, models, view.id, moment)
    words = f"{count} success{'' if count == 1 else 'es'}"
    return Moment.of(moment, now), f"more than {words}" if count > 999 else words


def connect(integration_id: str) -> ResponseReturnValue:
    """Show the setup guide of an integration's provider, and what this portal keeps."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    return render_template(
        "scim_provisioning/integrations/connect.html",
        integration=present(view, utcnow()),
        mapping=[(title_of(name), mapping_rows(name)) for name in resource_types()],
        tabs=tabs(view.id, "connect"),
        trail=trail(view, "Connect"),
    )


_KINDS = {"people": ("Users", "People"), "groups": ("Groups", "Groups")}


def show_people(integration_id: str) -> ResponseReturnValue:
    """Show the people whom the identity provider knows."""
    return _managed(integration_id, "people")


def show_groups(integration_id: str) -> ResponseReturnValue:
    """Show the groups that the identity provider knows."""
    return _managed(integration_id, "groups")


def _managed(integration_id: str, kind: str) -> ResponseReturnValue:
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    endpoint, title = _KINDS[kind]
    text = request.args.get("q", "").strip()[:255]
    after = request.args.get("after")
    page = managed.page(
        session,
        models,
        current_provisioning.mappings[endpoint],
        view.id,
        after=None if after is None else after[:255],
        text=text or None,
    )
    now, here = utcnow(), f"scim_console.show_{kind}"
    return render_template(
        "scim_provisioning/integrations/managed.html",
        integration=present(view, now),
        title=title,
        resources=[
            (
                each.name or each.look_up or each.id,
                each.external_id,
                Moment.of(each.last_modified, now),
                url_for("scim_console.show_all_activity", q=each.look_up or each.id),
            )
            for each in page.resources
        ],
        text=text,
        form_url=url_for(here, integration_id=view.id),
        first=None if after is None else url_for(here, integration_id=view.id, q=text or None),
        more=None
        if page.next_after is None
        else url_for(here, integration_id=view.id, q=text or None, after=page.next_after),
        tabs=tabs(view.id, f"show_{kind}"),
        trail=trail(view, title),
    )


def edit(integration_id: str) -> ResponseReturnValue:
    """Edit the settings and the policies; the way to the dangerous buttons."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    settings = {each: getattr(view, each) for each in PolicyForm.FIELDS}
    form = PolicyForm(data=settings | view.policies.values())
    if form.is_accepted():
        try:
            edited = integrations.update_integration(
                session,
                models,
                tenant,
                view.id,
                actor=acting_administrator(),
                policies=form.policies(),
                **form.settings(),
            )
        except (IntegrationNameTaken, IntegrationInvalid) as error:
            if error.field not in form:
                raise
            add_error(form[error.field], str(error))
        else:
            flash(f"The settings of {edited.name} are saved.", "success")
            return redirect(url_for("scim_console.edit", integration_id=view.id), 303)
    page = render_template(
        "scim_provisioning/integrations/settings.html",
        form=form,
        providers=PROVIDERS,
        integration=present(view, utcnow()),
        tabs=tabs(view.id, "edit"),
        trail=trail(view, "Settings"),
    )
    return page, form_status(form)


def enable(integration_id: str) -> ResponseReturnValue:
    """Let its requests in, again or at first."""
    ActionForm().require_valid()
    view = integrations.enable_integration(*caller(), integration_id, actor=acting_administrator())
    flash(f"{view.name} is enabled: its requests are let in.", "success")
    return _to(view)


def pause(integration_id: str) -> ResponseReturnValue:
    """Put its requests off."""
    ActionForm().require_valid()
    try:
        view = integrations.pause_integration(
            *caller(), integration_id, actor=acting_administrator()
        )
    except IntegrationInvalid as error:
        flash(str(error), "error")
        return redirect(url_for("scim_console.show", integration_id=integration_id), 303)
    flash(f"{view.name} is paused: its requests are put off.", "success")
    return _to(view)


def disable(integration_id: str) -> ResponseReturnValue:
    """Tell what that means; refuse all its requests."""
    session, models, tenant = caller()
    form = ActionForm()
    if form.is_accepted():
        view = integrations.disable_integration(
            session, models, tenant, integration_id, actor=acting_administrator()
        )
        flash(f"{view.name} is disabled: every request is rejected.", "success")
        return _to(view)
    view = integrations.get_integration(session, models, tenant, integration_id)
    return render_template(
        "scim_provisioning/integrations/disable.html",
        form=form,
        integration=present(view, utcnow()),
        managed=integrations.count_managed(session, models, view.id),
        trail=trail(view, "Disable"),
    )


def remove(integration_id: str) -> ResponseReturnValue:
    """Ask for its name; remove it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    form = RemoveForm(view.name)
    if form.is_accepted():
        integrations.remove_integration(
            session, models, tenant, view.id, actor=acting_administrator()
        )
        flash(f"{view.name} is removed. What it did can still be read.", "success")
        return redirect(url_for("scim_console.index"), 303)
    page = render_template(
        "scim_provisioning/integrations/remove.html",
        form=form,
        integration=present(view, utcnow()),
        managed=integrations.count_managed(session, models, view.id),
        trail=trail(view, "Remove"),
    )
    return page, form_status(form)


def _to(view: IntegrationView) -> ResponseReturnValue:
    return redirect(url_for("scim_console.show", integration_id=view.id), 303)
