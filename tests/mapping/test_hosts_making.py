"""How new rows are made: by the class, as SQLAlchemy loads, by the team's factory; and defaults."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    Mapped,
    MappedAsDataclass,
    column_property,
    composite,
    mapped_column,
    relationship,
    synonym,
)

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping.errors import MappingError

from .host_shapes import Open, fresh, group_schema, opened, provision, start, user_schema

__all__ = ["opened"]


class Host:
    """People who need a role, a salt and a token, and teams."""

    def __init__(self, **attributes: Any) -> None:
        db = self.db = fresh()

        class Role(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "role"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(50), unique=True)

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)

        body = {
            "__tablename__": "person",
            "id": mapped_column(sa.Integer, primary_key=True),
            "login": mapped_column(sa.String(100), unique=True, nullable=False),
            "title": mapped_column(sa.String(100)),
            "enabled": mapped_column(sa.Boolean, nullable=False, default=True),
            **attributes,
        }
        self.Role, self.Team = Role, Team
        self.Person = type("Person", (db.Model,), body)
        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        )
        Team.people = relationship(self.Person, secondary=pairs)

    def schemas(self, more: Mapping[str, Any] | None = None, **meta: Any) -> tuple[Any, Any]:
        """Return the schemas; ``more`` are further fields of users."""
        users = {
            "user_name": fields.Attribute(self.Person.login),
            "title": fields.Attribute(self.Person.title),
            "active": fields.Attribute(self.Person.enabled),
            **(more or {}),
        }
        groups = {
            "display_name": fields.Attribute(self.Team.name),
            "members": fields.Members(self.Team.people),
        }
        return user_schema(users, model=self.Person, **meta), group_schema(groups, model=self.Team)

    def refused(self, more: Mapping[str, Any] | None = None, **meta: Any) -> str:
        """Return what is said at start-up."""
        with pytest.raises(MappingError) as raised:
            start(self.db, *self.schemas(more, **meta))
        return str(raised.value)

    def person(self, portal: Any) -> Any:
        """Return the only person."""
        return portal.session.scalars(sa.select(self.Person)).one()


def required(*arguments: Any, **options: Any) -> Any:
    """Return a column that can't be empty."""
    return mapped_column(*arguments, nullable=False, **options)


def with_role() -> Host:
    host = Host(
        role_id=required(sa.Integer),
        salt=required(sa.String(40)),
        __table_args__=(sa.ForeignKeyConstraint(["role_id"], ["role.id"]),),
    )
    host.Person.role = relationship(host.Role)
    return host


def test_new_rows_get_the_teams_defaults_and_existing_ones_never(opened: Open) -> None:
    """Who was an administrator stays one, whatever is done to them over SCIM."""
    host = with_role()
    defaults = {host.Person.role_id: 2, host.Person.salt: lambda: uuid.uuid4().hex}
    portal = opened(host.db, *host.schemas(defaults=defaults))
    portal.add(*(host.Role(id=number, name=f"Role {number}") for number in (1, 2)))
    portal.add(host.Person(login="admin", role_id=1, salt="pepper"))
    ada = provision(portal, "Users", userName="ada")
    eve = provision(portal, "Users", userName="eve")
    rows = portal.session.scalars(sa.select(host.Person).order_by(host.Person.id)).all()
    assert [row.role_id for row in rows] == [1, 2, 2]
    assert len({row.salt for row in rows}) == 3
    for row in rows:
        row.role_id = 1
    portal.session.commit()
    salts = [row.salt for row in rows]
    admin = provision(portal, "Users", userName="admin")  # adopted
    assert portal.client.put(f"/Users/{ada['id']}", {"userName": "ada"}).status_code == 200
    change = {"op": "replace", "path": "title", "value": "Dr"}
    assert portal.client.patch(f"/Users/{eve['id']}", [change]).status_code == 200
    assert portal.client.delete(f"/Users/{admin['id']}").status_code == 204
    rows = portal.session.scalars(sa.select(host.Person).order_by(host.Person.id)).all()
    assert [row.role_id for row in rows] == [1, 1, 1]
    assert [row.salt for row in rows] == salts


def test_what_is_sent_goes_before_a_default(opened: Open) -> None:
    """A required foreign key that is looked up by name, too."""
    host = with_role()
    defaults = {
        host.Person.role_id: 2,
        host.Person.salt: "pepper",
        host.Person.title: "Colleague",
        host.Person.enabled: False,
    }
    role = fields.Lookup(host.Person.role, by=host.Role.name)
    portal = opened(host.db, *host.schemas({"user_type": role}, defaults=defaults))
    portal.add(*(host.Role(id=number, name=f"Role {number}") for number in (1, 2)))
    ada = provision(portal, "Users", userName="ada", userType="Role 1", title="Dr", active=True)
    assert (ada["userType"], ada["title"], ada["active"]) == ("Role 1", "Dr", True)
    eve = provision(portal, "Users", userName="eve")
    assert (eve["userType"], eve["title"], eve["active"]) == ("Role 2", "Colleague", False)


