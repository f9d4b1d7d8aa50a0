"""Keys of every kind, and keys that a database gives away a second time."""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping import doctor
from flask_scim_provisioning.services import signals
from tests.portal import Portal

from .host_shapes import Open, fresh, group_schema, names, opened, provision, user_schema

__all__ = ["opened"]

URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Badge(sa.TypeDecorator[str]):
    """A number with a letter before it, kept as a number."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> int | None:
        """Take the letter off."""
        return None if value is None else int(value[1:])

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> str | None:
        """Put it back."""
        return None if value is None else f"B{value}"


_numbers = itertools.count(1)

KEYS: dict[str, tuple[Any, Callable[[], Any]]] = {
    "string": (sa.String(40), lambda: f"person {next(_numbers)}"),
    "uuid": (sa.Uuid(), uuid.uuid4),
    "ulid": (sa.CHAR(26), lambda: secrets.token_hex(13).upper()),
    "decorated": (Badge(), lambda: f"B{next(_numbers)}"),
}


class Keyed:
    """People and teams whose keys have one column, which ``default`` makes."""

    def __init__(self, kind: str) -> None:
        db = self.db = fresh()
        type_, default = KEYS[kind]

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            key: Mapped[Any] = mapped_column("person_key", type_, primary_key=True, default=default)
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            enabled: Mapped[bool] = mapped_column(default=True)
            boss_key: Mapped[Any] = mapped_column(
                type_, sa.ForeignKey("person.person_key"), nullable=True
            )
            boss = relationship("Person", remote_side="Person.key")

        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team", type_, sa.ForeignKey("team.team_key"), primary_key=True),
            sa.Column("person", type_, sa.ForeignKey("person.person_key"), primary_key=True),
        )

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            key: Mapped[Any] = mapped_column("team_key", type_, primary_key=True, default=default)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            people = relationship(Person, secondary=pairs)

        self.Person, self.Team = Person, Team


class Composite:
    """People and teams that are known by their organisation and a number in it."""

    def __init__(self) -> None:
        db = self.db = fresh()

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            # The order of the columns isn't that of the key.
            number: Mapped[int] = mapped_column("no", default=lambda: next(_numbers))
            org: Mapped[str] = mapped_column(sa.String(10), default="acme")
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            enabled: Mapped[bool] = mapped_column(default=True)
            boss_org: Mapped[str | None] = mapped_column(sa.String(10))
            boss_number: Mapped[int | None] = mapped_column()
            boss = relationship("Person", remote_side=[org, number])

            __table_args__ = (
                sa.PrimaryKeyConstraint("org", "no"),
                sa.ForeignKeyConstraint(["boss_org", "boss_number"], ["person.org", "person.no"]),
            )

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            org: Mapped[str] = mapped_column(sa.String(10), primary_key=True, default="acme")
            number: Mapped[int] = mapped_column(
                primary_key=True, autoincrement=False, default=lambda: next(_numbers)
            )
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)

        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_org", sa.String(10), primary_key=True),
            sa.Column("team_no", sa.Integer, primary_key=True),
            sa.Column("person_org", sa.String(10), primary_key=True),
            sa.Column("person_no", sa.Integer, primary_key=True),
            sa.ForeignKeyConstraint(["team_org", "team_no"], ["team.org", "team.number"]),
            sa.ForeignKeyConstraint(["person_org", "person_no"], ["person.org", "person.no"]),
        )
        Team.people = relationship(Person, secondary=pairs)
        self.Person, self.Team, self.pairs = Person, Team, pairs


def schemas(host: Any, **meta: Any) -> tuple[Any, Any]:
    users = {
        "user_name": fields.Attribute(host.Person.login),
        "active": fields.Attribute(host.Person.enabled),
        "manager": fields.Reference(host.Person.boss),
    }
    groups = {
        "display_name": fields.Attribute(host.Team.name),
        "members": fields.Members(host.Team.people),
    }
    return user_schema(users, model=host.Person, **meta), group_schema(groups, model=host.Team)


def whole_life(portal: Portal, host: Any) -> None:
    """Create, find, change, page through, put into groups, and delete."""
    before = portal.add(host.Person(login="before"))
    eve = provision(portal, "Users", userName="eve", externalId="x-eve")
    manager = {"manager": {"value": eve["id"]}}
    ada = provision(portal, "Users", userName="ada", **{URN: manager})
    assert ada[URN]["manager"]["value"] == eve["id"]
    everybody = {
        each
        for start in (1, 2, 3)
        for each in names(portal, startIndex=start, count=1, sortBy="userName")
    }
    assert everybody == {"ada", "before", "eve"}
    assert sorted(names(portal, startIndex=2, count=9)) != []
    assert names(portal, filter='externalId eq "x-eve"') == ["eve"]
    assert names(portal, filter=f'{URN}:manager.value eq "{eve["id"]}"') == ["ada"]
    cursor = portal.client.get("/Users?cursor&count=2").json
    rest = portal.client.get("/Users", cursor=cursor["nextCursor"], count=2).json
    assert len(cursor["Resources"]) + len(rest["Resources"]) == 3
    told: list[Any] = []
    with signals.membership_changed.connected_to(lambda _, **sent: told.append(sent)):
        members = [{"value": each["id"]} for each in (ada, eve)]
        team = provision(portal, "Groups", displayName="Team", members=members)
        gone = {"op": "remove", "path": f'members[value eq "{eve["id"]}"]'}
        assert portal.client.patch(f"/Groups/{team['id']}", [gone]).status_code in (200, 204)
    read = portal.client.get(f"/Groups/{team['id']}").json
    assert [each["value"] for each in read["members"]] == [ada["id"]]
    found = portal.client.get("/Groups", filter=f'members.value eq "{ada["id"]}"').json
    assert found["totalResults"] == 1
    groups = portal.client.get(f"/Users/{ada['id']}", attributes="groups").json["groups"]
    assert [each["value"] for each in groups] == [team["id"]]
    rows = portal.session.scalars(sa.select(host.Person)).all()
    keys = {row.login: sa.inspect(row).identity for row in rows}
    plain = {name: key[0] if len(key) == 1 else tuple(key) for name, key in keys.items()}
    assert set(told[0]["added"]) == {plain["ada"], plain["eve"]}
    assert set(told[1]["removed"]) == {plain["eve"]}
    row = next(row for row in rows if row.login == "ada")
    row.login = "augusta"
    portal.session.commit()
    assert portal.client.get(f"/Users/{ada['id']}").headers["ETag"] == 'W/"2"'
    assert portal.client.delete(f"/Groups/{team['id']}").status_code == 204
    assert portal.client.delete(f"/Users/{ada['id']}").status_code == 204
    assert before is not None


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_may_be_of_any_type(opened: Open, kind: str) -> None:
    host = Keyed(kind)
    portal = opened(host.db, *schemas(host))
    whole_life(portal, host)


def test_a_key_may_have_several_columns(opened: Open) -> None:
    """The link has a column for each, and one foreign key and one unique constraint over all."""
    host = Composite()
    portal = opened(host.db, *schemas(host))
    link = portal.db.metadata.tables["scim_user_link"]
    (foreign,) = link.foreign_key_constraints
    assert [element.target_fullname for element in foreign.elements] == ["person.org", "person.no"]
    assert foreign.column_keys == ["host_org", "host_number"]
    (unique,) = [each for each in link.constraints if isinstance(each, sa.UniqueConstraint)]
    assert [column.name for column in unique.columns] == ["host_org", "host_number"]
    assert "host_id" not in link.c
    whole_life(portal, host)


def test_a_mapper_may_have_another_key_than_its_table(opened: Open) -> None:
    """A legacy table without a primary key that deserves the name."""
    db = fresh()

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        row: Mapped[int] = mapped_column(primary_key=True)
        badge: Mapped[str] = mapped_column(
            sa.String(20), unique=True, default=lambda: secrets.token_hex(4)
        )
        login: Mapped[str] = mapped_column(sa.String(100), unique=True)

        __mapper_args__ = {"primary_key": [badge]}

    class Team(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(100), unique=True)

    users = user_schema({"user_name": fields.Attribute(Person.login)}, model=Person)
    groups = group_schema({"display_name": fields.Attribute(Team.name)}, model=Team)
    portal = opened(db, users, groups)
    link = portal.db.metadata.tables["scim_user_link"]
    assert {key.column for key in link.foreign_keys} == {Person.__table__.c.badge}
    ada = provision(portal, "Users", userName="ada")
    change = {"op": "replace", "path": "userName", "value": "augusta"}
    assert portal.client.patch(f"/Users/{ada['id']}", [change]).status_code == 200
    assert names(portal) == ["augusta"]


class Reused:
    """SQLite gives the last key to the next row; here no connection enforces foreign keys."""

    def __init__(self, opened: Open) -> None:
        db = fresh()

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "person"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            enabled: Mapped[bool] = mapped_column(default=True)

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)

        users = {
            "user_name": fields.Attribute(Person.login),
            "active": fields.Attribute(Person.enabled),
        }
        groups = {"display_name": fields.Attribute(Team.name)}
        self.Person = Person
        self.portal = opened(db, user_schema(users, model=Person), group_schema(groups, model=Team))
        engine = self.portal.engine
        if engine.dialect.name == "sqlite":
            self.portal.session.close()
            engine.dispose()

            @sa.event.listens_for(engine, "connect")
            def enforce_nothing(connection: Any, _record: Any) -> None:
                connection.execute("PRAGMA foreign_keys = OFF")


def orm_delete(session: Session, model: Any) -> None:
    session.delete(session.scalars(sa.select(model)).one())


def statement_delete(session: Session, model: Any) -> None:
    session.execute(sa.delete(model))


def sql_delete(session: Session, model: Any) -> None:
    session.execute(sa.text("DELETE FROM person"))


def orm_insert(session: Session, model: Any, row: dict[str, Any]) -> None:
    session.add(model(**row))


def statement_insert(session: Session, model: Any, row: dict[str, Any]) -> None:
    session.execute(sa.insert(model), [row])


def bulk_insert(session: Session, model: Any, row: dict[str, Any]) -> None:
    session.bulk_insert_mappings(model, [row])


def bulk_save(session: Session, model: Any, row: dict[str, Any]) -> None:
    session.bulk_save_objects([model(**row)])


def core_insert(session: Session, model: Any, row: dict[str, Any]) -> None:
    session.connection().execute(sa.insert(model.__table__), row)


def sql_insert(session: Session, model: Any, row: dict[str, Any]) -> None:
    insert = "INSERT INTO person (id, login, enabled) VALUES (:id, :login, :enabled)"
    session.execute(sa.text(insert), row)


@pytest.mark.parametrize("delete", [orm_delete, statement_delete, sql_delete])
@pytest.mark.parametrize(
    "insert", [orm_insert, statement_insert, bulk_insert, bulk_save, core_insert, sql_insert]
)
def test_an_id_is_never_somebody_elses(
    opened: Open, delete: Callable[..., None], insert: Callable[..., None]
) -> None:
    """RFC 7643 section 3.1, in whatever way the portal deletes and inserts."""
    host = Reused(opened)
    portal, model = host.portal, host.Person
    ada = provision(portal, "Users", userName="ada", externalId="x", title="Countess")
    key = portal.session.scalars(sa.select(model.id)).one()
    delete(portal.session, model)
    portal.session.commit()
    assert portal.client.get("/Users?count=0").json["totalResults"] == 0
    insert(portal.session, model, {"id": key, "login": "mallory", "enabled": True})
    portal.session.commit()
    assert portal.client.get(f"/Users/{ada['id']}").status_code == 404
    assert names(portal, filter='externalId eq "x"') == []
    (mallory,) = portal.client.get("/Users").json["Resources"]
    assert mallory["id"] != ada["id"]
    assert "title" not in mallory


def test_who_is_created_over_scim_has_an_id_of_their_own(opened: Open) -> None:
    """Also where the database gives them the key of somebody whom the portal has deleted."""
    host = Reused(opened)
    portal = host.portal
    ada = provision(portal, "Users", userName="ada", title="Countess")
    with portal.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM person"))
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}
        for name in ("eve", "bob")
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]}
    answer = portal.client.post("/Bulk", {**bulk, "Operations": operations}).json
    assert [each["status"] for each in answer["Operations"]] == ["201", "201"]
    found = portal.client.get("/Users").json["Resources"]
    assert len({each["id"] for each in found} | {ada["id"]}) == 3
    assert not any("title" in each for each in found)


def test_a_failed_insert_of_the_portals_leaves_the_guard_awake(opened: Open) -> None:
    """What a flush has begun and not ended doesn't count for the next transaction."""
    host = Reused(opened)
    portal, model = host.portal, host.Person
    ada = provision(portal, "Users", userName="ada")
    row = portal.session.scalars(sa.select(model)).one()
    key, session = row.id, portal.session
    session.add(model(login="ada"))
    with pytest.raises(sa.exc.IntegrityError):
        session.flush()
    session.rollback()
    sql_delete(session, model)
    core_insert(session, model, {"id": key, "login": "mallory", "enabled": True})
    session.commit()
    assert portal.client.get(f"/Users/{ada['id']}").status_code == 404


