"""The syntax tree of a filter, what can be asked of it, and its text (RFC 7644 section 3.4.2.2)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

__all__ = [
    "And",
    "AttrPath",
    "Compare",
    "Filter",
    "Literals",
    "Not",
    "Operator",
    "Or",
    "Present",
    "Select",
    "conjunction",
    "disjunction",
    "leaves",
    "negation",
    "nesting",
    "render",
]

Operator = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
Literals: TypeAlias = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class AttrPath:
    """The name of an attribute: ``[urn ":"] name ["." sub]``, as it was written.

    ``name`` is empty where a PATCH path is nothing but a URN that doesn't end like a name.
    """

    urn: str | None
    name: str
    sub: str | None = None

    def __str__(self) -> str:
        qualified = ":".join(part for part in (self.urn, self.name) if part)
        return qualified if self.sub is None else f"{qualified}.{self.sub}"


@dataclass(frozen=True, slots=True)
class Compare:
    """An attribute beside a value, which its ``repr`` hides: it may be somebody's address."""

    path: AttrPath
    op: Operator
    value: Literals = field(repr=False)


@dataclass(frozen=True, slots=True)
class Present:
    """An attribute that has a value: ``pr``."""

    path: AttrPath


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more terms; none of them is an ``And`` itself."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more terms; none of them is an ``Or`` itself."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a term; without a third truth value.

    In what the parser returns, the term is a ``Compare``, a ``Present`` or a ``Select``.
    """

    term: "Filter"


@dataclass(frozen=True, slots=True)
class Select:
    """One element of a multi-valued attribute that satisfies the term: ``emails[…]``."""

    path: AttrPath
    term: "Filter"


Filter: TypeAlias = Compare | Present | And | Or | Not | Select


def conjunction(terms: Iterable[Filter]) -> Filter:
    """Return ``and`` over one or more terms, flat."""
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, And) else (term,))
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjunction(terms: Iterable[Filter]) -> Filter:
    """Return ``or`` over one or more terms, flat."""
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, Or) else (term,))
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def negation(term: Filter) -> Filter:
    """Return the contrary of a filter: ``not`` at its comparisons only, however often it is said.

    Nothing is unknown to a filter, so that the laws of De Morgan hold.
    """
    match term:
        case Not(term=inner):
            return inner
        case And(terms=terms):
            return disjunction(map(negation, terms))
        case Or(terms=terms):
            return conjunction(map(negation, terms))
        case _:
            return Not(term)


def nesting(node: Filter) -> int:
    """Return how deep ``and``, ``or`` and brackets stand in each other."""
    match node:
        case And(terms=terms) | Or(terms=terms):
            return 1 + max(map(nesting, terms))
        case Not(term=term):
            return nesting(term)
        case Select(term=term):
            return 1 + nesting(term)
        case _:
            return 0


def leaves(node: Filter) -> int:
    """Return how many comparisons a filter makes."""
    match node:
        case And(terms=terms) | Or(terms=terms):
            return sum(map(leaves, terms))
        case Not(term=term) | Select(term=term):
            return leaves(term)
        case _:
            return 1


def render(node: Filter) -> str:
    """Return the text of a filter; parsing it gives the same tree."""
    match node:
        case Compare(path=path, op=op, value=value):
            return f"{path} {op} {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        case Present(path=path):
            return f"{path} pr"
        case And(terms=terms):
            return " and ".join(
                f"({render(term)})" if isinstance(term, Or) else render(term) for term in terms
            )
        case Or(terms=terms):
            return " or ".join(render(term) for term in terms)
        case Not(term=term):
            return f"not ({render(term)})"
        case Select(path=path, term=term):
            return f"{path}[{render(term)}]"
        case _:
            assert_never(node)
