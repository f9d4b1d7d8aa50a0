"""``flask scim …``: what it prints for people, for scripts, and when it can't."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.cli import watching
from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.scim.errors import ScimError
from flask_scim_provisioning.services.tokens import TokenSecret, authenticate, list_tokens


@pytest.fixture
def flask_scim(portal):
    """Run ``flask scim`` with arguments; return its result, with JSON where that was asked for."""

    def run(*arguments: str, code: int = 0, **options: Any):
        result = portal.app.test_cli_runner().invoke(args=["scim", *arguments], **options)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in arguments and code < 2 else result.output

    return run


@pytest.fixture
def view(portal):
    return portal.integration


@pytest.fixture
def opens(portal, view):
    """Say whether a token opens the portal's integration."""
    models = portal.app.extensions["scim_provisioning"].models

    def check(text: str, integration_id: object = view.id) -> bool:
        found = authenticate(portal.session, models, text, "main", integration_id)  # type: ignore[arg-type]
        return found.integration_id == integration_id

    return check


def test_create_prints_exactly_what_a_script_needs(flask_scim) -> None:
    made = flask_scim("create", "--name", "Okta", "--provider", "okta", "--json")
    assert set(made) == {"id", "endpoint", "token"}
    assert made["endpoint"] == (
        f"http://127.0.0.1:5000/api/v1/main/integrations/{made['id']}/scim/v2"
    )
    assert TokenSecret.parse(made["token"]) is not None
    shown = flask_scim("show", made["id"], "--json")
    assert (shown["name"], shown["dialect"], shown["endpoint"]) == (
        "Okta",
        "okta",
        made["endpoint"],
    )


@pytest.mark.portal(tenants=True, config={"SCIM_EXTERNAL_URL": "https://portal.example.com"})
def test_the_endpoint_begins_with_the_external_url(flask_scim) -> None:
    made = flask_scim("create", "--name", "Okta", "--tenant", "acme", "--json")
    assert made["endpoint"].startswith("https://portal.example.com/api/v1/acme/integrations/")


def test_create_shows_the_token_once(flask_scim) -> None:
    output = flask_scim("create", "--name", "Okta")
    (token,) = [line.split()[1] for line in output.splitlines() if line.startswith("Token:")]
    assert "shown only now" in output
    assert token not in flask_scim("show", "Okta")
    assert token not in flask_scim("list")


def test_a_taken_name_is_a_message_and_no_traceback(flask_scim, view) -> None:
    output = flask_scim("create", "--name", view.name, code=1)
    assert output == "Error: Another integration has this name; choose a different one.\n"


def test_an_unknown_provider_lists_the_known_ones(flask_scim) -> None:
    output = flask_scim("create", "--name", "x", "--provider", "azure", code=2)
    assert "'entra'" in output
    assert "'okta'" in output


@pytest.mark.portal(config={"SCIM_TOKEN_DAYS": 30})
def test_a_token_lives_as_long_as_the_portal_says(flask_scim) -> None:
    made = flask_scim("create", "--name", "Okta", "--json")
    (token,) = flask_scim("show", made["id"], "--json")["tokens"]
    assert token["expires"].startswith((utcnow() + timedelta(days=30)).date().isoformat())


@pytest.mark.portal(tenants=True)
def test_list_names_every_integration(flask_scim, view) -> None:
    flask_scim("create", "--name", "Okta", "--tenant", "acme")
    names = [(row["tenant"], row["name"]) for row in flask_scim("list", "--json")]
    assert names == [("acme", "Okta"), ("main", view.name)]
    assert [row["name"] for row in flask_scim("list", "--tenant", "acme", "--json")] == ["Okta"]
    assert view.name in flask_scim("list")
    assert "flask scim create" in flask_scim("list", "--tenant", "nobody")


def test_show_tells_what_an_administrator_asks(flask_scim, view) -> None:
    output = flask_scim("show", view.name)
    for part in ("SCIMProvisioner", "create, read, update", f"/main/integrations/{view.id}/"):
        assert part in output
    shown = flask_scim("show", str(view.id), "--json")
    assert shown["permissions"]["USERS"] == ["CREATE", "READ", "UPDATE"]
    assert [entry["action"] for entry in shown["activity"]] == ["integration.created"]


def test_disable_and_enable(flask_scim, view) -> None:
    assert flask_scim("disable", view.name) == f"{view.name} is disabled.\n"
    assert flask_scim("show", view.name, "--json")["enabled"] is False
    assert flask_scim("enable", str(view.id), "--json")["enabled"] is True


def test_rotate_ends_the_old_token_where_that_is_asked(flask_scim, portal, view, opens) -> None:
    fresh = flask_scim("rotate", view.name, "--overlap-hours", "0", "--json")
    assert opens(fresh["token"])
    models = portal.app.extensions["scim_provisioning"].models
    states = [token.is_active(utcnow()) for token in list_tokens(portal.session, models, view.id)]
    assert sorted(states) == [False, True]


def test_rotate_leaves_the_old_token_until_the_new_one_is_used(
    flask_scim, portal, view, opens
) -> None:
    output = flask_scim("rotate", view.name)
    assert "shown only now" in output
    assert opens(portal.client.token)


