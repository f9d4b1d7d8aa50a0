"""Portals whose tables look nothing like SCIM, one for each way in which a team may map them."""

from __future__ import annotations

import enum
import functools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.mapping import MembershipStore
from flask_scim_provisioning.scim.attributes import Attribute, Schema, Type
from tests.compiled import assemble_once
from tests.databases import make_tables
from tests.portal import Host, Portal, write_ahead

__all__ = ["URN", "Level", "one_team_each", "open_portal", "unusual"]

URN = "urn:example:params:scim:schemas:portal:2.0:User"

OWN = Schema(
    URN,
    "PortalUser",
    "What only this portal knows, with an attribute of every type.",
    (
        Attribute("tag"),
        Attribute("trial", Type.BOOLEAN),
        Attribute("seats", Type.INTEGER),
        Attribute("rate", Type.DECIMAL),
        Attribute("hired", Type.DATE_TIME),
        Attribute("seal", Type.BINARY, case_exact=True),
        Attribute("home", Type.REFERENCE, reference_types=("external",)),
        Attribute(
            "desk",
            Type.COMPLEX,
            sub_attributes=(Attribute("building"), Attribute("floor", Type.INTEGER)),
        ),
        Attribute("remark"),
        Attribute("bench"),
        Attribute("score", Type.INTEGER),
        Attribute("languages", multi_valued=True),
    ),
)


class Level(enum.Enum):
    """What the portal calls people."""

    JUNIOR = "Junior"
    SENIOR = "Senior"


def _fresh() -> SQLAlchemy:
    class Base(DeclarativeBase):
        """The portal's own base."""

    return SQLAlchemy(model_class=Base)


@functools.cache
def unusual() -> Host:
    """A portal that uses every kind of field; its keys are UUIDs and its members have a date."""
    db = _fresh()

    class Role(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "role"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(50), unique=True)

    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        login: Mapped[str] = mapped_column(sa.String(150), unique=True)
        full_name: Mapped[str] = mapped_column(sa.String(200), default="")
        disabled_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
        settings: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
        role_id: Mapped[int | None] = mapped_column(sa.ForeignKey("role.id"))
        role = relationship(Role)
        phone: Mapped[str | None] = mapped_column(sa.String(50))
        street: Mapped[str | None] = mapped_column(sa.String(100))
        city: Mapped[str | None] = mapped_column(sa.String(100))
        level: Mapped[Level | None] = mapped_column(sa.Enum(Level))
        bench: Mapped[str | None] = mapped_column(sa.Enum("Wood", "Oak", name="bench"))
        badge: Mapped[int | None] = mapped_column()
        object_id: Mapped[uuid.UUID | None] = mapped_column()
        nickname: Mapped[str] = mapped_column(sa.String(50), default="")
        timezone: Mapped[str] = mapped_column(sa.String(50), server_default="UTC")
        manager_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("person.id"))
        manager = relationship("Person", remote_side="Person.id")
        tag: Mapped[str | None] = mapped_column(sa.Text)
        trial: Mapped[bool] = mapped_column(default=False)
        seats: Mapped[int | None] = mapped_column(sa.BigInteger)
        rate: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
        hired: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
        seal: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
        home: Mapped[str | None] = mapped_column(sa.String(200))
        building: Mapped[str | None] = mapped_column(sa.String(20))
        floor: Mapped[int | None] = mapped_column()
        emails = relationship("PersonEmail", cascade="all, delete-orphan")

    class PersonEmail(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person_email"

        id: Mapped[int] = mapped_column(primary_key=True)
        person_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("person.id"), index=True)
        address: Mapped[str] = mapped_column(sa.String(200))
        kind: Mapped[str | None] = mapped_column(sa.String(20))
        preferred: Mapped[bool | None] = mapped_column()

    class Circle(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "circle"

        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        entries = relationship("Entry")

    class Entry(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "entry"
        __table_args__ = (sa.UniqueConstraint("circle_id", "person_id"),)

        id: Mapped[int] = mapped_column(primary_key=True)
        circle_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("circle.id"))
        person_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("person.id"), index=True)
        since: Mapped[datetime] = mapped_column(
            sa.DateTime(timezone=True), default=lambda: datetime.now(UTC)
        )
        kind: Mapped[str] = mapped_column(sa.String(20), server_default="member")
        person = relationship(Person)

    return Host(db, Person, Circle, Entry.__table__, _unusual_schemas(db, locals()))


def given_name(column: Any) -> Any:
    """Return the SQL of what stands before the last blank of a full name's two words."""
    return sa.func.nullif(_part(column, 1), "")


def family_name(column: Any) -> Any:
    """Return the SQL of what stands behind the blank."""
    return sa.func.nullif(_part(column, 2), "")


def _part(column: Any, number: int) -> Any:
    blank = _Position(column)
    if number == 1:
        return sa.func.substr(column, 1, sa.case((blank > 0, blank - 1), else_=200))
    return sa.case((blank > 0, sa.func.substr(column, blank + 1)), else_="")


class _Position(sa.sql.functions.FunctionElement[int]):
    """Where the first blank of a text is; databases call that otherwise."""

    type = sa.Integer()
    inherit_cache = True


@compiles(_Position)
def _position(element: Any, compiler: Any, **kwargs: Any) -> str:
    name = "strpos" if compiler.dialect.name == "postgresql" else "instr"
    return f"{name}({compiler.process(element.clauses, **kwargs)}, ' ')"


def _write_given(person: Any, value: str | None) -> None:
    _, _, family = (person.full_name or "").partition(" ")
    person.full_name = f"{value or ''} {family}".rstrip() if family or value else ""


