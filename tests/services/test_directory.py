"""The use cases of SCIM: what they do to the portal's rows, and whom they tell of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services import integrations, signals
from tests.client import ScimClient
from tests.portal import Portal
from tests.snapshots import snapshot

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ADA = {
    "userName": "ada@example.com",
    "externalId": "ext-ada",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
    "title": "Countess",
    "active": True,
}


class Heard:
    """Every signal that is sent meanwhile: its name, its sender, and what it says."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.all]

    def __enter__(self) -> Heard:
        self._stack = ExitStack()
        for name, signal in signals.NAMESPACE.items():

            def hear(sender: str, name: str = name, **values: Any) -> None:
                self.all.append((name, sender, values))

            self._stack.enter_context(signal.connected_to(hear))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def made(portal: Portal, **attributes: Any) -> dict[str, Any]:
    """Create a user, and return the resource."""
    answer = portal.client.post("/Users", {**ADA, **attributes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def log(portal: Portal) -> list[Any]:
    """Return the entries of the activity log that concern resources, oldest first."""
    table = portal.app.extensions["scim_provisioning"].models.activity.__table__
    statement = sa.select(table).where(table.c.resource_type.is_not(None)).order_by(table.c.id)
    return list(portal.session.execute(statement))


def speaking(portal: Portal, dialect: str) -> ScimClient:
    return portal.connect(f"Speaks {dialect}", dialect=dialect)[0]


class TestCreating:
    def test_a_new_row_of_the_portal(self, portal: Portal) -> None:
        with Heard() as heard:
            resource = made(portal)
        row = portal.user("ada@example.com")
        assert (row.first_name, row.last_name, row.email) == ("Ada", "Lovelace", "ada@example.com")
        (entry,) = heard.all
        name, sender, values = entry
        assert (name, sender) == ("user-created", "main")
        assert values["integration_id"] == portal.integration.id
        assert (values["resource_id"], values["host_id"]) == (resource["id"], row.id)
        assert len(values["request_id"]) == 32

    def test_the_answer_says_where_it_is(self, portal: Portal) -> None:
        """RFC 7644 section 3.3: 201, Location, and the same in meta.location."""
        answer = portal.client.post("/Users", ADA)
        assert answer.headers["Location"] == answer.json["meta"]["location"]
        assert answer.headers["ETag"] == answer.json["meta"]["version"] == 'W/"1"'
        assert answer.json["meta"]["created"] == answer.json["meta"]["lastModified"]

    def test_who_is_there_already_is_adopted(self, portal: Portal) -> None:
        """A person of the portal whom SCIM doesn't know yet keeps the row, and what hangs on it."""
        portal.add_users(["ada@example.com"], first_name="Augusta")
        before = portal.user("ada@example.com").id
        resource = made(portal, userName="ADA@example.com")
        rows = portal.session.scalars(sa.select(portal.models.User)).all()
        assert [(row.id, row.first_name) for row in rows] == [(before, "Ada")]
        assert portal.client.get(f"/Users/{resource['id']}").json == resource
        assert log(portal)[-1].notes == ["existing user of this portal taken over"]

    def test_an_adopted_person_is_as_active_as_before_unless_told_otherwise(
        self, portal: Portal
    ) -> None:
        portal.add_users(["ada"], is_active=False)
        portal.add_users(["bob", "eve"])
        assert portal.client.post("/Users", {"userName": "ada"}).json["active"] is False
        body = {"userName": "bob", "active": False}
        assert portal.client.post("/Users", body).json["active"] is False
        assert portal.client.post("/Users", {"userName": "eve"}).json["active"] is True

    def test_who_comes_back_is_active_unless_told_otherwise(self, portal: Portal) -> None:
        for name in ("ada", "bob"):
            path = f"/Users/{made(portal, userName=name)['id']}"
            assert portal.client.delete(path).status_code == 204
            assert not portal.user(name).is_active
        assert portal.client.post("/Users", {"userName": "ada"}).json["active"] is True
        body = {"userName": "bob", "active": False}
        assert portal.client.post("/Users", body).json["active"] is False

    def test_who_is_linked_is_a_conflict(self, portal: Portal) -> None:
        """RFC 7644 section 3.3: 409 with scimType uniqueness; whatever the case of the name."""
        made(portal)
        before = snapshot(portal, without=["scim_activity"])
        with Heard() as heard:
            answer = portal.client.post("/Users", {"userName": "ADA@Example.com"})
        assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert snapshot(portal, without=["scim_activity"]) == before
        assert heard.names == []
        refused = log(portal)[-1]
        assert (refused.outcome, refused.status, refused.scim_type) == (
            "refused",
            409,
            "uniqueness",
        )

    def test_a_name_is_required(self, portal: Portal) -> None:
        for body in ({}, {"userName": ""}, {"userName": None}, {"displayName": "Ada"}):
            answer = portal.client.post("/Users", body)
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue"), body
            assert "userName" in answer.json["detail"]
        assert portal.client.get("/Users").json["totalResults"] == 0

    def test_a_password_is_kept_nowhere(self, portal: Portal) -> None:
        """RFC 7643 section 4.1.1: it is never returned; without a place it is not kept either."""
        secret = "correct horse battery staple"
        resource = made(portal, password=secret)
        change = [{"op": "replace", "path": "password", "value": secret}]
        assert portal.client.patch(f"/Users/{resource['id']}", change).status_code == 200
        with portal.engine.connect() as connection:
            for table in portal.db.metadata.sorted_tables:
                assert secret not in repr(connection.execute(table.select()).all()), table.name


class TestDeleting:
    def test_a_user_is_deactivated_and_gone_for_scim(self, portal: Portal) -> None:
        """RFC 7644 section 3.6: 404 afterwards, everywhere; the portal keeps the row."""
        resource = made(portal)
        path = f"/Users/{resource['id']}"
        group = portal.client.post(
            "/Groups", {"displayName": "Pioneers", "members": [{"value": resource["id"]}]}
        ).json
        with Heard() as heard:
            assert portal.client.delete(path).status_code == 204
        assert heard.names == ["user-deleted"]
        assert portal.user("ada@example.com").is_active is False
        answers = (
            portal.client.get(path),
            portal.client.delete(path),
            portal.client.put(path, ADA),
            portal.client.patch(path, [{"op": "replace", "path": "active", "value": True}]),
        )
        assert [answer.status_code for answer in answers] == [404] * 4
        for text in ('userName eq "ada@example.com"', 'externalId eq "ext-ada"', "active eq false"):
            assert portal.client.get("/Users", filter=text).json["totalResults"] == 0, text
        assert portal.client.get("/Users").json["totalResults"] == 0
        assert not portal.client.get(f"/Groups/{group['id']}").json.get("members")

    def test_a_later_create_adopts_the_old_row(self, portal: Portal) -> None:
        """With a new id: the old one stays gone, as RFC 7644 section 3.6 promises."""
        first = made(portal)
        before = portal.user("ada@example.com").id
        portal.client.delete(f"/Users/{first['id']}")
        second = made(portal, title="Again")
        assert second["id"] != first["id"]
        assert second["meta"]["version"] == 'W/"1"'
        row = portal.user("ada@example.com")
        assert (row.id, row.is_active) == (before, True)
        assert portal.client.get(f"/Users/{first['id']}").status_code == 404
        assert portal.client.get(f"/Users/{second['id']}").json["title"] == "Again"

    def test_what_scim_kept_of_the_deleted_does_not_come_back(self, portal: Portal) -> None:
        first = made(portal, nickName="Enchantress")
        portal.client.delete(f"/Users/{first['id']}")
        answer = portal.client.post("/Users", {"userName": "ada@example.com"})
        assert "nickName" not in answer.json
        assert "externalId" not in answer.json

    def test_a_group_is_deleted_and_its_members_stay(self, portal: Portal) -> None:
        ada = made(portal)["id"]
        group = portal.client.post(
            "/Groups", {"displayName": "Pioneers", "members": [{"value": ada}]}
        ).json
        with Heard() as heard:
            assert portal.client.delete(f"/Groups/{group['id']}").status_code == 204
        assert heard.names == ["group-deleted"]
        assert portal.team("Pioneers") is None
        assert portal.client.get(f"/Groups/{group['id']}").status_code == 404
        assert portal.client.get(f"/Users/{ada}").status_code == 200


class TestReplacing:
    def test_what_is_not_named_is_cleared(self, portal: Portal) -> None:
        """RFC 7644 section 3.5.1, but for what the portal can't leave empty, and externalId."""
        resource = made(portal, nickName="Enchantress", **{ENTERPRISE: {"department": "Engines"}})
        answer = portal.client.put(
            f"/Users/{resource['id']}", {"userName": "ada@example.com", "title": "Lady"}
        )
        written = answer.json.keys() - {"id", "meta", "schemas"}
        assert written == {"userName", "title", "active", "externalId"}
        row = portal.user("ada@example.com")
        assert (row.first_name, row.email, row.department, row.is_active) == (
            None,
            None,
            None,
            True,
        )
        assert answer.json["meta"]["version"] == 'W/"2"'

    def test_okta_keeps_what_it_does_not_name(self, portal: Portal) -> None:
        """Okta sends only mapped attributes, and expects the others to stay."""
        resource = made(portal)
        okta = speaking(portal, "okta")
        answer = okta.put(f"/Users/{resource['id']}", {"userName": "ada@example.com"})
        assert answer.json["title"] == "Countess"
        assert answer.json["name"] == ADA["name"]
        answer = okta.put(
            f"/Users/{resource['id']}", {"userName": "ada@example.com", "title": None}
        )
        assert "title" not in answer.json, "what is named as null is cleared all the same"

    @pytest.mark.parametrize("active", [True, False])
    def test_who_is_neither_active_nor_inactive_stays_what_they_are(
        self, portal: Portal, active: bool
    ) -> None:
        """RFC 7643 section 2.5: null says that there is no value, as in a create."""
        resource = made(portal, active=active)
        with Heard() as heard:
            answer = portal.client.put(f"/Users/{resource['id']}", {**ADA, "active": None})
        assert (answer.status_code, answer.json["active"]) == (200, active)
        assert portal.user("ada@example.com").is_active is active
        assert heard.names == []
        assert made(portal, userName="bob", externalId="b", active=None)["active"] is True

    def test_members_stay_unless_they_are_named(self, portal: Portal) -> None:
        """A PUT that renames a group must not empty it; one that names members replaces them."""
        ada, bob = made(portal)["id"], made(portal, userName="bob", externalId="b")["id"]
        body = {"displayName": "Pioneers", "members": [{"value": ada}, {"value": bob}]}
        group = portal.client.post("/Groups", body).json["id"]
        path = f"/Groups/{group}"
        portal.client.put(path, {"displayName": "Founders"})
        assert len(portal.client.get(path).json["members"]) == 2
        with Heard() as heard:
            portal.client.put(path, {"displayName": "Founders", "members": [{"value": bob}]})
        assert [each["value"] for each in portal.client.get(path).json["members"]] == [bob]
        assert heard.names == ["membership-changed"]
        portal.client.put(path, {"displayName": "Founders", "members": []})
        assert not portal.client.get(path).json.get("members")

    def test_a_taken_name_is_a_conflict(self, portal: Portal) -> None:
        made(portal)
        bob = made(portal, userName="bob", externalId="b")
        before = snapshot(portal, without=["scim_activity"])
        for answer in (
            portal.client.put(f"/Users/{bob['id']}", ADA),
            portal.client.patch(
                f"/Users/{bob['id']}",
                [
                    {"op": "replace", "path": "title", "value": "Half written?"},
                    {"op": "replace", "path": "userName", "value": "ADA@example.com"},
                ],
            ),
        ):
            assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
        assert snapshot(portal, without=["scim_activity"]) == before

    def test_a_name_changes_its_case(self, portal: Portal) -> None:
        """It is taken by nobody else, and the identity provider reads back what it wrote."""
        path = f"/Users/{made(portal)['id']}"
        change = [{"op": "replace", "path": "userName", "value": "Ada@Example.com"}]
        assert portal.client.patch(path, change).json["userName"] == "Ada@Example.com"
        assert portal.client.get(path).json["userName"] == "Ada@Example.com"


class TestChanging:
    def test_deactivating_and_reactivating_are_told_apart(self, portal: Portal) -> None:
        resource = made(portal)
        path = f"/Users/{resource['id']}"

        def switch(active: bool) -> list[str]:
            with Heard() as heard:
                change = {"op": "replace", "path": "active", "value": active}
                portal.client.patch(path, [change])
            return heard.names

        assert switch(False) == ["user-updated", "user-deactivated"]
        assert switch(False) == []
        assert switch(True) == ["user-updated", "user-reactivated"]
        actions = [entry.action for entry in log(portal)]
        assert actions == ["user.created", "user.deactivated", "user.reactivated"]

    def test_nothing_changed_writes_nothing(self, portal: Portal) -> None:
        """A repeated request keeps meta.version and meta.lastModified, and no one is told."""
        resource = made(portal)
        path = f"/Users/{resource['id']}"
        before = snapshot(portal)
        with Heard() as heard:
            answers = [
                portal.client.patch(path, [{"op": "replace", "path": name, "value": value}])
                for name, value in ADA.items()
            ]
            answers.append(portal.client.put(path, ADA))
            answers.append(portal.client.patch(path, [{"op": "remove", "path": "nickName"}]))
        assert [answer.json for answer in answers] == [resource] * len(answers)
        assert heard.names == []
        assert snapshot(portal) == before

    def test_one_failing_operation_undoes_them_all(self, portal: Portal) -> None:
        """RFC 7644 section 3.5.2: atomic, also over columns, the link row and externalId."""
        resource = made(portal)
        before = snapshot(portal, without=["scim_activity"])
        with Heard() as heard:
            answer = portal.client.patch(
                f"/Users/{resource['id']}",
                [
                    {"op": "replace", "path": "title", "value": "changed"},
                    {"op": "replace", "path": "name.givenName", "value": "changed"},
                    {"op": "replace", "path": "externalId", "value": "changed"},
                    {"op": "replace", "path": "userName", "value": "x" * 151},
                ],
            )
        assert answer.status_code == 400
        assert snapshot(portal, without=["scim_activity"]) == before
        assert heard.names == []

    def test_a_receiver_that_fails_changes_nothing(self, portal: Portal) -> None:
        def fail(sender: str, **values: Any) -> None:
            raise RuntimeError("the receiver is broken")

        with signals.user_created.connected_to(fail):
            assert portal.client.post("/Users", ADA).status_code == 201
        assert portal.user("ada@example.com") is not None

    def test_a_signal_comes_after_the_commit(self, portal: Portal) -> None:
        seen: list[Any] = []

        def look(sender: str, **values: Any) -> None:
            with portal.engine.connect() as connection:
                table = portal.models.User.__table__
                name = table.c.username
                seen.append(
                    connection.scalar(sa.select(name).where(table.c.id == values["host_id"]))
                )

        with signals.user_created.connected_to(look):
            portal.client.post("/Users", ADA)
        assert seen == ["ada@example.com"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_another_version_is_refused(portal: Portal, method: str) -> None:
    """RFC 7644 section 3.14: If-Match with another version is 412, and nothing has changed."""
    path = f"/Users/{made(portal)['id']}"
    operation = {"op": "replace", "path": "title", "value": "new"}
    bodies = {
        "PUT": {**ADA, "title": "new"},
        "PATCH": {"Operations": [operation]},
        "DELETE": None,
    }
    before = snapshot(portal, without=["scim_activity"])
    refused = portal.client.request(method, path, bodies[method], headers={"If-Match": 'W/"7"'})
    assert refused.status_code == 412
    assert snapshot(portal, without=["scim_activity"]) == before
    taken = portal.client.request(method, path, bodies[method], headers={"If-Match": 'W/"1"'})
    assert taken.status_code in {200, 204}


PERMITTED = [
    ("GET", "/Users", "USERS:READ"),
    ("GET", "/Users/{user}", "USERS:READ"),
    ("POST", "/Users", "USERS:CREATE"),
    ("PUT", "/Users/{user}", "USERS:UPDATE"),
    ("PATCH", "/Users/{user}", "USERS:UPDATE"),
    ("DELETE", "/Users/{user}", "USERS:UPDATE"),
    ("GET", "/Groups", "GROUPS:READ"),
    ("GET", "/Groups/{group}", "GROUPS:READ"),
    ("POST", "/Groups", "GROUPS:CREATE"),
    ("PUT", "/Groups/{group}", "GROUPS:UPDATE"),
    ("PATCH", "/Groups/{group}", "GROUPS:UPDATE"),
    ("DELETE", "/Groups/{group}", "GROUPS:DELETE"),
]


def test_each_verb_needs_its_permission(portal: Portal) -> None:
    """A role without exactly that permission is refused, in words that name it."""
    ids = {
        "user": made(portal)["id"],
        "group": portal.client.post("/Groups", {"displayName": "Pioneers"}).json["id"],
    }
    roles = portal.app.extensions["scim_provisioning"].models.role.__table__
    every = {permission for _, _, permission in PERMITTED} | {"USERS:DELETE"}
    body = {"userName": "eve", "displayName": "Eves", "Operations": []}
    for method, path, needed in PERMITTED:
        allowed: dict[str, list[str]] = {"USERS": [], "GROUPS": []}
        for permission in every - {needed}:
            kind, verb = permission.split(":")
            allowed[kind].append(verb)
        portal.session.execute(sa.update(roles).values(permissions=allowed))
        portal.session.commit()
        before = snapshot(portal, without=["scim_activity"])
        answer = portal.client.request(
            method, path.format(**ids), None if method in {"GET", "DELETE"} else body
        )
        assert answer.status_code == 403, (method, path)
        assert needed.replace(":", ": ").lower() in answer.json["detail"].lower()
        assert snapshot(portal, without=["scim_activity"]) == before


def test_disabled_integration_changes_nothing_until_it_is_enabled(portal: Portal) -> None:
    path = f"/Users/{made(portal)['id']}"
    models = portal.app.extensions["scim_provisioning"].models
    integrations.disable_integration(portal.session, models, "main", portal.integration.id)
    before = snapshot(portal, without=["scim_activity"])
    change = [{"op": "replace", "path": "active", "value": False}]
    for answer in (
        portal.client.patch(path, change),
        portal.client.post("/Users", {"userName": "bob"}),
        portal.client.delete(path),
        portal.client.get("/Users"),
    ):
        assert answer.status_code == 403
        assert "disabled" in answer.json["detail"]
    assert snapshot(portal, without=["scim_activity"]) == before
    integrations.enable_integration(portal.session, models, "main", portal.integration.id)
    assert portal.client.patch(path, change).json["active"] is False


def test_the_log_tells_what_leniency_changed(portal: Portal) -> None:
    """A note for each deviation, the name people know, the status and how long it took."""
    entra = speaking(portal, "entra")
    user = entra.post("/Users", ADA).json["id"]
    entra.patch(f"/Users/{user}", [{"op": "Replace", "path": "active", "value": "False"}])
    entry = log(portal)[-1]
    assert (entry.action, entry.outcome, entry.status) == ("user.deactivated", "ok", 200)
    assert (entry.resource_id, entry.resource_name) == (user, "ada@example.com")
    assert any("False" in note for note in entry.notes)
    assert entry.duration_ms > 0
    assert entry.payload["Operations"][0]["path"] == "active"
