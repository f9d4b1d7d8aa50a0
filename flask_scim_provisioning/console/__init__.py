"""The administrators' pages: create an integration, copy its token once, see what happens."""

from .blueprint import create_blueprint

__all__ = ["create_blueprint"]
