"""Reading back what was written, as the identity providers do, and comparing it with the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .paths import CORE_GROUP, CORE_USER, ENTERPRISE, Path, parse, read
from .people import Group, Person
from .report import Kind, Report
from .wire import ObjectFailed, Wire

Value = str | bool | None
Attributes = Mapping[str, Value]
Mapped = Callable[[Person], Attributes]
# RFC 7643 section 3.1: common attributes are in no schema, and every server keeps externalId.
_COMMON = frozenset({"externalId", "id"})


class Advertised:
    """Which attributes the server says it keeps, from its ``/Schemas``.

    A portal may have no place for some attribute. An identity provider minds only when the server
    promised one: by listing it in ``/Schemas`` or by answering it. A server without a readable
    ``/Schemas`` promises everything.
    """

    def __init__(self, schemas: Iterable[Mapping[str, Any]] | None = None) -> None:
        self._everything = schemas is None
        self._kept: set[tuple[str, str, str | None]] = set()
        for schema in schemas or ():
            for attribute in schema.get("attributes") or ():
                self._learn(str(schema.get("id")), attribute)

    def _learn(self, urn: str, attribute: Mapping[str, Any]) -> None:
        if attribute.get("mutability") == "readOnly":
            return
        name = str(attribute.get("name")).lower()
        self._kept.add((urn.lower(), name, None))
        for sub in attribute.get("subAttributes") or ():
            if sub.get("mutability") != "readOnly":
                self._kept.add((urn.lower(), name, str(sub.get("name")).lower()))

    def promises(self, path: str) -> bool:
        """Whether a value written to ``path`` has to be there afterwards."""
        where = parse(path)
        if self._everything or where.name in _COMMON:
            return True
        return self._key(where) in self._kept

    @staticmethod
    def _key(where: Path) -> tuple[str, str, str | None]:
        urn = (where.urn or CORE_USER).lower()
        return urn, where.name.lower(), where.sub.lower() if where.sub else None

    @classmethod
    def of(cls, wire: Wire, *, groups: bool) -> Advertised:
        """Ask the server; an endpoint that does not exist promises everything.

        :param groups: whether the server has to have groups.
        """
        answer = wire.get("/Schemas", expect=(200, 404, 501))
        if answer.status != 200:
            return cls()
        by_id = {str(schema.get("id")): schema for schema in answer.resources}
        needed = {CORE_USER, CORE_GROUP} if groups else {CORE_USER}
        if not needed <= by_id.keys():
            detail = "the list does not hold all core schemas"
            wire.report.surprise(Kind.LIST, detail, request=answer.request)
            return cls()
        return cls(by_id.values())


class ReadBack:
    """Compares resources of the server with the identity provider's directory.

    :param mapped: the attributes the provider writes for a person, by path.
    """

    def __init__(self, wire: Wire, report: Report, mapped: Mapped) -> None:
        self.wire = wire
        self.report = report
        self.mapped = mapped
        self.advertised = Advertised()
        self.ignored: set[str] = set()

    def user(self, person: Person) -> dict[str, Any]:
        """Read one person by id and compare.

        :raises ObjectFailed: the person can't be read.
        """
        if person.scim_id is None:
            raise ObjectFailed(person.user_name)
        path = f"/Users/{person.scim_id}"
        answer = self.wire.resource(
            "GET", path, "User", expected_id=person.scim_id, subject=person.user_name
        )
        resource: dict[str, Any] = answer.body
        self.compare(person, resource, answer.request)
        return resource

    def compare(
        self, person: Person, resource: Mapping[str, Any], request: str, *, partial: bool = False
    ) -> None:
        """Compare one resource with its person.

        :param partial: the answer may leave attributes out (a PATCH answer may: Entra 3.3), so
            that only what is there is compared.
        """
        for path, wanted in self.mapped(person).items():
            found = read(resource, path)
            if wanted is None:
                self._cleared(person, path, found, request)
            elif found is None and partial:
                continue
            elif found is None and not self.advertised.promises(path):
                self._ignore(path)
            elif not same(found, wanted):
                self._differs(person, path, wanted, found, request)

    def _cleared(self, person: Person, path: str, found: Any, request: str) -> None:
        if found is not None and path in person.cleared:
            self._differs(person, path, "no value", found, request)

    def _ignore(self, path: str) -> None:
        self.ignored.add(path)
        self.report.note(f"The server keeps no {path}, and its /Schemas does not list it.")

    def _differs(self, person: Person, path: str, wanted: Any, found: Any, request: str) -> None:
        detail = f"{path}: wrote {wanted!r}, read {found!r}"
        self.report.surprise(Kind.READ_BACK, detail, request=request, subject=person.user_name)

    def everybody(self, people: Iterable[Person]) -> dict[str, dict[str, Any]]:
        """Read all users through pages, compare every person, and return the resources by id."""
        found = {str(resource.get("id")): resource for resource in self.wire.pages("/Users")}
        for person in people:
            if person.scim_id is None:
                continue
            resource = found.get(person.scim_id)
            if resource is None:
                self.report.surprise(
                    Kind.READ_BACK,
                    "in no page of the list",
                    request="GET /Users",
                    subject=person.user_name,
                )
            else:
                self.compare(person, resource, "GET /Users")
        return found

    def group(self, group: Group) -> dict[str, Any]:
        """Read one group with its members and compare both.

        :raises ObjectFailed: the group can't be read.
        """
        if group.scim_id is None:
            raise ObjectFailed(group.display_name)
        path = f"/Groups/{group.scim_id}"
        answer = self.wire.resource(
            "GET", path, "Group", expected_id=group.scim_id, subject=group.display_name
        )
        resource: dict[str, Any] = answer.body
        self.compare_group(group, resource, answer.request)
        return resource

    def compare_group(self, group: Group, resource: Mapping[str, Any], request: str) -> None:
        """Compare name and members of one group with the truth."""
        name = resource.get("displayName")
        if name != group.display_name:
            detail = f"displayName: wrote {group.display_name!r}, read {name!r}"
            self.report.surprise(
                Kind.READ_BACK, detail, request=request, subject=group.display_name
            )
        found = member_ids(resource)
        wanted = group.member_ids() | group.foreign
        if found != wanted:
            lost, extra = len(wanted - found), len(found - wanted)
            detail = (
                f"{len(wanted)} members expected, {len(found)} read: {lost} lost, {extra} extra"
            )
            self.report.surprise(Kind.MEMBERS, detail, request=request, subject=group.display_name)


def same(found: Any, wanted: Value) -> bool:
    """Whether a value came back as it was written; True is not 1 and not "True"."""
    return type(found) is type(wanted) and bool(found == wanted)


def member_ids(resource: Mapping[str, Any]) -> set[str]:
    """The ids in ``members`` of a group."""
    members = resource.get("members")
    if not isinstance(members, list):
        return set()
    return {str(member.get("value")) for member in members if isinstance(member, Mapping)}


def manager_of(resource: Mapping[str, Any]) -> Any:
    """The id of the manager, None where there is none."""
    return read(resource, f"{ENTERPRISE}:manager.value")
