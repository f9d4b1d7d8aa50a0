"""A name that the host keeps as one text: ``name`` and ``displayName`` of SCIM are made of it.

What was sent is kept in the link row beside the text that was made of it, and is read back as long
as the host has that very text. When the portal itself renames somebody, its own text is what is
read, and the parts are forgotten: nobody knows which word is a family name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ...scim import attributes as scim
from ..host.tables import HostTable
from .base import Binding, Dump, Reader, Row, Unit
from .slots import Slot, stored_slot

__all__ = ["DISPLAY", "NAME", "DisplayOfName", "FullNameBinding"]

NAME, DISPLAY = "name", "displayName"

_MADE = "$made"
"""The text that was made of what is kept beside it."""

_WHOLE = "$formatted"
"""The parts as people are called, where no client has said ``formatted``."""

_VALUE = "value"
_OWN = (_MADE, _WHOLE)


class _Same(FunctionElement[bool]):
    """Whether two texts are the same to the letter, whatever their collation."""

    type = sa.Boolean()
    name = "scim_same_text"
    inherit_cache = True


@compiles(_Same)
def _same(element: Any, compiler: Any, **kwargs: Any) -> str:
    left, right = (compiler.process(each, **kwargs) for each in element.clauses)
    return f"({left} = {right})"


@compiles(_Same, "mysql", "mariadb")
def _same_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    left, right = (compiler.process(each, **kwargs) for each in element.clauses)
    return f"(BINARY CONVERT({left} USING utf8mb4) = BINARY CONVERT({right} USING utf8mb4))"


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is sent of a name, and the text that is made of it.

    :ivar name: the parts, ``formatted`` only where a client says it.
    :ivar display: ``displayName``, where a client says it.
    """

    text: str | None
    name: Mapping[str, Any]
    display: str | None


class _Kept:
    """What both bindings know of the one column."""

    def __init__(self, slot: Slot, table: HostTable) -> None:
        self.slot = slot
        self._key = str(slot.name)
        self.stored = table.links.c.stored
        self._lookup = "userName" if table.name == "User" else DISPLAY

    def write(self, entity: Any, unit: Unit, path: str) -> _Sent:
        """Put the text on the host's object that everything that is known of the name makes."""
        current = self.slot.read(getattr(entity, self._key))
        sent: _Sent | None = unit.scratch.get(NAME)
        if sent is None:
            sent = unit.scratch[NAME] = self._sent(current, unit)
            self.slot.set(entity, sent.text, path)
            # What is kept of the other attribute goes on with the new text.
            unit.beside[NAME] = _remainder(sent)
            unit.beside[DISPLAY] = (
                {_VALUE: sent.display, _MADE: sent.text} if sent.display else None
            )
        return sent

    def _sent(self, current: str | None, unit: Unit) -> _Sent:
        old = unit.stored.get(NAME) or {}
        old = old if old.get(_MADE) == current else {}
        shown = unit.stored.get(DISPLAY)
        shown = shown if isinstance(shown, dict) and shown.get(_MADE) == current else {}
        kept = {key: part for key, part in old.items() if key not in _OWN}
        name = dict(unit.values[NAME] or {}) if NAME in unit.values else dict(kept)
        parts = _parts(name)
        ours = None if "formatted" in kept else old.get(_WHOLE, current)
        if ours is not None and name.get("formatted") == ours and parts:
            # It is our own answer that comes back; where its parts are others, so is the whole.
            del name["formatted"]
        if DISPLAY in unit.values:
            display = unit.values[DISPLAY]
            if display == current and NAME in unit.values and _VALUE not in shown:
                display = display if not parts or parts == _parts(kept) else None
        else:
            display = shown.get(_VALUE)
        text = name.get("formatted") or display or parts
        if not text and self.slot.required:
            text = unit.values.get(self._lookup) or current
        return _Sent(text or None, name, display)


def _remainder(sent: _Sent) -> dict[str, Any] | None:
    if not sent.name:
        return None
    parts = _parts(sent.name)
    whole = {_WHOLE: parts} if parts and not sent.name.get("formatted") else {}
    return {**sent.name, **whole, _MADE: sent.text}


def _parts(name: Mapping[str, Any]) -> str:
    """Return given and family name as people are called."""
    return " ".join(name[part] for part in ("givenName", "familyName") if name.get(part))


