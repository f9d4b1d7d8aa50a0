"""The fields of a schema: one line says where one SCIM attribute lives in the host's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
)

from ...scim import attributes
from ..bindings.base import Binding
from ..bindings.converters import Conversion, Convert, register_converter
from ..bindings.full_name import DISPLAY, NAME, DisplayOfName, FullNameBinding
from ..bindings.json_columns import JsonListBinding, json_slot
from ..bindings.members import MembersBinding, MembersOfAKind, NestedGroups
from ..bindings.one_value import OneValueBinding
from ..bindings.password import PasswordBinding
from ..bindings.references import NamedReference, ReferenceBinding
from ..bindings.related import RolesBinding, ValuesBinding
from ..bindings.simple import ComplexBinding, MirrorBinding, StoredBinding
from ..bindings.slots import Slot, Write, column_slot, constant_slot
from ..bindings.states import choice_slot, contrary_slot, unless_slot
from ..bindings.stores import store_of
from ..bindings.to_one import lookup_slot, profile_slot
from ..errors import MappingError
from ..host.attributes import attribute_of, label_of
from ..host.relationships import relationship_of
from ..sql.json_values import sql_type
from .base import AttributeField, ScalarField, Site, camel

__all__ = [
    "ActiveUnless",
    "Attribute",
    "AttributeField",
    "Choice",
    "Complex",
    "Computed",
    "Constant",
    "Conversion",
    "Email",
    "FullName",
    "JsonKey",
    "JsonList",
    "Lookup",
    "LookupMany",
    "Members",
    "Not",
    "OneValue",
    "Password",
    "Reference",
    "SameAs",
    "Stored",
    "Values",
    "camel",
    "register_converter",
]

Source: TypeAlias = InstrumentedAttribute[Any] | ScalarField
"""Where one scalar lives: a column such as ``User.email``, or a field of one scalar."""


def _slots(
    sources: Mapping[str, Source], attribute: attributes.Attribute, mapper: Mapper[Any]
) -> dict[str, Slot]:
    """Return the slots of sub-attributes, in the model of a mapper."""
    slots: dict[str, Slot] = {}
    for name, source in sources.items():
        sub = attribute.sub(camel(name))
        if sub is None:
            known = ", ".join(item.name for item in attribute.sub_attributes)
            raise MappingError(
                f"{attribute.name} has no sub-attribute {camel(name)!r}; it has {known}."
            )
        if isinstance(source, ScalarField):
            slots[sub.name] = source.slot(sub, mapper)
        else:
            slots[sub.name] = column_slot(sub, attribute_of(source, mapper))
    return slots


def _introduce(sources: Mapping[str, Source], others: Mapping[str, AttributeField]) -> None:
    for source in sources.values():
        if isinstance(source, ScalarField):
            source.meet(others)


class Attribute(ScalarField):
    """One column: ``user_name = fields.Attribute(User.username)``.

    The column may be in a second table of which each person has a row at most:
    ``fields.Attribute(User.profile, Profile.phone)`` reads it over the relationship, and makes the
    row when there is something to be kept.

    :param column: the host's mapped attribute, or a relationship to one.
    :param beyond: the attribute of the class that the relationship leads to.
    :param read: turns a host value into a SCIM value, where the types differ.
    :param write: turns a SCIM value into a host value.
    :param default: what the column keeps instead of nothing; it reads as nothing.
    """

    def __init__(
        self,
        column: InstrumentedAttribute[Any],
        beyond: InstrumentedAttribute[Any] | None = None,
        *,
        read: Convert | None = None,
        write: Convert | None = None,
        default: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.column = column
        self._beyond = beyond
        self._convert = (read, write)
        self._default = default

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the column's slot."""
        read, write = self._convert
        if self._beyond is not None:
            if read is not None or write is not None or self._default is not None:
                raise MappingError(
                    f"{label_of(self._beyond)} is in a second table, where read=, write= and "
                    "default= can't be said: use fields.Computed(<SQL expression>, write=...)."
                )
            return profile_slot(attribute, self.column, self._beyond, mapper)
        return column_slot(
            attribute,
            attribute_of(self.column, mapper),
            read=read,
            write=write,
            default=self._default,
        )


class Computed(ScalarField):
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

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the expression's slot."""
        expression = sa.type_coerce(self._sql, sql_type(attribute))
        textual = attribute.type in (attributes.Type.STRING, attributes.Type.REFERENCE)
        read = self._read
        if attribute.type is attributes.Type.BOOLEAN and read is None:
            read = bool
        return Slot(
            attribute,
            expression,
            "a SQL expression" if self._write else "a SQL expression, read-only",
            read,
            write=self._write,
            required=self._required,
            textual=textual,
        )


