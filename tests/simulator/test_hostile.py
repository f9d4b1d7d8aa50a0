"""What arrives in the wrong order, twice at once, or with another token than before."""

from __future__ import annotations

import json

import pytest

from flask_scim_provisioning.simulator.report import Kind

from .server import TOKEN, FakeServer, Refused


@pytest.mark.parametrize("options", [{"provider": "entra"}, {"provider": "okta"}])
def test_an_honest_server_stands_hostile_orders(play, options):
    server = FakeServer()
    report = play(server, options["provider"], hostile=True)
    assert report.ok, report.as_text()
    assert any("twice at once" in step.name for step in report.steps)
    assert play(server, options["provider"], hostile=True).ok


def test_a_server_that_creates_the_same_user_twice_at_once_is_found_out(play):
    class Careless(FakeServer):
        def refuse_duplicate(self, store, resource):
            if len(self.users) < 24 or store is not self.users:
                super().refuse_duplicate(store, resource)

    report = play(Careless(), "entra", hostile=True)
    found = [s for s in report.surprises if "one 201 and one 409" in s.detail]
    assert found, report.as_text()


def test_a_server_that_takes_somebody_who_is_nobody_for_a_member_is_found_out(play):
    class Trusting(FakeServer):
        def refuse_strangers(self, ids):
            self.trusted = ids

    report = play(Trusting(), "entra", hostile=True)
    assert any(s.kind is Kind.MEMBERS for s in report.surprises)


def test_the_second_token_is_used_from_mid_cycle_on(play):
    server = FakeServer()
    used = []
    server.tokens = (TOKEN, "scim_second")
    server.heard = used.append
    report = play(server, "okta", second_token=lambda: "scim_second")
    assert report.ok, report.as_text()
    change = used.index("scim_second")
    assert set(used[:change]) == {TOKEN}
    assert set(used[change:]) == {"scim_second"}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_a_server_that_asks_to_wait_is_asked_again_after_that_time(
    play, monkeypatch, provider, status
):
    slept = []
    monkeypatch.setattr("flask_scim_provisioning.simulator.wire.time.sleep", slept.append)

    class Busy(FakeServer):
        def callback(self, request):
            if len(self.requests) % 10 == 9:
                self.requests.append((request.method, "", None))
                headers = {"Content-Type": "application/scim+json", "Retry-After": "3"}
                body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]}
                return status, headers, json.dumps(body | {"status": str(status)})
            return super().callback(request)

    report = play(Busy(), provider)
    assert report.ok, report.as_text()
    assert set(slept) == {3.0}


def test_503_without_retry_after_is_a_server_error(play):
    def lie(server, method, path, status, body):
        return (503, body) if method == "PATCH" else (status, body)

    report = play(FakeServer(lie=lie), "entra")
    assert any(s.kind is Kind.SERVER_ERROR for s in report.surprises)


def test_app_roles_and_bare_members_are_sent_by_entra(play):
    server = FakeServer()
    assert play(server, "entra", dialect="default").ok
    bodies = [body for method, _, body in server.requests if method == "PATCH"]
    operations = [operation for body in bodies for operation in body["Operations"]]
    paths = {operation.get("path") for operation in operations}
    assert 'roles[primary eq "True"].value' in paths
    assert any(
        op.get("path") == "members" and isinstance(op.get("value"), str) for op in operations
    )
    assert any(
        op.get("path") == "roles" and '{"id"' in op["value"][0]["value"] for op in operations
    )


def test_a_server_that_loses_replaced_roles_is_found_out(play):
    class Forgetful(FakeServer):
        def apply(self, resource, op, path, value):
            if path != "roles" or op != "replace":
                super().apply(resource, op, path, value)

    report = play(Forgetful(), "entra")
    assert any(s.detail.startswith("roles: wrote") for s in report.surprises), report.as_text()


def test_oktas_manager_is_a_text_of_its_profile_and_is_read_back(play):
    class Resolving(FakeServer):
        def fill(self, store, resource, body):
            super().fill(store, resource, body)
            for urn in [key for key in resource if key.endswith("enterprise:2.0:User")]:
                resource[urn].pop("manager", None)

    assert play(FakeServer(), "okta", app="catalogue").ok
    report = play(Resolving(), "okta", app="catalogue")
    assert any("manager.value" in surprise.detail for surprise in report.surprises)


def test_a_stranger_in_a_group_is_refused_by_the_honest_server():
    with pytest.raises(Refused):
        FakeServer().refuse_strangers(["nobody"])
