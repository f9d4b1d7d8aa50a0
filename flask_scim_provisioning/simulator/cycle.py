"""What the cycles of both identity providers share: steps, workers, and looking after others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from .people import Directory, Group, Person
from .readback import Advertised, Mapped, ReadBack, member_ids
from .report import Kind, Report
from .wire import Answer, ObjectFailed, Quarantined, Wire, literal

Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")
SecondToken = str | Callable[[], str] | None
SAMPLE = 10
# The organisations the simulator plays; their domains belong to nobody.
COMPANIES = ("Aurelia", "Borealis", "Cascadia")
_SIMULATED = re.compile(rf"@({'|'.join(COMPANIES)})-?\d*\.example$", re.IGNORECASE)
LARGEST_SHARE = 25
WITHOUT_MEMBERS = {"excludedAttributes": "members"}


class Cycle:
    """One identity provider's job against one server.

    :param mapped: the attributes the provider writes for a person.
    :param workers: how many objects are worked on at the same time.
    :param progress: called with the step's name, what is done and what there is to do.
    """

    def __init__(
        self,
        wire: Wire,
        directory: Directory,
        report: Report,
        mapped: Mapped,
        *,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> None:
        self.wire = wire
        self.directory = directory
        self.report = report
        self.workers = max(1, workers)
        self.progress = progress
        self.readback = ReadBack(wire, report, mapped)
        self.label = ""
        self.bystanders: dict[str, tuple[Any, Any]] = {}
        self.seen_names: set[str] = set()
        self.hostile = False
        self.second_token: SecondToken = None
        self.present: dict[str, set[str]] = {"/Users": set(), "/Groups": set()}
        self.adopted = 0

    @property
    def share(self) -> int:
        """How many people one incremental change concerns."""
        return min(max(1, len(self.directory.people) // 20), LARGEST_SHARE)

    @property
    def people(self) -> list[Person]:
        """The people the server knows."""
        return [person for person in self.directory.people if person.scim_id is not None]

    @property
    def groups(self) -> list[Group]:
        """The groups the server knows."""
        return [group for group in self.directory.groups if group.scim_id is not None]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A named step; a failed object outside of :meth:`each` ends the step, not the run."""
        title = f"{self.label}{name}"
        if self.progress is not None:
            self.progress(title, 0, 0)
        with self.report.step(title):
            try:
                yield
            except ObjectFailed:
                return

    def each(self, items: Iterable[Item], work: Callable[[Item], object]) -> None:
        """Do ``work`` for every item, several at a time; a failed object does not stop others.

        :raises Quarantined: the server refused the token.
        """
        todo = list(items)
        title = self.report.steps[-1].name
        if self.workers == 1 or len(todo) < 2:
            self._follow(title, map(self._guarded(work), todo), len(todo))
            return
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                self._follow(title, pool.map(self._guarded(work), todo), len(todo))
            except Quarantined:
                pool.shutdown(cancel_futures=True)
                raise

    @staticmethod
    def _guarded(work: Callable[[Item], object]) -> Callable[[Item], None]:
        def guarded(item: Item) -> None:
            try:
                work(item)
            except ObjectFailed:
                return

        return guarded

    def _follow(self, title: str, outcomes: Iterable[None], total: int) -> None:
        for done, _ in enumerate(outcomes, start=1):
            if self.progress is not None:
                self.progress(title, done, total)

    def must(self, answer: Callable[[], Answer], purpose: str) -> Answer:
        """Send the request a job can't go on without.

        :raises Quarantined: it failed.
        """
        try:
            return answer()
        except ObjectFailed as error:
            raise Quarantined(f"{purpose} failed at {error}.") from error

    def look_around(self) -> None:
        """Read what the server promises and who is there already; not what a provider does."""
        with self.step("read schemas and present users"):
            self.readback.advertised = Advertised.of(self.wire, groups=bool(self.directory.groups))
            for resource in self.wire.pages("/Users"):
                self.present["/Users"].add(str(resource.get("id")))
                name = str(resource.get("userName") or "")
                self.seen_names.add(name.lower())
                if not _SIMULATED.search(name):
                    self.bystanders[str(resource.get("id"))] = (name, resource.get("active"))
            if self.directory.groups:
                groups = self.wire.pages("/Groups", WITHOUT_MEMBERS)
                self.present["/Groups"] = {str(resource.get("id")) for resource in groups}

    def was_here_before(self) -> bool:
        """Whether an earlier run left people of this organisation."""
        ending = f"@{self.directory.domain}"
        return any(name.endswith(ending) for name in self.seen_names)

    def verify_all(self) -> None:
        """Read every user through pages and every group, and compare all with the truth."""
        with self.step("read everybody back"):
            found = self.readback.everybody(self.directory.people)
            self._verify_bystanders(found)
            gone = {person.scim_id for person in self.directory.gone}
            for still_there in gone & found.keys():
                self._surprise(Kind.READ_BACK, f"{still_there} was deleted and is in the list")
            ours = (_ends_with(f"@{self.directory.domain}"), "userName")
            self._verify_set("/Users", found.values(), self.directory.people, *ours)
        if self.directory.groups:
            self._verify_groups()
        self.report.count("users", len(self.people))
        self.report.count("active users", sum(person.active for person in self.people))
        self.report.count("adopted users", self.adopted)
        self.report.count("groups", len(self.groups))
        self.report.count("memberships", sum(len(group.members) for group in self.groups))

    def _verify_groups(self) -> None:
        with self.step("read all groups back"):
            groups = self.wire.pages("/Groups", WITHOUT_MEMBERS)
            ours = (_starts_with(f"{self.directory.company} "), "displayName")
            self._verify_set("/Groups", groups, self.directory.groups, *ours)
            self.each(self.groups, self.readback.group)

    def _verify_set(
        self,
        path: str,
        found: Iterable[Mapping[str, Any]],
        wanted: Sequence[Person] | Sequence[Group],
        is_ours: Callable[[str], bool],
        attribute: str,
    ) -> None:
        """Whoever is there and not ours was there before; whoever is ours is there."""
        names = {str(resource.get("id")): str(resource.get(attribute)) for resource in found}
        known = {item.scim_id for item in wanted}
        for item in wanted:
            if item.scim_id not in names:
                self._surprise(Kind.MISSING, f"{item.key} is not there", f"GET {path}")
        for scim_id, name in names.items():
            if scim_id not in known | self.present[path] and is_ours(name):
                self._surprise(Kind.EXTRA, f"{scim_id} is one too many", f"GET {path}")

    def created(
        self,
        path: str,
        body: Mapping[str, Any],
        subject: str,
        match: Callable[[], str | None],
    ) -> Answer:
        """Create something; adopt it where a cut-off first request had created it.

        :param match: asks the server for the id, after 409.
        :return: the answer that holds the resource.
        :raises ObjectFailed: it was refused, or it exists and can't be found.
        """
        resource_type = path[1:-1]
        answer = self.wire.resource(
            "POST", path, resource_type, body, expect=(201,), subject=subject
        )
        if answer.status == 201:
            return answer
        found = match()
        if found is None:
            detail = "409 says that it exists, and no match is found"
            self.report.surprise(Kind.MATCH, detail, request=answer.request, subject=subject)
            raise ObjectFailed(answer.request)
        return self.wire.resource(
            "GET", f"{path}/{found}", resource_type, expected_id=found, subject=subject
        )

    def _verify_bystanders(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        for scim_id, (name, active) in self.bystanders.items():
            now = found.get(scim_id)
            if now is None:
                self._surprise(Kind.BYSTANDER, f"{scim_id} is gone, which nobody asked for")
            elif (now.get("userName"), now.get("active")) != (name, active):
                self._surprise(Kind.BYSTANDER, f"{scim_id} changed, which nobody asked for")

    def _surprise(self, kind: Kind, detail: str, request: str = "GET /Users") -> None:
        self.report.surprise(kind, detail, request=request)

    def matching(self, attribute: str, value: str, query: Mapping[str, str | int]) -> str | None:
        """The id of the one user whose ``attribute`` is ``value``, None where there is none.

        :raises ObjectFailed: several users match (Entra: DuplicateTargetEntries).
        """
        asked = {"filter": f"{attribute} eq {literal(value)}", **query}
        return self._only(self.wire.listing("/Users", asked, subject=value), attribute, value)

    def _only(self, answer: Answer, attribute: str, value: str) -> str | None:
        if len(answer.resources) > 1 or answer.total > 1:
            detail = f"{answer.total} hits for {attribute} {value!r}"
            self.report.surprise(Kind.MATCH, detail, request=answer.request, subject=value)
            raise ObjectFailed(answer.request)
        if not answer.resources:
            return None
        resource = answer.resources[0]
        found = resource.get(attribute)
        exact = attribute == "externalId"
        if found != value and (exact or str(found).lower() != value.lower()):
            detail = f"asked for {attribute} {value!r}, got {found!r}"
            self.report.surprise(Kind.MATCH, detail, request=answer.request, subject=value)
            raise ObjectFailed(answer.request)
        scim_id = resource.get("id")
        if not isinstance(scim_id, str):
            self.report.surprise(Kind.MISSING_ID, "a hit without id", request=answer.request)
            raise ObjectFailed(answer.request)
        return scim_id

    def gone(self, path: str, subject: str) -> None:
        """Check that a deleted resource answers 404."""
        self.wire.get(path, expect=(404,), subject=subject)

    def read_members(self, group: Group) -> set[str]:
        """The ids of a group's members, as the simulator itself reads them."""
        answer = self.wire.resource(
            "GET", f"/Groups/{group.scim_id}", "Group", subject=group.display_name
        )
        return member_ids(answer.body)

    def refuse_duplicates(self, user: Mapping[str, Any], group: Mapping[str, Any] | None) -> None:
        """Creating what exists is 409 for users and groups (Entra 5.1, Okta 5)."""
        with self.step("duplicates are refused"):
            self.wire.call("POST", "/Users", user, expect=(409,))
            if group is not None:
                self.wire.call("POST", "/Groups", group, expect=(409,))


def _ends_with(ending: str) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(ending)


def _starts_with(start: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(start)


def first(items: Sequence[Item], number: int = SAMPLE) -> Sequence[Item]:
    """A sample for checks too dear to make for everything."""
    return items[:number]
