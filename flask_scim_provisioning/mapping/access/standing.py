"""Who administers the portal, and who is active: asked of the database, in as few rows as it takes.

What the host says of its administrators is a condition over its model. It is asked after a flush,
of those only whom a request concerns, so that whatever has made it true or false is seen: columns,
rows beside them, groups, the host's own listeners.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from ...scim.filters import AttrPath, Compare
from ..bindings.base import Keeping
from ..bindings.members import MembersBinding
from ..errors import Unsettled
from ..host.keys import HostKey
from ..host.viewpoint import Viewpoint
from ..resources import ACTIVE, ResourceMapping
from ..sql.backends import MYSQL, chunks
from .predicates import where

__all__ = [
    "active_condition",
    "administrators_among",
    "administrators_of_groups",
    "lock_administrators",
    "looks_elsewhere",
    "other_administrator",
    "was_deactivated_by_directory",
    "write_deactivated",
]


def active_condition(mapping: ResourceMapping, backend: str) -> sa.ColumnElement[bool]:
    """Return SQL that says who may sign in, over the host's rows and their links.

    :raises InvalidFilter: when SQL can't say it.
    """
    state = mapping.state
    if state is None:
        return sa.true()
    path = AttrPath(None, ACTIVE)
    if state.keeping is not Keeping.LINK:
        return where(mapping, Compare(path, "eq", True), backend)
    links = mapping.links
    inactive = where(mapping, Compare(path, "eq", False), backend)
    return sa.and_(links.c.deleted.is_(None), sa.not_(sa.func.coalesce(inactive, sa.false())))


def _condition(mapping: ResourceMapping) -> sa.ColumnElement[bool]:
    condition = mapping.administrators
    return sa.false() if condition is None else condition


def _said(condition: Any) -> sa.ColumnElement[int]:
    return sa.case((condition, 1), else_=0)


def looks_elsewhere(mapping: ResourceMapping) -> bool:
    """Say whether the condition of administrators looks at more than a person's own row."""
    own = set(mapping.table.mapper.tables)
    elements: Iterable[Any] = visitors.iterate(_condition(mapping))
    return mapping.kept(
        "looks elsewhere",
        lambda: any(isinstance(each, sa.Table) and each not in own for each in elements),
    )


def administrators_among(
    mapping: ResourceMapping, view: Viewpoint, keys: Collection[HostKey]
) -> dict[HostKey, bool]:
    """Return those of many people who are administrators, and whether each is active."""
    backend = view.backend
    statement = mapping.kept(
        f"administrators among others on {backend}",
        lambda: _administrators(mapping, backend).where(mapping.table.key.among("keys")),
    )
    found: dict[HostKey, bool] = {}
    for part in chunks(list(keys)):
        found.update(_read(mapping, view.execute(statement, {"keys": list(part)})))
    return found


def administrators_of_groups(
    mapping: ResourceMapping, view: Viewpoint, binding: MembersBinding, group: HostKey
) -> dict[HostKey, bool]:
    """Return the administrators whom a change of a group itself may concern.

    They are those among its own members; where groups are inside groups, all of the portal's.
    """
    backend = view.backend
    statement = _administrators(mapping, backend).where(*_here(mapping))
    parameters: Mapping[str, Any] = {}
    if binding.nested is None:
        inside, parameters = binding.kinds[0].inside(group)
        statement = statement.where(mapping.table.key.inside(inside))
    return dict(_read(mapping, view.execute(statement, parameters)))


def _administrators(mapping: ResourceMapping, backend: str) -> sa.Select[Any]:
    columns = [*mapping.table.key.columns, _said(active_condition(mapping, backend))]
    return mapping.table.linked(*columns).where(_condition(mapping))


def _read(mapping: ResourceMapping, rows: Any) -> dict[HostKey, bool]:
    key = mapping.table.key
    read = key.reader(0)
    return {read(row): bool(row[key.width]) for row in rows}


def _here(mapping: ResourceMapping) -> list[sa.ColumnElement[bool]]:
    """Return what makes a row one of the tenant's; who isn't visible administers all the same."""
    tenant = mapping.table.tenant
    if tenant is None:
        return []
    parameter = sa.bindparam(mapping.table.tenant_parameter, type_=tenant.type)
    return [tenant.expression == parameter]


def lock_administrators(mapping: ResourceMapping, view: Viewpoint, tenant: str) -> None:
    """Let nobody else take an administrator away until the transaction ends.

    It is one row that stands for all of them: who locked the administrators themselves would wait
    for each other in a circle, and a group's members are changed without touching their rows.
    SQLite has one writer at a time.

    :raises Unsettled: when somebody has taken one away since this transaction has begun to read,
        and it goes on reading what was then; the next attempt sees it.
    """
    if view.backend == "sqlite":
        return
    roles, connection = mapping.models.role.__table__, view.connection
    first = sa.select(roles.c.id, roles.c.turn).order_by(roles.c.tenant, roles.c.name).limit(1)
    if mapping.table.tenant is not None:
        first = first.where(roles.c.tenant == tenant)
    held = connection.execute(first.with_for_update(key_share=True)).one()
    this = roles.c.id == held.id
    if connection.scalar(sa.select(roles.c.turn).where(this)) != held.turn:
        raise Unsettled("Administrators are changing; send the request again.")
    connection.execute(sa.update(roles).where(this).values(turn=roles.c.turn + 1))


def other_administrator(mapping: ResourceMapping, view: Viewpoint, gone: Sequence[HostKey]) -> bool:
    """Say whether anybody else administers the portal and is active.

    Call it with ``lock_administrators`` held. Who is found can't be changed by the portal either
    until the transaction ends.

    :param gone: the keys of those who don't count.
    :raises Unsettled: when the portal is changing who was found; the next attempt sees it.
    """
    key, condition = mapping.table.key, _condition(mapping)
    select = mapping.table.linked(*key.columns).where(
        condition, active_condition(mapping, view.backend)
    )
    others = select.where(key.not_among("gone"), *_here(mapping)).limit(1)
    row = view.execute(others, {"gone": list(gone)}).first()
    if row is None:
        return False
    if view.backend != "sqlite":
        of = mapping.model if view.backend not in MYSQL else None
        held = select.where(key.equals("host_key")).with_for_update(read=True, of=of)
        if view.execute(held, key.parameters("host_key", key.reader(0)(row))).first() is None:
            raise Unsettled("Administrators are changing; send the request again.")
    return True


def was_deactivated_by_directory(mapping: ResourceMapping, view: Viewpoint, key: HostKey) -> bool:
    """Say whether it was a directory that wanted this person inactive, who is."""
    links, link_key = mapping.links, mapping.table.link_key
    statement = mapping.kept(
        "deactivated", lambda: sa.select(links.c.deactivated).where(link_key.equals("host_key"))
    )
    found = view.connection.execute(statement, link_key.parameters("host_key", key)).scalar()
    return found is not None


def write_deactivated(mapping: ResourceMapping, view: Viewpoint, key: HostKey, now: Any) -> None:
    """Keep since when a directory wants this person inactive; None where it doesn't."""
    links, link_key = mapping.links, mapping.table.link_key
    statement = mapping.kept(
        "write deactivated",
        lambda: (
            sa.update(links)
            .where(link_key.equals("host_key"))
            .values(deactivated=sa.bindparam("now"))
        ),
    )
    view.connection.execute(statement, {"now": now, **link_key.parameters("host_key", key)})
