"""What makes provisioning slow or unsafe on one database, and the statement that mends it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ..scim.filters import Compare, attr_path
from .access import name_claims
from .access.predicates import where
from .access.reused_keys import are_enforced, orphans_of
from .bindings.base import Dump, Keeping
from .host.keys import HostKey
from .resources import ResourceMapping
from .sql.backends import MYSQL

__all__ = ["Finding", "keys", "look_ups", "odd_rows"]


class Finding(NamedTuple):
    """One thing that the doctor found.

    :ivar level: ``"ok"``, ``"warning"`` or ``"problem"``.
    :ivar statement: the SQL that mends it, if there is one.
    """

    level: str
    message: str
    statement: str | None = None


def _look_up_filters(mapping: ResourceMapping) -> list[tuple[str, str]]:
    filters = [("externalId", "externalId"), (mapping.lookup_key, mapping.lookup_key)]
    emails = mapping.bindings.get("emails")
    if emails is not None and emails.has_elements and emails.keeping is not Keeping.LINK:
        filters.append(("emails.value", "emails.value"))
    return filters


def look_ups(mapping: ResourceMapping, connection: sa.Connection) -> list[Finding]:
    """Say for each look-up of identity providers whether this database answers it by an index.

    The index of a name should be unique, too: then the database keeps two people apart who come at
    once, and nobody has to wait for anybody else's name.
    """
    findings = []
    for label, path in _look_up_filters(mapping):
        condition = where(mapping, Compare(attr_path(path), "eq", "x"), connection.dialect.name)
        statement = mapping.table.linked(*mapping.table.key.columns).where(
            condition, mapping.links.c.deleted.is_(None)
        )
        what = f"{mapping.table.name} by {label}"
        cure = _index_statement(mapping, path, connection)
        if _uses_index(mapping, connection, statement, _column(mapping, path)):
            name = path == mapping.lookup_key and cure is not None
            if name and not name_claims.is_kept_apart(mapping, connection):
                findings.append(
                    Finding(
                        "warning",
                        f"{what}: found by an index that isn't unique without regard to case, so "
                        "that the portal itself may give a name twice, and creating somebody costs "
                        "a lock. Put a unique one in its place.",
                        cure,
                    )
                )
            else:
                findings.append(Finding("ok", f"{what}: found by an index."))
        else:
            findings.append(
                Finding(
                    "problem",
                    f"{what}: every look-up reads the whole table {mapping.table.label}.",
                    cure,
                )
            )
    return findings


_CHUNK = 1_000
_MOST_NAMED = 20


def odd_rows(mapping: ResourceMapping, connection: sa.Connection) -> Iterator[Finding]:
    """Name the rows of which an attribute can't be read, and which are shown without it.

    The whole table is read, a thousand rows at a time.
    """
    key = mapping.table.key
    everybody = connection.execute(sa.select(*key.columns)).all()
    read_key = key.reader(0)
    keys = [read_key(row) for row in everybody]
    for name, binding in mapping.bindings.items():
        if binding.keeping is not Keeping.ROW or binding.refers or not binding.expressions:
            continue
        odd: list[HostKey] = []
        for start in range(0, len(keys), _CHUNK):
            odd += _unreadable(mapping, name, connection, keys[start : start + _CHUNK])
        if odd:
            yield _odd_finding(mapping, name, odd)


def _unreadable(
    mapping: ResourceMapping, name: str, connection: sa.Connection, keys: Sequence[HostKey]
) -> Iterator[HostKey]:
    """Yield the keys of the rows of which an attribute can't be read, or has to be there and isn't.

    Rows that fail are read by halves, until the odd ones are alone.
    """
    table, binding = mapping.table, mapping.bindings[name]
    read, read_key = binding.reader(table.key.width), table.key.reader(0)
    select = table.linked(*table.key.columns, *binding.expressions).where(table.key.among("keys"))
    given = {"integration": uuid.UUID(int=0), table.tenant_parameter: None, "keys": list(keys)}
    try:
        rows = connection.execute(select, given).all()
        values = [(read_key(row), read(row, Dump(""))) for row in rows]
    except SQLAlchemyError:
        raise
    except Exception:  # whatever a team's types and functions raise over a value of theirs
        if len(keys) == 1:
            yield keys[0]
            return
        middle = len(keys) // 2
        yield from _unreadable(mapping, name, connection, keys[:middle])
        yield from _unreadable(mapping, name, connection, keys[middle:])
    else:
        if name == mapping.lookup_key:
            yield from (key for key, value in values if not value)


def _odd_finding(mapping: ResourceMapping, name: str, odd: Sequence[HostKey]) -> Finding:
    required = name == mapping.lookup_key
    named = ", ".join(map(repr, odd[:_MOST_NAMED])) + (", ..." if len(odd) > _MOST_NAMED else "")
    shown = "they aren't shown at all" if required else "they are shown without it"
    return Finding(
        "problem" if required else "warning",
        f"{mapping.table.name}: {name.rsplit(':', 1)[-1]} can't be read of {len(odd)} rows of "
        f"{mapping.table.label}, and {shown}; correct the value in {mapping.bindings[name].place} "
        f"of the rows with these keys: {named}.",
    )


def _uses_index(
    mapping: ResourceMapping,
    connection: sa.Connection,
    statement: Any,
    column: sa.Column[Any] | None,
) -> bool:
    """Ask the database how it would find the rows; nothing is read."""
    compiled = statement.params(integration=uuid.UUID(int=0)).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    table = mapping.table.label
    match connection.dialect.name:
        case "sqlite":
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
            return not any(str(row[-1]).startswith(f"SCAN {table}") for row in steps)
        case "postgresql":
            with connection.begin_nested() as savepoint:
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                explained: Any = connection.exec_driver_sql(
                    f"EXPLAIN (FORMAT JSON) {compiled}"
                ).scalar()
                savepoint.rollback()
            (plan,) = json.loads(explained) if isinstance(explained, str) else explained
            # A small table is walked along its key although there is a better index.
            return _is_indexed(connection, table, column) or not any(
                _reads_all(node, table) for node in _nodes(plan["Plan"])
            )
        case _:
            plans = connection.exec_driver_sql(f"EXPLAIN {compiled}").mappings().all()
            # A small table is read whole although it has an index: what counts is that it has one.
            return not any(
                row.get("table") == table
                and row.get("type") in ("ALL", "index")
                and row.get("possible_keys") is None
                for row in plans
            )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk through a plan of PostgreSQL's."""
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _reads_all(node: dict[str, Any], table: str) -> bool:
    """Say whether a step reads a table from end to end, be it along an index."""
    narrowed = "Index Cond" in node or "Recheck Cond" in node
    return node.get("Relation Name") == table and not narrowed


