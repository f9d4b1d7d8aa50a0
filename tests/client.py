"""A small SCIM client over Flask's test client, and a counter of what a request costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

__all__ = ["Cost", "ScimClient", "counted"]

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


class ScimClient:
    """Speaks to one integration's endpoint with a bearer token.

    :param base: the path that the SCIM endpoint begins with, such as
        ``/api/v1/main/integrations/<id>/scim/v2``; every ``path`` below is relative to it.
    """

    def __init__(self, app: Flask, base: str, token: str | None) -> None:
        self.app = app
        self.base = base
        self.token = token

    def with_token(self, token: str | None) -> ScimClient:
        """Return a client of the same endpoint with another token, or with none."""
        return ScimClient(self.app, self.base, token)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        content_type: str | None = "application/scim+json",
    ) -> TestResponse:
        """Send one request.

        :param body: JSON to be, or ``bytes`` and ``str`` that are sent as they are.
        """
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = body
        if body is not None and not isinstance(body, bytes | str):
            data = json.dumps(body)
        return self.app.test_client().open(
            f"{self.base}{path}",
            method=method,
            data=data,
            headers=sent,
            query_string=dict(query) if query else None,
            content_type=content_type if data is not None else None,
        )

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, **query: Any
    ) -> TestResponse:
        """GET; the other keywords are query parameters: ``get("/Users", filter=..., count=1)``."""
        return self.request("GET", path, headers=headers, query=query)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        """POST a resource."""
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any, **options: Any) -> TestResponse:
        """PUT a resource."""
        return self.request("PUT", path, body, **options)

    def patch(
        self, path: str, operations: Sequence[Mapping[str, Any]], **options: Any
    ) -> TestResponse:
        """PATCH with these operations (RFC 7644 section 3.5.2)."""
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        return self.request("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE a resource."""
        return self.request("DELETE", path, **options)

    def search(self, path: str, **parameters: Any) -> TestResponse:
        """POST to ``.search`` (RFC 7644 section 3.4.3); parameters have their JSON names."""
        body = {"schemas": [SEARCH_REQUEST], **parameters}
        return self.request("POST", f"{path}/.search", body)


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
