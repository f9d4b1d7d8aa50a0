"""What a portal says of its attributes, and how two states of a resource are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import ScimClient

__all__ = ["Described", "changes", "leaves", "lost", "quoted", "shown", "without"]

Path = tuple[str, ...]
"""Where a value is: ``("name", "givenName")``; an extension's URN is its first part."""

_COMMON = ("schemas", "id", "meta")


@dataclass(frozen=True)
class Described:
    """The attributes of one type of resource, as ``/ResourceTypes`` and ``/Schemas`` have them.

    RFC 7643 section 7.

    :ivar endpoint: Such as ``/Users``.
    :ivar attributes: By their names in lower case; those of an extension are under its URN, as
        sub-attributes of it.
    """

    endpoint: str
    attributes: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, scim: ScimClient, name: str) -> Described | None:
        """Ask a service; None where it doesn't offer this type of resource."""
        types = _listed(scim, "/ResourceTypes")
        found = next((each for each in types if each["name"] == name), None)
        if found is None:
            return None
        schemas = {each["id"]: each for each in _listed(scim, "/Schemas")}
        attributes = _by_name(schemas[found["schema"]]["attributes"])
        for each in found.get("schemaExtensions", ()):
            inner = schemas[each["schema"]]["attributes"]
            attributes[each["schema"].lower()] = {"id": each["schema"], "subAttributes": inner}
        return cls(found["endpoint"], attributes)

    def find(self, path: Path) -> Mapping[str, Any] | None:
        """Return what is said of an attribute; None for one that the service doesn't know."""
        names, found = self.attributes, None
        for part in path:
            found = names.get(part.lower())
            if found is None:
                return None
            names = _by_name(found.get("subAttributes", ()))
        return found

    def simple(self) -> Iterator[Path]:
        """Return where single strings are, those inside of single complex attributes too."""
        yield from _simple(self.attributes.values(), ())
        for each in self.attributes.values():
            if "name" not in each:
                yield from _simple(each["subAttributes"], (each["id"],))

    def writable(self, *path: str) -> bool:
        """Whether a client may write an attribute, by its own and by the outer mutability."""
        return self._all(path, "mutability", "readWrite", but=("readOnly",))

    def returned(self, *path: str) -> bool:
        """Whether an attribute is answered without having been asked for."""
        return self._all(path, "returned", "default", but=("never", "request"))

    def _all(self, path: Path, characteristic: str, default: str, but: Sequence[str]) -> bool:
        for end in range(1, len(path) + 1):
            found = self.find(path[:end])
            if found is None or found.get(characteristic, default) in but:
                return False
        return True


def _listed(scim: ScimClient, path: str) -> list[Any]:
    listed: list[Any] = (scim.get(path).json or {}).get("Resources", [])
    return listed


def _by_name(attributes: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {each["name"].lower(): each for each in attributes}


def _simple(attributes: Iterable[Mapping[str, Any]], path: Path) -> Iterator[Path]:
    for each in attributes:
        if each.get("multiValued") or "name" not in each:
            continue
        if each["type"] in ("string", "reference"):
            yield (*path, each["name"])
        elif each["type"] == "complex":
            yield from _simple(each.get("subAttributes", ()), (*path, each["name"]))


def without(resource: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a resource without some of its attributes."""
    return {name: value for name, value in resource.items() if name not in names}


def lost(sent: Mapping[str, Any], read: Mapping[str, Any], described: Described) -> list[str]:
    """Return what was sent and isn't read back, of all that can be written and is answered.

    Elements of a multi-valued attribute may stand in another order, and may have more
    sub-attributes than were sent.
    """
    return list(_lost((), without(sent, *_COMMON), read, described))


def _lost(
    path: Path, sent: Mapping[str, Any], read: Mapping[str, Any], described: Described
) -> Iterator[str]:
    answered = {name.lower(): value for name, value in read.items()}
    for name, value in sent.items():
        here = (*path, name)
        if name == "externalId" or (described.writable(*here) and described.returned(*here)):
            yield from _differences(here, value, answered.get(name.lower()), described)


def _differences(path: Path, sent: Any, read: Any, described: Described) -> Iterator[str]:
    if isinstance(sent, Mapping):
        yield from _lost(path, sent, read if isinstance(read, Mapping) else {}, described)
    elif isinstance(sent, list):
        rest = list(read or ())
        for element in sent:
            # Where none of them agrees, all that differs of the first is told.
            found = next((each for each in rest if _agrees(path, element, each, described)), None)
            if found is None:
                yield f"{shown(path)}: no element {element!r} in {read!r}"
            else:
                rest.remove(found)
    elif sent != read:
        yield f"{shown(path)}: {read!r} instead of {sent!r}"


def _agrees(path: Path, sent: Any, read: Any, described: Described) -> bool:
    return next(_differences(path, sent, read, described), None) is None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[Path, Any]]:
    """Return where two states of a resource differ, and what is there after the change."""
    return list(_changes((), without(before, *_COMMON), without(after, *_COMMON)))


def _changes(
    path: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[Path, Any]]:
    for name, value in after.items():
        here, old = (*path, name), before.get(name)
        if old == value:
            continue
        if isinstance(value, Mapping):
            yield from _changes(here, old if isinstance(old, Mapping) else {}, value)
        else:
            yield here, value


def leaves(
    resource: Mapping[str, Any], path: Path = ()
) -> Iterator[tuple[Path, str | bool | int | float]]:
    """Return the simple values of a resource, those inside of single complex ones too."""
    for name, value in resource.items():
        if not path and name in _COMMON:
            continue
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        elif isinstance(value, str | bool | int | float):
            yield (*path, name), value


def shown(path: Path) -> str:
    """Return a path as SCIM writes it (RFC 7644 section 3.10)."""
    if ":" in path[0] and len(path) > 1:
        return f"{path[0]}:{'.'.join(path[1:])}"
    return ".".join(path)


def quoted(value: str | bool | int | float) -> str:
    """Return a value as a filter writes it (RFC 7644 section 3.4.2.2)."""
    return json.dumps(value)
