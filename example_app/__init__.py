"""Meridian: an internal portal with people, teams and roles, and provisioning added to it."""

from .application import create_app

__all__ = ["create_app"]
