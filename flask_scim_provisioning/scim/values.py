"""Checking JSON values against the type of their attribute (RFC 7643 section 2.3).

Strict about JSON types, because ``"false"`` that is stored as true keeps a dismissed person signed
in. Lenient about what RFC 7643 only recommends: canonical values, languages, countries and so on.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .attributes import Attribute, Mutability, Type
from .errors import InvalidValue, kind_of, shown

_MOST_NEGATIVE, _MOST_POSITIVE = -(2**63), 2**63 - 1

# XML Schema part 2, section 3.2.7; RFC 7643 section 2.3.5 demands a date and a time. The year has
# four digits: no directory has people of the year 10000, and no database takes them.
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)

# RFC 7643 section 2.3.6: base64 of RFC 4648, section 4 or 5. Certificates come with
# line breaks.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_BLANK = re.compile(r"[ \t\r\n]+")


def check(
    attribute: Attribute,
    value: Any,
    path: str,
    *,
    partial: bool = False,
    notes: list[str] | None = None,
) -> Any:
    """Return the value in canonical form, or ``None`` where it says that there is none.

    ``null``, an empty list and an object without a value are the same: unassigned (RFC 7643 section
    2.5). Names of sub-attributes become canonical; unknown and read-only ones are dropped.

    :param path: How the client calls the place; it's all that an error says of the value.
    :param partial: Whether the value only adds to what is there, so that required sub-attributes
        may be missing.
    :param notes: Where to say which unknown sub-attributes were dropped.
    :raises InvalidValue: when the value has another type, or more than one value is primary.
    """
    if value is None:
        return None
    if not attribute.multi_valued:
        return check_one(attribute, value, path, partial=partial, notes=notes)
    if not isinstance(value, list | tuple):
        raise InvalidValue(f"{path} is multi-valued, not {kind_of(value)}; send a list.")
    checked = [
        item
        for item in (
            check_one(attribute, item, path, partial=partial, notes=notes) for item in value
        )
        if item is not None
    ]
    if attribute.type is Type.COMPLEX and sum(is_primary(item) for item in checked) > 1:
        raise InvalidValue(f"{path} has more than one primary value; mark one.")
    return checked or None


def check_one(
    attribute: Attribute,
    value: Any,
    path: str,
    *,
    partial: bool = False,
    notes: list[str] | None = None,
) -> Any:
    """Check one value of an attribute, or its only one; like :func:`check` otherwise."""
    if value is None:
        return None
    if attribute.type is Type.COMPLEX:
        return _complex(attribute, value, path, partial, notes)
    return _CHECKS[attribute.type](value, path)


def is_primary(element: Any) -> bool:
    """Whether an element of a multi-valued attribute is marked as the preferred one."""
    return isinstance(element, Mapping) and element.get("primary") is True


def instant(text: str) -> datetime | None:
    """Return the point in time that a dateTime says, or ``None`` if it isn't one.

    Without a time zone it is taken as UTC, so that any two can be compared.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    date, time, fraction, zone = match.groups()
    microseconds = f"{(fraction or '0')[:6]:0<6}"
    try:
        moment = datetime.fromisoformat(f"{date}T{time}.{microseconds}{(zone or 'Z').upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _complex(
    attribute: Attribute, value: Any, path: str, partial: bool, notes: list[str] | None
) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        raise InvalidValue(
            f"{path} is complex, not {kind_of(value)}; send an object with its sub-attributes."
        )
    checked: dict[str, Any] = {}
    for name, item in value.items():
        sub = attribute.by_name.get(name) or attribute.sub(name)
        if sub is None:
            if notes is not None:
                notes.append(f"unknown attribute {attribute.name}.{shown(name)} ignored")
            continue
        if sub.mutability is Mutability.READ_ONLY:
            continue
        if sub.name in checked:
            raise InvalidValue(f"{path}.{sub.name} is given twice; send it once.")
        checked[sub.name] = check(sub, item, f"{path}.{sub.name}", notes=notes)
    checked = {name: item for name, item in checked.items() if item is not None}
    if checked and not partial:
        for sub in attribute.sub_attributes:
            if sub.required and sub.name not in checked:
                raise InvalidValue(f"{path} needs a value for {sub.name}; send one.")
    return checked or None


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{path} is a string, not {kind_of(value)}; send it in quotation marks.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"{path} has half of a surrogate pair; send Unicode.") from None
    if "\0" in value:
        raise InvalidValue(f"{path} has a NUL character; send it without.")
    return value


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(
            f"{path} is a boolean, not {kind_of(value)}; send true or false, without quotation "
            "marks."
        )
    return value


def _integer(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"{path} is an integer, not {kind_of(value)}; send a whole number.")
    if not _MOST_NEGATIVE <= value <= _MOST_POSITIVE:
        raise InvalidValue(f"{path} doesn't fit into 64 bits; send a smaller number.")
    return value


def _decimal(value: Any, path: str) -> int | float:
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"{path} is a decimal, not {kind_of(value)}; send a number.")
    return _integer(value, path)


def _date_time(value: Any, path: str) -> str:
    text = _string(value, path)
    if instant(text) is None:
        raise InvalidValue(
            f"{path} is a dateTime, not {kind_of(value)}; send it like 2008-01-23T04:56:22Z."
        )
    return text


def _binary(value: Any, path: str) -> str:
    text = _string(value, path)
    digits = _BLANK.sub("", text)
    if not _BASE64.fullmatch(digits) or len(digits.rstrip("=")) % 4 == 1:
        raise InvalidValue(f"{path} is binary, not {kind_of(value)}; send it in base64.")
    return text


_CHECKS: Mapping[Type, Callable[[Any, str], Any]] = {
    Type.STRING: _string,
    Type.BOOLEAN: _boolean,
    Type.DECIMAL: _decimal,
    Type.INTEGER: _integer,
    Type.DATE_TIME: _date_time,
    Type.REFERENCE: _string,
    Type.BINARY: _binary,
}
