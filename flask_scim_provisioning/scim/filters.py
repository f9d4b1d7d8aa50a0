"""Filters: their grammar and their parser (RFC 7644 section 3.4.2.2); ``trees`` has what it makes.

The grammar has its errata applied: 4670, 4690 and 7322 (what stands in brackets is a filter without
brackets of its own, with ``and``, ``or`` and ``not``) and 8924 of RFC 7643 (``$ref`` is a name).
It has one thing more, which Entra sends and its services must take:
``emails[type eq "work"].value eq "x"`` reads as ``emails[type eq "work" and value eq "x"]``.
"""

import json
import math
import re
from typing import NoReturn, cast

from .errors import InvalidFilter, InvalidPath
from .keeping import kept
from .trees import (
    And,
    AttrPath,
    Compare,
    Filter,
    Literals,
    Not,
    Operator,
    Or,
    Present,
    Select,
    conjunction,
    disjunction,
    leaves,
    negation,
    nesting,
    render,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_NESTING",
    "MAX_TERMS",
    "And",
    "AttrPath",
    "Compare",
    "Filter",
    "Literals",
    "Not",
    "Operator",
    "Or",
    "Present",
    "Reader",
    "Select",
    "attr_path",
    "conjunction",
    "disjunction",
    "is_plain_name",
    "is_schema_urn",
    "is_storable",
    "leaves",
    "negation",
    "nesting",
    "parse_filter",
    "render",
]


MAX_LENGTH = 8192
"""The longest filter that is read, in characters; no identity provider sends a tenth of it."""

MAX_DEPTH = 32
"""How deep parentheses and brackets may stand in each other."""

MAX_NESTING = 10
"""How deep ``and`` and ``or`` may stand in each other; databases read nested SQL with a stack."""

MAX_TERMS = 200
"""How many comparisons a filter may make; each of them may be a search of its own."""

_OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_WORDS: dict[str, Literals] = {"true": True, "false": False, "null": None}

# RFC 7643 section 2.1:       ATTRNAME = ALPHA *(nameChar);  nameChar = "-" / "_" / DIGIT / ALPHA
# RFC 7644 section 3.4.2.2:   attrPath = [URI ":"] ATTRNAME *1subAttr
# Erratum 8924 adds the "$" of "$ref"; "*1subAttr" is one sub-attribute, since SCIM nests no deeper.
_ATTR_NAME = r"\$?[A-Za-z][A-Za-z0-9$_-]*"
_URN = r"[Uu][Rr][Nn]:[A-Za-z0-9][A-Za-z0-9._~%+-]*(?::[A-Za-z0-9][A-Za-z0-9._~%+-]*)*"
_ATTR_PATH = rf"(?:{_URN}:)?{_ATTR_NAME}(?:\.{_ATTR_NAME})?"

# RFC 8259 sections 6 and 7. Control characters have to be escaped there.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_TOKEN = re.compile(
    rf"[ \t\r\n]*(?:(?P<path>{_ATTR_PATH})|(?P<string>{_STRING})|(?P<number>{_NUMBER})"
    rf"|\.(?P<sub>{_ATTR_NAME})|(?P<mark>[()\[\]]))"
)
_BLANK = re.compile(r"[ \t\r\n]*")
# What every provisioning cycle sends for every user: userName eq "x".
_PLAIN = re.compile(
    rf'(?![aA][nN][dD] |[oO][rR] |[nN][oO][tT] )({_ATTR_PATH}) +[eE][qQ] +"([^"\\\x00-\x1f]*)"'
)
_SCHEMA_ONLY = re.compile(_URN)
_NAME_ONLY = re.compile(_ATTR_NAME)
_RESERVED = frozenset({"and", "or", "not"})


def parse_filter(text: str) -> Filter:
    """Return the syntax tree of a filter.

    :raises InvalidFilter: with the column where reading stopped.

    RFC 7644 section 3.4.2.2.
    """
    return _cached(text)


def attr_path(text: str) -> AttrPath:
    """Return the parts of a name that the grammar allows; its URN ends at the last colon."""
    urn, colon, rest = text.rpartition(":")
    name, _, sub = rest.partition(".")
    return AttrPath(urn if colon else None, name, sub or None)


