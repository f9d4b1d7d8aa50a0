"""What the pages show, made from what the services return: words, badges, moments."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import url_for

from ..scim.remedies import REMEDIES
from ..services import refusals
from ..services.activity import ActivityEntry
from ..services.failures import FailureGroup
from ..services.health import Health, Problem, Severity, State
from ..services.integrations import TYPES, IntegrationView
from ..services.names import Names
from ..services.policies import POLICIES
from ..services.refusals import RefusedRequests
from ..services.tokens import TokenView
from ..state import current_provisioning
from .guides import Provider, provider_named
from .sentences import sentence

__all__ = [
    "Badge",
    "DoorPage",
    "EntryPage",
    "FailurePage",
    "HealthPage",
    "IntegrationPage",
    "Moment",
    "ProblemPage",
    "RoleTable",
    "TokenPage",
    "present",
    "tabs",
    "trail",
]

_VERBS = ("CREATE", "READ", "UPDATE", "DELETE")
_RESOURCES = ("USERS", "GROUPS", "BINDINGS")


@dataclass(frozen=True)
class Badge:
    """A state in a word, an icon and a colour, so that none of them stands alone.

    :ivar tone: ``"good"``, ``"info"``, ``"warn"``, ``"bad"`` or ``"plain"``.
    """

    label: str
    tone: str
    icon: str


ACTIVE = Badge("Active", "good", "check")
ATTENTION = Badge("Needs attention", "warn", "alert")

_STATES: Mapping[State, Badge] = {
    State.DRAFT: Badge("Draft", "plain", "dash"),
    State.WAITING: Badge("Waiting for first request", "info", "clock"),
    State.ACTIVE: ACTIVE,
    State.ATTENTION: ATTENTION,
    State.PAUSED: Badge("Paused", "info", "pause"),
    State.DISABLED: Badge("Disabled", "plain", "cross"),
    State.DECOMMISSIONED: Badge("Removed", "plain", "trash"),
}
_TONES: Mapping[Severity, str] = {
    Severity.INFO: "info",
    Severity.WARNING: "warn",
    Severity.BAD: "bad",
}


def _outcome(entry: ActivityEntry) -> Badge:
    status = "" if entry.status is None else f" {entry.status}"
    match entry.outcome:
        case "ok":
            return Badge("Done", "good", "check")
        case "refused":
            return Badge(f"Refused{status}", "warn", "alert")
        case _:
            return Badge(f"Failed{status}", "bad", "cross")


@dataclass(frozen=True)
class Moment:
    """An instant: for machines in full, for people as near as it is."""

    iso: str
    text: str

    @classmethod
    def of(cls, value: datetime | None, now: datetime) -> Moment | None:
        """Say when it is or was, as seen from ``now``."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return cls(value.isoformat(timespec="seconds"), _in_words(value, now.astimezone(UTC)))


def _in_words(value: datetime, now: datetime) -> str:
    distance = abs(now - value)
    ahead = value > now
    for unit, length, below in (
        ("minute", timedelta(minutes=1), 60),
        ("hour", timedelta(hours=1), 24),
        ("day", timedelta(days=1), 14),
    ):
        count = round(distance / length)
        if count == 0:
            return "in a moment" if ahead else "just now"
        if count < below:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if ahead else f"{words} ago"
    return f"{value.day} {value:%b %Y}"


@dataclass(frozen=True)
class IntegrationPage:
    """An integration on a page."""

    id: uuid.UUID
    name: str
    description: str
    type: str
    enabled: bool
    paused: bool
    provider: Provider
    endpoint: str
    url: str
    created: Moment | None
    last_request: Moment | None
    service_account: str

    @classmethod
    def of(cls, view: IntegrationView, endpoint: str, now: datetime) -> IntegrationPage:
        """Present it.

        :param endpoint: The absolute URL of its SCIM base.
        """
        return cls(
            id=view.id,
            name=view.name,
            description=view.description,
            type=TYPES.get(view.type, view.type),
            enabled=view.enabled,
            paused=view.paused is not None,
            provider=provider_named(view.dialect),
            endpoint=endpoint,
            url=url_for("scim_console.show", integration_id=view.id),
            created=Moment.of(view.created, now),
            last_request=Moment.of(view.last_used, now),
            service_account=view.service_account,
        )


def present(view: IntegrationView, now: datetime) -> IntegrationPage:
    """Present an integration, with the address that identity providers reach it by."""
    endpoint = current_provisioning.endpoint_url(view.tenant, view.id)
    return IntegrationPage.of(view, endpoint, now)


