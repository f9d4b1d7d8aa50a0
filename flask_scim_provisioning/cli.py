"""``flask scim …``: the use cases for a terminal and, with ``--json``, for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from .dialects import DIALECTS
from .mapping.checks import deaf_sentence, is_deaf
from .mapping.doctor import Finding, look_ups, odd_rows
from .models import TENANT, utcnow
from .scim.errors import ScimError
from .services import activity, integrations, refusals, tokens
from .services.errors import IntegrationError, IntegrationNotFound
from .services.integrations import IntegrationView
from .services.permissions import SCIM_PROVISIONER
from .state import current_provisioning

__all__ = ["scim"]

_ACTOR = "flask scim"


class _ScimGroup(AppGroup):
    """Turns the refusals of the use cases into messages; loads the simulator when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            # Nothing else of the command line needs the simulator's HTTP client.
            from .simulator import cli as simulator

            simulate: click.Command = simulator.simulate
            return simulate
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except IntegrationError as error:
            raise click.ClickException(str(error)) from error
        except ScimError as error:
            raise click.ClickException(error.detail) from error
        except (OperationalError, ProgrammingError) as error:
            raise click.ClickException(
                "The database refused; `flask scim doctor` tells whether its tables are there. "
                f"It said: {error.orig}"
            ) from error


scim = _ScimGroup("scim", help="Provisioning by identity providers.")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_tenant = click.option(
    "--tenant", help="The tenant that it belongs to; needed where several have the same name."
)
_integration = click.argument("integration", metavar="ID|NAME")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def _print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Iterable():
            return "; ".join(str(each) for each in value) or "-"
        case _:
            return str(value)


def _find(text: str, tenant: str | None) -> IntegrationView:
    """Find an integration by its id or by its name.

    :raises IntegrationNotFound: when there is none.
    :raises click.UsageError: when several tenants have one of this name.
    """
    state = current_provisioning
    everything = integrations.list_integrations(state.session, state.models, tenant)
    found = [view for view in everything if text.lower() == str(view.id)] or [
        view for view in everything if text == view.name
    ]
    if not found:
        raise IntegrationNotFound
    if len(found) > 1:
        tenants = ", ".join(view.tenant for view in found)
        raise click.UsageError(f"Several tenants have one: name one with --tenant ({tenants}).")
    return found[0]


def _described(view: IntegrationView) -> dict[str, Any]:
    return asdict(view) | {"endpoint": current_provisioning.endpoint_url(view.tenant, view.id)}


@scim.command()
@click.option("--name", required=True, help="How administrators recognise it.")
@click.option("--tenant", default=TENANT, show_default=True, help="Stands in the endpoint's URL.")
@click.option(
    "--provider",
    type=click.Choice(sorted(DIALECTS)),
    default="generic",
    show_default=True,
    help="The identity provider, whose habits are then understood.",
)
@click.option("--description", default="", help="What it is for.")
@_as_json
def create(name: str, tenant: str, provider: str, description: str, as_json: bool) -> None:
    """Create an integration, and print its endpoint and its token.

    The endpoint begins with SCIM_EXTERNAL_URL, else with SERVER_NAME and PREFERRED_URL_SCHEME,
    else with http://127.0.0.1:5000. The token is printed this once.
    """
    state = current_provisioning
    created = integrations.create_integration(
        state.session,
        state.models,
        tenant=tenant,
        name=name,
        description=description,
        dialect=provider,
        lifetime=state.token_lifetime,
        actor=_ACTOR,
    )
    view = created.integration
    endpoint, token = state.endpoint_url(view.tenant, view.id), created.secret.reveal()
    if as_json:
        _print_json({"id": str(view.id), "endpoint": endpoint, "token": token})
        return
    click.echo(f"Id:       {view.id}")
    click.echo(f"Endpoint: {endpoint}")
    click.echo(f"Token:    {token}")
    click.echo("The token is shown only now; paste both into the identity provider.")


@scim.command(name="list")
@click.option("--tenant", help="Only this tenant's.")
@_as_json
def list_(tenant: str | None, as_json: bool) -> None:
    """List the integrations."""
    state = current_provisioning
    rows = [
        _described(view)
        for view in integrations.list_integrations(state.session, state.models, tenant)
    ]
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows, ("id", "tenant", "name", "dialect", "enabled", "last_used"))
    else:
        click.echo("There is no integration; `flask scim create --name NAME` makes one.")


@scim.command()
@_integration
@_tenant
@_as_json
def show(integration: str, tenant: str | None, as_json: bool) -> None:
    """Show one integration with its tokens and its latest activity."""
    state = current_provisioning
    view = _find(integration, tenant)
    described = _described(view)
    listed = [asdict(each) for each in tokens.list_tokens(state.session, state.models, view.id)]
    latest = [asdict(each) for each in activity.recent(state.session, state.models, view.id, 10)]
    if as_json:
        _print_json(described | {"tokens": listed, "activity": latest})
        return
    for key, value in described.items():
        if key == "permissions":
            for kind, verbs in view.permissions.items():
                click.echo(f"{kind + ':':<20} {', '.join(verb.lower() for verb in verbs)}")
        else:
            click.echo(f"{key.replace('_', ' ') + ':':<20} {_cell(value)}")
    click.echo()
    _print_table(listed, ("key_id", "created", "expires", "last_used", "revoked"))
    click.echo()
    _print_table(latest, ("at", "action", "resource_name", "outcome", "status", "detail"))


