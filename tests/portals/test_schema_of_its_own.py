"""A portal whose tables live in a schema of the database: ``crm.users``."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.testing import ProvisioningContract


def create_app(url: str) -> Flask:
    # A schema is a database for MariaDB, and a file for SQLite: the default one is used there.
    name = "crm" if url.startswith("postgresql") else None

    prefix = f"{name}." if name else ""

    # models begin
    class Base(DeclarativeBase):
        metadata = sa.MetaData(schema=name)

    db = SQLAlchemy(model_class=Base)

    team_user = sa.Table(
        "team_user",
        Base.metadata,
        sa.Column("team_id", sa.ForeignKey(f"{prefix}teams.id"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey(f"{prefix}users.id"), primary_key=True),
    )

    class User(db.Model):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        is_active: Mapped[bool] = mapped_column(default=True)

    class Team(db.Model):
        __tablename__ = "teams"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        users = relationship(User, secondary=team_user)

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

    app = Flask("schema_of_its_own")
    app.config.update(SECRET_KEY="schema of its own", SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    # provisioning begin
    provisioning.init_app(app)
    # provisioning end
    return app


def create_tables(app: Flask) -> None:
    db = app.extensions["sqlalchemy"]
    with app.app_context():
        if db.engine.dialect.name == "postgresql":
            with db.engine.begin() as connection:
                connection.execute(sa.text("DROP SCHEMA IF EXISTS crm CASCADE"))
                connection.execute(sa.schema.CreateSchema("crm"))
        db.create_all()


class TestSchemaOfItsOwn(ProvisioningContract):
    def test_everything_is_in_the_schema(self, portal: Flask) -> None:
        """The extension's tables live in the host's metadata, and so in its schema."""
        scim = self.connect(portal)
        self.create_group(scim, 1, self.create_users(scim, 1))
        db = portal.extensions["sqlalchemy"]
        with portal.app_context():
            schema = db.metadata.schema
            tables = set(sa.inspect(db.engine).get_table_names(schema=schema))
            assert {"users", "teams", "team_user", "scim_integration", "scim_user_link"} <= tables
            if schema is not None:
                assert sa.inspect(db.engine).get_table_names(schema="public") == []
