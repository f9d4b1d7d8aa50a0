"""What one application keeps, and the way to it."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from flask import current_app, has_request_context, request
from sqlalchemy import MetaData
from sqlalchemy.orm import Session
from werkzeug.local import LocalProxy
from werkzeug.sansio.utils import get_current_url

from .mapping import ResourceMapping
from .models import Models
from .scim.attributes import ResourceType
from .scim.cursors import Seal, derive_key
from .services.integrations import endpoint_path
from .services.redaction import hidden_names
from .sessions import OwnSessions

__all__ = ["EXTENSION", "ProvisioningState", "current_provisioning"]

EXTENSION = "scim_provisioning"
"""The key in ``app.extensions``."""

_DEVELOPMENT_ROOT = "http://127.0.0.1:5000"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningState:
    """What one application keeps; built once by ``Provisioning.init_app``.

    :ivar provisioning: The ``Provisioning`` object, which belongs to no application.
    :ivar sessions: Makes the sessions that use cases run in.
    :ivar metadata: Where the extension's tables are declared, beside the host's.
    :ivar settings: Every setting by name.
    :ivar mappings: ``"Users"`` and, unless the portal has users only, ``"Groups"`` to what is known
        of them.
    :ivar admin_required: Says whether the current user may see the Provisioning pages; with None
        nobody may.
    :ivar tenant: Returns the tenant whose integrations the Provisioning pages show.
    """

    provisioning: object
    sessions: OwnSessions
    metadata: MetaData
    settings: Mapping[str, Any]
    models: Models
    mappings: Mapping[str, ResourceMapping]
    admin_required: Callable[[], bool] | None
    tenant: Callable[[], str]

    @property
    def hidden(self) -> frozenset[str]:
        """The names of the attributes that the schemas never return, in lower case."""
        return _hidden(tuple(mapping.resource_type for mapping in self.mappings.values()))

    @property
    def session(self) -> Session:
        """The session of use cases in this request or command, which is not the host's own."""
        return self.sessions.current

    @property
    def token_lifetime(self) -> timedelta | None:
        """How long a new token is valid; None for ever."""
        days = self.settings["SCIM_TOKEN_DAYS"]
        return None if days is None else timedelta(days=days)

    @property
    def seal(self) -> Seal | None:
        """What makes cursors; None where the portal has no ``SECRET_KEY``.

        The key is derived each time: a portal may set its ``SECRET_KEY`` after ``init_app``.
        """
        secret = current_app.config.get("SECRET_KEY")
        return Seal(derive_key(secret), self.settings["SCIM_CURSOR_SECONDS"]) if secret else None

    def root_url(self) -> str:
        """Return the portal's root as an identity provider reaches it, without a slash at its end.

        It is never cached: two hosts of one portal would answer with each other's name.
        """
        external: str | None = self.settings["SCIM_EXTERNAL_URL"]
        if external is not None:
            return external
        if has_request_context():
            return _root(request.scheme, request.host, request.root_path)
        server = current_app.config.get("SERVER_NAME")
        if not server:
            return _DEVELOPMENT_ROOT
        scheme = current_app.config.get("PREFERRED_URL_SCHEME", "http")
        root = str(current_app.config.get("APPLICATION_ROOT") or "/")
        return f"{scheme}://{server}{root}".rstrip("/")

    def endpoint_url(self, tenant: str, integration_id: uuid.UUID | str) -> str:
        """Return the absolute SCIM base URL of an integration, without a slash at its end."""
        prefix = self.settings["SCIM_URL_PREFIX"]
        return self.root_url() + endpoint_path(prefix, tenant, integration_id)


@functools.lru_cache(maxsize=16)
def _root(scheme: str, host: str, path: str) -> str:
    """Return ``request.url_root`` without its slash; a portal has a few names."""
    return get_current_url(scheme, host, path).rstrip("/")


@functools.lru_cache(maxsize=64)
def _hidden(types: tuple[ResourceType, ...]) -> frozenset[str]:
    return hidden_names(types)


def _state() -> ProvisioningState:
    try:
        return cast("ProvisioningState", current_app.extensions[EXTENSION])
    except KeyError:
        raise RuntimeError(
            "Provisioning is not registered on this app: call provisioning.init_app(app)."
        ) from None


current_provisioning = cast("ProvisioningState", LocalProxy(_state))
"""The state of the current application."""
