"""Points in time: as databases compare them that keep them as text.

What is kept as text is read as it was written, in any time zone and with any number of digits, and
so it is compared in SQL by the microseconds that it is away from 1970. No database's own parser is
given a text whole: each knows other spellings, and PostgreSQL's fails a query by what it doesn't
know. ``scim.values.instant`` says what the text means.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

__all__ = ["format_datetime", "parse_datetime", "since_1970", "sql_since_1970"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MYSQL_EPOCH = 62_167_219_200
"""What TO_SECONDS says of 1970."""

_WHOLE = (
    "^(?!0000|.{5}(02-3[01]|(0[2469]|11)-31))"
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?"
    "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$"
)


def format_datetime(value: datetime) -> str:
    """Return a point in time as SCIM writes it, in UTC with milliseconds (RFC 7643 2.3.5)."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


def parse_datetime(value: str) -> datetime:
    """Return the point in time that an xsd:dateTime names, in UTC (RFC 7643 section 2.3.5).

    :raises ValueError: when it is none.
    """
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("send a date and time such as 2024-05-15T09:21:23Z.") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def since_1970(moment: datetime) -> int:
    """Return the microseconds between 1970 and a point in time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def sql_since_1970(text: Any, backend: str) -> sa.ColumnElement[int]:
    """Return SQL of the microseconds between 1970 and what a text says; NULL if it says nothing.

    :param text: a dateTime of SCIM's, in SQL.
    """
    # A CASE tries the regular expression first, and PostgreSQL no number in a text without one.
    sign = _part(_end(text, 6, backend), 1, 1)
    beside = _number(_end(text, 6, backend), 2) * 3600 + _number(_end(text, 6, backend), 5) * 60
    offset = sa.case((sign == "+", beside), (sign == "-", -beside), else_=0)
    zone = sa.case((sign.in_(("+", "-")), 6), (_end(text, 1, backend).in_(("Z", "z")), 1), else_=0)
    digits = sa.func.substr(text, 21, sa.func.length(text) - 20 - zone, type_=sa.String())
    micro = sa.cast(_part(digits + "000000", 1, 6), sa.BigInteger)
    fraction = sa.case((_part(text, 20, 1) == ".", micro), else_=0)
    seconds = _seconds(text, backend) - offset
    return sa.case((text.regexp_match(_WHOLE), seconds * 1_000_000 + fraction))


def _seconds(text: Any, backend: str) -> sa.ColumnElement[int]:
    """Return SQL of the seconds between 1970 and a time, as if its zone were UTC."""
    if backend == "postgresql":
        # An interval may have any number of days.
        beyond = sa.func.make_interval(
            _number(text, 1, 4) - 1,
            _number(text, 6) - 1,
            0,
            _number(text, 9) - 1,
            *(_number(text, start) for start in (12, 15, 18)),
        )
        moment: Any = sa.literal_column("timestamp '0001-01-01'") + beyond
        return sa.cast(sa.extract("epoch", moment), sa.BigInteger)
    moment = sa.func.upper(_part(text, 1, 19))
    if backend == "sqlite":
        return sa.cast(sa.func.strftime("%s", moment), sa.BigInteger)
    return sa.func.to_seconds(moment, type_=sa.BigInteger()) - _MYSQL_EPOCH


def _part(text: Any, start: int, length: int) -> sa.ColumnElement[str]:
    return sa.func.substr(text, start, length, type_=sa.String())


def _number(text: Any, start: int, length: int = 2) -> sa.ColumnElement[int]:
    return sa.cast(_part(text, start, length), sa.Integer)


def _end(text: Any, length: int, backend: str) -> sa.ColumnElement[str]:
    if backend == "postgresql":
        return sa.func.right(text, length, type_=sa.String())
    return sa.func.substr(text, -length, type_=sa.String())
