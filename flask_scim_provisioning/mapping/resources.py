"""One resource type over one model of the host: all that is derived from a schema, built once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ..models import Models, utcnow
from ..scim import attributes as scim
from . import checks
from .bindings import Binding, Collection, StoredBinding
from .errors import MappingError
from .groups import GroupsBinding
from .links import may_be_id, new_id, primary_key_of
from .membership import MembersBinding
from .one_value import OneValueBinding
from .relations import ReferenceBinding
from .schemas import ResourceSchema
from .slots import Slot, host_column
from .stores import chunks
from .system import ExternalIdBinding, IdBinding, MetaBinding
from .watching import watch

__all__ = ["ResourceMapping"]


class ResourceMapping:
    """A schema, its model and its link table, with a binding for every attribute.

    :ivar bindings: by flat key; ``password`` and ``groups`` have one only where a team maps them.
    :ivar key: the primary key column of the host's table.
    :ivar tenant_parameter: the name of the parameter that takes the value of the tenant column;
        members and groups meet in one statement, and each has its own.
    :ivar kept_apart: by the pool of a database, whether it keeps names apart whatever their case.
    :ivar users: the mapping of users, which members and managers refer to.
    :ivar groups: the mapping of groups; None where the portal has users only.
    """

    users: ResourceMapping
    groups: ResourceMapping | None
    schema: ResourceSchema

    def __init__(self, schema_class: type[ResourceSchema], link: type[Any], models: Models) -> None:
        options = schema_class.opts
        if getattr(options, "model", None) is None:
            raise MappingError(
                f"{schema_class.__name__} names no model: add `class Meta: model = <your model>`."
            )
        self.schema_class = schema_class
        self.schema_name = schema_class.__name__
        self.options: Any = options
        self.resource_type: scim.ResourceType = schema_class.resource_type
        self.endpoint = self.resource_type.endpoint
        self.lookup_key = schema_class.lookup
        self.model: type[Any] = self.options.model
        self.models = models
        self.link = link
        self.links: sa.Table = link.__table__
        self.key = primary_key_of(self.model)
        self.table: Any = self.key.table
        self.mapper: Any = sa.inspect(self.model)
        self.key_name: str = sa.inspect(self.model).get_property_by_column(self.key).key
        self.bindings: dict[str, Binding] = {}
        self.plans: dict[Any, Any] = {}
        self.kept_apart: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
        self._statements: dict[str, Any] = {}
        tenant = self.options.tenant
        self.tenant_column = host_column(tenant) if tenant is not None else None
        self.tenant_parameter = f"{self.resource_type.name.lower()}_tenant"
        self.tenant_name: str | None = tenant.key if tenant is not None else None

    @staticmethod
    def connect(users: ResourceMapping, groups: ResourceMapping | None) -> None:
        """Bind every attribute of both mappings, and check that the declarations can work.

        From now on, what the host's ORM changes of them moves their versions.

        :raises MappingError: when one can't; the message says which line to change.
        """
        mappings = [users] if groups is None else [users, groups]
        for mapping in mappings:
            mapping.users, mapping.groups = users, groups
            mapping.schema = mapping.schema_class()
        for mapping in mappings:
            mapping.bind()
        if groups is not None and groups.members is not None:
            attribute = users.resource_type.keys["groups"]
            users.bindings["groups"] = GroupsBinding(attribute, groups.members, users, groups)
        for mapping in mappings:
            checks.check(mapping)
        for mapping in mappings:
            watch(mapping)

    def bind(self) -> None:
        """Make a binding for every attribute; both mappings are connected by now."""
        resource_type = self.resource_type
        self.bindings["id"] = IdBinding(self.links)
        self.bindings["externalId"] = ExternalIdBinding(self.links, self.models, resource_type)
        # A group's members may be groups, who are called by an attribute that is bound by then.
        for field in sorted(self.schema.fields.values(), key=_is_members):
            binding = field.bind(field.key, field.scim, self)  # type: ignore[attr-defined]
            self.bindings[field.key] = binding  # type: ignore[attr-defined]
        self.bindings["meta"] = MetaBinding(self.links, resource_type)

    @functools.cached_property
    def clearable_keys(self) -> tuple[str, ...]:
        """The attributes that a replace clears when it doesn't name them."""
        return tuple(
            key
            for key, binding in self.bindings.items()
            if key not in ("id", "meta", "externalId", "members", "active", self.lookup_key)
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
    def _references(self) -> tuple[str, ...]:
        return tuple(
            key
            for key, binding in self.bindings.items()
            if isinstance(binding, MembersBinding | ReferenceBinding)
        )

    def refers(self, values: Mapping[str, Any]) -> bool:
        """Say whether values refer to other resources, by their ids."""
        return any(values.get(key) for key in self._references)

    @functools.cached_property
    def _partly_kept(self) -> dict[str, OneValueBinding]:
        return {k: b for k, b in self.bindings.items() if isinstance(b, OneValueBinding)}

    def has_others(self, stored: Mapping[str, Any]) -> bool | None:
        """Say whether a link row keeps elements beside one of the host's, as ``Link.others``."""
        found = any(
            binding.has_others(stored.get(key)) for key, binding in self._partly_kept.items()
        )
        return found or None

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
            if not binding.writable():
                attribute = replace(attribute, mutability=scim.Mutability.READ_ONLY)
            elif attribute.name == "active" or not binding.clearable():
                attribute = replace(attribute, required=True)
            attributes.append(attribute)
        return replace(schema, attributes=tuple(attributes))

    @property
    def deletes_rows(self) -> bool:
        """Whether a DELETE deletes the host's row, as the team says; by default groups only."""
        default = "delete" if self.resource_type.name == "Group" else "deactivate"
        return bool((self.options.on_delete or default) == "delete")

    def display_slot(self) -> Slot:
        """Return what a member is called: the display name, where the host has one."""
        for key in ("displayName", self.lookup_key):
            binding = self.bindings.get(key)
            if binding is None or isinstance(binding, StoredBinding):
                continue
            slot = binding.slot(None)
            if slot is not None:
                return slot
        raise MappingError(f"{self.schema_name} maps no {self.lookup_key} to a column.")

    @property
    def members(self) -> MembersBinding | None:
        """The binding of a group's members, if the team maps them."""
        binding = self.bindings.get("members")
        return binding if isinstance(binding, MembersBinding) else None

    def tenant_of(self, tenant: str) -> Any:
        """Return the value of the tenant column for the tenant of a URL."""
        convert = self.options.tenant_value
        if convert is not None:
            return convert(tenant)
        try:
            return self.options.tenant.type.python_type(tenant)
        except (ValueError, NotImplementedError):
            return tenant

    def tenants_of(self, tenant: str) -> dict[str, Any]:
        """Return what the statements of users and groups take for the tenant of a URL.

        Each resource type may have a tenant column or none, whatever the other one has.
        """
        return {
            each.tenant_parameter: each.tenant_of(tenant)
            for each in (self.users, self.groups)
            if each is not None and each.tenant_column is not None
        }

    def boundaries(self) -> list[sa.ColumnElement[bool]]:
        """Return what limits every statement: the tenant, and what the team lets SCIM see."""
        conditions: list[sa.ColumnElement[bool]] = list(self.options.visible)
        if self.tenant_column is not None:
            conditions.append(self.tenant_column == sa.bindparam(self.tenant_parameter))
        return conditions

    def host_keys(
        self, connection: sa.Connection, ids: Sequence[str], parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the host's keys of those SCIM ids that exist here, by lower-case id."""
        statement = self.kept("host_keys", self._host_keys_statement)
        found: dict[str, Any] = {}
        for part in chunks([item.lower() for item in ids if may_be_id(item)]):
            named = {**parameters, "ids": list(part)}
            found.update((row[0], row[1]) for row in connection.execute(statement, named))
        return found

    def _host_keys_statement(self) -> Any:
        links = self.links
        return (
            sa.select(links.c.id, links.c.host_id)
            .select_from(links.join(self.table, links.c.host_id == self.key))
            .where(
                links.c.id.in_(sa.bindparam("ids", expanding=True)),
                links.c.deleted.is_(None),
                *self.boundaries(),
            )
        )

    def make_links(self, connection: sa.Connection, keys: Iterable[Any]) -> None:
        """Give host rows a link that have none; who made one meanwhile is left alone."""
        now = utcnow()
        rows = [
            {"id": new_id(), "host_id": key, "version": 1, "created": now, "last_modified": now}
            for key in keys
        ]
        insert: Any
        match connection.dialect.name:
            case "postgresql":
                insert = postgresql.insert(self.links).on_conflict_do_nothing()
            case "mysql" | "mariadb":
                insert = sa.insert(self.links).prefix_with("IGNORE")
            case "sqlite":
                insert = sa.insert(self.links).prefix_with("OR IGNORE")
            case _:
                insert = sa.insert(self.links)
        if rows:
            connection.execute(insert, rows)

    def kept(self, name: str, make: Any) -> Any:
        """Return a statement that is built once for this mapping."""
        if name not in self._statements:
            self._statements[name] = make()
        return self._statements[name]

    def describe(self) -> list[dict[str, Any]]:
        """Return where each attribute lives, for ``flask scim mapping`` and the console."""
        rows = []
        for key, binding in self.bindings.items():
            attribute = binding.attribute
            collection = attribute.multi_valued and isinstance(binding, Collection)
            simple = binding.slot(None) or binding.slot("value")
            parts = any(binding.slot(sub.name) for sub in attribute.sub_attributes)
            rows.append(
                {
                    "attribute": key,
                    "place": binding.place,
                    "type": attribute.type.value,
                    "filterable": bool(collection or simple or parts),
                    "notes": _notes(binding),
                }
            )
        return rows

    def doctor(self, connection: sa.Connection) -> list[checks.Finding]:
        """Return what would make look-ups slow on this database, and how to mend it."""
        return checks.look_ups(self, connection)


def _is_members(field: Any) -> bool:
    return bool(field.key == "members")


def _notes(binding: Binding) -> str:
    attribute: scim.Attribute = binding.attribute
    if isinstance(binding, StoredBinding):
        return "kept as sent, so that it is read back"
    if isinstance(binding, OneValueBinding):
        return "one value in the host, the others in the link row"
    if attribute.mutability is scim.Mutability.READ_ONLY:
        return "read-only"
    if attribute.mutability is scim.Mutability.WRITE_ONLY:
        return "write-only"
    return ""
