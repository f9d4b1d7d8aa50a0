"""A portal whose staff and guests have a table each, with everything of a common class in both."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Visitor(AbstractConcreteBase, db.Model):
    strict_attrs = True

    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    email: Mapped[str | None] = mapped_column(sa.String(150))


class Staff(Visitor):
    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    active: Mapped[bool] = mapped_column(default=True)

    __mapper_args__ = {"polymorphic_identity": "staff", "concrete": True}


class Guest(Visitor):
    __tablename__ = "guest"

    id: Mapped[int] = mapped_column(primary_key=True)
    invited_by: Mapped[str | None] = mapped_column(sa.String(150))

    __mapper_args__ = {"polymorphic_identity": "guest", "concrete": True}


unit_staff = sa.Table(
    "unit_staff",
    db.metadata,
    sa.Column("unit_id", sa.ForeignKey("unit.id"), primary_key=True),
    sa.Column("staff_id", sa.ForeignKey("staff.id"), primary_key=True),
)


class Unit(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    staff: Mapped[list[Staff]] = relationship(secondary=unit_staff)


configure_mappers()
# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Staff

    user_name = fields.Attribute(Staff.username)
    emails = fields.Email(Staff.email)
    active = fields.Attribute(Staff.active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Unit

    display_name = fields.Attribute(Unit.name)
    members = fields.Members(Unit.staff)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("concrete_inheritance")
    app.config.update(SECRET_KEY="concrete inheritance", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestConcreteInheritance(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add_all([Staff(username=f"old.{n}"), Guest(username=f"old.{n}")])
            db.session.commit()
        return f"old.{n}"

    def test_guests_stay_guests(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.existing_user(portal, 1)
        assert scim.get("/Users").json["totalResults"] == 1
        self.create_user(scim, 2)
        with portal.app_context():
            assert db.session.scalars(sa.select(Guest.username)).all() == ["old.1"]
            assert len(db.session.scalars(sa.select(Staff.id)).all()) == 2
