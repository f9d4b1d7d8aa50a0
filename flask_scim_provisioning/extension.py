"""``Provisioning``: what a portal registers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask, g
from sqlalchemy import MetaData
from sqlalchemy.orm import Session, object_session, scoped_session

from . import api, cli, console
from .mapping import GroupSchema, ResourceMapping, UserSchema
from .mapping.access.host_writes import touch
from .mapping.assembly import assemble
from .mapping.checks import check_tenants
from .mapping.host.links import declare_link, primary_key_of
from .models import TENANT, Models, declare, own_base
from .services.sign_in import Standing, is_active, key_in, session_id_of, standing_of
from .sessions import OwnSessions, SessionSource
from .settings import read_settings
from .state import EXTENSION, ProvisioningState, current_provisioning

__all__ = ["Provisioning"]

logger = logging.getLogger(__name__)

# Keys of flask.g: what was read once in a request.
_STANDINGS = "scim_standings"
_STANDINGS_WITH_SESSIONS = "scim_standings_with_sessions"


class Provisioning:
    """SCIM 2.0 provisioning for a portal: its endpoints, its pages and its commands.

    Make one object beside the models, and register it on each application::

        provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
        provisioning.init_app(app, admin_required=lambda: current_user.is_admin)

    A portal without Flask-SQLAlchemy says where its sessions come from::

        provisioning = Provisioning(session=db_session, user_schema=PortalUser)

    The object keeps nothing of an application, so that one object serves several with different
    configurations.

    :param db: The portal's Flask-SQLAlchemy object.
    :param session: Instead of ``db``: a ``scoped_session``, a ``sessionmaker``, or a function that
        returns the portal's present session, such as ``lambda: db.session`` for
        Flask-SQLAlchemy-Lite.
    :param metadata: The portal's ``MetaData`` or declarative base, where the tables are declared;
        without it, that of the users' model.
    :param user_schema: How SCIM's users live in the portal's tables.
    :param group_schema: How SCIM's groups do; None for users only.
    :raises RuntimeError: when the metadata has a ``Provisioning`` already, or the schemas' models
        don't belong to one metadata.
    """

    def __init__(
        self,
        db: Any = None,
        *,
        session: SessionSource | None = None,
        metadata: MetaData | type[Any] | None = None,
        user_schema: type[UserSchema],
        group_schema: type[GroupSchema] | None = None,
    ) -> None:
        self.db = db
        self.user_schema = user_schema
        self.group_schema = group_schema
        schemas: dict[str, type[UserSchema] | type[GroupSchema]] = {"Users": user_schema}
        if group_schema is not None:
            schemas["Groups"] = group_schema
        models = [_model_of(schema) for schema in schemas.values()]
        self._sessions = OwnSessions(_source(db, session), models)
        self.metadata = _one_metadata(metadata, models)
        base = own_base(self.metadata)
        self.models: Models = declare(base)
        # The schemas are compiled by init_app: then the portal's relationships can be resolved.
        self._links: Mapping[str, type[Any]] = MappingProxyType(
            {
                name: declare_link(
                    base,
                    schema.opts.model,
                    schema.resource_type.name,
                    read_only=schema.opts.read_only,
                )
                for name, schema in schemas.items()
            }
        )

    def init_app(
        self,
        app: Flask,
        *,
        admin_required: Callable[[], bool] | None = None,
        tenant: Callable[[], str] | None = None,
    ) -> None:
        """Register the endpoints, the pages and the commands on an application.

        :param admin_required: Says whether the current user may see the Provisioning pages; without
            it nobody may.
        :param tenant: Returns the tenant whose integrations the pages show; without it there is one
            tenant, ``"main"``.
        :raises RuntimeError: when the application has a ``Provisioning`` already.
        :raises SettingsError: when a key of the configuration is unknown or can't be used.
        :raises MappingError: when a schema can't work, or there are tenants and it doesn't say
            whose row each is; the message says which line to change.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(
                "Provisioning is already registered on this app: call init_app once for each app."
            )
        settings = read_settings(app.config)
        mappings = self._compiled()
        if tenant is not None:
            for mapping in mappings.values():
                check_tenants(mapping)
        app.extensions[EXTENSION] = ProvisioningState(
            provisioning=self,
            sessions=self._sessions,
            metadata=self.metadata,
            settings=settings,
            models=self.models,
            mappings=mappings,
            admin_required=admin_required,
            tenant=tenant or _only_tenant,
        )
        app.teardown_appcontext(self._sessions.close)
        app.register_blueprint(
            api.create_blueprint(
                settings["SCIM_URL_PREFIX"], obey_host_hooks=settings["SCIM_OBEY_HOST_HOOKS"]
            )
        )
        app.register_blueprint(
            console.create_blueprint(), url_prefix=settings["SCIM_CONSOLE_PREFIX"]
        )
        app.cli.add_command(cli.scim)
        if admin_required is None:
            logger.warning(
                "Nobody can open the Provisioning pages of %s: pass init_app an admin_required "
                "function, such as admin_required=lambda: current_user.is_admin.",
                app.name,
            )

    def is_active(self, user: Any) -> bool:
        """Say whether the directory lets a person sign in.

        A portal whose people have no column for ``active`` asks here, where it loads the user of a
        request; somebody who is deactivated is then signed out at the next request::

            @login_manager.user_loader
            def load_user(user_id):
                user = db.session.get(User, int(user_id))
                return user if user and provisioning.is_active(user) else None

        Whom no identity provider has spoken of may sign in. It is one indexed read, and the answer
        is kept for the rest of the request.

        :param user: An object of the users' model, or Flask-Login's ``current_user``.
        :raises TypeError: when it is neither.
        """
        mapping, key, connection = self._about(user, "is_active")
        if key is None:
            return True  # not in the database yet
        known: dict[Any, Standing] = g.setdefault(_STANDINGS, {})
        if key not in known:
            known[key] = Standing(is_active(mapping, connection, key))
        return known[key].active

    def session_id(self, user: Any) -> str:
        """Return what names a person in a session, and not any more once a directory has ended it.

        A portal with Flask-Login answers with it, and gives what comes back to ``load_user``::

            class User(UserMixin, db.Model):
                def get_id(self):
                    return provisioning.session_id(self)

        It is the primary key until somebody is deactivated for the first time, so that nobody is
        signed out when a portal begins to use it. It is one indexed read.

        :param user: An object of the users' model, or Flask-Login's ``current_user``.
        :raises TypeError: when it is neither.
        :raises ValueError: when it isn't in the database yet.
        """
        mapping, key, _ = self._about(user, "session_id")
        if key is None:
            raise ValueError("Nobody signs in who isn't in the database yet: flush the user first.")
        return session_id_of(mapping, key, self._standing(user))

    def load_user(self, session_id: str, *, session: Session | None = None) -> Any:
        """Return the person whom a session names, or None when it has ended.

        Who was deactivated or deleted by a directory is signed out at the next request, in every
        process and with remember cookies too, and the old session doesn't open again when the
        person comes back::

            login_manager.user_loader(provisioning.load_user)

        It is one indexed read beside that of the person.

        :param session_id: What ``session_id`` returned.
        :param session: What loads the person; without it, the portal's own session.
        :raises RuntimeError: when the portal has registered a ``sessionmaker``, and passes none.
        """
        mapping = current_provisioning.mappings["Users"]
        key = key_in(mapping, session_id)
        if key is None:
            return None
        user = (session or self._sessions.of_host()).get(mapping.model, key)
        if user is None:
            return None
        standing = self._standing(user)
        ours = session_id_of(mapping, key, standing) == session_id
        return user if standing.active and ours else None

    def signed_out(self, user: Any) -> datetime | None:
        """Return when a directory has last ended a person's sessions; None where none has.

        For portals with sessions of another kind: a token that was issued before then is over.

        :param user: An object of the users' model, or Flask-Login's ``current_user``.
        :raises TypeError: when it is neither.
        """
        return self._standing(user).signed_out

    def _standing(self, user: Any) -> Standing:
        mapping, key, connection = self._about(user, "signed_out")
        if key is None:
            return Standing(active=True)
        known: dict[Any, Standing] = g.setdefault(_STANDINGS_WITH_SESSIONS, {})
        if key not in known:
            known[key] = standing_of(mapping, connection, key)
            g.setdefault(_STANDINGS, {})[key] = known[key]
        return known[key]

    def _about(self, user: Any, asked: str) -> tuple[ResourceMapping, Any, Any]:
        """Return the mapping of users, the key of one of them, and where to ask about it.

        :raises TypeError: when it is no user.
        """
        user = getattr(user, "_get_current_object", lambda: user)()
        mapping = current_provisioning.mappings["Users"]
        if not isinstance(user, mapping.model):
            raise TypeError(
                f"{asked} wants a {mapping.model.__name__}, and got a {type(user).__name__}: "
                "ask it only about people who are signed in or about to."
            )
        identity = sa.inspect(user).identity
        if identity is None:
            return mapping, None, None
        session = object_session(user) or self._sessions.current
        connection = session.connection(bind_arguments={"mapper": mapping.table.mapper})
        return mapping, mapping.table.key_of_identity(identity), connection

    def touch(self, model: type[Any], *conditions: Any, session: Session | None = None) -> None:
        """Tell that the portal has changed users or groups in a way that the ORM doesn't see.

        What the portal's sessions write is seen by itself. After an ``update()`` or SQL, an
        identity provider that asks whether it knows the newest version would be told yes; this
        gives new versions, in the current transaction of ``db.session``::

            moved = User.department == "Sales"
            provisioning.touch(User, moved)
            db.session.execute(sa.update(User).where(moved).values(department="Revenue"))
            db.session.commit()

        :param model: The model of the users' schema, or of the groups'.
        :param conditions: Which rows, in SQL; all of them without any.
        :param session: Whose transaction it joins; without it, that of the portal's session.
        :raises ValueError: when no schema has this model.
        :raises RuntimeError: when the portal has registered a ``sessionmaker``, and passes none.
        """
        for schema, link in ((self.user_schema, "Users"), (self.group_schema, "Groups")):
            if schema is not None and schema.opts.model is model:
                key = primary_key_of(model)
                working = session or self._sessions.of_host()
                working.execute(touch(self._links[link], key, conditions))
                return
        raise ValueError(f"{model.__name__} is the model of neither schema: name one that is.")

    def _compiled(self) -> Mapping[str, ResourceMapping]:
        found = assemble(self.user_schema, self.group_schema, self._links, self.models)
        mappings = {"Users": found.users}
        if found.groups is not None:
            mappings["Groups"] = found.groups
        return MappingProxyType(mappings)


