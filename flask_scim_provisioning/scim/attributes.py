"""Attributes, schemas and resource types: their characteristics (RFC 7643 sections 2, 6, 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias


class Type(StrEnum):
    """The data types of RFC 7643 section 2.3."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    REFERENCE = "reference"
    BINARY = "binary"
    COMPLEX = "complex"


class Mutability(StrEnum):
    """When an attribute can be written (RFC 7643 section 7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When an attribute is in an answer (RFC 7643 section 7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    """Among which resources a value is unique (RFC 7643 section 7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


@dataclass(frozen=True)
class Attribute:
    """One attribute or sub-attribute; the defaults are those of RFC 7643 section 2.2."""

    name: str
    type: Type = Type.STRING
    multi_valued: bool = field(default=False, repr=False)
    required: bool = field(default=False, repr=False)
    case_exact: bool = field(default=False, repr=False)
    mutability: Mutability = field(default=Mutability.READ_WRITE, repr=False)
    returned: Returned = field(default=Returned.DEFAULT, repr=False)
    uniqueness: Uniqueness = field(default=Uniqueness.NONE, repr=False)
    canonical_values: tuple[str, ...] = field(default=(), repr=False)
    reference_types: tuple[str, ...] = field(default=(), repr=False)
    description: str = field(default="", repr=False)
    sub_attributes: tuple[Attribute, ...] = field(default=(), repr=False)

    @property
    def hidden(self) -> bool:
        """Whether nothing may tell its value: no answer, no filter, no order (RFC 7643 section 7).

        What is written only is never returned, whatever else a schema says of it.
        """
        return self.returned is Returned.NEVER or self.mutability is Mutability.WRITE_ONLY

    @cached_property
    def visible_parts(self) -> tuple[Attribute, ...]:
        """The sub-attributes that aren't hidden."""
        return tuple(sub for sub in self.sub_attributes if not sub.hidden)

    @cached_property
    def _by_lower_name(self) -> dict[str, Attribute]:
        return {sub.name.lower(): sub for sub in self.sub_attributes}

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The sub-attributes by their canonical names, in the order of the schema."""
        return MappingProxyType({sub.name: sub for sub in self.sub_attributes})

    def sub(self, name: str) -> Attribute | None:
        """Return the sub-attribute of that name, in any case (RFC 7643 section 2.1)."""
        return self._by_lower_name.get(name.lower())

    def as_json(self) -> dict[str, Any]:
        """Return the definition as it stands in a schema document (RFC 7643 section 7)."""
        document: dict[str, Any] = {
            "name": self.name,
            "type": self.type.value,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "caseExact": self.case_exact,
            "mutability": self.mutability.value,
            "returned": self.returned.value,
            "uniqueness": self.uniqueness.value,
        }
        if self.canonical_values:
            document["canonicalValues"] = list(self.canonical_values)
        if self.reference_types:
            document["referenceTypes"] = list(self.reference_types)
        if self.sub_attributes:
            document["subAttributes"] = [sub.as_json() for sub in self.sub_attributes]
        return document


@dataclass(frozen=True)
class Schema:
    """A named set of attributes (RFC 7643 section 7)."""

    id: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]

    @cached_property
    def _by_lower_name(self) -> dict[str, Attribute]:
        return {attribute.name.lower(): attribute for attribute in self.attributes}

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name, in any case (RFC 7643 section 2.1)."""
        return self._by_lower_name.get(name.lower())

    def as_json(self) -> dict[str, Any]:
        """Return the schema's definition, without ``schemas`` and ``meta``."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.as_json() for attribute in self.attributes],
        }


SCHEMAS = Attribute(
    "schemas",
    Type.REFERENCE,
    multi_valued=True,
    required=True,
    case_exact=True,
    returned=Returned.ALWAYS,
    reference_types=("uri",),
    description="The URNs of the schemas whose attributes the resource has.",
)
ID = Attribute(
    "id",
    required=True,
    case_exact=True,
    mutability=Mutability.READ_ONLY,
    returned=Returned.ALWAYS,
    uniqueness=Uniqueness.SERVER,
    description="The service's identifier of the resource; it never changes.",
)
EXTERNAL_ID = Attribute(
    "externalId",
    case_exact=True,
    description="The provisioning client's identifier of the resource.",
)
META = Attribute(
    "meta",
    Type.COMPLEX,
    mutability=Mutability.READ_ONLY,
    description="What the service knows about the resource.",
    sub_attributes=(
        Attribute(
            "resourceType",
            case_exact=True,
            mutability=Mutability.READ_ONLY,
            description="The name of the resource type.",
        ),
        Attribute(
            "created",
            Type.DATE_TIME,
            mutability=Mutability.READ_ONLY,
            description="When the service got to know the resource.",
        ),
        Attribute(
            "lastModified",
            Type.DATE_TIME,
            mutability=Mutability.READ_ONLY,
            description="When the resource was last changed.",
        ),
        Attribute(
            "location",
            Type.REFERENCE,
            case_exact=True,
            mutability=Mutability.READ_ONLY,
            reference_types=("uri",),
            description="The URL of the resource.",
        ),
        Attribute(
            "version",
            case_exact=True,
            mutability=Mutability.READ_ONLY,
            description="The resource's entity tag.",
        ),
    ),
)

COMMON_ATTRIBUTES = (SCHEMAS, ID, EXTERNAL_ID, META)
"""What every resource has, in no schema's document (RFC 7643 section 3.1)."""


Layout: TypeAlias = tuple[tuple[str, ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]
"""The flat keys of the core schema, and for each extension its names with their flat keys."""

_MOST_LAYOUTS = 1_024


@dataclass(frozen=True, eq=False)
class ResourceType:
    """One kind of resource: its endpoint, its core schema and its extensions (RFC 7643 section 6).

    Two resource types are equal when they are the same object, so that one can key a cache.

    :param endpoint: The path under the base URL, such as ``/Users``.
    """

    name: str
    endpoint: str
    schema: Schema
    extensions: tuple[Schema, ...] = field(default=())

    @cached_property
    def schemas(self) -> tuple[Schema, ...]:
        """The core schema and then the extensions."""
        return (self.schema, *self.extensions)

    @cached_property
    def keys(self) -> Mapping[str, Attribute]:
        """Every flat key with its attribute, in the order in which a resource is written.

        A core or common attribute's key is its name, an extension attribute's is ``urn:name``.
        """
        keys = {attribute.name: attribute for attribute in (SCHEMAS, ID, EXTERNAL_ID)}
        keys |= {attribute.name: attribute for attribute in self.schema.attributes}
        for extension in self.extensions:
            keys |= {f"{extension.id}:{item.name}": item for item in extension.attributes}
        keys[META.name] = META
        return MappingProxyType(keys)

    @cached_property
    def _found(self) -> dict[str, tuple[str, Attribute]]:
        """Lower-case qualified and bare names; the core schema's win over an extension's."""
        found: dict[str, tuple[str, Attribute]] = {}
        for schema in self.schemas:
            prefix = "" if schema is self.schema else f"{schema.id}:"
            for attribute in schema.attributes:
                place = (prefix + attribute.name, attribute)
                found[f"{schema.id}:{attribute.name}".lower()] = place
        for attribute in COMMON_ATTRIBUTES:
            found[attribute.name.lower()] = (attribute.name, attribute)
            found.setdefault(
                f"{self.schema.id}:{attribute.name}".lower(), (attribute.name, attribute)
            )
        for schema in self.schemas:
            for attribute in schema.attributes:
                qualified = found[f"{schema.id}:{attribute.name}".lower()]
                found.setdefault(attribute.name.lower(), qualified)
        return found

    @cached_property
    def _schema_by_lower_id(self) -> dict[str, Schema]:
        return {schema.id.lower(): schema for schema in self.schemas}

    @cached_property
    def has_rare_parts(self) -> bool:
        """Whether an attribute has parts that no answer has, or that only some have.

        The display of members is apart: no member's row is read for it unless it is asked for.
        """
        return any(
            sub.hidden or (sub.returned is Returned.REQUEST and key != "members")
            for key, attribute in self.keys.items()
            for sub in attribute.sub_attributes
        )

    def find(self, urn: str | None, name: str) -> tuple[str, Attribute] | None:
        """Return the flat key and the attribute of a name, in any case; ``None`` if it is unknown.

        Without a URN the core schema, the common attributes and then the extensions are searched:
        Entra asks for ``manager eq "…"`` by its bare name.
        """
        return self._found.get((name if urn is None else f"{urn}:{name}").lower())

    def schema_named(self, urn: str) -> Schema | None:
        """Return the core schema or extension of that URN, in any case."""
        return self._schema_by_lower_id.get(urn.lower())

    @cached_property
    def _layouts(self) -> dict[tuple[str, ...], Layout]:
        return {}

    def layout(self, keys: tuple[str, ...]) -> Layout:
        """Return the order in which a flat resource with these keys is written, without ``meta``.

        A page of resources has few sets of keys, and each is put in order once.
        """
        found = self._layouts.get(keys)
        if found is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            given = frozenset(keys) - {SCHEMAS.name, META.name}
            extensions = []
            for extension in self.extensions:
                places = tuple(
                    (item.name, key)
                    for item in extension.attributes
                    if (key := f"{extension.id}:{item.name}") in given
                )
                if places:
                    extensions.append((extension.id, places))
            inner = {key for _, places in extensions for _, key in places}
            own = tuple(key for key in self.keys if key in given and key not in inner)
            found = self._layouts[keys] = own, tuple(extensions)
        return found

    def schema_of(self, key: str) -> str:
        """Return the URN of the schema that a flat key belongs to."""
        for extension in self.extensions:
            if key.startswith(f"{extension.id}:"):
                return extension.id
        return self.schema.id
