"""Existing people in bulk: who would be a directory's, by what, and making them so.

A portal that knows whom its directory has needn't wait for each of them to be met: they are linked
beforehand, in batches, and nothing of the portal's rows is written.
"""

from __future__ import annotations

import csv
import enum
import io
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.access.predicates import where
from ..mapping.bindings.slots import Slot
from ..mapping.host.keys import HostKey
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ResourceMapping
from ..models import Models, utcnow
from ..scim.filters import Compare, Or, attr_path
from . import conflicts, takeover
from .activity import Action, record_administration
from .errors import IntegrationInvalid
from .integration_views import IntegrationView
from .work import run_transaction

__all__ = ["BY", "Adopted", "Outcome", "Person", "Report", "adopt", "count_unlinked", "read_people"]

BY: Mapping[str, str] = {"userName": "userName", "emails": "emails.value"}
"""By what people of the portal are met, and the path of it."""

_AT_ONCE = 200
_LONGEST = 255


class Outcome(enum.StrEnum):
    """What becomes of one of the directory's people."""

    LINKED = "linked"
    KNOWN = "known"
    UNKNOWN = "unknown"
    GUARDED = "guarded"
    UNVERIFIED = "unverified"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Person:
    """One of the directory's people."""

    user_name: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """One of the directory's people, and what becomes of them.

    :ivar name: What the portal calls whom it has met; None for nobody.
    :ivar link_id: The SCIM id, where there is one.
    """

    user_name: str
    external_id: str | None
    outcome: Outcome
    name: str | None = None
    link_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of all of them.

    :ivar counts: How many, by outcome.
    """

    counts: Mapping[str, int]
    people: Sequence[Adopted]

    @classmethod
    def of(cls, people: Iterable[Adopted]) -> Report:
        """Count them."""
        found = list(people)
        counts = Counter(person.outcome.value for person in found)
        return cls({each.value: counts[each.value] for each in Outcome}, found)

    @property
    def left(self) -> Sequence[Adopted]:
        """Those who aren't linked, before or now."""
        linked = (Outcome.LINKED, Outcome.KNOWN)
        return [person for person in self.people if person.outcome not in linked]

    def summary(self, linked: str) -> str:
        """Return a line for people; ``linked`` is what is said of those who are linked."""
        rest = [
            f"{count:,} {name}" for name, count in self.counts.items() if name != Outcome.LINKED
        ]
        return ", ".join([f"{self.counts[Outcome.LINKED]:,} {linked}", *rest])


@dataclass(frozen=True, slots=True)
class _Found:
    key: HostKey
    link_id: str | None
    name: str
    value: str
    verified: bool
    free: bool


def read_people(text: str) -> Iterator[Person]:
    """Yield the people of a CSV file or of JSON lines, with ``userName`` and ``externalId``.

    :raises IntegrationInvalid: when a line isn't one.
    """
    begins = text.lstrip("\ufeff \t\r\n")[:1]
    rows: Iterable[Any] = _json_lines(text) if begins == "{" else _csv_rows(text)
    for number, row in enumerate(rows, 1):
        name, external_id = row.get("userName"), row.get("externalId")
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST:
            raise IntegrationInvalid(
                "people", f"Person {number} has no userName of at most {_LONGEST} characters."
            )
        if external_id is not None and (
            not isinstance(external_id, str) or len(external_id) > _LONGEST
        ):
            raise IntegrationInvalid(
                "people", f"The externalId of person {number} is no text of {_LONGEST} characters."
            )
        yield Person(name.strip(), (external_id or "").strip() or None)


