"""What a model's attributes may be: named otherwise, computed, deferred; and models of no table."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    Mapped,
    column_property,
    deferred,
    mapped_column,
    relationship,
    synonym,
)

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping.errors import MappingError

from .host_shapes import Open, fresh, group_schema, names, opened, provision, start, user_schema

__all__ = ["opened"]


class Named:
    """An old schema, in which no column is called as its attribute is."""

    def __init__(self) -> None:
        db = self.db = fresh()

        class Audited:
            """A mixin with a column, and one that says more of it."""

            remarks: Mapped[str] = mapped_column("REMARKS", sa.String(100), default="by portal")

        class Person(Audited, db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "USR"

            key: Mapped[int] = mapped_column("USR_NO", primary_key=True)
            login: Mapped[str] = mapped_column("USR_LOGIN", sa.String(100), unique=True)
            first: Mapped[str | None] = mapped_column("USR_FIRST", sa.String(100))
            last: Mapped[str | None] = mapped_column("USR_LAST", sa.String(100))
            locked: Mapped[int] = mapped_column("USR_LOCKED", default=0)
            nick: Mapped[str | None] = deferred(mapped_column("USR_NICK", sa.String(100)))
            notes: Mapped[dict[str, Any] | None] = mapped_column(
                "USR_NOTES", sa.JSON, deferred=True, deferred_raiseload=True
            )
            boss_key: Mapped[int | None] = mapped_column("USR_BOSS", sa.ForeignKey("USR.USR_NO"))
            boss = relationship("Person", remote_side="Person.key")
            initials = column_property(
                sa.func.substr(first, 1, 1, type_=sa.String).concat(
                    sa.func.substr(last, 1, 1, type_=sa.String)
                )
            )
            name = synonym("login")

            @hybrid_property
            def enabled(self) -> bool:
                """Whether the person may sign in."""
                return self.locked == 0

            @enabled.inplace.setter
            def _set_enabled(self, value: bool) -> None:
                self.locked = 0 if value else 1

            @enabled.inplace.expression
            @classmethod
            def _enabled_in_sql(cls) -> Any:
                return cls.locked == 0

            @hybrid_property
            def shout(self) -> Any:
                """Only read."""
                return sa.func.upper(self.login) if not isinstance(self.login, str) else ""

        class Group(Audited, db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "GRP"

            key: Mapped[int] = mapped_column("GRP_NO", primary_key=True)
            label: Mapped[str] = mapped_column("GRP_LABEL", sa.String(100), unique=True)

        pairs = sa.Table(
            "GRP_USR",
            db.metadata,
            sa.Column("GRP", sa.ForeignKey("GRP.GRP_NO"), primary_key=True, key="group"),
            sa.Column("USR", sa.ForeignKey("USR.USR_NO"), primary_key=True, key="user"),
        )
        Group.people = relationship(Person, secondary=pairs)
        self.Person, self.Group = Person, Group

    def schemas(self) -> tuple[Any, Any]:
        """Return the schemas."""
        person = self.Person
        users = {
            "user_name": fields.Attribute(person.name),
            "name": fields.Complex(given_name=person.first, family_name=person.last),
            "title": fields.Attribute(person.initials),
            "display_name": fields.Attribute(person.shout),
            "nick_name": fields.Attribute(person.nick),
            "locale": fields.JsonKey(person.notes, "locale"),
            "active": fields.Attribute(person.enabled),
            "manager": fields.Reference(person.boss),
        }
        groups = {
            "display_name": fields.Attribute(self.Group.label),
            "members": fields.Members(self.Group.people),
        }
        return user_schema(users, model=person), group_schema(groups, model=self.Group)


def test_attributes_are_called_otherwise_than_columns_everywhere(opened: Open) -> None:
    """In the person's table, the group's, and the one between them."""
    host = Named()
    portal = opened(host.db, *host.schemas())
    eve = provision(portal, "Users", userName="eve")
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    sent = {"name": {"givenName": "Ada", "familyName": "Lovelace"}, "nickName": "Babs"}
    sent[urn] = {"manager": {"value": eve["id"]}}
    ada = provision(portal, "Users", userName="ada", locale="en", **sent)
    read = portal.client.get(f"/Users/{ada['id']}").json
    assert read == ada
    assert (read["title"], read["displayName"], read["active"]) == ("AL", "ADA", True)
    assert (read["nickName"], read["locale"]) == ("Babs", "en")
    assert read[urn]["manager"]["value"] == eve["id"]
    group = provision(portal, "Groups", displayName="G", members=[{"value": ada["id"]}])
    members = portal.client.get(f"/Groups/{group['id']}").json["members"]
    assert [each["value"] for each in members] == [ada["id"]]
    row = portal.session.scalars(sa.select(host.Person).filter_by(login="ada")).one()
    assert (row.locked, row.remarks, row.boss.login) == (0, "by portal", "eve")


def test_what_is_computed_is_found_and_sorted_by(opened: Open) -> None:
    host = Named()
    portal = opened(host.db, *host.schemas())
    for name, last in (("ada", "Lovelace"), ("eve", "Hopper")):
        provision(portal, "Users", userName=name, name={"givenName": "A", "familyName": last})
    assert names(portal, filter='title eq "AL"') == ["ada"]
    assert names(portal, filter='displayName eq "EVE"') == ["eve"]
    assert names(portal, sortBy="title") == ["eve", "ada"]
    off = {"op": "replace", "path": "active", "value": False}
    (found,) = portal.client.get("/Users", filter='userName eq "ada"').json["Resources"]
    assert portal.client.patch(f"/Users/{found['id']}", [off]).status_code == 200
    assert names(portal, filter="active eq false") == ["ada"]
    row = portal.session.scalars(sa.select(host.Person).filter_by(login="ada")).one()
    assert row.locked == 1


@pytest.mark.parametrize("path", ["title", "displayName"])
def test_what_is_computed_cant_be_written_and_says_so(opened: Open, path: str) -> None:
    """RFC 7643 section 7: the schema says that it is read-only."""
    host = Named()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada")
    change = {"op": "replace", "path": path, "value": "X"}
    refused = portal.client.patch(f"/Users/{ada['id']}", [change])
    assert (refused.status_code, refused.json["scimType"]) == (400, "mutability")
    told = portal.client.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").json
    (attribute,) = [each for each in told["attributes"] if each["name"] == path]
    assert attribute["mutability"] == "readOnly"


def test_deferred_columns_are_written_without_being_read(opened: Open) -> None:
    """One that its model won't load by itself is, where a key of its JSON is changed."""
    host = Named()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada", nickName="Babs", locale="en")
    changes = [
        {"op": "replace", "path": "nickName", "value": "Countess"},
        {"op": "replace", "path": "locale", "value": "fr"},
    ]
    assert portal.client.patch(f"/Users/{ada['id']}", changes).status_code == 200
    read = portal.client.get(f"/Users/{ada['id']}").json
    assert (read["nickName"], read["locale"]) == ("Countess", "fr")


