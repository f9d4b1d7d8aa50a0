"""One object at a time, as Entra handles it: match, create, update, and the same for groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import entra_payloads as payloads
from .cycle import WITHOUT_MEMBERS, Cycle, Progress
from .entra_payloads import Dialect
from .people import Directory, Group, Person, batches
from .readback import manager_of
from .report import Kind, Report
from .wire import PAGE, Wire, literal

PATCHED_USER = (200, 204)


class EntraObjects(Cycle):
    """What Entra does about one user or one group.

    :param dialects: the PATCH dialects of the run; the initial cycle takes the first.
    """

    def __init__(
        self,
        wire: Wire,
        directory: Directory,
        report: Report,
        dialects: Sequence[Dialect],
        *,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(
            wire, directory, report, payloads.mapped, workers=workers, progress=progress
        )
        self.dialects = dialects

    @property
    def dialect(self) -> Dialect:
        """The dialect of the initial cycle."""
        return self.dialects[0]

    def provision(self, person: Person, manager: str | None = None) -> bool:
        """Match by userName, then externalId; create, or adopt and update.

        :param manager: the server's id of the manager, for a POST that may carry it.
        :return: whether the person was created.
        """
        found = self.matching("userName", person.user_name, {})
        if found is None and self.was_here_before():
            # The second matching attribute finds whom an earlier run renamed; where nobody was,
            # it would cost a request for each new person.
            found = self.matching("externalId", person.key, {})
        if found is None:
            self._create(person, manager)
            return True
        person.scim_id = found
        self.adopted += 1
        self.update(person, self.dialect)
        return False

    def _create(self, person: Person, manager: str | None) -> None:
        texts = int(person.employee_number) % 7 == 3
        body = payloads.new_user(person, manager=manager, texts=texts)
        answer = self.created(
            "/Users",
            body,
            person.user_name,
            lambda: self.matching("userName", person.user_name, {}),
        )
        person.scim_id = answer.body["id"]
        self.readback.compare(person, answer.body, answer.request)

    def update(self, person: Person, dialect: Dialect) -> None:
        """Read one known user, send what differs, read again (2.1, P10 to P22)."""
        path, subject = f"/Users/{person.scim_id}", person.user_name
        now = self.wire.resource("GET", path, "User", expected_id=person.scim_id, subject=subject)
        body = payloads.update(payloads.changes(now.body, payloads.mapped(person)), dialect)
        if body is not None:
            self.patch_user(person, body)
            self.readback.user(person)

    def patch_user(self, person: Person, body: dict[str, Any]) -> None:
        """PATCH one user: 200 with the resource, or 204 (1.7)."""
        answer = self.wire.resource(
            "PATCH",
            f"/Users/{person.scim_id}",
            "User",
            body,
            expect=PATCHED_USER,
            expected_id=person.scim_id,
            subject=person.user_name,
        )
        if answer.status == 200:
            self.readback.compare(person, answer.body, answer.request, partial=True)

    def check_manager(self, person: Person, resource: dict[str, Any]) -> None:
        """Compare the manager that was read back with the directory's."""
        wanted = person.manager.scim_id if person.manager else None
        found = manager_of(resource)
        if found is None and not self.readback.advertised.promises(f"{payloads.MANAGER}.value"):
            self.report.note("The server keeps no manager, and its /Schemas does not list it.")
        elif found != wanted:
            detail = f"manager: wrote {wanted!r}, read {found!r}"
            request = f"GET /Users/{person.scim_id}"
            self.report.surprise(Kind.READ_BACK, detail, request=request, subject=person.user_name)

    def match_group(self, attribute: str, value: str) -> str | None:
        """The id of the one group with this name or externalId, members excluded (P1e)."""
        asked = {**WITHOUT_MEMBERS, "filter": f"{attribute} eq {literal(value)}"}
        answer = self.wire.listing("/Groups", asked, subject=value)
        if any("members" in resource for resource in answer.resources):
            detail = "members returned although excluded"
            self.report.surprise(Kind.BODY, detail, request=answer.request, subject=value)
        return self._only(answer, attribute, value)

    def provision_group(self, group: Group) -> None:
        """Match by displayName, then externalId; create without members, or adopt."""
        found = self.match_group("displayName", group.display_name)
        if found is None and self.was_here_before():
            found = self.match_group("externalId", group.key)
        if found is None:
            self.create_group(group)
            return
        group.scim_id = found
        # The real service never reads members; the simulator does, to know whom it must not lose.
        group.foreign = self.read_members(group) - group.member_ids()
        self.rename_group(group, self.dialect)

    def create_group(self, group: Group) -> None:
        """POST one group without members (P40, P41)."""
        body = payloads.new_group(group, old_sample=len(group.display_name) % 2 == 0)
        answer = self.created(
            "/Groups",
            body,
            group.display_name,
            lambda: self.match_group("displayName", group.display_name),
        )
        group.scim_id = answer.body["id"]
        members, group.members = group.members, []
        self.readback.compare_group(group, answer.body, answer.request)
        group.members = members

    def patch_group(self, group: Group, body: dict[str, Any]) -> None:
        """PATCH one group: 204, or 200 with a body (1.7)."""
        self.wire.call(
            "PATCH",
            f"/Groups/{group.scim_id}",
            body,
            expect=(200, 204),
            subject=group.display_name,
        )

    def rename_group(self, group: Group, dialect: Dialect) -> None:
        """PATCH a group's name and read it back without members (P42, P1e)."""
        self.patch_group(group, payloads.rename_group(group.display_name, dialect))
        answer = self.wire.resource(
            "GET",
            f"/Groups/{group.scim_id}",
            "Group",
            query=WITHOUT_MEMBERS,
            expected_id=group.scim_id,
            subject=group.display_name,
        )
        found = answer.body.get("displayName")
        if found != group.display_name:
            detail = f"displayName: wrote {group.display_name!r}, read {found!r}"
            self.report.surprise(
                Kind.READ_BACK, detail, request=answer.request, subject=group.display_name
            )
        if "members" in answer.body:
            detail = "members returned although excluded"
            self.report.surprise(
                Kind.BODY, detail, request=answer.request, subject=group.display_name
            )

    def push_members(self, group: Group) -> None:
        """Add the members of one group, 100 in a request (P43)."""
        known = [person for person in group.members if person.scim_id is not None]
        for number, batch in enumerate(batches(known, PAGE)):
            ids = [str(person.scim_id) for person in batch]
            self.patch_group(group, payloads.add_members(ids, self.dialect, refs=number % 2 == 0))

    def delete_group(self, group: Group) -> None:
        """DELETE one group; 404 afterwards (P49)."""
        path, name = f"/Groups/{group.scim_id}", group.display_name
        self.wire.call("DELETE", path, expect=(204,), subject=name)
        self.gone(path, name)
