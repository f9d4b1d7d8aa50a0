"""Existing people: who is taken over, who decides, and what is written of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning import MappingError, UserSchema, fields
from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.services import conflicts, health, inbox, integrations
from flask_scim_provisioning.services.errors import IntegrationInvalid
from flask_scim_provisioning.services.policies import Policies
from flask_scim_provisioning.services.rehearsal import rehearse
from flask_scim_provisioning.services.scope import Scope
from tests.local_people import GUARDED, local_people
from tests.mapping.hosts import open_portal
from tests.portal import Portal

ADA = {
    "userName": "ada",
    "externalId": "a-1",
    "name": {"givenName": "Ada"},
    "emails": [{"value": "ada@contoso.example", "type": "work", "primary": True}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Engines"},
}


@pytest.fixture
def start(database: str) -> Iterator[Callable[..., Portal]]:
    """Return a function that starts the portal with policies for its integration."""
    with ExitStack() as stack:

        def open_one(*, signs_in_by_email: bool = False, **policies: Any) -> Portal:
            portal = open_portal(database, local_people(signs_in_by_email=signs_in_by_email))
            stack.callback(portal.close)
            choose(portal, **policies)
            return portal

        yield open_one


def state_of(portal: Portal) -> Any:
    return portal.app.extensions["scim_provisioning"]


def choose(portal: Portal, **policies: Any) -> None:
    """Set the policies of the portal's integration."""
    view = portal.integration
    integrations.update_integration(
        portal.session,
        state_of(portal).models,
        "main",
        view.id,
        name=view.name,
        description="",
        dialect=view.dialect,
        policies=Policies.chosen(policies),
    )


def add(portal: Portal, name: str, **columns: Any) -> int:
    usual = {"first_name": "Augusta", "department": "Poetry", "email": f"{name}@home.example"}
    return int(portal.add(portal.models.User(username=name, **(usual | columns))).id)


def row(portal: Portal, name: str) -> tuple[Any, ...]:
    """Return what a person of the portal has."""
    portal.session.rollback()
    user = portal.user(name)
    return (user.first_name, user.email, user.department, user.is_active)


def count(portal: Portal) -> int:
    portal.session.rollback()
    found = portal.session.scalar(sa.select(sa.func.count()).select_from(portal.models.User))
    return int(found or 0)


def waiting(portal: Portal, *, decided: bool = False) -> list[inbox.Row]:
    """Return who waits in the inbox, or was decided about."""
    portal.session.rollback()
    state = state_of(portal)
    page = inbox.page(
        portal.session,
        state.models,
        state.mappings["Users"],
        portal.integration.id,
        decided=decided,
    )
    return list(page.rows)


def decide(portal: Portal, entry: inbox.Row, decision: str, person: str | None = None) -> None:
    state = state_of(portal)
    inbox.decide(
        portal.session,
        state.models,
        state.mappings["Users"],
        "main",
        portal.integration.id,
        entry.id,
        decision=decision,
        person=person,
        actor="grace",
    )


def history(portal: Portal) -> list[Any]:
    portal.session.rollback()
    table = state_of(portal).models.activity.__table__
    return list(portal.session.execute(sa.select(table).order_by(table.c.id)))


def found(portal: Portal, name: str) -> dict[str, Any]:
    """Look for a person as a directory does that matches first."""
    (resource,) = portal.client.get("/Users", filter=f'userName eq "{name}"').json["Resources"]
    return dict(resource)


def by_creating(portal: Portal, **more: Any) -> Any:
    return portal.client.post("/Users", {**ADA, **more})


def by_replacing(portal: Portal, **more: Any) -> Any:
    return portal.client.put(f"/Users/{found(portal, 'ada')['id']}", {**ADA, **more})


def by_patching(portal: Portal, **more: Any) -> Any:
    values = {name: value for name, value in {**ADA, **more}.items() if name != "userName"}
    operation = {"op": "replace", "value": values}
    return portal.client.patch(f"/Users/{found(portal, 'ada')['id']}", [operation])


