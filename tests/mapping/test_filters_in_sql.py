"""SQL finds what ``scim.evaluate`` says a filter finds, where databases differ the most."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings

from flask_scim_provisioning.mapping.doctor import look_ups
from flask_scim_provisioning.scim.attributes import Attribute, Type
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type
from flask_scim_provisioning.scim.errors import InvalidFilter
from flask_scim_provisioning.scim.evaluate import matches
from flask_scim_provisioning.scim.filters import (
    And,
    AttrPath,
    Compare,
    Filter,
    Not,
    Or,
    Present,
    Select,
    parse_filter,
    render,
)
from flask_scim_provisioning.scim.urns import ENTERPRISE_USER
from tests.thorough import examples

from ..databases import DATABASES, drop_tables
from ..portal import Portal, build_portal
from ..scim.strategies import KEYS, MOMENTS, WORDS, filters, writable

USERS, GROUPS = user_resource_type(), group_resource_type()
CASES = (
    "É É é É",
    "straße",
    "STRASSE",
    "STRAẞE",
    "Ünal",
    "ünal",
    "İstanbul",
    "istanbul",
    "i̇stanbul",
    "ISTANBUL",
    "\u0131stanbul",
    "ΟΔΟΣ",
    "οδος",
    "οδοσ",
    "Александра Иванова",
    "АЛЕКСАНДРА ИВАНОВА",
    "ǅep",
    "𐐀deseret",
    "🦊 fox",
    "josé",
    "jose",
    "Jose\u0301",
    "trail  ",
    " lead",
    "tab\there",
    "null",
    "true",
    '"quoted"',
    "a'b",
    "%",
    "_",
    "\\",
    "%%%",
)
FIRST = {
    Type.BOOLEAN: (True, False),
    Type.DATE_TIME: MOMENTS,
    Type.BINARY: ("YQ==", "YWI=", "yq=="),
}


def terms_of(node: Filter) -> Iterator[tuple[AttrPath, str]]:
    """Every attribute of a filter, with the operator that it stands before."""
    match node:
        case Compare(path=path, op=op):
            yield path, op
        case Present(path=path):
            yield path, "pr"
        case And(terms=terms) | Or(terms=terms):
            for term in terms:
                yield from terms_of(term)
        case Not(term=term) | Select(term=term):
            yield from terms_of(term)


@dataclass(repr=False)
class Directory:
    """A portal full of people and teams, and all of them as they were answered, by id."""

    portal: Portal
    users: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]

    def ask(self, text: str, path: str = "/Users") -> set[str] | str:
        """Return the ids that a filter finds, or the refusal's type."""
        answer = self.portal.client.search(path, filter=text, count=200, attributes=["id"])
        if answer.status_code == 400:
            return str(answer.json["scimType"])
        assert answer.status_code == 200, (text, answer.text)
        found = {resource["id"] for resource in answer.json["Resources"]}
        assert len(found) == answer.json["totalResults"]
        return found

    def expect(self, text: str, path: str = "/Users") -> set[str] | str:
        """Return what ``scim.evaluate`` says that a filter finds."""
        resources, kind = (self.users, USERS) if path == "/Users" else (self.groups, GROUPS)
        try:
            node = parse_filter(text)
            return {key for key, flat in resources.items() if matches(node, flat, kind)}
        except InvalidFilter:
            return "invalidFilter"

    def argued(self, text: str, found: set[str] | str, wanted: set[str] | str) -> bool:
        """Say whether SQL may differ; ``mapping.text`` and the refusal's sentence say why.

        A manager's id is only found as a whole, and its URL not at all. SQLite can't fold capital
        letters beyond ASCII where it orders: only whoever has one may be misplaced.
        """
        if isinstance(wanted, str):
            return False
        if isinstance(found, str):
            return any(
                op not in ("pr", "eq", "ne") or path.sub == "$ref"
                for path, op in terms_of(parse_filter(text))
                if path.name == "manager"
            )
        if self.portal.engine.dialect.name != "sqlite":
            return False
        ordered = any(op in ("gt", "ge", "lt", "le") for _, op in terms_of(parse_filter(text)))
        return ordered and all(
            any(char.isupper() and not char.isascii() for char in str(self.users[key]))
            for key in found ^ wanted
        )

    def differences(self, texts: list[str], path: str = "/Users") -> dict[str, Any]:
        """Return what SQL finds too much and too little, by filter."""
        names = {
            key: flat.get("userName") or flat.get("displayName")
            for key, flat in (*self.users.items(), *self.groups.items())
        }
        wrong: dict[str, Any] = {}
        for text in texts:
            found, wanted = self.ask(text, path), self.expect(text, path)
            if found == wanted or self.argued(text, found, wanted):
                continue
            if isinstance(found, str) or isinstance(wanted, str):
                wrong[text] = found, wanted
            else:
                wrong[text] = (
                    sorted(map(str, map(names.get, found - wanted))),
                    sorted(map(str, map(names.get, wanted - found))),
                )
        return wrong


