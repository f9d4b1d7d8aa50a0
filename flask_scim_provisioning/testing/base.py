"""What every check of the contract has in common: what a team overrides, and how to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from flask import Flask
from werkzeug.test import TestResponse

from .client import ScimClient, connect
from .resources import Described, lost, quoted

__all__ = [
    "ENTERPRISE",
    "PortalChecks",
    "expect",
    "missing",
    "only_where",
    "overridden",
    "present",
    "same",
    "writable_groups",
]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

Check = TypeVar("Check", bound=Callable[..., None])
Condition = Callable[[type["PortalChecks"]], bool]

_CONDITION = "_only_where"


def only_where(condition: Condition) -> Callable[[Check], Check]:
    """Mark a check that is there only for portals of which the condition holds.

    A check that can't apply isn't collected at all, so that none is skipped and none passes
    without having looked at anything.
    """

    def mark(check: Check) -> Check:
        setattr(check, _CONDITION, condition)
        return check

    return mark


def expect(answer: TestResponse, *statuses: int, scim_type: str | None = None) -> Any:
    """Return the JSON of an answer that has one of these statuses; None without a body.

    :param scim_type: Of the error (RFC 7644 section 3.12, table 9).
    :raises AssertionError: with what was asked and what was answered, when it has another.
    """
    request = answer.request
    text = answer.get_data(as_text=True)
    asked = f"{request.method} {request.path}"
    assert answer.status_code in statuses, (
        f"{asked} was answered with {answer.status_code} instead of "
        f"{' or '.join(map(str, statuses))}: {text[:2000]}"
    )
    if not text:
        return None
    body = answer.get_json(force=True)
    if answer.status_code >= 400:
        assert body.get("schemas") == [ERROR], f"{asked}: no SCIM error, but {text[:2000]}"
        assert body.get("status") == str(answer.status_code), f"{asked}: {text[:2000]}"
        if scim_type is not None:
            assert body.get("scimType") == scim_type, f"{asked}: not {scim_type}: {text[:2000]}"
    return body


def same(found: Any, expected: Any) -> None:
    """Assert that two values are equal, and show both where they aren't.

    Nothing rewrites the assertions of a package as pytest does those of tests.
    """
    assert found == expected, f"{found!r} instead of {expected!r}"


def present(item: Any, values: Any) -> None:
    """Assert that something is among others."""
    assert item in values, f"{item!r} isn't in {values!r}"


def missing(item: Any, values: Any) -> None:
    """Assert that something isn't among others."""
    assert item not in values, f"{item!r} is in {values!r}"


