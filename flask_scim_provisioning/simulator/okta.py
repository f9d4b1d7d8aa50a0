"""Okta as a SCIM client: the whole job of one app."""

from __future__ import annotations

import secrets

from . import okta_payloads as payloads
from .cycle import Progress
from .okta_groups import OktaGroups
from .okta_payloads import App
from .okta_people import OktaPeople
from .people import Directory
from .readback import Mapped
from .report import Report
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
        self.push_groups()
        if self.people:
            password = secrets.token_urlsafe(6)
            user = payloads.new_user(self.people[0], self.app, password)
            group = payloads.new_group(self.groups[0], []) if self.groups else None
            self.refuse_duplicates(user, group)
        self.verify_all()

    def cleanup(self) -> None:
        """Delete the groups and deactivate the people; Okta never deletes a user (1.6)."""
        self.label = f"{self.app}: cleanup: "
        with self.step("delete groups"):
            self.each(self.groups, self.delete_group)
        with self.step("deactivate users"):
            self.each(self.people, self.deactivate)
