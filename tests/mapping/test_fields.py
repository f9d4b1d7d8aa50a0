"""Each kind of field: what a client writes is what it reads, finds, sorts by and changes."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import marshmallow
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_scim_provisioning.mapping.access import reading
from flask_scim_provisioning.mapping.host.viewpoint import Viewpoint
from flask_scim_provisioning.services import signals
from tests.portal import Portal

from .hosts import URN, Level, open_portal, unusual

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
OBJECT_ID = "6f1c7a52-5c4f-4c35-8a3e-0f6a8b6f5d11"
SEAL = base64.b64encode(b"\x00\xff seal").decode()

ADA: dict[str, Any] = {
    "userName": "ada@example.com",
    "externalId": "ext-Ada",
    "name": {"givenName": "Ada", "familyName": "Lovelace", "middleName": "King"},
    "active": True,
    "locale": "en-GB",
    "userType": "Analyst",
    "title": "Senior",
    "nickName": "Enchantress",
    "timezone": "Europe/London",
    "displayName": "Ada, Countess of Lovelace",
    "phoneNumbers": [
        {"value": "+44 20 1", "type": "work"},
        {"value": "+44 77 2", "type": "mobile"},
    ],
    "addresses": [{"streetAddress": "12 St James's", "locality": "London", "type": "work"}],
    "emails": [
        {"value": "ada@example.com", "type": "work", "primary": True},
        {"value": "ada@home.example", "type": "home", "display": "At home"},
    ],
    ENTERPRISE: {"employeeNumber": "1815", "costCenter": OBJECT_ID, "department": "Engines"},
    URN: {
        "tag": "Pioneer",
        "trial": True,
        "seats": 2**40,
        "rate": 12.5,
        "hired": "2024-05-15T09:21:23.000Z",
        "seal": SEAL,
        "home": "https://example.com/ada",
        "desk": {"building": "B1", "floor": 3},
        "remark": "kept as sent",
        "score": 7,
        "languages": ["en", "fr"],
    },
}
BOB: dict[str, Any] = {
    "userName": "bob@example.com",
    "name": {"givenName": "Bob", "familyName": "Zuse"},
    "active": False,
    "locale": "de-DE",
    "userType": "Builder",
    "title": "Junior",
    "nickName": "Z",
    "timezone": "UTC",
    "emails": [{"value": "bob@example.com", "type": "work", "primary": True}],
    ENTERPRISE: {"employeeNumber": "2"},
    URN: {"tag": "pioneer too", "trial": False, "seats": 1, "rate": 0.5, "score": 1},
}


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """A portal that uses every kind of field, with two roles."""
    with ExitStack() as stack:
        portal = open_portal(database, unusual())
        stack.callback(portal.close)
        role = portal.db.metadata.tables["role"]
        with portal.engine.begin() as connection:
            connection.execute(role.insert(), [{"name": "Analyst"}, {"name": "Builder"}])
        yield portal


def create(portal: Portal, body: dict[str, Any]) -> dict[str, Any]:
    answer = portal.client.post("/Users", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def bare(resource: dict[str, Any]) -> dict[str, Any]:
    """Return what a client has written of a resource."""
    return {k: v for k, v in resource.items() if k not in {"id", "meta", "schemas"}}


def row(portal: Portal, login: str = "ada@example.com") -> Any:
    model = portal.models.User
    return portal.session.scalars(sa.select(model).where(model.login == login)).one()


def test_what_is_written_is_read_back(portal: Portal) -> None:
    """The constant comes on top; whatever the portal has no place for is in the link row."""
    created = create(portal, ADA)
    again = portal.client.get(f"/Users/{created['id']}").json
    assert bare(created) == {**ADA, "preferredLanguage": "en"}
    assert again == created


def test_it_lives_in_the_portals_own_columns(portal: Portal) -> None:
    create(portal, ADA)
    create(portal, BOB)
    ada = row(portal)
    assert ada.full_name == "Ada Lovelace"
    assert ada.disabled_at is None
    assert row(portal, "bob@example.com").disabled_at is not None
    ada = row(portal)
    assert ada.settings == {"locale": "en-GB"}
    assert ada.role.name == "Analyst"
    assert (ada.phone, ada.street, ada.city) == ("+44 20 1", "12 St James's", "London")
    assert (ada.level, ada.badge, ada.object_id) == (Level.SENIOR, 1815, uuid.UUID(OBJECT_ID))
    assert (ada.tag, ada.trial, ada.seats, float(ada.rate)) == ("Pioneer", True, 2**40, 12.5)
    hired = ada.hired if ada.hired.tzinfo else ada.hired.replace(tzinfo=UTC)
    assert hired == datetime(2024, 5, 15, 9, 21, 23, tzinfo=UTC)
    assert (ada.seal, ada.home) == (b"\x00\xff seal", "https://example.com/ada")
    assert (ada.building, ada.floor) == ("B1", 3)
    assert sorted((each.address, each.kind) for each in ada.emails) == [
        ("ada@example.com", "work"),
        ("ada@home.example", "home"),
    ]


def test_columns_with_defaults_keep_them(portal: Portal) -> None:
    created = create(portal, {"userName": "bare@example.com"})
    assert created["active"] is True
    assert created["timezone"] == "UTC"
    assert created[URN] == {"trial": False}
    assert "nickName" not in created, "the default of the field reads as nothing"
    assert row(portal, "bare@example.com").nickname == ""


FILTERS = [
    'userName eq "ADA@example.com"',
    'name.givenName eq "ada"',
    'name.familyName sw "love"',
    'name.middleName eq "King"',
    "active eq true",
    'locale eq "en-gb"',
    'userType eq "analyst"',
    'phoneNumbers.value eq "+44 20 1"',
    'phoneNumbers[type eq "work"].value sw "+44"',
    'addresses[locality eq "london"]',
    'addresses.streetAddress co "James"',
    'emails.value eq "ADA@home.example"',
    'emails[type eq "home" and value ew ".example"]',
    'emails[primary eq true and value sw "ada"]',
    'title eq "senior"',
    f'{ENTERPRISE}:employeeNumber eq "1815"',
    f'{ENTERPRISE}:costCenter eq "{OBJECT_ID.upper()}"',
    f'{ENTERPRISE}:department eq "engines"',
    'nickName eq "enchantress"',
    'timezone eq "europe/london"',
    'displayName co "countess"',
    'externalId eq "ext-Ada"',
    f'{URN}:tag eq "PIONEER"',
    f"{URN}:trial eq true",
    f"{URN}:seats gt 1000",
    f"{URN}:rate ge 12.5",
    f'{URN}:hired lt "2025-01-01T00:00:00Z"',
    f'{URN}:home eq "https://example.com/ada"',
    f'{URN}:desk.building eq "b1"',
    f"{URN}:desk.floor gt 2",
    f'{URN}:remark eq "kept as sent"',
    f"{URN}:score gt 5",
]


def test_each_can_be_searched(portal: Portal) -> None:
    """Its filter finds Ada and not Bob; the negation finds Bob and not Ada."""
    create(portal, ADA)
    create(portal, BOB)
    expected = [(text, ADA["userName"]) for text in FILTERS]
    expected += [(f"not ({text})", BOB["userName"]) for text in FILTERS]
    found = []
    for text, _ in expected:
        answer = portal.client.get("/Users", filter=text)
        assert answer.status_code == 200, (text, answer.text)
        found += [(text, user["userName"]) for user in answer.json["Resources"]]
    assert found == expected


def test_a_constant_is_searched_too(portal: Portal) -> None:
    create(portal, ADA)
    found = [
        portal.client.get("/Users", filter=f'preferredLanguage eq "{value}"').json["totalResults"]
        for value in ("EN", "de")
    ]
    assert found == [1, 0]


OTHERWISE = ("locale", "title")
"""What comes first is Bob's."""


