"""RFC 7643 section 2.3: the data types, in JSON."""

import pytest

from flask_scim_provisioning.scim.attributes import Attribute, Type
from flask_scim_provisioning.scim.errors import InvalidValue
from flask_scim_provisioning.scim.values import check, instant

from .strategies import USERS

EMAILS = USERS.keys["emails"]

GOOD = [
    (Type.STRING, "x"),
    (Type.STRING, ""),
    (Type.STRING, "日本 😀"),
    (Type.BOOLEAN, False),
    (Type.INTEGER, -(2**63)),
    (Type.INTEGER, 2**63 - 1),
    (Type.DECIMAL, 1.5),
    (Type.DECIMAL, 2),
    (Type.DATE_TIME, "2008-01-23T04:56:22Z"),
    (Type.DATE_TIME, "2008-01-23T04:56:22.123456789+02:00"),
    (Type.DATE_TIME, "2008-01-23T04:56:22"),
    (Type.BINARY, "YWI="),
    (Type.BINARY, "YWI"),
    (Type.BINARY, "YW\nI="),
    (Type.BINARY, "_-8="),
    (Type.REFERENCE, "https://example.com/Users/1"),
]

BAD = [
    (Type.STRING, 5),
    (Type.STRING, True),
    (Type.STRING, ["x"]),
    (Type.STRING, {"value": "x"}),
    (Type.STRING, "a\0b"),
    (Type.STRING, "\ud83d"),
    (Type.BOOLEAN, "False"),
    (Type.BOOLEAN, 0),
    (Type.INTEGER, True),
    (Type.INTEGER, 1.0),
    (Type.INTEGER, "1"),
    (Type.INTEGER, 2**63),
    (Type.DECIMAL, float("inf")),
    (Type.DECIMAL, float("nan")),
    (Type.DECIMAL, False),
    (Type.DECIMAL, 2**63),
    (Type.DATE_TIME, "2008-01-23"),
    (Type.DATE_TIME, "2008-02-30T04:56:22Z"),
    (Type.DATE_TIME, "0001-01-01T00:00:00+14:00"),
    (Type.DATE_TIME, "yesterday"),
    (Type.DATE_TIME, 1201063582),
    (Type.BINARY, "a b!"),
    (Type.BINARY, "YWIYW"),
    (Type.REFERENCE, 7),
]


@pytest.mark.parametrize(("kind", "value"), GOOD, ids=repr)
def test_a_value_of_the_type_is_kept_as_it_was_sent(kind, value):
    assert check(Attribute("x", kind), value, "x") == value


@pytest.mark.parametrize(("kind", "value"), BAD, ids=repr)
def test_a_value_of_another_type_is_refused(kind, value):
    with pytest.raises(InvalidValue) as caught:
        check(Attribute("x", kind), value, "place")
    assert caught.value.detail.startswith("place ")


@pytest.mark.parametrize("kind", [kind for kind in Type if kind not in {"string", "reference"}])
def test_the_refusal_never_shows_the_value(kind):
    with pytest.raises(InvalidValue) as caught:
        check(Attribute("x", kind), "hunter2!", "place")
    assert "hunter2" not in caught.value.detail


@pytest.mark.parametrize("nothing", [None, [], [None], [{}], [{"value": None}]], ids=repr)
def test_null_and_an_empty_list_and_an_empty_object_are_no_value(nothing):
    """RFC 7643 section 2.5: "Unassigned and null values"."""
    assert check(EMAILS, nothing, "emails") is None


def test_names_of_sub_attributes_become_canonical_and_unknown_ones_are_noted():
    notes: list[str] = []
    assert check(EMAILS, [{"VALUE": "a@b.c", "Type": "work", "x": 1}], "emails", notes=notes) == [
        {"value": "a@b.c", "type": "work"}
    ]
    assert notes == ["unknown attribute emails.x ignored"]


def test_read_only_sub_attributes_are_dropped():
    """RFC 7644 section 3.3: "readOnly ... SHALL be ignored"."""
    manager = USERS.find(None, "manager")[1]
    assert check(manager, {"value": "1", "displayName": "Bob"}, "manager") == {"value": "1"}


def test_at_most_one_value_is_primary():
    """RFC 7643 section 2.4: "The primary attribute value "true" MUST appear no more than once"."""
    with pytest.raises(InvalidValue, match="more than one primary"):
        check(EMAILS, [{"primary": True}, {"primary": True}], "emails")
    assert check(EMAILS, [{"primary": True}, {"primary": False}], "emails")


def test_canonical_values_are_suggestions():
    """RFC 7643 section 7: canonicalValues are "suggested"; administrators write their own."""
    assert check(EMAILS, [{"type": "carrier pigeon"}], "emails") == [{"type": "carrier pigeon"}]


@pytest.mark.parametrize("value", ["a@b.c", {"value": "a@b.c"}, 3, True], ids=repr)
def test_a_multi_valued_attribute_takes_a_list(value):
    with pytest.raises(InvalidValue, match="list"):
        check(EMAILS, value, "emails")


def test_a_complex_attribute_takes_an_object():
    with pytest.raises(InvalidValue, match="object"):
        check(EMAILS, ["a@b.c"], "emails")


def test_a_sub_attribute_given_twice_is_refused():
    with pytest.raises(InvalidValue, match="twice"):
        check(EMAILS, [{"value": "a", "VALUE": "b"}], "emails")


def test_a_required_sub_attribute_may_be_missing_only_where_the_value_is_merged():
    thing = Attribute(
        "thing",
        Type.COMPLEX,
        sub_attributes=(Attribute("code", required=True), Attribute("note")),
    )
    with pytest.raises(InvalidValue, match="code"):
        check(thing, {"note": "x"}, "thing")
    assert check(thing, {"note": "x"}, "thing", partial=True) == {"note": "x"}


def test_points_in_time_are_compared_in_utc():
    assert instant("2024-01-01T01:00:00+01:00") == instant("2024-01-01T00:00:00.000Z")
    assert instant("2024-01-01T00:00:00") == instant("2024-01-01t00:00:00z")
    assert instant("2024-01-01T00:00:00.1Z") > instant("2024-01-01T00:00:00Z")
