"""Other rows of the host's: roles by name, a profile, a manager by whatever there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flask_scim_provisioning import fields
from flask_scim_provisioning.scim.attributes import Attribute, Schema
from tests.portal import Portal

from .shapes import opened, refusal, shape

URN = "urn:example:params:scim:schemas:roles:2.0:User"
ROLES = Schema(URN, "Roles", "Words.", (Attribute("licences", multi_valued=True),))
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@shape
def portal_of_roles(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
    """A portal with roles, a profile and a plan in tables of their own."""
    granted = sa.Table(
        "granted",
        db.metadata,
        sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("role_id", sa.ForeignKey("role.id"), primary_key=True),
    )
    licensed = sa.Table(
        "licensed",
        db.metadata,
        sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("role_id", sa.ForeignKey("role.id"), primary_key=True),
    )

    class Role(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "role"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(50), unique=True)
        is_old: Mapped[bool] = mapped_column(default=False)

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        main_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"))
        roles = relationship(Role, secondary=granted, lazy="raise")
        licences = relationship(Role, secondary=licensed, lazy="dynamic")
        main = relationship(
            Role, primaryjoin=lambda: sa.and_(Person.main_id == Role.id, Role.is_old.is_(False))
        )
        profile = relationship("Profile", uselist=False, lazy="raise", back_populates="person")

    class Profile(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "profile"

        person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
        person = relationship(Person, back_populates="profile")
        phone: Mapped[str | None] = mapped_column(sa.String(50))
        street: Mapped[str | None] = mapped_column(sa.String(50))
        language: Mapped[str | None] = mapped_column(sa.String(50))
        theme: Mapped[str] = mapped_column(sa.String(50), default="dark")

    db.Role, db.Profile = Role, Profile
    return Person, {
        "Meta": {"extensions": (ROLES,)},
        "user_name": fields.Attribute(Person.login),
        "roles": fields.LookupMany(Person.roles, by=Role.name),
        "licences": fields.LookupMany(Person.licences, by=Role.name),
        "user_type": fields.Lookup(Person.main, by=Role.name),
        "preferred_language": fields.Attribute(Person.profile, Profile.language),
        "phone_numbers": fields.OneValue(
            value=fields.Attribute(Person.profile, Profile.phone), type="work"
        ),
        "addresses": fields.OneValue(
            street_address=fields.Attribute(Person.profile, Profile.street), type="work"
        ),
    }


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    """The portal with three roles, of which one isn't given any more."""
    with opened(database, portal_of_roles()) as made:
        role = made.db.Role
        made.add(role(name="Admin"), role(name="Reader"), role(name="Old", is_old=True))
        yield made


def create(portal: Portal, login: str = "ada", **sent: Any) -> dict[str, Any]:
    answer = portal.client.post("/Users", {"userName": login, **sent})
    assert answer.status_code == 201, answer.json
    made: dict[str, Any] = answer.json
    return made


def patch(portal: Portal, user: dict[str, Any], op: str, path: str, value: Any = None) -> Any:
    change = {"op": op, "path": path, **({} if value is None else {"value": value})}
    return portal.client.patch(f"/Users/{user['id']}", [change])


def get(portal: Portal, user: dict[str, Any]) -> dict[str, Any]:
    got: dict[str, Any] = portal.client.get(f"/Users/{user['id']}").json
    return got


def found(portal: Portal, filter_: str) -> list[str]:
    answer = portal.client.get("/Users", filter=filter_)
    assert answer.status_code == 200, answer.json
    return [each["userName"] for each in answer.json["Resources"]]


def count(portal: Portal, table: str) -> int:
    with portal.engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_roles_are_those_that_are_named(portal: Portal) -> None:
    """Entra's app roles come with a display and a type, which are read back."""
    sent = [
        {"value": "admin", "display": "Administrator", "type": "WindowsAzureActiveDirectoryRole"},
        {"value": "Reader"},
    ]
    user = create(portal, roles=sent)
    assert user["roles"] == [{**sent[0], "value": "Admin"}, sent[1]]
    assert count(portal, "granted") == 2
    version = user["meta"]["version"]
    assert patch(portal, user, "replace", "roles", sent[::-1]).status_code in (200, 204)
    assert get(portal, user)["meta"]["version"] == version
    patch(portal, user, "remove", 'roles[value eq "Admin"]')
    assert get(portal, user)["roles"] == [{"value": "Reader"}]
    assert (count(portal, "granted"), count(portal, "role")) == (1, 3)
    patch(portal, user, "add", "roles", [{"value": "Old"}])
    assert found(portal, 'roles.value eq "OLD"') == ["ada"]
    assert found(portal, 'roles[value sw "adm"]') == []
    assert found(portal, "roles pr") == ["ada"]
    patch(portal, user, "remove", "roles")
    assert "roles" not in get(portal, user)
    assert found(portal, "not (roles pr)") == ["ada"]


