"""What may be kept of a payload: no secret, nothing that a database can't store, not too much.

A value is secret when the schema says so (``writeOnly``, or ``returned`` never, of the core or of a
team's own attributes) or when its name does; wherever the name stands: as a key, as a path, beside
the value, in a filter, or in text that is JSON itself. What can't be understood and speaks of a
secret is left out as a whole.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ..scim.attributes import Attribute, Mutability, ResourceType, Returned
from ..scim.errors import ScimError
from ..scim.filters import And, Compare, Filter, Not, Or, Select, parse_filter, render

__all__ = [
    "REDACTED",
    "hidden_names",
    "redact",
    "redact_filter",
    "redact_path",
    "redact_text",
    "storable_text",
]

REDACTED = "[redacted]"
_LARGEST_PAYLOAD = 16_384  # characters of JSON
_LONGEST_LIST = 20
_LONGEST_TEXT = 500
_LONGEST_KEY = 100
_LONGEST_READ = 65_536  # characters of a text that may be JSON or a filter
_DEEPEST = 12

# Found anywhere in a name, as names are written together: "userPassword", "X-Api-Key".
_SUSPICIOUS = (
    r"passw|passphrase|pass[-_ ]?code|pwd|kennwort|secret|token|credential|authori[sz]ation"
    r"|(?:api|private|access|signing|ssh|encryption|recovery)[-_ ]?(?:key|code)"
    r"|pin[-_ ]?code|one[-_ ]?time|security[-_ ]?(?:answer|code)"
)
_SECRET_NAME = re.compile(_SUSPICIOUS, re.IGNORECASE)
# Secret as words of their own: "pin" and "userPIN", but neither "opinion" nor "pinned".
_SECRET_WORDS = frozenset(
    {"cvc", "cvv", "hotp", "jwt", "mfa", "otp", "pass", "pin", "puk", "pw", "seed", "tan", "totp"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# PostgreSQL keeps no NUL in text, and no database keeps half of a surrogate pair.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

# What a text begins with that may be JSON, or has to be looked at closely to know.
_BEGINS = ("{", "[", '"', " ")

# Keys whose value names what the value beside it is.
_NAMING = frozenset({"attribute", "attributename", "key", "name", "path", "type"})
_NAMED = re.compile(r"values?|(?:new|old)_?values?|content|data|text", re.IGNORECASE)
_FILTERING = frozenset({"filter", "path", "sortby", "cursor"})

_SEPARATOR = re.compile(r"[^\w$-]+")
_PLAIN_PATH = re.compile(r"[A-Za-z$][\w.:$-]{0,200}")
_NAMELIKE = re.compile(r"[A-Za-z_$][\w.$-]*+")
_LITERAL = re.compile(
    r"[\"']?\s*+(?P<op>\b(?:eq|ne|co|sw|ew|gt|ge|lt|le)\s++|[=:]\s*+)"
    r"(?P<literal>\"(?:[^\"\\]|\\.)*+\"?|'[^']*+'?|[^\s)\]&\"']++)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_OWN_TOKEN = re.compile(r"scim_[0-9A-Za-z]{16}_[0-9A-Za-z]+")
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


# What every text has, in lower case, that speaks of a secret or has a token; most have none of it.
_HINTS = (
    *("answer", "authori", "basic", "bearer", "code", "credential", "eyj", "kennwort", "key"),
    *("pass", "pwd", "scim_", "secret", "time", "token"),
    *_SECRET_WORDS,
)


def _may_speak_of_a_secret(text: str, hidden: frozenset[str]) -> bool:
    """Say whether it is worth to look closer."""
    return _hints(hidden).search(text.lower()) is not None


@functools.lru_cache(maxsize=64)
def _hints(hidden: frozenset[str]) -> re.Pattern[str]:
    """Return what finds a hint, or a name that the schemas hide."""
    return re.compile("|".join(re.escape(each) for each in (*_HINTS, *sorted(hidden))))


def storable_text(value: object | None, length: int) -> str | None:
    """Return a text cut to a length, without what some database can't store."""
    if value is None:
        return None
    text = str(value)
    if not text.isprintable():
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text[:length]


