"""Models of a hierarchy: joined tables, a single table, users and groups of one base."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping.errors import MappingError

from .host_shapes import Open, fresh, group_schema, names, opened, provision, start, user_schema

__all__ = ["opened"]

OFF = {"op": "replace", "path": "active", "value": False}


class Joined:
    """Parties, of whom some are employees, of whom some are managers; each has a table."""

    def __init__(self, *, polymorphic: bool = False) -> None:
        db = self.db = fresh()
        more = {"with_polymorphic": "*"} if polymorphic else {}

        class Party(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "party"

            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(sa.String(20))
            name: Mapped[str | None] = mapped_column(sa.String(100))
            edition: Mapped[int] = mapped_column()
            boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("party.id"))
            boss = relationship("Party", remote_side="Party.id")

            __mapper_args__ = {
                "polymorphic_on": "kind",
                "polymorphic_identity": "party",
                "version_id_col": edition,
                **more,
            }

        class Employee(Party):
            __tablename__ = "employee"

            number: Mapped[int] = mapped_column(sa.ForeignKey("party.id"), primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100), unique=True)
            employed: Mapped[bool] = mapped_column(default=True)
            mentor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("employee.number"))
            mentor = relationship("Employee", foreign_keys=mentor_id, remote_side="Employee.number")

            __mapper_args__ = {
                "polymorphic_identity": "employee",
                "inherit_condition": number == Party.id,
            }

        class Manager(Employee):
            __tablename__ = "manager"

            key: Mapped[int] = mapped_column(sa.ForeignKey("employee.number"), primary_key=True)
            bonus: Mapped[int] = mapped_column(default=0)

            __mapper_args__ = {"polymorphic_identity": "manager"}

        pairs = sa.Table(
            "crew_employee",
            db.metadata,
            sa.Column("crew_id", sa.ForeignKey("crew.id"), primary_key=True),
            sa.Column("party_id", sa.ForeignKey("party.id"), primary_key=True),
        )

        class Crew(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "crew"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            crew = relationship(
                Employee, secondary=pairs, secondaryjoin=lambda: pairs.c.party_id == Party.id
            )

        self.Party, self.Employee, self.Manager, self.Crew = Party, Employee, Manager, Crew
        self.pairs = pairs

    def schemas(self, model: Any = None, manager: Any = None, **meta: Any) -> tuple[Any, Any]:
        """Return the schemas, over the employees unless told otherwise."""
        model = model or self.Employee
        users = {
            "user_name": fields.Attribute(model.login),
            "display_name": fields.Attribute(self.Party.name),
            "active": fields.Attribute(model.employed),
        }
        if manager is not None:
            users["manager"] = fields.Reference(manager)
        groups = {
            "display_name": fields.Attribute(self.Crew.name),
            "members": fields.Members(self.Crew.crew),
        }
        return user_schema(users, model=model, **meta), group_schema(groups, model=self.Crew)


@pytest.mark.parametrize("polymorphic", [False, True], ids=["plain", "with_polymorphic"])
def test_a_person_is_a_row_of_each_table(opened: Open, polymorphic: bool) -> None:
    """All that the mapper fills is filled, and all that SCIM asks for is found in either table."""
    host = Joined(polymorphic=polymorphic)
    portal = opened(host.db, *host.schemas())
    portal.add(host.Party(name="A customer"))
    portal.add(host.Manager(login="boss", name="Boss", bonus=7))
    ada = provision(portal, "Users", userName="ada", displayName="Ada")
    row = portal.session.scalars(sa.select(host.Employee).filter_by(login="ada")).one()
    assert (row.kind, row.name, row.edition, row.number) == ("employee", "Ada", 1, row.id)
    assert names(portal, filter='displayName sw "A"') == ["ada"]
    assert sorted(names(portal)) == ["ada", "boss"]
    assert names(portal, sortBy="displayName", sortOrder="descending") == ["boss", "ada"]
    assert names(portal, startIndex=2, count=1) == ["ada"]
    assert portal.client.get("/Users?count=0").json["totalResults"] == 2
    change = {"op": "replace", "path": "displayName", "value": "Countess"}
    assert portal.client.patch(f"/Users/{ada['id']}", [change, OFF]).status_code == 200
    portal.session.refresh(row)
    assert (row.name, row.employed, row.edition) == ("Countess", False, 2)


def test_a_deleted_person_leaves_no_row_in_either_table(opened: Open) -> None:
    host = Joined()
    portal = opened(host.db, *host.schemas(on_delete="delete"))
    role = sa.update(portal.app.extensions["scim_provisioning"].models.role)
    permissions = {
        "USERS": ["CREATE", "READ", "UPDATE", "DELETE"],
        "GROUPS": ["CREATE", "READ"],
        "BINDINGS": ["CREATE"],
    }
    portal.session.execute(role.values(permissions=permissions))
    portal.session.commit()
    ada = provision(portal, "Users", userName="ada")
    provision(portal, "Groups", displayName="Crew", members=[{"value": ada["id"]}])
    assert portal.client.delete(f"/Users/{ada['id']}").status_code == 204
    for table in (host.Party.__table__, host.Employee.__table__, host.pairs):
        assert portal.session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_a_schema_over_a_subclass_has_its_own_rows_only(opened: Open) -> None:
    """The managers alone: what is true of every other party isn't asked."""
    host = Joined()
    portal = opened(host.db, *host.schemas(host.Manager))
    clerk = portal.add(host.Employee(login="clerk"))
    provision(portal, "Users", userName="boss")
    assert names(portal) == ["boss"]
    assert names(portal, filter='userName eq "clerk"') == []
    assert portal.client.get("/Users?count=0").json["totalResults"] == 1
    taken = portal.client.post("/Users", {"userName": "clerk"})
    assert (taken.status_code, taken.json["scimType"]) == (409, "uniqueness")
    assert portal.session.get(host.Party, clerk.id).kind == "employee"
    found = portal.session.scalars(sa.select(host.Manager)).one()
    assert (found.kind, found.bonus, found.key) == ("manager", 0, found.id)


