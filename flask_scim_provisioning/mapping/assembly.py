"""From declarations to mappings: the one place that knows all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..models import Models
from .access.host_writes import watch
from .access.own_states import watch_states
from .bindings.base import Binding, Keeping
from .bindings.common import ExternalIdBinding, IdBinding, MetaBinding
from .bindings.groups import GroupsBinding
from .bindings.members import MembersBinding
from .bindings.slots import Slot
from .checks import check
from .declare.base import AttributeField, Site
from .declare.fields import Members
from .declare.schemas import ResourceSchema
from .errors import MappingError
from .host.tables import HostTable
from .resources import Mappings, ResourceMapping

__all__ = ["assemble"]

T = TypeVar("T")


def assemble(
    user_schema: type[ResourceSchema],
    group_schema: type[ResourceSchema] | None,
    links: Mapping[str, type[Any]],
    models: Models,
) -> Mappings:
    """Bind every attribute of the schemas, and check that the declarations can work.

    From now on, what the host's ORM changes of them moves their versions.

    :param links: the link models, by ``Users`` and ``Groups``.
    :raises MappingError: when a declaration can't work; the message says which line to change.
    """
    users = host_table(user_schema, links["Users"])
    groups = host_table(group_schema, links["Groups"]) if group_schema is not None else None
    tables = {table.name: table for table in (users, groups) if table is not None}
    parts = [_Part(user_schema, users, models, groups=groups, users=users)]
    if group_schema is not None and groups is not None:
        parts.append(_Part(group_schema, groups, models, groups=groups, users=users))
    displays = {part.table.name: part.display() for part in parts}
    members = parts[-1].bind_members(displays) if groups is not None else None
    if members is not None and groups is not None:
        attribute = user_schema.resource_type.keys["groups"]
        parts[0].bindings["groups"] = GroupsBinding(
            attribute, members.store, users, groups, displays[groups.name]
        )
    made: dict[str, ResourceMapping] = {}

    def tenants_of(tenant: str) -> dict[str, Any]:
        return mappings.tenants_of(tenant)

    for part in parts:
        made[part.table.name] = ResourceMapping(
            part.table,
            part.schema,
            part.schema.opts,
            models,
            part.ordered(),
            displays[part.table.name],
            members if part.table is groups else None,
            members,
            tables,
            tenants_of,
            made,
        )
    mappings = Mappings(made["User"], made.get("Group"))
    for mapping in made.values():
        check(mapping)
    for mapping in made.values():
        watch(mapping)
        watch_states(mapping)
    return mappings


def host_table(schema: type[ResourceSchema], link: type[Any]) -> HostTable:
    """Return the host's table behind a schema.

    :raises MappingError: when the schema names no model.
    """
    options: Any = schema.opts
    if getattr(options, "model", None) is None:
        raise MappingError(
            f"{schema.__name__} names no model: add `class Meta: model = <your model>`."
        )
    return HostTable(
        options.model,
        link,
        owner=schema.__name__,
        name=schema.resource_type.name,
        endpoint=schema.resource_type.endpoint,
        tenant=options.tenant,
        tenant_value=options.tenant_value,
        visible=options.visible,
        read_only=options.read_only,
        factory=options.factory,
        defaults=options.defaults,
    )


class _Part:
    """One schema while it is bound; members come last, who are called by other attributes."""

    def __init__(
        self,
        schema_class: type[ResourceSchema],
        table: HostTable,
        models: Models,
        *,
        users: HostTable,
        groups: HostTable | None,
    ) -> None:
        self.schema = schema_class()
        self.table = table
        self._models = models
        self._users, self._groups = users, groups
        self._fields: dict[str, AttributeField] = {
            field.key: field
            for field in self.schema.fields.values()
            if isinstance(field, AttributeField)
        }
        self.bindings: dict[str, Binding] = {
            "id": IdBinding(table),
            "externalId": ExternalIdBinding(table, models),
        }
        for field in self._fields.values():
            self._naming(field.meet, self._fields)
        for key, field in self._fields.items():
            if key != "members":
                self.bindings[key] = self._bound(field, {})
        for field in self._fields.values():
            self.bindings.update(self._naming(field.companions, self._fields, self._site({})))
        self._meta = MetaBinding(table)

    def _site(self, displays: Mapping[str, Slot]) -> Site:
        choice = getattr(self.schema.opts, "unknown_members", None)
        return Site(self.table, self._users, self._groups, displays, choice)

    def _bound(self, field: AttributeField, displays: Mapping[str, Slot]) -> Binding:
        return self._naming(field.bind, field.key, field.scim, self._site(displays))

    def _naming(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call a field's method; a mistake of the team's is told with the name of the schema."""
        try:
            return call(*arguments)
        except MappingError as error:
            owner = self.table.owner
            if str(error).startswith(owner):
                raise
            raise MappingError(f"{owner}: {error}") from None

    def bind_members(self, displays: Mapping[str, Slot]) -> MembersBinding | None:
        """Bind the members of groups, if the team maps them.

        :raises MappingError: when they are mapped by another field than ``fields.Members``.
        """
        field = self._fields.get("members")
        if field is None:
            return None
        if not isinstance(field, Members):
            raise MappingError(f"{self.table.owner}: members are mapped by fields.Members only.")
        binding = self._bound(field, displays)
        self.bindings["members"] = binding
        found: Any = binding
        bound: MembersBinding = found
        return bound

    def display(self) -> Slot:
        """Return what a member is called: the display name, where the host has one.

        :raises MappingError: when the host has neither that nor a name to look people up by.
        """
        lookup = self.schema.lookup
        for key in ("displayName", lookup):
            binding = self.bindings.get(key)
            if binding is None or binding.keeping is Keeping.LINK:
                continue
            slot = binding.display_slot()
            if slot is not None:
                return slot
        snake = "user_name" if lookup == "userName" else "display_name"
        raise MappingError(
            f"{self.table.owner} maps no {lookup} to a column, and RFC 7643 requires one: add "
            f"`{snake} = fields.Attribute({self.table.model.__name__}.<column>)`."
        )

    def ordered(self) -> Mapping[str, Binding]:
        """Return the bindings in the order in which people read them; ``meta`` comes last."""
        return {**self.bindings, "meta": self._meta}
