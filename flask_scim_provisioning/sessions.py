"""The session that use cases run in: one of the host's kind, and never the host's own.

What the host has pending in its own session, when a request of an identity provider or a page of
the console arrives, is neither committed nor rolled back here. So the use cases get a session of
their own, which is made as the host makes its sessions, so that its options and its listeners
count, and which works on one database connection: the one that the host writes users to.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from flask import g
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import Pool, QueuePool, SingletonThreadPool, StaticPool

from .mapping.access.reused_keys import guard_engine
from .scim.errors import TemporarilyUnavailable

__all__ = ["OwnSessions", "SessionSource", "is_autocommit"]

SessionSource: TypeAlias = "scoped_session[Any] | sessionmaker[Any] | Callable[[], Session]"

_OWN = "_scim_session"
_RETRY_AFTER = 5

# Only for backends whose dialect doesn't say what it begins with.
_LEVEL = "READ COMMITTED"


class OwnSessions:
    """Makes a session for each application context, and closes it at its end.

    :param source: The host's ``scoped_session``, its ``sessionmaker``, or a function that returns
        the session that the host works with at present.
    :param models: The host's models of users and groups.
    """

    def __init__(self, source: SessionSource, models: Sequence[type[Any]]) -> None:
        self._source = source
        self._models = models
        self._updates = [_update(sa.inspect(model)) for model in models]

    @property
    def current(self) -> Session:
        """The session of this application context.

        :raises RuntimeError: when users and groups live in two databases.
        :raises TemporarilyUnavailable: when the host is writing on the only connection there is.
        """
        session: Session | None = g.get(_OWN)
        if session is None:
            session = self._made()
            setattr(g, _OWN, session)
        return session

    @staticmethod
    def close(_error: BaseException | None = None) -> None:
        """Give the connection back; what wasn't committed is undone."""
        session: Session | None = g.pop(_OWN, None)
        if session is not None:
            session.close()

    def of_host(self) -> Session:
        """Return the session that the host works with at present.

        :raises RuntimeError: when the host has registered a ``sessionmaker``, which has none.
        """
        host = self._host()
        if isinstance(host, sessionmaker):
            raise RuntimeError(
                "A sessionmaker has no current session: pass the one to use, as session=..."
            )
        return cast("Session", host() if isinstance(host, scoped_session) else host)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the host's ``db.session`` be this session for the block.

        Setters, validators and listeners of the host's models write to ``db.session``, and an
        object belongs to one session only. What the host has pending waits until the block ends.
        """
        place = _place_of(self._host())
        if place is None:
            yield
            return
        before = place.get()
        place.put(self.current)
        try:
            yield
        finally:
            place.put(before)

    def require_writer(self) -> None:
        """Refuse at once what would wait in vain: SQLite has one writer, and it is the host.

        :raises TemporarilyUnavailable: when this request of the host has begun to write.
        """
        place = _place_of(self._host())
        host = None if place is None else place.get()
        if host is None or not host.in_transaction():
            return
        connection = host.connection(bind_arguments={"mapper": sa.inspect(self._models[0])})
        if connection.dialect.name == "sqlite" and _is_writing(connection.connection):
            raise _busy()

    def _host(self) -> scoped_session[Any] | sessionmaker[Any] | Session:
        source = self._source
        return source if isinstance(source, scoped_session | sessionmaker) else source()

    @property
    def host_autocommits(self) -> bool:
        """Whether the host's own connections commit each statement by itself."""
        host = self._host()
        bind = self._primary(host if isinstance(host, Session) else _like(host))
        return isinstance(bind, sa.Engine) and _way_of(bind).autocommit

    def _made(self) -> Session:
        host = self._host()
        session = _like(host)
        # What a session has been told of binds can't be handed on.
        bind = self._primary(host if isinstance(host, Session) else session)
        guard_engine(bind.engine, self._models)
        if isinstance(bind, sa.Engine):
            bind = _way_of(bind).apart or bind

        # A session of the host's kind may choose replicas for reading. A use case has one
        # connection, and it is the one for writing.
        def get_bind(*_: Any, bind: Any = bind, **__: Any) -> Any:
            return bind

        session.get_bind = get_bind  # type: ignore[method-assign]
        return session

    def _primary(self, session: Session) -> sa.Engine | sa.Connection:
        binds = [
            _writer(session, sa.inspect(model), update)
            for model, update in zip(self._models, self._updates, strict=True)
        ]
        if any(bind.engine.pool is not binds[0].engine.pool for bind in binds):
            names = " and ".join(model.__name__ for model in self._models)
            raise RuntimeError(
                f"{names} live in two databases, and one transaction can't span them: keep users "
                "and groups in one database, or register users only."
            )
        return binds[0]


def _update(mapper: Any) -> Any:
    table = mapper.local_table
    return sa.update(table) if isinstance(table, sa.Table) else table


def _like(host: scoped_session[Any] | sessionmaker[Any] | Session) -> Session:
    """Return a new session of the host's kind."""
    if isinstance(host, scoped_session):
        return cast("Session", host.session_factory())
    if isinstance(host, sessionmaker):
        return cast("Session", host())
    return type(host)(
        bind=host.bind,
        autoflush=host.autoflush,
        expire_on_commit=host.expire_on_commit,
        info=dict(host.info),
    )


