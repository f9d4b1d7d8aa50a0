"""``flask scim mapping`` and ``doctor``: what the extension has found in the portal."""

from __future__ import annotations

from collections.abc import Iterable

import click
import sqlalchemy as sa

from ..mapping.checks import deaf_sentence, is_deaf, is_unguarded, unguarded_sentence
from ..mapping.doctor import Finding, keys, look_ups, odd_rows
from ..services import integrations
from ..services.health import Severity
from ..state import current_provisioning
from .base import as_json_option, assess, print_json, print_table, scim

__all__: list[str] = []  # a command is found in its group


@scim.command()
@as_json_option
def mapping(as_json: bool) -> None:
    """Show where each SCIM attribute lives in the portal's tables."""
    described = {
        name: each.describe() for name, each in sorted(current_provisioning.mappings.items())
    }
    if as_json:
        print_json(described)
        return
    for name, rows in described.items():
        click.echo(f"{name}\n")
        print_table(rows, ("attribute", "place", "type", "filterable", "notes"))
        click.echo()


@scim.command()
@as_json_option
def doctor(as_json: bool) -> None:
    """Look for what would make provisioning fail or slow; exit 1 if there is such a thing."""
    findings = list(_findings())
    if as_json:
        print_json([finding._asdict() for finding in findings])
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
    for found in assess(integrations.list_integrations(state.session, state.models)):
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