def _write_family(person: Any, value: str | None) -> None:
    given, _, _ = (person.full_name or "").partition(" ")
    person.full_name = f"{given} {value}" if value else given


def _write_active(person: Any, value: bool | None) -> None:
    person.disabled_at = None if value is not False else datetime(2024, 1, 1, tzinfo=UTC)


def _unusual_schemas(db: SQLAlchemy, models: dict[str, Any]) -> Provisioning:
    person, circle, entry = models["Person"], models["Circle"], models["Entry"]
    email, role = models["PersonEmail"], models["Role"]

    class UnusualUser(UserSchema):
        class Meta:
            model = person
            extensions = (OWN,)

        user_name = fields.Attribute(person.login)
        name = fields.Complex(
            given_name=fields.Computed(given_name(person.full_name), write=_write_given),
            family_name=fields.Computed(family_name(person.full_name), write=_write_family),
        )
        active = fields.Computed(person.disabled_at.is_(None), write=_write_active)
        preferred_language = fields.Constant("en")
        locale = fields.JsonKey(person.settings, "locale")
        user_type = fields.Lookup(person.role, by=role.name)
        phone_numbers = fields.OneValue(value=person.phone, type="work")
        addresses = fields.OneValue(street_address=person.street, locality=person.city, type="work")
        emails = fields.Values(
            person.emails, value=email.address, type=email.kind, primary=email.preferred
        )
        title = fields.Attribute(person.level)
        employee_number = fields.Attribute(person.badge)
        cost_center = fields.Attribute(person.object_id)
        nick_name = fields.Attribute(person.nickname, default="")
        timezone = fields.Attribute(person.timezone)
        manager = fields.Reference(person.manager)
        tag = fields.Attribute(person.tag)
        bench = fields.Attribute(person.bench)
        trial = fields.Attribute(person.trial)
        seats = fields.Attribute(person.seats)
        rate = fields.Attribute(person.rate)
        hired = fields.Attribute(person.hired)
        seal = fields.Attribute(person.seal)
        home = fields.Attribute(person.home)
        desk = fields.Complex(building=person.building, floor=person.floor)

    class UnusualGroup(GroupSchema):
        class Meta:
            model = circle

        display_name = fields.Attribute(circle.name)
        members = fields.Members(circle.entries, user=entry.person)

    return Provisioning(db, user_schema=UnusualUser, group_schema=UnusualGroup)


@functools.cache
def one_team_each() -> Host:
    """A portal where a person belongs to one team at most, by a foreign key; and deletes people."""
    db = _fresh()

    class Squad(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "squad"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)

    class Player(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "player"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)
        hidden: Mapped[bool] = mapped_column(default=False)
        root: Mapped[bool] = mapped_column(default=False)
        squad_id: Mapped[int | None] = mapped_column(sa.ForeignKey("squad.id"), index=True)

    class ForeignKeyMembership(MembershipStore):
        """A team's own way of keeping members, as the documentation shows it."""

        place = "the column player.squad_id"
        table = Player.__table__

        def add(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
            """Move people here from wherever they were."""
            self._move(connection, group, self.table.c.id.in_(users))

        def remove(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> None:
            """Let people go who are here."""
            here = sa.and_(self.table.c.squad_id == group, self.table.c.id.in_(users))
            self._move(connection, None, here)

        def others(self, connection: sa.Connection, group: Any, users: Sequence[Any]) -> list[Any]:
            """Return who is here beside those."""
            here = sa.and_(self.table.c.squad_id == group, self.table.c.id.not_in(users))
            return list(connection.scalars(sa.select(self.table.c.id).where(here)))

        def clear(self, connection: sa.Connection, group: Any) -> None:
            """Let everybody go."""
            self._move(connection, None, self.table.c.squad_id == group)

        def leave_all(self, connection: sa.Connection, user: Any) -> None:
            """Let one go."""
            self._move(connection, None, self.table.c.id == user)

        def rows(self) -> tuple[Any, Any, Any]:
            """Return the players as members."""
            member = self.table.alias("member")
            return member, member.c.squad_id, member.c.id

        def _move(self, connection: sa.Connection, group: Any, whom: Any) -> None:
            connection.execute(sa.update(self.table).where(whom).values(squad_id=group))

    class PlayerSchema(UserSchema):
        class Meta:
            model = Player
            on_delete = "delete"
            on_existing = "refuse"
            visible = (Player.hidden.is_(False),)

            @staticmethod
            def protected(player: Any) -> str | None:
                """Keep the last resort of the portal."""
                return "This player holds the keys; choose another first." if player.root else None

        user_name = fields.Attribute(Player.username)
        active = fields.Attribute(Player.is_active)

    class SquadSchema(GroupSchema):
        class Meta:
            model = Squad

        display_name = fields.Attribute(Squad.name)
        members = fields.Members(ForeignKeyMembership())

    provisioning = Provisioning(db, user_schema=PlayerSchema, group_schema=SquadSchema)
    return Host(db, Player, Squad, Player.__table__, provisioning)


def open_portal(url: str, host: Host, *, dialect: str = "generic") -> Portal:
    """Return a running portal over such a host, on a database for ``make_tables``."""
    app = Flask("portal")
    app.config.update(SECRET_KEY="for tests only", SQLALCHEMY_DATABASE_URI=url, TESTING=True)
    host.db.init_app(app)
    assemble_once(host.provisioning)
    host.provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        if host.db.engine.dialect.name == "sqlite":
            write_ahead(host.db.engine)
        make_tables(host.db.engine, host.db.metadata)
    return Portal(app, host, tenant="main", dialect=dialect)
