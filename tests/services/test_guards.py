"""Ways in and guards: each is refused, changes nothing, and is explained on both sides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.models import utcnow
from flask_scim_provisioning.services import health, integrations
from flask_scim_provisioning.services.activity import recent
from flask_scim_provisioning.services.policies import Policies
from tests.guarded import VAULT, guarded_host
from tests.mapping.hosts import open_portal
from tests.portal import Host, Portal
from tests.snapshots import snapshot

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

Json = dict[str, Any]
Way = Callable[["Setting"], tuple[int, str]]
"""Sends what is to be refused, and returns its status and its detail."""


class Setting:
    """The portal of these tests, and those whom they are about.

    :ivar name: of the person whom a test is about.
    """

    def __init__(self, portal: Portal) -> None:
        self.portal, self.client = portal, portal.client
        self.role = next(
            each.class_
            for each in portal.db.Model.registry.mappers
            if each.class_.__name__ == "Role"
        )
        portal.add(self.role(name="Owner", is_admin=True))
        portal.add(self.role(name="Reader"))
        self.name = ""

    def person(self, name: str, *, known: bool = True, **columns: Any) -> Any:
        """Add somebody.

        :param known: whether a directory has them already.
        """
        found = self.portal.add(self.portal.models.User(username=name, **columns))
        if known:
            table = self.portal.app.extensions["scim_provisioning"].mappings["Users"].table
            with self.portal.engine.begin() as connection:
                table.make_links(connection, [found.id])
                connection.execute(sa.update(table.links).values(local=None))
        return found

    def team(self, name: str, *members: Any) -> None:
        keys = [self.portal.user(each).id for each in members]
        team = self.portal.add(self.portal.models.Team(name=name))
        if keys:
            rows = [{"team_id": team.id, "user_id": key} for key in keys]
            with self.portal.engine.begin() as connection:
                connection.execute(self.portal.models.team_member.insert(), rows)

    def group(self, name: str) -> str:
        return self._found("/Groups", f'displayName eq "{name}"')

    def user(self, name: str | None = None) -> str:
        return self._found("/Users", f'userName eq "{name or self.name}"')

    def _found(self, path: str, text: str) -> str:
        (found,) = self.client.get(path, filter=text).json["Resources"]
        return f"{path}/{found['id']}"

    def id(self, name: str | None = None) -> str:
        return self.user(name).rpartition("/")[2]

    def choose(self, **policies: Any) -> None:
        state = self.portal.app.extensions["scim_provisioning"]
        view = self.portal.integration
        integrations.update_integration(
            self.portal.session,
            state.models,
            view.tenant,
            view.id,
            name=view.name,
            description="",
            dialect=view.dialect,
            policies=Policies.chosen(policies),
        )

    def patch(self, path: str, *operations: Json) -> tuple[int, str]:
        return told(self.client.patch(path, list(operations)))

    def bulk(self, *operations: Json) -> tuple[int, str]:
        """Return what became of the last operation."""
        answer = self.client.post("/Bulk", {"schemas": [BULK], "Operations": list(operations)})
        last = answer.json["Operations"][-1]
        return int(last["status"]), last.get("response", {}).get("detail", "")


def told(answer: Any) -> tuple[int, str]:
    body = answer.json if answer.status_code >= 400 else {}
    return answer.status_code, body.get("detail", "")


@pytest.fixture
def setting(database: str) -> Iterator[Setting]:
    with ExitStack() as stack:
        portal = open_portal(database, guarded_host(), dialect="entra")
        stack.callback(portal.close)
        yield Setting(portal)


def replace(path: str, value: Any) -> Json:
    return {"op": "replace", "path": path, "value": value}


def patching(*operations: Json) -> Way:
    return lambda setting: setting.patch(setting.user(), *operations)


def bulk_patching(*operations: Json) -> Way:
    data = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return lambda setting: setting.bulk({"method": "PATCH", "path": setting.user(), "data": data})


def creating(**values: Any) -> Way:
    return lambda setting: told(setting.client.post("/Users", {"userName": setting.name, **values}))


def bulk_creating(**values: Any) -> Way:
    return lambda setting: setting.bulk(
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": "one",
            "data": {"userName": setting.name.upper(), **values},
        }
    )


def putting(**values: Any) -> Way:
    return lambda setting: told(
        setting.client.put(setting.user(), {"userName": setting.name, **values})
    )


def deleting(setting: Setting) -> tuple[int, str]:
    return told(setting.client.delete(setting.user()))


def bulk_deleting(setting: Setting) -> tuple[int, str]:
    return setting.bulk({"method": "DELETE", "path": setting.user()})


OFF = replace("active", False)
GONE: dict[str, Way] = {
    "create": creating(active=False),
    "create in Bulk": bulk_creating(active=False),
    "put": putting(active=False, title="admin"),
    "patch with a path": patching(OFF),
    "patch without a path": patching({"op": "replace", "value": {"active": False}}),
    "patch by a string": patching(replace("active", "False")),
    "rename, then deactivate": patching(replace("userName", "other"), OFF),
    "patch in Bulk": bulk_patching(OFF),
    "delete": deleting,
    "delete in Bulk": bulk_deleting,
}
RENAMED: dict[str, Way] = {
    "put": lambda setting: told(
        setting.client.put(setting.user(), {"userName": "other", "active": True, "title": "admin"})
    ),
    "patch": patching(replace("userName", "other")),
    "create in another case": lambda setting: told(
        setting.client.post("/Users", {"userName": setting.name.upper(), "title": "admin"})
    ),
}
DEMOTED: dict[str, Way] = {
    "put without the attribute": lambda setting: told(
        setting.client.put(setting.user(), {"userName": setting.name, "active": True, "title": "x"})
    ),
    "patch": patching(replace("title", "user")),
    "remove": patching({"op": "remove", "path": "title"}),
    "null": patching(replace("title", None)),
    "take over": creating(title="user"),
}


def members(setting: Setting, group: str, *operations: Json) -> tuple[int, str]:
    return setting.patch(setting.group(group), *operations)


OUT_OF_THE_TEAM: dict[str, Way] = {
    "remove by filter": lambda setting: members(
        setting, "Admins", {"op": "remove", "path": f'members[value eq "{setting.id()}"]'}
    ),
    "remove by value": lambda setting: members(
        setting,
        "Admins",
        {"op": "Remove", "path": "members", "value": [{"value": setting.id()}]},
    ),
    "remove all": lambda setting: members(setting, "Admins", {"op": "remove", "path": "members"}),
    "replace": lambda setting: members(
        setting, "Admins", replace("members", [{"value": setting.id("bob")}])
    ),
    "put": lambda setting: told(
        setting.client.put(setting.group("Admins"), {"displayName": "Admins", "members": []})
    ),
    "take over": lambda setting: told(
        setting.client.post(
            "/Groups", {"displayName": "ADMINS", "members": [{"value": setting.id("bob")}]}
        )
    ),
    "rename": lambda setting: members(setting, "Admins", replace("displayName", "Others")),
    "delete": lambda setting: told(setting.client.delete(setting.group("Admins"))),
    "delete in Bulk": lambda setting: setting.bulk(
        {"method": "DELETE", "path": setting.group("Admins")}
    ),
}


def refused(setting: Setting, way: Way, status: int, words: str, kind: str) -> None:
    """Assert that nothing is changed, and that both sides learn why."""
    portal = setting.portal
    state = portal.app.extensions["scim_provisioning"]
    own = [name for name in portal.db.metadata.tables if name.startswith("scim_")]
    before = snapshot(portal, without=own)
    answered, detail = way(setting)
    assert (answered, words in detail) == (status, True), (answered, detail)
    assert snapshot(portal, without=own) == before
    entry = recent(portal.session, state.models, portal.integration.id, 1)[0]
    assert (entry.outcome, entry.status, entry.detail) == ("refused", status, detail)
    assert (entry.cause or "").startswith(f"{kind}-")
    view = integrations.get_integration(portal.session, state.models, "main", portal.integration.id)
    found = health.assess_one(portal.session, state.models, state.mappings, view)
    assert found.state is health.State.ATTENTION
    assert words in found.reason


LAST = "without an active administrator"
WAITS = "waits"

TAKING_OVER = (
    "create",
    "create in Bulk",
    "create in another case",
    "take over",
    "take over in Bulk",
)
"""The ways that concern somebody whom no directory has yet."""


def refused_or_waits(setting: Setting, way: str, send: Way, *refusal: Any) -> None:
    """Who administers, or is protected, is taken over by nobody who wasn't allowed to."""
    waits = way in TAKING_OVER
    refused(setting, send, *((409, WAITS, "DecisionWaits") if waits else refusal))


