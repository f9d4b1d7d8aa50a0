"""One transaction for each use case, repeated when the database asks for it."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.scim.errors import Forbidden, TemporarilyUnavailable
from flask_scim_provisioning.services import work as scopes
from flask_scim_provisioning.services.integrations import create_integration
from flask_scim_provisioning.services.permissions import require
from flask_scim_provisioning.services.work import run_transaction, unit_of_work


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    monkeypatch.setattr(scopes, "_LONGEST_PAUSE", 0.01)


def renamed(models, integration_id, name):
    return (
        sa.update(models.integration)
        .where(models.integration.id == integration_id)
        .values(name=name)
    )


def test_a_unit_of_work_is_all_or_nothing(session, models, created) -> None:
    def fail() -> None:
        with unit_of_work(session):
            session.execute(renamed(models, created.integration.id, "new"))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert session.scalar(sa.select(models.integration.name)) == "Contoso"


class Busy(Exception):
    """What a driver raises."""

    sqlstate: str | None = None


def busy(*args: object, sqlstate: str | None = None) -> sa.exc.OperationalError:
    cause = Busy(*args)
    cause.sqlstate = sqlstate
    return sa.exc.OperationalError("UPDATE", {}, cause)


TRANSIENT = {
    "postgresql serialization": busy("could not serialize", sqlstate="40001"),
    "postgresql deadlock": busy("deadlock detected", sqlstate="40P01"),
    "mysql deadlock": busy(1213, "Deadlock found"),
    "mysql lock wait": busy(1205, "Lock wait timeout exceeded"),
    "sqlite": busy("database is locked"),
}


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=TRANSIENT)
def test_a_transaction_that_met_another_is_repeated(session, models, created, error) -> None:
    attempts = []

    def work() -> str:
        session.execute(renamed(models, created.integration.id, "new"))
        attempts.append(session.scalar(sa.select(models.integration.name)))
        if len(attempts) < 3:
            raise error
        return "done"

    assert run_transaction(session, work) == "done"
    assert attempts == ["new"] * 3


def test_after_three_attempts_the_client_is_asked_to_wait(session) -> None:
    """RFC 9110 section 15.6.4: 503 may carry Retry-After."""

    def work() -> None:
        raise busy(1213, "Deadlock found")

    with pytest.raises(TemporarilyUnavailable) as refusal:
        run_transaction(session, work)
    assert refusal.value.headers["Retry-After"] == "5"


def test_any_other_error_is_raised_at_once(session) -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise busy(1062, "Duplicate entry")

    with pytest.raises(sa.exc.OperationalError):
        run_transaction(session, work)
    assert attempts == [1]


def test_a_transaction_sees_what_others_committed_after_the_first_read(
    session, other_session, models, created
) -> None:
    """Authentication has read in the same session; MariaDB's snapshot would be from then."""
    assert session.scalar(sa.select(models.integration.name)) == "Contoso"
    other_session.execute(renamed(models, created.integration.id, "new"))
    other_session.commit()
    name = run_transaction(session, lambda: session.scalar(sa.select(models.integration.name)))
    assert name == "new"


def test_on_sqlite_a_reader_becomes_a_writer(tmp_path, models) -> None:
    """Hosts whose SQLite begins at the first read (SQLAlchemy's recipe) get SQLITE_BUSY_SNAPSHOT.

    No time-out helps there: a snapshot that somebody else has outdated can never be written to.
    """
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'wal.sqlite3'}")

    @sa.event.listens_for(engine, "connect")
    def connect(connection, _record) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection) -> None:
        connection.exec_driver_sql("BEGIN")

    models.integration.metadata.create_all(engine)
    with Session(engine) as session, Session(engine) as other:
        created = create_integration(session, models, tenant="main", name="Contoso")
        attempts = []

        def work() -> None:
            attempts.append(1)
            session.execute(renamed(models, created.integration.id, "new"))

        session.scalar(sa.select(models.integration.name))
        other.execute(renamed(models, created.integration.id, "old"))
        other.commit()
        run_transaction(session, work)
        assert attempts == [1]
    engine.dispose()


def test_two_that_lock_each_other_both_get_through(engine, models, create) -> None:
    first, second = (create(name=name).integration.id for name in ("one", "two"))
    barrier = threading.Barrier(2)
    attempts: list[str] = []
    failed: list[BaseException] = []

    def both(name: str, ids: tuple) -> None:
        met = False

        def work() -> None:
            nonlocal met
            attempts.append(name)
            table = models.integration
            for integration_id in ids:
                session.execute(
                    sa.update(table)
                    .where(table.id == integration_id)
                    .values(description=table.description + name)
                )
                if not met:
                    met = True
                    if engine.dialect.name != "sqlite":  # there the first write locks everything
                        barrier.wait()

        with Session(engine) as session:
            try:
                run_transaction(session, work)
            except Exception as error:
                failed.append(error)

    threads = [
        threading.Thread(target=both, args=("a", (first, second))),
        threading.Thread(target=both, args=("b", (second, first))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Session(engine) as session:
        descriptions = session.scalars(sa.select(models.integration.description)).all()
    assert {"".join(sorted(text)) for text in descriptions} == {"ab"}
    assert len(attempts) == (2 if engine.dialect.name == "sqlite" else 3)


def test_a_missing_permission_is_named(make_scope) -> None:
    scope = make_scope(permissions=frozenset({"USERS:READ"}))
    require(scope, "USERS", "READ")
    with pytest.raises(Forbidden, match="USERS: create"):
        require(scope, "USERS", "CREATE")


def test_a_scope_shows_no_payload(make_scope) -> None:
    assert "hunter2" not in repr(make_scope(request_body={"password": "hunter2"}))
