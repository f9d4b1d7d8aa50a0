"""Keys that a database gives away a second time, and the links of whom had them before.

An id is never somebody else's (RFC 7643 section 3.1). A foreign key sees to that where it is
enforced. SQLite enforces none unless each connection asks for it, and gives the key of the last row
to the next one when that is deleted; there a new row takes over no link that is left. What the ORM
inserts is seen one by one; other inserts, also those in SQL, by what an engine executes.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstanceState, Mapper

from ..host.keys import HostKey
from ..host.links import own_column
from ..host.listening import listen
from ..host.tables import HostTable
from ..sql.backends import chunks

__all__ = ["KeyGuard", "are_enforced", "guard_engine", "orphans_of"]

_INSERT = re.compile(
    r"\s*(?:INSERT|REPLACE)(?:\s+OR\s+\w+)?\s+INTO\s+(?:[\"`\[]?\w+[\"`\]]?\.)?[\"`\[]?(\w+)",
    re.IGNORECASE,
)
_FLUSHING = "scim_flushing"
_ENFORCED = "scim_enforced"
"""Keys of Connection.info."""

_GUARDS: weakref.WeakKeyDictionary[type[Any], KeyGuard] = weakref.WeakKeyDictionary()
_GUARDED: weakref.WeakKeyDictionary[sa.Engine, set[KeyGuard]] = weakref.WeakKeyDictionary()


def are_enforced(connection: sa.Connection, links: sa.Table) -> bool:
    """Say whether the database itself lets links go with the rows that they belong to."""
    if not links.foreign_key_constraints:
        return False
    if connection.dialect.name != "sqlite":
        return True
    known: bool | None = connection.info.get(_ENFORCED)
    if known is None:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys")
        row = cursor.fetchone()
        cursor.close()
        known = connection.info[_ENFORCED] = bool(row and row[0])
    return known


def guard_engine(engine: sa.Engine, models: Iterable[type[Any]]) -> None:
    """See the inserts that reach a database without the ORM, on an engine of SQLite's.

    :param models: the host's models of users and groups.
    """
    if engine.dialect.name != "sqlite":
        return
    guards = _GUARDED.get(engine)
    if guards is None:
        guards = _GUARDED[engine] = set()

        def before_cursor_execute(
            connection: sa.Connection, _cursor: Any, statement: str, *_more: Any
        ) -> None:
            found = _INSERT.match(statement)
            name = found[1].lower() if found is not None else None
            for guard in guards if name is not None else ():
                if guard.table_name == name:
                    guard.before_insert_of_many(connection)

        sa.event.listen(engine, "before_cursor_execute", before_cursor_execute)
    guards.update(_GUARDS[model] for model in models if model in _GUARDS)


def orphans_of(table: HostTable) -> sa.Select[Any]:
    """Return the statement of the ids of links whose row is gone, whatever SCIM may see."""
    mapper = table.mapper
    own = [own_column(mapper, key) for key in mapper.primary_key]
    same = (mine == theirs for mine, theirs in zip(table.link_key.columns, own, strict=True))
    there = sa.exists().select_from(own[0].table).where(*same).correlate(table.links)
    return sa.select(table.links.c.id).where(~there)


class KeyGuard:
    """Keeps the links of one table from passing to new rows.

    :ivar table_name: the table whose rows get the keys, in lower case.
    """

    def __init__(self, table: HostTable, external_ids: sa.Table) -> None:
        links = table.links
        self._links = links
        self._mapper = _top(table.mapper)
        self._there: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
        self.table_name = str(getattr(self._mapper.local_table, "name", "")).lower()
        self._key = table.link_key
        gone: Any = sa.bindparam("ids", expanding=True)
        self._named = sa.select(links.c.id).where(table.link_key.equals("host_key"))
        self._orphans = orphans_of(table)
        self._forget = (
            sa.delete(external_ids).where(
                external_ids.c.resource_type == table.name, external_ids.c.link_id.in_(gone)
            ),
            sa.delete(links).where(links.c.id.in_(gone)),
        )
        _GUARDS[table.model] = self
        listen(self._mapper, "before_insert", self._before_insert)
        listen(self._mapper, "after_insert", self._after_insert)
        listen(self._mapper, "after_delete", self._after_delete)

    def _before_insert(self, _: Any, connection: sa.Connection, _state: InstanceState[Any]) -> None:
        if not are_enforced(connection, self._links):
            _note_flushing(connection, 1)

    def _after_insert(self, _: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
        if not are_enforced(connection, self._links):
            _note_flushing(connection, -1)
            self._forget_key(connection, state)

    def _after_delete(self, _: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
        if not are_enforced(connection, self._links):
            self._forget_key(connection, state)

    def before_insert_of_many(self, connection: sa.Connection) -> None:
        """Forget every link whose row is gone, before a statement inserts rows."""
        if not _is_flushing(connection) and not are_enforced(connection, self._links):
            self._forget_links(connection, self._orphans, {})

    def _forget_key(self, connection: sa.Connection, state: InstanceState[Any]) -> None:
        values = self._mapper.primary_key_from_instance(state.obj())
        key: HostKey = values[0] if len(values) == 1 else tuple(values)
        self._forget_links(connection, self._named, self._key.parameters("host_key", key))

    def _forget_links(
        self, connection: sa.Connection, which: sa.Select[Any], parameters: dict[str, Any]
    ) -> None:
        if not self._is_there(connection):
            return
        ids = connection.scalars(which, parameters).all()
        for part in chunks(ids):
            for statement in self._forget:
                connection.execute(statement, {"ids": part})

    def _is_there(self, connection: sa.Connection) -> bool:
        """Say whether the table is there: a portal before its migration goes on as before."""
        if connection.engine not in self._there:
            schema = connection.schema_for_object(self._links)
            if sa.inspect(connection).has_table(self._links.name, schema):
                self._there.add(connection.engine)
        return connection.engine in self._there


def _top(mapper: Mapper[Any]) -> Mapper[Any]:
    """Return the mapper of a hierarchy whose table gives the keys."""
    while mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    return mapper


def _note_flushing(connection: sa.Connection, more: int) -> None:
    """Count the rows that a flush is inserting; a transaction that fails takes its count along."""
    transaction = connection.get_nested_transaction() or connection.get_transaction()
    kept, count = connection.info.get(_FLUSHING, (None, 0))
    if kept is None or kept() is not transaction:
        count = 0
    connection.info[_FLUSHING] = (weakref.ref(transaction) if transaction else None, count + more)


def _is_flushing(connection: sa.Connection) -> bool:
    transaction = connection.get_nested_transaction() or connection.get_transaction()
    kept, count = connection.info.get(_FLUSHING, (None, 0))
    return kept is not None and kept() is transaction and count > 0