@pytest.mark.parametrize(
    "kind", [*(("gone", way) for way in GONE), *(("renamed", way) for way in RENAMED)], ids=" ".join
)
def test_the_last_administrator_stays(setting: Setting, kind: tuple[str, str]) -> None:
    what, way = kind
    setting.person("vault", level="admin", is_active=False)
    setting.person("root", level="admin", known=way not in TAKING_OVER)
    setting.name = "root"
    send = (GONE if what == "gone" else RENAMED)[way]
    refused_or_waits(setting, way, send, 409, LAST, "LastAdministrator")


@pytest.mark.parametrize("way", ["create", "create in another case"])
def test_the_last_administrator_stays_whatever_was_decided(setting: Setting, way: str) -> None:
    setting.person("root", level="admin", known=False)
    setting.name = "root"
    send = (GONE | RENAMED)[way]
    assert send(setting)[0] == 409
    portal = setting.portal
    decisions = portal.models.db.metadata.tables["scim_conflict"]
    with portal.engine.begin() as connection:
        connection.execute(
            sa.update(decisions).values(decision="link", decided_by="ada", decided_at=utcnow())
        )
    refused(setting, send, 409, LAST, "LastAdministrator")


@pytest.mark.parametrize("way", DEMOTED)
def test_the_last_administrator_is_not_demoted(setting: Setting, way: str) -> None:
    setting.person("root", level="admin", known=way not in TAKING_OVER)
    setting.name = "root"
    refused_or_waits(setting, way, DEMOTED[way], 409, LAST, "LastAdministrator")


