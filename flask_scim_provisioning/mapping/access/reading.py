"""Reading resources: one statement for a page of rows, and a plan from row to resource.

No entity of the host is loaded, and yet its mapper says how its tables are read: statements are
made of the model's attributes. A plan is built once for each set of attributes that a client asks
for, so that an attribute that isn't wanted costs no query; statements are kept and take parameters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.util import identity_key

from ...scim.errors import ScimError
from ...scim.projection import Projection
from ...scim.versions import etag
from ..bindings.base import Binding, Dump, Keeping, Reader
from ..errors import Unsettled
from ..host.ids import may_be_id
from ..host.keys import HostKey, in_order
from ..host.viewpoint import Viewpoint
from ..resources import ACTIVE, ResourceMapping
from ..sql.backends import begin_writing
from ..sql.link_columns import InstantText, StoredDocument
from .standing import said_of

__all__ = [
    "Found",
    "ReadPlan",
    "Unlinked",
    "Unsettled",
    "as_found",
    "execute",
    "fetch_locked",
    "fetch_one",
    "plan_for",
]

_ID, _VERSION, _CREATED, _MODIFIED, _STORED = range(5)
_LINK_COLUMNS = 5
_MOST_PLANS = 256
"""How many sets of attributes are remembered; clients use a handful."""

_log = logging.getLogger(__name__)

_READINGS = 3
"""The rows, then once more after their links are made, and after those of whom they refer to."""

Row: TypeAlias = Sequence[Any]


@dataclass(slots=True)
class Found:
    """One resource as it was read.

    :ivar host_key: the primary key of the host's row.
    :ivar flat: the resource in flat form, without ``schemas``.
    :ivar standing: of a person, as ``standing.said_of`` says it; None where it wasn't asked.
    :ivar entity: the host's object, where it was read with the row.
    :ivar named: what was read of attributes that name another resource by its key: the attributes
        of the host's object with their values, and the values in the row.
    """

    host_key: HostKey
    id: str
    version: int
    created: str
    last_modified: str
    stored: dict[str, Any]
    flat: dict[str, Any]
    standing: int | None = None
    entity: Any = None
    named: dict[str, tuple[dict[str, Any], Row]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How rows become resources, for one set of attributes; its statements are kept with it.

    :ivar columns: what is selected; the link's columns come first.
    :ivar key: reads the host's key from a row.
    :ivar plain: attributes whose column is their value, and where it is in a row.
    :ivar naming: attributes that name another resource by its key, where they begin and end in a
        row, and the attributes of the host's object.
    :ivar related: bindings that are read for a whole page at once.
    :ivar standing: where a row says whether its person is an administrator.
    :ivar whole: attributes that the link keeps, and ``stored`` those that have a remainder there.
    """

    mapping: ResourceMapping
    columns: tuple[Any, ...]
    select: sa.Select[Any]
    key: Callable[[Row], HostKey]
    plain: tuple[tuple[str, int], ...]
    readers: tuple[tuple[str, Reader], ...]
    related: tuple[Binding, ...]
    shows_names: bool
    whole: frozenset[str]
    stored: frozenset[str]
    meta: bool
    default_active: bool
    standing: int | None = None
    keys: tuple[str, ...] = ()
    naming: tuple[tuple[str, int, int, tuple[str, ...]], ...] = ()
    statements: dict[Any, Any] = field(default_factory=dict)


def plan_for(
    mapping: ResourceMapping, projection: Projection | None, guarded_on: str | None = None
) -> ReadPlan:
    """Return the plan for what a client asks for.

    :param guarded_on: the database's name, where it is asked who is an administrator.
    """
    plans: dict[Any, ReadPlan] = mapping.plans
    which = projection if guarded_on is None else (projection, guarded_on)
    found = plans.get(which)
    if found is None:
        if len(plans) >= _MOST_PLANS:
            plans.clear()
        keys = [key for key in mapping.bindings if projection is None or projection.wants(key)]
        names = projection is not None and projection.wants_part("members", "display")
        found = plans[which] = _build(mapping, keys, shows_names=names, guarded_on=guarded_on)
    return found


