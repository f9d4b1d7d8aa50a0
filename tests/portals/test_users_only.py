"""A portal without groups: its directory creates people, and nothing else."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_scim_provisioning import Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("Provisioning(group_schema=None)",)


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Customer(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(150), unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = Customer

    user_name = fields.Attribute(Customer.email)
    active = fields.Attribute(Customer.enabled)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=None)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("users_only")
    app.config.update(SECRET_KEY="users only", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestUsersOnly(ProvisioningContract):
    groups = "none"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            found = sa.select(Customer).filter_by(email=user_name)
            customer = db.session.scalars(found).first()
            return customer is not None and customer.enabled

    def test_nobody_has_groups(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        assert "groups" not in scim.get(f"/Users/{ada}", attributes="groups").json

    def test_there_is_no_table_of_groups(self, portal: Flask) -> None:
        with portal.app_context():
            tables = sa.inspect(db.engine).get_table_names()
        assert "scim_user_link" in tables
        assert "scim_group_link" not in tables
