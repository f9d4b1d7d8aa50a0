"""From the host's values to SCIM's and back: a table by type, which a team may extend."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...scim import attributes as scim
from ..errors import MappingError
from ..host.attributes import HostAttribute
from ..sql.instants import format_datetime, parse_datetime

__all__ = [
    "Conversion",
    "Convert",
    "conversion",
    "register_converter",
    "unchanged",
]

Convert: TypeAlias = Callable[[Any], Any]
"""Turns one value into another, or raises ``ValueError`` with a sentence."""


def unchanged(value: Any) -> Any:
    """Return a value as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a column keeps an attribute.

    :ivar from_host: host value to SCIM value; None where they are the same.
    :ivar to_host: SCIM value to host value; raises ``ValueError`` with a sentence.
    :ivar textual: the SQL is text, so that it is compared with or without case as SCIM says.
    """

    from_host: Convert | None = None
    to_host: Convert = unchanged
    textual: bool = False


Make: TypeAlias = Callable[[sa.types.TypeEngine[Any]], Conversion]

_TEXT = (scim.Type.STRING, scim.Type.REFERENCE, scim.Type.BINARY, scim.Type.DATE_TIME)
_CONVERTERS: dict[tuple[scim.Type, type[Any]], Make] = {}


def register_converter(kind: scim.Type, python_type: type[Any], make: Make) -> None:
    """Teach how columns whose values are of a Python type keep attributes of a SCIM type.

    :param make: called with the column's SQLAlchemy type; returns the conversion.
    """
    _CONVERTERS[kind, python_type] = make


def conversion(
    attribute: scim.Attribute,
    source: HostAttribute,
    read: Convert | None = None,
    write: Convert | None = None,
) -> Conversion:
    """Return how an attribute of the host keeps one of SCIM's.

    :param read: the team's own way from the host's value, and ``write`` the way back.
    :raises MappingError: when it can't.
    """
    kind = source.type
    python_type = _python_type(kind)
    if read is not None or write is not None:
        return Conversion(read, write or unchanged, python_type is str)
    if attribute.type is scim.Type.COMPLEX:
        raise MappingError(
            f"{attribute.name} has sub-attributes, and {source.label} is one column: use "
            "fields.Complex(...), fields.Email(...) or another field with room for them."
        )
    if isinstance(kind, sa.Enum) and kind.enum_class is None and attribute.type in _TEXT:
        return Conversion(None, _one_of({word: word for word in kind.enums}))
    if python_type is None:
        if attribute.type in _TEXT:
            return _text(kind)
    else:
        for each in _kinds_of(python_type):
            make = _CONVERTERS.get((attribute.type, each))
            if make is not None:
                return make(kind)
    raise MappingError(
        f"{attribute.name} is of SCIM type {attribute.type.value!r}, and {source.label} is "
        f"{kind!r}: map another column, or say how with read= and write=, or use "
        "fields.Computed(<SQL expression>, write=<function>)."
    )


def _python_type(kind: sa.types.TypeEngine[Any]) -> type[Any] | None:
    try:
        return kind.python_type
    except NotImplementedError:
        return None


def _kinds_of(python_type: type[Any]) -> list[type[Any]]:
    """Return by which types a converter is looked for, the nearest first.

    An enumeration of numbers is an enumeration, and a truth value is no number.
    """
    if issubclass(python_type, Enum):
        return [python_type, Enum]
    return [each for each in python_type.__mro__ if each is python_type or each is not int]


def _plain(kind: sa.types.TypeEngine[Any]) -> Any:
    """Return the type that a decorator wraps, or the type itself."""
    return getattr(kind, "impl_instance", kind)


def _text(kind: sa.types.TypeEngine[Any]) -> Conversion:
    length = getattr(kind, "length", None)
    to_host = _limited(length) if isinstance(length, int) else unchanged
    return Conversion(None, to_host, textual=True)


def _limited(length: int) -> Convert:
    def check(value: Any) -> Any:
        if len(value) > length:
            raise ValueError(
                f"this portal keeps at most {length} characters, not {len(value)}; shorten the "
                "value."
            )
        return value

    return check


def _whole(kind: sa.types.TypeEngine[Any]) -> Convert:
    """Return what makes a whole number that the column has room for, on every database."""
    plain = _plain(kind)
    bits = 16 if isinstance(plain, sa.SmallInteger) else 32
    if isinstance(plain, sa.BigInteger) or not isinstance(plain, sa.Integer):
        bits = 64
    digits = len(str(2 ** (bits - 1))) - 1

    def convert(value: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError("this portal keeps whole numbers only; send digits.") from None
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise ValueError(f"this number is too large; send at most {digits} digits.")
        return number

    return convert


def _rounded(kind: sa.types.TypeEngine[Any]) -> Convert:
    """Return what rounds a number as the column does, so that it is read as it was written."""
    plain = _plain(kind)
    precision, scale = getattr(plain, "precision", None), getattr(plain, "scale", None)

    def convert(value: Any) -> Decimal:
        number = Decimal(str(value))
        try:
            if precision is not None and scale is not None:
                number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        except InvalidOperation:
            raise ValueError("this number is too large; send fewer digits.") from None
        if precision is not None and number and number.adjusted() >= precision - (scale or 0):
            raise ValueError("this number is too large; send fewer digits.")
        return number

    return convert


def _uuid(value: Any) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise ValueError("this portal keeps UUIDs only; map an object id to it.") from None


def _enumeration(kind: sa.types.TypeEngine[Any]) -> Conversion:
    python_type: Any = kind.python_type
    members = {str(each.value): each for each in python_type}
    return Conversion(lambda value: getattr(value, "value", value), _one_of(members))


def _one_of(members: Mapping[str, Any]) -> Convert:
    by_name = {name.lower(): member for name, member in members.items()}
    choices = ", ".join(members)

    def parse(value: Any) -> Any:
        try:
            return by_name[str(value).lower()]
        except KeyError:
            raise ValueError(f"this portal knows only {choices}; map one of them.") from None

    return parse


def _decode(value: str) -> bytes:
    """Return the bytes of either alphabet of RFC 4648 (RFC 7643 section 2.3.6), also unpadded."""
    digits = "".join(value.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _moment(kind: sa.types.TypeEngine[Any]) -> Conversion:
    aware = bool(getattr(kind, "timezone", False))

    def parse(value: str) -> datetime:
        parsed = parse_datetime(value)
        return parsed if aware else parsed.replace(tzinfo=None)

    return Conversion(format_datetime, parse)


for _kind in _TEXT:
    register_converter(_kind, str, _text)
    register_converter(_kind, int, lambda kind: Conversion(str, _whole(kind)))
    register_converter(_kind, uuid.UUID, lambda _: Conversion(str, _uuid))
    register_converter(_kind, Enum, _enumeration)
register_converter(scim.Type.BOOLEAN, bool, lambda _: Conversion(None, bool))
register_converter(scim.Type.BOOLEAN, int, lambda _: Conversion(bool, int))
register_converter(scim.Type.INTEGER, int, lambda kind: Conversion(None, _whole(kind)))
register_converter(scim.Type.DECIMAL, int, lambda kind: Conversion(float, _whole(kind)))
register_converter(scim.Type.DECIMAL, float, lambda _: Conversion(float, float))
register_converter(scim.Type.DECIMAL, Decimal, lambda kind: Conversion(float, _rounded(kind)))
register_converter(scim.Type.DATE_TIME, datetime, _moment)
register_converter(scim.Type.BINARY, bytes, lambda _: Conversion(_encode, _decode))
