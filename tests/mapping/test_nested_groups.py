"""Groups inside groups (RFC 7643 section 4.2): ``members`` of the type ``Group``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services.signals import membership_changed
from tests.client import ScimClient
from tests.portal import Portal
from tests.test_concurrency import at_once

from .clubs import clubs
from .hosts import open_portal

UNKNOWN = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture(params=["table", "objects", "parent"])
def nesting(request: pytest.FixtureRequest) -> str:
    """How the host keeps which club is inside which."""
    return str(request.param)


@pytest.fixture
def directory(database: str, nesting: str) -> Iterator[Directory]:
    """A portal whose clubs contain clubs."""
    with ExitStack() as stack:
        portal = open_portal(database, clubs(nesting=nesting))
        stack.callback(portal.close)
        yield Directory(portal)


in_a_table = pytest.mark.parametrize("nesting", ["table"])


class Directory:
    """People and clubs by their names, and what SCIM says of them."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.client = portal, portal.client
        self.ids: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.told: list[dict[str, Any]] = []

    def make(self, people: str, *groups: str) -> None:
        """Create people, and groups with their members: ``"Red: ada Blue"``."""
        for name in people.split():
            self._created(name, "/Users", userName=name)
        for text in groups:
            name, _, members = text.partition(":")
            answer = self._created(name, "/Groups", displayName=name, members=self.values(members))
            assert answer.status_code == 201, answer.text

    def _created(self, name: str, path: str, **body: Any) -> Any:
        answer = self.client.post(path, body)
        self.ids[name] = str(answer.json["id"])
        self.names[self.ids[name]] = name
        return answer

    def values(self, names: str) -> list[dict[str, str]]:
        return [{"value": self.ids.get(name, name)} for name in names.split()]

    def path(self, group: str) -> str:
        return f"/Groups/{self.ids[group]}"

    def patch(
        self, group: str, *operations: dict[str, Any], client: ScimClient | None = None
    ) -> Any:
        def hear(sender: str, **values: Any) -> None:
            self.told.append(values)

        with membership_changed.connected_to(hear):
            return (client or self.client).patch(self.path(group), operations)

    def add(self, names: str) -> dict[str, Any]:
        return {"op": "add", "path": "members", "value": self.values(names)}

    def remove(self, name: str) -> dict[str, Any]:
        return {"op": "remove", "path": f'members[value eq "{self.ids[name]}"]'}

    def members(self, group: str) -> str:
        """Return who belongs to a group, as SCIM reads it."""
        found = self.client.get(self.path(group)).json.get("members", [])
        return " ".join(sorted(self.names[member["value"]] for member in found))

    def found(self, text: str) -> str:
        """Return the groups that a filter finds."""
        page = self.client.get("/Groups", filter=text).json
        return " ".join(sorted(group["displayName"] for group in page["Resources"]))

    def key(self, group: str) -> int:
        """Return the primary key of a club."""
        return int(self.portal.team(group).id)

    def activity(self) -> Any:
        """Return the last entry of the log."""
        table = self.portal.app.extensions["scim_provisioning"].models.activity.__table__
        newest = sa.select(table).order_by(table.c.id.desc()).limit(1)
        return self.portal.session.execute(newest).one()


def test_members_are_users_and_groups(directory: Directory) -> None:
    """RFC 7643 section 4.2: ``value``, ``$ref`` and ``type`` say who each of them is."""
    directory.make("ada", "Blue:", "Red: ada Blue")
    group = directory.client.get(directory.path("Red")).json
    users = group["meta"]["location"].replace(f"/Groups/{group['id']}", "/Users/")
    ada, blue = directory.ids["ada"], directory.ids["Blue"]
    assert group["members"] == [
        {"value": ada, "$ref": users + ada, "type": "User"},
        {"value": blue, "$ref": users.replace("Users", "Groups") + blue, "type": "Group"},
    ]
    named = directory.client.get(directory.path("Red"), attributes="members.display,members").json
    assert [member["display"] for member in named["members"]] == ["ada", "Blue"]


