"""A password goes to the portal's own setter, if the team maps one, and nowhere else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.services import activity
from tests.client import ScimClient
from tests.mapping.hosts import open_portal
from tests.portal import Host, Portal

SECRET = "t1meF0rTea!"
ROOT = "This account is for emergencies."


@functools.cache
def host(*, placeholders: bool) -> Host:
    """Declare a portal whose people have passwords, once in a process."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)

    class User(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "account"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(100), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        password_hash: Mapped[str | None] = mapped_column(sa.String(255))

        def set_password(self, password: str) -> None:
            """Keep a hash; who it is for is known by then."""
            if len(password) < 8:
                raise ValueError("at least 8 characters; change the rule in the identity provider.")
            if self.username in password:
                raise ValueError(f"{password} has the name in it.")
            self.password_hash = generate_password_hash(password, "pbkdf2:sha256:1")

    pairs = sa.Table(
        "crew_member",
        db.metadata,
        sa.Column("crew_id", sa.ForeignKey("crew.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("account.id"), primary_key=True),
    )

    class Crew(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "crew"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)
        members = relationship(User, secondary=pairs)

    class PortalUser(UserSchema):
        class Meta:
            model = User

            @staticmethod
            def protected(user: Any) -> str | None:
                """Keep the last resort of the portal."""
                return ROOT if user.username == "root" else None

        password = fields.Password(User.set_password, placeholders=placeholders)
        user_name = fields.Attribute(User.username)
        active = fields.Attribute(User.is_active)

    class PortalGroup(GroupSchema):
        class Meta:
            model = Crew

        display_name = fields.Attribute(Crew.name)
        members = fields.Members(Crew.members)

    provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
    return Host(db, User, Crew, pairs, provisioning)


@pytest.fixture
def start(database: str) -> Iterator[Callable[..., Portal]]:
    """Return a function that starts the portal."""
    with ExitStack() as stack:

        def open_one(dialect: str = "generic", *, placeholders: bool = False) -> Portal:
            portal = open_portal(database, host(placeholders=placeholders), dialect=dialect)
            stack.callback(portal.close)
            return portal

        yield open_one


def opens(portal: Portal, name: str, password: str) -> bool:
    """Say whether somebody could sign in."""
    kept = portal.user(name).password_hash
    return kept is not None and check_password_hash(kept, password)


def create(client: ScimClient, name: str, **more: Any) -> str:
    answer = client.post("/Users", {"userName": name, **more})
    assert answer.status_code == 201, answer.text
    return f"/Users/{answer.json['id']}"


def test_every_way_to_set_a_password(start: Callable[..., Portal]) -> None:
    """POST, PUT, PATCH with and without a path, and Bulk; without one the old one stays."""
    portal = start()
    client = portal.client
    ada = create(client, "ada", password="first one")
    assert opens(portal, "ada", "first one")
    client.put(ada, {"userName": "ada"})
    client.put(ada, {"userName": "ada", "password": None})
    client.put(ada, {"userName": "ada", "password": ""})
    client.patch(ada, [{"op": "replace", "path": "title", "value": "Countess"}])
    assert opens(portal, "ada", "first one")
    client.put(ada, {"userName": "ada", "password": "second one"})
    assert opens(portal, "ada", "second one")
    client.patch(ada, [{"op": "replace", "path": "password", "value": "third one"}])
    assert opens(portal, "ada", "third one")
    client.patch(ada, [{"op": "add", "value": {"password": "fourth one", "title": "Lady"}}])
    assert opens(portal, "ada", "fourth one")
    data = {"Operations": [{"op": "replace", "path": "password", "value": "fifth one"}]}
    operation = {"method": "PATCH", "path": ada, "data": data}
    client.post("/Bulk", {"Operations": [operation]})
    assert opens(portal, "ada", "fifth one")


def test_a_password_is_set_and_never_told(
    start: Callable[..., Portal], caplog: pytest.LogCaptureFixture
) -> None:
    """Not in answers, filters, sorting, the link row, the activity log or the program's log."""
    portal = start()
    client = portal.client
    with caplog.at_level(logging.DEBUG):
        path = create(client, "ada", password=SECRET)
        answers = [
            client.get(path),
            client.get(path, attributes="password,userName"),
            client.put(path, {"userName": "ada", "password": SECRET}),
            client.patch(path, [{"op": "replace", "path": "password", "value": SECRET}]),
            client.patch(path, [{"op": "replace", "value": {"password": SECRET}}]),
            client.get("/Users", attributes="password"),
        ]
    for answer in answers:
        assert answer.status_code == 200
        assert "password" not in answer.text
        assert SECRET not in answer.text
    for query in (
        {"filter": f'password eq "{SECRET}"'},
        {"filter": "password pr"},
        {"sortBy": "password"},
    ):
        answer = client.get("/Users", **query)
        assert answer.status_code == 400, query
        assert SECRET not in answer.text
    state = portal.app.extensions["scim_provisioning"]
    entries = activity.recent(portal.session, state.models, portal.integration.id)
    assert len([entry for entry in entries if entry.action == "user.updated"]) == 2
    links = state.mappings["Users"].links
    assert SECRET not in repr(entries) + repr(portal.session.execute(sa.select(links)).all())
    assert SECRET not in caplog.text


def test_discovery_says_that_passwords_can_be_set(start: Callable[..., Portal]) -> None:
    """RFC 7643 sections 5 and 8.7.1: changePassword, and an attribute that is write-only."""
    portal = start()
    assert portal.client.get("/ServiceProviderConfig").json["changePassword"] == {"supported": True}
    schemas = portal.client.get("/Schemas").json["Resources"]
    (password,) = [
        each for schema in schemas for each in schema["attributes"] if each["name"] == "password"
    ]
    assert (password["mutability"], password["returned"]) == ("writeOnly", "never")
    assert password["required"] is False
    users = portal.app.extensions["scim_provisioning"].mappings["Users"]
    (row,) = [row for row in users.describe() if row["attribute"] == "password"]
    assert row["place"].endswith("User.set_password")
    assert (row["filterable"], row["notes"]) == (False, "write-only")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "password: at least 8 characters; change the rule in the identity provider."),
        ("i am ada, countess", "password: this portal refuses it; choose another one."),
    ],
)
def test_the_portals_rule_refuses_a_password(
    start: Callable[..., Portal], password: str, reason: str
) -> None:
    """In its own words, unless they tell the password; nothing of the request remains."""
    portal = start()
    answer = portal.client.post("/Users", {"password": password, "userName": "ada"})
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert answer.json["detail"] == reason
    assert portal.user("ada") is None


