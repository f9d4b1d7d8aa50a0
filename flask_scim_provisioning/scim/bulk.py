"""Bulk messages (RFC 7644 section 3.7): many operations in one request, that may name each other.

A ``bulkId`` names a resource before it has an id. Whatever refers to one waits until it is made; of
resources that refer to each other one is made without the reference, which is added afterwards.
"""

from __future__ import annotations

import functools
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import EndpointNotFound, InvalidSyntax, InvalidValue, PayloadTooLarge, ScimError
from .messages import read_members, read_message
from .urns import BULK_REQUEST, BULK_RESPONSE, PATCH_OP
from .versions import etag

__all__ = [
    "BulkOperation",
    "BulkRequest",
    "BulkResult",
    "Step",
    "bulk_response",
    "postpone",
    "read_bulk",
    "references",
    "resolve",
    "schedule",
]

METHODS = ("POST", "PUT", "PATCH", "DELETE")

# RFC 7644 section 3.7.2: "bulkId:" and the id, where the id of a resource would stand.
_REFERENCE = re.compile(r"bulkId:(?P<id>.+)", re.IGNORECASE | re.DOTALL)
_IN_PATH = re.compile(r'(?<=")bulkId:(?P<id>[^"]+)(?=")', re.IGNORECASE)
# Members and managers are also sent as plain ids.
_PLACES = frozenset({"value", "manager", "members"})
_PLACES_IN_PATHS = (".value", ".manager", ":manager", ":members")


@dataclass(frozen=True)
class BulkOperation:
    """One operation of a bulk request.

    :ivar number: 1-based, for messages.
    :ivar endpoint: the first segment of its path, such as ``Users``.
    :ivar resource_id: the second; an id, or a reference to a ``bulkId``.
    :ivar version: the entity tag that the resource must have.
    :ivar fault: why it can't be carried out at all.
    """

    number: int
    method: str | None = None
    endpoint: str = ""
    resource_id: str | None = None
    bulk_id: str | None = None
    version: str | None = None
    data: Any = field(default=None, repr=False)
    fault: ScimError | None = None

    @functools.cached_property
    def references(self) -> frozenset[str]:
        """The ``bulkId`` of each resource that it refers to."""
        named = references(self.data)
        own = _REFERENCE.fullmatch(self.resource_id or "")
        return named | {own["id"]} if own else named


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A bulk request.

    :ivar fail_on_errors: after how many errors the rest isn't carried out; None for never.
    """

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int | None = None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one operation.

    :ivar location: of the resource; None where none was created.
    """

    operation: BulkOperation
    status: int
    location: str | None = None
    version: int | None = None
    error: ScimError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the operation of the response (RFC 7644 section 3.7, figures 9 to 13)."""
        body: dict[str, Any] = {}
        if self.operation.method is not None:
            body["method"] = self.operation.method
        if self.operation.bulk_id is not None:
            body["bulkId"] = self.operation.bulk_id
        if self.version is not None:
            body["version"] = etag(self.version)
        if self.location is not None:
            body["location"] = self.location
        body["status"] = str(self.status)
        if self.error is not None:
            body["response"] = self.error.as_json()
        return body


@dataclass(frozen=True, slots=True)
class Step:
    """When an operation is carried out, and which references have to wait until all are."""

    operation: BulkOperation
    postponed: frozenset[str] = frozenset()


def read_bulk(body: Any, max_operations: int) -> BulkRequest:
    """Return the operations of a bulk request; what is wrong with one of them is its fault.

    :raises InvalidSyntax: when the body isn't a bulk request.
    :raises InvalidValue: when ``failOnErrors`` is no number from 1 on.
    :raises PayloadTooLarge: when it has too many operations (RFC 7644 section 3.7.4).
    """
    given = read_message(body, BULK_REQUEST)
    raw = given.get("operations")
    if not isinstance(raw, list):
        raise InvalidSyntax("A bulk request has a list of Operations; send one.")
    if len(raw) > max_operations:
        raise PayloadTooLarge(
            f"The request has {len(raw)} operations, and maxOperations is {max_operations}; send "
            "them in several requests."
        )
    limit = given.get("failonerrors")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidValue("failOnErrors is a whole number from 1 on; send one, or leave it out.")
    taken: set[str] = set()
    return BulkRequest(
        tuple(_operation(number, each, taken) for number, each in enumerate(raw, 1)), limit
    )


def _operation(number: int, raw: Any, taken: set[str]) -> BulkOperation:
    try:
        given = read_members(raw) if isinstance(raw, dict) else None
    except InvalidSyntax as error:
        return BulkOperation(number, fault=error)
    if given is None:
        return BulkOperation(number, fault=InvalidSyntax("An operation is an object; send one."))
    method, bulk_id, version = (given.get(name) for name in ("method", "bulkid", "version"))
    operation = BulkOperation(
        number,
        method.upper() if isinstance(method, str) else None,
        *_split(given.get("path")),
        bulk_id if isinstance(bulk_id, str) else None,
        version if isinstance(version, str) else None,
        given.get("data"),
    )
    fault = _fault(operation, given, taken)
    if operation.bulk_id is not None:
        taken.add(operation.bulk_id)
    if fault is None:
        return operation
    return BulkOperation(number, operation.method, bulk_id=operation.bulk_id, fault=fault)


def _split(path: Any) -> tuple[str, str | None]:
    if not isinstance(path, str):
        return "", None
    segments = [segment for segment in path.partition("?")[0].split("/") if segment]
    if len(segments) > 2:
        return "/".join(segments), None
    return (segments[0] if segments else ""), (segments[1] if len(segments) == 2 else None)


def _fault(operation: BulkOperation, given: Mapping[str, Any], taken: set[str]) -> ScimError | None:
    if operation.method not in METHODS:
        return InvalidSyntax("method is POST, PUT, PATCH or DELETE; send one of them.")
    if not isinstance(given.get("path"), str):
        return InvalidSyntax('path is a string such as "/Users"; send one.')
    for name in ("bulkId", "version"):
        if not isinstance(given.get(name.lower()), str | None):
            return InvalidSyntax(f"{name} is a string; send it in quotation marks.")
    if operation.endpoint.lower() == "bulk":
        return InvalidValue("A bulk request can't hold another; send its operations here.")
    if operation.method == "POST" and not operation.bulk_id:
        return InvalidValue("A POST has a bulkId, by which its answer is known; send one.")
    if operation.bulk_id in taken:
        return InvalidValue("The bulkId names an earlier operation already; send another one.")
    if (operation.method == "POST") is (operation.resource_id is not None):
        return EndpointNotFound(
            "A POST goes to an endpoint such as /Users, and the other methods to a resource below."
        )
    if operation.method != "DELETE" and not isinstance(operation.data, dict):
        return InvalidSyntax("data is the body of the request, an object; send one.")
    return None


def _found(value: Any, name: str = "") -> Iterator[str]:
    """Yield every string that is an id or a path, at any depth.

    :param name: what the value is called; the values of a list are called alike.
    """
    match value:
        case str() if ":" in value and (_is_place(name) or _is_path(name)):
            yield value
        case dict():
            for inner, item in value.items():
                yield from _found(item, inner)
        case list():
            for item in value:
                yield from _found(item, name)


def _is_place(name: str) -> bool:
    lowered = name.lower()
    return lowered in _PLACES or lowered.endswith(_PLACES_IN_PATHS)


def _is_path(name: str) -> bool:
    return name.lower() == "path"


def references(data: Any) -> frozenset[str]:
    """Return the ``bulkId`` of each resource that a body refers to.

    A reference stands where an id does: as a value, or in the filter of a PATCH path.
    """
    named: set[str] = set()
    for text in _found(data):
        whole = _REFERENCE.fullmatch(text)
        if whole:
            named.add(whole["id"])
        else:
            named.update(found["id"] for found in _IN_PATH.finditer(text))
    return frozenset(named)


def resolve(data: Any, ids: Mapping[str, str], name: str = "") -> Any:
    """Return a body whose references are ids.

    :param ids: by ``bulkId``; a reference that has none stays.
    :param name: what the value is called, if it is called anything.
    """
    match data:
        case str() if _is_place(name) or _is_path(name):
            return _resolved(data, ids)
        case dict():
            return {inner: resolve(item, ids, inner) for inner, item in data.items()}
        case list():
            return [resolve(item, ids, name) for item in data]
        case _:
            return data


def _resolved(text: str, ids: Mapping[str, str]) -> str:
    whole = _REFERENCE.fullmatch(text)
    if whole:
        return ids.get(whole["id"], text)
    return _IN_PATH.sub(lambda found: ids.get(found["id"], found[0]), text)


def postpone(
    data: Mapping[str, Any], waiting: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a resource that refers to others that can't exist yet.

    :returns: what can be created, and the PATCH that adds the rest.
    """
    now, later = _parted(data, waiting)
    return now, {"schemas": [PATCH_OP], "Operations": [{"op": "add", "value": later}]}


