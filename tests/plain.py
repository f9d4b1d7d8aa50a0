"""Portals that keep their sessions in different ways, over the same two small models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as Lite
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)

from flask_scim_provisioning import GroupSchema, Provisioning, UserSchema, fields
from flask_scim_provisioning.services.integrations import create_integration

from .client import ScimClient

__all__ = ["SOURCES", "Models", "PlainPortal", "models_of", "plain_portal"]

SOURCES = ("flask-sqlalchemy", "lite", "scoped", "sessionmaker")
"""Where a portal's sessions come from."""


@dataclass(frozen=True)
class Models:
    """A portal's models and its schemas over them."""

    metadata: sa.MetaData
    User: Any
    Team: Any
    schemas: dict[str, Any]


def models_of(
    base: type[Any] | None = None,
    *,
    groups: bool = True,
    setter: Callable[..., None] | None = None,
    has_active: bool = True,
) -> Models:
    """Declare the models.

    :param base: the portal's base; without it, a new one.
    :param groups: whether the portal has groups.
    :param setter: sets ``active``, given the user and the value; without it, the column is set.
    :param has_active: whether people have a column for it.
    """
    if base is None:

        class Base(DeclarativeBase):
            pass

        base = Base

    team_member = sa.Table(
        "team_member",
        base.metadata,
        sa.Column("team_id", sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    )

    class User(base):  # type: ignore[misc]
        __tablename__ = "user"

        id: Mapped[int] = mapped_column(primary_key=True)
        username: Mapped[str] = mapped_column(sa.String(150), unique=True)
        email: Mapped[str | None] = mapped_column(sa.String(255))
        given: Mapped[str | None] = mapped_column(sa.String(100))
        family: Mapped[str | None] = mapped_column(sa.String(100))
        visits: Mapped[int] = mapped_column(default=0)
        if has_active:
            is_active: Mapped[bool] = mapped_column(default=True)

    class Team(base):  # type: ignore[misc]
        __tablename__ = "team"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(150), unique=True)
        members: Mapped[list[Any]] = relationship(User, secondary=team_member)

    class PortalUser(UserSchema):
        class Meta:
            model = User

        user_name = fields.Attribute(User.username)
        name = fields.Complex(given_name=User.given, family_name=User.family)
        emails = fields.Email(User.email)
        if has_active:
            active = (
                fields.Attribute(User.is_active)
                if setter is None
                else fields.Computed(User.is_active, write=setter)
            )

    class PortalGroup(GroupSchema):
        class Meta:
            model = Team

        display_name = fields.Attribute(Team.name)
        members = fields.Members(Team.members)

    schemas: dict[str, Any] = {"user_schema": PortalUser}
    if groups:
        schemas["group_schema"] = PortalGroup
    return Models(base.metadata, User, Team, schemas)


@dataclass
class PlainPortal:
    """A portal, and how its own code works with its database.

    :ivar session: what the portal's code calls for its present session.
    """

    app: Flask
    engine: sa.Engine
    models: Models
    session: Callable[[], Session]
    provisioning: Provisioning
    stack: ExitStack = field(default_factory=ExitStack)

    def client(self, dialect: str = "generic") -> ScimClient:
        """Create an integration and return a client of it."""
        with self.app.app_context():
            state = self.app.extensions["scim_provisioning"]
            created = create_integration(
                state.session, state.models, tenant="main", name="Contoso", dialect=dialect
            )
        base = f"/api/v1/main/integrations/{created.integration.id}/scim/v2"
        return ScimClient(self.app, base, created.secret.reveal())

    def rows(self, column: Any) -> list[Any]:
        """Return what is committed in a column, in order."""
        with Session(self.engine) as session:
            return sorted(session.scalars(sa.select(column)).all())

    def close(self) -> None:
        """Give all connections back."""
        self.stack.close()
        self.engine.dispose()


def plain_portal(
    url: str,
    source: str = "scoped",
    *,
    engine: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    flask: dict[str, Any] | None = None,
    groups: bool = True,
    setter: Callable[..., None] | None = None,
    has_active: bool = True,
    before: Callable[[Flask], None] | None = None,
) -> PlainPortal:
    """Build a portal, its tables included.

    :param source: one of ``SOURCES``.
    :param engine: options of ``create_engine``.
    :param session: options of the portal's sessions.
    :param flask: options of ``Flask``.
    :param before: what the portal does to its application before we are registered.
    :param groups: as for ``models_of``, and so are ``setter`` and ``has_active``.
    """
    shape: dict[str, Any] = {"groups": groups, "setter": setter, "has_active": has_active}
    engine_options, session_options = dict(engine or {}), dict(session or {})
    app = Flask("portal", **(flask or {}))
    app.config.update(SECRET_KEY="test", TESTING=True, **(config or {}))
    stack = ExitStack()
    if before is not None:
        before(app)
    if source == "flask-sqlalchemy":

        class Base(DeclarativeBase):
            pass

        db = SQLAlchemy(model_class=Base, session_options=session_options)
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        db.init_app(app)
        models = models_of(db.Model, **shape)
        provisioning = Provisioning(db, **models.schemas)
        current: Callable[[], Session] = db.session
        with app.app_context():
            own_engine = db.engine
    elif source == "lite":
        lite = Lite(session_options=session_options)
        app.config["SQLALCHEMY_ENGINES"] = {"default": {"url": url, **engine_options}}
        lite.init_app(app)
        models = models_of(**shape)
        current = lambda: lite.session  # noqa: E731
        provisioning = Provisioning(session=current, metadata=models.metadata, **models.schemas)
        with app.app_context():
            own_engine = lite.engine
    else:
        own_engine = sa.create_engine(url, **engine_options)
        models = models_of(**shape)
        maker = sessionmaker(own_engine, **session_options)
        if source == "scoped":
            scoped = scoped_session(maker)
            stack.callback(scoped.remove)
            app.teardown_appcontext(lambda _error: scoped.remove())
            current = scoped
            provisioning = Provisioning(session=scoped, **models.schemas)
        else:
            current = maker
            provisioning = Provisioning(session=maker, metadata=models.metadata, **models.schemas)
    provisioning.init_app(app, admin_required=lambda: True)
    models.metadata.create_all(own_engine)
    return PlainPortal(app, own_engine, models, current, provisioning, stack)
