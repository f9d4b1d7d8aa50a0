"""Filters over several resource types at once (RFC 7644 section 3.4.2.1).

"For filtered attributes that are not part of a particular resource type, the service provider SHALL
treat the attribute as if there is no attribute value."
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from .attributes import ID, ResourceType
from .filters import And, AttrPath, Compare, Filter, Not, Or, Present, Select, negation
from .paths import locate

_TRUE: Filter = Present(AttrPath(None, ID.name))
_FALSE: Filter = Not(_TRUE)


def is_defined(path: AttrPath, resource_types: Iterable[ResourceType]) -> bool:
    """Whether one of the resource types has the attribute."""
    return any(locate(path, each) is not None for each in resource_types)


def narrowed(
    node: Filter, resource_type: ResourceType, resource_types: Iterable[ResourceType]
) -> Filter:
    """Return what a filter over several resource types means for one of them.

    A term about an attribute that only the others have is replaced by one that is always true or
    always false, as it is for a resource without a value. One that none of them has stays, so that
    it is refused as it is elsewhere.
    """
    types = tuple(resource_types)
    match node:
        case And(terms=terms):
            return And(tuple(narrowed(term, resource_type, types) for term in terms))
        case Or(terms=terms):
            return Or(tuple(narrowed(term, resource_type, types) for term in terms))
        case Not(term=term):
            return negation(narrowed(term, resource_type, types))
        case Compare(path=path) | Present(path=path) | Select(path=path):
            if is_defined(path, (resource_type,)) or not is_defined(path, types):
                return node
            return _TRUE if _holds_without_value(node) else _FALSE
        case _:
            assert_never(node)


def _holds_without_value(node: Compare | Present | Select) -> bool:
    """``ne`` is the contrary of ``eq``, and ``eq null`` says that there is no value."""
    if not isinstance(node, Compare):
        return False
    return node.op == "eq" if node.value is None else node.op == "ne"
