"""The bodies Entra sends, as pure functions; P numbers are those of the wire reference.

Two dialects exist: the default one, and the one the Tenant URL's flag ``aadOptscim062020`` selects.
On-demand runs ignore the flag, so that one tenant sends both to one server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from .paths import CORE_GROUP, CORE_USER, ENTERPRISE, PATCH_OP, read
from .people import Group, Person

Operation = dict[str, Any]
MANAGER = f"{ENTERPRISE}:manager"
WORK_EMAIL = 'emails[type eq "work"].value'
MOBILE = 'phoneNumbers[type eq "mobile"].value'
_OLD_GROUP_SCHEMA = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


class Dialect(StrEnum):
    """Which form of PATCH is sent."""

    DEFAULT = "default"
    FLAG = "flag"


def mapped(person: Person) -> dict[str, str | bool | None]:
    """Entra's default attribute mapping (section 4), without the manager, a reference.

    ``objectId`` feeds ``externalId``, as vendors advise, for ``mailNickname`` changes on rename.
    """
    return {
        "userName": person.user_name,
        "active": person.active,
        "displayName": person.display_name,
        "title": person.title,
        WORK_EMAIL: person.email,
        "preferredLanguage": person.locale,
        "name.givenName": person.given_name,
        "name.familyName": person.family_name,
        "name.formatted": f"{person.given_name} {person.family_name}",
        'addresses[type eq "work"].formatted': person.office,
        'addresses[type eq "work"].streetAddress': person.street,
        'addresses[type eq "work"].locality': person.city,
        'addresses[type eq "work"].region': person.region,
        'addresses[type eq "work"].postalCode': person.postal_code,
        'addresses[type eq "work"].country': person.country,
        'phoneNumbers[type eq "work"].value': person.phone,
        MOBILE: person.mobile,
        'phoneNumbers[type eq "fax"].value': person.fax,
        "externalId": person.key,
        f"{ENTERPRISE}:employeeNumber": person.employee_number,
        f"{ENTERPRISE}:department": person.department,
    }


def new_user(person: Person, *, manager: str | None = None, texts: bool = False) -> dict[str, Any]:
    """POST of a user (P2b); what is null in Entra is left out.

    :param manager: the server's id of the manager when it is known already: a bare string (P4).
    :param texts: booleans as strings (P5).
    """
    true: Any = "True" if texts else True
    phones = [{"primary": true, "type": "work", "value": person.phone}]
    if person.mobile is not None:
        phones.append({"type": "mobile", "value": person.mobile})
    if person.fax is not None:
        phones.append({"type": "fax", "value": person.fax})
    enterprise = {"employeeNumber": person.employee_number, "department": person.department}
    if manager is not None:
        enterprise["manager"] = manager
    user = {
        "schemas": [CORE_USER, ENTERPRISE],
        "externalId": person.key,
        "userName": person.user_name,
        "active": str(person.active) if texts else person.active,
        "displayName": person.display_name,
        "title": person.title,
        "preferredLanguage": person.locale,
        "emails": [{"primary": true, "type": "work", "value": person.email}],
        "name": {
            "formatted": f"{person.given_name} {person.family_name}",
            "familyName": person.family_name,
            "givenName": person.given_name,
        },
        "addresses": [
            {
                "primary": true,
                "type": "work",
                "formatted": person.office,
                "streetAddress": person.street,
                "locality": person.city,
                "region": person.region,
                "postalCode": person.postal_code,
                "country": person.country,
            }
        ],
        "phoneNumbers": phones,
        "meta": {"resourceType": "User"},
        "roles": [],
        ENTERPRISE: enterprise,
    }
    return {name: value for name, value in user.items() if value is not None}


def new_group(group: Group, *, old_sample: bool = False) -> dict[str, Any]:
    """POST of a group: as logged (P41), or as in the page's sample (P40). Members follow later."""
    body: dict[str, Any] = {"schemas": [CORE_GROUP]}
    if old_sample:
        body["schemas"].append(_OLD_GROUP_SCHEMA)
    body |= {"externalId": group.key, "displayName": group.display_name}
    if not old_sample:
        body["members"] = []
    return body | {"meta": {"resourceType": "Group"}}


