"""What a whole database holds, so that a test can say that nothing of it has changed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection

from .portal import Portal

__all__ = ["snapshot"]


def snapshot(portal: Portal, without: Collection[str] = ()) -> dict[str, tuple[int, str]]:
    """Return how many rows each table has, and a checksum of them.

    :param without: names of tables that may change; ``scim_activity`` stands for the whole log.
    """
    if "scim_activity" in without:
        without = {*without, "scim_refusal"}
    found = {}
    format_table = portal.engine.dialect.identifier_preparer.format_table
    # As the driver has it: many tests take one of these after each request.
    with (
        contextlib.closing(portal.engine.raw_connection()) as connection,
        contextlib.closing(connection.cursor()) as cursor,
    ):
        for table in portal.db.metadata.sorted_tables:
            if table.name not in without:
                cursor.execute(f"SELECT * FROM {format_table(table)}")
                rows = sorted(map(repr, cursor.fetchall()))
                digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
                found[table.name] = (len(rows), digest)
    return found