@pytest.mark.parametrize(
    "path",
    [
        "userName",
        "name.givenName",
        "name.familyName",
        "locale",
        "userType",
        "emails.value",
        "emails",
        "title",
        "timezone",
        f"{URN}:tag",
    ],
)
def test_each_can_be_sorted_by(portal: Portal, path: str) -> None:
    """Where an attribute has no single place, the answer is a 400 that says so, never disorder."""
    create(portal, BOB)
    create(portal, ADA)
    up = portal.client.get("/Users", sortBy=path)
    if path.startswith("emails"):
        assert (up.status_code, up.json["scimType"]) == (400, "invalidValue")
        return
    down = portal.client.get("/Users", sortBy=path, sortOrder="descending")
    names = [[user["userName"] for user in page.json["Resources"]] for page in (up, down)]
    assert names[0] == names[1][::-1]
    assert set(names[0]) == {ADA["userName"], BOB["userName"]}
    first = BOB if path in OTHERWISE else ADA
    assert names[0][0] == first["userName"]


CHANGES = [
    ("name.givenName", "Augusta"),
    ("name.familyName", "Byron"),
    ("name.middleName", None),
    ("active", False),
    ("locale", "fr-FR"),
    ("userType", "Builder"),
    ('phoneNumbers[type eq "work"].value', "+44 99"),
    ('addresses[type eq "work"].locality', "Paris"),
    ('emails[type eq "work"].value', "new@example.com"),
    ("title", "Junior"),
    (f"{ENTERPRISE}:employeeNumber", "77"),
    (f"{ENTERPRISE}:department", "Analysis"),
    ("nickName", "Countess"),
    ("nickName", None),
    ("timezone", "Europe/Paris"),
    ("displayName", "Ada"),
    ("externalId", "other"),
    (f"{URN}:tag", "First"),
    (f"{URN}:trial", False),
    (f"{URN}:seats", 5),
    (f"{URN}:rate", 0.25),
    (f"{URN}:hired", "2020-01-01T00:00:00.000Z"),
    (f"{URN}:seal", base64.b64encode(b"other").decode()),
    (f"{URN}:desk.floor", 9),
    (f"{URN}:desk", None),
    (f"{URN}:remark", "changed"),
    (f"{URN}:score", 0),
    (f"{URN}:languages", ["de"]),
]


