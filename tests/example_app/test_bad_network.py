"""The portal behind a network that drops every fifth connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.simulator import run

from .conftest import EMAIL, Running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", ["entra", "okta"])
def test_the_portal_equals_the_directory_after_all(
    start: Callable[[], Running], tmp_path: Path, provider: str
) -> None:
    portal = start()
    endpoint, token = portal.connect("Simulated", provider)

    def rotated() -> str:
        options = ["Simulated", "--overlap-hours", "1", "--json"]
        answer = portal.command("scim", "rotate", *options)
        return str(json.loads(answer.stdout)["token"])

    report = run(
        provider, endpoint, token, users=16, groups=3, chaos=0.2, second_token=rotated, workers=4
    )
    assert report.ok, report.as_text()
    assert sum(step.dropped.total() for step in report.steps) > 20
    steps = "\n".join(step.name for step in report.steps)
    assert "new token in mid-cycle" in steps
    assert "again" in steps or "second cycle" in steps

    # The host's own rows: everybody once, and the administrator who was there before.
    engine = sa.create_engine(portal.environment["DATABASE_URL"])
    with engine.connect() as connection:
        names = list(connection.scalars(sa.text("SELECT username FROM portal_user")))
        teams = list(connection.scalars(sa.text("SELECT name FROM team")))
        memberships = connection.scalar(sa.text("SELECT count(*) FROM team_member"))
        active = connection.scalar(
            sa.text("SELECT count(*) FROM portal_user WHERE is_active AND username <> :name"),
            {"name": EMAIL},
        )
    engine.dispose()
    assert len({name.lower() for name in names}) == len(names)
    assert len(set(teams)) == len(teams) == report.counts["groups"]
    assert active == report.counts["active users"]
    assert memberships == report.counts["memberships"]

    log = (tmp_path / "gunicorn.log").read_text()
    assert "Traceback" not in log, log
