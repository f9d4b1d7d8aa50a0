"""Rules that hold on every host and subdomain that a portal is reached by."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState
from flask.globals import request_ctx
from werkzeug.routing import BaseConverter

__all__ = ["EverywhereBlueprint", "everywhere"]

_HOST = "scim_host"
_ANY = f"<scim_any_host:{_HOST}>"


class _AnyHost(BaseConverter):
    """Whatever a host or a subdomain is called, and none."""

    regex = r"[^/]*"
    part_isolating = True


def everywhere(app: Flask) -> dict[str, Any]:
    """Return the options of a rule that holds on every host.

    Where a portal matches hosts or subdomains, a rule without one would hold nowhere, or on one.
    """
    app.url_map.converters.setdefault("scim_any_host", _AnyHost)
    if app.url_map.host_matching:
        return {"host": _ANY}
    return {"subdomain": _ANY} if app.subdomain_matching else {}


class _EverywhereState(BlueprintSetupState):
    def add_url_rule(self, rule: str, *args: Any, **options: Any) -> None:
        super().add_url_rule(rule, *args, **{**everywhere(cast("Flask", self.app)), **options})


class EverywhereBlueprint(Blueprint):
    """A blueprint whose rules hold on every host, and whose URLs stay on the present one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.url_value_preprocessor(_forget)
        self.url_defaults(_stay)

    def make_setup_state(
        self, app: Any, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """Return what adds the rules."""
        return _EverywhereState(self, app, options, first_registration)


def _forget(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values is not None:
        values.pop(_HOST, None)


def _stay(_endpoint: str, values: dict[str, Any]) -> None:
    adapter = request_ctx.url_adapter if request_ctx else None
    if current_app.url_map.host_matching:
        default = current_app.config.get("SERVER_NAME") or "localhost"
        values.setdefault(_HOST, adapter.server_name if adapter is not None else default)
    elif current_app.subdomain_matching:
        values.setdefault(_HOST, (adapter.subdomain if adapter is not None else None) or "")