def _build(
    mapping: ResourceMapping,
    keys: Sequence[str],
    *,
    shows_names: bool,
    guarded_on: str | None = None,
) -> ReadPlan:
    table, links = mapping.table, mapping.links.c
    columns: list[Any] = [
        links.id,
        links.version,
        sa.type_coerce(links.created, InstantText()),
        sa.type_coerce(links.last_modified, InstantText()),
        sa.type_coerce(links.stored, StoredDocument()),
        *table.key.columns,
    ]
    plain: list[tuple[str, int]] = []
    readers: list[tuple[str, Reader]] = []
    whole: set[str] = set()
    stored: set[str] = set()
    related: list[Binding] = []
    naming: list[tuple[str, int, int, tuple[str, ...]]] = []
    for key in keys:
        binding = mapping.bindings[key]
        if key in ("id", "meta"):
            continue
        if binding.keeping is Keeping.LINK:
            whole.add(key)
            continue
        stored.add(key)
        if not binding.expressions:
            related.append(binding)
        elif binding.plain_column:
            plain.append((key, len(columns)))
        else:
            readers.append((key, binding.reader(len(columns))))
        start = len(columns)
        columns.extend(binding.expressions)
        if binding.names_by_key:
            naming.append((key, start, len(columns), binding.naming))
    standing = None
    if guarded_on is not None:
        standing = len(columns)
        columns.append(said_of(mapping, guarded_on))
    statement = table.linked(*columns).where(links.deleted.is_(None), *table.boundaries())
    return ReadPlan(
        mapping,
        tuple(columns),
        statement,
        table.key.reader(_LINK_COLUMNS),
        tuple(plain),
        tuple(readers),
        tuple(related),
        shows_names,
        frozenset(whole),
        frozenset(stored),
        "meta" in keys,
        ACTIVE in whole,
        standing,
        tuple(keys),
        tuple(naming),
    )


def _read(
    plan: ReadPlan, rows: Sequence[Row], view: Viewpoint, *, link: bool
) -> list[Found] | None:
    """Turn rows into resources; None when links were missing, and the rows are to be read again."""
    mapping = plan.mapping
    unlinked = [plan.key(row) for row in rows if row[_ID] is None]
    if unlinked:
        if not link:
            raise Unlinked
        mapping.table.make_links(view.connection, unlinked)
        return None
    dump = Dump(view.base_url, shows_names=plan.shows_names)
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
                plan.key(row),
                row[_ID],
                row[_VERSION],
                row[_CREATED],
                row[_MODIFIED],
                row[_STORED] or {},
                flat,
                None if plan.standing is None else row[plan.standing],
            )
        )
    _add_related(plan, found, view, dump)
    if dump.missing:
        if not link:
            raise Unlinked
        for name, keys in sorted(dump.missing.items()):
            mapping.tables[name].make_links(view.connection, in_order(keys))
        return None
    _add_link(plan, found, view)
    return found


def as_found(plan: ReadPlan, row: Row, view: Viewpoint) -> Found | None:
    """Return the resource that a row of the plan is.

    :raises Unlinked: when a row that it refers to has no link yet.
    """
    found = _read(plan, [row], view, link=False)
    return found[0] if found else None


def _add_related(plan: ReadPlan, found: Sequence[Found], view: Viewpoint, dump: Dump) -> None:
    """Read what further rows of the host say of a page's resources."""
    if not found or not plan.related:
        return
    keys = [item.host_key for item in found]
    for binding in plan.related:
        values = binding.fetch(view, keys, dump)
        for item in found:
            if item.host_key in values:
                item.flat[binding.key] = values[item.host_key]


def _add_link(plan: ReadPlan, found: Sequence[Found], view: Viewpoint) -> None:
    """Join what the host says with what the link keeps beside it."""
    mapping = plan.mapping
    bindings = mapping.bindings
    prefix = f"{view.base_url}{mapping.endpoint}/"
    kind = mapping.table.name
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
            flat.setdefault(ACTIVE, True)
        flat["id"] = item.id
        if plan.meta:
            flat["meta"] = {
                "resourceType": kind,
                "created": item.created,
                "lastModified": item.last_modified,
                "location": prefix + item.id,
                "version": etag(item.version),
            }


class Unlinked(Exception):
    """A row that is to be answered has no link yet, and this transaction only reads."""


_TOLD = (SQLAlchemyError, ScimError, Unlinked)
"""What isn't a value's fault: the database's errors, ours, and what another attempt settles."""


def execute(
    plan: ReadPlan,
    statement: sa.Executable,
    parameters: Mapping[str, Any],
    view: Viewpoint,
    *,
    link: bool,
) -> list[Found]:
    """Return the resources that a statement of the plan finds.

    :raises Unlinked: when a row has no link yet and ``link`` is false.
    """
    try:
        found = _settled(plan, statement, parameters, view, link=link)
    except _TOLD:
        raise
    except Exception:  # whatever a team's types and functions raise over a value of theirs
        found = _all_but_odd(plan, statement, parameters, view, link=link)
    return _named(plan, found, view)


def _settled(
    plan: ReadPlan,
    statement: sa.Executable,
    parameters: Mapping[str, Any],
    view: Viewpoint,
    *,
    link: bool,
) -> list[Found]:
    for _ in range(_READINGS):
        rows = view.execute(statement, parameters).all()
        found = _read(plan, rows, view, link=link)
        if found is not None:
            return found
    raise Unsettled("The portal's people are changing while they are read; send the request again.")