def at(resource: dict[str, Any], path: str) -> Any:
    """Return the value at a path."""
    urn, _, name = path.rpartition(":") if path.startswith("urn:") else ("", "", path)
    value: Any = resource.get(urn, {}) if urn else resource
    if "[" in name:
        name, sub = name.split("[")[0], name.split(".")[-1]
        found = [each for each in value.get(name, []) if each.get("type") == "work"]
        return found[0].get(sub) if found else None
    for part in name.split("."):
        value = (value or {}).get(part)
    return value


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_each_can_be_changed_alone(portal: Portal, path: str, value: Any) -> None:
    """Exactly that changes, once: the second time nothing is written, and nobody is told."""
    before = create(portal, ADA)
    url = f"/Users/{before['id']}"
    operation = {"op": "remove", "path": path}
    if value is not None:
        operation = {"op": "replace", "path": path, "value": value}
    after = portal.client.patch(url, [operation]).json
    assert at(after, path) == value
    assert after["meta"]["version"] == 'W/"2"'
    changed = {key for key in bare(before) if before[key] != after.get(key)}
    assert changed == {path.rpartition(":")[0] if path.startswith("urn:") else top(path)}
    with Heard() as heard:
        again = portal.client.patch(url, [operation])
    assert again.json == after
    assert heard.names == []
    assert activity(portal) == 2


def top(path: str) -> str:
    return path.split(".")[0].split("[")[0]