_TABS = (
    ("Overview", "show"),
    ("Failures", "show_failures"),
    ("Inbox", "show_inbox"),
    ("People", "show_people"),
    ("Groups", "show_groups"),
    ("Leavers", "show_leavers"),
    ("Activity", "show_activity"),
    ("Mapping", "show_mapping"),
    ("Credentials", "show_credentials"),
    ("Connect", "connect"),
    ("Settings", "edit"),
)


def tabs(integration_id: uuid.UUID, current: str) -> list[tuple[str, str, bool]]:
    """Return the pages of an integration: names, where they are, and which is the present one."""
    return [
        (label, url_for(f"scim_console.{view}", integration_id=integration_id), view == current)
        for label, view in _TABS
    ]


def trail(*steps: IntegrationView | str) -> list[tuple[str, str | None]]:
    """Return the way from the list of integrations to a page: names, and where they lead."""
    found: list[tuple[str, str | None]] = [("Provisioning", url_for("scim_console.index"))]
    for step in steps:
        if isinstance(step, str):
            found.append((step, None))
        else:
            found.append((step.name, url_for("scim_console.show", integration_id=step.id)))
    return found


_TARGETS: Mapping[str, tuple[str, str, str]] = {
    "rotate": ("scim_console.rotate", "", "Make a new token"),
    "failures": ("scim_console.show_failures", "", "Show what failed"),
    "attention": ("scim_console.show_failures", "scim-skipped", "Show who was left out"),
    "door": ("scim_console.show_failures", "scim-door", "Show what was refused"),
    "inbox": ("scim_console.show_inbox", "", "Open the inbox"),
    "enable": ("scim_console.show", "scim-switch", "Go to the switch"),
    "guide": ("scim_console.connect", "", "Open the setup guide"),
    "credentials": ("scim_console.show_credentials", "", "Show the tokens"),
    "leavers": ("scim_console.show_leavers", "", "Show what is held"),
}


@dataclass(frozen=True)
class ProblemPage:
    """One problem on a page: a reason, since when, one thing to do, and where."""

    tone: str
    reason: str
    todo: str
    since: Moment | None
    url: str
    label: str

    @classmethod
    def of(cls, problem: Problem, integration_id: uuid.UUID, now: datetime) -> ProblemPage:
        """Present it."""
        url, label = target_of(problem.target, integration_id)
        return cls(
            tone=_TONES[problem.severity],
            reason=problem.reason,
            todo=problem.todo,
            since=Moment.of(problem.since, now),
            url=url,
            label=label,
        )


def target_of(target: str, integration_id: uuid.UUID) -> tuple[str, str]:
    """Return the page where something is to be done, and what the way there is called."""
    endpoint, anchor, label = _TARGETS[target]
    return url_for(endpoint, integration_id=integration_id, _anchor=anchor or None), label


@dataclass(frozen=True)
class HealthPage:
    """The state of an integration on a page.

    :ivar url: Where the one thing is to be done; empty where there is nothing to do.
    """

    badge: Badge
    reason: str
    since: Moment | None
    todo: str
    url: str
    label: str
    last_request: Moment | None
    problems: Sequence[ProblemPage]
    count: int

    @classmethod
    def of(cls, health: Health, now: datetime) -> HealthPage:
        """Present it."""
        url, label = ("", "")
        if health.target:
            url, label = target_of(health.target, health.integration_id)
        return cls(
            badge=_STATES[health.state],
            reason=health.reason,
            since=Moment.of(health.since, now),
            todo=health.todo,
            url=url,
            label=label,
            last_request=Moment.of(health.last_request, now),
            problems=[
                ProblemPage.of(problem, health.integration_id, now) for problem in health.problems
            ],
            count=sum(problem.severity is not Severity.INFO for problem in health.problems),
        )


@dataclass(frozen=True)
class RoleTable:
    """A role as a table: one row for each resource, one column for each verb."""

    name: str
    verbs: Sequence[str]
    rows: Sequence[tuple[str, Sequence[bool]]]

    @classmethod
    def of(cls, view: IntegrationView) -> RoleTable | None:
        """Present the role of an integration's service account; None if it has none."""
        if view.role is None:
            return None
        resources = [*_RESOURCES, *(name for name in view.permissions if name not in _RESOURCES)]
        rows = [
            (name, [verb in view.permissions.get(name, ()) for verb in _VERBS])
            for name in resources
        ]
        return cls(view.role, _VERBS, rows)


