"""``Provisioning``: what a portal registers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from . import api, cli, console
from .mapping import GroupSchema, ResourceMapping, UserSchema
from .mapping.access.host_writes import touch
from .mapping.assembly import assemble
from .mapping.host.links import declare_link, primary_key_of
from .models import TENANT, Models, declare, own_base
from .settings import read_settings
from .state import EXTENSION, ProvisioningState

__all__ = ["Provisioning"]

logger = logging.getLogger(__name__)


class Provisioning:
    """SCIM 2.0 provisioning for a portal: its endpoints, its pages and its commands.

    Make one object beside the models, and register it on each application::

        provisioning = Provisioning(db, user_schema=PortalUser, group_schema=PortalGroup)
        provisioning.init_app(app, admin_required=lambda: current_user.is_admin)

    The object keeps nothing of an application, so that one object serves several with different
    configurations.

    :param db: The portal's Flask-SQLAlchemy object; the tables are declared on its ``Model``.
    :param user_schema: How SCIM's users live in the portal's tables.
    :param group_schema: How SCIM's groups do.
    :raises RuntimeError: when ``db`` has a ``Provisioning`` already, or a schema's model belongs to
        another metadata than ``db.Model``.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        *,
        user_schema: type[UserSchema],
        group_schema: type[GroupSchema],
    ) -> None:
        self.db = db
        self.user_schema = user_schema
        self.group_schema = group_schema
        for schema in (user_schema, group_schema):
            _require_same_metadata(db, schema)
        base = own_base(db.Model.metadata)
        self.models: Models = declare(base)
        # The schemas are compiled by init_app: then the portal's relationships can be resolved.
        self._links: Mapping[str, type[Any]] = MappingProxyType(
            {
                "Users": declare_link(base, user_schema.opts.model, "User"),
                "Groups": declare_link(base, group_schema.opts.model, "Group"),
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
        :raises MappingError: when a schema can't work; the message says which line to change.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(
                "Provisioning is already registered on this app: call init_app once for each app."
            )
        settings = read_settings(app.config)
        app.extensions[EXTENSION] = ProvisioningState(
            provisioning=self,
            database=self.db,
            settings=settings,
            models=self.models,
            mappings=self._compiled(),
            admin_required=admin_required,
            tenant=tenant or _only_tenant,
        )
        app.register_blueprint(api.create_blueprint(settings["SCIM_URL_PREFIX"]))
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

    def touch(self, model: type[Any], *conditions: Any) -> None:
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
        :raises ValueError: when no schema has this model.
        """
        for schema, link in ((self.user_schema, "Users"), (self.group_schema, "Groups")):
            if schema.opts.model is model:
                key = primary_key_of(model)
                self.db.session.execute(touch(self._links[link], key, conditions))
                return
        raise ValueError(f"{model.__name__} is the model of neither schema: name one that is.")

    def _compiled(self) -> Mapping[str, ResourceMapping]:
        links = {"User": self._links["Users"], "Group": self._links["Groups"]}
        found = assemble(self.user_schema, self.group_schema, links, self.models)
        mappings = {"Users": found.users}
        if found.groups is not None:
            mappings["Groups"] = found.groups
        return MappingProxyType(mappings)


def _only_tenant() -> str:
    return TENANT


def _require_same_metadata(db: SQLAlchemy, schema: type[UserSchema] | type[GroupSchema]) -> None:
    model = schema.opts.model
    if model is None:
        raise RuntimeError(
            f"{schema.__name__} has no model: add `class Meta: model = <your model>` to it."
        )
    if model.metadata is not db.Model.metadata:
        raise RuntimeError(
            f"{model.__name__} lives in other metadata than db.Model, and one transaction can't "
            "span two databases: map a model of the default bind."
        )
