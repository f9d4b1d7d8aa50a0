"""What is measured: the requests of identity providers, and what each may cost.

The aims are ratios to the floor. An operation is one step of a cycle; the steps of a cycle are
sent one after the other, so that adding a member is followed by removing it.
"""

import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from benchmarks import people
from benchmarks.servers import Answer, Request

__all__ = ["CYCLES", "SYNC_AIM", "Cycle", "Directory", "Step", "cycles", "synchronise"]

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

SYNC_AIM = 1.3
_BATCH = 20


@dataclass(frozen=True)
class Directory:
    """The seeded directory of ``users`` people, without the spare ones."""

    users: int

    def anybody(self, turn: int) -> int:
        """Return the number of some user, the same for both applications."""
        return random.Random(turn).randint(1, self.users)

    def spare(self, turn: int, count: int = 1) -> list[str]:
        """Return the ids of people who are in no group."""
        first = turn * count % (people.SPARE - count + 1)
        return [people.user_id(self.users + 1 + first + n) for n in range(count)]


@dataclass(frozen=True)
class Step:
    """One operation.

    :ivar aim: how many times the floor's time it may take; None where no aim is set.
    :ivar make: the request of one turn.
    """

    name: str
    aim: float | None
    make: Callable[[Directory, int], Request]
    members: int | None = None


Cycle = tuple[Step, ...]


def patch(path: str, *operations: dict[str, Any], expected: int = 200) -> Request:
    """Return a PATCH with these operations (RFC 7644 section 3.5.2)."""
    body = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return Request.of("PATCH", path, body, expected)


def search(endpoint: str, text: str, more: str = "") -> Request:
    """Return the query for a filter."""
    return Request("GET", f"{endpoint}?filter={quote(text)}{more}")


def entra_user(name: str, external_id: str, department: str = "Tour Operations") -> dict[str, Any]:
    """Return what Entra sends to create a user with all its default mappings filled."""
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": external_id,
        "userName": name,
        "active": True,
        "displayName": "Barbara Jensen",
        "title": "Tour Guide",
        "preferredLanguage": "en-US",
        "emails": [{"primary": True, "type": "work", "value": name}],
        "name": {"formatted": "Barbara Jensen", "familyName": "Jensen", "givenName": "Barbara"},
        "addresses": [
            {
                "primary": True,
                "type": "work",
                "formatted": "18/2111",
                "streetAddress": "100 Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "US",
            }
        ],
        "phoneNumbers": [
            {"primary": True, "type": "work", "value": "+1 555 555 5555"},
            {"type": "mobile", "value": "+1 555 555 4444"},
            {"type": "fax", "value": "+1 555 555 3333"},
        ],
        "meta": {"resourceType": "User"},
        "roles": [],
        ENTERPRISE: {"department": department},
    }


def match_hit(directory: Directory, turn: int) -> Request:
    """Entra and Okta: is there somebody of this name?"""
    name = people.user(directory.anybody(turn))["username"]
    return search("/Users", f'userName eq "{name}"')


def match_miss(_: Directory, turn: int) -> Request:
    """The same, before somebody is created."""
    return search("/Users", f'userName eq "nobody.{turn}@example.com"')


def match_external_id(directory: Directory, turn: int) -> Request:
    """Entra, where the administrator matches by object id."""
    return search("/Users", f'externalId eq "{people.external_id(directory.anybody(turn))}"')


def get_user(directory: Directory, turn: int) -> Request:
    """Okta before each change, Entra before each cycle."""
    return Request("GET", f"/Users/{people.user_id(directory.anybody(turn))}")


def create_user(_: Directory, turn: int) -> Request:
    """Entra's payload with all default mappings."""
    body = entra_user(f"new.{turn}@example.com", f"new-{turn}")
    return Request.of("POST", "/Users", body, 201)


def _changed_user(directory: Directory, turn: int) -> str:
    return f"/Users/{people.user_id(1 + turn // 2 % directory.users)}"


def patch_active(directory: Directory, turn: int) -> Request:
    """Entra: off, and on again in the next turn."""
    value = "False" if turn % 2 == 0 else "True"
    operation = {"op": "Replace", "path": "active", "value": value}
    return patch(_changed_user(directory, turn), operation)


