"""What no provider has to be named for: it can't be confused with anything else.

Each of these was sent by a client that nobody here wrote: scim-sim, scim2-cli, Canaille, Rauthy,
authentik, an extension of Keycloak, Okta's test suite, Microsoft's Postman collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.scim import urns

from ..portal import Portal
from .speaker import Speaker

Connect = Callable[[str], Speaker]
EVERYBODY = ("generic", "entra", "okta", "rauthy", "canaille")
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_a_role_is_primary_by_the_string_true(speak: Connect):
    """Entra's mapping of a single role, by a client whose name nobody has told."""
    client = speak("generic")
    key = client.user("ada", roles=[{"value": "a", "primary": True}, {"value": "b"}])
    path = 'roles[primary eq "True"].display'
    client.operate(f"/Users/{key}", {"op": "replace", "path": path, "value": "First"})
    assert client.read(f"/Users/{key}")["roles"] == [
        {"value": "a", "primary": True, "display": "First"},
        {"value": "b"},
    ]


@pytest.mark.parametrize("provider", EVERYBODY)
class TestWhatIsRepeated:
    """A PATCH without a path that carries the whole object back (Okta, authentik, Rauthy)."""

    def test_the_id_of_the_resource_may_be(self, speak: Connect, provider: str):
        client = speak(provider)
        key = client.group("Guides")
        whole = client.read(f"/Groups/{key}")
        value = {**whole, "displayName": "Leaders"}
        client.operate(f"/Groups/{key}", {"op": "replace", "value": value})
        assert client.read(f"/Groups/{key}")["displayName"] == "Leaders"
        assert "schemas and meta in the value ignored" in client.notes()
        assert "operation 1: the resource's own id ignored" in client.notes()

    def test_a_different_id_is_refused(self, speak: Connect, provider: str):
        client = speak(provider)
        key = client.group("Guides")
        for operation in (
            {"op": "replace", "value": {"id": NOBODY, "displayName": "Leaders"}},
            {"op": "add", "path": "id", "value": NOBODY},
            {"op": "replace", "path": "id", "value": None},
        ):
            answer = client.operate(f"/Groups/{key}", operation, status=400)
            assert answer.json["scimType"] == "mutability"
            assert "leave it out" in answer.json["detail"]
        assert client.read(f"/Groups/{key}")["displayName"] == "Guides"

    def test_the_id_may_be_a_path(self, speak: Connect, provider: str):
        client = speak(provider)
        key = client.group("Guides")
        client.operate(
            f"/Groups/{key}",
            {"op": "replace", "path": "id", "value": key.upper()},
            {"op": "replace", "path": "displayName", "value": "Leaders"},
        )
        assert client.read(f"/Groups/{key}")["displayName"] == "Leaders"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/Users/{user}", {"Operations": [{"op": "add", "path": "title", "value": "x"}]}),
        ("POST", "/Users/.search", {"filter": 'userName eq "ada"'}),
        ("POST", "/Bulk", {"Operations": []}),
        ("PUT", "/Users/{user}", {"userName": "ada"}),
    ],
)
def test_an_empty_list_of_schemas_says_nothing_wrong(
    portal: Portal, method: str, path: str, body: dict[str, Any]
):
    user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    answer = portal.client.request(method, path.format(user=user), {"schemas": [], **body})
    assert answer.status_code == 200, answer.text


class TestNamesOfMembers:
    """Okta's test suite looks for ``members[].display``, and scim2-tester minds what it never sent.

    ``display`` is returned on request (RFC 7643 section 2.4), and these count as requests.
    """

    def group(self, portal: Portal, **member: Any) -> Any:
        user = portal.client.post("/Users", {"userName": "ada"}).json["id"]
        sent = {"displayName": "Team", "members": [{"value": user, **member}]}
        return portal.client.post("/Groups", sent).json

    def test_are_answered_to_who_sends_them(self, portal: Portal):
        group = self.group(portal, display="whatever")
        assert group["members"][0]["display"] == "ada"
        sent = {**group, "displayName": "Squad"}
        put = portal.client.put(f"/Groups/{group['id']}", sent).json
        assert put["members"][0]["display"] == "ada"

    def test_are_answered_to_oktas_test_suite(self, portal: Portal):
        self.group(portal)
        suite = {"User-Agent": "runscope/0.1"}
        listed = portal.client.get("/Groups", headers=suite).json["Resources"][0]
        assert listed["members"][0]["display"] == "ada"

    def test_are_left_out_for_others(self, portal: Portal):
        group = self.group(portal)
        assert "display" not in group["members"][0]
        assert "display" not in portal.client.get(f"/Groups/{group['id']}").json["members"][0]


def test_the_schemas_are_described_as_in_the_rfc(portal: Portal):
    """RFC 7643 section 8.7.1; Microsoft's Postman collection compares the description."""
    described = {
        document["id"]: document["description"]
        for document in portal.client.get("/Schemas").json["Resources"]
    }
    assert described == {
        urns.USER: "User Account",
        urns.GROUP: "Group",
        urns.ENTERPRISE_USER: "Enterprise User",
    }