@in_a_table
def test_both_types_are_published(directory: Directory) -> None:
    """RFC 7643 section 7: the canonical values of ``type``."""
    schema = directory.client.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").json
    (members,) = (each for each in schema["attributes"] if each["name"] == "members")
    (kind,) = (each for each in members["subAttributes"] if each["name"] == "type")
    assert kind["canonicalValues"] == ["User", "Group"]


@pytest.mark.parametrize("nesting", ["table", "objects", "parent", "store"])
def test_every_operation_reaches_nested_groups(directory: Directory) -> None:
    """RFC 7644 section 3.5.2: added, removed and replaced by each of the ways."""
    directory.make("ada bob", "Blue:", "Green:", "Grey:", "Red: ada")
    by_value = {"op": "remove", "path": "members", "value": directory.values("Blue ada")}
    replace = {"op": "replace", "path": "members"}
    cases: tuple[tuple[list[dict[str, Any]], str], ...] = (
        ([directory.add("Blue bob Green")], "Blue Green ada bob"),
        ([directory.add("Blue")], "Blue Green ada bob"),
        ([directory.remove("Green"), directory.remove("bob")], "Blue ada"),
        ([directory.add("Green"), directory.remove("Green")], "Blue ada"),
        ([{**replace, "value": directory.values("Blue Grey bob")}], "Blue Grey bob"),
        ([{"op": "remove", "path": 'members[type eq "Group"]'}], "bob"),
        ([directory.add("Blue Grey ada")], "Blue Grey ada bob"),
        ([{"op": "remove", "path": 'members[display sw "B"]'}], "Grey ada"),
        ([directory.add("Blue"), {"op": "remove", "path": 'members[type eq "User"]'}], "Blue Grey"),
        ([{"op": "remove", "path": "members"}], ""),
    )
    for operations, expected in cases:
        answer = directory.patch("Red", *operations)
        assert (answer.status_code, directory.members("Red")) == (204, expected), operations
    entra, _ = directory.portal.connect("Entra", dialect="entra")
    directory.patch("Red", directory.add("Blue ada Green"))
    assert directory.patch("Red", by_value, client=entra).status_code == 204
    assert directory.members("Red") == "Green"
    body = {"displayName": "Red", "members": directory.values("bob Grey")}
    answer = directory.client.put(directory.path("Red"), body)
    assert (answer.status_code, directory.members("Red")) == (200, "Grey bob")
    directory.client.put(directory.path("Red"), {"displayName": "Crimson"})
    assert directory.members("Red") == "Grey bob"


@in_a_table
def test_the_id_says_which_type_a_member_is(directory: Directory) -> None:
    """Ids are UUIDs: a wrong ``type`` means nobody else, and ``$ref`` says it as well."""
    directory.make("ada", "Blue:", "Green:", "Red:")
    blue, green, ada = (directory.ids[name] for name in ("Blue", "Green", "ada"))
    value = [
        {"value": blue.upper(), "type": "Group"},
        {"value": ada, "type": "Group"},
        {"$ref": f"https://portal.example/scim/v2/Groups/{green}"},
    ]
    directory.patch("Red", {"op": "add", "path": "members", "value": value})
    assert directory.members("Red") == "Blue Green ada"
    directory.patch("Red", {"op": "remove", "path": "members"})
    value = [{"value": green, "type": "User", "$ref": f"../Users/{green}"}]
    directory.patch("Red", {"op": "add", "path": "members", "value": value})
    assert directory.members("Red") == "Green"


def test_groups_are_found_by_the_groups_inside(directory: Directory) -> None:
    """RFC 7644 section 3.4.2.2."""
    directory.make("ada", "Blue: ada", "Green: Blue", "Red: ada")
    blue = directory.ids["Blue"]
    for text, expected in (
        (f'members.value eq "{blue}"', "Green"),
        (f'members eq "{blue.upper()}"', "Green"),
        (f'members[value eq "{blue}" and type eq "Group"]', "Green"),
        (f'members[value eq "{blue}" and type eq "User"]', ""),
        ('members.type eq "Group"', "Green"),
        ('members.type eq "User"', "Blue Red"),
        ('members.display eq "BLUE"', "Green"),
        (f'members eq "{directory.ids["ada"]}"', "Blue Red"),
        (f'not (members eq "{blue}")', "Blue Red"),
        ("members pr", "Blue Green Red"),
        (f'members.value ne "{blue}"', "Blue Red"),
    ):
        assert directory.found(text) == expected, text


