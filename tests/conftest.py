"""Fixtures for all tests: databases, and a portal on each of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
import sqlalchemy as sa

from .compiled import keep_builders
from .databases import (
    DATABASES,
    database_of,
    drop_database,
    drop_tables,
    embedded_postgresql,
    empty_database,
)

if TYPE_CHECKING:
    from .portal import Portal


keep_builders()

STRICT = "SCIM_TEST_STRICT" in os.environ


def _skipped(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not STRICT or reporter is None or hasattr(config, "workerinput"):
        return []
    return [report.nodeid for report in reporter.stats.get("skipped", [])]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let no test be skipped where ``SCIM_TEST_STRICT`` is set: what it checks would be unknown."""
    if _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name in _skipped(config):
        terminalreporter.write_line(f"SCIM_TEST_STRICT: {name} was skipped", red=True)


_ENGINES: WeakSet[sa.Engine] = WeakSet()


@sa.event.listens_for(sa.Engine, "engine_connect")
def _note_engine(connection: sa.Connection) -> None:
    _ENGINES.add(connection.engine)


@pytest.fixture(autouse=True)
def _disposed_engines() -> Iterator[None]:
    """Close what a test's engines keep open.

    A connection that is collected while it is open warns, in whichever test runs by then.
    """
    before = set(_ENGINES)
    yield
    for engine in set(_ENGINES) - before:
        engine.dispose()


@pytest.fixture(scope="session")
def run_id(request: pytest.FixtureRequest) -> str:
    """What the workers of this test run have in common, and other runs don't."""
    workerinput: dict[str, str] = getattr(request.config, "workerinput", {})
    return workerinput.get("testrunuid", uuid.uuid4().hex)


@pytest.fixture(scope="session")
def server_databases(run_id: str) -> Iterator[Callable[[str], str]]:
    """Return a function from a kind of server to the URL of this worker's database on it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    urls: dict[str, str] = {}
    with ExitStack() as servers:

        def url_of(kind: str) -> str:
            if kind not in urls:
                server = os.environ.get(f"SCIM_TEST_{kind.upper()}_URL")
                if server is None:
                    server = servers.enter_context(embedded_postgresql(run_id))
                urls[kind] = empty_database(server, f"scim_test_{run_id[:8]}_{worker}")
            return urls[kind]

        yield url_of
        for kind, url in urls.items():
            if f"SCIM_TEST_{kind.upper()}_URL" in os.environ:
                drop_database(url)


@pytest.fixture(params=DATABASES)
def database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server_databases: Callable[[str], str],
) -> Iterator[str]:
    """The URL of a database for ``make_tables``; the test runs once for each kind of database."""
    yield from database_of(request.param, tmp_path, server_databases)


@pytest.fixture
def database_url(database: str) -> Iterator[str]:
    """The URL of a database without tables."""
    if database.startswith("sqlite"):
        yield database
        return
    drop_tables(database)
    yield database
    drop_tables(database)


@pytest.fixture
def make_portal(database: str) -> Iterator[Callable[..., Portal]]:
    """Return a function that builds the portal; it takes the options of ``build_portal``."""
    from .portal import build_portal

    with ExitStack() as portals:

        def make(**options: Any) -> Portal:
            portal = build_portal(database, **options)
            portals.callback(portal.close)
            return portal

        yield make


@pytest.fixture
def portal(request: pytest.FixtureRequest, make_portal: Callable[..., Portal]) -> Portal:
    """A portal with one integration, on each database; ``@pytest.mark.portal`` gives options."""
    marker = request.node.get_closest_marker("portal")
    return make_portal(**(marker.kwargs if marker else {}))
