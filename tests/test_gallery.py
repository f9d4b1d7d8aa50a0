"""The pages of the gallery are the portals that are tested."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from .portals.offered import HERE, served

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "gallery"
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

from portals import integration_lines, page_of, region  # noqa: E402

PORTALS = sorted(HERE.glob("test_*.py"))
NAMES = [path.stem for path in PORTALS]


def test_each_portal_has_a_page_and_each_page_a_portal() -> None:
    pages = {f"gallery/{path.stem}" for path in GALLERY.glob("*.md")} - {"gallery/index"}
    assert pages == {page_of(path) for path in PORTALS}


@pytest.mark.parametrize("path", PORTALS, ids=NAMES)
def test_a_page_shows_its_own_portal(path: Path) -> None:
    page = (ROOT / "docs" / f"{page_of(path)}.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{portal\} (\w+)$", page, re.M) == [path.stem.removeprefix("test_")]


@pytest.mark.parametrize("path", PORTALS, ids=NAMES)
def test_what_is_shown_is_python(path: Path) -> None:
    """Both regions are whole: nothing is cut, and a stranger can paste them."""
    for name in ("models", "provisioning"):
        compile(region(path, name), f"{path.name}: {name}", "exec")
    shown = region(path, "provisioning")
    assert shown.count("Provisioning(") == shown.count("provisioning.init_app(") == 1


def test_connecting_a_portal_stays_short() -> None:
    """Half of them take no more than twenty lines, and none of them more than forty."""
    counts = sorted(integration_lines(path) for path in PORTALS)
    assert counts[len(counts) // 2] <= 20, counts
    assert counts[-1] <= 40, counts


def test_there_are_portals_to_show() -> None:
    assert len(PORTALS) >= 22
    assert served()
