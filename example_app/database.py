"""The database session, and how SQLite is set up."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

__all__ = ["db", "tune"]


class Base(DeclarativeBase):
    """The base of all models of the portal."""


db = SQLAlchemy(model_class=Base)


def tune(engine: sa.Engine) -> None:
    """Let SQLite serve readers while somebody writes, and let writers wait for each other."""
    if engine.dialect.name != "sqlite":
        return

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
