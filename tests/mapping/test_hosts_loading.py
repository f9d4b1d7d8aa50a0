"""What writing loads of the host: one row, whatever its model says of loading relationships."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship, with_loader_criteria

from flask_scim_provisioning import fields
from tests.portal import Portal

from .host_shapes import Open, fresh, group_schema, names, opened, provision, user_schema

__all__ = ["opened"]

MEMBERS = 200
STRATEGIES = (
    "select",
    "selectin",
    "joined",
    "subquery",
    "immediate",
    "raise",
    "raise_on_sql",
    "dynamic",
    "write_only",
    "noload",
)


class Crowd:
    """People in teams, loaded with each other in one of SQLAlchemy's ways."""

    def __init__(self, lazy: str) -> None:
        db = self.db = fresh()
        options: dict[str, Any] = {"lazy": lazy}
        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        )

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            enabled: Mapped[bool] = mapped_column(default=True)
            title: Mapped[str | None] = mapped_column(sa.String(100))
            teams = relationship("Team", secondary=pairs, back_populates="people", **options)

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            people = relationship(Person, secondary=pairs, back_populates="teams", **options)

        self.Person, self.Team, self.pairs = Person, Team, pairs

    def opened(self, opened: Open) -> Portal:
        """Open the portal, with a team of everybody."""
        users = {
            "user_name": fields.Attribute(self.Person.login),
            "title": fields.Attribute(self.Person.title),
            "active": fields.Attribute(self.Person.enabled),
        }
        groups = {
            "display_name": fields.Attribute(self.Team.name),
            "members": fields.Members(self.Team.people),
        }
        portal = opened(
            self.db,
            user_schema(users, model=self.Person),
            group_schema(groups, model=self.Team),
        )
        people = [{"id": n, "login": f"p{n}", "enabled": True} for n in range(1, MEMBERS + 1)]
        pairs = [{"team_id": 1, "person_id": person["id"]} for person in people]
        with portal.engine.begin() as connection:
            connection.execute(self.Person.__table__.insert(), people)
            connection.execute(self.Team.__table__.insert(), {"id": 1, "name": "Everybody"})
            connection.execute(self.pairs.insert(), pairs)
        return portal


@pytest.mark.filterwarnings("ignore:.*noload.*")
@pytest.mark.parametrize("lazy", STRATEGIES)
def test_no_membership_is_loaded_with_what_is_written(opened: Open, lazy: str) -> None:
    """Each request reads a few rows, and the same statements however the model loads."""
    crowd = Crowd(lazy)
    portal = crowd.opened(opened)
    (group,) = portal.client.get("/Groups?excludedAttributes=members").json["Resources"]
    (person,) = portal.client.get("/Users", filter='userName eq "p7"').json["Resources"]
    team, somebody = f"/Groups/{group['id']}", f"/Users/{person['id']}"
    rename = {"op": "replace", "path": "displayName", "value": "All of us"}
    title = {"op": "replace", "path": "title", "value": "Dr"}
    leave = {"op": "remove", "path": f'members[value eq "{person["id"]}"]'}
    requests = (
        lambda: portal.client.patch(f"{team}?excludedAttributes=members", [rename]),
        lambda: portal.client.patch(somebody, [title]),
        lambda: portal.client.patch(f"{team}?excludedAttributes=members", [leave]),
        lambda: portal.client.patch(f"{team}?excludedAttributes=members", [rename, leave]),
        lambda: portal.client.delete(somebody),
        lambda: portal.client.delete(team),
    )
    for request in requests:
        with portal.statements() as cost:
            assert request().status_code in (200, 204)
        assert cost.rows < 20, f"{cost.rows} rows\n" + "\n".join(cost.statements)
        assert cost.count < 25, "\n".join(cost.statements)
    with portal.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(crowd.pairs)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(crowd.Team)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(crowd.Person)) == MEMBERS


