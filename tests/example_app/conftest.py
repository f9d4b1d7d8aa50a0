"""The example portal, in this process and as it runs in production."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ROOT = Path(__file__).parents[2]
EMAIL, PASSWORD = "admin@meridian.example", "correct horse battery staple"


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the portal is told, in this process and in those that it starts."""
    told = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "for tests only",
        "PORTAL_ADMIN_EMAIL": EMAIL,
        "PORTAL_ADMIN_PASSWORD": PASSWORD,
    }
    monkeypatch.delenv("PORTAL_URL", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **told}


@pytest.fixture
def app(environment: dict[str, str]) -> Iterator[Flask]:
    """The portal, with its tables and its administrator."""
    from example_app import create_app
    from example_app.database import db

    app = create_app({"TESTING": True})
    result = app.test_cli_runner().invoke(args=["init-db"])
    assert result.exit_code == 0, result.output
    yield app
    with app.app_context():
        db.engine.dispose()


class Visitor:
    """A browser without JavaScript: it follows links and fills in forms with their CSRF token."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def open(self, path: str) -> TestResponse:
        """GET a page, through redirects."""
        return self.client.get(path, follow_redirects=True)

    def submit(self, page: str, action: str | None = None, **values: str) -> TestResponse:
        """Open a page and send its form, or the one of another address, with its CSRF token."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open(page).text)
        assert found is not None, f"{page} has no form"
        data = {"csrf_token": found[1], **values}
        return self.client.post(action or page, data=data, follow_redirects=True)

    def sign_in(self, username: str = EMAIL, password: str = PASSWORD) -> TestResponse:
        """Sign in with a password."""
        return self.submit("/sign-in", username=username, password=password)


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody who isn't signed in."""
    return Visitor(app.test_client())


@pytest.fixture
def administrator(visitor: Visitor) -> Visitor:
    """Somebody who is, and may do everything."""
    assert "Good to see you" in visitor.sign_in().text
    return visitor


@dataclass
class Running:
    """The portal under Gunicorn, with two workers."""

    url: str
    environment: dict[str, str]

    def command(self, *arguments: str) -> Result:
        """Run one of the portal's commands in this process, beside the workers."""
        from example_app import create_app
        from example_app.database import db

        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PORTAL_URL", self.url)
            app = create_app()
            try:
                return app.test_cli_runner().invoke(args=arguments)
            finally:
                with app.app_context():
                    db.engine.dispose()

    def connect(self, name: str, provider: str) -> tuple[str, str]:
        """Create an integration; return its endpoint and its token."""
        created = self.command("scim", "create", "--name", name, "--provider", provider, "--json")
        assert created.exit_code == 0, created.output
        described = json.loads(created.stdout)
        return described["endpoint"], described["token"]


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return a function that starts the portal as it runs in production.

    It takes more options for Gunicorn.
    """
    processes: list[subprocess.Popen[bytes]] = []

    def started(*options: str) -> Running:
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        running = Running(url, {**environment, "PORTAL_URL": url})
        prepared = running.command("init-db")
        assert prepared.exit_code == 0, prepared.output
        log = (tmp_path / "gunicorn.log").open("wb")
        arguments = ["--workers=2", "--threads=2", f"--bind=127.0.0.1:{port}"]
        processes.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    *arguments,
                    *options,
                    "example_app:create_app()",
                ],
                cwd=ROOT,
                env=running.environment,
                stdout=log,
                stderr=log,
            )
        )
        log.close()
        for _ in range(300):
            try:
                requests.get(f"{url}/sign-in", timeout=5).raise_for_status()
            except (requests.ConnectionError, requests.Timeout):
                assert processes[-1].poll() is None, (tmp_path / "gunicorn.log").read_text()
                time.sleep(0.1)
            else:
                return running
        raise AssertionError("The portal doesn't answer.")

    yield started
    for process in processes:
        process.terminate()
        process.wait(30)