def _all_but_odd(
    plan: ReadPlan,
    statement: Any,
    parameters: Mapping[str, Any],
    view: Viewpoint,
    *,
    link: bool,
) -> list[Found]:
    """Return what can be read where a row can't: one odd value never makes a list fail.

    Nothing of this is done before a row has failed.
    """
    key = plan.mapping.table.key
    read_key = key.reader(0)
    keys = statement.with_only_columns(*key.columns, maintain_column_froms=True)
    wanted = [read_key(row) for row in view.execute(keys, parameters).all()]
    return [found for part in _halves(plan, wanted, view, link=link) for found in part]


def _halves(
    plan: ReadPlan, keys: Sequence[HostKey], view: Viewpoint, *, link: bool
) -> Iterator[list[Found]]:
    """Read rows together, and those that fail by halves, until the odd ones are alone."""
    if not keys:
        return
    try:
        found = _of_keys(plan, keys, view, link=link)
    except _TOLD:
        raise
    except Exception:  # whatever a team's types and functions raise over a value of theirs
        if len(keys) == 1:
            yield _without_odd(plan, keys[0], view, link=link)
            return
        middle = len(keys) // 2
        yield from _halves(plan, keys[:middle], view, link=link)
        yield from _halves(plan, keys[middle:], view, link=link)
    else:
        place = {key: number for number, key in enumerate(keys)}
        yield sorted(found, key=lambda item: place[item.host_key])


def _of_keys(
    plan: ReadPlan, keys: Sequence[HostKey], view: Viewpoint, *, link: bool
) -> list[Found]:
    statement = plan.select.where(plan.mapping.table.key.among("odd_keys"))
    return _settled(plan, statement, {"odd_keys": list(keys)}, view, link=link)


def _without_odd(plan: ReadPlan, key: HostKey, view: Viewpoint, *, link: bool) -> list[Found]:
    """Read one row without the attributes that can't be read; nothing where one is required."""
    mapping = plan.mapping
    odd = [name for name in plan.keys if not _is_readable(mapping, name, key, view, link=link)]
    rest = [name for name in plan.keys if name not in odd]
    _leave(mapping, odd, view)
    if mapping.lookup_key in odd or not odd:
        view.left_out.append(key)
        return []
    reduced = _build(mapping, rest, shows_names=plan.shows_names)
    return _of_keys(reduced, [key], view, link=link)


def _is_readable(
    mapping: ResourceMapping, name: str, key: HostKey, view: Viewpoint, *, link: bool
) -> bool:
    try:
        _of_keys(_build(mapping, [name], shows_names=False), [key], view, link=link)
    except _TOLD:
        raise
    except Exception:  # whatever a team's types and functions raise over a value of theirs
        return False
    return True


def _named(plan: ReadPlan, found: list[Found], view: Viewpoint) -> list[Found]:
    """Leave out who has no name, without which there is no resource (RFC 7643 section 4.1.1)."""
    lookup = plan.mapping.lookup_key
    if lookup not in plan.stored or all(item.flat.get(lookup) for item in found):
        return found
    _leave(plan.mapping, [lookup], view)
    view.left_out.extend(item.host_key for item in found if not item.flat.get(lookup))
    return [item for item in found if item.flat.get(lookup)]


def _leave(mapping: ResourceMapping, odd: Sequence[str], view: Viewpoint) -> None:
    """Say that something can't be shown; the doctor says of whom."""
    names = ", ".join(name.rsplit(":", 1)[-1] for name in odd) or "a row"
    note = f"{names}: a value of this portal's can't be read, and isn't shown"
    if note not in view.notes:
        view.notes.append(note)
        _log.warning(
            "%s: %s can't be read of a row in %s; `flask scim doctor` says which it is.",
            mapping.schema_name,
            names,
            mapping.table.label,
        )


def fetch_one(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    projection: Projection | None = None,
    *,
    link: bool = False,
    guarded: bool = False,
) -> Found | None:
    """Return the resource with an id, or None where there is none to be seen.

    :param guarded: ask whether it is an administrator, where the team says who is one.
    :param link: make the links that are missing among those it refers to.
    :raises Unlinked: when one is missing and ``link`` is false.
    """
    if not may_be_id(resource_id):
        return None
    guarded = guarded and mapping.administrators is not None
    plan = plan_for(mapping, projection, view.backend if guarded else None)
    statement = plan.statements.get("one")
    if statement is None:
        statement = plan.select.where(mapping.links.c.id == sa.bindparam("id"))
        plan.statements["one"] = statement
    found = execute(plan, statement, {"id": resource_id.lower()}, view, link=link)
    return found[0] if found else None


