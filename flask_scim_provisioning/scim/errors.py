"""Every refusal that a SCIM client can meet, declared once (RFC 7644 section 3.12).

A detail tells its reader what to do next, and it names attributes, operations and columns but never
a value: what a client sends may be a password or somebody's address, and a detail is logged.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from .urns import ERROR

_SHOWN_CHARACTERS = 80
_SHOWN_NOTES = 50


class ScimError(Exception):
    """A request that can't be answered, in the words of the protocol.

    :param detail: A sentence for the person who runs the client; without values.
    :ivar reason: What the service's own administrators may know beside it; never answered.
    """

    reason: object = None
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    scim_type: ClassVar[str | None] = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers: dict[str, str] = {}

    def as_json(self) -> dict[str, Any]:
        """Return the error message; its ``status`` is a string (RFC 7644 section 3.12)."""
        body: dict[str, Any] = {"schemas": [ERROR], "status": str(int(self.status))}
        if self.scim_type is not None:
            body["scimType"] = self.scim_type
        body["detail"] = self.detail
        return body


class InvalidFilter(ScimError):
    """The filter can't be read, or asks for what can't be searched (table 9).

    :param column: The 1-based column where reading stopped, if there is one.
    """

    scim_type = "invalidFilter"

    def __init__(self, detail: str, column: int | None = None) -> None:
        super().__init__(detail if column is None else f"{detail} (column {column} of the filter)")
        self.column = column


class TooMany(ScimError):
    """The filter yields more results than the service is willing to compute (table 9)."""

    scim_type = "tooMany"


class Uniqueness(ScimError):
    """Another resource already has a value that must be unique (table 9)."""

    status = HTTPStatus.CONFLICT
    scim_type = "uniqueness"


class DecisionWaits(Uniqueness):
    """The portal had this person before, and an administrator has yet to decide what becomes of it.

    The identity provider tries again later; what was decided by then is done.
    """


class AccountRefused(Uniqueness):
    """The portal had this person before, and an administrator has decided to leave them alone."""


class MutabilityError(ScimError):
    """The change isn't allowed by the attribute's mutability or current state (table 9)."""

    scim_type = "mutability"


class InvalidSyntax(ScimError):
    """The body isn't the message that the endpoint expects (table 9)."""

    scim_type = "invalidSyntax"


class InvalidPath(ScimError):
    """The path of a PATCH operation is malformed or names no attribute (table 9).

    :param column: The 1-based column where reading stopped, if there is one.
    """

    scim_type = "invalidPath"

    def __init__(self, detail: str, column: int | None = None) -> None:
        super().__init__(detail if column is None else f"{detail} (column {column} of the path)")
        self.column = column


class NoTarget(ScimError):
    """The path matched nothing that could be changed (table 9)."""

    scim_type = "noTarget"


class InvalidValue(ScimError):
    """A value is missing, or doesn't fit its attribute (table 9)."""

    scim_type = "invalidValue"


class InvalidCursor(ScimError):
    """The cursor isn't one that the service gave for this search (RFC 9865 section 2.1)."""

    scim_type = "invalidCursor"

    def __init__(
        self,
        detail: str = "The cursor belongs to no page of this search; send the nextCursor of the "
        "page before with the same parameters, or an empty cursor for the first page.",
    ) -> None:
        super().__init__(detail)


class ExpiredCursor(ScimError):
    """The client has waited too long for the next page (RFC 9865 section 2.1)."""

    scim_type = "expiredCursor"

    def __init__(
        self,
        detail: str = "The cursor has expired; begin again with an empty cursor, and ask for the "
        "next page within the cursorTimeout of /ServiceProviderConfig.",
    ) -> None:
        super().__init__(detail)


class InvalidCount(ScimError):
    """The page size of a search by cursor is no number (RFC 9865 section 2.1)."""

    scim_type = "invalidCount"

    def __init__(
        self,
        detail: str = "With a cursor, count is a whole number; send one, or leave count out.",
    ) -> None:
        super().__init__(detail)


class PortalConflict(ScimError):
    """The portal's own state or rules stand against it; its team has to mend that.

    RFC 7644 section 3.12: 409 without a ``scimType``, so that nobody looks for a twin.
    """

    status = HTTPStatus.CONFLICT


class LastAdministrator(PortalConflict):
    """Nobody who is active would administer the portal any more."""


class DisabledByPortal(PortalConflict):
    """The portal itself has deactivated this person, and lets no directory undo that."""


