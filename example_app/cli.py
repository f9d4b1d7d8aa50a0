"""``flask --app example_app init-db``."""

from __future__ import annotations

import os

import click
from flask.cli import with_appcontext

from .accounts import Administrator, ensure_administrator
from .database import db

__all__ = ["init_db", "prepare"]


def prepare() -> Administrator:
    """Create what is missing: the tables, the roles, the administrator."""
    db.create_all()
    administrator = ensure_administrator(
        db.session(),
        os.environ.get("PORTAL_ADMIN_EMAIL") or "admin@meridian.example",
        os.environ.get("PORTAL_ADMIN_PASSWORD") or None,
    )
    db.session.commit()
    return administrator


@click.command("init-db")
@with_appcontext
def init_db() -> None:
    """Create the tables and the administrator; nothing happens to what is there.

    PORTAL_ADMIN_EMAIL and PORTAL_ADMIN_PASSWORD say who it is. Without a password, a new
    administrator gets a random one, which is printed.
    """
    administrator = prepare()
    click.echo(f"Administrator: {administrator.email}")
    if administrator.password is None:
        click.echo("Password:      unchanged; set PORTAL_ADMIN_PASSWORD to give a new one")
    elif not os.environ.get("PORTAL_ADMIN_PASSWORD"):
        click.echo(f"Password:      {administrator.password}")
