"""The portal as it runs in production: two Gunicorn workers that share nothing but the database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..databases import DATABASES
from .conftest import Running

USERS = os.environ.get("SCIM_TEST_USERS", "40")
GROUPS = os.environ.get("SCIM_TEST_GROUPS", "6")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_a_simulated_provider_meets_no_surprise(
    start: Callable[[], Running], provider: str
) -> None:
    portal = start()
    endpoint, token = portal.connect("Simulated", provider)
    options = ["--endpoint", endpoint, "--token", token, "--users", USERS, "--groups", GROUPS]
    done = portal.command("scim", "simulate", provider, *options)
    assert (done.exit_code, done.stdout.splitlines()[-1:]) == (0, ["No surprises."]), done.stdout
    entries = json.loads(portal.command("scim", "show", "Simulated", "--json").stdout)["activity"]
    assert {entry["outcome"] for entry in entries} <= {"ok", "refused"}


@pytest.mark.parametrize("database", DATABASES[:1], indirect=True)
def test_scim2_tester_finds_no_error(start: Callable[[], Running]) -> None:
    """The compliance checks of ``scim2 test``, which know RFC 7643 and RFC 7644 and not us."""
    portal = start()
    endpoint, token = portal.connect("Compliance", "generic")
    done = subprocess.run(
        [Path(sys.executable).with_name("scim2"), "--url", endpoint, "test"],
        env={**os.environ, "SCIM_CLI_HEADERS": f"Authorization: Bearer {token}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    verdicts = re.findall(r"^\s*([A-Z_]{4,})\b", done.stdout, re.MULTILINE)
    assert "SUCCESS" in verdicts, done.stdout + done.stderr
    assert not {"ERROR", "CRITICAL"} & set(verdicts), done.stdout


def test_greenlets_meet_no_surprise_either(start: Callable[..., Running]) -> None:
    """A worker of gevent's has many requests on one thread; each has a session of its own."""
    portal = start("--worker-class=gevent", "--workers=1", "--threads=1")
    endpoint, token = portal.connect("Simulated", "entra")
    options = ["--endpoint", endpoint, "--token", token, "--users", "12", "--groups", "2"]
    done = portal.command("scim", "simulate", "entra", *options)
    assert (done.exit_code, done.stdout.splitlines()[-1:]) == (0, ["No surprises."]), done.stdout
