"""What identity providers send otherwise than the RFC, one module each.

A dialect takes a request and gives back one that is clean by the RFC, and leaves a note for each
deviation. Below this floor nobody knows who is calling.
"""

from collections.abc import Mapping
from types import MappingProxyType

from .base import Dialect
from .entra import Entra
from .generic import Generic
from .okta import Okta
from .others import OTHERS
from .recognition import recognised_by_body, recognised_by_headers

__all__ = [
    "DIALECTS",
    "Dialect",
    "Entra",
    "Generic",
    "Okta",
    "dialect_named",
    "recognised_by_body",
    "recognised_by_headers",
]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (Generic(), Entra(), Okta(), *OTHERS)}
)
"""The dialects by the names that integrations are stored with."""


def dialect_named(name: str) -> Dialect:
    """Return the dialect of that name.

    :raises LookupError: when there is none; the message lists those that exist.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(DIALECTS)
        raise LookupError(f"There is no dialect {name!r}; use one of {known}.") from None
