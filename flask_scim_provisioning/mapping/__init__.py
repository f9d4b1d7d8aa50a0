"""How SCIM attributes are bound to the host's own SQLAlchemy models."""

from .bindings.stores import MembershipStore
from .declare import fields
from .declare.schemas import GroupSchema, ResourceSchema, UserSchema
from .errors import MappingError
from .resources import ResourceMapping

__all__ = [
    "GroupSchema",
    "MappingError",
    "MembershipStore",
    "ResourceMapping",
    "ResourceSchema",
    "UserSchema",
    "fields",
]