def _is_indexed(connection: sa.Connection, table: str, column: sa.Column[Any] | None) -> bool:
    """Look into PostgreSQL's catalogue for an index of a column without regard to case.

    What has no column here is kept by the extension, with an index.
    """
    if column is None:
        return True
    definitions = connection.scalars(
        sa.text("SELECT indexdef FROM pg_indexes WHERE tablename = :table"), {"table": table}
    )
    wanted = re.compile(rf'lower\(+"?{re.escape(column.name)}"?\)')
    return any(wanted.search(definition) for definition in definitions)


def _column(mapping: ResourceMapping, path: str) -> sa.Column[Any] | None:
    slot = mapping.bindings[path.split(".")[0]].slot("value" if "." in path else None)
    column = getattr(slot, "expression", None)
    return column if isinstance(column, sa.Column) else None


def _index_statement(mapping: ResourceMapping, path: str, connection: sa.Connection) -> str | None:
    column = _column(mapping, path)
    if column is None:
        return None
    preparer = connection.dialect.identifier_preparer
    table, name = preparer.format_table(column.table), preparer.format_column(column)
    if connection.dialect.name not in MYSQL:
        name = f"lower({name})"
    unique = path == mapping.lookup_key
    tenant = mapping.table.tenant
    if unique and tenant is not None and tenant.column is not None:
        # Behind the name, by which it is looked for.
        name += f", {preparer.format_column(tenant.column)}"
    index = f"{'uq' if unique else 'ix'}_{column.table.name}_{column.name}_scim"
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX {index} ON {table} ({name});"


