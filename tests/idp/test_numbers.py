"""Every numbered fact of the two wire references has a test that is named after it.

The references are "Microsoft Entra ID provisioning service as a SCIM 2.0 client" and "Okta as a
SCIM 2.0 client"; the numbers are theirs.
"""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# What is sent: section 3 of the first, and its validator.
ENTRA_PAYLOADS = [
    *("1", "1b", "1c", "1d", "1e", "1f", "1g", "1h", "1i", "2", "2b", *map(str, range(3, 9))),
    *(*map(str, range(10, 27)), "30", "30b", *map(str, range(31, 50)), "60", "61"),
]
# What other servers failed at: section 7.
ENTRA_FAILURES = [*(str(number) for number in range(1, 48)), "40b"]
VALIDATOR = [str(number) for number in range(1, 26)]
# Sections 3, 6 and 7 of the second.
OKTA_PAYLOADS = [f"3_{number}" for number in range(1, 16)]
OKTA_FAILURES = [f"6_{number}" for number in range(1, 30)]
OTHER_PROVIDERS = [f"7_{number}" for number in range(1, 9)]

NOTHING_TO_DO = {
    "okta failure 6_22": "Okta sends nothing for a person who is still staged.",
    "okta failure 6_29": "It is about a vendor's documentation; ours names both kinds of app.",
}
"""Facts that no request can show, with the reason."""

EXPECTED = [
    *(f"entra p{number}" for number in ENTRA_PAYLOADS),
    *(f"entra failure {number}" for number in ENTRA_FAILURES),
    *(f"entra validator {number}" for number in VALIDATOR),
    *(f"okta payload {number}" for number in OKTA_PAYLOADS),
    *(f"okta failure {number}" for number in OKTA_FAILURES),
    *(f"provider {number}" for number in OTHER_PROVIDERS),
]


def names() -> set[str]:
    """Return the names of the tests in this folder."""
    return {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def facts(name: str) -> set[str]:
    """Return the facts that a test is named after: ``…_1_2_and_34_…``, ``…_3_to_5_…``."""
    found: set[str] = set()
    name = name.removeprefix("test_")
    if head := re.match(r"entra((?:_and|_p\d+[a-z]?(?=_))+)", name):
        found |= {f"entra {number}" for number in re.findall(r"p\d+[a-z]?", head[1])}
    for kind, number in (
        ("entra failure", r"\d+b?"),
        ("entra validator", r"\d+"),
        ("okta payload", r"\d_\d+"),
        ("okta failure", r"\d_\d+"),
        ("provider", r"\d_\d+"),
    ):
        # A test of the validator's that is about a payload too is named after both.
        start = kind.replace(" ", "_").replace("entra_validator", "validator")
        if head := re.search(rf"{start}((?:_(?:and|to|{number})(?=_))+)", name):
            numbers = re.findall(rf"(?<=_){number}", head[1])
            if "_to_" in head[1]:
                numbers = [str(each) for each in range(int(numbers[0]), int(numbers[-1]) + 1)]
            found |= {f"{kind} {each}" for each in numbers}
    return found


def test_every_fact_has_a_test_or_a_reason():
    tested = set().union(*(facts(name) for name in names()))
    assert [fact for fact in EXPECTED if fact not in tested | set(NOTHING_TO_DO)] == []
    assert tested - set(EXPECTED) == set()
    assert tested & set(NOTHING_TO_DO) == set()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_entra_p30_p30b_and_p31_a_manager", {"entra p30", "entra p30b", "entra p31"}),
        ("test_entra_failure_1_2_and_34_false", {f"entra failure {n}" for n in (1, 2, 34)}),
        ("test_entra_failure_40b_types", {"entra failure 40b"}),
        ("test_entra_validator_3_to_5_filter", {f"entra validator {n}" for n in (3, 4, 5)}),
        ("test_okta_failure_6_12_and_6_23_x", {"okta failure 6_12", "okta failure 6_23"}),
        ("test_entra_p60_and_validator_1_create", {"entra p60", "entra validator 1"}),
        ("test_the_rest", set()),
    ],
)
def test_names_are_read(name: str, found: set[str]):
    assert facts(name) == found
