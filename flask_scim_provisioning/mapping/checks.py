"""What would go wrong later, said at start-up or by ``flask scim doctor``."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from ..scim.filters import Compare, attr_path
from . import uniqueness
from .bindings import Binding, Collection, StoredBinding
from .errors import MappingError
from .password import PasswordBinding
from .predicates import where
from .slots import Slot

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["Finding", "check", "look_ups"]

_MUST_BE_SEARCHED = {"User": ("userName",), "Group": ("displayName",)}


class Finding(NamedTuple):
    """One thing that the doctor found.

    :ivar level: ``"ok"``, ``"warning"`` or ``"problem"``.
    :ivar statement: the SQL that mends it, if there is one.
    """

    level: str
    message: str
    statement: str | None = None


def check(mapping: ResourceMapping) -> None:
    """Refuse a declaration that can't work.

    :raises MappingError: naming the line to change.
    """
    name = mapping.schema_name
    for key in _MUST_BE_SEARCHED[mapping.resource_type.name]:
        binding = mapping.bindings[key]
        if isinstance(binding, StoredBinding):
            snake = "user_name" if key == "userName" else "display_name"
            raise MappingError(
                f"{name} maps no {key}, and RFC 7643 requires one: add "
                f"`{snake} = fields.Attribute({mapping.model.__name__}.<column>)`."
            )
        if binding.slot(None) is None:
            raise MappingError(f"{name}: {key} needs a SQL expression, because it is searched by.")
    password = mapping.bindings.get("password")
    if password is not None and not isinstance(password, PasswordBinding):
        raise MappingError(
            f"{name}: password would be kept as it is sent, in {password.place}; use "
            "fields.Password(<a function that keeps a hash of it>)."
        )
    _check_unknown_members(mapping)
    _check_required_columns(mapping)


def _check_unknown_members(mapping: ResourceMapping) -> None:
    """A misspelt choice would silently be the dialect's."""
    choice = mapping.options.unknown_members
    if choice is None:
        return
    if mapping.resource_type.name != "Group":
        raise MappingError(
            f"{mapping.schema_name}: Meta.unknown_members says what becomes of a group's members; "
            "set it in the schema of groups."
        )
    if choice not in ("skip", "refuse"):
        raise MappingError(
            f"{mapping.schema_name}: Meta.unknown_members is {choice!r}; set it to "
            '"skip" or "refuse", or leave it out to do as the identity provider needs it.'
        )


def _check_required_columns(mapping: ResourceMapping) -> None:
    """Every column that can't be empty needs an attribute or a default."""
    written = {
        id(expression) for binding in mapping.bindings.values() for expression in _columns(binding)
    }
    tenant = mapping.tenant_column
    for column in mapping.table.columns:
        if column.nullable or column.primary_key or id(column) in written or column is tenant:
            continue
        if column.default is not None or column.server_default is not None:
            continue
        if column.computed is not None or column.identity is not None:
            continue
        raise MappingError(
            f"{mapping.schema_name}: {mapping.table.name}.{column.name} can't be empty, and no "
            "attribute is mapped to it: map one, or give the column a default."
        )


def _columns(binding: Binding) -> list[Any]:
    return [item for item in binding.expressions if isinstance(item, sa.Column)]


def _look_up_filters(mapping: ResourceMapping) -> list[tuple[str, str]]:
    filters = [("externalId", "externalId"), (mapping.lookup_key, mapping.lookup_key)]
    emails = mapping.bindings.get("emails")
    if isinstance(emails, Collection) and not isinstance(emails, StoredBinding):
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
        statement = (
            sa.select(mapping.key)
            .select_from(
                mapping.table.outerjoin(mapping.links, mapping.links.c.host_id == mapping.key)
            )
            .where(condition, mapping.links.c.deleted.is_(None))
        )
        what = f"{mapping.resource_type.name} by {label}"
        cure = _index_statement(mapping, path, connection)
        if _uses_index(mapping, connection, statement, _column(mapping, path)):
            name = path == mapping.lookup_key and cure is not None
            if name and not uniqueness.is_kept_apart(mapping, connection):
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
                    f"{what}: every look-up reads the whole table {mapping.table.name}.",
                    cure,
                )
            )
    return findings


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
    table = mapping.table.name
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
    slot: Slot | None = mapping.bindings[path.split(".")[0]].slot("value" if "." in path else None)
    column = getattr(slot, "expression", None)
    return column if isinstance(column, sa.Column) else None


def _index_statement(mapping: ResourceMapping, path: str, connection: sa.Connection) -> str | None:
    column = _column(mapping, path)
    if column is None:
        return None
    preparer = connection.dialect.identifier_preparer
    table, name = preparer.format_table(column.table), preparer.format_column(column)
    if connection.dialect.name not in uniqueness.MYSQL:
        name = f"lower({name})"
    unique = path == mapping.lookup_key
    if unique and mapping.tenant_column is not None:
        # Behind the name, by which it is looked for.
        name += f", {preparer.format_column(mapping.tenant_column)}"
    index = f"{'uq' if unique else 'ix'}_{column.table.name}_{column.name}_scim"
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX {index} ON {table} ({name});"
