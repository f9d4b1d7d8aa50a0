"""The SCIM blueprint: one rule for everything below a base URL, and what stands around a request.

Flask's own routing would answer a wrong path or method with a page of the host's, and a path with a
slash too many with a redirect; and both before anybody has shown a token. So one rule takes every
path and every method, and the table in ``routes`` decides.

The host's ``before_request`` functions are for people with browsers: they send who isn't signed in
to a page, or want a token of a form. They are called, because what they leave in ``flask.g`` is
used after the request, but an identity provider answers to its bearer token only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, g, request
from flask.blueprints import BlueprintSetupState
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException, abort
from werkzeug.routing import BaseConverter

from ..dialects import Generic, recognised_by_body
from ..routing import everywhere
from ..scim.errors import EndpointNotFound, MethodNotAllowed, TooManyRequests, Unauthorized
from ..services.activity import Action
from ..state import EXTENSION, ProvisioningState
from . import failures, reading, routes
from .authentication import authenticate, origin, request_id, shows_token
from .rate_limits import RateLimits
from .responses import ScimResponse, allowed, in_media_type
from .the_request import this_request

__all__ = ["create_blueprint"]

logger = logging.getLogger(__name__)

_NAME = "scim_api"
_LIMITS = "scim_rate_limits"
_BASE = "<scim_tenant>/integrations/<scim_integration>/scim/v2"


_TOO_MANY_REQUESTS = 429


class _Rest(BaseConverter):
    """Whatever is left of a path, slashes and line ends included."""

    regex = r"[\s\S]*?"
    part_isolating = False


def create_blueprint(url_prefix: str, *, obey_host_hooks: bool = False) -> Blueprint:
    """Return the blueprint of the SCIM endpoints.

    :param url_prefix: Where the endpoints begin, such as ``/api/v1``; without a slash at its end.
    :param obey_host_hooks: Whether the host's ``before_request`` functions decide about requests as
        they do before every view. What one aborts with is then answered as a SCIM error.
    """
    blueprint = Blueprint(_NAME, __name__)
    blueprint.url_value_preprocessor(_begin)
    blueprint.record_once(lambda state: _add_rules(state, f"{url_prefix}/{_BASE}"))
    if not obey_host_hooks:
        blueprint.record_once(lambda state: _go_first(cast("Flask", state.app)))
    blueprint.after_request(_finish)
    failures.register(blueprint)
    return blueprint


def _add_rules(state: BlueprintSetupState, base: str) -> None:
    """Add the rules past ``add_url_rule``, that can't take every method and every slash."""
    app = cast("Flask", state.app)
    app.url_map.converters.setdefault("scim_rest", _Rest)
    endpoint = f"{_NAME}.dispatch"
    for rule in (base, f"{base}/<scim_rest:scim_path>"):
        app.url_map.add(
            app.url_rule_class(
                rule,
                endpoint=endpoint,
                methods=None,
                strict_slashes=False,
                merge_slashes=False,
                **everywhere(app),
            )
        )
    app.view_functions[endpoint] = _dispatch
    app.extensions[_LIMITS] = RateLimits.of(app.extensions[EXTENSION].settings)


def _go_first(app: Flask) -> None:
    """Be called before any ``before_request`` function of the host, whoever came first."""
    app.before_request_funcs.setdefault(None, []).insert(0, _answer)


def _answer() -> Response | None:
    """Answer an identity provider, whatever the host's ``before_request`` functions say.

    One that says 429, or fails with a status of the server's, is heeded: a rate limit and
    maintenance hold for everybody.
    """
    if request.blueprint != _NAME or request.routing_exception is not None:
        return None
    functions = current_app.before_request_funcs[None]
    for function in functions[functions.index(_answer) + 1 :]:
        _call(function)
    return current_app.make_response(current_app.dispatch_request())


def _call(function: Callable[[], Any]) -> None:
    """Call a ``before_request`` function of the host.

    :raises HTTPException: when what it says holds for everybody.
    """
    try:
        said = current_app.ensure_sync(function)()
    except HTTPException as error:
        if _holds_for_everybody(error.get_response().status_code):
            raise
    except Exception as error:
        # It was written for requests of somebody who is signed in.
        name = getattr(function, "__qualname__", "?")
        logger.warning(
            "Request %s: %s, which the portal calls before requests, failed with %s.",
            g.scim_request_id,
            name,
            type(error).__name__,
        )
    else:
        if said is not None:
            status = current_app.make_response(said).status_code
            if _holds_for_everybody(status):
                abort(status)


