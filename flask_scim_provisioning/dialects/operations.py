"""PATCH operations that have another shape than RFC 7644 section 3.5.2 gives them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..scim.attributes import Attribute, ResourceType, Type
from ..scim.errors import InvalidPath, InvalidValue
from ..scim.filters import And, AttrPath, Compare, Filter, Or
from ..scim.patch import Operation
from ..scim.paths import PatchPath, parse_path
from .filters import FilterRewriter
from .notes import Notes, leave
from .values import ValueRewriter, member_of

BodyRewrite = Callable[[Mapping[str, Any], Notes], Mapping[str, Any]]
TextRewrite = Callable[[str, Notes], Any]

_VALUE = AttrPath(None, "value", None)
_NO_CHANGE = frozenset({"schemas", "meta"})
_SERVICE_MADE = frozenset({"id", "meta", "groups"})


@dataclass(frozen=True)
class Place:
    """Where a path leads: an attribute of the resource type, perhaps a part of it."""

    path: PatchPath
    attribute: Attribute
    sub: Attribute | None

    @property
    def name(self) -> str:
        """What notes and refusals call the place."""
        return self.attribute.name if self.sub is None else f"{self.attribute.name}.{self.sub.name}"


def op_in_any_case(operation: Operation, notes: Notes) -> Operation:
    """The ``op`` of an operation counts in any case.

    Source: Entra sends ``Add``, ``Replace`` and ``Remove`` unless the tenant URL has the flag
    ``aadOptscim062020``.
    """
    op = operation.op.strip()
    folded = op.lower()
    if folded == operation.op:
        return operation
    if folded in ("add", "replace", "remove"):
        leave(notes, f'op "{op}" read as {folded}')
    return replace(operation, op=folded)


def without_unchangeable_keys(value: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Leave ``schemas`` and ``meta`` out of a value without a path.

    Source: authentik and Rauthy send the whole object of a group with each change of it. Its ``id``
    stays: it has to be that of the resource.
    """
    kept = {name: item for name, item in value.items() if name.lower() not in _NO_CHANGE}
    if len(kept) != len(value):
        leave(notes, "schemas and meta in the value ignored")
    return kept


