"""How well a directory fills what the portal maps, and what it sends that nobody maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..mapping.access import reading
from ..mapping.bindings.base import Keeping
from ..mapping.resources import ResourceMapping
from ..scim.projection import Projection
from .changes import view_of
from .paging import read
from .redaction import redact
from .scope import Scope

__all__ = ["SAMPLE", "UNCOUNTED", "Coverage", "Seen", "coverage_of"]

SAMPLE = 200
"""How many of those whom an integration knows are looked at; all would grow with the directory."""

UNCOUNTED = frozenset({"id", "meta", "members", "groups", "schemas"})
"""What isn't looked at: every resource has it, or it lives in tables that grow."""

_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Seen:
    """One attribute as it is found.

    :ivar count: how many have it.
    :ivar value: that of the one who was changed last; None where nobody has one to be shown.
    :ivar mapped: whether it lives in the portal's own tables, or only beside them.
    """

    count: int
    value: str | None
    mapped: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a resource type is filled.

    :ivar looked_at: how many were looked at, at most ``SAMPLE``.
    :ivar attributes: by flat key.
    """

    looked_at: int
    attributes: Mapping[str, Seen]


def coverage_of(scope: Scope, mapping: ResourceMapping) -> Coverage:
    """Look at some of those whom an integration knows, by the index of its external ids."""
    external, links = mapping.models.external_id.__table__, mapping.links
    projection = Projection.of(mapping.resource_type, (), ("members", "groups"))
    plan = reading.plan_for(mapping, projection)
    known = (
        sa.select(external.c.link_id)
        .where(
            external.c.integration_id == sa.bindparam("integration"),
            external.c.resource_type == mapping.table.name,
        )
        .order_by(external.c.external_id)
        .limit(SAMPLE)
        .subquery()
    )
    statement = plan.select.where(links.c.id.in_(sa.select(known.c.link_id)))
    view = view_of(scope, mapping)
    parameters = {"integration": scope.integration_id}
    found = read(scope, lambda link: reading.execute(plan, statement, parameters, view, link=link))
    found.sort(key=lambda item: item.last_modified)
    attributes: dict[str, Seen] = {}
    for item in found:
        for key, value in item.flat.items():
            if key in UNCOUNTED or value in (None, "", []):
                continue
            binding = mapping.bindings[key]
            before = attributes.get(key)
            attributes[key] = Seen(
                1 if before is None else before.count + 1,
                None if binding.attribute.hidden else _told(key, value, scope.hidden),
                binding.keeping is not Keeping.LINK,
            )
    return Coverage(len(found), attributes)


def _told(key: str, value: Any, hidden: frozenset[str]) -> str:
    """Return a value in a few words, without secrets."""
    name = key.rpartition(":")[2]
    value = redact({name: value}, hidden)[name]
    if isinstance(value, list):
        parts = [each.get("value", each) if isinstance(each, dict) else each for each in value]
        text = ", ".join(str(part) for part in parts)
    elif isinstance(value, dict):
        whole = value.get("formatted") or value.get("displayName") or value.get("value")
        text = str(whole or " ".join(str(part) for part in value.values()))
    else:
        text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