def test_the_last_administrator_keeps_the_role(setting: Setting) -> None:
    owner = setting.portal.session.scalars(
        sa.select(setting.role.id).where(setting.role.name == "Owner")
    ).one()
    setting.person("root", role_id=owner)
    setting.name = "root"
    refused(setting, patching(replace("userType", "Reader")), 409, LAST, "LastAdministrator")


@pytest.mark.parametrize("way", OUT_OF_THE_TEAM)
def test_the_last_administrator_stays_in_the_team(setting: Setting, way: str) -> None:
    setting.choose(may_grant_administrators=True)
    setting.person("root")
    setting.person("bob", is_active=False)
    setting.team("Admins", "root")
    setting.name = "root"
    refused(setting, OUT_OF_THE_TEAM[way], 409, LAST, "LastAdministrator")


@pytest.mark.parametrize("way", [way for way in GONE | RENAMED | DEMOTED if way not in TAKING_OVER])
def test_another_one_who_is_active_is_enough(setting: Setting, way: str) -> None:
    setting.person("root", level="admin")
    setting.person("second", level="admin")
    setting.name = "root"
    status, detail = (GONE | RENAMED | DEMOTED)[way](setting)
    assert status < 300, detail


def test_one_who_leaves_and_comes_back_in_one_request_has_stayed(setting: Setting) -> None:
    setting.person("root")
    setting.name = "root"
    setting.team("Admins", "root")
    again = {"op": "add", "path": "members", "value": [{"value": setting.id()}]}
    gone = {"op": "remove", "path": f'members[display eq "{setting.name}"]'}
    assert members(setting, "Admins", gone, again)[0] == 204


