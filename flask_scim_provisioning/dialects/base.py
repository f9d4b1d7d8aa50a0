"""What a dialect is, and the leniency that all of them share."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from ..scim.attributes import ResourceType
from ..scim.errors import AccountRefused, DecisionWaits, InvalidSyntax, ScimError, shown
from ..scim.filters import Filter
from ..scim.patch import Operation
from . import filters, operations, values
from .filters import ComparisonRewrite, FilterRewriter, Repair
from .notes import Notes, leave
from .operations import BodyRewrite, OperationRewriter, TextRewrite
from .values import Rewrite, ValueRewriter

# What an attribute mapping can mend; who is protected or deleted isn't a matter of mapping.
_MAPPED = frozenset({"invalidFilter", "invalidPath", "invalidValue", "uniqueness"})


class Dialect:
    """How one identity provider speaks SCIM: request in, RFC-clean request out.

    A subclass is a list of rewrites, small named functions that each say where their habit was
    seen, and of rules that the protocol leaves to the service.
    """

    name: ClassVar[str]
    """What an integration is stored with."""

    title: ClassVar[str]
    """What an administrator reads."""

    mapping_page: ClassVar[str] = ""
    """Where its administrator changes what is sent, in its own words; empty if nobody can know."""

    create_missing: ClassVar[bool] = False
    """Whether a PATCH whose filter matches no element creates one."""

    lenient: ClassVar[bool] = False
    """Whether a PATCH of an unknown or read-only attribute is ignored rather than refused."""

    put_keeps_absent: ClassVar[bool] = False
    """Whether a PUT leaves alone what it doesn't name, where RFC 7644 would clear it."""

    skip_unknown_members: ClassVar[bool] = False
    """Whether members that the service doesn't know are skipped rather than refused."""

    put_clears_members: ClassVar[bool] = False
    """Whether a PUT of a group without ``members`` means that it has none."""

    requested: ClassVar[tuple[str, ...]] = ()
    """What is answered on request only, and is answered to this provider always."""

    whole_rewrites: ClassVar[tuple[Rewrite, ...]] = values.WHOLE
    """Applied to the value of a whole attribute."""

    leaf_rewrites: ClassVar[tuple[Rewrite, ...]] = values.LEAF
    """Applied to the value of a simple attribute or sub-attribute."""

    body_rewrites: ClassVar[tuple[BodyRewrite, ...]] = ()
    """Applied to the whole body of a POST or PUT."""

    placeholder_rewrites: ClassVar[tuple[BodyRewrite, ...]] = ()
    """Take placeholders out of the body of a POST, where the team doesn't want them."""

    pathless_rewrites: ClassVar[tuple[BodyRewrite, ...]] = (operations.without_unchangeable_keys,)
    """Applied to the value of a PATCH operation without a path."""

    text_rewrites: ClassVar[tuple[TextRewrite, ...]] = ()
    """Applied to the value of a PATCH operation without a path where it is a string."""

    filter_repairs: ClassVar[tuple[Repair, ...]] = (
        filters.without_trailing_junk,
        filters.with_quoted_values,
    )
    """Tried on the text of a filter that can't be read."""

    comparison_rewrites: ClassVar[tuple[ComparisonRewrite, ...]] = (
        filters.reference_by_its_value,
        filters.boolean_compared_as_boolean,
    )
    """Applied to each comparison of a filter."""

    @cached_property
    def _values(self) -> ValueRewriter:
        return ValueRewriter(self.whole_rewrites, self.leaf_rewrites)

    @cached_property
    def _filters(self) -> FilterRewriter:
        return FilterRewriter(self.filter_repairs, self.comparison_rewrites)

    @cached_property
    def _operations(self) -> OperationRewriter:
        return OperationRewriter(
            self._filters, self._values, self.pathless_rewrites, self.text_rewrites
        )

    def resource(self, body: Any, resource_type: ResourceType, notes: Notes) -> Mapping[str, Any]:
        """Return the body of a POST or PUT as the RFC has it.

        Unknown attributes and schema URNs stay; who reads the resource ignores them.

        :raises InvalidSyntax: when the body is no JSON object.
        """
        if not isinstance(body, Mapping):
            raise InvalidSyntax("The body isn't a resource; send a JSON object.")
        for rewrite in self.body_rewrites:
            body = rewrite(body, notes)
        body = extension_attributes_at_their_place(body, resource_type, notes)
        return {
            name: self._attribute(name, value, resource_type, notes) for name, value in body.items()
        }

    def operations(
        self, sent: Iterable[Operation], resource_type: ResourceType, notes: Notes
    ) -> list[Operation]:
        """Return the operations of a PATCH as the RFC has them.

        :raises InvalidValue: when a value to remove doesn't say which.
        """
        return self._operations.operations(sent, resource_type, notes)

    def filter(self, text: str, notes: Notes) -> Filter:
        """Return the tree of a search's filter, as the RFC has it.

        :raises InvalidFilter: when it can't be read.
        """
        return self._filters.filter(text, notes)

    def requested_with(self, _body: Any) -> tuple[str, ...]:
        """Return what the answer to a body has that is answered on request only."""
        return self.requested

    def explained(self, error: ScimError) -> str:
        """Return the detail of a refusal, with the page where what was sent can be changed.

        The detail is all that the logs of Entra and Okta show of an answer.
        """
        mends = error.scim_type in _MAPPED and not isinstance(error, DecisionWaits | AccountRefused)
        if not self.mapping_page or not mends:
            return error.detail
        return f"{error.detail} ({self.mapping_page})"

    def _attribute(self, name: str, value: Any, resource_type: ResourceType, notes: Notes) -> Any:
        schema = resource_type.schema_named(name)
        if schema is not None and isinstance(value, Mapping):
            return {
                inner: self._attribute(f"{schema.id}:{inner}", item, resource_type, notes)
                for inner, item in value.items()
            }
        found = None if value is None else resource_type.find(None, name)
        if found is None:
            return value
        return self._values.value(found[1], value, found[1].name, notes)


def extension_attributes_at_their_place(
    body: Mapping[str, Any], resource_type: ResourceType, notes: Notes
) -> Mapping[str, Any]:
    """``department`` and ``manager`` at the top level belong to the enterprise extension.

    Source: Entra's documentation, example 2; older clients send them so, often as ``null``. What
    the extension object says itself wins.
    """
    misplaced = {}
    for name in body:
        found = None if ":" in name else resource_type.find(None, name)
        if found is not None and ":" in found[0]:
            misplaced[name] = found[0].rpartition(":")
    if not misplaced:
        return body
    rewritten = {name: value for name, value in body.items() if name not in misplaced}
    keys = {name.lower(): name for name in reversed(rewritten)}
    extensions: dict[str, dict[str, Any] | None] = {}
    given: dict[str, set[str]] = {}
    for name, (urn, _, attribute) in misplaced.items():
        if urn not in extensions:
            extension = rewritten.get(keys.get(urn.lower(), urn))
            extension = {} if extension is None else extension
            extensions[urn] = dict(extension) if isinstance(extension, Mapping) else None
            given[urn] = set(map(str.lower, extensions[urn] or ()))
        inner = extensions[urn]
        if inner is not None and attribute.lower() not in given[urn]:
            inner[attribute] = body[name]
            given[urn].add(attribute.lower())
            leave(notes, f"{shown(name)} read as {urn}:{attribute}")
    for urn, inner in extensions.items():
        if inner is not None:
            rewritten[keys.get(urn.lower(), urn)] = inner
    return rewritten
