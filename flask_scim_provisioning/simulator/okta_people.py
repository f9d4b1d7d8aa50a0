"""What Okta does about people: test, import, assignment, profile, life cycle."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from . import okta_payloads as payloads
from .cycle import Cycle
from .okta_groups import LOOK_UP
from .okta_payloads import App
from .people import Person
from .report import Kind
from .wire import PAGE

# What Okta can't import a user without.
NEEDED = ("userName", "name", "emails", "active")


class OktaPeople(Cycle):
    """What Okta does about people, in an app of either kind."""

    app: App

    def test_credentials(self) -> None:
        """The two requests of "Test API Credentials" with Import Groups ticked (1.3, 3.1).

        :raises Quarantined: the server did not answer 200 with a list.
        """
        with self.step("test credentials"):
            users = {"startIndex": 1, "count": 2}
            self.must(lambda: self.wire.listing("/Users", users), "Test API Credentials")
            if self.directory.groups:
                self.must(lambda: self.wire.listing("/Groups", LOOK_UP), "Test API Credentials")

    def import_all(self) -> None:
        """Import users and groups in pages of 100, and one page past the end (2.2, 3.9)."""
        with self.step("import users"):
            users = self.wire.pages("/Users")
            incomplete = sum(any(user.get(n) in (None, [], {}) for n in NEEDED) for user in users)
            if incomplete:
                self.report.note(f"Okta could not import {incomplete} users: a name is missing.")
            past = {"startIndex": len(users) + PAGE, "count": PAGE}
            answer = self.wire.listing("/Users", past)
            if answer.resources:
                detail = f"a page past the end holds {len(answer.resources)} users"
                self.report.surprise(Kind.LIST, detail, request=answer.request)
        if self.directory.groups:
            with self.step("import groups"):
                self.wire.pages("/Groups")

    def assign_all(self) -> None:
        """Assign everybody, then import them and compare."""
        with self.step("assign users"):
            self.each(self.directory.people, self.assign)
        with self.step("read users back"):
            self.readback.everybody(self.directory.people)

    def assign(self, person: Person) -> None:
        """Look up by userName; create, or link and push the profile (2.1)."""
        found = self.matching("userName", person.user_name, LOOK_UP)
        if found is None:
            password = secrets.token_urlsafe(6)
            body = payloads.new_user(person, self.app, password)
            answer = self.created(
                "/Users",
                body,
                person.user_name,
                lambda: self.matching("userName", person.user_name, LOOK_UP),
            )
            person.scim_id = answer.body["id"]
            self.readback.compare(person, answer.body, answer.request)
            return
        person.scim_id = found
        self.adopted += 1
        self._link(person)

    def _link(self, person: Person) -> None:
        if self.app is App.CATALOGUE:
            self.patch_user(person, payloads.patch_active(active=True))
            self.put_profile(person)
        else:
            self.put_profile(person, active=True)

    def put_profile(self, person: Person, *, active: bool | None = None) -> None:
        """GET, lay Okta's values over it, PUT; 200 with the whole user (3.5)."""
        now = self._get(person)
        body = payloads.merged(now, person, self.app)
        self.put_user(person, body if active is None else payloads.with_active(body, active))

    def _get(self, person: Person) -> dict[str, Any]:
        answer = self.wire.resource(
            "GET",
            f"/Users/{person.scim_id}",
            "User",
            expected_id=person.scim_id,
            subject=person.user_name,
        )
        resource: dict[str, Any] = answer.body
        return resource

    def put_user(self, person: Person, body: dict[str, Any]) -> None:
        """PUT one user; the answer is 200 with the whole user, a 204 is refused (3.5)."""
        answer = self.wire.resource(
            "PUT",
            f"/Users/{person.scim_id}",
            "User",
            body,
            expected_id=person.scim_id,
            subject=person.user_name,
        )
        self.readback.compare(person, answer.body, answer.request)

    def patch_user(self, person: Person, body: dict[str, Any]) -> None:
        """PATCH one user; 200 with the user, or 204 (3.7)."""
        self.wire.resource(
            "PATCH",
            f"/Users/{person.scim_id}",
            "User",
            body,
            expect=(200, 204),
            expected_id=person.scim_id,
            subject=person.user_name,
        )

    def update_profiles(self) -> None:
        """Changed titles, departments and names, by PUT or PATCH (3.5, 3.6)."""
        people = self._some(self.share * 4)
        for number, person in enumerate(people):
            person.title = f"Lead {(person.title or 'Planner').removeprefix('Lead ')}"
            person.department = "Legal" if person.department == "Finance" else "Finance"
            if number % 2:
                person.given_name = f"{person.given_name}-Åsa"
        with self.step("update profiles"):
            self.each(people, self._push_profile)
        with self.step("push unchanged profiles"):
            self.each(people[: self.share], self._push_profile)

    def _push_profile(self, person: Person) -> None:
        if self.app is App.WIZARD:
            self.put_profile(person)
        else:
            self.patch_user(person, payloads.patch_profile(person, str(person.scim_id)))
            self.patch_user(person, payloads.patch_email(person))
        self.readback.user(person)

    def rename_and_back(self) -> None:
        """Another sign-in name and, later, the old one again; the id stays (2.1)."""
        people = self._some(self.share)
        names = {person.key: person.user_name for person in people}
        with self.step("rename people"):
            for person in people:
                local, _, domain = person.user_name.partition("@")
                wanted = f"{local.partition('+')[0]}.moved@{domain}"
                person.user_name = self.directory.free_name(wanted, self.seen_names)
            self.each(people, self._rename)
            for person in people:
                person.user_name = names[person.key]
            self.each(people, self._rename)

    def _rename(self, person: Person) -> None:
        self._push_profile(person)
        found = self.matching("userName", person.user_name, LOOK_UP)
        if found != person.scim_id:
            detail = f"found {found!r} by the new name"
            self.report.surprise(Kind.MATCH, detail, request="GET /Users", subject=person.user_name)

    def deactivate_and_back(self) -> None:
        """Unassign some people, and assign a part of them again (2.1, 3.7)."""
        leavers = self._some(self.share * 2)
        for person in leavers:
            person.active = False
        with self.step("deactivate people"):
            self.each(leavers, self.deactivate)
        back = leavers[: (len(leavers) + 1) // 2]
        with self.step("push a profile to inactive people"):
            self.each(leavers[len(back) :], self._push_profile)
        for person in back:
            person.active = True
        with self.step("reactivate people"):
            self.each(back, self._reactivate)

    def deactivate(self, person: Person) -> None:
        """PUT of the server's own resource, or PATCH, with ``active`` false (3.7)."""
        person.active = False
        self._set_active(person, active=False)
        self.readback.user(person)
        if self.matching("userName", person.user_name, LOOK_UP) != person.scim_id:
            detail = "an inactive user must stay visible"
            self.report.surprise(Kind.MATCH, detail, request="GET /Users", subject=person.user_name)

    def _set_active(self, person: Person, *, active: bool) -> None:
        if self.app is App.WIZARD:
            self.put_user(person, payloads.with_active(self._get(person), active))
        else:
            self.patch_user(person, payloads.patch_active(active))

    def _reactivate(self, person: Person) -> None:
        found = self.matching("userName", person.user_name, LOOK_UP)
        if found == person.scim_id:
            self._link(person)
            self.readback.user(person)
            return
        self.report.surprise(
            Kind.MATCH, f"found {found!r} at reactivation", subject=person.user_name
        )

    def sync_passwords(self) -> None:
        """A new password for two people; no answer may show it (3.8)."""
        with self.step("synchronise passwords"):
            self.each(self._some(2), self._sync_password)

    def _sync_password(self, person: Person) -> None:
        password = secrets.token_urlsafe(9)
        if self.app is App.WIZARD:
            self.put_user(person, {**self._get(person), "password": password})
        else:
            self.patch_user(person, payloads.patch_password(password))
        self.readback.user(person)

    def _some(self, number: int) -> Sequence[Person]:
        people = [person for person in self.people if person.active]
        return self.directory.random.sample(people, min(number, len(people)))
