"""What every portal compiles anew, kept from one test to the next.

A portal is built for each test, and it is the same few portals. Most of what a short test took was
its mappings, the SQL of its statements and the builders of its routes, which a process makes once
in production.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import sqlalchemy as sa
from werkzeug.routing import Rule

from flask_scim_provisioning import Provisioning

__all__ = ["assemble_once", "keep_builders", "share_statements"]

_MOST = 1_500  # statements of one kind of engine

_DIALECTS: dict[Hashable, tuple[sa.Dialect, Any]] = {}
"""The dialect, and the statements compiled with it, of the engines that are alike."""


def share_statements(engine: sa.Engine) -> None:
    """Give an engine that wasn't used yet the statements that engines like it have compiled.

    SQLAlchemy keeps them by the dialect, of which each engine has its own.
    """
    key = _kind(engine.dialect)
    if key not in _DIALECTS:
        with engine.connect():
            pass  # The dialect asks the server what it can.
        engine.dispose()
        _DIALECTS[key] = engine.dialect, sa.util.LRUCache(_MOST)
    dialect, statements = _DIALECTS[key]
    if engine.dialect is not dialect:
        # What connects asks nothing again.
        engine.dialect.initialize = lambda connection: None  # type: ignore[method-assign]
        engine.dialect = engine.pool._dialect = dialect
    engine._compiled_cache = statements


def _kind(dialect: sa.Dialect) -> Hashable:
    """Say what an engine was made with, as far as its dialect knows."""
    simple = (str, int, float, type(None))
    options = {
        name: value
        for name, value in vars(dialect).items()
        if isinstance(value, simple) or callable(value)
    }
    return type(dialect), tuple(sorted(options.items(), key=lambda item: item[0]))


def assemble_once(provisioning: Provisioning) -> None:
    """Let all applications of a portal have the same mappings, and the plans that they keep.

    It is for portals whose models and schemas stay as they are from one test to the next.
    """
    if "_compiled" not in vars(provisioning):
        kept = functools.cache(provisioning._compiled)
        provisioning._compiled = kept  # type: ignore[method-assign]


_BUILDERS: dict[Hashable, Callable[..., tuple[str, str]]] = {}


def keep_builders() -> None:
    """Let each route's builder of URLs be compiled once; it knows nothing of its application."""
    compiled = Rule._compile_builder

    def kept(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compiled(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in _BUILDERS:
            _BUILDERS[key] = compiled(rule, append_unknown)
        return _BUILDERS[key]

    Rule._compile_builder = kept  # type: ignore[method-assign]
