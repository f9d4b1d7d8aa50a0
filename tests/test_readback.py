"""What an identity provider writes it reads back, and writing it again changes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.scim.attributes import (
    Attribute,
    Mutability,
    ResourceType,
    Schema,
    Type,
)
from flask_scim_provisioning.scim.catalogue import group_resource_type, user_resource_type
from flask_scim_provisioning.services.signals import NAMESPACE

from .client import ScimClient
from .compiled import assemble_once
from .databases import make_tables
from .mapping.hosts import URN, open_portal, unusual
from .portal import Host, Portal, build_portal, write_ahead
from .snapshots import snapshot
from .thorough import examples

OWN = "urn:example:params:scim:schemas:portal:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"

SCHEMA = Schema(
    OWN,
    "PortalUser",
    "What only this portal knows.",
    (
        Attribute("tag"),
        Attribute("trial", Type.BOOLEAN),
        Attribute("seats", Type.INTEGER),
        Attribute("rate", Type.DECIMAL),
        Attribute("hired", Type.DATE_TIME),
        Attribute("seal", Type.BINARY, case_exact=True),
        Attribute("home", Type.REFERENCE, case_exact=True),
        Attribute("floor", Type.INTEGER),
        Attribute("score", Type.DECIMAL),
        Attribute(
            "desk",
            Type.COMPLEX,
            sub_attributes=(Attribute("building"), Attribute("number", Type.INTEGER)),
        ),
        Attribute("languages", multi_valued=True),
        Attribute("numbers", Type.INTEGER, multi_valued=True),
    ),
)
USERS = user_resource_type((SCHEMA,))
GROUPS = group_resource_type()


@functools.cache
def _host() -> Host:
    """A portal with an extension of its own; some of it has columns, the rest has none."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    member = sa.Table(
        "club_member",
        db.metadata,
        sa.Column("club_id", sa.ForeignKey("club.id"), primary_key=True),
        sa.Column("guest_id", sa.ForeignKey("guest.id"), primary_key=True, index=True),
    )

    class Guest(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "guest"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(150), unique=True)
        enabled: Mapped[bool] = mapped_column(default=True)
        given: Mapped[str | None] = mapped_column(sa.String(100))
        email: Mapped[str | None] = mapped_column(sa.String(100))
        phone: Mapped[str | None] = mapped_column(sa.String(100))
        phone_kind: Mapped[str | None] = mapped_column(sa.String(20))
        tag: Mapped[str | None] = mapped_column(sa.String(100))
        trial: Mapped[bool | None] = mapped_column()
        seats: Mapped[int | None] = mapped_column(sa.BigInteger)
        rate: Mapped[float | None] = mapped_column(sa.Double)
        building: Mapped[str | None] = mapped_column(sa.String(100))
        host_id: Mapped[int | None] = mapped_column(sa.ForeignKey("guest.id"))
        host = relationship("Guest", remote_side="Guest.id")

    class Club(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "club"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members = relationship(Guest, secondary=member)

    class GuestSchema(UserSchema):
        class Meta:
            model = Guest
            extensions = (SCHEMA,)

        user_name = fields.Attribute(Guest.login)
        active = fields.Attribute(Guest.enabled)
        name = fields.Complex(given_name=Guest.given)
        emails = fields.Email(Guest.email)
        phone_numbers = fields.OneValue(value=Guest.phone, type=Guest.phone_kind)
        manager = fields.Reference(Guest.host)
        tag = fields.Attribute(Guest.tag)
        trial = fields.Attribute(Guest.trial)
        seats = fields.Attribute(Guest.seats)
        rate = fields.Attribute(Guest.rate)
        desk = fields.Complex(building=Guest.building)

    class ClubSchema(GroupSchema):
        class Meta:
            model = Club

        display_name = fields.Attribute(Club.name)
        members = fields.Members(Club.members)

    provisioning = Provisioning(db, user_schema=GuestSchema, group_schema=ClubSchema)
    return Host(db, Guest, Club, member, provisioning)


def _with_extension(url: str) -> Portal:
    models = _host()
    app = Flask("clubs")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=url, TESTING=True)
    models.db.init_app(app)
    assemble_once(models.provisioning)
    models.provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        if models.db.engine.dialect.name == "sqlite":
            write_ahead(models.db.engine)
        make_tables(models.db.engine, models.db.metadata)
    return Portal(app, models, tenant="main", dialect="generic")


