"""Searching: pages of resources, how many there are, and the look-ups of identity providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ...scim.filters import And, AttrPath, Compare, Filter
from ...scim.projection import Projection
from ..bindings.base import Keeping
from ..bindings.slots import Slot
from ..host.keys import HostKey, KeyColumns
from ..host.viewpoint import Viewpoint
from ..resources import ResourceMapping
from ..sql import text
from ..sql.backends import chunks
from . import name_claims
from .predicates import order_by, sort_terms, where
from .reading import Found, ReadPlan, execute, plan_for

__all__ = ["count_matching", "fetch_after", "fetch_page", "find_by_lookup", "free_names"]


def find_by_lookup(
    mapping: ResourceMapping, value: str, view: Viewpoint, *, claim: bool = False
) -> tuple[HostKey, str | None, datetime | None] | None:
    """Return the host row with a ``userName`` or a group's ``displayName``, deleted ones too.

    :param claim: let nobody else take the name until the transaction ends.
    :returns: the host's key, the SCIM id and the time of deletion of its link, if it has one.
    """
    lock = claim and name_claims.claim(mapping, value, view)
    backend = view.backend
    node = Compare(AttrPath(None, mapping.lookup_key), "eq", value)
    parameters: dict[str, Any] = {}
    simple = _simple(mapping, node)
    if simple is None:
        statement = _look_up(mapping, where(mapping, node, backend))
    else:
        statement = mapping.kept(
            f"look-up on {backend}", lambda: _look_up(mapping, simple[2](backend))
        )
        parameters["look_up_value"] = value
    if lock:
        statement = statement.with_for_update()
    row = view.execute(statement, parameters).first()
    return (mapping.table.key.reader(2)(row), row[0], row[1]) if row is not None else None


def free_names(mapping: ResourceMapping, names: Iterable[str], view: Viewpoint) -> set[str]:
    """Return those of many names, in lower case, that nobody has, as ``find_by_lookup`` would say.

    Only names are told for which the database itself refuses the second of two who come at once,
    and whose letters it is sure to know; each of the others has to be looked up.
    """
    connection = view.connection
    slot = mapping.bindings[mapping.lookup_key].slot(None)
    if slot is None or slot.attribute.case_exact or not slot.textual or slot.own is not None:
        return set()
    if connection.dialect.name not in ("postgresql", "sqlite"):
        return set()
    if not name_claims.known_apart(mapping, connection):
        return set()
    asked = sorted({name.lower() for name in names if name.isascii() and "\0" not in name})
    lowered = sa.func.lower(slot.expression)
    statement = mapping.kept(
        "names that are taken",
        lambda: (
            sa.select(lowered)
            .select_from(mapping.model)
            .where(lowered.in_(sa.bindparam("names", expanding=True)), *mapping.table.boundaries())
        ),
    )
    taken: set[str] = set()
    for part in chunks(asked):
        taken.update(view.execute(statement, {"names": part}).scalars())
    return set(asked) - taken


def _look_up(mapping: ResourceMapping, condition: sa.ColumnElement[bool]) -> Any:
    links = mapping.links
    return (
        mapping.table.linked(links.c.id, links.c.deleted, *mapping.table.key.columns)
        .where(condition, *mapping.table.boundaries())
        .limit(1)
    )


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
    plan = plan_for(mapping, projection)
    statement, parameters = _page_statement(
        plan, view, node, sort_by, descending=descending, offset=offset
    )
    found: list[Found] = []
    if limit > 0:
        values = {**parameters, "row_limit": limit, "row_offset": offset}
        found = execute(plan, statement, values, view, link=link)
    if limit > 0 and not view.left_out and len(found) < limit and (found or offset == 0):
        return found, offset + len(found)
    return found, count_matching(mapping, view, node)


def _page_statement(
    plan: ReadPlan,
    view: Viewpoint,
    node: Filter | None,
    sort_by: AttrPath | None,
    *,
    descending: bool,
    offset: int,
) -> tuple[Any, dict[str, Any]]:
    mapping = plan.mapping
    backend = view.backend
    simple = _simple(mapping, node) if sort_by is None and offset == 0 else None
    if simple is not None and node is not None:
        cache_key: tuple[Any, ...] = ("look-up", simple[0], backend)
        statement = plan.statements.get(cache_key)
        if statement is None:
            condition = simple[2](backend)
            statement = plan.select.where(condition).limit(sa.bindparam("row_limit"))
            plan.statements[cache_key] = statement
        return statement, {"look_up_value": simple[1]}
    cache_key = ("page", offset > 0, backend)
    keep = node is None and sort_by is None
    if keep and cache_key in plan.statements:
        return plan.statements[cache_key], {}
    order: list[Any] = []
    if sort_by is not None:
        order += order_by(mapping, sort_by, descending=descending, backend=backend)
    order += mapping.table.key.columns
    conditions = [where(mapping, node, backend)] if node is not None else []
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
    """Recognise the match queries of identity providers, whose statements are kept."""
    match node:
        case Compare(path=AttrPath(urn=None, name=name, sub=None), op="eq", value=str() as value):
            if not value.isascii() or "\0" in value:
                return None
            if name.lower() == "externalid":
                return _by_external_id(mapping, value)
            if name.lower() != mapping.lookup_key.lower():
                return None
        case _:
            return None
    slot = mapping.bindings[mapping.lookup_key].slot(None)
    if slot is None or not slot.textual or slot.own is not None:
        return None

    def condition(backend: str) -> sa.ColumnElement[bool]:
        return text.equals(
            slot.expression,
            "",
            case_exact=slot.attribute.case_exact,
            backend=backend,
            name="look_up_value",
        )

    return mapping.lookup_key, value, condition


def _by_external_id(
    mapping: ResourceMapping, value: str
) -> tuple[str, str, Callable[[str], sa.ColumnElement[bool]]] | None:
    binding = mapping.bindings["externalId"]
    if binding.keeping is not Keeping.APART:
        return None  # the host has a place of its own for it

    def condition(backend: str) -> sa.ColumnElement[bool]:
        def same(find: Callable[[str], Slot | None]) -> sa.ColumnElement[bool]:
            slot = find("value")
            if slot is None:
                raise AssertionError("an external id has a value")
            return text.equals(
                slot.expression,
                "",
                case_exact=slot.attribute.case_exact,
                backend=backend,
                name="look_up_value",
            )

        return binding.any(same)

    return "externalId", value, condition


def _deep(plan: ReadPlan, conditions: Sequence[Any], order: Sequence[Any]) -> Any:
    """Skip rows by their keys only, and read the page's rows by them."""
    mapping, key = plan.mapping, plan.mapping.table.key
    joined = bool(conditions) or len(order) > key.width
    skipped = (
        _matching(mapping, *key.columns, joined=joined)
        .where(*conditions)
        .order_by(*order)
        .limit(sa.bindparam("row_limit"))
        .offset(sa.bindparam("row_offset"))
        .subquery()
    )
    return plan.select.join(skipped, key.same(KeyColumns(tuple(skipped.c)))).order_by(*order)


