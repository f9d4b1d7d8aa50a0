from __future__ import annotations

import json
import subprocess
import sys

import pytest
import responses
from click.testing import CliRunner

from flask_scim_provisioning.simulator import run
from flask_scim_provisioning.simulator.cli import ProgressBar, simulate
from flask_scim_provisioning.simulator.report import MAX_KEPT, Kind, Report

from .server import BASE, TOKEN, FakeServer


def test_requests_times_and_statuses_belong_to_their_step():
    report = Report("entra", BASE)
    with report.step("first"):
        report.answered("GET", 200, 0.010)
        report.answered("GET", 404, 0.030)
    with report.step("second"):
        report.answered("POST", 201, 0.020)
    first, second = report.as_json()["steps"]
    assert first["requests"] == 2
    assert first["statuses"] == {"200": 1, "404": 1}
    assert first["methods"] == {"GET": 2}
    assert first["p95_ms"] == pytest.approx(30)
    assert second["requests"] == 1
    assert report.requests == 3


def test_a_report_without_surprises_is_ok_unless_the_run_was_stopped():
    report = Report("entra", BASE)
    assert report.ok
    assert "No surprises." in report.as_text()
    report.stopped = "Test connection failed."
    assert not report.ok
    assert "Stopped: Test connection failed." in report.as_text()


def test_many_surprises_are_counted_and_the_first_ones_kept():
    report = Report("okta", BASE)
    with report.step("assign users"):
        for number in range(MAX_KEPT + 20):
            report.surprise(Kind.STATUS, f"number {number}", request="POST /Users")
    assert len(report.surprises) == MAX_KEPT
    assert report.total_surprises == MAX_KEPT + 20
    text = report.as_text()
    assert "520 surprises" in text
    assert "number 0" in text
    assert "and 515 more" in text
    assert report.as_json()["surprises_by_kind"] == {"unexpected status": MAX_KEPT + 20}


def test_the_report_says_how_often_the_server_asked_to_wait():
    report = Report("okta", BASE)
    with report.step("assign users"):
        report.throttled()
    assert "1 requests were sent again after 429 or 503" in report.as_text()
    assert report.as_json()["steps"][0]["throttled"] == 1
    assert report.ok


def test_a_note_is_kept_once():
    report = Report("okta", BASE)
    report.note("one")
    report.note("one")
    assert report.notes == ["one"]


class Terminal:
    def __init__(self, moves: bool) -> None:
        self.moves = moves
        self.written = ""

    def isatty(self) -> bool:
        return self.moves

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("moves", [True, False])
def test_the_progress_bar_uses_no_escape_sequence(moves):
    terminal = Terminal(moves)
    bar = ProgressBar(terminal)
    bar("assign users", 0, 0)
    for done in range(1, 5):
        bar("assign users", done, 4)
    bar.close()
    assert "\x1b" not in terminal.written
    assert ("\r" in terminal.written) is moves


def test_the_progress_bar_is_a_line_for_each_step_where_it_cannot_move():
    terminal = Terminal(moves=False)
    bar = ProgressBar(terminal)
    for step in ("test connection", "assign users"):
        for done in range(3):
            bar(step, done, 2)
    assert terminal.written == "test connection\nassign users\n"


def test_the_progress_bar_fills_up():
    terminal = Terminal(moves=True)
    bar = ProgressBar(terminal)
    bar("assign users", 4, 4)
    assert "########################] assign users 4/4" in terminal.written


def invoke(server: FakeServer, *arguments: str, token: str | None = TOKEN):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        server.mount(mocked)
        few = ["--users", "4", "--groups", "1", "--workers", "1"]
        return CliRunner(env={"SCIM_TOKEN": token}).invoke(simulate, [*arguments, *few])


def test_the_command_ends_with_0_when_nothing_was_wrong():
    result = invoke(FakeServer(), "entra", "--endpoint", BASE)
    assert result.exit_code == 0, result.output
    assert "No surprises." in result.stdout
    assert "test connection" in result.stderr


def test_the_command_ends_with_1_on_any_surprise():
    server = FakeServer()
    server.media_type = "text/json"
    result = invoke(server, "okta", "--endpoint", BASE)
    assert result.exit_code == 1
    assert "wrong content type" in result.stdout


def test_standard_output_is_the_json_report_and_nothing_else():
    result = invoke(FakeServer(), "okta", "--endpoint", BASE, "--app", "wizard", "--json")
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert report["provider"] == "okta"
    assert all(step["name"].startswith("wizard: ") for step in report["steps"])


def test_the_command_needs_a_token_and_never_prints_it():
    assert invoke(FakeServer(), "entra", "--endpoint", BASE, token=None).exit_code == 2
    result = invoke(FakeServer(), "entra", "--endpoint", BASE, "--token", TOKEN, token=None)
    assert result.exit_code == 0
    assert TOKEN not in result.output


def test_the_command_refuses_an_endpoint_that_is_no_url():
    result = invoke(FakeServer(), "entra", "--endpoint", "portal.test/scim")
    assert result.exit_code == 2
    assert "http or https URL" in result.stderr


def test_cleanup_is_an_option_of_the_command():
    server = FakeServer()
    assert invoke(server, "entra", "--endpoint", BASE, "--cleanup").exit_code == 0
    assert not server.users


@pytest.mark.parametrize(
    ("provider", "options"),
    [("google", {}), ("entra", {"dialect": "odd"}), ("okta", {"app": "odd"})],
)
def test_an_unknown_provider_dialect_or_app_is_refused(provider, options):
    with pytest.raises(ValueError, match=r"google|odd"):
        run(provider, BASE, TOKEN, **options)


def test_importing_the_package_does_not_import_requests():
    code = "import sys, flask_scim_provisioning.simulator; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