class Versioned:
    """People whose rows have a version of their own, and a listener that may be faster."""

    def __init__(self, opened: Open, times: int) -> None:
        db = fresh()

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            title: Mapped[str | None] = mapped_column(sa.String(100))
            edition: Mapped[int] = mapped_column()

            __mapper_args__ = {"version_id_col": edition}

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)

        self.left = times

        @sa.event.listens_for(Person, "before_update")
        def overtake(_mapper: Any, connection: sa.Connection, _person: Any) -> None:
            if self.left:
                self.left -= 1
                table = Person.__table__
                connection.execute(sa.update(table).values(edition=table.c.edition + 1))

        users = {
            "user_name": fields.Attribute(Person.login),
            "title": fields.Attribute(Person.title),
        }
        groups = {"display_name": fields.Attribute(Team.name)}
        self.Person = Person
        self.portal = opened(db, user_schema(users, model=Person), group_schema(groups, model=Team))


def test_who_is_overtaken_by_the_portal_tries_again(opened: Open) -> None:
    """The portal's own version of a row says that it has changed since it was read."""
    host = Versioned(opened, times=1)
    ada = provision(host.portal, "Users", userName="ada")
    change = {"op": "replace", "path": "title", "value": "Countess"}
    answer = host.portal.client.patch(f"/Users/{ada['id']}", [change])
    assert (answer.status_code, answer.json["title"]) == (200, "Countess")
    assert host.left == 0


def test_who_is_overtaken_again_and_again_is_told_to_come_back(opened: Open) -> None:
    """503 with Retry-After, and nothing is changed."""
    host = Versioned(opened, times=1000)
    ada = provision(host.portal, "Users", userName="ada")
    change = {"op": "replace", "path": "title", "value": "Countess"}
    answer = host.portal.client.patch(f"/Users/{ada['id']}", [change])
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    row = host.portal.session.scalars(sa.select(host.Person)).one()
    assert (row.title, row.edition) == (None, 1)


class Hidden:
    """People of whom a listener of the portal's hides some from each SELECT."""

    def __init__(self, opened: Open, *, unique: bool) -> None:
        db = fresh()

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100), unique=unique)
            enabled: Mapped[bool] = mapped_column(default=True)
            gone: Mapped[bool] = mapped_column(default=False)
            org: Mapped[str] = mapped_column(sa.String(10), default="acme")

        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        )

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            people = relationship(Person, secondary=pairs)

        self.org = "acme"

        @sa.event.listens_for(db.session, "do_orm_execute")
        def hide(state: Any) -> None:
            if state.is_select:
                org = self.org
                state.statement = state.statement.options(
                    with_loader_criteria(
                        Person,
                        lambda cls: sa.and_(cls.gone.is_(False), cls.org == org),
                        include_aliases=True,
                    )
                )

        users = {
            "user_name": fields.Attribute(Person.login),
            "active": fields.Attribute(Person.enabled),
        }
        groups = {
            "display_name": fields.Attribute(Team.name),
            "members": fields.Members(Team.people),
        }
        self.Person = Person
        self.portal = opened(db, user_schema(users, model=Person), group_schema(groups, model=Team))

    def hide(self, login: str) -> None:
        """Delete somebody as the portal does it."""
        with self.portal.engine.begin() as connection:
            table = self.Person.__table__
            connection.execute(sa.update(table).where(table.c.login == login).values(gone=True))


def test_who_is_hidden_by_the_portal_is_there_for_nobody(opened: Open) -> None:
    """Reading and writing, lists and counts, members and names."""
    host = Hidden(opened, unique=False)
    portal = host.portal
    ada, eve = (provision(portal, "Users", userName=name) for name in ("ada", "eve"))
    members = [{"value": each["id"]} for each in (ada, eve)]
    team = provision(portal, "Groups", displayName="Team", members=members)
    host.hide("ada")
    path = f"/Users/{ada['id']}"
    change = {"op": "replace", "path": "active", "value": False}
    answers = (
        portal.client.get(path),
        portal.client.patch(path, [change]),
        portal.client.put(path, {"userName": "ada"}),
        portal.client.delete(path),
    )
    assert [answer.status_code for answer in answers] == [404] * 4
    assert names(portal) == ["eve"]
    assert portal.client.get("/Users?count=0").json["totalResults"] == 1
    for projection in ({}, {"attributes": "members"}, {"attributes": "members.display"}):
        read = portal.client.get(f"/Groups/{team['id']}", **projection).json["members"]
        assert len(read) == 1
    for part in (f'value eq "{ada["id"]}"', 'display eq "ada"'):
        found = portal.client.get("/Groups", filter=f"members[{part}]").json
        assert found["totalResults"] == 0
    again = provision(portal, "Users", userName="ada")
    assert again["id"] != ada["id"]
    assert sorted(names(portal)) == ["ada", "eve"]