def test_rotate_can_choose_an_expiry_and_a_label(flask_scim, portal, view) -> None:
    flask_scim("rotate", view.name, "--days", "90", "--label", "Production job")
    token = flask_scim("show", view.name, "--json")["tokens"][0]
    assert token["label"] == "Production job"
    assert token["expires"].startswith((utcnow() + timedelta(days=90)).date().isoformat())
    assert token["created_by"] == "flask scim"


def test_revoke_ends_a_token(flask_scim, portal, view, opens) -> None:
    key_id = portal.client.token.split("_")[1]
    assert "has no token" in flask_scim("revoke", view.name, "nothing", code=1)
    assert "flask scim show" in flask_scim("revoke", view.name, "nothing", code=1)
    assert flask_scim("revoke", view.name, key_id) == f"The token {key_id} is revoked.\n"
    with pytest.raises(ScimError):
        opens(portal.client.token)
    assert flask_scim("revoke", view.name, key_id, "--json") == {"key_id": key_id, "ended": False}
    assert "or give --stdin" in flask_scim("revoke", code=2)


def test_revoke_takes_a_leaked_token_from_a_pipe(flask_scim, portal, view, opens) -> None:
    """Whoever finds it needs to know nothing but the token."""
    text = f"+ SCIM_TOKEN={portal.client.token}\n"
    output = flask_scim("revoke", "--stdin", input=text)
    assert output == f"The token {portal.client.token.split('_')[1]} of {view.name} is revoked.\n"
    assert portal.client.token not in output
    with pytest.raises(ScimError):
        opens(portal.client.token)
    assert "was revoked already" in flask_scim("revoke", "--stdin", input=text)
    assert "no token of this portal" in flask_scim("revoke", "--stdin", input="x", code=1)
    assert "not both" in flask_scim("revoke", view.name, "--stdin", input=text, code=2)


def test_pause_and_resume(flask_scim, portal, view) -> None:
    assert flask_scim("pause", view.name) == f"{view.name} is paused.\n"
    assert portal.client.get("/Users").status_code == 503
    assert flask_scim("list", "--json")[0]["state"] == "paused"
    flask_scim("enable", view.name)
    assert portal.client.get("/Users").status_code == 200
    flask_scim("disable", view.name)
    assert "nothing to pause" in flask_scim("pause", view.name, code=1)


def test_edit_changes_what_is_named(flask_scim, view) -> None:
    flask_scim("edit", view.name, "--provider", "okta", "--description", "HR")
    edited = flask_scim("edit", view.name, "--name", "Renamed", "--json")
    assert (edited["name"], edited["dialect"], edited["description"]) == ("Renamed", "okta", "HR")
    assert edited["endpoint"].endswith(f"{view.id}/scim/v2")
    assert edited["policies"]["may_grant_administrators"] is False
    granted = flask_scim("edit", "Renamed", "--policy", "may_grant_administrators=yes", "--json")
    assert granted["policies"]["may_grant_administrators"] is True
    shown = flask_scim("edit", "Renamed", "--policy", "description", code=2)
    assert "NAME=VALUE" in str(shown)


def test_health_is_for_cron(flask_scim, portal, view) -> None:
    """Exit 1 where somebody has to do something, and 0 where nobody has."""
    assert "waiting" in flask_scim("health")
    assert portal.client.get("/Users").status_code == 200
    (found,) = flask_scim("health", "--json")
    assert (found["state"], found["problems"]) == ("active", [])
    portal.client.post("/Users", {"userName": "ada", "active": "perhaps"})
    (found,) = flask_scim("health", view.name, "--json", code=1)
    assert found["state"] == "attention"
    output = flask_scim("health", code=1)
    assert "1 request was refused" in output
    assert "Change the source" in output
    assert "attention" in flask_scim("list")
    warnings = [
        each["message"] for each in flask_scim("doctor", "--json") if each["level"] == "warning"
    ]
    assert any("1 request was refused" in each for each in warnings)


def test_refused_tells_what_the_callers_are_not_told(flask_scim, portal, view) -> None:
    assert flask_scim("refused") == "No request was refused at the door.\n"
    portal.client.with_token("nonsense").get("/Users")
    (row,) = flask_scim("refused", "--json")
    assert (row["cause"], row["count"], row["integration_id"]) == ("foreign", 1, str(view.id))
    assert "127.0.0.1" in flask_scim("refused", "--tenant", "main")
    assert flask_scim("refused", "--tenant", "elsewhere", "--json") == []


def test_activity_has_the_filters_of_the_pages(flask_scim, portal, view) -> None:
    other, _ = portal.connect("Other")
    portal.client.post("/Users", {"userName": "ada"})
    portal.client.post("/Users", {"userName": "bob", "active": "perhaps"})
    other.post("/Users", {"userName": "cy"})
    output = flask_scim("activity")
    assert output.splitlines()[-1].endswith("ok 201  user.created  cy")
    refused = flask_scim("activity", view.name, "--outcome", "refused", "--json")
    assert [each["resource_name"] for each in refused] == ["bob"]
    about = flask_scim("activity", "--about", "ada", "--json")
    assert [each["action"] for each in about] == ["user.created"]
    made = flask_scim("activity", "--action", "integration.created", "--json")
    assert len(made) == 2
    assert len(flask_scim("activity", "--limit", "1").splitlines()) == 1


