"""``flask scim offboarding``, ``held``, ``release``, ``reject`` and ``due``: people who leave."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..services import brake, offboarding, people
from ..services.offboarding import Record
from ..state import current_provisioning
from .base import (
    ACTOR,
    as_json_option,
    find_integration,
    integration_argument,
    print_json,
    print_table,
    scim,
    tenant_option,
)

__all__: list[str] = []  # a command is found in its group


@scim.command(name="offboarding")
@click.argument("integration", metavar="ID|NAME", required=False)
@tenant_option
@click.option("--about", help="Only this person, by user name or SCIM id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=int, help="Only records with a smaller id, for older pages.")
@as_json_option
def show_offboarding(
    integration: str | None,
    tenant: str | None,
    about: str | None,
    limit: int,
    before: int | None,
    as_json: bool,
) -> None:
    """Show what became of everybody who left, the newest first, for those who have to prove it."""
    state = current_provisioning
    view = None if integration is None else find_integration(integration, tenant)
    page = offboarding.page(
        state.session,
        state.models,
        None if view is None else view.id,
        tenant=tenant,
        before=before,
        limit=limit,
        text=about,
    )
    rows = [each.as_json() for each in page.records]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("id", "resource_name", "kind", "received", "blocked", "due", "returned")
        print_table(rows, columns)
    else:
        click.echo("Nobody has left." if about is None else f"Nobody who left is called {about}.")


@scim.command()
@integration_argument
@tenant_option
@as_json_option
def held(integration: str, tenant: str | None, as_json: bool) -> None:
    """Show what the brake holds; exit 1 if somebody waits for a decision."""
    state, view = current_provisioning, find_integration(integration, tenant)
    found = offboarding.held(state.session, state.models, view.id)
    rows = [each.as_json() for each in found]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ("id", "resource_name", "kind", "received", "decision", "trouble"))
    else:
        click.echo("Nothing is held.")
    if any(each.decision is None for each in found):
        raise click.exceptions.Exit(1)


_records = click.argument("records", metavar="[RECORD]...", type=int, nargs=-1)
_every = click.option("--all", "every", is_flag=True, help="All that wait.")


@scim.command()
@integration_argument
@_records
@_every
@tenant_option
@as_json_option
def release(
    integration: str, records: Sequence[int], every: bool, tenant: str | None, as_json: bool
) -> None:
    """Release what the brake holds, by the ids that `held` lists; the directory then does it."""
    _decide("released", integration, records, every, tenant, as_json)


@scim.command()
@integration_argument
@_records
@_every
@tenant_option
@as_json_option
def reject(
    integration: str, records: Sequence[int], every: bool, tenant: str | None, as_json: bool
) -> None:
    """Reject what the brake holds, by the ids that `held` lists; the directory gets a 403."""
    _decide("rejected", integration, records, every, tenant, as_json)


def _decide(
    decision: str,
    integration: str,
    records: Sequence[int],
    every: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    if every is bool(records):
        raise click.UsageError("Name the records, or give --all.")
    state, view = current_provisioning, find_integration(integration, tenant)
    decided: Sequence[Record] = brake.decide(
        state.session,
        state.models,
        view.tenant,
        view.id,
        decision=decision,
        ids=None if every else records,
        actor=ACTOR,
    )
    if as_json:
        print_json({decision: [each.id for each in decided]})
    else:
        click.echo(f"{len(decided)} {decision}.")


@scim.command()
@tenant_option
@as_json_option
def due(tenant: str | None, as_json: bool) -> None:
    """Forget or delete the accounts whose grace period is over; for cron, once a day.

    Exit 1 if it can't be done for somebody; the next run tries again.
    """
    state = current_provisioning
    with state.sessions.in_place():
        found = people.run_due(state.session, state.models, state.mappings["Users"], tenant=tenant)
    if as_json:
        print_json({"done": found.done, "left": found.left, "failed": dict(found.failed)})
    else:
        click.echo(f"{found.done} done, {len(found.failed)} failed.")
        for who, reason in found.failed.items():
            click.echo(f"  {who}: {reason}")
    if found.failed:
        raise click.exceptions.Exit(1)
