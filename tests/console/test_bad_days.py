"""The bad day in the console: two clicks from the list to the remedy, and the truth all along."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Response
from jinja2 import StrictUndefined

from flask_scim_provisioning.console.rich import rich
from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.services import integrations, tokens

from .pages import Admin, text_of


def follow(admin: Admin, page: Any, label: str) -> Any:
    """Click the link with this text."""
    for url, inner in re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', page.text, re.DOTALL):
        text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inner)).split())
        if text.startswith(label):
            return admin.browser.get(url.replace("&amp;", "&"))
    raise AssertionError(f"there is no link {label}: {text_of(page)}")


@pytest.fixture
def sixty(admin: Admin) -> Admin:
    """Sixty people without a user name: one row of the mapping is missing."""
    for number in range(60):
        body = {"userName": "", "externalId": f"e{number}"}
        assert admin.portal.client.post("/Users", body).status_code == 400
    return admin


def test_the_list_says_why_and_leads_to_the_cause(sixty: Admin):
    page = sixty.get()
    text = text_of(page)
    assert "Needs attention" in text
    assert "60 requests were refused, for this reason for 60 people" in text
    assert "userName" in text
    failures = follow(sixty, page, "Show what failed")
    text = text_of(failures)
    assert "Couldn't create 60 people" in text
    assert "Whom: e59, e58" in text
    assert "60 requests since just now" in text
    assert "What to do:" in text
    entries = follow(sixty, failures, "Show the entries")
    assert "Couldn't create e59" in text_of(entries)


def test_a_text_for_the_other_side_has_names_and_request_ids_and_no_secrets(admin: Admin):
    client = admin.portal.client
    for name in ("ada@example.com", "bob@example.com"):
        body = {"userName": name, "active": "perhaps", "password": "t1meF0rTea!"}
        assert client.post("/Users", body).status_code == 400
    page = admin.get("/{id}/failures")
    found = re.search(r'<textarea[^>]*id="scim-text-1"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)
    assert found
    text = found[1]
    assert "Couldn&#39;t create 2 people over SCIM (Entra ID)." in text
    assert "ada@example.com" in text
    assert re.search(r"Request ids: [0-9a-f]{32}, [0-9a-f]{32}", text)
    assert client.token not in page.text
    assert "t1meF0rTea!" not in page.text


def test_what_is_solved_leaves_the_page(admin: Admin):
    client = admin.portal.client
    client.post("/Users", {"userName": "ada", "active": "perhaps"})
    assert "Needs attention" in text_of(admin.get("/{id}"))
    client.post("/Users", {"userName": "ada"})
    page = text_of(admin.get("/{id}"))
    assert "Needs attention" not in page
    assert "Last refused just now , 1 success since." in page
    assert "Nothing failed in the last seven days" in text_of(admin.get("/{id}/failures"))


def test_what_was_looked_into_leaves_it_too(admin: Admin):
    client = admin.portal.client
    client.post("/Users", {"userName": "ada", "active": "perhaps"})
    page = admin.get("/{id}/failures").text
    values = dict(re.findall(r'name="(what|cause|until)" value="([^"]*)"', page))
    answer = admin.send("/{id}/dismiss", page="/{id}/failures", **values)
    assert answer.status_code == 303
    assert "Needs attention" not in text_of(admin.get("/{id}"))
    assert admin.actions()[0] == "attention.dismissed"
    assert admin.send("/{id}/dismiss", page="/{id}", what="nonsense").status_code == 400


def test_the_door_tells_its_reasons_to_administrators(admin: Admin):
    other, _ = admin.portal.connect("Other")
    own = admin.portal.client.token
    admin.portal.client.token = other.token
    assert admin.portal.client.get("/Users").status_code == 401
    page = admin.get()
    assert "with the token of another integration" in text_of(page)
    door = follow(admin, page, "Show what was refused")
    text = text_of(door)
    assert "127.0.0.1" in text
    assert other.token.split("_")[1] in text
    assert "Paste this integration's own token" in text
    assert other.token not in door.text
    admin.portal.client.token = own


def test_requests_for_no_integration_are_told_too(admin: Admin):
    """A job that was forgotten in the identity provider, and an address that was mistyped."""
    client, gone = admin.portal.connect("Former")
    assert "refused" not in text_of(admin.get())
    integrations.remove_integration(admin.portal.session, admin.state.models, "main", gone.id)
    assert client.get("/Users").status_code == 401
    admin.app.test_client().get("/api/v1/main/integrations/nowhere/scim/v2/Users")
    page = follow(admin, admin.get(), "2 refused requests for integrations")
    text = text_of(page)
    assert "Refused although the integration was removed on" in text
    assert "Refused for an integration that doesn't exist" in text
    assert "Stop the job in the identity provider" in text
    admin.change_state(tenant=lambda: "elsewhere")
    assert "No refused requests" in text_of(admin.get("/refused"))


def test_revoking_the_only_token_says_so(admin: Admin):
    key_id = admin.portal.client.token.split("_")[1]
    page = text_of(admin.get(f"/{{id}}/tokens/{key_id}/revoke"))
    assert "It is the only token that works." in page
    admin.rotate("ever")
    page = text_of(admin.get(f"/{{id}}/tokens/{key_id}/revoke"))
    assert "The other token has not been used yet." in page


def test_the_rotation_is_guided(admin: Admin):
    """Not used yet; in use; and then the old one can go."""
    client = admin.portal.client
    assert client.get("/Users").status_code == 200
    client.token = admin.shown_token(admin.rotate("1d"))
    assert "has not been used yet" in text_of(admin.get("/{id}"))
    assert "Not used yet" in text_of(admin.get("/{id}/credentials"))
    assert client.get("/Users").status_code == 200
    page = text_of(admin.get("/{id}"))
    assert "the old one isn't used any more" in page
    credentials = text_of(admin.get("/{id}/credentials"))
    assert "from 127.0.0.1" in credentials
    assert "by ada" in credentials


def test_a_token_that_will_expire_is_announced(make_admin: Callable[..., Admin]):
    admin = make_admin(config={"SCIM_TOKEN_DAYS": 20})
    admin.rotate("now")
    page = admin.get()
    assert "The only token expires in 2 weeks" in text_of(page)
    assert "Rotate the token" in text_of(follow(admin, page, "Make a new token"))


def test_the_expiry_is_chosen(admin: Admin):
    page = admin.get("/{id}/rotate").text
    newest = re.search(r'name="newest" type="hidden" value="([^"]*)"', page)
    assert newest
    answer = admin.send(
        "/{id}/rotate", newest=newest[1], overlap="now", expires="90d", label="Production job"
    )
    assert admin.shown_token(answer)
    token = tokens.list_tokens(
        admin.portal.session, admin.state.models, admin.portal.integration.id
    )[0]
    assert token.expires - token.created == timedelta(days=90)
    assert token.label == "Production job"
    assert "Production job" in text_of(admin.get("/{id}/credentials"))


def test_a_pause_puts_requests_off_and_ends(admin: Admin):
    answer = admin.send("/{id}/pause", page="/{id}")
    assert answer.status_code == 303
    assert admin.portal.client.get("/Users").status_code == 503
    page = text_of(admin.get("/{id}"))
    assert "It is paused" in page
    assert "1 request was put off since then" in page
    assert "Resume" in page
    admin.send("/{id}/enable", page="/{id}")
    assert admin.portal.client.get("/Users").status_code == 200


def test_disabling_tells_what_it_means_first(admin: Admin):
    admin.portal.client.post("/Users", {"userName": "ada", "externalId": "e1"})
    page = text_of(admin.get("/{id}/disable"))
    assert "1 person and 0 groups is no longer kept up to date." in page
    assert "Nobody is deactivated" in page
    assert "1 person" in text_of(admin.get("/{id}/remove"))


def test_settings_can_be_edited(admin: Admin):
    page = admin.get("/{id}/settings")
    assert 'value="Entra ID"' in page.text
    usual = {"name": "Contoso", "description": "HR", "dialect": "okta"}
    answer = admin.send("/{id}/settings", **usual)
    assert (answer.status_code, answer.location) == (303, admin.url("/{id}/settings"))
    text = text_of(admin.get("/{id}"))
    assert "The settings of Contoso are saved." in text
    assert "Settings edited" in text
    assert "name was “Entra ID”" in text
    admin.send("/{id}/settings", **usual, may_grant_administrators="y")
    assert "“May make administrators” was no" in text_of(admin.get("/{id}"))
    assert re.search(r"<input[^>]* checked [^>]*may_grant", admin.get("/{id}/settings").text)
    admin.portal.connect("Taken")
    refused = admin.send("/{id}/settings", **(usual | {"name": "Taken"}))
    assert refused.status_code == 422
    assert "Another integration has this name" in text_of(refused)
    assert admin.send("/{id}/settings", **(usual | {"name": ""})).status_code == 422


def test_entries_say_what_happened_in_the_right_tense(admin: Admin):
    client = admin.portal.client
    ada = client.post("/Users", {"userName": "ada@example.com", "displayName": "Ada"}).json["id"]
    group = client.post("/Groups", {"displayName": "Finance"}).json["id"]
    client.patch(f"/Groups/{group}", [{"op": "add", "path": "members", "value": [{"value": ada}]}])
    client.patch(f"/Groups/{group}", [{"op": "remove", "path": f'members[value eq "{ada}"]'}])
    client.patch(
        f"/Users/{ada}",
        [
            {"op": "replace", "path": "title", "value": "Engineer"},
            {
                "op": "replace",
                "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "value": "R&D",
            },
        ],
    )
    client.patch(f"/Users/{ada}", [{"op": "replace", "path": "active", "value": False}])
    client.patch(f"/Users/{ada}", [{"op": "replace", "path": "active", "value": "perhaps"}])
    client.delete(f"/Users/{ada}")
    text = text_of(admin.get("/{id}/activity"))
    for sentence in (
        "Created ada@example.com",
        "Created the group Finance",
        "Added to Finance: ada@example.com",
        "Removed from Finance: ada@example.com",
        "Changed title, department of ada@example.com",
        "Deactivated ada@example.com",
        "Couldn't change ada@example.com",
        "Deactivated ada@example.com, whom the identity provider deleted",
    ):
        assert sentence in text, sentence


def test_each_entry_has_an_address_of_its_own(admin: Admin):
    admin.portal.client.post("/Users", {"userName": "ada", "active": "perhaps"})
    page = follow(admin, admin.get("/{id}/activity"), "Couldn't create ada")
    text = text_of(page)
    assert "Asked for POST /Users" in text
    assert "Address 127.0.0.1" in text
    assert f"Token {admin.portal.client.token.split('_')[1]}" in text
    assert "Created ada" not in text
    about = follow(admin, page, "Everything about ada")
    assert "Couldn't create ada" in text_of(about)
    for wrong in ("999999", f"{2**70}"):
        missing = admin.get(f"/{{id}}/activity/{wrong}")
        assert missing.status_code == 404
        assert "There is no such page" in text_of(missing)


def test_activity_is_searched_across_integrations(admin: Admin):
    other, _ = admin.portal.connect("Other")
    admin.portal.client.post("/Users", {"userName": "amy"})
    other.post("/Users", {"userName": "bob"})
    text = text_of(admin.get("/activity"))
    assert "Created amy Entra ID" in text
    assert "Created bob Other" in text
    text = text_of(admin.get("/activity?q=bob"))
    assert "Created bob" in text
    assert "Created amy" not in text
    text = text_of(admin.get("/activity?action=user.created"))
    assert "Integration created by" not in text
    assert "Created amy" in text
    admin.change_state(tenant=lambda: "elsewhere")
    assert "Created" not in text_of(admin.get("/activity?action=user.created")).partition("Done")[2]


def test_the_mapping_is_shown(admin: Admin):
    text = text_of(admin.get("/{id}/mapping"))
    assert "userName User.username string Both ways Required, unique" in text
    assert "displayName Team.name" in text


def test_the_health_document_is_for_machines(admin: Admin):
    admin.portal.client.post("/Users", {"userName": "ada@example.com", "active": "perhaps"})
    answer = admin.get("/health.json")
    assert answer.mimetype == "application/json"
    (found,) = answer.json["integrations"]
    assert found["state"] == "attention"
    assert found["problems"][0]["code"] == "failures"
    assert "ada@example.com" not in answer.text


def test_many_integrations_are_paged_and_searched(admin: Admin):
    for number in range(25):
        admin.portal.connect(f"Directory {number:02}", dialect="okta")
    page = admin.get()
    assert "26 of 26 integrations" in text_of(page)
    assert page.text.count('role="rowheader"') == 20
    second = follow(admin, page, "2")
    assert second.text.count('role="rowheader"') == 6
    found = admin.get("/?q=directory+07")
    assert "1 of 26 integrations" in text_of(found)
    assert "Directory 07" in text_of(found)
    assert "No integration matches" in text_of(admin.get("/?q=nothing"))
    for senseless in ("0", "-1", "99", "x"):
        assert admin.get(f"/?page={senseless}").status_code == 200


PAGES = [
    "/",
    "/new",
    "/activity",
    "/removed",
    "/refused",
    "/{id}",
    "/{id}/failures",
    "/{id}/activity",
    "/{id}/activity?q=x",
    "/{id}/activity/1",
    "/{id}/people",
    "/{id}/groups",
    "/{id}/mapping",
    "/{id}/credentials",
    "/{id}/connect",
    "/{id}/settings",
    "/{id}/disable",
    "/{id}/rotate",
    "/{id}/remove",
]


def test_a_host_with_strict_templates_sees_every_page(admin: Admin):
    """``StrictUndefined`` fails wherever a template says what nobody gave it."""
    admin.app.jinja_env.undefined = StrictUndefined
    admin.app.jinja_env.cache.clear()
    client = admin.portal.client
    for round_ in range(2):
        for path in PAGES:
            assert admin.get(path).status_code == 200, (round_, path)
        client.post("/Users", {"userName": "ada", "active": "perhaps"})
        client.token = "wrong"
        client.get("/Users")
    key = admin.state.models.access_token
    key_id = admin.portal.session.scalar(sa.select(key.key_id))
    assert admin.get(f"/{{id}}/tokens/{key_id}/revoke").status_code == 200
    assert admin.create(name="").status_code == 422
    assert admin.create(name="Strict").status_code == 200
    assert admin.rotate().status_code == 200
    assert admin.send("/{id}/remove", name="no").status_code == 422
    assert admin.get("/nothing").status_code == 404
    admin.change_state(admin_required=None)
    assert admin.get().status_code == 403


def test_our_headers_are_sent_whatever_the_host_sets(admin: Admin):
    def weaken(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src *"
        response.headers["Cache-Control"] = "public, max-age=60"
        response.headers.pop("X-Content-Type-Options", None)
        return response

    admin.app.after_request_funcs.setdefault(None, []).append(weaken)
    headers = admin.get("/{id}").headers
    policies = headers.getlist("Content-Security-Policy")
    assert "default-src *" in policies
    (ours,) = [each for each in policies if each != "default-src *"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'self'"):
        assert part in ours
    assert "unsafe" not in ours
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_host_keeps_its_own_class_of_responses(admin: Admin):
    class Shouting(Response):
        def get_wsgi_headers(self, environ: Any) -> Any:
            headers = super().get_wsgi_headers(environ)
            headers["X-Portal"] = "yes"
            return headers

    admin.app.response_class = Shouting
    headers = admin.get("/{id}").headers
    assert headers["X-Portal"] == "yes"
    assert headers["Cache-Control"] == "no-store"


def test_the_markup_of_a_guide_is_the_only_one(admin: Admin):
    """What a guide quotes is text, whoever has named it."""
    shown = rich("**<b>Save</b>** and `{endpoint}` {endpoint}", endpoint="<script>")
    assert str(shown) == (
        '<strong class="scim-strong">&lt;b&gt;Save&lt;/b&gt;</strong> and '
        '<code class="scim-code">&lt;script&gt;</code> &lt;script&gt;'
    )


def test_a_layout_of_the_hosts_keeps_its_own_sources(make_admin: Callable[..., Admin]):
    """Its style sheets may come from elsewhere; who may frame our pages is ours to say."""
    from jinja2 import DictLoader

    admin = make_admin(config={"SCIM_PROVISIONING_BASE_TEMPLATE": "base.html"})
    admin.app.jinja_loader = DictLoader(
        {
            "base.html": "<title>{% block title %}{% endblock %}</title>"
            "{% block content %}{% endblock %}"
        }
    )
    policy = admin.get().headers["Content-Security-Policy"]
    assert "default-src" not in policy
    assert "frame-ancestors 'self'" in policy


def test_fingerprinted_files_are_cached_for_a_year(admin: Admin):
    page = admin.get().text
    url = re.search(r'href="([^"]*console\.css\?v=[^"]+)"', page)
    assert url
    answer = admin.browser.get(url[1])
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    answer.close()
    plain = admin.browser.get(url[1].partition("?")[0])
    assert "immutable" not in plain.headers.get("Cache-Control", "")
    plain.close()


def test_an_old_error_never_looks_current(admin: Admin):
    table = admin.state.models.activity
    usual = {"integration_id": admin.portal.integration.id, "tenant": "main"}
    usual |= {"action": "user.created", "resource_type": "User"}
    now = utcnow()
    admin.portal.client.get("/Users")
    admin.portal.add(
        table(
            at=now - timedelta(days=6), outcome="refused", status=400, resource_name="ada", **usual
        )
    )
    admin.portal.add(
        *[
            table(at=now, outcome="ok", status=201, resource_name=name, **usual)
            for name in ("ada", "bob", "cy")
        ]
    )
    page = text_of(admin.get("/{id}"))
    assert "Active" in page
    assert "Last refused 6 days ago , 3 successes since." in page


def test_people_and_groups_are_paged_and_searched(admin: Admin):
    client = admin.portal.client
    for number in range(60):
        body = {"userName": f"u{number}@example.com", "externalId": f"e{number:02}"}
        assert client.post("/Users", body).status_code == 201
    client.post("/Groups", {"displayName": "Finance", "externalId": "g1"})
    other, _ = admin.portal.connect("Other")
    other.post("/Users", {"userName": "foreign@example.com", "externalId": "e00"})
    page = admin.get("/{id}/people")
    assert page.text.count('role="rowheader"') == 50
    assert "foreign@example.com" not in page.text
    rest = follow(admin, page, "More")
    assert rest.text.count('role="rowheader"') == 10
    for text in ("u7@example.com", "U7@example.com", "e07"):
        found = admin.get(f"/{{id}}/people?q={text}")
        assert found.text.count('role="rowheader"') == 1
        assert "u7@example.com" in text_of(found)
    timeline = follow(admin, found, "u7@example.com")
    assert "Created u7@example.com" in text_of(timeline)
    assert "Nobody matches" in text_of(admin.get("/{id}/people?q=nobody"))
    assert "Finance" in text_of(admin.get("/{id}/groups"))


def test_no_request_is_lost_while_the_token_is_rotated(admin: Admin):
    """The identity provider goes on; nothing is refused until the old token is revoked."""
    client, statuses = admin.portal.client, []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            statuses.append(client.get("/Users").status_code)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        admin.rotate("1d")  # whoever reads the page closes the tab
        new = admin.shown_token(admin.rotate("1d"))
        old = client.token
        client.token = new
        while client.get("/Users").status_code != 200:
            pass
        client.token = old
        assert client.get("/Users").status_code == 200
        client.token = new
        admin.send(f"/{{id}}/tokens/{old.split('_')[1]}/revoke")
    finally:
        stop.set()
        worker.join()
    assert set(statuses) == {200}
    client.token = old
    assert client.get("/Users").status_code == 401


def test_no_page_costs_more_statements_when_there_is_more(admin: Admin):
    """However many integrations, entries and people there are."""
    paths = ["/", "/activity", "/{id}", "/{id}/failures", "/{id}/activity", "/{id}/people"]

    def costs() -> dict[str, int]:
        found = {}
        for path in paths:
            admin.get(path)
            with admin.portal.statements() as spent:
                assert admin.get(path).status_code == 200
            found[path] = spent.count
        return found

    def work(number: int) -> None:
        client = admin.portal.client
        user = client.post("/Users", {"userName": f"u{number}", "externalId": f"e{number}"})
        member = [{"value": user.json["id"]}]
        client.post("/Groups", {"displayName": f"g{number}", "members": member})
        client.post("/Users", {"userName": f"x{number}", "active": "perhaps"})

    work(0)
    before = costs()
    for number in range(1, 30):
        work(number)
        admin.portal.connect(f"Directory {number}")
    after = costs()
    assert all(after[path] <= before[path] for path in paths), (before, after)
