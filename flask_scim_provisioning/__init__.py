"""SCIM 2.0 provisioning and its admin pages for Flask applications."""

from .extension import Provisioning
from .mapping import GroupSchema, MappingError, MembershipStore, ResourceSchema, UserSchema, fields
from .models import UtcDateTime
from .scim import attributes
from .services import signals
from .settings import SettingsError

__all__ = [
    "GroupSchema",
    "MappingError",
    "MembershipStore",
    "Provisioning",
    "ResourceSchema",
    "SettingsError",
    "UserSchema",
    "UtcDateTime",
    "attributes",
    "fields",
    "signals",
]
