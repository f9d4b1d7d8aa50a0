"""Requests: what a client sent, read in typed places; the dialect makes it clean by the RFC."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NoReturn

from flask import request

from ..mapping import ResourceMapping
from ..scim.errors import InvalidSyntax, PayloadTooLarge, UnsupportedMediaType
from ..scim.messages import ReadFilter, SearchRequest, read_json, read_patch_envelope
from ..scim.patch import Operation
from ..scim.projection import Projection
from ..scim.urns import MEDIA_TYPE
from ..scim.versions import Preconditions
from ..services.scope import Scope

__all__ = [
    "json_body",
    "operations",
    "payload",
    "preconditions",
    "projection",
    "search_from_body",
    "search_from_query",
]

_MEDIA_TYPES = frozenset({MEDIA_TYPE, "application/json"})
_CHUNK = 65_536


def json_body(max_bytes: int) -> Any:
    """Return the JSON value of the request's body.

    A body without a content type is taken for JSON; parameters of the type don't matter, because
    JSON is UTF-8 (RFC 8259 section 8.1).

    :param max_bytes: The largest body that is read, with or without a ``Content-Length``.
    :raises UnsupportedMediaType: when it is declared as anything else.
    :raises PayloadTooLarge: when it is larger.
    :raises InvalidSyntax: when it is empty or no JSON.
    """
    if request.mimetype and request.mimetype not in _MEDIA_TYPES:
        raise UnsupportedMediaType
    data = _bytes(max_bytes)
    if not data:
        raise InvalidSyntax("The request has no body; send JSON.")
    return read_json(data)


def _bytes(max_bytes: int) -> bytes:
    if request.content_length is not None and request.content_length > max_bytes:
        _refuse_size(max_bytes)
    chunks, size = [], 0
    while chunk := request.stream.read(min(_CHUNK, max_bytes + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            _refuse_size(max_bytes)
    return b"".join(chunks)


def _refuse_size(max_bytes: int) -> NoReturn:
    raise PayloadTooLarge(
        f"The body is larger than {max_bytes} bytes; send it in several requests."
    )


def payload(scope: Scope, mapping: ResourceMapping) -> Mapping[str, Any]:
    """Return the resource in the body, clean by the RFC."""
    return scope.dialect.resource(scope.request_body, mapping.resource_type, scope.notes)


def operations(scope: Scope, mapping: ResourceMapping) -> list[Operation]:
    """Return the operations in the body, clean by the RFC."""
    sent = read_patch_envelope(scope.request_body)
    return scope.dialect.operations(sent, mapping.resource_type, scope.notes)


def search_from_query(scope: Scope) -> SearchRequest:
    """Return the search in the query string (RFC 7644 section 3.4.2); unknown names are ignored."""
    return SearchRequest.from_query(request.args, _filter_reader(scope))


def search_from_body(scope: Scope) -> SearchRequest:
    """Return the search in the body (RFC 7644 section 3.4.3)."""
    return SearchRequest.from_body(scope.request_body, _filter_reader(scope))


def _filter_reader(scope: Scope) -> ReadFilter:
    return functools.partial(scope.dialect.filter, notes=scope.notes)


def _unread(_text: str) -> None:
    """A filter beside a resource's id asks for nothing."""


def projection(scope: Scope, mapping: ResourceMapping) -> Projection:
    """Return what ``attributes`` and ``excludedAttributes`` leave of the answer (section 3.9)."""
    requested = scope.dialect.requested_with(scope.request_body)
    if not request.query_string:
        return Projection.of(mapping.resource_type, requested=requested)
    search = SearchRequest.from_query(request.args, _unread)
    return Projection.of(
        mapping.resource_type, search.attributes, search.excluded_attributes, requested
    )


def preconditions() -> Preconditions:
    """Return the conditions on the resource's version (RFC 7644 section 3.14)."""
    return Preconditions(request.headers.get("If-Match"), request.headers.get("If-None-Match"))
