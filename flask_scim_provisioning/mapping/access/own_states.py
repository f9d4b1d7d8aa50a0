"""The portal's own word on who is active: whom it deactivates itself, no directory has."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.orm import InstanceState

from ..bindings.base import Keeping
from ..host.listening import listen
from ..host.own_writes import is_own_write
from ..resources import ACTIVE, ResourceMapping

__all__ = ["watch_states"]

_WATCHED: WeakSet[type[Any]] = WeakSet()
"""The models of links that are watched already: applications share them."""


def watch_states(mapping: ResourceMapping) -> None:
    """See when the host's ORM changes who is active, from now on.

    What it does by ``update()`` or SQL goes unseen, as ``host_writes`` says.
    """
    table, state = mapping.table, mapping.state
    if state is None or state.keeping is Keeping.LINK or table.link in _WATCHED:
        return
    _WATCHED.add(table.link)
    names, links = mapping.names[ACTIVE], table.links
    forget = (
        sa.update(links)
        .where(table.link_key.equals("host_key"), links.c.deactivated.is_not(None))
        .values(deactivated=None)
    )

    def before_update(_: Any, connection: sa.Connection, changed: InstanceState[Any]) -> None:
        session = changed.session
        if changed.identity is None or session is None:
            return
        if not any(changed.attrs[name].history.has_changes() for name in names):
            return
        key = table.key_of_identity(changed.identity)
        if not is_own_write(session, table, key) and table.link.watch.is_there(connection):
            connection.execute(forget, table.link_key.parameters("host_key", key))

    listen(table.mapper, "before_update", before_update)
