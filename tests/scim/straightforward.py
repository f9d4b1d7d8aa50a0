"""What the changes of a PATCH mean, one at a time and by looking at every element.

This is how RFC 7644 section 3.5.2 reads. ``scim.elements`` means the same and looks at less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from flask_scim_provisioning.scim.attributes import Attribute, Mutability, Type
from flask_scim_provisioning.scim.changes import Add, Change, Edit, Remove, Replace, Set, Target
from flask_scim_provisioning.scim.errors import InvalidValue, MutabilityError, NoTarget
from flask_scim_provisioning.scim.evaluate import element_matches, folded
from flask_scim_provisioning.scim.filters import And, Compare, Filter
from flask_scim_provisioning.scim.values import check, is_primary


def apply_change(change: Change, current: Any) -> Any:
    """Return the new value of the top-level attribute; ``None`` if it has none any more.

    :param current: Its whole value, ``None`` if there is none; it is left as it is.
    :raises NoTarget: when no element matches the filter and none is created.
    :raises MutabilityError: when an immutable value would change.
    :raises InvalidValue: when several elements would become primary.
    """
    match change:
        case Set(target=target, value=value):
            return _applied_set(target, value, current)
        case Add(target=target, values=values):
            return _applied_add(target, values, list(current or ()))
        case Remove(target=target, filter=condition):
            return _applied_remove(target, condition, current)
        case Replace(target=target, values=values):
            _keep_immutable(target, target.attribute, current, list(values))
            return list(values)
        case Edit():
            return _applied_edit(change, list(current or ()))
        case _:
            assert_never(change)


def apply_changes(changes: Sequence[Change], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat resource after all changes; the one that was given is left as it is."""
    changed = dict(flat)
    for change in changes:
        key = change.target.key
        value = apply_change(change, changed.get(key))
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return changed


def _applied_set(target: Target, value: Any, current: Any) -> Any:
    if target.attribute.type is not Type.COMPLEX:
        _keep_immutable(target, target.attribute, current, value)
        return value
    merged = value if target.sub is None else {target.sub.name: value}
    return _merged(target, dict(current or {}), merged)


def _applied_add(target: Target, values: tuple[Any, ...], current: list[Any]) -> Any:
    known = {_identity(target.attribute, element) for element in current}
    added: list[Any] = []
    for value in values:
        identity = _identity(target.attribute, value)
        if identity not in known:
            known.add(identity)
            added.append(value)
    if not added:
        return current or None
    _keep_immutable(target, target.attribute, current or None, current + added)
    return _one_primary(target, current + added, [is_primary(item) for item in added], len(current))


def _applied_remove(target: Target, condition: Filter | None, current: Any) -> Any:
    if current is None:
        return None
    if target.attribute.type is not Type.COMPLEX and target.sub is not None:
        return current
    if not target.attribute.multi_valued:
        if target.sub is None:
            _keep_immutable(target, target.attribute, current, None)
            return None
        return _merged(target, current, {target.sub.name: None})
    kept: list[Any] = []
    for element in current:
        if condition is not None and not element_matches(condition, element, target.attribute):
            kept.append(element)
        elif target.sub is not None:
            rest = _merged(target, element, {target.sub.name: None})
            if rest is not None:
                kept.append(rest)
    if target.sub is None:
        _keep_immutable(target, target.attribute, current, kept or None)
    if not kept and target.attribute.required:
        raise MutabilityError(f"{target.label} is required; leave at least one value.")
    return kept or None


def _applied_edit(change: Edit, current: list[Any]) -> Any:
    target, attribute = change.target, change.target.attribute
    value = change.value if change.target.sub is None else {change.target.sub.name: change.value}
    marked = [False] * len(current)
    edited: list[Any] = []
    matched = False
    for index, element in enumerate(current):
        if change.filter is not None and not element_matches(change.filter, element, attribute):
            edited.append(element)
            continue
        matched = True
        if attribute.type is not Type.COMPLEX:
            _keep_immutable(target, attribute, element, value)
            edited.append(value)
            continue
        new = _merged(target, element, value)
        marked[index] = is_primary(value)
        edited.append(new)
    # Of several that shall be primary, the one that is already stays it.
    already = [is_primary(element) and mark for element, mark in zip(current, marked, strict=True)]
    if any(already):
        marked = already
    if not matched:
        created = _created(change)
        if created is not None:
            edited.append(created)
            marked.append(is_primary(created))
    kept = [(new, mark) for new, mark in zip(edited, marked, strict=True) if new is not None]
    return _one_primary(target, [new for new, _ in kept], [mark for _, mark in kept], 0)