def _json_lines(text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise IntegrationInvalid("people", f"Line {number} is no JSON object.")
        yield row


def _csv_rows(text: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    if "userName" not in (reader.fieldnames or ()):
        raise IntegrationInvalid(
            "people", "The first line of a CSV file names its columns: userName,externalId."
        )
    try:
        yield from reader
    except csv.Error as error:
        raise IntegrationInvalid("people", f"That is no CSV file: {error}.") from None


def count_unlinked(
    session: Session, mapping: ResourceMapping, view: IntegrationView
) -> dict[str, int]:
    """Return how many ``people`` the portal has, and how many ``unlinked`` no directory has yet."""
    eyes = _eyes(session, mapping, view)
    links = mapping.links
    mine = sa.case((links.c.id.is_(None), 1), (links.c.local.is_(True), 1), else_=0)
    statement = (
        mapping.table.linked(sa.func.count(), sa.func.coalesce(sa.func.sum(mine), 0))
        .where(links.c.deleted.is_(None))
        .where(*mapping.table.boundaries())
    )
    every, local = eyes.execute(statement).one()
    return {"people": int(every), "unlinked": int(local)}


def _eyes(session: Session, mapping: ResourceMapping, view: IntegrationView) -> Viewpoint:
    connection = session.connection(bind_arguments={"mapper": mapping.table.mapper})
    # The statements of a batch are long, and each is used once.
    connection = connection.execution_options(compiled_cache=None)
    return Viewpoint(session, connection, view.id, mapping.tenants_of(view.tenant), "")


def adopt(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    view: IntegrationView,
    people: Iterable[Person],
    *,
    by: str = "userName",
    dry_run: bool = False,
    actor: str | None = None,
) -> Iterator[Adopted]:
    """Link existing people with a directory's, and yield what becomes of each.

    Nothing of the portal's rows is written; what the directory sends from now on is. Who is
    protected, met by an address that isn't verified, or one of several, is left for the inbox.

    :param by: A key of ``BY``: where the portal has what the directory calls ``userName``.
    :param dry_run: Only tell.
    :param actor: Who does it, for the activity log.
    :raises IntegrationInvalid: when people can't be met so.
    """
    if by not in BY or mapping.bindings.get(by) is None or not mapping.bindings[by].searchable():
        raise IntegrationInvalid("by", f"Choose one of these: {', '.join(BY)}.")
    if mapping.reads_only:
        raise IntegrationInvalid("people", "This portal's people can be read over SCIM only.")
    waiting = iter(people)
    while batch := list(islice(waiting, _AT_ONCE)):

        def work(batch: Sequence[Person] = batch) -> list[Adopted]:
            return _batch(session, models, mapping, view, batch, by, dry_run, actor)

        yield from run_transaction(session, work)


def _batch(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    view: IntegrationView,
    people: Sequence[Person],
    by: str,
    dry_run: bool,
    actor: str | None,
) -> list[Adopted]:
    eyes = _eyes(session, mapping, view)
    met: dict[str, dict[HostKey, _Found]] = {}
    for found in _met(eyes, mapping, people, by):
        met.setdefault(found.value.lower(), {})[found.key] = found
    results: list[Adopted] = []
    chosen: dict[HostKey, int] = {}
    for person in people:
        candidates = list(met.get(person.user_name.lower(), {}).values())
        outcome = _outcome(candidates, by)
        first = candidates[0] if candidates else None
        if outcome is Outcome.LINKED and first is not None:
            if first.key in chosen:
                outcome = Outcome.KNOWN  # the same person once more
            else:
                chosen[first.key] = len(results)
        results.append(
            Adopted(
                person.user_name,
                person.external_id,
                outcome,
                None if first is None else first.name,
                None if first is None else first.link_id,
            )
        )
    for key in takeover.guards_of(mapping, eyes, list(chosen)):
        place = chosen.pop(key)
        results[place] = replace(results[place], outcome=Outcome.GUARDED)
    if chosen and not dry_run:
        _link(session, models, mapping, view, eyes, chosen, results, by, actor)
    return results


def _outcome(candidates: Sequence[_Found], by: str) -> Outcome:
    free = [found for found in candidates if found.free]
    if not candidates:
        return Outcome.UNKNOWN
    if len(candidates) > 1:
        return Outcome.AMBIGUOUS
    if not free:
        return Outcome.KNOWN
    if by != "userName" and not free[0].verified:
        return Outcome.UNVERIFIED
    return Outcome.LINKED


def _met(
    eyes: Viewpoint, mapping: ResourceMapping, people: Sequence[Person], by: str
) -> Iterator[_Found]:
    """Yield the portal's people who are met, in one statement for the batch."""
    table, links = mapping.table, mapping.links
    name = mapping.bindings[mapping.lookup_key].slot(None)
    value = name if by == "userName" else mapping.bindings[by].slot("value")
    if name is None or value is None:
        raise IntegrationInvalid(
            "by", "This portal has its e-mail addresses in rows of their own; use userName."
        )
    statement = table.linked(
        links.c.id,
        links.c.local,
        name.expression,
        value.expression,
        takeover.verified_email(mapping).label("proven"),
        *table.key.columns,
    )
    names = [person.user_name for person in people]
    statement = statement.where(
        _has_one_of(mapping, value, BY[by], names, eyes.backend),
        links.c.deleted.is_(None),
        *table.boundaries(),
    )
    read = table.key.reader(5)
    for row in eyes.execute(statement).all():
        shown, met = name.read(row[2]), value.read(row[3])
        yield _Found(
            read(row), row[0], str(shown), str(met), bool(row[4]), row[0] is None or bool(row[1])
        )


def _has_one_of(
    mapping: ResourceMapping, slot: Slot, path: str, names: Sequence[str], backend: str
) -> sa.ColumnElement[bool]:
    """Return SQL that says whether somebody has one of many names, as a filter would say it.

    A list costs a hundredth of as many comparisons, where the database knows the letters.
    """
    plain = slot.textual and slot.own is None and not slot.attribute.case_exact
    listed: list[str] = []
    compared: list[str] = []
    for name in names:
        known = plain and backend in ("sqlite", "postgresql") and name.isascii()
        (listed if known and "\0" not in name else compared).append(name)
    conditions: list[sa.ColumnElement[bool]] = []
    if listed:
        lowered = [name.lower() for name in listed]
        conditions.append(sa.func.lower(slot.expression).in_(lowered))
    terms = tuple(Compare(attr_path(path), "eq", name) for name in compared)
    if terms:
        conditions.append(where(mapping, terms[0] if len(terms) == 1 else Or(terms), backend))
    return sa.or_(*conditions)


def _link(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    view: IntegrationView,
    eyes: Viewpoint,
    chosen: Mapping[HostKey, int],
    results: list[Adopted],
    by: str,
    actor: str | None,
) -> None:
    matches = [
        conflicts.Match(key, results[place].link_id, (by,), verified=True)
        for key, place in chosen.items()
    ]
    ids = conflicts.link_ids(mapping, eyes.connection, matches)
    links = mapping.links
    mine = list(
        eyes.connection.scalars(
            sa.select(links.c.id)
            .where(links.c.id.in_(list(ids.values())), links.c.local.is_(True))
            .with_for_update()
        )
    )
    # Whom the portal has disabled stays so, whatever the directory sends.
    disabled = _disabled_among(mapping, eyes, list(chosen))
    for ids_of, remembered in (
        ([ids[key] for key in chosen if key not in disabled], None),
        ([ids[key] for key in disabled], False),
    ):
        some = links.c.id.in_(ids_of), links.c.local.is_(True)
        eyes.connection.execute(sa.update(links).where(*some).values(local=remembered))
    conflict = models.conflict.__table__
    session.execute(sa.delete(conflict).where(conflict.c.link_id.in_(mine)))
    claimed = set(mine)
    external, told = [], []
    for key, place in chosen.items():
        result = results[place]
        if ids[key] not in claimed:
            results[place] = replace(result, outcome=Outcome.KNOWN, link_id=ids[key])
            continue
        results[place] = replace(result, link_id=ids[key])
        told.append((ids[key], result.name or result.user_name))
        if result.external_id is not None:
            external.append((ids[key], result.external_id))
    _keep_external_ids(eyes, models, mapping, view.id, external)
    if told:
        record_administration(
            session,
            models,
            tenant=view.tenant,
            integration_id=view.id,
            action=Action.USER_ADOPTED,
            actor=actor,
            now=utcnow(),
            detail="Linked beforehand; the portal's profile is as it was",
            changes={"by": [by]},
            people=told,
        )


def _disabled_among(
    mapping: ResourceMapping, eyes: Viewpoint, keys: Sequence[HostKey]
) -> set[HostKey]:
    """Return those of some people whom the portal has disabled."""
    state = None if mapping.state is None else mapping.state.slot(None)
    if state is None:
        return set()
    table = mapping.table
    statement = sa.select(state.expression, *table.key.columns).where(table.key.among("keys"))
    read = table.key.reader(1)
    rows = eyes.execute(statement, {"keys": list(keys)}).all()
    return {read(row) for row in rows if state.read(row[0]) is False}


def _keep_external_ids(
    eyes: Viewpoint,
    models: Models,
    mapping: ResourceMapping,
    integration_id: uuid.UUID,
    external: Sequence[tuple[str, str]],
) -> None:
    """Keep what the directory calls them, where that isn't in the portal's own rows."""
    if not external or not mapping.is_apart("externalId"):
        return
    table = models.external_id.__table__
    # Nobody has one of this directory's yet: who has was claimed by its first request.
    eyes.connection.execute(
        sa.delete(table).where(
            table.c.integration_id == integration_id,
            table.c.resource_type == mapping.table.name,
            table.c.link_id.in_([link for link, _ in external]),
        )
    )
    eyes.connection.execute(
        sa.insert(table),
        [
            {
                "id": uuid.uuid4(),
                "integration_id": integration_id,
                "resource_type": mapping.table.name,
                "link_id": link,
                "external_id": external_id,
            }
            for link, external_id in external
        ],
    )
