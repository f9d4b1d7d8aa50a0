"""A portal without Flask-SQLAlchemy: an engine, a session for each request, plain models."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask, g, has_app_context
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract

NEEDS = ("Provisioning(session)", "Provisioning(metadata)")


# models begin
class Base(DeclarativeBase):
    pass


team_user = sa.Table(
    "team_user",
    Base.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    first_name: Mapped[str | None] = mapped_column(sa.String(100))
    last_name: Mapped[str | None] = mapped_column(sa.String(100))
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(Base):
    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    members: Mapped[list[User]] = relationship(secondary=team_user)


def _context() -> int:
    return id(g._get_current_object()) if has_app_context() else 0


session = scoped_session(sessionmaker(), scopefunc=_context)
# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    name = fields.Complex(given_name=User.first_name, family_name=User.last_name)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(
    session=session, metadata=Base.metadata, user_schema=PortalUser, group_schema=PortalGroup
)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("plain_sqlalchemy")
    app.config.update(SECRET_KEY="plain SQLAlchemy")
    session.remove()
    session.configure(bind=sa.create_engine(url))

    @app.teardown_appcontext
    def close_session(_error: BaseException | None) -> None:
        session.remove()

    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestPlainSqlalchemy(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            session.add(User(username=f"old.{n}"))
            session.commit()
        return f"old.{n}"

    def may_sign_in(self, portal: Flask, user_name: str) -> bool:
        with portal.app_context():
            user = session.scalars(sa.select(User).filter_by(username=user_name)).first()
            return user is not None and user.is_active

    def test_rows_are_the_portals(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            team = session.scalars(sa.select(Team)).one()
            assert [user.first_name for user in team.members] == ["Ada1"]