class PortalChecks:
    """What a team says of its portal, and the steps that all checks are made of."""

    tenant: ClassVar[str] = "main"
    """The tenant in which everything happens."""

    other_tenant: ClassVar[str | None] = None
    """A second tenant, whose people are others; None for a portal that has no tenants."""

    groups: ClassVar[Literal["writable", "read-only", "none"]] = "writable"
    """Whether groups can be created and have their members changed, are only shown, or aren't
    offered at all (``Provisioning(..., group_schema=None)``)."""

    one_group_each: ClassVar[bool] = False
    """Whether a person is in one group at most, so that who is added to another one is moved."""

    nested_groups: ClassVar[bool] = False
    """Whether groups can be members of groups."""

    managers: ClassVar[bool] = True
    """Whether ``manager.value`` takes the id of any other user."""

    on_existing: ClassVar[Literal["adopt", "refuse"]] = "adopt"
    """What ``Meta.on_existing`` of the user schema says."""

    _conditional: ClassVar[Mapping[str, Callable[..., None]]] = {}
    """The checks that :func:`only_where` has marked, by name, whether they are there or not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take the checks out that this portal isn't subject to."""
        super().__init_subclass__(**kwargs)
        conditional: dict[str, Callable[..., None]] = {}
        for base in reversed(cls.__mro__[1:]):
            conditional.update(vars(base).get("_conditional", {}))
        for name, check in vars(cls).items():
            if hasattr(check, _CONDITION):
                conditional[name] = check
            else:
                # The class has a check of its own under this name, or leaves ours out.
                conditional.pop(name, None)
        cls._conditional = conditional
        for name, check in conditional.items():
            setattr(cls, name, check if getattr(check, _CONDITION)(cls) else None)

    # What a team overrides where its portal wants other values.

    def new_user(self, n: int) -> dict[str, Any]:
        """Return the ``n``-th new user, as its identity provider would create it.

        Users of different numbers differ in all that has to be unique.
        """
        address = f"ada.{n}@contract.example"
        return {
            "schemas": [USER],
            "userName": address,
            "externalId": f"contract-user-{n}",
            "displayName": f"Ada{n} Lovelace",
            "name": {"givenName": f"Ada{n}", "familyName": "Lovelace"},
            "emails": [{"value": address, "type": "work", "primary": True}],
            "active": True,
        }

    def renamed(self, user: Mapping[str, Any]) -> dict[str, Any]:
        """Return what :meth:`new_user` gave, as it is after the person's name has changed.

        Whatever else of a user may change may be changed here as well.
        """
        given = user["name"]["givenName"]
        changed = dict(user, name={**user["name"], "familyName": "Byron"})
        if "displayName" in user:
            changed["displayName"] = f"{given} Byron"
        return changed

    def new_group(self, n: int) -> dict[str, Any]:
        """Return the ``n``-th new group, without members, as its identity provider creates it."""
        return {
            "schemas": [GROUP],
            "displayName": f"Contract group {n}",
            "externalId": f"contract-group-{n}",
        }

    def renamed_group(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return what :meth:`new_group` gave, as it is with another name."""
        return dict(group, displayName=f"{group['displayName']} renamed")

    def existing_user(self, portal: Flask, n: int) -> str:
        """Put a person into the portal as the portal itself does, and return the ``userName``.

        The checks of adoption are there where this is overridden. Commit what you add.
        """
        raise LookupError(f"Override existing_user to add the {n}-th person to {portal.name}.")

    def existing_group(self, portal: Flask, n: int) -> str:
        """Put a group into the portal as the portal itself does, and return its ``displayName``.

        What is shown of groups that can't be written is checked where this is overridden.
        """
        raise LookupError(f"Override existing_group to add the {n}-th group to {portal.name}.")

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        """Say whether the portal lets this person in, the way its log-in page finds out.

        That who is deactivated stays outside is checked where this is overridden.
        """
        raise LookupError(f"Override may_sign_in: does {portal.name} let {user_name} in?")

    # The steps.

    def connect(self, portal: Flask, dialect: str = "generic", **options: Any) -> ScimClient:
        """Return a client of a new integration; the options are those of :func:`connect`."""
        return connect(portal, **{"tenant": self.tenant, "dialect": dialect, **options})

    def users_of(self, scim: ScimClient) -> Described:
        """Return what the service says of users; a check asks once."""
        known: dict[ScimClient, Described] = vars(self).setdefault("_users", {})
        if scim not in known:
            described = Described.of(scim, "User")
            assert described is not None, "/ResourceTypes doesn't name User"
            known[scim] = described
        return known[scim]

    def create_user(self, scim: ScimClient, n: int) -> dict[str, Any]:
        """Create the ``n``-th new user and return the answer."""
        created: dict[str, Any] = expect(scim.post("/Users", self.new_user(n)), 201)
        return created

    def create_users(self, scim: ScimClient, *numbers: int) -> list[str]:
        """Create several new users and return their ids."""
        return [self.create_user(scim, n)["id"] for n in numbers]

    def create_group(self, scim: ScimClient, n: int, members: Sequence[str] = ()) -> dict[str, Any]:
        """Create the ``n``-th new group, with users as members, and return the answer."""
        body = self.new_group(n)
        if members:
            body["members"] = [{"value": member} for member in members]
        created: dict[str, Any] = expect(scim.post("/Groups", body), 201)
        return created

    def read(self, scim: ScimClient, path: str, **query: Any) -> dict[str, Any]:
        """GET a resource that is there."""
        found: dict[str, Any] = expect(scim.get(path, **query), 200)
        return found

    def found(self, scim: ScimClient, endpoint: str, filter_: str) -> list[str]:
        """Return the ids of all resources that a filter finds."""
        answer = self.read(scim, endpoint, filter=filter_, attributes="id")
        ids = [each["id"] for each in answer.get("Resources", ())]
        assert answer["totalResults"] == len(ids), (
            f"{filter_}: totalResults is {answer['totalResults']}, and {len(ids)} are answered"
        )
        return ids

    def assert_kept(self, scim: ScimClient, user: str, sent: Mapping[str, Any]) -> None:
        """Assert that all that was sent of a user is read back."""
        gone = lost(sent, self.read(scim, f"/Users/{user}"), self.users_of(scim))
        assert gone == [], f"lost: {gone}"

    def members(self, scim: ScimClient, group: str, kind: str = "User") -> list[str]:
        """Return the ids of a group's members of a kind, in order."""
        members = self.read(scim, f"/Groups/{group}").get("members", [])
        return sorted(each["value"] for each in members if each.get("type", kind) == kind)

    def assert_members(self, scim: ScimClient, group: str, users: Iterable[str]) -> None:
        """Assert that a group has exactly these users, whichever request asks."""
        expected = sorted(users)
        shown = self.members(scim, group)
        assert shown == expected, f"the group shows the members {shown}, not {expected}"
        listed = self.read(scim, "/Groups", filter=f"id eq {quoted(group)}")["Resources"]
        members = listed[0].get("members", [])
        assert sorted(each["value"] for each in members) == expected, (
            f"in a list, the group shows the members {members}, not {expected}"
        )
        for user in expected:
            assert group in self.groups_of(scim, user), f"{user} doesn't show the group"
            found = self.found(scim, "/Groups", f"members.value eq {quoted(user)}")
            assert group in found, f"the filter on members doesn't find the group of {user}"

    def assert_not_members(self, scim: ScimClient, group: str, users: Iterable[str]) -> None:
        """Assert that none of these users is in a group, whichever request asks."""
        shown = self.members(scim, group)
        for user in users:
            assert user not in shown, f"the group still shows the member {user}"
            assert group not in self.groups_of(scim, user), f"{user} still shows the group"
            found = self.found(scim, "/Groups", f"members.value eq {quoted(user)}")
            assert group not in found, f"the filter on members still finds the group of {user}"

    def groups_of(self, scim: ScimClient, user: str) -> list[str]:
        """Return the ids of the groups that a user says it is in."""
        shown = self.read(scim, f"/Users/{user}", attributes="groups")
        return sorted(each["value"] for each in shown.get("groups", ()))


def overridden(name: str) -> Condition:
    """Return the condition that a team has overridden one of the hooks."""
    return lambda cls: getattr(cls, name) is not getattr(PortalChecks, name)


def writable_groups(cls: type[PortalChecks]) -> bool:
    """Groups are created, changed and deleted."""
    return cls.groups == "writable"
