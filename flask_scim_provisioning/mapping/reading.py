"""Reading resources: one Core statement for a page of rows, and a plan from row to resource.

No entity of the host is loaded. A plan is built once for each set of attributes that a client asks
for, so that an attribute that isn't wanted costs no query; statements are kept and take parameters.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..scim.errors import TemporarilyUnavailable
from ..scim.filters import And, AttrPath, Compare, Filter
from ..scim.projection import Projection
from ..scim.versions import etag
from . import text
from .bindings import Dump, Reader, StoredBinding
from .membership import MembersBinding
from .predicates import order_by, where
from .relations import ValuesBinding
from .resources import ResourceMapping
from .slots import format_datetime

__all__ = ["Found", "Viewpoint", "count_matching", "fetch_one", "fetch_page", "find_by_lookup"]

_KEY, _ID, _VERSION, _CREATED, _MODIFIED, _STORED = range(6)
_MOST_PLANS = 256
"""How many sets of attributes are remembered; clients use a handful."""

_READINGS = 3
"""The rows, then once more after their links are made, and after those of whom they refer to."""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Whose eyes the directory is seen with.

    :ivar integration: the integration, which external ids belong to.
    :ivar tenant: the value of the tenant columns, or None where the host has none.
    :ivar base_url: the absolute SCIM base URL, without a slash at its end.
    """

    connection: sa.Connection
    integration: uuid.UUID
    tenant: Any
    base_url: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that every statement takes."""
        return {"integration": self.integration, "tenant": self.tenant}


@dataclass(slots=True)
class Found:
    """One resource as it was read.

    :ivar host_key: the primary key of the host's row.
    :ivar flat: the resource in flat form, without ``schemas``.
    """

    host_key: Any
    id: str
    version: int
    created: datetime
    last_modified: datetime
    stored: dict[str, Any]
    flat: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    mapping: ResourceMapping
    select: sa.Select[Any]
    readers: tuple[tuple[str, Reader], ...]
    members: MembersBinding | None
    member_names: bool
    values: tuple[ValuesBinding, ...]
    stored: frozenset[str]
    meta: bool
    default_active: bool
    statements: dict[Any, Any] = field(default_factory=dict)


def _plan(mapping: ResourceMapping, projection: Projection | None) -> _Plan:
    plans: dict[Any, _Plan] = mapping.plans
    cache_key = projection and (projection.attributes, projection.excluded, projection.requested)
    found = plans.get(cache_key)
    if found is None:
        if len(plans) >= _MOST_PLANS:
            plans.clear()
        keys = [key for key in mapping.bindings if projection is None or projection.wants(key)]
        names = projection is not None and projection.wants_part("members", "display")
        found = plans[cache_key] = _build(mapping, keys, member_names=names)
    return found


def _build(mapping: ResourceMapping, keys: Sequence[str], *, member_names: bool) -> _Plan:
    links = mapping.links.c
    columns: list[Any] = [
        mapping.key,
        links.id,
        links.version,
        links.created,
        links.last_modified,
        links.stored,
    ]
    readers: list[tuple[str, Reader]] = []
    stored: set[str] = set()
    members: MembersBinding | None = None
    values: list[ValuesBinding] = []
    for key in keys:
        binding = mapping.bindings[key]
        if key in ("id", "meta"):
            continue
        if isinstance(binding, MembersBinding):
            members = binding
            continue
        stored.add(key)
        if isinstance(binding, StoredBinding):
            continue
        if isinstance(binding, ValuesBinding):
            values.append(binding)
            continue
        readers.append((key, binding.reader(len(columns))))
        columns.extend(binding.expressions)
    statement = (
        sa.select(*columns)
        .select_from(mapping.table.outerjoin(mapping.links, mapping.links.c.host_id == mapping.key))
        .where(links.deleted.is_(None), *mapping.boundaries())
    )
    return _Plan(
        mapping,
        statement,
        tuple(readers),
        members,
        member_names,
        tuple(values),
        frozenset(stored),
        "meta" in keys,
        "active" in keys and isinstance(mapping.bindings.get("active"), StoredBinding),
    )


def _read(plan: _Plan, rows: Sequence[Any], view: Viewpoint, *, link: bool) -> list[Found] | None:
    """Turn rows into resources; None when links were missing, and the rows are to be read again."""
    mapping = plan.mapping
    unlinked = [row[_KEY] for row in rows if row[_ID] is None]
    if unlinked:
        if not link:
            raise Unlinked
        mapping.make_links(view.connection, unlinked)
        return None
    dump = Dump(view.base_url, set())
    bindings = mapping.bindings
    found = []
    for row in rows:
        flat: dict[str, Any] = {}
        for key, read in plan.readers:
            value = read(row, dump)
            if value is not None:
                flat[key] = value
        found.append(
            Found(
                row[_KEY],
                row[_ID],
                row[_VERSION],
                row[_CREATED],
                row[_MODIFIED],
                row[_STORED] or {},
                flat,
            )
        )
    _add_collections(plan, found, view, dump)
    if dump.missing:
        if not link:
            raise Unlinked
        mapping.users.make_links(view.connection, sorted(dump.missing))
        return None
    prefix = f"{view.base_url}{mapping.endpoint}/"
    kind = mapping.resource_type.name
    for item in found:
        flat = item.flat
        for key, remainder in item.stored.items():
            if key in plan.stored:
                value = bindings[key].merge(flat.get(key), remainder)
                if value is not None:
                    flat[key] = value
        if plan.default_active:
            flat.setdefault("active", True)
        flat["id"] = item.id
        if plan.meta:
            flat["meta"] = {
                "resourceType": kind,
                "created": format_datetime(item.created),
                "lastModified": format_datetime(item.last_modified),
                "location": prefix + item.id,
                "version": etag(item.version),
            }
    return found


def _add_collections(plan: _Plan, found: Sequence[Found], view: Viewpoint, dump: Dump) -> None:
    if not found or not (plan.members or plan.values):
        return
    keys = [item.host_key for item in found]
    for binding in plan.values:
        elements = binding.fetch(view.connection, keys)
        for item in found:
            if item.host_key in elements:
                item.flat[binding.key] = elements[item.host_key]
    if plan.members is not None:
        members = plan.members.fetch(
            view.connection, keys, dump, view.parameters, shown=plan.member_names
        )
        for item in found:
            item.flat["members"] = members.get(item.host_key, [])


class Unlinked(Exception):
    """A row that is to be answered has no link yet, and this transaction only reads."""


def _execute(
    plan: _Plan, statement: Any, parameters: Mapping[str, Any], view: Viewpoint, *, link: bool
) -> list[Found]:
    for _ in range(_READINGS):
        rows = view.connection.execute(statement, parameters).all()
        found = _read(plan, rows, view, link=link)
        if found is not None:
            return found
    raise TemporarilyUnavailable(
        "The portal's people are changing while they are read; send the request again."
    )


def fetch_one(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    projection: Projection | None = None,
    *,
    lock: bool = False,
    link: bool = False,
) -> Found | None:
    """Return the resource with an id, or None where there is none to be seen.

    :param lock: keep others from changing it until the transaction ends.
    :param link: make the links that are missing among those it refers to.
    :raises Unlinked: when one is missing and ``link`` is false.
    """
    if not (resource_id.isascii() and resource_id.isprintable()):
        return None  # no database can compare what isn't text of the id's alphabet
    plan = _plan(mapping, projection)
    name = "one for update" if lock else "one"
    statement = plan.statements.get(name)
    if statement is None:
        statement = plan.select.where(mapping.links.c.id == sa.bindparam("id"))
        plan.statements[name] = statement
    parameters = {**view.parameters, "id": resource_id.lower()}
    if lock:
        _lock(mapping, resource_id.lower(), view)
    found = _execute(plan, statement, parameters, view, link=link)
    return found[0] if found else None


def _lock(mapping: ResourceMapping, resource_id: str, view: Viewpoint) -> None:
    """Serialise the writers of one resource by its link row.

    SQLite has no row locks; an update that changes nothing takes its write lock before reading.
    """
    links = mapping.links
    if view.connection.dialect.name == "sqlite":
        statement = mapping.kept(
            "lock",
            lambda: (
                sa.update(links)
                .where(links.c.id == sa.bindparam("link_id"))
                .values(version=links.c.version)
            ),
        )
    else:
        statement = mapping.kept(
            "lock",
            lambda: (
                sa.select(links.c.id).where(links.c.id == sa.bindparam("link_id")).with_for_update()
            ),
        )
    view.connection.execute(statement, {"link_id": resource_id})


def find_by_lookup(
    mapping: ResourceMapping, value: str, view: Viewpoint
) -> tuple[Any, str | None, datetime | None] | None:
    """Return the host row with a ``userName`` or a group's ``displayName``, deleted ones too.

    :returns: the host's key, the SCIM id and the time of deletion of its link, if it has one.
    """
    links = mapping.links
    dialect = view.connection.dialect.name
    condition = where(
        mapping, Compare(AttrPath(None, mapping.lookup_key, None), "eq", value), dialect
    )
    statement = (
        sa.select(mapping.key, links.c.id, links.c.deleted)
        .select_from(mapping.table.outerjoin(links, links.c.host_id == mapping.key))
        .where(condition, *mapping.boundaries())
        .limit(1)
    )
    row = view.connection.execute(statement, view.parameters).first()
    return (row[0], row[1], row[2]) if row is not None else None


def _is_look_up(mapping: ResourceMapping, node: Filter | None) -> bool:
    """Say whether a filter names one resource, so that its rows need no order from the database.

    PostgreSQL would walk the whole table in order rather than use the index of the look-up.
    """
    match node:
        case Compare(path=path, op="eq"):
            return path.name.lower() in ("id", "externalid", mapping.lookup_key.lower())
        case And(terms=terms):
            return any(_is_look_up(mapping, term) for term in terms)
    return False


def fetch_page(
    mapping: ResourceMapping,
    view: Viewpoint,
    *,
    node: Filter | None = None,
    sort_by: AttrPath | None = None,
    descending: bool = False,
    offset: int = 0,
    limit: int = 100,
    projection: Projection | None = None,
    link: bool = False,
) -> tuple[list[Found], int]:
    """Return a page of the resources that meet a filter, and how many meet it in all.

    Pages are in the order of the host's primary key, which never changes.

    :param offset: how many resources are skipped.
    :param limit: how many are answered at most; 0 only counts.
    :raises InvalidFilter: when the filter can't be answered here.
    :raises Unlinked: when a row has no link yet and ``link`` is false.
    """
    plan = _plan(mapping, projection)
    statement, parameters = _page_statement(
        plan, view, node, sort_by, descending=descending, offset=offset
    )
    found: list[Found] = []
    if limit > 0:
        values = {**view.parameters, **parameters, "row_limit": limit, "row_offset": offset}
        found = _execute(plan, statement, values, view, link=link)
    if limit > 0 and len(found) < limit and (found or offset == 0):
        return found, offset + len(found)
    return found, count_matching(mapping, view, node)


def _page_statement(
    plan: _Plan,
    view: Viewpoint,
    node: Filter | None,
    sort_by: AttrPath | None,
    *,
    descending: bool,
    offset: int,
) -> tuple[Any, dict[str, Any]]:
    mapping = plan.mapping
    dialect = view.connection.dialect.name
    simple = _simple(mapping, node) if sort_by is None and offset == 0 else None
    if simple is not None and node is not None:
        cache_key: tuple[Any, ...] = ("look-up", simple[0], dialect)
        statement = plan.statements.get(cache_key)
        if statement is None:
            condition = simple[2](dialect)
            statement = plan.select.where(condition).limit(sa.bindparam("row_limit"))
            plan.statements[cache_key] = statement
        return statement, {"look_up_value": simple[1]}
    cache_key = ("page", offset > 0, dialect)
    keep = node is None and sort_by is None
    if keep and cache_key in plan.statements:
        return plan.statements[cache_key], {}
    order: list[Any] = []
    if sort_by is not None:
        order += order_by(mapping, sort_by, descending=descending, dialect=dialect)
    order.append(mapping.key)
    conditions = [where(mapping, node, dialect)] if node is not None else []
    if offset > 0:
        statement = _deep(plan, conditions, order)
    else:
        statement = plan.select.where(*conditions)
        if sort_by is not None or not _is_look_up(mapping, node):
            statement = statement.order_by(*order)
        statement = statement.limit(sa.bindparam("row_limit"))
    if keep:
        plan.statements[cache_key] = statement
    return statement, {}


def _simple(
    mapping: ResourceMapping, node: Filter | None
) -> tuple[str, str, Callable[[str], sa.ColumnElement[bool]]] | None:
    """Recognise the match query of identity providers, whose statement is kept."""
    match node:
        case Compare(path=AttrPath(urn=None, name=name, sub=None), op="eq", value=str() as value):
            if name.lower() != mapping.lookup_key.lower() or not value.isascii() or "\0" in value:
                return None
        case _:
            return None
    slot = mapping.bindings[mapping.lookup_key].slot(None)
    if slot is None or not slot.textual:
        return None

    def condition(dialect: str) -> sa.ColumnElement[bool]:
        return text.equals(
            slot.expression,
            "",
            case_exact=slot.attribute.case_exact,
            dialect=dialect,
            name="look_up_value",
        )

    return mapping.lookup_key, value, condition


def _deep(plan: _Plan, conditions: Sequence[Any], order: Sequence[Any]) -> Any:
    """Skip rows by their keys only, and read the page's rows by them."""
    mapping = plan.mapping
    joined = bool(conditions) or len(order) > 1
    skipped = (
        sa.select(mapping.key.label("page_key"))
        .select_from(_matched(mapping, joined=joined))
        .where(*_visible(mapping, joined=joined), *conditions, *mapping.boundaries())
        .order_by(*order)
        .limit(sa.bindparam("row_limit"))
        .offset(sa.bindparam("row_offset"))
        .subquery()
    )
    return plan.select.where(mapping.key == skipped.c.page_key).order_by(*order)


def _matched(mapping: ResourceMapping, *, joined: bool) -> Any:
    """Return the table, joined with the links only where a condition may ask for them."""
    if joined:
        return mapping.table.outerjoin(mapping.links, mapping.links.c.host_id == mapping.key)
    return mapping.table


def _visible(mapping: ResourceMapping, *, joined: bool) -> list[Any]:
    """Leave out what SCIM has deleted; there are few, and they have an index."""
    links = mapping.links
    if joined:
        return [links.c.deleted.is_(None)]
    gone = sa.select(links.c.host_id).where(links.c.deleted.is_not(None))
    return [mapping.key.not_in(gone)]


def count_matching(mapping: ResourceMapping, view: Viewpoint, node: Filter | None) -> int:
    """Return how many resources meet a filter."""
    dialect = view.connection.dialect.name

    def make() -> Any:
        conditions = [where(mapping, node, dialect)] if node is not None else []
        joined = bool(conditions)
        return (
            sa.select(sa.func.count())
            .select_from(_matched(mapping, joined=joined))
            .where(*_visible(mapping, joined=joined), *conditions, *mapping.boundaries())
        )

    statement = mapping.kept("count", make) if node is None else make()
    return int(view.connection.execute(statement, view.parameters).scalar_one())