def test_a_role_that_the_portal_does_not_have_is_refused(portal: Portal) -> None:
    answer = portal.client.post("/Users", {"userName": "ada", "roles": [{"value": "Emperor"}]})
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert "no Role of that name" in answer.json["detail"]
    assert count(portal, "person") == 0
    user = create(portal, roles=[{"value": "Admin"}])
    answer = patch(portal, user, "add", "roles", [{"value": "Emperor"}])
    assert answer.status_code == 400
    assert get(portal, user)["roles"] == [{"value": "Admin"}]


def test_roles_may_be_plain_words(portal: Portal) -> None:
    user = create(portal, **{URN: {"licences": ["Reader", "Admin"]}})
    assert user[URN]["licences"] == ["Admin", "Reader"]
    patch(portal, user, "replace", f"{URN}:licences", ["Reader"])
    assert get(portal, user)[URN]["licences"] == ["Reader"]
    assert found(portal, f'{URN}:licences eq "reader"') == ["ada"]


def test_who_gets_a_role_from_the_portal_has_a_new_version(portal: Portal) -> None:
    user = create(portal)
    person = portal.session.get(portal.models.User, 1)
    with portal.session.no_autoflush:
        roles = portal.session.scalars(sa.select(portal.db.Role)).all()
        sa.orm.attributes.set_committed_value(person, "roles", [])
        person.roles.append(roles[0])
    portal.session.commit()
    got = get(portal, user)
    assert got["roles"] == [{"value": "Admin"}]
    assert got["meta"]["version"] != user["meta"]["version"]


def test_a_role_that_the_relationship_leaves_out_is_not_given(portal: Portal) -> None:
    """It would be written, and never be read."""
    user = create(portal, userType="Reader")
    assert user["userType"] == "Reader"
    assert patch(portal, user, "replace", "userType", "Old").status_code == 400
    assert get(portal, user)["userType"] == "Reader"


def test_a_profile_is_made_when_there_is_something_to_keep(portal: Portal) -> None:
    user = create(portal)
    assert count(portal, "profile") == 0
    patch(portal, user, "replace", "preferredLanguage", "en")
    assert count(portal, "profile") == 1
    patch(portal, user, "add", "phoneNumbers", [{"value": "1815", "type": "work"}])
    got = get(portal, user)
    assert (got["preferredLanguage"], got["phoneNumbers"][0]["value"]) == ("en", "1815")
    assert count(portal, "profile") == 1
    theme = portal.session.scalars(sa.select(portal.db.Profile.theme)).one()
    assert theme == "dark"
    patch(portal, user, "remove", "preferredLanguage")
    assert "preferredLanguage" not in get(portal, user)
    assert get(portal, user)["phoneNumbers"][0]["value"] == "1815"


def test_a_profile_is_searched_and_sorted_by(portal: Portal) -> None:
    phones = [{"value": "1815", "type": "work"}]
    addresses = [{"streetAddress": "St James's", "type": "work"}]
    create(portal, preferredLanguage="fr", phoneNumbers=phones, addresses=addresses)
    create(portal, "bob", preferredLanguage="en")
    create(portal, "eve")
    assert found(portal, 'preferredLanguage eq "FR"') == ["ada"]
    assert found(portal, 'phoneNumbers[type eq "work" and value eq "1815"]') == ["ada"]
    assert found(portal, 'addresses.streetAddress sw "st"') == ["ada"]
    assert found(portal, "not (preferredLanguage pr)") == ["eve"]
    answer = portal.client.get("/Users", sortBy="preferredLanguage").json
    assert [each["userName"] for each in answer["Resources"]] == ["bob", "ada", "eve"]