WAYS = [by_creating, by_replacing, by_patching]
every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_link_writes_the_directorys_profile(start: Any, way: Any) -> None:
    portal = start(taking_over="link")
    key = add(portal, "ada")
    answer = way(portal)
    assert answer.status_code in (200, 201), answer.text
    assert row(portal, "ada") == ("Ada", "ada@contoso.example", "Engines", True)
    assert (portal.user("ada").id, count(portal)) == (key, 1)
    assert answer.json["externalId"] == "a-1"
    assert history(portal)[-1].changes["taken_over"] == "link"
    assert by_creating(portal).status_code == 409, "who is linked isn't taken over once more"


@every_way
def test_keep_leaves_the_profile_and_lets_later_changes_in(start: Any, way: Any) -> None:
    portal = start(taking_over="keep")
    add(portal, "ada")
    answer = way(portal)
    assert answer.status_code in (200, 201), answer.text
    assert row(portal, "ada") == ("Augusta", "ada@home.example", "Poetry", True)
    assert answer.json["name"]["givenName"] == "Augusta", "the answer says what there is"
    assert answer.json["externalId"] == "a-1"
    assert history(portal)[-1].changes["taken_over"] == "keep"
    change = [{"op": "replace", "path": "name.givenName", "value": "Ada"}]
    assert portal.client.patch(f"/Users/{answer.json['id']}", change).status_code == 200
    assert row(portal, "ada")[0] == "Ada"


@every_way
def test_refuse_takes_nobody_over(start: Any, way: Any) -> None:
    portal = start(taking_over="refuse")
    add(portal, "ada")
    before = row(portal, "ada")
    answer = way(portal)
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
    assert (row(portal, "ada"), count(portal), waiting(portal)) == (before, 1, [])


@every_way
@pytest.mark.parametrize(
    ("decision", "profile"),
    [
        ("link", ("Ada", "ada@contoso.example", "Engines", True)),
        ("keep", ("Augusta", "ada@home.example", "Poetry", True)),
        ("refuse", ("Augusta", "ada@home.example", "Poetry", True)),
    ],
)
def test_ask_waits_for_a_decision_and_carries_it_out(
    start: Any, way: Any, decision: str, profile: Any
) -> None:
    portal = start(taking_over="ask")
    add(portal, "ada")
    before = row(portal, "ada")
    for _ in range(3):
        answer = way(portal)
        assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert "inbox" in answer.json["detail"]
    (entry,) = waiting(portal)
    assert (entry.look_up, entry.count, entry.reason) == ("ada", 3, conflicts.Reason.POLICY)
    assert row(portal, "ada") == before
    decide(portal, entry, decision)
    assert waiting(portal) == []
    assert row(portal, "ada") == before, "a decision is done by the next attempt"
    answer = way(portal)
    if decision == "refuse":
        assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert "administrator" in answer.json["detail"]
        assert [each.decision for each in waiting(portal, decided=True)] == ["refuse"]
    else:
        assert answer.status_code in (200, 201), answer.text
        assert history(portal)[-1].changes["decided_by"] == "grace"
        assert waiting(portal, decided=True) == []
    assert (row(portal, "ada"), count(portal)) == (profile, 1)
    (told,) = [each for each in history(portal) if each.action == "conflict.decided"]
    assert (told.actor, told.resource_name, told.changes) == (
        "grace",
        "ada",
        {"decision": decision},
    )


def test_what_was_refused_can_be_asked_again(start: Any) -> None:
    portal = start(taking_over="ask")
    add(portal, "ada")
    by_creating(portal)
    decide(portal, waiting(portal)[0], "refuse")
    (entry,) = waiting(portal, decided=True)
    decide(portal, entry, "ask")
    assert [each.id for each in waiting(portal)] == [entry.id]
    decide(portal, entry, "link")
    assert by_creating(portal).status_code == 201
    with pytest.raises(IntegrationInvalid):
        decide(portal, entry, "link")