HOSTS: Mapping[str, Callable[[str], Portal]] = {
    "columns and the link row": build_portal,
    "an extension of its own": _with_extension,
}


class Scene:
    """A portal with a client for each dialect, people to be managers, and a count of signals."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.clients = {
            name: portal.connect(name, dialect=name)[0] for name in ("generic", "entra", "okta")
        }
        self.people = [
            portal.client.post("/Users", {"userName": f"boss{number}"}).json["id"]
            for number in range(3)
        ]
        self.heard: list[str] = []
        self._count = 0

    def name(self) -> str:
        """Return a name that nobody has."""
        self._count += 1
        return f"Person{self._count}@Example.com"

    @contextmanager
    def nothing_happens(self, *, refused: bool = False) -> Iterator[None]:
        """Assert that the block changes no row, tells the log nothing and sends no signal.

        :param refused: the block's request is refused, which the log is told.
        """
        # When a token was used is remembered, and that is no change of what it wrote.
        apart = ("scim_access_token", *(["scim_activity"] if refused else []))
        before = snapshot(self.portal, without=apart)
        self.heard.clear()
        yield
        assert self.heard == []
        after = snapshot(self.portal, without=apart)
        assert after == before, {name for name in after if after[name] != before[name]}


@pytest.fixture(params=HOSTS)
def scene(request: pytest.FixtureRequest, database: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        portal = HOSTS[request.param](database)
        stack.callback(portal.close)
        found = Scene(portal)
        for name, signal in NAMESPACE.items():

            def hear(sender: Any, *, name: str = name, **_values: Any) -> None:
                found.heard.append(name)

            stack.enter_context(signal.connected_to(hear))
        yield found


words = st.sampled_from(
    ("work", "Work", "a", "50%", "x_y", ' say "hi" ', "back\\slash", "É", "日本")
)
texts = words | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8
).filter(lambda text: text.strip() and not text.lstrip().startswith("{"))
SIMPLE: Mapping[Type, st.SearchStrategy[Any]] = {
    Type.STRING: texts,
    Type.REFERENCE: st.sampled_from(("https://a.example/1", "https://a.example/É", "/x")),
    Type.BINARY: st.sampled_from(("YQ==", "YWI=", "-_-_", "YW Jj\n")),
    Type.BOOLEAN: st.booleans(),
    Type.INTEGER: st.integers(-3, 3) | st.integers(-(2**63) + 1, 2**63 - 1),
    Type.DECIMAL: st.sampled_from((0, 1, 0.5, -1.5, 1e-9, 0.1, 123456789.125)),
    Type.DATE_TIME: st.sampled_from(
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-06-01T12:00:00.5Z")
    ),
}


def _one(attribute: Attribute) -> st.SearchStrategy[Any]:
    """One value, of an element where the attribute is multi-valued."""
    if attribute.type is not Type.COMPLEX:
        return SIMPLE[attribute.type]
    subs = {
        sub.name: (
            st.sampled_from(sub.canonical_values) | texts if sub.canonical_values else _one(sub)
        )
        for sub in attribute.sub_attributes
        if sub.mutability is not Mutability.READ_ONLY
    }
    return st.fixed_dictionaries({}, optional=subs).filter(bool)


def _whole(attribute: Attribute) -> st.SearchStrategy[Any]:
    if not attribute.multi_valued:
        return _one(attribute)
    # An "add" of equal values adds one of them, so they come here once only.
    return st.lists(
        _one(attribute), min_size=1, max_size=4, unique_by=lambda item: repr(item).lower()
    ).map(_one_primary)


def _one_primary(elements: list[Any]) -> list[Any]:
    marked = [e for e in elements if isinstance(e, dict) and e.get("primary")]
    for element in marked[1:]:
        element["primary"] = False
    return elements


def _payloads(kind: ResourceType) -> st.SearchStrategy[dict[str, Any]]:
    """Any subset of the attributes, by flat key; managers are numbers of people of the scene."""
    values = {
        key: _whole(attribute)
        for key, attribute in kind.keys.items()
        if attribute.mutability not in (Mutability.READ_ONLY, Mutability.WRITE_ONLY)
        and not attribute.required
        and attribute.name not in ("schemas", "members", "manager")
    }
    values["password"] = st.just("correct horse battery staple")
    values[MANAGER] = st.integers(0, 2) | texts.map("x{}".format)
    return st.fixed_dictionaries({}, optional=values)


payloads = _payloads(USERS)


class Ways:
    """The ways in which an identity provider writes a user, and what they ought to leave."""

    def __init__(self, scene: Scene, dialect: str) -> None:
        self.scene = scene
        self.dialect = dialect
        self.client: ScimClient = scene.clients[dialect]
        state = scene.portal.app.extensions["scim_provisioning"]
        self.kind: ResourceType = state.mappings["Users"].resource_type

    def complete(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload as it is sent, with ids for the managers' numbers."""
        sent = {key: value for key, value in payload.items() if key in self.kind.keys}
        if MANAGER in sent:
            who = sent[MANAGER]
            sent[MANAGER] = {"value": self.scene.people[who] if isinstance(who, int) else who}
        return sent

    def kept(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of the payload is to be read back in this dialect."""
        kept = {key: value for key, value in sent.items() if key != "password"}
        name = kept.get("name")
        if self.dialect == "okta" and name and (name.keys() & {"givenName", "familyName"}):
            # Okta sends the old formatted name beside the new parts.
            kept["name"] = {part: text for part, text in name.items() if part != "formatted"}
        return kept

    def nested(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON object of a flat payload."""
        body: dict[str, Any] = {}
        for key, value in flat.items():
            urn, _, name = key.rpartition(":")
            if urn:
                body.setdefault(urn, {})[name] = value
            else:
                body[key] = value
        return body

    def read(self, user: str) -> dict[str, Any]:
        """Return what is read, flat, and without what the service adds."""
        answer = self.client.get(f"/Users/{user}")
        assert answer.status_code == 200, answer.text
        return self.flat(answer.json)

    def flat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the flat form of an answer, without what the service adds."""
        found = {}
        for name, value in body.items():
            if name in ("schemas", "id", "meta"):
                continue
            if name.startswith("urn:"):
                found.update({f"{name}:{inner}": item for inner, item in value.items()})
            else:
                found[name] = value
        if MANAGER in found:
            found[MANAGER] = {"value": found[MANAGER]["value"]}
        return found

    def create(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Create a user; return its id and what it is expected to be."""
        sent = {"userName": self.scene.name(), **self.complete(payload)}
        answer = self.client.post("/Users", self.nested(sent))
        assert answer.status_code == 201, answer.text
        expected = {"active": True, **self.kept(sent)}
        assert self.flat(answer.json) == expected
        assert self.read(answer.json["id"]) == expected
        with self.scene.nothing_happens(refused=True):
            assert self.client.post("/Users", self.nested(sent)).status_code == 409
        return answer.json["id"], expected

    def written(self, write: Callable[[], Any], user: str, expected: Mapping[str, Any]) -> None:
        """Write, read, write the same again."""
        answer = write()
        assert answer.status_code == 200, answer.text
        assert self.flat(answer.json) == expected
        assert self.read(user) == expected
        with self.scene.nothing_happens():
            again = write()
            assert again.status_code == 200, again.text
            assert again.json == answer.json
            assert again.headers["ETag"] == answer.headers["ETag"]
        assert self.read(user) == expected

    def replace(self, before: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        """PUT over another user."""
        user, had = self.create(before)
        sent = {"userName": had["userName"], **self.complete(payload)}
        kept = self.kept(sent)
        if self.dialect == "okta":
            kept = {**had, **kept}
        else:
            kept = {
                "active": had["active"],
                **{key: had[key] for key in ("externalId",) if key in had},
                **kept,
            }
        self.written(lambda: self.client.put(f"/Users/{user}", self.nested(sent)), user, kept)

    def patched(self, had: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a PATCH is to leave: complex values are merged (RFC 7644 3.5.2.3)."""
        after = dict(had)
        for key, value in sent.items():
            attribute = self.kind.keys[key]
            if attribute.type is Type.COMPLEX and not attribute.multi_valued:
                value = {**had.get(key, {}), **value}
            after[key] = value
        return after

    def patch(self, before: Mapping[str, Any], payload: Mapping[str, Any], shape: str) -> None:
        """PATCH another user, by ``replace``; in one of several shapes."""
        user, had = self.create(before)
        sent = self.complete(payload)
        kept = {key: value for key, value in sent.items() if key != "password"}
        if shape == "paths":
            operations = [
                {"op": "replace", "path": key, "value": value} for key, value in sent.items()
            ]
        elif shape == "parts":
            operations = [operation for key in sent for operation in self._parts(key, sent[key])]
        else:
            kept = self.kept(sent)
            operations = [
                {"op": "replace", "value": self.nested(sent) if shape == "objects" else sent}
            ]
        if not operations:
            return
        expected = self.patched(had, kept)
        self.written(lambda: self.client.patch(f"/Users/{user}", operations), user, expected)

    def _parts(self, key: str, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, dict):
            return [{"op": "Add" if key == "title" else "replace", "path": key, "value": value}]
        return [
            {"op": "replace", "path": f"{key}.{name}", "value": part}
            for name, part in value.items()
        ]

    def add(self, payload: Mapping[str, Any]) -> None:
        """PATCH a new user by ``add``."""
        user, had = self.create({})
        sent = self.complete(payload)
        operations = [{"op": "add", "path": key, "value": value} for key, value in sent.items()]
        if operations:
            kept = {
                key: once(value) if isinstance(value, list) else value
                for key, value in sent.items()
                if key != "password"
            }
            expected = self.patched(had, kept)
            self.written(lambda: self.client.patch(f"/Users/{user}", operations), user, expected)


def once(elements: list[Any]) -> list[Any]:
    """Return each element once: "if the value already exists, no changes" (RFC 7644 3.5.2.1)."""
    return [each for number, each in enumerate(elements) if each not in elements[:number]]


DIALECTS = ("generic", "entra", "okta")
few = settings(
    max_examples=examples(10),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_replaced_is_read_back(scene: Scene, dialect: str) -> None:
    """PUT is a fixed point, and so is the POST that comes before it (RFC 7644 section 3.5.1)."""

    @few
    @given(before=payloads, payload=payloads)
    def check(before: dict[str, Any], payload: dict[str, Any]) -> None:
        Ways(scene, dialect).replace(before, payload)

    check()


@pytest.mark.parametrize("shape", ["paths", "parts", "objects", "keys"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_patched_is_read_back(scene: Scene, dialect: str, shape: str) -> None:
    """With a path for each attribute, for each part, and with none in two shapes."""

    @few
    @given(before=payloads, payload=payloads)
    def check(before: dict[str, Any], payload: dict[str, Any]) -> None:
        Ways(scene, dialect).patch(before, payload, shape)

    check()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_added_is_read_back(scene: Scene, dialect: str) -> None:
    """``add`` to what is empty leaves what was sent, once."""

    @few
    @given(payload=payloads)
    def check(payload: dict[str, Any]) -> None:
        Ways(scene, dialect).add(payload)

    check()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_manager_named_in_upper_case_is_the_same_manager(scene: Scene, dialect: str) -> None:
    """An id is a GUID, and Entra's are sometimes written in upper case."""
    ways, client = Ways(scene, dialect), scene.clients[dialect]
    user, _ = ways.create({MANAGER: 0})
    for operation in (
        {"op": "replace", "path": MANAGER, "value": {"value": scene.people[0].upper()}},
        {"op": "add", "path": MANAGER, "value": scene.people[0].upper()},
        {"op": "replace", "value": {ENTERPRISE: {"manager": {"value": scene.people[0].upper()}}}},
    ):
        with scene.nothing_happens():
            assert client.patch(f"/Users/{user}", [operation]).status_code == 200
        assert ways.read(user)[MANAGER] == {"value": scene.people[0]}


def test_what_a_column_keeps_in_another_form_is_written_once(database: str) -> None:
    """A point in time, bytes: the column has its own form, and the same again is no change."""
    portal = open_portal(database, unusual())
    made = portal.client.post("/Users", {"userName": "ann", "name": {"familyName": "Ann"}})
    path = f"/Users/{made.json['id']}"
    for name, sent, read in (
        ("hired", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000Z"),
        ("seal", "YW Jj\n", "YWJj"),
        ("seal", "-_-_", "+/+/"),
        ("seal", "YQ", "YQ=="),
    ):
        operation = {"op": "replace", "path": f"{URN}:{name}", "value": sent}
        first = portal.client.patch(path, [operation])
        assert first.json[URN][name] == read
        before = snapshot(portal, without=("scim_access_token",))
        assert portal.client.patch(path, [operation]).json == first.json
        assert snapshot(portal, without=("scim_access_token",)) == before
    portal.close()


@pytest.mark.parametrize("way", ["post", "put", "path", "pathless", "add"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_members_are_read_back(scene: Scene, dialect: str, way: str) -> None:
    """A group has the members that it was given, and the same again moves nothing."""
    client = scene.clients[dialect]

    @few
    @given(
        before=st.sets(st.integers(0, 2)),
        wanted=st.sets(st.integers(0, 2), min_size=1),
        upper=st.booleans(),
    )
    def check(before: set[int], wanted: set[int], upper: bool) -> None:
        name = scene.name()

        def listed(numbers: set[int]) -> list[dict[str, str]]:
            ids = [scene.people[number] for number in numbers]
            return [{"value": each.upper() if upper else each} for each in ids]

        first = wanted if way == "post" else before
        body = {"displayName": name, "externalId": name, "members": listed(first)}
        made = client.post("/Groups", body)
        assert made.status_code == 201, made.text
        path = f"/Groups/{made.json['id']}"
        after = before | wanted if way == "add" else wanted

        def write() -> Any:
            value = listed(wanted)
            if way == "post":
                return client.post("/Groups", body)
            if way == "put":
                return client.put(path, {**body, "members": value})
            if way == "pathless":
                return client.patch(path, [{"op": "replace", "value": {"members": value}}])
            op = "add" if way == "add" else "replace"
            return client.patch(path, [{"op": op, "path": "members", "value": value}])

        if way != "post":
            assert write().status_code in (200, 204)
        with scene.nothing_happens(refused=way == "post"):
            assert write().status_code in ((409,) if way == "post" else (200, 204))
        read = client.get(path).json
        assert {member["value"] for member in read.get("members", [])} == {
            scene.people[number] for number in after
        }
        assert (read["displayName"], read["externalId"]) == (name, name)

    check()


@pytest.mark.parametrize(
    "own", [{"languages": ["de"]}, {"numbers": [7]}, {"desk": {"number": 3}}, {"score": 1.5}]
)
def test_an_extension_is_found_by_its_urn(database: str, own: dict[str, Any]) -> None:
    """RFC 7643 section 3: ``schemas`` names it where a resource has anything of it."""
    portal = _with_extension(database)
    made = portal.client.post("/Users", {"userName": "ada", OWN: own}).json
    portal.client.post("/Users", {"userName": "bob"})
    assert OWN in made["schemas"]
    for operator, name in (("eq", "ada"), ("ne", "bob")):
        found = portal.client.get("/Users", filter=f'schemas {operator} "{OWN}"').json
        assert [each["userName"] for each in found["Resources"]] == [name]
    portal.close()
