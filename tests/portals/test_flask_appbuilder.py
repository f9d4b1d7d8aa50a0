"""The user and group models of Flask-AppBuilder, on which Airflow and Superset build."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask

# models begin
from flask_appbuilder.models.sqla.base import SQLA
from flask_appbuilder.security.sqla.models import Group, Role, User
from sqlalchemy import orm

db = SQLA(metadata=User.metadata)
# models end

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields  # noqa: E402
from flask_scim_provisioning.testing import ProvisioningContract  # noqa: E402

NEEDS = ("package:flask_appbuilder", "fields.LookupMany")


# provisioning begin
# Flask-AppBuilder declares User.roles from the other side, which is there once that is configured.
orm.configure_mappers()


class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    name = fields.Complex(
        given_name=fields.Attribute(User.first_name, default=""),
        family_name=fields.Attribute(User.last_name, default=""),
    )
    emails = fields.Email(User.email)
    active = fields.Attribute(User.active)
    roles = fields.LookupMany(User.roles, by=Role.name)


class PortalGroup(GroupSchema):
    class Meta:
        model = Group

    display_name = fields.Attribute(Group.name)
    members = fields.Members(Group.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("flask_appbuilder")
    app.config.update(SECRET_KEY="Flask-AppBuilder", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([Role(name="Public"), Role(name="Admin")])
        db.session.commit()


class TestFlaskAppBuilder(ProvisioningContract):
    def new_user(self, n: int) -> dict[str, Any]:
        return super().new_user(n) | {"roles": [{"value": "Public"}]}

    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            user = User(username=f"old.{n}", email=f"old.{n}@contract.example")
            user.first_name, user.last_name, user.password = "Old", "Person", "hash"
            user.roles = [db.session.scalars(sa.select(Role).filter_by(name="Admin")).one()]
            db.session.add(user)
            db.session.commit()
        return f"old.{n}"

    def test_rows_are_as_the_packages_own(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            assert (user.get_full_name(), user.is_active) == ("Ada1 Lovelace", True)
            assert user.created_on is not None
            assert [role.name for role in user.roles] == ["Public"]
            assert [group.name for group in user.groups] == ["Contract group 1"]
