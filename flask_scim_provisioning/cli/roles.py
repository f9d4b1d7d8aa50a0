"""``flask scim role``: what the service accounts of a tenant may do."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..models import TENANT
from ..services import roles
from ..services.permissions import SCIM_PROVISIONER
from ..state import current_provisioning
from .base import ACTOR, as_json_option, print_json, scim

__all__: list[str] = []  # a command is found in its group


@scim.command()
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
@as_json_option
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
            actor=ACTOR,
        )
    else:
        found = roles.get_role(state.session, state.models, tenant, name)
    if as_json:
        print_json({"tenant": tenant, "name": name, "permissions": found})
        return
    for kind, verbs in found.items():
        click.echo(f"{kind + ':':<10} {', '.join(verb.lower() for verb in verbs) or 'nothing'}")
