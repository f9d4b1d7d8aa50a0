"""What an answer must look like, as pure functions from an answer to its problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .paths import CORE_GROUP, CORE_USER, ENTERPRISE, ERROR, LIST_RESPONSE
from .report import Kind

Problem = tuple[Kind, str]
_NEVER_RETURNED = frozenset({"password", "clientsecret", "client_secret", "secrettoken"})
_ENDPOINTS = {"User": "Users", "Group": "Groups"}


def media_type_problems(content_type: str | None) -> Iterator[Problem]:
    """RFC 7644 section 3.1: bodies are ``application/scim+json``; Entra demands it (5.1, 3)."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/scim+json":
        yield Kind.CONTENT_TYPE, f"expected application/scim+json, got {content_type or 'none'}"


def error_problems(status: int, body: Any) -> Iterator[Problem]:
    """RFC 7644 section 3.12: the error schema, and ``status`` as a string like the answer's."""
    if not isinstance(body, Mapping) or ERROR not in (body.get("schemas") or ()):
        yield Kind.ERROR_BODY, f"the {status} carries no SCIM error body"
    elif body.get("status") != str(status):
        yield Kind.ERROR_BODY, f"its status should be {str(status)!r}, got {body.get('status')!r}"


def sensitive_problems(body: Any, token: str) -> Iterator[Problem]:
    """No answer may hold a password or the caller's own token."""
    for key, value in _walk(body):
        if key.lower() in _NEVER_RETURNED:
            yield Kind.SENSITIVE, f"the answer holds {key!r}"
        elif token and isinstance(value, str) and token in value:
            yield Kind.SENSITIVE, f"the answer holds the token, in {key!r}"


def list_problems(body: Any, start_index: int, count: int | None) -> Iterator[Problem]:
    """RFC 7644 section 3.4.2: schemas, three integers, and ``Resources`` an array."""
    if not isinstance(body, Mapping):
        yield Kind.LIST, "no ListResponse"
        return
    if LIST_RESPONSE not in (body.get("schemas") or ()):
        yield Kind.LIST, "schemas does not name ListResponse"
    resources = body.get("Resources")
    if not isinstance(resources, list):
        yield Kind.LIST, f"Resources is no array: {type(resources).__name__}"
        resources = []
    for name in ("totalResults", "startIndex", "itemsPerPage"):
        value = body.get(name)
        required = name in body or name == "totalResults"
        if required and (not isinstance(value, int) or isinstance(value, bool)):
            yield Kind.LIST, f"{name} is no integer: {value!r}"
    if body.get("startIndex", start_index) != start_index:
        yield Kind.LIST, f"startIndex should be {start_index}, got {body.get('startIndex')!r}"
    if body.get("itemsPerPage", len(resources)) != len(resources):
        yield Kind.LIST, f"itemsPerPage is {body['itemsPerPage']!r} for {len(resources)} resources"
    total = body.get("totalResults")
    if isinstance(total, int) and total < len(resources):
        yield Kind.LIST, f"totalResults is {total} for {len(resources)} resources"
    if count is not None and len(resources) > count:
        yield Kind.LIST, f"asked for {count} resources, got {len(resources)}"


def resource_problems(body: Any, resource_type: str, expected_id: str | None) -> Iterator[Problem]:
    """``schemas``, a string ``id`` that stays, and RFC types of what both providers rely on."""
    if not isinstance(body, Mapping):
        yield Kind.BODY, f"no {resource_type} resource but {type(body).__name__}"
        return
    found = body.get("id")
    if not isinstance(found, str) or not found:
        yield Kind.MISSING_ID, f"id should be a string, got {found!r}"
    elif expected_id is not None and found != expected_id:
        yield Kind.MISSING_ID, f"id should stay {expected_id!r}, got {found!r}"
    schemas = body.get("schemas")
    core = CORE_USER if resource_type == "User" else CORE_GROUP
    if not isinstance(schemas, Sequence) or core not in schemas:
        yield Kind.BODY, f"schemas does not name {core}"
    elif ENTERPRISE in body and ENTERPRISE not in schemas:
        yield Kind.BODY, "enterprise attributes, but schemas does not name their URN"
    yield from _meta_problems(body.get("meta"), resource_type, found)
    if resource_type == "User":
        yield from _user_problems(body)


def _meta_problems(meta: Any, resource_type: str, found_id: Any) -> Iterator[Problem]:
    if not isinstance(meta, Mapping):
        return
    if meta.get("resourceType", resource_type) != resource_type:
        yield Kind.BODY, f"meta.resourceType should be {resource_type}"
    location = meta.get("location")
    if location is None:
        return
    parts = urlsplit(str(location))
    if not parts.scheme or not parts.path.endswith(f"/{_ENDPOINTS[resource_type]}/{found_id}"):
        yield Kind.BODY, f"meta.location is not this resource's absolute address: {location!r}"


def _user_problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(body.get("userName"), str):
        yield Kind.BODY, "userName should be a string"
    if "active" in body and not isinstance(body["active"], bool):
        yield Kind.READ_BACK, f"active should be a boolean, got {body['active']!r}"
    for name in ("emails", "phoneNumbers", "addresses"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, list) or not all(isinstance(e, Mapping) for e in value):
            yield Kind.BODY, f"{name} should be an array of objects"
            continue
        if any(not isinstance(e.get("primary", False), bool) for e in value):
            yield Kind.READ_BACK, f"{name}.primary should be a boolean"
        if sum(e.get("primary") is True for e in value) > 1:
            yield Kind.BODY, f"{name} has more than one primary value"
    enterprise = body.get(ENTERPRISE)
    if isinstance(enterprise, Mapping) and "manager" in enterprise:
        manager = enterprise["manager"]
        if not isinstance(manager, Mapping) or not manager.get("value"):
            yield Kind.READ_BACK, f"manager should be an object with a value, got {manager!r}"


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name), None
            yield from _walk(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, key)
    else:
        yield key, value
