"""The state of an integration on the bad day: right at once, and right again when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.services import failures, health, integrations, refusals, tokens
from flask_scim_provisioning.services.health import Health, Severity, State

from ..portal import Portal

Assess = Callable[..., Health]


@pytest.fixture
def state(portal: Portal) -> Any:
    return portal.app.extensions["scim_provisioning"]


@pytest.fixture
def arguments(portal: Portal, state: Any) -> tuple[Any, ...]:
    """What the administration of the portal's integration takes."""
    return (portal.session, state.models, "main", portal.integration.id)


@pytest.fixture
def assess(portal: Portal, state: Any) -> Assess:
    """Return the health of the portal's integration, or of another, as seen at any time."""

    def look(integration_id: Any = None, later: timedelta = timedelta(0)) -> Health:
        session = portal.session
        view = integrations.get_integration(
            session, state.models, "main", integration_id or portal.integration.id
        )
        now = utcnow() + later
        return health.assess_one(session, state.models, state.mappings, view, now)

    return look


def codes(found: Health) -> list[str]:
    return [problem.code for problem in found.problems]


def test_a_life_without_problems(portal: Portal, arguments: Any, assess: Assess) -> None:
    assert assess().state is State.WAITING
    assert portal.client.get("/Users").status_code == 200
    found = assess()
    assert (found.state, codes(found), found.todo) == (State.ACTIVE, [], "")
    integrations.pause_integration(*arguments)
    assert assess().state is State.PAUSED
    integrations.disable_integration(*arguments)
    assert assess().state is State.DISABLED
    integrations.enable_integration(*arguments)
    assert assess().state is State.ACTIVE


def test_a_draft_is_one_until_it_is_enabled(portal: Portal, state: Any, assess: Assess) -> None:
    made = integrations.create_integration(
        portal.session, state.models, tenant="main", name="Draft", enabled=False
    ).integration
    assert assess(made.id).state is State.DRAFT
    integrations.enable_integration(portal.session, state.models, "main", made.id)
    assert assess(made.id).state is State.WAITING


def test_sixty_people_without_a_user_name(portal: Portal, assess: Assess) -> None:
    """One mapping row is missing in the identity provider."""
    for number in range(60):
        body = {"externalId": f"e{number}", "name": {"familyName": f"Name {number}"}}
        assert portal.client.post("/Users", body).status_code == 400
    found = assess()
    assert found.state is State.ATTENTION
    assert "userName" in found.reason
    assert found.target == "failures"
    (group,) = found.failures
    assert (group.action, group.requests) == ("user.created", 60)


def test_failures_are_grouped_and_solved_one_by_one(portal: Portal, assess: Assess) -> None:
    """Who could be written afterwards is a failure no longer; an old error never looks current."""
    for name in ("ada", "bob"):
        bad = {"userName": name, "active": "perhaps"}
        assert portal.client.post("/Users", bad).status_code == 400
    (group,) = assess().failures
    assert {subject.shown for subject in group.subjects} == {"ada", "bob"}
    assert len(group.request_ids) == 2
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 201
    (group,) = assess().failures
    assert [subject.shown for subject in group.subjects] == ["bob"]
    assert portal.client.post("/Users", {"userName": "bob"}).status_code == 201
    found = assess()
    assert (found.state, found.failures) == (State.ACTIVE, ())


def test_a_refused_change_names_whom_it_was_about(portal: Portal, assess: Assess) -> None:
    ada = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    answer = portal.client.patch(
        f"/Users/{ada}", [{"op": "Replace", "path": "active", "value": "no?"}]
    )
    assert answer.status_code == 400
    (group,) = assess().failures
    assert [(each.name, each.resource_id) for each in group.subjects] == [("ada", ada)]
    portal.client.delete(f"/Users/{ada}")
    assert assess().failures == ()