@every_way
def test_who_is_guarded_waits_whatever_the_policy_says(start: Any, way: Any) -> None:
    portal = start()
    add(portal, "ada", is_admin=True)
    before = row(portal, "ada")
    assert way(portal).status_code == 409
    (entry,) = waiting(portal)
    assert entry.reason == conflicts.Reason.GUARDED
    assert row(portal, "ada") == before
    decide(portal, entry, "keep")
    assert way(portal).status_code in (200, 201)
    assert row(portal, "ada") == before


def test_who_waits_cant_be_deleted_either(start: Any) -> None:
    portal = start(taking_over="ask")
    add(portal, "ada")
    path = f"/Users/{found(portal, 'ada')['id']}"
    assert portal.client.delete(path).status_code == 409
    assert row(portal, "ada")[3]
    decide(portal, waiting(portal)[0], "link")
    assert portal.client.delete(path).status_code == 204
    assert not row(portal, "ada")[3]


@every_way
@pytest.mark.parametrize("policy", ["link", "keep"])
@pytest.mark.parametrize("active", [None, True])
def test_who_is_disabled_stays_disabled(start: Any, way: Any, policy: str, active: Any) -> None:
    portal = start(taking_over=policy)
    add(portal, "ada", is_active=False)
    answer = way(portal, **({} if active is None else {"active": active}))
    assert answer.status_code in (200, 201), answer.text
    assert answer.json["active"] is False, "the answer says what there is"
    assert row(portal, "ada")[3] is False
    if active or way is not by_patching:
        assert any("disabled" in note for note in history(portal)[-1].notes or ())


@every_way
def test_who_was_disabled_stays_so_until_the_portal_says_otherwise(start: Any, way: Any) -> None:
    """Entra sends what differs with each cycle: a person who is inactive here, again and again."""
    portal = start()
    add(portal, "ada", is_active=False)
    path = f"/Users/{way(portal, active=True).json['id']}"

    def turn(active: bool) -> bool:
        operation = {"op": "replace", "path": "active", "value": active}
        assert portal.client.patch(path, [operation]).json["active"] is row(portal, "ada")[3]
        return bool(row(portal, "ada")[3])

    assert [turn(True), turn(True)] == [False, False]
    assert portal.client.put(path, {**ADA, "active": True}).json["active"] is False
    portal.user("ada").is_active = True
    portal.session.commit()
    assert [turn(False), turn(True), turn(False), turn(True)] == [False, True, False, True]


@every_way
@pytest.mark.parametrize("policy", ["link", "keep"])
def test_who_has_left_is_deactivated_at_first_contact(start: Any, way: Any, policy: str) -> None:
    """Access is no profile."""
    portal = start(taking_over=policy)
    add(portal, "ada")
    answer = way(portal, active=False)
    assert answer.json["active"] is False, answer.text
    assert row(portal, "ada")[3] is False


@every_way
def test_an_address_that_signs_in_is_kept_unless_the_policy_says_so(start: Any, way: Any) -> None:
    portal = start(signs_in_by_email=True)
    add(portal, "ada")
    answer = way(portal)
    assert answer.json["emails"][0]["value"] == "ada@home.example"
    assert row(portal, "ada") == ("Ada", "ada@home.example", "Engines", True)
    assert any("e-mail" in note for note in history(portal)[-1].notes)


def test_an_address_that_signs_in_is_changed_where_the_policy_says_so(start: Any) -> None:
    portal = start(signs_in_by_email=True, may_rewrite_sign_in_email=True)
    add(portal, "ada")
    by_creating(portal)
    assert row(portal, "ada")[1] == "ada@contoso.example"


BY_EMAIL = {"taking_over": "link", "match_people_by": "userName+emails"}


def test_a_verified_address_meets_a_person(start: Any) -> None:
    portal = start(**BY_EMAIL)
    key = add(portal, "lovelace", email="ADA@contoso.example", email_verified=True)
    answer = by_creating(portal)
    assert answer.status_code == 201, answer.text
    assert (portal.user("ada").id, count(portal)) == (key, 1)
    assert history(portal)[-1].changes["by"] == ["emails"]


