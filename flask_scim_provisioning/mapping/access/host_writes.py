"""The host's own writes: they move the version of what SCIM has answered, as SCIM's writes do.

Only the ORM tells what it writes. ``update(User)``, ``Session.bulk_update_mappings`` and SQL go
unseen, and so does what the database does by itself, such as ``ON DELETE CASCADE``.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstanceState, Mapper, Session

from ..bindings.base import Watched
from ..host.ids import moment
from ..host.keys import HostKey, KeyColumns
from ..host.listening import listen
from ..host.making import names_in
from ..host.own_writes import is_own_write
from ..host.own_writes import own_writes as host_own_writes
from ..host.tables import HostTable
from ..resources import ResourceMapping
from .reused_keys import KeyGuard

__all__ = ["own_writes", "touch", "watch"]

# A key of Session.info.
_MOVED = "scim_moved"


def watch(mapping: ResourceMapping) -> None:
    """See what the host's ORM writes to the attributes of a mapping, from now on.

    Mappings over the same link table share one watch, so that each write counts once, however many
    applications there are.
    """
    table = mapping.table
    found: _Watch | None = table.link.watch
    if found is None:
        found = table.link.watch = _Watch(table)
        KeyGuard(table, mapping.models.external_id.__table__)
    found.see_rows(table.mapper, {*_secondary(mapping)}.union(*mapping.names.values()))
    for rows in _related(mapping):
        owners = [_plain(column) for column in rows.owner]
        if any(owner is None for owner in owners):
            continue  # a team's own store may have no mapped table
        columns = [_plain(column) for column in rows.columns]
        for mapper in table.mapper.registry.mappers:
            if mapper.local_table is owners[0].table and not mapper.single:
                names = tuple(mapper.get_property_by_column(owner).key for owner in owners)
                found.see_related(mapper, names, set(names_in(mapper, columns)))


@contextmanager
def own_writes(mapping: ResourceMapping, session: Session, entity: Any) -> Iterator[None]:
    """Let the flushes inside be SCIM's own, as far as one resource goes: it moves its version.

    What listeners of the host change of others meanwhile counts.
    """
    table = mapping.table
    # A new row has no key before it is flushed.
    with host_own_writes(table, session, lambda key: bool(table.key_of(entity) == key)):
        yield


def touch(link: type[Any], key: KeyColumns, conditions: Iterable[Any]) -> sa.Update:
    """Return the statement that moves the version of each host row that meets the conditions.

    :param link: the link's model.
    :param key: the primary key of the host's model, see ``primary_key_of``.
    """
    links: sa.Table = link.__table__
    kept = KeyColumns(tuple(column for column in links.c if column.name.startswith("host_")))
    return (
        sa.update(links)
        .where(kept.inside(sa.select(*key.columns).where(*conditions)))
        .values(version=links.c.version + 1, last_modified=moment())
    )


def _secondary(mapping: ResourceMapping) -> Iterator[str]:
    """Return the relationships whose plain secondary table has the members of a group."""
    owners = {_plain(column) for rows in _related(mapping) for column in rows.owner}
    for prop in mapping.table.mapper.relationships:
        near = [column for _, column in prop.synchronize_pairs]
        if prop.secondary is not None and any(owner in near for owner in owners):
            yield prop.key


def _related(mapping: ResourceMapping) -> Iterator[Watched]:
    """Return where related rows name the resource that they are a part of, and what they say."""
    for binding in mapping.bindings.values():
        yield from binding.watched()


def _plain(column: Any) -> Any:
    """Return the column of the host's table, where it is one or an alias has it; else None."""
    table = getattr(column, "table", None)
    table = getattr(table, "element", table)
    return table.c.get(column.key) if isinstance(table, sa.Table) else None