PROTECTED: dict[str, Way] = GONE | {
    "name": patching(replace("name.givenName", "Eve")),
    "e-mail": patching(replace('emails[type eq "work"].value', "eve@example.com")),
    "remove e-mail": patching({"op": "remove", "path": "emails"}),
    "what the portal has no place for": patching(replace("nickName", "Eve")),
    "externalId": patching(replace("externalId", "7")),
    "password": patching(replace("password", "s3cret!")),
    "userName": patching(replace("userName", "other")),
    "take over": creating(),
    "take over in Bulk": bulk_creating(),
    "take over with a password": creating(password="s3cret!", active=True),
    "put": putting(active=True, title="x"),
    "made an administrator by a team": lambda setting: members(
        setting, "Admins", {"op": "add", "path": "members", "value": [{"value": setting.id()}]}
    ),
}


@pytest.mark.parametrize("way", PROTECTED)
def test_who_is_protected_stays_as_they_are(setting: Setting, way: str) -> None:
    setting.choose(may_grant_administrators=True, may_reenable="always")
    setting.person("root", level="admin")
    known = not way.startswith(("create", "take over"))
    setting.person("vault", first_name="V", email="vault@example.com", known=known)
    setting.team("Admins")
    setting.name = "vault"
    if way.startswith("create"):  # nobody can decide that they are locked out
        refused(setting, PROTECTED[way], 403, VAULT, "Protected")
    else:
        refused_or_waits(setting, way, PROTECTED[way], 403, VAULT, "Protected")


@pytest.mark.parametrize("decision", ["link", "keep"])
def test_no_decision_lets_somebody_protected_go(setting: Setting, decision: str) -> None:
    setting.person("vault", first_name="V", known=False)
    setting.name = "vault"
    assert creating()(setting)[0] == 409
    portal = setting.portal
    decisions = portal.models.db.metadata.tables["scim_conflict"]
    with portal.engine.begin() as connection:
        connection.execute(
            sa.update(decisions).values(decision=decision, decided_by="ada", decided_at=utcnow())
        )
    ways = [creating(active=False), patching(OFF)]
    if decision == "link":  # who keeps the profile keeps the password
        ways.append(creating(password="s3cret!"))
    for send in ways:
        status, detail = send(setting)
        assert (status, detail) == (403, VAULT)
    assert portal.user("vault").is_active


def test_what_changes_nothing_of_who_is_protected_is_answered(setting: Setting) -> None:
    setting.person("vault", first_name="V")
    setting.name = "vault"
    assert setting.patch(setting.user(), replace("name.givenName", "V")) == (200, "")
    setting.team("Readers")
    add = {"op": "add", "path": "members", "value": [{"value": setting.id()}]}
    assert members(setting, "Readers", add)[0] == 204, (
        "a team that gives no rights changes nobody's row"
    )


ON = replace("active", True)
DISABLED: dict[str, Way] = {
    "take over": creating(active=True),
    "take over in Bulk": bulk_creating(active=True),
    "put": putting(active=True),
    "patch": patching(ON),
    "patch by a string": patching(replace("active", "True")),
    "patch without a path": patching({"op": "replace", "value": {"active": True}}),
    "patch in Bulk": bulk_patching(ON),
}


@pytest.mark.parametrize("way", DISABLED)
def test_whom_the_portal_has_deactivated_stays_inactive(setting: Setting, way: str) -> None:
    setting.choose(may_reenable="never")
    setting.person("bob", is_active=False, known=way not in TAKING_OVER)
    setting.name = "bob"
    refused(setting, DISABLED[way], 409, "has deactivated this person itself", "DisabledByPortal")