class Reader:
    """Reads one text from left to right; PATCH paths are read with it too.

    :param text: The whole filter or path.
    :param refusal: What is raised when it can't be read.
    """

    def __init__(
        self, text: str, refusal: type[InvalidFilter | InvalidPath] = InvalidFilter
    ) -> None:
        self.text = text
        self.refusal = refusal
        self.position = 0
        self.depth = 0
        self.terms = 0
        self._look()

    # FILTER    = attrExp / logExp / valuePath / *1"not" "(" FILTER ")"
    # logExp    = FILTER SP ("and" / "or") SP FILTER
    # "and" binds stronger than "or" (section 3.4.2.2, order of operations).
    def filter(self, *, inside: bool = False) -> Filter:
        """Read a filter; ``inside`` brackets there are no other brackets."""
        terms = [self._and(inside)]
        while self.word == "or":
            self._next()
            terms.append(self._and(inside))
        return disjunction(terms)

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.kind is not None or self._rest() < len(self.text):
            self.fail('Expected "and", "or" or the end')

    def fail(self, what: str, cure: str = "correct it") -> NoReturn:
        """Refuse the text here."""
        raise self.refusal(f"{what}; {cure}.", self._rest() + 1)

    def nested(self, node: Filter) -> Filter:
        """Make sure that a filter isn't nested too deep, and return it."""
        if nesting(node) > MAX_NESTING:
            self.fail(
                f'"and", "or" and brackets stand more than {MAX_NESTING} deep in each other',
                "send a flatter filter",
            )
        return node

    def take(self, mark: str) -> bool:
        """Read one of ``( ) [ ]`` if it comes next."""
        if self.kind != "mark" or self.token != mark:
            return False
        self._next()
        return True

    def brackets(self) -> Filter:
        """Read what follows an opening bracket, up to the closing one."""
        self._deeper()
        term = self.filter(inside=True)
        if not self.take("]"):
            self.fail('Expected "and", "or" or "]"')
        self.depth -= 1
        return self.nested(term)

    def name(self) -> AttrPath:
        """Read the name of an attribute."""
        if self.kind != "path" or self.word in _RESERVED:
            self.fail("Expected the name of an attribute")
        path = attr_path(self.token)
        self._next()
        return path

    def sub(self) -> str:
        """Read the sub-attribute that follows brackets."""
        name = self.token
        self._next()
        return name

    def _and(self, inside: bool) -> Filter:
        terms = [self._term(inside)]
        while self.word == "and":
            self._next()
            terms.append(self._term(inside))
        return conjunction(terms)

    def _term(self, inside: bool) -> Filter:
        if self.word == "not":
            self._next()
            if not self.take("("):
                self.fail('Expected "(" after "not"')
            return negation(self._parentheses(inside))
        if self.take("("):
            return self._parentheses(inside)
        path = self.name()
        if not self.take("["):
            return self._expression(path)
        if inside:
            self.fail("Brackets can't stand inside brackets")
        if path.sub is not None:
            self.fail("Brackets can't follow a sub-attribute")
        term = self.brackets()
        if self.kind == "sub":
            sub = AttrPath(None, self.sub())
            term = conjunction((term, self._expression(sub)))
        return Select(path, term)

    def _parentheses(self, inside: bool) -> Filter:
        self._deeper()
        term = self.filter(inside=inside)
        if not self.take(")"):
            self.fail('Expected "and", "or" or ")"')
        self.depth -= 1
        return term

    # attrExp   = (attrPath SP "pr") / (attrPath SP compareOp SP compValue)
    def _expression(self, path: AttrPath) -> Filter:
        self.terms += 1
        if self.terms > MAX_TERMS:
            self.fail(f"The filter has more than {MAX_TERMS} comparisons", "send several")
        if self.word == "pr":
            self._next()
            return Present(path)
        if self.word not in _OPERATORS:
            self.fail("Expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr")
        op = cast("Operator", self.word)
        self._next()
        return Compare(path, op, self._value())

    # compValue = false / null / true / number / string        (as in RFC 8259)
    def _value(self) -> Literals:
        value: Literals
        if self.kind == "string":
            value = json.loads(self.token)
            if not is_storable(cast("str", value)):
                self.fail("A string can't have a NUL character or half of a surrogate pair")
        elif self.kind == "number":
            value = self._number()
        elif self.word in _WORDS:
            value = _WORDS[self.word]
        else:
            self.fail('Expected a value: a string in quotation marks ("), a number, true or false')
        self._next()
        return value

    def _number(self) -> int | float:
        if self.token.lstrip("-").isdigit():
            # Python reads no integer of more than 4300 digits, and no database has so many.
            number = int(self.token) if len(self.token) <= 20 else 2**64
            if -(2**63) <= number < 2**63:
                return number
        elif math.isfinite(value := float(self.token)):
            return value
        return self.fail("The number is too large")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"More than {MAX_DEPTH} parentheses or brackets stand in each other")

    def _rest(self) -> int:
        """Where the next token begins."""
        blank = cast("re.Match[str]", _BLANK.match(self.text, self.position))
        return blank.end()

    def _next(self) -> None:
        self.position = self._end
        self._look()

    def _look(self) -> None:
        """Look at the next token: its kind, its text, and in lower case if it is a word."""
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            self.kind, self.token, self.word, self._end = None, "", "", self.position
            return
        self.kind = match.lastgroup
        self.token = match[cast("str", self.kind)]
        self.word = self.token.lower() if self.kind == "path" else ""
        self._end = match.end()


def is_storable(text: str) -> bool:
    """Whether every database can take a string: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _parse(text: str) -> Filter:
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"The filter is longer than {MAX_LENGTH} characters; shorten it.")
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        path, value = plain.groups()
        if is_storable(value):
            return Compare(attr_path(path), "eq", value)
    reader = Reader(text)
    node = reader.filter()
    reader.end()
    return reader.nested(node)


_cached = kept(_parse)


def is_plain_name(text: str) -> bool:
    """Whether a text is the name of an attribute, without a URN or a sub-attribute."""
    return _NAME_ONLY.fullmatch(text) is not None and text.lower() not in _RESERVED


def is_schema_urn(text: str) -> bool:
    """Whether a text has the form of a schema's URN."""
    return _SCHEMA_ONLY.fullmatch(text) is not None