class _Watch:
    """What is seen for one link table."""

    def __init__(self, table: HostTable) -> None:
        links = table.links
        self._table, self._links = table, links
        self._seen: dict[tuple[Mapper[Any], tuple[str, ...]], set[str]] = {}
        self._there: weakref.WeakKeyDictionary[sa.Engine, set[str | None]]
        self._there = weakref.WeakKeyDictionary()
        self._move = (
            sa.update(links)
            .where(table.link_key.equals("host_key"))
            .values(version=links.c.version + 1, last_modified=sa.bindparam("now"))
        )

    def see_rows(self, mapper: Mapper[Any], names: set[str]) -> None:
        """See changes of these attributes of the resource's own rows."""
        if (mapper, ()) in self._seen:
            self._seen[mapper, ()].update(names)
            return
        self._seen[mapper, ()] = names
        width = self._table.key.width

        # The link is written before the row: SCIM locks them in this order, and who did it the
        # other way round would now and then be the victim of a deadlock.
        def before_update(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            if state.identity is None or state.session is None:
                return
            key = state.identity[0] if width == 1 else tuple(state.identity)
            if not is_own_write(state.session, self._table, key) and _changed(state, names):
                self._touch(connection, state, [key])

        listen(mapper, "before_update", before_update)

    def see_related(self, mapper: Mapper[Any], owner: tuple[str, ...], names: set[str]) -> None:
        """See rows that come, go or change, and are a part of the resource that ``owner`` names."""
        if (mapper, owner) in self._seen:
            self._seen[mapper, owner].update(names)
            return
        self._seen[mapper, owner] = names

        def come_or_go(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            self._touch(connection, state, [_named(state, owner)])

        def before_update(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            if _changed(state, {*owner, *names}):
                self._touch(connection, state, [_formerly(state, owner), _named(state, owner)])

        for event in ("before_insert", "before_delete"):
            listen(mapper, event, come_or_go)
        listen(mapper, "before_update", before_update)

    def _touch(
        self, connection: sa.Connection, state: InstanceState[Any], keys: Sequence[HostKey | None]
    ) -> None:
        session = state.session
        for key in keys:
            if key is None or session is None or is_own_write(session, self._table, key):
                continue
            moved = _moved(session)
            if (self._links, key) not in moved and self.is_there(connection):
                moved.add((self._links, key))
                named = self._table.link_key.parameters("host_key", key)
                connection.execute(self._move, {**named, "now": moment()})

    def is_there(self, connection: sa.Connection) -> bool:
        """Say whether the table is there: a portal before its migration goes on as before.

        It is looked for until it is found, once in each schema of each database.
        """
        schema = connection.schema_for_object(self._links)
        there = self._there.setdefault(connection.engine, set())
        if schema not in there and sa.inspect(connection).has_table(self._links.name, schema):
            there.add(schema)
        return schema in there


def _named(state: InstanceState[Any], names: tuple[str, ...]) -> HostKey | None:
    """Return the key that a related row names its resource by; None where it names none."""
    values = tuple(state.attrs[name].value for name in names)
    if None in values:
        return None
    return values[0] if len(values) == 1 else values


def _formerly(state: InstanceState[Any], names: tuple[str, ...]) -> HostKey | None:
    """Return the key that it named until now, where that is another one."""
    before = [state.attrs[name].history.deleted for name in names]
    if not any(before):
        return None
    values = tuple(
        old[0] if old else state.attrs[name].value for name, old in zip(names, before, strict=True)
    )
    return values[0] if len(values) == 1 else values


def _changed(state: InstanceState[Any], names: Iterable[str]) -> bool:
    # A collection may get members from the other end without being loaded. Its history tells of
    # those only in later versions of SQLAlchemy than we ask for; the state knows them in all.
    pending = vars(state).get("_pending_mutations", ())
    return any(name in pending or state.attrs[name].history.has_changes() for name in names)


def _moved(session: Session) -> set[tuple[sa.Table, Any]]:
    """Return what this transaction has moved: nobody else sees what is between two moves.

    A savepoint that is rolled back takes its own moves with it.
    """
    transaction: Any = session.get_nested_transaction() or session.get_transaction()
    kept = session.info.get(_MOVED)
    if kept is None or kept[0]() is not transaction:
        kept = session.info[_MOVED] = (weakref.ref(transaction), set())
    found: set[tuple[sa.Table, Any]] = kept[1]
    return found
