"""Whose eyes the directory is seen with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..sql.backends import prepare
from .keys import HostKey

__all__ = ["Viewpoint"]


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Whose eyes the directory is seen with, and the way to the host's database.

    :ivar connection: the connection of the session's transaction.
    :ivar integration: the integration, which external ids belong to.
    :ivar tenants: the values of the tenant columns, by the names of their parameters.
    :ivar notes: filled where something is shown otherwise than the host has it.
    :ivar left_out: filled with the keys of rows that can't be shown at all.
    :ivar base_url: the absolute SCIM base URL, without a slash at its end.
    :ivar written: what was written of resources, by their ids; see ``access.recall``.
    """

    session: Session
    connection: sa.Connection
    integration: uuid.UUID
    tenants: Mapping[str, Any]
    base_url: str
    notes: list[str] = field(default_factory=list)
    left_out: list[HostKey] = field(default_factory=list)
    written: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the connection, which filters may ask for what its database can't do."""
        prepare(self.connection)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that every statement takes."""
        return {"integration": self.integration, **self.tenants}

    @property
    def backend(self) -> str:
        """The database's name in SQLAlchemy."""
        return self.connection.dialect.name

    @property
    def is_listened_to(self) -> bool:
        """Whether the host may leave out rows of what its sessions execute."""
        return bool(self.session.dispatch.do_orm_execute)

    def execute(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None
    ) -> sa.Result[*tuple[Any, ...]]:
        """Run a statement over the host's models.

        Where the host listens to what its sessions execute, to leave out deleted rows or those of
        other tenants, its session executes this too; else the connection does, in a third of the
        time.

        :param parameters: beside those that every statement takes.
        """
        values = {**self.parameters, **(parameters or {})}
        if self.is_listened_to:
            with self.session.no_autoflush:
                return self.session.execute(statement, values)
        return self.connection.execute(statement, values)
