"""What the templates and the style sheet promise to a host's page and its security policy."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from flask_scim_provisioning.assets import STATIC, TEMPLATES

CSS = re.sub(
    r"/\*.*?\*/", "", (STATIC / "scim_provisioning/console.css").read_text(), flags=re.DOTALL
)
PAGES = sorted((TEMPLATES / "scim_provisioning").rglob("*.html"))
MARKUP = "".join(page.read_text() for page in PAGES)


def test_every_selector_is_a_class_of_ours():
    """Element selectors would restyle the portal around the pages; ids belong to the page."""
    preludes = re.findall(r"([^{};]+)\{", CSS)
    selectors = [
        selector.strip()
        for prelude in preludes
        if not prelude.strip().startswith("@")
        for selector in re.sub(r":(?:has|not)\(([^()]*(?:\([^()]*\))?[^()]*)\)", "", prelude).split(
            ","
        )
    ]
    assert len(selectors) > 100
    part = r"\.scim-[\w-]+(?:\.scim-[\w-]+|::?[\w-]+(?:\([\w-]+\))?|\[[\w-]+\])*"
    foreign = [
        selector
        for selector in selectors
        if not re.fullmatch(rf"{part}(?:\s*[+>]?\s*{part})*", selector)
    ]
    assert foreign == []


def test_nothing_is_forced_on_a_host():
    assert "!important" not in CSS
    assert "@layer" not in CSS


def test_the_style_sheet_loads_nothing_from_elsewhere():
    targets = re.findall(r"url\(\"?([^\")]+)", CSS)
    assert targets
    for target in targets:
        assert (STATIC / "scim_provisioning" / target).is_file()


def test_every_class_of_the_templates_has_a_style():
    ids = set(re.findall(r'\bid="(scim-[\w-]+)"|copyable\("(scim-[\w-]+)"', MARKUP))
    words = re.findall(r"(?<![\w-])scim-[\w-]*\w(?![\w-])", MARKUP)
    used = set(words) - {each for pair in ids for each in pair}
    assert len(used) > 50
    styled = set(re.findall(r"\.(scim-[\w-]+)", CSS))
    assert sorted(used - styled) == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_template_needs_no_unsafe_inline(page):
    """``default-src 'self'`` forbids inline styles, scripts, handlers and data: images."""
    text = page.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|data:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "|safe" not in text.replace(" ", "")


def test_icons_are_well_formed_and_passive():
    icons = sorted((STATIC / "scim_provisioning").rglob("*.svg"))
    assert icons
    for icon in icons:
        tags = {element.tag.split("}")[1] for element in ElementTree.parse(icon).iter()}
        assert tags <= {"svg", "g", "path", "rect", "circle"}
