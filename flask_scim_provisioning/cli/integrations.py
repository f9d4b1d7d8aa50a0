"""``flask scim create`` and the like: integrations, their settings, tokens and people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from ..dialects import DIALECTS
from ..mapping.checks import check_tenants
from ..mapping.errors import MappingError
from ..models import TENANT
from ..services import activity, adoption, integrations, people, tokens
from ..services.integrations import IntegrationView
from ..services.policies import POLICIES, Policies
from ..state import current_provisioning
from .base import (
    ACTOR,
    as_json_option,
    assess,
    cell,
    facts_of,
    find_integration,
    integration_argument,
    print_done,
    print_json,
    print_table,
    scim,
    tenant_option,
)

__all__: list[str] = []  # a command is found in its group

_LONGEST_STDIN = 65_536  # characters


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("Write a policy as NAME=VALUE.")
    return {name.strip(): value.strip() for name, _, value in pairs}


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
@as_json_option
def create(name: str, tenant: str, provider: str, description: str, as_json: bool) -> None:
    """Create an integration, and print its endpoint and its token.

    The endpoint begins with SCIM_EXTERNAL_URL, else with SERVER_NAME and PREFERRED_URL_SCHEME,
    else with http://127.0.0.1:5000. The token is printed this once.
    """
    state = current_provisioning
    _require_boundaries(tenant)
    created = integrations.create_integration(
        state.session,
        state.models,
        tenant=tenant,
        name=name,
        description=description,
        dialect=provider,
        lifetime=state.token_lifetime,
        actor=ACTOR,
    )
    view = created.integration
    endpoint, token = state.endpoint_url(view.tenant, view.id), created.secret.reveal()
    if as_json:
        print_json({"id": str(view.id), "endpoint": endpoint, "token": token})
        return
    click.echo(f"Id:       {view.id}")
    click.echo(f"Endpoint: {endpoint}")
    click.echo(f"Token:    {token}")
    click.echo("The token is shown only now; paste both into the identity provider.")


def _require_boundaries(tenant: str) -> None:
    """Let there be no second tenant where each would see everybody.

    :raises click.ClickException: when a schema doesn't say whose row each is.
    """
    state = current_provisioning
    views = integrations.list_integrations(state.session, state.models)
    if all(view.tenant == tenant for view in views):
        return
    for mapping in state.mappings.values():
        try:
            check_tenants(mapping)
        except MappingError as error:
            raise click.ClickException(str(error)) from error


@scim.command(name="list")
@click.option("--tenant", help="Only this tenant's.")
@as_json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List the integrations."""
    state = current_provisioning
    views = integrations.list_integrations(state.session, state.models, tenant)
    rows = [
        facts_of(view) | {"state": found.state.value, "reason": found.reason}
        for view, found in zip(views, assess(views), strict=True)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ("id", "tenant", "name", "dialect", "state", "last_used"))
    else:
        click.echo("There is no integration; `flask scim create --name NAME` makes one.")


@scim.command()
@integration_argument
@tenant_option
@as_json_option
def show(integration: str, tenant: str | None, as_json: bool) -> None:
    """Show one integration with its tokens and its latest activity."""
    state = current_provisioning
    view = find_integration(integration, tenant)
    (found,) = assess([view])
    described = facts_of(view) | {"state": found.state.value, "reason": found.reason}
    listed = [asdict(each) for each in tokens.list_tokens(state.session, state.models, view.id)]
    latest = [asdict(each) for each in activity.recent(state.session, state.models, view.id, 10)]
    if as_json:
        print_json(described | {"tokens": listed, "activity": latest})
        return
    for key, value in described.items():
        if key == "permissions":
            for kind, verbs in view.permissions.items():
                click.echo(f"{kind + ':':<20} {', '.join(verb.lower() for verb in verbs)}")
        else:
            click.echo(f"{key.replace('_', ' ') + ':':<20} {cell(value)}")
    click.echo()
    print_table(listed, ("key_id", "created", "expires", "last_used", "revoked"))
    click.echo()
    print_table(latest, ("at", "action", "resource_name", "outcome", "status", "detail"))


