"""What the service does, once more in plain Python: a directory of users and groups.

It is slow, keeps everything in dictionaries and knows no database. What a PATCH and a filter mean
it asks ``scim.patch`` and ``scim.evaluate``; all that is kept, numbered and refused is said anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_scim_provisioning.scim import patch
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type
from flask_scim_provisioning.scim.errors import ScimError
from flask_scim_provisioning.scim.evaluate import matches
from flask_scim_provisioning.scim.filters import Or, parse_filter

__all__ = ["Answer", "ModelDirectory"]

USERS = user_resource_type()
GROUPS = group_resource_type()
ENTERPRISE = USERS.extensions[0].id
DEPARTMENT, MANAGER = f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager"
KEPT_BY_PUT = ("userName", "externalId", "active")


@dataclass
class Answer:
    """What is answered: a status, the kind of an error, a body, an entity tag."""

    status: int
    scim_type: str | None = None
    body: Any = None
    etag: str | None = None


class Refused(Exception):
    """An error and nothing else: nothing has changed."""

    def __init__(self, status: int, scim_type: str | None = None) -> None:
        super().__init__(status, scim_type)
        self.answer = Answer(status, scim_type)


@dataclass
class Entry:
    """A row of the host: its values by flat key, and what SCIM calls it.

    :ivar row: the place in the order of the host's rows.
    :ivar id: None where SCIM has deleted it and the host has kept it.
    :ivar manager: the row of the manager whom the host knows.
    """

    row: int
    id: str | None
    version: int = 1
    flat: dict[str, Any] = field(default_factory=dict)
    manager: int | None = None
    members: set[int] = field(default_factory=set)


class ModelDirectory:
    """A portal with users and groups, seen by one integration of the generic dialect."""

    def __init__(self) -> None:
        self.users: dict[int, Entry] = {}
        self.groups: dict[int, Entry] = {}
        self._rows = itertools.count(1)

    def named(self, kind: str, resource_id: str) -> Entry | None:
        """Return the resource with an id."""
        entries = self.users if kind == "Users" else self.groups
        return next((each for each in entries.values() if each.id == resource_id), None)

    def ids(self, kind: str) -> list[str]:
        """Return the ids that SCIM knows, in the order of the rows."""
        entries = self.users if kind == "Users" else self.groups
        return [each.id for each in entries.values() if each.id is not None]

    def flat(self, kind: str, entry: Entry) -> dict[str, Any]:
        """Return the resource as it is read."""
        flat = {key: value for key, value in entry.flat.items() if value is not None}
        flat["id"] = entry.id
        if kind == "Groups":
            flat["members"] = [{"value": self.users[row].id} for row in sorted(entry.members)]
        elif entry.manager is not None:
            flat.pop(MANAGER, None)
            if self.users[entry.manager].id is not None:
                flat[MANAGER] = {"value": self.users[entry.manager].id}
        return flat

    def body(self, kind: str, entry: Entry) -> dict[str, Any]:
        """Return the resource in JSON, without what depends on the clock and on URLs."""
        type_ = USERS if kind == "Users" else GROUPS
        body: dict[str, Any] = {"schemas": [type_.schema.id]}
        for key, value in self.flat(kind, entry).items():
            if key == "members":
                body[key] = [{**member, "type": "User"} for member in value]
            elif key.startswith(ENTERPRISE):
                body.setdefault(ENTERPRISE, {})[key.rpartition(":")[2]] = value
            else:
                body[key] = value
        if ENTERPRISE in body:
            body["schemas"].append(ENTERPRISE)
        body["meta"] = {"resourceType": type_.name, "version": f'W/"{entry.version}"'}
        return body

    def _answer(self, kind: str, entry: Entry, status: int = 200) -> Answer:
        if status == 204:
            return Answer(204, etag=f'W/"{entry.version}"')
        return Answer(status, None, self.body(kind, entry), f'W/"{entry.version}"')

    def _holder(self, kind: str, name: str) -> Entry | None:
        key = "userName" if kind == "Users" else "displayName"
        entries = self.users if kind == "Users" else self.groups
        lower = name.lower()
        return next((e for e in entries.values() if e.flat[key].lower() == lower), None)

    def _members(self, ids: Iterable[str]) -> set[int]:
        found = set()
        for each in ids:
            member = self.named("Users", each)
            if member is None:
                raise Refused(400, "invalidValue")
            found.add(member.row)
        return found

    def create(self, kind: str, flat: Mapping[str, Any], resource_id: str | None) -> Answer:
        """POST; the id is the one that the service has chosen."""
        key = "userName" if kind == "Users" else "displayName"
        name = flat.get(key)
        if not isinstance(name, str) or not name.strip():
            raise Refused(400, "invalidValue")
        holder = self._holder(kind, name)
        if holder is not None and holder.id is not None:
            raise Refused(409, "uniqueness")
        members = self._members(member["value"] for member in flat.get("members") or ())
        entry = holder or Entry(next(self._rows), None)
        entry.id, entry.version = resource_id, 1
        entry.members = members
        self._store(entry, {key: value for key, value in flat.items() if key != "members"})
        if kind == "Users" and flat.get("active") is None:
            entry.flat["active"] = True
        (self.users if kind == "Users" else self.groups)[entry.row] = entry
        return self._answer(kind, entry, 201)

    def _store(self, entry: Entry, values: Mapping[str, Any]) -> None:
        entry.flat.update(values)
        if MANAGER in values:
            known = self.named("Users", (values[MANAGER] or {}).get("value", ""))
            entry.manager = known.row if known is not None else None

    def read(self, kind: str, resource_id: str) -> Answer:
        """GET."""
        entry = self.named(kind, resource_id)
        if entry is None:
            raise Refused(404)
        return self._answer(kind, entry)

    def _found(self, kind: str, resource_id: str, if_match: str | None) -> Entry:
        entry = self.named(kind, resource_id)
        if entry is None:
            raise Refused(404)
        if if_match not in (None, "*", f'W/"{entry.version}"'):
            raise Refused(412)
        return entry

    def replace(
        self, kind: str, resource_id: str, flat: Mapping[str, Any], if_match: str | None
    ) -> Answer:
        """PUT: what isn't named is cleared, and members that aren't named stay.

        Whoever is neither active nor inactive stays what they are.
        """
        name = flat.get("userName" if kind == "Users" else "displayName")
        if not isinstance(name, str) or not name.strip():
            raise Refused(400, "invalidValue")
        entry = self._found(kind, resource_id, if_match)
        absent = [key for key in entry.flat if key not in KEPT_BY_PUT]
        values = {**dict.fromkeys(absent), **flat}
        if values.get("active") is None:
            values.pop("active", None)
        members = values.pop("members", ()) if "members" in flat else None
        self._save(kind, entry, values, None if members is None else [("replace", members or ())])
        return self._answer(kind, entry)

    def _save(
        self,
        kind: str,
        entry: Entry,
        values: Mapping[str, Any],
        changes: Sequence[tuple[str, Any]] | None,
    ) -> None:
        if "active" in values and values["active"] is None:
            raise Refused(400, "invalidValue")
        before = self.flat(kind, entry)
        changed = {k: v for k, v in values.items() if (before.get(k) or None) != (v or None)}
        if values.get("active") is False and before.get("active") is not False:
            changed["active"] = False
        name = changed.get("userName" if kind == "Users" else "displayName")
        holder = None if name is None else self._holder(kind, name)
        if holder is not None and holder is not entry:
            raise Refused(409, "uniqueness")
        members = set(entry.members)
        for op, ids in changes or ():
            if op == "remove":
                members -= {e.row for each in ids if (e := self.named("Users", each))}
                continue
            rows = self._members(member["value"] for member in ids)
            members = rows if op == "replace" else members | rows
        if changed or members != entry.members:
            entry.version += 1
        entry.members = members
        self._store(entry, changed)

    def modify(
        self,
        kind: str,
        resource_id: str,
        operations: Sequence[Mapping[str, Any]],
        if_match: str | None,
    ) -> Answer:
        """PATCH: all of it or nothing."""
        type_ = USERS if kind == "Users" else GROUPS
        plan = _planned(operations, type_)
        entry = self._found(kind, resource_id, if_match)
        own = [change for change in plan.changes if change.target.key != "members"]
        before = self.flat(kind, entry)
        try:
            after = patch.apply_changes(own, before)
        except ScimError as error:
            raise Refused(int(error.status), error.scim_type) from None
        touched = {change.target.key for change in own}
        self._save(
            kind,
            entry,
            {key: after.get(key) for key in touched},
            [_of_members(c) for c in plan.changes if c.target.key == "members"],
        )
        return self._answer(kind, entry, 200 if kind == "Users" else 204)

    def delete(self, kind: str, resource_id: str, if_match: str | None) -> Answer:
        """DELETE: the host keeps a user's row, and its own columns in it; a group is gone."""
        entry = self._found(kind, resource_id, if_match)
        if kind == "Groups":
            del self.groups[entry.row]
            return Answer(204)
        for group in self.groups.values():
            if entry.row in group.members:
                group.members.discard(entry.row)
                group.version += 1
        entry.id = None
        row = self.row(entry)
        entry.flat = {"userName": row["username"], "active": False}
        name = {"givenName": row["first_name"], "familyName": row["last_name"]}
        entry.flat["name"] = {part: text for part, text in name.items() if text} or None
        if row["email"] is not None:
            entry.flat["emails"] = [{"value": row["email"], "type": "work", "primary": True}]
        entry.flat[DEPARTMENT] = row["department"]
        return Answer(204)

    def search(
        self,
        kind: str,
        text: str | None,
        start: int,
        count: int,
        sort_by: str | None,
        descending: bool,
    ) -> Answer:
        """GET of all, filtered; in the order of the host's rows, or sorted by a text."""
        type_ = USERS if kind == "Users" else GROUPS
        entries = [
            each
            for _, each in sorted((self.users if kind == "Users" else self.groups).items())
            if each.id is not None
        ]
        if text is not None:
            node = parse_filter(text)
            entries = [each for each in entries if matches(node, self.flat(kind, each), type_)]
        if sort_by is not None:
            has = [e for e in entries if e.flat.get(sort_by) is not None]
            has.sort(key=lambda e: e.flat[sort_by].lower(), reverse=descending)
            without = [e for e in entries if e.flat.get(sort_by) is None]
            entries = without + has if descending else has + without
        page = entries[start - 1 :][:count]
        bodies = [self.body(kind, each) for each in page]
        return Answer(200, None, {"totalResults": len(entries), "Resources": bodies})

    def row(self, entry: Entry) -> dict[str, Any]:
        """Return what the host keeps of a user in columns of its own."""
        name = entry.flat.get("name") or {}
        return {
            "username": entry.flat["userName"],
            "first_name": name.get("givenName"),
            "last_name": name.get("familyName"),
            "email": _kept_email(entry.flat.get("emails") or ()),
            "is_active": entry.flat["active"],
            "department": entry.flat.get(DEPARTMENT),
            "manager": self.users[entry.manager].flat["userName"] if entry.manager else None,
        }


def _planned(operations: Sequence[Mapping[str, Any]], type_: Any) -> patch.Plan:
    given = [patch.Operation(o["op"], o.get("path"), o.get("value")) for o in operations]
    try:
        return patch.plan(given, type_)
    except ScimError as error:
        raise Refused(int(error.status), error.scim_type) from None


def _of_members(change: patch.Change) -> tuple[str, Any]:
    match change:
        case patch.Add(values=values):
            return "add", values
        case patch.Replace(values=values):
            return "replace", values
        case patch.Remove(filter=None):
            return "replace", ()
        case patch.Remove(filter=condition):
            terms: Any = condition.terms if isinstance(condition, Or) else (condition,)
            return "remove", [term.value for term in terms]
    raise Refused(400, "invalidValue")


def _kept_email(emails: Sequence[Mapping[str, Any]]) -> Any:
    usable = [each for each in emails if "value" in each]
    primary = [each for each in usable if each.get("primary") is True]
    work = [each for each in usable if each.get("type") == "work"]
    chosen = [*primary, *work, *usable]
    return chosen[0]["value"] if chosen else None
