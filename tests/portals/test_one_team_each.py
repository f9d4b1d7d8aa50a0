"""A portal where a person is in one team, by a foreign key of the person."""

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


class Team(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(back_populates="team")


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("team.id"), index=True)
    team: Mapped[Team | None] = relationship(back_populates="members")


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("one_team_each")
    app.config.update(SECRET_KEY="one team each", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestOneTeamEach(ProvisioningContract):
    one_group_each = True

    def test_the_portals_column_is_moved(self, portal: Flask) -> None:
        scim = self.connect(portal)
        ada = self.create_user(scim, 1)["id"]
        one, two = self.create_group(scim, 1, [ada])["id"], self.create_group(scim, 2)["id"]
        with portal.app_context():
            assert db.session.scalars(sa.select(User)).one().team.name == "Contract group 1"
        body = dict(self.new_group(2), members=[{"value": ada}])
        assert scim.put(f"/Groups/{two}", body).status_code == 200
        with portal.app_context():
            assert db.session.scalars(sa.select(User)).one().team.name == "Contract group 2"
        self.assert_members(scim, one, [])
        assert scim.delete(f"/Groups/{two}").status_code == 204
        with portal.app_context():
            assert db.session.scalars(sa.select(User)).one().team_id is None
