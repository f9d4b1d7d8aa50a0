"""A portal whose people have API keys that end in a hook."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column, object_session

from flask_scim_provisioning import fields
from flask_scim_provisioning.services.integrations import update_integration
from flask_scim_provisioning.services.policies import Policies
from tests.mapping.shapes import opened, shape
from tests.portal import Portal

OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}

FAULTS: set[str] = set()
"""The logins of those whose hook fails."""


def _declare(db: SQLAlchemy, *, column: bool) -> tuple[type[Any], dict[str, Any]]:
    class Person(db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "person"

        id: Mapped[int] = mapped_column(primary_key=True)
        login: Mapped[str] = mapped_column(sa.String(60), unique=True)
        keys: Mapped[int] = mapped_column(default=2)
        is_protected: Mapped[bool] = mapped_column(default=False)
        if column:
            is_active: Mapped[bool] = mapped_column(default=True)

    def on_deactivate(person: Any) -> list[str]:
        if person.login in FAULTS:
            raise RuntimeError("the key store is away")
        ended, person.keys = person.keys, 0
        assert object_session(person) is not None
        return [f"{ended} API keys ended"]

    attributes: dict[str, Any] = {
        "Meta": {
            "on_deactivate": on_deactivate,
            "protected": lambda person: "Break glass." if person.is_protected else None,
        },
        "user_name": fields.Attribute(Person.login),
    }
    if column:
        attributes["active"] = fields.Attribute(Person.is_active)
    return Person, attributes


_SHAPES = {
    True: shape(lambda db: _declare(db, column=True)),
    False: shape(lambda db: _declare(db, column=False)),
}


@pytest.fixture
def has_column() -> bool:
    """Whether people have a column for ``active``."""
    return True


@pytest.fixture
def portal(database: str, has_column: bool) -> Iterator[Portal]:
    FAULTS.clear()
    with opened(database, _SHAPES[has_column]()) as made:
        made.app.testing = False
        made.app.config["PROPAGATE_EXCEPTIONS"] = False
        yield made


class Directory:
    """What an identity provider does, and what the portal then has."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.client = portal, portal.client
        self.paths: dict[str, str] = {}

    @property
    def integration(self) -> Any:
        state = self.portal.app.extensions["scim_provisioning"]
        table = state.models.integration.__table__
        with self.portal.app.app_context():
            wanted = table.c.id == self.portal.integration.id
            return state.session.execute(sa.select(table).where(wanted)).one()

    def policies(self, **chosen: Any) -> None:
        state, row = self.portal.app.extensions["scim_provisioning"], self.integration
        with self.portal.app.app_context():
            update_integration(
                state.session,
                state.models,
                row.tenant,
                row.id,
                name=row.name,
                description="",
                dialect=row.dialect,
                policies=Policies.chosen(chosen),
            )

    def permit(self, *verbs: str) -> None:
        """Give the role these permissions for users."""
        state = self.portal.app.extensions["scim_provisioning"]
        role = state.models.role.__table__
        everything = ["CREATE", "READ", "UPDATE", "DELETE"]
        permissions = {"USERS": list(verbs), "GROUPS": everything, "BINDINGS": everything}
        self.portal.session.execute(sa.update(role).values(permissions=permissions))
        self.portal.session.commit()

    def create(self, *names: str, **values: Any) -> str:
        for name in names:
            sent = {"userName": name, "externalId": f"of-{name}", **values}
            answer = self.client.post("/Users", sent)
            assert answer.status_code == 201, answer.json
            self.paths[name] = f"/Users/{answer.json['id']}"
        return self.paths[names[-1]]

    def group(self, name: str, members: Sequence[str]) -> str:
        ids = [{"value": self.paths[each].rpartition("/")[2]} for each in members]
        answer = self.client.post("/Groups", {"displayName": name, "members": ids})
        assert answer.status_code == 201, answer.json
        return f"/Groups/{answer.json['id']}"

    def members(self, path: str) -> set[str]:
        found = self.client.get(path).json.get("members", [])
        names = {path.rpartition("/")[2]: name for name, path in self.paths.items()}
        return {names[each["value"]] for each in found}

    def row(self, name: str) -> Any:
        """Return the portal's row; None where there is none."""
        model, session = self.portal.models.User, self.portal.session
        session.rollback()
        found = session.scalars(
            sa.select(model).where(model.login == name).execution_options(populate_existing=True)
        ).one_or_none()
        session.rollback()
        return found

    def off(self, name: str) -> Any:
        return self.client.patch(self.paths[name], [OFF])

    def on(self, name: str) -> Any:
        return self.client.patch(self.paths[name], [ON])

    def delete(self, name: str) -> Any:
        return self.client.delete(self.paths[name])

    def command(self, *arguments: str, code: int = 0) -> Any:
        """Run ``flask scim``, and return its JSON."""
        result = self.portal.app.test_cli_runner().invoke(args=["scim", *arguments, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if result.stdout.strip().startswith(("{", "[")) else None

    def records(self) -> Any:
        return self.command("offboarding")

    def let_time_pass(self, **columns: Any) -> None:
        """Set columns of the records, as if it had been long ago."""
        state = self.portal.app.extensions["scim_provisioning"]
        table = state.models.offboarding.__table__
        due = table.c.due.is_not(None)
        self.portal.session.execute(sa.update(table).where(due).values(columns))
        self.portal.session.commit()


@pytest.fixture
def directory(portal: Portal) -> Directory:
    """The identity provider of the portal's integration."""
    return Directory(portal)


Way = Callable[[Directory, str], Any]