def test_activity_follows_what_happens(flask_scim, portal, monkeypatch) -> None:
    """What is counted up is told again; what was told is not."""
    names = iter(["ada", "bob", None])

    def sleep(_seconds: float) -> None:
        name = next(names)
        if name is None:
            raise KeyboardInterrupt
        portal.client.post("/Users", {"userName": name})

    monkeypatch.setattr(watching.time, "sleep", sleep)
    lines = flask_scim("activity", "--follow", code=1).splitlines()
    assert [line.split()[-1] for line in lines if "user.created" in line] == ["ada", "bob"]
    assert sum("integration.created" in line for line in lines) == 1


def test_remove_asks_first(flask_scim, view) -> None:
    assert "Aborted" in flask_scim("remove", view.name, code=1, input="n\n")
    assert flask_scim("show", view.name, "--json")["id"] == str(view.id)
    flask_scim("remove", view.name, input="y\n")
    assert flask_scim("list", "--json") == []


def test_remove_for_scripts(flask_scim, view) -> None:
    assert flask_scim("remove", view.name, "--yes", "--json")["id"] == str(view.id)
    assert "no such integration" in flask_scim("show", view.name, code=1)


def test_no_second_tenant_without_boundaries(flask_scim) -> None:
    """The token of one tenant would open what is the other's."""
    said = flask_scim("create", "--name", "Okta", "--tenant", "acme", code=1)
    assert "PortalUser" in said
    assert "shared_by_tenants" in said


@pytest.mark.portal(tenants=True)
def test_one_name_in_two_tenants_needs_the_tenant(flask_scim, view) -> None:
    flask_scim("create", "--name", view.name, "--tenant", "acme")
    assert "--tenant (acme, main)" in flask_scim("disable", view.name, code=2)
    flask_scim("disable", view.name, "--tenant", "acme")
    states = {row["tenant"]: row["enabled"] for row in flask_scim("list", "--json")}
    assert states == {"acme": False, "main": True}


def test_mapping_says_where_attributes_live(flask_scim) -> None:
    described = flask_scim("mapping", "--json")
    users = {row["attribute"]: row for row in described["Users"]}
    assert users["userName"]["place"] == "User.username"
    assert users["userName"]["filterable"] is True
    assert {row["attribute"] for row in described["Groups"]} >= {"displayName", "members"}
    assert "User.username" in flask_scim("mapping")


def test_prune_keeps_what_is_young(flask_scim, portal) -> None:
    models = portal.app.extensions["scim_provisioning"].models
    assert flask_scim("prune", "--json") == {"deleted": 0}
    old = utcnow() - timedelta(days=91)
    portal.session.execute(sa.update(models.activity).values(at=old))
    portal.session.commit()
    assert flask_scim("prune", "--days", "100", "--json") == {"deleted": 0}
    assert flask_scim("prune") == "1 entries deleted.\n"


class TestDoctor:
    def levels(self, findings: list[dict[str, Any]]) -> set[str]:
        return {finding["level"] for finding in findings}

    @pytest.mark.portal(config={"SCIM_EXTERNAL_URL": "https://portal.example.com"})
    def test_a_good_portal_is_in_order(self, portal, flask_scim, monkeypatch) -> None:
        users = portal.app.extensions["scim_provisioning"].mappings["Users"]
        assert any(
            "doesn't say who administers" in each["message"]
            for each in flask_scim("doctor", "--json")
        )
        monkeypatch.setitem(vars(users), "administrators", portal.models.User.is_admin)
        assert self.levels(flask_scim("doctor", "--json")) <= {"ok"}
        assert "Everything is in order." in flask_scim("doctor")

    def test_a_missing_external_url_is_a_warning(self, flask_scim) -> None:
        findings = flask_scim("doctor", "--json")
        assert self.levels(findings) <= {"ok", "warning"}
        assert any("SCIM_EXTERNAL_URL" in finding["message"] for finding in findings)

    def test_missing_tables_are_named(self, flask_scim, portal) -> None:
        models = portal.app.extensions["scim_provisioning"].models
        portal.session.commit()
        models.activity.__table__.drop(portal.engine)
        assert "scim_activity" in flask_scim("doctor", code=1)
        assert "flask scim doctor" in flask_scim("prune", code=1)

    def test_a_service_account_without_role_is_a_problem(self, flask_scim, portal, view) -> None:
        models = portal.app.extensions["scim_provisioning"].models
        portal.session.execute(sa.delete(models.binding))
        portal.session.commit()
        findings = flask_scim("doctor", "--json", code=1)
        assert any(view.name in finding["message"] for finding in findings)


def test_simulate_is_one_of_the_commands(flask_scim) -> None:
    assert "simulate" in flask_scim("--help")
    assert "okta" in flask_scim("simulate", "--help").lower()
