"""What a host can listen to: Blinker signals, sent after the commit and with plain values.

The sender is the tenant, so that ``user_created.connect(greet, sender="main")`` hears one tenant
and ``user_created.connect(greet)`` hears all. A receiver that fails is logged; what was committed
stays committed, and the identity provider gets its answer.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace

__all__ = [
    "NAMESPACE",
    "group_created",
    "group_deleted",
    "group_updated",
    "integration_created",
    "integration_disabled",
    "integration_enabled",
    "integration_paused",
    "integration_removed",
    "integration_updated",
    "membership_changed",
    "send",
    "token_revoked",
    "token_rotated",
    "user_created",
    "user_deactivated",
    "user_deleted",
    "user_reactivated",
    "user_updated",
]

logger = logging.getLogger(__name__)

NAMESPACE = Namespace()

_RESOURCE = (
    "``integration_id`` (a UUID), ``resource_id`` (the SCIM id, a string), ``host_id`` (your row's "
    "primary key), ``request_id``"
)
_INTEGRATION = "``integration_id`` (a UUID), ``name``, ``actor`` (who did it, or None)"


def _signal(name: str, doc: str) -> NamedSignal:
    return NAMESPACE.signal(name, doc=doc)


user_created = _signal("user-created", f"A user was created or adopted. Gives {_RESOURCE}.")
user_updated = _signal("user-updated", f"Attributes of a user changed. Gives {_RESOURCE}.")
user_deactivated = _signal(
    "user-deactivated", f"A user's ``active`` became false: end their sessions. Gives {_RESOURCE}."
)
user_reactivated = _signal(
    "user-reactivated", f"A user's ``active`` became true again. Gives {_RESOURCE}."
)
user_deleted = _signal("user-deleted", f"A user was deleted from SCIM. Gives {_RESOURCE}.")
group_created = _signal("group-created", f"A group was created or adopted. Gives {_RESOURCE}.")
group_updated = _signal("group-updated", f"Attributes of a group changed. Gives {_RESOURCE}.")
group_deleted = _signal("group-deleted", f"A group was deleted from SCIM. Gives {_RESOURCE}.")
membership_changed = _signal(
    "membership-changed",
    f"Members were added to a group or removed from it. Gives {_RESOURCE} of the group, and "
    "of users ``added`` and ``removed``, of nested groups ``groups_added`` and ``groups_removed``: "
    "lists of your rows' primary keys.",
)
integration_created = _signal("integration-created", f"Gives {_INTEGRATION}.")
integration_enabled = _signal("integration-enabled", f"Gives {_INTEGRATION}.")
integration_disabled = _signal("integration-disabled", f"Gives {_INTEGRATION}.")
integration_paused = _signal("integration-paused", f"Gives {_INTEGRATION}.")
integration_updated = _signal(
    "integration-updated", f"Settings of an integration were edited. Gives {_INTEGRATION}."
)
integration_removed = _signal("integration-removed", f"Gives {_INTEGRATION}.")
token_rotated = _signal(
    "token-rotated", f"An integration got a new token. Gives {_INTEGRATION}; never the token."
)
token_revoked = _signal(
    "token-revoked",
    f"A token was ended at once. Gives {_INTEGRATION}, and ``key_id``; never the token.",
)


def send(signal: NamedSignal, tenant: str, **values: Any) -> None:
    """Tell every receiver of ``signal``; call it after the commit.

    :param values: Plain values only: a row would be expired by then, or belong to a closed session.
    """
    for receiver in list(signal.receivers_for(tenant)):
        try:
            receiver(tenant, **values)
        except Exception:
            logger.exception("A receiver of the signal %s failed.", signal.name)
