"""The page of an integration's activity."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from flask_scim_provisioning.models import utcnow

from .pages import HOSTILE, Admin, text_of


def add_entries(admin: Admin, *entries: dict[str, Any]) -> None:
    """Write entries as SCIM requests would."""
    usual = {"integration_id": admin.portal.integration.id, "tenant": "main", "at": utcnow()}
    usual |= {"action": "user.updated", "resource_type": "User", "outcome": "ok", "status": 200}
    admin.portal.add(*[admin.state.models.activity(**(usual | entry)) for entry in entries])


def names(page: str) -> list[str]:
    """Return the resources of the entries on a page, from the top."""
    return re.findall(r'scim-table__main"[^>]*>[^<]* (\w+@example.com)<', page)


def test_older_entries_follow_page_by_page(admin: Admin):
    add_entries(admin, *[{"resource_name": f"u{n}@example.com"} for n in range(120)])
    shown, path, pages = [], "/{id}/activity", 0
    while path:
        page = admin.get(path).text
        shown += names(page)
        pages += 1
        older = re.search(r'href="/provisioning([^"]+)">Older', page)
        path = older[1] if older else ""
    assert shown == [f"u{n}@example.com" for n in reversed(range(120))]
    assert pages == 3
    assert "Newest" in page


def test_only_one_outcome_is_shown_when_that_is_asked(admin: Admin):
    add_entries(
        admin,
        {"resource_name": "fine@example.com"},
        {"resource_name": "refused@example.com", "outcome": "refused", "status": 409},
        {"resource_name": "failed@example.com", "outcome": "failed", "status": 500},
    )
    page = admin.get("/{id}/activity?outcome=refused").text
    assert names(page) == ["refused@example.com"]
    assert re.search(r'outcome=refused" aria-current="true">Refused', page)
    assert len(names(admin.get("/{id}/activity").text)) == 3


def test_a_time_narrows_the_log(admin: Admin):
    add_entries(
        admin,
        {"resource_name": "old@example.com", "at": utcnow() - timedelta(days=3)},
        {"resource_name": "new@example.com"},
    )
    assert names(admin.get("/{id}/activity?when=1d").text) == ["new@example.com"]
    assert len(names(admin.get("/{id}/activity?when=7d").text)) == 2


@pytest.mark.parametrize(
    "query",
    [
        "outcome=none",
        "when=never",
        "action=x",
        "before=x",
        "before=",
        "before=-1",
        f"before={10**30}",
        "outcome=",
    ],
)
def test_a_senseless_query_is_none(admin: Admin, query: str):
    answer = admin.get(f"/{{id}}/activity?{query}")
    assert answer.status_code == 200
    assert "Integration created" in text_of(answer)


def test_an_outcome_without_entries_leads_back_to_all(admin: Admin):
    page = text_of(admin.get("/{id}/activity?outcome=failed"))
    assert "No entry matches Show all" in page


def test_members_who_were_left_out_need_attention(admin: Admin):
    """The administrator sees it on both pages, and which people they are."""
    integration = admin.portal.integration
    assert "Needs attention" not in text_of(admin.get("/{id}"))
    client, okta = admin.portal.connect("Okta", dialect="okta")
    ada = client.post("/Users", {"userName": "ada@example.com"}).json["id"]
    stranger = "00000000-0000-4000-8000-00000000dead"
    members = [{"value": ada}, {"value": stranger}]
    body = {"displayName": "Engines", "members": members}
    assert client.post("/Groups", body).status_code == 201

    page = admin.get(f"/{okta.id}")
    text = text_of(page)
    assert "Needs attention 1 change of a group named people" in text
    assert "Make sure that the identity provider provisions them" in text
    assert f'href="/provisioning/{okta.id}/failures#scim-skipped"' in page.text
    failures = admin.get(f"/{okta.id}/failures")
    assert f'href="/provisioning/{okta.id}/activity?outcome=attention"' in failures.text
    assert stranger in failures.text
    shown = text_of(admin.get(f"/{okta.id}/activity?outcome=attention"))
    assert "Created the group Engines; added to it: ada@example.com" in shown
    assert f"1 unknown member(s) skipped: {stranger}" in shown
    assert "Done Needs attention" in shown
    assert "Created ada@example.com" not in shown
    assert "Needs attention 1 change" not in text_of(admin.get(f"/{integration.id}"))


@pytest.mark.parametrize(
    ("entries", "said"), [(2, "2 changes of groups"), (100, "More than 99 changes of groups")]
)
def test_what_needs_attention_is_counted(admin: Admin, entries: int, said: str):
    add_entries(admin, *[{"attention": "members.skipped"}] * entries)
    assert said in text_of(admin.get("/{id}"))
    older = admin.get("/{id}/activity?outcome=attention").text
    assert ("outcome=attention&amp;before=" in older) == (entries > 50)


def test_an_entry_tells_what_support_will_ask(admin: Admin):
    add_entries(
        admin,
        {
            "outcome": "refused",
            "status": 409,
            "scim_type": "uniqueness",
            "duration_ms": 12.34,
            "request_id": "4711-req",
            "resource_id": "2819c223",
            "payload": {"userName": HOSTILE},
        },
    )
    page = admin.get("/{id}/activity")
    text = text_of(page)
    for fact in (
        "HTTP status 409",
        "SCIM error uniqueness",
        "Duration 12.3 ms",
        "User 2819c223",
        "Request 4711-req",
    ):
        assert fact in text
    assert "&lt;script&gt;alert" in page.text
    assert "<script>alert" not in page.text


def test_the_detail_page_has_the_latest_ten(admin: Admin):
    add_entries(admin, *[{"resource_name": f"u{n}@example.com"} for n in range(30)])
    page = admin.get("/{id}").text
    assert names(page) == [f"u{n}@example.com" for n in reversed(range(20, 30))]
    assert f'href="{admin.url("/{id}/activity")}"' in page
