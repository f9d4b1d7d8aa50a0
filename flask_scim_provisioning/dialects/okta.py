"""Okta, with its two kinds of app.

An app made with the App Integration Wizard reads a resource, overlays what it wants to change and
PUTs the whole back; an app of the catalog sends PATCH, mostly without a path.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from . import operations, values
from .base import Dialect
from .notes import Notes, leave
from .values import member_of


def without_placeholder_password(body: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Leave out the ``password`` of a new user.

    Source: Okta sends one on each create, random, also with password sync off, and calls it a
    placeholder without meaning. In a PUT or PATCH there is one only with password sync on, and that
    one is meant.
    """
    kept = {name: item for name, item in body.items() if name.lower() != "password"}
    if len(kept) != len(body):
        leave(notes, "placeholder in the place of a password ignored")
    return kept


def without_stale_formatted_name(body: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Leave out ``name.formatted`` where the parts of the name are there.

    Source: in Okta's profile PUT the old ``formatted`` of the service's own answer comes back next
    to the new ``givenName`` and ``familyName``.
    """
    key = next((name for name in body if name.lower() == "name"), None)
    name = body[key] if key is not None else None
    if key is None or not isinstance(name, Mapping) or member_of(name, "formatted") is None:
        return body
    parts = [member_of(name, "givenName"), member_of(name, "familyName")]
    if not any(parts):
        return body
    given = " ".join(part for part in parts if isinstance(part, str))
    if member_of(name, "formatted") != given:
        leave(notes, "name.formatted ignored in favour of the parts of the name")
    kept = {inner: item for inner, item in name.items() if inner.lower() != "formatted"}
    return {**body, key: kept}


class Okta(Dialect):
    """What Okta's wizard apps and catalog apps send."""

    name: ClassVar[str] = "okta"
    title: ClassVar[str] = "Okta"
    mapping_page: ClassVar[str] = "in Okta: Provisioning, To App, Attribute Mappings"

    # What Okta has no mapping for, it can't preserve in a PUT; a group push can overtake the
    # creation of its members, and a PATCH that is refused for one of them isn't repeated.
    create_missing: ClassVar[bool] = True
    lenient: ClassVar[bool] = True
    put_keeps_absent: ClassVar[bool] = True
    # Okta's reference answers members with their names.
    requested = ("members.display",)
    skip_unknown_members: ClassVar[bool] = True

    whole_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.WHOLE,
        values.elements_without_value_dropped,
    )
    leaf_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.LEAF,
        values.nothing_from_empty_string,
    )
    body_rewrites: ClassVar[tuple[operations.BodyRewrite, ...]] = (
        operations.without_service_made_attributes,
        without_stale_formatted_name,
    )
    placeholder_rewrites: ClassVar[tuple[operations.BodyRewrite, ...]] = (
        without_placeholder_password,
    )
    pathless_rewrites: ClassVar[tuple[operations.BodyRewrite, ...]] = (
        *Dialect.pathless_rewrites,
        without_stale_formatted_name,
    )
