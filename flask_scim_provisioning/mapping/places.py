"""What all fields of a schema have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import marshmallow
from marshmallow import fields as marshmallow_fields

from ..scim import attributes
from ..scim.errors import InvalidValue
from ..scim.names import Checked
from ..scim.values import check
from .bindings import Binding, ScalarBinding
from .errors import MappingError
from .slots import Slot

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["Place", "ScalarPlace", "camel"]


def camel(name: str) -> str:
    """Return SCIM's spelling of a Python name: ``given_name`` is ``givenName``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


class Place(marshmallow_fields.Field[Any], ABC):
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
    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Return the binding of this field in one mapping.

        :raises MappingError: when the declaration can't work.
        """


class ScalarPlace(Place):
    """A field of one scalar, alone or inside ``Complex``, ``OneValue`` or ``Values``."""

    @abstractmethod
    def slot(self, attribute: attributes.Attribute) -> Slot:
        """Return the slot for an attribute or sub-attribute."""

    def bind(self, key: str, attribute: attributes.Attribute, site: ResourceMapping) -> Binding:
        """Bind the scalar to a single-valued attribute."""
        if attribute.multi_valued or attribute.type is attributes.Type.COMPLEX:
            raise MappingError(
                f"{site.schema_name}: {attribute.name} is "
                f"{'multi-valued' if attribute.multi_valued else 'complex'}, and "
                f"{type(self).__name__} holds one scalar: use fields.Complex, fields.OneValue, "
                "fields.Email or fields.Values."
            )
        return ScalarBinding(key, self.slot(attribute))
