"""The blueprint of the console: its routes, who may pass, and what every answer carries."""

from __future__ import annotations

import functools
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from ..assets import STATIC, TEMPLATES
from ..routing import EverywhereBlueprint
from ..services.integrations import IntegrationNotFound
from ..state import current_provisioning
from . import activity, integrations
from .access import refuse_others

__all__ = ["create_blueprint"]

_READ = ["GET"]
_POST = ["POST"]
_FORM = ["GET", "POST"]

_ROUTES = (
    ("/", integrations.index, _READ),
    ("/new", integrations.create, _FORM),
    ("/<integration_id>", integrations.show, _READ),
    ("/<integration_id>/activity", activity.show_activity, _READ),
    ("/<integration_id>/enable", integrations.enable, _POST),
    ("/<integration_id>/disable", integrations.disable, _POST),
    ("/<integration_id>/rotate", integrations.rotate, _FORM),
    ("/<integration_id>/tokens/<key_id>/revoke", integrations.revoke, _FORM),
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
    blueprint.register_error_handler(CSRFError, _expired)
    return blueprint


def _is_asset() -> bool:
    return request.endpoint == "scim_console.static"


def _admit() -> ResponseReturnValue | None:
    """Ask for an administrator everywhere but at the style sheet, which the refusal needs too."""
    return None if _is_asset() else refuse_others()


def _protect(response: Response) -> Response:
    """Set the headers that the host has not set itself; its Content-Security-Policy is its own."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if not _is_asset():
        response.headers.setdefault("X-Frame-Options", "SAMEORIGIN")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def _layout() -> dict[str, Any]:
    """Give the templates the layout of the host and the addresses of the static files."""
    return {
        "scim_asset": _asset_url,
        "scim_base_template": current_provisioning.settings["SCIM_PROVISIONING_BASE_TEMPLATE"],
        "scim_portal_url": f"{request.script_root}/",
    }


def _asset_url(name: str) -> str:
    """Return the URL of a static file; it changes with the file, so no cache is out of date."""
    filename = f"scim_provisioning/{name}"
    return url_for("scim_console.static", filename=filename, v=_fingerprint(filename))


@functools.cache
def _fingerprint(filename: str) -> str:
    return sha256((STATIC / filename).read_bytes()).hexdigest()[:12]


def _not_found(error: IntegrationNotFound) -> ResponseReturnValue:
    return _error_page(404, "There is no such integration", str(error), "All integrations")


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
        paragraphs=[paragraph],
        back={"url": url_for("scim_console.index"), "label": label},
    )
    return page, status