def test_a_profile_that_the_portal_changes_moves_the_version(portal: Portal) -> None:
    user = create(portal, preferredLanguage="en")
    profile = portal.session.scalars(sa.select(portal.db.Profile)).one()
    profile.language = "fr"
    portal.session.commit()
    got = get(portal, user)
    assert got["preferredLanguage"] == "fr"
    assert got["meta"]["version"] != user["meta"]["version"]


def _managers(make: Callable[[Any], Any]) -> Callable[[SQLAlchemy], tuple[type[Any], Any]]:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            mail: Mapped[str | None] = mapped_column(sa.String(60))
            manager_mail: Mapped[str | None] = mapped_column(sa.String(60))
            manager_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id"))
            manager_text: Mapped[str | None] = mapped_column(sa.String(60))

        return Person, {
            "user_name": fields.Attribute(Person.login),
            "emails": fields.Email(Person.mail),
            "manager": make(Person),
        }

    return declare


_BY_MAIL = shape(_managers(lambda p: fields.Reference(p.manager_mail, by=p.mail)))
_BY_KEY = shape(_managers(lambda p: fields.Reference(p.manager_id)))
_BY_TEXT = shape(_managers(lambda p: fields.Complex(value=p.manager_text)))


@pytest.mark.parametrize("made", [_BY_MAIL, _BY_KEY], ids=["by mail", "by key"])
def test_a_manager_is_known_by_what_the_column_says(database: str, made: Any) -> None:
    with opened(database, made()) as portal:
        model = portal.models.User
        portal.add(model(login="boss", mail="boss@example.com"))
        ada = create(portal, emails=[{"value": "ada@example.com", "type": "work"}])
        portal.session.get(model, 2)
        with portal.engine.begin() as connection:
            connection.execute(
                sa.update(model)
                .where(model.login == "ada")
                .values(manager_mail="boss@example.com", manager_id=1)
            )
        got = get(portal, ada)
        boss = portal.client.get("/Users", filter='userName eq "boss"').json["Resources"][0]
        assert got[ENTERPRISE]["manager"]["value"] == boss["id"]
        filter_ = f'{ENTERPRISE}:manager.value eq "{boss["id"].upper()}"'
        assert found(portal, filter_) == ["ada"]
        assert patch(portal, boss, "add", f"{ENTERPRISE}:manager", {"value": ada["id"]})
        row = portal.session.scalars(sa.select(model).where(model.login == "boss")).one()
        assert (row.manager_mail, row.manager_id) in (("ada@example.com", None), (None, 2))
        patch(portal, ada, "remove", f"{ENTERPRISE}:manager")
        assert ENTERPRISE not in get(portal, ada)
        stranger = {"value": "somebody-else"}
        patch(portal, ada, "add", f"{ENTERPRISE}:manager", stranger)
        assert get(portal, ada)[ENTERPRISE]["manager"] == stranger
        portal.client.delete(f"/Users/{ada['id']}")
        assert ENTERPRISE not in get(portal, boss)


def test_a_manager_may_be_a_text_and_nothing_else(database: str) -> None:
    with opened(database, _BY_TEXT()) as portal:
        sent = {"value": "The Boss"}
        ada = create(portal, **{ENTERPRISE: {"manager": sent}})
        assert ada[ENTERPRISE]["manager"] == sent
        row = portal.session.scalars(sa.select(portal.models.User)).one()
        assert row.manager_text == "The Boss"
        assert found(portal, f'{ENTERPRISE}:manager.value eq "The Boss"') == ["ada"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p, r: {"manager": fields.Reference(p.login)}, "say by what it names people"),
        (
            lambda p, r: {"manager": fields.Reference(p.role, by=p.login)},
            "is a relationship, which knows whom it leads to",
        ),
        (lambda p, r: {"title": fields.Attribute(p.role, r.name)}, "several Person objects"),
        (lambda p, r: {"title": fields.Attribute(p.login, r.name)}, "is no relationship of Person"),
        (lambda p, r: {"title": fields.LookupMany(p.role, by=r.name)}, "use fields.Lookup"),
        (lambda p, r: {"roles": fields.LookupMany(p.role, by=r.name)}, "is no manytomany"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_startup(make: Any, words: str) -> None:
    def declare(db: SQLAlchemy) -> tuple[type[Any], dict[str, Any]]:
        class Role(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "role"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(50), unique=True)

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(60), unique=True)
            role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"))
            role = relationship(Role)

        return Person, {"user_name": fields.Attribute(Person.login), **make(Person, Role)}

    assert words in refusal(declare)
