"""The fields of a schema: one line says where one SCIM attribute lives in the host's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from ..scim import attributes
from .bindings import (
    Binding,
    ComplexBinding,
    StoredBinding,
    constant_slot,
)
from .errors import MappingError
from .membership import MembersBinding, MembersOfAKind, NestedGroups
from .one_value import OneValueBinding
from .password import Password
from .places import Place, ScalarPlace, camel
from .relations import ReferenceBinding, ValuesBinding, lookup_slot
from .slots import Convert, Slot, Write, column_slot, host_column, json_value, sql_type
from .stores import MembershipStore, store_of

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = [
    "Attribute",
    "Complex",
    "Computed",
    "Constant",
    "Email",
    "JsonKey",
    "Lookup",
    "Members",
    "OneValue",
    "Password",
    "Place",
    "Reference",
    "Stored",
    "Values",
    "camel",
]

Source: TypeAlias = InstrumentedAttribute[Any] | ScalarPlace
"""Where one scalar lives: a column such as ``User.email``, or a field of one scalar."""


def _slots(
    sources: Mapping[str, Source], attribute: attributes.Attribute, owner: str
) -> dict[str, Slot]:
    slots: dict[str, Slot] = {}
    for name, source in sources.items():
        sub = attribute.sub(camel(name))
        if sub is None:
            known = ", ".join(item.name for item in attribute.sub_attributes)
            raise MappingError(
                f"{owner}: {attribute.name} has no sub-attribute {camel(name)!r}; it has {known}."
            )
        if isinstance(source, ScalarPlace):
            slots[sub.name] = source.slot(sub)
        else:
            slots[sub.name] = column_slot(sub, source)
    return slots


class Attribute(ScalarPlace):
    """One column: ``user_name = fields.Attribute(User.username)``.

    :param column: the host's mapped attribute.
    :param read: turns a host value into a SCIM value, where the types differ.
    :param write: turns a SCIM value into a host value.
    :param default: what the column keeps instead of nothing; it reads as nothing.
    """

    def __init__(
        self,
        column: InstrumentedAttribute[Any],
        *,
        read: Convert | None = None,
        write: Convert | None = None,
        default: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.column = column
        self._convert = (read, write)
        self._default = default

    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the column's slot."""
        read, write = self._convert
        return column_slot(attribute, self.column, read=read, write=write, default=self._default)