def some_value(chance: random.Random, attribute: Attribute) -> Any:
    """One value, of an element where the attribute is multi-valued."""
    if attribute.type is Type.COMPLEX:
        value = {
            sub.name: some_value(chance, sub)
            for sub in writable(attribute)[:4]
            if chance.random() < 0.6
        }
        return value or {"value": some_value(chance, attribute.by_name["value"])}
    if attribute.description == "The e-mail address.":
        return chance.choice(("a@example.com", "A@example.com", "b@example.com"))
    if attribute.type is Type.REFERENCE:
        return chance.choice(("https://a.example/1", "https://a.example/2"))
    return chance.choice(FIRST.get(attribute.type, (*WORDS, "")))


def some_list(chance: random.Random, attribute: Attribute) -> list[Any]:
    elements = [some_value(chance, attribute) for _ in range(chance.randint(1, 3))]
    for element in elements[1:]:
        element.pop("primary", None)
    return elements


def people() -> list[dict[str, Any]]:
    """Sixty people: of every shape of attribute with the words that filters ask for, and cases."""
    chance = random.Random(5)
    made: list[dict[str, Any]] = []
    for number in range(30):
        person: dict[str, Any] = {"userName": f"{chance.choice(WORDS)}{number}"}
        for key in KEYS[1:]:
            attribute = USERS.keys[key]
            if key.endswith("manager") or chance.random() < 0.4:
                continue
            place = person
            if key.startswith(ENTERPRISE_USER):
                place = person.setdefault(ENTERPRISE_USER, {})
            make = some_list if attribute.multi_valued else some_value
            if attribute.type is Type.COMPLEX and not attribute.multi_valued:
                place[attribute.name] = {
                    sub.name: chance.choice(WORDS)
                    for sub in attribute.sub_attributes
                    if chance.random() < 0.5
                }
            else:
                place[attribute.name] = make(chance, attribute)
        made.append(person)
    for number, text in enumerate(CASES):
        made.append(
            {
                "userName": f"{text.strip()}~{number}",
                "displayName": text,
                "title": text,
                "name": {"givenName": text, "middleName": text},
                "emails": [
                    {"value": f"{number}@example.com", "type": "work", "primary": True},
                    {"value": text, "type": "home"},
                ],
                "phoneNumbers": [{"value": text, "type": "mobile"}],
                ENTERPRISE_USER: {"department": text, "division": text},
            }
        )
    return made


def _filled(portal: Portal) -> Directory:
    client = portal.client
    ids = []
    for person in people():
        answer = client.post("/Users", {"schemas": [USERS.schema.id], **person})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json["id"])
    manager = f"{ENTERPRISE_USER}:manager"
    for number, wanted in enumerate((*ids[:8], "nobody-here", "Somebody-Else"), 20):
        answer = client.patch(
            f"/Users/{ids[number]}", [{"op": "add", "path": manager, "value": {"value": wanted}}]
        )
        assert answer.status_code == 200, answer.text
    for number in range(8):
        body = {
            "schemas": [GROUPS.schema.id],
            "displayName": f"{CASES[number]} team {number}",
            "members": [{"value": key} for key in ids[number : 2 * number]],
        }
        if number % 2:
            body["externalId"] = WORDS[number]
        assert client.post("/Groups", body).status_code == 201
    users = _everything(portal, "/Users")
    return Directory(portal, users, _everything(portal, "/Groups"))


def _everything(portal: Portal, path: str) -> dict[str, dict[str, Any]]:
    found = {}
    for resource in portal.client.get(path, count=200).json["Resources"]:
        extension = resource.pop(ENTERPRISE_USER, {})
        parts = {f"{ENTERPRISE_USER}:{name}": value for name, value in extension.items()}
        found[resource["id"]] = {**resource, **parts}
    return found


