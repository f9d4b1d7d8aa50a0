"""Filters and sorting as SQL (RFC 7644 sections 3.4.2.2 and 3.4.2.3).

What a filter means is said in ``scim.evaluate``; here it is said again in SQL, and tests hold the
two against each other. A comparison that meets NULL is false in a WHERE; only under ``not`` must
that be said, and only there it is: a ``coalesce`` around each comparison would hide the column
from its index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

import sqlalchemy as sa

from ...scim import attributes as scim
from ...scim.errors import InvalidFilter, InvalidValue
from ...scim.evaluate import check_filter, folded, searched, sorted_by
from ...scim.filters import And, AttrPath, Compare, Filter, Not, Or, Present, Select
from ...scim.paths import Location
from ...scim.values import instant
from ..bindings.base import Binding
from ..bindings.own_types import OwnType
from ..bindings.slots import Slot
from ..resources import ResourceMapping
from ..sql import instants, text

__all__ = ["element_condition", "order_by", "where"]

_TEXT = (scim.Type.STRING, scim.Type.REFERENCE)

Find = Callable[[str], "Slot | None"]


def where(mapping: ResourceMapping, node: Filter, backend: str) -> sa.ColumnElement[bool]:
    """Return the condition of a filter over one resource type.

    :param backend: the database's name in SQLAlchemy, such as ``"postgresql"``.
    :raises InvalidFilter: when an attribute is unknown or can't be searched here; never a
        condition that means something else.
    """
    check_filter(node, mapping.resource_type)
    return _where(mapping, node, backend)


def _where(mapping: ResourceMapping, node: Filter, backend: str) -> sa.ColumnElement[bool]:
    match node:
        case And(terms=terms):
            return sa.and_(*(_where(mapping, term, backend) for term in terms))
        case Or(terms=terms):
            return sa.or_(*(_where(mapping, term, backend) for term in terms))
        case Not(term=term):
            return _not(_where(mapping, term, backend))
        case Select(path=path, term=term):
            location = searched(path, mapping.resource_type)
            return _any(mapping, location, term, backend)
        case Present(path=path) | Compare(path=path):
            location = searched(path, mapping.resource_type)
            return _attribute(mapping, location, node, backend)
        case _:
            assert_never(node)


def _not(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.not_(sa.func.coalesce(condition, sa.false()))


def element_condition(
    attribute: scim.Attribute, node: Filter, find: Find, backend: str
) -> sa.ColumnElement[bool]:
    """Return the condition of a value filter over the slots of one element."""
    match node:
        case And(terms=terms):
            return sa.and_(*(element_condition(attribute, t, find, backend) for t in terms))
        case Or(terms=terms):
            return sa.or_(*(element_condition(attribute, t, find, backend) for t in terms))
        case Not(term=term):
            return _not(element_condition(attribute, term, find, backend))
        case Select(path=path):
            raise InvalidFilter(f"{path.name}[...] stands inside brackets; take it out.")
        case Present(path=path):
            return _present(_element_slot(attribute, path.name, find))
        case Compare(path=path, op=op, value=value):
            return compare(_element_slot(attribute, path.name, find), op, value, backend)
        case _:
            assert_never(node)


def _element_slot(attribute: scim.Attribute, name: str, find: Find) -> Slot:
    sub = attribute.sub(name)
    slot = find(sub.name if sub is not None else name)
    if slot is None:
        raise _unsearchable(f"{attribute.name}.{sub.name if sub else name}")
    return slot


def _unsearchable(label: str) -> InvalidFilter:
    return InvalidFilter(
        f"{label} can't be searched on this portal; match by another attribute, such as userName "
        "or externalId."
    )


def _binding(mapping: ResourceMapping, location: Location) -> Binding:
    binding = mapping.bindings.get(location.key)
    if binding is None:
        raise _unsearchable(location.label)
    return binding


def _attribute(
    mapping: ResourceMapping, location: Location, node: Compare | Present, backend: str
) -> sa.ColumnElement[bool]:
    if location.key == "schemas":
        return _schemas(mapping, node)
    binding = _binding(mapping, location)
    if location.attribute.multi_valued or binding.has_elements:
        return _of_some_element(mapping, location, node, backend)
    slot = binding.slot(location.sub.name if location.sub else None)
    if slot is None and location.sub is None and location.attribute.type is scim.Type.COMPLEX:
        if isinstance(node, Present):
            slots = [binding.slot(sub.name) for sub in location.attribute.visible_parts]
            present = (_present(found) for found in slots if found is not None)
            return sa.or_(sa.false(), *present)
        slot = binding.slot("value")
    if slot is None:
        raise _unsearchable(location.label)
    if isinstance(node, Present):
        return _present(slot)
    return compare(slot, node.op, node.value, backend)


def _of_some_element(
    mapping: ResourceMapping, location: Location, node: Compare | Present, backend: str
) -> sa.ColumnElement[bool]:
    """A comparison holds when it holds for one element; ``ne`` when no element is equal."""
    path = AttrPath(None, location.sub.name if location.sub else "value")
    some = Present(path)
    if isinstance(node, Present):
        if location.sub is None:
            return _some_part(mapping, location)
        return _any(mapping, location, some, backend)
    if node.value is None:
        present = _any(mapping, location, some, backend)
        return present if node.op == "ne" else _not(present)
    if node.op == "ne":
        return _not(_any(mapping, location, Compare(path, "eq", node.value), backend))
    return _any(mapping, location, Compare(path, node.op, node.value), backend)


def _any(
    mapping: ResourceMapping, location: Location, term: Filter, backend: str
) -> sa.ColumnElement[bool]:
    attribute = location.attribute
    return _with_elements(mapping, location).any(
        lambda find: element_condition(attribute, term, find, backend)
    )


def _some_part(mapping: ResourceMapping, location: Location) -> sa.ColumnElement[bool]:
    """An attribute is present where an element has a value in any of its parts."""
    attribute = location.attribute
    names = [sub.name for sub in attribute.visible_parts]
    if attribute.type is not scim.Type.COMPLEX:
        names = ["value"]

    def build(find: Find) -> sa.ColumnElement[bool]:
        slots = [slot for slot in map(find, names) if slot is not None]
        return sa.or_(*map(_present, slots)) if slots else sa.false()

    return _with_elements(mapping, location).any(build)


def _with_elements(mapping: ResourceMapping, location: Location) -> Binding:
    binding = _binding(mapping, location)
    if not binding.has_elements:
        raise _unsearchable(location.label)
    return binding


def _schemas(mapping: ResourceMapping, node: Compare | Present) -> sa.ColumnElement[bool]:
    """Search by URN: every resource has its core schema, and an extension with its data."""
    resource_type = mapping.resource_type
    if isinstance(node, Present):
        return sa.true()
    if node.op not in ("eq", "ne") or not isinstance(node.value, str):
        raise InvalidFilter("schemas can only be compared with eq or ne and a URN.")
    condition: sa.ColumnElement[bool] = sa.false()
    urn = node.value.lower()
    if urn == resource_type.schema.id.lower():
        condition = sa.true()
    for extension in resource_type.extensions:
        if urn == extension.id.lower():
            condition = sa.or_(sa.false(), *_presences(mapping, extension))
    return _not(condition) if node.op == "ne" else condition


def _presences(mapping: ResourceMapping, extension: scim.Schema) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for attribute in extension.attributes:
        if attribute.hidden:
            continue
        location = Location(f"{extension.id}:{attribute.name}", attribute)
        binding = mapping.bindings[location.key]
        if attribute.multi_valued:
            found.append(_some_part(mapping, location))
        elif attribute.type is scim.Type.COMPLEX:
            slots = [binding.slot(sub.name) for sub in attribute.visible_parts]
            found += [slot.expression.is_not(None) for slot in slots if slot is not None]
        elif (slot := binding.slot(None)) is not None:
            found.append(slot.expression.is_not(None))
    return found


def _present(slot: Slot) -> sa.ColumnElement[bool]:
    """``pr``: there is a value, and it isn't empty."""
    if slot.own is not None and slot.own.of_nothing is not None:
        return sa.true()
    if slot.textual:
        return sa.and_(slot.expression.is_not(None), slot.expression != sa.literal("", sa.String()))
    return slot.expression.is_not(None)