def test_a_default_may_be_an_object_of_the_portals(opened: Open) -> None:
    host = with_role()
    session: list[Any] = []

    def reader() -> Any:
        return session[0].scalars(sa.select(host.Role).filter_by(name="Reader")).one().id

    defaults = {host.Person.role_id: reader, host.Person.salt: "pepper"}
    portal = opened(host.db, *host.schemas(defaults=defaults))
    session.append(portal.session)
    reading = portal.add(host.Role(id=7, name="Reader"))
    provision(portal, "Users", userName="ada")
    assert host.person(portal).role.name == reading.name


def test_load_default_is_refused() -> None:
    """It was written by a PUT as well, and made users of administrators."""
    host = Host()
    title = fields.Attribute(host.Person.title, load_default="User")
    said = host.refused({"title": title})
    assert "PortalUser.title: load_default= would be written to existing rows" in said
    assert "Meta.defaults = {Person.<attribute>: <value>}" in said


def takes_name(self: Any, name: str) -> None:
    raise AssertionError("SQLAlchemy doesn't call it either")


def sets_salt(self: Any, **values: Any) -> None:
    type(self).__mro__[1].__init__(self, **values)
    self.salt = "from the class"


def test_a_class_that_wants_arguments_is_made_as_sqlalchemy_makes_what_it_loads(
    opened: Open,
) -> None:
    host = Host(
        __init__=takes_name,
        born=required(sa.DateTime(timezone=True), insert_default=lambda: datetime.now(UTC)),
        points=required(sa.Integer, server_default="5"),
        sort=required(sa.String(10), default="plain"),
    )
    portal = opened(host.db, *host.schemas())
    provision(portal, "Users", userName="ada")
    person = host.person(portal)
    assert (person.login, person.points, person.sort, person.enabled) == ("ada", 5, "plain", True)
    assert person.born is not None


def test_a_class_that_wants_none_is_called(opened: Open) -> None:
    """What it does by itself counts, and what it sets is no missing value."""
    host = Host(__init__=sets_salt, salt=required(sa.String(40)))
    portal = opened(host.db, *host.schemas())
    provision(portal, "Users", userName="ada")
    assert host.person(portal).salt == "from the class"


def test_the_dataclass_defaults_of_mapped_fields_are_set(opened: Open) -> None:
    db = fresh()

    class Person(MappedAsDataclass, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        login: Mapped[str] = mapped_column(sa.String(100), unique=True)
        theme: Mapped[str] = mapped_column(sa.String(20), default="light")
        mark: Mapped[str] = mapped_column(sa.String(20), default_factory=lambda: "made")
        enabled: Mapped[bool] = mapped_column(default=True)

    class Team(MappedAsDataclass, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)

    users = user_schema(
        {
            "user_name": fields.Attribute(Person.login),
            "active": fields.Attribute(Person.enabled),
        },
        model=Person,
    )
    groups = group_schema({"display_name": fields.Attribute(Team.name)}, model=Team)
    portal = opened(db, users, groups)
    provision(portal, "Users", userName="ada")
    person = portal.session.scalars(sa.select(Person)).one()
    assert (person.theme, person.mark, person.enabled) == ("light", "made", True)
    provision(portal, "Groups", displayName="Team")


def test_a_factory_is_told_what_was_sent_and_makes_the_object(opened: Open) -> None:
    """Once for a new row, and the attributes are written to what it returns."""
    host = Host(__init__=takes_name, salt=required(sa.String(40)))
    told: list[Mapping[str, Any]] = []

    def make(values: Mapping[str, Any]) -> Any:
        told.append(values)
        person = host.Person.__mapper__.class_manager.new_instance()
        person.salt = f"{values['userName']} {values['name.givenName']} {values['department']}"
        person.title = "from the factory"
        return person

    portal = opened(host.db, *host.schemas(factory=make))
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    sent = {"userName": "ada", "name": {"givenName": "Ada"}, urn: {"department": "Engines"}}
    ada = provision(portal, "Users", **sent)
    person = host.person(portal)
    assert (person.login, person.salt, person.title) == (
        "ada",
        "ada Ada Engines",
        "from the factory",
    )
    assert portal.client.put(f"/Users/{ada['id']}", sent).status_code == 200
    assert portal.client.delete(f"/Users/{ada['id']}").status_code == 204
    provision(portal, "Users", **sent)
    assert len(told) == 1
    with pytest.raises(TypeError):
        told[0]["userName"] = "eve"  # type: ignore[index]


def test_a_factory_may_have_added_its_object_to_the_portals_session(opened: Open) -> None:
    """As the datastore of a sign-in extension does."""
    host = Host()
    sessions: list[Any] = []

    def make(values: Mapping[str, Any]) -> Any:
        person = host.Person()
        sessions[0].add(person)
        return person

    portal = opened(host.db, *host.schemas(factory=make))
    sessions.append(sa.orm.Session(portal.engine))
    provision(portal, "Users", userName="ada")
    assert host.person(portal).login == "ada"
    assert not sessions[0].new
    sessions[0].close()


FACTORIES: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda host, session: None,
    "another class": lambda host, session: host.Team(),
    "an existing row": lambda host, session: session.scalars(sa.select(host.Person)).first(),
}


