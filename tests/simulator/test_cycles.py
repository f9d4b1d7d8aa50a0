"""Whole cycles against an honest server."""

from __future__ import annotations

import pytest

from .server import ENTERPRISE, GROUP, TOKEN, USER, FakeServer

ENTRA = {"provider": "entra"}


def sent(server: FakeServer, method: str, start: str = "") -> list[tuple[str, object]]:
    return [(path, body) for m, path, body in server.requests if m == method and start in path]


def operations(server: FakeServer, endpoint: str) -> list[dict]:
    bodies = [body for path, body in sent(server, "PATCH", f"/{endpoint}/")]
    return [operation for body in bodies for operation in body["Operations"]]


def in_the_dialect(server: FakeServer) -> list[dict]:
    """All operations but those Entra and its validator write in one form only."""
    fixed = []
    for _, body in sent(server, "PATCH"):
        values = [operation.get("value") for operation in body["Operations"]]
        paths = [str(operation.get("path")) for operation in body["Operations"]]
        roles = any(path.startswith("roles") for path in paths)
        replaced = [op["op"] for op in body["Operations"]] == ["replace"] and paths == ["members"]
        both = [op["op"] for op in body["Operations"]] == ["add", "remove"]
        bare = paths == ["members"] and isinstance(values[0], str)
        if not (roles or replaced or both or bare):
            fixed += body["Operations"]
    return fixed


@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_an_honest_server_surprises_nobody(play, provider):
    report = play(FakeServer(), provider)
    assert report.ok, report.as_text()
    assert report.counts["groups"] == 3
    assert report.counts["memberships"] > 0


@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_a_second_run_adopts_everybody_and_creates_nobody_twice(play, provider):
    server = FakeServer()
    play(server, provider)
    before = len(server.users), len(server.groups)
    names = {user["userName"] for user in server.users.values()}
    report = play(server, provider)
    assert report.ok, report.as_text()
    assert report.counts["adopted users"] >= 24
    assert (len(server.users), len(server.groups)) == before
    assert len(names) == len(server.users)


@pytest.mark.parametrize(("first", "second"), [("entra", "okta"), ("okta", "entra")])
def test_two_providers_leave_each_others_people_alone(play, first, second):
    server = FakeServer()
    play(server, first)
    before = {scim_id: dict(user) for scim_id, user in server.users.items()}
    assert play(server, second).ok
    assert {scim_id: server.users[scim_id] for scim_id in before} == before


@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_users_of_the_portal_are_left_alone(play, provider):
    server = FakeServer()
    local = server.local_user("administrator")
    before = dict(server.users[local])
    assert play(server, provider, cleanup=True).ok
    assert server.users[local] == before


def test_several_workers_lose_nothing(play):
    for provider in ("entra", "okta"):
        assert play(FakeServer(), provider, workers=6, users=60).ok


def test_entra_cleanup_leaves_nothing(play):
    server = FakeServer()
    assert play(server, "entra", cleanup=True).ok
    assert not server.users
    assert not server.groups


def test_okta_cleanup_deactivates_and_never_deletes_a_user(play):
    server = FakeServer()
    assert play(server, "okta", cleanup=True).ok
    assert len(server.users) == 24
    assert not any(user["active"] for user in server.users.values())
    assert not server.groups
    assert not sent(server, "DELETE", "/Users")


def test_without_cleanup_people_groups_and_inactive_people_stay_visible(play):
    server = FakeServer()
    play(server, "entra", users=40)
    states = [user["active"] for user in server.users.values()]
    assert states.count(True) > 30
    assert states.count(False) >= 1
    assert any(group["members"] for group in server.groups.values())


def test_the_seed_decides_what_is_sent(play):
    def created(seed: int) -> list[object]:
        server = FakeServer()
        play(server, "entra", seed=seed)
        return [body for _, body in sent(server, "POST", "/Users")]

    assert created(3)[:24] == created(3)[:24]
    assert created(3) != created(4)


def test_entra_posts_nobody_with_a_manager_in_the_initial_cycle_but_new_people_with_one(play):
    server = FakeServer()
    play(server, "entra", dialect="default")
    bodies = [body for _, body in sent(server, "POST", "/Users")]
    assert all("manager" not in body[ENTERPRISE] for body in bodies[:24])
    assert any(isinstance(body[ENTERPRISE].get("manager"), str) for body in bodies[24:])


def test_entra_sends_no_put_and_never_calls_bulk(play):
    server = FakeServer()
    play(server, "entra")
    assert not sent(server, "PUT")
    assert not [path for _, path, _ in server.requests if "Bulk" in path]


