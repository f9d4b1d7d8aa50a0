"""The endpoints: read, one call, answer.

Each view takes the state of the application and the scope of the request; those of ``/Users`` and
``/Groups`` also take the resource type's mapping.
"""

from __future__ import annotations

from typing import NoReturn

from flask import request

from ..mapping import ResourceMapping
from ..scim import discovery
from ..scim.attributes import Schema
from ..scim.bulk import bulk_response, read_bulk
from ..scim.discovery import BulkLimits, Pagination
from ..scim.errors import Forbidden, NotImplementedHere, ResourceNotFound
from ..scim.messages import SearchRequest
from ..services import directory
from ..services.bulk import run_bulk
from ..services.directory import Page
from ..services.scope import Scope
from ..state import ProvisioningState
from . import reading, responses
from .responses import ScimResponse


def search(state: ProvisioningState, scope: Scope, mapping: ResourceMapping) -> ScimResponse:
    """``GET /Users`` (RFC 7644 section 3.4.2)."""
    return responses.page(_found(state, scope, (mapping,), reading.search_from_query(scope)))


def search_by_post(
    state: ProvisioningState, scope: Scope, mapping: ResourceMapping
) -> ScimResponse:
    """``POST /Users/.search`` (RFC 7644 section 3.4.3)."""
    return responses.page(_found(state, scope, (mapping,), reading.search_from_body(scope)))


