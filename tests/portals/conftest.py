"""Each portal of this folder, on each database, with empty tables for each test.

A module is a portal as a stranger would have written it, with ``create_app(url)``. It may have
``create_tables(app)``, where ``create_all()`` isn't all that its team would call, and
``seed(app)``, where it starts with rows. One with ``SHAPES`` is several portals:
``create_app(url, shape)``.

They run on SQLite; with ``SCIM_TEST_PORTALS=everywhere`` on each database that the suite has, which
takes three times as long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from ..databases import DATABASES, drop_tables
from .offered import HERE, served

collect_ignore = sorted(path.name for path in set(HERE.glob("test_*.py")) - set(served()))


_EVERYWHERE = os.environ.get("SCIM_TEST_PORTALS") == "everywhere"
_DATABASES = DATABASES if _EVERYWHERE else DATABASES[:1]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on the databases that are asked for, with each shape of the portal."""
    if "running" in metafunc.fixturenames:
        shapes = getattr(metafunc.module, "SHAPES", [None])
        metafunc.parametrize(
            "running",
            [
                (database, shape)
                for shape in shapes
                for database in (DATABASES if _EVERYWHERE else DATABASES[:1])
            ],
            ids=lambda pair: "-".join(str(each) for each in pair if each is not None),
            indirect=True,
            scope="module",
        )


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    server_databases: Callable[[str], str],
) -> Iterator[Flask]:
    """The module's portal with its tables, on one kind of database."""
    module = request.module
    kind, shape = request.param
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('portal') / 'portal.sqlite3'}"
    else:
        url = server_databases(kind)
        drop_tables(url)
    app = module.create_app(*filter(None, (url, shape)))
    app.testing = True
    engines = list(_engines(app))
    for engine in engines:
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _wait_for_no_disk)
    if hasattr(module, "create_tables"):
        module.create_tables(app)
    else:
        metadata, engine = _metadata(app), engines[0]
        metadata.create_all(engine)
    yield app
    for engine in engines:
        engine.dispose()
    if kind != "sqlite":
        drop_tables(url)


@pytest.fixture
def portal(request: pytest.FixtureRequest, running: Flask) -> Flask:
    """The module's portal without rows, but for those that it starts with."""
    empty = getattr(request.module, "empty_tables", _empty_tables)
    empty(running)
    if hasattr(request.module, "seed"):
        request.module.seed(running)
    return running


def _metadata(app: Flask) -> sa.MetaData:
    state = app.extensions["scim_provisioning"]
    metadata: sa.MetaData = state.models.integration.metadata
    return metadata


def _engines(app: Flask) -> Iterator[sa.Engine]:
    with app.app_context():
        database = app.extensions.get("sqlalchemy")
        if database is not None:
            yield database.engine
            yield from (each for key, each in database.engines.items() if key is not None)
        else:
            yield app.extensions["scim_provisioning"].session.get_bind()


def _empty_tables(app: Flask) -> None:
    (engine, *_others) = _engines(app)
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
        for table in reversed(_metadata(app).sorted_tables):
            connection.execute(sa.delete(table))
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")


def _wait_for_no_disk(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.execute("PRAGMA journal_mode = MEMORY")
    cursor.close()