def test_entras_default_dialect_capitalises_and_writes_booleans_as_strings(play):
    server = FakeServer()
    play(server, "entra", dialect="default")
    listed = in_the_dialect(server)
    assert {operation["op"] for operation in listed} == {"Add", "Replace", "Remove"}
    assert all("path" in operation for operation in listed)
    states = {op["value"] for op in listed if op["path"] == "active"}
    assert states == {"True", "False"}


def test_entras_flag_dialect_is_lower_case_with_booleans(play):
    server = FakeServer()
    play(server, "entra", dialect="flag")
    listed = in_the_dialect(server)
    assert {operation["op"] for operation in listed} == {"add", "replace", "remove"}
    states = [op["value"] for op in listed if op.get("path") == "active"]
    assert set(map(type, states)) == {bool}
    assert any("path" not in operation for operation in listed)


def test_both_dialects_are_sent_to_one_server(play):
    server = FakeServer()
    play(server, "entra")
    used = {operation["op"] for operation in operations(server, "Groups")}
    assert used == {"Add", "Replace", "Remove", "add", "replace", "remove"}


def test_the_flag_in_the_tenant_url_selects_the_dialect():
    from flask_scim_provisioning.simulator.jobs import Run, _jobs
    from flask_scim_provisioning.simulator.report import Report

    from .server import BASE

    run = Run(f"{BASE}?aadOptscim062020", TOKEN, Report("entra", BASE), 1, 0, 1, 1, 5.0, None)
    (job,) = _jobs(run, "entra", "default", "both", flagged=True)
    assert list(job.dialects) == ["flag"]


def test_entra_batches_members_by_a_hundred(play):
    server = FakeServer()
    assert play(server, "entra", users=230, groups=1, dialect="default").ok
    sizes = [
        len(operation["value"])
        for operation in operations(server, "Groups")
        if operation["op"] == "Add"
    ]
    assert sizes[:3] == [100, 100, 30]


def test_a_group_taken_over_keeps_the_members_the_provider_does_not_know(play):
    server = FakeServer()
    play(server, "entra")
    local = server.local_user("administrator")
    group = next(iter(server.groups.values()))
    group["members"].append({"value": local})
    report = play(server, "entra")
    assert report.ok, report.as_text()
    assert {"value": local} in server.groups[group["id"]]["members"]


def test_a_wizard_app_never_patches_and_a_catalogue_app_never_puts_a_group(play):
    wizard, catalogue = FakeServer(), FakeServer()
    assert play(wizard, "okta", app="wizard").ok
    assert play(catalogue, "okta", app="catalogue").ok
    assert not sent(wizard, "PATCH")
    assert sent(wizard, "PUT", "/Groups/")
    assert not sent(catalogue, "PUT", "/Groups/")
    assert sent(catalogue, "PATCH", "/Groups/")


def test_okta_tests_credentials_with_two_requests(play):
    server = FakeServer()
    report = play(server, "okta", app="wizard")
    assert report.steps[0].name == "wizard: test credentials"
    assert report.steps[0].requests == 2


def test_okta_always_sends_a_password_and_each_its_own(play):
    server = FakeServer()
    play(server, "okta")
    passwords = [body["password"] for _, body in sent(server, "POST", "/Users") if body["active"]]
    assert len(passwords) == len(set(passwords)) >= 24


def test_a_server_without_some_attributes_is_noted_when_its_schemas_say_so(play):
    server = FakeServer(forget=("preferredLanguage", "addresses"))
    server.schemas = [
        {
            "id": USER,
            "attributes": [
                {"name": name}
                for name in ("userName", "active", "displayName", "title")
            ]
            + [
                {"name": "name", "subAttributes": [{"name": s} for s in
                 ("formatted", "givenName", "familyName")]},
                {"name": "emails", "subAttributes": [{"name": "value"}]},
                {"name": "phoneNumbers", "subAttributes": [{"name": "value"}]},
            ],
        },
        {
            "id": ENTERPRISE,
            "attributes": [
                {"name": "department"},
                {"name": "employeeNumber"},
                {"name": "manager", "subAttributes": [{"name": "value"}]},
            ],
        },
        {"id": GROUP, "attributes": [{"name": "displayName"}, {"name": "members"}]},
    ]  # fmt: skip
    report = play(server, "entra")
    assert report.ok, report.as_text()
    assert any("preferredLanguage" in note for note in report.notes)


def test_a_server_without_schemas_promises_everything(play):
    report = play(FakeServer(forget=("preferredLanguage",)), "entra")
    assert not report.ok
    assert "preferredLanguage" in report.surprises[0].detail


def test_everything_sent_is_counted_by_step(play):
    server = FakeServer()
    report = play(server, "entra")
    assert report.requests == len(server.requests)
    assert sum(sum(step.statuses.values()) for step in report.steps) == report.requests
