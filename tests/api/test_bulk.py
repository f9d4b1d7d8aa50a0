"""Bulk requests (RFC 7644 section 3.7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from flask_scim_provisioning.services import signals
from flask_scim_provisioning.services.activity import recent
from flask_scim_provisioning.services.work import Batch
from tests.portal import Portal

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
UNKNOWN = "11111111-1111-4111-8111-111111111111"

Json = dict[str, Any]


def send(portal: Portal, *operations: Any, **more: Any) -> TestResponse:
    body = {"schemas": [BULK_REQUEST], "Operations": list(operations), **more}
    return portal.client.post("/Bulk", body)


def bulk(portal: Portal, *operations: Any, **more: Any) -> list[Json]:
    """Send a bulk request and return the operations of its answer."""
    answer = send(portal, *operations, **more)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["schemas"] == [BULK_RESPONSE]
    answered: list[Json] = answer.json["Operations"]
    return answered


def user(bulk_id: str, **more: Any) -> Json:
    data = {"userName": bulk_id, **more}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}


def group(bulk_id: str, *members: str) -> Json:
    data = {"displayName": bulk_id, "members": [{"value": member} for member in members]}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


def patch(path: str, *operations: Json, **more: Any) -> Json:
    return {"method": "PATCH", "path": path, "data": {"Operations": list(operations)}, **more}


def statuses(operations: list[Json]) -> list[str]:
    return [operation["status"] for operation in operations]


def members(portal: Portal, name: str) -> list[str]:
    return sorted(member.username for member in portal.team(name).members)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Note the signals of users and groups."""
    names: list[str] = []
    known = [
        signals.user_created,
        signals.user_updated,
        signals.user_deactivated,
        signals.group_created,
        signals.membership_changed,
    ]
    receivers = []
    for signal in known:

        def receive(_tenant: str, name: str = signal.name, **_values: Any) -> None:
            names.append(name)

        signal.connect(receive)
        receivers.append(receive)
    yield names
    for signal, receive in zip(known, receivers, strict=True):
        signal.disconnect(receive)


def test_each_operation_is_answered(portal: Portal) -> None:
    """RFC 7644 section 3.7: method, bulkId, version, location, and the status as a string."""
    made = portal.client.post("/Users", {"userName": "old"}).json
    gone = portal.client.post("/Users", {"userName": "gone"}).json
    base = made["meta"]["location"].rpartition("/Users/")[0]
    created, replaced, modified, deleted = bulk(
        portal,
        user("ada"),
        {
            "method": "PUT",
            "path": f"/Users/{made['id']}",
            "version": made["meta"]["version"],
            "data": {"userName": "older"},
        },
        patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": False}),
        {"method": "DELETE", "path": f"/Users/{gone['id']}"},
    )
    ada = portal.client.get("/Users", filter='userName eq "ada"').json["Resources"][0]
    assert created == {
        "method": "POST",
        "bulkId": "ada",
        "version": 'W/"1"',
        "location": f"{base}/Users/{ada['id']}",
        "status": "201",
    }
    assert replaced == {
        "method": "PUT",
        "version": 'W/"2"',
        "location": f"{base}/Users/{made['id']}",
        "status": "200",
    }
    assert modified == {**replaced, "method": "PATCH", "version": 'W/"3"'}
    assert deleted == {
        "method": "DELETE",
        "location": f"{base}/Users/{gone['id']}",
        "status": "204",
    }
    assert portal.user("older").is_active is False
    assert portal.client.get(f"/Users/{gone['id']}").status_code == 404


def test_a_group_with_a_member_of_the_same_request(portal: Portal) -> None:
    """RFC 7644 section 3.7.2, the first example."""
    answered = bulk(portal, user("alice"), group("guides", "bulkId:alice"))
    assert statuses(answered) == ["201", "201"]
    assert members(portal, "guides") == ["alice"]


