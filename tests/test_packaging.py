"""The wheel has every file of the package, and the lists that say so are true."""

from __future__ import annotations

import configparser
import re
import runpy
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_setup_cfg_names_every_package(config: configparser.ConfigParser) -> None:
    declared = set(config["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "flask_scim_provisioning").rglob("__init__.py")
    }
    assert declared == found | {
        f"flask_scim_provisioning.{name}" for name in ("static", "templates")
    }


def test_the_changelog_tells_of_this_version(config: configparser.ConfigParser) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(
        line for line in text.splitlines() if line.startswith("## ") and "Unrel" not in line
    )
    assert re.fullmatch(
        rf"## {re.escape(config['metadata']['version'])} \(\d{{4}}-\d\d-\d\d\)", newest
    )


def test_audit_knows_what_is_in_the_file() -> None:
    """Without a network, pip-audit is answered from `requirements/advisories.json`."""
    known = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["known"]
    assert "CVE-2024-34069" in {each["id"] for each in known("Werkzeug", "3.0.0")}
    assert known("Werkzeug", "3.1.4") == []
    assert known("nobody-has-heard-of-it", "1.0") == []


@pytest.mark.parametrize("folder", ["static", "templates"])
def test_every_kind_of_asset_is_packed(config: configparser.ConfigParser, folder: str) -> None:
    patterns = config["options.package_data"][f"flask_scim_provisioning.{folder}"].split(",")
    packed = {pattern.strip().removeprefix("**/*") for pattern in patterns}
    assert {path.suffix for path in (ROOT / folder).rglob("*") if path.is_file()} == packed


def test_the_lowest_set_is_what_setup_cfg_promises(config: configparser.ConfigParser) -> None:
    """`requirements/lowest.txt` pins each dependency to the lower bound, so that it is tested."""
    promised = {}
    extras = config["options.extras_require"]
    for line in (config["options"]["install_requires"] + extras["speed"]).split("\n"):
        if line.strip():
            requirement = Requirement(line)
            (bound,) = (each.version for each in requirement.specifier if each.operator == ">=")
            promised[requirement.name] = bound
    pinned = {}
    for line in (ROOT / "requirements" / "lowest.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pinned[requirement.name] = pin.version
    assert {name: pinned.get(name) for name in promised} == promised
