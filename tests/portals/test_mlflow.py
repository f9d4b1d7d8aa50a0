"""The users and roles of MLflow's basic auth, which know neither names nor inactive people."""

from __future__ import annotations

import secrets
import warnings

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import configure_mappers, scoped_session, sessionmaker

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

with warnings.catch_warnings():
    # What MLflow imports beside its models warns of SQLAlchemy's and Starlette's next releases.
    warnings.simplefilter("ignore")
    # models begin
    from mlflow.server.auth.db.models import Base, SqlRole, SqlUser, SqlUserRoleAssignment

    configure_mappers()
    session = scoped_session(sessionmaker())
    # models end

NEEDS = (
    "package:mlflow",
    "Provisioning(session)",
    "Provisioning(metadata)",
    "Provisioning.is_active",
    "Meta.defaults",
)


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = SqlUser
        defaults = {SqlUser.password_hash: lambda: f"!{secrets.token_hex(16)}"}

    user_name = fields.Attribute(SqlUser.username)


class PortalGroup(GroupSchema):
    class Meta:
        model = SqlRole
        defaults = {SqlRole.workspace: "default"}

    display_name = fields.Attribute(SqlRole.name)
    members = fields.Members(SqlRole.user_assignments, user=SqlUserRoleAssignment.user)


provisioning = Provisioning(
    session=session, metadata=Base.metadata, user_schema=PortalUser, group_schema=PortalGroup
)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("mlflow")
    app.config.update(SECRET_KEY="MLflow")
    session.remove()
    session.configure(bind=sa.create_engine(url))
    app.teardown_appcontext(lambda _error: session.remove())
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestMlflow(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            session.add(SqlUser(username=f"old.{n}", password_hash="of old", is_admin=True))
            session.commit()
        return f"old.{n}"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            session.add(SqlRole(name=f"Old {n}", workspace="default"))
            session.commit()
        return f"Old {n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = session.scalars(sa.select(SqlUser).filter_by(username=user_name)).first()
            return user is not None and provisioning.is_active(user)

    def test_rows_are_as_the_packages_own(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            user = session.scalars(sa.select(SqlUser)).one()
            role = session.scalars(sa.select(SqlRole)).one()
            assert (user.is_admin, user.password_hash[0]) == (False, "!")
            assert role.workspace == "default"
            assert [each.role for each in user.user_role_assignments] == [role]
            assert user.to_mlflow_entity().username == "ada.1@contract.example"