def test_a_member_may_come_after_its_group(portal: Portal) -> None:
    """RFC 7644 section 3.7.2: a reference may name what a later operation creates."""
    answered = bulk(
        portal, group("guides", "bulkId:alice", "bulkId:bob"), user("bob"), user("alice")
    )
    assert [operation["bulkId"] for operation in answered] == ["guides", "bob", "alice"]
    assert statuses(answered) == ["201", "201", "201"]
    assert members(portal, "guides") == ["alice", "bob"]


def test_a_manager_may_come_after_those_who_report(portal: Portal) -> None:
    """RFC 7644 section 3.7.2, the example with the enterprise extension."""
    manager = {ENTERPRISE: {"manager": {"value": "bulkId:boss"}}}
    assert statuses(bulk(portal, user("ada", **manager), user("boss"))) == ["201", "201"]
    assert portal.user("ada").manager.username == "boss"


def test_a_manager_in_the_short_form(portal: Portal) -> None:
    """Entra sends the manager's id in place of the object."""
    short = {ENTERPRISE: {"manager": "bulkId:boss"}}
    assert statuses(bulk(portal, user("ada", **short), user("boss"))) == ["201", "201"]
    assert portal.user("ada").manager.username == "boss"


def test_circular_references_are_resolved(portal: Portal) -> None:
    """RFC 7644 section 3.7.1: the service tries to resolve circular cross-references."""

    def reports_to(name: str) -> Json:
        return {ENTERPRISE: {"manager": {"value": f"bulkId:{name}"}}}

    answered = bulk(
        portal,
        group("circle", "bulkId:a", "bulkId:b"),
        user("a", **reports_to("b")),
        user("b", **reports_to("c")),
        user("c", **reports_to("a")),
        user("self", **reports_to("self")),
    )
    assert statuses(answered) == ["201"] * 5
    for name, manager in (("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")):
        assert portal.user(name).manager.username == manager
    assert members(portal, "circle") == ["a", "b"]
    for operation in answered:
        path = operation["location"].partition("/scim/v2")[2]
        read = portal.client.get(path)
        assert read.headers["ETag"] == operation["version"], operation