def _parted(
    data: Mapping[str, Any], waiting: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    now: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for name, item in data.items():
        if not references({name: item}) & waiting:
            now[name] = item
        elif isinstance(item, list):
            now[name] = [each for each in item if not references({name: each}) & waiting]
            later[name] = [each for each in item if references({name: each}) & waiting]
        elif ":" in name and isinstance(item, dict):
            now[name], later[name] = _parted(item, waiting)
        else:
            later[name] = item
    return now, later


def schedule(operations: Sequence[BulkOperation]) -> list[Step]:
    """Return the order in which operations can be carried out: as sent, but creation before use.

    RFC 7644 section 3.7.1: circular references are resolved too.
    """
    creators: dict[str, int] = {}
    for index, operation in enumerate(operations):
        if operation.method == "POST" and operation.bulk_id and operation.fault is None:
            creators.setdefault(operation.bulk_id, index)
    awaited = [
        {creators[name]: name for name in operation.references if name in creators}
        for operation in operations
    ]
    users: dict[int, list[int]] = {}
    for index, needs in enumerate(awaited):
        for creator in needs:
            users.setdefault(creator, []).append(index)
    ready = [index for index, needs in enumerate(awaited) if not needs]
    circular = iter([index for index, needs in enumerate(awaited) if needs])
    done: set[int] = set()
    steps: list[Step] = []
    while len(done) < len(operations):
        postponed: frozenset[str] = frozenset()
        if ready:
            index = heapq.heappop(ready)
        else:
            # Only creations are waited for, so that every circle has one.
            index = next(
                each for each in circular if each not in done and operations[each].method == "POST"
            )
            postponed = frozenset(awaited[index].values())
        done.add(index)
        steps.append(Step(operations[index], postponed))
        for user in users.get(index, ()):
            awaited[user].pop(index, None)
            if not awaited[user] and user not in done:
                heapq.heappush(ready, user)
    return steps


def bulk_response(results: Iterable[BulkResult]) -> dict[str, Any]:
    """Return the message that answers a bulk request, in the order of its operations."""
    ordered = sorted(results, key=lambda result: result.operation.number)
    return {"schemas": [BULK_RESPONSE], "Operations": [result.as_json() for result in ordered]}