@pytest.mark.parametrize("dialect", ["generic", "entra", "okta"])
def test_no_group_is_inside_itself(directory: Directory, dialect: str) -> None:
    """Neither directly nor through others: refused, or skipped where nobody repeats a request."""
    directory.make("ada", "Blue:", "Green: Blue", "Red: Green", "Grey:")
    client, _ = directory.portal.connect(dialect.title(), dialect=dialect)
    for names in ("Blue", "ada Red", "Grey Green Blue Red"):
        answer = directory.patch("Blue", directory.add(names), client=client)
        if dialect == "generic":
            assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
            assert directory.ids[names.split()[-1]] in answer.json["detail"]
            assert "take this group out of it first" in answer.json["detail"]
            assert directory.members("Blue") == ""
        else:
            assert answer.status_code == 204
            notes = directory.activity().notes
            assert any("would have been inside themselves" in note for note in notes)
    if dialect != "generic":
        assert directory.members("Blue") == "Grey ada"
    # Whoever takes the group out first may turn it round, in one request too.
    assert directory.patch("Green", directory.remove("Blue")).status_code == 204
    assert directory.patch("Blue", directory.add("Red")).status_code == 204


@in_a_table
def test_a_circle_that_the_portal_has_made_ends(directory: Directory) -> None:
    directory.make("", "Blue:", "Red: Blue", "Grey:")
    inside = directory.portal.db.metadata.tables["inside"]
    back = {"outer_id": directory.key("Blue"), "inner_id": directory.key("Red")}
    directory.portal.session.execute(inside.insert().values(back))
    directory.portal.session.commit()
    assert directory.patch("Blue", directory.add("Grey")).status_code == 204
    assert (directory.members("Blue"), directory.members("Red")) == ("Grey Red", "Blue")
    assert directory.patch("Grey", directory.add("Red")).status_code == 400


@in_a_table
@pytest.mark.parametrize("dialect", ["generic", "entra"])
def test_an_unknown_member_is_neither_user_nor_group(directory: Directory, dialect: str) -> None:
    directory.make("ada", "Blue:", "Red:")
    client, _ = directory.portal.connect(dialect.title(), dialect=dialect)
    answer = directory.patch("Red", directory.add(f"ada {UNKNOWN} Blue"), client=client)
    if dialect == "generic":
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        assert f"no user or group here has the id {UNKNOWN}" in answer.json["detail"]
        assert directory.members("Red") == ""
    else:
        assert (answer.status_code, directory.members("Red")) == (204, "Blue ada")


def test_who_came_and_went_is_told(directory: Directory) -> None:
    """By the portal's own keys, users and groups apart; the same again tells nothing."""
    directory.make("ada", "Blue:", "Green:", "Red: Blue")
    replace = {"op": "replace", "path": "members", "value": directory.values("ada Green")}
    directory.patch("Red", replace)
    (told,) = directory.told
    assert told["added"] == [directory.portal.user("ada").id]
    assert told["removed"] == []
    assert told["groups_added"] == [directory.key("Green")]
    assert told["groups_removed"] == [directory.key("Blue")]
    version = directory.client.get(directory.path("Red")).headers["ETag"]
    directory.told.clear()
    directory.patch("Red", replace, directory.remove("Blue"), directory.add("Green"))
    assert directory.told == []
    assert directory.client.get(directory.path("Red")).headers["ETag"] == version


