"""Failures: whatever goes wrong under our prefix is answered with a SCIM error, and recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Blueprint, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, TooManyRequests, default_exceptions

from ..scim import errors
from ..scim.errors import ScimError
from ..services import activity, offboarding, refusals, subjects
from ..services.activity import Action
from ..services.database_errors import is_away, kind_of_error, traceback_of
from ..services.scope import Scope
from ..services.work import RETRY_AFTER, DatabaseUnavailable, ends_transaction
from ..state import current_provisioning
from . import responses

__all__ = ["register"]

logger = logging.getLogger(__name__)

_KINDS = {"Users": "User", "Groups": "Group"}

_SCIM_ERRORS: Mapping[int, Callable[[str], ScimError]] = {
    400: errors.InvalidSyntax,
    401: lambda _text: errors.Unauthorized(),
    403: errors.Forbidden,
    404: lambda _text: errors.EndpointNotFound(),
    413: errors.PayloadTooLarge,
    415: lambda _text: errors.UnsupportedMediaType(),
    501: errors.NotImplementedHere,
    503: lambda text: errors.TemporarilyUnavailable(text, retry_after=RETRY_AFTER),
}


def register(blueprint: Blueprint) -> None:
    """Make a blueprint answer every failure in SCIM's words.

    Each status gets a handler of its own: Flask looks for those first, the host's too, and a page
    of the host's is an answer that Okta calls "Invalid JSON".
    """
    blueprint.register_error_handler(ScimError, _refused)
    blueprint.register_error_handler(HTTPException, _aborted)
    for code in default_exceptions:
        blueprint.register_error_handler(code, _aborted)
    blueprint.register_error_handler(Exception, _failed)


def _refused(error: ScimError) -> Response:
    scope: Scope | None = g.get("scim_scope")
    if scope is not None:
        error.detail = scope.dialect.explained(error)
    _record(error)
    return responses.refusal(error)


def _aborted(exception: HTTPException) -> Response:
    """Translate what Flask, Werkzeug or the host's own functions before a request raised."""
    code = exception.code or 500
    text = exception.description or exception.name
    if isinstance(exception, TooManyRequests):
        after = exception.retry_after
        return _refused(errors.TooManyRequests(text, after if isinstance(after, int) else None))
    make = _SCIM_ERRORS.get(code)
    if make is not None:
        return _refused(make(text))
    if code >= 500:
        cause = getattr(exception, "original_exception", None)
        return _failed(cause or exception)
    kind = type("HttpRefusal", (ScimError,), {"status": HTTPStatus(code)})
    return _refused(kind(text))


def _failed(exception: Exception) -> Response:
    """Answer for what nobody foresaw: the log has it all, the client a sentence."""
    if ends_transaction(exception):
        unavailable = DatabaseUnavailable(reached=not is_away(exception))
        unavailable.__cause__ = exception
        return _refused(unavailable)
    _log(exception)
    return _refused(errors.InternalError())


def _log(exception: Exception) -> None:
    """Log a failure; of the database's errors only where and what kind, since they quote values."""
    logger.error(
        "Request %s failed with %s:\n%s",
        _request_id(),
        kind_of_error(exception),
        traceback_of(exception),
    )


def _record(error: ScimError) -> None:
    """Write the failure down, once we know whose it is; after the rollback of what it did.

    A database that can't be reached isn't asked to; that is logged once for a request.
    """
    scope: Scope | None = g.get("scim_scope")
    unavailable = error if isinstance(error, DatabaseUnavailable) else None
    recorded = False
    if scope is None:
        if unavailable is None:
            _count_at_the_door(error)
    elif (unavailable is None or unavailable.reached) and not g.get("scim_unrecorded"):
        recorded = _is_written(scope, error)
    if unavailable is not None:
        logger.warning(
            "Request %s: the database is busy or away (%s); it is answered with 503 and %s.",
            _request_id(),
            kind_of_error(error.__cause__),
            "recorded" if recorded else "not recorded",
        )


def _is_written(scope: Scope, error: ScimError) -> bool:
    try:
        scope.session.rollback()
    except SQLAlchemyError as failure:
        # The connection is gone, and what the request did with it.
        logger.warning("Request %s isn't recorded (%s).", _request_id(), type(failure).__name__)
        return False
    endpoint = g.get("scim_endpoint")
    resources = endpoint.route.resources if endpoint is not None else None
    resource_id = endpoint.name if endpoint is not None and resources else None
    name = None
    if resources is not None:
        mapping = current_provisioning.mappings[resources]
        if request.method == "POST":
            name = subjects.name_in(scope.request_body, mapping)
        elif resource_id is not None and not isinstance(error, DatabaseUnavailable):
            name = subjects.name_of(scope, mapping, resource_id)
    offboarding.note_trouble(scope, error)
    return activity.record_failure(
        scope,
        g.get("scim_action", Action.REQUEST),
        status=int(error.status),
        scim_type=error.scim_type,
        detail=error.detail,
        cause=activity.cause_of(error, error.detail),
        resource_type=_KINDS.get(resources or ""),
        resource_id=resource_id,
        resource_name=name,
    )


def _count_at_the_door(error: ScimError) -> None:
    """Count a request whose token opened nothing, with the reason that the caller isn't told."""
    if error.reason is None:
        return
    state, values = current_provisioning, request.view_args or {}
    refusals.keep(
        state.session,
        state.models,
        error,
        tenant=values.get("scim_tenant", ""),
        integration_id=values.get("scim_integration", ""),
        origin=g.scim_origin,
        request_id=_request_id(),
        plain_http=not request.is_secure and state.root_url().startswith("https:"),
    )


def _request_id() -> str:
    return str(g.get("scim_request_id", "-"))