def fetch_locked(
    mapping: ResourceMapping,
    resource_id: str,
    view: Viewpoint,
    projection: Projection | None = None,
    *,
    entity: bool = False,
) -> Found | None:
    """Return the resource with an id, which nobody else changes until the transaction ends.

    Its link is locked, and what is read is what there is then.

    :param entity: read the host's object with it, by the host's mapper; where a value of it can't
        be read, it is left to who writes.
    """
    if not may_be_id(resource_id):
        return None
    at_once = view.backend == "postgresql"
    if not at_once:
        _lock(mapping, resource_id, view)
    plan = plan_for(mapping, projection)
    parameters = {"id": resource_id.lower()}
    if at_once or entity:
        try:
            found = _locked(plan, parameters, view, at_once=at_once, entity=entity)
        except _TOLD:
            raise
        except Exception:  # whatever a team's types, functions and listeners raise over a value
            _log.debug("A row of %s can't be read as an object.", mapping.table.label)
        else:
            if found is None or found.flat.get(mapping.lookup_key):
                return found
    found = fetch_one(mapping, resource_id, view, projection, link=True)
    if found is not None and entity:
        half = view.session.identity_map.get(identity_key(mapping.model, found.host_key))
        if half is not None:
            view.session.expunge(half)
    return found


def _locked(
    plan: ReadPlan, parameters: Mapping[str, Any], view: Viewpoint, *, at_once: bool, entity: bool
) -> Found | None:
    """Read one row, and lock it with the same statement where the database can.

    PostgreSQL waits for the link and gives what it is then, beside other rows as they were when the
    statement began. Whoever changes a resource moves the link's version, so a version that has
    moved meanwhile tells that the rest is old.
    """
    for reading in range(_READINGS):
        locking = at_once and reading == 0
        statement = plan.statements.get(("locked", locking, entity))
        if statement is None:
            statement = plan.statements["locked", locking, entity] = _locked_statement(
                plan, locking=locking, entity=entity
            )
        if entity:
            with view.session.no_autoflush:
                rows = view.session.execute(statement, {**view.parameters, **parameters}).all()
        else:
            rows = view.execute(statement, parameters).all()
        if locking and rows and rows[0][len(plan.columns)] != rows[0][_VERSION]:
            if entity:
                view.session.expire(rows[0][-1])
            continue
        found = _read(plan, rows, view, link=True)
        if found is None:
            continue
        if not found:
            return None
        if entity:
            found[0].entity = rows[0][-1]
            found[0].named = _named_by(plan, rows[0])
        return found[0]
    raise Unsettled("The portal's people are changing while they are read; send the request again.")


def _named_by(plan: ReadPlan, row: Row) -> dict[str, tuple[dict[str, Any], Row]]:
    """Return what ``Found.named`` tells; the host's object is the last of the row."""
    values = sa.inspect(row[-1]).dict
    return {
        key: ({name: values.get(name) for name in names}, row[start:stop])
        for key, start, stop, names in plan.naming
    }


def _locked_statement(plan: ReadPlan, *, locking: bool, entity: bool) -> Any:
    mapping = plan.mapping
    table, links = mapping.table, mapping.links
    named = links.c.id == sa.bindparam("id")
    statement: Any = plan.select.where(named)
    if locking:
        seen = links.alias()
        version = sa.select(seen.c.version).where(seen.c.id == sa.bindparam("id"))
        statement = (
            table.known(*plan.columns, version.scalar_subquery())
            .where(named, links.c.deleted.is_(None), *table.boundaries())
            .with_for_update(of=links)
        )
    if entity:
        statement = statement.add_columns(mapping.model).options(*table.loading())
    return statement


def _lock(mapping: ResourceMapping, resource_id: str, view: Viewpoint) -> None:
    """Keep others from changing a resource until the transaction ends, by its link.

    SQLite has no row locks and one writer. Where nobody knows whether the transaction is that one,
    an update that changes nothing makes it so before reading. MySQL and MariaDB would lock the
    host's row with the link where they read both, and so whoever refers to it waited.
    """
    links = mapping.links
    named = links.c.id == sa.bindparam("link_id")
    statement: sa.Executable
    if view.backend == "sqlite":
        if begin_writing(view.connection):
            return
        statement = mapping.kept(
            "lock", lambda: sa.update(links).where(named).values(version=links.c.version)
        )
    else:
        statement = mapping.kept(
            "lock", lambda: sa.select(links.c.id).where(named).with_for_update()
        )
    view.connection.execute(statement, {"link_id": resource_id.lower()})