def test_the_portals_own_writes_of_such_attributes_are_new_versions(opened: Open) -> None:
    """What a computed attribute is made of counts, by whatever name it was written."""
    host = Named()
    portal = opened(host.db, *host.schemas())
    ada = provision(portal, "Users", userName="ada", name={"givenName": "A", "familyName": "L"})
    row = portal.session.scalars(sa.select(host.Person)).one()
    writes = (
        lambda: setattr(row, "enabled", False),
        lambda: setattr(row, "name", "augusta"),
        lambda: setattr(row, "last", "King"),
        lambda: setattr(row, "nick", "Babs"),
        lambda: setattr(row, "remarks", "unseen by SCIM"),
    )
    seen = []
    for write in writes:
        write()
        portal.session.commit()
        seen.append(portal.client.get(f"/Users/{ada['id']}").headers["ETag"])
    assert seen == ['W/"2"', 'W/"3"', 'W/"4"', 'W/"5"', 'W/"5"']


class Shown:
    """People that a portal sees through a view or a subquery, of a table that another one fills."""

    def __init__(self, way: str) -> None:
        db = self.db = fresh()

        class Staff(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "staff"

            id: Mapped[int] = mapped_column(primary_key=True)
            login: Mapped[str] = mapped_column(sa.String(100))
            left: Mapped[bool] = mapped_column(default=False)

        here = sa.select(Staff.id, Staff.login).where(Staff.left.is_(False))
        if way == "view":
            made = sa.table("people", sa.column("id", sa.Integer), sa.column("login", sa.String))
            view = "CREATE VIEW people AS SELECT id, login FROM staff WHERE NOT staff.left"
            if "left" in view:
                view = view.replace("staff.left", 'staff."left"')
            for names_ in (("sqlite", "postgresql"), ("mysql", "mariadb")):
                text = view if "sqlite" in names_ else view.replace('"', "`")
                ddl = sa.DDL(text).execute_if(dialect=names_)
                sa.event.listen(Staff.__table__, "after_create", ddl)
        else:
            made = here.subquery("people")

        class Person(db.Model):  # type: ignore[name-defined, misc]
            __table__ = made
            __mapper_args__ = {"primary_key": [made.c.id]}

        class Team(db.Model):  # type: ignore[name-defined, misc]
            __tablename__ = "team"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(100), unique=True)

        pairs = sa.Table(
            "pairs",
            db.metadata,
            sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
            sa.Column("person_id", sa.Integer, primary_key=True),
        )
        Team.people = relationship(
            Person,
            secondary=pairs,
            secondaryjoin=lambda: sa.orm.foreign(pairs.c.person_id) == Person.id,
        )
        self.Staff, self.Person, self.Team = Staff, Person, Team

    def schemas(self, **meta: Any) -> tuple[Any, Any]:
        """Return the schemas."""
        users = {"user_name": fields.Attribute(self.Person.login)}
        groups = {
            "display_name": fields.Attribute(self.Team.name),
            "members": fields.Members(self.Team.people),
        }
        return (
            user_schema(users, model=self.Person, **meta),
            group_schema(groups, model=self.Team),
        )


