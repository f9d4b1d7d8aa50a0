"""What the portal itself changes of people and teams, and what SCIM's clients are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from tests.portal import Host, Portal, host

from .clubs import clubs
from .hosts import one_team_each, open_portal, unusual

OpenHost = Callable[[Host], Portal]


@pytest.fixture
def opened(database_url: str) -> Iterator[OpenHost]:
    """Opens a portal over other tables."""
    with ExitStack() as stack:

        def open_(host: Host) -> Portal:
            portal = open_portal(database_url, host)
            stack.callback(portal.close)
            return portal

        yield open_


def create(portal: Portal, kind: str, **attributes: Any) -> str:
    answer = portal.client.post(f"/{kind}", attributes)
    assert answer.status_code == 201, answer.text
    return f"/{kind}/{answer.json['id']}"


def version(portal: Portal, path: str) -> str:
    answer = portal.client.get(path)
    assert answer.headers["ETag"] == answer.json["meta"]["version"]
    return str(answer.headers["ETag"])


def set_title(portal: Portal, path: str, value: str, tag: str) -> int:
    operation = {"op": "replace", "path": "title", "value": value}
    answer = portal.client.patch(path, [operation], headers={"If-Match": tag})
    return int(answer.status_code)


def date_back(portal: Portal) -> None:
    """Let everything have been changed long ago."""
    long_ago = sa.text("'2020-01-01 00:00:00'")
    with portal.engine.begin() as connection:
        for mapping in portal.app.extensions["scim_provisioning"].mappings.values():
            connection.execute(sa.update(mapping.links).values(last_modified=long_ago))


def test_the_portals_rename_is_a_new_version(portal: Portal) -> None:
    """RFC 7644 section 3.14: nobody overwrites what they haven't seen, or takes old for new."""
    path = create(portal, "Users", userName="ada", name={"givenName": "Ada"})
    date_back(portal)
    portal.user("ada").first_name = "Augusta"
    portal.session.commit()
    known = {"If-None-Match": 'W/"1"'}
    answer = portal.client.get(path, headers=known)
    assert (answer.status_code, answer.json["name"]) == (200, {"givenName": "Augusta"})
    assert answer.headers["ETag"] == 'W/"2"'
    assert answer.json["meta"]["lastModified"] > "2024"
    assert set_title(portal, path, "Countess", 'W/"1"') == 412
    assert set_title(portal, path, "Countess", 'W/"2"') == 200
    assert version(portal, path) == 'W/"3"'


def test_what_scim_does_not_read_is_no_change(portal: Portal) -> None:
    path = create(portal, "Users", userName="ada")
    ada = portal.user("ada")
    ada.is_admin = True
    ada.department = ada.department
    with portal.statements() as sent:
        portal.session.commit()
    assert "scim_" not in "".join(sent.statements)
    assert version(portal, path) == 'W/"1"'


def test_several_changes_of_one_transaction_are_one_version(portal: Portal) -> None:
    path = create(portal, "Users", userName="ada")
    session = portal.session
    ada = portal.user("ada")
    for name in ("Ada", "Augusta"):
        ada.first_name = name
        session.flush()
    session.commit()
    assert version(portal, path) == 'W/"2"'
    ada.first_name = "A."
    session.commit()
    assert version(portal, path) == 'W/"3"'


def test_a_savepoint_that_is_rolled_back_hides_no_later_change(portal: Portal) -> None:
    path = create(portal, "Users", userName="ada")
    session, ada = portal.session, portal.user("ada")
    with session.begin_nested() as savepoint:
        ada.first_name = "Ada"
        session.flush()
        savepoint.rollback()
    ada.first_name = "Augusta"
    session.commit()
    assert version(portal, path) == 'W/"2"'


def test_who_has_no_link_is_changed_as_before(portal: Portal) -> None:
    portal.add_users(["ada"])
    portal.user("ada").first_name = "Augusta"
    portal.session.commit()
    (ada,) = portal.client.get("/Users").json["Resources"]
    assert (ada["name"], ada["meta"]["version"]) == ({"givenName": "Augusta"}, 'W/"1"')


def test_another_manager_is_a_change_of_the_report_only(portal: Portal) -> None:
    ada, bob = (create(portal, "Users", userName=name) for name in ("ada", "bob"))
    portal.user("ada").manager = portal.user("bob")
    portal.session.commit()
    assert (version(portal, ada), version(portal, bob)) == ('W/"2"', 'W/"1"')


