"""``flask scim …``: the use cases for a terminal and, with ``--json``, for scripts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, timedelta
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from .cli_roles import role
from .dialects import DIALECTS
from .mapping.checks import check_tenants, deaf_sentence, is_deaf, is_unguarded, unguarded_sentence
from .mapping.doctor import Finding, keys, look_ups, odd_rows
from .mapping.errors import MappingError
from .models import TENANT, utcnow
from .scim.errors import ScimError
from .services import (
    activity,
    adoption,
    conflicts,
    health,
    integrations,
    offboarding,
    people,
    refusals,
    tokens,
)
from .services.activity import Action, ActivityEntry
from .services.errors import IntegrationError, IntegrationNotFound
from .services.health import Health, Severity
from .services.integrations import IntegrationView
from .services.policies import POLICIES, Policies
from .services.work import run_transaction
from .state import current_provisioning

__all__ = ["scim"]

_ACTOR = "flask scim"
_FOLLOW_EVERY = 2.0  # seconds
_LONGEST_STDIN = 65_536  # characters


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
scim.add_command(role)

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
        case Mapping():
            return "; ".join(f"{name} {_cell(each)}" for name, each in value.items()) or "-"
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


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("Write a policy as NAME=VALUE.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _described(view: IntegrationView) -> dict[str, Any]:
    return asdict(view) | {"endpoint": current_provisioning.endpoint_url(view.tenant, view.id)}


def _assess(views: Sequence[IntegrationView]) -> Sequence[Health]:
    state = current_provisioning
    return health.assess(state.session, state.models, state.mappings, views)


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
    _require_boundaries(tenant)
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
@_as_json
def list_(tenant: str | None, as_json: bool) -> None:
    """List the integrations."""
    state = current_provisioning
    views = integrations.list_integrations(state.session, state.models, tenant)
    rows = [
        _described(view) | {"state": found.state.value, "reason": found.reason}
        for view, found in zip(views, _assess(views), strict=True)
    ]
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows, ("id", "tenant", "name", "dialect", "state", "last_used"))
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
    (found,) = _assess([view])
    described = _described(view) | {"state": found.state.value, "reason": found.reason}
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
    switch = integrations.enable_integration
    _print_done(_switched(switch, integration, tenant), "enabled", as_json)


@scim.command()
@_integration
@_tenant
@_as_json
def pause(integration: str, tenant: str | None, as_json: bool) -> None:
    """Put off every request of an integration: 503; `enable` resumes it."""
    switch = integrations.pause_integration
    _print_done(_switched(switch, integration, tenant), "paused", as_json)


@scim.command()
@_integration
@_tenant
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
@_as_json
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
    state, view = current_provisioning, _find(integration, tenant)
    changed = integrations.update_integration(
        state.session,
        state.models,
        view.tenant,
        view.id,
        name=view.name if name is None else name,
        description=view.description if description is None else description,
        dialect=view.dialect if provider is None else provider,
        policies=Policies.chosen(view.policies.values() | _pairs(policies)),
        actor=_ACTOR,
    )
    _print_done(changed, "saved", as_json)


@scim.command()
@_integration
@_tenant
@_as_json
def disable(integration: str, tenant: str | None, as_json: bool) -> None:
    """Refuse every request of an integration."""
    switch = integrations.disable_integration
    _print_done(_switched(switch, integration, tenant), "disabled", as_json)


def _switched(
    switch: Callable[..., IntegrationView], integration: str, tenant: str | None
) -> IntegrationView:
    state, view = current_provisioning, _find(integration, tenant)
    return switch(state.session, state.models, view.tenant, view.id, _ACTOR)


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
@click.option("--label", help="What the new token is for.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How long the new token is valid; without it, SCIM_TOKEN_DAYS decides.",
)
@_as_json
def rotate(
    integration: str,
    tenant: str | None,
    overlap_hours: int,
    label: str | None,
    days: int | None,
    as_json: bool,
) -> None:
    """Give an integration a new token, and print it this once."""
    state, view = current_provisioning, _find(integration, tenant)
    secret = tokens.rotate_token(
        state.session,
        state.models,
        view.tenant,
        view.id,
        overlap=timedelta(hours=overlap_hours),
        lifetime=state.token_lifetime if days is None else timedelta(days=days),
        label=label,
        actor=_ACTOR,
    )
    endpoint = state.endpoint_url(view.tenant, view.id)
    if as_json:
        _print_json({"id": str(view.id), "endpoint": endpoint, "token": secret.reveal()})
        return
    click.echo(f"Token: {secret.reveal()}")
    click.echo("The token is shown only now; paste it into the identity provider.")


@scim.command()
@click.argument("integration", metavar="ID|NAME", required=False)
@click.argument("key_id", required=False)
@_tenant
@click.option(
    "--stdin",
    "from_stdin",
    is_flag=True,
    help="Read a leaked token from the standard input, and revoke that, whoever's it is.",
)
@_as_json
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
        leaked = tokens.revoke_leaked(state.session, state.models, text, actor=_ACTOR)
        if leaked is None:
            raise click.ClickException("That is no token of this portal; nothing was revoked.")
        if as_json:
            _print_json(asdict(leaked))
            return
        done = "is revoked" if leaked.ended else "was revoked already"
        click.echo(f"The token {leaked.key_id} of {leaked.integration_name} {done}.")
        return
    if integration is None or key_id is None:
        raise click.UsageError("Name the integration and the key id, or give --stdin.")
    view = _find(integration, tenant)
    listed = tokens.list_tokens(state.session, state.models, view.id)
    token = next((each for each in listed if each.key_id == key_id), None)
    if token is None:
        raise click.ClickException(
            f"{view.name} has no token {key_id}; `flask scim show {view.id}` lists those it has."
        )
    ended = tokens.revoke_token(
        state.session, state.models, view.tenant, view.id, token.id, actor=_ACTOR
    )
    if as_json:
        _print_json({"key_id": key_id, "ended": ended})
        return
    click.echo(f"The token {key_id} {'is revoked' if ended else 'was over already'}.")


@scim.command(name="health")
@click.argument("integration", metavar="ID|NAME", required=False)
@_tenant
@_as_json
def show_health(integration: str | None, tenant: str | None, as_json: bool) -> None:
    """Tell how integrations are; exit 1 if one needs attention, for cron and monitoring."""
    state = current_provisioning
    if integration is None:
        views = integrations.list_integrations(state.session, state.models, tenant)
    else:
        views = [_find(integration, tenant)]
    found = _assess(views)
    if as_json:
        _print_json([each.as_json() for each in found])
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
@_as_json
def refused(tenant: str | None, days: int, as_json: bool) -> None:
    """Show the requests that were refused before anybody knew whose they are, and why."""
    state = current_provisioning
    since = utcnow() - timedelta(days=days)
    rows = [
        asdict(row)
        for row in refusals.recent(state.session, state.models, tenant=tenant, since=since)
    ]
    if as_json:
        _print_json(rows)
    elif rows:
        columns = ("last_at", "count", "cause", "tenant", "integration_id", "key_id", "address")
        _print_table(rows, columns)
    else:
        click.echo("No request was refused at the door.")


@scim.command(name="activity")
@click.argument("integration", metavar="ID|NAME", required=False)
@_tenant
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
@_as_json
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
    view = None if integration is None else _find(integration, tenant)

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
        _print_json([asdict(each) for each in entries])
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
@_integration
@_tenant
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read userName,externalId as CSV or JSON."
)
@click.option(
    "--by", type=click.Choice(sorted(adoption.BY)), default="userName", help="Met by this."
)
@click.option("--dry-run", is_flag=True, help="Only tell who would be linked.")
@_as_json
def adopt(
    integration: str, tenant: str | None, from_stdin: bool, by: str, dry_run: bool, as_json: bool
) -> None:
    """Link existing people with the directory's; without --stdin, count those who aren't linked.

    Nothing of the portal's rows is written. Who is protected, met by an address that isn't verified
    or one of several people isn't linked, and waits in the inbox when the directory asks for them.
    """
    state, view = current_provisioning, _find(integration, tenant)
    session, models, users = state.session, state.models, state.mappings["Users"]
    left: list[dict[str, Any]] = []
    if from_stdin:
        people = adoption.read_people(sys.stdin.read())
        acting: dict[str, Any] = {"by": by, "dry_run": dry_run, "actor": _ACTOR}
        report = adoption.Report.of(adoption.adopt(session, models, users, view, people, **acting))
        told, left = asdict(report), [asdict(each) for each in report.left[:20]]
        line = f"{report.summary('would be linked' if dry_run else 'linked')}, by {by}."
    else:
        told = adoption.count_unlinked(session, users, view)
        line = f"No directory has {told['unlinked']:,} of {told['people']:,} people."
    if as_json:
        return _print_json(told)
    click.echo(line)
    return _print_table(left, ("user_name", "outcome", "name")) if left else None


@scim.command()
@_integration
@_tenant
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--people",
    "how",
    type=click.Choice(list(people.PEOPLE)),
    default="keep",
    show_default=True,
    help="What becomes of the people whom it knows.",
)
@_as_json
def remove(integration: str, tenant: str | None, yes: bool, how: str, as_json: bool) -> None:
    """Remove an integration with its tokens; users, groups and its activity stay."""
    state, view = current_provisioning, _find(integration, tenant)
    if not yes:
        click.confirm(f"Remove {view.name} of tenant {view.tenant}?", abort=True, err=True)
    described = _described(view)
    with state.sessions.in_place():
        done = people.let_go(
            state.session,
            state.models,
            state.mappings["Users"],
            view.tenant,
            view.id,
            how=how,
            actor=_ACTOR,
        )
    if done.failed:
        for who, reason in done.failed.items():
            click.echo(f"{who}: {reason}", err=True)
        raise click.ClickException(
            f"{len(done.failed)} people could not be done, so that nothing is removed; the others "
            "are done. Try again, or choose otherwise with --people."
        )
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
        session, models, before = state.session, state.models, utcnow() - timedelta(days=kept)
        deleted = activity.prune(session, models, before)
        refusals.prune(session, models, before)
        offboarding.prune(session, models, before)
        run_transaction(session, lambda: conflicts.prune(session, models, before))
        integrations.forget_removed(session, models, before)
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
    try:
        connection = state.session.connection()
    except RuntimeError as error:
        yield Finding("problem", str(error))
        return
    if state.sessions.host_autocommits:
        yield Finding(
            "warning",
            "The portal's connections are in AUTOCOMMIT. SCIM has connections of its own that "
            "aren't, so that a refused request changes nothing; what your setters and listeners "
            "write by other connections can't be undone.",
        )
    inspector = sa.inspect(connection)
    missing = [
        table.name
        for table in state.metadata.sorted_tables
        if table.name.startswith("scim_") and not inspector.has_table(table.name, table.schema)
    ]
    if missing:
        yield Finding(
            "problem",
            f"These tables are missing: {', '.join(missing)}. Add them with a migration "
            "(flask db migrate, flask db upgrade) or with db.create_all().",
        )
        return
    for found in _assess(integrations.list_integrations(state.session, state.models)):
        for problem in found.problems:
            if problem.severity is Severity.INFO:
                continue
            level = "problem" if problem.severity is Severity.BAD else "warning"
            yield Finding(
                level,
                f"{found.name} (tenant {found.tenant}): {problem.reason} {problem.todo}",
            )
    for each in state.mappings.values():
        if is_deaf(each):
            yield Finding("warning", deaf_sentence(each))
        if is_unguarded(each):
            yield Finding("warning", unguarded_sentence(each))
        yield from look_ups(each, connection)
        yield from keys(each, connection)
        yield from odd_rows(each, connection)
