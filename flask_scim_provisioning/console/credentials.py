"""The pages of tokens: what there is, a new one, and the end of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from ..models import utcnow
from ..services import integrations, tokens
from ..services.errors import IntegrationInvalid
from ..services.integrations import IntegrationView
from ..state import current_provisioning
from .access import acting_administrator, caller
from .forms import ActionForm, RotateForm, add_error, form_status
from .guides import provider_named
from .presenters import RoleTable, TokenPage, present, tabs, trail

__all__ = ["reveal_once", "revoke", "rotate", "show_credentials"]

_SHOWN_ENDED_TOKENS = 5


def show_credentials(integration_id: str) -> ResponseReturnValue:
    """Show an integration's tokens, without their secrets, and what their owner may do."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now = utcnow()
    return render_template(
        "scim_provisioning/integrations/credentials.html",
        integration=present(view, now),
        role=RoleTable.of(view),
        tokens=_shown_tokens(tokens.list_tokens(session, models, view.id), now),
        tabs=tabs(view.id, "show_credentials"),
        trail=trail(view, "Credentials"),
    )


def rotate(integration_id: str) -> ResponseReturnValue:
    """Ask how long the present token goes on working; make a new one and show it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    key_ids = [token.key_id for token in tokens.list_tokens(session, models, view.id)]
    form = RotateForm(lifetime=current_provisioning.token_lifetime)
    if form.is_accepted():
        if not form.is_first(key_ids):
            flash(
                "A new token was made already, and the old one goes on working until the new one "
                "is used. Rotate again if you could not copy it.",
                "error",
            )
            return _to(view)
        try:
            secret = tokens.rotate_token(
                session,
                models,
                tenant,
                view.id,
                overlap=form.overlap_time(),
                lifetime=form.lifetime_time(),
                label=form.label.data or None,
                actor=acting_administrator(),
            )
        except IntegrationInvalid as error:
            add_error(form.label, str(error))
        else:
            return reveal_once(
                view,
                secret,
                heading="New token",
                lead=f"Paste it over the old one in {provider_named(view.dialect).title}, test the "
                f"connection there and save. {form.consequence()}",
            )
    if not form.errors:
        form.newest.data = key_ids[0] if key_ids else ""
    page = render_template(
        "scim_provisioning/integrations/rotate.html",
        form=form,
        integration=present(view, utcnow()),
        trail=trail(view, "Rotate token"),
    )
    return page, form_status(form)


def revoke(integration_id: str, key_id: str) -> ResponseReturnValue:
    """Tell what that means, and ask whether a token is to end at once; end it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    now = utcnow()
    listed = tokens.list_tokens(session, models, view.id)
    token = next((each for each in listed if each.key_id == key_id), None)
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
    others = [each for each in listed if each.is_active(now) and each.id != token.id]
    return render_template(
        "scim_provisioning/integrations/revoke.html",
        form=form,
        integration=present(view, now),
        token=TokenPage.of(token, now),
        is_last=not others,
        others_unused=bool(others) and all(each.last_used is None for each in others),
        trail=trail(view, "Revoke token"),
    )


def _shown_tokens(views: Sequence[tokens.TokenView], now: datetime) -> list[TokenPage]:
    """Present all tokens that open something, and the latest of those that no longer do."""
    pages = [TokenPage.of(view, now) for view in views]
    ended = [page for page in pages if not page.active]
    hidden = {page.id for page in ended[_SHOWN_ENDED_TOKENS:]}
    return [page for page in pages if page.id not in hidden]


def reveal_once(
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
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _to(view: IntegrationView) -> ResponseReturnValue:
    return redirect(url_for("scim_console.show_credentials", integration_id=view.id), 303)