def test_members_whom_the_portal_adds_are_a_change_of_the_group(portal: Portal) -> None:
    """From either end of the relationship, once."""
    ada = create(portal, "Users", userName="ada")
    red, blue = (create(portal, "Groups", displayName=name) for name in ("Red", "Blue"))
    person, crimson, azure = portal.user("ada"), portal.team("Red"), portal.team("Blue")
    crimson.members.append(person)
    portal.session.commit()
    person.teams.append(azure)
    portal.session.commit()
    assert [version(portal, path) for path in (ada, red, blue)] == ['W/"1"', 'W/"2"', 'W/"2"']
    crimson.name = "Crimson"
    crimson.members.clear()
    portal.session.commit()
    assert [version(portal, path) for path in (red, blue)] == ['W/"3"', 'W/"2"']


def test_a_patch_moves_the_version_by_one(portal: Portal) -> None:
    path = create(portal, "Users", userName="ada")
    operation = {"op": "replace", "path": "name.givenName", "value": "Augusta"}
    with portal.statements() as sent:
        assert portal.client.patch(path, [operation]).status_code == 200
    assert version(portal, path) == 'W/"2"'
    assert sum("version=" in each for each in sent.statements if "link" in each) <= 2


def test_what_the_portal_does_meanwhile_counts_for_others_only(portal: Portal) -> None:
    """A listener of the portal changes a colleague while SCIM writes."""
    ada, bob = (create(portal, "Users", userName=name) for name in ("ada", "bob"))

    def copy(session: Session, *_: Any) -> None:
        for user in list(session.dirty):
            model = type(user)
            other = sa.select(model).where(model.username == "bob")
            session.scalars(other).one().department = user.first_name

    sa.event.listen(Session, "before_flush", copy)
    try:
        operation = {"op": "replace", "path": "name.givenName", "value": "Augusta"}
        assert portal.client.patch(ada, [operation]).status_code == 200
    finally:
        sa.event.remove(Session, "before_flush", copy)
    assert (version(portal, ada), version(portal, bob)) == ('W/"2"', 'W/"2"')


def test_any_number_of_apps_count_once(portal: Portal) -> None:
    path = create(portal, "Users", userName="ada")
    for _ in range(2):
        app = Flask("another")
        app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
        portal.models.provisioning.init_app(app)
    portal.user("ada").first_name = "Augusta"
    portal.session.commit()
    portal.user("ada").first_name = "Ada"
    with portal.statements() as sent:
        portal.session.commit()
    assert version(portal, path) == 'W/"3"'
    assert len([each for each in sent.statements if "scim_" in each]) == 1


def test_a_portal_before_its_migration_writes_as_before(tmp_path: Any) -> None:
    """Until the tables are there, and they are found as soon as they are."""
    models = host()
    app = Flask("portal")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
    models.provisioning.init_app(app)
    user, links = models.User, models.db.metadata.tables["scim_user_link"]
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    models.db.metadata.create_all(engine, tables=[user.__table__, models.Team.__table__])
    with Session(engine) as session:
        ada = user(username="ada")
        session.add(ada)
        session.commit()
        ada.first_name = "Ada"
        session.commit()
        models.db.metadata.create_all(engine)
        session.execute(sa.insert(links).values(host_id=ada.id))
        ada.first_name = "Augusta"
        session.commit()
        assert session.scalars(sa.select(links.c.version)).all() == [2]
    engine.dispose()


def test_values_in_a_table_of_their_own_count(opened: OpenHost) -> None:
    portal = opened(unusual())
    path = create(portal, "Users", userName="ada", emails=[{"value": "a@x.org", "type": "work"}])
    assert version(portal, path) == 'W/"1"'
    session, person = portal.session, portal.models.User
    ada = session.scalars(sa.select(person)).one()
    email = type(ada.emails[0])

    ada.emails.extend([email(address="b@x.org", kind="home"), email(address="c@x.org")])
    session.commit()
    assert version(portal, path) == 'W/"2"'
    session.scalars(sa.select(email).where(email.kind == "home")).one().address = "d@x.org"
    session.commit()
    assert version(portal, path) == 'W/"3"'
    del ada.emails[0]
    session.commit()
    assert version(portal, path) == 'W/"4"'

    change = {"op": "replace", "path": "emails", "value": [{"value": "e@x.org"}]}
    assert portal.client.patch(path, [change]).status_code == 200
    assert version(portal, path) == 'W/"5"'
    with portal.statements() as sent:
        create(portal, "Users", userName="bob", emails=[{"value": "b@x.org"}])
    assert not [each for each in sent.statements if each.startswith("UPDATE scim_user_link")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("full_name", "Ada Lovelace"),
        ("disabled_at", None),
        ("settings", {"locale": "en-GB"}),
        ("role", "engineer"),
        ("city", "London"),
        ("building", "B"),
    ],
)
def test_every_way_of_reading_a_column_is_known(opened: OpenHost, column: str, value: Any) -> None:
    """Computed SQL, keys of JSON, look-ups, parts of complex attributes."""
    portal = opened(unusual())
    path = create(portal, "Users", userName="ada", active=False)
    ada = portal.session.scalars(sa.select(portal.models.User)).one()
    if column == "role":
        value = sa.inspect(type(ada)).relationships["role"].mapper.class_(name=value)
    setattr(ada, column, value)
    portal.session.commit()
    assert version(portal, path) == 'W/"2"'


