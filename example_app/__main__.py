"""``python -m example_app``: the portal in one command, and an identity provider if you like."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping

import click
from flask import Flask
from werkzeug.serving import make_server

from flask_scim_provisioning.services.integrations import create_integration, list_integrations
from flask_scim_provisioning.simulator.cli import simulate as simulator
from flask_scim_provisioning.state import current_provisioning

from . import create_app
from .cli import prepare

_TENANT = "main"
_NAME = "Simulated Entra ID"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=5000, show_default=True, help="0 takes any free port.")
@click.option("--simulate", is_flag=True, help="Let a simulated Microsoft Entra ID sync people.")
@click.option("--users", default=200, show_default=True, help="How many people it syncs.")
@click.option("--groups", default=20, show_default=True, help="How many groups it syncs.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other people.")
@click.option(
    "--exit-after-simulation",
    is_flag=True,
    help="With --simulate: don't go on serving; for scripts.",
)
def main(
    host: str,
    port: int,
    simulate: bool,
    users: int,
    groups: int,
    seed: int,
    exit_after_simulation: bool,
) -> None:
    """Create the database and the administrator, and serve the portal."""
    listener = _listen(host, port)
    address = f"http://{host}:{listener.getsockname()[1]}"
    app = create_app({"SCIM_EXTERNAL_URL": os.environ.get("PORTAL_URL") or address})
    with app.app_context():
        administrator = prepare()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(host, 0, app, threaded=True, fd=listener.fileno())
    click.echo(f"Meridian is running at {address}")
    click.echo(f"  Sign in as  {administrator.email}")
    if administrator.password is not None:
        click.echo(f"  Password    {administrator.password}")
    else:
        click.echo("  Password    as before; set PORTAL_ADMIN_PASSWORD to give a new one")
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        if simulate:
            # One at a time, so that there is something to watch; a script is in a hurry.
            workers = 4 if exit_after_simulation else 1
            options = {"--users": users, "--groups": groups, "--seed": seed, "--workers": workers}
            code = _simulate(app, address, options)
            if exit_after_simulation:
                sys.exit(code)
        click.echo("The portal goes on running; stop it with Ctrl+C.")
        serving.join()
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        server.shutdown()
        server.server_close()


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is created.

    :raises click.ClickException: when another program has it.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise click.ClickException(
            f"Port {port} can't be used ({error.strerror}); name another one with --port."
        ) from error


def _simulate(app: Flask, address: str, options: Mapping[str, int]) -> int:
    """Let a simulated Entra ID work on the running portal; return 1 when something surprised it."""
    endpoint, token = _connect(app, address)
    click.echo(
        f"A simulated Entra ID syncs {options['--users']} people and {options['--groups']} groups; "
        "watch them appear."
    )
    arguments = ["entra", "--endpoint", endpoint, "--token", token]
    for name, value in options.items():
        arguments += [name, str(value)]
    return int(simulator.main(arguments, prog_name="simulate", standalone_mode=False) or 0)


def _connect(app: Flask, address: str) -> tuple[str, str]:
    """Create an integration, and return its endpoint here and its token."""
    with app.app_context():
        state = current_provisioning
        taken = {view.name for view in list_integrations(state.session, state.models, _TENANT)}
        number = next(n for n in range(1, len(taken) + 2) if _name(n) not in taken)
        created = create_integration(
            state.session,
            state.models,
            tenant=_TENANT,
            name=_name(number),
            description="Made by python -m example_app --simulate.",
            dialect="entra",
            actor="example_app",
        )
        endpoint = state.endpoint_url(_TENANT, created.integration.id)
        return address + endpoint.removeprefix(state.root_url()), created.secret.reveal()


def _name(number: int) -> str:
    return _NAME if number == 1 else f"{_NAME} {number}"


if __name__ == "__main__":
    main(prog_name="python -m example_app")