@scim.command()
@integration_argument
@tenant_option
@as_json_option
def enable(integration: str, tenant: str | None, as_json: bool) -> None:
    """Let an integration's requests in again."""
    switch = integrations.enable_integration
    print_done(_switched(switch, integration, tenant), "enabled", as_json)


@scim.command()
@integration_argument
@tenant_option
@as_json_option
def pause(integration: str, tenant: str | None, as_json: bool) -> None:
    """Put off every request of an integration: 503; `enable` resumes it."""
    switch = integrations.pause_integration
    print_done(_switched(switch, integration, tenant), "paused", as_json)


@scim.command()
@integration_argument
@tenant_option
@click.option("--name", help="Its new name.")
@click.option("--description", help="What it is for.")
@click.option("--provider", type=click.Choice(sorted(DIALECTS)), help="The identity provider.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"What it may do to people; may be repeated. Names: {', '.join(POLICIES)}.",
)
@as_json_option
def edit(
    integration: str,
    tenant: str | None,
    name: str | None,
    description: str | None,
    provider: str | None,
    policies: Sequence[str],
    as_json: bool,
) -> None:
    """Edit the settings of an integration; endpoint, tokens and links stay."""
    state, view = current_provisioning, find_integration(integration, tenant)
    changed = integrations.update_integration(
        state.session,
        state.models,
        view.tenant,
        view.id,
        name=view.name if name is None else name,
        description=view.description if description is None else description,
        dialect=view.dialect if provider is None else provider,
        policies=Policies.chosen(view.policies.values() | _pairs(policies)),
        actor=ACTOR,
    )
    print_done(changed, "saved", as_json)


@scim.command()
@integration_argument
@tenant_option
@as_json_option
def disable(integration: str, tenant: str | None, as_json: bool) -> None:
    """Refuse every request of an integration."""
    switch = integrations.disable_integration
    print_done(_switched(switch, integration, tenant), "disabled", as_json)


def _switched(
    switch: Callable[..., IntegrationView], integration: str, tenant: str | None
) -> IntegrationView:
    state, view = current_provisioning, find_integration(integration, tenant)
    return switch(state.session, state.models, view.tenant, view.id, ACTOR)


@scim.command()
@integration_argument
@tenant_option
@click.option(
    "--overlap-hours",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="How long the old tokens go on working after the new one was first used; 0 ends them now.",
)
@click.option("--label", help="What the new token is for.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How long the new token is valid; without it, SCIM_TOKEN_DAYS decides.",
)
@as_json_option
def rotate(
    integration: str,
    tenant: str | None,
    overlap_hours: int,
    label: str | None,
    days: int | None,
    as_json: bool,
) -> None:
    """Give an integration a new token, and print it this once."""
    state, view = current_provisioning, find_integration(integration, tenant)
    secret = tokens.rotate_token(
        state.session,
        state.models,
        view.tenant,
        view.id,
        overlap=timedelta(hours=overlap_hours),
        lifetime=state.token_lifetime if days is None else timedelta(days=days),
        label=label,
        actor=ACTOR,
    )
    endpoint = state.endpoint_url(view.tenant, view.id)
    if as_json:
        print_json({"id": str(view.id), "endpoint": endpoint, "token": secret.reveal()})
        return
    click.echo(f"Token: {secret.reveal()}")
    click.echo("The token is shown only now; paste it into the identity provider.")