def compare(slot: Slot, op: str, value: Any, backend: str) -> sa.ColumnElement[bool]:
    """Return the condition of one comparison, whose operator and type have been checked."""
    if value is None:
        return _present(slot) if op == "ne" else _not(_present(slot))
    if op == "ne":
        return _not(compare(slot, "eq", value, backend))
    if not slot.searchable:
        raise _unsearchable(slot.attribute.name)
    if slot.textual and isinstance(value, str):
        return _text(slot, op, value, backend)
    if isinstance(value, int | float) and abs(value) >= 2**63:
        raise InvalidFilter(f"{slot.attribute.name}: send a number of at most 64 bits.")
    if slot.choices is not None:
        return _among(slot, op, value)
    try:
        host_value = (slot.sought or slot.to_host)(value)
    except (ValueError, OverflowError, InvalidValue):
        if op == "eq":
            return sa.false()
        if isinstance(value, int | float) and slot.own is None:
            # The column has no room for it, and is less or greater all the same.
            return _ordered(slot, op, sa.literal(value, sa.Float()))
        raise _only_equal(slot) from None
    if op == "eq" and not _means(slot, host_value, value):
        return sa.false()
    if slot.own is not None:
        return _through(slot, slot.own, op, host_value, backend)
    if isinstance(value, float) and not value.is_integer():
        return _ordered(slot, op, sa.literal(value, sa.Float()))
    return _ordered(slot, op, sa.literal(host_value, slot.expression.type))


