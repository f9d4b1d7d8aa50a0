"""Filters that aren't quite in the grammar of RFC 7644 section 3.4.2.2.

The strict parser of ``scim.filters`` is the judge: a repair is tried only on what it refuses, and
what it refuses after the repair is refused with the first error.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import assert_never

from ..scim.errors import InvalidFilter
from ..scim.filters import (
    MAX_LENGTH,
    And,
    Compare,
    Filter,
    Not,
    Or,
    Present,
    Select,
    parse_filter,
)
from .notes import Notes, leave

Repair = Callable[[str, Notes], str]
ComparisonRewrite = Callable[[Compare, Notes], Compare]

_REFERENCES = frozenset({"manager", "members"})
_BOOLEANS = frozenset({"active", "primary"})

# The searches that nearly every request is made of need no second look.
_PLAIN = re.compile(r'(?:userName|externalId|displayName|id) eq "[^"\\]*"', re.IGNORECASE)
_LITERAL = re.compile(r'("(?:[^"\\]|\\.)*")')
_BARE_VALUE = re.compile(
    r"""\b(?P<before>(?:eq|ne|co|sw|ew|gt|ge|lt|le)\s+)(?:'(?P<single>[^']*)'|(?P<bare>[^\s"'()\[\]]+))""",
    re.IGNORECASE,
)
_JSON_LITERAL = re.compile(r"true|false|null|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
_BRACKET_COMPARED = re.compile(r"\](?=\s+(?:eq|ne|co|sw|ew)\s)", re.IGNORECASE)


def without_trailing_junk(text: str, notes: Notes) -> str:
    """Drop separators of the query string that stand at the end.

    Source: OneLogin ends its filters in ``&``; a stray ``;`` or ``?`` comes the same way.
    """
    cut = text.rstrip(" \t\r\n&;?")
    if cut != text.rstrip():
        leave(notes, "separator at the end of the filter ignored")
    return cut


def with_quoted_values(text: str, notes: Notes) -> str:
    """Put a value without quotation marks, or with single ones, into double ones.

    Source: Entra's documentation, example 1: ``externalId eq jyoung``.
    """
    pieces = _LITERAL.split(text)
    pieces[::2] = [_BARE_VALUE.sub(_quoted, piece) for piece in pieces[::2]]
    quoted = "".join(pieces)
    if quoted != text:
        leave(notes, "filter value without quotation marks read as a string")
    return quoted


def _quoted(match: re.Match[str]) -> str:
    bare = match["bare"]
    if bare is not None and _JSON_LITERAL.fullmatch(bare):
        return match[0]
    value = bare if bare is not None else match["single"]
    escaped = value.replace("\\", "\\\\")
    return f'{match["before"]}"{escaped}"'


def with_value_after_bracket(text: str, notes: Notes) -> str:
    """Read ``emails[type eq "work"] eq "x"`` as ``emails[type eq "work"].value eq "x"``.

    Source: an older edition of Entra's documentation prints the match query without ``.value``.
    """
    pieces = _LITERAL.split(text)
    pieces[::2] = [_BRACKET_COMPARED.sub("].value", piece) for piece in pieces[::2]]
    completed = "".join(pieces)
    if completed != text:
        leave(notes, "comparison with a value path read as one with its value")
    return completed


def reference_by_its_value(node: Compare, notes: Notes) -> Compare:
    """``manager eq "x"`` compares ``manager.value``, and ``members eq "x"`` ``members.value``.

    Source: Entra's reference checks, ``id eq "…" and manager eq "…"``.
    """
    if node.path.sub is not None or node.path.name.lower() not in _REFERENCES:
        return node
    leave(notes, f"{node.path.name} in a filter read as {node.path.name}.value")
    return replace(node, path=replace(node.path, sub="value"))


def boolean_compared_as_boolean(node: Compare, notes: Notes) -> Compare:
    """``roles[primary eq "True"]`` compares with ``true``.

    Source: Entra's mappings for a single role; its validator sends them too.
    """
    name = (node.path.sub or node.path.name).lower()
    if name not in _BOOLEANS or not isinstance(node.value, str):
        return node
    folded = node.value.strip().lower()
    if folded not in ("true", "false"):
        return node
    leave(notes, f'string "{node.value.strip()}" read as {folded} in a filter on {name}')
    return replace(node, value=folded == "true")


class FilterRewriter:
    """Applies repairs to the text of a filter and rewrites to its comparisons.

    :param repairs: Tried in order on what the parser refuses.
    :param comparisons: Applied in order to each comparison.
    """

    def __init__(self, repairs: Iterable[Repair], comparisons: Iterable[ComparisonRewrite]) -> None:
        self._repairs = tuple(repairs)
        self._comparisons = tuple(comparisons)

    def filter(self, text: str, notes: Notes) -> Filter:
        """Return the tree of a filter in RFC form.

        :raises InvalidFilter: when it can't be read, repaired or not.
        """
        if _PLAIN.fullmatch(text):
            return parse_filter(text)
        return self.tree(self._parsed(text, notes), notes)

    def repaired(self, text: str, notes: Notes) -> str:
        """Return the text after all repairs; what is too long for the parser isn't looked at."""
        if len(text) > MAX_LENGTH:
            return text
        for repair in self._repairs:
            text = repair(text, notes)
        return text

    def _parsed(self, text: str, notes: Notes) -> Filter:
        try:
            return parse_filter(text)
        except InvalidFilter as refusal:
            fresh: list[str] = []
            repaired = self.repaired(text, fresh)
            try:
                node = parse_filter(repaired)
            except InvalidFilter:
                raise refusal from None
            for sentence in fresh:
                leave(notes, sentence)
            return node

    def tree(self, node: Filter, notes: Notes) -> Filter:
        """Return the filter with its comparisons rewritten."""
        match node:
            case Compare():
                for rewrite in self._comparisons:
                    node = rewrite(node, notes)
                return node
            case And(terms=terms):
                return And(tuple(self.tree(term, notes) for term in terms))
            case Or(terms=terms):
                return Or(tuple(self.tree(term, notes) for term in terms))
            case Not(term=term):
                return Not(self.tree(term, notes))
            case Select(path=path, term=term):
                return Select(path, self.tree(term, notes))
            case Present():
                return node
            case _:
                assert_never(node)
