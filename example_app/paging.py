"""One page of a long list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from flask import request

from .database import db

__all__ = ["Page", "contains", "page_of"]

_SIZE = 25


@dataclass(frozen=True)
class Page:
    """Some rows, and where they stand among all."""

    rows: list[Any]
    number: int
    total: int

    @property
    def first(self) -> int:
        """The position of the first row, from 1; 0 when there is none."""
        return (self.number - 1) * _SIZE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The position of the last row."""
        return (self.number - 1) * _SIZE + len(self.rows)

    @property
    def previous_url(self) -> str | None:
        """The page before this one."""
        return self._url(self.number - 1) if self.number > 1 else None

    @property
    def next_url(self) -> str | None:
        """The page after this one."""
        return self._url(self.number + 1) if self.last < self.total else None

    def _url(self, number: int) -> str:
        kept = {key: value for key, value in request.args.items() if key != "page" and value}
        # Not by url_for, which takes "endpoint" and the like from the address for its own.
        return f"{request.script_root}{quote(request.path)}?{urlencode({**kept, 'page': number})}"


def page_of(statement: sa.Select[Any]) -> Page:
    """Return the page that the request asks for (``?page=2``)."""
    number = max(1, min(request.args.get("page", 1, type=int), 100_000))
    counted = statement.with_only_columns(sa.func.count(), maintain_column_froms=True)
    total = db.session.scalar(counted.order_by(None)) or 0
    rows = db.session.execute(statement.limit(_SIZE).offset((number - 1) * _SIZE)).all()
    return Page([row[0] if len(row) == 1 else row for row in rows], number, total)


def contains(text: str, *columns: Any) -> sa.ColumnElement[bool]:
    """Say whether each word of the text is found in one of the columns, whatever its case."""
    return sa.and_(
        *(
            sa.or_(*(column.icontains(word, autoescape=True) for column in columns))
            for word in text.split()
        )
    )
