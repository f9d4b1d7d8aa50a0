"""Answers: one media type, one writer of JSON, no cookies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers, MIMEAccept
from werkzeug.http import parse_accept_header

from ..scim.errors import ScimError
from ..scim.messages import list_response
from ..scim.urns import MEDIA_TYPE
from ..scim.versions import etag
from ..services.directory import Page, Resource

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = [
    "ScimResponse",
    "allowed",
    "created",
    "document",
    "documents",
    "dumps",
    "in_media_type",
    "no_content",
    "not_modified",
    "page",
    "refusal",
    "resource",
]

_JSON = "application/json"

# An absolute URL without anything that a header writes otherwise.
_PLAIN_PLACE = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?/[A-Za-z0-9/._~-]*")

# JSON has no such parameter (RFC 8259 section 11), and clients write it all the same.
_CHARSET = re.compile(r";\s*charset=[^;,]*", re.IGNORECASE)


class ScimResponse(Response):
    """An answer to an identity provider: never with a cookie, kept by no shared cache."""

    default_mimetype = MEDIA_TYPE

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Let a plain place be as it is: Werkzeug would take it apart and put it together again."""
        place = self.headers.get("Location")
        if place is None or not _PLAIN_PLACE.fullmatch(place):
            return super().get_wsgi_headers(environ)
        del self.headers["Location"]
        try:
            headers = super().get_wsgi_headers(environ)
        finally:
            self.headers["Location"] = place
        headers["Location"] = place
        return headers

    def set_cookie(self, *args: Any, **options: Any) -> None:
        """Set none: what the host keeps in its session is for browsers, and this is none."""


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _writer() -> Callable[[Any], bytes]:
    """Return orjson's writer where it is installed: ten times as fast on a page of users."""
    try:
        import orjson
    except ImportError:
        return _compact
    return orjson.dumps


dumps: Callable[[Any], bytes] = _writer()
"""Write JSON as UTF-8; the only place where an answer becomes bytes."""


def document(body: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> ScimResponse:
    """Answer with a JSON object."""
    response = ScimResponse(dumps(body), status=status)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def documents(bodies: list[dict[str, Any]]) -> ScimResponse:
    """Answer with all of a few documents, as a list."""
    return document(list_response(bodies, len(bodies), 1))


def page(found: Page) -> ScimResponse:
    """Answer with one page of a search (RFC 7644 section 3.4.2)."""
    return document(
        list_response(found.resources, found.total_results, found.start_index, found.next_cursor)
    )


def resource(answered: Resource, status: HTTPStatus = HTTPStatus.OK) -> ScimResponse:
    """Answer with a resource, its entity tag and its place (RFC 7644 section 3.14)."""
    return _tagged(document(answered.body, status), answered)


def created(answered: Resource) -> ScimResponse:
    """Answer 201 with a new resource (RFC 7644 section 3.3)."""
    return resource(answered, HTTPStatus.CREATED)


def not_modified(answered: Resource) -> ScimResponse:
    """Answer 304: the client has this version already."""
    return _tagged(_empty(HTTPStatus.NOT_MODIFIED), answered)


def no_content(answered: Resource | None = None) -> ScimResponse:
    """Answer 204, with the entity tag of what is still there."""
    response = _empty(HTTPStatus.NO_CONTENT)
    return response if answered is None else _tagged(response, answered)


def refusal(error: ScimError) -> ScimResponse:
    """Answer with a SCIM error (RFC 7644 section 3.12)."""
    response = document(error.as_json(), error.status)
    response.headers.update(error.headers)
    return response


def allowed(methods: Iterable[str]) -> ScimResponse:
    """Answer OPTIONS: what the endpoint can be asked (RFC 9110 section 9.3.7)."""
    response = _empty(HTTPStatus.NO_CONTENT)
    response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def in_media_type(response: Response, accept: str | None) -> Response:
    """Call an answer plain JSON where the client likes that better (RFC 7644 section 3.8).

    Any other wish gets what there is: a refusal would keep people enabled who have left.
    """
    if accept is None or _JSON not in accept.lower() or response.mimetype != MEDIA_TYPE:
        return response
    wishes = parse_accept_header(_CHARSET.sub("", accept), MIMEAccept)
    if wishes.best_match((MEDIA_TYPE, _JSON)) == _JSON:
        response.mimetype = _JSON
    return response


def _empty(status: HTTPStatus) -> ScimResponse:
    response = ScimResponse(status=status)
    del response.headers["Content-Type"]
    return response


def _tagged(response: ScimResponse, answered: Resource) -> ScimResponse:
    response.headers["ETag"] = etag(answered.version)
    response.headers["Location"] = answered.location
    return response
