"""The blueprint of the console: its routes, who may pass, and what every answer carries."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from flask import Blueprint, Response, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from ..assets import STATIC, TEMPLATES
from ..routing import EverywhereBlueprint
from ..services.integrations import (
    IntegrationInvalid,
    IntegrationNotFound,
    RemovedIntegration,
    get_removed,
)
from ..state import current_provisioning
from . import activity, credentials, integrations, mapping, troubles
from .access import caller, refuse_others
from .rich import rich

__all__ = ["create_blueprint"]

_READ = ["GET"]
_POST = ["POST"]
_FORM = ["GET", "POST"]

_ROUTES = (
    ("/", integrations.index, _READ),
    ("/new", integrations.create, _FORM),
    ("/health.json", integrations.health_document, _READ),
    ("/activity", activity.show_all_activity, _READ),
    ("/removed", integrations.show_removed, _READ),
    ("/refused", troubles.show_refused, _READ),
    ("/<integration_id>", integrations.show, _READ),
    ("/<integration_id>/failures", troubles.show_failures, _READ),
    ("/<integration_id>/dismiss", troubles.dismiss, _POST),
    ("/<integration_id>/activity", activity.show_activity, _READ),
    ("/<integration_id>/activity/<int:entry_id>", activity.show_entry, _READ),
    ("/<integration_id>/people", integrations.show_people, _READ),
    ("/<integration_id>/groups", integrations.show_groups, _READ),
    ("/<integration_id>/mapping", mapping.show_mapping, _READ),
    ("/<integration_id>/try", mapping.try_out, _FORM),
    ("/<integration_id>/credentials", credentials.show_credentials, _READ),
    ("/<integration_id>/connect", integrations.connect, _READ),
    ("/<integration_id>/settings", integrations.edit, _FORM),
    ("/<integration_id>/enable", integrations.enable, _POST),
    ("/<integration_id>/pause", integrations.pause, _POST),
    ("/<integration_id>/disable", integrations.disable, _FORM),
    ("/<integration_id>/rotate", credentials.rotate, _FORM),
    ("/<integration_id>/tokens/<key_id>/revoke", credentials.revoke, _FORM),
    ("/<integration_id>/remove", integrations.remove, _FORM),
)


def create_blueprint() -> Blueprint:
    """Make the blueprint ``scim_console``; its place is ``SCIM_CONSOLE_PREFIX``."""
    blueprint = EverywhereBlueprint(
        "scim_console", __name__, template_folder=str(TEMPLATES), static_folder=str(STATIC)
    )
    for rule, view, methods in _ROUTES:
        blueprint.add_url_rule(rule, view.__name__, view, methods=methods)
    blueprint.before_request(_admit)
    blueprint.after_request(_protect)
    blueprint.context_processor(_layout)
    blueprint.register_error_handler(IntegrationNotFound, _not_found)
    blueprint.register_error_handler(IntegrationInvalid, _invalid)
    blueprint.register_error_handler(404, _no_page)
    blueprint.register_error_handler(CSRFError, _expired)
    return blueprint


def _is_asset() -> bool:
    return request.endpoint == "scim_console.static"


def _admit() -> ResponseReturnValue | None:
    """Ask for an administrator everywhere but at the style sheet, which the refusal needs too."""
    return None if _is_asset() else refuse_others()


class _Protected(Response):
    """An answer of ours: its headers are set last, whatever the host sets after us.

    A Content-Security-Policy of the host's stays beside ours; browsers obey both.
    """

    policy = ""

    def get_wsgi_headers(self, environ: Any) -> Any:
        """Return the headers that are sent."""
        headers = super().get_wsgi_headers(environ)
        headers["X-Content-Type-Options"] = "nosniff"
        if not self.policy:
            return headers
        headers["X-Frame-Options"] = "SAMEORIGIN"
        headers["Cache-Control"] = "no-store"
        if self.policy not in headers.getlist("Content-Security-Policy"):
            headers.add("Content-Security-Policy", self.policy)
        return headers


_PROTECTED: dict[type[Response], type[_Protected]] = {Response: _Protected}


def _protected(kind: type[Response]) -> type[_Protected]:
    """Return the host's own class of responses, with our headers."""
    if kind not in _PROTECTED:
        made = type(kind.__name__, (_Protected, kind), {})
        _PROTECTED[kind] = cast("type[_Protected]", made)
    return _PROTECTED[kind]