def test_a_deleted_group_is_in_no_group(directory: Directory) -> None:
    """And its own members stay, as RFC 7644 section 3.6 deletes the resource alone."""
    directory.make("ada", "Grey:", "Blue: ada Grey", "Red: Blue")
    assert directory.client.delete(directory.path("Blue")).status_code == 204
    assert directory.members("Red") == ""
    assert directory.client.get(directory.path("Grey")).status_code == 200
    assert directory.client.get(f"/Users/{directory.ids['ada']}").status_code == 200
    assert directory.patch("Red", directory.add("Grey")).status_code == 204
    assert directory.members("Red") == "Grey"


def test_groups_of_the_portal_are_members_before_scim_knows_them(directory: Directory) -> None:
    """A group inside another one gets an id when it is first answered."""
    portal, club = directory.portal, directory.portal.models.Team
    inner, outer = club(name="Blue"), club(name="Red")
    portal.add(inner, outer)
    tables = portal.db.metadata.tables
    keys = {"outer_id": outer.id, "inner_id": inner.id}
    for statement in (
        tables["inside"].insert().values(keys),
        tables["inclusion"].insert().values({**keys, "reason": "by hand"}),
        tables["club"].update().where(club.id == inner.id).values(parent_id=outer.id),
    ):
        portal.session.execute(statement)
    portal.session.commit()
    page = directory.client.get("/Groups", filter='displayName eq "red"').json
    ((member,),) = (group["members"] for group in page["Resources"])
    assert member["type"] == "Group"
    assert directory.client.get(f"/Groups/{member['value']}").json["displayName"] == "Blue"


@in_a_table
def test_what_is_not_visible_is_nobodys_member(directory: Directory) -> None:
    """Meta.visible: neither read, nor found, nor removed with the others."""
    directory.make("", "Blue:", "Green:", "Red: Blue Green")
    directory.portal.team("Blue").is_secret = True
    directory.portal.session.commit()
    assert directory.members("Red") == "Green"
    assert directory.found(f'members eq "{directory.ids["Blue"]}"') == ""
    assert directory.patch("Red", directory.add("Blue")).status_code == 400
    directory.patch("Red", {"op": "remove", "path": 'members[display sw "B"]'})
    inside = directory.portal.db.metadata.tables["inside"]
    assert len(directory.portal.session.execute(sa.select(inside)).all()) == 2


def test_groups_of_another_tenant_are_unknown(database: str) -> None:
    with ExitStack() as stack:
        portal = open_portal(database, clubs(tenants="users groups", nesting="table"))
        stack.callback(portal.close)
        mine = Directory(portal)
        mine.make("", "Blue:", "Red: Blue")
        theirs = Directory(portal)
        theirs.client, _ = portal.connect("Elsewhere", tenant="elsewhere")
        theirs.make("", "Green:")
        mine.ids["Green"] = theirs.ids["Green"]
        answer = mine.patch("Red", mine.add("Green"))
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
        inside = portal.db.metadata.tables["inside"]
        pair = {"outer_id": mine.key("Red"), "inner_id": mine.key("Green")}
        portal.session.execute(inside.insert().values(pair))
        portal.session.commit()
        assert mine.members("Red") == "Blue"
        assert mine.found(f'members eq "{mine.ids["Green"]}"') == ""
        assert mine.patch("Red", {"op": "remove", "path": 'members[display co "e"]'}).json is None
        assert len(portal.session.execute(sa.select(inside)).all()) == 1


@in_a_table
def test_users_are_in_the_groups_that_name_them(directory: Directory) -> None:
    """RFC 7643 section 4.1.2: ``direct`` ones; those around them aren't told."""
    directory.make("ada", "Blue: ada", "Red: Blue")
    person = directory.client.get(f"/Users/{directory.ids['ada']}", attributes="groups").json
    assert [(group["display"], group["type"]) for group in person["groups"]] == [("Blue", "direct")]


@in_a_table
def test_groups_of_one_bulk_request_contain_each_other(directory: Directory) -> None:
    """RFC 7644 section 3.7.2: a bulkId may name a group, also one that comes later."""
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"displayName": name, "members": members},
        }
        for name, members in (("Red", [{"value": "bulkId:Blue"}]), ("Blue", []))
    ]
    answer = directory.client.post("/Bulk", {"Operations": operations})
    assert [each["status"] for each in answer.json["Operations"]] == ["201", "201"]
    assert directory.found('members.display eq "blue"') == "Red"


