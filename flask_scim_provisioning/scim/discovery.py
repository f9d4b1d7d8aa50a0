"""The three documents by which a client finds out what the service has (RFC 7644 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .attributes import ResourceType, Schema
from .urns import RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG


@dataclass(frozen=True, slots=True)
class BulkLimits:
    """How much one bulk request may carry; the size is in bytes."""

    max_operations: int
    max_payload_size: int


@dataclass(frozen=True, slots=True)
class Pagination:
    """How lists are paged (RFC 9865 section 4); by index unless a client sends a cursor.

    :ivar cursor_timeout: how many seconds a cursor may be used; None for ever.
    """

    cursor: bool
    default_page_size: int
    max_page_size: int
    cursor_timeout: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the attribute ``pagination`` of the document."""
        document: dict[str, Any] = {
            "cursor": self.cursor,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": self.default_page_size,
            "maxPageSize": self.max_page_size,
        }
        if self.cursor and self.cursor_timeout is not None:
            document["cursorTimeout"] = self.cursor_timeout
        return document


@dataclass(frozen=True, slots=True)
class AuthenticationScheme:
    """A way to authenticate (RFC 7643 section 5)."""

    type: str
    name: str
    description: str
    spec_uri: str

    def as_json(self, *, primary: bool) -> dict[str, Any]:
        """Return the scheme as it stands in the document."""
        return {
            "type": self.type,
            "name": self.name,
            "description": self.description,
            "specUri": self.spec_uri,
            "primary": primary,
        }


BEARER_TOKEN = AuthenticationScheme(
    "oauthbearertoken",
    "Bearer token",
    "The token of the integration, in the header Authorization: Bearer.",
    "https://www.rfc-editor.org/info/rfc6750",
)


def service_provider_config(
    base_url: str,
    *,
    max_results: int,
    bulk: BulkLimits | None = None,
    pagination: Pagination | None = None,
    authentication: tuple[AuthenticationScheme, ...] = (BEARER_TOKEN,),
    change_password: bool = False,
    documentation_uri: str | None = None,
) -> dict[str, Any]:
    """Return the document at ``/ServiceProviderConfig`` (RFC 7643 section 5).

    :param base_url: The absolute base URL, without a slash at its end.
    :param max_results: How many resources a list has at most.
    :param bulk: The limits of bulk requests, ``None`` if there are none.
    :param pagination: How lists are paged, ``None`` to say nothing of it.
    :param authentication: The preferred scheme first.
    """
    document: dict[str, Any] = {"schemas": [SERVICE_PROVIDER_CONFIG]}
    if documentation_uri is not None:
        document["documentationUri"] = documentation_uri
    if pagination is not None:
        document["pagination"] = pagination.as_json()
    return document | {
        "patch": {"supported": True},
        "bulk": {
            "supported": bulk is not None,
            "maxOperations": 0 if bulk is None else bulk.max_operations,
            "maxPayloadSize": 0 if bulk is None else bulk.max_payload_size,
        },
        "filter": {"supported": True, "maxResults": max_results},
        "changePassword": {"supported": change_password},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            scheme.as_json(primary=index == 0) for index, scheme in enumerate(authentication)
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": f"{base_url}/ServiceProviderConfig",
        },
    }


def resource_type_document(resource_type: ResourceType, base_url: str) -> dict[str, Any]:
    """Return the document of one resource type (RFC 7643 section 6)."""
    document: dict[str, Any] = {
        "schemas": [RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "description": resource_type.schema.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.schema.id,
    }
    if resource_type.extensions:
        document["schemaExtensions"] = [
            {"schema": extension.id, "required": False} for extension in resource_type.extensions
        ]
    document["meta"] = {
        "resourceType": "ResourceType",
        "location": f"{base_url}/ResourceTypes/{resource_type.name}",
    }
    return document


def schema_document(schema: Schema, base_url: str) -> dict[str, Any]:
    """Return the document of one schema (RFC 7643 section 7)."""
    return {
        "schemas": [SCHEMA],
        **schema.as_json(),
        "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{schema.id}"},
    }
