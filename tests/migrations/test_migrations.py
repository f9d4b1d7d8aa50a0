"""``flask db``: from an empty folder to tables that need no more, and from version 0.1 to now."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ..databases import drop_tables
from .portal import metadata_of
from .version_0_1 import declare_0_1

ROOT = Path(__file__).parents[2]

COMMANDS = """
import shlex, sys
from flask.cli import FlaskGroup

folder, *commands = sys.argv[1:]
for command in commands:
    FlaskGroup().main(
        ["--app", "tests.migrations.portal", "db", *shlex.split(command), "--directory", folder],
        prog_name="flask",
        standalone_mode=False,
    )
"""
"""``flask db`` for each command: most of what one takes is the start of a process."""


class Portal:
    """The portal's database and its folder of migrations."""

    def __init__(self, url: str, folder: Path, convention: str) -> None:
        self.engine = sa.create_engine(url)
        self.folder = folder
        self.convention = convention
        self.environment = {
            **os.environ,
            "DATABASE_URL": url,
            "PORTAL_CONVENTION": convention,
            # What Flask-Migrate writes into env.py is deprecated by Flask-SQLAlchemy.
            "PYTHONWARNINGS": "error,ignore::DeprecationWarning",
        }

    def db(self, *commands: str) -> str:
        """Run commands of ``flask db`` in a process of their own; return what they say."""
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, str(self.folder), *commands],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{commands}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def migrate(self) -> str:
        """Let a migration be written, carry it out, and return its text."""
        self.db("init", "migrate --message scim", "upgrade")
        (written,) = self.folder.glob("versions/*.py")
        return written.read_text()

    def is_complete(self) -> bool:
        """Say whether the database is as the models want it."""
        return "No new upgrade operations" in self.db("check")

    def structure(self) -> dict[str, Any]:
        """Return all that the database knows of our tables."""
        inspector = sa.inspect(self.engine)
        names = {name for name in inspector.get_table_names() if name.startswith("scim_")}
        return {name: self._table(inspector, name) for name in sorted(names)}

    def _table(self, inspector: sa.Inspector, name: str) -> dict[str, Any]:
        dialect = self.engine.dialect
        columns = {
            column["name"]: (column["type"].compile(dialect), column["nullable"])
            for column in inspector.get_columns(name)
        }
        found: dict[str, Any] = {"columns": columns, "key": inspector.get_pk_constraint(name)}
        found["indexes"] = sorted(map(_described, inspector.get_indexes(name)))
        found["foreign keys"] = sorted(str(each) for each in inspector.get_foreign_keys(name))
        found["unique"] = sorted(str(each) for each in inspector.get_unique_constraints(name))
        return found


def _described(index: Any) -> str:
    """Return all that is known of an index, its condition included."""
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


@pytest.fixture
def convention() -> str:
    """What names the portal's constraints, or nothing."""
    return ""


@pytest.fixture
def portal(database_url: str, tmp_path: Path, convention: str) -> Iterator[Portal]:
    """A portal without tables, and without a folder of migrations."""
    portal = Portal(database_url, tmp_path / "migrations", convention)
    yield portal
    portal.engine.dispose()


def imported(text: str) -> set[str]:
    """Return the first names of the modules that a migration imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("convention", ["convention"])
def test_a_portal_migrates_from_an_empty_folder(portal: Portal) -> None:
    """The file needs no edit, and makes what ``create_all`` makes."""
    written = portal.migrate()
    assert imported(written) <= {"alembic", "sqlalchemy"}
    assert "flask_scim_provisioning" not in written
    assert portal.is_complete()
    assert "No changes in schema" in portal.db("migrate")
    migrated = portal.structure()
    assert len(migrated) == 10
    url = portal.engine.url
    if portal.engine.dialect.name == "sqlite":
        portal.engine.dispose()
        Path(url.database or "").unlink()
    else:
        drop_tables(url.render_as_string(hide_password=False))
    made = present_metadata(portal.convention)
    made.create_all(portal.engine)
    for name, table in portal.structure().items():
        assert table == migrated[name], name


def present_metadata(convention: str) -> sa.MetaData:
    """Return the portal's metadata, declared in this process."""
    from flask_scim_provisioning.mapping.host.links import declare_link
    from flask_scim_provisioning.models import declare, own_base

    from .portal import Team, User

    metadata = metadata_of(convention)
    for model in (User, Team):
        model.__table__.to_metadata(metadata)
    base = own_base(metadata)
    declare(base)
    for model, resource in ((User, "User"), (Team, "Group")):
        mapped = type(model.__name__, (), {})
        sa.orm.registry().map_imperatively(mapped, metadata.tables[model.__tablename__])
        declare_link(base, mapped, resource)
    return metadata