class Heard:
    """Every signal that is sent meanwhile, by name and with what it says."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.all]

    def __enter__(self) -> Heard:
        self._stack = ExitStack()
        for name, signal in signals.NAMESPACE.items():

            def hear(sender: Any, name: str = name, **values: Any) -> None:
                self.all.append((name, values))

            self._stack.enter_context(signal.connected_to(hear))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def activity(portal: Portal) -> int:
    """Return how many requests the log tells of."""
    table = portal.app.extensions["scim_provisioning"].models.activity.__table__
    statement = sa.select(sa.func.count()).where(table.c.resource_id.is_not(None))
    return int(portal.session.scalar(statement) or 0)


def test_the_same_again_changes_nothing(portal: Portal) -> None:
    """A PUT of what is there keeps version and time; identity providers do it every 40 minutes."""
    created = create(portal, ADA)
    with Heard() as heard:
        answer = portal.client.put(f"/Users/{created['id']}", ADA)
    assert answer.json == created
    assert heard.names == []
    assert activity(portal) == 1


def test_what_cannot_be_written_is_published_so_and_refused(portal: Portal) -> None:
    """RFC 7644 sections 3.5.1 and 3.5.2: a PUT ignores it, and a PATCH fails by mutability."""
    created = create(portal, ADA)
    path = f"/Users/{created['id']}"
    change = {"op": "replace", "path": "preferredLanguage", "value": "fr"}
    refused = portal.client.patch(path, [change])
    assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")
    assert portal.client.put(path, {**created, "preferredLanguage": "fr"}).json == created
    urn = "urn:ietf:params:scim:schemas:core:2.0:User"
    attributes = portal.client.get(f"/Schemas/{urn}").json["attributes"]
    found = {each["name"]: each for each in attributes}
    assert found["preferredLanguage"]["mutability"] == "readOnly"
    assert found["preferredLanguage"]["required"] is False


def test_put_clears_what_it_does_not_name(portal: Portal) -> None:
    created = create(portal, ADA)
    answer = portal.client.put(f"/Users/{created['id']}", {"userName": "ada@example.com"})
    assert answer.status_code == 200, answer.text
    ada = row(portal)
    assert (ada.full_name, ada.phone, ada.street, ada.role_id) == ("", None, None, None)
    assert (ada.level, ada.badge, ada.tag, ada.emails) == (None, None, None, [])
    assert (ada.settings, ada.timezone) == ({}, "Europe/London"), "a column that can't be empty"
    kept = {"userName", "active", "timezone", "preferredLanguage", "externalId"}
    assert {key for key in bare(answer.json) if not key.startswith("urn:")} == kept


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("title", "Emperor", "Junior, Senior"),
        ("userType", "Emperor", "no Role"),
        (f"{ENTERPRISE}:employeeNumber", "twelve", "digits"),
        (f"{ENTERPRISE}:costCenter", "twelve", "UUID"),
        ("timezone", None, "required"),
        ("nickName", "x" * 51, "at most 50 characters"),
        (f"{ENTERPRISE}:employeeNumber", str(2**31), "at most 9 digits"),
        (f"{URN}:desk", {"floor": -(2**31) - 1}, "at most 9 digits"),
        (f"{URN}:rate", 1e8, "too large"),
        (f"{URN}:rate", 1e300, "too large"),
    ],
)
def test_what_the_portal_cannot_keep_is_refused(
    portal: Portal, path: str, value: Any, said: str
) -> None:
    """With a sentence that names the attribute and says what would do."""
    created = create(portal, ADA)
    operation = {"op": "replace", "path": path, "value": value}
    if value is None:
        operation = {"op": "remove", "path": path}
    answer = portal.client.patch(f"/Users/{created['id']}", [operation])
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue"), answer.text
    assert said in answer.json["detail"]
    assert path.rpartition(":")[2] in answer.json["detail"]
    assert portal.client.get(f"/Users/{created['id']}").json == created


def test_a_number_is_rounded_as_the_column_does(portal: Portal) -> None:
    """What is read isn't what was sent, and to send it again changes nothing all the same."""
    place = f"/Users/{create(portal, ADA)['id']}"
    for rate, kept in ((12.345, 12.35), (0.1, 0.1), (-99_999_999.99, -99_999_999.99)):
        operation = {"op": "replace", "path": f"{URN}:rate", "value": rate}
        first, second = (portal.client.patch(place, [operation]) for _ in range(2))
        assert first.json[URN]["rate"] == kept
        assert first.json == second.json


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{ENTERPRISE}:employeeNumber eq "{2**40}"', 0),
        (f"{URN}:desk.floor eq {2**40}", 0),
        (f"{URN}:desk.floor lt {2**40}", 1),
        (f"{URN}:desk.floor gt {2**40}", 0),
        (f"{URN}:rate ge {10**12}", 0),
        (f"{URN}:rate le 1234567890123.5", 1),
    ],
)
def test_a_number_beyond_the_column_is_compared(portal: Portal, text: str, found: int) -> None:
    create(portal, ADA)
    answer = portal.client.get("/Users", filter=text)
    assert (answer.status_code, answer.json.get("totalResults")) == (200, found), answer.text