class Computed(ScalarPlace):
    """A SQL expression with a setter: ``active`` over ``disabled_at IS NULL``.

    :param sql: reads, filters and sorts the attribute.
    :param write: called with the host's object and the SCIM value, or None; without it the
        attribute can't be written.
    :param read: turns what the SQL gives into a SCIM value, where they differ.
    :param required: the host can't keep "nothing" here.
    """

    def __init__(
        self,
        sql: Any,
        *,
        write: Write | None = None,
        read: Convert | None = None,
        required: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._sql = sql
        self._write = write
        self._read = read
        self._required = required

    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the expression's slot."""
        expression = sa.type_coerce(self._sql, sql_type(attribute))
        textual = attribute.type in (attributes.Type.STRING, attributes.Type.REFERENCE)
        read = self._read
        if attribute.type is attributes.Type.BOOLEAN and read is None:
            read = bool
        return Slot(
            attribute,
            expression,
            read,
            lambda value: value,
            self._write,
            self._required,
            textual,
            "a SQL expression" if self._write else "a SQL expression, read-only",
        )


class Constant(ScalarPlace):
    """A value that never changes and isn't written: ``user_type = fields.Constant("Employee")``."""

    def __init__(self, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._value = value

    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the constant's slot."""
        return constant_slot(attribute, self._value)


class JsonKey(ScalarPlace):
    """One key of a JSON column: ``locale = fields.JsonKey(User.settings, "locale")``."""

    def __init__(self, column: InstrumentedAttribute[Any], name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._column = column
        self._name = name

    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the key's slot."""
        expression, textual = json_value(host_column(self._column)[self._name], attribute)
        column, name = self._column.key, self._name

        def assign(entity: Any, value: Any) -> None:
            document = dict(getattr(entity, column) or {})
            if value is None:
                document.pop(name, None)
            else:
                document[name] = value
            setattr(entity, column, document)

        place = f"{self._column.class_.__name__}.{column}[{name!r}]"
        read = bool if attribute.type is attributes.Type.BOOLEAN else None
        return Slot(attribute, expression, read, lambda value: value, assign, False, textual, place)


class Lookup(ScalarPlace):
    """A to-one relationship looked up by a column: ``fields.Lookup(User.role, by=Role.name)``."""

    def __init__(
        self, relationship: InstrumentedAttribute[Any], *, by: InstrumentedAttribute[Any], **kw: Any
    ) -> None:
        super().__init__(**kw)
        self._relationship = relationship
        self._by = by

    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the slot of the looked-up column."""
        return lookup_slot(attribute, self._relationship, self._by)


class Complex(Place):
    """A complex attribute: ``fields.Complex(given_name=User.first_name, ...)``.

    Sub-attributes that aren't named are kept in the link row.

    :param subs: the sub-attributes, in Python's spelling, each a column or a field of one scalar.
    """

    def __init__(self, *, validate: Any = None, **subs: Source) -> None:
        super().__init__(validate=validate)
        self._subs = subs

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the sub-attributes of a single-valued complex attribute."""
        if attribute.type is not attributes.Type.COMPLEX or attribute.multi_valued:
            raise MappingError(
                f"{site.schema_name}: {attribute.name} isn't a single complex value; use "
                + ("fields.OneValue or fields.Values." if attribute.multi_valued else "a column.")
            )
        slots = _slots(self._subs, attribute, site.schema_name)
        return ComplexBinding(key, attribute, slots, site.link.__table__.c.stored)


class OneValue(Place):
    """A multi-valued attribute of which the host keeps one element.

    ``phone_numbers = fields.OneValue(value=User.phone, type="work")``: sub-attributes are columns,
    fields of one scalar, or constants. Elements that the host has no place for are kept in the link
    row.
    """

    def __init__(self, *, validate: Any = None, **subs: Source | str | bool) -> None:
        super().__init__(validate=validate)
        self._sources: dict[str, Source] = {}
        self._constants: dict[str, Any] = {}
        for name, source in subs.items():
            if isinstance(source, str | bool):
                self._constants[camel(name)] = source
            else:
                self._sources[name] = source

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the one element."""
        if not attribute.multi_valued or attribute.type is not attributes.Type.COMPLEX:
            raise MappingError(
                f"{site.schema_name}: {attribute.name} has one value; use fields.Attribute or "
                "fields.Complex."
            )
        slots = _slots(self._sources, attribute, site.schema_name)
        return OneValueBinding(key, attribute, slots, self._constants, site)


class Email(OneValue):
    """One column seen as one primary work e-mail: ``emails = fields.Email(User.email)``."""

    def __init__(
        self,
        column: Source,
        *,
        type: str = "work",  # noqa: A002 - SCIM's name of the sub-attribute
        primary: bool = True,
        validate: Any = None,
    ) -> None:
        super().__init__(validate=validate, value=column, type=type, primary=primary)


class Values(Place):
    """A multi-valued attribute over a related table.

    ``emails = fields.Values(User.emails, value=UserEmail.address, type=UserEmail.kind)``.
    """

    def __init__(
        self,
        relationship: InstrumentedAttribute[Any],
        *,
        validate: Any = None,
        **subs: Source | str | bool,
    ) -> None:
        super().__init__(validate=validate)
        self._relationship = relationship
        self._sources = {k: v for k, v in subs.items() if not isinstance(v, str | bool)}
        self._constants = {camel(k): v for k, v in subs.items() if isinstance(v, str | bool)}

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the related rows."""
        if not attribute.multi_valued or attribute.type is not attributes.Type.COMPLEX:
            raise MappingError(f"{site.schema_name}: {attribute.name} has one value, not a list.")
        slots = _slots(self._sources, attribute, site.schema_name)
        return ValuesBinding(key, attribute, self._relationship, slots, self._constants)


class Reference(Place):
    """A to-one relationship to another provisioned user: ``fields.Reference(User.manager)``."""

    def __init__(self, relationship: InstrumentedAttribute[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._relationship = relationship

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the relationship to the users' mapping."""
        stored = site.link.__table__.c.stored
        return ReferenceBinding(key, attribute, self._relationship, site.users, stored)


class Members(Place):
    """The members of a group, in whatever way the host keeps them.

    ``members = fields.Members(Team.members, groups=Team.subteams)``: where groups contain groups,
    those are members too.

    :param source: a relationship with a secondary table (``Team.members``), or one to association
        objects (``Team.memberships``), or a team's own :class:`MembershipStore`.
    :param user: with association objects, their relationship to the user.
    :param groups: the same for nested groups; or a relationship by a foreign key to the group
        around (``Team.subteams`` over ``parent_id``), where each is inside one at most.
    :param group: with association objects for nested groups, their relationship to the inner one.
    """

    def __init__(
        self,
        source: InstrumentedAttribute[Any] | MembershipStore,
        *,
        user: InstrumentedAttribute[Any] | None = None,
        groups: InstrumentedAttribute[Any] | MembershipStore | None = None,
        group: InstrumentedAttribute[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._users = (source, user)
        self._groups = (groups, group)

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the membership stores."""
        if attribute.name != "members":
            raise MappingError(f"{site.schema_name}: fields.Members is for members, not {key}.")
        users = MembersOfAKind(store_of(*self._users, site, site.users), site, site.users)
        nested = None
        groups, group = self._groups
        if groups is not None:
            nested = NestedGroups(store_of(groups, group, site, site), site)
        elif group is not None:
            raise MappingError(f"{site.schema_name}: group={group} needs groups= beside it.")
        policy = site.options.unknown_members
        return MembersBinding(key, attribute, users, nested, policy)


class Stored(Place):
    """An attribute that the host has no place for; the default for all that aren't declared."""

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Keep it in the link row."""
        return StoredBinding(key, attribute, site.link.__table__.c.stored)