class Choice(ScalarField):
    """A status that says whether somebody is active, and may say more.

    ``active = fields.Choice(User.status, true=Status.ACTIVE, false=Status.SUSPENDED)``: every other
    state is read, found and sorted as false, and stays as it is until the contrary of what is read
    is sent.

    :param column: the host's mapped attribute.
    :param true: the state that is written for true, and ``false`` the one for false.
    :param also_true: further states that are read as true.
    :param also_false: further states that are read as false, as all others are; they are checked
        against the column.
    """

    def __init__(
        self,
        column: InstrumentedAttribute[Any],
        *,
        true: Any,
        false: Any,
        also_true: Iterable[Any] = (),
        also_false: Iterable[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._column = column
        self._states = ([true, *also_true], [false, *also_false])

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot of the status."""
        return choice_slot(attribute, attribute_of(self._column, mapper), *self._states)


class Not(ScalarField):
    """The contrary of a column: ``active = fields.Not(User.is_disabled)``."""

    def __init__(self, column: InstrumentedAttribute[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._column = column

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot of the contrary."""
        return contrary_slot(attribute, attribute_of(self._column, mapper))


class ActiveUnless(ScalarField):
    """A column that has a value once somebody isn't active any more.

    ``active = fields.ActiveUnless(User.disabled_at)``: false writes the present instant where there
    is none yet, and true takes it away.

    :param column: the host's mapped attribute, which can be empty.
    :param now: returns what is written; needed where the column is no point in time.
    """

    def __init__(
        self,
        column: InstrumentedAttribute[Any],
        *,
        now: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._column = column
        self._now = now

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot of the column's being empty."""
        return unless_slot(attribute, attribute_of(self._column, mapper), self._now)


class SameAs(ScalarField):
    """An attribute that has another one's value: ``emails = fields.Email(fields.SameAs(...))``.

    Where the user name of a portal is the e-mail address, one column is behind both, and one of
    them has to win: ``fields.SameAs("user_name")`` is read from the user name, and never written.
    What an identity provider sends otherwise is kept in the link row and read back.

    :param name: of the other field of the schema, which has a single text.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._name = name
        self._other: ScalarField | None = None

    def meet(self, others: Mapping[str, AttributeField]) -> None:
        """Find the other field."""
        found = [each for each in others.values() if each.scim.name == camel(self._name)]
        other = found[0] if found else None
        if not isinstance(other, ScalarField) or isinstance(other, SameAs):
            raise MappingError(
                f"fields.SameAs({self._name!r}) names no field with a single value of its own; "
                'name one such as "user_name", mapped by fields.Attribute.'
            )
        self._other = other

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot of the other attribute, which isn't written here."""
        if self._other is None:
            raise MappingError(f"fields.SameAs({self._name!r}) can't stand here.")
        inner = self._other.slot(attribute, mapper)
        if not inner.textual:
            raise MappingError(
                f"fields.SameAs({self._name!r}) takes text, and {inner.place} isn't."
            )
        return replace(inner, write=None, required=False, defaulted=False, mirrors=self._other.key)

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the attribute to the other one's column."""
        super().bind(key, attribute, site)  # it refuses attributes with several values
        slot = self.slot(attribute, site.table.mapper)
        return MirrorBinding(key, slot, site.table.links.c.stored)


class Constant(ScalarField):
    """A value that never changes and isn't written: ``user_type = fields.Constant("Employee")``."""

    def __init__(self, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._value = value

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the constant's slot."""
        return constant_slot(attribute, self._value)


class JsonKey(ScalarField):
    """One key of a JSON column: ``locale = fields.JsonKey(User.settings, "locale")``.

    A path leads further inside: ``fields.JsonKey(User.settings, "office", "city")``. What stands
    there and is no value of the attribute's type reads as nothing.

    :param column: the host's mapped attribute, an object in JSON.
    :param path: the keys that lead to the value.
    """

    def __init__(self, column: InstrumentedAttribute[Any], *path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._column = column
        self._path = path

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the key's slot."""
        source = attribute_of(self._column, mapper)
        if not self._path:
            raise MappingError(f"fields.JsonKey({source.label}, ...) names no key; add one.")
        return json_slot(attribute, source, self._path)


class JsonList(AttributeField):
    """A list in a JSON or ARRAY column: ``phone_numbers = fields.JsonList(User.phones)``.

    Its elements are the values, or objects whose keys are named:
    ``fields.JsonList(User.phones, value="number", type="kind")``. Their other keys stay with the
    value, and what the portal has no place for is kept in the link row.

    :param column: the host's mapped attribute, a list.
    :param keys: where the elements are objects, the key of each sub-attribute.
    """

    def __init__(
        self, column: InstrumentedAttribute[Any], *, validate: Any = None, **keys: str
    ) -> None:
        super().__init__(validate=validate)
        self._column = column
        self._keys = keys

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the list."""
        if not attribute.multi_valued:
            raise MappingError(f"{attribute.name} has one value; use fields.JsonKey.")
        keys = {camel(name): inner for name, inner in self._keys.items()}
        for name in keys:
            if attribute.sub(name) is None:
                raise MappingError(f"{attribute.name} has no sub-attribute {name!r}.")
        source = attribute_of(self._column, site.table.mapper)
        return JsonListBinding(key, attribute, source, site.table, keys)


class Lookup(ScalarField):
    """A to-one relationship looked up by a column: ``fields.Lookup(User.role, by=Role.name)``."""

    def __init__(
        self, relationship: InstrumentedAttribute[Any], *, by: InstrumentedAttribute[Any], **kw: Any
    ) -> None:
        super().__init__(**kw)
        self._relationship = relationship
        self._by = by

    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot of the looked-up column."""
        return lookup_slot(attribute, self._relationship, self._by)


class Complex(AttributeField):
    """A complex attribute: ``fields.Complex(given_name=User.first_name, ...)``.

    Sub-attributes that aren't named are kept in the link row.

    :param subs: the sub-attributes, in Python's spelling, each a column or a field of one scalar.
    """

    def __init__(self, *, validate: Any = None, **subs: Source) -> None:
        super().__init__(validate=validate)
        self._subs = subs

    def meet(self, others: Mapping[str, AttributeField]) -> None:
        """Let the parts get to know the other fields."""
        _introduce(self._subs, others)

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the sub-attributes of a single-valued complex attribute."""
        if attribute.type is not attributes.Type.COMPLEX or attribute.multi_valued:
            raise MappingError(
                f"{site.owner}: {attribute.name} isn't a single complex value; use "
                + ("fields.OneValue or fields.Values." if attribute.multi_valued else "a column.")
            )
        slots = _slots(self._subs, attribute, site.table.mapper)
        return ComplexBinding(key, attribute, slots, site.table.links.c.stored)


class FullName(AttributeField):
    """One column with the whole name of a person: ``name = fields.FullName(User.name)``.

    It is ``name.formatted``, and ``displayName`` where the schema says nothing else of it. A client
    may send either of them, or ``givenName`` and ``familyName``: the column gets the first of
    these that there is, or the user name where it can't be empty. All that is sent is read back
    until the portal itself changes the name.

    :param column: the host's mapped attribute, a text.
    """

    def __init__(self, column: InstrumentedAttribute[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._column = column

    def _slot(self, attribute: attributes.Attribute, site: Site) -> Slot:
        formatted = attribute.sub("formatted")
        if attribute.name != NAME or formatted is None:
            raise MappingError(f"fields.FullName is for name, not {attribute.name}.")
        slot = column_slot(formatted, attribute_of(self._column, site.table.mapper))
        if not slot.textual or slot.write is None:
            raise MappingError(f"fields.FullName takes a column of text, and {slot.place} isn't.")
        return slot

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the column."""
        return FullNameBinding(attribute, self._slot(attribute, site), site.table)

    def companions(self, others: Mapping[str, AttributeField], site: Site) -> dict[str, Binding]:
        """Bind ``displayName`` to the column as well, unless the schema maps it."""
        field = others.get(DISPLAY)
        if not isinstance(field, Stored):
            return {}
        return {DISPLAY: DisplayOfName(field.scim, self._slot(self.scim, site), site.table)}


class OneValue(AttributeField):
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

    def meet(self, others: Mapping[str, AttributeField]) -> None:
        """Let the parts get to know the other fields."""
        _introduce(self._sources, others)

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the one element."""
        if not attribute.multi_valued or attribute.type is not attributes.Type.COMPLEX:
            raise MappingError(
                f"{site.owner}: {attribute.name} has one value; use fields.Attribute or "
                "fields.Complex."
            )
        slots = _slots(self._sources, attribute, site.table.mapper)
        return OneValueBinding(key, attribute, slots, self._constants, site.table)


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


class Values(AttributeField):
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

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the related rows."""
        if not attribute.multi_valued or attribute.type is not attributes.Type.COMPLEX:
            raise MappingError(f"{site.owner}: {attribute.name} has one value, not a list.")
        prop = relationship_of(self._relationship, RelationshipDirection.ONETOMANY)
        slots = _slots(self._sources, attribute, prop.mapper)
        return ValuesBinding(key, attribute, self._relationship, site.table, slots, self._constants)


class Reference(AttributeField):
    """Another provisioned user: ``manager = fields.Reference(User.manager)``.

    :param source: a relationship to one; or a column that has the other user's key, or something
        else of theirs, as in ``fields.Reference(User.manager_email, by=User.email)``.
    :param by: by what a column names the other user; their key where nothing is said.
    """

    def __init__(
        self,
        source: InstrumentedAttribute[Any],
        *,
        by: InstrumentedAttribute[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._source = source
        self._by = by

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the relationship, or the column, to the users' mapping."""
        if attribute.type is not attributes.Type.COMPLEX or attribute.multi_valued:
            raise MappingError(f"{attribute.name} names no other user; use fields.Attribute.")
        if isinstance(getattr(self._source, "property", None), RelationshipProperty):
            if self._by is not None:
                raise MappingError(
                    f"{label_of(self._source)} is a relationship, which knows whom it leads to: "
                    "take by= out, or name a column."
                )
            return ReferenceBinding(key, attribute, self._source, site.table, site.users)
        return NamedReference(key, attribute, self._source, self._by, site.table, site.users)


class LookupMany(AttributeField):
    """Rows that many people share, by what they are called: roles, entitlements.

    ``roles = fields.LookupMany(User.roles, by=Role.name)``: who is sent the name of a role has it,
    and a role that the portal doesn't have is refused.

    :param relationship: one with a secondary table.
    :param by: what a role is called.
    """

    def __init__(
        self, relationship: InstrumentedAttribute[Any], *, by: InstrumentedAttribute[Any], **kw: Any
    ) -> None:
        super().__init__(**kw)
        self._relationship = relationship
        self._by = by

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the relationship."""
        if not attribute.multi_valued:
            raise MappingError(f"{attribute.name} has one value; use fields.Lookup.")
        return RolesBinding(key, attribute, self._relationship, self._by, site.table)


class Members(AttributeField):
    """The members of a group, in whatever way the host keeps them.

    ``members = fields.Members(Team.members, groups=Team.subteams)``: where groups contain groups,
    those are members too.

    :param source: a relationship with a secondary table (``Team.members``), one to association
        objects (``Team.memberships``), or one by a foreign key of the user (``Team.members`` over
        ``User.team_id``); the same from the user's side (``User.teams``, ``User.team``); a list of
        keys in a JSON or ARRAY column (``Team.member_ids`` or ``User.team_ids``); or a team's own
        :class:`MembershipStore`.
    :param user: with association objects, their relationship to the user.
    :param groups: the same for nested groups; or a relationship by a foreign key to the group
        around (``Team.subteams`` over ``parent_id``), where each is inside one at most.
    :param group: with association objects for nested groups, their relationship to the inner one.
    :param read_only: members are shown and can't be changed over SCIM. Then ``source`` may also be
        a viewonly relationship, or a SELECT of the keys of groups and users.
    """

    def __init__(
        self,
        source: Any,
        *,
        user: InstrumentedAttribute[Any] | None = None,
        groups: Any = None,
        group: InstrumentedAttribute[Any] | None = None,
        read_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._users = (source, user)
        self._groups = (groups, group)
        self._read_only = read_only

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the membership stores."""
        if attribute.name != "members":
            raise MappingError(f"{site.owner}: fields.Members is for members, not {key}.")
        table, users = site.table, site.users
        displays = site.displays
        people = MembersOfAKind(
            store_of(*self._users, table, users, read_only=self._read_only),
            attribute,
            table,
            users,
            displays[users.name],
        )
        nested = None
        groups, group = self._groups
        if groups is not None:
            store = store_of(groups, group, table, table, read_only=self._read_only)
            nested = NestedGroups(store, attribute, table, displays[table.name])
        elif group is not None:
            raise MappingError(f"{site.owner}: group={label_of(group)} needs groups= beside it.")
        return MembersBinding(key, attribute, people, nested, site.unknown_members)


class Password(AttributeField):
    """A setter for the password: ``password = fields.Password(User.set_password)``.

    A password can be set and nothing else: it is never read, answered, filtered or sorted by, and
    the activity log keeps none. Without this field it is accepted and dropped. The setter is called
    once the other attributes are on the host's object, and only when a request has a password.

    :param write: called with the host's object and the password; it keeps a hash. A ``ValueError``
        with a sentence refuses the password.
    :param placeholders: take also the random password that Okta sends with each new user, whether
        passwords are synchronised or not. Who exists already keeps theirs in any case.

    RFC 7643 section 4.1.1.
    """

    def __init__(self, write: Write, *, placeholders: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._write = write
        self._placeholders = placeholders

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the setter."""
        if key != "password":
            raise MappingError(f"{site.owner}: fields.Password is for password, not {key}.")
        return PasswordBinding(key, attribute, self._write, placeholders=self._placeholders)


class Stored(AttributeField):
    """An attribute that the host has no place for; the default for all that aren't declared."""

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Keep it in the link row."""
        return StoredBinding(key, attribute, site.table.links.c.stored)
