"""A portal with an administrator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..portal import Portal
from .pages import Admin


@pytest.fixture
def database(tmp_path: Path) -> str:
    """SQLite only: no statement of the pages is their own."""
    return f"sqlite:///{tmp_path / 'portal.sqlite3'}"


@pytest.fixture
def make_admin(make_portal: Callable[..., Portal]) -> Callable[..., Admin]:
    """Return a function that builds a portal and signs an administrator in."""

    def make(**options: object) -> Admin:
        return Admin(make_portal(**options))

    return make


@pytest.fixture
def admin(request: pytest.FixtureRequest, make_admin: Callable[..., Admin]) -> Admin:
    """An administrator of a portal; ``@pytest.mark.portal`` gives the portal's options."""
    marker = request.node.get_closest_marker("portal")
    return make_admin(**(marker.kwargs if marker else {}))
