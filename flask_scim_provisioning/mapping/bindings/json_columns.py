"""Values inside the host's own JSON and ARRAY columns: keys of objects, elements of lists."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ...scim import attributes as scim
from ...scim.errors import InvalidValue
from ...scim.evaluate import folded
from ..errors import MappingError
from ..host.attributes import HostAttribute
from ..host.tables import HostTable
from ..sql.json_values import document_of
from ..sql.lists import JsonElements
from ..sql.types import innermost
from .base import Binding, Build, Reader, Unit
from .slots import Slot

__all__ = ["JsonListBinding", "json_slot"]


def json_slot(attribute: scim.Attribute, source: HostAttribute, path: Sequence[str]) -> Slot:
    """Return the slot of a value inside an object in JSON."""
    expression, textual = document_of(source.expression, path, attribute)
    key = source.key
    label = source.label + "".join(f"[{name!r}]" for name in path)

    def assign(entity: Any, value: Any) -> None:
        # A new document, so that the change is seen whether the host tracks changes inside or not.
        whole = copy.deepcopy(_kept_of(entity, source, attribute.name))
        if whole is None:
            whole = {}
        if not isinstance(whole, dict):
            raise InvalidValue(
                f"{attribute.name}: what this portal has in {source.label} is no object; correct "
                "it there."
            )
        _put(whole, path, value, attribute.name)
        setattr(entity, key, whole)

    read = bool if attribute.type is scim.Type.BOOLEAN else None
    return Slot(attribute, expression, label, read, write=assign, textual=textual)


def _kept_of(entity: Any, source: HostAttribute, name: str) -> Any:
    """Return the document that an object of the host's has.

    :raises InvalidValue: when the host itself can't read it.
    """
    try:
        return _plain(getattr(entity, source.key))
    except SQLAlchemyError:
        raise
    except Exception:  # whatever a team's types raise over a document
        raise InvalidValue(
            f"{name}: what this portal has in {source.label} can't be read; correct it there."
        ) from None


def _put(whole: dict[str, Any], path: Sequence[str], value: Any, name: str) -> None:
    """Put a value at the end of a path, or take it away together with what is empty then."""
    *outer, last = path
    objects = [whole]
    for step in outer:
        inner = objects[-1].get(step)
        if inner is None:
            if value is None:
                return
            inner = objects[-1][step] = {}
        if not isinstance(inner, dict):
            raise InvalidValue(f"{name}: what this portal has there is no object; correct it.")
        objects.append(inner)
    if value is not None:
        objects[-1][last] = value
        return
    objects[-1].pop(last, None)
    for depth in range(len(outer), 0, -1):
        if objects[depth]:
            return
        del objects[depth - 1][outer[depth - 1]]


def _plain(value: Any) -> Any:
    """Return a document without the classes that track changes of it."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


class _Element(FunctionElement[str]):
    """The text of an element, or of a scalar inside it; NULL where something else is there."""

    type = sa.String()
    name = "scim_element"
    inherit_cache = True


@compiles(_Element, "sqlite")
def _element_on_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    table, *inside = (compiler.process(each, **kwargs) for each in element.clauses)
    name = table.rpartition(".")[0]
    if not inside:
        return (
            f"CASE {name}.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            f"WHEN 'object' THEN NULL WHEN 'array' THEN NULL ELSE CAST({table} AS TEXT) END"
        )
    (path,) = inside
    kind = f"json_type({table}, {path})"
    found = (
        f"CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        f"WHEN 'object' THEN NULL WHEN 'array' THEN NULL "
        f"ELSE CAST(json_extract({table}, {path}) AS TEXT) END"
    )
    return f"CASE WHEN {name}.type = 'object' THEN {found} END"


@compiles(_Element, "postgresql")
def _element_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    found, *inside = (compiler.process(each, **kwargs) for each in element.clauses)
    if inside:
        strict = f"CAST('strict ' || {inside[0]} AS JSONPATH)"
        found = f"jsonb_path_query_first({found}, {strict}, '{{}}', true)"
    return (
        f"CASE WHEN jsonb_typeof({found}) IN ('string', 'number', 'boolean') "
        f"THEN {found} #>> '{{}}' END"
    )


@compiles(_Element, "mysql", "mariadb")
def _element_on_mysql(element: Any, compiler: Any, **kwargs: Any) -> str:
    found, *inside = (compiler.process(each, **kwargs) for each in element.clauses)
    if inside:
        found = f"JSON_EXTRACT({found}, {inside[0]})"
    return (
        f"CASE WHEN JSON_TYPE({found}) NOT IN ('OBJECT', 'ARRAY', 'NULL') "
        f"THEN JSON_UNQUOTE({found}) END"
    )


