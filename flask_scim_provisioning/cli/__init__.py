"""``flask scim …``: the use cases for a terminal and, with ``--json``, for scripts."""

from . import integrations, leavers, portal, roles, watching
from .base import scim

__all__ = ["integrations", "leavers", "portal", "roles", "scim", "watching"]