def _only_equal(slot: Slot) -> InvalidFilter:
    return InvalidFilter(
        f"{slot.attribute.name} can only be compared with eq and ne on this portal."
    )


def _among(slot: Slot, op: str, value: Any) -> sa.ColumnElement[bool]:
    """Look for those of all the host's values that are read as the one that is asked for."""
    if op != "eq":
        raise _only_equal(slot)
    found = [each for each in slot.choices or () if _same(slot, slot.read(each), value)]
    nothing = slot.own.of_nothing if slot.own is not None else None
    condition = sa.or_(sa.false(), *(_is(slot, each) for each in found))
    if nothing is not None and _same(slot, slot.read(nothing), value):
        return sa.or_(condition, slot.expression.is_(None))
    return condition


def _is(slot: Slot, host_value: Any) -> sa.ColumnElement[bool]:
    same: sa.ColumnElement[bool] = slot.expression == sa.literal(host_value, slot.expression.type)
    return same


def _same(slot: Slot, shown: Any, value: Any) -> bool:
    if isinstance(shown, str) and isinstance(value, str):
        return bool(folded(slot.attribute, shown) == folded(slot.attribute, value))
    return bool(shown == value)


def _through(
    slot: Slot, own: OwnType, op: str, host_value: Any, backend: str
) -> sa.ColumnElement[bool]:
    """Compare what a type of the team's own makes of a value with what it has made of others."""
    given = sa.literal(host_value, slot.expression.type)
    if op != "eq":
        if not own.keeps_order:
            raise _only_equal(slot)
        return _ordered(slot, op, given)
    if not own.finds(host_value, backend):
        raise _unsearchable(slot.attribute.name)
    same: sa.ColumnElement[bool] = slot.expression == given
    if own.of_nothing is not None and own.of_nothing == host_value:
        return sa.or_(same, slot.expression.is_(None))
    return same


def _means(slot: Slot, host_value: Any, value: Any) -> bool:
    """Say whether a host's value is read as the text it was made from; 7 isn't "007"."""
    if slot.own is not None and isinstance(value, float) and slot.attribute.type not in _TEXT:
        return bool(host_value == value)
    if slot.from_host is None or slot.attribute.type not in _TEXT or not isinstance(value, str):
        return True
    read = slot.own.as_read(host_value) if slot.own is not None else host_value
    return folded(slot.attribute, str(slot.read(read))) == folded(slot.attribute, value)


def _ordered(slot: Slot, op: str, right: Any) -> sa.ColumnElement[bool]:
    left = slot.expression
    text_kept_otherwise = slot.attribute.type in _TEXT
    if op == "eq":
        same: sa.ColumnElement[bool] = left == right
        return same
    if text_kept_otherwise or op in ("co", "sw", "ew"):
        raise _only_equal(slot)
    return text.in_order(left, op, right)


