"""From the host's values to SCIM's and back: a table by type, which a team may extend."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...scim import attributes as scim
from ..errors import MappingError
from ..host.attributes import HostAttribute
from ..sql.instants import format_datetime, parse_datetime
from ..sql.types import python_type_of
from .own_types import REFUSALS, OwnType

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
    :ivar sought: what a filter's value is turned into, where it isn't what is written.
    :ivar choices: all of the host's values that there can be, where these are known.
    :ivar own: what the column's own type does with values, where a team has written one.
    :ivar searchable: whether SQL can say what is read.
    """

    from_host: Convert | None = None
    to_host: Convert = unchanged
    textual: bool = False
    sought: Convert | None = None
    choices: tuple[Any, ...] | None = None
    own: OwnType | None = None
    searchable: bool = True


Make: TypeAlias = Callable[[sa.types.TypeEngine[Any]], Conversion]

_TEXT = (scim.Type.STRING, scim.Type.REFERENCE, scim.Type.BINARY, scim.Type.DATE_TIME)
_CONVERTERS: dict[tuple[scim.Type, type[Any]], Make] = {}


def register_converter(
    kind: scim.Type | str, python_type: type[Any], make: Make | Conversion
) -> None:
    """Teach how columns whose values are of a Python type keep attributes of a SCIM type.

    It counts for every schema that is declared later, and before what the extension knows itself.

    :param kind: of the attributes, such as ``"string"`` or ``"dateTime"``.
    :param python_type: of the column's values, as its type says in ``python_type``, or as its
        ``process_result_value`` is annotated; subclasses are meant, too.
    :param make: the conversion, or a function from the column's SQLAlchemy type to it.
    """
    found = make
    _CONVERTERS[scim.Type(kind), python_type] = (
        (lambda _: found) if isinstance(found, Conversion) else found
    )


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
    own = OwnType.of(kind)
    python_type = python_type_of(kind) if own is None else own.python_type
    if read is not None:
        # What SQL can't say is asked of each value that there can be, or not at all.
        choices = _all_of(kind, python_type)
        searchable = choices is not None
        return Conversion(read, write or unchanged, False, None, choices, own, searchable)
    found = _by_type(attribute, kind, python_type, own)
    if found is None and write is not None:
        return Conversion(None, write, searchable=False)
    if found is None:
        raise MappingError(_impossible(attribute, source))
    if own is not None:
        found = _through(found, kind, own)
    if write is not None:
        return replace(found, to_host=write, sought=found.to_host)
    return found


def _impossible(attribute: scim.Attribute, source: HostAttribute) -> str:
    if attribute.type is scim.Type.COMPLEX:
        return (
            f"{attribute.name} has sub-attributes, and {source.label} is one column: use "
            "fields.Complex(...), fields.Email(...) or another field with room for them."
        )
    return (
        f"{attribute.name} is of SCIM type {attribute.type.value!r}, and {source.label} is "
        f"{source.type!r}: map another column, or say how with read= and write=, or use "
        "fields.Computed(<SQL expression>, write=<function>)."
    )


def _by_type(
    attribute: scim.Attribute,
    kind: sa.types.TypeEngine[Any],
    python_type: type[Any] | None,
    own: OwnType | None,
) -> Conversion | None:
    if attribute.type is scim.Type.COMPLEX:
        return None
    enums, enum_class = getattr(kind, "enums", None), getattr(kind, "enum_class", None)
    if python_type is str and enums and enum_class is None and attribute.type in _TEXT:
        return Conversion(None, _one_of({word: word for word in enums}))
    if python_type is None:
        if own is not None:
            return _unknown(attribute, own)
        return _text(kind) if attribute.type in _TEXT else None
    for each in _kinds_of(python_type):
        make = _CONVERTERS.get((attribute.type, each))
        if make is not None:
            return make(kind)
    if issubclass(python_type, Enum) and attribute.type in _TEXT:
        return _enumeration(python_type)
    return None


def _all_of(
    kind: sa.types.TypeEngine[Any], python_type: type[Any] | None
) -> tuple[Any, ...] | None:
    """Return all values of a type, where there are few."""
    if python_type is bool:
        return True, False
    if python_type is not None and issubclass(python_type, Enum):
        return tuple(python_type)
    words = getattr(kind, "enums", None)
    return tuple(words) if words else None


