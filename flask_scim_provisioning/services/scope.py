"""What a use case knows of its caller, and the transaction that it runs in."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, Result
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..dialects import Dialect
from ..mapping import uniqueness
from ..mapping.later import Later
from ..mapping.reading import Unsettled
from ..models import Models
from ..scim.errors import TemporarilyUnavailable

__all__ = [
    "Batch",
    "Origin",
    "Scope",
    "begin_writing",
    "is_transient",
    "rowcount",
    "run_transaction",
    "transact",
    "unit_of_work",
]

T = TypeVar("T")

_ATTEMPTS = 3
_LONGEST_PAUSE = 0.2
_RETRY_AFTER = 5

# PostgreSQL: serialization_failure, deadlock_detected ("Error Codes", class 40).
_TRANSIENT_SQLSTATES = frozenset({"40001", "40P01"})
# MySQL and MariaDB: lock wait timeout, deadlock, record changed since the snapshot.
_TRANSIENT_ERRNOS = frozenset({1205, 1213, 1020})
# SQLite says it only in words; "database table is locked" is a shared cache's form of it.
_TRANSIENT_WORDS = ("database is locked", "database table is locked")


@dataclass(frozen=True, slots=True)
class Batch:
    """What use cases that share one transaction leave for its end.

    :ivar entries: rows of the activity log.
    :ivar after_commit: what is to be called once the transaction is committed: signals.
    :ivar free: names that nobody had when the transaction began, in lower case, by endpoint.
    :ivar together: whether the use cases share a savepoint of the caller's too.
    :ivar later: rows beside the host's new ones, which are inserted together.
    """

    entries: list[dict[str, Any]] = field(default_factory=list, repr=False)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    free: dict[str, set[str]] = field(default_factory=dict, repr=False)
    together: bool = False
    later: Later = field(default_factory=Later, repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for those who look into what happened.

    :ivar path: what follows the SCIM base, with its query, as it was sent.
    :ivar address: of the client, as far as the portal's proxies tell it.
    """

    method: str | None = None
    path: str | None = field(default=None, repr=False)
    address: str | None = None
    user_agent: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Who calls, for which tenant, and what they may do: one for each request.

    :ivar permissions: ``"USERS:CREATE"`` and the like.
    :ivar base_url: The absolute URL of the SCIM base, without a slash at its end.
    :ivar started: ``time.perf_counter()`` at the beginning of the request.
    :ivar notes: Filled by dialects and use cases wherever leniency changed something.
    :ivar request_body: The body as it was sent; it is redacted before it is kept.
    :ivar origin: Where the request came from.
    :ivar hidden: The names of the attributes that the schemas never return, in lower case.
    :ivar batch: Where a use case is one of several in a transaction of the caller's.
    """

    session: Session = field(repr=False)
    models: Models = field(repr=False)
    tenant: str
    integration_id: uuid.UUID
    integration_name: str
    service_account_id: uuid.UUID
    permissions: frozenset[str]
    dialect: Dialect
    request_id: str
    base_url: str
    started: float = field(default_factory=time.perf_counter)
    notes: list[str] = field(default_factory=list)
    request_body: Any | None = field(default=None, repr=False)
    origin: Origin = field(default_factory=Origin)
    hidden: frozenset[str] = frozenset()
    batch: Batch | None = None


@contextmanager
def unit_of_work(session: Session) -> Iterator[None]:
    """Commit what the block did, or nothing of it."""
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


def run_transaction(session: Session, work: Callable[[], T]) -> T:
    """Run ``work`` in one transaction, again when the database asks for that.

    ``work`` must be repeatable: it changes nothing but the database.

    :raises TemporarilyUnavailable: when the database is still busy after the last attempt.
    """
    if session.get_bind().dialect.name != "postgresql":
        # Authentication has already read. On MySQL and MariaDB its snapshot would hide what others
        # have committed since; on SQLite a reader can't become a writer once somebody else wrote.
        session.rollback()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with unit_of_work(session):
                result = work()
        except (DBAPIError, Unsettled) as error:
            if isinstance(error, DBAPIError) and not is_transient(error):
                raise
            if attempt == _ATTEMPTS:
                raise TemporarilyUnavailable(
                    "The database is busy and nothing was changed; send the request again.",
                    retry_after=_RETRY_AFTER,
                ) from error
            # Two that met once would meet again if they waited equally long.
            time.sleep(random.uniform(0, _LONGEST_PAUSE) * attempt)  # noqa: S311 - no secret
        else:
            return result
    raise AssertionError("unreachable")


def transact(scope: Scope, work: Callable[[], T]) -> T:
    """Run ``work`` in a transaction of its own, or in a savepoint of the batch's.

    :raises TemporarilyUnavailable: when the database is still busy after the last attempt.
    """
    batch = scope.batch
    if batch is None:
        return run_transaction(scope.session, work)
    if batch.together:
        return work()
    told, waiting = len(batch.entries), len(batch.later.rows)
    try:
        with scope.session.begin_nested():
            return work()
    except BaseException:
        del batch.entries[told:]
        del batch.later.rows[waiting:]
        raise


def begin_writing(session: Session) -> None:
    """Begin the transaction now, where a savepoint would be taken for its beginning.

    Python's SQLite driver begins one before the first statement that writes, not before SAVEPOINT;
    releasing that savepoint would commit. It also waits here for other writers, and never later.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        uniqueness.begin_writing(connection)


def rowcount(result: Result[Any]) -> int:
    """Return how many rows an ``UPDATE`` or ``DELETE`` met."""
    return cast("CursorResult[Any]", result).rowcount


def is_transient(error: DBAPIError) -> bool:
    """Say whether the same transaction may succeed when it is repeated."""
    cause: Any = error.orig
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if sqlstate is not None and sqlstate in _TRANSIENT_SQLSTATES:
        return True
    arguments = getattr(cause, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0] in _TRANSIENT_ERRNOS
    return any(words in str(cause) for words in _TRANSIENT_WORDS)
