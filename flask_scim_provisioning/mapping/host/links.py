"""The link tables: what SCIM knows of one row of the host, without touching the host's table."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ...models import (
    foreign,
    index,
    instant,
    named,
    scim_id,
    searchable_json,
    unique,
    utcnow,
)
from ..errors import MappingError
from .ids import new_id

__all__ = ["Link", "StoredJson", "declare_link", "primary_key_of"]

StoredJson = searchable_json()


class Link:
    """One row for each host row that SCIM knows.

    ``id`` is the resource's SCIM id, a UUID kept as text so that reading 100,000 members converts
    nothing; it changes only when a deleted resource is created anew.
    ``deleted`` marks a host row that SCIM has deleted and the host has kept: it is invisible to
    every identity provider until it is created again.
    ``others`` marks a row whose ``stored`` has further elements of an attribute of which the host
    keeps one; whoever searches for an e-mail address reads these rows beside the host's index.

    :cvar watch: what sees the host's own changes of these rows. ``Table.info`` is no place for it:
        migration tools render what they find there.
    """

    watch: ClassVar[Any] = None

    id: Mapped[str] = mapped_column(scim_id(), primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(sa.Integer(), default=1)
    created: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    last_modified: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    deleted: Mapped[datetime | None] = mapped_column(instant(), default=None)
    stored: Mapped[dict[str, Any] | None] = mapped_column(StoredJson, default=None)
    others: Mapped[bool | None] = mapped_column(sa.Boolean(), default=None)


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
    """Declare ``scim_<resource>_link``, with a typed foreign key to the host's row.

    :param base: the extension's own base, over the metadata of the host's models.
    :param model: the host's model.
    :param resource: the SCIM resource type's name, ``"User"`` or ``"Group"``.
    """
    key = primary_key_of(model)
    name = f"scim_{resource.lower()}_link"
    host_id: Mapped[Any] = mapped_column(key.type, nullable=False)
    return type(
        f"Scim{resource}Link",
        (Link, base),
        {
            "__tablename__": name,
            "__table_args__": named(
                base.metadata,
                name,
                unique("host_id"),
                foreign("host_id", key),
                # Few rows are marked by a value in one of these.
                index(f"ix_{name}_deleted", "deleted", "host_id", only="deleted IS NOT NULL"),
                index(f"ix_{name}_others", "others", "host_id", only="others IS NOT NULL"),
            ),
            "__doc__": f"What SCIM knows of one {model.__name__}.",
            "host_id": host_id,
        },
    )