def _only_tenant() -> str:
    return TENANT


def _source(db: Any, session: SessionSource | None) -> SessionSource:
    if (db is None) is (session is None):
        raise TypeError(
            "Provisioning needs to know where sessions come from: pass it either your "
            "Flask-SQLAlchemy object, or session=<a scoped_session, a sessionmaker or a function>."
        )
    if session is not None:
        return session
    # Another extension's object has its session only inside of an application context.
    found = vars(db).get("session")
    return found if isinstance(found, scoped_session) else lambda: db.session


def _model_of(schema: type[UserSchema] | type[GroupSchema]) -> type[Any]:
    model: type[Any] | None = schema.opts.model
    if model is None:
        raise RuntimeError(
            f"{schema.__name__} has no model: add `class Meta: model = <your model>` to it."
        )
    return model


def _one_metadata(given: MetaData | type[Any] | None, models: Sequence[type[Any]]) -> MetaData:
    """Return the metadata of the models, which is that of one database."""
    found = _metadata_of(models[0])
    for model in models:
        if _metadata_of(model) is not found:
            raise RuntimeError(
                f"{models[0].__name__} and {model.__name__} live in different metadata, and one "
                "transaction can't span two databases: map models of one bind."
            )
    wanted = getattr(given, "metadata", given)
    if wanted is not None and wanted is not found:
        raise RuntimeError(
            f"{models[0].__name__} lives in other metadata than the one that was passed: pass that "
            "of your models, or leave it out."
        )
    return found


def _metadata_of(model: type[Any]) -> MetaData:
    table = sa.inspect(model).local_table
    # A model over a subquery has no table, and is declared somewhere all the same.
    return table.metadata if isinstance(table, sa.Table) else cast("MetaData", model.metadata)