def _through(found: Conversion, kind: sa.types.TypeEngine[Any], own: OwnType) -> Conversion:
    """Return a conversion whose values go through a type of the team's own."""
    inner = found.to_host
    if own.python_type is datetime and found.from_host is format_datetime:
        inner = _parser(aware=own.takes_zones)
    if found.textual:
        inner = unchanged  # how long a text may be is said of what the type makes of it

    def to_host(value: Any) -> Any:
        return own.checked(inner(value))

    textual = found.textual and own.keeps_text
    choices = found.choices or _all_of(kind, own.python_type)
    return replace(found, to_host=to_host, textual=textual, choices=choices, own=own)


def _unknown(attribute: scim.Attribute, own: OwnType) -> Conversion:
    """Return the conversion of a type that doesn't say what it gives: each value says it itself."""
    if own.keeps_text and attribute.type in _TEXT:
        return Conversion(lambda value: _shown(attribute, value), unchanged, textual=True)

    def to_host(value: Any) -> Any:
        wanted = parse_datetime(value) if attribute.type is scim.Type.DATE_TIME else value
        # The value itself, or what the type makes of it where the database has it.
        for given in (unchanged, own.returned):
            try:
                host_value = given(wanted)
                if _shown(attribute, own.returned(own.bound(host_value))) is not None:
                    return host_value
            except REFUSALS:
                continue
        raise ValueError(
            "this portal can't keep this value; correct the attribute mapping of the identity "
            "provider."
        )

    return Conversion(lambda value: _shown(attribute, value), to_host)


def _shown(attribute: scim.Attribute, value: Any) -> Any:
    """Return a host's value as SCIM shows it, whatever it is; None where it can't be."""
    value = getattr(value, "value", value) if isinstance(value, Enum) else value
    match attribute.type:
        case scim.Type.BOOLEAN:
            return value if isinstance(value, bool) else None
        case scim.Type.INTEGER:
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        case scim.Type.DECIMAL:
            return float(value) if isinstance(value, int | float | Decimal) else None
        case scim.Type.DATE_TIME if isinstance(value, datetime):
            return format_datetime(value)
        case scim.Type.BINARY if isinstance(value, bytes):
            return _encode(value)
    return str(value) if isinstance(value, str | int | uuid.UUID) else None


def _kinds_of(python_type: type[Any]) -> list[type[Any]]:
    """Return by which types a converter is looked for, the nearest first.

    An enumeration of numbers is an enumeration, and a truth value is no number.
    """
    if issubclass(python_type, Enum):
        return [python_type]
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


def _enumeration(python_type: type[Enum]) -> Conversion:
    members = {str(each.value): each for each in python_type}
    return Conversion(
        lambda value: getattr(value, "value", value), _one_of(members), choices=tuple(python_type)
    )


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
    return Conversion(format_datetime, _parser(aware=bool(getattr(kind, "timezone", False))))


def _parser(*, aware: bool) -> Convert:
    def parse(value: str) -> datetime:
        parsed = parse_datetime(value)
        return parsed if aware else parsed.replace(tzinfo=None)

    return parse


for _kind in _TEXT:
    register_converter(_kind, str, _text)
    register_converter(_kind, int, lambda kind: Conversion(str, _whole(kind)))
    register_converter(_kind, uuid.UUID, lambda _: Conversion(str, _uuid))
register_converter(scim.Type.BOOLEAN, bool, lambda _: Conversion(None, bool))
register_converter(scim.Type.BOOLEAN, int, lambda _: Conversion(bool, int))
register_converter(scim.Type.INTEGER, int, lambda kind: Conversion(None, _whole(kind)))
register_converter(scim.Type.DECIMAL, int, lambda kind: Conversion(float, _whole(kind)))
register_converter(scim.Type.DECIMAL, float, lambda _: Conversion(float, float))
register_converter(scim.Type.DECIMAL, Decimal, lambda kind: Conversion(float, _rounded(kind)))
register_converter(scim.Type.DATE_TIME, datetime, _moment)
register_converter(scim.Type.BINARY, bytes, lambda _: Conversion(_encode, _decode))
