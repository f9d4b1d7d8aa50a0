"""RFC 9865 section 2: cursors are opaque strings of unreserved characters."""

import base64
import re
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_scim_provisioning.scim.cursors import Position, Seal, derive_key
from flask_scim_provisioning.scim.errors import ExpiredCursor, InvalidCursor, InvalidValue

KEY = derive_key("the portal's secret")
SEAL = Seal(KEY, 60)
SEARCH = ("integration", "/Users", 'userName sw "J"', None, "ascending")
NOW = 1_000_000.0

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals(allow_nan=False)
    | st.binary()
)


@given(
    part=st.integers(0, 9),
    after=st.none() | st.lists(VALUES, max_size=3).map(tuple),
    total=st.none() | st.integers(0),
)
def test_a_position_comes_back_as_it_was(part, after, total):
    position = Position(part, after, total)
    cursor = SEAL.close(position, SEARCH, NOW)
    assert SEAL.open(cursor, SEARCH, NOW) == position


@given(st.text(max_size=50))
def test_a_cursor_has_unreserved_characters_only(name):
    """RFC 9865 section 2: the unreserved characters of RFC 3986 section 2.3."""
    cursor = SEAL.close(Position(after=(name, 7)), SEARCH, NOW)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", cursor)


def test_values_keep_their_types():
    values = (uuid.UUID(int=7), datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), Decimal("1.50"))
    opened = SEAL.open(SEAL.close(Position(after=values), SEARCH, NOW), SEARCH, NOW)
    assert [type(value) for value in opened.after] == [type(value) for value in values]


def test_what_people_are_sorted_by_is_not_to_be_read_in_a_cursor():
    """A cursor stands in the URL of a request, and URLs are logged."""
    seal = Seal(KEY)
    cursors = [
        seal.close(Position(after=(name, 1)), SEARCH, NOW) for name in ("Lovelace", "Hopper")
    ]
    opened = [base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)) for cursor in cursors]
    assert not any(name in opened[0] for name in (b"Lovelace", b"null"))
    # Both texts begin with the same time; behind the tag nothing of that shows.
    assert opened[0][16:24] != opened[1][16:24]


@given(place=st.integers(0), by=st.integers(1, 255))
def test_a_changed_cursor_is_invalid(place, by):
    cursor = SEAL.close(Position(after=("Lovelace", 7), total=9), SEARCH, NOW)
    sealed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    sealed[place % len(sealed)] ^= by
    changed = base64.urlsafe_b64encode(bytes(sealed)).decode().rstrip("=")
    with pytest.raises(InvalidCursor):
        SEAL.open(changed, SEARCH, NOW)


@given(st.text() | st.text("abcdefABCDEF0123456789-_", max_size=80))
def test_what_is_no_cursor_is_invalid(text):
    with pytest.raises(InvalidCursor):
        SEAL.open(text, SEARCH, NOW)


def test_a_cursor_of_any_length_is_refused():
    with pytest.raises(InvalidCursor):
        SEAL.open("A" * 1_000_000, SEARCH, NOW)


@pytest.mark.parametrize("place", range(len(SEARCH)))
def test_a_cursor_belongs_to_its_search(place):
    cursor = SEAL.close(Position(after=(7,)), SEARCH, NOW)
    other = (*SEARCH[:place], "another", *SEARCH[place + 1 :])
    with pytest.raises(InvalidCursor):
        SEAL.open(cursor, other, NOW)


def test_a_cursor_belongs_to_its_portal():
    cursor = SEAL.close(Position(after=(7,)), SEARCH, NOW)
    with pytest.raises(InvalidCursor):
        Seal(derive_key(b"the secret of another portal")).open(cursor, SEARCH, NOW)


def test_a_cursor_expires():
    """RFC 9865 section 4: cursorTimeout is how long it is valid at least."""
    cursor = SEAL.close(Position(after=(7,)), SEARCH, NOW)
    assert SEAL.open(cursor, SEARCH, NOW + 60).after == (7,)
    with pytest.raises(ExpiredCursor):
        SEAL.open(cursor, SEARCH, NOW + 61)
    assert Seal(KEY).open(cursor, SEARCH, NOW + 10**9).after == (7,)


def test_a_value_that_json_has_no_form_for_is_refused_with_a_cure():
    with pytest.raises(InvalidValue, match="startIndex"):
        SEAL.close(Position(after=({1, 2},)), SEARCH, NOW)


def test_the_key_is_not_the_secret_and_is_not_shown():
    assert KEY != b"the portal's secret"
    assert KEY.hex() not in repr(SEAL)
    assert str(KEY) not in repr(SEAL)