@pytest.mark.parametrize("values", [{}, {"active": False}])
def test_taking_over_without_a_word_leaves_them_inactive(setting: Setting, values: Json) -> None:
    setting.choose(may_reenable="never")
    setting.person("bob", is_active=False, known=False)
    setting.name = "bob"
    answer = setting.client.post("/Users", {"userName": "bob", **values})
    assert (answer.status_code, answer.json["active"]) == (201, False)
    refused(setting, patching(ON), 409, "has deactivated", "DisabledByPortal")


def test_whom_a_directory_has_deactivated_it_may_activate(setting: Setting) -> None:
    setting.choose(may_reenable="never")
    setting.name = "bob"
    created = setting.client.post("/Users", {"userName": "bob"}).json["id"]
    path = f"/Users/{created}"
    assert setting.patch(path, OFF)[0] == 200
    assert setting.patch(path, ON)[0] == 200
    assert setting.patch(path, OFF)[0] == 200
    setting.client.delete(path)
    again = setting.client.post("/Users", {"userName": "bob", "active": True})
    assert (again.status_code, again.json["active"]) == (201, True)
    born = setting.client.post("/Users", {"userName": "eve", "active": False}).json["id"]
    assert setting.patch(f"/Users/{born}", ON)[0] == 200


def test_the_portal_has_the_last_word_after_a_directory(setting: Setting) -> None:
    """The directory deactivates, the portal activates and deactivates: that is the portal's."""
    setting.choose(may_reenable="never")
    setting.name = "bob"
    path = f"/Users/{setting.client.post('/Users', {'userName': 'bob'}).json['id']}"
    setting.patch(path, OFF)
    for active in (True, False):
        setting.portal.user("bob").is_active = active
        setting.portal._session.commit()
    refused(setting, patching(ON), 409, "has deactivated", "DisabledByPortal")
    setting.client.delete(path)
    refused(setting, creating(active=True), 409, "has deactivated", "DisabledByPortal")


def test_a_known_person_is_activated_when_the_directory_says_so(setting: Setting) -> None:
    setting.person("bob", is_active=False)
    setting.name = "bob"
    assert setting.patch(setting.user(), replace("name.givenName", "B"))[0] == 200
    assert not setting.portal.user("bob").is_active
    assert setting.patch(setting.user(), ON)[0] == 200
    assert setting.portal.user("bob").is_active


def adding(setting: Setting, name: str) -> Json:
    return {"op": "add", "path": "members", "value": [{"value": setting.id(name)}]}


GRANTED: dict[str, Way] = {
    "create": lambda setting: told(
        setting.client.post("/Users", {"userName": "new", "title": "admin"})
    ),
    "create in Bulk": lambda setting: setting.bulk(
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": "1",
            "data": {"userName": "new", "title": "admin"},
        }
    ),
    "take over": creating(title="admin"),
    "put": putting(active=True, title="admin"),
    "patch": patching(replace("title", "admin")),
    "a role": patching(replace("userType", "Owner")),
    "one of several roles": patching({"op": "add", "path": "roles", "value": [{"value": "Owner"}]}),
    "in Bulk": bulk_patching(replace("title", "admin")),
    "a team": lambda setting: members(setting, "Admins", adding(setting, "bob")),
    "put of a team": lambda setting: told(
        setting.client.put(
            setting.group("Admins"),
            {
                "displayName": "Admins",
                "members": [{"value": setting.id(n)} for n in ("bob", "eve")],
            },
        )
    ),
    "taking over a team": lambda setting: told(
        setting.client.post(
            "/Groups", {"displayName": "Admins", "members": [{"value": setting.id("bob")}]}
        )
    ),
    "a team that is renamed": lambda setting: (
        members(setting, "Admins", replace("displayName", "Former")),
        members(setting, "Readers", replace("displayName", "Admins")),
    )[1],
    "a team in Bulk": lambda setting: setting.bulk(
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": "new",
            "data": {"userName": "fresh"},
        },
        {
            "method": "PATCH",
            "path": setting.group("Admins"),
            "data": {
                "schemas": [PATCH_OP],
                "Operations": [
                    {"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]}
                ],
            },
        },
    ),
}


