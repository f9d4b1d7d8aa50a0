"""The host's own ways to set something: they change the object, and leave the transaction alone.

A setter that commits would leave half of a request in the database when the other half is refused,
and one that rolls back would undo what was done before it. Either is told by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction

from ..bindings.base import Binding, Unit
from ..errors import MappingError
from ..resources import ACTIVE, ResourceMapping

__all__ = [
    "Setting",
    "calls_host",
    "has_own_setter",
    "hooks",
    "listens",
    "name_of",
    "setting",
    "was_active",
]

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


def was_active(mapping: ResourceMapping, entity: Any, unit: Unit) -> bool | None:
    """Say whether somebody was active until now; None where nobody knows."""
    state = mapping.state
    if state is None or not sa.inspect(entity).persistent:
        return None
    slot = state.slot(None)
    if not state.expressions:
        kept = unit.stored.get(ACTIVE)
        return kept if isinstance(kept, bool) else (True if unit.stored else None)
    if slot is None or slot.name is None:
        return None
    value = getattr(entity, slot.name)
    return bool(slot.is_true(value) if slot.is_true is not None else slot.read(value))


def listens(mapping: ResourceMapping) -> bool:
    """Say whether the team wants to be called when somebody's state changes."""
    options = mapping.options
    return options.on_deactivate is not None or options.on_reactivate is not None


def hooks(
    mapping: ResourceMapping, entity: Any, values: Mapping[str, Any], before: bool | None
) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Yield the functions of the team that have to be called, with their names.

    :param before: whether the person was active; where nobody knows, the functions are called.
    """
    wanted = values.get(ACTIVE)
    if not isinstance(wanted, bool) or wanted is before:
        return
    is_new = not sa.inspect(entity).persistent
    if wanted and is_new:
        return
    name = "on_reactivate" if wanted else "on_deactivate"
    hook = getattr(mapping.options, name, None)
    if hook is not None:
        yield f"{mapping.schema_name}.Meta.{name}", hook


def calls_host(mapping: ResourceMapping, keys: Iterable[str]) -> bool:
    """Say whether functions of the team's are called where these attributes are written."""
    own = mapping.kept(
        "attributes with setters",
        lambda: frozenset(
            key
            for key, binding in mapping.bindings.items()
            if has_own_setter(binding) or key == "password"
        ),
    )
    return any(key in own or (key == ACTIVE and listens(mapping)) for key in keys)


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
