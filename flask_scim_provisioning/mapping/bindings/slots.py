"""One scalar of the host: how it is read, written and searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ..host.attributes import HostAttribute
from ..sql.json_values import json_value
from .converters import Convert, conversion, unchanged
from .own_types import REFUSALS, OwnType

__all__ = ["Slot", "Watched", "Write", "column_slot", "constant_slot", "stored_slot"]

Write: TypeAlias = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """Rows of the host that a binding reads, so that their changes change the resource.

    :ivar table: of the rows.
    :ivar owner: the columns of theirs that name the resource's row.
    :ivar columns: what is read of them.
    """

    table: sa.FromClause
    owner: tuple[sa.ColumnElement[Any], ...]
    columns: tuple[sa.ColumnElement[Any], ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one SCIM scalar lives.

    :ivar attribute: the SCIM attribute or sub-attribute.
    :ivar expression: the SQL that reads, filters and sorts it.
    :ivar place: a name for people, such as ``User.email``.
    :ivar from_host: host value to SCIM value; None where they are the same.
    :ivar to_host: SCIM value to host value; raises ``ValueError`` with a sentence.
    :ivar write: sets a host value on the host's object; None when it can't be written.
    :ivar required: the host can't keep "nothing" here.
    :ivar textual: the SQL is text, so that it is compared with or without case as SCIM says.
    :ivar optional: a new row needs no value all the same.
    :ivar defaulted: the host has a default of its own for a new row.
    :ivar name: of the attribute of the host's objects, where it is one.
    :ivar sought: what a filter's value is turned into, where it isn't ``to_host``.
    :ivar choices: all of the host's values that there can be, where these are known.
    :ivar own: what a column's own type does with values, where a team has written one.
    :ivar searchable: whether SQL can say what is read.
    :ivar mirrors: the flat key of the attribute whose value this one has, where a team says so;
        what is sent otherwise is kept in the link row.
    :ivar is_true: says of a host's value what SQL says of it, where that isn't its conversion.
    :ivar watched: rows beside the host's own that it is read from.
    """

    attribute: scim.Attribute
    expression: sa.ColumnElement[Any]
    place: str
    from_host: Convert | None = None
    to_host: Convert = unchanged
    write: Write | None = None
    required: bool = False
    textual: bool = False
    defaulted: bool = False
    name: str | None = None
    sought: Convert | None = None
    choices: tuple[Any, ...] | None = None
    own: OwnType | None = None
    searchable: bool = True
    mirrors: str | None = None
    watched: tuple[Watched, ...] = ()
    optional: bool = False
    is_true: Callable[[Any], bool] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether what a client writes is neither kept nor noted."""
        return self.write is None and self.mirrors is None

    def read(self, host_value: Any) -> Any:
        """Return what SCIM shows of a host's value."""
        if host_value is None or self.from_host is None:
            return host_value
        return self.from_host(host_value)

    def as_read(self, value: Any) -> Any:
        """Return what is read back of a SCIM value; one that the host can't keep is itself."""
        if value is None:
            return None
        try:
            host_value = self.to_host(value)
            return self.read(self.own.as_read(host_value) if self.own else host_value)
        except REFUSALS:
            return value

    def set(self, entity: Any, value: Any, path: str) -> None:
        """Write a SCIM value to the host's object.

        :raises InvalidValue: when the host can't keep it; the detail names ``path``.
        """
        if self.write is None:
            return
        if value is None:
            left = self.defaulted or self.optional
            if self.required and left and not sa.inspect(entity).persistent:
                return
            if self.required:
                raise InvalidValue(
                    f"{path} is required here: give it a value in the attribute mapping of the "
                    "identity provider."
                )
            self.write(entity, None)
            return
        try:
            host_value = self.to_host(value)
        except ValueError as error:
            raise InvalidValue(f"{path}: {error}") from None
        self.write(entity, host_value)


def column_slot(
    declared: scim.Attribute,
    source: HostAttribute,
    *,
    read: Convert | None = None,
    write: Convert | None = None,
    default: Any = None,
) -> Slot:
    """Return the slot of one attribute of the host's model.

    :param read: host value to SCIM value, where they differ.
    :param write: SCIM value to host value, where they differ.
    :param default: what the host keeps instead of "nothing"; it is read as nothing.
    :raises MappingError: when the column's type can't hold the attribute's.
    """
    found = conversion(declared, source, read, write)
    from_host = found.from_host
    key = source.key

    def assign(entity: Any, value: Any) -> None:
        setattr(entity, key, default if value is None else value)

    if default is not None:
        inner = from_host

        def read_default(value: Any) -> Any:
            if value == default:
                return None
            return inner(value) if inner else value

        from_host = read_default
    return Slot(
        declared,
        source.expression,
        source.label,
        from_host,
        found.to_host,
        assign if source.settable else None,
        required=not source.is_nullable and default is None,
        textual=found.textual,
        defaulted=source.has_default,
        name=key,
        sought=found.sought,
        choices=found.choices,
        own=found.own,
        searchable=found.searchable,
    )


def constant_slot(attribute: scim.Attribute, value: Any) -> Slot:
    """Return the slot of a value that never changes and isn't written."""
    return Slot(attribute, sa.literal(value), f"always {value!r}", textual=isinstance(value, str))


def stored_slot(
    stored: sa.ColumnElement[Any],
    key: str,
    attribute: scim.Attribute,
    sub: scim.Attribute | None = None,
) -> Slot:
    """Return the slot of a single-valued attribute, or of its sub-attribute, in the link row."""
    path = stored[key] if sub is None else stored[(key, sub.name)]
    leaf = sub or attribute
    expression, textual = json_value(path, leaf)
    return Slot(leaf, expression, "the link row", textual=textual)
