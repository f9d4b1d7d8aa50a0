"""The portal of the tests for a server in a process of its own, on tables that are there."""

from __future__ import annotations

import os

from flask import Flask

from tests.portal import host, write_ahead


def create_app() -> Flask:
    """Return the app; ``SCIM_TEST_SERVED_URL`` is the URL of its database."""
    models = host()
    app = Flask("portal")
    app.config.update(
        SECRET_KEY="for tests only",
        SQLALCHEMY_DATABASE_URI=os.environ["SCIM_TEST_SERVED_URL"],
    )
    models.db.init_app(app)
    models.provisioning.init_app(app, admin_required=lambda: False)
    with app.app_context():
        if models.db.engine.dialect.name == "sqlite":
            write_ahead(models.db.engine)
    return app
