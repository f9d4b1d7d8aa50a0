"""What the directory has said of a person, for the portal's own sign-in."""

from __future__ import annotations

import sqlalchemy as sa

from ..mapping.bindings.base import Keeping
from ..mapping.host.keys import HostKey
from ..mapping.resources import ACTIVE, ResourceMapping

__all__ = ["is_active"]


def is_active(mapping: ResourceMapping, connection: sa.Connection, host_key: HostKey) -> bool:
    """Say whether a person may sign in, in one indexed read.

    Where ``active`` is an attribute of the portal's own, that is the answer. Where it isn't, the
    link row has it: who was deactivated or deleted by the directory may not, and whom no directory
    has ever spoken of may.

    :param host_key: the primary key of the portal's row.
    """
    table, state = mapping.table, mapping.state
    slot = None if state is None or state.keeping is Keeping.LINK else state.slot(None)
    if slot is not None:
        statement = mapping.kept(
            "active in the portal",
            lambda: (
                sa.select(slot.expression)
                .select_from(table.model)
                .where(table.key.equals("host_key"))
            ),
        )
        found = connection.execute(statement, table.key.parameters("host_key", host_key)).first()
        if found is None:
            return False
        return bool(found[0] if slot.from_host is None else slot.from_host(found[0]))
    if not table.link.watch.is_there(connection):
        return True  # a portal before its migration goes on as before
    links = mapping.links
    statement = mapping.kept(
        "active in the link",
        lambda: sa.select(links.c.deleted, links.c.stored).where(table.link_key.equals("host_key")),
    )
    row = connection.execute(statement, table.link_key.parameters("host_key", host_key)).first()
    if row is None:
        return True
    return row.deleted is None and (row.stored or {}).get(ACTIVE) is not False
