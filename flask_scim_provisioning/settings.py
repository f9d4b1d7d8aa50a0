"""Every configuration key, in one table; the documentation is made from it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

__all__ = ["SETTINGS", "Setting", "SettingsError", "read_settings"]

_PREFIX = "SCIM_"
# Environment of the tests; hosts that copy all of their environment into the config have them too.
_FOREIGN = ("SCIM_TEST_",)


class SettingsError(Exception):
    """A configuration that can't work; the message says which key to change, and how."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration.

    :ivar help: One sentence; the unit, if there is one, in parentheses.
    :ivar read: Returns the value to use, or raises ``ValueError`` with what it has to be.
    """

    name: str
    default: Any
    help: str
    read: Callable[[Any], Any]


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or value.strip("/") == "":
        raise ValueError('a path that begins with a slash, such as "/provisioning"')
    if any(character in value for character in "<>?# "):
        raise ValueError("a plain path, without placeholders, query or spaces")
    return value.rstrip("/")


def _url(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        parts = urlsplit(value)
        if parts.scheme in ("http", "https") and parts.netloc and not parts.query:
            return value.rstrip("/")
    raise ValueError('an absolute URL such as "https://portal.example.com", or None')


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number, 1 or more")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _days(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return _count(value)
    except ValueError:
        raise ValueError("a whole number of days, 1 or more, or None") from None


def _seconds(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return _count(value)
    except ValueError:
        raise ValueError("a whole number of seconds, 1 or more, or None") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("the value True or False")
    return value


def _number(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return _count(value)
    except ValueError:
        raise ValueError("a whole number, 1 or more, or None") from None


def _store(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and "://" in value):
        return value
    raise ValueError('a URL such as "redis://localhost:6379", or None')


def _template(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise ValueError('the name of a template such as "base.html", or None')


SETTINGS = (
    Setting("SCIM_URL_PREFIX", "/api/v1", "Where the SCIM endpoints begin.", _path),
    Setting("SCIM_CONSOLE_PREFIX", "/provisioning", "Where the Provisioning pages are.", _path),
    Setting(
        "SCIM_EXTERNAL_URL",
        None,
        "The portal's root as identity providers reach it; None takes it from each request, which "
        "is right behind a proxy only with Werkzeug's ProxyFix.",
        _url,
    ),
    Setting("SCIM_MAX_RESULTS", 200, "Largest page a search answers with (resources).", _count),
    Setting(
        "SCIM_DEFAULT_RESULTS",
        100,
        "Page size of a search that doesn't name one (resources).",
        _count,
    ),
    Setting(
        "SCIM_ANNOUNCE_PAGINATION",
        True,
        "Whether `/ServiceProviderConfig` has the attribute `pagination` of RFC 9865; switch it "
        "off for a client that refuses what it doesn't know. Cursors work all the same.",
        _switch,
    ),
    Setting(
        "SCIM_CURSOR_SECONDS",
        86_400,
        "How long a cursor of a search may be used (seconds); None for ever.",
        _seconds,
    ),
    Setting(
        "SCIM_BULK_MAX_OPERATIONS",
        1_000,
        "How many operations one bulk request may have.",
        _count,
    ),
    Setting(
        "SCIM_BULK_MAX_PAYLOAD",
        1_048_576,
        "Largest body of a bulk request that is read (bytes).",
        _count,
    ),
    Setting(
        "SCIM_WAIT_SECONDS",
        20,
        "How long a request waits for a busy database in all before it is answered with 503 "
        "(seconds); less than your server's own time-out, which is 30 in gunicorn.",
        _count,
    ),
    Setting(
        "SCIM_RATE_LIMIT",
        60_000,
        "How many requests of one integration are answered in a minute; the others get 429 with "
        "Retry-After. None for any number.",
        _number,
    ),
    Setting(
        "SCIM_REFUSED_RATE_LIMIT",
        6_000,
        "How many tokens that open nothing one address may show in a minute, before it gets 429. "
        "None for any number.",
        _number,
    ),
    Setting(
        "SCIM_RATE_LIMIT_STORAGE",
        None,
        'Where all processes count together, such as "redis://localhost:6379" (needs the extra '
        "rate-limits); None lets each process count for itself.",
        _store,
    ),
    Setting("SCIM_MAX_BODY_BYTES", 2_000_000, "Largest body that is read (bytes).", _count),
    Setting(
        "SCIM_MAX_VALUES",
        2_000,
        "How many values a multi-valued attribute of one resource has at most; members of a group "
        "have no limit.",
        _count,
    ),
    Setting(
        "SCIM_MAX_STORED_BYTES",
        250_000,
        "How much of one resource is kept beside your own columns (bytes).",
        _count,
    ),
    Setting(
        "SCIM_OBEY_HOST_HOOKS",
        False,
        "Whether your own before_request functions may refuse or answer SCIM requests; they are "
        "called in any case, and 429 and 5xx hold in any case.",
        _flag,
    ),
    Setting(
        "SCIM_PROVISIONING_BASE_TEMPLATE",
        None,
        "Your template that the Provisioning pages extend; None takes their own.",
        _template,
    ),
    Setting(
        "SCIM_TOKEN_DAYS",
        None,
        "How long a new token is valid (days); None for ever.",
        _days,
    ),
    Setting(
        "SCIM_ACTIVITY_DAYS",
        90,
        "How long `flask scim prune` keeps the activity log (days); None for ever.",
        _days,
    ),
)


def read_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the value of every setting; later changes of ``config`` aren't seen.

    :raises SettingsError: when a key is unknown or a value can't be used.
    """
    names = {setting.name for setting in SETTINGS}
    for key in config:
        if key.startswith(_PREFIX) and key not in names and not key.startswith(_FOREIGN):
            raise SettingsError(_unknown(key, names))
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = config.get(setting.name, setting.default)
        try:
            values[setting.name] = setting.read(value)
        except ValueError as error:
            raise SettingsError(f"{setting.name} is {value!r}; it has to be {error}.") from None
    if values["SCIM_DEFAULT_RESULTS"] > values["SCIM_MAX_RESULTS"]:
        raise SettingsError(
            "SCIM_DEFAULT_RESULTS is larger than SCIM_MAX_RESULTS; lower it or raise the other."
        )
    if values["SCIM_URL_PREFIX"] == values["SCIM_CONSOLE_PREFIX"]:
        raise SettingsError(
            "SCIM_URL_PREFIX and SCIM_CONSOLE_PREFIX are the same; give the pages another path."
        )
    return MappingProxyType(values)


def _unknown(key: str, names: set[str]) -> str:
    nearest = difflib.get_close_matches(key, sorted(names), n=1)
    if nearest:
        return f"{key} is no setting; did you mean {nearest[0]}?"
    return f"{key} is no setting; the settings are {', '.join(sorted(names))}."
