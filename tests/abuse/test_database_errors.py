"""Each error of a database is provoked, and means what the table says."""

from __future__ import annotations

import functools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from flask_scim_provisioning.services.database_errors import (
    DATABASE_ERRORS,
    Meaning,
    code_of,
    is_away,
    is_connection_lost,
    kind_of_error,
    meaning_of,
)

from .conftest import databases

AGAIN, UNAVAILABLE, REFUSED = Meaning.AGAIN, Meaning.UNAVAILABLE, Meaning.REFUSED

METADATA = sa.MetaData()
TABLE = sa.Table(
    "abused",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(10), nullable=False),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A database with one table of two rows."""
    engine = sa.create_engine(database_url)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


def update(key: int) -> sa.Update:
    return sa.update(TABLE).where(TABLE.c.id == key).values(name="x")


@contextmanager
def locked(engine: sa.Engine, key: int = 1) -> Iterator[sa.Connection]:
    """Hold the lock of a row, as somebody else does."""
    with engine.connect() as other:
        other.execute(update(key))
        yield other
        other.rollback()


def raised(work: Callable[[], object]) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        work()
    return caught.value


def test_a_lock_that_is_not_given(engine: sa.Engine) -> None:
    """55P03, 1205, SQLITE_BUSY."""
    with locked(engine), engine.connect() as mine:
        match engine.dialect.name:
            case "postgresql":
                mine.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")
            case "sqlite":
                mine.exec_driver_sql("PRAGMA busy_timeout = 20")
            case _:
                mine.exec_driver_sql("SET innodb_lock_wait_timeout = 0")
        error = raised(lambda: mine.execute(update(1)))
    assert meaning_of(error) is AGAIN
    assert not is_away(error)
    assert code_of(error) in {("postgresql", "55P03"), ("mysql", 1205), ("sqlite", 5)}


@databases("postgresql", "mariadb")
def test_a_deadlock(engine: sa.Engine) -> None:
    """40P01 and 1213; SQLite has one writer at a time."""
    barrier = threading.Barrier(2)
    errors: list[DBAPIError] = []

    def both(first: int, second: int) -> None:
        with engine.connect() as connection:
            connection.execute(update(first))
            barrier.wait()
            try:
                connection.execute(update(second))
            except DBAPIError as error:
                errors.append(error)

    threads = [threading.Thread(target=both, args=keys) for keys in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [code_of(error) for error in errors] in ([("postgresql", "40P01")], [("mysql", 1213)])
    assert meaning_of(errors[0]) is AGAIN


def test_a_serialization_failure(engine: sa.Engine) -> None:
    """40001, 1020, and SQLITE_BUSY_SNAPSHOT, which no patience helps."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    with engine.connect() as mine, engine.connect() as other:
        if engine.dialect.name == "postgresql":
            mine.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elif engine.dialect.name == "sqlite":
            mine.exec_driver_sql("BEGIN")
        else:
            mine.exec_driver_sql("SET innodb_snapshot_isolation = ON")
        mine.execute(sa.select(TABLE)).all()
        other.execute(update(1))
        other.commit()
        error = raised(lambda: mine.execute(update(1)))
    assert meaning_of(error) is AGAIN


def test_a_savepoint_that_is_gone(engine: sa.Engine) -> None:
    """3B001, 1305 and SQLite's words for it: the transaction before it has ended."""
    with engine.connect() as connection:
        connection.execute(update(1))
        error = raised(lambda: connection.exec_driver_sql("RELEASE SAVEPOINT nobodys"))
    assert meaning_of(error) is AGAIN


