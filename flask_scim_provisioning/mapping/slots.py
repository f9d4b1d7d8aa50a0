"""One scalar of the host: how it is read, written and searched."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from ..scim import attributes as scim
from ..scim.errors import InvalidValue
from .errors import MappingError

__all__ = [
    "Convert",
    "Slot",
    "Write",
    "column_slot",
    "format_datetime",
    "host_column",
    "json_value",
    "parse_datetime",
    "sql_type",
    "typed_json",
]

Convert: TypeAlias = Callable[[Any], Any]
Write: TypeAlias = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one SCIM scalar lives.

    :ivar attribute: the SCIM attribute or sub-attribute.
    :ivar expression: the SQL that reads, filters and sorts it.
    :ivar from_host: host value to SCIM value; None where they are the same.
    :ivar to_host: SCIM value to host value; raises ``ValueError`` with a sentence.
    :ivar write: sets a host value on the host's object; None when it can't be written.
    :ivar required: the host can't keep "nothing" here.
    :ivar textual: the SQL is text, so that it is compared with or without case as SCIM says.
    :ivar place: a name for people, such as ``User.email``.
    :ivar defaulted: the host has a default of its own for a new row.
    """

    attribute: scim.Attribute
    expression: sa.ColumnElement[Any]
    from_host: Convert | None
    to_host: Convert
    write: Write | None
    required: bool
    textual: bool
    place: str
    defaulted: bool = False

    def as_read(self, value: Any) -> Any:
        """Return what is read back of a SCIM value; one that the host can't keep is itself."""
        if value is None:
            return None
        try:
            host_value = self.to_host(value)
            return host_value if self.from_host is None else self.from_host(host_value)
        except (ValueError, TypeError, AttributeError, LookupError):
            return value

    def set(self, entity: Any, value: Any, path: str) -> None:
        """Write a SCIM value to the host's object.

        :raises InvalidValue: when the host can't keep it; the detail names ``path``.
        """
        if self.write is None:
            return
        if value is None:
            if self.required and self.defaulted and not sa.inspect(entity).persistent:
                return
            if self.required:
                raise InvalidValue(
                    f"{path} is required here: give it a value in the attribute mapping of the "
                    "identity provider."
                )
            self.write(entity, None)
            return
        try:
            host_value = self.to_host(value)
        except ValueError as error:
            raise InvalidValue(f"{path}: {error}") from None
        self.write(entity, host_value)


def host_column(attribute: InstrumentedAttribute[Any]) -> sa.Column[Any]:
    """Return the table column behind a mapped attribute such as ``User.email``.

    :raises MappingError: when it is no plain column.
    """
    prop = getattr(attribute, "property", None)
    columns = getattr(prop, "columns", None)
    if not columns or not isinstance(columns[0], sa.Column):
        raise MappingError(
            f"{attribute} is not a column: use fields.Computed(<SQL expression>, write=<function>)."
        )
    return columns[0]


def column_slot(
    declared: scim.Attribute,
    source: InstrumentedAttribute[Any],
    *,
    read: Convert | None = None,
    write: Convert | None = None,
    default: Any = None,
) -> Slot:
    """Return the slot of one column.

    :param read: host value to SCIM value, where they differ.
    :param write: SCIM value to host value, where they differ.
    :param default: what the host keeps instead of "nothing"; it is read as nothing.
    :raises MappingError: when the column's type can't hold the attribute's.
    """
    column = host_column(source)
    place = f"{source.class_.__name__}.{source.key}"
    from_host, to_host, textual = _converters(declared, column, place, read, write)
    key = source.key

    def assign(entity: Any, value: Any) -> None:
        setattr(entity, key, default if value is None else value)

    if default is not None:
        inner = from_host

        def read_default(value: Any) -> Any:
            if value == default:
                return None
            return inner(value) if inner else value

        from_host = read_default
    required = not column.nullable and default is None
    defaulted = column.default is not None or column.server_default is not None
    return Slot(declared, column, from_host, to_host, assign, required, textual, place, defaulted)


def json_value(path: Any, attribute: scim.Attribute) -> tuple[sa.ColumnElement[Any], bool]:
    """Return the SQL of a scalar inside a JSON document, and whether it is text."""
    if attribute.type is scim.Type.DECIMAL:
        return path.as_float(), False
    return typed_json(path.as_string(), attribute)


