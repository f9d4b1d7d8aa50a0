"""What was written, as it will be read: without reading it, where that is the same for certain.

A resource is made of the host's object by the readers that make it of a row. So what the host's
validators, events and defaults have made of a value counts. It is read from the database wherever
something else may have changed it: a trigger, a type that the host has written, a default of the
database, a listener that sends statements of its own, a row that SCIM may not see any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...scim.projection import Projection
from ..bindings.base import Binding, Keeping
from ..host.listening import hears_writes
from ..host.viewpoint import Viewpoint
from ..resources import ResourceMapping
from ..sql.backends import MYSQL
from ..sql.instants import format_datetime
from .reading import Found, ReadPlan, Unlinked, as_found, fetch_one, plan_for
from .setters import has_own_setter

__all__ = ["Written", "fetch_written"]

_TEXTS = (sa.String, sa.VARCHAR, sa.Text, sa.TEXT, sa.Unicode, sa.UnicodeText)
_INTEGERS = (sa.Integer, sa.INTEGER, sa.BigInteger, sa.BIGINT, sa.SmallInteger)
_BOOLEANS = (sa.Boolean, sa.BOOLEAN)
_LONGEST = 16_000
"""What every database keeps of a text without a length, in whatever alphabet."""

_LARGEST = 2**31 - 1
_SAFE = 2**53
"""Numbers beyond this aren't the same in every reader of JSON."""

Trust: TypeAlias = Callable[[Any, str], bool]
"""Says whether a value of the host's object is read from the database as it is."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a use case has written of one resource, or found as it is.

    :ivar entity: the host's object, flushed.
    :ivar created: as the link keeps it, or as it is read.
    :ivar stored: what the link keeps.
    :ivar is_new: whether the object was made.
    :ivar named: what was read before, as ``Found.named``.
    :ivar by_host: whether functions of the team's were called, which may send statements.
    """

    entity: Any
    version: int
    created: datetime | str
    last_modified: datetime | str
    stored: dict[str, Any]
    external_id: str | None
    named: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False
    by_host: bool = False


Source: TypeAlias = Callable[[Mapping[str, Any], Written, str], Sequence[Any] | None]
"""Gives values of a row from those of the host's object; None where nobody knows them."""


def fetch_written(
    mapping: ResourceMapping, resource_id: str, view: Viewpoint, projection: Projection | None
) -> Found | None:
    """Return the resource as it is read after it was written, or None where it isn't seen any more.

    What wasn't noted in ``view.written`` is read.
    """
    written: Written | None = view.written.get(resource_id)
    found = None if written is None else _recalled(mapping, resource_id, view, projection, written)
    if found is not None:
        return found
    return fetch_one(mapping, resource_id, view, projection, link=True)


def _recalled(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    projection: Projection | None,
    written: Written,
) -> Found | None:
    plan = plan_for(mapping, projection)
    if "sources" not in plan.statements:
        plan.statements["sources"] = _sources(plan)
    sources = plan.statements["sources"]
    if sources is None or not _is_left_alone(mapping, view, written):
        return None
    if not _is_plain(written.stored):
        return None
    values, backend = _values_of(mapping, written), view.backend
    row: list[Any] = [
        resource_id,
        written.version,
        _shown(written.created),
        _shown(written.last_modified),
        written.stored,
        *mapping.table.key.values(mapping.table.key_of(written.entity)),
    ]
    for source in sources:
        found = source(values, written, backend)
        if found is None:
            return None
        row += found
    try:
        resource = as_found(plan, row, view)
    except Unlinked:
        return None
    return resource if resource is not None and resource.flat.get(mapping.lookup_key) else None


def _values_of(mapping: ResourceMapping, written: Written) -> Mapping[str, Any]:
    """Return what the host's object has, without asking the database for what it hasn't.

    What a new one was never given is NULL in its row, unless something has a default for it.
    """
    state = sa.inspect(written.entity)
    values: dict[str, Any] = state.dict
    if not written.is_new:
        return values
    there = {**mapping.table.kept("nothing by itself", mapping.table.nothing), **values}
    for name in state.expired_attributes:
        there.pop(name, None)
    return there


def _is_left_alone(mapping: ResourceMapping, view: Viewpoint, written: Written) -> bool:
    """Say whether nobody but the flush has written the row, and SCIM sees it as it did."""
    if view.is_listened_to or mapping.table.visible:
        return False
    if written.by_host:
        return False
    tenant = mapping.table.tenant
    if tenant is not None:
        kept = sa.inspect(written.entity).dict.get(tenant.key)
        if kept != view.tenants[mapping.table.tenant_parameter]:
            return False
    if hears_writes(mapping.table.mapper, view.session):
        return False
    known: bool | None = mapping.left_alone.get(view.connection.engine.pool)
    if known is None:
        known = _has_no_triggers(mapping.table.mapper.local_table, view.connection)
        mapping.left_alone[view.connection.engine.pool] = known
    return known


