"""Group Push as Okta does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import okta_payloads as payloads
from .cycle import Cycle
from .okta_payloads import App
from .people import Group, Person, batches
from .report import Kind
from .wire import PAGE, literal

LOOK_UP: dict[str, str | int] = {"startIndex": 1, "count": PAGE}


class OktaGroups(Cycle):
    """What Okta does about groups, in an app of either kind."""

    app: App

    def push_groups(self) -> None:
        """Push, rename, change members, push now, and delete one (2.3)."""
        with self.step("push groups"):
            self.each(self.directory.groups, self.push_group)
        with self.step("rename groups and back"):
            self.each(self.groups[:: max(1, len(self.groups) // 5)], self._rename_and_back)
        with self.step("add and remove members"):
            self.each(self.groups, self._change_members)
        with self.step("push now"):
            self.each(self.groups, self.push_now)
        with self.step("empty and delete a group"):
            self._come_and_go()

    def match_group(self, name: str) -> str | None:
        """The id of the group with this name, None where there is none (3.10).

        :raises ObjectFailed: several groups match.
        """
        asked: dict[str, str | int] = {"filter": f"displayName eq {literal(name)}", **LOOK_UP}
        return self._only(self.wire.listing("/Groups", asked, subject=name), "displayName", name)

    def push_group(self, group: Group) -> None:
        """Look up by name; create or link; then push the members (2.3)."""
        found = self.match_group(group.display_name)
        if found is None:
            self._create_group(group)
        else:
            group.scim_id = found
        if self.app is App.WIZARD:
            self.put_group(group)
        else:
            self.patch_group(group, payloads.patch_name(group))
            if found is None:
                for batch in batches(group.members, PAGE):
                    self.patch_group(group, payloads.patch_members([], batch))
            else:
                self.patch_group(group, payloads.push_members(group.members))
        self.readback.group(group)

    def _create_group(self, group: Group) -> None:
        members = group.members if self.app is App.WIZARD else []
        body = payloads.new_group(group, members)
        answer = self.created(
            "/Groups", body, group.display_name, lambda: self.match_group(group.display_name)
        )
        group.scim_id = answer.body["id"]

    def put_group(self, group: Group) -> None:
        """GET, then PUT the whole group; 200 with the group (3.11)."""
        # The app reads the group before each PUT, and takes nothing from it.
        self.read_members(group)
        answer = self.wire.resource(
            "PUT",
            f"/Groups/{group.scim_id}",
            "Group",
            payloads.put_group(group),
            expected_id=group.scim_id,
            subject=group.display_name,
        )
        self._check_name(group, answer.body, answer.request)

    def patch_group(self, group: Group, body: dict[str, Any]) -> None:
        """PATCH one group; 200 with the group, or 204 (3.12)."""
        answer = self.wire.resource(
            "PATCH",
            f"/Groups/{group.scim_id}",
            "Group",
            body,
            expect=(200, 204),
            expected_id=group.scim_id,
            subject=group.display_name,
        )
        if answer.status == 200:
            self._check_name(group, answer.body, answer.request)

    def _check_name(self, group: Group, resource: dict[str, Any], request: str) -> None:
        found = resource.get("displayName")
        if found != group.display_name:
            detail = f"displayName: wrote {group.display_name!r}, read {found!r}"
            self.report.surprise(
                Kind.READ_BACK, detail, request=request, subject=group.display_name
            )

    def _rename_and_back(self, group: Group) -> None:
        name = group.display_name
        for number in range(2, PAGE):
            group.display_name = f"{name} ({number})"
            if self.match_group(group.display_name) is None:
                self._rename_group(group)
                break
        group.display_name = name
        self._rename_group(group)

    def _rename_group(self, group: Group) -> None:
        if self.app is App.WIZARD:
            self.put_group(group)
        else:
            self.patch_group(group, payloads.patch_name(group))
        self.readback.group(group)

    def _change_members(self, group: Group) -> None:
        inside = [person for person in group.members if person.scim_id]
        belongs = set(group.members)
        outside = [person for person in self.people if person not in belongs]
        removed, added = inside[: min(len(inside) // 4, PAGE)], outside[: self.share]
        leaving = set(removed)
        group.members = [person for person in group.members if person not in leaving] + added
        self._push_changes(group, removed, added)
        # A second time: removing who is no member and adding who is one must succeed.
        self._push_changes(group, removed, added)

    def _push_changes(
        self, group: Group, removed: Sequence[Person], added: Sequence[Person]
    ) -> None:
        if self.app is App.WIZARD:
            self.put_group(group)
        else:
            self.patch_group(group, payloads.patch_name(group))
            if removed or added:
                self.patch_group(group, payloads.patch_members(removed, added))
        self.readback.group(group)

    def push_now(self, group: Group) -> None:
        """Send the whole list of members (3.12)."""
        if self.app is App.WIZARD:
            self.put_group(group)
        else:
            with_path = len(group.display_name) % 2 == 0
            self.patch_group(group, payloads.push_members(group.members, with_path=with_path))
        self.readback.group(group)

    def _come_and_go(self) -> None:
        group = self.directory.temporary_group(f"Task Force {self.app}")
        group.members = list(self.people[:3])
        self.push_group(group)
        members, group.members = group.members, []
        self.push_now(group)
        self.delete_group(group)
        if self.match_group(group.display_name) is not None:
            detail = "a deleted group is still found"
            self.report.surprise(Kind.MATCH, detail, subject=group.display_name)
        for person in members:
            self.readback.user(person)

    def delete_group(self, group: Group) -> None:
        """Unlink a group and delete it in the app (3.13): 204, and 404 afterwards."""
        path, name = f"/Groups/{group.scim_id}", group.display_name
        self.wire.call("DELETE", path, expect=(204,), subject=name)
        self.gone(path, name)
