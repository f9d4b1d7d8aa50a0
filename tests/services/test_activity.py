"""The activity log: with what happened, or after what failed; never with a secret."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.scim.errors import InvalidValue
from flask_scim_provisioning.services import activity
from flask_scim_provisioning.services import work as work_module
from flask_scim_provisioning.services.activity import Action, Attention, page, prune, recent
from flask_scim_provisioning.services.redaction import REDACTED, redact
from flask_scim_provisioning.services.scope import Origin
from flask_scim_provisioning.services.work import run_transaction, unit_of_work

from ..databases import make_tables

SECRET = "t1meF0rTea!"


def test_an_entry_tells_who_what_and_how(make_scope, session, models) -> None:
    scope = make_scope(request_body={"userName": "ada"}, notes=["string 'False' read as false"])
    with unit_of_work(session):
        activity.record(
            scope,
            Action.USER_CREATED,
            resource_type="User",
            resource_id="id",
            resource_name="ada",
            status=201,
        )
    entry = recent(session, models, scope.integration_id)[0]
    assert (entry.action, entry.outcome, entry.status) == ("user.created", "ok", 201)
    assert (entry.resource_type, entry.resource_id, entry.resource_name) == ("User", "id", "ada")
    assert (entry.tenant, entry.actor, entry.request_id) == ("main", None, scope.request_id)
    assert entry.notes == ["string 'False' read as false"]
    assert entry.payload == {"userName": "ada"}
    assert entry.duration_ms is not None
    assert entry.duration_ms > 0
    assert datetime.now(UTC) - entry.at < timedelta(minutes=1)


def test_an_entry_goes_with_the_transaction_that_it_tells_of(make_scope, session, models) -> None:
    scope = make_scope()

    def work() -> None:
        activity.record(scope, Action.USER_CREATED, status=201)
        raise LookupError

    with pytest.raises(LookupError):
        run_transaction(session, work)
    actions = [entry.action for entry in recent(session, models, scope.integration_id)]
    assert actions == ["integration.created"]


@pytest.mark.parametrize(("status", "outcome"), [(409, "refused"), (500, "failed")])
def test_a_failure_outlives_the_rollback(make_scope, session, models, status, outcome) -> None:
    scope = make_scope()
    session.rollback()
    activity.record_failure(
        scope, Action.USER_CREATED, status=status, scim_type="uniqueness", detail="taken"
    )
    session.rollback()
    entry = recent(session, models, scope.integration_id)[0]
    assert (entry.outcome, entry.status, entry.scim_type) == (outcome, status, "uniqueness")


def test_a_failure_that_cant_be_recorded_is_logged(make_scope, session, models, caplog) -> None:
    scope = make_scope()
    session.rollback()
    models.activity.__table__.drop(session.get_bind())
    activity.record_failure(scope, Action.REQUEST, status=400)
    assert scope.request_id in caplog.text


@pytest.mark.parametrize(
    "text", ["NUL \x00", "half a surrogate \ud83d", "x" * 5000], ids=["nul", "surrogate", "long"]
)
def test_no_text_is_too_odd_to_be_kept(make_scope, session, models, text) -> None:
    scope = make_scope(request_body={"nickName": text, text: [text]})
    with unit_of_work(session):
        activity.record(
            scope,
            Action.USER_UPDATED,
            resource_id=text,
            resource_name=text,
            status=200,
            detail=text,
        )
    assert recent(session, models, scope.integration_id)[0].status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"password": SECRET},
        {"PassWord": SECRET},
        {"urn:ietf:params:scim:schemas:core:2.0:User:password": SECRET},
        {"schemas": ["x"], "urn:example:2.0:User": {"apiToken": SECRET}},
        {"clientSecret": {"value": SECRET}},
        {"Operations": [{"op": "replace", "path": "password", "value": SECRET}]},
        {"Operations": [{"op": "Replace", "Path": "urn:x:User:password", "Value": SECRET}]},
        {"Operations": [{"op": "replace", "value": {"password": SECRET}}]},
        [{"data": {"password": [SECRET]}}],
    ],
)
def test_a_secret_never_gets_into_the_log(body) -> None:
    """RFC 7643 section 7.: password is writeOnly and "never" returned."""
    kept = json.dumps(redact(body))
    assert SECRET not in kept
    assert REDACTED in kept


def test_what_is_no_secret_stays() -> None:
    body = {
        "userName": "ada",
        "active": False,
        "Operations": [{"op": "add", "path": "displayName", "value": "Ada"}],
        "number": 1.5,
        "nothing": None,
    }
    assert redact(body) == body
    assert redact(None) is None


def test_numbers_that_json_doesnt_know_are_kept_as_text() -> None:
    assert redact([float("nan"), float("inf")]) == ["nan", "inf"]


def test_a_payload_is_kept_small() -> None:
    members = {"members": [{"value": str(number)} for number in range(100_000)]}
    kept = redact(members)["members"]
    assert len(kept) == 21
    assert kept[-1] == "… and 99980 more"
    huge = {f"key{number}": "x" * 400 for number in range(100)}
    assert "too long to keep" in redact(huge)
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    assert "too deep" in json.dumps(redact(deep))


class TestPages:
    @pytest.fixture
    def scope(self, make_scope, session):
        scope = make_scope()
        for number in range(5):
            activity.record(
                scope,
                Action.USER_UPDATED if number % 2 else Action.GROUP_UPDATED,
                resource_type="User" if number % 2 else "Group",
                outcome="ok" if number else "refused",
                status=200,
                detail=str(number),
            )
        session.commit()
        return scope

    def test_pages_follow_each_other_while_somebody_writes(self, scope, session, models) -> None:
        first = page(session, models, scope.integration_id, limit=2)
        activity.record(scope, Action.USER_UPDATED, status=200, detail="new")
        second = page(session, models, scope.integration_id, limit=2, before=first.next_before)
        third = page(session, models, scope.integration_id, limit=2, before=second.next_before)
        seen = [entry.detail for each in (first, second, third) for entry in each.entries]
        assert seen == ["4", "3", "2", "1", "0", None]
        assert third.next_before is None

    def test_pages_can_be_narrowed(self, scope, session, models) -> None:
        refused = page(session, models, scope.integration_id, outcome="refused").entries
        assert [entry.detail for entry in refused] == ["0"]
        users = page(session, models, scope.integration_id, resource_type="User").entries
        assert [entry.detail for entry in users] == ["3", "1"]

    def test_a_time_ends_the_search(self, scope, session, models, monkeypatch) -> None:
        monkeypatch.setattr(activity, "_LOOK_BACK", 2)
        table, now = models.activity, datetime.now(UTC)
        ids = session.scalars(sa.select(table.id).order_by(table.id)).all()
        for age, each in enumerate(reversed(ids)):
            moment = now - timedelta(hours=age)
            session.execute(sa.update(table).where(table.id == each).values(at=moment))
        session.commit()
        found, before, pages = [], None, 0
        while pages < 9:
            shown = page(
                session,
                models,
                scope.integration_id,
                since=now - timedelta(hours=2, minutes=30),
                before=before,
            )
            found += [entry.id for entry in shown.entries]
            pages += 1
            if shown.next_before is None:
                break
            before = shown.next_before
        assert found == list(reversed(ids))[:3]
        assert pages == 2

    def test_what_is_rare_is_looked_for_step_by_step(
        self, scope, session, models, monkeypatch
    ) -> None:
        """No page goes through millions of entries; the next one goes on where it stopped."""
        monkeypatch.setattr(activity, "_LOOK_BACK", 2)
        found, before, pages = [], None, 0
        while True:
            shown = page(
                session,
                models,
                scope.integration_id,
                action="integration.created",
                before=before,
                limit=9,
            )
            found += shown.entries
            pages += 1
            if shown.next_before is None:
                break
            before = shown.next_before
        assert [entry.action for entry in found] == ["integration.created"]
        assert pages == 4

    def test_old_entries_are_pruned(self, scope, session, models, monkeypatch) -> None:
        monkeypatch.setattr(activity, "_PRUNE_AT_ONCE", 2)
        table = models.activity
        old = datetime.now(UTC) - timedelta(days=100)
        newest = session.scalar(sa.select(sa.func.max(table.id)))
        session.execute(sa.update(table).where(table.id < newest).values(at=old))
        session.commit()
        before = datetime.now(UTC) - timedelta(days=90)
        assert prune(session, models, before) == 5
        assert prune(session, models, before) == 0
        assert [entry.detail for entry in recent(session, models, scope.integration_id)] == ["4"]

    def test_a_young_entry_among_the_old_keeps_none_of_them(
        self, scope, session, models, monkeypatch
    ) -> None:
        """One low id with a recent time: a clock was wrong, or a row was put back."""
        monkeypatch.setattr(activity, "_PRUNE_AT_ONCE", 1)
        table = models.activity
        old = datetime.now(UTC) - timedelta(days=100)
        ids = session.scalars(sa.select(table.id).order_by(table.id)).all()
        young = (ids[0], ids[1], ids[4])
        session.execute(sa.update(table).where(table.id.not_in(young)).values(at=old))
        session.commit()
        assert prune(session, models, datetime.now(UTC) - timedelta(days=90)) == 3
        assert session.scalars(sa.select(table.id).order_by(table.id)).all() == list(young)

    def test_a_refusal_that_came_again_is_young(self, scope, session, models) -> None:
        table = models.activity
        old = datetime.now(UTC) - timedelta(days=100)
        session.execute(sa.update(table).values(at=old))
        session.execute(
            sa.update(table).where(table.detail == "0").values(last_at=datetime.now(UTC))
        )
        session.commit()
        assert prune(session, models, datetime.now(UTC) - timedelta(days=90)) == 5

    def test_an_empty_log_is_pruned_too(self, scope, session, models) -> None:
        assert prune(session, models, datetime.now(UTC) + timedelta(days=1)) == 6
        assert prune(session, models, datetime.now(UTC)) == 0


class TestFolding:
    def refuse(self, scope, action=Action.USER_SEARCHED, **values) -> None:
        scope.session.rollback()
        usual = {"status": 400, "scim_type": "invalidFilter", "detail": "The filter can't be read."}
        activity.record_failure(scope, action, **usual | values)

    def refused(self, session, models, scope):
        return page(session, models, scope.integration_id, outcome="refused").entries

    def test_reads_that_are_refused_share_a_row(self, make_scope, session, models) -> None:
        """Whatever a client makes up to ask for, the log grows by one row an hour and cause."""
        for number in range(30):
            scope = make_scope(
                request_id=f"r{number}",
                origin=Origin("GET", f'/Users?filter=x{number} eq "1"', "192.0.2.1"),
            )
            self.refuse(scope, resource_id=f"id{number}", cause="InvalidFilter-1")
        (entry,) = self.refused(session, models, scope)
        assert (entry.count, entry.request_id) == (30, "r29")
        assert entry.path == '/Users?filter=x29 eq "1"'
        assert entry.latest >= entry.at

    def test_who_could_not_be_created_has_a_row_each(self, make_scope, session, models) -> None:
        for name in ("ada", "bob", "ada"):
            self.refuse(make_scope(), Action.USER_CREATED, resource_name=name)
        found = [
            (entry.resource_name, entry.count)
            for entry in self.refused(session, models, make_scope())
        ]
        assert found == [("bob", 1), ("ada", 2)]

    def test_what_was_dismissed_is_open_again_when_it_comes_again(
        self, make_scope, session, models
    ) -> None:
        self.refuse(make_scope())
        session.execute(sa.update(models.activity).values(dismissed=True))
        session.commit()
        self.refuse(make_scope())
        (entry,) = self.refused(session, models, make_scope())
        assert (entry.count, entry.dismissed) == (2, False)

    def test_workers_that_meet_lose_no_refusal(
        self, make_scope, engine, session, models, created, monkeypatch
    ) -> None:
        """One statement counts; nobody reads before."""
        # However busy the machine is; what an entry waits for at most is tested elsewhere.
        monkeypatch.setattr(work_module, "_PATIENCE_FOR_FAILURES", 60.0)
        failed: list[Exception] = []

        def work() -> None:
            with Session(engine) as own:
                for _ in range(20):
                    self.refuse(make_scope(session=own))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        session.rollback()
        (entry,) = self.refused(session, models, make_scope())
        assert entry.count == 80

    def test_a_cause_is_the_same_for_everybody_it_concerns(self) -> None:
        first = InvalidValue('operation 1: "ada@example.com" is too long for userName')
        second = InvalidValue('operation 27: "bob@example.com" is too long for userName')
        other = InvalidValue('operation 1: "ada" is too long for title')
        causes = [activity.cause_of(each, each.detail) for each in (first, second, other)]
        assert causes[0] == causes[1] != causes[2]
        assert all(len(each) <= 64 for each in causes)


class TestSecretsOfARequest:
    def test_paths_and_details_are_redacted_too(self, make_scope, session, models) -> None:
        scope = make_scope(
            hidden=frozenset({"badge"}),
            origin=Origin("GET", f"/Users?filter=password%20eq%20%22{SECRET}%22"),
            request_body={"urn:x:Own": {"badge": SECRET}, "data": json.dumps({"pin": SECRET})},
        )
        session.rollback()
        activity.record_failure(
            scope,
            Action.USER_SEARCHED,
            status=400,
            detail=f'The filter password eq "{SECRET}" and badge eq {SECRET} can\'t be answered.',
        )
        entry = recent(session, models, scope.integration_id, 1)[0]
        assert SECRET not in repr(entry)
        assert entry.path == '/Users?filter=password eq "[redacted]"'


def test_what_could_not_be_recorded_logs_no_values(make_scope, session, models, caplog) -> None:
    scope = make_scope(request_body={"userName": "ada@example.com"})
    session.rollback()
    models.activity.__table__.drop(session.get_bind())
    activity.record_failure(scope, Action.REQUEST, status=400, resource_name="ada@example.com")
    assert scope.request_id in caplog.text
    assert "ada@example.com" not in caplog.text


class TestSearching:
    def test_people_groups_and_requests_are_found(self, make_scope, session, models) -> None:
        for number, name in enumerate(["ada@example.com", "bob@example.com", "Finance"]):
            activity.record(
                make_scope(request_id=f"r{number}"),
                Action.USER_UPDATED,
                resource_id=f"id{number}",
                resource_name=name,
                status=200,
            )
        session.commit()
        integration_id = make_scope().integration_id
        for text, expected in {
            "ada@example.com": ["id0"],
            "ADA@example.com": ["id0"],
            "Finance": ["id2"],
            "id1": ["id1"],
            "r1": ["id1"],
            "nobody": [],
        }.items():
            found = page(session, models, integration_id, text=text).entries
            assert [entry.resource_id for entry in found] == expected, text
        everywhere = page(session, models, tenant="main", text="Finance").entries
        assert [entry.resource_id for entry in everywhere] == ["id2"]
        assert page(session, models, tenant="elsewhere").entries == []

    def test_one_entry_has_an_address_of_its_own(self, make_scope, session, models) -> None:
        (first,) = recent(session, models, make_scope().integration_id)
        assert activity.entry(session, models, first.integration_id, first.id) == first
        assert activity.entry(session, models, uuid.uuid4(), first.id) is None
        assert activity.entry(session, models, first.integration_id, first.id + 1) is None


def plan_of(connection: sa.Connection, statement: str, parameters) -> str:
    """Return how a database means to answer a statement."""
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
    return "\n".join(str(row[-1]) for row in rows)


@pytest.fixture
def large_log(engine, session, models, created, create):
    """A log in which few of very many entries were refused; statistics are up to date."""
    table = models.activity.__table__
    usual = {
        "integration_id": created.integration.id,
        "tenant": "main",
        "action": "user.updated",
        "at": datetime.now(UTC),
        "outcome": "ok",
    }
    others = [create(name=f"Other {number}").integration.id for number in range(19)]
    session.commit()
    with engine.begin() as connection:
        connection.execute(
            sa.insert(table),
            [
                {**usual, "integration_id": others[number % 19], "resource_name": f"u{number}"}
                for number in range(2_500)
            ],
        )
        copied = [column for column in table.c if column.name not in ("id", "resource_name")]
        names = [*(column.name for column in copied), "resource_name"]
        for _ in range(3):  # twice as many, by the database
            twice = sa.select(*copied, table.c.resource_name + "x")
            connection.execute(sa.insert(table).from_select(names, twice))
        refused = {"outcome": "refused", "resource_name": "u1", "cause": "c"}
        connection.execute(sa.insert(table), [{**usual, "resource_name": "u1"}] * 50)
        connection.execute(sa.insert(table), [{**usual, **refused}] * 5)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return created.integration.id


# MariaDB has no partial indexes; it takes its full ones, as it says in words of its own.
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"outcome": "refused"}, "ix_scim_activity_refused"),
        ({"outcome": "failed"}, "ix_scim_activity_refused"),
        ({"cause": "c"}, "ix_scim_activity_refused"),
        ({"attention": Attention.MEMBERS_SKIPPED}, "ix_scim_activity_attention"),
        ({"text": "u1"}, "ix_scim_activity_name"),
        ({}, "ix_scim_activity_page"),
        ({"before": 20_040}, "ix_scim_activity_page"),
    ],
)
def test_each_filter_is_answered_by_an_index(
    large_log, engine, session, models, filters, index
) -> None:
    """However many entries there are, a page costs what it shows."""
    asked: list[tuple[str, object]] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    page(session, models, large_log, limit=20, **filters)
    (statement, parameters) = asked[-1]
    session.rollback()
    with engine.connect() as connection:
        plan = plan_of(connection, statement, parameters)
    assert index in plan, plan
    assert "SCAN scim_activity" not in plan.replace("SCAN scim_activity USING", ""), plan
    assert "Seq Scan" not in plan, plan


def test_what_needs_attention_is_found_by_its_index(tmp_path, models) -> None:
    """However many entries there are, the page of an integration reads only those it counts."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'portal.sqlite3'}")
    make_tables(engine, models.activity.metadata)
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    nobody = uuid.UUID(int=0)
    with Session(engine) as session:
        activity.count_attention(session, models, nobody)
        page(session, models, nobody, attention=Attention.MEMBERS_SKIPPED, before=9)
    counting = [each for each in asked if "attention = " in each]
    assert len(counting) >= 2
    with engine.connect() as connection:
        for statement in counting:
            values = tuple([0] * statement.count("?"))
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            (step,) = [row[-1] for row in plan]
            assert "USING INDEX ix_scim_activity_attention" in step
    engine.dispose()
