"""Requests: what a client sent, read in typed places; the dialect makes it clean by the RFC."""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from flask import Request, request
from werkzeug.exceptions import HTTPException

from ..mapping import ResourceMapping
from ..scim.errors import (
    InternalError,
    InvalidSyntax,
    PayloadTooLarge,
    ScimError,
    UnsupportedMediaType,
)
from ..scim.messages import ReadFilter, SearchRequest, read_json, read_patch_envelope
from ..scim.patch import Operation
from ..scim.projection import Projection
from ..scim.urns import MEDIA_TYPE
from ..scim.versions import Preconditions
from ..services.scope import Scope
from .the_request import this_request

__all__ = [
    "keep_body",
    "operations",
    "payload",
    "preconditions",
    "projection",
    "received_body",
    "search_from_body",
    "search_from_query",
]

logger = logging.getLogger(__name__)

_MEDIA_TYPES = frozenset({MEDIA_TYPE, "application/json"})
_CHUNK = 65_536
_UNREADABLE = (
    "The body ended too early, or one of its chunks isn't framed as RFC 9112 section 7.1 says; "
    "send the request again."
)


def received_body(request: Request, max_bytes: int) -> Callable[[], Any]:
    """Read the request's body, and return a function that returns its JSON value.

    A client may send it as slowly as it likes, so it is read while the request holds nothing that
    others need; what is wrong with it is told when it is asked for.

    A body without a content type is taken for JSON; parameters of the type don't matter, because
    JSON is UTF-8 (RFC 8259 section 8.1).

    :param max_bytes: The largest body that is read, with or without a ``Content-Length``.
    :returns: a function that raises ``UnsupportedMediaType`` when it is declared as anything else,
        ``PayloadTooLarge`` when it is larger, and ``InvalidSyntax`` when it is empty or no JSON, or
        when it ended too early.
    """
    try:
        if request.mimetype and request.mimetype not in _MEDIA_TYPES:
            raise UnsupportedMediaType
        data = _bytes(request, max_bytes)
    except (ScimError, HTTPException) as error:
        return functools.partial(_refuse, error)
    except Exception as error:
        # Each server has errors of its own for a body that isn't framed as it should be.
        logger.info("The body of a request couldn't be read (%s).", type(error).__name__)
        return functools.partial(_refuse, InvalidSyntax(_UNREADABLE))
    return functools.partial(_json, data)


def _json(data: bytes) -> Any:
    if not data:
        raise InvalidSyntax("The request has no body; send JSON.")
    return read_json(data)


def _refuse(error: Exception) -> NoReturn:
    raise error


def keep_body(request: Request) -> None:
    """Keep what the host's own functions read of the body, which can be read once."""
    request.environ["wsgi.input"] = _Kept(request.environ["wsgi.input"])


class _Kept(io.RawIOBase):
    """The input of a request, with what somebody has read of it already."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._kept: list[bytes] | None = []

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on."""
        data: bytes = self._source.read(len(buffer))
        buffer[: len(data)] = data
        if self._kept is not None:
            self._kept.append(data)
        return len(data)

    def take(self) -> bytes:
        """Return what was read until now, and keep no more."""
        data = b"".join(self._kept or ())
        self._kept = None
        return data


def _already_read(request: Request) -> bytes:
    source = request.environ.get("wsgi.input")
    return source.take() if isinstance(source, _Kept) else b""


def _bytes(request: Request, max_bytes: int) -> bytes:
    if request.content_length is not None and request.content_length > max_bytes:
        _refuse_size(max_bytes)
    chunks = [_already_read(request)]
    size = len(chunks[0])
    if size > max_bytes:
        _refuse_size(max_bytes)
    if size and size == request.content_length:
        return chunks[0]
    while chunk := request.stream.read(min(_CHUNK, max_bytes + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            _refuse_size(max_bytes)
    if size:
        return b"".join(chunks)
    # Somebody may have read it even before the request was matched; then Werkzeug has it.
    data = request.get_data()
    if len(data) > max_bytes:
        _refuse_size(max_bytes)
    if not data and request.content_length:
        logger.error(
            "Something reads the bodies of SCIM requests before the portal sees them, and keeps "
            "none of them; let it call request.get_data()."
        )
        raise InternalError
    return data


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
    headers = this_request().headers
    return Preconditions(headers.get("If-Match"), headers.get("If-None-Match"))
