"""Attribute paths against a resource type, and the paths of PATCH (RFC 7644 section 3.5.2)."""

from __future__ import annotations

from dataclasses import dataclass

from .attributes import Attribute, ResourceType, Schema, Type
from .errors import InvalidPath
from .filters import (
    MAX_LENGTH,
    AttrPath,
    Filter,
    Reader,
    is_plain_name,
    is_schema_urn,
    render,
)
from .keeping import LONGEST_KEPT, kept


@dataclass(frozen=True, slots=True)
class PatchPath:
    """The target of a PATCH operation: ``path``, ``path[filter]`` or ``path[filter].sub``.

    The sub-attribute of a path without a filter is ``path.sub``.
    """

    path: AttrPath
    filter: Filter | None = None
    sub: str | None = None

    def __str__(self) -> str:
        brackets = "" if self.filter is None else f"[{render(self.filter)}]"
        return f"{self.path}{brackets}" + ("" if self.sub is None else f".{self.sub}")


@dataclass(frozen=True, slots=True)
class Location:
    """The place that a path names in the resources of one type.

    :param key: The flat key of the top-level attribute.
    """

    key: str
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        """The sub-attribute if there is one, the attribute otherwise."""
        return self.attribute if self.sub is None else self.sub

    @property
    def hidden(self) -> bool:
        """Whether nothing may tell the value at this place."""
        return self.attribute.hidden or self.leaf.hidden

    @property
    def label(self) -> str:
        """The name of the place, for details."""
        if self.sub is None:
            return self.attribute.name
        return f"{self.attribute.name}.{self.sub.name}"


def parse_path(text: str) -> PatchPath:
    """Return the parts of the ``path`` of a PATCH operation.

    A URN alone is read like a name, and :func:`resolve` knows whether it is a schema's.

    :raises InvalidPath: with the column where reading stopped.
    """
    if len(text) <= LONGEST_KEPT and is_plain_name(text):
        return PatchPath(AttrPath(None, text))
    return _cached(text)


def locate(path: AttrPath, resource_type: ResourceType) -> Location | None:
    """Return the place that an attribute path names; ``None`` if the type has no such attribute."""
    found = resource_type.find(path.urn, path.name)
    if found is None:
        return None
    key, attribute = found
    if path.sub is None:
        return Location(key, attribute)
    sub = attribute.sub(path.sub)
    return None if sub is None else Location(key, attribute, sub)


def compared(location: Location) -> Location:
    """Return the place whose values a comparison with this one is about.

    ``emails co "example.com"`` compares ``emails.value`` (RFC 7644 section 3.4.2.2, the examples),
    and Entra's ``manager eq "…"`` is about the manager's id.
    """
    if location.sub is None and location.attribute.type is Type.COMPLEX:
        value = location.attribute.sub("value")
        if value is not None:
            return Location(location.key, location.attribute, value)
    return location


def resolve(path: PatchPath, resource_type: ResourceType) -> Location | Schema | None:
    """Return the place or the whole schema that a PATCH path names; ``None`` if it is unknown.

    The URN of a schema is matched as a whole and never split at its dots: ``2.0:User`` is no
    sub-attribute.

    :raises InvalidPath: when a filter stands behind what isn't multi-valued.
    """
    if path.filter is None and path.path.sub is None and path.path.urn is not None:
        schema = resource_type.schema_named(str(path.path))
        if schema is not None:
            return schema
    location = locate(path.path, resource_type)
    if location is None:
        return None
    if path.filter is not None and not location.attribute.multi_valued:
        raise InvalidPath(
            f"{location.label} has only one value; send its path without a filter in brackets."
        )
    if path.sub is None:
        return location
    sub = location.attribute.sub(path.sub)
    return None if sub is None else Location(location.key, location.attribute, sub)


# PATH = attrPath / valuePath [subAttr]                              (RFC 7644 section 3.5.2)
# Erratum 7122: subAttr = "." ATTRNAME, and what is in the brackets is a filter.
def _parse(text: str) -> PatchPath:
    if len(text) > MAX_LENGTH:
        raise InvalidPath(f"The path is longer than {MAX_LENGTH} characters; shorten it.")
    reader = Reader(text, InvalidPath)
    if reader.kind == "path":
        path = reader.name()
        if reader.kind is None:
            if text.strip() == str(path):
                return PatchPath(path)
        elif reader.take("["):
            return _with_filter(path, reader)
    # A URN may end in what isn't a name, such as "…:2.0", and then it can only be a schema's.
    if is_schema_urn(text):
        return PatchPath(AttrPath(text, ""))
    return reader.fail("Expected the path of an attribute")


def _with_filter(path: AttrPath, reader: Reader) -> PatchPath:
    if path.sub is not None:
        reader.fail("Brackets can't follow a sub-attribute")
    term = reader.brackets()
    sub = None
    if reader.kind == "sub":
        sub = reader.sub()
    reader.end()
    return PatchPath(path, term, sub)


_cached = kept(_parse)
