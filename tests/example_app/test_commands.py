"""The commands that a visitor types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from example_app import create_app
from example_app.configuration import database_url as with_driver
from example_app.configuration import from_environment

from ..databases import DATABASES
from .conftest import EMAIL, PASSWORD, ROOT, Visitor


def test_init_db_may_be_repeated(app: Flask, visitor: Visitor) -> None:
    result = app.test_cli_runner().invoke(args=["init-db"])
    assert (result.exit_code, result.output) == (0, f"Administrator: {EMAIL}\n")
    assert "Good to see you" in visitor.sign_in().text


def test_init_db_makes_a_password_once(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from example_app.database import db

    monkeypatch.delenv("PORTAL_ADMIN_PASSWORD")
    app = create_app({"TESTING": True})
    first = app.test_cli_runner().invoke(args=["init-db"])
    found = re.search(r"Password: +(\S{12,})", first.output)
    assert found is not None, first.output
    again = app.test_cli_runner().invoke(args=["init-db"])
    assert "unchanged" in again.output
    assert "Good to see you" in Visitor(app.test_client()).sign_in(password=found[1]).text
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://portal@db/portal", "postgresql+psycopg://portal@db/portal"),
        ("postgresql://portal:a%40b@db/portal", "postgresql+psycopg://portal:a%40b@db/portal"),
        ("mysql://portal@db/portal", "mysql+pymysql://portal@db/portal"),
        ("sqlite:////srv/portal.sqlite3", "sqlite:////srv/portal.sqlite3"),
    ],
)
def test_a_database_url_needs_no_driver(given: str, used: str) -> None:
    assert with_driver(given) == used


def test_a_secret_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    keys = {from_environment(tmp_path / "instance")["SECRET_KEY"] for _ in range(2)}
    assert len(keys) == 1
    assert (tmp_path / "instance" / "secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("database", DATABASES[:1], indirect=True)
def test_the_readmes_command(environment: dict[str, str]) -> None:
    """It prints address and sign-in, syncs people, and ends without a surprise in its CI form."""
    options = ["--port=0", "--simulate", "--users=20", "--groups=4", "--exit-after-simulation"]
    done = subprocess.run(
        [sys.executable, "-m", "example_app", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Meridian is running at http://127\.0\.0\.1:\d+", done.stdout)
    assert EMAIL in done.stdout
    assert PASSWORD in done.stdout
    assert "No surprises." in done.stdout


@pytest.mark.parametrize("database", DATABASES[:1], indirect=True)
def test_a_taken_port_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "example_app", f"--port={port}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"Port {port} can't be used" in done.stderr
