"""Transactions: how a use case's work is done all or not at all, and how long it may wait.

A use case doesn't know whether it has a transaction of its own (``Immediate``) or shares one with
others (``Batch``); it asks its scope's ``work``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import CursorResult, Result
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..mapping.access.pending import Pending
from ..mapping.access.reading import Unsettled
from ..mapping.host.keys import HostKey
from ..mapping.host.tables import HostTable
from ..mapping.sql import backends
from ..scim.errors import TemporarilyUnavailable
from .database_errors import Meaning, is_away, is_connection_lost, meaning_of
from .patience import waiting_at_most

__all__ = [
    "LONGEST_WAIT",
    "RETRY_AFTER",
    "Batch",
    "DatabaseUnavailable",
    "Immediate",
    "TransactionLost",
    "Work",
    "begin_writing",
    "bookkeep",
    "ends_transaction",
    "rowcount",
    "run_transaction",
    "savepoint",
    "unit_of_work",
]

T = TypeVar("T")

LONGEST_WAIT = 20.0
"""How long work waits for a busy database where its caller sets no other bound (seconds)."""

RETRY_AFTER = 5
"""When a client that was told to wait comes back (seconds)."""

_ATTEMPTS = 3
_LONGEST_PAUSE = 0.2

_PATIENCE_FOR_FAILURES = 0.5
"""How long the entry of a failure waits, which nothing else tells of (seconds)."""


class TransactionLost(SQLAlchemyError):
    """The database has ended a transaction by itself, and with it what was done before."""


class DatabaseUnavailable(TemporarilyUnavailable):
    """The database is busy, read-only, full or away; its error is the cause.

    :param reached: whether it answered at all, so that it may be asked for something else.
    :param unknown: whether it went away while it was to keep what was done.
    """

    def __init__(self, *, reached: bool = True, unknown: bool = False) -> None:
        super().__init__(
            "The database went away while it was to keep what was done; look whether it has, and "
            "if not, send the request again."
            if unknown
            else "The database is busy or away and nothing was changed; send the request again.",
            retry_after=RETRY_AFTER,
        )
        self.reached = reached


def ends_transaction(error: BaseException) -> bool:
    """Say whether nothing that was done before an error may be taken for done."""
    if isinstance(error, TransactionLost | Unsettled | DatabaseUnavailable):
        return True
    return meaning_of(error) is not Meaning.REFUSED


def _origin(error: BaseException) -> BaseException:
    """Return the error that a lost transaction began with.

    Whoever then rolls a savepoint back, as SQLAlchemy's flush does, only learns that it is gone.
    """
    origin, before = error, error.__cause__ or error.__context__
    while before is not None:
        if isinstance(before, SQLAlchemyError) and ends_transaction(before):
            origin = before
        before = before.__cause__ or before.__context__
    return origin


def _may_succeed(origin: BaseException) -> bool:
    """Say whether a whole transaction may succeed when it is repeated."""
    return meaning_of(origin) is not Meaning.UNAVAILABLE


@contextmanager
def unit_of_work(session: Session) -> Iterator[None]:
    """Commit what the block did, or nothing of it."""
    try:
        yield
        session.commit()
    except BaseException:
        _roll_back(session)
        raise


def _roll_back(session: Session) -> None:
    try:
        session.rollback()
    except SQLAlchemyError:
        # The connection is gone, and what was done over it; the next one is a new one.
        session.invalidate()


def run_transaction(session: Session, work: Callable[[], T], *, deadline: float | None = None) -> T:
    """Run ``work`` in one transaction, again when the database asks for that.

    ``work`` must be repeatable: it changes nothing but the database.

    :param deadline: until when all attempts together may wait, by ``time.perf_counter()``.
    :raises DatabaseUnavailable: when the database is still busy then or after the last attempt, or
        can't do it for now.
    """
    if deadline is None:
        deadline = time.perf_counter() + LONGEST_WAIT
    if not _begins_anew(session):
        session.rollback()
    for attempt in range(1, _ATTEMPTS + 1):
        committing = False
        try:
            with waiting_at_most(session, deadline - time.perf_counter()), unit_of_work(session):
                result = work()
                session.flush()
                committing = True
        except (SQLAlchemyError, Unsettled) as error:
            _roll_back(session)
            if not ends_transaction(error):
                raise
            # Who loses the connection while committing doesn't know what became of it; the client
            # finds out, when it comes back and looks.
            unknown = committing and is_connection_lost(error)
            late = attempt == _ATTEMPTS or time.perf_counter() >= deadline
            origin = _origin(error)
            if late or unknown or not _may_succeed(origin):
                raise DatabaseUnavailable(reached=not is_away(origin), unknown=unknown) from origin
            # Two that met once would meet again if they waited equally long.
            time.sleep(random.uniform(0, _LONGEST_PAUSE) * attempt)  # noqa: S311 - no secret
        else:
            return result
    raise AssertionError("unreachable")


def _begins_anew(session: Session) -> bool:
    """Say whether a transaction that authentication has read in shows what others commit.

    On MySQL and MariaDB its snapshot would hide that; on SQLite a reader can't become a writer once
    somebody else wrote, unless its driver has begun no transaction for what only reads.
    """
    if session.get_bind().dialect.name == "postgresql":
        return True
    if session.get_bind().dialect.name != "sqlite" or not session.in_transaction():
        return False
    if session.new or session.identity_map or session.in_nested_transaction():
        return False
    driver: Any = session.connection().connection.dbapi_connection
    return not getattr(driver, "in_transaction", True)


def bookkeep(
    session: Session, work: Callable[[], object], *, seconds: float = 0
) -> SQLAlchemyError | None:
    """Write what nobody waits for, in a transaction of its own; return what prevented it.

    It never raises: a request isn't refused because of what is only kept beside it.

    :param seconds: how long it may wait for somebody else's lock; not at all, unless it tells of
        something that nothing else tells of.
    """
    _roll_back(session)
    try:
        with waiting_at_most(session, seconds), unit_of_work(session):
            work()
    except SQLAlchemyError as error:
        _roll_back(session)
        return error
    return None


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Let the block fail without what was done before it.

    :raises TransactionLost: when it failed and the database has taken all of the transaction back;
        the savepoint itself is asked, whatever the error was.
    """
    nested = session.begin_nested()
    try:
        yield
        nested.commit()
    except BaseException as error:
        if isinstance(error, Exception) and ends_transaction(error):
            raise
        try:
            nested.rollback()
        except SQLAlchemyError:
            raise TransactionLost("The savepoint is gone.") from error
        raise


