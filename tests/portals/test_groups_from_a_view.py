"""A portal without groups of its own: a view shows the departments that people are in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.Members(read_only)", "Meta.read_only")


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    department: Mapped[str | None] = mapped_column(sa.String(100))
    is_active: Mapped[bool] = mapped_column(default=True)


departments = (
    sa.select(User.department.label("name"), sa.func.count().label("size"))
    .where(User.department.is_not(None))
    .group_by(User.department)
    .subquery("departments")
)


class Department(db.Model):
    __table__ = departments
    __mapper_args__ = {"primary_key": [departments.c.name]}

    people = relationship(
        User,
        primaryjoin=lambda: departments.c.name == foreign(User.department),
        viewonly=True,
    )


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    department = fields.Attribute(User.department)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Department
        read_only = True

    display_name = fields.Attribute(Department.name)
    members = fields.Members(Department.people, read_only=True)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("groups_from_a_view")
    app.config.update(SECRET_KEY="groups from a view", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestGroupsFromAView(ProvisioningContract):
    groups = "read-only"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(username=f"old.{n}", department=f"Old {n}"))
            db.session.commit()
        return f"Old {n}"

    def test_departments_follow_the_people(self, portal: Flask) -> None:
        scim = self.connect(portal)
        urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        extension: dict[str, Any] = {urn: {"department": "Sales"}}
        ada, bob = (scim.post("/Users", self.new_user(n) | extension).json["id"] for n in (1, 2))
        (group,) = scim.get("/Groups").json["Resources"]
        assert group["displayName"] == "Sales"
        self.assert_members(scim, group["id"], [ada, bob])
        moving = {"op": "replace", "path": f"{urn}:department", "value": "Support"}
        assert scim.patch(f"/Users/{bob}", [moving]).status_code == 200
        self.assert_members(scim, group["id"], [ada])
        names = {each["displayName"] for each in scim.get("/Groups").json["Resources"]}
        assert names == {"Sales", "Support"}
