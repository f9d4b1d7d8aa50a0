"""The link tables: what SCIM knows of one row of the host, without touching the host's table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column

from ...column_types import instant, scim_id, searchable_json
from ...constraints import foreign, index, named, unique
from ...models import utcnow
from .ids import new_id
from .keys import KeyColumns

__all__ = [
    "Link",
    "StoredJson",
    "declare_link",
    "key_names",
    "leads_to",
    "link_names",
    "own_column",
    "primary_key_of",
]

StoredJson = searchable_json()


class Link:
    """One row for each host row that SCIM knows.

    ``id`` is the resource's SCIM id, a UUID kept as text so that reading 100,000 members converts
    nothing; it changes only when a deleted resource is created anew.
    ``deleted`` marks a host row that SCIM has deleted and the host has kept: it is invisible to
    every identity provider until it is created again.
    ``others`` marks a row whose ``stored`` has further elements of an attribute of which the host
    keeps one; whoever searches for an e-mail address reads these rows beside the host's index.
    ``signed_out`` is when a directory has last ended the person's sessions; what was signed in
    before then isn't any more, also when the person is active again.
    ``local`` marks a row that the host had before and that no identity provider has written yet: it
    got its id because it was answered. It is false for who was disabled by the host when an
    identity provider took them over.
    ``deactivated`` says since when a directory wants somebody to be inactive. Who is inactive
    without it was deactivated by the portal itself.

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
    signed_out: Mapped[datetime | None] = mapped_column(instant(), default=None)
    local: Mapped[bool | None] = mapped_column(sa.Boolean(), default=None)
    deactivated: Mapped[datetime | None] = mapped_column(instant(), default=None)


def key_names(mapper: Mapper[Any]) -> tuple[str, ...]:
    """Return the attributes of a model that are its primary key, as its mapper has it."""
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


def link_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a link that keep the attributes of the host's key."""
    return ("host_id",) if len(names) == 1 else tuple(f"host_{name}" for name in names)


def primary_key_of(model: type[Any]) -> KeyColumns:
    """Return the primary key of a host's model, of one column or of several."""
    names = key_names(sa.inspect(model))
    return KeyColumns(tuple(getattr(model, name).expression for name in names))


def declare_link(
    base: type[DeclarativeBase], model: type[Any], resource: str, *, read_only: bool = False
) -> type[Any]:
    """Declare ``scim_<resource>_link``, with a typed foreign key to the host's row.

    A key of one column is kept in ``host_id``, one of several in ``host_<attribute>`` each.

    :param base: the extension's own base, over the metadata of the host's models.
    :param model: the host's model.
    :param resource: the SCIM resource type's name, ``"User"`` or ``"Group"``.
    :param read_only: whether the model may be a view, which no foreign key can refer to.
    """
    mapper: Mapper[Any] = sa.inspect(model)
    name = f"scim_{resource.lower()}_link"
    columns = link_names(key_names(mapper))
    constraints = [unique(*columns)]
    referred = None if read_only else _referred(mapper)
    if referred is not None:
        constraints.append(foreign(columns, referred))
    # Few rows are marked by a value in one of these.
    for mark in ("deleted", "others"):
        marked = f"{mark} IS NOT NULL"
        constraints.append(index(f"ix_{name}_{mark}", mark, *columns, only=marked))
    keys = zip(columns, mapper.primary_key, strict=True)
    return type(
        f"Scim{resource}Link",
        (Link, base),
        {
            "__tablename__": name,
            "__table_args__": named(base.metadata, name, *constraints),
            "__doc__": f"What SCIM knows of one {model.__name__}.",
            **{column: mapped_column(key.type, nullable=False) for column, key in keys},
        },
    )


def _referred(mapper: Mapper[Any]) -> tuple[sa.Column[Any], ...] | None:
    """Return the columns that a link's foreign key refers to, in the key's order.

    They are those of the model's own table: where a subclass has a row of its own beside its
    base's, the link goes with that one. None where no foreign key can refer to them.
    """
    own = tuple(own_column(mapper, key) for key in mapper.primary_key)
    tables = {column.table for column in own}
    table = own[0].table
    if len(tables) != 1 or not isinstance(table, sa.Table):
        return None
    wanted = set(own)
    uniques = [table.primary_key, *table.constraints]
    if any(
        isinstance(each, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
        and set(each.columns) == wanted
        for each in uniques
    ) or any(each.unique and set(each.columns) == wanted for each in table.indexes):
        return own
    return None


def own_column(mapper: Mapper[Any], key: Any) -> sa.Column[Any]:
    """Return the column of a mapper's own table that has a part of its key."""
    table = mapper.local_table
    if isinstance(table, sa.Table) and key.table is not table:
        for column in table.primary_key.columns:
            if leads_to(column, key):
                return column
    found: sa.Column[Any] = key
    return found


def leads_to(column: sa.Column[Any], key: Any) -> bool:
    """Say whether a column refers to a key, directly or by that of another class between them."""
    return any(
        each.column is key or leads_to(each.column, key)
        for each in column.foreign_keys
        if each.column is not column
    )