def hidden_names(types: Iterable[ResourceType]) -> frozenset[str]:
    """Return the names, in lower case, of all attributes that nobody may read.

    RFC 7643 section 7: ``mutability`` is ``writeOnly``, or ``returned`` is ``never``.
    """
    found: set[str] = set()

    def look(attributes: Iterable[Attribute]) -> None:
        for attribute in attributes:
            if (
                attribute.mutability is Mutability.WRITE_ONLY
                or attribute.returned is Returned.NEVER
            ):
                found.add(attribute.name.lower())
            look(attribute.sub_attributes)

    for kind in types:
        for schema in kind.schemas:
            look(schema.attributes)
    return frozenset(found)


def redact(body: Any, hidden: frozenset[str] = frozenset()) -> Any:
    """Return a copy of a payload that may be kept: without secrets, storable, and not too large.

    Long lists and texts are cut, because a membership has 100,000 values.

    :param hidden: as ``hidden_names`` returns them.
    """
    if body is None:
        return None
    kept = _redacted(body, 0, hidden)
    size = len(json.dumps(kept))
    return kept if size <= _LARGEST_PAYLOAD else f"[{size} characters, too long to keep]"


def redact_text(text: str, hidden: frozenset[str] = frozenset()) -> str:
    """Return a sentence without tokens, and without the literals that stand beside secret names."""
    text = text[:_LONGEST_READ]
    if not _may_speak_of_a_secret(text, hidden):
        return text
    text = _OWN_TOKEN.sub(REDACTED, text)
    text = _JSON_WEB_TOKEN.sub(REDACTED, text)
    text = _BEARER.sub(REDACTED, text)
    pieces, kept_to, last = [], 0, 0
    for name in _NAMELIKE.finditer(text):
        if name.start() < last or not _is_secret(name[0], hidden):
            continue
        literal = _LITERAL.match(text, name.end())
        if literal is not None:
            pieces += [text[kept_to : literal.start("literal")], REDACTED]
            kept_to = last = literal.end()
    return "".join([*pieces, text[kept_to:]])


def redact_filter(text: str, hidden: frozenset[str] = frozenset()) -> str:
    """Return a filter or a PATCH path that may be kept.

    Where it speaks of a secret, none of its literals is kept, and of one that can't be read
    nothing: which literal belongs to the secret can't be known there.
    """
    if not _speaks_of_a_secret(text, hidden):
        return redact_text(text, hidden)
    if _PLAIN_PATH.fullmatch(text):
        return text
    try:
        return render(_without_literals(parse_filter(text)))
    except ScimError:
        return REDACTED


def _without_literals(node: Filter) -> Filter:
    match node:
        case Compare():
            return replace(node, value=REDACTED)
        case And(terms) | Or(terms):
            return type(node)(tuple(_without_literals(term) for term in terms))
        case Not(term) | Select(term=term):
            return replace(node, term=_without_literals(term))
        case _:
            return node


def redact_path(path: str, hidden: frozenset[str] = frozenset()) -> str:
    """Return the path of a request with its query, as it may be kept.

    :param path: such as ``/Users?filter=userName%20eq%20%22ada%22``.
    """
    base, mark, query = path.partition("?")
    base = redact_text(base, hidden)
    if not mark:
        return base
    shown = []
    for name, value in parse_qsl(query[:_LONGEST_READ], keep_blank_values=True):
        if _is_secret(name, hidden):
            value = REDACTED
        elif name.strip().lower() in _FILTERING:
            value = redact_filter(value, hidden)
        else:
            value = redact_text(value, hidden)
        shown.append(f"{name[:_LONGEST_KEY]}={value}")
    return f"{base}?{'&'.join(shown)}"