class JsonListBinding(Binding):
    """A multi-valued attribute over a list in one column.

    :param keys: where the elements are objects, the key of each sub-attribute.
    :raises MappingError: when the column has no lists, or nothing to find elements by.
    """

    has_elements = True

    def __init__(
        self,
        key: str,
        attribute: scim.Attribute,
        source: HostAttribute,
        table: HostTable,
        keys: Mapping[str, str],
    ) -> None:
        super().__init__(key, attribute)
        if not isinstance(innermost(source.type), sa.JSON | sa.ARRAY):
            raise MappingError(f"{source.label} is {source.type!r}, and no JSON or ARRAY.")
        self._is_complex = attribute.type is scim.Type.COMPLEX
        if keys and not self._is_complex:
            raise MappingError(f"{attribute.name} has no sub-attributes: leave the keys out.")
        self._source = source
        self._keys = dict(keys)
        self._table = table
        self.expressions = (source.expression,)
        self.place = f"{source.label}, a list"

    def slots(self) -> Iterable[Slot]:
        """Return the column."""
        source = self._source
        return (
            Slot(
                self.attribute, source.expression, source.label, write=self._assign, name=source.key
            ),
        )

    def _assign(self, entity: Any, value: Any) -> None:
        setattr(entity, self._source.key, value)

    def reader(self, start: int) -> Reader:
        """Read the elements that are values, whatever else there is."""
        return lambda row, dump: self._shown(row[start]) or None

    def _shown(self, kept: Any) -> list[Any]:
        if not isinstance(kept, list | tuple):
            return []
        found = [self._element(each) for each in kept]
        return [each for each in found if each is not None and each != {}]

    def _element(self, kept: Any) -> Any:
        if not self._keys:
            value = _scalar(self._leaf("value"), kept)
            return {"value": value} if self._is_complex and value is not None else value
        if not isinstance(kept, Mapping):
            return None
        parts = {
            name: _scalar(self._leaf(name), kept.get(inner)) for name, inner in self._keys.items()
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _leaf(self, name: str) -> scim.Attribute:
        return (self.attribute.sub(name) if self._is_complex else None) or self.attribute

    def write(self, entity: Any, value: Any, unit: Unit) -> Any:
        """Write the list; what an element has beside its keys stays with it, and so in the link."""
        wanted: list[Any] = list(value or [])
        before = _kept_of(entity, self._source, self.attribute.name)
        left = before if isinstance(before, list) else []
        if not wanted:
            if self._shown(left):
                self._assign(entity, None if self._source.is_nullable and before is None else [])
            return None
        self._assign(entity, [self._kept(each, left) for each in wanted])
        if not self._is_complex:
            return None
        known = set(self._keys) or {"value"}
        return wanted if any(each.keys() - known for each in wanted) else None

    def _kept(self, element: Any, left: list[Any]) -> Any:
        """Return an element as the list has it, with whatever else that one has said before."""
        if not self._keys:
            return element.get("value") if self._is_complex else element
        same = next((each for each in left if self._is_same(each, element)), None)
        if same is not None:
            left.remove(same)
        kept = dict(same or {})
        for name, inner in self._keys.items():
            if element.get(name) is None:
                kept.pop(inner, None)
            else:
                kept[inner] = element[name]
        return kept

    def _is_same(self, kept: Any, element: Mapping[str, Any]) -> bool:
        shown = self._element(kept)
        names = ["value"] if "value" in self._keys else list(self._keys)
        return isinstance(shown, dict) and all(
            self._folded(name, shown.get(name)) == self._folded(name, element.get(name))
            for name in names
        )

    def _folded(self, name: str, value: Any) -> Any:
        return folded(self._leaf(name), value) if isinstance(value, str) else value

    def merge(self, value: Any, remainder: Any) -> Any:
        """Say beside each element what was sent beside it."""
        left = list(remainder or ())
        known = set(self._keys) or {"value"}
        merged = []
        for element in value or []:
            own = {name: part for name, part in element.items() if name in known}
            same = [each for each in left if {n: each.get(n) for n in own} == own]
            if same:
                left.remove(same[0])
            merged.append({**(same[0] if same else {}), **element})
        return merged or None

    def slot(self, sub: str | None) -> Slot | None:
        """There is no one value to sort by."""
        return None

    def any(self, build: Build) -> sa.ColumnElement[bool]:
        """Search the elements of the list."""
        source = self._source.expression
        each = JsonElements(source).table_valued(sa.column("value", sa.JSON()))

        def find(sub: str) -> Slot | None:
            leaf = self.attribute.sub(sub) if self._is_complex else self.attribute
            if leaf is None:
                return None
            if leaf.name in self._keys:
                path = "'" + f'$."{self._keys[leaf.name]}"'.replace("'", "''") + "'"
                text: Any = _Element(each.c.value, sa.literal_column(path, sa.String()))
            elif not self._keys and (leaf.name == "value" or not self._is_complex):
                text = _Element(each.c.value)
            else:
                return None
            expression, textual = _typed(text, leaf)
            return Slot(leaf, expression, self.place, textual=textual)

        table: Any = getattr(source, "table", self._table.mapper.local_table)
        return sa.exists(
            sa.select(sa.literal_column("1")).select_from(each).where(build(find)).correlate(table)
        )


def _typed(text: Any, attribute: scim.Attribute) -> tuple[sa.ColumnElement[Any], bool]:
    match attribute.type:
        case scim.Type.BOOLEAN:
            return sa.case((text == "true", sa.true()), (text == "false", sa.false())), False
        case scim.Type.INTEGER:
            whole = text.regexp_match("^-?[0-9]{1,18}$")
            return sa.case((whole, sa.cast(text, sa.BigInteger))), False
        case _:
            return text, True


def _scalar(attribute: scim.Attribute, value: Any) -> Any:
    """Return a value of an attribute's type, or None where it is none."""
    match attribute.type:
        case scim.Type.BOOLEAN:
            return value if isinstance(value, bool) else None
        case scim.Type.INTEGER:
            return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)
