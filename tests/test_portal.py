"""The portal of the tests, and what it counts: if these lie, so do the tests that use them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .portal import Portal


def test_the_integration_answers(portal: Portal) -> None:
    assert portal.client.get("/Users").json["totalResults"] == 0
    assert portal.client.with_token("wrong").get("/Users").status_code == 401


def test_a_user_arrives_in_the_portals_own_table(portal: Portal) -> None:
    answer = portal.client.post(
        "/Users",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "ada@example.com",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
        },
    )
    assert answer.status_code == 201, answer.text
    user = portal.user("ada@example.com")
    assert (user.first_name, user.last_name, user.is_active) == ("Ada", "Lovelace", True)


def test_the_session_sees_what_requests_commit(portal: Portal) -> None:
    user = portal.add(portal.models.User(username="ada"))
    resource = portal.client.get("/Users", filter='userName eq "ada"').json["Resources"][0]
    answer = portal.client.patch(
        f"/Users/{resource['id']}", [{"op": "replace", "path": "name.givenName", "value": "Ada"}]
    )
    assert answer.status_code == 200, answer.text
    assert portal.session.get(portal.models.User, user.id).first_name == "Ada"


def test_statements_and_rows_are_counted(portal: Portal) -> None:
    portal.add_users([f"user{number}" for number in range(5)])
    with portal.statements() as cost:
        names = portal.session.query(portal.models.User.username).all()
    assert (cost.count, cost.rows) == (1, len(names)) == (1, 5)


def test_too_many_statements_fail(portal: Portal) -> None:
    def two() -> None:
        with portal.statements(at_most=1):
            portal.user("nobody")
            portal.team("none")

    with pytest.raises(AssertionError, match="2 statements, not 1"):
        two()


@pytest.mark.portal(tenants=True, tenant="contoso", dialect="entra")
def test_a_portal_with_tenants(portal: Portal) -> None:
    portal.add_users(["ada"], org_id="contoso")
    portal.add_users(["bob"], org_id="fabrikam")
    fabrikam, _ = portal.connect("Okta", tenant="fabrikam", dialect="okta")
    seen = [client.get("/Users").json["Resources"] for client in (portal.client, fabrikam)]
    assert [[user["userName"] for user in users] for users in seen] == [["ada"], ["bob"]]


def test_one_registration_serves_several_applications(
    make_portal: Callable[..., Portal], tmp_path: object
) -> None:
    from .portal import build_portal

    first = make_portal(config={"SCIM_MAX_RESULTS": 3, "SCIM_DEFAULT_RESULTS": 3})
    second = build_portal(f"sqlite:///{tmp_path}/second.sqlite3")
    first.add_users([f"user{number}" for number in range(5)])
    second.add_users([f"user{number}" for number in range(5)])
    pages = [portal.client.get("/Users", count=5).json for portal in (first, second)]
    second.close()
    assert [page["itemsPerPage"] for page in pages] == [3, 5]