@pytest.mark.parametrize("way", GRANTED)
def test_nobody_becomes_an_administrator_unless_it_is_allowed(setting: Setting, way: str) -> None:
    setting.person("root", level="admin")
    setting.person("bob", known=way != "take over")
    setting.person("eve", is_active=False)
    setting.team("Admins")
    setting.team("Readers", *(["bob"] if "renamed" in way else []))
    setting.name = "bob"
    if way in ("a team that is renamed", "a team in Bulk"):  # a part of these is carried out
        status, detail = GRANTED[way](setting)
        assert (status, "an administrator of the portal" in detail) == (403, True), detail
    else:
        refused(setting, GRANTED[way], 403, "an administrator of the portal", "PrivilegeRefused")


@pytest.mark.parametrize("way", GRANTED)
def test_it_is_allowed_by_a_policy(setting: Setting, way: str) -> None:
    setting.choose(may_grant_administrators=True)
    setting.person("root", level="admin")
    setting.person("bob", known=way != "take over")
    setting.person("eve", is_active=False)
    setting.team("Admins")
    setting.team("Readers", *(["bob"] if "renamed" in way else []))
    setting.name = "bob"
    status, detail = GRANTED[way](setting)
    assert status < 300, detail


def test_many_are_looked_at_together(setting: Setting) -> None:
    """Neither the members who come nor those who are there add a statement."""
    for number in range(12):
        setting.person(f"p{number}")
    setting.team("Readers", "p0")
    team = setting.group("Readers")
    ids = [setting.id(f"p{number}") for number in range(12)]

    def add(those: list[str]) -> int:
        value = [{"value": each} for each in those]
        with setting.portal.statements() as cost:
            assert setting.patch(team, {"op": "add", "path": "members", "value": value})[0] == 204
        return cost.count

    first = add(ids[1:3])
    assert add(ids[3:]) == first


def together(
    portal: Portal, barrier: threading.Barrier, answers: list[int], path: str, operation: Json
) -> None:
    barrier.wait()
    answers.append(portal.client.patch(path, [operation]).status_code)


