"""A portal that predates SCIM, registered with the extension as a team would do it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.services.integrations import create_integration

from .client import Cost, ScimClient, counted
from .compiled import assemble_once, share_statements
from .databases import make_tables

__all__ = ["Host", "Portal", "build_portal", "host", "write_ahead"]


@dataclass(frozen=True)
class Host:
    """The portal's own database and models, and its registration."""

    db: SQLAlchemy
    User: Any
    Team: Any
    team_member: sa.Table
    provisioning: Provisioning


@functools.cache
def host(*, tenants: bool = False) -> Host:
    """Declare the portal's models, once in a process.

    :param tenants: whether people and teams have an ``org_id`` that names their tenant.
    """

    class Base(DeclarativeBase):
        """The portal's own base."""

    db = SQLAlchemy(model_class=Base)

    team_member = sa.Table(
        "team_member",
        db.metadata,
        sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
        sa.Index("ix_team_member_user_id", "user_id"),
    )

    class Organised:
        """What every row of a portal with tenants has."""

        if tenants:
            org_id: Mapped[str] = mapped_column(sa.String(64), index=True)

    class User(Organised, UserMixin, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "user"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        first_name: Mapped[str | None] = mapped_column(sa.String(100))
        last_name: Mapped[str | None] = mapped_column(sa.String(100))
        email: Mapped[str | None] = mapped_column(sa.String(255))
        is_active: Mapped[bool] = mapped_column(default=True)
        department: Mapped[str | None] = mapped_column(sa.String(100))
        is_admin: Mapped[bool] = mapped_column(default=False)
        manager_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user.id"))
        manager = relationship("User", remote_side="User.id")

    class Team(Organised, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members = relationship("User", secondary=team_member, backref="teams")

    for column in (User.username, User.email, Team.name):
        # What `flask scim doctor` asks for: the look-ups of identity providers ignore case.
        # MariaDB's collations do so by themselves, and the names have an index there.
        name = f"ix_{column.class_.__tablename__}_{column.key}_lower"
        sa.Index(name, sa.func.lower(column), unique=column is not User.email).ddl_if(
            dialect=("sqlite", "postgresql")
        )
    sa.Index("ix_user_email", User.email).ddl_if(dialect=("mysql", "mariadb"))

    return Host(db, User, Team, team_member, _register(db, User, Team, tenants=tenants))


def _register(db: SQLAlchemy, user: Any, team: Any, *, tenants: bool) -> Provisioning:
    """Declare the two schemas, as the README shows it."""

    class PortalUser(UserSchema):
        class Meta:
            model = user
            if tenants:
                tenant = user.org_id

        user_name = fields.Attribute(user.username)
        name = fields.Complex(given_name=user.first_name, family_name=user.last_name)
        emails = fields.Email(user.email)
        active = fields.Attribute(user.is_active)
        department = fields.Attribute(user.department)
        manager = fields.Reference(user.manager)

    class PortalGroup(GroupSchema):
        class Meta:
            model = team
            if tenants:
                tenant = team.org_id

        display_name = fields.Attribute(team.name)
        members = fields.Members(team.members)

    return Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)


class Portal:
    """A running portal with one integration, and what a test wants to ask it.

    :ivar client: speaks SCIM with the integration's token.
    :ivar models: the portal's own models, ``models.User`` and ``models.Team``.
    :ivar integration: the integration as ``create_integration`` returned it.
    """

    def __init__(self, app: Flask, models: Host, *, tenant: str, dialect: str) -> None:
        self.app = app
        self.models = models
        self.db = models.db
        with app.app_context():
            self.engine = models.db.engine
        self._session = Session(self.engine)
        self.client, self.integration = self.connect("Entra ID", tenant=tenant, dialect=dialect)

    @property
    def session(self) -> Session:
        """A session apart from the requests'; each use of it sees what is committed by then."""
        self._session.commit()
        return self._session

    def connect(
        self, name: str, *, tenant: str = "main", dialect: str = "generic"
    ) -> tuple[ScimClient, Any]:
        """Create one more integration and return a client of it, and the integration."""
        state = self.app.extensions["scim_provisioning"]
        created = create_integration(
            self.session, state.models, tenant=tenant, name=name, dialect=dialect
        )
        prefix = state.settings["SCIM_URL_PREFIX"]
        base = f"{prefix}/{tenant}/integrations/{created.integration.id}/scim/v2"
        return ScimClient(self.app, base, created.secret.reveal()), created.integration

    @contextmanager
    def statements(self, at_most: int | None = None) -> Iterator[Cost]:
        """Count the SQL statements of the block, and assert how many there are at most."""
        with counted(self.engine) as cost:
            yield cost
        if at_most is not None:
            sent = "\n".join(cost.statements)
            assert cost.count <= at_most, f"{cost.count} statements, not {at_most}:\n{sent}"

    def add(self, *rows: Any) -> Any:
        """Put rows into the portal's own tables, as the portal itself does; return the first."""
        self.session.add_all(rows)
        self.session.commit()
        return rows[0]

    def add_users(self, names: Sequence[str], **columns: Any) -> list[int]:
        """Add many users without SCIM knowing them, in one statement; return their keys."""
        table = self.models.User.__table__
        usual = {"is_active": True, "is_admin": False, **columns}
        rows = [{"username": name, "email": f"{name}@example.com", **usual} for name in names]
        with self.engine.begin() as connection:
            connection.execute(table.insert(), rows)
            found = connection.execute(sa.select(table.c.username, table.c.id))
            keys = {row.username: row.id for row in found}
        return [keys[name] for name in names]

    def add_team(self, name: str, members: Sequence[int] = (), **columns: Any) -> int:
        """Add a team with any number of members; return its key."""
        team = self.add(self.models.Team(name=name, **columns))
        rows = [{"team_id": team.id, "user_id": key} for key in members]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(self.models.team_member.insert(), rows)
        return int(team.id)

    def user(self, username: str) -> Any:
        """Return the portal's row of this user, or None."""
        model = self.models.User
        return self.session.scalars(sa.select(model).where(model.username == username)).first()

    def team(self, name: str) -> Any:
        """Return the portal's row of this team, or None."""
        model = self.models.Team
        return self.session.scalars(sa.select(model).where(model.name == name)).first()

    def sign_in(self, user: Any) -> Any:
        """Return a browser (Flask's test client) in which this user of the portal is signed in."""
        browser = self.app.test_client()
        assert browser.get(f"/sign-in/{user.id}").status_code == 200
        return browser

    def close(self) -> None:
        """Give all connections back."""
        self._session.close()
        self.engine.dispose()


def build_portal(
    url: str,
    *,
    tenants: bool = False,
    tenant: str = "main",
    dialect: str = "generic",
    config: Mapping[str, Any] | None = None,
    empty: bool = True,
) -> Portal:
    """Build the portal's app with one integration, on a database for ``make_tables``.

    :param tenants: whether the portal's rows have a tenant column.
    :param tenant: the tenant of the first integration.
    :param dialect: the identity provider of the first integration.
    :param config: more settings of the app.
    :param empty: whether it starts without rows, or works beside another process.
    """
    models = host(tenants=tenants)
    app = Flask("portal")
    app.config.update(
        SECRET_KEY="for tests only",
        SQLALCHEMY_DATABASE_URI=url,
        TESTING=True,
        **(config or {}),
    )
    models.db.init_app(app)
    CSRFProtect(app)
    login = LoginManager(app)

    @login.user_loader  # type: ignore[untyped-decorator]
    def load(key: str) -> Any:
        user = models.db.session.get(models.User, int(key))
        return user if user is not None and user.is_active else None

    @app.get("/sign-in/<int:key>")
    def sign_in(key: int) -> str:
        login_user(models.db.session.get(models.User, key))
        return "signed in"

    @app.get("/me")
    def me() -> str:
        return str(getattr(current_user, "username", "nobody"))

    assemble_once(models.provisioning)
    models.provisioning.init_app(
        app, admin_required=lambda: bool(getattr(current_user, "is_admin", False))
    )
    with app.app_context():
        if models.db.engine.dialect.name == "sqlite":
            write_ahead(models.db.engine)
        if empty:
            make_tables(models.db.engine, models.db.metadata)
        else:
            share_statements(models.db.engine)
    return Portal(app, models, tenant=tenant, dialect=dialect)


def write_ahead(engine: sa.Engine) -> None:
    """Let readers and a writer work side by side on SQLite, and wait for no disk."""

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
