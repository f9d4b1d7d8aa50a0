"""The team's own functions for who leaves and who comes back: in the transaction, after the row.

They are called once the row is in the database, so that an object has what its columns' defaults
and the database's own give it, and what they change is written by a flush of its own. A hook ends
API keys and other sessions. Where it can't, nobody may be told that the person is gone: nothing is
changed, the identity provider is told to come back, and its next try calls the hook again.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from ...scim.errors import ScimError, TemporarilyUnavailable
from ..bindings.base import Unit
from ..errors import MappingError
from ..resources import ACTIVE, ResourceMapping
from ..sql.constraints import number_of, state_of
from .host_writes import own_writes
from .reading import Unsettled
from .setters import has_own_setter, setting

__all__ = ["Hook", "HookFailed", "calls_host", "hook_for", "listens", "run_hook", "was_active"]

logger = logging.getLogger(__name__)

_RETRY_AFTER = 60
_LONGEST_RESULT = 200
_MOST_RESULTS = 20

# Deadlocks, serialization failures and locks that were waited for too long.
_BUSY_STATES = ("40001", "40P01", "55P03")
_BUSY_NUMBERS = (1020, 1205, 1213)


class HookFailed(TemporarilyUnavailable):
    """A function of the portal's team has failed, so that nothing was changed.

    :ivar hook: its name, for people.
    :ivar fault: the kind of what it raised; never its text, which may quote secrets.
    :ivar leaver: whom it was about, as far as its caller says.
    """

    leaver: Any = None

    def __init__(self, hook: str, fault: str) -> None:
        super().__init__(
            "What this portal does when somebody leaves or comes back has failed, so nothing was "
            "changed; the portal's log says why, and the request can be sent again.",
            retry_after=_RETRY_AFTER,
        )
        self.hook = hook
        self.fault = fault
        self.reason = f"{hook} failed with {fault}"


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of the team that has to be called.

    :ivar name: for people.
    """

    name: str
    call: Callable[[Any], Any]


def listens(mapping: ResourceMapping) -> bool:
    """Say whether the team wants to be called when somebody's state changes."""
    options = mapping.options
    return options.on_deactivate is not None or options.on_reactivate is not None


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


def hook_for(
    mapping: ResourceMapping, entity: Any, unit: Unit, values: Mapping[str, Any]
) -> Hook | None:
    """Return what has to be called after these values are written; ask before that.

    Where nobody knows whether the person was active, the function is called.
    """
    wanted = values.get(ACTIVE)
    if not isinstance(wanted, bool) or mapping.state is None:
        return None
    name = "on_reactivate" if wanted else "on_deactivate"
    hook = getattr(mapping.options, name, None)
    if hook is None or wanted is was_active(mapping, entity, unit):
        return None
    if wanted and not sa.inspect(entity).persistent:
        return None  # who is new comes back from nowhere
    return Hook(f"{mapping.schema_name}.Meta.{name}", hook)


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
    with unit.session.no_autoflush:
        value = getattr(entity, slot.name)
    return bool(slot.is_true(value) if slot.is_true is not None else slot.read(value))


def run_hook(mapping: ResourceMapping, unit: Unit, entity: Any, hook: Hook | None) -> None:
    """Call a function of the team, and write what it has changed.

    What it returns, a sentence or several, is kept with the person's offboarding.

    :raises HookFailed: when it raises anything, so that nothing may be taken for done.
    :raises MappingError: when it ends the transaction, which isn't its own.
    """
    if hook is None:
        return
    session = unit.session
    try:
        with own_writes(mapping, session, entity):
            with setting(session) as now:
                now.what = hook.name
                result = hook.call(entity)
            session.flush()
    except (StaleDataError, ObjectDeletedError):
        raise Unsettled("The portal is changing this resource; send the request again.") from None
    except (MappingError, Unsettled):
        raise
    except Exception as error:
        if _is_of_database(error):
            raise  # not the hook's fault; the whole transaction is attempted again
        raise _failed(hook, error) from None
    unit.view.calls.append((hook.name, _results(result)))


def _is_of_database(error: Exception) -> bool:
    """Say whether a database that is busy or away has prevented it."""
    if not isinstance(error, DBAPIError):
        return False
    busy = state_of(error.orig) in _BUSY_STATES or number_of(error.orig) in _BUSY_NUMBERS
    return busy or error.connection_invalidated


def _failed(hook: Hook, error: Exception) -> HookFailed:
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "its beginning"
    fault = type(error).__name__
    if isinstance(error, ScimError):
        fault = f"{fault} ({error.detail})"
    logger.error("%s failed with %s in %s; nothing was changed.", hook.name, fault, place)
    return HookFailed(hook.name, fault)


def _results(result: Any) -> Sequence[str]:
    """Return what a hook says that it has done; what is no text is no sentence."""
    given = [result] if isinstance(result, str) else result
    if not isinstance(given, list | tuple):
        return ()
    texts = [text[:_LONGEST_RESULT] for text in given if isinstance(text, str)]
    return tuple(texts[:_MOST_RESULTS])