MOMENT = datetime(2026, 5, 15, 9, 21, 23, 123456)


def rows_of_0_1(metadata: sa.MetaData) -> dict[str, dict[str, Any]]:
    """One row for each table, with something in every column."""
    ids = [uuid.UUID(int=number) for number in range(1, 8)]
    known: dict[str, dict[str, Any]] = {
        "user": {"id": 1, "username": "ada"},
        "team": {"id": 1, "name": "Sales"},
        "scim_integration": {"id": ids[0]},
        "scim_service_account": {"id": ids[1], "integration_id": ids[0]},
        "scim_role": {"id": ids[2], "permissions": {"USERS": ["CREATE"]}},
        "scim_binding": {
            "id": ids[3],
            "role_id": ids[2],
            "service_account_id": ids[1],
            "integration_id": ids[0],
        },
        "scim_access_token": {"id": ids[4], "service_account_id": ids[1], "digest": b"\x01" * 32},
        "scim_external_id": {"id": ids[5], "integration_id": ids[0]},
        "scim_activity": {"integration_id": ids[0], "notes": ["a note"], "payload": {"a": [1.5]}},
        "scim_user_link": {"host_id": 1, "stored": {"title": "Countess"}},
        "scim_group_link": {"host_id": 1, "stored": {"title": "Sales"}},
    }
    for name, row in known.items():
        for column in metadata.tables[name].columns:
            row.setdefault(column.name, _some(column))
    return known


def _some(column: sa.Column[Any]) -> Any:
    kind = column.type.python_type
    length = getattr(column.type, "length", None) or 8
    if kind is datetime:
        return MOMENT
    return {str: "é" * 3 if length != 36 else str(uuid.UUID(int=9)), bool: True}.get(kind, 1)


@pytest.mark.parametrize("convention", ["", "convention"], ids=["plain", "convention"])
def test_a_portal_of_version_0_1_goes_on_with_its_rows(portal: Portal) -> None:
    old = metadata_of(portal.convention)
    for name, label in (("user", "username"), ("team", "name")):
        key = sa.Column("id", sa.Integer, primary_key=True)
        sa.Table(name, old, key, sa.Column(label, sa.String(150), unique=True, nullable=False))
    pair = [
        sa.Column(f"{name}_id", sa.ForeignKey(f"{name}.id", ondelete="CASCADE"), primary_key=True)
        for name in ("team", "user")
    ]
    sa.Table("team_member", old, *pair)
    declare_0_1(old, users="user", groups="team")
    old.create_all(portal.engine)
    rows = rows_of_0_1(old)
    with portal.engine.begin() as connection:
        for table in old.sorted_tables:
            if table.name in rows:
                connection.execute(sa.insert(table), rows[table.name])
        before = contents(connection, old)
    portal.migrate()
    assert portal.is_complete()
    with portal.engine.connect() as connection:
        assert contents(connection, old) == before
        assert len(before) == 11


def contents(connection: sa.Connection, metadata: sa.MetaData) -> dict[str, Any]:
    """Return the rows of all tables that have some, column by column of the old tables."""
    found = {}
    for table in metadata.sorted_tables:
        all_of_it = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        if all_of_it:
            found[table.name] = all_of_it
    return found