def test_references_in_a_patch(portal: Portal) -> None:
    """RFC 7644 section 3.7.2: in values and in the filter of a path."""
    portal.client.post("/Users", {"userName": "old"})
    old = portal.client.get("/Users").json["Resources"][0]["id"]
    team = portal.client.post("/Groups", {"displayName": "team", "members": [{"value": old}]}).json
    path = f"/Groups/{team['id']}"
    answered = bulk(
        portal,
        patch(path, {"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]}),
        patch(path, {"op": "add", "value": {"members": [{"value": "bulkId:newer"}]}}),
        patch(path, {"op": "remove", "path": 'members[value eq "bulkId:new"]'}),
        user("new"),
        user("newer"),
    )
    assert statuses(answered) == ["200", "200", "200", "201", "201"]
    assert members(portal, "team") == ["newer", "old"]


@pytest.mark.parametrize("listed", ["bulkId:new", ["bulkId:new"], ["bulkId:new", "bulkId:newer"]])
def test_members_may_be_plain_references(portal: Portal, listed: Any) -> None:
    """Where an id may stand for a member, a reference may."""
    data = {"displayName": "made", "members": listed}
    team = portal.client.post("/Groups", {"displayName": "changed"}).json
    path = f"/Groups/{team['id']}"
    answered = bulk(
        portal,
        {"method": "POST", "path": "/Groups", "bulkId": "made", "data": data},
        patch(path, {"op": "add", "path": "members", "value": listed}),
        patch(path, {"op": "replace", "value": {"members": listed}}),
        user("new"),
        user("newer"),
    )
    assert statuses(answered) == ["201", "200", "200", "201", "201"]
    expected = ["new", "newer"][: len(listed) if isinstance(listed, list) else 1]
    assert members(portal, "made") == members(portal, "changed") == expected


def test_a_reference_in_the_path_of_an_operation(portal: Portal) -> None:
    answered = bulk(
        portal,
        patch("/Users/bulkId:ada", {"op": "replace", "path": "active", "value": False}),
        user("ada"),
    )
    assert statuses(answered) == ["200", "201"]
    assert answered[0]["location"] == answered[1]["location"]
    assert portal.user("ada").is_active is False


def test_a_failure_tells_the_location_of_what_was_created(portal: Portal) -> None:
    """RFC 7644 section 3.7: location is that of the resource, and of no other thing."""
    wrong = {"op": "replace", "path": "active", "value": 7}
    answered = bulk(
        portal, user("ada"), patch("/Users/bulkId:ada", wrong), patch("/Users/bulkId:bob", wrong)
    )
    assert statuses(answered) == ["201", "400", "409"]
    assert answered[1]["location"] == answered[0]["location"]
    assert "location" not in answered[2]


def test_what_is_no_reference_stays_as_it_is(portal: Portal) -> None:
    assert statuses(bulk(portal, user("ada", nickName="bulkId:ada"), user("bob"))) == ["201"] * 2
    ada = portal.client.get("/Users", filter='userName eq "ada"').json["Resources"][0]
    assert ada["nickName"] == "bulkId:ada"


def test_an_operation_that_fails_leaves_the_others(portal: Portal) -> None:
    """RFC 7644 section 3.7: each is answered for itself; a failure has the SCIM error."""
    portal.client.post("/Users", {"userName": "taken"})
    answered = bulk(
        portal, user("a"), {**user("taken"), "bulkId": "t"}, user("b"), user("c", active=7)
    )
    assert statuses(answered) == ["201", "409", "201", "400"]
    failure = answered[1]
    assert "location" not in failure
    assert failure["bulkId"] == "t"
    assert failure["response"]["schemas"] == [ERROR]
    assert failure["response"]["status"] == "409"
    assert failure["response"]["scimType"] == "uniqueness"
    assert "response" not in answered[0]
    assert [portal.user(name) is not None for name in ("a", "b", "c")] == [True, True, False]


def test_what_fails_in_the_database_leaves_the_others(portal: Portal) -> None:
    """A row that breaks a constraint of the host's is rolled back alone."""
    portal.add_users(["hidden"])
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    portal.client.get("/Users")
    with portal.engine.begin() as connection:
        connection.execute(sa.update(links).values(deleted=sa.func.current_timestamp()))
    long = "x" * 500
    answered = bulk(
        portal, user("a"), user("b", name={"givenName": "y\x00z"}), user("c"), user(long), user("d")
    )
    assert statuses(answered)[::2] == ["201", "201", "201"]
    assert statuses(answered)[1] == "400"
    assert portal.user("d") is not None


def test_who_is_created_is_told_of_once_whoever_fails_beside_them(portal: Portal) -> None:
    """Many creations share a savepoint; where one fails, each is carried out in its own."""
    portal.client.post("/Users", {"userName": "taken"})
    with heard() as names:
        answered = bulk(
            portal,
            user("a", externalId="1"),
            user("A"),  # the name that the operation before has just taken
            user("b", externalId="2"),
            {**user("taken"), "bulkId": "t"},
            user("c", manager={"value": "bulkId:a"}),
            user("d", externalId="4"),
        )
    assert statuses(answered) == ["201", "409", "201", "409", "201", "201"]
    assert names == ["user-created"] * 4
    links = portal.app.extensions["scim_provisioning"].mappings["Users"].links
    with portal.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(links)) == 5
    for operation in (answered[0], answered[2], answered[5]):
        found = portal.client.get("/Users/" + operation["location"].rpartition("/")[2]).json
        external = {"a": "1", "b": "2", "d": "4"}[found["userName"]]
        query = f'externalId eq "{external}"'
        assert portal.client.get("/Users", filter=query).json["Resources"] == [found]


def test_creations_cost_a_statement_each_and_a_few_for_all(portal: Portal) -> None:
    """The names are looked up at once, and what the extension keeps is inserted at once."""
    bulk(portal, user("first"))
    with portal.statements() as cost:
        bulk(portal, *(user(f"user{number}") for number in range(50)))
    # The collations of MySQL and MariaDB say themselves which names are alike.
    each = 1 if portal.engine.dialect.name in ("sqlite", "postgresql") else 2
    # Two of the few ask whether the transaction, and the integration, are still what they were.
    assert cost.count <= 50 * each + 10, cost.statements


def test_fail_on_errors_stops(portal: Portal) -> None:
    """RFC 7644 section 3.7.3: what comes after that many errors isn't carried out."""
    portal.client.post("/Users", {"userName": "taken"})
    wrong = [{**user("taken"), "bulkId": f"t{number}"} for number in range(3)]
    answered = bulk(portal, user("a"), wrong[0], user("b"), wrong[1], user("c"), failOnErrors=2)
    assert statuses(answered) == ["201", "409", "201", "409"]
    assert portal.user("b") is not None
    assert portal.user("c") is None
    assert statuses(bulk(portal, *wrong, user("d"))) == ["409", "409", "409", "201"]


@pytest.mark.parametrize("limit", [0, -1, "1", 1.5, True])
def test_fail_on_errors_is_a_number_from_one_on(portal: Portal, limit: Any) -> None:
    answer = send(portal, user("a"), failOnErrors=limit)
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert portal.user("a") is None


def test_a_reference_to_what_was_not_created_is_a_conflict(portal: Portal) -> None:
    """RFC 7644 section 3.7.1: 409 where a reference can't be resolved."""
    portal.client.post("/Users", {"userName": "taken"})
    answered = bulk(
        portal,
        group("one", "bulkId:taken"),
        group("two", "bulkId:nobody"),
        user("taken"),
        user("ada"),
    )
    assert statuses(answered) == ["409", "409", "409", "201"]
    assert "nobody" in answered[1]["response"]["detail"]
    assert portal.team("one") is None


def test_a_circle_with_a_failure_tells_of_it(portal: Portal) -> None:
    portal.client.post("/Users", {"userName": "b"})

    def reports_to(name: str) -> Json:
        return {ENTERPRISE: {"manager": {"value": f"bulkId:{name}"}}}

    answered = bulk(portal, user("a", **reports_to("b")), user("b", **reports_to("a")))
    assert statuses(answered) == ["409", "409"]
    # It exists, without a manager; its location tells where.
    assert answered[0]["location"].endswith(
        portal.client.get("/Users", filter='userName eq "a"').json["Resources"][0]["id"]
    )
    assert portal.user("a").manager is None


def test_the_version_is_a_precondition(portal: Portal) -> None:
    """RFC 7644 section 3.7: version is used as If-Match would be."""
    made = portal.client.post("/Users", {"userName": "ada"}).json
    path = f"/Users/{made['id']}"
    off = {"op": "replace", "path": "active", "value": False}
    answered = bulk(
        portal,
        patch(path, off, version='W/"9"'),
        {"method": "DELETE", "path": path, "version": 'W/"9"'},
        patch(path, off, version='W/"1"'),
    )
    assert statuses(answered) == ["412", "412", "200"]
    assert answered[0]["location"].endswith(path)


FAULTY: list[tuple[Any, str]] = [
    ("an operation", "400"),
    ({}, "400"),
    ({"method": "GET", "path": f"/Users/{UNKNOWN}"}, "400"),
    ({"method": "OPTIONS", "path": "/Users"}, "400"),
    ({"method": 7, "path": "/Users"}, "400"),
    ({"method": "POST", "bulkId": "x", "data": {}}, "400"),
    ({"method": "POST", "path": 7, "bulkId": "x", "data": {}}, "400"),
    ({"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "400"),
    ({"method": "POST", "path": "/Users", "bulkId": 7, "data": {"userName": "x"}}, "400"),
    ({"method": "POST", "path": "/Users", "bulkId": "x"}, "400"),
    ({"method": "POST", "path": "/Users", "bulkId": "x", "data": [1]}, "400"),
    ({"method": "POST", "path": "/Users", "bulkId": "x", "data": {}}, "400"),
    ({"method": "POST", "path": "/Users", "bulkId": "x", "Path": "/Groups", "data": {}}, "400"),
    ({"method": "POST", "path": "/Devices", "bulkId": "x", "data": {}}, "404"),
    ({"method": "POST", "path": "/", "bulkId": "x", "data": {}}, "404"),
    ({"method": "POST", "path": f"/Users/{UNKNOWN}", "bulkId": "x", "data": {}}, "404"),
    ({"method": "POST", "path": "/Users/a/b", "bulkId": "x", "data": {}}, "404"),
    ({"method": "DELETE", "path": "/Users"}, "404"),
    ({"method": "DELETE", "path": f"/Users/{UNKNOWN}"}, "404"),
    ({"method": "PUT", "path": f"/Users/{UNKNOWN}", "data": {"userName": "x"}}, "404"),
    ({"method": "PATCH", "path": f"/Users/{UNKNOWN}", "data": {"Operations": 7}}, "400"),
    ({"method": "DELETE", "path": f"/Users/{UNKNOWN}", "version": 7}, "400"),
    ({"method": "POST", "path": "/Bulk", "bulkId": "x", "data": {"Operations": []}}, "400"),
    ({"method": "POST", "path": "/Users/.search", "bulkId": "x", "data": {}}, "404"),
]


@pytest.mark.parametrize(("operation", "status"), FAULTY)
def test_a_faulty_operation_is_refused_alone(portal: Portal, operation: Any, status: str) -> None:
    answered = bulk(portal, user("a"), operation, user("b"))
    assert statuses(answered) == ["201", status, "201"]
    assert answered[1]["response"]["status"] == status


def test_a_bulk_id_names_one_operation(portal: Portal) -> None:
    """RFC 7644 section 3.7: bulkId is unique within a request."""
    second = {**user("b"), "bulkId": "a"}
    assert statuses(bulk(portal, user("a"), second)) == ["201", "400"]


@pytest.mark.parametrize("body", [[], {}, {"Operations": {}}, {"schemas": ["x"], "Operations": []}])
def test_what_is_no_bulk_request_is_refused(portal: Portal, body: Any) -> None:
    answer = portal.client.post("/Bulk", body)
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidSyntax")


def test_a_request_without_operations_does_nothing(portal: Portal) -> None:
    assert bulk(portal) == []


@pytest.mark.portal(config={"SCIM_BULK_MAX_OPERATIONS": 3, "SCIM_BULK_MAX_PAYLOAD": 2_000})
def test_more_than_the_limits_is_refused(portal: Portal) -> None:
    """RFC 7644 section 3.7.4: 413, and the detail says which limit."""
    answer = send(portal, *(user(f"u{number}") for number in range(4)))
    assert answer.status_code == 413
    assert "maxOperations is 3" in answer.json["detail"]
    answer = send(portal, user("a", nickName="x" * 2_000))
    assert answer.status_code == 413
    assert "2000 bytes" in answer.json["detail"]
    assert portal.user("a") is None
    assert statuses(bulk(portal, *(user(f"u{number}") for number in range(3)))) == ["201"] * 3
    config = portal.client.get("/ServiceProviderConfig").json["bulk"]
    assert config == {"supported": True, "maxOperations": 3, "maxPayloadSize": 2_000}


def test_each_operation_needs_its_permission(portal: Portal) -> None:
    """The permissions are enforced for each operation as for a request of its own."""
    roles = portal.app.extensions["scim_provisioning"].models.role.__table__
    with portal.engine.begin() as connection:
        connection.execute(sa.update(roles).values(permissions={"USERS": ["CREATE"]}))
    answered = bulk(portal, user("ada"), group("team", "bulkId:ada"))
    assert statuses(answered) == ["201", "403"]


def test_a_token_of_another_tenant_sees_nothing(portal: Portal) -> None:
    assert portal.client.with_token(None).post("/Bulk", {"Operations": []}).status_code == 401


@pytest.mark.portal(dialect="entra")
def test_each_operation_is_read_in_the_dialect(portal: Portal) -> None:
    """Entra's booleans in strings and operations in capitals."""
    answered = bulk(
        portal,
        user("ada", active="True"),
        patch("/Users/bulkId:ada", {"op": "Replace", "path": "active", "value": "False"}),
    )
    assert statuses(answered) == ["201", "200"]
    assert portal.user("ada").is_active is False


def test_each_operation_has_its_entry_in_the_log(portal: Portal) -> None:
    portal.client.post("/Users", {"userName": "taken"})
    bulk(portal, user("a", password="hunter2"), {**user("taken"), "bulkId": "t"}, group("team"))
    models = portal.app.extensions["scim_provisioning"].models
    entries = recent(portal.session, models, portal.integration.id)[:3]
    assert [(entry.action, entry.outcome, entry.status) for entry in entries] == [
        ("group.created", "ok", 201),
        ("user.created", "refused", 409),
        ("user.created", "ok", 201),
    ]
    assert entries[1].scim_type == "uniqueness"
    assert entries[2].resource_name == "a"
    assert entries[2].payload == {"userName": "a", "password": "[redacted]"}
    assert len({entry.request_id for entry in entries}) == 1


def test_an_operation_that_is_rolled_back_leaves_no_entry_of_success(portal: Portal) -> None:
    bulk(portal, group("team", UNKNOWN))
    models = portal.app.extensions["scim_provisioning"].models
    (entry, *_) = recent(portal.session, models, portal.integration.id)
    assert (entry.action, entry.outcome) == ("group.created", "refused")


def test_signals_are_sent_after_the_commit(portal: Portal) -> None:
    seen: list[bool] = []

    def receive(_tenant: str, **_values: Any) -> None:
        seen.append(portal.user("last") is not None)

    with signals.user_created.connected_to(receive), heard() as names:
        bulk(portal, user("first"), group("team", "bulkId:first"), user("last"))
    assert seen == [True, True]
    assert names == ["user-created", "group-created", "membership-changed", "user-created"]


def test_a_failed_operation_sends_no_signal(portal: Portal) -> None:
    with heard() as names:
        bulk(portal, group("team", UNKNOWN), user("a", active=7))
    assert names == []


def test_a_defect_fails_one_operation_and_is_logged(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = portal.models.User

    @sa.event.listens_for(model, "before_insert")
    def fail(_mapper: Any, _connection: Any, entity: Any) -> None:
        if entity.username == "b":
            raise ZeroDivisionError("a defect of the portal")

    try:
        answered = bulk(portal, user("a"), user("b"), user("c"))
    finally:
        sa.event.remove(model, "before_insert", fail)
    assert statuses(answered) == ["201", "500", "201"]
    assert "defect" not in answered[1]["response"]["detail"]
    assert "operation 2 failed" in caplog.text
    assert [portal.user(name) is not None for name in "abc"] == [True, False, True]


def test_a_commit_that_fails_leaves_nothing_and_sends_no_signal(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Batch, "write", fail)
    with heard() as names:
        assert send(portal, user("a"), user("b")).status_code == 500
    assert names == []
    assert portal.user("a") is None


def test_a_thousand_operations_cost_few_statements_each(portal: Portal) -> None:
    """One look-up of the token, one commit, one statement for the whole activity log."""

    def cost(start: int, stop: int) -> int:
        with portal.statements() as spent:
            answered = bulk(portal, *(user(f"u{number}") for number in range(start, stop)))
        assert set(statuses(answered)) == {"201"}
        return spent.count

    cost(0, 1)
    few, many = cost(1, 11), cost(11, 111)
    assert (many - few) / 90 <= 5


def test_a_long_chain_of_references(portal: Portal) -> None:
    """Each of 300 people reports to the next one, who comes later in the request."""
    chain = [
        user(f"u{number}", **{ENTERPRISE: {"manager": {"value": f"bulkId:u{number + 1}"}}})
        for number in range(299)
    ]
    assert set(statuses(bulk(portal, *chain, user("u299")))) == {"201"}
    assert portal.user("u0").manager.username == "u1"
