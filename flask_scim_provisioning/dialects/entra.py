"""Microsoft Entra ID's provisioning service.

It speaks two forms of PATCH, chosen by the flag ``aadOptscim062020`` in the tenant URL; on-demand
provisioning ignores the flag, so that one tenant sends both.
"""

from typing import ClassVar

from . import filters, values
from .base import Dialect


class Entra(Dialect):
    """What Entra ID sends, in cycles, on demand and in its validator."""

    name: ClassVar[str] = "entra"
    title: ClassVar[str] = "Microsoft Entra ID"
    mapping_page: ClassVar[str] = "in Entra: Provisioning, Attribute mapping"

    # Entra sends "add" and "replace" of emails[type eq "work"].value where no such element is,
    # and one unsupported mapping must not keep a person from being disabled.
    create_missing: ClassVar[bool] = True
    lenient: ClassVar[bool] = True
    skip_unknown_members: ClassVar[bool] = True

    whole_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.WHOLE,
        values.elements_without_value_dropped,
        values.roles_from_json_text,
        values.display_from_display_name,
        values.scalar_from_wrapped_value,
    )
    leaf_rewrites: ClassVar[tuple[values.Rewrite, ...]] = (
        *values.LEAF,
        values.nothing_from_empty_string,
    )
    filter_repairs: ClassVar[tuple[filters.Repair, ...]] = (
        *Dialect.filter_repairs,
        filters.with_value_after_bracket,
    )