@dataclass(frozen=True)
class TokenPage:
    """A token on a page: never its secret."""

    id: uuid.UUID
    key_id: str
    label: str
    state: Badge
    active: bool
    facts: Sequence[tuple[str, Moment | None, str]]
    created: Moment | None
    last_used: Moment | None

    @classmethod
    def of(cls, view: TokenView, now: datetime) -> TokenPage:
        """Present it."""
        active = view.is_active(now)
        if active and view.ends is not None:
            state = Badge("Active, expires", "warn", "clock")
        elif active and view.first_used is None and view.last_used is None:
            state = Badge("Not used yet", "info", "clock")
        elif active:
            state = ACTIVE
        elif view.revoked is not None:
            state = Badge("Revoked", "plain", "cross")
        else:
            state = Badge("Expired", "plain", "clock")
        return cls(
            id=view.id,
            key_id=view.key_id,
            label=view.label or "",
            state=state,
            active=active,
            facts=list(_token_facts(view, now)),
            created=Moment.of(view.created, now),
            last_used=Moment.of(view.last_used, now),
        )


def _token_facts(view: TokenView, now: datetime) -> Iterator[tuple[str, Moment | None, str]]:
    """Yield what is to be said of a token: a name, a moment, and words after it."""
    by = f"by {view.created_by}" if view.created_by else ""
    yield "Created", Moment.of(view.created, now), by
    where = [f"from {view.last_used_address}"] if view.last_used_address else []
    where += [view.last_used_agent] if view.last_used_agent else []
    yield "Last used", Moment.of(view.last_used, now), ", ".join(where)
    if view.revoked is not None:
        by = f"by {view.revoked_by}" if view.revoked_by else ""
        yield "Revoked", Moment.of(view.revoked, now), by
        return
    yield "Expires", Moment.of(view.ends, now), ""
    if view.successor_id is not None and view.retires is None and view.ends is None:
        if view.overlap_seconds is None:
            yield "Replaced", None, "It goes on working until it is revoked."
        else:
            yield "Replaced", None, "It goes on working until the new one was used."


def _before(name: str, value: Any) -> str:
    """Return what a setting was before somebody edited it."""
    policy = POLICIES.get(name)
    if policy is None:
        return f"{name} was “{value}”"
    match value:
        case bool():
            shown = "yes" if value else "no"
        case None:
            shown = "empty"
        case _:
            shown = str(value)
    return f"“{policy.title}” was {shown}"


@dataclass(frozen=True)
class EntryPage:
    """An entry of the activity log on a page.

    :ivar url: Of its own page.
    :ivar integration: The name of its integration, where a page has those of several.
    """

    id: int
    title: str
    subject: str
    detail: str
    badges: Sequence[Badge]
    notes: Sequence[str]
    at: Moment | None
    facts: Sequence[tuple[str, str]]
    payload: str
    url: str
    integration: str = ""

    @classmethod
    def of(
        cls, entry: ActivityEntry, now: datetime, names: Names, integration: str = ""
    ) -> EntryPage:
        """Present it.

        :param names: As ``services.names.names_of`` returns them.
        """
        subject = ""
        if entry.actor is not None:
            subject = f"by {entry.actor}"
        elif entry.count > 1:
            subject = f"{entry.count:,} requests alike"
        detail = entry.detail or ""
        was = (entry.changes or {}).get("was")
        if was:
            detail = "; ".join(_before(name, value) for name, value in was.items())
        return cls(
            id=entry.id,
            title=sentence(entry, names),
            subject=subject,
            detail=detail,
            badges=[
                _outcome(entry),
                *([ATTENTION] if entry.attention and not entry.dismissed else ()),
            ],
            notes=list(entry.notes or ()),
            at=Moment.of(entry.latest, now),
            facts=[(name, value) for name, value in _facts(entry) if value],
            payload="" if entry.payload is None else _as_json(entry.payload),
            url=url_for(
                "scim_console.show_entry", integration_id=entry.integration_id, entry_id=entry.id
            ),
            integration=integration,
        )


def _facts(entry: ActivityEntry) -> Iterator[tuple[str, str]]:
    if entry.count > 1:
        yield "Requests", f"{entry.count:,} alike, of which this is the latest"
        yield "First", f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield "Time", f"{entry.latest.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield "Asked for", " ".join(filter(None, (entry.method, entry.path)))
    yield "HTTP status", "" if entry.status is None else str(entry.status)
    yield "SCIM error", entry.scim_type or ""
    yield "Duration", "" if entry.duration_ms is None else f"{entry.duration_ms:.1f} ms"
    yield entry.resource_type or "Resource", entry.resource_id or ""
    skipped = (entry.changes or {}).get("skipped")
    yield "Left out", ", ".join(skipped) if skipped else ""
    changes = entry.changes or {}
    yield "Met by", ", ".join(changes.get("by", ()))
    yield "Decided by", changes.get("decided_by") or ""
    yield "Request", entry.request_id or ""
    yield "Address", entry.address or ""
    yield "Token", entry.key_id or ""


