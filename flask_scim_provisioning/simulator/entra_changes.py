"""Entra's incremental cycle: only what changed since the last one, each change read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import entra_payloads as payloads
from .entra_objects import EntraObjects
from .entra_payloads import MOBILE, Dialect
from .people import Group, Person
from .readback import manager_of
from .report import Kind
from .wire import PAGE, literal


class IncrementalCycle:
    """The changes of one incremental cycle, in one PATCH dialect.

    :param cycle: the job, whose directory holds the truth.
    """

    def __init__(self, cycle: EntraObjects, dialect: Dialect) -> None:
        self.cycle = cycle
        self.dialect = dialect
        self.wire = cycle.wire
        self.directory = cycle.directory
        self.report = cycle.report
        self.random = cycle.directory.random
        self._sent_manager: set[str] = set()

    def run(self) -> None:
        """Every kind of change, each read back."""
        self.hire()
        self.update()
        self.rename()
        self.change_managers()
        self.clear_managers()
        self.clear_values()
        self.leave()
        if self.cycle.groups:
            self.rename_groups()
            self.change_members()
            self.add_concurrently()
        if self.directory.groups:
            self.create_and_delete_group()

    def _some(self, number: int) -> list[Person]:
        people = [person for person in self.cycle.people if person.active]
        return self.random.sample(people, min(number, len(people)))

    def _each(self, name: str, people: Sequence[Person], work: Callable[[Person], None]) -> None:
        with self.cycle.step(name):
            self.cycle.each(people, work)

    def hire(self) -> None:
        """New people, whose manager is known: a bare string in the POST (P4)."""
        hired = self.directory.hire(self.cycle.share)
        for person in hired:
            for group in self.random.sample(self.cycle.groups, min(1, len(self.cycle.groups))):
                group.members.append(person)
        with self.cycle.step("create new people"):
            self.cycle.each(hired, self._hire)
            self.cycle.each(hired, self._check_hired)
        with self.cycle.step("add new people to groups"):
            self.cycle.each(self.cycle.groups, lambda group: self._join(group, hired))

    def _hire(self, person: Person) -> None:
        manager = person.manager.scim_id if person.manager else None
        if self.cycle.provision(person, manager) and manager is not None:
            self._sent_manager.add(person.key)

    def _check_hired(self, person: Person) -> None:
        resource = self.cycle.readback.user(person)
        manager = person.manager.scim_id if person.manager else None
        if manager and manager_of(resource) != manager and person.key not in self._sent_manager:
            # Adopted, or hired together with the manager: the reference follows.
            self.cycle.patch_user(person, payloads.set_manager(manager, self.dialect))
            resource = self.cycle.readback.user(person)
        self.cycle.check_manager(person, resource)

    def _join(self, group: Group, hired: Sequence[Person]) -> None:
        ids = [str(p.scim_id) for p in hired if p in group.members and p.scim_id]
        if ids:
            group.foreign -= set(ids)
            self.cycle.patch_group(group, payloads.add_members(ids, self.dialect))

    def update(self) -> None:
        """Changed titles, departments, phones, names and addresses (P10, P12, P14, P21, P22)."""
        people = self._some(self.cycle.share * 4)
        for number, person in enumerate(people):
            person.title = f"Senior {(person.title or 'Planner').removeprefix('Senior ')}"
            person.department = "Engineering" if person.department == "Sales" else "Sales"
            if number % 2:
                person.given_name = f"{person.given_name}-José"
                person.office = f"{person.office}/b"
            if number % 3 == 0:
                person.mobile = f"{person.phone} 99"
                person.cleared.discard(MOBILE)
            person.cleared.discard("title")
        self._each("update people", people, self._update)

    def _update(self, person: Person) -> None:
        # A known user is read by id and matched again before the PATCH (2.1).
        self.cycle.matching("userName", person.user_name, {})
        self.cycle.update(person, self.dialect)

    def rename(self) -> None:
        """A new family name, sign-in name and e-mail; the id stays (2.4)."""
        people = self._some(self.cycle.share)
        old_names = {person.key: person.user_name for person in people}
        for person in people:
            person.former_name = person.former_name or person.user_name
            person.family_name = f"{person.family_name}-Ærtebjerg"
            local, _, domain = person.user_name.partition("@")
            wanted = f"{local.partition('+')[0]}-aertebjerg@{domain}"
            person.user_name = self.directory.free_name(wanted, self.cycle.seen_names)
        self._each(
            "rename people", people, lambda person: self._rename(person, old_names[person.key])
        )

    def _rename(self, person: Person, old_name: str) -> None:
        self.cycle.update(person, self.dialect)
        found = self.cycle.matching("userName", person.user_name, {})
        if found != person.scim_id:
            self._match_surprise(person, f"found {found!r} by the new name")
        if self.cycle.matching("userName", old_name, {}) is not None:
            self._match_surprise(person, "still found by the old name")

    def _match_surprise(self, person: Person, detail: str) -> None:
        self.report.surprise(Kind.MATCH, detail, request="GET /Users", subject=person.user_name)

    def change_managers(self) -> None:
        """Another manager (P30b)."""
        people = [person for person in self._some(self.cycle.share * 2) if person.manager]
        chosen = [(person, self.directory.other_manager(person)) for person in people]
        moved = []
        for person, manager in chosen:
            if manager is not None and manager.scim_id is not None:
                person.manager = manager
                moved.append(person)
        self._each("change managers", moved, self._change_manager)

    def _change_manager(self, person: Person) -> None:
        manager = str(person.manager.scim_id) if person.manager else ""
        self.cycle.patch_user(person, payloads.set_manager(manager, self.dialect, replace=True))
        self.cycle.check_manager(person, self.cycle.readback.user(person))

    def clear_managers(self) -> None:
        """No manager any more, in the four forms met (P33)."""
        people = [p for p in self._some(max(4, self.cycle.share)) if p.manager]
        bodies = {}
        for number, person in enumerate(people):
            current = str(person.manager.scim_id) if person.manager else ""
            bodies[person.key] = payloads.clear_manager(self.dialect, current, number)
            person.manager = None

        def clear(person: Person) -> None:
            self.cycle.patch_user(person, bodies[person.key])
            self.cycle.check_manager(person, self.cycle.readback.user(person))

        self._each("clear managers", people, clear)

    def clear_values(self) -> None:
        """No title and no mobile any more (P18): absent, null or empty afterwards."""
        people = self._some(max(3, self.cycle.share))
        bodies = {}
        for number, person in enumerate(people):
            paths = ["title"] if person.mobile is None else ["title", MOBILE]
            bodies[person.key] = payloads.clear_values(paths, self.dialect, number)
            person.title, person.mobile = None, None
            person.cleared.update(paths)

        def clear(person: Person) -> None:
            self.cycle.patch_user(person, bodies[person.key])
            self.cycle.readback.user(person)

        self._each("clear values", people, clear)

    def leave(self) -> None:
        """Disable some, restore a part of them, purge another (2.3)."""
        share = self.cycle.share
        leavers = [p for p in self.directory.leaves() if p.scim_id][: share * 3]
        back = leavers[:share]
        # A portal may keep the row, and so the name, of who was purged; a new name that is lost
        # that way could not be given again by the next run.
        out = [person for person in leavers[share:] if not person.former_name][:share]
        self._set_active("disable people", leavers, active=False)
        self._set_active("restore people", back, active=True)
        with self.cycle.step("purge people"):
            self.cycle.each(out, self._purge)
        self.directory.remove(out)

    def _set_active(self, name: str, people: Sequence[Person], *, active: bool) -> None:
        for person in people:
            person.active = active
        self._each(name, people, lambda person: self._switch(person, active=active))

    def _switch(self, person: Person, *, active: bool) -> None:
        self.cycle.patch_user(person, payloads.set_active(active, self.dialect))
        self.cycle.readback.user(person)
        if self.cycle.matching("userName", person.user_name, {}) != person.scim_id:
            self._match_surprise(person, "an inactive user must stay visible")

    def _purge(self, person: Person) -> None:
        path, name = f"/Users/{person.scim_id}", person.user_name
        self.wire.call("DELETE", path, expect=(204,), subject=name)
        self.cycle.gone(path, name)
        answer = self.wire.listing("/Users", {"filter": f"userName eq {literal(name)}"})
        if any(resource.get("id") == person.scim_id for resource in answer.resources):
            self._match_surprise(person, "a purged user is still found")
        self.wire.call("DELETE", path, expect=(404,), subject=name)

    def rename_groups(self) -> None:
        """New names for a part of the groups; ids and members stay (P42)."""
        groups = self.random.sample(self.cycle.groups, max(1, len(self.cycle.groups) // 5))
        with self.cycle.step("rename groups"):
            self.cycle.each(groups, self._rename_group)

    def _rename_group(self, group: Group) -> None:
        base, number = f"{group.display_name.partition(' (')[0]} ({self.dialect})", 1
        wanted = base
        while self.cycle.match_group("displayName", wanted) is not None:
            number += 1
            wanted = f"{base} {number}"
        group.display_name = wanted
        self.cycle.rename_group(group, self.dialect)
        self.readback(group)

    def change_members(self) -> None:
        """Remove members, also ones who are none, and add others, also ones who are (P43-P45)."""
        with self.cycle.step("change members"):
            self.cycle.each(self.cycle.groups, self._change_members)

    def _change_members(self, group: Group) -> None:
        inside = [person for person in group.members if person.scim_id]
        outside = [p for p in self.cycle.people if p not in set(group.members)]
        removed, added = inside[: len(inside) // 4][:PAGE], outside[: self.cycle.share]
        if removed:
            group.members = [person for person in group.members if person not in removed]
            body = payloads.remove_members([str(p.scim_id) for p in removed], self.dialect)
            self.cycle.patch_group(group, body)
            self.readback(group)
            self.cycle.patch_group(group, body)
        if added:
            ids = [str(person.scim_id) for person in added]
            group.members.extend(added)
            group.foreign -= set(ids)
            body = payloads.add_members(ids, self.dialect)
            self.cycle.patch_group(group, body)
            self.cycle.patch_group(group, body)
        self.readback(group)

    def readback(self, group: Group) -> None:
        """Read one group with its members and compare."""
        self.cycle.readback.group(group)

    def add_concurrently(self) -> None:
        """One member in a request, several at a time: none may be lost (2.7)."""
        group = min(self.cycle.groups, key=lambda group: len(group.members))
        outside = [p for p in self.cycle.people if p not in set(group.members)][:20]
        group.members.extend(outside)
        group.foreign -= {str(person.scim_id) for person in outside}

        def add(person: Person) -> None:
            body = payloads.add_members([str(person.scim_id)], self.dialect)
            self.cycle.patch_group(group, body)

        with self.cycle.step("add members concurrently"):
            self.cycle.each(outside, add)
            self.readback(group)

    def create_and_delete_group(self) -> None:
        """A group that comes and goes; its members stay users (P41, P49)."""
        group = self.directory.temporary_group(f"Task Force {self.dialect}")
        group.members = self._some(3)
        with self.cycle.step("create and delete a group"):
            self.cycle.provision_group(group)
            self.cycle.push_members(group)
            self.readback(group)
            self.cycle.delete_group(group)
            if self.cycle.match_group("displayName", group.display_name) is not None:
                detail = "a deleted group is still found"
                self.report.surprise(Kind.MATCH, detail, subject=group.display_name)
            for person in group.members:
                self.cycle.readback.user(person)
