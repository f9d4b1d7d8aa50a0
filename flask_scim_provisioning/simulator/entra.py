"""Microsoft Entra ID's provisioning service: test connection and initial cycle."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from . import entra_payloads as payloads
from .cycle import WITHOUT_MEMBERS, first
from .entra_changes import IncrementalCycle
from .entra_objects import EntraObjects
from .entra_payloads import WORK_EMAIL
from .entra_variants import Variants
from .hostile import HostileOrders
from .people import Group, Person
from .readback import manager_of
from .report import Kind
from .wire import Answer, literal


class EntraCycle(EntraObjects):
    """Entra's job: the initial cycle, then an incremental cycle in each dialect."""

    def run(self) -> None:
        """Test connection, initial cycle, then an incremental cycle in each dialect."""
        self.test_connection()
        self.look_around()
        self.initial_cycle()
        for dialect in self.dialects:
            self.label = f"{dialect}: "
            self.probe()
            IncrementalCycle(self, dialect).run()
            Variants(self, dialect).run()
        self.label = ""
        if self.hostile:
            HostileOrders(self, self, self.second_token).run()
        if self.wire.chaos:
            self.second_cycle()
        self.verify_all()

    def test_connection(self) -> None:
        """Look for a user and a group that can't exist (1.4); both must be empty lists.

        :raises Quarantined: the server did not answer 200.
        """
        with self.step("test connection"):
            self.must(self._probe_users, "Test connection")
            if self.directory.groups:
                self.must(self._probe_groups, "Test connection")

    def probe(self) -> None:
        """The health check at the start of every cycle: the random query for users (1.4)."""
        with self.step("probe"):
            self.must(self._probe_users, "The health check")

    def _probe_users(self) -> Answer:
        asked = f"userName eq {literal(str(uuid.uuid4()))}"
        return self._nobody(self.wire.listing("/Users", {"filter": asked}))

    def _probe_groups(self) -> Answer:
        asked = f"displayName eq {literal(str(uuid.uuid4()))}"
        return self._nobody(self.wire.listing("/Groups", {**WITHOUT_MEMBERS, "filter": asked}))

    def _nobody(self, answer: Answer) -> Answer:
        if answer.total or answer.resources:
            detail = f"a random name has {answer.total} hits"
            self.report.surprise(Kind.MATCH, detail, request=answer.request)
        return answer

    def initial_cycle(self) -> None:
        """Everybody without manager, then groups, then the references (2.1)."""
        with self.step("match and create users"):
            self.each(self.directory.people, self.provision)
        found: Mapping[str, dict[str, Any]] = {}
        with self.step("read users back"):
            found = self.readback.everybody(self.directory.people)
        self.set_managers(self.directory.people, found)
        with self.step("match and create groups"):
            self.each(self.directory.groups, self.provision_group)
        with self.step("add members in batches"):
            self.each(self.groups, self.push_members)
        with self.step("read groups back"):
            self.each(self.groups, self.readback.group)
        self.check_queries()
        person, group = self.people[:1], self.groups[:1]
        if person:
            self.refuse_duplicates(
                payloads.new_user(person[0]), payloads.new_group(group[0]) if group else None
            )

    def second_cycle(self) -> None:
        """Everything once more: whoever is known is adopted, and nothing is created."""
        self.label = "second cycle: "
        everything: list[Person | Group] = [*self.people, *self.groups]
        before = [(item, item.scim_id) for item in everything]
        with self.step("match users"):
            self.each(self.people, self.provision)
        self.set_managers(self.people, {str(u.get("id")): u for u in self.wire.pages("/Users")})
        with self.step("match groups and add members"):
            self.each(self.groups, self._match_again)
        moved = sum(item.scim_id != scim_id for item, scim_id in before)
        if moved:
            self.report.surprise(Kind.MATCH, f"{moved} objects have another id than before")
        self.label = ""

    def _match_again(self, group: Group) -> None:
        group.scim_id = self.match_group("displayName", group.display_name)
        self.push_members(group)

    def user_body(self, person: Person) -> dict[str, Any]:
        """See :class:`Sender`."""
        return payloads.new_user(person)

    def member_request(self, group: Group, ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """See :class:`Sender`."""
        return "PATCH", payloads.add_members(ids, self.dialect, refs=len(group.members) % 2 == 1)

    def provision_one(self, person: Person) -> None:
        """See :class:`Sender`."""
        self.provision(person)
        self._set_manager(person)
        self.check_manager(person, self.readback.user(person))

    def set_managers(
        self, people: Sequence[Person], resources: Mapping[str, dict[str, Any]]
    ) -> None:
        """The references that could not be sent at the creation (P30), where they differ."""
        chosen = [p for p in people if p.scim_id and p.manager and p.manager.scim_id]
        with self.step("set managers"):
            self.each([p for p in chosen if self._lacks_manager(p, resources)], self._set_manager)
        with self.step("read managers back"):
            found = {str(user.get("id")): user for user in self.wire.pages("/Users")}
            for person in chosen:
                self.check_manager(person, found.get(str(person.scim_id), {}))

    def _lacks_manager(self, person: Person, resources: Mapping[str, dict[str, Any]]) -> bool:
        now = manager_of(resources.get(str(person.scim_id), {}))
        return person.manager is not None and person.manager.scim_id != now

    def _set_manager(self, person: Person) -> None:
        if person.manager is not None and person.manager.scim_id is not None:
            self.patch_user(person, payloads.set_manager(person.manager.scim_id, self.dialect))

    def check_queries(self) -> None:
        """The other queries: other case, by work e-mail, and the reference checks (P1d, f, g)."""
        with self.step("query by case, e-mail, references"):
            self.each(first(self.people), self._check_person_queries)
            self.each(first(self.groups), self._check_member_query)

    def _check_person_queries(self, person: Person) -> None:
        shouted = person.user_name.upper()
        self._hits(f"userName eq {literal(shouted)}", person, 1)
        if self.readback.advertised.promises(WORK_EMAIL):
            asked = f'emails[type eq "work"].value eq {literal(person.email)}'
            self._hits(asked, person, 1)
        if not self.readback.advertised.promises(f"{payloads.MANAGER}.value"):
            return
        for manager, hits in self._managers(person):
            asked = f"id eq {literal(str(person.scim_id))} and manager eq {literal(manager)}"
            self._hits(asked, person, hits, attributes="id")

    def _managers(self, person: Person) -> list[tuple[str, int]]:
        own = str(person.scim_id)
        manager = person.manager.scim_id if person.manager else None
        return [(own, 0)] if manager is None else [(manager, 1), (own, 0)]

    def _hits(self, asked: str, person: Person, hits: int, **query: str) -> None:
        answer = self.wire.listing("/Users", {"filter": asked, **query}, subject=person.user_name)
        self._expect_hits(answer, str(person.scim_id), hits, asked)

    def _expect_hits(self, answer: Answer, scim_id: str, hits: int, asked: str) -> None:
        found = [resource.get("id") for resource in answer.resources]
        if found != [scim_id] * hits:
            detail = f"{hits} hits expected, {len(found)} came for {asked}"
            self.report.surprise(Kind.MATCH, detail, request=answer.request)

    def _check_member_query(self, group: Group) -> None:
        for person in first(self.people, 2):
            asked = f"id eq {literal(str(group.scim_id))} and members eq "
            asked += literal(str(person.scim_id))
            answer = self.wire.listing("/Groups", {"filter": asked, "attributes": "id"})
            belongs = person in group.members or person.scim_id in group.foreign
            self._expect_hits(answer, str(group.scim_id), int(belongs), asked)

    def cleanup(self) -> None:
        """Delete the groups, disable and purge the people, all of this directory."""
        self.label = "cleanup: "
        with self.step("delete groups"):
            self.each(self.groups, self.delete_group)
        with self.step("disable and purge users"):
            self.each(self.people, self._offboard)
        self.label = ""

    def _offboard(self, person: Person) -> None:
        if person.former_name is not None:
            # A portal may keep the row, and so the name; the next run wants to give it again.
            person.user_name, person.former_name = person.former_name, None
            self.update(person, self.dialect)
        person.active = False
        self.patch_user(person, payloads.set_active(active=False, dialect=self.dialect))
        self.wire.call(
            "DELETE", f"/Users/{person.scim_id}", expect=(204,), subject=person.user_name
        )
        self.gone(f"/Users/{person.scim_id}", person.user_name)