def _created(change: Edit) -> Any:
    """Return the element that the filter describes, with the value; ``None`` if there is no value.

    RFC 7644 section 3.5.2.3 wants ``noTarget`` where nothing matches. Entra means the element of
    that type, whether it is there or not.
    """
    target = change.target
    described = {} if change.filter is None else _described(change.filter, target.attribute)
    if not change.create or described is None or target.attribute.type is not Type.COMPLEX:
        raise NoTarget(f"{target.label} has no element that matches; add one first.")
    value = change.value if target.sub is None else {target.sub.name: change.value}
    given = {name: item for name, item in value.items() if item is not None}
    if not given:
        return None
    element = {**described, **given}
    if change.filter is not None and not element_matches(change.filter, element, target.attribute):
        raise InvalidValue(f"{target.label} contradicts the filter of its path; make them agree.")
    return element


def _described(condition: Filter, attribute: Attribute) -> dict[str, Any] | None:
    """Return the element of which a filter says everything: by ``eq``, joined by ``and``."""
    described: dict[str, Any] = {}
    for term in condition.terms if isinstance(condition, And) else (condition,):
        if not isinstance(term, Compare) or term.op != "eq" or term.value is None:
            return None
        sub = attribute.sub(term.path.name)
        if sub is None or sub.name in described:
            return None
        described[sub.name] = check(sub, term.value, f"{attribute.name}.{sub.name}")
    return described


def _merged(target: Target, element: Mapping[str, Any], value: Mapping[str, Any]) -> Any:
    """Return an element with some sub-attributes changed; ``None`` if none is left."""
    merged = dict(element)
    for name, item in value.items():
        sub = target.attribute.by_name[name]
        _keep_immutable(target, sub, merged.get(name), item)
        if item is None:
            merged.pop(name, None)
        else:
            merged[name] = item
    _keep_immutable(target, target.attribute, dict(element) or None, merged or None)
    return merged or None


def _keep_immutable(target: Target, attribute: Attribute, before: Any, after: Any) -> None:
    """Refuse a change of an immutable value; giving it one for the first time is none (7643, 7)."""
    if attribute.mutability is Mutability.IMMUTABLE and before is not None and before != after:
        raise MutabilityError(f"{target.label} can't change once it is set; leave it as it is.")


# "... a "primary" sub-attribute with a value of "true": the service provider SHALL set the value of
# "primary" to "false" for all other values" (3.5.2).
def _one_primary(target: Target, elements: list[Any], marked: list[bool], start: int) -> Any:
    """Return the elements with only the newly marked one primary; marks begin at ``start``."""
    chosen = [index for index, mark in enumerate(marked, start) if mark]
    if len(chosen) > 1:
        raise InvalidValue(f"{target.label} would have more than one primary value; mark one.")
    if chosen:
        elements = [
            {**element, "primary": False} if index != chosen[0] and is_primary(element) else element
            for index, element in enumerate(elements)
        ]
    return elements or None


def _identity(attribute: Attribute, value: Any) -> Any:
    """Return something hashable that equal values have in common.

    Case counts where the attribute says so; what the service itself adds to a value doesn't.
    """
    if isinstance(value, Mapping):
        return frozenset(
            (name, _identity(sub, value[name]))
            for name, sub in attribute.by_name.items()
            if value.get(name) is not None and sub.mutability is not Mutability.READ_ONLY
        )
    if isinstance(value, list):
        return tuple(_identity(attribute, item) for item in value)
    if isinstance(value, str):
        return folded(attribute, value)
    return type(value), value
