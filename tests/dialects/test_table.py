"""The table of deviations says what the dialects really do."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_scim_provisioning.dialects as package
from flask_scim_provisioning.dialects import (
    DIALECTS,
    base,
    filters,
    okta,
    operations,
    others,
    values,
)
from flask_scim_provisioning.dialects.table import DEVIATIONS, REWRITES

TESTS = Path(__file__).parents[1]
SOURCES = sorted(Path(inspect.getfile(package)).parent.glob("*.py"))
MODULES = (base, filters, okta, operations, others, values)


def test_every_rewrite_of_every_dialect_is_in_the_table_once():
    used = {
        rewrite
        for dialect in DIALECTS.values()
        for name in REWRITES
        for rewrite in getattr(dialect, name)
    }
    listed = [deviation.rewrite for deviation in DEVIATIONS]
    assert used - set(listed) == set()
    assert len(listed) == len(set(listed))


def test_every_function_that_can_leave_a_note_is_in_the_table():
    found = {
        value
        for module in MODULES
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and "notes" in inspect.signature(value).parameters
    }
    assert found - {deviation.rewrite for deviation in DEVIATIONS} == set()


def left() -> Iterator[str]:
    """Yield the sentences that the dialects leave, with ``…`` for their places."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "leave":
                match node.args[1]:
                    case ast.Constant(value=str(sentence)):
                        yield sentence
                    case ast.JoinedStr(values=parts):
                        yield "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "…"
                            for part in parts
                        )


def test_the_notes_of_the_table_are_those_that_are_left():
    assert {deviation.note for deviation in DEVIATIONS} - {""} == set(left())


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda each: each.rewrite.__name__)
def test_every_deviation_names_its_test(deviation):
    texts = (path.read_text() for path in TESTS.rglob("test_*.py"))
    assert any(f"def {deviation.test}(" in text for text in texts)
