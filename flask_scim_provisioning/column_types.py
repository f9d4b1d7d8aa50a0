"""The types of the extension's own columns, the same whatever the host's engine is.

Each is rendered by migration tools as the type of SQLAlchemy's that makes the same column.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = [
    "JsonDocument",
    "UtcDateTime",
    "case_exact_string",
    "instant",
    "milliseconds",
    "scim_id",
    "searchable_json",
    "sha256",
]

# Alembic writes a type into a migration as its class's module and its repr() say. With those of the
# SQLAlchemy type that makes the same column, a migration needs nothing of the extension.
_AS_SQLALCHEMY = "sqlalchemy.types"
_AS_MYSQL = "sqlalchemy.dialects.mysql"
_AS_POSTGRESQL = "sqlalchemy.dialects.postgresql"


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant: aware on both sides, UTC in the database, with microseconds.

    SQLite and MariaDB lose the time zone, so it is converted on the way in and put back on the
    way out.
    """

    __module__ = _AS_SQLALCHEMY
    impl = sa.DateTime
    cache_ok = True

    def __repr__(self) -> str:
        return "DateTime(timezone=True)"

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type that keeps a zone or, failing that, microseconds."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive value, because it would mean another instant on every machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("UtcDateTime needs an aware datetime: use datetime.now(UTC).")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Give the instant back, always in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _MicrosecondsOnMysql(UtcDateTime):
    """The same, as migrations write it for MySQL and MariaDB."""

    __module__ = _AS_MYSQL
    cache_ok = True

    def __repr__(self) -> str:
        return "DATETIME(fsp=6)"


def instant() -> UtcDateTime:
    """Return the type of an instant in the extension's own tables."""
    return UtcDateTime().with_variant(_MicrosecondsOnMysql(), "mysql", "mariadb")


class _JsonText(FunctionElement[str]):
    """The text of a JSON column, which no driver has read on the way."""

    type = sa.Text()
    name = "scim_json_text"
    inherit_cache = True


class _JsonFromText(FunctionElement[Any]):
    """JSON from its text, as the column wants it."""

    name = "scim_json_from_text"
    inherit_cache = True

    def __init__(self, text: Any, kind: sa.types.TypeEngine[Any]) -> None:
        super().__init__(text)
        self.type = kind


@compiles(_JsonText)
@compiles(_JsonFromText)
def _as_it_is(element: Any, compiler: Any, **kwargs: Any) -> str:
    return cast("str", compiler.process(element.clauses, **kwargs))


@compiles(_JsonText, "postgresql")
def _text_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"


@compiles(_JsonFromText, "postgresql")
def _json_on_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS {element.type.sql_name})"


class JsonDocument(sa.TypeDecorator[Any]):
    """JSON that is written and read here; None is NULL.

    A host gives its engine a ``json_serializer`` and a ``json_deserializer`` for its own columns:
    one that makes ``Decimal`` of numbers, or bytes of documents. What the extension keeps isn't
    theirs.
    """

    __module__ = _AS_SQLALCHEMY
    impl = sa.JSON
    cache_ok = True
    sql_name = "JSON"

    def __repr__(self) -> str:
        return "JSON()"

    def bind_expression(self, bindparam: Any) -> Any:
        """Send text, and let PostgreSQL make JSON of it."""
        return _JsonFromText(bindparam, self)

    def column_expression(self, column: Any) -> Any:
        """Ask for text, because drivers of PostgreSQL read JSON by the host's function."""
        return sa.type_coerce(_JsonText(column), self)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Return the writer."""
        return write_json

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Return the reader."""
        return read_json


class _JsonbOnPostgresql(JsonDocument):
    """The same in the form that PostgreSQL searches."""

    __module__ = _AS_POSTGRESQL
    cache_ok = True
    sql_name = "JSONB"

    def __repr__(self) -> str:
        return "JSONB()"

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Take PostgreSQL's own type."""
        return dialect.type_descriptor(postgresql.JSONB())


def searchable_json() -> JsonDocument:
    """Return the type of JSON that filters look into."""
    return JsonDocument().with_variant(_JsonbOnPostgresql(), "postgresql")


def write_json(value: Any) -> str | None:
    """Return the text of a JSON document, ASCII; None for none."""
    return None if value is None else json.dumps(value)


def read_json(value: Any) -> Any:
    """Return a JSON document from its text; None for none."""
    # What looks like a number, SQLite keeps as one in a column that it doesn't take for text.
    return value if value is None or isinstance(value, int | float) else json.loads(value)


def case_exact_string(length: int) -> sa.String:
    """Return a string type that compares case-sensitively on every database.

    MySQL and MariaDB compare without case by default; SQLite and PostgreSQL never do.
    """
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(binary, "mysql", "mariadb")


def scim_id() -> sa.String:
    """Return the type of a resource's SCIM id: a UUID as text, so that reading converts nothing."""
    ascii_only = mysql.CHAR(36, charset="ascii", collation="ascii_bin")
    return sa.String(36).with_variant(ascii_only, "mysql", "mariadb")


def sha256() -> sa.LargeBinary:
    """Return the type of a SHA-256; MySQL makes this of BLOB(32), and migration tools compare."""
    return sa.LargeBinary(32).with_variant(mysql.TINYBLOB(), "mysql", "mariadb")


def milliseconds() -> sa.Float[float]:
    """Return the type of a duration; MySQL makes this of FLOAT(53), and migration tools compare."""
    return sa.Float(53).with_variant(mysql.DOUBLE(asdecimal=False), "mysql", "mariadb")
