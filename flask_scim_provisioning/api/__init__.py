"""The SCIM blueprint: routes, bearer authentication, reading and responses."""

from .blueprint import create_blueprint

__all__ = ["create_blueprint"]
