"""Who calls: from the bearer token to a scope."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import replace

from flask import Request

from ..dialects import DIALECTS, Dialect, Generic, recognised_by_headers
from ..scim.limits import Limits
from ..services import tokens
from ..services.scope import Origin, Scope
from ..services.token_secrets import TokenSecret
from ..services.work import Immediate
from ..state import ProvisioningState

__all__ = ["authenticate", "origin", "request_id", "shows_token"]

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def authenticate(
    request: Request,
    state: ProvisioningState,
    tenant: str,
    integration_id: str,
    *,
    started: float,
    identity: str,
    origin: Origin,
) -> Scope:
    """Return the scope of a request, before anything else of it is answered.

    Only the ``Authorization`` header counts: a session cookie opens nothing here. Okta's header
    mode sends the token without a scheme, and administrators paste ``Bearer`` twice; both are read.

    :param started: ``time.perf_counter()`` at the beginning of the request.
    :param identity: The id of the request.
    :param origin: Where it came from.
    :raises Unauthorized: for every token that doesn't open this URL, in the same words.
    :raises IntegrationDisabled: when it does, and an administrator has disabled the integration.
    """
    session = state.session
    deadline = started + state.settings["SCIM_WAIT_SECONDS"]
    caller = tokens.authenticate(
        session,
        state.models,
        request.headers.get("Authorization"),
        tenant,
        integration_id,
        deadline=deadline,
        origin=origin,
    )
    return Scope(
        session=session,
        models=state.models,
        tenant=caller.tenant,
        integration_id=caller.integration_id,
        integration_name=caller.integration_name,
        service_account_id=caller.service_account_id,
        permissions=caller.permissions,
        policies=caller.policies,
        dialect=_dialect(caller.dialect, request),
        request_id=identity,
        base_url=state.endpoint_url(caller.tenant, caller.integration_id),
        started=started,
        limits=Limits(state.settings["SCIM_MAX_VALUES"], state.settings["SCIM_MAX_STORED_BYTES"]),
        work=Immediate(deadline),
        origin=replace(origin, key_id=caller.key_id),
        hidden=state.hidden,
    )


def origin(request: Request, path: str) -> Origin:
    """Return where the request came from.

    :param path: What follows the SCIM base.
    """
    query = request.query_string.decode("latin-1")
    return Origin(
        method=request.method,
        path=f"/{path}?{query}" if query else f"/{path}",
        address=request.remote_addr,
        user_agent=request.headers.get("User-Agent"),
    )


def shows_token(request: Request) -> bool:
    """Say whether the request carries what may be a token, without asking the database."""
    return TokenSecret.parse(request.headers.get("Authorization")) is not None


def _dialect(name: str, request: Request) -> Dialect:
    dialect = DIALECTS.get(name)
    if dialect is None:
        # A newer release stored it; RFC 7644 as it is written is still understood.
        logger.warning("No dialect is called %r; the generic one is used.", name)
        return DIALECTS[Generic.name]
    if dialect.name == Generic.name:
        return recognised_by_headers(request.headers.get) or dialect
    return dialect


def request_id(request: Request) -> str:
    """Return the id that a proxy gave the request, or a new one."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