def keys(mapping: ResourceMapping, connection: sa.Connection) -> list[Finding]:
    """Say whether the database lets what SCIM knows of a row go with the row.

    Where it doesn't, a key that it gives a second time would bring somebody else's id with it
    (RFC 7643 section 3.1), wherever neither the ORM nor an engine of the portal's inserts the row.
    """
    links, kind = mapping.links, mapping.table.name
    findings: list[Finding] = []
    if links.foreign_key_constraints and not _goes_along(mapping, connection):
        findings.append(
            Finding(
                "warning",
                f"{kind}: this database doesn't enforce the foreign key of {links.name}, and a row "
                "that is inserted by other means than the portal's may take over the id of one "
                "that was deleted. "
                + (
                    "Let each connection begin with PRAGMA foreign_keys = ON, or add a trigger."
                    if connection.dialect.name == "sqlite"
                    else "Add the foreign key; its tables must be of an engine that has them."
                ),
                _cure_of_keys(mapping, connection),
            )
        )
    orphans = sa.select(sa.func.count()).select_from(orphans_of(mapping.table).subquery())
    left = connection.scalar(orphans)
    if left:
        findings.append(
            Finding(
                "warning",
                f"{kind}: {left} rows of {links.name} belong to rows that are gone.",
                _without_orphans(mapping, connection),
            )
        )
    return findings or [Finding("ok", f"{kind}: what SCIM knows of a row goes with it.")]


def _goes_along(mapping: ResourceMapping, connection: sa.Connection) -> bool:
    links = mapping.links
    if connection.dialect.name == "sqlite":
        if are_enforced(connection, links):
            return True
        named = sa.text("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = :name")
        return connection.scalar(named, {"name": _trigger(mapping)}) is not None
    schema = connection.schema_for_object(links)
    return bool(sa.inspect(connection).get_foreign_keys(links.name, schema))


def _without_orphans(mapping: ResourceMapping, connection: sa.Connection) -> str:
    links = mapping.links
    gone = orphans_of(mapping.table)
    if connection.dialect.name in MYSQL:
        # It deletes from no table that it selects from, unless by way of another.
        gone = sa.select(gone.subquery("gone").c.id)
    statement = sa.delete(links).where(links.c.id.in_(gone))
    compiled = statement.compile(dialect=connection.dialect)
    return " ".join(f"{compiled};".split())


def _trigger(mapping: ResourceMapping) -> str:
    return f"{mapping.links.name}_goes_along"


def _cure_of_keys(mapping: ResourceMapping, connection: sa.Connection) -> str:
    preparer = connection.dialect.identifier_preparer
    links = mapping.links
    (constraint,) = links.foreign_key_constraints
    table = preparer.format_table(constraint.referred_table)
    pairs = [
        (preparer.format_column(element.parent), preparer.format_column(element.column))
        for element in constraint.elements
    ]
    if connection.dialect.name != "sqlite":
        mine, theirs = (", ".join(names) for names in zip(*pairs, strict=True))
        return (
            f"ALTER TABLE {preparer.format_table(links)} ADD FOREIGN KEY ({mine}) "
            f"REFERENCES {table} ({theirs}) ON DELETE CASCADE;"
        )
    same = " AND ".join(f"{mine} = OLD.{theirs}" for mine, theirs in pairs)
    external = mapping.models.external_id.__tablename__
    return (
        # It is shown to people, and made of names of tables and columns.
        f"CREATE TRIGGER {_trigger(mapping)} AFTER DELETE ON {table} BEGIN "  # noqa: S608
        f"DELETE FROM {external} WHERE link_id IN "
        f"(SELECT id FROM {links.name} WHERE {same}); "
        f"DELETE FROM {links.name} WHERE {same}; END;"
    )
