"""Databases in trouble, and portals that are impatient with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.databases import DATABASES

__all__ = ["databases"]


def databases(*kinds: str) -> Any:
    """Mark a test of something that only some kinds of databases do."""
    present = [kind for kind in kinds if kind in DATABASES]
    return pytest.mark.parametrize("database", present, indirect=True)