def test_association_objects_count(opened: OpenHost) -> None:
    portal = opened(unusual())
    create(portal, "Users", userName="ada")
    path = create(portal, "Groups", displayName="Red")
    session = portal.session
    ada = session.scalars(sa.select(portal.models.User)).one()
    red = session.scalars(sa.select(portal.models.Team)).one()
    entry = sa.inspect(type(red)).relationships["entries"].mapper.class_
    red.entries.append(entry(person=ada))
    session.commit()
    assert version(portal, path) == 'W/"2"'
    session.delete(red.entries[0])
    session.commit()
    assert version(portal, path) == 'W/"3"'


def test_a_foreign_key_behind_a_teams_own_store_counts(opened: OpenHost) -> None:
    portal = opened(one_team_each())
    create(portal, "Users", userName="ada")
    red, blue = (create(portal, "Groups", displayName=name) for name in ("Red", "Blue"))
    ada, crimson, azure = portal.user("ada"), portal.team("Red"), portal.team("Blue")
    ada.squad_id = crimson.id
    portal.session.commit()
    assert (version(portal, red), version(portal, blue)) == ('W/"2"', 'W/"1"')
    assert ada.squad_id is not None
    ada.squad_id = azure.id
    portal.session.commit()
    assert (version(portal, red), version(portal, blue)) == ('W/"3"', 'W/"2"')


@pytest.mark.parametrize("nesting", ["table", "objects", "parent"])
def test_nested_groups_count_for_the_group_around(opened: OpenHost, nesting: str) -> None:
    portal = opened(clubs(nesting=nesting))
    red, blue = (create(portal, "Groups", displayName=name) for name in ("Red", "Blue"))
    outer, inner = portal.team("Red"), portal.team("Blue")
    if nesting == "objects":
        inclusion = sa.inspect(portal.models.Team).relationships["by_objects"].mapper.class_
        inner = inclusion(inner=inner)
    getattr(outer, f"by_{nesting}").append(inner)
    portal.session.commit()
    assert (version(portal, red), version(portal, blue)) == ('W/"2"', 'W/"1"')


def test_a_portal_of_several_databases(tmp_path: Any) -> None:
    """The link is written where the person is, whatever else the session writes elsewhere."""

    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class Person(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(unique=True)
        active: Mapped[bool] = mapped_column(default=True)

    class Team(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)

    class Visit(db.Model):  # type: ignore[name-defined, misc]
        __bind_key__ = "visits"
        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str]

    class People(UserSchema):
        class Meta:
            model = Person

        user_name = fields.Attribute(Person.login)
        active = fields.Attribute(Person.active)

    class Teams(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)

    provisioning = Provisioning(db, user_schema=People, group_schema=Teams)
    app = Flask("portal")
    app.config.update(
        SECRET_KEY="x",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'portal.sqlite3'}",
        SQLALCHEMY_BINDS={"visits": f"sqlite:///{tmp_path / 'visits.sqlite3'}"},
    )
    db.init_app(app)
    provisioning.init_app(app)
    links = db.metadata.tables["scim_user_link"]
    with app.app_context():
        db.create_all()
        ada, visit = Person(login="ada"), Visit(login="ada")
        db.session.add_all([ada, visit])
        db.session.flush()
        db.session.execute(sa.insert(links).values(host_id=ada.id))
        ada.login = visit.login = "augusta"
        db.session.commit()
        provisioning.touch(Person)
        assert db.session.scalars(sa.select(links.c.version)).all() == [3]
        for engine in db.engines.values():
            engine.dispose()


def test_touch_is_for_what_the_orm_does_not_see(portal: Portal) -> None:
    ada, bob = (create(portal, "Users", userName=name) for name in ("ada", "bob"))
    date_back(portal)
    user, provisioning = portal.models.User, portal.models.provisioning
    with portal.app.app_context():
        session = portal.models.db.session
        session.execute(sa.update(user).where(user.username == "ada").values(last_name="King"))
        provisioning.touch(user, user.username == "ada")
        session.commit()
    assert (version(portal, ada), version(portal, bob)) == ('W/"2"', 'W/"1"')
    assert portal.client.get(ada).json["meta"]["lastModified"] > "2024"
    with pytest.raises(ValueError, match="neither"):
        provisioning.touch(int)
