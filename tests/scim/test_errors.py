"""RFC 7644 section 3.12: how a refusal looks."""

import pytest

from flask_scim_provisioning.scim import errors, urns
from flask_scim_provisioning.scim.errors import ScimError

TABLE_9 = {
    "invalidFilter": (errors.InvalidFilter, 400),
    "tooMany": (errors.TooMany, 400),
    "uniqueness": (errors.Uniqueness, 409),
    "mutability": (errors.MutabilityError, 400),
    "invalidSyntax": (errors.InvalidSyntax, 400),
    "invalidPath": (errors.InvalidPath, 400),
    "noTarget": (errors.NoTarget, 400),
    "invalidValue": (errors.InvalidValue, 400),
    "invalidVers": (errors.InvalidVersion, 400),
    "sensitive": (errors.Sensitive, 403),
}

RFC_9865 = {
    "invalidCursor": (errors.InvalidCursor, 400),
    "expiredCursor": (errors.ExpiredCursor, 400),
    "invalidCount": (errors.InvalidCount, 400),
}


@pytest.mark.parametrize("scim_type", TABLE_9 | RFC_9865)
def test_every_scim_type_of_table_9_has_its_class_and_status(scim_type):
    """RFC 7644 table 9, to which RFC 9865 section 2.1 adds three."""
    error_class, status = (TABLE_9 | RFC_9865)[scim_type]
    assert (error_class.scim_type, int(error_class.status)) == (scim_type, status)


def test_the_status_is_a_string_in_the_message():
    """RFC 7644 section 3.12: "status: The HTTP status code expressed as a JSON string"."""
    assert errors.Uniqueness("userName is taken; choose another.").as_json() == {
        "schemas": [urns.ERROR],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "userName is taken; choose another.",
    }


def test_an_error_without_a_scim_type_sends_none():
    assert "scimType" not in errors.ResourceNotFound().as_json()


def test_headers_that_http_asks_for():
    assert errors.Unauthorized().headers == {"WWW-Authenticate": 'Bearer realm="SCIM"'}
    assert errors.MethodNotAllowed({"PUT", "GET"}).headers == {"Allow": "GET, PUT"}
    assert errors.TemporarilyUnavailable("Try later.", 30).headers == {"Retry-After": "30"}
    assert errors.TooManyRequests("Try later.", 30).headers == {"Retry-After": "30"}
    assert errors.TooManyRequests("Try later.").headers == {}


def test_the_column_is_in_the_detail():
    error = errors.InvalidFilter("Expected a value; correct it.", 12)
    assert (error.column, error.detail) == (
        12,
        "Expected a value; correct it. (column 12 of the filter)",
    )


def test_errors_don_t_share_their_headers():
    errors.Forbidden("No.").headers["X-One"] = "1"
    assert errors.Forbidden("No.").headers == {}


def test_every_default_detail_says_something():
    """A reader who gets only the detail has to know what to do."""
    without_arguments = (
        errors.Unauthorized,
        errors.IntegrationDisabled,
        errors.ResourceNotFound,
        errors.EndpointNotFound,
        errors.PreconditionFailed,
        errors.UnsupportedMediaType,
        errors.InternalError,
    )
    for error_class in without_arguments:
        error = error_class()
        assert isinstance(error, ScimError)
        assert len(error.detail.split()) > 6


def test_a_client_s_names_are_cut_and_cleaned_before_they_are_shown():
    assert errors.shown("display\nName\0") == "display?Name?"
    assert errors.shown("half \ud800") == "half ?"
    assert len(errors.shown("x" * 1000)) == 80


def test_notes_are_told_once_and_not_without_end():
    assert errors.shown_notes(["a", "b", "a"]) == ["a", "b"]
    many = errors.shown_notes(str(number) for number in range(1000))
    assert (len(many), many[-1]) == (51, "and 950 more")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0.5, "a number"),
        ("", "a string of 0 characters"),
        ("x", "a string of 1 character"),
        ({"secret": 1}, "an object"),
        (["secret", 2], "a list of 2"),
    ],
)
def test_a_value_is_described_and_never_quoted(value, kind):
    """It may be personal, or a secret, and a detail is read in logs."""
    assert errors.kind_of(value) == kind