def _text(slot: Slot, op: str, value: str, backend: str) -> sa.ColumnElement[bool]:
    if slot.attribute.type is scim.Type.DATE_TIME:
        return _instant(slot, op, value, backend)
    if slot.own is not None:
        value = slot.own.text(value, backend)
    exact = slot.attribute.case_exact or slot.attribute.type is scim.Type.BINARY
    match op:
        case "eq":
            return text.equals(slot.expression, value, case_exact=exact, backend=backend)
        case "co" | "sw" | "ew" if value == "":
            return slot.expression.is_not(None)
        case "co":
            return text.contains(slot.expression, value, case_exact=exact, backend=backend)
        case "sw":
            return text.starts(slot.expression, value, case_exact=exact, backend=backend)
        case "ew":
            return text.ends(slot.expression, value, case_exact=exact, backend=backend)
        case _:
            return text.ordered(slot.expression, op, value, case_exact=exact, backend=backend)


def _instant(slot: Slot, op: str, value: str, backend: str) -> sa.ColumnElement[bool]:
    """Compare points in time that are kept as text."""
    moment = instant(value)
    if slot.from_host is not None or moment is None:
        raise _unsearchable(slot.attribute.name)  # the host's text is one that only it can read
    left = instants.sql_since_1970(slot.expression, backend)
    right = sa.literal(instants.since_1970(moment), sa.BigInteger())
    return left == right if op == "eq" else text.in_order(left, op, right)


def order_by(
    mapping: ResourceMapping, path: AttrPath, *, descending: bool, backend: str
) -> list[sa.ColumnElement[Any]]:
    """Return what sorts by an attribute; resources without a value are last, or first descending.

    :raises InvalidValue: when the attribute is unknown or can't be sorted by.
    """
    terms = sort_terms(mapping, path, backend)
    return [term.desc() for term in terms] if descending else terms


def sort_terms(
    mapping: ResourceMapping, path: AttrPath, backend: str
) -> list[sa.ColumnElement[Any]]:
    """Return by what an attribute is sorted, the most important term first.

    :raises InvalidValue: when the attribute is unknown or can't be sorted by.
    """
    slot = None
    for place in sorted_by(path, mapping.resource_type):
        binding = mapping.bindings.get(place.key)
        if slot is None and binding is not None:
            slot = binding.slot(place.sub.name if place.sub else None)
    if slot is None:
        raise InvalidValue(
            "sortBy names no attribute that this portal can sort by; name another one."
        )
    key: Any = slot.expression
    missing = key.is_(None)
    members = slot.choices or _members(key.type)
    if not slot.searchable or (slot.own is not None and not _sorts(slot, slot.own, members)):
        raise InvalidValue(
            f"{slot.attribute.name} can't be sorted by on this portal; name another attribute."
        )
    if members:
        key = _rank(slot, members)
        if slot.own is not None:
            missing = key.is_(None)
    elif slot.textual and slot.attribute.type is scim.Type.DATE_TIME and slot.from_host is None:
        key = instants.sql_since_1970(key, backend)
        missing = key.is_(None)  # a text that is no point in time stands nowhere
    elif slot.textual:
        key = text.sort_key(key, case_exact=slot.attribute.case_exact, backend=backend)
    return [sa.case((missing, 1), else_=0), key]


def _sorts(slot: Slot, own: OwnType, members: Sequence[Any] | None) -> bool:
    """Say whether the order of a column with a type of the team's own is that of what is read."""
    if own.of_nothing is not None and not members:
        return False
    return bool(members or slot.textual or own.keeps_order)


def _members(kind: sa.types.TypeEngine[Any]) -> tuple[Any, ...] | None:
    if not isinstance(kind, sa.Enum):
        return None
    members: list[Any] = list(kind.enum_class or kind.enums)
    return tuple(members)


def _rank(slot: Slot, members: Sequence[Any]) -> sa.ColumnElement[Any]:
    """Return the place of a member among all, by what clients read of it.

    Databases put enumerations in the order of their declaration or of their names, and compare
    them otherwise than they sort them; a number is the same everywhere, also in a cursor.
    """

    def shown(member: Any) -> Any:
        read = slot.read(member)
        return folded(slot.attribute, read) if isinstance(read, str) else read

    order = sorted({shown(member) for member in members})
    whens = [(_is(slot, member), order.index(shown(member))) for member in members]
    nothing = slot.own.of_nothing if slot.own is not None else None
    if nothing is not None:
        whens.append((slot.expression.is_(None), order.index(shown(nothing))))
    return sa.case(*whens)
