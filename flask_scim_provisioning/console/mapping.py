"""The pages of the mapping: what lives where, what is filled, and what a request would do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..mapping.resources import ResourceMapping
from ..models import utcnow
from ..scim.limits import Limits
from ..services import activity, integrations
from ..services.acting import scope_of
from ..services.activity import ActivityEntry
from ..services.coverage import UNCOUNTED, Coverage, coverage_of
from ..services.integrations import IntegrationView
from ..services.rehearsal import Rehearsal, rehearse
from ..services.scope import Scope
from ..services.work import Immediate
from ..state import current_provisioning
from .access import caller
from .forms import TryForm, form_status
from .presenters import present, tabs, trail

__all__ = ["mapping_rows", "resource_types", "show_mapping", "title_of", "try_out"]


def show_mapping(integration_id: str) -> ResponseReturnValue:
    """Show where each SCIM attribute lives in the portal's tables, and how many people have it."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    return render_template(
        "scim_provisioning/integrations/mapping.html",
        integration=present(view, utcnow()),
        mapping=[_shown(view, name) for name in resource_types()],
        try_url=url_for("scim_console.try_out", integration_id=view.id),
        tabs=tabs(view.id, "show_mapping"),
        trail=trail(view, "Mapping"),
    )


def resource_types() -> list[str]:
    """Return ``Users``, and ``Groups`` where there are any."""
    return sorted(current_provisioning.mappings, reverse=True)


def mapping_rows(name: str) -> list[dict[str, Any]]:
    """Return the attributes of a resource type, as its schema publishes them.

    :param name: ``"Users"`` or ``"Groups"``.
    """
    mapping = current_provisioning.mappings[name]
    keys = mapping.published.keys
    return [
        {
            **row,
            "direction": _direction(keys[row["attribute"]].mutability.value),
            "required": keys[row["attribute"]].required,
            "unique": keys[row["attribute"]].uniqueness.value != "none",
        }
        for row in mapping.describe()
        if row["attribute"] in keys and row["attribute"] not in ("id", "meta", "schemas")
    ]


def title_of(name: str) -> str:
    """Return what people call a resource type."""
    return "People" if name == "Users" else "Groups"


def _shown(view: IntegrationView, name: str) -> dict[str, Any]:
    """Return what is mapped and how far it is filled, and what is sent that nobody maps."""
    coverage = coverage_of(_scope(view), current_provisioning.mappings[name])
    filled = {
        key: {"share": _share(coverage, key), "value": _value(coverage, key)}
        for key in {*coverage.attributes, *(row["attribute"] for row in mapping_rows(name))}
    }
    return {
        "name": title_of(name),
        "of": _counted(name, coverage.looked_at),
        "rows": [row | filled[row["attribute"]] for row in mapping_rows(name)],
        "unmapped": [
            {"attribute": key, **filled[key]}
            for key, seen in sorted(coverage.attributes.items())
            if not seen.mapped
        ],
        "looked_at": coverage.looked_at,
    }


def _counted(name: str, count: int) -> str:
    one, many = ("person", "people") if name == "Users" else ("group", "groups")
    return f"{count or 'no'} {one if count == 1 else many}"


def _direction(mutability: str) -> str:
    return {"readOnly": "Read only", "writeOnly": "Written only", "immutable": "Written once"}.get(
        mutability, "Both ways"
    )


def _share(coverage: Coverage, key: str) -> str:
    if not coverage.looked_at or key in UNCOUNTED:
        return ""
    seen = coverage.attributes.get(key)
    return f"{round(100 * (seen.count if seen else 0) / coverage.looked_at)} %"


def _value(coverage: Coverage, key: str) -> str | None:
    seen = coverage.attributes.get(key)
    return None if seen is None else seen.value


def _scope(view: IntegrationView) -> Scope:
    """Return what the integration's own requests have, for what an administrator looks at."""
    state = current_provisioning
    settings = state.settings
    return scope_of(
        state.session,
        state.models,
        view,
        base_url=state.endpoint_url(view.tenant, view.id),
        limits=Limits(settings["SCIM_MAX_VALUES"], settings["SCIM_MAX_STORED_BYTES"]),
        work=Immediate(time.perf_counter() + settings["SCIM_WAIT_SECONDS"]),
        hidden=state.hidden,
    )


def try_out(integration_id: str) -> ResponseReturnValue:
    """Tell what a request would do, and do nothing; ``entry`` begins with one that was recorded."""
    session, models, tenant = caller()
    view = integrations.get_integration(session, models, tenant, integration_id)
    endpoints = {f"/{name}": name for name in resource_types()}
    form = TryForm(list(endpoints), current_provisioning.settings["SCIM_MAX_BODY_BYTES"])
    if not form.is_submitted():
        _begin(form, view)
    result = None
    if form.is_accepted():
        mapping = current_provisioning.mappings[endpoints[form.endpoint.data]]
        result = _presented(_tried(view, mapping, form))
    page = render_template(
        "scim_provisioning/integrations/try.html",
        integration=present(view, utcnow()),
        form=form,
        result=result,
        tabs=tabs(view.id, "show_mapping"),
        trail=[
            *trail(view),
            ("Mapping", url_for("scim_console.show_mapping", integration_id=view.id)),
            ("Try it", None),
        ],
    )
    return page, form_status(form)


def _tried(view: IntegrationView, mapping: ResourceMapping, form: TryForm) -> Rehearsal:
    return rehearse(
        _scope(view), mapping, form.method.data, form.resource_id.data or None, form.document()
    )


_EXAMPLE = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "maya@example.com",
    "name": {"givenName": "Maya", "familyName": "Lee"},
    "active": True,
}


def _begin(form: TryForm, view: IntegrationView) -> None:
    """Fill the form: with what an entry of the activity recorded, else with an example."""
    entry = _entry(view)
    form.method.data = "POST"
    form.endpoint.data = "/Users"
    payload: Any = _EXAMPLE
    if entry is not None:
        path = (entry.path or "").partition("?")[0].strip("/").split("/")
        form.method.data = entry.method if entry.method in dict(form.methods()) else "POST"
        form.endpoint.data = f"/{path[0]}"
        form.resource_id.data = path[1] if len(path) == 2 else ""
        payload = entry.payload or {}
    form.body.data = json.dumps(payload, indent=2, ensure_ascii=False)


def _entry(view: IntegrationView) -> ActivityEntry | None:
    session, models, _ = caller()
    number = request.args.get("entry", type=int)
    if number is None or not 0 < number < 2**63:
        return None
    return activity.entry(session, models, view.id, number)


_ACTS = {"insert": "New row of", "update": "Changed row of", "delete": "Deleted row of"}


def _presented(result: Rehearsal) -> dict[str, Any]:
    return {
        "status": result.status,
        "error": None if result.error is None else result.error.detail,
        "body": None
        if result.body is None
        else json.dumps(result.body, indent=2, ensure_ascii=False),
        "notes": result.notes,
        "rows": [(f"{_ACTS[row.act]} {row.model}", row.values) for row in result.rows],
        "members": _members(result.changes),
        "nothing": result.error is None and not result.changes and not result.rows,
    }


def _members(changes: Mapping[str, Any]) -> list[str]:
    """Return how many members would come and go, as sentences."""
    words = (
        ("added_count", "{} joined the group"),
        ("removed_count", "{} left the group"),
        ("groups_added_count", "{} joined the group, groups themselves"),
        ("groups_removed_count", "{} left the group, groups themselves"),
        ("skipped_count", "{} left out, whom nobody here knows"),
    )
    return [sentence.format(changes[name]) for name, sentence in words if changes.get(name)]
