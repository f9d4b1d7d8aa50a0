"""``flask scim role``: what the service accounts of a tenant may do."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from .models import TENANT
from .services import roles
from .services.permissions import SCIM_PROVISIONER
from .state import current_provisioning

__all__ = ["role"]


@click.command()
@click.option("--tenant", default=TENANT, show_default=True, help="Whose role it is.")
@click.option("--name", default=SCIM_PROVISIONER, show_default=True, help="Of the role.")
@click.option(
    "--grant",
    multiple=True,
    metavar="RESOURCE:VERB",
    help="Give it a permission, such as USERS:DELETE; may be repeated.",
)
@click.option(
    "--deny",
    multiple=True,
    metavar="RESOURCE:VERB",
    help="Take a permission from it, such as BINDINGS:DELETE; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def role(tenant: str, name: str, grant: Sequence[str], deny: Sequence[str], as_json: bool) -> None:
    """Show what the integrations of a tenant may do, or narrow or widen it."""
    state = current_provisioning
    if grant or deny:
        found = roles.change_role(
            state.session,
            state.models,
            tenant,
            grant=grant,
            deny=deny,
            name=name,
            actor="flask scim",
        )
    else:
        found = roles.get_role(state.session, state.models, tenant, name)
    if as_json:
        click.echo(json.dumps({"tenant": tenant, "name": name, "permissions": found}, indent=2))
        return
    for kind, verbs in found.items():
        click.echo(f"{kind + ':':<10} {', '.join(verb.lower() for verb in verbs) or 'nothing'}")
