"""What the commands have in common: the group, options, and how things are found and printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from ..scim.errors import ScimError
from ..services import health, integrations
from ..services.errors import IntegrationError, IntegrationNotFound
from ..services.health import Health
from ..services.integrations import IntegrationView
from ..state import current_provisioning

__all__ = [
    "ACTOR",
    "as_json_option",
    "assess",
    "cell",
    "facts_of",
    "find_integration",
    "integration_argument",
    "print_done",
    "print_json",
    "print_table",
    "scim",
    "tenant_option",
]

ACTOR = "flask scim"
"""Who does it, for the activity log."""


class _ScimGroup(AppGroup):
    """Turns the refusals of the use cases into messages; loads the simulator when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            # Nothing else of the command line needs the simulator's HTTP client.
            from ..simulator import cli as simulator

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

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
tenant_option = click.option(
    "--tenant", help="The tenant that it belongs to; needed where several have the same name."
)
integration_argument = click.argument("integration", metavar="ID|NAME")


def print_json(value: Any) -> None:
    """Print a value as JSON; what it doesn't know is printed as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print columns of rows as a table."""
    cells = [columns, *([cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def cell(value: Any) -> str:
    """Return a value as a table shows it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case Mapping():
            return "; ".join(f"{name} {cell(each)}" for name, each in value.items()) or "-"
        case Iterable():
            return "; ".join(str(each) for each in value) or "-"
        case _:
            return str(value)


def find_integration(text: str, tenant: str | None) -> IntegrationView:
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


def facts_of(view: IntegrationView) -> dict[str, Any]:
    """Return all that is known of an integration, its endpoint included."""
    return asdict(view) | {"endpoint": current_provisioning.endpoint_url(view.tenant, view.id)}


def assess(views: Sequence[IntegrationView]) -> Sequence[Health]:
    """Return how integrations are."""
    state = current_provisioning
    return health.assess(state.session, state.models, state.mappings, views)


def print_done(view: IntegrationView, done: str, as_json: bool) -> None:
    """Print what was done to an integration."""
    if as_json:
        print_json(facts_of(view))
    else:
        click.echo(f"{view.name} is {done}.")