def _holds_for_everybody(status: int) -> bool:
    return status == _TOO_MANY_REQUESTS or status >= 500


def _begin(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Note when the request began, and exempt it from the host's protection against CSRF.

    Flask calls this before every ``before_request`` function, whichever was registered first; an
    exemption in ``init_app`` would come too early for a host that makes its ``CSRFProtect`` later.
    A request that no cookie authenticates can't be forged by a browser.
    """
    here, asked = g._get_current_object(), this_request()  # noqa: SLF001 - see this_request
    here.scim_started = time.perf_counter()
    here.scim_request_id = request_id(asked)
    here.scim_scope = here.scim_endpoint = None
    here.scim_unrecorded = False
    here.scim_action = Action.REQUEST
    reading.keep_body(asked)
    csrf = current_app.extensions.get("csrf")
    if isinstance(csrf, CSRFProtect):
        csrf.exempt(current_app.blueprints[_NAME])


def _dispatch(
    scim_tenant: str,
    scim_integration: str,
    scim_path: str = "",
    scim_host: str = "",  # noqa: ARG001 - the rule has it where the portal matches hosts
) -> ScimResponse:
    """Authenticate, find the endpoint, look at the body, call the view; in this order.

    The body is received first, because authentication takes a connection of the database; whoever
    has no token is refused without it.
    """
    extensions = current_app.extensions
    state = cast("ProvisioningState", extensions[EXTENSION])
    here, asked = g._get_current_object(), this_request()  # noqa: SLF001 - see this_request
    here.scim_origin = origin(asked, scim_path)
    endpoint = routes.find(scim_path)
    method = "GET" if asked.method == "HEAD" else asked.method
    call = endpoint.route.calls.get(method) if endpoint is not None else None
    limits: RateLimits = extensions[_LIMITS]
    _refuse_hurry(limits.address(asked.remote_addr))
    body = None
    if call is not None and call.reads_body and shows_token(asked):
        body = reading.received_body(asked, state.settings[call.limit])
    state.sessions.require_writer()
    try:
        scope = here.scim_scope = authenticate(
            asked,
            state,
            scim_tenant,
            scim_integration,
            started=here.scim_started,
            identity=here.scim_request_id,
            origin=here.scim_origin,
        )
    except Unauthorized:
        limits.refused(asked.remote_addr)
        raise
    hurry = limits.integration(scope.integration_id)
    if hurry is not None:
        here.scim_unrecorded = limits.is_told(scope.integration_id)
        _refuse_hurry(hurry)
    if endpoint is None or not _is_served(endpoint.route, state):
        raise EndpointNotFound
    here.scim_endpoint = endpoint
    if asked.method == "OPTIONS":
        return allowed(endpoint.route.methods)
    if call is None:
        raise MethodNotAllowed(endpoint.route.methods)
    here.scim_action = call.action
    if body is not None:
        value = body()
        dialect = scope.dialect
        if dialect.name == Generic.name:
            dialect = recognised_by_body(value) or dialect
        scope = here.scim_scope = replace(scope, request_body=value, dialect=dialect)
    arguments: list[Any] = [state, scope]
    if endpoint.route.resources is not None:
        arguments.append(state.mappings[endpoint.route.resources])
    if endpoint.name is not None:
        arguments.append(endpoint.name)
    with state.sessions.in_place():
        return call.view(*arguments)


def _is_served(route: routes.Route, state: ProvisioningState) -> bool:
    """Say whether the portal has what a route is about: one with users only has no groups."""
    return route.resources is None or route.resources in state.mappings


def _refuse_hurry(seconds: int | None) -> None:
    if seconds is not None:
        raise TooManyRequests(
            "More requests came in a minute than this portal answers; send this one again when "
            "Retry-After says.",
            retry_after=seconds,
        )


def _finish(response: Response) -> Response:
    """Name the request, so that an administrator can find it in the log."""
    response.headers["X-Request-ID"] = str(g.get("scim_request_id", "-"))
    return in_media_type(response, this_request().headers.get("Accept"))
