"""The log of security events: what an operator's alarms listen to (OWASP ASVS 5, section 16.3).

It is one logger, ``flask_scim_provisioning.security``: refused requests as warnings, throttled, and
changes of integrations and tokens as information. Neither has a secret in it.
"""

from __future__ import annotations

import logging
import uuid

__all__ = ["SECURITY_LOGGER", "log_change"]

SECURITY_LOGGER = "flask_scim_provisioning.security"

logger = logging.getLogger(SECURITY_LOGGER)


def log_change(
    action: str,
    tenant: str,
    integration_id: uuid.UUID,
    actor: str | None,
    key_id: str | None = None,
) -> None:
    """Tell of what an administrator has changed; call it after the commit.

    :param action: A value of ``activity.Action``.
    """
    logger.info(
        "SCIM administration: action=%s tenant=%s integration=%s key_id=%s actor=%s",
        action,
        tenant,
        integration_id,
        key_id or "-",
        # What a portal calls its administrators may have line breaks.
        ascii(actor)[1:-1] if actor else "-",
    )