def test_where_keys_are_enforced_nothing_is_asked(opened: Open) -> None:
    """A portal that enforces its foreign keys pays nothing for those that don't."""
    host = Composite()
    portal = opened(host.db, *schemas(host))
    provision(portal, "Users", userName="ada")
    with portal.statements() as cost:
        portal.add(host.Person(login="eve"))
    assert [text for text in cost.statements if "scim_" in text] == []


def findings(portal: Portal, level: str) -> list[Any]:
    """Return what the doctor says of the keys of people."""
    mapping = portal.app.extensions["scim_provisioning"].mappings["Users"]
    with portal.engine.connect() as connection:
        return [each for each in doctor.keys(mapping, connection) if each.level == level]


def test_the_doctor_tells_where_keys_are_enforced(opened: Open) -> None:
    host = Composite()
    assert [each.level for each in findings(opened(host.db, *schemas(host)), "ok")] == ["ok"]


def test_the_doctor_has_the_statement_where_they_arent(opened: Open) -> None:
    """A trigger on SQLite, which then lets no insert take over an id, whoever makes it."""
    host = Reused(opened)
    portal = host.portal
    if portal.engine.dialect.name != "sqlite":
        without_foreign_key(portal)
    (problem,) = findings(portal, "warning")
    assert problem.statement is not None
    assert "scim_user_link" in problem.message
    ada = provision(portal, "Users", userName="ada", externalId="x")
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(problem.statement)
    assert findings(portal, "warning") == []
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM person")
        links = portal.db.metadata.tables["scim_user_link"]
        assert connection.scalar(sa.select(sa.func.count()).select_from(links)) == 0
    assert portal.client.get(f"/Users/{ada['id']}").status_code == 404


def without_foreign_key(portal: Portal) -> None:
    """Take the foreign key away, as a migration that was edited may have done."""
    with portal.engine.begin() as connection:
        (found,) = sa.inspect(connection).get_foreign_keys("scim_user_link")
        kind = "FOREIGN KEY" if portal.engine.dialect.name == "mysql" else "CONSTRAINT"
        connection.exec_driver_sql(f"ALTER TABLE scim_user_link DROP {kind} {found['name']}")


def test_the_doctor_counts_what_is_left_of_rows_that_are_gone(opened: Open) -> None:
    host = Reused(opened)
    portal = host.portal
    if portal.engine.dialect.name != "sqlite":
        without_foreign_key(portal)
    for name in ("ada", "eve"):
        provision(portal, "Users", userName=name)
    with portal.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM person WHERE login = 'ada'")
    warning = findings(portal, "warning")[-1]
    assert "1 rows of scim_user_link belong to rows that are gone" in warning.message
    with portal.engine.begin() as connection:
        connection.exec_driver_sql(warning.statement)
    assert not any("are gone" in each.message for each in findings(portal, "warning"))
    assert names(portal) == ["eve"]
