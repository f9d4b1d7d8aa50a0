"""Names that nobody has twice, in whatever case: by an index of the host's, or one by one.

A unique index on the folded name is the best: the database refuses the second of two who come at
once. Where the host has none, those who want one name wait for each other, so that the look-up
before a write sees what the one before has written.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import sqlalchemy as sa

from ...scim.evaluate import fold
from ..host.viewpoint import Viewpoint
from ..resources import ResourceMapping
from ..sql.backends import MYSQL, begin_writing

__all__ = ["claim", "is_kept_apart", "known_apart", "name_column"]

_UNIQUE_INDEXES = {
    "postgresql": """
        SELECT i.indexrelid, pg_get_indexdef(i.indexrelid, k.n, true), NULL, NULL
        FROM pg_index i CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k(n)
        WHERE i.indrelid = to_regclass(:quoted)
        AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        """,
    "sqlite": """
        SELECT i.name, k.name, k.coll, m.sql
        FROM pragma_index_list(:name) AS i JOIN pragma_index_xinfo(i.name) AS k
        LEFT JOIN sqlite_master AS m ON m.type = 'index' AND m.name = i.name
        WHERE i."unique" = 1 AND i.partial = 0 AND k."key" = 1
        """,
    "mysql": """
        SELECT s.index_name, s.column_name, c.collation_name, NULL
        FROM information_schema.statistics AS s LEFT JOIN information_schema.columns AS c
        ON c.table_schema = s.table_schema AND c.table_name = s.table_name
        AND c.column_name = s.column_name
        WHERE s.table_schema = DATABASE() AND s.table_name = :name AND s.non_unique = 0
        """,
}
"""Each row is a key of a unique index: its index, the column or expression, its collation, SQL."""

_LOWER = re.compile(r'lower\s*\(+\s*["`\[]?(\w+)["`\]]?\s*\)*\s*(::[\w ]+)?\s*\)', re.IGNORECASE)


def name_column(mapping: ResourceMapping) -> sa.Column[Any] | None:
    """Return the column of a user's or a group's name, if it is a plain one."""
    slot = mapping.bindings[mapping.lookup_key].slot(None)
    expression = slot.expression if slot is not None else None
    return expression if isinstance(expression, sa.Column) else None


def is_kept_apart(mapping: ResourceMapping, connection: sa.Connection) -> bool:
    """Say whether the database itself refuses a name that another has in a different case."""
    column = name_column(mapping)
    backend = "mysql" if connection.dialect.name in MYSQL else connection.dialect.name
    if column is None or backend not in _UNIQUE_INDEXES:
        return False
    table = connection.dialect.identifier_preparer.format_table(column.table)
    given = {"quoted": table, "name": column.table.name}
    query = sa.text(_UNIQUE_INDEXES[backend])
    used = {name: value for name, value in given.items() if f":{name}" in query.text}
    keys: dict[Any, set[str]] = {}
    for index, key, collation, sql in connection.execute(query, used):
        keys.setdefault(index, set()).add(_folded(key, collation, sql))
    wanted = f"lower({column.name})"
    allowed = {wanted}
    owner = mapping.table.tenant
    if owner is not None and owner.column is not None:
        tenant = owner.column.name
        allowed |= {tenant, f"lower({tenant})"}
    return any(wanted in found <= allowed for found in keys.values())


def _folded(key: str | None, collation: str | None, sql: str | None) -> str:
    """Return a key of an index as ``name``, or as ``lower(name)`` where it ignores case."""
    lowered = _LOWER.search(key or sql or "")
    if lowered is not None and (key is None or "(" in key):
        return f"lower({lowered[1]})"
    name = (key or "").strip('"')
    ignores_case = collation is not None and (collation == "NOCASE" or "_ci" in collation)
    return f"lower({name})" if ignores_case else name


def claim(mapping: ResourceMapping, name: str, view: Viewpoint) -> bool:
    """Let nobody else take a name, in whatever case, until the transaction ends.

    :returns: whether the look-up that follows has to lock what it reads, as on MySQL and MariaDB:
        those who find nothing lock the gap, and only one of them can write into it.

    The lock comes before the look-up, which sees what is committed when it begins.
    """
    connection = view.connection
    backend = view.backend
    if known_apart(mapping, connection) and (name.isascii() or backend in MYSQL):
        # The database's lower() may know no letters but those of ASCII.
        return False
    match backend:
        case "postgresql":
            statement = mapping.kept("claim", _advisory_lock)
            connection.execute(statement, {"claimed": _number(mapping, name, view)})
        case "sqlite":
            begin_writing(connection)
    return backend in MYSQL


def known_apart(mapping: ResourceMapping, connection: sa.Connection) -> bool:
    """Say the same as ``is_kept_apart``, and ask each database once.

    An index that is added later counts when the portal starts anew.
    """
    pool = connection.engine.pool
    known = mapping.kept_apart.get(pool)
    if known is None:
        known = mapping.kept_apart[pool] = is_kept_apart(mapping, connection)
    return known


def _advisory_lock() -> Any:
    return sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("claimed", type_=sa.BigInteger)))


def _number(mapping: ResourceMapping, name: str, view: Viewpoint) -> int:
    """Return the number that stands for a name of one table and one tenant."""
    tenant = view.tenants.get(mapping.table.tenant_parameter, "")
    text = "\0".join(("scim", mapping.table.label, str(tenant), fold(name)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)
