"""Who may see the console: those whom the host names, and nobody else."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from ..portal import Portal
from .pages import Admin, text_of

ROUTES = [
    ("GET", "/"),
    ("GET", "/new"),
    ("POST", "/new"),
    ("GET", "/health.json"),
    ("GET", "/activity"),
    ("GET", "/removed"),
    ("GET", "/refused"),
    ("GET", "/{id}"),
    ("GET", "/{id}/failures"),
    ("POST", "/{id}/dismiss"),
    ("GET", "/{id}/activity"),
    ("GET", "/{id}/activity/1"),
    ("GET", "/{id}/people"),
    ("GET", "/{id}/groups"),
    ("GET", "/{id}/mapping"),
    ("GET", "/{id}/inbox"),
    ("POST", "/{id}/inbox/decide"),
    ("GET", "/{id}/inbox/1"),
    ("POST", "/{id}/inbox/1"),
    ("GET", "/{id}/leavers"),
    ("GET", "/{id}/leavers.json"),
    ("POST", "/{id}/held"),
    ("GET", "/{id}/try"),
    ("POST", "/{id}/try"),
    ("GET", "/{id}/credentials"),
    ("GET", "/{id}/connect"),
    ("GET", "/{id}/settings"),
    ("POST", "/{id}/settings"),
    ("POST", "/{id}/enable"),
    ("POST", "/{id}/pause"),
    ("GET", "/{id}/disable"),
    ("POST", "/{id}/disable"),
    ("GET", "/{id}/rotate"),
    ("POST", "/{id}/rotate"),
    ("GET", "/{id}/tokens/abc/revoke"),
    ("POST", "/{id}/tokens/abc/revoke"),
    ("GET", "/{id}/remove"),
    ("POST", "/{id}/remove"),
]
each_route = pytest.mark.parametrize(("method", "path"), ROUTES)


@pytest.fixture
def unchecked(make_admin: Callable[..., Admin]) -> Admin:
    """An administrator of a portal without CSRF protection, so that only access decides."""
    return make_admin(config={"WTF_CSRF_ENABLED": False})


def test_these_are_all_routes(admin: Admin):
    rules = [
        (method, rule.rule)
        for rule in admin.app.url_map.iter_rules()
        if rule.endpoint.startswith("scim_console.") and rule.endpoint != "scim_console.static"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    ]
    ours = [
        (
            method,
            "/provisioning"
            + path.format(id="<integration_id>")
            .replace("abc", "<key_id>")
            .replace("activity/1", "activity/<int:entry_id>")
            .replace("inbox/1", "inbox/<int:conflict_id>"),
        )
        for method, path in ROUTES
    ]
    assert sorted(rules) == sorted(ours)


@each_route
def test_who_is_not_signed_in_goes_where_flask_login_sends_them(
    unchecked: Admin, method: str, path: str
):
    unchecked.app.login_manager.login_view = "me"
    answer = unchecked.app.test_client().open(unchecked.url(path), method=method)
    assert (answer.status_code, answer.location.split("?")[0]) == (302, "/me")
    assert unchecked.actions() == ["integration.created"]


@each_route
def test_who_is_no_administrator_is_refused(unchecked: Admin, method: str, path: str):
    portal = unchecked.portal
    browser = portal.sign_in(portal.add(portal.models.User(username="bob", is_admin=False)))
    answer = browser.open(unchecked.url(path), method=method)
    assert answer.status_code == 403
    assert "This page is for administrators" in text_of(answer)
    assert unchecked.actions() == ["integration.created"]


@each_route
def test_nobody_may_when_the_host_says_nothing(unchecked: Admin, method: str, path: str):
    unchecked.change_state(admin_required=None)
    answer = unchecked.browser.open(unchecked.url(path), method=method)
    assert answer.status_code == 403
    assert "provisioning.init_app( app, admin_required=lambda: current_user.is_admin )" in text_of(
        answer
    )
    assert unchecked.actions() == ["integration.created"]


@each_route
def test_a_scim_token_opens_no_page(unchecked: Admin, method: str, path: str):
    answer = unchecked.app.test_client().open(
        unchecked.url(path),
        method=method,
        headers={"Authorization": f"Bearer {unchecked.portal.client.token}"},
    )
    assert answer.status_code == 401
    assert unchecked.actions() == ["integration.created"]


def test_a_host_without_flask_login_is_asked_all_the_same(unchecked: Admin):
    del unchecked.app.login_manager
    processors = unchecked.app.template_context_processors[None]
    processors[:] = [each for each in processors if each.__module__ != "flask_login.utils"]
    unchecked.change_state(admin_required=lambda: True)
    assert unchecked.app.test_client().get("/provisioning/").status_code == 200
    unchecked.change_state(admin_required=lambda: False)
    assert unchecked.app.test_client().get("/provisioning/").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path in ROUTES if "{id}" in path]
)
def test_an_integration_of_another_tenant_is_like_one_that_does_not_exist(
    unchecked: Admin, method: str, path: str
):
    unchecked.change_state(tenant=lambda: "other")
    foreign = unchecked.browser.open(unchecked.url(path), method=method)
    unknown = unchecked.browser.open(
        unchecked.url(path).replace(unchecked.id, str(uuid.uuid4())), method=method
    )
    senseless = unchecked.browser.open(
        unchecked.url(path).replace(unchecked.id, "nothing"), method=method
    )
    assert [foreign.status_code, unknown.status_code, senseless.status_code] == [404] * 3
    assert foreign.data == unknown.data == senseless.data
    assert unchecked.actions() == ["integration.created"]


def test_the_list_has_the_integrations_of_the_own_tenant_only(admin: Admin):
    admin.portal.connect("Of another tenant", tenant="other")
    page = text_of(admin.get())
    assert "Entra ID" in page
    assert "Of another tenant" not in page


def test_the_style_sheet_is_for_everybody(make_portal: Callable[..., Portal]):
    browser = make_portal().app.test_client()
    answer = browser.get("/provisioning/static/scim_provisioning/console.css")
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    answer.close()
