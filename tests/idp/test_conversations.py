"""Conversations with identity providers, replayed in order over HTTP.

Each file is one conversation as the vendor documents it or as it was logged. A step's ``answer`` is
what the identity provider reads of the answer: objects may have more than is written there, lists
may not. ``save`` keeps a member of the answer under a name, and ``{name}`` stands for it later;
``absent`` lists what must not be there, as names and positions apart by ``|``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.portal import Portal

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.json"))
MEDIA_TYPE = "application/scim+json; charset=utf-8"


def filled(value: Any, names: dict[str, str]) -> Any:
    """Put what was saved in the place of its names."""
    match value:
        case str():
            for name, saved in names.items():
                value = value.replace(f"{{{name}}}", saved)
            return value
        case dict():
            return {key: filled(item, names) for key, item in value.items()}
        case list():
            return [filled(item, names) for item in value]
        case _:
            return value


def compare(expected: Any, actual: Any, place: str) -> None:
    """Assert that an answer has what is expected, which may be less than all."""
    match expected:
        case dict():
            assert isinstance(actual, dict), place
            for key, item in expected.items():
                assert key in actual, f"{place}.{key} is missing"
                compare(item, actual[key], f"{place}.{key}")
        case list():
            assert isinstance(actual, list), place
            assert len(actual) == len(expected), f"{place}: {actual}"
            for number, item in enumerate(expected):
                compare(item, actual[number], f"{place}[{number}]")
        case _:
            assert actual == expected, place


def has(body: Any, dotted: str) -> bool:
    """Whether an answer has a value there; names and positions are apart by ``|``."""
    for name in dotted.split("|"):
        if isinstance(body, list) and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return False
    return True


@pytest.mark.parametrize("file", FILES, ids=[f"{each.parent.name}-{each.stem}" for each in FILES])
def test_conversation(portal: Portal, file: Path) -> None:
    conversation = json.loads(file.read_text())
    client, _ = portal.connect("replayed", dialect=file.parent.name)
    names: dict[str, str] = {}
    assert conversation["source"]
    for number, written in enumerate(conversation["steps"], start=1):
        step = filled(written, names)
        place = f"{file.name} step {number} ({step['method']} {step['path']})"
        answer = client.request(
            step["method"],
            step["path"],
            step.get("body"),
            headers=conversation.get("headers"),
            query=step.get("query"),
            content_type=MEDIA_TYPE,
        )
        assert answer.status_code == step["status"], f"{place}: {answer.text}"
        compare(step.get("answer", {}), answer.get_json(silent=True) or {}, place)
        for place_in_answer in step.get("absent", []):
            assert not has(answer.json, place_in_answer), f"{place}: {place_in_answer}"
        for name, member in step.get("save", {}).items():
            names[name] = answer.json[member]
