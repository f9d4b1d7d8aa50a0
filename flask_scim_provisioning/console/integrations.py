"""The pages of provisioning integrations: each reads, calls one use case, and presents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import activity, integrations, tokens
from ..services.integrations import IntegrationInvalid, IntegrationNameTaken, IntegrationView
from ..state import current_provisioning
from .access import acting_administrator, caller
from .forms import ActionForm, IntegrationForm, RemoveForm, RotateForm, add_error
from .guides import PROVIDERS, guides_for, provider_named
from .presenters import AttentionPage, EntryPage, RoleTable, TokenPage, present, trail

__all__ = ["create", "disable", "enable", "index", "remove", "revoke", "rotate", "show"]

_SHOWN_ENTRIES = 10
_SHOWN_ENDED_TOKENS = 2


def index() -> ResponseReturnValue:
    """List the tenant's integrations."""
    session, models, tenant = caller()
    now = utcnow()
    found = [present(view, now) for view in integrations.list_integrations(session, models, tenant)]
    return render_template("scim_provisioning/integrations/index.html", integrations=found)


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
            return _reveal_once(
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
    return page, _form_status(form)


def show(integration_id: str) -> ResponseReturnValue:
    """Show everything about one integration, except its secret."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now = utcnow()
    return render_template(
        "scim_provisioning/integrations/show.html",
        integration=present(view, now),
        role=RoleTable.of(view),
        tokens=_shown_tokens(tokens.list_tokens(session, models, view.id), now),
        activity=[
            EntryPage.of(entry, now)
            for entry in activity.recent(session, models, view.id, _SHOWN_ENTRIES)
        ],
        attention=AttentionPage.of(
            activity.count_attention(session, models, view.id), view.id, now
        ),
        guides=guides_for(view.dialect),
        action=ActionForm(),
        trail=trail(view.name),
    )


def enable(integration_id: str) -> ResponseReturnValue:
    """Let its requests in again."""
    ActionForm().require_valid()
    view = integrations.enable_integration(*caller(), integration_id, actor=acting_administrator())
    flash(f"{view.name} is enabled: its requests are let in.", "success")
    return _to(view)


def disable(integration_id: str) -> ResponseReturnValue:
    """Refuse all its requests."""
    ActionForm().require_valid()
    view = integrations.disable_integration(*caller(), integration_id, actor=acting_administrator())
    flash(f"{view.name} is disabled: every request is rejected.", "success")
    return _to(view)


def rotate(integration_id: str) -> ResponseReturnValue:
    """Ask how long the present token goes on working; make a new one and show it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    key_ids = [token.key_id for token in tokens.list_tokens(session, models, view.id)]
    form = RotateForm()
    if form.is_accepted():
        if not form.is_first(key_ids):
            flash("A new token was made already. Rotate again if you could not copy it.", "error")
            return _to(view)
        secret = tokens.rotate_token(
            session,
            models,
            tenant,
            view.id,
            overlap=form.overlap_time(),
            lifetime=current_provisioning.token_lifetime,
            actor=acting_administrator(),
        )
        return _reveal_once(
            view,
            secret,
            heading="New token",
            lead=f"Paste it over the old one in {provider_named(view.dialect).title}, test the "
            f"connection there and save. {form.consequence()}",
        )
    form.newest.data = key_ids[0] if key_ids else ""
    page = render_template(
        "scim_provisioning/integrations/rotate.html",
        form=form,
        integration=present(view, utcnow()),
        trail=trail(view, "Rotate token"),
    )
    return page, _form_status(form)


def revoke(integration_id: str, key_id: str) -> ResponseReturnValue:
    """Ask whether a token is to end at once; end it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now = utcnow()
    token = next(
        (each for each in tokens.list_tokens(session, models, view.id) if each.key_id == key_id),
        None,
    )
    if token is None or not token.is_active(now):
        flash("This token is over already.", "success")
        return _to(view)
    form = ActionForm()
    if form.is_accepted():
        tokens.revoke_token(
            session, models, tenant, view.id, token.id, actor=acting_administrator()
        )
        flash(f"The token {key_id} is revoked.", "success")
        return _to(view)
    return render_template(
        "scim_provisioning/integrations/revoke.html",
        form=form,
        integration=present(view, now),
        token=TokenPage.of(token, now),
        trail=trail(view, "Revoke token"),
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
        flash(f"{view.name} is removed.", "success")
        return redirect(url_for("scim_console.index"), 303)
    page = render_template(
        "scim_provisioning/integrations/remove.html",
        form=form,
        integration=present(view, utcnow()),
        trail=trail(view, "Remove"),
    )
    return page, _form_status(form)


def _shown_tokens(views: Sequence[tokens.TokenView], now: datetime) -> list[TokenPage]:
    """Present all tokens that open something, and the latest of those that no longer do."""
    pages = [TokenPage.of(view, now) for view in views]
    ended = [page for page in pages if not page.active]
    hidden = {page.id for page in ended[_SHOWN_ENDED_TOKENS:]}
    return [page for page in pages if page.id not in hidden]


def _reveal_once(
    view: IntegrationView,
    secret: tokens.TokenSecret,
    *,
    heading: str,
    lead: str,
    guided: bool = False,
) -> Response:
    """Render the one page with a secret.

    It answers the POST itself, an exception to "POST, redirect, GET": to redirect, the secret would
    have to be kept somewhere. No cache and no history may keep it either.
    """
    page = render_template(
        "scim_provisioning/integrations/reveal.html",
        integration=present(view, utcnow()),
        token=secret.reveal(),
        heading=heading,
        lead=lead,
        guided=guided,
        trail=trail(view, heading),
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _form_status(form: IntegrationForm | RotateForm | RemoveForm) -> int:
    """Say to machines as well that a form came back with errors."""
    return 422 if form.errors else 200


def _to(view: IntegrationView) -> ResponseReturnValue:
    return redirect(url_for("scim_console.show", integration_id=view.id), 303)
