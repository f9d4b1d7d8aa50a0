"""The client that portal teams have, and a counter of what a request costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from flask_scim_provisioning.testing import ScimClient
from flask_scim_provisioning.testing.client import PATCH_OP, SEARCH_REQUEST

__all__ = ["PATCH_OP", "SEARCH_REQUEST", "Cost", "ScimClient", "counted"]


@dataclass
class Cost:
    """What was sent to the database, and how many rows came back."""

    statements: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def count(self) -> int:
        """The number of statements."""
        return len(self.statements)


class _CountingCursor:
    """A DBAPI cursor that counts the rows that are fetched from it."""

    def __init__(self, cursor: Any, cost: Cost) -> None:
        self._cursor = cursor
        self._cost = cost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        for row in self._cursor:
            self._cost.rows += 1
            yield row

    def fetchone(self) -> Any:
        row = self._cursor.fetchone()
        self._cost.rows += row is not None
        return row

    def fetchmany(self, *size: int) -> Any:
        return self._count(self._cursor.fetchmany(*size))

    def fetchall(self) -> Any:
        return self._count(self._cursor.fetchall())

    def _count(self, rows: Any) -> Any:
        self._cost.rows += len(rows)
        return rows


@contextmanager
def counted(engine: sa.Engine) -> Iterator[Cost]:
    """Count the statements that an engine runs inside the block, and the rows that they give."""
    cost = Cost()

    def executed(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        cost.statements.append(statement)
        context.cursor = _CountingCursor(cursor, cost)

    sa.event.listen(engine, "after_cursor_execute", executed)
    try:
        yield cost
    finally:
        sa.event.remove(engine, "after_cursor_execute", executed)
