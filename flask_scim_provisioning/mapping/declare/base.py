"""What all fields of a schema have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import marshmallow
from marshmallow import fields as marshmallow_fields
from sqlalchemy.orm import Mapper

from ...scim import attributes
from ...scim.errors import InvalidValue
from ...scim.names import Checked
from ...scim.values import check
from ..bindings.base import Binding
from ..bindings.simple import ScalarBinding
from ..bindings.slots import Slot
from ..errors import MappingError
from ..host.tables import HostTable

__all__ = ["AttributeField", "ScalarField", "Site", "camel"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a field is bound: the host's table, and those of the others that it may refer to.

    :ivar displays: what a member is called, by the name of its resource type.
    :ivar unknown_members: what becomes of members whom SCIM doesn't know.
    """

    table: HostTable
    users: HostTable
    groups: HostTable | None
    displays: Mapping[str, Slot] = field(default_factory=dict)
    unknown_members: str | None = None

    @property
    def owner(self) -> str:
        """The name of the schema, for messages."""
        return self.table.owner


def camel(name: str) -> str:
    """Return SCIM's spelling of a Python name: ``given_name`` is ``givenName``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


if TYPE_CHECKING:
    _Field = marshmallow_fields.Field[Any]
else:
    _Field = marshmallow_fields.Field  # no generic class in Marshmallow 3


class AttributeField(_Field, ABC):
    """What every field has in common: it checks values by the attribute's characteristics.

    Marshmallow's own arguments work too, ``validate=`` above all.
    """

    scim: attributes.Attribute
    key: str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(data, Checked) and data.vouches(attr, value):
            return value
        try:
            return check(self.scim, value, self.scim.name, partial=True)
        except InvalidValue as error:
            raise marshmallow.ValidationError(error.detail) from None

    @abstractmethod
    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Return the binding of this field in one mapping.

        :raises MappingError: when the declaration can't work.
        """

    def meet(self, others: Mapping[str, AttributeField]) -> None:
        """Get to know the other fields of the schema, by flat key.

        :raises MappingError: when the field names one that isn't there, or can't be meant.
        """

    def companions(self, others: Mapping[str, AttributeField], site: Site) -> dict[str, Binding]:
        """Return the bindings of attributes that live here as well, and aren't declared."""
        return {}


class ScalarField(AttributeField):
    """A field of one scalar, alone or inside ``Complex``, ``OneValue`` or ``Values``."""

    @abstractmethod
    def slot(self, attribute: attributes.Attribute, mapper: Mapper[Any]) -> Slot:
        """Return the slot for an attribute or sub-attribute of the host's model."""

    def bind(self, key: str, attribute: attributes.Attribute, site: Site) -> Binding:
        """Bind the scalar to a single-valued attribute."""
        if attribute.multi_valued or attribute.type is attributes.Type.COMPLEX:
            raise MappingError(
                f"{site.owner}: {attribute.name} is "
                f"{'multi-valued' if attribute.multi_valued else 'complex'}, and "
                f"{type(self).__name__} holds one scalar: use fields.Complex, fields.OneValue, "
                "fields.Email or fields.Values."
            )
        return ScalarBinding(key, self.slot(attribute, site.table.mapper))