@in_a_table
def test_groups_of_one_bulk_request_make_no_circle(directory: Directory) -> None:
    """RFC 7644 section 3.7.1 has two groups that contain each other; one of them can't."""
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"displayName": name, "members": [{"value": f"bulkId:{other}"}]},
        }
        for name, other in (("Red", "Blue"), ("Blue", "Red"))
    ]
    answer = directory.client.post("/Bulk", {"Operations": operations})
    statuses = sorted(each["status"] for each in answer.json["Operations"])
    assert statuses == ["201", "400"]


def test_groups_nested_into_each_other_at_once_make_no_circle(directory: Directory) -> None:
    """Each request alone would be right; together they would close a ring."""
    ring = [f"Group{number}" for number in range(6)]
    directory.make("", *(f"{name}:" for name in ring))
    for name, inner in ((ring[0], ring[1]), (ring[2], ring[3]), (ring[4], ring[5])):
        directory.patch(name, directory.add(inner))
    pairs = ((ring[1], ring[2]), (ring[3], ring[4]), (ring[5], ring[0]))

    def nest(outer: str, inner: str) -> Callable[[], Any]:
        change = directory.add(inner)
        return lambda: directory.client.patch(directory.path(outer), [change])

    for _ in range(3):
        answers = at_once([nest(*pair) for pair in pairs])
        assert sorted(answer.status_code for answer in answers) == [204, 204, 400]
        for outer, inner in pairs:
            directory.patch(outer, directory.remove(inner))


@in_a_table
def test_costs_do_not_grow_with_what_is_inside(directory: Directory) -> None:
    """One more statement reads nested groups; a change names its rows, however many there are."""
    portal = directory.portal
    writes_alone = portal.engine.dialect.name == "sqlite"
    directory.make("ada", "Last:", *(f"Small{n}:" for n in range(3)))
    directory.make("", *(f"Large{n}:" for n in range(30)))
    inner = {
        size: " ".join(name for name in directory.ids if name.startswith(size))
        for size in ("Small", "Large")
    }
    directory.make("", f"Few: {inner['Small']}", f"Many: {inner['Large']}")
    costs: list[dict[str, int]] = []
    for group in ("Few", "Many"):
        path = directory.path(group)
        directory.client.get(path)
        spent = {}
        requests: dict[str, Any] = {
            "read": lambda p=path: directory.client.get(p),
            "without": lambda p=path: directory.client.get(p, excludedAttributes="members"),
            "page": lambda: directory.client.get("/Groups"),
            "add group": lambda g=group: directory.patch(g, directory.add("Last")),
            "add again": lambda g=group: directory.patch(g, directory.add("Last")),
            "remove group": lambda g=group: directory.patch(g, directory.remove("Last")),
            "add user": lambda g=group: directory.patch(g, directory.add("ada")),
            "remove user": lambda g=group: directory.patch(g, directory.remove("ada")),
        }
        for name, send in requests.items():
            with portal.statements() as cost:
                assert send().status_code < 300
            spent[name] = cost.count
            if name == "without":
                assert "inside" not in "".join(cost.statements)
        costs.append(spent)
    assert costs[0] == costs[1]
    user, group = costs[0]["add user"], costs[0]["add group"]
    assert (costs[0]["read"], costs[0]["without"], costs[0]["page"]) == (4, 2, 4)
    assert group == user + 1 + (1 if writes_alone else 3)
    assert costs[0]["remove group"] == costs[0]["remove user"] + 1


def test_a_deleted_group_moves_the_version_of_the_group_around_it(directory: Directory) -> None:
    directory.make("ada", "Blue: ada", "Red: Blue")

    def version(name: str) -> str:
        return str(directory.client.get(directory.path(name)).headers["ETag"])

    before = version("Red")
    assert directory.client.delete(directory.path("Blue")).status_code == 204
    assert version("Red") != before
