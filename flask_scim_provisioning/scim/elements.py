"""The elements of one multi-valued attribute while the changes of a request are carried out.

What a change looks for is found by an index of the values, so that a request costs what it is long,
and not what it is long times what the resource has. What no index can find is looked for among all
elements, and that is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .attributes import Attribute, Mutability, Type
from .changes import Edit, Target
from .errors import InvalidValue, MutabilityError, NoTarget, TooMany
from .evaluate import compared_values, element_matches, element_operand, element_test, folded
from .filters import And, Compare, Filter, Or, leaves
from .values import check, is_primary

__all__ = ["MOST_LOOKS", "Budget", "Elements", "keep_immutable", "merged"]

MOST_LOOKS = 200_000
"""How often the changes of one request look at an element that they may not be about."""


class Budget:
    """How much a request may cost beyond its own length.

    :param limit: how many looks at elements it may take.
    """

    __slots__ = ("limit", "spent")

    def __init__(self, limit: int = MOST_LOOKS) -> None:
        self.limit = limit
        self.spent = 0

    def charge(self, looks: int) -> None:
        """Count looks at elements.

        :raises TooMany: when the request has taken too many.
        """
        self.spent += looks
        if self.spent > self.limit:
            raise TooMany(
                f"The operations look at more than {self.limit} of the values that are kept; send "
                'them in several requests, or name elements as in emails[value eq "…"].'
            )

    def renew(self) -> None:
        """Begin anew: the same request is carried out once more."""
        self.spent = 0


class Elements:
    """The elements in their order, which every change may find, add, alter and remove.

    :param given: the elements before the first change; they are left as they are.
    :param budget: counts the work.
    """

    def __init__(self, attribute: Attribute, given: Iterable[Any], budget: Budget) -> None:
        self._attribute = attribute
        self._budget = budget
        self._number = 0
        self._indexes: dict[str, dict[Any, dict[int, None]]] = {}
        self._identities: Counter[Any] | None = None
        self._elements: dict[int, Any] = {}
        self._primary: dict[int, None] = {}
        for element in given:
            self._append(element)

    def __len__(self) -> int:
        return len(self._elements)

    def values(self) -> list[Any] | None:
        """Return the elements; ``None`` if there is none, which is the same as unassigned."""
        return list(self._elements.values()) or None

    def add(self, target: Target, values: Sequence[Any]) -> None:
        """Add what isn't there yet.

        :raises InvalidValue: when several of them are primary.
        :raises MutabilityError: when the attribute is immutable and has values already.
        """
        if self._identities is None:
            self._identities = Counter(map(self._identity, self._elements.values()))
        immutable = self._attribute.mutability is Mutability.IMMUTABLE and bool(self._elements)
        marked: list[int] = []
        for value in values:
            if self._identities[self._identity(value)]:
                continue
            if immutable:
                raise _unchangeable(target)
            slot = self._append(value)
            if is_primary(value):
                marked.append(slot)
        self._let_one_be_primary(target, marked)

    def replace(self, target: Target, values: Sequence[Any]) -> None:
        """Let these be the only elements.

        :raises MutabilityError: when the attribute is immutable and has other values.
        """
        keep_immutable(target, self._attribute, self.values(), list(values))
        self._indexes.clear()
        self._identities = None
        self._elements.clear()
        self._primary.clear()
        for value in values:
            self._append(value)

    def remove(self, target: Target, condition: Filter | None) -> None:
        """Remove the matching elements, or a sub-attribute of them; all of them without a filter.

        :raises MutabilityError: when what is removed is immutable, or the last required value.
        """
        sub = target.sub
        if not self._elements or (sub is not None and self._attribute.type is not Type.COMPLEX):
            return
        found = self._found(condition)
        if sub is None:
            if found and self._attribute.mutability is Mutability.IMMUTABLE:
                raise _unchangeable(target)
            for slot in found:
                self._drop(slot)
        else:
            self._budget.charge(len(found))
            for slot in found:
                self._put(slot, merged(target, self._elements[slot], {sub.name: None}))
        if not self._elements and self._attribute.required:
            raise MutabilityError(f"{target.label} is required; leave at least one value.")

    def edit(self, change: Edit) -> None:
        """Change the matching elements, or make the one that the filter describes.

        :raises NoTarget: when no element matches the filter and none is created.
        :raises MutabilityError: when an immutable value would change.
        :raises InvalidValue: when several elements would become primary.
        """
        target = change.target
        value = change.value if target.sub is None else {target.sub.name: change.value}
        found = self._found(change.filter)
        self._budget.charge(len(found))
        if self._attribute.type is not Type.COMPLEX:
            for slot in found:
                keep_immutable(target, self._attribute, self._elements[slot], value)
                self._put(slot, value)
            if not found:
                self._create(change)
            return
        mark = is_primary(value)
        # Of several that shall be primary, the one that is already stays it.
        already = [slot for slot in found if slot in self._primary] if mark else []
        edited = [
            slot for slot in found if self._put(slot, merged(target, self._elements[slot], value))
        ]
        marked = (already or edited) if mark else []
        if not found:
            marked = self._create(change)
        self._let_one_be_primary(target, marked)

    def _create(self, change: Edit) -> list[int]:
        """Make the element that the filter describes, with the value, unless there is no value.

        RFC 7644 section 3.5.2.3 wants ``noTarget`` where nothing matches. Entra means the element
        of that type, whether it is there or not.

        :returns: its slot if it is primary.
        """
        target, attribute = change.target, self._attribute
        described = {} if change.filter is None else _described(change.filter, attribute)
        if not change.create or described is None or attribute.type is not Type.COMPLEX:
            raise NoTarget(f"{target.label} has no element that matches; add one first.")
        value = change.value if target.sub is None else {target.sub.name: change.value}
        given = {name: item for name, item in value.items() if item is not None}
        if not given:
            return []
        element = {**described, **given}
        if change.filter is not None and not element_matches(change.filter, element, attribute):
            raise InvalidValue(
                f"{target.label} contradicts the filter of its path; make them agree."
            )
        slot = self._append(element)
        return [slot] if is_primary(element) else []

    # "... a "primary" sub-attribute with a value of "true": the service provider SHALL set the
    # value of "primary" to "false" for all other values" (RFC 7644 section 3.5.2).
    def _let_one_be_primary(self, target: Target, marked: Sequence[int]) -> None:
        if len(marked) > 1:
            raise InvalidValue(f"{target.label} would have more than one primary value; mark one.")
        if marked:
            for slot in [each for each in self._primary if each != marked[0]]:
                self._put(slot, {**self._elements[slot], "primary": False})

    def _append(self, element: Any) -> int:
        self._number += 1
        self._put(self._number, element)
        return self._number

    def _put(self, slot: int, element: Any) -> bool:
        """Let an element stand in a slot, and say whether one stands there now."""
        if slot in self._elements:
            if element is None:
                self._drop(slot)
                return False
            self._forget(slot)
        self._elements[slot] = element
        if is_primary(element):
            self._primary[slot] = None
        if self._identities is not None:
            self._identities[self._identity(element)] += 1
        for name, index in self._indexes.items():
            self._enter(index, name, slot, element)
        return True

    def _drop(self, slot: int) -> None:
        self._forget(slot)
        del self._elements[slot]

    def _forget(self, slot: int) -> None:
        """Take what stands in a slot out of every index."""
        element = self._elements[slot]
        self._primary.pop(slot, None)
        if self._identities is not None:
            self._identities[self._identity(element)] -= 1
        for name, index in self._indexes.items():
            for key in compared_values(self._part(name), element, self._attribute):
                index.get(key, {}).pop(slot, None)

    def _part(self, name: str) -> Attribute:
        return self._attribute.by_name[name] if name else self._attribute

    def _enter(self, index: dict[Any, dict[int, None]], name: str, slot: int, element: Any) -> None:
        for key in compared_values(self._part(name), element, self._attribute):
            index.setdefault(key, {})[slot] = None

    def _found(self, condition: Filter | None) -> list[int]:
        """Return the slots of the matching elements, in their order."""
        if condition is None:
            return list(self._elements)
        return sorted(self._select(condition))

    def _select(self, node: Filter) -> Collection[int]:
        match node:
            case Compare():
                equal = self._indexed(node)
                return self._scan(node) if equal is None else equal
            case Or(terms=terms):
                either: set[int] = set()
                for term in terms:
                    some = self._select(term)
                    self._budget.charge(len(some))
                    either.update(some)
                return either
            case And(terms=terms):
                indexed = [
                    (found, term) for term in terms if (found := self._indexed(term)) is not None
                ]
                if not indexed:
                    return self._scan(node)
                fewest, by = min(indexed, key=lambda each: len(each[0]))
                others = [term for term in terms if term is not by]
                return self._matching(fewest, others)
            case _:
                return self._scan(node)

    def _scan(self, node: Filter) -> list[int]:
        return self._matching(self._elements, [node])

    def _matching(self, slots: Mapping[int, Any], terms: Sequence[Filter]) -> list[int]:
        self._budget.charge(len(slots) * sum(map(leaves, terms)))
        tests = [element_test(term, self._attribute) for term in terms]
        elements = self._elements
        return [slot for slot in slots if all(test(elements[slot]) for test in tests)]

    def _indexed(self, node: Filter) -> Mapping[int, None] | None:
        """Return the slots that an equality finds; ``None`` for what no index can answer."""
        if not isinstance(node, Compare) or node.op != "eq" or node.value is None:
            return None
        sub, operand = element_operand(node, self._attribute)
        name = "" if sub is self._attribute else sub.name
        index = self._indexes.get(name)
        if index is None:
            index = self._indexes[name] = {}
            for slot, element in self._elements.items():
                self._enter(index, name, slot, element)
        return index.get(operand, {})

    def _identity(self, element: Any) -> Any:
        return _identity(self._attribute, element)


def merged(target: Target, element: Mapping[str, Any], value: Mapping[str, Any]) -> Any:
    """Return a complex value with some sub-attributes changed; ``None`` if none is left.

    :raises MutabilityError: when an immutable value would change.
    """
    result = dict(element)
    for name, item in value.items():
        sub = target.attribute.by_name[name]
        keep_immutable(target, sub, result.get(name), item)
        if item is None:
            result.pop(name, None)
        else:
            result[name] = item
    keep_immutable(target, target.attribute, dict(element) or None, result or None)
    return result or None


def keep_immutable(target: Target, attribute: Attribute, before: Any, after: Any) -> None:
    """Refuse a change of an immutable value; giving it one for the first time is none (7643, 7).

    :raises MutabilityError: when it would change.
    """
    if attribute.mutability is Mutability.IMMUTABLE and before is not None and before != after:
        raise _unchangeable(target)


def _unchangeable(target: Target) -> MutabilityError:
    return MutabilityError(f"{target.label} can't change once it is set; leave it as it is.")


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