def without_service_made_attributes(body: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Leave out ``id``, ``meta`` and ``groups``, that come back as the service answered them.

    Source: Okta writes the whole object back that it has read, and sends ``groups: []`` always.
    """
    kept = {name: item for name, item in body.items() if name.lower() not in _SERVICE_MADE}
    if len(kept) != len(body):
        leave(notes, "id, meta and groups in the body ignored")
    return kept


class OperationRewriter:
    """Makes the operations of one PATCH RFC-clean.

    :param filters: What is done to the filter inside a path.
    :param values: What is done to the values.
    :param pathless: What is done to a value without a path before its keys are read.
    :param text: What is done to a value without a path that is a string.
    """

    def __init__(
        self,
        filters: FilterRewriter,
        values: ValueRewriter,
        pathless: Iterable[BodyRewrite],
        text: Iterable[TextRewrite] = (),
    ) -> None:
        self._filters = filters
        self._values = values
        self._pathless = tuple(pathless)
        self._text = tuple(text)

    def operations(
        self, sent: Iterable[Operation], resource_type: ResourceType, notes: Notes
    ) -> list[Operation]:
        """Return the operations in RFC form, in their order and as many: details have numbers.

        :raises InvalidValue: when a value to remove doesn't say which.
        """
        return [
            self._operation(op_in_any_case(operation, notes), number, resource_type, notes)
            for number, operation in enumerate(sent, start=1)
        ]

    def _operation(
        self, operation: Operation, number: int, resource_type: ResourceType, notes: Notes
    ) -> Operation:
        if operation.path is None:
            return self._without_path(operation, resource_type, notes)
        if isinstance(operation.path, str) and resource_type.schema_named(operation.path):
            whole = self._members({operation.path: operation.value}, resource_type, notes)
            return replace(operation, value=whole[operation.path])
        place = self._place(operation.path, resource_type, notes)
        if place is None:
            return operation
        operation = replace(operation, path=place.path)
        if operation.op == "remove" and place.path.filter is not None:
            return removal_of_empty_element(replace(operation, value=None), place)
        if operation.op == "remove":
            return removal_by_value(operation, place, number, self._values, notes)
        value = self._value(place, operation.value, notes)
        return removal_of_empty_element(replace(operation, value=value), place)

    def _without_path(
        self, operation: Operation, resource_type: ResourceType, notes: Notes
    ) -> Operation:
        value = operation.value
        for reading in self._text if isinstance(value, str) else ():
            value = reading(value, notes)
        if not isinstance(value, Mapping):
            return operation
        for rewrite in self._pathless:
            value = rewrite(value, notes)
        return replace(operation, value=self._members(value, resource_type, notes))

    def _members(
        self, value: Mapping[str, Any], resource_type: ResourceType, notes: Notes
    ) -> dict[str, Any]:
        """Rewrite the values of an object whose keys are paths, or URNs of schemas."""
        members = {}
        for name, item in value.items():
            if resource_type.schema_named(name) is not None and isinstance(item, Mapping):
                inner = {f"{name}:{key}": part for key, part in item.items()}
                rewritten = self._members(inner, resource_type, notes)
                members[name] = {key[len(name) + 1 :]: part for key, part in rewritten.items()}
                continue
            place = self._place(name, resource_type, notes)
            members[name] = item if place is None else self._value(place, item, notes)
        return members

    def _place(
        self, path: str | PatchPath, resource_type: ResourceType, notes: Notes
    ) -> Place | None:
        """Return where a path leads, its filter rewritten; ``None`` if that's for others to say."""
        if isinstance(path, str):
            try:
                path = self._parsed(path, notes)
            except InvalidPath:
                return None
        found = resource_type.find(path.path.urn, path.path.name)
        if found is None:
            return None
        attribute = found[1]
        sub_name = path.sub or path.path.sub
        sub = attribute.sub(sub_name) if sub_name else None
        if sub_name and sub is None:
            return None
        if path.filter is not None and attribute.multi_valued:
            path = replace(path, filter=self._filters.tree(path.filter, notes))
        elif path.filter is not None:
            path = single_value_without_filter(path, attribute, notes)
        return Place(path, attribute, sub)

    def _parsed(self, text: str, notes: Notes) -> PatchPath:
        try:
            return parse_path(text)
        except InvalidPath as refusal:
            fresh: list[str] = []
            try:
                path = parse_path(self._filters.repaired(text, fresh))
            except InvalidPath:
                raise refusal from None
            for sentence in fresh:
                leave(notes, sentence)
            return path

    def _value(self, place: Place, value: Any, notes: Notes) -> Any:
        if value is None:
            return None
        if place.sub is not None:
            return self._values.leaf(place.sub, value, place.name, notes)
        if place.path.filter is not None:
            return self._values.element(place.attribute, value, place.name, notes)
        return self._values.value(place.attribute, value, place.name, notes)


def single_value_without_filter(path: PatchPath, attribute: Attribute, notes: Notes) -> PatchPath:
    """What has only one value needs no filter to be found.

    Source: Entra removes a manager by ``manager[value eq "26118915"]`` too.
    """
    leave(notes, f"filter behind the single value {attribute.name} ignored")
    return PatchPath(replace(path.path, sub=path.sub or path.path.sub))


def removal_by_value(
    operation: Operation, place: Place, number: int, values: ValueRewriter, notes: Notes
) -> Operation:
    """``remove`` with a list of values removes those only, never the whole attribute.

    Source: Entra removes members by ``"path": "members", "value": [{"value": …}]``, where RFC 7644
    section 3.5.2.2 knows a filter in the path only. All values become one filter.

    :returns: an operation that adds nothing when the list is empty: nothing is to be removed.
    :raises InvalidValue: when an element of the list says nothing to find it by.
    """
    whole = place.sub is None and place.path.filter is None
    if operation.value is None or not whole or not place.attribute.multi_valued:
        return replace(operation, value=None)
    listed = values.value(place.attribute, operation.value, place.name, notes)
    leave(notes, f"remove with values at {place.name} read as a removal of these only")
    named = tuple(dict.fromkeys(_listed(item, place, number) for item in listed))
    if not named:
        return Operation("add", place.path, [])
    only = named[0] if len(named) == 1 else Or(named)
    return replace(operation, path=replace(place.path, filter=only), value=None)


def _listed(element: Any, place: Place, number: int) -> Filter:
    """Return the filter that finds a listed element.

    Its ``value`` says which it is; what has none, such as an address, is known by all its parts.
    """
    attribute = place.attribute
    if attribute.type is not Type.COMPLEX:
        given = [(_VALUE, element)]
    elif attribute.sub("value") is not None:
        given = [(_VALUE, member_of(element, "value") if isinstance(element, Mapping) else None)]
    else:
        parts = element if isinstance(element, Mapping) else {}
        given = [(AttrPath(None, name, None), part) for name, part in parts.items()]
    terms = tuple(
        Compare(path, "eq", part)
        for path, part in given
        if isinstance(part, str | bool | int | float) and part != ""
    )
    if not terms:
        raise InvalidValue(
            f"operation {number}: a value to remove from {place.name} has no value; "
            "send each with its value, or a path with a filter."
        )
    return terms[0] if len(terms) == 1 else And(terms)


def removal_of_empty_element(operation: Operation, place: Place) -> Operation:
    """An element whose ``value`` is unassigned is removed as a whole.

    Source: Entra's gallery null test clears ``phoneNumbers[type eq "work"].value``; what stays of
    such an element is its type, and no client reads that.
    """
    cleared = operation.value is None and place.sub is not None and place.sub.name == "value"
    if not cleared or place.path.filter is None:
        return operation
    return Operation("remove", PatchPath(place.path.path, place.path.filter, None), None)
