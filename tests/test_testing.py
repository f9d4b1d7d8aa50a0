"""The contract for portal teams: it notices what is wrong, and asks nothing that isn't offered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request

from flask_scim_provisioning.testing import ProvisioningContract, ScimClient, connect, scim_fixture

from .portals import test_classic as classic

pytest_plugins = ["pytester"]

scim = scim_fixture("app")
entra = scim_fixture("app", dialect="entra")

Sabotage = Callable[[Flask], None]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = classic.create_app(f"sqlite:///{tmp_path}/portal.sqlite3")
    with app.app_context():
        classic.db.create_all()
        yield app
        classic.db.engine.dispose()


def checks(contract: type) -> set[str]:
    """Return the names of the checks that pytest would collect."""
    return {name for name in dir(contract) if name.startswith("test_") and getattr(contract, name)}


def failure_of(app: Flask, name: str) -> AssertionError | None:
    """Run one check, as pytest would."""
    try:
        getattr(classic.TestClassic(), name)(app)
    except AssertionError as error:
        return error
    return None


def answers(change: Callable[[Any], Any]) -> Sabotage:
    """Return what changes the body of each answered resource, in lists too."""

    def sabotage(app: Flask) -> None:
        @app.after_request
        def tamper(response: Response) -> Response:
            if not {"Users", "Groups"} & set(request.path.split("/")):
                return response
            body = response.get_json(silent=True)
            if isinstance(body, dict) and response.status_code < 300:
                listed = body.get("Resources")
                if listed is None:
                    body = change(body)
                else:
                    body["Resources"] = [change(each) for each in listed]
                response.set_data(json.dumps(body))
            return response

    return sabotage


def pretends(method: str, path: str, status: int) -> Sabotage:
    """Return what answers some requests with success and does nothing."""

    def sabotage(app: Flask) -> None:
        inner = app.wsgi_app

        def pretend(environ: dict[str, Any], start: Any) -> Any:
            if environ["REQUEST_METHOD"] == method and path in environ["PATH_INFO"]:
                return Response(status=status)(environ, start)
            return inner(environ, start)

        app.wsgi_app = pretend  # type: ignore[method-assign]

    return sabotage


def forgets(query: str) -> Sabotage:
    """Return what takes a parameter out of every query."""

    def sabotage(app: Flask) -> None:
        inner = app.wsgi_app

        def without(environ: dict[str, Any], start: Any) -> Any:
            parts = environ.get("QUERY_STRING", "").split("&")
            kept = [part for part in parts if not part.startswith(f"{query}=")]
            environ["QUERY_STRING"] = "&".join(kept)
            return inner(environ, start)

        app.wsgi_app = without  # type: ignore[method-assign]

    return sabotage


def without(name: str) -> Callable[[Any], Any]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def always_active(body: Any) -> Any:
    return body | {"active": True} if "active" in body else body


def everybody_gets_in(app: Flask) -> None:
    known: list[str] = []
    inner = app.wsgi_app

    def let_in(environ: dict[str, Any], start: Any) -> Any:
        token = environ.get("HTTP_AUTHORIZATION", "")
        if not known:
            known.append(token)
        environ["HTTP_AUTHORIZATION"] = known[0]
        return inner(environ, start)

    app.wsgi_app = let_in  # type: ignore[method-assign]


FAULTS: list[tuple[str, Sabotage, set[str]]] = [
    (
        "a name isn't answered",
        answers(without("name")),
        {"test_what_was_created_is_read_back", "test_replaced_user_is_read_back"},
    ),
    (
        "a PATCH of a user does nothing",
        pretends("PATCH", "/Users/", 204),
        {
            "test_what_was_patched_is_read_back",
            "test_entra_sends_booleans_as_strings",
            "test_okta_deactivates_by_patch",
            "test_who_is_deactivated_is_shown_and_found_so",
            "test_who_is_deactivated_stays_outside",
            "test_refused_change_changes_nothing",
        },
    ),
    (
        "a PATCH of a group does nothing",
        pretends("PATCH", "/Groups/", 204),
        {
            "test_members_are_added_and_removed",
            "test_members_are_replaced",
            "test_people_are_in_two_groups",
            "test_entra_changes_a_group",
            "test_okta_pushes_a_group",
        },
    ),
    (
        "a DELETE does nothing",
        pretends("DELETE", "/Users/", 204),
        {"test_deleted_user_is_gone", "test_who_was_deleted_can_come_back"},
    ),
    (
        "filters find everybody",
        forgets("filter"),
        {
            "test_filters_agree_with_what_is_shown",
            "test_filters_agree_with_what_is_shown_after_a_patch",
            "test_entra_tests_the_connection",
            "test_entra_finds_whom_it_created",
            "test_elements_are_found_by_their_values",
            "test_who_was_there_before_is_found",
        },
    ),
    (
        "pages begin at the first",
        forgets("startIndex"),
        {"test_list_holds_each_user_once"},
    ),
    (
        "everybody is shown as active",
        answers(always_active),
        {
            "test_entra_sends_booleans_as_strings",
            "test_okta_puts_back_what_it_read",
            "test_who_is_deactivated_is_shown_and_found_so",
        },
    ),
    (
        "members aren't shown",
        answers(without("members")),
        {"test_created_with_members", "test_members_are_replaced", "test_okta_puts_a_group"},
    ),
    (
        "a user's groups aren't shown",
        answers(without("groups")),
        {"test_created_with_members", "test_entra_changes_a_group"},
    ),
    (
        "every token is good",
        everybody_gets_in,
        {"test_nobody_gets_in_without_the_token"},
    ),
    (
        "externalId is everybody's",
        answers(lambda body: body | {"externalId": "one"}),
        {"test_external_ids_are_each_integrations_own"},
    ),
    (
        "attributes aren't chosen",
        forgets("attributes"),
        {"test_answers_hold_what_is_asked_for"},
    ),
]


@pytest.mark.parametrize(
    ("sabotage", "expected"),
    [(sabotage, expected) for _, sabotage, expected in FAULTS],
    ids=[name for name, _, _ in FAULTS],
)
def test_a_fault_is_noticed(app: Flask, sabotage: Sabotage, expected: set[str]) -> None:
    """Each of these checks fails, by an assertion, where the portal has the fault."""
    sabotage(app)
    silent = set()
    for name in sorted(expected):
        for table in reversed(classic.db.metadata.sorted_tables):
            classic.db.session.execute(table.delete())
        classic.db.session.commit()
        failure = failure_of(app, name)
        if failure is None:
            silent.add(name)
        else:
            assert str(failure), f"{name} fails without a word"
    assert silent == set()


def test_checks_that_do_not_apply_are_not_there() -> None:
    class UsersOnly(ProvisioningContract):
        groups = "none"
        managers = False

    class Moving(ProvisioningContract):
        one_group_each = True

    class Again(UsersOnly):
        groups = "writable"

    assert "test_entra_sets_a_manager" not in checks(UsersOnly)
    assert not {name for name in checks(UsersOnly) if "members" in name}
    assert {"test_people_are_moved"} <= checks(Moving)
    assert "test_people_are_in_two_groups" not in checks(Moving)
    assert "test_created_with_members" in checks(Again)
    assert "test_entra_sets_a_manager" not in checks(Again)
    hooked = {"test_who_was_there_before_is_found", "test_who_is_deactivated_stays_outside"}
    assert not hooked & checks(ProvisioningContract)
    assert hooked <= checks(classic.TestClassic)


def test_a_check_is_left_out_by_its_name() -> None:
    class Unsorted(ProvisioningContract):
        test_users_are_sorted = None

    assert "test_users_are_sorted" not in checks(Unsorted)


def test_a_check_of_the_teams_own_takes_the_place_of_ours() -> None:
    class Own(ProvisioningContract):
        groups = "none"

        def test_created_with_members(self) -> None:
            """Not ours any more, and so it stays."""

    assert "test_created_with_members" in checks(Own)


def test_a_fixture_gives_a_client(scim: ScimClient, entra: ScimClient) -> None:
    assert scim.base != entra.base
    created = scim.post("/Users", {"userName": "ada"})
    assert created.status_code == 201
    assert entra.get("/Users", filter='userName eq "ADA"').json["totalResults"] == 1
    assert scim.token not in repr(scim)


def test_an_integration_has_the_name_that_it_is_given(app: Flask) -> None:
    connect(app, name="Ours")
    with app.app_context():
        integration = classic.provisioning.models.integration
        names = classic.db.session.scalars(classic.db.select(integration.name)).all()
    assert names == ["Ours"]


def test_it_is_imported_without_pytest(pytester: pytest.Pytester) -> None:
    """A portal's own code may use the client where pytest isn't installed."""
    found = pytester.runpython_c(
        "import sys; sys.modules['pytest'] = None;"
        "import flask_scim_provisioning.testing as t; print(t.ScimClient.__name__)"
    )
    assert found.ret == 0
    found.stdout.fnmatch_lines(["ScimClient"])