class TestPutOfAGroupWithoutMembers:
    """RFC 7644 section 3.5.1 leaves open what becomes of an attribute that isn't named."""

    def put(self, client: Speaker) -> tuple[str, list[str]]:
        group = client.group("Guides", client.user("ada"))
        sent = {"schemas": [urns.GROUP], "displayName": "Guides"}
        assert client.send("PUT", f"/Groups/{group}", sent).status_code == 200
        return group, client.team("Guides")

    def test_empties_it_for_keycloak(self, speak: Connect):
        """One of its extensions leaves the empty list out: the last person would keep access."""
        client = speak("keycloak")
        _, members = self.put(client)
        assert members == []
        assert "a PUT without members read as one of a group that has none" in client.notes()

    def test_keeps_them_for_others_and_tells_so(self, speak: Connect):
        """Also where nothing else has changed: an administrator looks for why access stays."""
        client = speak("generic")
        group, members = self.put(client)
        assert members == ["ada"]
        told = "members aren't in the PUT, and stay; send an empty list for none"
        assert client.notes() == [told]
        client.send("PUT", f"/Groups/{group}", {"displayName": "Guides", "members": []})
        assert client.team("Guides") == []

    @pytest.mark.parametrize("provider", ["okta"])
    def test_keeps_them_for_okta_which_means_that(self, speak: Connect, provider: str):
        client = speak(provider)
        _, members = self.put(client)
        assert members == ["ada"]
        assert not any("PUT" in note for note in client.notes())

    def test_of_an_empty_group_writes_nothing(self, portal: Portal):
        group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]
        entry = portal.app.extensions["scim_provisioning"].models.activity
        count = sa.select(sa.func.count()).select_from(entry)
        before = portal.session.scalar(count)
        sent = {"displayName": "Team"}
        assert portal.client.put(f"/Groups/{group}", sent).status_code == 200
        assert portal.session.scalar(count) == before


@pytest.mark.portal(config={"SCIM_ANNOUNCE_PAGINATION": False})
def test_pagination_can_be_hidden_from_who_refuses_what_it_does_not_know(portal: Portal):
    assert "pagination" not in portal.client.get("/ServiceProviderConfig").json
    assert portal.client.get("/Users", cursor="").status_code == 200


def test_a_rename_to_the_name_of_who_is_deleted_and_kept_says_what_to_do(portal: Portal):
    gone = portal.client.post("/Users", {"userName": "ada"}).json["id"]
    user = portal.client.post("/Users", {"userName": "bob"}).json["id"]
    assert portal.client.delete(f"/Users/{gone}").status_code == 204
    rename = [{"op": "replace", "path": "userName", "value": "ADA"}]
    for answer in (
        portal.client.patch(f"/Users/{user}", rename),
        portal.client.put(f"/Users/{user}", {"userName": "ADA"}),
    ):
        assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert "deleted over SCIM" in answer.json["detail"]
        assert "remove or rename it in the portal" in answer.json["detail"]


def test_a_member_without_an_id_is_told_as_that(portal: Portal):
    group = portal.client.post("/Groups", {"displayName": "Team"}).json["id"]
    empty = [{"value": ""}]
    for answer in (
        portal.client.post("/Groups", {"displayName": "Other", "members": empty}),
        portal.client.put(f"/Groups/{group}", {"displayName": "Team", "members": empty}),
        portal.client.patch(f"/Groups/{group}", [{"op": "add", "path": "members", "value": empty}]),
    ):
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        assert "empty value" in answer.json["detail"]


class TestSchemasOfAResource:
    """RFC 7643 section 3: ``schemas`` says what the resource is."""

    @pytest.mark.parametrize("schemas", [[urns.GROUP], ["urn:example:none"], ["", "x"]])
    def test_of_others_only_is_refused(self, portal: Portal, schemas: list[str]):
        user = portal.client.post("/Users", {"userName": "bob"}).json["id"]
        body = {"schemas": schemas, "userName": "ada"}
        for answer in (
            portal.client.post("/Users", body),
            portal.client.put(f"/Users/{user}", body),
        ):
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidSyntax")
            assert urns.USER in answer.json["detail"]
        assert portal.user("ada") is None

    @pytest.mark.parametrize(
        "schemas",
        [
            None,
            [],
            [urns.USER],
            [urns.USER.upper()],
            [urns.ENTERPRISE_USER],
            [urns.USER, "urn:example:unknown"],
            ["urn:scim:schemas:core:1.0"],
        ],
    )
    def test_of_its_own_is_taken(self, portal: Portal, schemas: list[str] | None):
        answer = portal.client.post("/Users", {"schemas": schemas, "userName": "ada"})
        assert answer.status_code == 201, answer.text

    def test_of_a_user_sent_to_groups_is_refused(self, portal: Portal):
        answer = portal.client.post("/Groups", {"schemas": [urns.USER], "displayName": "x"})
        assert answer.status_code == 400


def test_a_members_deletion_moves_the_version_of_its_groups(portal: Portal):
    """A client that knows the group's version must not hear 304, or write by ``If-Match``."""
    user, other = (
        portal.client.post("/Users", {"userName": name}).json["id"] for name in ("ada", "bob")
    )
    groups = {
        name: portal.client.post(
            "/Groups", {"displayName": name, "members": [{"value": each} for each in members]}
        )
        for name, members in (("Both", [user, other]), ("Own", [user]), ("Other", [other]))
    }
    assert portal.client.delete(f"/Users/{user}").status_code == 204
    for name, made in groups.items():
        now = portal.client.get(f"/Groups/{made.json['id']}", excludedAttributes="members")
        moved = now.headers["ETag"] != made.headers["ETag"]
        assert moved is (name != "Other"), name
        earlier = made.json["meta"]["lastModified"]
        assert (now.json["meta"]["lastModified"] != earlier) is (name != "Other")
        stale = portal.client.patch(
            f"/Groups/{made.json['id']}",
            [{"op": "replace", "path": "displayName", "value": f"{name}!"}],
            headers={"If-Match": made.headers["ETag"]},
        )
        assert stale.status_code == (204 if name == "Other" else 412)
