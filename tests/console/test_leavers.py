"""The pages of leavers: the record, the brake's decisions, and the removal of an integration."""

from __future__ import annotations

import re

from .pages import Admin

OFF = {"op": "replace", "path": "active", "value": False}


def _sent(admin: Admin, path: str, **fields: str) -> str:
    """Send a form, and return the page that it leads to."""
    answer = admin.send(path, **fields)
    if answer.status_code != 303:
        return answer.text
    return admin.browser.get(answer.location).text


def _people(admin: Admin, count: int) -> list[str]:
    paths = []
    for number in range(count):
        sent = {"userName": f"p{number}", "externalId": f"x{number}"}
        paths.append(f"/Users/{admin.portal.client.post('/Users', sent).json['id']}")
    return paths


def test_the_page_tells_and_decides(admin: Admin) -> None:
    assert "Nobody has left yet" in admin.get("/{id}/leavers").text
    admin.send(
        "/{id}/settings", name="Entra ID", dialect="generic", brake_percent="20", brake_least="1"
    )
    paths = _people(admin, 5)
    client = admin.portal.client
    assert [client.patch(path, [OFF]).status_code for path in paths[:3]] == [200, 503, 503]
    overview = admin.get("/{id}").text
    assert "The brake holds 2 people" in overview
    assert "Show what is held" in overview
    page = admin.get("/{id}/leavers").text
    assert "Held by the brake" in page
    assert "more than 20 %" in page
    (first, second) = re.findall(r'name="record" value="(\d+)"', page)
    nothing = _sent(admin, "/{id}/held", page="/{id}/leavers", decision="released", which="ticked")
    assert "Tick somebody first." in nothing
    strange = _sent(admin, "/{id}/held", page="/{id}/leavers", decision="maybe", which="all")
    assert "Choose to release or to reject." in strange
    told = _sent(
        admin, "/{id}/held", page="/{id}/leavers", decision="rejected", which="ticked", record=first
    )
    assert "1 change is rejected" in told
    told = _sent(admin, "/{id}/held", page="/{id}/leavers", decision="released", which="all")
    assert "1 change is released" in told
    assert [client.patch(path, [OFF]).status_code for path in paths[1:3]] == [403, 200]
    again = _sent(
        admin,
        "/{id}/held",
        page="/{id}/leavers",
        decision="released",
        which="ticked",
        record=second,
    )
    assert "Nothing of this is held any more" in again
    document = admin.get("/{id}/leavers?format=json").json
    names = {each["resource_name"]: each["blocked"] is not None for each in document["records"]}
    assert names == {"p0": True, "p1": False, "p2": True}
    assert admin.get("/{id}/leavers.json?q=p0").json["records"][0]["kind"] == "deactivated"
    assert "Nobody matches" in admin.get("/{id}/leavers?q=nobody").text


def test_removing_asks_what_becomes_of_the_people(admin: Admin) -> None:
    _people(admin, 2)
    page = admin.get("/{id}/remove").text
    assert "Deactivate them, so that nobody of them can sign in any more" in page
    told = _sent(admin, "/{id}/remove", name="Entra ID", people="deactivate")
    assert "Entra ID is removed. 2 people deactivated." in told
    assert not admin.portal.user("p0").is_active
