"""A portal with Flask-SQLAlchemy-Lite, which gives engines and sessions, and no models."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = (
    "Provisioning(session)",
    "Provisioning(metadata)",
    "package:flask_sqlalchemy_lite",
)

# models begin
db = SQLAlchemy()


class Model(DeclarativeBase):
    pass


team_user = sa.Table(
    "team_user",
    Model.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(Model):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(Model):
    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=team_user)


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


provisioning = Provisioning(
    session=lambda: db.session,
    metadata=Model.metadata,
    user_schema=PortalUser,
    group_schema=PortalGroup,
)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("sqlalchemy_lite")
    app.config.update(SECRET_KEY="SQLAlchemy lite", SQLALCHEMY_ENGINES={"default": url})
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestSqlalchemyLite(ProvisioningContract):
    def test_rows_are_the_portals(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            team = db.session.scalars(sa.select(Team)).one()
            assert [user.username for user in team.members] == ["ada.1@contract.example"]
