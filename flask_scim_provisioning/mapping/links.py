"""The link tables: what SCIM knows of one row of the host, without touching the host's table."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..column_types import instant, scim_id, searchable_json
from ..constraints import foreign, index, named, unique
from ..models import utcnow
from .errors import MappingError

__all__ = [
    "Link",
    "StoredJson",
    "declare_link",
    "given_id",
    "may_be_id",
    "moment",
    "new_id",
    "primary_key_of",
]

StoredJson = searchable_json()


def new_id() -> str:
    """Return a new SCIM id, 36 characters."""
    return str(uuid.uuid4())


def moment() -> datetime:
    """Return the present instant as precisely as ``meta`` shows it: in milliseconds."""
    now = utcnow()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def may_be_id(text: str) -> bool:
    """Say whether a text can be compared with ids; no database takes NUL or half a surrogate."""
    return text.isascii() and text.isprintable()


def given_id(text: str) -> str:
    """Return an id as it is kept; GUIDs may differ in case.

    :raises ValueError: when it is none.
    """
    if not may_be_id(text):
        raise ValueError("this is no id of the service.")
    return text.lower()


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
                index(f"ix_{name}_deleted", "deleted", "host_id", only="deleted"),
                index(f"ix_{name}_others", "others", "host_id", only="others"),
            ),
            "__doc__": f"What SCIM knows of one {model.__name__}.",
            "host_id": host_id,
        },
    )