def test_two_who_deactivate_the_last_two_leave_one(setting: Setting) -> None:
    """Whatever takes the administrators away: a column here, the team there."""
    portal = setting.portal
    state = portal.app.extensions["scim_provisioning"]
    setting.team("Admins")
    team = setting.group("Admins")
    rounds = 10
    for turn in range(rounds):
        names = (f"a{turn}", f"b{turn}")
        setting.person(names[0], level="admin")
        setting.person(names[1])
        key = portal.user(names[1]).id
        with portal.engine.begin() as connection:
            pairs = portal.models.team_member
            keeper = portal.models.Team.__table__
            found = connection.scalar(sa.select(keeper.c.id).where(keeper.c.name == "Admins"))
            connection.execute(pairs.insert().values(team_id=found, user_id=key))
        one, two = setting.user(names[0]), setting.id(names[1])
        answers: list[int] = []
        barrier = threading.Barrier(2)

        gone = {"op": "remove", "path": f'members[value eq "{two}"]'}
        threads = [
            threading.Thread(target=together, args=(portal, barrier, answers, one, OFF)),
            threading.Thread(target=together, args=(portal, barrier, answers, team, gone)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        mapping = state.mappings["Users"]
        left = portal.session.scalar(
            sa.select(sa.func.count())
            .select_from(mapping.model)
            .where(mapping.administrators, mapping.model.is_active)
        )
        assert left == 1, (turn, answers)
        assert sorted(answers) in ([200, 409], [204, 409]), answers
        with portal.engine.begin() as connection:
            connection.execute(pairs.delete())
            connection.execute(
                sa.update(mapping.model.__table__).values(level=None, is_active=False)
            )


def test_it_costs_two_statements_to_look_at_somebody_who_is_none(setting: Setting) -> None:
    """What they were is asked under the lock, and what they are after the flush."""
    setting.person("root", level="admin")
    setting.person("bob")
    path = setting.user("bob")
    mapping = setting.portal.app.extensions["scim_provisioning"].mappings["Users"]

    def spent(value: str) -> int:
        with setting.portal.statements() as cost:
            assert setting.patch(path, replace("name.givenName", value))[0] == 200
        return cost.count

    spent("first")
    guarded = spent("second")
    declared = mapping.administrators
    try:
        vars(mapping)["administrators"] = None
        spent("third")
        assert guarded <= spent("fourth") + 2
    finally:
        vars(mapping)["administrators"] = declared


def test_whose_own_row_names_the_team_isnt_moved(database: str) -> None:
    """There a membership is a part of the person, and nothing of a protected one changes."""
    base: Any = type("Base", (DeclarativeBase,), {})
    db = SQLAlchemy(model_class=base)

    class Crew(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "guarded_crew"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)

    class Sailor(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "guarded_sailor"
        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(100), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        crew_id: Mapped[int | None] = mapped_column(sa.ForeignKey("guarded_crew.id"))
        crew = relationship(Crew, backref="sailors")

    class SailorSchema(UserSchema):
        class Meta:
            model = Sailor
            administrators = Sailor.username == "root"

            @staticmethod
            def protected(sailor: Any) -> str | None:
                """Keep the last resort."""
                return VAULT if sailor.username == "vault" else None

        user_name = fields.Attribute(Sailor.username)
        active = fields.Attribute(Sailor.is_active)

    sa.orm.configure_mappers()
    sailors: Any = Crew.sailors  # type: ignore[attr-defined]

    class CrewSchema(GroupSchema):
        class Meta:
            model = Crew

        display_name = fields.Attribute(Crew.name)
        members = fields.Members(sailors)

    provisioning = Provisioning(db, user_schema=SailorSchema, group_schema=CrewSchema)
    host = Host(db, Sailor, Crew, Sailor.__table__, provisioning)
    portal = open_portal(database, host)
    try:
        red = portal.add(Crew(name="Red"))
        portal.add(Crew(name="Blue"))
        portal.add(Sailor(username="vault", crew_id=red.id))
        people = portal.client.get("/Users", filter='userName eq "vault"').json["Resources"]
        groups = portal.client.get("/Groups").json["Resources"]
        paths = {each["displayName"]: f"/Groups/{each['id']}" for each in groups}
        add = {"op": "add", "path": "members", "value": [{"value": people[0]["id"]}]}
        for answer in (
            portal.client.patch(paths["Blue"], [add]),
            portal.client.patch(paths["Red"], [{"op": "remove", "path": "members"}]),
            portal.client.delete(paths["Red"]),
        ):
            assert (answer.status_code, answer.json["detail"]) == (403, VAULT)
        assert portal.user("vault").crew_id == red.id
    finally:
        portal.close()


def test_another_change_of_the_person_solves_nothing(setting: Setting) -> None:
    """The directory goes on wanting the last administrator out, until somebody does something."""
    setting.person("root", level="admin")
    setting.name = "root"
    refused(setting, patching(OFF), 409, LAST, "LastAdministrator")
    assert setting.patch(setting.user(), replace("name.givenName", "R"))[0] == 200
    portal = setting.portal
    state = portal.app.extensions["scim_provisioning"]
    view = integrations.get_integration(portal.session, state.models, "main", portal.integration.id)
    found = health.assess_one(portal.session, state.models, state.mappings, view)
    assert LAST in found.reason
