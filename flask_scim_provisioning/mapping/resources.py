"""One resource type over one model of the host: what a schema declares, and where it lives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from ..models import Models
from ..scim import attributes as scim
from .bindings.base import Binding, Keeping
from .bindings.members import MembersBinding
from .bindings.slots import Slot
from .declare.schemas import ResourceSchema
from .host.making import names_in
from .host.tables import HostTable

__all__ = ["ACTIVE", "Mappings", "ResourceMapping"]

T = TypeVar("T")

ACTIVE = "active"
"""The attribute that says whether somebody may sign in (RFC 7643 section 4.1.1)."""


def _no_tenants(_tenant: str) -> dict[str, Any]:
    return {}


_KEPT_BY_REPLACE = frozenset({"id", "meta", "externalId", "members", ACTIVE})


@dataclass(frozen=True, slots=True, eq=False)
class Mappings:
    """The mappings of one application; without groups, where it has none."""

    users: ResourceMapping
    groups: ResourceMapping | None

    def tenants_of(self, tenant: str) -> dict[str, Any]:
        """Return what the statements of users and groups take for the tenant of a URL.

        Each resource type may have a tenant column or none, whatever the other one has.
        """
        tables = [each.table for each in (self.users, self.groups) if each is not None]
        return {
            table.tenant_parameter: table.tenant_of(tenant)
            for table in tables
            if table.tenant is not None
        }


@dataclass(frozen=True, eq=False)
class ResourceMapping:
    """A schema and the host's table, with a binding for every attribute.

    :ivar bindings: by flat key; ``password`` and ``groups`` have one only where a team maps them.
    :ivar display: what one is called, for people.
    :ivar members: the binding of a group's members, if the team maps them.
    :ivar memberships: the same for whoever may be a member.
    :ivar peers: the mappings of one application, by resource type.
    :ivar plans: how rows become resources, by what clients ask for.
    :ivar left_alone: by the pool of a database, whether it changes nothing of a row by itself.
    :ivar kept_apart: by the pool of a database, whether it keeps names apart whatever their case.
    """

    table: HostTable
    schema: ResourceSchema
    options: Any
    models: Models
    bindings: Mapping[str, Binding]
    display: Slot
    members: MembersBinding | None = None
    memberships: MembersBinding | None = None
    tables: Mapping[str, HostTable] = field(default_factory=dict)
    tenants_of: Callable[[str], dict[str, Any]] = _no_tenants
    peers: Mapping[str, Any] = field(default_factory=dict)
    plans: dict[Any, Any] = field(default_factory=dict)
    kept_apart: WeakKeyDictionary[Any, bool] = field(default_factory=WeakKeyDictionary)
    left_alone: WeakKeyDictionary[Any, bool] = field(default_factory=WeakKeyDictionary)

    @functools.cached_property
    def resource_type(self) -> scim.ResourceType:
        """The resource type, as the RFC and the team's extensions have it."""
        return self.schema.resource_type

    @property
    def endpoint(self) -> str:
        """Where it is below the SCIM base URL, such as ``/Users``."""
        return self.table.endpoint

    @property
    def schema_name(self) -> str:
        """What the team calls the schema."""
        return self.table.owner

    @property
    def lookup_key(self) -> str:
        """By what identity providers match: ``userName`` or ``displayName``."""
        return self.schema.lookup

    @property
    def model(self) -> type[Any]:
        """The host's model."""
        return self.table.model

    @property
    def links(self) -> sa.Table:
        """The links of the host's rows."""
        return self.table.links

    @functools.cached_property
    def state(self) -> Binding | None:
        """The binding that says whether somebody is active; groups have none."""
        return self.bindings.get(ACTIVE)

    @functools.cached_property
    def clearable_keys(self) -> tuple[str, ...]:
        """The attributes that a replace clears when it doesn't name them."""
        return tuple(
            key
            for key, binding in self.bindings.items()
            if key not in _KEPT_BY_REPLACE
            and key != self.lookup_key
            and binding.attribute.mutability is scim.Mutability.READ_WRITE
            and binding.clearable()
        )

    @functools.cached_property
    def required_keys(self) -> tuple[str, ...]:
        """The attributes that a new row of the host can't be without."""
        return tuple(
            key
            for key, binding in self.bindings.items()
            if binding.expressions and not binding.clearable()
        )

    @functools.cached_property
    def names(self) -> Mapping[str, frozenset[str]]:
        """The attributes of the host's objects that each attribute is read from."""
        mapper = self.table.mapper
        return {
            key: frozenset(names_in(mapper, binding.expressions))
            for key, binding in self.bindings.items()
        }

    @functools.cached_property
    def _references(self) -> tuple[str, ...]:
        return tuple(key for key, binding in self.bindings.items() if binding.refers)

    @functools.cached_property
    def naming_keys(self) -> tuple[str, ...]:
        """The attributes that name other resources by their keys in the host's row."""
        return tuple(key for key, binding in self.bindings.items() if binding.names_by_key)

    def refers(self, values: Mapping[str, Any]) -> bool:
        """Say whether values refer to other resources, by their ids."""
        return any(values.get(key) for key in self._references)

    @functools.cached_property
    def administrators(self) -> sa.ColumnElement[bool] | None:
        """The condition that says who administers the portal; None where the team says nothing."""
        declared = self.options.administrators
        if inspect.isfunction(declared):
            declared = declared()
        condition: sa.ColumnElement[bool] | None = declared
        return condition

    def is_apart(self, key: str) -> bool:
        """Say whether an attribute is kept in a table of its own, not with the resource."""
        return self.bindings[key].keeping is Keeping.APART

    def has_others(self, stored: Mapping[str, Any]) -> bool | None:
        """Say whether a link row keeps elements beside one of the host's, as ``Link.others``."""
        bindings = self.bindings
        found = any(
            bindings[key].has_others(part) for key, part in stored.items() if key in bindings
        )
        return found or None

    @functools.cached_property
    def changeable(self) -> scim.ResourceType:
        """The resource type as changes meet it: what this portal can't write is read-only."""
        core, *extensions = (
            replace(
                schema,
                attributes=tuple(
                    _read_only(attribute) if self._is_fixed(schema, attribute) else attribute
                    for attribute in schema.attributes
                ),
            )
            for schema in self.resource_type.schemas
        )
        kind = self.resource_type
        return scim.ResourceType(kind.name, kind.endpoint, core, tuple(extensions))

    def _is_fixed(self, schema: scim.Schema, attribute: scim.Attribute) -> bool:
        prefix = "" if schema is self.resource_type.schema else f"{schema.id}:"
        binding = self.bindings.get(prefix + attribute.name)
        if binding is None or binding.keeping is Keeping.APART:
            return False  # members say themselves which of them can be changed
        return not binding.writable()

    @functools.cached_property
    def published(self) -> scim.ResourceType:
        """The resource type as ``/Schemas`` tells it: what this portal really takes.

        Attributes without a place aren't there, those that the host can't leave empty are
        required, and what identity providers match by is unique.
        """
        core, *extensions = (self._published(schema) for schema in self.resource_type.schemas)
        kind = self.resource_type
        return scim.ResourceType(kind.name, kind.endpoint, core, tuple(extensions))

    def _published(self, schema: scim.Schema) -> scim.Schema:
        prefix = "" if schema is self.resource_type.schema else f"{schema.id}:"
        attributes = []
        for attribute in schema.attributes:
            binding = self.bindings.get(prefix + attribute.name)
            if binding is None:
                continue
            if not prefix and attribute.name == self.lookup_key:
                attribute = replace(attribute, uniqueness=scim.Uniqueness.SERVER)
            if self.table.read_only or not binding.writable():
                attribute = _read_only(attribute)
            elif attribute.name == ACTIVE or binding.is_demanded():
                attribute = replace(attribute, required=True)
            attributes.append(attribute)
        return replace(schema, attributes=tuple(attributes))

    @property
    def reads_only(self) -> bool:
        """Whether nothing of this resource type can be written here, as over a view."""
        return self.table.read_only

    @property
    def deletes_rows(self) -> bool:
        """Whether a DELETE deletes the host's row, as the team says; by default groups only."""
        default = "delete" if self.table.name == "Group" else "deactivate"
        return bool((self.options.on_delete or default) == "delete")

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return a statement that is built once for this mapping."""
        return self.table.kept(name, make)

    def describe(self) -> list[dict[str, Any]]:
        """Return where each attribute lives, for ``flask scim mapping`` and the console."""
        return [
            {
                "attribute": key,
                "place": binding.place,
                "type": binding.attribute.type.value,
                "filterable": binding.searchable(),
                "notes": binding.note,
            }
            for key, binding in self.bindings.items()
        ]


def _read_only(attribute: scim.Attribute) -> scim.Attribute:
    """Return an attribute as one that clients can't write, in none of its parts."""
    subs = tuple(_read_only(sub) for sub in attribute.sub_attributes)
    return replace(attribute, mutability=scim.Mutability.READ_ONLY, sub_attributes=subs)
