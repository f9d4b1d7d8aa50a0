"""The activity log: with what happened, or after what failed; never with a secret."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.services import activity
from flask_scim_provisioning.services.activity import Action, Attention, page, prune, recent
from flask_scim_provisioning.services.redaction import REDACTED, redact
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

    def test_an_empty_log_is_pruned_too(self, scope, session, models) -> None:
        assert prune(session, models, datetime.now(UTC) + timedelta(days=1)) == 6
        assert prune(session, models, datetime.now(UTC)) == 0


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