@pytest.fixture(scope="module", params=DATABASES)
def directory(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    server_databases: Callable[[str], str],
) -> Iterator[Directory]:
    """The directory on each database, filled once."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('filters') / 'portal.sqlite3'}"
    else:
        url = server_databases(request.param)
    portal = build_portal(url)
    try:
        yield _filled(portal)
    finally:
        portal.close()
        if request.param != "sqlite":
            drop_tables(url)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'"{escaped}"'


@settings(max_examples=examples(150), deadline=None, derandomize=True, database=None)
@given(node=filters)
def test_generated_filters_find_the_same_rows(directory: Directory, node: Any) -> None:
    """The filters that hold the reference against another library (RFC 7644 section 3.4.2.2)."""
    assert directory.differences([render(node)]) == {}


PLACES = (
    "userName",
    "displayName",
    "name.givenName",
    "name.middleName",
    "emails.value",
    "phoneNumbers.value",
    "department",
    f"{ENTERPRISE_USER}:division",
)


@pytest.mark.parametrize("place", PLACES)
def test_letters_of_all_the_world_are_compared_as_python_does(
    directory: Directory, place: str
) -> None:
    """RFC 7643 section 2.2: without case where the attribute isn't caseExact, and nothing else."""
    texts = [
        f"{place} {op} {quoted(form)}"
        for op in ("eq", "co", "sw", "ew", "ne")
        for text in CASES
        for form in (text, text.swapcase())
    ]
    assert directory.differences(texts) == {}


def test_one_value_is_enough_and_ne_means_none(directory: Directory) -> None:
    """Errata-free reading of RFC 7644 section 3.4.2.2 for multi-valued attributes."""
    texts = [
        'emails eq "A@EXAMPLE.COM"',
        'emails ne "a@example.com"',
        'emails[type eq "work"].value eq "a@example.com"',
        'emails[type eq "work" and value co "@EX"]',
        'emails[type eq "home" and value eq "josé"]',
        'emails[not (type eq "work")]',
        'not (emails[type eq "work"])',
        'emails[type ne "work" and primary eq true]',
        "emails[primary eq true]",
        "emails[primary eq false]",
        "emails[primary ne true]",
        "not (emails.primary eq true)",
        "emails.type pr",
        "emails.display pr",
        "emails pr",
        "not (emails pr)",
        "emails eq null",
        "emails ne null",
        "emails[value eq null]",
        "emails[type pr and not (value pr)]",
        "emails[display pr or primary pr]",
        'emails.type eq "work" and emails.type eq "home"',
        'emails[type eq "work" or type eq "home"] and not (emails[display sw "a"])',
        "roles pr",
        "roles[primary eq true]",
        "roles[primary eq false]",
        'roles.value eq "WORK" or roles.display ew "\\\\slash"',
        "roles eq null",
        "not (roles[value pr])",
        "photos pr",
        'photos.value co "example/1"',
        'x509Certificates.value eq "YQ=="',
        'x509Certificates.value eq "yq=="',
        "x509Certificates[value pr and primary pr]",
        'phoneNumbers[type eq "mobile" and value co "%"]',
        "addresses pr",
        'addresses.country eq "x"',
        'ims.value eq "x"',
        "entitlements[value pr]",
    ]
    assert directory.differences(texts) == {}


