"""Whom an identity provider knows here: the people and groups that have an external id of its."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.resources import ResourceMapping
from ..models import Models

__all__ = ["ManagedPage", "ManagedResource", "page"]


@dataclass(frozen=True, slots=True)
class ManagedResource:
    """One person or group that an identity provider keeps up to date.

    :ivar name: What it is called here; None where the portal has no name for it.
    :ivar look_up: What the activity log calls it: the user name, or the group's name.
    """

    id: str
    external_id: str
    name: str | None
    look_up: str | None
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class ManagedPage:
    """Some of them, by external id.

    :ivar next_after: Give it to ``page(after=...)`` for the next ones; None on the last page.
    """

    resources: Sequence[ManagedResource]
    next_after: str | None


def page(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    integration_id: uuid.UUID,
    *,
    limit: int = 50,
    after: str | None = None,
    text: str | None = None,
) -> ManagedPage:
    """Return one page of whom an integration knows, by the index of external ids.

    :param after: ``ManagedPage.next_after`` of the page before.
    :param text: Only those with this external id, SCIM id, or user name (of groups: name).
    """
    external, links, table = models.external_id.__table__, mapping.links, mapping.table
    shown, look_up = mapping.display, mapping.bindings[mapping.lookup_key].slot(None)
    name: Any = shown.expression
    called: Any = name if look_up is None else look_up.expression
    statement = (
        sa.select(links.c.id, external.c.external_id, name, called, links.c.last_modified)
        .select_from(external)
        .join(links, links.c.id == external.c.link_id)
        .join(table.model, table.key.same(table.link_key))
        .where(
            external.c.integration_id == integration_id,
            external.c.resource_type == table.name,
            links.c.deleted.is_(None),
        )
        .order_by(external.c.external_id)
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(external.c.external_id > after)
    if text is not None:
        statement = statement.where(
            external.c.link_id.in_(_named(mapping, external, integration_id, called, text))
        )
    rows = session.execute(statement, bind_arguments={"mapper": table.mapper}).all()
    resources = [
        ManagedResource(
            identity,
            external_id,
            _text(shown, display),
            _text(look_up or shown, looked_up),
            modified,
        )
        for identity, external_id, display, looked_up, modified in rows[:limit]
    ]
    more = len(rows) > limit
    return ManagedPage(resources, resources[-1].external_id if more else None)


def _named(
    mapping: ResourceMapping, external: Any, integration_id: uuid.UUID, called: Any, text: str
) -> Any:
    """Return the ids of whom a text names; each way to find them has an index of its own."""
    links, table = mapping.links, mapping.table
    names = list(dict.fromkeys([text, text.lower()]))
    return sa.union_all(
        sa.select(external.c.link_id).where(
            external.c.integration_id == integration_id,
            external.c.resource_type == table.name,
            external.c.external_id == text,
        ),
        sa.select(links.c.id).where(links.c.id == text.lower()),
        sa.select(links.c.id)
        .select_from(table.model)
        .join(links, table.link_key.same(table.key))
        .where(called.in_(names)),
    )


def _text(slot: Any, value: Any) -> str | None:
    if value is None:
        return None
    return str(value if slot.from_host is None else slot.from_host(value))