def begin_writing(session: Session) -> None:
    """Begin the transaction now, where a savepoint would be taken for its beginning.

    Python's SQLite driver begins one before the first statement that writes, not before SAVEPOINT;
    releasing that savepoint would commit. It also waits here for other writers, and never later.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        backends.begin_writing(connection)


def rowcount(result: Result[Any]) -> int:
    """Return how many rows an ``UPDATE`` or ``DELETE`` met."""
    return cast("CursorResult[Any]", result).rowcount


@dataclass(frozen=True, slots=True)
class Immediate:
    """The work of a use case that has a transaction of its own.

    :ivar deadline: until when it may wait for the database, by ``time.perf_counter()``; None for
        ``LONGEST_WAIT`` seconds from its beginning.
    """

    deadline: float | None = None

    is_shared: ClassVar[bool] = False
    """Whether other use cases are done in the same transaction."""

    def run(self, session: Session, work: Callable[[], T]) -> T:
        """Run ``work`` in a transaction.

        :raises DatabaseUnavailable: when the database is still busy after the last attempt.
        """
        return run_transaction(session, work, deadline=self.deadline)

    def log(self, session: Session, statement: sa.Insert, row: Mapping[str, Any]) -> None:
        """Write what the transaction does, in the transaction itself."""
        session.connection().execute(statement, row)

    def log_failure(
        self, session: Session, statement: sa.Insert, row: Mapping[str, Any]
    ) -> SQLAlchemyError | None:
        """Write what has failed and was rolled back; return what prevented it."""
        return bookkeep(
            session,
            lambda: session.connection().execute(statement, row),
            seconds=_PATIENCE_FOR_FAILURES,
        )

    def after_commit(self, call: Callable[[], None]) -> None:
        """Do what comes after the commit, which has been."""
        call()

    @property
    def later(self) -> Pending | None:
        """Where rows beside the host's wait to be inserted together; nowhere."""
        return None

    def settle(self) -> None:
        """Insert what waits: nothing does."""

    def is_linked(self, table: HostTable, host_key: HostKey) -> bool:  # noqa: ARG002 - see Batch
        """Say whether the link of a host's row waits to be inserted."""
        return False

    def takes_free(self, endpoint: str, name: str) -> bool:  # noqa: ARG002 - see Batch
        """Say whether a name is known to be free; of none it is."""
        return False