def test_single_values_booleans_times_and_nothing(directory: Directory) -> None:
    """What isn't there is equal to null, and is neither before nor behind anything."""
    user = next(iter(directory.users.values()))
    created = user["meta"]["created"]
    texts = [
        "title pr",
        "not (title pr)",
        'title eq ""',
        'title ne ""',
        "title eq null",
        "title ne null",
        'not (title eq "work")',
        'not (title eq "work" and displayName eq "work")',
        'not (title gt "a" or not (displayName pr))',
        'title co ""',
        'title sw ""',
        'not (title ew "")',
        'title gt ""',
        'title eq "a\\u0000"',
        'title ge "a\\u0000b"',
        'title lt "a\\u0000b"',
        'title sw "a\\u0000"',
        "active eq true",
        "active eq false",
        "active ne true",
        "active ne false",
        "not (active eq true)",
        "active eq null",
        "active gt true",
        f'meta.created ge "{created}"',
        f'meta.created eq "{created}"',
        f'meta.created gt "{created}"',
        f'meta.created lt "{created[:-1]}+01:00"',
        f'meta.lastModified ne "{created}"',
        'meta.lastModified gt "2011-05-13T04:42:34"',
        'meta.lastModified co "2011"',
        'meta.resourceType eq "user"',
        'meta.resourceType eq "User"',
        'meta.resourceType sw "U"',
        f'id eq "{user["id"]}"',
        f'id ne "{user["id"]}"',
        'id eq "É"',
        'id eq "x\\u0000"',
        "id pr",
        "externalId pr",
        'externalId eq "a"',
        'externalId eq "A"',
        'externalId sw "X"',
        'externalId co "_"',
        'externalId ew "%"',
        'externalId gt "a"',
        'not (externalId eq "É")',
        "name pr",
        "not (name pr)",
        "manager pr",
        f'manager eq "{user["id"]}"',
        f'manager.value ne "{user["id"]}"',
        'manager.value eq "nobody-here"',
        "not (manager.value pr)",
        f'{ENTERPRISE_USER}:manager.value eq "{user["id"]}"',
        f'{USERS.schema.id}:NAME.givenname eq "a"',
        f'schemas eq "{ENTERPRISE_USER}"',
        "unknown pr",
        'password eq "x"',
        'title gt "Work" and title le "b"',
        'userName ge "Work" and userName lt "x"',
        "userName eq 3",
    ]
    assert directory.differences(texts) == {}


def test_an_id_is_found_in_either_case(directory: Directory) -> None:
    """Ids are caseExact (RFC 7643 section 3.1), but some clients write GUIDs in capitals: an id
    names one resource in either case, also as a manager's, and the reference doesn't say so.
    """
    manager = f"{ENTERPRISE_USER}:manager"
    boss = next(u[manager]["value"] for u in directory.users.values() if manager in u)
    assert directory.ask(f'id eq "{boss.upper()}"') == {boss}
    reports = directory.expect(f'manager eq "{boss}"')
    assert reports
    assert directory.ask(f'manager eq "{boss.upper()}"') == reports
    somebody = directory.expect('manager eq "Somebody-Else"')
    assert somebody
    assert directory.ask('manager eq "SOMEBODY-else"') == somebody


def test_deep_logic_is_the_same(directory: Directory) -> None:
    """``and`` binds closer than ``or``, and ``not`` knows no third truth."""
    terms = [
        'title eq "work"',
        "active eq true",
        'emails.value eq "a@example.com"',
        'roles[value eq "a" or primary eq true]',
        "nickName pr",
        'department gt "a"',
        'externalId eq "b"',
        "manager pr",
    ]
    chance = random.Random(3)

    def grow(depth: int) -> str:
        if depth == 0:
            return chance.choice(terms)
        one, two = grow(depth - 1), grow(depth - 1)
        return chance.choice(
            (f"not ({one})", f"({one} and {two})", f"({one} or {two})", f"not ({one} or {two})")
        )

    assert directory.differences([grow(depth) for depth in (2, 3, 4) for _ in range(25)]) == {}


def test_groups_are_searched_alike(directory: Directory) -> None:
    """Groups by name, member and what the client calls them."""
    member = next(iter(directory.users))
    texts = [
        "members pr",
        "not (members pr)",
        f'members eq "{member}"',
        f'members.value eq "{member}"',
        f'members[value eq "{member}"]',
        f'members ne "{member}"',
        'members.type eq "User"',
        "externalId pr",
        'externalId eq "A"',
        *(f"displayName {op} {quoted(t)}" for op in ("eq", "sw", "co") for t in CASES[:8]),
        *(f"displayName eq {quoted(f'{t} TEAM {n}')}" for n, t in enumerate(CASES[:8])),
        *(f"displayName eq {quoted(f'{t} team {n}'.upper())}" for n, t in enumerate(CASES[:8])),
    ]
    assert directory.differences(texts, "/Groups") == {}


@pytest.mark.parametrize("text", ["emails.value", "externalId"])
def test_look_ups_read_no_whole_table(directory: Directory, text: str) -> None:
    """The elements beside the host's are looked for without giving its index up."""
    mapping = directory.portal.app.extensions["scim_provisioning"].mappings["Users"]
    with directory.portal.engine.connect() as connection:
        assert [f.level for f in look_ups(mapping, connection) if text in f.message] == ["ok"]
        connection.execute(sa.text("SELECT 1"))