def test_who_is_no_employee_is_no_member(opened: Open) -> None:
    """The secondary table names parties of any kind; SCIM tells of its own."""
    host = Joined()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada")
    crew = provision(portal, "Groups", displayName="Crew", members=[{"value": ada["id"]}])
    customer = portal.add(host.Party(name="A customer"))
    with portal.engine.begin() as connection:
        crew_id = connection.scalar(sa.select(host.Crew.id))
        connection.execute(host.pairs.insert().values(crew_id=crew_id, party_id=customer.id))
    read = portal.client.get(f"/Groups/{crew['id']}").json
    assert [each["value"] for each in read["members"]] == [ada["id"]]


@pytest.mark.parametrize("way", ["base", "subclass"])
def test_a_manager_is_of_the_base_or_of_the_subclass(opened: Open, way: str) -> None:
    """A relationship to the base may lead to somebody whom SCIM doesn't know."""
    host = Joined()
    relation = host.Party.boss if way == "base" else host.Employee.mentor
    users, groups = host.schemas(manager=relation)
    portal = opened(host.db, users, groups)
    eve = provision(portal, "Users", userName="eve")
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ada = provision(portal, "Users", userName="ada", **{urn: {"manager": {"value": eve["id"]}}})
    assert ada[urn]["manager"]["value"] == eve["id"]
    found = f'{urn}:manager.value eq "{eve["id"]}"'
    assert names(portal, filter=found) == ["ada"]
    if way == "base":
        row = portal.session.scalars(sa.select(host.Employee).filter_by(login="ada")).one()
        row.boss = host.Party(name="A customer")
        portal.session.commit()
        read = portal.client.get(f"/Users/{ada['id']}")
        assert read.status_code == 200
        assert "manager" not in read.json.get(urn, {})


def test_what_the_portal_writes_in_either_table_is_a_new_version(opened: Open) -> None:
    host = Joined()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada", displayName="Ada")
    path = f"/Users/{ada['id']}"
    row = portal.session.scalars(sa.select(host.Party)).one()
    row.name = "Augusta"
    portal.session.commit()
    assert portal.client.get(path).headers["ETag"] == 'W/"2"'
    row = portal.session.scalars(sa.select(host.Employee)).one()
    row.login = "augusta"
    portal.session.commit()
    assert portal.client.get(path).headers["ETag"] == 'W/"3"'


def test_the_links_foreign_key_is_to_the_subclass_own_table(opened: Open) -> None:
    """Who is an employee no more has no resource, though the party stays."""
    host = Joined()
    portal = opened(host.db, *host.schemas())
    link = portal.db.metadata.tables["scim_user_link"]
    assert {key.column for key in link.foreign_keys} == {host.Employee.__table__.c.number}
    ada = provision(portal, "Users", userName="ada")
    with portal.engine.begin() as connection:
        connection.execute(sa.delete(host.Employee.__table__))
    assert portal.session.scalar(sa.select(sa.func.count()).select_from(link)) == 0
    assert portal.client.get(f"/Users/{ada['id']}").status_code == 404


