"""Planning a PATCH: from operations to a list of changes (RFC 7644 section 3.5.2).

Planning looks at the operations and the schema only, so that a wrong operation is refused before
anything is read, and a request that fails half-way has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .applying import apply_change, apply_changes
from .attributes import ID, Attribute, Mutability, ResourceType, Schema, Type
from .changes import Add, Change, Edit, Remove, Replace, Set, Target
from .errors import (
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    MutabilityError,
    NoTarget,
    ScimError,
    shown,
    shown_notes,
)
from .evaluate import check_elements
from .filters import Filter
from .paths import Location, PatchPath, parse_path, resolve
from .values import check, check_one

__all__ = [
    "Add",
    "Change",
    "Edit",
    "Operation",
    "Plan",
    "Remove",
    "Replace",
    "Set",
    "Target",
    "apply_change",
    "apply_changes",
    "plan",
]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a PATCH request; :func:`plan` wants its ``op`` in lower case."""

    op: str
    path: str | PatchPath | None = None
    value: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a PATCH request changes, in order, and what of it was ignored."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()


def plan(
    operations: Sequence[Operation],
    resource_type: ResourceType,
    *,
    create_missing: bool = False,
    lenient: bool = False,
    resource_id: str | None = None,
) -> Plan:
    """Return the changes that the operations ask for.

    ``null`` and an empty list take a value away. A single value is taken for a list of one where
    the attribute is multi-valued.

    :param create_missing: Whether a filter that matches nothing describes an element to create.
    :param lenient: Whether unknown attributes and those that the service sets itself are ignored,
        with a note, rather than refused.
    :param resource_id: The id of the resource, if it is known. A client may repeat it, and may
        never send another one.
    :raises ScimError: when an operation can't be carried out on any resource of the type; its
        detail begins with the number of the operation.

    RFC 7644 section 3.5.2, erratum 7122.
    """
    planner = _Planner(resource_type, create_missing, lenient, resource_id)
    for number, operation in enumerate(operations, 1):
        planner.number = number
        try:
            planner.add(operation)
        except ScimError as error:
            raise type(error)(f"operation {number}: {error.detail}") from error
    return Plan(tuple(planner.changes), tuple(shown_notes(planner.notes)))