@pytest.mark.parametrize("what", FACTORIES)
def test_a_factory_returns_a_new_object_and_nothing_else(opened: Open, what: str) -> None:
    """A row that is somebody's would be given to somebody else."""
    host = Host()
    sessions: list[Any] = []
    portal = opened(
        host.db, *host.schemas(factory=lambda values: FACTORIES[what](host, sessions[0]))
    )
    portal.add(host.Person(login="eve"))
    sessions.append(portal.session)
    portal.app.testing = False
    answer = portal.client.post("/Users", {"userName": "ada"})
    assert answer.status_code == 500
    assert host.person(portal).login == "eve"


MISSING: dict[str, tuple[Callable[[], Host], Callable[[Host], dict[str, Any]], str]] = {
    "a required column": (
        lambda: Host(salt=required(sa.String(40))),
        lambda _: {},
        "person.salt can't be empty, and no attribute is mapped to it: map one, or give the column "
        "a default, or write Meta.defaults = {Person.salt: <value or function>}",
    ),
    "a required column that the mapper only changes": (
        lambda: Host(salt=required(sa.String(40), onupdate="x")),
        lambda _: {},
        "person.salt can't be empty",
    ),
    "a key that nobody makes": (
        lambda: Host(id=mapped_column(sa.String(26), primary_key=True)),
        lambda _: {},
        "person.id can't be empty",
    ),
    "a column that is only computed from": (
        lambda: Host(
            salt=required(sa.String(40)),
            shown=column_property(sa.literal_column("salt", sa.String)),
        ),
        lambda _: {},
        "person.salt can't be empty",
    ),
    "a default of another model": (
        Host,
        lambda host: {"defaults": {host.Team.name: "x"}},
        "Meta.defaults names Team.name, which is no attribute of Person",
    ),
    "a factory that is none": (
        Host,
        lambda _: {"factory": "Person"},
        "Meta.factory is 'Person'; set it to a function",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_cant_be_made_is_refused_at_start_up(what: str) -> None:
    """The message names the schema, the column and what to write."""
    declare, meta, said = MISSING[what]
    host = declare()
    refused = host.refused(**meta(host))
    assert refused.startswith("PortalUser: ")
    assert said in refused


def _versioned() -> Host:
    edition = mapped_column(sa.Integer, nullable=False)
    return Host(edition=edition, __mapper_args__={"version_id_col": edition})


FILLED: dict[str, Callable[[], Host]] = {
    "a version": _versioned,
    "a default": lambda: Host(salt=required(sa.String(40), default="x")),
    "an insert_default": lambda: Host(salt=required(sa.String(40), insert_default=lambda: "x")),
    "a server_default": lambda: Host(salt=required(sa.String(40), server_default="x")),
    "what the database fetches": lambda: Host(
        salt=required(sa.String(40), server_default=sa.FetchedValue())
    ),
    "a computed column": lambda: Host(long=required(sa.String(100), sa.Computed("login"))),
    "an identity": lambda: Host(id=mapped_column(sa.Integer, sa.Identity(), primary_key=True)),
    "a key made in Python": lambda: Host(
        id=mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    ),
}


@pytest.mark.parametrize("what", FILLED)
def test_what_the_mapper_or_the_database_fills_is_not_asked_for(what: str) -> None:
    host = FILLED[what]()
    start(host.db, *host.schemas())


def test_a_required_column_may_be_mapped_by_another_name(opened: Open) -> None:
    """By a synonym, by one of the columns of a composite, by an expression that has a setter."""

    class Size:
        def __init__(self, width: int, height: int) -> None:
            self.width, self.height = width, height

        def __composite_values__(self) -> tuple[int, int]:
            return self.width, self.height

    host = Host(
        alias=required(sa.String(40)),
        nick=synonym("alias"),
        width=required(sa.Integer),
        height=required(sa.Integer, default=2),
        size=composite(Size, "width", "height"),
        full=required(sa.String(100)),
    )
    person = host.Person

    def set_full(entity: Any, value: str | None) -> None:
        entity.full = value or ""

    more = {
        "nick_name": fields.Attribute(person.nick),
        "employee_number": fields.Attribute(person.width),
        "display_name": fields.Computed(sa.func.lower(person.full), write=set_full),
    }
    portal = opened(host.db, *host.schemas(more))
    sent = {"nickName": "Babs", "displayName": "Ada", "userName": "ada"}
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    provision(portal, "Users", **sent, **{urn: {"employeeNumber": "7"}})
    row = host.person(portal)
    assert (row.alias, row.size.width, row.size.height, row.full) == ("Babs", 7, 2, "Ada")