@scim.command()
@_integration
@_tenant
@_as_json
def enable(integration: str, tenant: str | None, as_json: bool) -> None:
    """Let an integration's requests in again."""
    state, view = current_provisioning, _find(integration, tenant)
    changed = integrations.enable_integration(
        state.session, state.models, view.tenant, view.id, _ACTOR
    )
    _print_done(changed, "enabled", as_json)


@scim.command()
@_integration
@_tenant
@_as_json
def disable(integration: str, tenant: str | None, as_json: bool) -> None:
    """Refuse every request of an integration."""
    state, view = current_provisioning, _find(integration, tenant)
    changed = integrations.disable_integration(
        state.session, state.models, view.tenant, view.id, _ACTOR
    )
    _print_done(changed, "disabled", as_json)


def _print_done(view: IntegrationView, done: str, as_json: bool) -> None:
    if as_json:
        _print_json(_described(view))
    else:
        click.echo(f"{view.name} is {done}.")


@scim.command()
@_integration
@_tenant
@click.option(
    "--overlap-hours",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="How long the old tokens go on working after the new one was first used; 0 ends them now.",
)
@_as_json
def rotate(integration: str, tenant: str | None, overlap_hours: int, as_json: bool) -> None:
    """Give an integration a new token, and print it this once."""
    state, view = current_provisioning, _find(integration, tenant)
    secret = tokens.rotate_token(
        state.session,
        state.models,
        view.tenant,
        view.id,
        overlap=timedelta(hours=overlap_hours),
        lifetime=state.token_lifetime,
        actor=_ACTOR,
    )
    endpoint = state.endpoint_url(view.tenant, view.id)
    if as_json:
        _print_json({"id": str(view.id), "endpoint": endpoint, "token": secret.reveal()})
        return
    click.echo(f"Token: {secret.reveal()}")
    click.echo("The token is shown only now; paste it into the identity provider.")


@scim.command()
@_integration
@_tenant
@click.option("--yes", is_flag=True, help="Don't ask.")
@_as_json
def remove(integration: str, tenant: str | None, yes: bool, as_json: bool) -> None:
    """Remove an integration with its tokens and its activity; users and groups stay."""
    state, view = current_provisioning, _find(integration, tenant)
    if not yes:
        click.confirm(f"Remove {view.name} of tenant {view.tenant}?", abort=True, err=True)
    described = _described(view)
    integrations.remove_integration(state.session, state.models, view.tenant, view.id, _ACTOR)
    if as_json:
        _print_json(described)
    else:
        click.echo(f"{view.name} is removed.")


@scim.command()
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Keep so many days; without it, SCIM_ACTIVITY_DAYS decides.",
)
@_as_json
def prune(days: int | None, as_json: bool) -> None:
    """Delete old entries of the activity log; run it once a day."""
    state = current_provisioning
    kept = days or state.settings["SCIM_ACTIVITY_DAYS"]
    deleted = 0
    if kept is not None:
        arguments = (state.session, state.models, utcnow() - timedelta(days=kept))
        deleted = activity.prune(*arguments)
        refusals.prune(*arguments)
        integrations.forget_removed(*arguments)
    if as_json:
        _print_json({"deleted": deleted})
    else:
        click.echo(f"{deleted} entries deleted.")


@scim.command()
@_as_json
def mapping(as_json: bool) -> None:
    """Show where each SCIM attribute lives in the portal's tables."""
    described = {
        name: each.describe() for name, each in sorted(current_provisioning.mappings.items())
    }
    if as_json:
        _print_json(described)
        return
    for name, rows in described.items():
        click.echo(f"{name}\n")
        _print_table(rows, ("attribute", "place", "type", "filterable", "notes"))
        click.echo()


@scim.command()
@_as_json
def doctor(as_json: bool) -> None:
    """Look for what would make provisioning fail or slow; exit 1 if there is such a thing."""
    findings = list(_findings())
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.level + ':':<9}{finding.message}")
            if finding.statement:
                click.echo(f"{'':<9}{finding.statement}")
        if all(finding.level == "ok" for finding in findings):
            click.echo("Everything is in order.")
    if any(finding.level == "problem" for finding in findings):
        raise click.exceptions.Exit(1)


def _findings() -> Iterable[Finding]:
    state = current_provisioning
    if state.admin_required is None:
        yield Finding(
            "problem",
            "Nobody can open the Provisioning pages: pass admin_required=lambda: "
            "current_user.is_admin (or the like) to init_app.",
        )
    if state.settings["SCIM_EXTERNAL_URL"] is None:
        yield Finding(
            "warning",
            "SCIM_EXTERNAL_URL is not set: behind a proxy, set it or use Werkzeug's ProxyFix, or "
            "identity providers get URLs that they can't reach.",
        )
    connection = state.session.connection()
    present = set(sa.inspect(connection).get_table_names())
    tables = [
        table.name
        for table in state.database.Model.metadata.sorted_tables
        if table.name.startswith("scim_")
    ]
    missing = [table for table in tables if table not in present]
    if missing:
        yield Finding(
            "problem",
            f"These tables are missing: {', '.join(missing)}. Add them with a migration "
            "(flask db migrate, flask db upgrade) or with db.create_all().",
        )
        return
    for view in integrations.list_integrations(state.session, state.models):
        if view.role is None:
            yield Finding(
                "problem",
                f"The service account of {view.name} (tenant {view.tenant}) has no role, so that "
                f"it may do nothing: bind {SCIM_PROVISIONER} to it, or create it anew.",
            )
    for each in state.mappings.values():
        if is_deaf(each):
            yield Finding("warning", deaf_sentence(each))
        yield from look_ups(each, connection)
        yield from odd_rows(each, connection)
