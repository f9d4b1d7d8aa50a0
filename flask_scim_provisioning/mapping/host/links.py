"""The link tables: what SCIM knows of one row of the host, without touching the host's table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ...models import UtcDateTime, scim_id, utcnow
from ..errors import MappingError
from .ids import new_id

__all__ = ["Link", "StoredJson", "declare_link", "primary_key_of"]

StoredJson = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


# SQLAlchemy takes several names, and its types say one.
_PARTIAL: Any = ("sqlite", "postgresql")
_WHOLE: Any = ("mysql", "mariadb")


class Link:
    """One row for each host row that SCIM knows.

    ``id`` is the resource's SCIM id, a UUID kept as text so that reading 100,000 members converts
    nothing; it changes only when a deleted resource is created anew.
    ``deleted`` marks a host row that SCIM has deleted and the host has kept: it is invisible to
    every identity provider until it is created again.
    ``others`` marks a row whose ``stored`` has further elements of an attribute of which the host
    keeps one; whoever searches for an e-mail address reads these rows beside the host's index.
    """

    id: Mapped[str] = mapped_column(scim_id(), primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    last_modified: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    deleted: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    stored: Mapped[dict[str, Any] | None] = mapped_column(StoredJson, default=None)
    others: Mapped[bool | None] = mapped_column(default=None)


def primary_key_of(model: type[Any]) -> sa.Column[Any]:
    """Return the primary key column of a host's model.

    :raises MappingError: when the key has several columns.
    """
    columns = list(sa.inspect(model).local_table.primary_key.columns)
    if len(columns) != 1:
        names = ", ".join(column.name for column in columns)
        raise MappingError(
            f"{model.__name__} has a composite primary key ({names}); a link needs one column: "
            "give the table a surrogate key, or map a model that has one."
        )
    key: sa.Column[Any] = columns[0]
    return key


def declare_link(base: type[DeclarativeBase], model: type[Any], resource: str) -> type[Any]:
    """Declare ``scim_<resource>_link`` on the host's base, with a typed foreign key to its row.

    :param base: the declarative base that the host's models are declared on.
    :param model: the host's model.
    :param resource: the SCIM resource type's name, ``"User"`` or ``"Group"``.
    """
    key = primary_key_of(model)
    name = resource.lower()
    host_id: Mapped[Any] = mapped_column(
        key.type, sa.ForeignKey(key, ondelete="CASCADE"), unique=True, nullable=False
    )
    prefix = f"ix_scim_{name}_link"
    return type(
        f"Scim{resource}Link",
        (Link, base),
        {
            "__tablename__": f"scim_{name}_link",
            "__table_args__": (
                *_marks(prefix, "deleted", "gone"),
                *_marks(prefix, "others", "more"),
            ),
            "__doc__": f"What SCIM knows of one {model.__name__}.",
            "host_id": host_id,
        },
    )


def _marks(prefix: str, column: str, whole: str) -> tuple[sa.Index, sa.Index]:
    """Index the few rows that are marked by a value in a column.

    An index of all rows would tempt SQLite to walk it for ``IS NULL``; MariaDB has no other.
    """
    marked = sa.text(f"{column} IS NOT NULL")
    return (
        sa.Index(
            f"{prefix}_{column}", "host_id", sqlite_where=marked, postgresql_where=marked
        ).ddl_if(dialect=_PARTIAL),
        sa.Index(f"{prefix}_{whole}", column, "host_id").ddl_if(dialect=_WHOLE),
    )