@scim.command()
@click.argument("integration", metavar="ID|NAME", required=False)
@click.argument("key_id", required=False)
@tenant_option
@click.option(
    "--stdin",
    "from_stdin",
    is_flag=True,
    help="Read a leaked token from the standard input, and revoke that, whoever's it is.",
)
@as_json_option
def revoke(
    integration: str | None,
    key_id: str | None,
    tenant: str | None,
    from_stdin: bool,
    as_json: bool,
) -> None:
    """End a token at once: the one with KEY_ID, which `show` lists, or a leaked one."""
    state = current_provisioning
    if from_stdin:
        if integration is not None:
            raise click.UsageError("Give --stdin or an integration, not both.")
        text = sys.stdin.read(_LONGEST_STDIN)
        leaked = tokens.revoke_leaked(state.session, state.models, text, actor=ACTOR)
        if leaked is None:
            raise click.ClickException("That is no token of this portal; nothing was revoked.")
        if as_json:
            print_json(asdict(leaked))
            return
        done = "is revoked" if leaked.ended else "was revoked already"
        click.echo(f"The token {leaked.key_id} of {leaked.integration_name} {done}.")
        return
    if integration is None or key_id is None:
        raise click.UsageError("Name the integration and the key id, or give --stdin.")
    view = find_integration(integration, tenant)
    listed = tokens.list_tokens(state.session, state.models, view.id)
    token = next((each for each in listed if each.key_id == key_id), None)
    if token is None:
        raise click.ClickException(
            f"{view.name} has no token {key_id}; `flask scim show {view.id}` lists those it has."
        )
    ended = tokens.revoke_token(
        state.session, state.models, view.tenant, view.id, token.id, actor=ACTOR
    )
    if as_json:
        print_json({"key_id": key_id, "ended": ended})
        return
    click.echo(f"The token {key_id} {'is revoked' if ended else 'was over already'}.")


@scim.command()
@integration_argument
@tenant_option
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read userName,externalId as CSV or JSON."
)
@click.option(
    "--by", type=click.Choice(sorted(adoption.BY)), default="userName", help="Met by this."
)
@click.option("--dry-run", is_flag=True, help="Only tell who would be linked.")
@as_json_option
def adopt(
    integration: str, tenant: str | None, from_stdin: bool, by: str, dry_run: bool, as_json: bool
) -> None:
    """Link existing people with the directory's; without --stdin, count those who aren't linked.

    Nothing of the portal's rows is written. Who is protected, met by an address that isn't verified
    or one of several people isn't linked, and waits in the inbox when the directory asks for them.
    """
    state, view = current_provisioning, find_integration(integration, tenant)
    session, models, users = state.session, state.models, state.mappings["Users"]
    left: list[dict[str, Any]] = []
    if from_stdin:
        people = adoption.read_people(sys.stdin.read())
        acting: dict[str, Any] = {"by": by, "dry_run": dry_run, "actor": ACTOR}
        report = adoption.Report.of(adoption.adopt(session, models, users, view, people, **acting))
        told, left = asdict(report), [asdict(each) for each in report.left[:20]]
        line = f"{report.summary('would be linked' if dry_run else 'linked')}, by {by}."
    else:
        told = adoption.count_unlinked(session, users, view)
        line = f"{told['unlinked']:,} of {told['people']:,} people aren't known to any directory."
    if as_json:
        return print_json(told)
    click.echo(line)
    return print_table(left, ("user_name", "outcome", "name")) if left else None


@scim.command()
@integration_argument
@tenant_option
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--people",
    "how",
    type=click.Choice(list(people.PEOPLE)),
    default="keep",
    show_default=True,
    help="What becomes of the people whom it knows.",
)
@as_json_option
def remove(integration: str, tenant: str | None, yes: bool, how: str, as_json: bool) -> None:
    """Remove an integration with its tokens; users, groups and its activity stay."""
    state, view = current_provisioning, find_integration(integration, tenant)
    if not yes:
        click.confirm(f"Remove {view.name} of tenant {view.tenant}?", abort=True, err=True)
    described = facts_of(view)
    with state.sessions.in_place():
        done = people.let_go(
            state.session,
            state.models,
            state.mappings["Users"],
            view.tenant,
            view.id,
            how=how,
            actor=ACTOR,
        )
    if done.failed:
        for who, reason in done.failed.items():
            click.echo(f"{who}: {reason}", err=True)
        raise click.ClickException(
            f"{len(done.failed)} people could not be done, so that nothing is removed; the others "
            "are done. Try again, or choose otherwise with --people."
        )
    integrations.remove_integration(state.session, state.models, view.tenant, view.id, ACTOR)
    if as_json:
        print_json(described)
    else:
        click.echo(f"{view.name} is removed.")
