"""The host's own ways to set something: they change the object, and leave the transaction alone.

A setter that commits would leave half of a request in the database when the other half is refused,
and one that rolls back would undo what was done before it. Either is told by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction

from ..bindings.base import Binding
from ..errors import MappingError
from ..resources import ResourceMapping

__all__ = ["Setting", "has_own_setter", "name_of", "setting"]

_SETTING = "scim_setting"
"""A key of Session.info."""


class Setting:
    """What is being set, and the transactions that it is set in.

    :ivar what: what is set just now, for people.
    """

    def __init__(self, session: Session) -> None:
        self.what = ""
        self._done = ""
        self._ours = (session.get_transaction(), session.get_nested_transaction())

    def ends(self, transaction: SessionTransaction | None, how: str) -> bool:
        """Take note that a transaction ends; return whether it is one that isn't the setter's."""
        if transaction is None or transaction not in self._ours:
            return False
        self._done = self._done or f"{self.what} {how} the session"
        return True

    def refuse(self) -> None:
        """Refuse what a setter has done, if it has.

        :raises MappingError: naming the setter.
        """
        if self._done:
            raise MappingError(
                f"{self._done}, which belongs to the whole request: nothing was changed. Let it "
                "only change the object that it is given."
            )


@contextmanager
def setting(session: Session) -> Iterator[Setting]:
    """Let nobody end the transaction inside.

    :raises MappingError: when somebody has; it names what was being set.
    """
    found = session.info[_SETTING] = Setting(session)
    try:
        yield found
    finally:
        del session.info[_SETTING]
        found.refuse()


@sa.event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    found: Setting | None = session.info.get(_SETTING)
    if found is None:
        return
    transaction = session.get_nested_transaction() or session.get_transaction()
    if found.ends(transaction, "commits"):
        found.refuse()


@sa.event.listens_for(Session, "after_soft_rollback")
def _after_soft_rollback(session: Session, transaction: SessionTransaction) -> None:
    found: Setting | None = session.info.get(_SETTING)
    if found is not None:
        found.ends(transaction, "rolls back")


def has_own_setter(binding: Binding) -> bool:
    """Say whether a function of the team's sets an attribute."""
    return any(True for _ in _own_setters(binding))


def _own_setters(binding: Binding) -> Iterator[str]:
    for slot in binding.slots():
        write = slot.write
        if write is None or not hasattr(write, "__qualname__"):
            continue
        if not write.__module__.startswith(__name__.split(".")[0]):
            yield write.__qualname__


def name_of(mapping: ResourceMapping, key: str) -> str:
    """Return what sets an attribute, for people."""
    binding = mapping.bindings[key]
    by = ", ".join(_own_setters(binding)) or binding.place
    return f"{mapping.schema_name}: what sets {key.rsplit(':', 1)[-1]} ({by})"