def _writer(session: Session, mapper: Any, update: Any) -> sa.Engine | sa.Connection:
    """Ask a session where it would write; recipes for replicas look at one of these two."""
    flushing = session._flushing  # noqa: SLF001 - SQLAlchemy's own recipe for replicas reads it
    session._flushing = True  # noqa: SLF001
    try:
        return session.get_bind(mapper=mapper, clause=update)
    finally:
        session._flushing = flushing  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the host keeps the session that it works with at present."""

    get: Callable[[], Session | None]
    put: Callable[[Session | None], None]


def _place_of(host: scoped_session[Any] | sessionmaker[Any] | Session) -> _Place | None:
    if isinstance(host, sessionmaker):
        return None
    if isinstance(host, scoped_session):
        registry = host.registry

        def put(session: Session | None) -> None:
            if session is None:
                registry.clear()
            else:
                registry.set(session)

        return _Place(lambda: registry() if registry.has() else None, put)
    # Flask-SQLAlchemy-Lite has no function for it.
    sessions: dict[str, Any] = g.get("_sqlalchemy_sessions", {})
    name = next((name for name, session in sessions.items() if session is host), None)
    if name is None:
        return None
    return _Place(lambda: host, lambda found: sessions.update({name: found}))


@dataclass(frozen=True, slots=True)
class _Way:
    """How an engine of the host's is used.

    :ivar apart: an engine over connections of our own, where the host's can't be used.
    :ivar autocommit: whether the host's commit each statement by itself.
    :ivar process: whose connections these are; a fork shares none.
    """

    apart: sa.Engine | None
    autocommit: bool
    process: int


# By pool and isolation level: a host may make an engine with options for every statement.
_ways: WeakKeyDictionary[Pool, dict[Any, _Way]] = WeakKeyDictionary()
_finding = threading.Lock()


def _way_of(engine: sa.Engine) -> _Way:
    """Find out how an engine can be used so that a refusal changes nothing, and nobody waits.

    An engine in AUTOCOMMIT has written what a rollback should undo. A pool of one connection that
    the host's session holds would be waited for until the request ends.
    """
    if isinstance(engine.pool, StaticPool) and _is_writing(engine.pool.connection):
        raise _busy()
    level = engine.get_execution_options().get("isolation_level")
    known = _ways.setdefault(engine.pool, {})
    way = known.get(level)
    if way is None or way.process != os.getpid():
        with _finding:
            way = known[level] = _found(engine)
    return way


def _found(engine: sa.Engine) -> _Way:
    apart = _apart(engine) if _has_one_connection(engine.pool) else None
    if not _commits_by_itself(apart or engine):
        return _Way(apart, autocommit=False, process=os.getpid())
    # Setting and resetting the level of the host's connections would leave them in another one
    # than the host has chosen, wherever it did.
    apart = apart or _apart(engine)
    level = engine.dialect.default_isolation_level or _LEVEL
    apart = apart.execution_options(isolation_level=level)
    if _commits_by_itself(apart):
        raise RuntimeError(
            "The portal's database connections commit each statement by itself (AUTOCOMMIT), so "
            "that a refused request would leave half of its work: give create_engine no "
            'isolation_level="AUTOCOMMIT", and the driver no autocommit.'
        )
    return _Way(apart, autocommit=True, process=os.getpid())


def _has_one_connection(pool: Pool) -> bool:
    if not isinstance(pool, QueuePool):
        return False
    most_more: int = pool._max_overflow  # noqa: SLF001 - there is no other way to learn it
    return most_more >= 0 and 0 < pool.size() + most_more <= 1


def _apart(engine: sa.Engine) -> sa.Engine:
    """Return an engine like this one with connections of its own."""
    pool = engine.pool
    options = {
        name: value
        for name, value in engine.get_execution_options().items()
        if name != "isolation_level"
    }
    # In memory, another connection would be another database.
    own = pool if isinstance(pool, StaticPool | SingletonThreadPool) else pool.recreate()
    made = sa.Engine(
        own,
        engine.dialect,
        engine.url,
        execution_options=options,
        hide_parameters=engine.hide_parameters,
    )
    # The host's listeners, such as one that begins transactions of SQLite's by itself.
    cast("Any", made).dispatch._update(cast("Any", engine).dispatch)  # noqa: SLF001
    process = os.getpid()

    def dispose(_engine: sa.Engine) -> None:
        made.dispose(close=process == os.getpid())

    if own is not pool:
        sa.event.listen(engine, "engine_disposed", dispose)
    return made


def _commits_by_itself(engine: sa.Engine) -> bool:
    with engine.connect() as connection, connection.begin():
        return is_autocommit(connection)


def is_autocommit(connection: sa.Connection) -> bool:
    """Say whether each statement commits by itself, on a connection that has begun.

    SQLAlchemy doesn't tell where the driver or a listener was told so.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver: Any = connection.connection.dbapi_connection
    if callable(getattr(driver, "get_autocommit", None)):
        return bool(driver.get_autocommit())
    if connection.dialect.name == "sqlite":
        # None is also what a host sets that begins transactions in a listener.
        own = getattr(driver, "autocommit", None) is True
        return own or (driver.isolation_level is None and not driver.in_transaction)
    return getattr(driver, "autocommit", False) is True


def _is_writing(record: Any) -> bool:
    """Say whether somebody has begun to write on a connection of SQLite's."""
    return bool(getattr(record.dbapi_connection, "in_transaction", False))


def _busy() -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "The portal itself has begun to write, and its database takes one writer at a time; it has "
        "to commit before this request can be answered.",
        retry_after=_RETRY_AFTER,
    )