def test_rows_of_a_related_table_stay_where_they_can(portal: Portal) -> None:
    """A changed address is an update of its row, so that what the portal links to it stays."""
    created = create(portal, ADA)
    before = {each.kind: each.id for each in row(portal).emails}
    change = {"op": "replace", "path": 'emails[type eq "home"].value', "value": "b@x.org"}
    answer = portal.client.patch(f"/Users/{created['id']}", [change])
    assert answer.json["emails"][1] == {"value": "b@x.org", "type": "home", "display": "At home"}
    assert {each.kind: each.id for each in row(portal).emails} == before
    remove = {"op": "remove", "path": 'emails[type eq "work"]'}
    answer = portal.client.patch(f"/Users/{created['id']}", [remove])
    assert answer.json["emails"] == [{"value": "b@x.org", "type": "home", "display": "At home"}]


def test_values_keep_what_is_theirs_in_any_order(portal: Portal) -> None:
    """The portal's table has no column for the display, and none for the order."""
    created = create(portal, ADA)
    place = f"/Users/{created['id']}"
    turned = {"op": "replace", "path": "emails", "value": ADA["emails"][::-1]}
    answer = portal.client.patch(place, [turned])
    assert answer.json == created
    third = {"value": "third@example.com", "type": "other", "display": "Third"}
    first = {**ADA["emails"][0], "display": "At work"}
    sent = {"op": "replace", "path": "emails", "value": [third, ADA["emails"][1], first]}
    once, again = (portal.client.patch(place, [sent]) for _ in range(2))
    assert once.json["emails"] == [first, ADA["emails"][1], third]
    assert again.json == once.json


def test_a_manager_is_known_by_the_scim_id(portal: Portal) -> None:
    boss, ada = create(portal, BOB), create(portal, ADA)
    url = f"/Users/{ada['id']}"
    path = f"{ENTERPRISE}:manager"
    answer = portal.client.patch(url, [{"op": "add", "path": path, "value": {"value": boss["id"]}}])
    manager = answer.json[ENTERPRISE]["manager"]
    assert (manager["value"], manager["$ref"]) == (boss["id"], boss["meta"]["location"])
    assert row(portal).manager_id == row(portal, "bob@example.com").id
    for text in (f'manager eq "{boss["id"]}"', f'{path}.value eq "{boss["id"].upper()}"'):
        assert portal.client.get("/Users", filter=text).json["totalResults"] == 1
    answer = portal.client.patch(url, [{"op": "remove", "path": path}])
    assert "manager" not in answer.json[ENTERPRISE]
    assert row(portal).manager_id is None


