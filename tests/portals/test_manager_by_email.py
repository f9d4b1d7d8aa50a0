"""A portal that knows somebody's manager by address, and their assistant by name only."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("fields.Reference(by)",)

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(150), unique=True)
    manager_email: Mapped[str | None] = mapped_column(sa.String(150))
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    users: Mapped[list[User]] = relationship(secondary=team_user)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.email)
    active = fields.Attribute(User.is_active)
    manager = fields.Reference(User.manager_email, by=User.email)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("manager_by_email")
    app.config.update(SECRET_KEY="manager by email", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestManagerByEmail(ProvisioningContract):
    def test_the_column_has_the_managers_address(self, portal: Flask) -> None:
        scim = self.connect(portal, "entra")
        ada, bob = self.create_users(scim, 1, 2)
        assigning = {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": bob}
        assert scim.patch(f"/Users/{ada}", [assigning]).status_code == 200
        with portal.app_context():
            rows = sa.select(User.manager_email).order_by(User.email)
            assert db.session.scalars(rows).all() == ["ada.2@contract.example", None]

    def test_a_manager_of_the_portals_is_shown(self, portal: Flask) -> None:
        """One who isn't in the portal isn't."""
        scim = self.connect(portal)
        with portal.app_context():
            boss = User(email="boss@contract.example", manager_email="gone@contract.example")
            ada = User(email="ada@contract.example", manager_email="boss@contract.example")
            db.session.add_all([boss, ada])
            db.session.commit()
        (boss_id,) = self.found(scim, "/Users", 'userName eq "boss@contract.example"')
        (ada_id,) = self.found(scim, "/Users", 'userName eq "ada@contract.example"')
        read = self.read(scim, f"/Users/{ada_id}")
        assert read[ENTERPRISE]["manager"]["value"] == boss_id
        assert "manager" not in self.read(scim, f"/Users/{boss_id}").get(ENTERPRISE, {})
        filter_ = f'{ENTERPRISE}:manager.value eq "{boss_id}"'
        assert self.found(scim, "/Users", filter_) == [ada_id]