def test_a_question_for_somebody_unknown_is_no_failure(portal: Portal, assess: Assess) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert portal.client.get(f"/Users/{nobody}").status_code == 404
    assert assess().state is State.ACTIVE
    assert portal.client.get("/Users", filter="x y z").status_code == 400
    assert assess().state is State.ATTENTION
    assert assess(later=timedelta(hours=25)).failures == ()


def test_a_failure_of_the_portal_is_bad(
    portal: Portal, assess: Assess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask_scim_provisioning.mapping.access import writing

    def broken(*_arguments: Any) -> None:
        raise RuntimeError("the host's own mistake")

    monkeypatch.setattr(writing, "insert_resource", broken)
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 500
    found = assess()
    assert found.state is State.ATTENTION
    assert found.problems[0].severity is Severity.BAD
    assert [subject.shown for subject in found.failures[0].subjects] == ["ada"]
    monkeypatch.undo()
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 201
    assert assess().state is State.ACTIVE


def test_an_unknown_manager_is_named(portal: Portal, assess: Assess) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    body = {"userName": "ada", enterprise: {"manager": {"value": "nobody-here"}}}
    answer = portal.client.post("/Users", body)
    found = assess()
    if answer.status_code == 201:
        assert found.state is State.ACTIVE
    else:
        assert found.state is State.ATTENTION
        assert "manager" in found.reason


@pytest.mark.portal(dialect="okta")
def test_members_who_come_later_need_attention_no_longer(portal: Portal, assess: Assess) -> None:
    ada = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    bob = portal.client.post("/Users", {"userName": "bob"}).json["id"]
    assert portal.client.delete(f"/Users/{bob}").status_code == 204
    body = {"displayName": "Engines", "members": [{"value": ada}, {"value": bob}]}
    group = portal.client.post("/Groups", body).json["id"]
    found = assess()
    assert (found.state, codes(found)) == (State.ATTENTION, ["unknown-members"])
    assert found.skipped[0].ids == [bob]
    # The same person comes back, and is sent again.
    again = portal.client.post("/Users", {"userName": "bob"}).json["id"]
    assert assess().state is State.ATTENTION
    change = [{"op": "add", "path": "members", "value": [{"value": again}]}]
    assert portal.client.patch(f"/Groups/{group}", change).status_code in {200, 204}
    assert assess().state is State.ACTIVE


@pytest.mark.portal(dialect="okta")
def test_a_group_that_is_gone_needs_attention_no_longer(portal: Portal, assess: Assess) -> None:
    nobody = "00000000-0000-4000-8000-00000000dead"
    body = {"displayName": "Engines", "members": [{"value": nobody}]}
    group = portal.client.post("/Groups", body).json["id"]
    assert assess().state is State.ATTENTION
    portal.client.delete(f"/Groups/{group}")
    assert assess().state is State.ACTIVE


@pytest.mark.portal(dialect="okta")
def test_what_was_looked_into_can_be_dismissed(portal: Portal, state: Any, assess: Assess) -> None:
    nobody = "00000000-0000-4000-8000-00000000dead"
    body = {"displayName": "Engines", "members": [{"value": nobody}]}
    assert portal.client.post("/Groups", body).status_code == 201
    assert portal.client.post("/Users", {"userName": "ada", "active": "perhaps"}).status_code == 400
    session = portal.session
    for problem in assess().problems:
        failures.dismiss(
            session, state.models, portal.integration.id, problem.cause, problem.until or 0
        )
    session.commit()
    assert (assess().state, assess().problems) == (State.ACTIVE, [])
    assert portal.client.post("/Users", {"userName": "ada", "active": "perhaps"}).status_code == 400
    assert codes(assess()) == ["failures"]


def test_all_tokens_revoked(portal: Portal, state: Any, arguments: Any, assess: Assess) -> None:
    assert portal.client.get("/Users").status_code == 200
    for token in tokens.list_tokens(portal.session, state.models, portal.integration.id):
        tokens.revoke_token(*arguments, token.id)
    found = assess()
    assert (found.state, codes(found), found.target) == (State.ATTENTION, ["no-token"], "rotate")
    assert portal.client.get("/Users").status_code == 401
    found = assess()
    assert codes(found) == ["no-token", "refused-at-the-door"]
    assert "revoked on" in found.problems[1].reason
    portal.client.token = tokens.rotate_token(*arguments).reveal()
    assert portal.client.get("/Users").status_code == 200
    # Nobody uses the old one any more, and a day later it isn't spoken of.
    assert assess(later=timedelta(hours=25)).state is State.ACTIVE


def test_an_expired_token(portal: Portal, state: Any, arguments: Any, assess: Assess) -> None:
    """Six days after the only token expired; and thirty days before, a warning."""
    life = timedelta(days=40)
    secret = tokens.rotate_token(*arguments, lifetime=life)
    portal.client.token = secret.reveal()
    assert portal.client.get("/Users").status_code == 200
    assert assess().state is State.ACTIVE
    found = assess(later=timedelta(days=15))
    assert (found.state, codes(found)) == (State.ATTENTION, ["token-expires"])
    assert "expires in 3 weeks" in found.reason
    found = assess(later=life + timedelta(days=6, minutes=1))
    assert (found.state, codes(found)) == (State.ATTENTION, ["no-token"])
    assert found.reason == "The only token expired 6 days ago: every request is refused."


def test_the_token_of_another_integration(portal: Portal, assess: Assess) -> None:
    other, view = portal.connect("Other")
    own, portal.client.token = portal.client.token, other.token
    assert portal.client.get("/Users").status_code == 401
    found = assess()
    assert (found.state, codes(found)) == (State.ATTENTION, ["refused-at-the-door"])
    assert "with the token of another integration" in found.reason
    assert "own token" in found.todo
    assert assess(view.id).state is State.WAITING
    portal.client.token = own
    assert portal.client.get("/Users").status_code == 200
    assert assess(later=timedelta(hours=25)).state is State.ACTIVE


def test_strangers_at_the_door_make_no_alarm_while_all_works(
    portal: Portal, state: Any, assess: Assess
) -> None:
    """Whoever scans the internet must not make a healthy integration look ill."""
    own, portal.client.token = portal.client.token, "scim_guess"
    assert portal.client.get("/Users").status_code == 401
    assert assess().state is State.ATTENTION  # it may be the identity provider: nothing has worked
    portal.client.token = own
    assert portal.client.get("/Users").status_code == 200
    found = assess()
    assert (found.state, codes(found)) == (State.ACTIVE, ["others-at-the-door"])
    refusals.dismiss(
        portal.session,
        state.models,
        portal.integration.id,
        found.door[0].cause,
        found.door[0].id,
    )
    portal._session.commit()
    assert codes(assess()) == []


@pytest.mark.portal(dialect="entra")
def test_entra_is_never_silent_for_hours(portal: Portal, assess: Assess) -> None:
    """A quarantined job runs once a day at most; a stopped one never."""
    assert portal.client.get("/Users").status_code == 200
    assert assess(later=timedelta(hours=3)).state is State.ACTIVE
    found = assess(later=timedelta(weeks=8))
    assert (found.state, codes(found)) == (State.ATTENTION, ["silent"])
    assert "No request for 8 weeks" in found.reason
    assert "about every 40 minutes" in found.reason
    assert portal.client.get("/Users").status_code == 200
    assert assess().state is State.ACTIVE


@pytest.mark.portal(dialect="okta")
def test_okta_may_be_silent_for_days(portal: Portal, assess: Assess) -> None:
    """It sends requests only on events: quiet isn't broken."""
    assert portal.client.get("/Users").status_code == 200
    assert assess(later=timedelta(days=20)).state is State.ACTIVE
    assert assess(later=timedelta(weeks=8)).state is State.ATTENTION


def test_a_disabled_integration_that_is_still_called(
    portal: Portal, arguments: Any, assess: Assess
) -> None:
    integrations.disable_integration(*arguments)
    for _ in range(3):
        assert portal.client.get("/Users").status_code == 403
    found = assess()
    assert (found.state, codes(found)) == (State.DISABLED, ["still-called"])
    assert found.problems[0].reason.startswith("3 requests were refused since then")
    integrations.enable_integration(*arguments)
    assert portal.client.get("/Users").status_code == 200
    found = assess()
    assert (found.state, codes(found)) == (State.ACTIVE, [])


def test_a_rotation_is_followed_to_its_end(portal: Portal, arguments: Any, assess: Assess) -> None:
    """Not used yet; in use; the old one is still used; revoked."""
    old = portal.client.token
    assert portal.client.get("/Users").status_code == 200
    new = tokens.rotate_token(*arguments, overlap=None).reveal()
    assert codes(assess()) == ["new-token-unused"]
    portal.client.token = new
    assert portal.client.get("/Users").status_code == 200
    found = assess()
    assert (found.state, codes(found)) == (State.ACTIVE, ["old-token-idle"])
    later = utcnow() + timedelta(hours=3)
    tokens.authenticate(*arguments[:2], old, "main", portal.integration.id, now=later)
    found = assess(later=timedelta(hours=3))
    assert (found.state, codes(found)) == (State.ATTENTION, ["old-token-used"])
    listed = tokens.list_tokens(*arguments[:2], portal.integration.id)
    tokens.revoke_token(*arguments, listed[1].id)
    assert codes(assess()) == []


def test_a_service_account_without_a_role(portal: Portal, state: Any, assess: Assess) -> None:
    session = portal.session
    session.execute(sa.delete(state.models.binding))
    session.commit()
    assert assess().reason.startswith("The service account has no role")


def test_an_old_refusal_comes_with_what_went_well_since(portal: Portal, state: Any) -> None:
    before = utcnow()
    for number in range(5):
        portal.client.post("/Users", {"userName": f"u{number}"})
    arguments = (portal.session, state.models, portal.integration.id)
    assert failures.successes_since(*arguments, before) == 5
    assert failures.successes_since(*arguments, before, at_most=2) == 3
    assert failures.successes_since(*arguments, utcnow()) == 0


def test_the_document_for_machines_has_no_names(portal: Portal, assess: Assess) -> None:
    assert portal.client.post("/Users", {"userName": "ada@x", "active": "no?"}).status_code == 400
    document = assess().as_json()
    assert document["state"] == "attention"
    assert document["problems"][0]["code"] == "failures"
    assert "ada@x" not in json.dumps(document)


def test_many_integrations_cost_as_many_statements_as_one(portal: Portal, state: Any) -> None:
    def cost() -> int:
        session = portal.session
        views = integrations.list_integrations(session, state.models, "main")
        session.commit()
        with portal.statements() as spent:
            found = health.assess(session, state.models, state.mappings, views)
        assert len(found) == len(views)
        return spent.count

    portal.client.post("/Users", {"userName": "ada", "active": "perhaps"})
    portal.client.patch("/Users/x", [])
    alone = cost()
    for number in range(12):
        client, _ = portal.connect(f"Directory {number}")
        client.post("/Users", {"userName": f"u{number}", "active": "perhaps"})
    assert cost() == alone


def test_whoever_has_no_name_is_called_by_what_else_was_sent(
    portal: Portal, assess: Assess
) -> None:
    """A missing user name is the very reason for which somebody is refused."""
    for body in (
        {"displayName": "Ada"},
        {"Name": {"familyName": "Babbage"}},
        {"emails": [{"value": "cy@example.com"}]},
        {"externalId": "e7"},
        {"nickName": "nobody"},
    ):
        assert portal.client.post("/Users", body).status_code == 400
    (group,) = assess().failures
    assert [subject.shown for subject in group.subjects] == [
        "e7",
        "cy@example.com",
        "Babbage",
        "Ada",
    ]
