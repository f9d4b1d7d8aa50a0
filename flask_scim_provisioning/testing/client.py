"""A SCIM client over Flask's test client, and the integration that it speaks to."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..services.integrations import create_integration, endpoint_path
from ..state import current_provisioning

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

__all__ = ["ScimClient", "connect", "scim_fixture"]

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


class ScimClient:
    """Speaks SCIM to one integration of a portal, by Flask's test client.

    :param app: The portal.
    :param base: The path that the SCIM endpoint begins with, such as
        ``/api/v1/main/integrations/<id>/scim/v2``; every ``path`` below is relative to it.
    :param token: Sent as ``Authorization: Bearer``; None sends no such header.
    """

    def __init__(self, app: Flask, base: str, token: str | None) -> None:
        self.app = app
        self.base = base
        self.token = token

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    def with_token(self, token: str | None) -> ScimClient:
        """Return a client of the same endpoint with another token, or with none."""
        return type(self)(self.app, self.base, token)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        content_type: str | None = "application/scim+json",
    ) -> TestResponse:
        """Send one request.

        :param body: JSON to be, or ``bytes`` and ``str`` that are sent as they are.
        """
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = body
        if body is not None and not isinstance(body, bytes | str):
            data = json.dumps(body)
        return self.app.test_client().open(
            f"{self.base}{path}",
            method=method,
            data=data,
            headers=sent,
            query_string=dict(query) if query else None,
            content_type=content_type if data is not None else None,
        )

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, **query: Any
    ) -> TestResponse:
        """GET; the other keywords are query parameters: ``get("/Users", filter=..., count=1)``."""
        return self.request("GET", path, headers=headers, query=query)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        """POST a resource."""
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any, **options: Any) -> TestResponse:
        """PUT a resource."""
        return self.request("PUT", path, body, **options)

    def patch(
        self, path: str, operations: Sequence[Mapping[str, Any]], **options: Any
    ) -> TestResponse:
        """PATCH with these operations (RFC 7644 section 3.5.2)."""
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return self.request("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE a resource."""
        return self.request("DELETE", path, **options)

    def search(self, path: str, **parameters: Any) -> TestResponse:
        """POST to ``.search`` (RFC 7644 section 3.4.3); parameters have their JSON names."""
        body = {"schemas": [SEARCH_REQUEST], **parameters}
        return self.request("POST", f"{path}/.search", body)


def connect(
    app: Flask, *, tenant: str = "main", dialect: str = "generic", name: str | None = None
) -> ScimClient:
    """Create an integration of a portal and return a client that sends its token.

    :param app: The portal: ``Provisioning.init_app`` was called on it, and its tables are made.
    :param tenant: The tenant that the integration belongs to.
    :param dialect: The identity provider: ``"generic"``, ``"entra"``, ``"okta"`` …
    :param name: Of the integration; one that nobody else has, without it.
    """
    with app.app_context():
        state = current_provisioning
        created = create_integration(
            state.session,
            state.models,
            tenant=tenant,
            name=name or f"Test {uuid.uuid4()}",
            dialect=dialect,
        )
        base = endpoint_path(state.settings["SCIM_URL_PREFIX"], tenant, created.integration.id)
    return ScimClient(app, base, created.secret.reveal())


def scim_fixture(
    app: str = "app", *, tenant: str = "main", dialect: str = "generic"
) -> Callable[..., ScimClient]:
    """Return a pytest fixture: a client of a new integration of the portal, for each test.

    In a ``conftest.py``::

        scim = scim_fixture("app")
        entra = scim_fixture("app", dialect="entra")

    :param app: The name of the fixture that gives the portal.
    :param tenant: As :func:`connect` has it.
    :param dialect: As :func:`connect` has it.
    """
    import pytest

    @pytest.fixture
    def scim(request: pytest.FixtureRequest) -> ScimClient:
        return connect(request.getfixturevalue(app), tenant=tenant, dialect=dialect)

    return scim