class _Planner:
    """Gathers the changes of one request."""

    def __init__(
        self,
        resource_type: ResourceType,
        create_missing: bool,
        lenient: bool,
        resource_id: str | None,
    ) -> None:
        self.resource_type = resource_type
        self.create_missing = create_missing
        self.lenient = lenient
        self.resource_id = resource_id
        self.number = 0
        self.changes: list[Change] = []
        self.notes: list[str] = []

    def add(self, operation: Operation) -> None:
        """Plan one operation."""
        if operation.op not in {"add", "remove", "replace"}:
            raise InvalidSyntax('op is unknown; send "add", "remove" or "replace".')
        if operation.path is None:
            if operation.op == "remove":
                raise NoTarget("a remove needs a path; send the attribute to remove as path.")
            self._members(operation.op, operation.value, None)
        else:
            path = operation.path
            parsed = parse_path(path) if isinstance(path, str) else path
            self._at(operation.op, parsed, operation.value)

    # "If "path" is omitted, the value parameter contains a set of attributes" (3.5.2.1, 3.5.2.3).
    # Clients send more than attribute names there: dotted names, names behind a URN, and the whole
    # object of an extension. Each of them is a path, and so each is read as one.
    def _members(self, op: str, value: Any, schema: Schema | None) -> None:
        if not isinstance(value, Mapping):
            raise InvalidValue("without a path the value is an object; send attributes by name.")
        for name, item in value.items():
            if name.lower() == "schemas":
                continue
            try:
                path = parse_path(name if schema is None else f"{schema.id}:{name}")
            except InvalidPath as error:
                self._ignore_or_raise(f"unknown attribute {shown(name)}", error)
            else:
                self._at(op, path, item)

    def _at(self, op: str, parsed: PatchPath, value: Any) -> None:
        place = resolve(parsed, self.resource_type)
        if place is None:
            # The filter isn't shown: it holds values.
            name = shown(str(parsed.path))
            self._ignore_or_raise(
                f"unknown attribute {name}",
                InvalidPath(
                    f"{self.resource_type.name} has no attribute {name}; "
                    "/Schemas lists what it has."
                ),
            )
        elif isinstance(place, Schema):
            self._schema(op, place, value)
        elif place.key == "schemas":
            self._note("schemas follows from the attributes")
        elif place.key == ID.name and op != "remove" and self.resource_id is not None:
            self._own_id(value)
        elif Mutability.READ_ONLY in (place.attribute.mutability, place.leaf.mutability):
            self._ignore_or_raise(
                f"read-only attribute {place.label}",
                MutabilityError(f"{place.label} is set by the service; leave it out."),
            )
        elif op == "remove":
            self._remove(place, parsed.filter, value)
        else:
            self._write(op, place, parsed.filter, value)

    # Okta, authentik and Rauthy repeat the id of the resource beside what they change.
    def _own_id(self, value: Any) -> None:
        if not isinstance(value, str) or value.lower() != str(self.resource_id).lower():
            raise MutabilityError(
                "id is another one than that of the resource, and never changes; leave it out, or "
                "send the change to the resource that has it."
            )
        self._note("the resource's own id")

    def _schema(self, op: str, schema: Schema, value: Any) -> None:
        if op != "remove" and value is not None:
            self._members(op, value, schema)
            return
        if schema is self.resource_type.schema:
            raise NoTarget("a core schema can't be removed; send the attributes to remove.")
        for attribute in schema.attributes:
            if attribute.mutability is not Mutability.READ_ONLY:
                place = Location(f"{schema.id}:{attribute.name}", attribute)
                self._remove(place, None, None)

    # "If the target location is ... no filter is specified, the attribute and all values are
    # removed" (3.5.2.2). A value beside that is no part of the protocol; where it lists some of
    # the values, removing them all is not what was meant.
    def _remove(self, place: Location, condition: Filter | None, value: Any) -> None:
        target = self._target(place)
        if condition is not None:
            check_elements(condition, place.attribute)
        elif place.attribute.multi_valued and value is not None:
            raise InvalidValue(
                f"a remove takes no value; send a filter as in {place.attribute.name}[value eq …]."
            )
        self._refuse_unassigning(place, condition)
        self.changes.append(Remove(target, condition))

    def _write(self, op: str, place: Location, condition: Filter | None, value: Any) -> None:
        attribute = place.attribute
        if condition is not None:
            check_elements(condition, attribute)
        if attribute.multi_valued:
            if condition is None and place.sub is None:
                self._write_values(op, place, value)
            else:
                self._edit(place, condition, value)
            return
        if place.sub is not None or attribute.type is not Type.COMPLEX:
            self._set(place, self._checked(place, value))
            return
        # "Sub-attributes that are not specified SHALL be left unchanged" (3.5.2.3); null unassigns.
        checked = self._checked_one(place, value)
        if checked is not None or value is None:
            self._set(place, checked)
        for sub in _unassigned(attribute, value or {}):
            self._set(Location(place.key, attribute, sub), None)

    def _write_values(self, op: str, place: Location, value: Any) -> None:
        target = self._target(place)
        values = value if value is None or isinstance(value, list | tuple) else [value]
        checked = self._checked(place, values)
        if op == "add":
            if checked is not None:
                self.changes.append(Add(target, tuple(checked)))
        elif checked is not None:
            self.changes.append(Replace(target, tuple(checked)))
        else:
            self._refuse_unassigning(place, None)
            self.changes.append(Remove(target))

    def _edit(self, place: Location, condition: Filter | None, value: Any) -> None:
        target = self._target(place)
        create = condition is None or self.create_missing
        if place.sub is None and value is None:
            self._refuse_unassigning(place, condition)
            self.changes.append(Remove(target, condition))
            return
        if place.sub is not None:
            checked = self._checked(place, value)
        else:
            checked = self._checked_one(place, value)
            checked = _with_unassigned(place.attribute, value, checked)
        if checked is None:
            self._refuse_unassigning(place, condition)
        self.changes.append(Edit(target, condition, checked, create))

    def _checked(self, place: Location, value: Any) -> Any:
        notes: list[str] = []
        checked = check(place.leaf, value, place.label, notes=notes)
        self._note_all(notes)
        return checked

    def _checked_one(self, place: Location, value: Any) -> Any:
        notes: list[str] = []
        checked = check_one(place.attribute, value, place.label, partial=True, notes=notes)
        self._note_all(notes)
        return checked

    def _set(self, place: Location, value: Any) -> None:
        if value is None:
            self._refuse_unassigning(place, None)
            self.changes.append(Remove(self._target(place)))
            return
        if place.leaf.required and isinstance(value, str) and not value.strip():
            raise InvalidValue(f"{place.label} is required; send a value that isn't empty.")
        self.changes.append(Set(self._target(place), value))

    def _refuse_unassigning(self, place: Location, condition: Filter | None) -> None:
        if place.leaf.required and (place.sub is not None or condition is None):
            raise MutabilityError(f"{place.label} is required; replace it by another value.")

    def _target(self, place: Location) -> Target:
        return Target(place.key, place.attribute, place.sub, self.number)

    def _ignore_or_raise(self, what: str, error: ScimError) -> None:
        if not self.lenient:
            raise error
        self._note(what)

    def _note(self, what: str) -> None:
        self._note_all([f"{what} ignored"])

    def _note_all(self, notes: list[str]) -> None:
        self.notes.extend(f"operation {self.number}: {note}" for note in dict.fromkeys(notes))


def _unassigned(attribute: Attribute, value: Mapping[str, Any]) -> Iterator[Attribute]:
    """Yield the sub-attributes that a complex value takes away."""
    for name, item in value.items():
        sub = attribute.sub(name)
        if (
            sub is not None
            and sub.mutability is not Mutability.READ_ONLY
            and check(sub, item, sub.name) is None
        ):
            yield sub


def _with_unassigned(attribute: Attribute, value: Any, checked: Any) -> Any:
    """Return a checked complex value with ``None`` for the sub-attributes that it takes away."""
    if not isinstance(value, Mapping):
        return checked
    return {**(checked or {}), **{sub.name: None for sub in _unassigned(attribute, value)}}
