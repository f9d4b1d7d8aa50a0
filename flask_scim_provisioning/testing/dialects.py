"""What Microsoft Entra ID and Okta send, which isn't what the RFCs have."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Flask

from .base import (
    ENTERPRISE,
    PortalChecks,
    expect,
    missing,
    only_where,
    same,
    writable_groups,
)
from .resources import Path, changes, quoted, shown

__all__ = ["Dialects"]


class Dialects(PortalChecks):
    """The requests of an identity provider's cycle, against this portal's own tables."""

    def test_entra_tests_the_connection(self, portal: Flask) -> None:
        """It asks for somebody who can't exist, and wants an empty list."""
        entra = self.connect(portal, "entra")
        self.create_user(entra, 1)
        for name in ("userName", "externalId"):
            same(self.found(entra, "/Users", f'{name} eq "{uuid.uuid4()}"'), [])
        if self.groups != "none":
            filter_ = f'displayName eq "{uuid.uuid4()}"'
            answer = self.read(entra, "/Groups", filter=filter_, excludedAttributes="members")
            same(answer["totalResults"], 0)

    def test_entra_finds_whom_it_created(self, portal: Flask) -> None:
        """By each attribute that Entra lets an administrator match with."""
        entra = self.connect(portal, "entra")
        user, _other = self.create_user(entra, 1), self.create_user(entra, 2)
        sent = self.new_user(1)
        filters = [f"userName eq {quoted(user['userName'])}"]
        filters.append(f"userName eq {quoted(user['userName'].upper())}")
        filters.append(f"externalId eq {quoted(sent['externalId'])}")
        for email in user.get("emails", ()):
            if email.get("type") == "work":
                filters.append(f'emails[type eq "work"].value eq {quoted(email["value"])}')
        for each in filters:
            assert self.found(entra, "/Users", each) == [user["id"]], f"{each} doesn't find"

    def test_entra_sends_booleans_as_strings(self, portal: Flask) -> None:
        """On create, and to disable and restore (Entra: known issues)."""
        entra = self.connect(portal, "entra")
        user = expect(entra.post("/Users", dict(self.new_user(1), active="True")), 201)
        path = f"/Users/{user['id']}"
        assert user.get("active") is True, f"the new user is {user}"
        for value, expected in (("False", False), ("False", False), ("True", True)):
            operation = {"op": "Replace", "path": "active", "value": value}
            expect(entra.patch(path, [operation]), 200, 204)
            active = self.read(entra, path).get("active")
            assert active is expected, f"active is {active!r} after {value!r}"

    def test_entra_changes_one_attribute_at_a_time(self, portal: Flask) -> None:
        """Its PATCH has a capital letter, and a filtered path for what has a type."""
        entra = self.connect(portal, "entra")
        user = self.create_user(entra, 1)
        before, after = self.new_user(1), self.renamed(self.new_user(1))
        patch = [
            {"op": "Replace", "path": path, "value": value}
            for path, value in _targets(before, after)
        ]
        expect(entra.patch(f"/Users/{user['id']}", patch), 200, 204)
        self.assert_kept(entra, user["id"], after)

    def test_entra_changes_all_in_one_operation(self, portal: Flask) -> None:
        """With ``aadOptscim062020``: no path, and a flat name for each attribute."""
        entra = self.connect(portal, "entra")
        user = self.create_user(entra, 1)
        before, after = self.new_user(1), self.renamed(self.new_user(1))
        value = dict(_targets(before, after))
        expect(entra.patch(f"/Users/{user['id']}", [{"op": "replace", "value": value}]), 200, 204)
        self.assert_kept(entra, user["id"], after)

    @only_where(lambda cls: cls.managers)
    def test_entra_sets_a_manager(self, portal: Flask) -> None:
        """After both are there; a manager who is removed isn't shown any more."""
        entra = self.connect(portal, "entra")
        ada, bob = self.create_users(entra, 1, 2)
        path, manager = f"/Users/{ada}", f"{ENTERPRISE}:manager"
        for _ in range(2):
            expect(entra.patch(path, [{"op": "Add", "path": manager, "value": bob}]), 200, 204)
            shown_ = self.read(entra, path).get(ENTERPRISE, {}).get("manager", {})
            assert shown_.get("value") == bob, f"the manager is {shown_!r}"
        same(self.found(entra, "/Users", f"manager eq {quoted(bob)}"), [ada])
        expect(entra.patch(path, [{"op": "Remove", "path": manager}]), 200, 204)
        missing("manager", self.read(entra, path).get(ENTERPRISE, {}))

    def test_okta_imports_by_page(self, portal: Flask) -> None:
        """It reads all users, page by page, and asks for each by its name first."""
        okta = self.connect(portal, "okta")
        created = self.create_users(okta, 1, 2, 3)
        page = self.read(okta, "/Users", startIndex=1, count=100)
        listed = {each["id"] for each in page["Resources"]}
        same(set(created) - listed, set())
        for n, id_ in enumerate(created, 1):
            name = quoted(self.new_user(n)["userName"])
            found = self.read(okta, "/Users", filter=f"userName eq {name}", startIndex=1, count=100)
            same([each["id"] for each in found["Resources"]], [id_])

    def test_okta_puts_back_what_it_read(self, portal: Flask) -> None:
        """An app of the wizard overlays a GET with its changes and PUTs all of it."""
        okta = self.connect(portal, "okta")
        user = self.create_user(okta, 1)
        path = f"/Users/{user['id']}"
        assert expect(okta.put(path, self.read(okta, path)), 200) == user, "nothing was changed"
        after = self.renamed(self.new_user(1))
        changed = _overlaid(self.read(okta, path), changes(self.new_user(1), after))
        expect(okta.put(path, changed), 200)
        self.assert_kept(okta, user["id"], after)
        for active in (False, True):
            answer = expect(okta.put(path, {**self.read(okta, path), "active": active}), 200)
            same(answer.get("active"), active)
            same(self.read(okta, path).get("active"), active)
        self.assert_kept(okta, user["id"], after)

    def test_okta_deactivates_by_patch(self, portal: Flask) -> None:
        """An app of the catalog sends PATCH without a path."""
        okta = self.connect(portal, "okta")
        user = self.create_user(okta, 1)
        path = f"/Users/{user['id']}"
        for active in (False, False, True):
            operation = {"op": "replace", "value": {"active": active}}
            expect(okta.patch(path, [operation]), 200, 204)
            same(self.read(okta, path).get("active"), active)
        self.assert_kept(okta, user["id"], self.new_user(1))

    @only_where(writable_groups)
    def test_entra_changes_a_group(self, portal: Flask) -> None:
        """It never reads members, adds them with ``$ref: null`` and removes them by value."""
        entra = self.connect(portal, "entra")
        ada, bob, eve = self.create_users(entra, 1, 2, 3)
        group = self.create_group(entra, 1)
        path = f"/Groups/{group['id']}"
        added = [{"$ref": None, "value": ada}]
        expect(entra.patch(path, [{"op": "Add", "path": "members", "value": added}]), 200, 204)
        more = [{"value": bob}, {"value": eve}]
        expect(entra.patch(path, [{"op": "Add", "path": "members", "value": more}]), 200, 204)
        self.assert_members(entra, group["id"], [ada, bob, eve])
        gone = [{"value": ada}]
        expect(entra.patch(path, [{"op": "Remove", "path": "members", "value": gone}]), 200, 204)
        self.assert_members(entra, group["id"], [bob, eve])
        one = f"members[value eq {quoted(bob)}]"
        expect(entra.patch(path, [{"op": "Remove", "path": one}]), 200, 204)
        self.assert_members(entra, group["id"], [eve])
        self.assert_not_members(entra, group["id"], [ada, bob])
        name = self.renamed_group(self.new_group(1))["displayName"]
        operation = {"op": "Replace", "path": "displayName", "value": name}
        expect(entra.patch(path, [operation]), 200, 204)
        shown_ = self.read(entra, path, excludedAttributes="members")
        same(shown_["displayName"], name)
        missing("members", shown_)
        self.assert_members(entra, group["id"], [eve])

    @only_where(writable_groups)
    def test_okta_pushes_a_group(self, portal: Flask) -> None:
        """By PATCH: a rename without a path, members with their names, and all at once."""
        okta = self.connect(portal, "okta")
        ada, bob, eve = self.create_users(okta, 1, 2, 3)
        group = self.create_group(okta, 1, [ada])
        path = f"/Groups/{group['id']}"
        name = self.renamed_group(self.new_group(1))["displayName"]
        renaming = {"op": "replace", "value": {"id": group["id"], "displayName": name}}
        expect(okta.patch(path, [renaming]), 200, 204)
        same(self.read(okta, path).get("displayName"), name)
        self.assert_members(okta, group["id"], [ada])
        expect(
            okta.patch(
                path,
                [
                    {"op": "remove", "path": f"members[value eq {quoted(ada)}]"},
                    {
                        "op": "add",
                        "path": "members",
                        "value": [{"value": bob, "display": self.new_user(2)["userName"]}],
                    },
                ],
            ),
            200,
            204,
        )
        self.assert_members(okta, group["id"], [bob])
        both = [{"value": bob, "display": "b"}, {"value": eve, "display": "e"}]
        expect(okta.patch(path, [{"op": "replace", "path": "members", "value": both}]), 200, 204)
        self.assert_members(okta, group["id"], [bob, eve])

    @only_where(writable_groups)
    def test_okta_puts_a_group(self, portal: Flask) -> None:
        """By PUT, with all members each time."""
        okta = self.connect(portal, "okta")
        ada, bob = self.create_users(okta, 1, 2)
        group = self.create_group(okta, 1, [ada])
        path = f"/Groups/{group['id']}"
        for members in ([ada, bob], [bob], []):
            body = dict(self.new_group(1), id=group["id"])
            body["members"] = [{"value": each, "display": "any"} for each in members]
            expect(okta.put(path, body), 200)
            self.assert_members(okta, group["id"], members)


def _targets(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the changes as Entra's mapping has them: elements by their types."""
    targets: list[tuple[str, Any]] = []
    for path, value in changes(before, after):
        if not isinstance(value, list):
            targets.append((shown(path), value))
            continue
        for element in value:
            if "type" not in element:
                targets.append((shown(path), value))
                break
            chosen = f"{shown(path)}[type eq {quoted(element['type'])}]"
            targets += [
                (f"{chosen}.{name}", item)
                for name, item in element.items()
                if name not in ("type", "primary")
            ]
    return targets


def _overlaid(read: dict[str, Any], changed: list[tuple[Path, Any]]) -> dict[str, Any]:
    """Return what was read with what has changed in its place."""
    for path, value in changed:
        place = read
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return read
