"""A portal that keeps people and service accounts in one table, and teams and rooms in another."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Principal(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(20))
    login: Mapped[str] = mapped_column(sa.String(150), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)

    __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "principal"}


class Human(Principal):
    title: Mapped[str | None] = mapped_column(sa.String(100))

    __mapper_args__ = {"polymorphic_identity": "human"}


class Robot(Principal):
    api_key: Mapped[str | None] = mapped_column(sa.String(100))

    __mapper_args__ = {"polymorphic_identity": "robot"}


place_principal = sa.Table(
    "place_principal",
    db.metadata,
    sa.Column("place_id", sa.ForeignKey("place.id"), primary_key=True),
    sa.Column("principal_id", sa.ForeignKey("principal.id"), primary_key=True),
)


class Place(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(150))

    __mapper_args__ = {"polymorphic_on": "type"}


class Team(Place):
    humans: Mapped[list[Human]] = relationship(secondary=place_principal)

    __mapper_args__ = {"polymorphic_identity": "team"}


class Room(Place):
    __mapper_args__ = {"polymorphic_identity": "room"}


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Human

    user_name = fields.Attribute(Human.login)
    title = fields.Attribute(Human.title)
    active = fields.Attribute(Human.enabled)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.humans)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("single_table")
    app.config.update(SECRET_KEY="single table", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestSingleTable(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add_all([Human(login=f"old.{n}"), Robot(login=f"robot.{n}")])
            db.session.commit()
        return f"old.{n}"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add_all([Room(name=f"Old {n}"), Team(name=f"Old {n}")])
            db.session.commit()
        return f"Old {n}"

    def test_others_of_the_table_are_none_of_scims(self, portal: Flask) -> None:
        """A robot is neither shown, nor found, nor taken over; a room is no group."""
        scim = self.connect(portal)
        with portal.app_context():
            robot, human = Robot(login="cron"), Human(login="ada")
            team = Team(name="Machines", humans=[human])
            db.session.add_all([robot, team, Room(name="Attic")])
            db.session.flush()
            row = {"place_id": team.id, "principal_id": robot.id}
            db.session.execute(place_principal.insert().values(row))
            db.session.commit()
        assert [each["userName"] for each in scim.get("/Users").json["Resources"]] == ["ada"]
        (group,) = scim.get("/Groups").json["Resources"]
        assert (group["displayName"], len(group["members"])) == ("Machines", 1)
        found = scim.get("/Users", filter='userName eq "cron"').json
        assert found["totalResults"] == 0

    def test_a_name_that_a_robot_has_is_taken(self, portal: Flask) -> None:
        """The database says so; the robot stays a robot."""
        scim = self.connect(portal)
        with portal.app_context():
            db.session.add(Robot(login="cron"))
            db.session.commit()
        refused = scim.post("/Users", dict(self.new_user(1), userName="cron"))
        assert (refused.status_code, refused.json["scimType"]) == (409, "uniqueness")
        with portal.app_context():
            assert type(db.session.scalars(sa.select(Principal)).one()) is Robot

    def test_new_rows_are_what_they_should_be(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            assert db.session.scalars(sa.select(Principal.type)).all() == ["human"]
            assert db.session.scalars(sa.select(Place.type)).all() == ["team"]