def patch(operations: Sequence[Operation]) -> dict[str, Any]:
    """The envelope of a PATCH."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def changes(
    resource: Mapping[str, Any], wanted: Mapping[str, str | bool | None]
) -> list[tuple[str, str, str | bool]]:
    """What differs between the server's resource and the mapping: (add or replace, path, value).

    Only different values are sent. A null in Entra is not sent at all (section 3.3, P18).
    """
    found = [(path, read(resource, path), value) for path, value in wanted.items()]
    return [
        ("add" if now is None else "replace", path, value)
        for path, now, value in found
        if value is not None and (now != value or type(now) is not type(value))
    ]


def update(
    differences: Sequence[tuple[str, str, str | bool]], dialect: Dialect
) -> dict[str, Any] | None:
    """PATCH of several attributes (P10, P12, P13 by default; P21, P22 under the flag).

    :return: None when there is nothing to send.
    """
    if not differences:
        return None
    if dialect is Dialect.DEFAULT:
        return patch(
            [
                {"op": op.capitalize(), "path": path, "value": _text(value)}
                for op, path, value in differences
            ]
        )
    filtered = [
        {"op": op, "path": path, "value": value} for op, path, value in differences if "[" in path
    ]
    merged: list[Operation] = []
    for wanted in ("add", "replace"):
        values = {path: v for op, path, v in differences if op == wanted and "[" not in path}
        if len(values) == 1 and "active" in values:
            merged.append({"op": wanted, "path": "active", "value": values["active"]})
        elif values:
            merged.append({"op": wanted, "value": values})
    return patch(filtered + merged)


def set_active(active: bool, dialect: Dialect) -> dict[str, Any]:
    """PATCH that disables or restores (P11 with string booleans; P20 under the flag)."""
    if dialect is Dialect.DEFAULT:
        return patch([{"op": "Replace", "path": "active", "value": str(active)}])
    return patch([{"op": "replace", "path": "active", "value": active}])


def set_manager(manager: str, dialect: Dialect, *, replace: bool = False) -> dict[str, Any]:
    """PATCH of the manager as a bare string (P30, P30b)."""
    op = "replace" if replace else "add"
    if dialect is Dialect.DEFAULT:
        op = op.capitalize()
    return patch([{"op": op, "path": MANAGER, "value": manager}])


def clear_manager(dialect: Dialect, current: str, number: int) -> dict[str, Any]:
    """PATCH that removes the manager, in the four forms met (P33), chosen by ``number``."""
    forms: tuple[Operation, ...] = (
        {"op": "Remove", "path": MANAGER},
        {"op": "Replace", "path": MANAGER, "value": ""},
        {"op": "Replace", "path": MANAGER, "value": {"value": ""}},
        {"op": "Remove", "path": f'manager[value eq "{current}"]'},
    )
    operation = dict(forms[number % len(forms)])
    if dialect is Dialect.FLAG:
        operation["op"] = operation["op"].lower()
    return patch([operation])


def clear_values(paths: Sequence[str], dialect: Dialect, number: int) -> dict[str, Any]:
    """PATCH that clears attributes: an empty string, null, or a Remove (P18)."""
    operation: Operation
    operations = []
    for path in paths:
        match number % 3:
            case 0:
                operation = {"op": "Replace", "path": path, "value": ""}
            case 1:
                operation = {"op": "Replace", "path": path, "value": None}
            case _:
                operation = {"op": "Remove", "path": path}
        if dialect is Dialect.FLAG:
            operation["op"] = operation["op"].lower()
        operations.append(operation)
    return patch(operations)


def rename_group(name: str, dialect: Dialect) -> dict[str, Any]:
    """PATCH of a group's name (P42, both forms)."""
    if dialect is Dialect.DEFAULT:
        return patch([{"op": "Replace", "path": "displayName", "value": name}])
    return patch([{"op": "replace", "value": {"displayName": name}}])


def add_members(ids: Sequence[str], dialect: Dialect, *, refs: bool = False) -> dict[str, Any]:
    """PATCH that adds members (P43); ``refs`` as in the page's sample, with ``$ref: null``."""
    op = "Add" if dialect is Dialect.DEFAULT else "add"
    return patch([{"op": op, "path": "members", "value": _members(ids, refs)}])


def remove_members(ids: Sequence[str], dialect: Dialect) -> dict[str, Any]:
    """PATCH that removes members: a value array without a filter (P44), or filters (P45)."""
    if dialect is Dialect.DEFAULT:
        return patch([{"op": "Remove", "path": "members", "value": _members(ids, refs=True)}])
    return patch([{"op": "remove", "path": f'members[value eq "{member}"]'} for member in ids])


def _members(ids: Sequence[str], refs: bool) -> list[dict[str, Any]]:
    return [({"$ref": None} if refs else {}) | {"value": member} for member in ids]


def _text(value: str | bool) -> str:
    return str(value)