class Single:
    """Humans, robots and teams in one table."""

    def __init__(self) -> None:
        db = self.db = fresh()

        class Principal(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "principal"

            id: Mapped[int] = mapped_column(primary_key=True)
            sort: Mapped[str] = mapped_column(sa.String(20))
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)
            enabled: Mapped[bool] = mapped_column(default=True)
            boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("principal.id"))
            boss = relationship("Principal", remote_side="Principal.id")

            __mapper_args__ = {"polymorphic_on": "sort"}

        pairs = sa.Table(
            "inside",
            db.metadata,
            sa.Column("outer_id", sa.ForeignKey("principal.id"), primary_key=True),
            sa.Column("inner_id", sa.ForeignKey("principal.id"), primary_key=True),
        )

        class Human(Principal):
            __mapper_args__ = {"polymorphic_identity": "human"}

        class Robot(Principal):
            __mapper_args__ = {"polymorphic_identity": "robot"}

        class Team(Principal):
            __mapper_args__ = {"polymorphic_identity": "team"}

            humans = relationship(
                Human,
                secondary=pairs,
                primaryjoin=lambda: Principal.id == pairs.c.outer_id,
                secondaryjoin=lambda: Principal.id == pairs.c.inner_id,
            )

        self.Principal, self.Human, self.Robot, self.Team = Principal, Human, Robot, Team
        self.pairs = pairs

    def schemas(self) -> tuple[Any, Any]:
        """Return the schemas of humans and teams."""
        users = {
            "user_name": fields.Attribute(self.Human.name),
            "active": fields.Attribute(self.Human.enabled),
            "manager": fields.Reference(self.Human.boss),
        }
        groups = {
            "display_name": fields.Attribute(self.Team.name),
            "members": fields.Members(self.Team.humans),
        }
        return user_schema(users, model=self.Human), group_schema(groups, model=self.Team)


def test_users_and_groups_of_one_table_are_told_apart(opened: Open) -> None:
    host = Single()
    portal = opened(host.db, *host.schemas())
    robot = portal.add(host.Robot(name="cron"))
    ada = provision(portal, "Users", userName="ada")
    team = provision(portal, "Groups", displayName="Team", members=[{"value": ada["id"]}])
    rows = portal.session.execute(sa.select(host.Principal.name, host.Principal.sort)).all()
    assert dict(map(tuple, rows)) == {"cron": "robot", "ada": "human", "Team": "team"}
    assert names(portal) == ["ada"]
    for kind in ("Users", "Groups"):
        assert portal.client.get(f"/{kind}?count=0").json["totalResults"] == 1
    assert portal.client.get("/Groups", filter='displayName eq "ada"').json["totalResults"] == 0
    team_row = portal.session.scalars(sa.select(host.Team)).one()
    with portal.engine.begin() as connection:
        pair = {"outer_id": team_row.id, "inner_id": robot.id}
        connection.execute(host.pairs.insert().values(pair))
    read = portal.client.get(f"/Groups/{team['id']}").json
    assert [each["value"] for each in read["members"]] == [ada["id"]]
    groups = portal.client.get(f"/Users/{ada['id']}", attributes="groups").json["groups"]
    assert [each["value"] for each in groups] == [team["id"]]
    assert portal.client.delete(f"/Groups/{team['id']}").status_code == 204
    left = portal.session.scalars(sa.select(host.Principal.name).order_by("name")).all()
    assert left == ["ada", "cron"]


def test_a_robot_is_nobodys_manager_for_scim(opened: Open) -> None:
    host = Single()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada")
    row = portal.session.scalars(sa.select(host.Human)).one()
    row.boss = host.Robot(name="cron")
    portal.session.commit()
    answer = portal.client.get(f"/Users/{ada['id']}")
    assert answer.status_code == 200
    assert not any("enterprise" in key for key in answer.json)
    assert names(portal) == ["ada"]


def test_a_base_that_is_nothing_itself_is_refused() -> None:
    """A new row would have no discriminator, and no class."""
    host = Single()
    _, groups = host.schemas()
    users = user_schema({"user_name": fields.Attribute(host.Principal.name)}, model=host.Principal)
    with pytest.raises(MappingError, match="Principal has no polymorphic_identity"):
        start(host.db, users, groups)