def search_everything(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``GET`` of the base URL (RFC 7644 section 3.4.2.1)."""
    every = tuple(state.mappings.values())
    return responses.page(_found(state, scope, every, reading.search_from_query(scope)))


def search_everything_by_post(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``POST /.search`` (RFC 7644 section 3.4.3)."""
    every = tuple(state.mappings.values())
    return responses.page(_found(state, scope, every, reading.search_from_body(scope)))


def _found(
    state: ProvisioningState,
    scope: Scope,
    mappings: tuple[ResourceMapping, ...],
    wanted: SearchRequest,
) -> Page:
    return directory.search_resources(
        scope,
        mappings,
        wanted,
        default_count=state.settings["SCIM_DEFAULT_RESULTS"],
        max_count=state.settings["SCIM_MAX_RESULTS"],
        seal=state.seal,
    )


def create(_state: ProvisioningState, scope: Scope, mapping: ResourceMapping) -> ScimResponse:
    """``POST /Users`` (RFC 7644 section 3.3)."""
    payload = reading.payload(scope, mapping)
    return responses.created(
        directory.create_resource(scope, mapping, payload, reading.projection(scope, mapping))
    )


def read(
    _state: ProvisioningState, scope: Scope, mapping: ResourceMapping, resource_id: str
) -> ScimResponse:
    """``GET /Users/{id}`` (RFC 7644 section 3.4.1)."""
    projection = reading.projection(scope, mapping)
    resource = directory.get_resource(scope, mapping, resource_id, projection)
    known = reading.preconditions().not_modified(resource.version)
    # A version says nothing of a user's groups, nor of members whom the portal removes by SQL.
    elsewhere = projection.wants("groups") or projection.wants("members")
    if known and not elsewhere:
        return responses.not_modified(resource)
    return responses.resource(resource)


def replace(
    _state: ProvisioningState, scope: Scope, mapping: ResourceMapping, resource_id: str
) -> ScimResponse:
    """``PUT /Users/{id}`` (RFC 7644 section 3.5.1); always with the resource, as Okta needs it."""
    resource = directory.replace_resource(
        scope,
        mapping,
        resource_id,
        reading.payload(scope, mapping),
        reading.preconditions(),
        reading.projection(scope, mapping),
    )
    return responses.resource(resource)


def modify(
    _state: ProvisioningState, scope: Scope, mapping: ResourceMapping, resource_id: str
) -> ScimResponse:
    """``PATCH /Users/{id}`` with the user, ``PATCH /Groups/{id}`` without (RFC 7644 section 3.5.2).

    A group's answer would be its whole membership. So it is 204, which Entra and Okta take, unless
    the client names the attributes that it wants.
    """
    projection = reading.projection(scope, mapping)
    answer = mapping.members is None or projection.names_attributes
    resource = directory.modify_resource(
        scope,
        mapping,
        resource_id,
        reading.operations(scope, mapping),
        reading.preconditions(),
        projection,
        wants_body=answer,
    )
    return responses.resource(resource) if answer else responses.no_content(resource)


def delete(
    _state: ProvisioningState, scope: Scope, mapping: ResourceMapping, resource_id: str
) -> ScimResponse:
    """``DELETE /Users/{id}`` (RFC 7644 section 3.6)."""
    directory.delete_resource(scope, mapping, resource_id, reading.preconditions())
    return responses.no_content()


def service_provider_config(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``GET /ServiceProviderConfig`` (RFC 7644 section 4)."""
    _refuse_filter()
    settings = state.settings
    pagination = Pagination(
        state.seal is not None,
        settings["SCIM_DEFAULT_RESULTS"],
        settings["SCIM_MAX_RESULTS"],
        settings["SCIM_CURSOR_SECONDS"],
    )
    return responses.document(
        discovery.service_provider_config(
            scope.base_url,
            max_results=settings["SCIM_MAX_RESULTS"],
            change_password="password" in state.mappings["Users"].bindings,
            bulk=BulkLimits(
                settings["SCIM_BULK_MAX_OPERATIONS"], settings["SCIM_BULK_MAX_PAYLOAD"]
            ),
            pagination=pagination if settings["SCIM_ANNOUNCE_PAGINATION"] else None,
        )
    )


def resource_types(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``GET /ResourceTypes`` (RFC 7644 section 4)."""
    _refuse_filter()
    return responses.documents(
        [
            discovery.resource_type_document(mapping.published, scope.base_url)
            for mapping in state.mappings.values()
        ]
    )


def resource_type(state: ProvisioningState, scope: Scope, name: str) -> ScimResponse:
    """``GET /ResourceTypes/{name}`` (RFC 7644 section 4)."""
    for mapping in state.mappings.values():
        if mapping.published.name == name:
            return responses.document(
                discovery.resource_type_document(mapping.published, scope.base_url)
            )
    raise ResourceNotFound("There is no such resource type; /ResourceTypes lists them.")


def schemas(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``GET /Schemas`` (RFC 7644 section 4)."""
    _refuse_filter()
    return responses.documents(
        [discovery.schema_document(schema, scope.base_url) for schema in _schemas(state).values()]
    )


def schema(state: ProvisioningState, scope: Scope, urn: str) -> ScimResponse:
    """``GET /Schemas/{urn}`` (RFC 7644 section 4); URNs count in any case (RFC 8141)."""
    found = _schemas(state).get(urn.lower())
    if found is None:
        raise ResourceNotFound("There is no such schema; /Schemas lists them.")
    return responses.document(discovery.schema_document(found, scope.base_url))


def _schemas(state: ProvisioningState) -> dict[str, Schema]:
    return {
        each.id.lower(): each
        for mapping in state.mappings.values()
        for each in mapping.published.schemas
    }


def _refuse_filter() -> None:
    """RFC 7644 section 4: discovery isn't searched, and a filter there is answered with 403."""
    if "filter" in request.args:
        raise Forbidden("This endpoint can't be filtered; leave the filter out.")


def me(_state: ProvisioningState, _scope: Scope) -> NoReturn:
    """``/Me`` (RFC 7644 section 3.11): a service account is no person."""
    raise NotImplementedHere("A token belongs to a service account; use /Users and an id.")


def bulk(state: ProvisioningState, scope: Scope) -> ScimResponse:
    """``POST /Bulk`` (RFC 7644 section 3.7)."""
    request = read_bulk(scope.request_body, state.settings["SCIM_BULK_MAX_OPERATIONS"])
    return responses.document(bulk_response(run_bulk(scope, state.mappings, request)))
