"""Filters over plain values: over flat resources, and over the elements of one attribute.

This is what a filter means, and what the mapping's SQL has to mean too:

* ``pr`` is true where there is a value; an empty string and an object without a value are none.
* ``eq null`` is the contrary of ``pr`` (RFC 7643 section 2.5).
* A multi-valued attribute satisfies a comparison when one of its elements does. ``ne`` is the
  contrary of ``eq``: no element is equal, and so an attribute without a value satisfies it.
* ``gt``, ``ge``, ``lt``, ``le``, ``co``, ``sw`` and ``ew`` are false where there is no value.
* ``not`` turns true into false and false into true; nothing is unknown.
* Strings that aren't case-exact are compared in lower case. Points in time are compared as such.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, assert_never

from .attributes import Attribute, ResourceType, Type
from .errors import InvalidFilter, InvalidValue, shown
from .filters import And, AttrPath, Compare, Filter, Literals, Not, Operator, Or, Present, Select
from .paths import Location, compared, locate
from .values import instant

Operand = str | bool | int | float | datetime | None

_TEXT = frozenset({Type.STRING, Type.REFERENCE})
_NUMERIC = frozenset({Type.INTEGER, Type.DECIMAL})
_UNORDERED = frozenset({Type.BOOLEAN, Type.BINARY})
_SUBSTRING = frozenset({"co", "sw", "ew"})

_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "co": operator.contains,
    "sw": str.startswith,
    "ew": str.endswith,
}


def matches(node: Filter, flat: Mapping[str, Any], resource_type: ResourceType) -> bool:
    """Whether a flat resource satisfies a filter.

    :raises InvalidFilter: when the filter names an unknown attribute, or one that can't be compared
        in this way; which may be found in the terms that decide only.
    """
    match node:
        case Compare(path=path, op=op, value=value):
            location = _compared(path, resource_type)
            operand = comparable(location, op, value)
            values = _values(flat.get(location.key), location)
            return _compare(location.leaf, values, op, operand)
        case Present(path=path):
            location = searched(path, resource_type)
            values = _values(flat.get(location.key), location)
            return any(_present_in(location.leaf, value) for value in values)
        case And(terms=terms):
            return all(matches(term, flat, resource_type) for term in terms)
        case Or(terms=terms):
            return any(matches(term, flat, resource_type) for term in terms)
        case Not(term=term):
            return not matches(term, flat, resource_type)
        case Select(path=path, term=term):
            attribute = selected(path, resource_type)
            elements = flat.get(attribute.key) or ()
            return any(map(element_test(term, attribute.attribute), elements))
        case _:
            assert_never(node)


def element_matches(node: Filter, element: Any, attribute: Attribute) -> bool:
    """Whether one element of a multi-valued attribute satisfies the filter in brackets.

    An element that is no object is compared by the name ``value``.

    :raises InvalidFilter: as :func:`matches` does, and for every term.
    """
    return element_test(node, attribute)(element)


def element_test(node: Filter, attribute: Attribute) -> Callable[[Any], bool]:
    """Return what says whether an element satisfies the filter in brackets.

    :raises InvalidFilter: as :func:`element_matches` does.
    """
    match node:
        case Compare(op=op):
            sub, operand = element_operand(node, attribute)
            return lambda element: _compare(sub, _part(element, sub, attribute), op, operand)
        case Present(path=path):
            part = _element_part(path, attribute)
            return lambda element: any(
                _present_in(part, value) for value in _part(element, part, attribute)
            )
        case And(terms=terms):
            every = [element_test(term, attribute) for term in terms]
            return lambda element: all(test(element) for test in every)
        case Or(terms=terms):
            some = [element_test(term, attribute) for term in terms]
            return lambda element: any(test(element) for test in some)
        case Not(term=term):
            contrary = element_test(term, attribute)
            return lambda element: not contrary(element)
        case Select():
            raise InvalidFilter("Brackets can't stand inside brackets; take the inner ones out.")
        case _:
            assert_never(node)


def check_filter(node: Filter, resource_type: ResourceType) -> None:
    """Make sure that every term of a filter can be evaluated.

    :raises InvalidFilter: as :func:`matches` does, and for every term.
    """
    match node:
        case Compare(path=path, op=op, value=value):
            comparable(_compared(path, resource_type), op, value)
        case Present(path=path):
            searched(path, resource_type)
        case And(terms=terms) | Or(terms=terms):
            for term in terms:
                check_filter(term, resource_type)
        case Not(term=term):
            check_filter(term, resource_type)
        case Select(path=path, term=term):
            check_elements(term, selected(path, resource_type).attribute)
        case _:
            assert_never(node)


def check_elements(node: Filter, attribute: Attribute) -> None:
    """Make sure that every term of a filter in brackets can be evaluated.

    :raises InvalidFilter: as :func:`element_matches` does.
    """
    element_test(node, attribute)


def element_operand(node: Compare, attribute: Attribute) -> tuple[Attribute, Operand]:
    """Return what a comparison in brackets looks at in each element, and what it wants to find.

    :raises InvalidFilter: as :func:`element_matches` does.
    """
    sub = _element_part(node.path, attribute)
    location = Location(attribute.name, attribute, None if sub is attribute else sub)
    return sub, comparable(location, node.op, node.value)


def compared_values(sub: Attribute, element: Any, attribute: Attribute) -> list[Any]:
    """Return the values of an element that ``eq`` compares, in the form that is compared.

    What is no scalar equals none, and is left out.
    """
    return [
        left
        for value in _part(element, sub, attribute)
        if isinstance(left := _left(sub, value), str | bool | int | float | datetime)
    ]


def searched(path: AttrPath, resource_type: ResourceType) -> Location:
    """Return the place that a filter names.

    :raises InvalidFilter: when there is no such attribute, or it is never returned: what a filter
        finds out about a password, it tells.
    """
    location = locate(path, resource_type)
    if location is None:
        raise InvalidFilter(
            f"{resource_type.name} has no attribute {shown(str(path))}; /Schemas lists what it has."
        )
    _refuse_hidden(location)
    return location


def _compared(path: AttrPath, resource_type: ResourceType) -> Location:
    """Return the place whose values a comparison is about."""
    location = compared(searched(path, resource_type))
    _refuse_hidden(location)
    return location


def _refuse_hidden(location: Location) -> None:
    if location.hidden:
        raise InvalidFilter(f"{location.label} can't be searched; leave it out of the filter.")


def sorted_by(path: AttrPath, resource_type: ResourceType) -> list[Location]:
    """Return the places of which the first that a portal can sort by decides the order.

    A complex attribute is sorted by its ``value``, or by its ``formatted`` text (RFC 7644 section
    3.4.2.3 names the former).

    :raises InvalidValue: when there is no such attribute, or it is hidden: an order tells values.
    """
    location = locate(path, resource_type)
    places: list[Location] = []
    if location is not None and (location.sub or location.attribute.type is not Type.COMPLEX):
        places = [location]
    elif location is not None:
        parts = (location.attribute.sub(name) for name in ("value", "formatted"))
        places = [Location(location.key, location.attribute, part) for part in parts if part]
    visible = [place for place in places if not place.hidden]
    if not visible:
        raise InvalidValue(
            "sortBy names no attribute that this portal can sort by; name another one."
        )
    return visible


def selected(path: AttrPath, resource_type: ResourceType) -> Location:
    """Return the multi-valued attribute before the brackets of a filter.

    :raises InvalidFilter: when it isn't one, or is unknown.
    """
    location = searched(path, resource_type)
    if not location.attribute.multi_valued or location.sub is not None:
        raise InvalidFilter(
            f"{location.label} has only one value; write its sub-attribute behind a dot."
        )
    return location


def comparable(location: Location, op: Operator, value: Literals) -> Operand:
    """Return the right side of a comparison as what the left side is compared with.

    :raises InvalidFilter: when the attribute's type has no such comparison, or the value another
        type (RFC 7644 section 3.4.2.2, table 3).
    """
    attribute, name = location.leaf, location.label
    if attribute.type is Type.COMPLEX:
        raise InvalidFilter(f"{name} is complex; compare one of its sub-attributes.")
    if value is None:
        if op in {"eq", "ne"}:
            return None
        raise InvalidFilter(f'{name} can be compared with null by "eq" and "ne" only.')
    if attribute.type in _UNORDERED and op not in {"eq", "ne"}:
        raise InvalidFilter(f'{name} is {attribute.type}; compare it by "eq" or "ne".')
    if attribute.type is Type.BOOLEAN:
        if not isinstance(value, bool):
            raise InvalidFilter(f"{name} is boolean; compare it with true or false.")
        return value
    if attribute.type in _NUMERIC:
        if isinstance(value, bool | str) or op in _SUBSTRING:
            raise InvalidFilter(f"{name} is a number; compare it with a number by eq or gt.")
        return value
    if not isinstance(value, str):
        raise InvalidFilter(f"{name} is a string; compare it with one, in quotation marks.")
    if attribute.type is Type.DATE_TIME:
        moment = instant(value)
        if moment is None or op in _SUBSTRING:
            raise InvalidFilter(
                f'{name} is a dateTime; compare it as in {name} gt "2011-05-13T04:42:34Z".'
            )
        return moment
    return folded(attribute, value)


def folded(attribute: Attribute, text: str) -> str:
    """Return a string in the form in which values of the attribute are equal or not."""
    return text if attribute.case_exact or attribute.type not in _TEXT else fold(text)


def fold(text: str) -> str:
    """Return a string in the form in which only its case is forgotten.

    That is lower case, letter by letter: the small sigma at a word's end is the other sigma, so
    that a name is found by its beginning.
    """
    return text.lower() if text.isascii() else text.lower().replace("\u03c2", "\u03c3")


def _compare(attribute: Attribute, values: Iterable[Any], op: Operator, operand: Operand) -> bool:
    if operand is None:
        return any(map(_present, values)) is (op == "ne")
    if op == "ne":
        return not _compare(attribute, values, "eq", operand)
    holds = _HOLDS[op]
    return any(
        holds(value, operand)
        for value in (_left(attribute, value) for value in values)
        if value is not None
    )


def _left(attribute: Attribute, value: Any) -> Any:
    """Return a stored value in the form that is compared."""
    if attribute.type is Type.DATE_TIME:
        return instant(value) if isinstance(value, str) else None
    return folded(attribute, value) if isinstance(value, str) else value


def _values(value: Any, location: Location) -> list[Any]:
    """Return the values at a place, of all elements, without those that aren't there."""
    elements = value if location.attribute.multi_valued else [value]
    if location.sub is None:
        return [element for element in elements or () if element is not None]
    found: list[Any] = []
    for element in elements or ():
        if element is not None:
            found.extend(_part(element, location.sub, location.attribute))
    return found


def _part(element: Any, sub: Attribute, attribute: Attribute) -> list[Any]:
    value = element if sub is attribute else element.get(sub.name)
    if value is None:
        return []
    return list(value) if sub is not attribute and sub.multi_valued else [value]


def _element_part(path: AttrPath, attribute: Attribute) -> Attribute:
    if path.urn is None and path.sub is None:
        if attribute.type is not Type.COMPLEX and path.name.lower() == "value":
            _refuse_hidden(Location(attribute.name, attribute))
            return attribute
        sub = attribute.sub(path.name)
        if sub is not None:
            _refuse_hidden(Location(attribute.name, attribute, sub))
            return sub
    raise InvalidFilter(f"{attribute.name} has no sub-attribute {shown(str(path))}; correct it.")


def _present_in(attribute: Attribute, value: Any) -> bool:
    """Say whether there is a value; what is hidden isn't told by what it stands in."""
    if isinstance(value, Mapping):
        return any(_present(value.get(sub.name)) for sub in attribute.visible_parts)
    return _present(value)


def _present(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_present, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_present, value))
    return value is not None and value != ""
