"""What the portal's database or its own rules refuse is told as what it is."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.scim.urns import GROUP, USER
from tests.portal import Host, Portal

from .hosts import open_portal


class Shout(sa.TypeDecorator[str]):
    """A type of the portal's that refuses small letters when a row is written."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is not None and value != value.upper():
            raise ValueError(f"{value} isn't loud enough")
        return value


@functools.cache
def strict(*, shown: bool = False) -> Host:
    """A portal with rules of its own: constraints, validators, types."""

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)
    members = sa.Table(
        "crew_member",
        db.metadata,
        sa.Column("crew_id", sa.ForeignKey("crew.id"), primary_key=True),
        sa.Column("sailor_id", sa.ForeignKey("sailor.id"), primary_key=True),
    )

    class Sailor(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "sailor"
        __table_args__ = (
            sa.UniqueConstraint("badge", name="one_badge_each"),
            sa.CheckConstraint("berth <> 'bilge'", name="no_bilge"),
            sa.CheckConstraint("length(ghost) < 20", name="short_ghosts"),
        )

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(150), unique=True)
        badge: Mapped[str | None] = mapped_column(sa.String(50))
        berth: Mapped[str | None] = mapped_column(sa.String(50))
        rank: Mapped[str | None] = mapped_column(sa.String(50))
        cry: Mapped[str | None] = mapped_column(Shout)
        ghost: Mapped[str] = mapped_column(sa.String(30), default="boo", unique=True)

        @validates("rank")
        def check_rank(self, _key: str, rank: str) -> str:
            assert rank != "captain", f"{rank} is taken"
            if rank.startswith("x"):
                raise ValueError(f"no rank is called {rank}")
            return rank

    class Chest(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "chest"

        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("sailor.id"))

    class Crew(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "crew"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        sailors = relationship(Sailor, secondary=members)

    class SailorSchema(UserSchema):
        class Meta:
            model = Sailor
            on_delete = "delete"
            show_host_messages = shown

        user_name = fields.Attribute(Sailor.login)
        nick_name = fields.Attribute(Sailor.badge)
        locale = fields.Attribute(Sailor.berth)
        title = fields.Attribute(Sailor.rank)
        timezone = fields.Attribute(Sailor.cry, read=str, write=str)

    class CrewSchema(GroupSchema):
        class Meta:
            model = Crew

        display_name = fields.Attribute(Crew.name)
        members = fields.Members(Crew.sailors)

    provisioning = Provisioning(db, user_schema=SailorSchema, group_schema=CrewSchema)
    db.Chest = Chest
    return Host(db, Sailor, Crew, members, provisioning)


@pytest.fixture
def ship(database: str) -> Iterator[Callable[..., Portal]]:
    portals = []

    def opened(**options: Any) -> Portal:
        portals.append(open_portal(database, strict(**options)))
        return portals[-1]

    yield opened
    for portal in portals:
        portal.close()


def sailor(name: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": name, **more}


def test_another_attribute_that_is_taken_is_named(ship: Callable[..., Portal]) -> None:
    portal = ship()
    assert portal.client.post("/Users", sailor("ada", nickName="7")).status_code == 201
    with portal.engine.begin() as connection:
        connection.execute(sa.update(portal.models.User).values(ghost="ada's own"))
    answer = portal.client.post("/Users", sailor("bob", nickName="7"))
    assert (answer.status_code, answer.json["scimType"]) == (409, "uniqueness")
    assert answer.json["detail"].startswith("nickName is already in use")


def test_a_column_that_nobody_maps_is_no_twin_of_the_directorys(
    ship: Callable[..., Portal],
) -> None:
    """Nobody looks for a second Bob, who doesn't exist."""
    portal = ship()
    assert portal.client.post("/Users", sailor("ada")).status_code == 201
    answer = portal.client.post("/Users", sailor("bob"))
    assert answer.status_code == 409
    assert "scimType" not in answer.json
    assert "ghost" in answer.json["detail"]
    assert "userName" not in answer.json["detail"]


def test_a_check_names_its_attribute(ship: Callable[..., Portal]) -> None:
    answer = ship().client.post("/Users", sailor("ada", locale="bilge"))
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert "locale" in answer.json["detail"]


@pytest.mark.parametrize("rank", ["captain", "xebec"])
def test_a_validator_refuses_with_our_sentence(ship: Callable[..., Portal], rank: str) -> None:
    portal = ship()
    answer = portal.client.post("/Users", sailor("ada", title=rank))
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert answer.json["detail"].startswith("title: a rule of this portal")
    assert rank not in answer.json["detail"]
    ada = portal.client.post("/Users", sailor("ada", title="mate")).json
    change = [{"op": "replace", "path": "title", "value": rank}]
    assert portal.client.patch(f"/Users/{ada['id']}", change).status_code == 400
    assert portal.client.get(f"/Users/{ada['id']}").json["title"] == "mate"


def test_a_validator_may_be_quoted_where_the_team_says_so(ship: Callable[..., Portal]) -> None:
    answer = ship(shown=True).client.post("/Users", sailor("ada", title="xebec"))
    assert answer.json["detail"] == "title: no rank is called xebec"


def test_a_validator_that_fails_is_no_failure_of_the_service(
    ship: Callable[..., Portal], caplog: pytest.LogCaptureFixture
) -> None:
    """It was written for text, and meets None when a value is taken away."""
    portal = ship()
    ada = portal.client.post("/Users", sailor("ada", title="mate")).json
    with caplog.at_level(logging.WARNING, "flask_scim_provisioning"):
        answer = portal.client.patch(f"/Users/{ada['id']}", [{"op": "remove", "path": "title"}])
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert "check_rank" in caplog.text


def test_a_type_of_the_portals_refuses_when_the_row_is_written(
    ship: Callable[..., Portal],
) -> None:
    portal = ship()
    answer = portal.client.post("/Users", sailor("ada", timezone="ahoy"))
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert "ahoy" not in answer.json["detail"]
    assert portal.client.post("/Users", sailor("ada", timezone="AHOY")).status_code == 201


def test_who_is_in_use_is_not_deleted(ship: Callable[..., Portal]) -> None:
    """A foreign key that forbids a delete is no failure, and says by what."""
    portal = ship()
    role = portal.db.metadata.tables["scim_role"]
    with portal.engine.begin() as connection:
        permissions = {"USERS": ["CREATE", "READ", "UPDATE", "DELETE"]}
        connection.execute(sa.update(role).values(permissions=permissions))
    ada = portal.client.post("/Users", sailor("ada")).json
    row = portal.session.scalars(sa.select(portal.models.User)).one()
    portal.add(portal.db.Chest(owner_id=row.id))
    answer = portal.client.delete(f"/Users/{ada['id']}")
    assert answer.status_code == 409
    assert "still in use" in answer.json["detail"]
    assert portal.client.get(f"/Users/{ada['id']}").status_code == 200


def test_a_sequence_behind_its_table_is_the_portals_to_mend(ship: Callable[..., Portal]) -> None:
    """After an import each new row gets a number that is taken; no name is."""
    portal = ship()
    if portal.engine.dialect.name != "postgresql":
        # The others count from the table itself.
        assert portal.client.post("/Users", sailor("ada")).status_code == 201
        return
    crew = portal.models.Team.__table__
    with portal.engine.begin() as connection:
        connection.execute(crew.insert(), [{"id": 1, "name": "Deck"}, {"id": 2, "name": "Sails"}])
    answer = portal.client.post("/Groups", {"schemas": [GROUP], "displayName": "Galley"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "scimType" not in answer.json
    assert "crew" in answer.json["detail"]
