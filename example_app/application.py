"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, render_template, request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from . import api_keys, audit, dashboard, people, provisioning, roles, sign_in, teams
from .cli import init_db
from .configuration import from_environment
from .database import db, tune

__all__ = ["create_app"]

# Everything comes from this server; nothing inline runs, and nobody may frame a page.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Build the portal.

    :param config: settings that go over those of the environment, for tests.
    """
    app = Flask(__name__.rpartition(".")[0])
    app.config.from_mapping(from_environment(Path(app.instance_path)))
    app.config.from_mapping(config or {})
    db.init_app(app)
    with app.app_context():
        tune(db.engine)
    CSRFProtect(app)
    sign_in.login_manager.init_app(app)
    for area in (sign_in, dashboard, people, teams, roles, audit, api_keys):
        app.register_blueprint(area.blueprint)
    provisioning.register(app)
    app.cli.add_command(init_db)
    app.before_request(_refuse_nul)
    app.after_request(_secure)
    if app.config["PORTAL_PROXIES"]:
        hops = app.config["PORTAL_PROXIES"]
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    app.register_error_handler(HTTPException, _error_page)
    return app


def _refuse_nul() -> None:
    """Refuse what not every database takes, before anything is looked for by it."""
    own = request.blueprint is None or not request.blueprint.startswith("scim_")
    if own and any("\x00" in text for text in (*request.args.values(), *request.form.values())):
        abort(400)


def _secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _error_page(error: HTTPException) -> tuple[str, int] | HTTPException:
    if error.code is None or error.code < 400:  # a redirect is an HTTPException too
        return error
    return render_template("portal/error.html", error=error), error.code
