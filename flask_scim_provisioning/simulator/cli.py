"""The command ``simulate``."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

import click

from . import run

_BAR = 24
_EVERY = 0.1


class ProgressBar:
    """One line that moves on a terminal, and one line for each step elsewhere.

    :param stream: where to draw; standard error leaves the report alone on standard output.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.moves = stream.isatty()
        self._step = ""
        self._drawn = 0.0
        self._width = 0

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` objects of a step are done."""
        if not self.moves:
            if step != self._step:
                self.stream.write(f"{step}\n")
                self.stream.flush()
            self._step = step
            return
        now = time.monotonic()
        if step == self._step and done < total and now - self._drawn < _EVERY:
            return
        self._step, self._drawn = step, now
        filled = _BAR * done // total if total else 0
        counted = f"{done}/{total}" if total else ""
        self._draw(f"[{'#' * filled}{'.' * (_BAR - filled)}] {step} {counted}")

    def _draw(self, line: str) -> None:
        self.stream.write("\r" + line.ljust(self._width))
        self.stream.flush()
        self._width = len(line)

    def close(self) -> None:
        """Take the moving line away."""
        if self.moves:
            self._draw("")
            self.stream.write("\r")
            self.stream.flush()


@click.command("simulate")
@click.argument("provider", type=click.Choice(["entra", "okta"]))
@click.option("--endpoint", required=True, help="The endpoint URL of the integration.")
@click.option(
    "--token",
    required=True,
    envvar="SCIM_TOKEN",
    help="Its secret token; SCIM_TOKEN in the environment keeps it out of the shell history.",
)
@click.option("--users", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--groups", default=5, show_default=True, type=click.IntRange(0, 10_000))
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same people.")
@click.option(
    "--dialect",
    type=click.Choice(["default", "flag", "both"]),
    default="both",
    show_default=True,
    help="Entra: the PATCH dialect (flag is aadOptscim062020).",
)
@click.option(
    "--app",
    type=click.Choice(["wizard", "catalogue", "both"]),
    default="both",
    show_default=True,
    help="Okta: the kind of app, which decides between PUT and PATCH.",
)
@click.option(
    "--workers",
    default=4,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Objects worked on at the same time.",
)
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for one answer.")
@click.option(
    "--keep/--cleanup",
    default=True,
    show_default=True,
    help="Leave the people there, or deactivate and delete them all at the end.",
)
@click.option(
    "--chaos",
    metavar="RATE",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.9),
    help="The share of connections to drop on purpose; turns --hostile on.",
)
@click.option("--hostile", is_flag=True, help="Send what arrives in the wrong order too.")
@click.option(
    "--second-token",
    envvar="SCIM_SECOND_TOKEN",
    help="A token to go on with in mid-cycle; SCIM_SECOND_TOKEN in the environment.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def simulate(
    provider: str,
    endpoint: str,
    token: str,
    users: int,
    groups: int,
    seed: int,
    dialect: str,
    app: str,
    workers: int,
    timeout: float,
    keep: bool,
    chaos: float,
    hostile: bool,
    second_token: str | None,
    as_json: bool,
) -> None:
    """Play an identity provider against a running SCIM service.

    Tests the connection, provisions people and groups, changes them as a real directory does, and
    reads everything back. Exit code 1 when anything was not as an identity provider needs it.
    """
    bar = ProgressBar(sys.stderr)
    try:
        report = run(
            provider,
            endpoint,
            token,
            users=users,
            groups=groups,
            seed=seed,
            dialect=dialect,
            app=app,
            workers=workers,
            cleanup=not keep,
            timeout=timeout,
            progress=bar,
            chaos=chaos,
            hostile=hostile,
            second_token=second_token,
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--endpoint") from error
    finally:
        bar.close()
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        click.echo(report.as_text())
    if not report.ok:
        raise SystemExit(1)
