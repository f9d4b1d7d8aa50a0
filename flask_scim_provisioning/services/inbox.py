"""The inbox of an integration: who waits for a decision, and what speaks for and against it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.access import reading, writing
from ..mapping.access.reading import Found, Unlinked
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..models import Models, utcnow
from ..scim.errors import TemporarilyUnavailable
from ..scim.projection import Projection
from .activity import Action, record_administration
from .conflicts import Decision, Reason
from .errors import IntegrationInvalid
from .integration_views import IntegrationView, get_integration
from .redaction import hidden_names, redact
from .takeover import guards_of
from .work import run_transaction

__all__ = [
    "Candidate",
    "Detail",
    "Difference",
    "InboxPage",
    "Row",
    "decide",
    "decide_all",
    "detail",
    "page",
]

_HIGHEST = 2**63 - 1
_SHOWN_GROUPS = 20
_NOT_COMPARED = frozenset({"externalId", "password", "members", "schemas", "id", "meta", "groups"})
_SENTENCES: Mapping[Decision | None, str] = {
    Decision.LINK: "Take over, and write the directory's profile",
    Decision.KEEP: "Take over, and keep the portal's profile",
    Decision.REFUSE: "Leave alone: the directory doesn't get this person",
    None: "Ask again",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt that waits, or was decided about.

    :ivar look_up: The name that the directory gives the person.
    :ivar name: What the portal calls the one whom it meets.
    :ivar people: How many it meets.
    :ivar count: How often the directory has tried.
    """

    id: int
    look_up: str
    external_id: str | None
    link_id: str
    matches: Sequence[Mapping[str, Any]]
    reason: Reason
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    first_at: datetime
    last_at: datetime
    count: int
    name: str

    @property
    def people(self) -> int:
        """How many people of the portal are met."""
        return len(self.matches)


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Some of them, the newest first.

    :ivar next_before: Give it to ``page(before=...)`` for the older ones; None on the last page.
    """

    rows: Sequence[Row]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute that the directory has otherwise.

    :ivar kept: Why it stays as it is all the same; empty where it would be written.
    """

    attribute: str
    now: str
    sent: str
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person of the portal whom the directory's may be.

    :ivar by: By what they were met.
    :ivar guard: Why nobody takes them over without being asked; None where nothing speaks for it.
    :ivar knows_sign_in: Whether the portal says when people signed in last.
    """

    link_id: str
    name: str
    by: Sequence[str]
    verified: bool
    guard: str | None
    active: bool
    knows_sign_in: bool
    last_sign_in: str | None
    roles: Sequence[str]
    groups: Sequence[str]
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Detail:
    """One attempt with its evidence; ``candidates`` has those who are still there."""

    row: Row
    candidates: Sequence[Candidate]


def _rows(models: Models, mapping: ResourceMapping) -> sa.Select[Any]:
    table, links, host = models.conflict.__table__, mapping.links, mapping.table
    return (
        sa.select(table, mapping.display.expression.label("shown"))
        .select_from(table)
        .join(links, links.c.id == table.c.link_id)
        .join(host.model, host.key.same(host.link_key))
        .where(links.c.deleted.is_(None))
    )


def _row(mapping: ResourceMapping, row: Any) -> Row:
    shown, convert = row.shown, mapping.display.from_host
    if shown is not None and convert is not None:
        shown = convert(shown)
    return Row(
        id=row.id,
        look_up=row.look_up,
        external_id=row.external_id,
        link_id=row.link_id,
        matches=row.matches,
        reason=Reason(row.reason),
        decision=None if row.decision is None else Decision(row.decision),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        first_at=row.first_at,
        last_at=row.last_at,
        count=row.count,
        name=str(shown or row.look_up),
    )


def page(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    integration_id: uuid.UUID,
    *,
    decided: bool = False,
    limit: int = 50,
    before: int | None = None,
) -> InboxPage:
    """Return one page of those who wait, or of those who were decided about, the newest first.

    Who is gone, or the directory's by now, doesn't wait.

    :param before: ``InboxPage.next_before`` of the page before.
    """
    table = models.conflict.__table__
    statement = (
        _rows(models, mapping)
        .where(table.c.integration_id == integration_id, *_open(models, mapping, decided))
        .order_by(table.c.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(table.c.id < before)
    rows = session.execute(statement, bind_arguments={"mapper": mapping.table.mapper}).all()
    found = [_row(mapping, row) for row in rows[:limit]]
    return InboxPage(found, found[-1].id if len(rows) > limit else None)


def _open(models: Models, mapping: ResourceMapping, decided: bool) -> list[Any]:
    table = models.conflict.__table__
    if decided:
        return [table.c.decision.is_not(None)]
    return [table.c.decision.is_(None), mapping.links.c.local.is_(True)]


def detail(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    view: IntegrationView,
    conflict_id: int,
) -> Detail | None:
    """Return one attempt with what speaks for and against it; None where there is none."""
    table = models.conflict.__table__
    if not 0 < conflict_id < _HIGHEST:
        return None
    statement = _rows(models, mapping).where(
        table.c.integration_id == view.id, table.c.id == conflict_id
    )
    row = session.execute(statement, bind_arguments={"mapper": mapping.table.mapper}).first()
    if row is None:
        return None
    found, sent = _row(mapping, row), row.sent

    def evidence(link: bool) -> list[Candidate]:
        connection = session.connection(bind_arguments={"mapper": mapping.table.mapper})
        eyes = Viewpoint(session, connection, view.id, mapping.tenants_of(view.tenant), "")
        made = (_candidate(eyes, mapping, view, match, sent, link) for match in found.matches)
        return [candidate for candidate in made if candidate is not None]

    try:
        return Detail(found, evidence(False))
    except Unlinked:
        return Detail(found, run_transaction(session, lambda: evidence(True)))


def _candidate(
    eyes: Viewpoint,
    mapping: ResourceMapping,
    view: IntegrationView,
    match: Mapping[str, Any],
    sent: Any,
    link: bool,
) -> Candidate | None:
    everything = Projection.of(mapping.resource_type, list(mapping.bindings), ("password",))
    found = reading.fetch_one(mapping, match["id"], eyes, everything, link=link)
    if found is None or not found.local:
        return None
    try:
        entity = writing.existing_entity(mapping, eyes.session, found.host_key)
    except TemporarilyUnavailable:
        return None
    flat = found.flat
    return Candidate(
        link_id=found.id,
        name=str(flat.get(mapping.lookup_key)),
        by=match["by"],
        verified=bool(match["verified"]),
        guard=guards_of(mapping, eyes, [found.host_key]).get(found.host_key),
        active=flat.get(ACTIVE) is not False,
        knows_sign_in=mapping.options.last_sign_in is not None,
        last_sign_in=_last_sign_in(mapping, entity),
        roles=_values(flat.get("roles")),
        groups=_values(flat.get("groups")),
        differences=list(_differences(mapping, view, found, sent)),
    )


def _last_sign_in(mapping: ResourceMapping, entity: Any) -> str | None:
    declared = mapping.options.last_sign_in
    if declared is None:
        return None
    value = getattr(entity, mapping.table.attribute(declared).key)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return None if value is None else str(value)


def _values(found: Any) -> list[str]:
    """Return what the values of a multi-valued attribute are called."""
    if not isinstance(found, list):
        return []
    shown = [
        str(each.get("display") or each.get("value")) if isinstance(each, Mapping) else str(each)
        for each in found
    ]
    more = len(shown) - _SHOWN_GROUPS
    return shown if more <= 0 else [*shown[:_SHOWN_GROUPS], f"and {more} more"]


def _differences(
    mapping: ResourceMapping, view: IntegrationView, found: Found, sent: Any
) -> Iterator[Difference]:
    """Yield what the directory has otherwise; of what nobody may read, nothing."""
    if not isinstance(sent, Mapping):
        return
    hidden = hidden_names([mapping.resource_type])
    for key, value in sent.items():
        binding = mapping.bindings.get(key)
        if binding is None or key in _NOT_COMPARED or key.rpartition(":")[2].lower() in hidden:
            continue
        now = found.flat.get(key)
        old, new = (_shown(redact({key: each}, hidden)[key]) for each in (now, value))
        if old == new or (key == mapping.lookup_key and old.lower() == new.lower()):
            continue
        kept = ""
        if key == ACTIVE and now is False:
            kept = "The portal has disabled this person, who stays disabled."
        elif (
            key == "emails"
            and mapping.options.signs_in_by_email
            and not view.policies.may_rewrite_sign_in_email
        ):
            kept = "It is what this person signs in with, and stays."
        yield Difference(key.rpartition(":")[2], old or "nothing", new or "nothing", kept)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return "; ".join(_shown(each) for each in value)
        case Mapping():
            kept = {name: part for name, part in value.items() if name not in ("$ref", "type")}
            if list(kept) == ["value"] or (set(kept) == {"value", "primary"}):
                return _shown(kept["value"])
            return ", ".join(f"{name} {_shown(part)}" for name, part in sorted(kept.items()))
        case _:
            return str(value)


def decide(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    tenant: str,
    integration_id: uuid.UUID | str,
    conflict_id: int,
    *,
    decision: str,
    person: str | None = None,
    actor: str | None = None,
) -> Row:
    """Decide what becomes of somebody whom the portal had before.

    It is done when the directory tries again.

    :param decision: ``"link"``, ``"keep"``, ``"refuse"``, or ``"ask"`` to let it wait again.
    :param person: The SCIM id of whom it is, where the attempt meets several.
    :param actor: Who decides, for the activity log.
    :raises IntegrationNotFound: when the tenant has no such integration.
    :raises IntegrationInvalid: when there is nothing to decide, or nobody was chosen.
    """
    chosen = _decision(decision)
    table, now = models.conflict.__table__, utcnow()

    def work() -> Row:
        view = get_integration(session, models, tenant, integration_id)
        conditions = [table.c.integration_id == view.id, table.c.id == conflict_id]
        session.execute(sa.select(table.c.id).where(*conditions).with_for_update())
        found = None
        if 0 < conflict_id < _HIGHEST:
            statement = _rows(models, mapping).where(*conditions)
            arguments = {"mapper": mapping.table.mapper}
            found = session.execute(statement, bind_arguments=arguments).first()
        if found is None:
            raise IntegrationInvalid(
                "decision",
                "There is nothing to decide any more: the person is gone, or the directory has "
                "them by now.",
            )
        row = _row(mapping, found)
        ids = [match["id"] for match in row.matches]
        whom: str = row.link_id
        if chosen in (Decision.LINK, Decision.KEEP) and (len(ids) > 1 or person):
            if person is None or person not in ids:
                raise IntegrationInvalid("person", "Choose whom of the people it is.")
            whom = person
        _write(session, models, [row.id], chosen, actor, now, link_id=whom)
        record_administration(
            session,
            models,
            tenant=tenant,
            integration_id=view.id,
            action=Action.CONFLICT_DECIDED,
            actor=actor,
            now=now,
            detail=_SENTENCES[chosen],
            changes={"decision": decision},
            people=[(whom, row.look_up)],
        )
        return row

    return run_transaction(session, work)


def decide_all(
    session: Session,
    models: Models,
    mapping: ResourceMapping,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    decision: str,
    until: int = _HIGHEST,
    actor: str | None = None,
) -> tuple[int, int]:
    """Decide the same of all who wait, and return how many were decided and how many still wait.

    Whoever is protected, met by an address that isn't verified, or one of several, can't be taken
    over together with others; they can be left alone so.

    :param decision: ``"link"``, ``"keep"`` or ``"refuse"``.
    :param until: The id of the newest that the administrator has seen.
    :raises IntegrationNotFound: when the tenant has no such integration.
    :raises IntegrationInvalid: when the decision is none.
    """
    table, now = models.conflict.__table__, utcnow()

    def work() -> tuple[int, int]:
        view = get_integration(session, models, tenant, integration_id)
        chosen = _decision(decision)
        if chosen is None:
            raise IntegrationInvalid("decision", "Choose what becomes of them.")
        statement = (
            sa.select(table.c.id, table.c.look_up, table.c.link_id, table.c.reason)
            .join(mapping.links, mapping.links.c.id == table.c.link_id)
            .where(
                table.c.integration_id == view.id,
                mapping.links.c.deleted.is_(None),
                *_open(models, mapping, False),
            )
            .order_by(table.c.id)
        )
        arguments = {"mapper": mapping.table.mapper}
        rows = session.execute(statement, bind_arguments=arguments).all()
        those = [
            row
            for row in rows
            if row.id <= until and (chosen is Decision.REFUSE or row.reason == Reason.POLICY)
        ]
        if those:
            _write(session, models, [row.id for row in those], chosen, actor, now)
            record_administration(
                session,
                models,
                tenant=tenant,
                integration_id=view.id,
                action=Action.CONFLICT_DECIDED,
                actor=actor,
                now=now,
                detail=f"{_SENTENCES[chosen]}; decided for {len(those)} together",
                changes={"decision": decision},
                people=[(row.link_id, row.look_up) for row in those],
            )
        return len(those), len(rows) - len(those)

    return run_transaction(session, work)


def _decision(text: str) -> Decision | None:
    if text == "ask":
        return None
    try:
        return Decision(text)
    except ValueError:
        raise IntegrationInvalid("decision", "Choose what becomes of this person.") from None


_AT_ONCE = 500


def _write(
    session: Session,
    models: Models,
    ids: Sequence[int],
    decision: Decision | None,
    actor: str | None,
    now: datetime,
    link_id: str | None = None,
) -> None:
    table = models.conflict.__table__
    values: dict[str, Any] = {
        "decision": None if decision is None else decision.value,
        "decided_by": None if decision is None or actor is None else actor[:255],
        "decided_at": None if decision is None else now,
    }
    if link_id is not None:
        values["link_id"] = link_id
    for start in range(0, len(ids), _AT_ONCE):
        some = table.c.id.in_(ids[start : start + _AT_ONCE])
        session.execute(sa.update(table).where(some).values(values))
