"""A portal of several clients whose keys have two parts: the client's, and a number or a slug."""

from __future__ import annotations

import itertools

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

numbers = itertools.count(1)


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Seat(db.Model):
    client: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    team: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        sa.ForeignKeyConstraint(["client", "team"], ["team.client", "team.number"]),
        sa.ForeignKeyConstraint(["client", "person"], ["person.client", "person.number"]),
    )


class Person(db.Model):
    client: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, default=lambda: next(numbers)
    )
    username: Mapped[str] = mapped_column(sa.String(150))
    is_active: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (sa.UniqueConstraint("client", "username"),)


class Team(db.Model):
    client: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, default=lambda: next(numbers)
    )
    name: Mapped[str] = mapped_column(sa.String(150))
    people: Mapped[list[Person]] = relationship(
        secondary=Seat.__table__,
        primaryjoin=lambda: sa.and_(Team.client == Seat.client, Team.number == Seat.team),
        secondaryjoin=lambda: sa.and_(Person.client == Seat.client, Person.number == Seat.person),
    )

    __table_args__ = (sa.UniqueConstraint("client", "name"),)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Person
        tenant = Person.client

    user_name = fields.Attribute(Person.username)
    active = fields.Attribute(Person.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team
        tenant = Team.client

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.people)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("composite_keys")
    app.config.update(SECRET_KEY="composite keys", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestCompositeKeys(ProvisioningContract):
    tenant = "acme"
    other_tenant = "globex"

    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            for client in ("acme", "globex"):
                db.session.add(Person(client=client, number=n + 100_000, username=f"old.{n}"))
            db.session.commit()
        return f"old.{n}"

    def test_one_number_is_two_people(self, portal: Flask) -> None:
        """The same number of two clients are two people with two ids, and stay that."""
        self.existing_user(portal, 1)
        one, two = self.connect(portal), self.connect(portal, tenant="globex")
        (acme,) = self.found(one, "/Users", 'userName eq "old.1"')
        (globex,) = self.found(two, "/Users", 'userName eq "old.1"')
        assert acme != globex
        group = self.create_group(one, 1, [acme])["id"]
        off = {"op": "replace", "path": "active", "value": False}
        assert two.patch(f"/Users/{globex}", [off]).status_code == 200
        self.assert_members(one, group, [acme])
        assert self.groups_of(two, globex) == []
        with portal.app_context():
            rows = db.session.scalars(sa.select(Person).order_by(Person.client)).all()
            assert [row.is_active for row in rows] == [True, False]
            assert [seat.weight for seat in db.session.scalars(sa.select(Seat))] == [1]
