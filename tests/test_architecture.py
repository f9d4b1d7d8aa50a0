"""The floors of the house; import-linter checks what imports what, this the rest."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flask_scim_provisioning"
MODULES = sorted(PACKAGE.rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
    """Yield the first name of each absolute import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in paths]


PROTOCOL = [path for path in MODULES if {"scim", "dialects"} & set(path.parts)]


@pytest.mark.parametrize("path", PROTOCOL, ids=_names(PROTOCOL))
def test_protocol_and_dialects_use_the_standard_library_only(path: Path) -> None:
    assert set(_imported(path)) <= sys.stdlib_module_names


def test_no_file_is_two() -> None:
    """A file that has grown past 700 lines has become two things."""
    long = {
        name: count
        for name, path in zip(_names(MODULES), MODULES, strict=True)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 700
    }
    assert long == {}
