"""The bodies Okta sends, as pure functions; section numbers are those of the wire reference."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from .paths import CORE_GROUP, CORE_USER, ENTERPRISE, PATCH_OP
from .people import Group, Person

PRIMARY_EMAIL = "emails[primary eq true].value"


class App(StrEnum):
    """The two kinds of app, which differ on the wire (1.1)."""

    WIZARD = "wizard"
    CATALOGUE = "catalogue"


def mapped_wizard(person: Person) -> dict[str, str | bool | None]:
    """A wizard app whose unused mappings were deleted (3.3, second body)."""
    return {
        "userName": person.user_name,
        "name.givenName": person.given_name,
        "name.familyName": person.family_name,
        PRIMARY_EMAIL: person.email,
        "title": person.title,
        "externalId": person.okta_id,
        "active": person.active,
        f"{ENTERPRISE}:department": person.department,
    }


def mapped_catalogue(person: Person) -> dict[str, str | bool | None]:
    """A catalogue app with the default mapping (section 4), as far as it has values."""
    return mapped_wizard(person) | {
        "displayName": person.display_name,
        "locale": person.locale,
        'emails[type eq "work"].value': person.email,
        "phoneNumbers[primary eq true].value": person.phone,
        "addresses[primary eq true].streetAddress": person.street,
        "addresses[primary eq true].locality": person.city,
        "addresses[primary eq true].region": person.region,
        "addresses[primary eq true].postalCode": person.postal_code,
        "addresses[primary eq true].country": person.country,
        f"{ENTERPRISE}:employeeNumber": person.employee_number,
        # Okta maps a text of its profile (section 4), which is no id of the server.
        f"{ENTERPRISE}:manager.value": person.manager.employee_number if person.manager else None,
    }


def profile(person: Person, app: App) -> dict[str, Any]:
    """The mapped attributes of one person; ``active`` is never among them (2.1)."""
    email: dict[str, Any] = {"primary": True, "value": person.email}
    enterprise: dict[str, Any] = {"department": person.department}
    mapped: dict[str, Any] = {
        "userName": person.user_name,
        "name": {"givenName": person.given_name, "familyName": person.family_name},
        "emails": [email],
        "title": person.title,
        "externalId": person.okta_id,
        ENTERPRISE: enterprise,
    }
    if app is App.CATALOGUE:
        email["type"] = "work"
        enterprise["employeeNumber"] = person.employee_number
        if person.manager is not None:
            enterprise["manager"] = {
                "value": person.manager.employee_number,
                "displayName": person.manager.display_name,
            }
        mapped |= {
            "displayName": person.display_name,
            "locale": person.locale,
            "phoneNumbers": [{"primary": True, "value": person.phone, "type": "work"}],
            "addresses": [
                {
                    "primary": True,
                    "type": "work",
                    "streetAddress": person.street,
                    "locality": person.city,
                    "region": person.region,
                    "postalCode": person.postal_code,
                    "country": person.country,
                }
            ],
        }
    return mapped


def new_user(person: Person, app: App, password: str) -> dict[str, Any]:
    """POST of a user (3.3): always with a random password, ``groups`` and ``active``."""
    return {
        "schemas": [CORE_USER, ENTERPRISE],
        **profile(person, app),
        "groups": [],
        "password": password,
        "active": True,
    }


def merged(resource: Mapping[str, Any], person: Person, app: App) -> dict[str, Any]:
    """PUT of a profile (3.5): the server's own resource with Okta's values laid over it (2.4).

    Read-only fields, and a ``name.formatted`` that has become stale, go back with it.
    """
    body: dict[str, Any] = copy.deepcopy(dict(resource))
    for name, value in profile(person, app).items():
        if name in ("name", ENTERPRISE):
            inner = body.get(name)
            body[name] = {**(inner if isinstance(inner, Mapping) else {}), **value}
        else:
            body[name] = value
    schemas = list(body.get("schemas") or [CORE_USER])
    body["schemas"] = schemas if ENTERPRISE in schemas else [*schemas, ENTERPRISE]
    body["groups"] = []
    return body


def with_active(resource: Mapping[str, Any], active: bool) -> dict[str, Any]:
    """PUT that (de)activates in a wizard app (3.7): the server's resource, ``active`` changed."""
    return {**copy.deepcopy(dict(resource)), "active": active}


def patch_active(active: bool) -> dict[str, Any]:
    """PATCH that (de)activates in a catalogue app (3.7)."""
    return patch({"op": "replace", "value": {"active": active}})


def patch_profile(person: Person, scim_id: str) -> dict[str, Any]:
    """PATCH of a profile in a catalogue app (3.6), with the keys that are no change."""
    values = profile(person, App.CATALOGUE)
    extras = {"id": scim_id, "schemas": [CORE_USER], "meta": {"resourceType": "User"}}
    return patch({"op": "replace", "value": {**extras, **values}})


def patch_email(person: Person) -> dict[str, Any]:
    """PATCH of the primary e-mail by a boolean filter (3.6)."""
    return patch({"op": "replace", "path": PRIMARY_EMAIL, "value": person.email})


def patch_password(password: str) -> dict[str, Any]:
    """PATCH of a synchronised password (3.8)."""
    return patch({"op": "replace", "value": {"password": password}})


def new_group(group: Group, members: Sequence[Person]) -> dict[str, Any]:
    """POST of a group (3.10); a group of Okta has no ``externalId``."""
    return {
        "schemas": [CORE_GROUP],
        "displayName": group.display_name,
        "members": member_values(members),
    }


def put_group(group: Group) -> dict[str, Any]:
    """PUT of a whole group (3.11)."""
    return {
        "schemas": [CORE_GROUP],
        "id": group.scim_id,
        "displayName": group.display_name,
        "members": member_values(group.members),
    }


def patch_name(group: Group) -> dict[str, Any]:
    """PATCH of a group's name, sent with every membership update too (3.12)."""
    value = {"id": group.scim_id, "displayName": group.display_name}
    return patch({"op": "replace", "value": value})


def patch_members(removed: Sequence[Person], added: Sequence[Person]) -> dict[str, Any]:
    """PATCH of memberships (3.12): one remove for each, then one add."""
    operations: list[dict[str, Any]] = [
        {"op": "remove", "path": f'members[value eq "{person.scim_id}"]'} for person in removed
    ]
    if added:
        operations.append({"op": "add", "path": "members", "value": member_values(added)})
    return patch(*operations)


def push_members(members: Sequence[Person], *, with_path: bool = True) -> dict[str, Any]:
    """PATCH of the whole list, "Push now" (3.12); without a path as reported from the field."""
    values = member_values(members)
    if with_path:
        return patch({"op": "replace", "path": "members", "value": values})
    return patch({"op": "replace", "value": {"members": values}})


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """The envelope of a PATCH."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def member_values(members: Sequence[Person]) -> list[dict[str, str]]:
    """Members the server knows: ``value`` its id, ``display`` the sign-in name (3.10)."""
    return [
        {"value": person.scim_id, "display": person.user_name}
        for person in members
        if person.scim_id is not None
    ]