def test_an_address_that_isnt_verified_never_takes_over_silently(start: Any) -> None:
    portal = start(**BY_EMAIL)
    add(portal, "mallory", email="ada@contoso.example")
    before = row(portal, "mallory")
    assert by_creating(portal).status_code == 409
    (entry,) = waiting(portal)
    assert (entry.reason, entry.name) == (conflicts.Reason.UNVERIFIED, "mallory")
    assert row(portal, "mallory") == before
    assert inbox_all(portal, "link") == (0, 1), "nor together with others"
    decide(portal, entry, "link")
    assert by_creating(portal).status_code == 201
    assert count(portal) == 1


def test_an_address_means_nothing_unless_the_policy_says_so(start: Any) -> None:
    portal = start(taking_over="link")
    add(portal, "lovelace", email="ada@contoso.example", email_verified=True)
    assert by_creating(portal).status_code == 201
    assert count(portal) == 2


def test_two_who_are_met_are_always_asked_about(start: Any) -> None:
    portal = start(**BY_EMAIL)
    add(portal, "ada")
    add(portal, "lovelace", email="ada@contoso.example", email_verified=True)
    assert by_creating(portal).status_code == 409
    (entry,) = waiting(portal)
    assert (entry.reason, entry.people) == (conflicts.Reason.AMBIGUOUS, 2)
    with pytest.raises(IntegrationInvalid, match="Choose whom"):
        decide(portal, entry, "link")
    (lovelace,) = [each["id"] for each in entry.matches if each["by"] == ["emails"]]
    decide(portal, entry, "keep", lovelace)
    answer = by_creating(portal)
    assert (answer.status_code, answer.json["id"]) == (201, lovelace)
    assert answer.json["userName"] == "lovelace"
    assert count(portal) == 2


def test_somebody_whom_a_directory_has_is_met_by_no_address(start: Any) -> None:
    portal = start(**BY_EMAIL)
    assert by_creating(portal, userName="first").status_code == 201
    assert by_creating(portal, externalId="a-2").status_code == 201
    assert (count(portal), waiting(portal)) == (2, [])


def test_nobody_is_had_twice_by_external_id(start: Any) -> None:
    portal = start(match_people_by="userName+externalId")
    assert by_creating(portal).status_code == 201
    answer = by_creating(portal, userName="ada.lovelace")
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
    assert count(portal) == 1


def test_a_bulk_request_asks_too(start: Any) -> None:
    portal = start(taking_over="ask")
    add(portal, "ada")
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}
        for name in ("ada", "bob", "eve")
    ]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    }
    answer = portal.client.post("/Bulk", body)
    assert [each["status"] for each in answer.json["Operations"]] == ["409", "201", "201"]
    (entry,) = waiting(portal)
    decide(portal, entry, "link")
    answer = portal.client.post("/Bulk", {**body, "Operations": operations[:1]})
    assert [each["status"] for each in answer.json["Operations"]] == ["201"]
    assert count(portal) == 3


def test_trying_a_request_out_leaves_nothing_in_the_inbox(start: Any) -> None:
    portal = start(taking_over="ask")
    add(portal, "ada")
    state = state_of(portal)
    view = integrations.get_integration(portal.session, state.models, "main", portal.integration.id)
    scope = Scope(
        session=portal.session,
        models=state.models,
        tenant="main",
        integration_id=view.id,
        integration_name=view.name,
        service_account_id=view.service_account_id,
        permissions=frozenset({"USERS:CREATE", "USERS:READ", "USERS:UPDATE"}),
        policies=view.policies,
        dialect=DIALECTS["generic"],
        request_id="tried",
        base_url="",
    )
    tried = rehearse(scope, state.mappings["Users"], "POST", None, ADA)
    assert tried.status == 409
    assert waiting(portal) == []


