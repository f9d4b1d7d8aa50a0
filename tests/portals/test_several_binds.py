"""A portal with two databases: its people in one, its articles and their readers in another."""

from __future__ import annotations

from collections.abc import Iterator

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


class Article(db.Model):
    __bind_key__ = "content"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(150))


team_user = sa.Table(
    "team_user",
    db.metadata,
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(150), unique=True)
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

    user_name = fields.Attribute(User.username)
    active = fields.Attribute(User.is_active)


class PortalGroup(GroupSchema):
    class Meta:
        model = Team

    display_name = fields.Attribute(Team.name)
    members = fields.Members(Team.users)


provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
# provisioning end


def create_app(url: str) -> Flask:
    app = Flask("several_binds")
    app.config.update(SECRET_KEY="several binds", SQLALCHEMY_DATABASE_URI=url)
    app.config["SQLALCHEMY_BINDS"] = {"content": "sqlite:///:memory:"}
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def create_tables(app: Flask) -> None:
    with app.app_context():
        db.create_all()


class TestSeveralBinds(ProvisioningContract):
    def test_each_database_has_its_own_tables(self, portal: Flask) -> None:
        with portal.app_context():
            tables = {key: _tables(engine) for key, engine in db.engines.items()}
        assert tables["content"] == ["article"]
        assert "article" not in tables[None]
        assert "scim_integration" in tables[None]

    def test_the_other_database_is_left_alone(self, portal: Flask) -> None:
        scim = self.connect(portal)
        with portal.app_context():
            db.session.add(Article(title="Provisioning"))
            db.session.commit()
        self.create_group(scim, 1, self.create_users(scim, 1))
        with portal.app_context():
            assert db.session.scalars(sa.select(Article.title)).first() == "Provisioning"


def _tables(engine: sa.Engine) -> list[str]:
    names: Iterator[str] = iter(sa.inspect(engine).get_table_names())
    return sorted(names)