def _redacted(value: Any, depth: int, hidden: frozenset[str]) -> Any:
    if depth > _DEEPEST:
        return "[too deep to keep]"
    kind = type(value)
    if kind is str:
        return _text(value, depth, hidden)
    if kind is dict:
        return _object(value, depth, hidden)
    if kind is bool or value is None:
        return value
    match value:
        case str():
            return _text(value, depth, hidden)
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return _object(value, depth, hidden)
        case list() | tuple():
            shown = [_redacted(item, depth + 1, hidden) for item in value[:_LONGEST_LIST]]
            more = len(value) - _LONGEST_LIST
            return shown if more <= 0 else [*shown, f"… and {more} more"]
        case _:
            return f"[{type(value).__name__}]"


def _object(value: Mapping[Any, Any], depth: int, hidden: frozenset[str]) -> dict[str, Any]:
    named = [(_name(str(key), hidden), item) for key, item in value.items()]
    about_a_secret = any(
        name.plain in _NAMING and isinstance(item, str) and _speaks_of_a_secret(item, hidden)
        for name, item in named
    )
    kept: dict[str, Any] = {}
    for name, item in named:
        if name.secret or (about_a_secret and _NAMED.fullmatch(name.plain)):
            kept[name.kept] = REDACTED
        elif name.plain in _FILTERING and isinstance(item, str):
            kept[name.kept] = _cut(redact_filter(item, hidden))
        else:
            kept[name.kept] = _redacted(item, depth + 1, hidden)
    return kept


def _speaks_of_a_secret(text: str, hidden: frozenset[str]) -> bool:
    text = text[:_LONGEST_READ]
    if not _may_speak_of_a_secret(text, hidden):
        return False
    if _SECRET_NAME.search(text):
        return True
    return any(_is_secret(each[0], hidden) for each in _NAMELIKE.finditer(text))


def _text(value: str, depth: int, hidden: frozenset[str]) -> str:
    """Return a text; what is JSON itself is read, since Keycloak sends objects in strings."""
    short = len(value) <= _LONGEST_TEXT and value[:1] not in _BEGINS and value.isprintable()
    if short and not _may_speak_of_a_secret(value, hidden):
        return value  # as nearly all are
    begins = value.lstrip()[:1]
    if begins and begins in '{["':
        inner = _inner_json(value)
        if isinstance(inner, dict | list | str) and inner != value:
            return _cut(json.dumps(_redacted(inner, depth + 1, hidden), ensure_ascii=False))
        if begins != '"' and _speaks_of_a_secret(value, hidden):
            return REDACTED
    elif len(value) > _LONGEST_READ and _SECRET_NAME.search(value):
        return REDACTED
    return _cut(redact_text(value, hidden))


def _inner_json(value: str) -> Any:
    if len(value) > _LONGEST_READ:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _cut(value: str) -> str:
    text = storable_text(value, _LONGEST_TEXT) or ""
    return text if len(value) <= _LONGEST_TEXT else f"{text}… [{len(value)} characters]"


class _Name(NamedTuple):
    """What is to be known of a member's name.

    :ivar kept: as it may be stored.
    :ivar plain: in lower case, without blanks around it.
    """

    kept: str
    plain: str
    secret: bool


def _name(key: str, hidden: frozenset[str]) -> _Name:
    # Names that a client makes up may be long and many: they are read and not remembered.
    return (_known_name if len(key) <= _LONGEST_KEY else _read_name)(key, hidden)


def _read_name(key: str, hidden: frozenset[str]) -> _Name:
    kept = storable_text(redact_text(key, hidden), _LONGEST_TEXT) or ""
    return _Name(kept, key.strip().lower(), _speaks_of_a_secret(key, hidden))


_known_name = functools.lru_cache(maxsize=1_024)(_read_name)


@functools.lru_cache(maxsize=1_024)
def _is_secret_word(name: str) -> bool:
    if _SECRET_NAME.search(name):
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))


def _is_secret(name: str, hidden: frozenset[str]) -> bool:
    """Say whether a name or a path names something secret."""
    if hidden and not hidden.isdisjoint(_SEPARATOR.split(name.lower())):
        return True
    if len(name) > _LONGEST_KEY:
        return _is_secret_word.__wrapped__(name)
    return _is_secret_word(name)