def _as_json(payload: Any) -> str:
    return json.dumps(payload, indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class FailurePage:
    """Failures with one cause on a page.

    :ivar text: What to send to the provider's administrator; without secrets.
    """

    title: str
    detail: str
    requests: str
    since: Moment | None
    latest: Moment | None
    people: Sequence[str]
    more_people: int
    remedy: str
    place: str
    text: str
    url: str
    cause: str
    until: int

    @classmethod
    def of(cls, group: FailureGroup, page: IntegrationPage, now: datetime) -> FailurePage:
        """Present them."""
        people = [subject.shown for subject in group.subjects[:_SHOWN_PEOPLE]]
        remedy = REMEDIES.get(group.error, REMEDIES["InternalError"]).replace("`", "")
        what = _attempt(group)
        requests = "1 request" if group.requests == 1 else f"{group.requests:,} requests"
        return cls(
            title=what,
            detail=group.detail or f"The answer was {group.status}.",
            requests=f"More than {requests}" if group.more else requests,
            since=Moment.of(group.since, now),
            latest=Moment.of(group.latest, now),
            people=people,
            more_people=group.subject_count - len(people),
            remedy=remedy,
            place=page.provider.mappings,
            text=_for_the_provider(group, page, what, requests, remedy),
            url=url_for(
                "scim_console.show_activity",
                integration_id=group.integration_id,
                cause=group.cause,
            ),
            cause=group.cause,
            until=group.latest_id,
        )


_SHOWN_PEOPLE = 10


def _attempt(group: FailureGroup) -> str:
    """Return what couldn't be done, to how many: "Couldn't create 60 people"."""
    kind, _, verb = group.action.partition(".")
    verbs = {
        "created": "create",
        "updated": "change",
        "replaced": "change",
        "deactivated": "deactivate",
        "reactivated": "reactivate",
        "deleted": "delete",
        "read": "read",
        "searched": "search",
        "members.changed": "change the members of",
    }
    several = group.subject_count != 1
    nouns = {"user": "people" if several else "person", "group": "groups" if several else "group"}
    if verb not in verbs:
        return "Couldn't answer"
    noun = nouns.get(kind, "resources")
    if verb == "searched" or not group.subject_count:
        return f"Couldn't {verbs[verb]} {noun}"
    return f"Couldn't {verbs[verb]} {group.subject_count} {noun}"


def _for_the_provider(
    group: FailureGroup, page: IntegrationPage, what: str, requests: str, remedy: str
) -> str:
    """Return what an administrator sends to the one of the identity provider."""
    shown = group.subjects[:_SHOWN_PEOPLE]
    more = group.subject_count - len(shown)
    lines = [
        f"{what} over SCIM ({page.name}).",
        f"{requests} since {_exact(group.since)}, the latest at {_exact(group.latest)}.",
        f"Reason: {group.detail or group.status}",
        f"What to do in {page.provider.title}: {remedy}",
    ]
    if page.provider.mappings:
        lines.append(f"Where: {page.provider.mappings}")
    if shown:
        names = ", ".join(subject.shown for subject in shown)
        lines.append(f"Whom: {names}{f' and {more} more' if more > 0 else ''}")
    if group.request_ids:
        lines.append(f"Request ids: {', '.join(group.request_ids)}")
    return "\n".join(lines)


def _exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class DoorPage:
    """Requests that were refused at the door for one cause, on a page."""

    title: str
    remedy: str
    count: str
    since: Moment | None
    latest: Moment | None
    rows: Sequence[tuple[str, str, str, Moment | None, str]]
    cause: str
    until: int
    dismissed: bool

    @classmethod
    def of(cls, rows: Sequence[RefusedRequests], now: datetime) -> DoorPage:
        """Present those of one cause.

        :param rows: The latest first.
        """
        cause = rows[0].cause
        about = next((row.about for row in rows if row.about is not None), None)
        count = sum(row.count for row in rows)
        when = "" if about is None else f" on {about.astimezone(UTC):%-d %B %Y}"
        return cls(
            title=f"Refused {refusals.TITLES[cause]}{when}",
            remedy=refusals.REMEDIES[cause],
            count="1 request" if count == 1 else f"{count:,} requests",
            since=Moment.of(min(row.first_at for row in rows), now),
            latest=Moment.of(rows[0].last_at, now),
            rows=[
                (
                    row.address or "Several addresses",
                    row.key_id or "",
                    f"{row.count:,}",
                    Moment.of(row.last_at, now),
                    row.user_agent or "",
                )
                for row in rows[:_SHOWN_PEOPLE]
            ],
            cause=cause,
            until=max(row.id for row in rows),
            dismissed=all(row.dismissed for row in rows),
        )