# What no page needs, in whose layout so ever it stands.
_ANY_PAGE = (
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'; "
    "script-src-attr 'none'"
)
# Our own document needs nothing but its own files.
_OWN_PAGE = (
    "default-src 'none'; connect-src 'self'; font-src 'self'; img-src 'self' data:; "
    f"script-src 'self'; style-src 'self'; {_ANY_PAGE}"
)


def _protect(response: Response) -> Response:
    """Make the answer keep our headers to the end."""
    response.__class__ = _protected(type(response))
    page = cast("_Protected", response)
    if not _is_asset():
        own = current_provisioning.settings["SCIM_PROVISIONING_BASE_TEMPLATE"] is None
        page.policy = _OWN_PAGE if own and _has_own_layout() else _ANY_PAGE
        page.headers.setdefault("Referrer-Policy", "same-origin")
    elif request.args.get("v"):
        page.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return page


def _has_own_layout() -> bool:
    """Say whether the pages stand in our own document, and not in a layout of the portal's."""
    template = current_app.jinja_env.get_template("scim_provisioning/layout.html")
    return template.filename is not None and template.filename.startswith(str(TEMPLATES))


def _layout() -> dict[str, Any]:
    """Give the templates the layout of the host and the addresses of the static files."""
    return {
        "scim_asset": _asset_url,
        "scim_base_template": current_provisioning.settings["SCIM_PROVISIONING_BASE_TEMPLATE"],
        "scim_rich": rich,
        "scim_portal_url": f"{request.script_root}/",
    }


def _asset_url(name: str) -> str:
    """Return the URL of a static file; it changes with the file, so no cache is out of date."""
    filename = f"scim_provisioning/{name}"
    return url_for("scim_console.static", filename=filename, v=_fingerprint(filename))


@functools.cache
def _fingerprint(filename: str) -> str:
    return sha256((STATIC / filename).read_bytes()).hexdigest()[:12]


def _invalid(error: IntegrationInvalid) -> ResponseReturnValue:
    return _error_page(400, "That could not be done", str(error), "All integrations")


def _no_page(_error: Exception) -> ResponseReturnValue:
    return _error_page(
        404,
        "There is no such page",
        "It may have been pruned, or never been there.",
        "Provisioning",
    )


def _not_found(error: IntegrationNotFound) -> ResponseReturnValue:
    removed = _removed(request.view_args or {})
    if removed is not None:
        page = render_template(
            "scim_provisioning/error.html",
            title=f"{removed.name} was removed",
            symbol="trash",
            example=None,
            trail=[],
            paragraphs=[
                f"That was on {removed.removed:%-d %B %Y}. What it did, and who changed it, can "
                "still be read."
            ],
            back={
                "url": url_for("scim_console.show_activity", integration_id=removed.id),
                "label": "Its activity",
            },
        )
        return page, 410
    return _error_page(404, "There is no such integration", str(error), "All integrations")


def _removed(values: Mapping[str, Any]) -> RemovedIntegration | None:
    """Return what is left of the integration that was asked for, if it was removed."""
    try:
        return get_removed(*caller(), values.get("integration_id", ""))
    except IntegrationNotFound:
        return None


def _expired(error: CSRFError) -> ResponseReturnValue:  # noqa: ARG001 - the signature is Flask's
    """Answer a post without a valid CSRF token: whether ours or the host's own check refused it."""
    return _error_page(
        400,
        "This page had expired",
        "Nothing was changed. Open the page again and repeat what you did.",
        "Provisioning",
    )


def _error_page(status: int, title: str, paragraph: str, label: str) -> ResponseReturnValue:
    page = render_template(
        "scim_provisioning/error.html",
        title=title,
        symbol="info",
        example=None,
        trail=[],
        paragraphs=[paragraph],
        back={"url": url_for("scim_console.index"), "label": label},
    )
    return page, status
