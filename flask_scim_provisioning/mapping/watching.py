"""The host's own writes: they move the version of what SCIM has answered, as SCIM's writes do.

Only the ORM tells what it writes. ``update(User)``, ``Session.bulk_update_mappings`` and SQL go
unseen, and so does what the database does by itself, such as ``ON DELETE CASCADE``.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.exc import UnmappedColumnError
from sqlalchemy.sql import visitors

from .links import moment
from .membership import MembersBinding
from .relations import ValuesBinding

if TYPE_CHECKING:
    from .resources import ResourceMapping

__all__ = ["own_writes", "touch", "watch"]

# Keys of Session.info.
_WRITING = "scim_writing"
_MOVED = "scim_moved"


def watch(mapping: ResourceMapping) -> None:
    """See what the host's ORM writes to the attributes of a mapping, from now on.

    Mappings over the same link table share one watch, so that each write counts once, however many
    applications there are.
    """
    found: _Watch | None = mapping.link.watch
    if found is None:
        found = mapping.link.watch = _Watch(mapping.links)
    found.see_rows(mapping.mapper, {*_attributes(mapping), *_secondary(mapping)})
    for owner, columns in _related(mapping):
        for mapper in mapping.mapper.registry.mappers:
            if mapper.local_table is owner.table and not mapper.single:
                name = mapper.get_property_by_column(owner).key
                found.see_related(mapper, name, set(_names(mapper, columns)))


@contextmanager
def own_writes(mapping: ResourceMapping, session: Session, entity: Any) -> Iterator[None]:
    """Let the flushes inside be SCIM's own, as far as one resource goes: it moves its version.

    What listeners of the host change of others meanwhile counts.
    """
    session.info[_WRITING] = (mapping.links, entity, mapping.key_name)
    try:
        yield
    finally:
        del session.info[_WRITING]


def touch(link: type[Any], key: Any, conditions: Iterable[Any]) -> sa.Update:
    """Return the statement that moves the version of each host row that meets the conditions.

    :param link: the link's model.
    :param key: the primary key column of the host's model.
    """
    links = link.__table__
    return (
        sa.update(links)
        .where(links.c.host_id.in_(sa.select(key).where(*conditions)))
        .values(version=links.c.version + 1, last_modified=moment())
    )


def _columns(expressions: Iterable[Any]) -> Iterator[sa.Column[Any]]:
    for expression in expressions:
        for part in visitors.iterate(expression):
            if isinstance(part, sa.Column):
                yield part


def _names(mapper: Mapper[Any], expressions: Iterable[Any]) -> Iterator[str]:
    """Return the attributes of a mapper that SQL expressions read, inside subqueries too."""
    for column in _columns(expressions):
        try:
            yield mapper.get_property_by_column(column).key
        except UnmappedColumnError:
            continue  # of another table: a role that is looked up, the link


def _attributes(mapping: ResourceMapping) -> Iterator[str]:
    for binding in mapping.bindings.values():
        yield from _names(mapping.mapper, binding.expressions)


def _secondary(mapping: ResourceMapping) -> Iterator[str]:
    """Return the relationships whose plain secondary table has the members of a group."""
    owners = [owner for owner, _ in _related(mapping)]
    for prop in mapping.mapper.relationships:
        near = [column for _, column in prop.synchronize_pairs]
        if prop.secondary is not None and any(owner in near for owner in owners):
            yield prop.key


def _related(mapping: ResourceMapping) -> Iterator[tuple[sa.Column[Any], list[Any]]]:
    """Return where related rows name the resource that they are a part of, and what they say."""
    for binding in mapping.bindings.values():
        if isinstance(binding, ValuesBinding) and binding.parent is mapping.key:
            yield binding.child, binding.columns
        elif isinstance(binding, MembersBinding):
            for members in binding.kinds:
                _, group, member = members.store.rows()
                owner = _plain(group)
                if owner is not None:
                    # Where a team's own store has a mapped table, its rows can be seen as well.
                    yield owner, [_plain(member)]


def _plain(column: Any) -> Any:
    """Return the column of the host's table, where it is one or an alias has it; else None."""
    table = getattr(column, "table", None)
    table = getattr(table, "element", table)
    return table.c.get(column.key) if isinstance(table, sa.Table) else None


class _Watch:
    """What is seen for one link table."""

    def __init__(self, links: sa.Table) -> None:
        self._links = links
        self._seen: dict[tuple[Mapper[Any], str | None], set[str]] = {}
        self._there: weakref.WeakKeyDictionary[sa.Engine, set[str | None]]
        self._there = weakref.WeakKeyDictionary()
        self._move = (
            sa.update(links)
            .where(links.c.host_id == sa.bindparam("host_key"))
            .values(version=links.c.version + 1, last_modified=sa.bindparam("now"))
        )

    def see_rows(self, mapper: Mapper[Any], names: set[str]) -> None:
        """See changes of these attributes of the resource's own rows."""
        if (mapper, None) in self._seen:
            self._seen[mapper, None].update(names)
            return
        self._seen[mapper, None] = names

        # The link is written before the row: SCIM locks them in this order, and who did it the
        # other way round would now and then be the victim of a deadlock.
        def before_update(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            if state.identity is not None and _changed(state, names):
                self._touch(connection, state, [state.identity[0]])

        sa.event.listen(mapper, "before_update", before_update, raw=True, propagate=True)

    def see_related(self, mapper: Mapper[Any], owner: str, names: set[str]) -> None:
        """See rows that come, go or change, and are a part of the resource that ``owner`` names."""
        if (mapper, owner) in self._seen:
            self._seen[mapper, owner].update(names)
            return
        self._seen[mapper, owner] = names

        def come_or_go(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            self._touch(connection, state, [state.attrs[owner].value])

        def before_update(_: Any, connection: sa.Connection, state: InstanceState[Any]) -> None:
            if _changed(state, {owner, *names}):
                before = state.attrs[owner].history.deleted or ()
                self._touch(connection, state, [*before, state.attrs[owner].value])

        for event in ("before_insert", "before_delete"):
            sa.event.listen(mapper, event, come_or_go, raw=True, propagate=True)
        sa.event.listen(mapper, "before_update", before_update, raw=True, propagate=True)

    def _touch(
        self, connection: sa.Connection, state: InstanceState[Any], keys: Iterable[Any]
    ) -> None:
        session = state.session
        for key in keys:
            if key is None or session is None or self._is_own(session, key):
                continue
            moved = _moved(session)
            if (self._links, key) not in moved and self.is_there(connection):
                moved.add((self._links, key))
                connection.execute(self._move, {"host_key": key, "now": moment()})

    def _is_own(self, session: Session, key: Any) -> bool:
        links, entity, name = session.info.get(_WRITING, (None, None, ""))
        return links is self._links and bool(getattr(entity, name) == key)

    def is_there(self, connection: sa.Connection) -> bool:
        """Say whether the table is there: a portal before its migration goes on as before.

        It is looked for until it is found, once in each schema of each database.
        """
        schema = connection.schema_for_object(self._links)
        there = self._there.setdefault(connection.engine, set())
        if schema not in there and sa.inspect(connection).has_table(self._links.name, schema):
            there.add(schema)
        return schema in there


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