class FullNameBinding(Binding):
    """``name`` over one column."""

    def __init__(self, attribute: scim.Attribute, slot: Slot, table: HostTable) -> None:
        super().__init__(NAME, attribute)
        self._kept = _Kept(slot, table)
        self._slot = slot
        self.expressions = (slot.expression,)
        self.place = f"{slot.place}, and the link row"

    @property
    def note(self) -> str:
        """The host has one text."""
        return "one text in the host; its parts are kept as sent"

    def reader(self, start: int) -> Reader:
        """Read the whole name."""
        convert = self._slot.read

        def read(row: Row, dump: Dump) -> Any:
            text = convert(row[start])
            return {"formatted": text} if text else None

        return read

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the one text; what was sent remains, with the text that was made of it."""
        self._kept.write(entity, unit, self.attribute.name)
        return unit.beside[NAME]

    def merge(self, value: Any, remainder: Any) -> Any:
        """Prefer what was sent, while the host's text is what it made."""
        text = (value or {}).get("formatted")
        if not isinstance(remainder, dict) or remainder.get(_MADE) != text:
            return value
        whole = {"formatted": remainder[_WHOLE]} if _WHOLE in remainder else {}
        sent = {k: v for k, v in remainder.items() if k not in _OWN}
        return {**(value or {}), **whole, **sent} or None

    def normalise(self, value: Any) -> Any:
        """A whole that is made of its parts says nothing beside them."""
        if not value or value.get("formatted") != _parts(value):
            return value
        return {key: part for key, part in value.items() if key != "formatted"}

    def slot(self, sub: str | None) -> Slot | None:
        """Search by what is read."""
        found = self.attribute.sub(sub) if sub is not None else None
        if found is None:
            return None
        kept = stored_slot(self._kept.stored, NAME, self.attribute, found)
        whole = None
        if found.name == "formatted":
            path: Any = self._kept.stored[(NAME, _WHOLE)]
            either = sa.func.coalesce(kept.expression, path.as_string())
            kept, whole = replace(kept, expression=either), self._slot.expression
        return _while_made(kept, self._slot, self._kept.stored[(NAME, _MADE)], whole)

    def slots(self) -> Iterable[Slot]:
        """Return the one column's."""
        return (self._slot,)

    def clearable(self) -> bool:
        """Left alone where the column can't be empty."""
        return not self._slot.required

    def is_demanded(self) -> bool:
        """A name can be made of the user name."""
        return False


class DisplayOfName(Binding):
    """``displayName`` over the column of ``name``."""

    def __init__(self, attribute: scim.Attribute, slot: Slot, table: HostTable) -> None:
        super().__init__(DISPLAY, attribute)
        self._kept = _Kept(slot, table)
        self._slot = replace(slot, attribute=attribute)
        self.expressions = (slot.expression,)
        self.place = f"{slot.place}, and the link row"

    @property
    def note(self) -> str:
        """It is the same text as that of ``name``."""
        return "the text that name is made of; kept as sent where it is another"

    def reader(self, start: int) -> Reader:
        """Read the whole name."""
        convert = self._slot.read
        return lambda row, dump: convert(row[start]) or None

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the one text; what was sent remains, with the text that was made of it."""
        self._kept.write(entity, unit, self.attribute.name)
        return unit.beside[DISPLAY]

    def merge(self, value: Any, remainder: Any) -> Any:
        """Prefer what was sent, while the host's text is what it made."""
        if not isinstance(remainder, dict) or remainder.get(_MADE) != value:
            return value
        return remainder.get(_VALUE) or value

    def slot(self, sub: str | None) -> Slot | None:
        """Search by what is read."""
        if sub is not None:
            return None
        path: Any = self._kept.stored[(DISPLAY, _VALUE)]
        kept = replace(self._slot, expression=path.as_string(), own=None)
        made = self._kept.stored[(DISPLAY, _MADE)]
        return _while_made(kept, self._slot, made, self._slot.expression)

    def display_slot(self) -> Slot | None:
        """Return the column's."""
        return self._slot

    def clearable(self) -> bool:
        """It is never without a value while there is a name."""
        return False

    def is_demanded(self) -> bool:
        """A name can be made of the user name."""
        return False


def _while_made(kept: Slot, column: Slot, made: Any, otherwise: Any) -> Slot:
    """Return a slot of what is kept while the host has the text that was made of it."""
    text = sa.type_coerce(column.expression, sa.String())
    valid = _Same(text, made.as_string())
    other = sa.null() if otherwise is None else sa.type_coerce(otherwise, sa.String())
    whole = sa.func.coalesce(kept.expression, other) if otherwise is not None else kept.expression
    return replace(kept, expression=sa.case((valid, whole), else_=other))
