"""Pages of a search: by index (RFC 7644 section 3.4.2.4), or by cursor (RFC 9865)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..mapping.access import searching
from ..mapping.access.reading import Unlinked
from ..mapping.resources import ResourceMapping
from ..scim import across
from ..scim.cursors import Position, Seal
from ..scim.errors import InvalidCursor, NotImplementedHere
from ..scim.filters import AttrPath, Filter, render
from ..scim.messages import SearchRequest
from ..scim.projection import Projection
from .answers import Page, body
from .changes import view_of
from .scope import Scope
from .work import unit_of_work

__all__ = ["Search", "page_by_cursor", "page_by_index", "read"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Search:
    """A search that has been understood.

    :ivar mappings: the resource types that are searched, in their order.
    :ivar count: how many resources a page has at most.
    :ivar projections: by the endpoint of a resource type.
    """

    mappings: Sequence[ResourceMapping]
    node: Filter | None
    sort_by: AttrPath | None
    descending: bool
    count: int
    projections: Mapping[str, Projection]

    def narrowed(self, mapping: ResourceMapping) -> tuple[Filter | None, AttrPath | None]:
        """Return what filter and order mean for one of the resource types."""
        if len(self.mappings) == 1:
            return self.node, self.sort_by
        types = [each.resource_type for each in self.mappings]
        node = self.node and across.narrowed(self.node, mapping.resource_type, types)
        path = self.sort_by
        own = path is not None and across.is_defined(path, (mapping.resource_type,))
        return node, path if own else None


def read(scope: Scope, work: Callable[[bool], T]) -> T:
    """Run a use case that reads; should it need links, again in a transaction that writes them."""
    try:
        with unit_of_work(scope.session):
            return work(False)
    except Unlinked:
        return scope.work.run(scope.session, lambda: work(True))


def page_by_index(scope: Scope, search: Search, start_index: int) -> Page:
    """Return the page that begins at an index.

    :param start_index: 1-based.
    """

    def work(link: bool) -> tuple[list[dict[str, Any]], int]:
        resources: list[dict[str, Any]] = []
        total = 0
        offset = start_index - 1
        for mapping in search.mappings:
            projection = search.projections[mapping.endpoint]
            node, sort_by = search.narrowed(mapping)
            found, matching = searching.fetch_page(
                mapping,
                view_of(scope, mapping, search.node),
                node=node,
                sort_by=sort_by,
                descending=search.descending,
                offset=max(0, offset - total),
                limit=max(0, search.count - len(resources)),
                projection=projection,
                link=link,
            )
            total += matching
            resources += [body(mapping, item, projection) for item in found]
        return resources, total

    resources, total = read(scope, work)
    return Page(resources, total, start_index)


def page_by_cursor(scope: Scope, search: Search, request: SearchRequest, seal: Seal | None) -> Page:
    """Return the page that a cursor asks for.

    The matches are counted when the search begins; later pages answer that number again.

    :raises InvalidCursor: when the cursor isn't one of this search.
    :raises ExpiredCursor: when it has been used too late.
    :raises NotImplementedHere: when there is nothing to seal cursors with.

    RFC 9865 section 2.
    """
    if seal is None:
        raise NotImplementedHere(
            "This portal has no SECRET_KEY to seal cursors with; ask for pages by startIndex."
        )
    binding = (
        str(scope.integration_id),
        *(mapping.endpoint for mapping in search.mappings),
        None if request.filter is None else render(request.filter),
        request.sort_by,
        request.sort_order,
    )
    start = seal.open(request.cursor, binding, time.time()) if request.cursor else Position()
    if start.part >= len(search.mappings):
        raise InvalidCursor

    def work(link: bool) -> tuple[list[dict[str, Any]], Position | None, int]:
        total = start.total
        if total is None:
            total = sum(_count(scope, search, mapping) for mapping in search.mappings)
        resources: list[dict[str, Any]] = []
        position: Position | None = start
        while position is not None and len(resources) < search.count:
            found, position = _next(
                scope, search, position, search.count - len(resources), link=link
            )
            resources += found
        while position is not None and position.after is None and resources:
            # This page ended with one resource type; it is the last if the next types have none.
            if _count(scope, search, search.mappings[position.part]):
                break
            position = _beyond(search, position.part)
        return resources, position, total

    resources, position, total = read(scope, work)
    following = None
    if position is not None and search.count > 0:
        place = Position(position.part, position.after, total)
        following = seal.close(place, binding, time.time())
    return Page(resources, total, None, following)


def _count(scope: Scope, search: Search, mapping: ResourceMapping) -> int:
    return searching.count_matching(
        mapping, view_of(scope, mapping, search.node), search.narrowed(mapping)[0]
    )


def _beyond(search: Search, part: int) -> Position | None:
    return Position(part + 1) if part + 1 < len(search.mappings) else None


def _next(
    scope: Scope, search: Search, position: Position, limit: int, *, link: bool
) -> tuple[list[dict[str, Any]], Position | None]:
    """Return resources of one type, and where it goes on; with the next type, when it is over."""
    mapping = search.mappings[position.part]
    projection = search.projections[mapping.endpoint]
    node, sort_by = search.narrowed(mapping)
    found, after = searching.fetch_after(
        mapping,
        view_of(scope, mapping, search.node),
        position.after,
        node=node,
        sort_by=sort_by,
        descending=search.descending,
        limit=limit,
        projection=projection,
        link=link,
    )
    resources = [body(mapping, item, projection) for item in found]
    if after is None:
        return resources, _beyond(search, position.part)
    return resources, Position(position.part, after)
