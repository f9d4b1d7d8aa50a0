"""One attribute of a host's model, as its mapper knows it: a column, a hybrid, a synonym."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import ColumnProperty, InstrumentedAttribute, Mapper, QueryableAttribute

from ..errors import MappingError

__all__ = ["HostAttribute", "Source", "attribute_of", "host_attribute", "label_of"]

Source: TypeAlias = InstrumentedAttribute[Any] | QueryableAttribute[Any]
"""What a team names: ``User.email``."""


@dataclass(frozen=True, slots=True, eq=False)
class HostAttribute:
    """A scalar attribute of a model.

    :ivar key: its name on the host's objects, which may differ from its column's.
    :ivar expression: its SQL.
    :ivar column: the table's column, where it is one.
    :ivar settable: whether the host's objects take a value for it.
    :ivar label: for people, such as ``User.email``.
    """

    mapper: Mapper[Any]
    key: str
    expression: sa.ColumnElement[Any]
    column: sa.Column[Any] | None
    settable: bool
    label: str

    @property
    def type(self) -> sa.types.TypeEngine[Any]:
        """The type of its SQL."""
        return self.expression.type

    @property
    def is_nullable(self) -> bool:
        """Whether it can be nothing."""
        return self.column is None or bool(self.column.nullable)

    @property
    def has_default(self) -> bool:
        """Whether a new row gets a value by itself."""
        column = self.column
        return column is not None and (
            column.default is not None or column.server_default is not None
        )


def label_of(source: Any) -> str:
    """Return what a team has named, for a message."""
    owner = getattr(source, "class_", None)
    return f"{owner.__name__}.{source.key}" if owner is not None else repr(source)


def attribute_of(source: Any, mapper: Mapper[Any]) -> HostAttribute:
    """Return the attribute of a mapper that ``User.email`` names.

    A subclass is mapped by its own attributes, whichever class of its line has declared them: the
    join between the two is the mapper's.

    :raises MappingError: when it is no scalar attribute of this model.
    """
    owner = getattr(source, "parent", None)
    key = getattr(source, "key", None)
    if not isinstance(owner, Mapper) or not isinstance(key, str):
        raise MappingError(
            f"{label_of(source)} is not a column: use fields.Computed(<SQL expression>, "
            "write=<function>)."
        )
    if not mapper.isa(owner):
        raise MappingError(
            f"{label_of(source)} is no attribute of {mapper.class_.__name__}: name one of "
            f"{mapper.class_.__name__}'s own, or reach it over a relationship."
        )
    return host_attribute(mapper, key)


def host_attribute(mapper: Mapper[Any], key: str) -> HostAttribute:
    """Return the attribute of a mapper with a name.

    :raises MappingError: when it is no scalar.
    """
    label = f"{mapper.class_.__name__}.{key}"
    if key in mapper.relationships:
        raise MappingError(
            f"{label} is a relationship: use fields.Lookup({label}, by=...), fields.Reference or "
            "fields.Values."
        )
    descriptor = mapper.all_orm_descriptors[key]
    name = mapper.synonyms[key].name if key in mapper.synonyms else key
    prop = mapper.attrs.get(name)
    column: sa.Column[Any] | None = None
    if isinstance(prop, ColumnProperty):
        first = prop.columns[0]
        column = first if isinstance(first, sa.Column) else None
        settable = column is not None and column.computed is None
    else:
        settable = getattr(descriptor, "fset", None) is not None
    attribute = getattr(mapper.class_, key)
    expression = getattr(attribute, "expression", None)
    if not isinstance(expression, sa.ColumnElement):
        raise MappingError(
            f"{label} has no SQL of one value: use fields.Computed(<SQL expression>, "
            "write=<function>)."
        )
    if isinstance(expression.type, sa.types.NullType):
        # SQL functions that SQLAlchemy doesn't know, such as substr(); most of them make text.
        expression = sa.type_coerce(expression, sa.String())
    return HostAttribute(mapper, key, expression, column, settable, label)
