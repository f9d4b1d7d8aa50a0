"""What a bulk request holds of the database, and in which order it takes it."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..mapping.resources import ResourceMapping
from ..models import Models
from ..scim.bulk import BulkOperation, Step
from ..scim.errors import IntegrationDisabled, Unauthorized
from ..scim.evaluate import fold
from .scope import Scope

__all__ = ["in_order_of_names", "is_plain", "lock_links", "require_enabled"]

_LOCKED_AT_ONCE = 5_000

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_plain(step: Step) -> bool:
    """Say whether a step creates something that refers to nothing else of the request."""
    operation = step.operation
    return operation.method == "POST" and operation.fault is None and not operation.references


def in_order_of_names(
    steps: Sequence[Step], mappings: Mapping[str, ResourceMapping]
) -> Iterator[Step]:
    """Yield the steps, and creations that follow each other in the order of their names.

    Two requests that create the same names in opposite orders would each wait for the other. Of
    creations that refer to nothing else of the request, the order makes no difference (RFC 7644
    section 3.7.1).
    """

    def name(step: Step) -> tuple[str, str]:
        operation = step.operation
        mapping = mappings.get(operation.endpoint)
        named = operation.data.get(mapping.lookup_key) if mapping is not None else None
        return operation.endpoint, fold(named) if isinstance(named, str) else ""

    for plain, group in itertools.groupby(steps, is_plain):
        run = list(group)
        yield from sorted(run, key=name) if plain else run


def lock_links(
    scope: Scope, mappings: Mapping[str, ResourceMapping], operations: Iterable[BulkOperation]
) -> None:
    """Lock at once what the request names, in one order, so that no two wait for each other.

    Groups come before users, as in a request that changes the members of one group. SQLite has
    one writer at a time.
    """
    connection = scope.session.connection()
    if connection.dialect.name == "sqlite":
        return
    named: set[str] = set()
    for operation in operations:
        mapping = mappings.get(operation.endpoint)
        if mapping is None or operation.fault is not None:
            continue
        named.update(_ids_in(operation.resource_id))
        if mapping.members is not None:
            named.update(_ids_in(operation.data))
    ids = sorted(named)
    for mapping in sorted(mappings.values(), key=lambda each: each.members is None):
        lock = functools.partial(_lock, mapping.links)
        statement = mapping.kept("links of a bulk request", lock)
        for start in range(0, len(ids), _LOCKED_AT_ONCE):
            part = ids[start : start + _LOCKED_AT_ONCE]
            connection.execute(statement, {"ids": part}).all()


def _ids_in(data: Any) -> Iterator[str]:
    """Yield what may be an id of a resource, at any depth of a body."""
    waiting = [data]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield from (found.lower() for found in _ID.findall(text))
            case dict() as members:
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)


def _lock(links: sa.FromClause) -> sa.Select[Any]:
    """Return the statement that locks links in the order of their ids.

    MySQL and MariaDB would lock every link where they read all of a small table.
    """
    statement = (
        sa.select(links.c.id)
        .where(links.c.id.in_(sa.bindparam("ids", expanding=True)))
        .order_by(links.c.id)
        .with_for_update()
    )
    for backend in ("mysql", "mariadb"):
        statement = statement.with_hint(links, "FORCE INDEX (PRIMARY)", backend)
    return statement


def require_enabled(scope: Scope, *, locked: bool = False) -> None:
    """Refuse all of a request whose integration was disabled or removed meanwhile.

    :param locked: let nobody disable it until the transaction ends; what was committed by now is
        seen then on every database.
    :raises IntegrationDisabled: when an administrator has disabled it.
    :raises Unauthorized: when it was removed.
    """
    statement = (_locked_integration if locked else _integration)(scope.models)
    found = scope.session.connection().execute(statement, {"integration": scope.integration_id})
    enabled = found.scalar_one_or_none()
    if enabled is None:
        raise Unauthorized
    if not enabled:
        raise IntegrationDisabled


@functools.lru_cache(maxsize=64)
def _integration(models: Models) -> sa.Select[Any]:
    table = models.integration.__table__
    is_it = table.c.id == sa.bindparam("integration")
    return sa.select(table.c.enabled).where(is_it, table.c.removed.is_(None))


@functools.lru_cache(maxsize=64)
def _locked_integration(models: Models) -> sa.Select[Any]:
    return _integration(models).with_for_update(read=True)
