"""What the environment says."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa

__all__ = ["from_environment"]

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


def from_environment(instance: Path) -> dict[str, Any]:
    """Return the configuration.

    ``DATABASE_URL`` names the database; without it, SQLite in the instance folder is used.
    ``SECRET_KEY`` signs the sessions; without it, a key is made once and kept there too.
    ``PORTAL_URL`` is the address that identity providers reach the portal by; behind HTTPS, cookies
    are sent by HTTPS only. ``PORTAL_PROXIES`` is how many proxies stand before it.
    """
    https = os.environ.get("PORTAL_URL", "").startswith("https:")
    database = os.environ.get("DATABASE_URL") or f"sqlite:///{instance / 'portal.sqlite3'}"
    if "SECRET_KEY" not in os.environ or "DATABASE_URL" not in os.environ:
        instance.mkdir(parents=True, exist_ok=True)
    return {
        "SECRET_KEY": os.environ.get("SECRET_KEY") or _kept_key(instance / "secret_key"),
        "SQLALCHEMY_DATABASE_URI": database_url(database),
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": https,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": https,
        "PORTAL_PROXIES": int(os.environ.get("PORTAL_PROXIES") or 0),
        "SCIM_EXTERNAL_URL": os.environ.get("PORTAL_URL") or None,
        "SCIM_PROVISIONING_BASE_TEMPLATE": "portal/base.html",
    }


def database_url(url: str) -> str:
    """Name the installed driver where a URL, as hosting services give it, names none."""
    parsed = sa.make_url(url)
    driver = _DRIVERS.get(parsed.drivername, parsed.drivername)
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def _kept_key(path: Path) -> str:
    """Return the key in a file, made by whichever process comes first."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    key = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)
    return key
