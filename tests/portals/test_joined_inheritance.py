"""A portal whose people are a hierarchy of joined tables, of which SCIM manages the employees."""

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


class Party(db.Model):
    """Whoever the portal deals with."""

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"polymorphic_on": "kind", "version_id_col": version}


class Customer(Party):
    id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"), primary_key=True)
    discount: Mapped[int] = mapped_column(default=0)

    __mapper_args__ = {"polymorphic_identity": "customer"}


class Employee(Party):
    id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"), primary_key=True)
    login: Mapped[str] = mapped_column(sa.String(150), unique=True)
    employed: Mapped[bool] = mapped_column(default=True)
    hourly_rate: Mapped[int] = mapped_column(default=10)

    __mapper_args__ = {"polymorphic_identity": "employee"}


class Manager(Employee):
    """Has no table of its own; is an employee for SCIM as well."""

    __mapper_args__ = {"polymorphic_identity": "manager"}


crew_member = sa.Table(
    "crew_member",
    db.metadata,
    sa.Column("crew_id", sa.ForeignKey("crew.id"), primary_key=True),
    sa.Column("employee_id", sa.ForeignKey("employee.id"), primary_key=True),
)


class Crew(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    employees: Mapped[list[Employee]] = relationship(secondary=crew_member)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Employee

    user_name = fields.Attribute(Employee.login)
    display_name = fields.Attribute(Employee.name)
    active = fields.Attribute(Employee.employed)


class PortalGroup(GroupSchema):
    class Meta:
        model = Crew

    display_name = fields.Attribute(Crew.name)
    members = fields.Members(Crew.employees)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("joined_inheritance")
    app.config.update(SECRET_KEY="joined inheritance", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestJoinedInheritance(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(Customer(name="Somebody else"))
            db.session.add(Manager(login=f"old.{n}", name="Old", hourly_rate=99))
            db.session.commit()
        return f"old.{n}"

    def test_rows_are_whole(self, portal: Flask) -> None:
        """Both tables have a row of one key, and the discriminator says what it is."""
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        with portal.app_context():
            row = db.session.scalars(sa.select(Party)).one()
            assert type(row) is Employee
            assert (row.kind, row.hourly_rate, row.version) == ("employee", 10, 1)
        renaming = {"op": "replace", "path": "displayName", "value": "Countess"}
        assert scim.patch(f"/Users/{ada}", [renaming]).status_code == 200
        with portal.app_context():
            row = db.session.scalars(sa.select(Party)).one()
            assert (row.name, row.version) == ("Countess", 2)

    def test_others_of_the_hierarchy_are_none_of_scims(self, portal: Flask) -> None:
        scim = self.connect(portal)
        with portal.app_context():
            db.session.add_all([Customer(name="Customer"), Manager(login="boss", name="Boss")])
            db.session.commit()
        listed = scim.get("/Users").json["Resources"]
        assert [each["userName"] for each in listed] == ["boss"]
        off = {"op": "replace", "path": "active", "value": False}
        assert scim.patch(f"/Users/{listed[0]['id']}", [off]).status_code == 200
        with portal.app_context():
            boss = db.session.scalars(sa.select(Employee)).one()
            assert (type(boss), boss.employed) == (Manager, False)