def inbox_all(portal: Portal, decision: str) -> tuple[int, int]:
    state = state_of(portal)
    return inbox.decide_all(
        portal.session,
        state.models,
        state.mappings["Users"],
        "main",
        portal.integration.id,
        decision=decision,
        actor="grace",
    )


def test_health_counts_what_waits_and_recovers(start: Any) -> None:
    portal = start(taking_over="ask")
    for name in ("ada", "bob"):
        add(portal, name)
        assert portal.client.post("/Users", {"userName": name}).status_code == 409
    found = assessed(portal)
    assert found.state is health.State.ATTENTION
    assert found.reason.startswith("2 decisions wait"), found.reason
    assert [each.code for each in found.problems] == ["decisions"], "nothing is told twice"
    portal.session.delete(portal.user("bob"))
    portal.session.commit()
    assert assessed(portal).reason.startswith("1 decision waits")
    assert inbox_all(portal, "refuse") == (1, 0)
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 409
    assert assessed(portal).state is health.State.ACTIVE, "what was decided so is no failure"


def assessed(portal: Portal) -> health.Health:
    portal.session.rollback()
    state = state_of(portal)
    view = integrations.get_integration(portal.session, state.models, "main", portal.integration.id)
    return health.assess_one(portal.session, state.models, state.mappings, view)


def test_the_inbox_is_bounded(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "MOST_ROWS", 2)
    portal = start(taking_over="ask")
    for name in ("ada", "bob", "eve", "ada"):
        add(portal, name) if portal.user(name) is None else None
        answer = portal.client.post("/Users", {"userName": name})
        assert answer.status_code == 409
        assert ("full" in answer.json["detail"]) is (name == "eve")
    assert sorted(each.look_up for each in waiting(portal)) == ["ada", "bob"]


def test_the_evidence_hides_what_nobody_may_read(start: Any) -> None:
    portal = start(taking_over="ask", may_rewrite_sign_in_email=True)
    key = add(portal, "ada", is_admin=True, is_active=False)
    team = portal.add(portal.models.Team(name="Analysts"))
    with portal.engine.begin() as connection:
        connection.execute(portal.models.team_member.insert(), {"team_id": team.id, "user_id": key})
    by_creating(portal, password="correct horse", active=True)
    state = state_of(portal)
    view = integrations.get_integration(portal.session, state.models, "main", portal.integration.id)
    (entry,) = waiting(portal)
    detail = inbox.detail(portal.session, state.models, state.mappings["Users"], view, entry.id)
    assert detail is not None
    (person,) = detail.candidates
    assert (person.guard, person.active, person.last_sign_in) == (GUARDED, False, None)
    assert (person.groups, person.by, person.verified) == (["Analysts"], ["userName"], True)
    differences = {each.attribute: (each.now, each.sent) for each in person.differences}
    assert differences == {
        "name": ("givenName Augusta", "givenName Ada"),
        "emails": ("ada@home.example", "ada@contoso.example"),
        "department": ("Poetry", "Engines"),
        "active": ("no", "yes"),
    }
    table = state.models.conflict.__table__
    assert "correct horse" not in str(portal.session.execute(sa.select(table)).all())


def test_declarations_that_cant_work_are_refused(database: str) -> None:
    """What the host declares is honoured, or refused at start-up."""
    host = local_people()

    def schema(**options: Any) -> type[UserSchema]:
        meta = type("Meta", (), {"model": host.User, **options})
        return type(
            "Odd", (UserSchema,), {"Meta": meta, "user_name": fields.Attribute(host.User.username)}
        )

    from flask_scim_provisioning.mapping.checks import check  # the mapping of the portal is good

    portal = open_portal(database, host)
    mapping = state_of(portal).mappings["Users"]
    for options in (
        {"on_existing": "adpot"},
        {"verified_email": "email_verified"},
        {"last_sign_in": "last_login_at"},
        {"last_sign_in": host.Team.name},
    ):
        from dataclasses import replace

        wrong = replace(mapping, options=schema(**options).opts)
        with pytest.raises(MappingError):
            check(wrong)
    portal.close()