def patch_active_without_path(directory: Directory, turn: int) -> Request:
    """Okta: off, and on again in the next turn."""
    operation = {"op": "replace", "value": {"active": turn % 2 == 1}}
    return patch(_changed_user(directory, turn), operation)


def put_user(directory: Directory, turn: int) -> Request:
    """Okta's profile update: the whole user, with another department in each turn."""
    number = 1 + turn % directory.users
    name = people.user(number)["username"]
    body = entra_user(name, people.external_id(number), f"Department {turn}")
    return Request.of("PUT", f"/Users/{people.user_id(number)}", body)


def list_first(_: Directory, __: int) -> Request:
    """The first page of an import."""
    return Request("GET", "/Users?startIndex=1&count=100")


def list_deep(directory: Directory, _: int) -> Request:
    """The last full page of an import."""
    return Request("GET", f"/Users?startIndex={directory.users - 99}&count=100")


def _group_cycles(size: int) -> Iterator[Cycle]:
    path = f"/Groups/{people.group_id(size)}"
    name = people.group_name(size)

    def match(_: Directory, __: int) -> Request:
        return search("/Groups", f'displayName eq "{name}"', "&excludedAttributes=members")

    def get(_: Directory, __: int) -> Request:
        return Request("GET", path)

    def add(count: int) -> Callable[[Directory, int], Request]:
        def make(directory: Directory, turn: int) -> Request:
            named = [{"value": user} for user in directory.spare(turn, count)]
            return patch(path, {"op": "Add", "path": "members", "value": named}, expected=204)

        return make

    def remove(directory: Directory, turn: int) -> Request:
        (user,) = directory.spare(turn)
        operation = {"op": "Remove", "path": f'members[value eq "{user}"]'}
        return patch(path, operation, expected=204)

    def remove_100(directory: Directory, turn: int) -> Request:
        named = [{"value": user} for user in directory.spare(turn, 100)]
        return patch(path, {"op": "Remove", "path": "members", "value": named}, expected=204)

    yield (Step("match group, members excluded", 1.2, match, size),)
    yield (Step("get group", 0.5 if size >= 10_000 else 1.2, get, size),)
    yield Step("add 1 member", 1.2, add(1), size), Step("remove 1 member", 1.2, remove, size)
    yield (
        Step("add 100 members", 1.5, add(100), size),
        Step("remove 100 members", None, remove_100, size),
    )


CYCLES: tuple[Cycle, ...] = (
    (Step("match user, hit", 1.2, match_hit),),
    (Step("match user, miss", 1.2, match_miss),),
    (Step("match user by externalId", 1.2, match_external_id),),
    (Step("get user", 1.2, get_user),),
    (Step("create user (Entra payload)", 1.5, create_user),),
    (Step("patch active, path form (Entra)", 1.3, patch_active),),
    (Step("patch active, no path (Okta)", 1.3, patch_active_without_path),),
    (Step("put user", 1.5, put_user),),
    (Step("list 100, first page", 0.6, list_first),),
    (Step("list 100, deep page", 0.6, list_deep),),
)


def cycles(directory: Directory) -> Iterator[Cycle]:
    """Yield all cycles for a directory; groups of all sizes that it has."""
    yield from CYCLES
    for size in people.group_sizes(directory.users):
        yield from _group_cycles(size)


def synchronise(users: int, groups: int) -> Generator[Request, Answer, None]:
    """Yield the requests of an initial cycle as Entra sends them; takes the answer to each.

    Every user and every group is looked for, then created; then each group gets a hundred of the
    people, twenty in a request.
    """
    created = []
    for number in range(users):
        name = f"sync.{number}@example.com"
        yield search("/Users", f'userName eq "{name}"')
        answer = yield Request.of("POST", "/Users", entra_user(name, f"sync-{number}"), 201)
        created.append(answer.json()["id"])
    for number in range(groups):
        name = f"Synchronised {number}"
        yield search("/Groups", f'displayName eq "{name}"', "&excludedAttributes=members")
        body = {"schemas": [GROUP], "displayName": name, "externalId": f"sync-{number}"}
        answer = yield Request.of("POST", "/Groups", body, 201)
        path = f"/Groups/{answer.json()['id']}"
        for first in range(0, 100, _BATCH):
            chosen = [created[(number * 97 + first + n) % users] for n in range(_BATCH)]
            named = [{"value": user} for user in chosen]
            yield patch(path, {"op": "Add", "path": "members", "value": named}, expected=204)
