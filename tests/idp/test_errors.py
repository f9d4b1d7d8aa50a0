"""Errors speak to the administrator of the identity provider: the catalogue is complete."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flask_scim_provisioning
from flask_scim_provisioning.scim import errors
from flask_scim_provisioning.scim.remedies import REMEDIES

from .speaker import Speaker

PACKAGE = Path(flask_scim_provisioning.__file__).parent
FLOORS = ("scim", "dialects", "mapping", "services", "api")

# What is raised below the web, and never answers a SCIM request.
ELSEWHERE = {
    "AssertionError": "Python says that a case was forgotten.",
    "ChangeHeld": "A TemporarilyUnavailable of the brake, answered as one.",
    "ChangeRejected": "A Forbidden of the brake, answered as one.",
    "DatabaseUnavailable": "A TemporarilyUnavailable of the use cases, answered as one.",
    "IntegrationInvalid": "A form of the console, or a command, says it.",
    "IntegrationNameTaken": "A form of the console, or a command, says it.",
    "IntegrationNotFound": "A page of the console, or a command, says it.",
    "LookupError": "A caller in Python named a dialect that doesn't exist.",
    "MappingError": "The portal's declaration is wrong; it doesn't start.",
    "RoleNotFound": "A command says it.",
    "SettingsError": "The portal's configuration is wrong; it doesn't start.",
    "TransactionLost": "Caught where transactions are run: the whole is repeated, or unavailable.",
    "Unlinked": "Caught in the use cases: the read is repeated in a transaction that writes.",
    "Unsettled": "A TemporarilyUnavailable of the mapping, answered as one.",
    "ValidationError": "Marshmallow's; the schema makes an InvalidValue of it.",
    "ValueError": "A caller in Python broke a rule, or the same function catches it.",
}


def catalogue() -> dict[str, type[errors.ScimError]]:
    """Return every refusal by its name."""
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, errors.ScimError)
        and value is not errors.ScimError
    }


def raised() -> Iterator[tuple[str, str]]:
    """Yield where something is raised, and the name of what."""
    for floor in FLOORS:
        for source in sorted((PACKAGE / floor).rglob("*.py")):
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                    name = what.attr if isinstance(what, ast.Attribute) else getattr(what, "id", "")
                    yield f"{floor}/{source.name}:{node.lineno}", name


def test_everything_that_is_raised_is_in_the_catalogue():
    known = {*catalogue(), *ELSEWHERE}
    # A name in small letters is an error that was caught, or made by a function.
    unknown = [
        (place, name) for place, name in raised() if name[:1].isupper() and name not in known
    ]
    assert unknown == []


def test_the_reasons_are_for_what_is_raised():
    assert set(ELSEWHERE) - {name for _, name in raised()} == set()


def test_every_refusal_has_a_remedy_and_a_meaning():
    assert set(catalogue()) - set(REMEDIES) == set()
    assert [name for name, kind in catalogue().items() if not kind.__doc__] == []


@pytest.mark.parametrize(
    ("provider", "page"),
    [("entra", "in Entra: Provisioning, Attribute mapping"), ("okta", "Attribute Mappings")],
)
def test_a_refusal_names_the_page_where_it_is_mended(
    speak: Callable[[str], Speaker], provider: str, page: str
):
    client = speak(provider)
    secret = "Ann's private number"
    body = {"userName": "ann", "phoneNumbers": [{"value": {"x": secret}}]}
    answer = client.send("POST", "/Users", body)
    assert answer.status_code == 400
    assert "phoneNumbers.value" in answer.json["detail"]
    assert page in answer.json["detail"]
    assert secret not in answer.text


def test_a_generic_client_isnt_told_of_a_page(speak: Callable[[str], Speaker]):
    client = speak("generic")
    answer = client.send("POST", "/Users", {"userName": 7})
    assert (
        answer.json["detail"] == "userName is a string, not a number; send it in quotation marks."
    )


def test_no_detail_quotes_a_value(speak: Callable[[str], Speaker]):
    secret = "hunter2-ann@contoso.com"
    client = speak("entra")
    key = client.user("ann")
    bodies = (
        {"op": "replace", "path": "active", "value": secret},
        {"op": "replace", "path": "emails", "value": [{"value": "a", "primary": secret}]},
        {"op": "replace", "path": f'emails[type eq "{secret}"', "value": "a"},
        {"op": "replace", "path": "name", "value": secret},
        {"op": "replace", "value": secret},
        {"op": secret, "path": "title", "value": "x"},
        {"op": "remove", "path": "members", "value": [{"x": secret}]},
    )
    for operation in bodies:
        for path in (f"/Users/{key}", f"/Groups/{client.group(str(id(operation)))}"):
            answer = client.send("PATCH", path, {"Operations": [operation]})
            assert secret not in answer.text
    for query in (f"userName+xx+%22{secret}%22", f"shoeSize+eq+%22{secret}%22"):
        answer = client.send("GET", f"/Users?filter={query}")
        assert (answer.status_code, secret in answer.text) == (400, False)
