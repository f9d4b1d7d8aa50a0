"""How SCIM attributes are bound to the host's own SQLAlchemy models."""

from . import fields
from .errors import MappingError
from .resources import ResourceMapping
from .schemas import GroupSchema, ResourceSchema, UserSchema
from .stores import MembershipStore

__all__ = [
    "GroupSchema",
    "MappingError",
    "MembershipStore",
    "ResourceMapping",
    "ResourceSchema",
    "UserSchema",
    "fields",
]