class UnresolvedReference(ScimError):
    """A bulkId stands for a resource that wasn't created (RFC 7644 section 3.7.1)."""

    status = HTTPStatus.CONFLICT


class InvalidVersion(ScimError):
    """The requested SCIM protocol version isn't supported (table 9)."""

    scim_type = "invalidVers"


class Sensitive(ScimError):
    """The request carries personal data where it would be logged, in its URI (table 9)."""

    status = HTTPStatus.FORBIDDEN
    scim_type = "sensitive"


class Unauthorized(ScimError):
    """The request carries no valid credentials (RFC 7644 section 2, RFC 6750 section 3)."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(
        self,
        detail: str = "Send a valid token in the header Authorization: Bearer; "
        "an administrator can issue a new one on the integration's page.",
    ) -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = 'Bearer realm="SCIM"'


class Forbidden(ScimError):
    """The credentials are good, but don't allow this."""

    status = HTTPStatus.FORBIDDEN


class Protected(Forbidden):
    """The portal's team lets no directory change this person or group."""


class PrivilegeRefused(Forbidden):
    """Somebody would become an administrator, which this integration may not bring about."""


class IntegrationDisabled(ScimError):
    """An administrator has switched the integration off."""

    status = HTTPStatus.FORBIDDEN

    def __init__(
        self,
        detail: str = "This integration is disabled; an administrator can enable it on its page.",
    ) -> None:
        super().__init__(detail)


class ResourceNotFound(ScimError):
    """No resource that this client can see has the id."""

    status = HTTPStatus.NOT_FOUND

    def __init__(
        self,
        detail: str = "There is no such resource; search for it, it may have a new id.",
    ) -> None:
        super().__init__(detail)


class EndpointNotFound(ScimError):
    """The URL names no endpoint of the service."""

    status = HTTPStatus.NOT_FOUND

    def __init__(
        self,
        detail: str = "There is no such endpoint; /ResourceTypes under the base URL lists them.",
    ) -> None:
        super().__init__(detail)


class MethodNotAllowed(ScimError):
    """The endpoint exists, but not for this HTTP method.

    :param allowed: The methods that it has; they are sent as ``Allow`` (RFC 9110 section 15.5.6).
    """

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(f"This endpoint doesn't have that method; use one of {methods}.")
        self.headers["Allow"] = methods


class PreconditionFailed(ScimError):
    """The resource isn't in the version that the client expects (RFC 7644 section 3.14)."""

    status = HTTPStatus.PRECONDITION_FAILED

    def __init__(
        self,
        detail: str = "The resource has changed in the meantime; read it again and repeat.",
    ) -> None:
        super().__init__(detail)


class PayloadTooLarge(ScimError):
    """The body is larger than the service reads."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(ScimError):
    """The body isn't declared as JSON (RFC 7644 section 3.1)."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(
        self,
        detail: str = "Send JSON with the header Content-Type: application/scim+json.",
    ) -> None:
        super().__init__(detail)


class TooManyRequests(ScimError):
    """The client is faster than it may be (RFC 6585 section 4).

    :param retry_after: Seconds until it may try again.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


class InternalError(ScimError):
    """The service failed; its log tells why, and the answer doesn't."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str = "The service failed; its log has the reason under the request's id.",
    ) -> None:
        super().__init__(detail)


class NotImplementedHere(ScimError):
    """The service doesn't have this part of the protocol."""

    status = HTTPStatus.NOT_IMPLEMENTED


class TemporarilyUnavailable(ScimError):
    """The service can't answer now, and will soon.

    :param retry_after: Seconds until the client should try again.
    """

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


def shown(name: str) -> str:
    """Return a client's name for something, fit for a detail, a note or a log.

    Cut to a line, and without characters that a terminal or a database can't take.
    """
    cut = name if len(name) <= _SHOWN_CHARACTERS else name[: _SHOWN_CHARACTERS - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else "?" for character in cut)


def kind_of(value: Any) -> str:
    """Say what was sent without quoting it: it may be personal, or a secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"a string of {len(value)} character{'' if len(value) == 1 else 's'}"
        case Mapping():
            return "an object"
        case _:
            return f"a list of {len(value)}"


def shown_notes(notes: Iterable[str]) -> list[str]:
    """Return each note once, and no more than a person reads: a client can make any number."""
    once = list(dict.fromkeys(notes))
    if len(once) <= _SHOWN_NOTES:
        return once
    return [*once[:_SHOWN_NOTES], f"and {len(once) - _SHOWN_NOTES} more"]
