"""Creating, watching, switching, rotating and removing integrations, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask_login import UserMixin

from flask_scim_provisioning.console.guides import PROVIDERS
from flask_scim_provisioning.console.presenters import Moment
from flask_scim_provisioning.console.sentences import headline
from flask_scim_provisioning.dialects import DIALECTS
from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.services import integrations, tokens
from flask_scim_provisioning.services.activity import Action

from ..portal import Portal
from .pages import HOSTILE, Admin, text_of

ENDPOINT = re.compile(r"http://localhost/api/v1/main/integrations/([0-9a-f-]{36})/scim/v2")


def test_a_portal_without_integrations_explains_what_they_are(admin: Admin):
    admin.change_state(tenant=lambda: "empty")
    page = admin.get()
    assert "No directory is connected yet" in text_of(page)
    assert "<table" not in page.text


def test_the_list_tells_the_state_of_each_integration(admin: Admin):
    session, models = admin.portal.session, admin.state.models
    _, okta = admin.portal.connect("Okta", dialect="okta")
    integrations.disable_integration(session, models, "main", okta.id)
    assert admin.opens(admin.portal.client.token)
    page = text_of(admin.get())
    assert "Entra ID Other (generic) Active just now" in page
    assert "Okta Okta Disabled Never" in page


def test_creating_shows_endpoint_and_token_once(admin: Admin):
    created = admin.create(name="Contoso", dialect="entra")
    assert created.status_code == 200
    token = admin.shown_token(created)
    endpoint = ENDPOINT.search(created.text)
    assert endpoint
    assert admin.opens(token, endpoint[1])

    for path in (
        "/",
        "/new",
        f"/{endpoint[1]}",
        f"/{endpoint[1]}/rotate",
        f"/{endpoint[1]}/remove",
    ):
        page = admin.get(path)
        assert page.status_code == 200
        assert not admin.shows_token(page), path


def test_no_cache_keeps_the_page_with_the_token(admin: Admin):
    created = admin.create()
    assert created.headers["Cache-Control"] == "no-store"
    assert created.headers["Referrer-Policy"] == "no-referrer"
    rotated = admin.rotate()
    assert rotated.headers["Cache-Control"] == "no-store"


def test_scim_2_0_is_the_default_type(admin: Admin):
    page = admin.get("/new").text
    assert '<option selected value="scim-2.0">SCIM 2.0</option>' in page


def test_what_was_entered_is_what_was_created(admin: Admin):
    admin.create(name="  Contoso ", description="For all\nof us", dialect="okta")
    view = next(
        view
        for view in integrations.list_integrations(admin.portal.session, admin.state.models, "main")
        if view.name == "Contoso"
    )
    assert (view.description.split(), view.type, view.dialect, view.enabled) == (
        ["For", "all", "of", "us"],
        "scim-2.0",
        "okta",
        True,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Enter a name for the integration."),
        ({"name": "   "}, "Enter a name for the integration."),
        ({"name": "x" * 121}, "Use at most 120 characters for the name."),
        ({"name": "two\nlines"}, "Use letters, digits and punctuation only, on one line."),
        ({"name": "nul\x00"}, "Use letters, digits and punctuation only, on one line."),
        ({"description": "x" * 501}, "Use at most 500 characters here."),
        ({"description": "nul\x00"}, "Use letters, digits and punctuation only."),
        ({"dialect": ""}, "Choose your identity provider."),
        ({"dialect": "ldap"}, "Not a valid choice"),
        ({"type": "ldap"}, "Not a valid choice"),
        ({"name": "Entra ID"}, "Another integration has this name; choose a different one."),
    ],
)
def test_what_cannot_be_created_is_said_at_its_field(
    admin: Admin, fields: dict[str, str], message: str
):
    answer = admin.create(**fields)
    assert answer.status_code == 422
    name = next(iter(fields))
    error = re.search(rf'id="{name}-error-1">(.*?)</p>', answer.text, re.DOTALL)
    assert error
    assert message in error[1]
    assert text_of(answer).startswith("Error: Create integration")
    found = integrations.list_integrations(admin.portal.session, admin.state.models, "main")
    assert len(found) == 1


def test_what_was_typed_is_still_there_after_an_error(admin: Admin):
    answer = admin.create(name="", description="For Contoso", dialect="okta")
    assert ">\r\nFor Contoso</textarea>" in answer.text
    assert re.search(r'<input[^>]*checked[^>]*value="okta"', answer.text)


def test_names_are_text_and_never_markup(admin: Admin):
    created = admin.create(name=HOSTILE, description=HOSTILE)
    admin.id = ENDPOINT.search(created.text)[1]
    pages = [created, admin.get(), admin.get("/{id}"), admin.get("/{id}/remove")]
    pages += [admin.get("/{id}/rotate"), admin.send("/{id}/disable", page="/{id}")]
    pages += [admin.get("/{id}"), admin.send("/{id}/remove", name="no")]
    for page in pages:
        assert "<script>alert" not in page.text
        assert str(7919 * 7907) not in page.text


def test_the_detail_page_shows_who_acts_and_what_they_may(admin: Admin):
    assert ENDPOINT.search(text_of(admin.get("/{id}")))
    page = text_of(admin.get("/{id}/credentials"))
    assert f"scim-{admin.id}" in page
    assert "SCIMProvisioner" in page
    for row in (
        "USERS Allowed Allowed Allowed Not allowed",
        "GROUPS Allowed Allowed Allowed Allowed",
        "BINDINGS Allowed Allowed Allowed Allowed",
    ):
        assert row in page


def test_the_external_url_is_the_one_to_paste(make_admin: Callable[..., Admin]):
    admin = make_admin(config={"SCIM_EXTERNAL_URL": "https://portal.example.com/app"})
    endpoint = f"https://portal.example.com/app/api/v1/main/integrations/{admin.id}/scim/v2"
    assert endpoint in admin.get("/{id}").text


@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        ("entra", ["Tenant URL", "Secret Token", "Test Connection", "Start provisioning"]),
        (
            "okta",
            [
                "SCIM connector base URL",
                "Unique identifier field for users",
                "HTTP Header",
                "Test Connector Configuration",
                "To App",
            ],
        ),
        ("generic", ["SCIM base URL", "ServiceProviderConfig"]),
        ("onelogin", ["SCIM Base URL", "SCIM Bearer Token", "Enable provisioning"]),
        ("jumpcloud", ["Base URL", "Token Key", "Activate"]),
        ("google", ["Endpoint URL", "Access token", "Autoprovisioning", "no groups"]),
        ("pingone", ["SCIM Base URL", "OAuth Access Token", "New Rule"]),
        ("authentik", ["SCIM Provider", "Backchannel Providers"]),
        ("keycloak", ["SCIM 2.0 endpoint", "Event listeners"]),
    ],
)
def test_the_setup_guide_speaks_the_words_of_the_provider(
    admin: Admin, dialect: str, names: list[str]
):
    _, integration = admin.portal.connect("Guided", dialect=dialect)
    page = admin.get(f"/{integration.id}/connect")
    shown = re.search(r'<ol class="scim-guide">(.*?)</ol>', page.text, re.DOTALL)
    assert shown
    for name in names:
        assert name in shown[1]
    assert f"/integrations/{integration.id}/scim/v2</code>" in shown[1]
    assert "userName" in text_of(page)


def test_every_dialect_has_a_provider_and_every_action_a_headline():
    assert set(PROVIDERS) == set(DIALECTS)
    assert [action for action in Action if headline(action) == action.value] == []


def test_the_activity_shows_outcome_detail_and_notes(admin: Admin):
    table = admin.state.models.activity
    usual = {"integration_id": admin.portal.integration.id, "tenant": "main", "at": utcnow()}
    usual |= {"resource_type": "User", "action": "user.updated"}
    admin.portal.add(
        table(outcome="ok", status=200, resource_name="ann@contoso.com", notes=[HOSTILE], **usual),
        table(outcome="refused", status=409, scim_type="uniqueness", detail="Taken.", **usual),
        table(outcome="failed", status=500, **usual),
    )
    page = admin.get("/{id}")
    text = text_of(page)
    assert "ann@contoso.com" in text
    assert HOSTILE.replace("&amp;", "&amp;") in text
    assert "<script>alert" not in page.text
    assert "Taken." in text
    assert [word in text for word in ("Done", "Refused 409", "Failed 500")] == [True] * 3


def test_disabling_and_enabling_redirect_and_tell(admin: Admin):
    answer = admin.send("/{id}/disable", page="/{id}")
    assert (answer.status_code, answer.location) == (303, admin.url("/{id}"))
    page = text_of(admin.get("/{id}"))
    assert "Entra ID is disabled: every request is rejected." in page
    assert "every request gets the answer 403" in page
    assert not admin.opens(admin.portal.client.token)

    answer = admin.send("/{id}/enable", page="/{id}")
    assert (answer.status_code, answer.location) == (303, admin.url("/{id}"))
    assert "Entra ID is enabled: its requests are let in." in text_of(admin.get("/{id}"))
    assert admin.opens(admin.portal.client.token)


def test_the_activity_names_the_administrator(admin: Admin):
    admin.send("/{id}/disable", page="/{id}")
    assert "Integration disabled by ada" in text_of(admin.get("/{id}"))


def test_an_administrator_who_is_no_user_of_the_directory_is_named_by_id(admin: Admin):
    """Operators may sign in from a table of their own; Flask-Login knows their id."""

    class Operator(UserMixin):
        id = "operator-7"

    admin.app.login_manager.user_loader(lambda key: Operator())
    admin.change_state(admin_required=lambda: True)
    admin.send("/{id}/disable", page="/{id}")
    assert "Integration disabled by operator-7" in text_of(admin.get("/{id}"))


def test_the_old_token_goes_on_working_for_the_time_that_was_chosen(admin: Admin):
    old = admin.portal.client.token
    page = admin.rotate("1d")
    assert "The old one goes on working until the new one was used, and 1 day longer." in text_of(
        page
    )
    new = admin.shown_token(page)
    arguments = (admin.portal.session, admin.state.models, admin.portal.integration.id)
    newest, oldest = tokens.list_tokens(*arguments)
    assert (newest.expires, oldest.ends) == (None, None)
    assert admin.opens(old)
    assert admin.opens(new)
    newest, oldest = tokens.list_tokens(*arguments)
    assert timedelta(hours=23) < oldest.ends - utcnow() <= timedelta(days=1)


def test_a_leaked_token_can_end_at_once(admin: Admin):
    page = admin.rotate("now")
    assert "The old one has ended." in text_of(page)
    new = admin.shown_token(page)
    assert not admin.opens(admin.portal.client.token)
    assert admin.opens(new)
    assert "Revoked" in text_of(admin.get("/{id}/credentials"))


def test_a_rotation_sent_twice_makes_one_token(admin: Admin):
    page = admin.get("/{id}/rotate").text
    newest = re.search(r'name="newest" type="hidden" value="([^"]*)"', page)[1]
    first = admin.send("/{id}/rotate", newest=newest, overlap="1d", expires="portal")
    second = admin.send("/{id}/rotate", newest=newest, overlap="1d", expires="portal")
    assert admin.shows_token(first)
    assert (second.status_code, second.location) == (303, admin.url("/{id}/credentials"))
    assert "A new token was made already, and the old one goes on working" in text_of(
        admin.get("/{id}")
    )
    assert admin.actions().count("token.rotated") == 1


def test_one_token_can_be_revoked(admin: Admin):
    old = admin.portal.client.token
    new = admin.shown_token(admin.rotate("7d"))
    key_id = old.split("_")[1]
    path = f"/{{id}}/tokens/{key_id}/revoke"
    assert key_id in text_of(admin.get(path))
    answer = admin.send(path)
    assert (answer.status_code, answer.location) == (303, admin.url("/{id}/credentials"))
    assert f"The token {key_id} is revoked." in text_of(admin.get("/{id}"))
    assert not admin.opens(old)
    assert admin.opens(new)
    assert admin.get(path).status_code == 303


def test_new_tokens_expire_when_the_portal_wants_it(make_admin: Callable[..., Admin]):
    admin = make_admin(config={"SCIM_TOKEN_DAYS": 30})
    admin.rotate("now")
    newest, _ = tokens.list_tokens(
        admin.portal.session, admin.state.models, admin.portal.integration.id
    )
    assert newest.expires - newest.created == timedelta(days=30)
    assert f"Expires {newest.expires.day} {newest.expires:%b %Y}" in text_of(
        admin.get("/{id}/credentials")
    )


@pytest.mark.parametrize("typed", ["", "entra id", "Entra", "yes"])
def test_removing_needs_the_name(admin: Admin, typed: str):
    answer = admin.send("/{id}/remove", name=typed)
    assert answer.status_code == 422
    assert "Type the name exactly as it is: Entra ID" in text_of(answer)
    assert admin.get("/{id}").status_code == 200


def test_removing_ends_the_token_and_leaves_the_people(admin: Admin):
    admin.portal.add(admin.portal.models.User(username="ann"))
    answer = admin.send("/{id}/remove", name=" Entra ID ")
    assert (answer.status_code, answer.location) == (303, admin.url("/"))
    assert "Entra ID is removed." in text_of(admin.get())
    gone = admin.get("/{id}")
    assert gone.status_code == 410
    assert "Entra ID was removed" in text_of(gone)
    history = text_of(admin.get("/{id}/activity"))
    assert "Integration removed by ada Entra ID" in history
    assert "Integration created" in history
    assert "Entra ID : its activity Other (generic) just now" in text_of(admin.get("/removed"))
    assert not admin.opens(admin.portal.client.token)
    assert admin.portal.user("ann").is_active


POSTS = [
    ("/new", {"name": "Contoso", "type": "scim-2.0", "dialect": "entra"}),
    ("/{id}/disable", {}),
    ("/{id}/enable", {}),
    ("/{id}/pause", {}),
    ("/{id}/dismiss", {"what": "failures", "cause": "x", "until": "9"}),
    ("/{id}/settings", {"name": "Contoso", "dialect": "entra"}),
    ("/{id}/rotate", {"overlap": "now"}),
    ("/{id}/remove", {"name": "Entra ID"}),
]


@pytest.mark.parametrize("host_checks", [True, False], ids=["host checks too", "host does not"])
@pytest.mark.parametrize("token", [None, "forged"])
@pytest.mark.parametrize(("path", "fields"), POSTS, ids=[path for path, _ in POSTS])
def test_a_form_of_another_site_changes_nothing(
    make_admin: Callable[..., Admin],
    path: str,
    fields: dict[str, str],
    token: str | None,
    host_checks: bool,
):
    admin = make_admin(config={"WTF_CSRF_CHECK_DEFAULT": host_checks})
    sent = fields if token is None else {**fields, "csrf_token": token}
    answer = admin.browser.post(admin.url(path), data=sent)
    assert answer.status_code == 400
    assert "This page had expired" in text_of(answer)
    assert admin.actions() == ["integration.created"]


def test_the_pages_can_stand_in_the_portals_own_layout(make_portal: Callable[..., Portal]):
    from jinja2 import DictLoader

    admin = Admin(make_portal(config={"SCIM_PROVISIONING_BASE_TEMPLATE": "base.html"}))
    admin.app.jinja_loader = DictLoader(
        {
            "base.html": "<title>{% block title %}{% endblock %} - Portal</title>"
            "<main class=portal>{% block content %}{% endblock %}</main>"
        }
    )
    page = admin.get().text
    assert page.startswith("<title>Integrations · Provisioning - Portal</title><main class=portal>")
    assert "scim-shell" not in page
    assert page.count("console.css") == 1


def test_a_portal_with_other_block_names_overrides_the_layout(admin: Admin):
    from jinja2 import DictLoader

    admin.app.jinja_loader = DictLoader(
        {
            "base.html": "<title>{% block name %}{% endblock %}</title>"
            "{% block body %}{% endblock %}",
            "scim_provisioning/layout.html": '{% extends "base.html" %}'
            "{% block name %}{% block scim_title %}{% endblock %}{% endblock %}"
            "{% block body %}{% block scim_content %}{% endblock %}{% endblock %}",
        }
    )
    page = admin.get().text
    assert page.startswith("<title>Integrations · Provisioning</title>")
    assert "scim-table" in page
    assert page.count("console.css") == 1


def test_pages_stay_out_of_foreign_frames_and_shared_caches(admin: Admin):
    headers = admin.get().headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-20), "just now"),
        (timedelta(seconds=20), "in a moment"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(minutes=-59), "59 minutes ago"),
        (timedelta(minutes=-59, seconds=-50), "1 hour ago"),
        (timedelta(hours=-1), "1 hour ago"),
        (timedelta(hours=23), "in 23 hours"),
        (timedelta(hours=23, minutes=59), "in 1 day"),
        (timedelta(days=-13), "13 days ago"),
    ],
)
def test_moments_near_by_are_said_in_words(distance: timedelta, words: str):
    now = utcnow()
    assert Moment.of(now + distance, now).text == words


def test_moments_far_away_are_dates():
    now = utcnow().replace(year=2026, month=7, day=4)
    assert Moment.of(now - timedelta(days=90), now).text == "5 Apr 2026"
    assert Moment.of(None, now) is None