def _sources(plan: ReadPlan) -> tuple[Source, ...] | None:
    """Return what gives the values of a row of the plan, after its key.

    There are none where a value isn't an attribute of the object, or may be another one when it is
    read.
    """
    mapping = plan.mapping
    mapper = mapping.table.mapper
    simple = mapper.inherits is None and mapper.polymorphic_on is None
    lookup = mapping.lookup_key
    if plan.related or not simple or not isinstance(mapper.local_table, sa.Table):
        return None
    if lookup not in plan.stored and lookup not in plan.whole:
        return None
    sources: list[Source] = []
    for key in plan.keys:
        binding = mapping.bindings[key]
        if key in ("id", "meta") or binding.keeping is Keeping.LINK:
            continue
        if binding.keeping is Keeping.APART and key == "externalId":
            sources.append(lambda _values, written, _backend: (written.external_id,))
        elif binding.naming:
            sources.append(_named(key, binding))
        else:
            found = _attributes(mapping, binding)
            if found is None:
                return None
            sources += found
    return tuple(sources)


def _named(key: str, binding: Binding) -> Source:
    """Return what gives the row of an attribute that names another resource."""
    nothing = (None,) * len(binding.expressions)

    def read(values: Mapping[str, Any], written: Written, _backend: str) -> Sequence[Any] | None:
        if any(name not in values for name in binding.naming):
            return None
        if all(values[name] is None for name in binding.naming):
            return nothing
        before, row = written.named.get(key, ({}, ()))
        same = before and all(values[name] == before[name] for name in binding.naming)
        return row if same and binding.names_by_key else None

    return read


def _attributes(mapping: ResourceMapping, binding: Binding) -> list[Source] | None:
    if binding.keeping is not Keeping.ROW or has_own_setter(binding):
        return None
    sources: list[Source] = []
    for expression in binding.expressions:
        if not isinstance(expression, sa.Column) or expression.table is None:
            return None
        name = mapping.table.name_of(expression)
        trust = _trust(expression)
        if name is None or trust is None:
            return None
        columns = mapping.table.mapper.column_attrs[name].columns
        if len(columns) != 1 or columns[0].table is not mapping.table.mapper.local_table:
            return None
        sources.append(_attribute(name, trust))
    return sources


def _attribute(name: str, is_kept: Trust) -> Source:
    def read(values: Mapping[str, Any], _: Written, backend: str) -> Sequence[Any] | None:
        if name not in values:
            return None  # the database has made it, or makes it when it is asked for
        value = values[name]
        return (value,) if value is None or is_kept(value, backend) else None

    return read


def _trust(column: sa.Column[Any]) -> Trust | None:
    """Return what says of a value of a column's that it is read as it is."""
    kind: Any = column.type
    if column.computed is not None or column.server_onupdate is not None:
        return None
    if getattr(kind, "_variant_mapping", None):
        return None
    if type(kind) in _TEXTS:
        longest = kind.length or _LONGEST

        def is_text(value: Any, backend: str) -> bool:
            kept = type(value) is str and len(value) <= longest
            # The column may have an alphabet of its own there, and drop what it doesn't know.
            return kept and (backend not in MYSQL or value.isascii())

        return is_text
    if type(kind) in _BOOLEANS:
        return lambda value, _: type(value) is bool
    if type(kind) in _INTEGERS:
        return lambda value, _: type(value) is int and -_LARGEST <= value <= _LARGEST
    if type(kind) is sa.Enum and kind.enum_class is not None:
        return lambda value, _: type(value) is kind.enum_class
    return None


def _shown(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else format_datetime(moment)


def _is_plain(value: Any) -> bool:
    """Say whether JSON is read as it was written, by whatever reader and database."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        return all(map(_is_plain, value.values()))
    if kind is list:
        return all(map(_is_plain, value))
    return kind is int and -_SAFE < value < _SAFE


_TRIGGERS: Mapping[str, str] = {
    "postgresql": """
        SELECT 1 FROM pg_class AS c WHERE c.oid = to_regclass(:quoted)
        AND c.relkind IN ('r', 'p') AND NOT c.relhasrules
        AND NOT EXISTS (
            SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
        )
        """,
    "sqlite": """
        SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(:name)
        AND NOT EXISTS (
            SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(:name)
        )
        """,
    "mysql": """
        SELECT 1 FROM information_schema.tables AS c
        WHERE c.table_schema = DATABASE() AND c.table_name = :name AND c.table_type = 'BASE TABLE'
        AND NOT EXISTS (
            SELECT 1 FROM information_schema.triggers AS t
            WHERE t.event_object_schema = DATABASE() AND t.event_object_table = :name
        )
        """,
}
"""Each gives a row where a table is a table, and has no trigger."""


def _has_no_triggers(table: Any, connection: sa.Connection) -> bool:
    """Say whether the database changes nothing by itself of what is written to a table.

    It is asked once; a trigger that is added later counts when the portal starts anew.
    """
    backend = "mysql" if connection.dialect.name in MYSQL else connection.dialect.name
    if backend not in _TRIGGERS or connection.schema_for_object(table) is not None:
        return False
    quoted = connection.dialect.identifier_preparer.format_table(table)
    given = {"quoted": quoted, "name": table.name}
    query = sa.text(_TRIGGERS[backend])
    used = {name: value for name, value in given.items() if f":{name}" in query.text}
    return connection.execute(query, used).first() is not None
