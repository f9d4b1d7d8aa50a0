"""The models that Flask-Security brings along, with its uniquifier."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_security import Security, SQLAlchemyUserDatastore
from flask_security.models import fsqla_v3 as fsqla
from flask_sqlalchemy import SQLAlchemy

from flask_scim_provisioning import Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = (
    "package:flask_security",
    "Provisioning(group_schema=None)",
    "Meta.defaults",
    "fields.LookupMany",
)

# models begin
db = SQLAlchemy()
fsqla.FsModels.set_db_info(db)


class Role(db.Model, fsqla.FsRoleMixin):
    pass


class User(db.Model, fsqla.FsUserMixin):
    pass


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User
        defaults = {User.fs_uniquifier: lambda: uuid.uuid4().hex}

    user_name = fields.Attribute(User.email)
    active = fields.Attribute(User.active)
    roles = fields.LookupMany(User.roles, by=Role.name)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=None)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("flask_security")
    app.config.update(SECRET_KEY="Flask-Security", SQLALCHEMY_DATABASE_URI=url)
    app.config["SECURITY_PASSWORD_SALT"] = "salt"
    db.init_app(app)
    app.security = Security(app, SQLAlchemyUserDatastore(db, User, Role))
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def seed(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([Role(name="reader"), Role(name="admin")])
        db.session.commit()


class TestFlaskSecurity(ProvisioningContract):
    groups = "none"

    def new_user(self, n: int) -> dict[str, Any]:
        return super().new_user(n) | {"roles": [{"value": "reader"}]}

    def existing_user(self, portal: Flask, n: int) -> str:
        name = f"old.{n}@contract.example"
        with portal.app_context():
            store = portal.security.datastore
            store.create_user(email=name, password="hash", roles=["admin"])
            store.commit()
        return name

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = portal.security.datastore.find_user(email=user_name)
            return user is not None and user.is_active

    def test_rows_are_as_the_packages_own(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_users(scim, 1, 2)
        with portal.app_context():
            users = db.session.scalars(sa.select(User)).all()
            assert len({user.fs_uniquifier for user in users}) == 2
            assert all(user.has_role("reader") for user in users)
            assert all(user.get_id() == user.fs_uniquifier for user in users)