def fetch_after(
    mapping: ResourceMapping,
    view: Viewpoint,
    after: Sequence[Any] | None,
    *,
    node: Filter | None = None,
    sort_by: AttrPath | None = None,
    descending: bool = False,
    limit: int,
    projection: Projection | None = None,
    link: bool = False,
) -> tuple[list[Found], tuple[Any, ...] | None]:
    """Return the page that follows a resource, and what the next page follows, if there is one.

    The page is found by its keys, however deep it lies; rows that come or go before it move
    nothing.

    :param after: what the page before ended with, as this function returned it; None to begin.
    :param limit: how many resources are answered at most, 1 or more.
    :raises InvalidFilter: when the filter can't be answered here.
    :raises Unlinked: when a row has no link yet and ``link`` is false.
    """
    backend = view.backend
    terms = sort_terms(mapping, sort_by, backend) if sort_by is not None else []
    parameters = {"row_limit": limit + 1}
    ordered = after is not None or not _is_look_up(mapping, node) or bool(terms)
    statement = _keys_after(mapping, node, terms, after, backend, descending, ordered=ordered)
    rows = view.execute(statement, parameters).all()
    if len(rows) > limit and not ordered:
        statement = _keys_after(mapping, node, terms, after, backend, descending, ordered=True)
        rows = view.execute(statement, parameters).all()
    if not rows:
        return [], None
    chosen = rows[:limit]
    plan = plan_for(mapping, projection)
    by_keys = plan.statements.get("by keys")
    if by_keys is None:
        named = mapping.table.key.among("page_keys")
        by_keys = plan.statements["by keys"] = plan.select.where(named)
    read_key = mapping.table.key.reader(len(terms))
    keys = [read_key(row) for row in chosen]
    found = execute(plan, by_keys, {"page_keys": keys}, view, link=link)
    place = {key: number for number, key in enumerate(keys)}
    found.sort(key=lambda item: place[item.host_key])
    return found, tuple(chosen[-1]) if len(rows) > limit else None


