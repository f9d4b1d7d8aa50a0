"""The directive ``generated``: parts of the reference, written from the tables in the code.

::

    ```{generated} settings
    ```
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_scim_provisioning.cli import scim
from flask_scim_provisioning.dialects import DIALECTS, Dialect
from flask_scim_provisioning.dialects.table import DEVIATIONS, REWRITES, Deviation
from flask_scim_provisioning.scim import errors
from flask_scim_provisioning.scim.errors import ScimError
from flask_scim_provisioning.scim.remedies import REMEDIES
from flask_scim_provisioning.services import signals
from flask_scim_provisioning.services.permissions import SCIM_PROVISIONER_PERMISSIONS
from flask_scim_provisioning.services.policies import (
    POLICIES,
    Choice,
    Flag,
    Number,
    Policies,
    Policy,
)
from flask_scim_provisioning.settings import SETTINGS

__all__ = ["TABLES", "setup"]


def settings() -> Iterator[str]:
    """Every configuration key."""
    rows = [(f"`{each.name}`", f"`{each.default!r}`", each.help) for each in SETTINGS]
    yield from table(("Key", "Default", "What it does"), rows)


def signal_list() -> Iterator[str]:
    """Every signal, with what it gives its receivers."""
    names = {id(value): name for name, value in vars(signals).items() if name in signals.__all__}
    for signal in signals.NAMESPACE.values():
        yield from (f"`{names[id(signal)]}`", f": {markdown(signal.__doc__ or '')}", "")


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    group = click.Context(scim, info_name="flask scim")
    for name in scim.list_commands(group):
        command = _named(scim, group, name)
        with click.Context(command, group, info_name=name) as context:
            yield from _command(command, context)


def _named(group: click.Group, context: click.Context, name: str) -> click.Command:
    command = group.get_command(context, name)
    if command is None:
        raise LookupError(f"{group.name} lists {name} and doesn't have it.")
    return command


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"## `{context.command_path}`", "", "```text", usage, "```", "")
    yield from (inspect.cleandoc(command.help or "").replace("\f", ""), "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = _named(command, context, name)
            yield f"- `{name}`: {inner.get_short_help_str(200)}"
        yield ""
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and parameter.name != "help"
        if (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        yield from table(("Option", "Meaning"), ((f"`{name}`", text) for name, text in records))


def dialect_table() -> Iterator[str]:
    """What each dialect is lenient about."""
    rules = {
        "create_missing": "a PATCH whose filter matches no element creates one",
        "lenient": "a PATCH of an unknown or read-only attribute is ignored",
        "put_keeps_absent": "a PUT leaves alone what it doesn't name",
        "skip_unknown_members": (
            "members that aren't known are skipped, unless `Meta.unknown_members` says otherwise"
        ),
    }
    dialects = list(DIALECTS.values())
    head = ("Rule", *(f"{each.title} (`{each.name}`)" for each in dialects))
    rows = [
        (text, *("yes" if getattr(each, rule) else "no" for each in dialects))
        for rule, text in rules.items()
    ]
    yield from table(head, rows)
    yield from ("## Deviations", "")
    rows = [
        (
            each.sent,
            each.senders,
            each.meaning,
            _understood_by(each, dialects),
            f"“{each.note}”" if each.note else "",
            f"`{each.test}`",
        )
        for each in DEVIATIONS
    ]
    yield from table(("Sent", "By", "Read as", "Understood for", "Note", "Test"), rows)


def _understood_by(deviation: Deviation, dialects: list[Dialect]) -> str:
    """Return the dialects that understand a deviation; all do what isn't in their lists."""
    users = [
        dialect.title
        for dialect in dialects
        if any(deviation.rewrite in getattr(dialect, name) for name in REWRITES)
    ]
    return "all" if len(users) in (0, len(dialects)) else ", ".join(users)


def error_list() -> Iterator[str]:
    """Every refusal that a SCIM client can meet."""
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, ScimError) and value is not ScimError
    ]
    rows = [
        (
            f"{int(each.status)}",
            f"`{each.scim_type}`" if each.scim_type else "",
            markdown(inspect.cleandoc(each.__doc__ or "").split("\n\n")[0]),
            REMEDIES[each.__name__],
        )
        for each in sorted(classes, key=lambda each: (int(each.status), each.__name__))
    ]
    yield from table(("Status", "`scimType`", "When", "What to do"), rows)


def permissions() -> Iterator[str]:
    """What the role of every integration allows."""
    rows = [
        (f"`{kind}`", ", ".join(verb.lower() for verb in verbs))
        for kind, verbs in SCIM_PROVISIONER_PERMISSIONS.items()
    ]
    yield from table(("Resource", "Allowed"), rows)


def policy_table() -> Iterator[str]:
    """What an administrator can choose for each integration."""
    defaults = Policies().values()
    rows = [
        (f"`{name}`", policy.title, policy.explains, _values_of(policy), f"`{defaults[name]}`")
        for name, policy in POLICIES.items()
    ]
    yield from table(("Name", "Setting", "Meaning", "Values", "Default"), rows)


def _values_of(policy: Policy) -> str:
    match policy:
        case Flag():
            return "yes, no"
        case Number():
            return f"{policy.least} to {policy.most} {policy.unit}, or nothing"
        case Choice():
            return "; ".join(f"`{value}`: {label}" for value, label in policy.options.items())


TABLES: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {
        "settings": settings,
        "signals": signal_list,
        "commands": commands,
        "dialects": dialect_table,
        "errors": error_list,
        "permissions": permissions,
        "policies": policy_table,
    }
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    names = list(head)
    yield from ("", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}")
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""


def markdown(text: str) -> str:
    """Return a docstring's reStructuredText as Markdown, as far as our docstrings go."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


class Generated(SphinxDirective):
    """Insert one of the tables."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Return the table as if it had been written by hand."""
        text = "\n".join(TABLES[self.arguments[0]]())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
