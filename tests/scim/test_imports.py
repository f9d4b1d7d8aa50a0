"""The protocol and the dialects know the standard library only."""

import ast
import sys
from pathlib import Path

import pytest

import flask_scim_provisioning

PACKAGE = Path(flask_scim_provisioning.__file__).parent
FILES = sorted([*PACKAGE.glob("scim/*.py"), *PACKAGE.glob("dialects/*.py")])


def imported(path):
    """Yield the module of every import: absolute by its first name, relative from the package."""
    folder = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1]
            within = [*above, *(node.module or "").split(".")]
            yield "." + ".".join(part for part in within if part)


def test_there_are_files_to_look_at():
    assert {"filters.py", "patch.py", "generic.py"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_the_standard_library_and_its_own_floor_or_below(path):
    floors = ("scim",) if path.parent.name == "scim" else ("scim", "dialects")
    wrong = [
        name
        for name in imported(path)
        if not (
            name[1:].split(".")[0] in floors
            if name.startswith(".")
            else name in sys.stdlib_module_names
        )
    ]
    assert wrong == []