@pytest.mark.parametrize("way", ["view", "subquery"])
def test_what_isnt_a_table_is_read_and_not_written(opened: Open, way: str) -> None:
    """Each write is refused as SCIM, by a sentence; and the schema says it beforehand."""
    host = Shown(way)
    portal = opened(host.db, *host.schemas(read_only=True))
    assert not portal.db.metadata.tables["scim_user_link"].foreign_keys
    portal.add(host.Staff(login="ada"), host.Staff(login="eve", left=True), host.Staff(login="bob"))
    assert sorted(names(portal)) == ["ada", "bob"]
    assert names(portal, sortBy="userName", sortOrder="descending") == ["bob", "ada"]
    assert portal.client.get("/Users?count=0").json["totalResults"] == 2
    (ada,) = portal.client.get("/Users", filter='userName eq "ada"').json["Resources"]
    path = f"/Users/{ada['id']}"
    change = {"op": "replace", "path": "userName", "value": "augusta"}
    refusals = (
        portal.client.post("/Users", {"userName": "new"}),
        portal.client.put(path, {"userName": "augusta"}),
        portal.client.patch(path, [change]),
        portal.client.delete(path),
    )
    for refused in refusals:
        assert refused.status_code == 403
        assert refused.json["detail"].startswith("This portal's users can be read over SCIM")
    assert sorted(names(portal)) == ["ada", "bob"]
    told = portal.client.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").json
    assert {each["mutability"] for each in told["attributes"]} == {"readOnly"}
    group = provision(portal, "Groups", displayName="G", members=[{"value": ada["id"]}])
    assert [each["value"] for each in group["members"]] == [ada["id"]]


def test_a_subquery_that_isnt_said_to_be_read_only_is_refused_at_start_up() -> None:
    host = Shown("subquery")
    with pytest.raises(MappingError, match=r"Person is mapped to a Subquery.*read_only = True"):
        start(host.db, *host.schemas())


def test_read_only_and_new_rows_contradict_each_other() -> None:
    host = Shown("subquery")
    with pytest.raises(MappingError, match=r"Meta\.read_only makes no new rows"):
        start(host.db, *host.schemas(read_only=True, defaults={host.Person.login: "x"}))
