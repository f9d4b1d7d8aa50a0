"""What the package offers, and so which of the portals of this folder it can serve."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flask_scim_provisioning

__all__ = ["HERE", "NOT_YET", "served"]

HERE = Path(__file__).parent

NOT_YET: list[str] = []
"""Portals that the mapping doesn't honour yet, by module."""


def _offers_users_only() -> bool:
    schema = inspect.signature(flask_scim_provisioning.Provisioning).parameters["group_schema"]
    return "None" in str(schema.annotation)


def _offers_paths() -> bool:
    parameters = inspect.signature(flask_scim_provisioning.fields.Attribute).parameters.values()
    unnamed = inspect.Parameter.POSITIONAL_OR_KEYWORD
    kinds = [each.kind for each in parameters]
    return sum(kind is unnamed for kind in kinds) > 1 or inspect.Parameter.VAR_POSITIONAL in kinds


_SPECIAL: Mapping[str, Callable[[], bool]] = {
    "Provisioning(group_schema=None)": _offers_users_only,
    "fields.Attribute(relationship, column)": _offers_paths,
}
"""What no name tells."""


def _offers(name: str) -> bool:
    """Say whether the package has what a portal needs, such as ``Meta.defaults``.

    ``fields.Members(read_only)`` asks for an argument, and ``package:flask_security`` for a package
    that not every set of dependencies has.
    """
    if name in _SPECIAL:
        return _SPECIAL[name]()
    if name.startswith("package:"):
        return importlib.util.find_spec(name.removeprefix("package:")) is not None
    path, _, argument = name.rstrip(")").partition("(")
    head, _, rest = path.partition(".")
    if head == "Meta":
        return hasattr(flask_scim_provisioning.UserSchema.OPTIONS_CLASS(type("Meta", (), {})), rest)
    found: Any = flask_scim_provisioning
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None:
        return False
    return not argument or argument in inspect.signature(found).parameters


def _needs(path: Path) -> list[str]:
    """Return what a module says that it needs, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["NEEDS"]:
            return list(ast.literal_eval(node.value))
    return []


def served() -> list[Path]:
    """Return the modules of the portals that the package can serve, in order of their names."""
    return [
        path
        for path in sorted(HERE.glob("test_*.py"))
        if path.stem not in NOT_YET and all(map(_offers, _needs(path)))
    ]