def _keys_after(
    mapping: ResourceMapping,
    node: Filter | None,
    terms: Sequence[Any],
    after: Sequence[Any] | None,
    backend: str,
    descending: bool,
    *,
    ordered: bool,
) -> Any:
    joined = node is not None or bool(terms)
    key = mapping.table.key.columns
    conditions = [where(mapping, node, backend)] if node is not None else []
    if after is not None:
        conditions.append(_follows(terms, key, after, descending=descending))
    statement = (
        _matching(mapping, *terms, *key, joined=joined)
        .where(*conditions)
        .limit(sa.bindparam("row_limit"))
    )
    if not ordered:
        return statement
    return statement.order_by(*(term.desc() if descending else term for term in terms), *key)


def _follows(
    terms: Sequence[Any], key: Sequence[Any], values: Sequence[Any], *, descending: bool
) -> sa.ColumnElement[bool]:
    """Return what holds for the rows behind a row with these values; the key, last, ascends."""
    alternatives = []
    same: list[sa.ColumnElement[bool]] = []
    last = len(terms)
    for number, (term, value) in enumerate(zip([*terms, *key], values, strict=True)):
        if value is None:
            # Rows without a value are sorted together by the term before.
            same.append(term.is_(None))
            continue
        given = sa.literal(value, term.type)
        beyond = term < given if descending and number < last else term > given
        alternatives.append(sa.and_(*same, beyond))
        same.append(term == given)
    return sa.or_(*alternatives)


def _matching(mapping: ResourceMapping, *columns: Any, joined: bool) -> sa.Select[Any]:
    """Select from the rows that SCIM sees, joined with their links only where a condition asks.

    What SCIM has deleted is left out; there are few, and they have an index.
    """
    table, links = mapping.table, mapping.links
    if joined:
        found = table.linked(*columns).where(links.c.deleted.is_(None))
    else:
        found = sa.select(*columns).select_from(table.model)
        found = found.where(table.key.outside(_gone(mapping)))
    return found.where(*table.boundaries())


def _gone(mapping: ResourceMapping) -> sa.Select[Any]:
    return sa.select(*mapping.table.link_key.columns).where(mapping.links.c.deleted.is_not(None))


def count_matching(mapping: ResourceMapping, view: Viewpoint, node: Filter | None) -> int:
    """Return how many resources meet a filter."""
    if node is None:
        statement = mapping.kept("count", lambda: _count_of_all(mapping))
        whole = not mapping.table.boundaries() and not view.is_listened_to
        if whole and view.backend == "sqlite":
            return _count_unless_known(mapping, view, statement)
    else:
        statement = _matching(mapping, sa.func.count(), joined=True).where(
            where(mapping, node, view.backend)
        )
    return int(view.execute(statement).scalar_one())


def _count_unless_known(
    mapping: ResourceMapping, view: Viewpoint, statement: sa.Select[Any]
) -> int:
    """Count on SQLite, unless this connection has and nobody has written since.

    An import asks for the same number with each page. SQLite says for nothing whether anything has
    changed: ``data_version`` tells of other connections, ``total_changes`` of this one.
    """
    connection = view.connection
    driver: Any = connection.connection.dbapi_connection
    (version,) = driver.execute("PRAGMA data_version").fetchone()
    state = (version, driver.total_changes)
    known = connection.info.setdefault("scim_counts", {})
    model = mapping.model
    if model not in known or known[model][0] != state:
        known[model] = state, int(view.execute(statement).scalar_one())
    return int(known[model][1])


def _count_of_all(mapping: ResourceMapping) -> sa.Select[Any]:
    """Count the table, and take away the few that SCIM has deleted; both have an index."""
    table, links = mapping.table, mapping.links
    if table.boundaries():
        return _matching(mapping, sa.func.count(), joined=False)
    every = sa.select(sa.func.count()).select_from(table.model).scalar_subquery()
    gone = (
        sa.select(sa.func.count())
        .select_from(table.model)
        .join(links, table.key.same(table.link_key))
        .where(links.c.deleted.is_not(None))
        .scalar_subquery()
    )
    return sa.select(every - gone)