def test_a_name_that_the_database_keeps_for_a_hidden_person_is_taken(opened: Open) -> None:
    """A unique constraint counts what SELECTs don't see; it says so, and nothing is revived."""
    host = Hidden(opened, unique=True)
    provision(host.portal, "Users", userName="ada")
    host.hide("ada")
    refused = host.portal.client.post("/Users", {"userName": "ada"})
    assert (refused.status_code, refused.json["scimType"]) == (409, "uniqueness")
    with host.portal.engine.connect() as connection:
        assert connection.scalar(sa.select(host.Person.__table__.c.gone)) is True


def test_counts_are_of_whom_the_portal_shows_at_the_time(opened: Open) -> None:
    """A number that was counted for one organisation isn't told to another."""
    host = Hidden(opened, unique=True)
    host.portal.add(host.Person(login="a1"), host.Person(login="a2"))
    host.portal.add(host.Person(login="g1", org="globex"))
    counts = []
    for org in ("acme", "globex", "acme"):
        host.org = org
        counts.append(host.portal.client.get("/Users?count=0").json["totalResults"])
    assert counts == [2, 1, 2]


@pytest.mark.parametrize("lazy", ["selectin", "joined", "subquery", "immediate"])
def test_a_role_is_looked_up_without_the_people_who_have_it(opened: Open, lazy: str) -> None:
    """One that each person has, and one that many have in common."""
    db = fresh()
    pairs = sa.Table(
        "has",
        db.metadata,
        sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("role_id", sa.ForeignKey("role.id"), primary_key=True),
    )

    class Role(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "role"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)
        people = relationship("Person", back_populates="role", lazy=lazy)
        many = relationship("Person", secondary=pairs, back_populates="roles", lazy=lazy)

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(100), unique=True)
        role_id: Mapped[int] = mapped_column(sa.ForeignKey("role.id"))
        role = relationship(Role, back_populates="people", lazy=lazy)
        roles = relationship(Role, secondary=pairs, back_populates="many", lazy=lazy)

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)

    users = {
        "user_name": fields.Attribute(Person.login),
        "user_type": fields.Lookup(Person.role, by=Role.name),
        "roles": fields.LookupMany(Person.roles, by=Role.name),
    }
    schema = user_schema(users, model=Person, defaults={Person.role_id: 1})
    groups = {"display_name": fields.Attribute(Team.name)}
    portal = opened(db, schema, group_schema(groups, model=Team))
    portal.add(Role(id=1, name="Reader"), Role(id=2, name="Writer"))
    # Above the numbers that a counter of the database gives.
    numbers = range(1001, 1001 + MEMBERS)
    people = [{"id": n, "login": f"p{n}", "role_id": 1 + n % 2} for n in numbers]
    with portal.engine.begin() as connection:
        connection.execute(Person.__table__.insert(), people)
        has = [{"person_id": each["id"], "role_id": 2} for each in people]
        connection.execute(pairs.insert(), has)
    (found,) = portal.client.get("/Users", filter='userName eq "p1007"').json["Resources"]
    changes = [
        {"op": "replace", "path": "userType", "value": "Reader"},
        {"op": "add", "path": "roles", "value": [{"value": "Reader"}]},
    ]
    new = {"userName": "new", "userType": "Writer", "roles": [{"value": "Writer"}]}
    for request in (
        lambda: portal.client.patch(f"/Users/{found['id']}", changes),
        lambda: portal.client.post("/Users", new),
    ):
        with portal.statements() as cost:
            answer = request()
            assert answer.status_code in (200, 201), answer.text
        assert cost.rows < 30, f"{cost.rows} rows\n" + "\n".join(cost.statements)
