"""Okta as a SCIM client: the whole job of one app."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from . import okta_payloads as payloads
from .cycle import Progress
from .hostile import HostileOrders
from .okta_groups import OktaGroups
from .okta_payloads import App
from .okta_people import OktaPeople
from .people import Directory, Group, Person
from .readback import Mapped
from .report import Kind, Report
from .wire import Wire

MAPPINGS: dict[App, Mapped] = {
    App.WIZARD: payloads.mapped_wizard,
    App.CATALOGUE: payloads.mapped_catalogue,
}


class OktaCycle(OktaPeople, OktaGroups):
    """One app's job: test, import, assign, life cycle, and Group Push.

    :param app: the kind of app, which decides between PUT and PATCH.
    """

    def __init__(
        self,
        wire: Wire,
        directory: Directory,
        report: Report,
        app: App,
        *,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> None:
        self.app = app
        super().__init__(wire, directory, report, MAPPINGS[app], workers=workers, progress=progress)
        self.label = f"{app}: "

    def run(self) -> None:
        """The whole job, each step read back."""
        self.test_credentials()
        self.look_around()
        self.import_all()
        self.assign_all()
        self.update_profiles()
        self.rename_and_back()
        self.deactivate_and_back()
        self.sync_passwords()
        if self.directory.groups:
            self.push_groups()
        if self.people:
            password = secrets.token_urlsafe(6)
            user = payloads.new_user(self.people[0], self.app, password)
            group = payloads.new_group(self.groups[0], []) if self.groups else None
            self.refuse_duplicates(user, group)
        if self.hostile:
            HostileOrders(self, self, self.second_token).run()
        if self.wire.chaos:
            self.second_cycle()
        self.verify_all()

    def second_cycle(self) -> None:
        """Everybody assigned once more, and every group pushed: all are linked, none created."""
        before = {person: person.scim_id for person in self.people}
        with self.step("assign users again"):
            self.each([person for person in self.people if person.active], self.assign)
        with self.step("push groups again"):
            self.each(self.groups, self.push_now)
        moved = sum(person.scim_id != scim_id for person, scim_id in before.items())
        if moved:
            self.report.surprise(Kind.MATCH, f"{moved} people have another id than before")

    def user_body(self, person: Person) -> dict[str, Any]:
        """See :class:`Sender`."""
        return payloads.new_user(person, self.app, secrets.token_urlsafe(6))

    def member_request(self, group: Group, ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """See :class:`Sender`; a wizard app sends everybody."""
        if self.app is App.CATALOGUE:
            values = [{"value": member} for member in ids]
            return "PATCH", payloads.patch({"op": "add", "path": "members", "value": values})
        body = payloads.put_group(group)
        present = {member["value"] for member in body["members"]}
        body["members"] += [{"value": member} for member in ids if member not in present]
        return "PUT", body

    def provision_one(self, person: Person) -> None:
        """See :class:`Sender`."""
        self.assign(person)

    def cleanup(self) -> None:
        """Delete the groups and deactivate the people; Okta never deletes a user (1.6)."""
        self.label = f"{self.app}: cleanup: "
        with self.step("delete groups"):
            self.each(self.groups, self.delete_group)
        with self.step("deactivate users"):
            self.each(self.people, self.deactivate)
