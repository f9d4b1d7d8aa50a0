"""Reading resources: one Core statement for a page of rows, and a plan from row to resource.

No entity of the host is loaded. A plan is built once for each set of attributes that a client asks
for, so that an attribute that isn't wanted costs no query; statements are kept and take parameters.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..scim.errors import TemporarilyUnavailable
from ..scim.projection import Projection
from ..scim.versions import etag
from .bindings import Dump, Reader, ScalarBinding, StoredBinding
from .groups import GroupsBinding
from .links import may_be_id
from .membership import MembersBinding
from .relations import ValuesBinding
from .resources import ResourceMapping
from .row_types import InstantText, StoredDocument

__all__ = [
    "Found",
    "Plan",
    "Unlinked",
    "Unsettled",
    "Viewpoint",
    "execute",
    "fetch_one",
    "plan_for",
]

_KEY, _ID, _VERSION, _CREATED, _MODIFIED, _STORED = range(6)
_MOST_PLANS = 256
"""How many sets of attributes are remembered; clients use a handful."""

_READINGS = 3
"""The rows, then once more after their links are made, and after those of whom they refer to."""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Whose eyes the directory is seen with.

    :ivar integration: the integration, which external ids belong to.
    :ivar tenants: the values of the tenant columns, by the names of their parameters.
    :ivar base_url: the absolute SCIM base URL, without a slash at its end.
    """

    connection: sa.Connection
    integration: uuid.UUID
    tenants: Mapping[str, Any]
    base_url: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that every statement takes."""
        return {"integration": self.integration, **self.tenants}


@dataclass(slots=True)
class Found:
    """One resource as it was read.

    :ivar host_key: the primary key of the host's row.
    :ivar flat: the resource in flat form, without ``schemas``.
    """

    host_key: Any
    id: str
    version: int
    created: str
    last_modified: str
    stored: dict[str, Any]
    flat: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How rows become resources, for one set of attributes; its statements are kept with it."""

    mapping: ResourceMapping
    select: sa.Select[Any]
    plain: tuple[tuple[str, int], ...]
    readers: tuple[tuple[str, Reader], ...]
    members: MembersBinding | None
    member_names: bool
    values: tuple[ValuesBinding | GroupsBinding, ...]
    whole: frozenset[str]
    stored: frozenset[str]
    meta: bool
    default_active: bool
    statements: dict[Any, Any] = field(default_factory=dict)


def plan_for(mapping: ResourceMapping, projection: Projection | None) -> Plan:
    """Return the plan for what a client asks for."""
    plans: dict[Any, Plan] = mapping.plans
    found = plans.get(projection)
    if found is None:
        if len(plans) >= _MOST_PLANS:
            plans.clear()
        keys = [key for key in mapping.bindings if projection is None or projection.wants(key)]
        names = projection is not None and projection.wants_part("members", "display")
        found = plans[projection] = _build(mapping, keys, member_names=names)
    return found


def _build(mapping: ResourceMapping, keys: Sequence[str], *, member_names: bool) -> Plan:
    links = mapping.links.c
    columns: list[Any] = [
        mapping.key,
        links.id,
        links.version,
        sa.type_coerce(links.created, InstantText()),
        sa.type_coerce(links.last_modified, InstantText()),
        sa.type_coerce(links.stored, StoredDocument()),
    ]
    plain: list[tuple[str, int]] = []
    readers: list[tuple[str, Reader]] = []
    whole: set[str] = set()
    stored: set[str] = set()
    members: MembersBinding | None = None
    values: list[ValuesBinding | GroupsBinding] = []
    for key in keys:
        binding = mapping.bindings[key]
        if key in ("id", "meta"):
            continue
        if isinstance(binding, MembersBinding):
            members = binding
            continue
        if isinstance(binding, StoredBinding):
            whole.add(key)
            continue
        stored.add(key)
        if isinstance(binding, ValuesBinding | GroupsBinding):
            values.append(binding)
            continue
        if isinstance(binding, ScalarBinding) and binding.is_plain:
            plain.append((key, len(columns)))
        else:
            readers.append((key, binding.reader(len(columns))))
        columns.extend(binding.expressions)
    statement = (
        sa.select(*columns)
        .select_from(mapping.table.outerjoin(mapping.links, mapping.links.c.host_id == mapping.key))
        .where(links.deleted.is_(None), *mapping.boundaries())
    )
    return Plan(
        mapping,
        statement,
        tuple(plain),
        tuple(readers),
        members,
        member_names,
        tuple(values),
        frozenset(whole),
        frozenset(stored),
        "meta" in keys,
        "active" in keys and isinstance(mapping.bindings.get("active"), StoredBinding),
    )


