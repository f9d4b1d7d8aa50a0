"""Databases in trouble, and portals that are impatient with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.databases import DATABASES

__all__ = ["databases"]


def databases(*kinds: str) -> Any:
    """Mark a test of something that only some kinds of databases do.

    Where none of them is there, it isn't one of the tests, rather than a skipped one.
    """
    present = [kind for kind in kinds if kind in DATABASES]
    if present:
        return pytest.mark.parametrize("database", present, indirect=True)
    those = pytest.mark.parametrize("database", kinds, indirect=True)
    return lambda test: pytest.mark.absent(those(test))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is only for databases that aren't there."""
    absent = [item for item in items if item.get_closest_marker("absent")]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if not item.get_closest_marker("absent")]
