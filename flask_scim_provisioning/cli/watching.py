"""``flask scim health``, ``refused``, ``activity`` and ``prune``: what has happened."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, timedelta

import click

from ..models import utcnow
from ..services import activity, conflicts, integrations, offboarding, refusals
from ..services.activity import Action, ActivityEntry
from ..services.work import run_transaction
from ..state import current_provisioning
from .base import (
    as_json_option,
    assess,
    find_integration,
    print_json,
    print_table,
    scim,
    tenant_option,
)

__all__: list[str] = []  # a command is found in its group

_FOLLOW_EVERY = 2.0  # seconds


@scim.command(name="health")
@click.argument("integration", metavar="ID|NAME", required=False)
@tenant_option
@as_json_option
def show_health(integration: str | None, tenant: str | None, as_json: bool) -> None:
    """Tell how integrations are; exit 1 if one needs attention, for cron and monitoring."""
    state = current_provisioning
    if integration is None:
        views = integrations.list_integrations(state.session, state.models, tenant)
    else:
        views = [find_integration(integration, tenant)]
    found = assess(views)
    if as_json:
        print_json([each.as_json() for each in found])
    else:
        for each in found:
            click.echo(f"{each.name} ({each.tenant}): {each.state.value}. {each.reason}")
            if each.todo:
                click.echo(f"    {each.todo}")
            for problem in each.problems:
                if problem.reason != each.reason:
                    click.echo(f"  - {problem.reason} {problem.todo}")
    if any(each.needs_attention for each in found):
        raise click.exceptions.Exit(1)


@scim.command()
@click.option("--tenant", help="Only what concerns this tenant.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True)
@as_json_option
def refused(tenant: str | None, days: int, as_json: bool) -> None:
    """Show the requests that were refused before anybody knew whose they are, and why."""
    state = current_provisioning
    since = utcnow() - timedelta(days=days)
    rows = [
        asdict(row)
        for row in refusals.recent(state.session, state.models, tenant=tenant, since=since)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("last_at", "count", "cause", "tenant", "integration_id", "key_id", "address")
        print_table(rows, columns)
    else:
        click.echo("No request was refused at the door.")


@scim.command(name="activity")
@click.argument("integration", metavar="ID|NAME", required=False)
@tenant_option
@click.option(
    "--outcome", type=click.Choice(["ok", "refused", "failed"]), help="Only these outcomes."
)
@click.option(
    "--action",
    type=click.Choice([each.value for each in Action]),
    help="Only what happened like this.",
    metavar="ACTION",
)
@click.option("--about", help="Only what is about this person, group or request id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--follow", is_flag=True, help="Go on with what happens, until interrupted.")
@as_json_option
def show_activity(
    integration: str | None,
    tenant: str | None,
    outcome: str | None,
    action: str | None,
    about: str | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what happened, the latest last; with the filters of the pages."""
    state = current_provisioning
    view = None if integration is None else find_integration(integration, tenant)

    def read() -> list[ActivityEntry]:
        state.session.rollback()
        found = activity.page(
            state.session,
            state.models,
            None if view is None else view.id,
            tenant=tenant,
            limit=limit,
            outcome=outcome,
            action=action,
            text=about,
        )
        return list(reversed(found.entries))

    entries = read()
    if as_json and not follow:
        print_json([asdict(each) for each in entries])
        return
    seen = _print_entries(entries, {}, as_json)
    while follow:
        time.sleep(_FOLLOW_EVERY)
        seen = _print_entries(read(), seen, as_json)


def _print_entries(
    entries: Sequence[ActivityEntry], seen: Mapping[int, int], as_json: bool
) -> dict[int, int]:
    """Print what is new of the entries, and return what was printed: ids and counts."""
    for each in entries:
        if seen.get(each.id) == each.count:
            continue
        if as_json:
            click.echo(json.dumps(asdict(each), default=str, ensure_ascii=False))
            continue
        about = each.resource_name or each.resource_id or ""
        words = [
            f"{each.latest.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            each.outcome if each.status is None else f"{each.outcome} {each.status}",
            each.action,
            about if each.actor is None else f"by {each.actor}",
            f"({each.count} times)" if each.count > 1 else "",
            each.detail or "",
        ]
        click.echo("  ".join(word for word in words if word))
    return {**seen, **{each.id: each.count for each in entries}}


@scim.command()
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Keep so many days; without it, SCIM_ACTIVITY_DAYS decides.",
)
@as_json_option
def prune(days: int | None, as_json: bool) -> None:
    """Delete old entries of the activity log; run it once a day."""
    state = current_provisioning
    kept = days or state.settings["SCIM_ACTIVITY_DAYS"]
    deleted = 0
    if kept is not None:
        session, models, before = state.session, state.models, utcnow() - timedelta(days=kept)
        deleted = activity.prune(session, models, before)
        refusals.prune(session, models, before)
        offboarding.prune(session, models, before)
        run_transaction(session, lambda: conflicts.prune(session, models, before))
        integrations.forget_removed(session, models, before)
    if as_json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"{deleted} entries deleted.")
