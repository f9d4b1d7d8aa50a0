"""What arrives in the wrong order, twice at once, or with another token than before."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from .cycle import Cycle, SecondToken
from .paths import ENTERPRISE
from .people import Group, Person
from .report import Kind
from .wire import Answer

HIRED = 3
TOLERABLE = (200, 201, 204, 400, 404)
# Nobody has this id: a member or manager who has not been created yet.
_NAMESPACE = uuid.UUID("2a1f6a0e-93b5-5c0e-a4d4-0f3a5b7c9d11")


class Sender(Protocol):
    """How one provider writes what the hostile orders need."""

    def user_body(self, person: Person) -> dict[str, Any]:
        """The body that creates a person."""

    def member_request(self, group: Group, ids: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """Method and body that add these ids to the members."""

    def provision_one(self, person: Person) -> None:
        """Match and create, or adopt and update."""


@dataclass
class HostileOrders:
    """Orders no documentation promises and every directory produces some day.

    :param second_token: the token to go on with in mid-cycle, or what issues it then.
    """

    cycle: Cycle
    sender: Sender
    second_token: SecondToken = None

    def run(self) -> None:
        """Send each of them, and read back."""
        cycle = self.cycle
        with cycle.step("create the same user twice at once"):
            for person in cycle.directory.hire(HIRED):
                self._create_twice(person)
        with cycle.step("manager after user"):
            for person in cycle.directory.hire(1):
                self._manager_after_user(person)
        if cycle.groups:
            with cycle.step("member before user"):
                self._member_before_user(cycle.groups[-1])
        self._new_token()

    def _create_twice(self, person: Person) -> None:
        if self._known(person) is None:
            body = self.sender.user_body(person)

            def post(_: int) -> Answer:
                return self.cycle.wire.call(
                    "POST", "/Users", body, expect=(201, 409), subject=person.user_name
                )

            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(post, range(2)))
            self._expect_one(answers, person)
        self.sender.provision_one(person)
        self.cycle.readback.user(person)

    def _expect_one(self, answers: Sequence[Answer], person: Person) -> None:
        statuses = sorted(answer.status for answer in answers)
        # Where a cut-off request was carried out, both may be told that the user exists.
        possible = [[201, 409], [409, 409]] if self.cycle.wire.chaos else [[201, 409]]
        if statuses not in possible:
            detail = f"one 201 and one 409 expected, got {statuses}"
            self.cycle.report.surprise(
                Kind.STATUS, detail, request="POST /Users", subject=person.user_name
            )

    def _manager_after_user(self, person: Person) -> None:
        if self._known(person) is None:
            body = self.sender.user_body(person)
            body[ENTERPRISE] = {**body.get(ENTERPRISE, {}), "manager": {"value": nobody(person)}}
            self.cycle.created("/Users", body, person.user_name, lambda: self._known(person))
        self.sender.provision_one(person)
        self.cycle.readback.user(person)

    def _known(self, person: Person) -> str | None:
        return self.cycle.matching("userName", person.user_name, {})

    def _member_before_user(self, group: Group) -> None:
        """The one who is known must be added, whatever the server says about the other."""
        outside = [p for p in self.cycle.people if p not in set(group.members)][:1]
        ids = [str(person.scim_id) for person in outside]
        group.members.extend(outside)
        group.foreign -= set(ids)
        self._send_members(group, [*ids, nobody(group)], TOLERABLE)
        if ids:
            self._send_members(group, ids, (200, 204))
        self.cycle.readback.group(group)

    def _send_members(self, group: Group, ids: Sequence[str], expect: Sequence[int]) -> None:
        method, body = self.sender.member_request(group, ids)
        self.cycle.wire.call(
            method, f"/Groups/{group.scim_id}", body, expect=expect, subject=group.display_name
        )

    def _new_token(self) -> None:
        """Go on with another token while requests are on their way."""
        if self.second_token is None:
            return
        people = list(self.cycle.people[: 4 * HIRED])
        half = len(people) // 2

        def read(numbered: tuple[int, Person]) -> None:
            number, person = numbered
            if number == half:
                self.cycle.wire.token = self._issued()
            self.cycle.readback.user(person)

        with self.cycle.step("new token in mid-cycle"):
            self.cycle.each(list(enumerate(people)), read)

    def _issued(self) -> str:
        return self.second_token() if callable(self.second_token) else str(self.second_token)


def nobody(about: Person | Group) -> str:
    """The id of somebody who does not exist on any server."""
    return str(uuid.uuid5(_NAMESPACE, about.key))
