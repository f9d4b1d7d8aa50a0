"""Rows of the extension's own that many creations in one transaction insert at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..host.keys import HostKey
from ..host.tables import HostTable

__all__ = ["Pending"]


@dataclass(slots=True)
class Pending:
    """What is still to be inserted beside the host's new rows: their links and external ids.

    Until it is sent, nobody finds a new resource by its id; whoever looks for ids sends first.
    """

    rows: list[tuple[sa.Connection, sa.Insert, dict[str, Any]]] = field(default_factory=list)

    def add(self, connection: sa.Connection, statement: sa.Insert, row: dict[str, Any]) -> None:
        """Leave a row for later."""
        self.rows.append((connection, statement, row))

    def send(self) -> None:
        """Insert all rows, one statement for each table."""
        many: dict[int, tuple[sa.Connection, sa.Insert, list[dict[str, Any]]]] = {}
        for connection, statement, row in self.rows:
            many.setdefault(id(statement), (connection, statement, []))[2].append(row)
        self.rows.clear()
        for connection, statement, rows in many.values():
            connection.execute(statement, rows)

    def has_link(self, table: HostTable, host_key: HostKey) -> bool:
        """Say whether a row of the host has its link among what is still to be inserted."""
        named = table.link_values(host_key).items()
        return any(
            statement.table is table.links and named <= row.items()
            for _, statement, row in self.rows
        )