def _read(plan: Plan, rows: Sequence[Any], view: Viewpoint, *, link: bool) -> list[Found] | None:
    """Turn rows into resources; None when links were missing, and the rows are to be read again."""
    mapping = plan.mapping
    unlinked = [row[_KEY] for row in rows if row[_ID] is None]
    if unlinked:
        if not link:
            raise Unlinked
        mapping.make_links(view.connection, unlinked)
        return None
    dump = Dump(view.base_url, set(), set())
    bindings = mapping.bindings
    found = []
    for row in rows:
        flat: dict[str, Any] = {}
        for key, column in plan.plain:
            value = row[column]
            if value is not None:
                flat[key] = value
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
    if dump.missing or dump.missing_groups:
        if not link:
            raise Unlinked
        mapping.users.make_links(view.connection, sorted(dump.missing))
        if mapping.groups is not None:
            mapping.groups.make_links(view.connection, sorted(dump.missing_groups))
        return None
    prefix = f"{view.base_url}{mapping.endpoint}/"
    kind = mapping.resource_type.name
    whole = plan.whole
    for item in found:
        flat = item.flat
        for key, remainder in item.stored.items():
            if key in whole:
                if remainder is not None:
                    flat[key] = remainder
            elif key in plan.stored:
                value = bindings[key].merge(flat.get(key), remainder)
                if value is not None:
                    flat[key] = value
        if plan.default_active:
            flat.setdefault("active", True)
        flat["id"] = item.id
        if plan.meta:
            flat["meta"] = {
                "resourceType": kind,
                "created": item.created,
                "lastModified": item.last_modified,
                "location": prefix + item.id,
                "version": etag(item.version),
            }
    return found


def _add_collections(plan: Plan, found: Sequence[Found], view: Viewpoint, dump: Dump) -> None:
    if not found or not (plan.members or plan.values):
        return
    keys = [item.host_key for item in found]
    for binding in plan.values:
        elements = binding.fetch(view.connection, keys, dump, view.parameters)
        for item in found:
            if item.host_key in elements:
                item.flat[binding.key] = elements[item.host_key]
    if plan.members is not None:
        members = plan.members.fetch(
            view.connection, keys, dump, view.parameters, shown=plan.member_names
        )
        for item in found:
            item.flat["members"] = members.get(item.host_key, [])


class Unsettled(TemporarilyUnavailable):
    """Others make the same links, and this transaction can't see theirs; the next one does."""


class Unlinked(Exception):
    """A row that is to be answered has no link yet, and this transaction only reads."""


def execute(
    plan: Plan, statement: Any, parameters: Mapping[str, Any], view: Viewpoint, *, link: bool
) -> list[Found]:
    """Return the resources that a statement of the plan finds.

    :raises Unlinked: when a row has no link yet and ``link`` is false.
    """
    for _ in range(_READINGS):
        rows = view.connection.execute(statement, parameters).all()
        found = _read(plan, rows, view, link=link)
        if found is not None:
            return found
    raise Unsettled("The portal's people are changing while they are read; send the request again.")


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
    if not may_be_id(resource_id):
        return None
    plan = plan_for(mapping, projection)
    name = "one for update" if lock else "one"
    statement = plan.statements.get(name)
    if statement is None:
        statement = plan.select.where(mapping.links.c.id == sa.bindparam("id"))
        plan.statements[name] = statement
    parameters = {**view.parameters, "id": resource_id.lower()}
    if lock:
        _lock(mapping, resource_id.lower(), view)
    found = execute(plan, statement, parameters, view, link=link)
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
