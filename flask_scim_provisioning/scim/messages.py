"""Bodies and parameters of requests, and lists (RFC 7644 sections 3.4.2, 3.4.3 and 3.5.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from .errors import InvalidCount, InvalidSyntax, InvalidValue, shown
from .filters import Filter, parse_filter
from .patch import Operation
from .urns import LIST_RESPONSE, PATCH_OP, SEARCH_REQUEST

MAX_DEPTH = 32
"""How deep objects and lists may stand in each other; a SCIM resource needs five."""

MAX_INDEX = 2**31 - 1
"""The largest page number or size that is passed on; no directory has so many people."""

ReadFilter: TypeAlias = Callable[[str], Filter | None]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_ORDERS = ("ascending", "descending")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a client searches for.

    :ivar start_index: 1-based.
    :ivar count: How many resources a page has at most; ``None`` leaves it to the service.
    :ivar cursor: The page to answer with (RFC 9865); an empty one asks for the first page.
    """

    filter: Filter | None = None
    sort_by: str | None = None
    sort_order: str = "ascending"
    start_index: int = 1
    count: int | None = None
    attributes: tuple[str, ...] = ()
    excluded_attributes: tuple[str, ...] = ()
    cursor: str | None = None

    @classmethod
    def from_query(
        cls, parameters: Mapping[str, str], read_filter: ReadFilter = parse_filter
    ) -> SearchRequest:
        """Return the search of a query string; the names of the parameters count in any case.

        :param read_filter: Returns the tree of a filter; a dialect understands more than the RFC.
        :raises InvalidFilter: when the filter can't be read.
        :raises InvalidValue: when a parameter has a value that it can't have.

        RFC 7644 sections 3.4.2 and 3.9.
        """
        given = {name.lower(): value for name, value in reversed(list(parameters.items()))}
        return cls(
            filter=_filter(given.get("filter"), read_filter),
            sort_by=given.get("sortby", "").strip() or None,
            sort_order=_order(given.get("sortorder", "").strip() or None),
            start_index=_start(_integer_text("startIndex", given.get("startindex"))),
            count=_page_size(_integer_text, given),
            attributes=_split(given.get("attributes", "")),
            excluded_attributes=_split(given.get("excludedattributes", "")),
            cursor=given.get("cursor"),
        )

    @classmethod
    def from_body(cls, body: Any, read_filter: ReadFilter = parse_filter) -> SearchRequest:
        """Return the search of a ``POST …/.search``.

        :param read_filter: As for :meth:`from_query`.
        :raises InvalidFilter: when the filter can't be read.
        :raises InvalidSyntax: when the body isn't a search request.
        :raises InvalidValue: when a member has a value that it can't have.

        RFC 7644 section 3.4.3.
        """
        given = read_message(body, SEARCH_REQUEST)
        return cls(
            filter=_filter(_text("filter", given), read_filter),
            sort_by=_text("sortBy", given) or None,
            sort_order=_order(_text("sortOrder", given) or None),
            start_index=_start(_integer("startIndex", given.get("startindex"))),
            count=_page_size(_integer, given),
            attributes=_texts("attributes", given),
            excluded_attributes=_texts("excludedAttributes", given),
            cursor=_text("cursor", given),
        )


def _filter(text: str | None, read_filter: ReadFilter) -> Filter | None:
    stripped = (text or "").strip()
    return read_filter(stripped) if stripped else None


def read_json(data: bytes) -> Any:
    """Return the JSON value of a body.

    :raises InvalidSyntax: when it isn't JSON in UTF-8, or nests deeper than any message of SCIM.

    RFC 7644 section 3.1, RFC 8259.
    """
    try:
        body = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InvalidSyntax("The body isn't UTF-8; send JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidSyntax(
            f"The body isn't JSON (line {error.lineno}, column {error.colno}); correct it."
        ) from None
    except RecursionError:
        _refuse_depth()
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        raise InvalidSyntax("The body has a number that is too large; correct it.") from None
    check_depth(body)
    return body


def check_depth(body: Any) -> None:
    """Make sure that a body can be walked through.

    :raises InvalidSyntax: when it nests deeper than :data:`MAX_DEPTH`.
    """
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(item for item in value.values() if isinstance(item, dict | list))
            elif isinstance(value, list):
                below.extend(item for item in value if isinstance(item, dict | list))
        if not below:
            return
        level = below
    _refuse_depth()


def list_response(
    resources: list[dict[str, Any]],
    total_results: int,
    start_index: int | None = 1,
    next_cursor: str | None = None,
) -> dict[str, Any]:
    """Return one page of a list (RFC 7644 section 3.4.2, RFC 9865 section 2).

    ``Resources`` is there even when it is empty: Entra reads it in every answer.

    :param total_results: How many resources there are on all pages.
    :param start_index: None for a page that was asked for by cursor.
    :param next_cursor: Asks for the next page; None on the last one.
    """
    answer: dict[str, Any] = {"schemas": [LIST_RESPONSE], "totalResults": total_results}
    if start_index is not None:
        answer["startIndex"] = start_index
    answer["itemsPerPage"] = len(resources)
    if next_cursor is not None:
        answer["nextCursor"] = next_cursor
    answer["Resources"] = resources
    return answer


