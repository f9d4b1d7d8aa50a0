"""What every binding answers for itself, and what it gets to do so."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ...scim import attributes as scim
from ..host.keys import HostKey
from ..host.viewpoint import Viewpoint
from .slots import Slot, Watched

__all__ = [
    "Binding",
    "Build",
    "Dump",
    "Keeping",
    "Reader",
    "Unit",
    "Watched",
    "parts_as_read",
    "parts_reader",
]

Row: TypeAlias = Sequence[Any]
Flat: TypeAlias = dict[str, Any]


class Keeping(enum.Enum):
    """Where a binding keeps what it is given."""

    ROW = "row"
    """In the host's row, or rows that are selected with it; what remains is in the link."""

    RELATED = "related"
    """In further rows of the host, which are read for a whole page at once."""

    LINK = "link"
    """In the link, all of it."""

    APART = "apart"
    """In a table of its own, and not written with the resource."""

    NOWHERE = "nowhere"
    """It is handed on, and can't be read."""


@dataclass(slots=True)
class Dump:
    """What reading needs beside the row.

    :ivar base_url: the absolute SCIM base URL that ``$ref`` and ``location`` begin with.
    :ivar missing: by the name of a resource type, keys of the host's rows that are referred to and
        have no link yet; filled by readers.
    :ivar shows_names: whether members are told by name.
    """

    base_url: str
    missing: dict[str, set[HostKey]] = field(default_factory=dict)
    shows_names: bool = False

    def miss(self, kind: str, key: HostKey) -> None:
        """Remember a row that is referred to and has no link."""
        self.missing.setdefault(kind, set()).add(key)


@dataclass(frozen=True, slots=True)
class Unit:
    """What writing needs beside the host's object.

    :ivar values: all that is written of the resource, by flat key.
    :ivar stored: what its link row has kept until now.
    :ivar beside: what the link row will keep of an attribute that another one's binding changes.
    :ivar scratch: what bindings over the same column have found out together.
    """

    session: Session
    view: Viewpoint
    values: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, Any] = field(default_factory=dict)


Reader: TypeAlias = Callable[[Row, Dump], Any]
Build: TypeAlias = Callable[[Callable[[str], Slot | None]], sa.ColumnElement[bool]]
"""Makes a condition from the slots of one element, which it finds by name."""


class Binding:
    """Where one attribute lives.

    ``expressions`` are selected with each row; ``reader`` turns them into a SCIM value. ``write``
    puts a SCIM value on the host's object and returns what the host has no place for; that
    remainder is kept in the link row, and ``merge`` joins the two again, so that an identity
    provider reads back what it wrote.

    :ivar keeping: where values are kept.
    :ivar place: where that is, for people.
    :ivar refers: whether values name other resources by their ids.
    :ivar leaves_remainder: whether a part of a value may have to be kept in the link row.
    :ivar has_elements: whether it is searched element by element, by ``any``.
    :ivar naming: attributes of the host's object that name another resource; where all of them are
        None, nothing is read.
    :ivar names_by_key: whether they do so by a key, so that they name the same until they change.
    :ivar takes_placeholders: whether the team wants values that mean nothing, too.
    """

    expressions: tuple[sa.ColumnElement[Any], ...] = ()
    keeping = Keeping.ROW
    place = ""
    refers = False
    leaves_remainder = True
    has_elements = False
    takes_placeholders = False
    naming: tuple[str, ...] = ()
    names_by_key = False

    def __init__(self, key: str, attribute: scim.Attribute) -> None:
        self.key = key
        self.attribute = attribute

    @property
    def note(self) -> str:
        """What is to be said of the place, for people."""
        match self.attribute.mutability:
            case scim.Mutability.READ_ONLY:
                return "read-only"
            case scim.Mutability.WRITE_ONLY:
                return "write-only"
        return ""

    @property
    def plain_column(self) -> bool:
        """Whether the one selected value is the SCIM value."""
        return False

    def reader(self, start: int) -> Reader:
        """Return the function that reads the value from a row, beginning at column ``start``.

        Nothing is read from the row unless a binding says otherwise.
        """
        return lambda row, dump: None

    def fetch(self, view: Viewpoint, keys: Sequence[HostKey], dump: Dump) -> Mapping[HostKey, Any]:
        """Return the values of each of the host's rows, where they are read for a page at once."""
        return {}

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write a value (None clears it) and return the remainder, or None.

        Nothing is written to the host's object unless a binding says otherwise.
        """
        return None

    def merge(self, value: Any, remainder: Any) -> Any:
        """Join what the host keeps with the remainder in the link row."""
        return remainder if value is None else value

    def normalise(self, value: Any) -> Any:
        """Return the part of a value that says whether a write changes anything."""
        return value

    def slot(self, sub: str | None) -> Slot | None:
        """Return the slot of the attribute or of a sub-attribute, or None where there is none."""
        return None

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Return SQL that says whether one element meets the condition; see ``has_elements``."""
        raise AssertionError(f"{self.key} has no elements")

    def has_others(self, remainder: Any) -> bool:
        """Say whether a remainder has elements beside one of the host's, which are searched too."""
        return False

    def watched(self) -> Iterable[Watched]:
        """Return the rows beside the host's own whose changes change the resource."""
        return [rows for slot in self.slots() for rows in slot.watched]

    def slots(self) -> Iterable[Slot]:
        """Return the slots in the host's own row."""
        return ()

    def display_slot(self) -> Slot | None:
        """Return the slot that says what somebody is called, without the link row."""
        return self.slot(None)

    def is_demanded(self) -> bool:
        """Say whether clients have to send a value."""
        return not self.clearable()

    def clearable(self) -> bool:
        """Say whether a replace that doesn't name the attribute may clear it."""
        return True

    def writable(self) -> bool:
        """Say whether what a client writes is kept; a constant stays what it is."""
        return True

    def searchable(self) -> bool:
        """Say whether a filter may name the attribute."""
        return bool(
            self.has_elements
            or self.slot(None)
            or self.slot("value")
            or any(self.slot(sub.name) for sub in self.attribute.sub_attributes)
        )


def parts_reader(slots: Mapping[str, Slot], start: int) -> Callable[[Row], dict[str, Any]]:
    """Return the function that reads sub-attributes from a row, beginning at column ``start``."""
    parts = [
        (name, start + index, slot.from_host) for index, (name, slot) in enumerate(slots.items())
    ]

    def read(row: Row) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for name, index, convert in parts:
            part = row[index]
            if part is not None and convert is not None:
                part = convert(part)
            if part is not None:
                value[name] = part
        return value

    return read


def parts_as_read(slots: Mapping[str, Slot], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read of the sub-attributes once they are written, but for those that can't be.

    Others than the slots' are as they are.
    """
    return {
        name: slots[name].as_read(part) if name in slots else part
        for name, part in value.items()
        if name not in slots or not slots[name].is_fixed
    }


def other_than_mirrored(slot: Slot, value: Any, entity: Any, unit: Unit) -> Any:
    """Return what is sent of an attribute that has another one's value; None where it is that.

    What the other one will have is known before it is written.
    """
    if slot.mirrors is None or value is None:
        return None
    if slot.mirrors in unit.values:
        same = slot.as_read(unit.values[slot.mirrors])
    else:
        same = slot.read(getattr(entity, slot.name)) if slot.name is not None else None
    return None if same == value else value
