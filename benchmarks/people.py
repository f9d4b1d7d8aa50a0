"""The people and the teams that both applications are seeded with.

Everything is computed from a number, so the floor, the portal and the client that measures them
know the same directory without exchanging it.
"""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = [
    "GROUP_SIZES",
    "SPARE",
    "TENANT",
    "external_id",
    "group_id",
    "group_name",
    "group_sizes",
    "member_rows",
    "stored",
    "team_rows",
    "user",
    "user_id",
]

TENANT = "main"

#: People beyond the asked number: they are added to groups and removed from them.
SPARE = 1_000

#: Numbers of members of the seeded groups, as far as there are so many people.
GROUP_SIZES = (10, 1_000, 10_000, 100_000)

_NAMESPACE = uuid.UUID("5b0c3f7e-3f0e-4a86-9d54-62f0c4a9a3c1")
_FIRST = ("Ada", "Barbara", "Chen", "Dilek", "Emeka", "Fatima", "Grace", "Hedy", "Ines", "Jun")
_LAST = ("Lovelace", "Jensen", "Wei", "Aydin", "Obi", "Haddad", "Hopper", "Lamarr", "Silva", "Sato")
_DEPARTMENTS = ("Sales", "Support", "Engineering", "Finance", "Tour Operations")


def user_id(number: int) -> str:
    """Return the SCIM id of a seeded user."""
    return str(uuid.uuid5(_NAMESPACE, f"user {number}"))


def group_id(size: int) -> str:
    """Return the SCIM id of the seeded group of that size."""
    return str(uuid.uuid5(_NAMESPACE, f"group {size}"))


def external_id(number: int) -> str:
    """Return the identity provider's own id of a seeded user."""
    return str(uuid.uuid5(_NAMESPACE, f"external {number}"))


def user(number: int) -> dict[str, Any]:
    """Return the row of the host's table ``user``; its integer key is ``number``."""
    first, last = _FIRST[number % 10], _LAST[number // 10 % 10]
    name = f"{first}.{last}.{number}@example.com".lower()
    return {
        "id": number,
        "username": name,
        "first_name": first,
        "last_name": last,
        "email": name,
        "is_active": True,
        "department": _DEPARTMENTS[number % 5],
        "manager_id": None,
    }


def stored(number: int) -> dict[str, Any]:
    """Return the attributes that the host has no column for (RFC 7643 section 4.1)."""
    row = user(number)
    return {
        "displayName": f"{row['first_name']} {row['last_name']}",
        "title": "Tour Guide",
        "preferredLanguage": "en-US",
        "phoneNumbers": [
            {"type": "work", "value": f"+1 555 {number:07d}", "primary": True},
            {"type": "mobile", "value": f"+1 556 {number:07d}"},
        ],
        "addresses": [
            {
                "type": "work",
                "streetAddress": f"{number} Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "US",
                "primary": True,
            }
        ],
    }


def group_sizes(users: int) -> tuple[int, ...]:
    """Return the sizes of the groups that a directory of so many people has."""
    return tuple(size for size in GROUP_SIZES if size <= users)


def group_name(size: int) -> str:
    """Return the name of the seeded group of that size."""
    return f"Team of {size}"


def team_rows(sizes: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the host's table ``team``, numbered from 1 in the order of ``sizes``."""
    for number, size in enumerate(sizes, 1):
        yield {"id": number, "name": group_name(size)}


def member_rows(sizes: Iterable[int]) -> Iterator[dict[str, int]]:
    """Yield the rows of the host's membership table: each group has the first ``size`` people."""
    for number, size in enumerate(sizes, 1):
        for member in range(1, size + 1):
            yield {"team_id": number, "user_id": member}