@dataclass(frozen=True, slots=True)
class Batch:
    """The work of use cases that share one transaction, and what they leave for its end.

    :ivar entries: what is to be inserted into the activity log.
    :ivar announcements: what is to be called once the transaction is committed: signals.
    :ivar free: names that nobody had when the transaction began, in lower case, by endpoint.
    :ivar together: whether the use cases share a savepoint of the caller's too.
    :ivar later: rows beside the host's new ones, which are inserted together.
    """

    entries: list[tuple[sa.Insert, Mapping[str, Any]]] = field(default_factory=list, repr=False)
    announcements: list[Callable[[], None]] = field(default_factory=list, repr=False)
    free: dict[str, set[str]] = field(default_factory=dict, repr=False)
    together: bool = False
    later: Pending = field(default_factory=Pending, repr=False)

    is_shared: ClassVar[bool] = True

    def run(self, session: Session, work: Callable[[], T]) -> T:
        """Run ``work`` in a savepoint, unless it shares one; who fails leaves nothing behind."""
        if self.together:
            return work()
        told, waiting = len(self.entries), len(self.later.rows)
        try:
            with savepoint(session):
                return work()
        except BaseException:
            del self.entries[told:]
            del self.later.rows[waiting:]
            raise

    def log(self, session: Session, statement: sa.Insert, row: Mapping[str, Any]) -> None:  # noqa: ARG002 - see Immediate
        """Keep what was done for the end, where all of it is written at once."""
        self.entries.append((statement, row))

    def log_failure(
        self, session: Session, statement: sa.Insert, row: Mapping[str, Any]
    ) -> SQLAlchemyError | None:
        """Keep what has failed: the transaction goes on after one of its operations did."""
        self.log(session, statement, row)
        return None

    def after_commit(self, call: Callable[[], None]) -> None:
        """Keep what is to be done after the commit."""
        self.announcements.append(call)

    def settle(self) -> None:
        """Insert what waits; whoever looks for ids needs it.

        :raises TransactionLost: when it can't be inserted, which is no failure of this use case but
            of those before it, that have been answered.
        """
        try:
            self.later.send()
        except SQLAlchemyError as error:
            if self.together or ends_transaction(error):
                raise
            raise TransactionLost("What was created can't be kept.") from error

    def is_linked(self, table: HostTable, host_key: HostKey) -> bool:
        """Say whether the link of a host's row waits to be inserted."""
        return self.later.has_link(table, host_key)

    def takes_free(self, endpoint: str, name: str) -> bool:
        """Say whether a name was found free; the first who wants it takes it."""
        free = self.free.get(endpoint, set())
        if name.lower() not in free:
            return False
        free.discard(name.lower())
        return True

    def write(self, session: Session) -> None:
        """Write everything that waits, at the end of the transaction."""
        self.settle()
        many: dict[int, tuple[sa.Insert, list[Mapping[str, Any]]]] = {}
        for statement, row in self.entries:
            many.setdefault(id(statement), (statement, []))[1].append(row)
        for statement, rows in many.values():
            session.connection().execute(statement, rows)


Work: TypeAlias = Immediate | Batch