def typed_json(text: Any, attribute: scim.Attribute) -> tuple[sa.ColumnElement[Any], bool]:
    """Return SQL of the attribute's type from the text of a scalar in JSON, which may be NULL.

    Booleans are spelled out, because MariaDB takes one that isn't there for false; SQLite has them
    as numbers unless they are cast.
    """
    match attribute.type:
        case scim.Type.BOOLEAN:
            text = sa.cast(text, sa.String)
            yes, no = text.in_(("true", "1")), text.in_(("false", "0"))
            return sa.case((yes, sa.true()), (no, sa.false())), False
        case scim.Type.INTEGER:
            return sa.cast(text, sa.BigInteger), False
        case scim.Type.DECIMAL:
            return sa.cast(text, sa.Float), False
        case _:
            return text, True


def sql_type(attribute: scim.Attribute) -> sa.types.TypeEngine[Any]:
    """Return the SQL type that a scalar of SCIM's is compared as."""
    match attribute.type:
        case scim.Type.BOOLEAN:
            return sa.Boolean()
        case scim.Type.INTEGER:
            return sa.BigInteger()
        case scim.Type.DECIMAL:
            return sa.Float()
        case _:
            return sa.String()


def _python_type(column: sa.Column[Any]) -> type[Any] | None:
    try:
        return column.type.python_type
    except NotImplementedError:
        return None


def _converters(
    attribute: scim.Attribute,
    column: sa.Column[Any],
    place: str,
    read: Convert | None,
    write: Convert | None,
) -> tuple[Convert | None, Convert, bool]:
    python_type = _python_type(column)
    if read is not None or write is not None:
        return read, write or _same, python_type is str
    match attribute.type:
        case scim.Type.COMPLEX:
            raise MappingError(
                f"{attribute.name} has sub-attributes, and {place} is one column: use "
                "fields.Complex(...), fields.Email(...) or another field with room for them."
            )
        case scim.Type.BOOLEAN if python_type in (bool, int):
            return (None if python_type is bool else bool), python_type, False
        case scim.Type.INTEGER if python_type is int:
            return None, _whole(column), False
        case scim.Type.DECIMAL if python_type is int:
            return float, _whole(column), False
        case scim.Type.DECIMAL if python_type in (float, Decimal):
            return float, (float if python_type is float else _rounded(column)), False
        case scim.Type.DATE_TIME if python_type is datetime:
            aware = bool(getattr(column.type, "timezone", False))
            return format_datetime, _datetime_parser(aware=aware), False
        case scim.Type.BINARY if python_type is bytes:
            return _encode, _decode, False
        case scim.Type.STRING | scim.Type.REFERENCE | scim.Type.BINARY | scim.Type.DATE_TIME:
            found = _text_converters(column, python_type)
            if found is not None:
                return found
    raise MappingError(
        f"{attribute.name} is of SCIM type {attribute.type.value!r}, and {place} is "
        f"{column.type!r}: map another column, or say how with read= and write=, or use "
        "fields.Computed(<SQL expression>, write=<function>)."
    )


def _text_converters(
    column: sa.Column[Any], python_type: type[Any] | None
) -> tuple[Convert | None, Convert, bool] | None:
    if isinstance(column.type, sa.Enum) and column.type.enum_class is None:
        return None, _one_of({word: word for word in column.type.enums}), False
    if python_type is str or python_type is None:
        length = getattr(column.type, "length", None)
        return None, (_limited(length) if isinstance(length, int) else _same), True
    if python_type is int:
        return str, _whole(column), False
    if python_type is uuid.UUID:
        return str, _uuid, False
    if issubclass(python_type, Enum):
        return _enum_value, _one_of({str(each.value): each for each in python_type}), False
    return None


def _same(value: Any) -> Any:
    return value


def _limited(length: int) -> Convert:
    def check(value: Any) -> Any:
        if len(value) > length:
            raise ValueError(
                f"this portal keeps at most {length} characters, not {len(value)}; shorten the "
                "value."
            )
        return value

    return check


def _whole(column: sa.Column[Any]) -> Convert:
    """Return what makes a whole number that the column has room for, on every database."""
    kind = getattr(column.type, "impl_instance", column.type)
    bits = 16 if isinstance(kind, sa.SmallInteger) else 32
    if isinstance(kind, sa.BigInteger) or not isinstance(kind, sa.Integer):
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


def _rounded(column: sa.Column[Any]) -> Convert:
    """Return what rounds a number as the column does, so that it is read as it was written."""
    kind = getattr(column.type, "impl_instance", column.type)
    precision, scale = getattr(kind, "precision", None), getattr(kind, "scale", None)

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


def _enum_value(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


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


def _datetime_parser(*, aware: bool) -> Convert:
    def parse(value: str) -> datetime:
        parsed = parse_datetime(value)
        return parsed if aware else parsed.replace(tzinfo=None)

    return parse
