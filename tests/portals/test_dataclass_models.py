"""A portal whose models are dataclasses, with arguments that a new object can't do without."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


# models begin
class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

team_member = sa.Table(
    "team_member",
    Base.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(MappedAsDataclass, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
    title: Mapped[str | None] = mapped_column(sa.String(100))
    created: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True),
        init=False,
        insert_default=lambda: datetime.now(UTC),
    )
    theme: Mapped[str] = mapped_column(sa.String(20), default="light")
    is_active: Mapped[bool] = mapped_column(default=True)


class Team(MappedAsDataclass, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(sa.String(150), unique=True)
    colour: Mapped[str] = mapped_column(sa.String(20), kw_only=True, default="blue")
    members: Mapped[list[User]] = relationship(secondary=team_member, default_factory=list)


# models end


# provisioning begin
class PortalUser(UserSchema):
    class Meta:
        model = User

    user_name = fields.Attribute(User.username)
    title = fields.Attribute(User.title)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.members)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("dataclass_models")
    app.config.update(SECRET_KEY="dataclass models", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


class TestDataclassModels(ProvisioningContract):
    def existing_user(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(User(username=f"old.{n}", title="Old", theme="dark"))
            db.session.commit()
        return f"old.{n}"

    def existing_group(self, portal: Flask, n: int) -> str:
        with portal.app_context():
            db.session.add(Team(name=f"Old {n}", colour="red"))
            db.session.commit()
        return f"Old {n}"

    def test_columns_have_their_defaults(self, portal: Flask) -> None:
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            user = db.session.scalars(sa.select(User)).one()
            team = db.session.scalars(sa.select(Team)).one()
            assert (user.theme, user.is_active, team.colour) == ("light", True, "blue")
            assert user.created is not None
            assert team.members == [user]