@pytest.mark.parametrize(
    "operation",
    [{"op": "remove", "path": "password"}, {"op": "replace", "path": "password", "value": None}],
)
def test_a_password_isnt_removed(start: Callable[..., Portal], operation: dict[str, Any]) -> None:
    """A 200 that leaves the old one in force would be a lie."""
    portal = start()
    path = create(portal.client, "ada", password=SECRET)
    answer = portal.client.patch(path, [operation])
    assert (answer.status_code, answer.json["scimType"]) == (400, "mutability")
    assert opens(portal, "ada", SECRET)


def test_nobody_gets_to_sign_in_as_who_is_protected(start: Callable[..., Portal]) -> None:
    portal = start()
    portal.add(portal.models.User(username="root"))
    taken = portal.client.post("/Users", {"userName": "root", "password": SECRET})
    assert (taken.status_code, taken.json["detail"]) == (403, ROOT)
    found = portal.client.get("/Users", filter='userName eq "root"').json["Resources"][0]
    path = f"/Users/{found['id']}"
    answer = portal.client.put(path, {"userName": "root", "password": SECRET})
    assert (answer.status_code, answer.json["detail"]) == (403, ROOT)
    assert portal.user("root").password_hash is None


@pytest.mark.parametrize("placeholders", [False, True])
def test_oktas_placeholder_is_no_password(start: Callable[..., Portal], placeholders: bool) -> None:
    """Okta's reference: a random password with each create; a PUT or PATCH has one that is meant.

    Who was there before keeps theirs, whatever the team says of placeholders.
    """
    portal = start("okta", placeholders=placeholders)
    portal.add(portal.models.User(username="old"))
    ada = create(portal.client, "ada", password="1mz050nq")
    create(portal.client, "old", password="2mz050nq")
    assert opens(portal, "ada", "1mz050nq") is placeholders
    assert portal.user("old").password_hash is None
    models = portal.app.extensions["scim_provisioning"].models
    adopted, created = activity.recent(portal.session, models, portal.integration.id, 2)
    said = "placeholder in the place of a password ignored"
    assert said in (adopted.notes or ())
    assert (said in (created.notes or ())) is not placeholders
    portal.client.patch(ada, [{"op": "replace", "value": {"password": "n3w-secret"}}])
    assert opens(portal, "ada", "n3w-secret")
    portal.client.put(ada, {"userName": "ada", "password": "n3wer-secret"})
    assert opens(portal, "ada", "n3wer-secret")


def test_where_no_setter_is_mapped_a_password_is_dropped(portal: Portal) -> None:
    """RFC 7643 section 4.1.1: it is accepted, kept nowhere, and the log says so."""
    path = create(portal.client, "ada", password=SECRET)
    version = portal.client.get(path).headers["ETag"]
    portal.client.put(path, {"userName": "ada", "password": SECRET})
    portal.client.patch(path, [{"op": "remove", "path": "password"}])
    assert portal.client.get(path).headers["ETag"] == version
    state = portal.app.extensions["scim_provisioning"]
    (entry, *_) = activity.recent(portal.session, state.models, portal.integration.id)
    assert entry.notes == ["password ignored: this portal takes none"]
    config = portal.client.get("/ServiceProviderConfig").json
    assert config["changePassword"] == {"supported": False}
