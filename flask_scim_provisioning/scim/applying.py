"""What a resource is after the changes of a PATCH request (RFC 7644 section 3.5.2).

Nothing is changed in place. All changes of one attribute are carried out on one working copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .attributes import Type
from .changes import Add, Change, Edit, Remove, Replace, Set
from .elements import Budget, Elements, keep_immutable, merged

__all__ = ["apply_change", "apply_changes", "changed_attributes"]


def apply_change(change: Change, current: Any) -> Any:
    """Return the new value of the top-level attribute; ``None`` if it has none any more.

    :param current: Its whole value, ``None`` if there is none; it is left as it is.
    :raises NoTarget: when no element matches the filter and none is created.
    :raises MutabilityError: when an immutable value would change.
    :raises InvalidValue: when several elements would become primary.
    """
    key = change.target.key
    return changed_attributes([change], {key: current})[key]


def apply_changes(
    changes: Sequence[Change], flat: Mapping[str, Any], budget: Budget | None = None
) -> dict[str, Any]:
    """Return a flat resource after all changes; the one that was given is left as it is."""
    after = {**flat, **changed_attributes(changes, flat, budget)}
    return {key: value for key, value in after.items() if value is not None}


def changed_attributes(
    changes: Sequence[Change], flat: Mapping[str, Any], budget: Budget | None = None
) -> dict[str, Any]:
    """Return the new values of the attributes that are changed, ``None`` where there is none.

    :param budget: counts what the changes cost beyond their number.
    :raises ScimError: as :func:`apply_change` does.
    :raises TooMany: when the budget is spent.
    """
    budget = budget or Budget()
    values: dict[str, Any] = {}
    lists: dict[str, Elements] = {}
    for change in changes:
        target = change.target
        key, attribute = target.key, target.attribute
        if not attribute.multi_valued:
            values[key] = _applied(change, values[key] if key in values else flat.get(key))
            continue
        elements = lists.get(key)
        if elements is None:
            elements = lists[key] = Elements(attribute, flat.get(key) or (), budget)
            values[key] = None
        match change:
            case Add(values=added):
                elements.add(target, added)
            case Replace(values=only):
                elements.replace(target, only)
            case Remove(filter=condition):
                elements.remove(target, condition)
            case Edit():
                elements.edit(change)
            case Set(value=value):
                elements.replace(target, value)
    return values | {key: elements.values() for key, elements in lists.items()}


def _applied(change: Change, current: Any) -> Any:
    """Return the new value of a single-valued attribute."""
    target = change.target
    attribute, sub = target.attribute, target.sub
    value = change.value if isinstance(change, Set) else None
    if attribute.type is not Type.COMPLEX:
        if sub is not None:
            return current
        keep_immutable(target, attribute, current, value)
        return value
    if sub is not None:
        parts = {sub.name: value}
    elif value is None:
        keep_immutable(target, attribute, current, None)
        return None
    else:
        parts = value
    return merged(target, current or {}, parts)
