"""Rows of the extension's own that many creations in one transaction insert at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

__all__ = ["Later"]


@dataclass(slots=True)
class Later:
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

    def links(self, table: sa.FromClause, host_key: Any) -> bool:
        """Say whether a row of the host has its link among what is still to be inserted."""
        return any(
            statement.table is table and row["host_id"] == host_key
            for _, statement, row in self.rows
        )
