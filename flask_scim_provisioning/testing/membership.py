"""Who is in which group: every member that was answered with success is there."""

from __future__ import annotations

import uuid

from flask import Flask

from .base import PortalChecks, expect, only_where, overridden, same, writable_groups
from .resources import Described, quoted

__all__ = ["Membership"]


def _read_only(cls: type[PortalChecks]) -> bool:
    return cls.groups == "read-only" and overridden("existing_group")(cls)


class Membership(PortalChecks):
    """Add, remove, replace; again; in two groups; by another request."""

    @only_where(writable_groups)
    def test_created_with_members(self, portal: Flask) -> None:
        """All of them, also when there are many."""
        scim = self.connect(portal)
        users = self.create_users(scim, *range(1, 13))
        group = self.create_group(scim, 1, users)
        same(sorted(each["value"] for each in group.get("members", [])), sorted(users))
        self.assert_members(scim, group["id"], users)
        self.assert_members(self.connect(portal), group["id"], users)

    @only_where(writable_groups)
    def test_members_are_added_and_removed(self, portal: Flask) -> None:
        """RFC 7644 section 3.5.2: what is repeated changes nothing, and is a success."""
        scim = self.connect(portal)
        ada, bob, eve = self.create_users(scim, 1, 2, 3)
        group = self.create_group(scim, 1, [ada])
        path = f"/Groups/{group['id']}"
        adding = {"op": "add", "path": "members", "value": [{"value": bob}, {"value": ada}]}
        expect(scim.patch(path, [adding]), 200, 204)
        self.assert_members(scim, group["id"], [ada, bob])
        version = self.read(scim, path)["meta"]
        expect(scim.patch(path, [adding]), 200, 204)
        self.assert_members(scim, group["id"], [ada, bob])
        assert self.read(scim, path)["meta"] == version, "nothing changed, and the version did"
        removing = {"op": "remove", "path": f"members[value eq {quoted(ada)}]"}
        expect(scim.patch(path, [removing]), 200, 204)
        self.assert_members(scim, group["id"], [bob])
        self.assert_not_members(scim, group["id"], [ada, eve])
        back = {"op": "add", "path": "members", "value": [{"value": ada}]}
        expect(scim.patch(path, [back]), 200, 204)
        self.assert_members(scim, group["id"], [ada, bob])
        expect(scim.patch(path, [{"op": "remove", "path": "members"}]), 200, 204)
        self.assert_members(scim, group["id"], [])
        self.assert_not_members(scim, group["id"], [ada, bob, eve])

    @only_where(writable_groups)
    def test_members_are_replaced(self, portal: Flask) -> None:
        """By PATCH and by PUT: those who stay, those who come, those who go."""
        scim = self.connect(portal)
        ada, bob, eve, dan = self.create_users(scim, 1, 2, 3, 4)
        group = self.create_group(scim, 1, [ada, bob])
        path = f"/Groups/{group['id']}"
        value = [{"value": bob}, {"value": eve}]
        for _ in range(2):
            replacing = {"op": "replace", "path": "members", "value": value}
            expect(scim.patch(path, [replacing]), 200, 204)
            self.assert_members(scim, group["id"], [bob, eve])
            self.assert_not_members(scim, group["id"], [ada, dan])
        body = dict(self.new_group(1), members=[{"value": eve}, {"value": dan}])
        for _ in range(2):
            expect(scim.put(path, body), 200)
            self.assert_members(scim, group["id"], [eve, dan])
            self.assert_not_members(scim, group["id"], [ada, bob])

    @only_where(lambda cls: writable_groups(cls) and not cls.one_group_each)
    def test_people_are_in_two_groups(self, portal: Flask) -> None:
        """Leaving one of them is no leaving of the other."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        one, two = (self.create_group(scim, n, [ada, bob])["id"] for n in (1, 2))
        same(self.groups_of(scim, ada), sorted([one, two]))
        removing = {"op": "remove", "path": f"members[value eq {quoted(ada)}]"}
        expect(scim.patch(f"/Groups/{one}", [removing]), 200, 204)
        self.assert_members(scim, one, [bob])
        self.assert_members(scim, two, [ada, bob])
        expect(scim.delete(f"/Groups/{two}"), 204)
        self.assert_members(scim, one, [bob])
        same(self.groups_of(scim, ada), [])
        same(self.groups_of(scim, bob), [one])

    @only_where(lambda cls: writable_groups(cls) and cls.one_group_each)
    def test_people_are_moved(self, portal: Flask) -> None:
        """Who is added to a second group has left the first, and both say so."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        one, two = self.create_group(scim, 1, [ada, bob])["id"], self.create_group(scim, 2)["id"]
        before = self.read(scim, f"/Groups/{one}")["meta"]
        adding = {"op": "add", "path": "members", "value": [{"value": ada}]}
        expect(scim.patch(f"/Groups/{two}", [adding]), 200, 204)
        self.assert_members(scim, two, [ada])
        self.assert_members(scim, one, [bob])
        self.assert_not_members(scim, one, [ada])
        assert self.read(scim, f"/Groups/{one}")["meta"] != before, "it lost somebody unseen"
        removing = {"op": "remove", "path": f"members[value eq {quoted(ada)}]"}
        expect(scim.patch(f"/Groups/{one}", [removing]), 200, 204)
        self.assert_members(scim, two, [ada])
        expect(scim.delete(f"/Groups/{two}"), 204)
        same(self.groups_of(scim, ada), [])

    @only_where(writable_groups)
    def test_unknown_members_are_no_silent_success(self, portal: Flask) -> None:
        """They are refused and nobody is added, or skipped and the others are there."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        group = self.create_group(scim, 1, [ada])
        unknown = [{"value": bob}, {"value": str(uuid.uuid4())}]
        adding = {"op": "add", "path": "members", "value": unknown}
        answer = scim.patch(f"/Groups/{group['id']}", [adding])
        expect(answer, 200, 204, 400)
        there = [ada] if answer.status_code == 400 else [ada, bob]
        self.assert_members(scim, group["id"], there)

    @only_where(writable_groups)
    def test_who_is_deactivated_stays_and_who_is_deleted_goes(self, portal: Flask) -> None:
        """A member who can't sign in is a member; who isn't there is none."""
        scim = self.connect(portal)
        ada, bob = self.create_users(scim, 1, 2)
        group = self.create_group(scim, 1, [ada, bob])
        operation = {"op": "replace", "path": "active", "value": False}
        expect(scim.patch(f"/Users/{ada}", [operation]), 200, 204)
        self.assert_members(scim, group["id"], [ada, bob])
        expect(scim.delete(f"/Users/{bob}"), 204)
        same(self.members(scim, group["id"]), [ada])
        again = self.create_user(scim, 2)["id"]
        assert self.groups_of(scim, again) == [], "who is back is in the old groups"
        same(self.members(scim, group["id"]), [ada])

    @only_where(lambda cls: writable_groups(cls) and cls.nested_groups)
    def test_groups_are_members_of_groups(self, portal: Flask) -> None:
        """Beside people; and none gets inside itself."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        inner = self.create_group(scim, 1, [ada])["id"]
        outer = self.create_group(scim, 2, [ada] if not self.one_group_each else [])["id"]
        adding = {"op": "add", "path": "members", "value": [{"value": inner, "type": "Group"}]}
        for _ in range(2):
            expect(scim.patch(f"/Groups/{outer}", [adding]), 200, 204)
            same(self.members(scim, outer, "Group"), [inner])
        same(self.found(scim, "/Groups", f"members.value eq {quoted(inner)}"), [outer])
        same(self.members(scim, inner), [ada])
        circle = {"op": "add", "path": "members", "value": [{"value": outer, "type": "Group"}]}
        expect(scim.patch(f"/Groups/{inner}", [circle]), 400)
        same(self.members(scim, inner, "Group"), [])
        removing = {"op": "remove", "path": f"members[value eq {quoted(inner)}]"}
        expect(scim.patch(f"/Groups/{outer}", [removing]), 200, 204)
        same(self.members(scim, outer, "Group"), [])

    @only_where(_read_only)
    def test_groups_are_shown_and_not_written(self, portal: Flask) -> None:
        """What ``/Schemas`` calls read-only is never answered with success and not done."""
        scim = self.connect(portal)
        described = Described.of(scim, "Group")
        assert described is not None, "/ResourceTypes doesn't name Group"
        assert not described.writable("members"), "/Schemas says that members can be written"
        ada = self.create_user(scim, 1)["id"]
        name = self.existing_group(portal, 1)
        found = self.found(scim, "/Groups", f"displayName eq {quoted(name)}")
        assert len(found) == 1, f"the filter finds {len(found)} of {name}"
        (group,) = found
        path = f"/Groups/{group}"
        before = self.read(scim, path)
        adding = {"op": "add", "path": "members", "value": [{"value": ada}]}
        expect(scim.patch(path, [adding]), 400, 403, 405, 501)
        same(self.read(scim, path), before)
        answer = scim.post("/Groups", self.new_group(2))
        if answer.status_code == 201:
            # Its name can be written, and then it has to be there.
            created = expect(answer, 201)
            same(self.read(scim, f"/Groups/{created['id']}"), created)
        else:
            expect(answer, 400, 403, 405, 501)
            new = quoted(self.new_group(2)["displayName"])
            same(self.found(scim, "/Groups", f"displayName eq {new}"), [])
