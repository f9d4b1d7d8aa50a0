"""Which attributes an answer has: ``attributes``, ``excludedAttributes`` and ``returned``.

RFC 7644 section 3.9, RFC 7643 section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .attributes import Attribute, ResourceType, Returned, Schema
from .errors import InvalidPath
from .paths import parse_path, resolve

# A flat key, and the name of a sub-attribute or nothing for the whole attribute.
_Names = frozenset[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Projection:
    """What a client wants to have of the resources of one type; make one with :meth:`of`.

    :ivar names_attributes: Whether the client named the attributes it wants.
    :ivar requested: Sub-attributes that are returned on request only, and are requested on the
        client's behalf.
    :ivar trims: Whether there are parts of attributes to take away; otherwise whole ones are
        answered.
    :ivar unveiled: Whether hidden attributes are read too, which no client may ask for.
    """

    resource_type: ResourceType
    attributes: _Names
    excluded: _Names
    names_attributes: bool
    requested: _Names = frozenset()
    trims: bool = False
    unveiled: bool = False

    @classmethod
    def inside(
        cls,
        resource_type: ResourceType,
        attributes: Sequence[str] = (),
        excluded: Sequence[str] = (),
    ) -> Projection:
        """Return what the service itself has to know to change a resource, hidden or not.

        :param attributes: flat keys, of which there are few sets.
        """
        return _inside(resource_type, tuple(attributes), tuple(excluded))

    @classmethod
    def of(
        cls,
        resource_type: ResourceType,
        attributes: Sequence[str] = (),
        excluded: Sequence[str] = (),
        requested: Sequence[str] = (),
    ) -> Projection:
        """Return the projection for the two parameters; names that are unknown count for nothing.

        A name may be dotted, behind a URN, or the URN of a schema.

        :param requested: What the dialect requests where the client can't.
        """
        if not attributes and not excluded:
            return _whole(resource_type, tuple(requested))
        return cls._of(resource_type, attributes, excluded, requested)

    @classmethod
    def _of(
        cls,
        resource_type: ResourceType,
        attributes: Sequence[str],
        excluded: Sequence[str],
        requested: Sequence[str],
    ) -> Projection:
        named = frozenset(_names(resource_type, attributes))
        without = frozenset(_names(resource_type, excluded))
        return cls(
            resource_type,
            named,
            without,
            bool(attributes),
            frozenset(_names(resource_type, requested)),
            trims=resource_type.has_rare_parts
            or any(sub is not None for _, sub in named | without),
        )

    def wants(self, key: str) -> bool:
        """Whether the attribute of a flat key, or a part of it, belongs to the answer."""
        return key in _table(self)

    def wants_part(self, key: str, sub: str) -> bool:
        """Whether a sub-attribute belongs to the answer."""
        table = _table(self)
        if key not in table:
            return False
        kept = table[key]
        return kept is None or sub in kept

    def trim(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Return a flat resource with what belongs to the answer."""
        table = _table(self)
        trimmed: dict[str, Any] = {}
        for key, value in flat.items():
            if key in table:
                part = _part(value, table[key])
                if part is not None:
                    trimmed[key] = part
        return trimmed


@lru_cache(maxsize=64)
def _whole(resource_type: ResourceType, requested: tuple[str, ...]) -> Projection:
    return Projection._of(resource_type, (), (), requested)  # noqa: SLF001 - the same, once


@lru_cache(maxsize=256)
def _inside(
    resource_type: ResourceType, attributes: tuple[str, ...], excluded: tuple[str, ...]
) -> Projection:
    found = Projection.of(resource_type, attributes, excluded)
    return replace(found, trims=False, unveiled=True)


@lru_cache(maxsize=512)
def _table(projection: Projection) -> dict[str, frozenset[str] | None]:
    """Return the flat keys of an answer, with the sub-attributes to keep where not all are kept."""
    table: dict[str, frozenset[str] | None] = {}
    for key, attribute in projection.resource_type.keys.items():
        asked = {sub for name, sub in projection.attributes if name == key}
        without = {sub for name, sub in projection.excluded if name == key}
        named = bool(asked)
        if projection.unveiled and attribute.hidden:
            if named or not (projection.names_attributes or None in without):
                table[key] = None
            continue
        if not _returned(attribute, named, projection.names_attributes, None in without):
            continue
        subs = asked - {None}
        if None in asked or not asked:
            subs |= {sub for name, sub in projection.requested if name == key}
        kept = frozenset(
            sub.name
            for sub in attribute.sub_attributes
            if _returned(sub, sub.name in subs, named and None not in asked, sub.name in without)
        )
        table[key] = None if len(kept) == len(attribute.sub_attributes) else kept
    return table


def _returned(attribute: Attribute, named: bool, others_named: bool, excluded: bool) -> bool:
    """Whether an attribute is in an answer.

    :param named: Whether the client asked for it.
    :param others_named: Whether the client asked for some, this one or others.
    """
    if attribute.hidden:
        return False
    if attribute.returned is Returned.ALWAYS:
        return True
    if excluded:
        return False
    return named or (attribute.returned is Returned.DEFAULT and not others_named)


def _names(resource_type: ResourceType, names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for name in names:
        try:
            path = parse_path(name.strip())
        except InvalidPath:
            continue
        if path.filter is not None:
            continue
        place = resolve(path, resource_type)
        if isinstance(place, Schema):
            prefix = "" if place is resource_type.schema else f"{place.id}:"
            yield from ((prefix + attribute.name, None) for attribute in place.attributes)
        elif place is not None:
            yield place.key, None if place.sub is None else place.sub.name


def _part(value: Any, kept: frozenset[str] | None) -> Any:
    """Return the sub-attributes of a value that are kept; ``None`` if nothing is."""
    if kept is None or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: item for name, item in value.items() if name in kept} or None
    parts = [part for part in (_part(element, kept) for element in value) if part is not None]
    return parts or None