def read_patch_envelope(body: Any) -> list[Operation]:
    """Return the operations of a PATCH request, their ``op`` as it was sent.

    The names of members count in any case; what else an operation has is left out. An empty list of
    operations is one: Microsoft's validator sends it and expects that nothing happens.

    :raises InvalidSyntax: when the body isn't a PATCH request.
    :raises InvalidValue: when an add or a replace has no value.

    RFC 7644 section 3.5.2.
    """
    operations = read_message(body, PATCH_OP).get("operations")
    if not isinstance(operations, list):
        raise InvalidSyntax("A PATCH has a list of Operations; send one.")
    return [_operation(number, raw) for number, raw in enumerate(operations, 1)]


def _operation(number: int, raw: Any) -> Operation:
    if not isinstance(raw, dict):
        raise InvalidSyntax(f"operation {number}: an operation is an object; send one.")
    given = read_members(raw)
    op, path = given.get("op"), given.get("path")
    if not isinstance(op, str):
        raise InvalidSyntax(f'operation {number}: op is "add", "remove" or "replace"; send one.')
    if not isinstance(path, str | None):
        raise InvalidSyntax(f"operation {number}: path is a string; send it in quotation marks.")
    if op.strip().lower() in {"add", "replace"} and "value" not in given:
        raise InvalidValue(f"operation {number}: {op.strip().lower()} needs a value; send one.")
    return Operation(op, (path or "").strip() or None, given.get("value"))


def read_message(body: Any, urn: str) -> dict[str, Any]:
    """Return the members of a message by their names in lower case.

    :raises InvalidSyntax: when it isn't one, or that of another endpoint.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax("The body isn't a message; send a JSON object.")
    given = read_members(body)
    schemas = given.get("schemas")
    if schemas is None or schemas == []:
        return given
    if not isinstance(schemas, list) or not all(isinstance(item, str) for item in schemas):
        raise InvalidSyntax("schemas is a list of URNs; send strings.")
    if urn.lower() not in {item.lower() for item in schemas}:
        raise InvalidSyntax(f"The body isn't the message of this endpoint; send schemas [{urn}].")
    return given


def read_members(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an object by their names in lower case.

    :raises InvalidSyntax: when one is given twice.
    """
    given: dict[str, Any] = {}
    for name, item in value.items():
        if name.lower() in given:
            raise InvalidSyntax(f"{shown(name)} is given twice; send it once.")
        given[name.lower()] = item
    return given


def _refuse_constant(_name: str) -> NoReturn:
    raise InvalidSyntax("NaN and Infinity are no JSON; send a number.")


def _refuse_depth() -> NoReturn:
    raise InvalidSyntax(f"The body nests deeper than {MAX_DEPTH} levels; send it flatter.")


def _text(name: str, given: Mapping[str, Any]) -> str | None:
    value = given.get(name.lower())
    if not isinstance(value, str | None):
        raise InvalidValue(f"{name} is a string; send it in quotation marks.")
    return value


def _texts(name: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    value = given.get(name.lower())
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidValue(f"{name} is a list of strings; send one.")
    return _stripped(value)


def _split(value: str) -> tuple[str, ...]:
    return _stripped(value.split(","))


def _stripped(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(value.strip() for value in values if value.strip())


def _order(value: str | None) -> str:
    order = _ORDERS[0] if value is None else value.lower()
    if order not in _ORDERS:
        raise InvalidValue('sortOrder is "ascending" or "descending"; send one of them.')
    return order


def _integer_text(name: str, value: str | None) -> int | None:
    if value is None or not value.strip():
        return None
    digits = value.strip()
    if not _INTEGER.fullmatch(digits):
        raise InvalidValue(f"{name} is a whole number; send one.")
    if len(digits) > len(str(MAX_INDEX)) + 1:
        # Too long to be read at all (4300 digits), or to be less than the cap.
        significant = digits.lstrip("+-").lstrip("0")
        if len(significant) > len(str(MAX_INDEX)):
            return -MAX_INDEX if digits.startswith("-") else MAX_INDEX
        digits = ("-" if digits.startswith("-") else "") + (significant or "0")
    return int(digits)


def _integer(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InvalidValue(f"{name} is a whole number; send one, without quotation marks.")
    return value


def _page_size(read: Callable[[str, Any], int | None], given: Mapping[str, Any]) -> int | None:
    try:
        return _count(read("count", given.get("count")))
    except InvalidValue:
        if given.get("cursor") is None:
            raise
        raise InvalidCount from None


# "A value less than 1 SHALL be interpreted as 1" (table 6)
def _start(value: int | None) -> int:
    return 1 if value is None else min(max(value, 1), MAX_INDEX)


# "A negative value SHALL be interpreted as 0" (table 6)
def _count(value: int | None) -> int | None:
    return None if value is None else min(max(value, 0), MAX_INDEX)