@databases("postgresql")
def test_a_transaction_that_has_failed_already(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        raised(lambda: connection.exec_driver_sql("SELECT 1/0"))
        error = raised(lambda: connection.exec_driver_sql("SELECT 1"))
    assert code_of(error) == ("postgresql", "25P02")
    assert meaning_of(error) is AGAIN


@databases("postgresql", "mariadb")
def test_a_connection_that_is_killed(engine: sa.Engine) -> None:
    """57P01, and 2013 or 1927; SQLite has no connections to lose."""
    with engine.connect() as mine, engine.connect() as other:
        if engine.dialect.name == "postgresql":
            number = mine.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({number})")
        else:
            number = mine.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            other.exec_driver_sql(f"KILL CONNECTION {number}")
        error = raised(lambda: mine.execute(update(1)))
    assert meaning_of(error) is AGAIN
    assert is_connection_lost(error)
    assert is_away(error)


@databases("postgresql", "mariadb")
def test_a_statement_that_takes_too_long(engine: sa.Engine) -> None:
    """57014 and 1969; SQLite has no such limit."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
            slow = "SELECT pg_sleep(1)"
        else:
            connection.exec_driver_sql("SET SESSION max_statement_time = 0.02")
            slow = "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b"
        error = raised(lambda: connection.exec_driver_sql(slow))
        connection.invalidate()
    assert code_of(error) in {("postgresql", "57014"), ("mysql", 1969)}
    assert meaning_of(error) is UNAVAILABLE
    assert not is_away(error)


def test_a_database_that_only_reads(engine: sa.Engine) -> None:
    """25006, 1792 and SQLITE_READONLY: a replica after a fail-over."""
    with engine.connect() as connection:
        match engine.dialect.name:
            case "postgresql":
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            case "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            case _:
                connection.exec_driver_sql("START TRANSACTION READ ONLY")
        error = raised(lambda: connection.execute(update(1)))
        connection.invalidate()
    assert meaning_of(error) is UNAVAILABLE


@databases("sqlite")
def test_a_file_that_may_not_be_written(engine: sa.Engine, tmp_path: Path) -> None:
    path = Path(engine.url.database or "")
    reader = sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with reader.connect() as connection:
        error = raised(lambda: connection.execute(update(1)))
    reader.dispose()
    nowhere = sa.create_engine(f"sqlite:///{tmp_path / 'no' / 'folder'}")
    missing = raised(nowhere.connect)
    assert [meaning_of(error), meaning_of(missing)] == [UNAVAILABLE, UNAVAILABLE]


@databases("sqlite")
def test_a_disk_that_is_full(engine: sa.Engine) -> None:
    """SQLITE_FULL; it may take the whole transaction back."""
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 3")
        rows = [{"id": number, "name": "x" * 5_000} for number in range(10, 99)]
        error = raised(lambda: connection.execute(TABLE.insert(), rows))
        connection.invalidate()
    assert code_of(error) == ("sqlite", 13)
    assert meaning_of(error) is UNAVAILABLE


def test_a_database_that_is_not_there() -> None:
    for url in (
        "postgresql+psycopg://nobody@127.0.0.1:9/x",
        "mysql+pymysql://nobody@127.0.0.1:9/x",
    ):
        error = raised(sa.create_engine(url).connect)
        assert meaning_of(error) is UNAVAILABLE
        assert is_away(error)


def test_what_refuses_one_statement(engine: sa.Engine) -> None:
    """Integrity, data and mistakes: a savepoint before them survives."""
    twice = TABLE.insert().values(id=1, name="a")
    empty = TABLE.insert().values(id=3, name=None)
    for statement in (twice, empty, sa.text("SELECT nothing FROM abused")):
        with engine.connect() as connection:
            connection.execute(update(2))
            savepoint = connection.begin_nested()
            error = raised(functools.partial(connection.execute, statement))
            assert meaning_of(error) is REFUSED
            savepoint.rollback()
            kept = connection.scalar(sa.select(TABLE.c.name).where(TABLE.c.id == 2))
            assert kept == "x"


class Driver(Exception):
    """What a driver raises."""

    def __init__(self, *args: object, **values: object) -> None:
        super().__init__(*args)
        vars(self).update(values)


def failure(cause: Exception, **values: Any) -> OperationalError:
    return OperationalError("UPDATE", {}, cause, **values)


@pytest.mark.parametrize("row", DATABASE_ERRORS, ids=lambda row: f"{row.backend} {row.code}")
def test_each_row_of_the_table_is_found(row: Any) -> None:
    """Most of them need a broken server; here the driver says them in its own way."""
    match row.backend:
        case "postgresql":
            state = row.code.ljust(5, "0")
            causes = [Driver("x", sqlstate=state), Driver("x", pgcode=state), Driver({"C": state})]
        case "mysql":
            causes = [Driver(row.code, row.words), Driver(row.words, errno=row.code)]
        case _:
            causes = [Driver(row.words, sqlite_errorcode=row.code | 256), Driver(row.words)]
    for cause in causes:
        assert meaning_of(failure(cause)) is row.meaning


def test_a_code_with_several_meanings_needs_its_words() -> None:
    """1305 is also a stored procedure that doesn't exist, and result code 1 almost everything."""
    assert meaning_of(failure(Driver(1305, "PROCEDURE x does not exist"))) is REFUSED
    assert meaning_of(failure(Driver("near x", sqlite_errorcode=1))) is REFUSED


def test_a_pool_without_a_free_connection() -> None:
    assert meaning_of(PoolTimeout()) is UNAVAILABLE
    assert is_away(PoolTimeout())


def test_what_is_no_error_of_a_database() -> None:
    assert meaning_of(ValueError()) is REFUSED
    assert not is_connection_lost(ValueError())
    assert not is_away(ValueError())


@databases("postgresql")
def test_a_constraint_that_is_checked_at_the_commit_is_no_lost_connection(
    engine: sa.Engine,
) -> None:
    """It comes without a statement, as the failure to connect does."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        connection.exec_driver_sql("INSERT INTO late VALUES (1), (1)")
        error = raised(connection.commit)
    assert error.statement is None
    assert meaning_of(error) is REFUSED


def test_what_a_log_may_say_quotes_nothing() -> None:
    error = failure(Driver(1062, "Duplicate entry 'ada@example.com'"))
    assert kind_of_error(error) == "Driver 1062"
    assert kind_of_error(sqlite3.OperationalError("ada")) == "OperationalError"
    assert kind_of_error(None) == "NoneType"
