"""Who may call: the bearer token, and nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask, session
from flask_wtf import CSRFProtect

from flask_scim_provisioning.services import integrations, tokens
from tests.client import ScimClient
from tests.portal import Portal

from .test_routing import is_scim_error

EVERYTHING = [
    ("GET", "/"),
    ("POST", "/.search"),
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("POST", "/Users/.search"),
    ("GET", "/Users/{user}"),
    ("HEAD", "/Users/{user}"),
    ("PUT", "/Users/{user}"),
    ("PATCH", "/Users/{user}"),
    ("DELETE", "/Users/{user}"),
    ("GET", "/Groups"),
    ("POST", "/Groups"),
    ("POST", "/Groups/.search"),
    ("GET", "/Groups/{group}"),
    ("PUT", "/Groups/{group}"),
    ("PATCH", "/Groups/{group}"),
    ("DELETE", "/Groups/{group}"),
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/ResourceTypes"),
    ("GET", "/ResourceTypes/User"),
    ("GET", "/Schemas"),
    ("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
    ("GET", "/Me"),
    ("POST", "/Bulk"),
    ("GET", "/Nothing"),
    ("DELETE", "/Users"),
    ("OPTIONS", "/Users"),
    ("PROPFIND", "/Users"),
]


def bodies(portal: Portal) -> dict[str, str]:
    """Make a user and a group, and return their ids."""
    user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    group = portal.client.post("/Groups", {"displayName": "Pioneers"}).json["id"]
    return {"user": user, "group": group}


def refused(answer: Any) -> tuple[Any, ...]:
    """What a caller sees of a refusal, without the id of the request."""
    return (
        answer.status_code,
        answer.mimetype,
        answer.data,
        answer.headers["WWW-Authenticate"],
    )


def state_of(portal: Portal) -> list[Any]:
    models = portal.models
    return [
        portal.session.execute(each.select()).all()
        for each in (models.User.__table__, models.Team.__table__, models.team_member)
    ]


def test_nothing_opens_without_the_right_token(portal: Portal) -> None:
    """Wrong, expired, revoked, foreign, for an unknown integration: one answer for all."""
    ids = bodies(portal)
    other, elsewhere = (portal.connect("Okta")[0], portal.connect("Okta", tenant="other")[0])
    base, token = portal.client.base, portal.client.token
    integration = str(portal.integration.id)
    callers = [
        portal.client.with_token(None),
        portal.client.with_token("wrong"),
        portal.client.with_token(tokens.TokenSecret.new().reveal()),
        portal.client.with_token(f"{token[:-1]}~"),
        portal.client.with_token(other.token),
        portal.client.with_token(elsewhere.token),
        ScimClient(portal.app, base.replace(integration, str(uuid.uuid4())), token),
        ScimClient(portal.app, base.replace(integration, "not-a-uuid"), token),
        ScimClient(portal.app, base.replace("/main/", "/other/"), token),
        ScimClient(portal.app, base.replace("/main/", "/MAIN/"), token),
    ]
    before = state_of(portal)
    body = {"userName": "eve", "displayName": "Eves"}
    for method, path in EVERYTHING:
        answers = {refused(each.request(method, path.format(**ids), body)) for each in callers}
        assert len(answers) == 1, (method, path)
        status, media_type, _, challenge = answers.pop()
        assert (status, media_type) == (401, "application/scim+json")
        assert challenge.startswith("Bearer")
    assert state_of(portal) == before


def test_expired_and_revoked_tokens_are_wrong_ones(portal: Portal) -> None:
    wrong = refused(portal.client.with_token("wrong").get("/Users"))
    models = portal.app.extensions["scim_provisioning"].models
    tokens.rotate_token(portal.session, models, "main", portal.integration.id)
    assert refused(portal.client.get("/Users")) == wrong


def test_unauthenticated_body_is_not_read(portal: Portal) -> None:
    answer = portal.client.with_token("wrong").post("/Users", b"{ no json", content_type="text/x")
    assert answer.status_code == 401


def test_disabled_integration_answers_403_with_a_sentence(portal: Portal) -> None:
    models = portal.app.extensions["scim_provisioning"].models
    integrations.disable_integration(portal.session, models, "main", portal.integration.id)
    for method, path in EVERYTHING:
        answer = portal.client.request(method, path, {"userName": "ada"})
        assert answer.status_code == 403
        assert method == "HEAD" or is_scim_error(answer, 403)
    wrong = portal.client.with_token("wrong").get("/Users")
    assert wrong.status_code == 401


@pytest.mark.parametrize(
    "written",
    ["Bearer {}", "bearer {}", "BEARER  {}", "Bearer Bearer {}", "{}", "  {}  ", 'Bearer "{}"'],
)
def test_token_as_administrators_paste_it(portal: Portal, written: str) -> None:
    """Okta's Header Auth adds no scheme, and Entra adds its own to a pasted one."""
    header = {"Authorization": written.format(portal.client.token)}
    assert portal.client.with_token(None).get("/Users", headers=header).status_code == 200


def test_session_cookie_opens_nothing(portal: Portal) -> None:
    admin = portal.add(portal.models.User(username="admin", is_admin=True))
    browser = portal.sign_in(admin)
    answer = browser.get(f"{portal.client.base}/Users")
    assert answer.status_code == 401


def test_token_opens_no_page(portal: Portal) -> None:
    header = {"Authorization": f"Bearer {portal.client.token}"}
    page = portal.app.test_client().get("/provisioning/", headers=header)
    assert page.status_code in {302, 401, 403, 404}


def test_no_answer_sets_a_cookie(portal: Portal) -> None:
    portal.app._got_first_request = False  # the portal of the test has answered nobody yet

    @portal.app.before_request
    def visit() -> None:
        session["seen"] = True

    for path in ("/Users", "/Nothing"):
        assert "Set-Cookie" not in portal.client.get(path).headers
    assert "Set-Cookie" in portal.app.test_client().get("/provisioning/").headers


def test_csrf_protection_of_the_host_does_not_stop_scim(portal: Portal) -> None:
    """Flask-WTF protects a whole app; the endpoints exempt themselves, whoever comes first."""
    app = Flask("registered before its protection")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=portal.engine.url)
    portal.models.db.init_app(app)
    portal.models.provisioning.init_app(app, admin_required=lambda: False)
    CSRFProtect(app)
    for each in (portal.app, app):
        client = ScimClient(each, portal.client.base, portal.client.token)
        assert client.post("/Groups", {"displayName": each.name}).status_code == 201
        assert each.test_client().post("/provisioning/new").status_code == 400
    with app.app_context():
        portal.models.db.engine.dispose()


def test_challenge_says_what_to_do(portal: Portal) -> None:
    answer = portal.client.with_token(None).get("/Users")
    assert "administrator" in answer.json["detail"]