def test_members_are_rows_of_the_association_object(portal: Portal) -> None:
    """With the defaults that the portal gives them, Python's and the database's."""
    people = [create(portal, body)["id"] for body in (ADA, BOB)]
    body = {"displayName": "Circle", "members": [{"value": people[0]}]}
    group = portal.client.post("/Groups", body).json
    url = f"/Groups/{group['id']}"
    add = {"op": "add", "path": "members", "value": [{"value": people[1]}]}
    assert portal.client.patch(url, [add]).status_code == 204
    entries = portal.session.execute(portal.models.team_member.select()).all()
    assert len(entries) == 2
    assert {entry.kind for entry in entries} == {"member"}
    assert None not in {entry.since for entry in entries}
    read = portal.client.get(url, attributes="members.value,members.display").json["members"]
    assert {(each["value"], each["display"]) for each in read} == {
        (people[0], "ada@example.com"),
        (people[1], "bob@example.com"),
    }
    remove = {"op": "remove", "path": f'members[value eq "{people[0]}"]'}
    assert portal.client.patch(url, [remove]).status_code == 204
    assert [each["value"] for each in portal.client.get(url).json["members"]] == [people[1]]
    assert portal.client.delete(url).status_code == 204
    assert portal.session.execute(portal.models.team_member.select()).all() == []


def test_one_declaration_says_it_all(portal: Portal) -> None:
    """Loading what was read, and dumping that, gives what the plan of the reader gives."""
    created = create(portal, ADA)
    mapping = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.connect() as connection:
        view = Viewpoint(
            Session(connection), connection, portal.integration.id, {}, "https://x.org/scim/v2"
        )
        found = reading.fetch_one(mapping, created["id"], view)
    assert found is not None
    schema = mapping.schema
    assert isinstance(schema, marshmallow.Schema)
    flat = {k: v for k, v in found.flat.items() if k in set(schema.keys_by_field.values())}
    assert len(flat) > 20
    assert schema.dump(schema.load(flat)) == flat
    published = {
        f"{kind.id}:{each.name}" if kind.id in (ENTERPRISE, URN) else each.name
        for kind in mapping.published.schemas
        for each in kind.attributes
    }
    assert flat.keys() <= published
    assert {entry["attribute"] for entry in mapping.describe()} >= flat.keys()


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_names_of_a_list_keep_the_place_of_a_cursor(portal: Portal, order: str) -> None:
    """RFC 9865 section 2, sorted by what is read (RFC 7644 section 3.4.2.3), in any column."""
    titles = ["Senior", "Junior", None, "Junior", "Senior", None, "Junior"]
    for number, title in enumerate(titles):
        body = {"userName": f"user{number}", "title": title}
        assert portal.client.post("/Users", body).status_code == 201
    query = {"sortBy": "title", "sortOrder": order, "count": 2}
    page = portal.client.get("/Users", cursor="", **query).json
    found = page["Resources"]
    while "nextCursor" in page:
        answer = portal.client.get("/Users", cursor=page["nextCursor"], **query)
        assert answer.status_code == 200, answer.text
        page = answer.json
        found += page["Resources"]
    wanted: list[Any] = ["Junior"] * 3 + ["Senior"] * 2 + [None] * 2
    read = [user.get("title") for user in found]
    assert read == (wanted if order == "ascending" else wanted[::-1])
    assert len({user["id"] for user in found}) == len(titles)


def test_an_enumeration_of_words_is_one_of_these(portal: Portal) -> None:
    """PostgreSQL keeps it in a type of its own, which is no text; SQLite takes any text."""
    oak = create(portal, {"userName": "bob", URN: {"bench": "oak"}})["id"]
    wood = create(portal, {"userName": "ada"})["id"]
    path = f"/Users/{wood}"

    def change(word: str) -> Any:
        return portal.client.patch(path, [{"op": "add", "path": f"{URN}:bench", "value": word}])

    assert change("Wood").json[URN]["bench"] == "Wood"
    refused = change("steel")
    assert (refused.status_code, refused.json["scimType"]) == (400, "invalidValue")
    assert "Wood, Oak" in refused.json["detail"]
    for text, wanted in (
        ('eq "OAK"', [oak]),
        ('eq "steel"', []),
        ('ne "oak"', [wood]),
        ("pr", [oak, wood]),
    ):
        answer = portal.client.get("/Users", filter=f"{URN}:bench {text}", sortBy=f"{URN}:bench")
        assert answer.status_code == 200, answer.text
        assert [user["id"] for user in answer.json["Resources"]] == wanted, text
