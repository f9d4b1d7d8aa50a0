"""Rarer requests of Entra and of its validator: app roles (P34-P37) and members (P46-P48)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .entra_objects import EntraObjects
from .entra_payloads import Dialect, add_members, patch
from .people import Group, Person
from .report import Kind

_ROLE_TYPE = "WindowsAzureActiveDirectoryRole"
_ROLES = ("User", "Admin")


def one_role(value: str) -> dict[str, Any]:
    """PATCH of the primary role, with a boolean as a string in the filter (P34)."""
    parts = {"display": value.title(), "value": value, "type": _ROLE_TYPE}
    return patch(
        [
            {"op": "Add", "path": f'roles[primary eq "True"].{name}', "value": text}
            for name, text in parts.items()
        ]
    )


def assigned_roles(values: Sequence[str]) -> dict[str, Any]:
    """PATCH that adds roles as JSON inside a string (P35 for one, P36 for several)."""
    roles = [
        {"value": json.dumps({"id": f"{number:08x}", "value": value, "displayName": value})}
        for number, value in enumerate(values, start=1)
    ]
    return patch([{"op": "Add", "path": "roles", "value": roles}])


def asserted_roles(values: Sequence[str]) -> dict[str, Any]:
    """PATCH that replaces all roles (P37)."""
    roles = [
        {"primary": False, "type": _ROLE_TYPE, "display": value, "value": value} for value in values
    ]
    return patch([{"op": "replace", "path": "roles", "value": roles}])


def replace_members(ids: Sequence[str]) -> dict[str, Any]:
    """PATCH that replaces the members (P46)."""
    members = [{"value": member} for member in ids]
    return patch([{"op": "replace", "path": "members", "value": members}])


def add_and_remove(member: str) -> dict[str, Any]:
    """PATCH whose second operation takes back the first (P47)."""
    return patch(
        [
            {"op": "add", "path": "members", "value": [{"value": member}]},
            {"op": "remove", "path": f'members[value eq "{member}"]'},
        ]
    )


def scalar_member(member: str) -> dict[str, Any]:
    """PATCH that adds one member as a bare string (P48)."""
    return patch([{"op": "add", "path": "members", "value": member}])


class Variants:
    """The rarer requests, each read back.

    :param cycle: the job, whose directory holds the truth.
    """

    def __init__(self, cycle: EntraObjects, dialect: Dialect) -> None:
        self.cycle = cycle
        self.dialect = dialect

    def run(self) -> None:
        """Roles of a few people, then the members of a group that comes and goes."""
        people = [person for person in self.cycle.people if person.active][:2]
        with self.cycle.step("app roles"):
            self.cycle.each(people, self._roles)
        if people and self.cycle.directory.groups:
            with self.cycle.step("replace members, add and remove, bare string"):
                self._members(people)

    def _roles(self, person: Person) -> None:
        self.cycle.patch_user(person, one_role("admin"))
        self._check_roles(person, {"admin"}, primary=True)
        self.cycle.patch_user(person, assigned_roles(_ROLES[:1]))
        self.cycle.patch_user(person, assigned_roles(_ROLES))
        self.cycle.patch_user(person, asserted_roles(_ROLES))
        self._check_roles(person, set(_ROLES), primary=False)

    def _check_roles(self, person: Person, wanted: set[str], *, primary: bool) -> None:
        resource = self.cycle.readback.user(person)
        if "roles" not in resource and not self.cycle.readback.advertised.promises("roles"):
            self.cycle.report.note("The server keeps no roles, and its /Schemas does not list it.")
            return
        roles = [role for role in resource.get("roles") or () if isinstance(role, dict)]
        if primary:
            roles = [role for role in roles if role.get("primary") is True]
        found = {role.get("value") for role in roles}
        if found != wanted:
            detail = f"roles: wrote {sorted(wanted)}, read {sorted(map(str, found))}"
            request = f"GET /Users/{person.scim_id}"
            self.cycle.report.surprise(
                Kind.READ_BACK, detail, request=request, subject=person.user_name
            )

    def _members(self, people: Sequence[Person]) -> None:
        first, last = people[0], people[-1]
        group = self.cycle.directory.temporary_group(f"Variants {self.dialect}")
        self.cycle.provision_group(group)
        group.foreign = set()
        self._change(group, add_members([str(first.scim_id)], self.dialect), None)
        self._change(group, replace_members([str(last.scim_id)]), [last])
        self._change(group, add_and_remove(str(first.scim_id)), [last] if last != first else [])
        self._change(group, scalar_member(str(first.scim_id)), list({last, first}))
        self._change(group, replace_members([]), [])
        self.cycle.delete_group(group)

    def _change(self, group: Group, body: dict[str, Any], members: list[Person] | None) -> None:
        self.cycle.patch_group(group, body)
        if members is not None:
            group.members = members
            self.cycle.readback.group(group)
