"""``flask scim offboarding``, ``held``, ``release``, ``reject`` and ``due``: people who leave."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .cli import _ACTOR, _as_json, _find, _integration, _print_json, _print_table, _tenant, scim
from .services import brake, offboarding, people
from .services.offboarding import Record
from .state import current_provisioning

__all__ = ["due", "held", "reject", "release", "scim", "show_offboarding"]


@scim.command(name="offboarding")
@click.argument("integration", metavar="ID|NAME", required=False)
@_tenant
@click.option("--about", help="Only this person, by user name or SCIM id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=int, help="Only records with a smaller id, for older pages.")
@_as_json
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
    view = None if integration is None else _find(integration, tenant)
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
        _print_json(rows)
    elif rows:
        columns = ("id", "resource_name", "kind", "received", "blocked", "due", "returned")
        _print_table(rows, columns)
    else:
        click.echo("Nobody has left.")


@scim.command()
@_integration
@_tenant
@_as_json
def held(integration: str, tenant: str | None, as_json: bool) -> None:
    """Show what the brake holds; exit 1 if somebody waits for a decision."""
    state, view = current_provisioning, _find(integration, tenant)
    found = offboarding.held(state.session, state.models, view.id)
    rows = [each.as_json() for each in found]
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows, ("id", "resource_name", "kind", "received", "decision", "trouble"))
    else:
        click.echo("Nothing is held.")
    if any(each.decision is None for each in found):
        raise click.exceptions.Exit(1)


_records = click.argument("records", metavar="[RECORD]...", type=int, nargs=-1)
_every = click.option("--all", "every", is_flag=True, help="All that wait.")


@scim.command()
@_integration
@_records
@_every
@_tenant
@_as_json
def release(
    integration: str, records: Sequence[int], every: bool, tenant: str | None, as_json: bool
) -> None:
    """Release what the brake holds, by the ids that `held` lists; the directory then does it."""
    _decide("released", integration, records, every, tenant, as_json)


@scim.command()
@_integration
@_records
@_every
@_tenant
@_as_json
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
    state, view = current_provisioning, _find(integration, tenant)
    decided: Sequence[Record] = brake.decide(
        state.session,
        state.models,
        view.tenant,
        view.id,
        decision=decision,
        ids=None if every else records,
        actor=_ACTOR,
    )
    if as_json:
        _print_json({decision: [each.id for each in decided]})
    else:
        click.echo(f"{len(decided)} {decision}.")


@scim.command()
@_tenant
@_as_json
def due(tenant: str | None, as_json: bool) -> None:
    """Forget or delete the accounts whose grace period is over; for cron, once a day.

    Exit 1 if it can't be done for somebody; the next run tries again.
    """
    state = current_provisioning
    with state.sessions.in_place():
        found = people.run_due(state.session, state.models, state.mappings["Users"], tenant=tenant)
    if as_json:
        _print_json({"done": found.done, "left": found.left, "failed": dict(found.failed)})
    else:
        click.echo(f"{found.done} done, {len(found.failed)} failed.")
        for who, reason in found.failed.items():
            click.echo(f"  {who}: {reason}")
    if found.failed:
        raise click.exceptions.Exit(1)
