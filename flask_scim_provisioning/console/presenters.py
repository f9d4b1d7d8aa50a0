"""What the pages show, made from what the services return: words, badges, moments."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import url_for

from ..services.activity import Action, ActivityEntry, AttentionCount
from ..services.integrations import TYPES, IntegrationView
from ..services.tokens import TokenView
from ..state import current_provisioning
from .guides import Provider, provider_named

__all__ = [
    "AttentionPage",
    "Badge",
    "EntryPage",
    "IntegrationPage",
    "Moment",
    "RoleTable",
    "TokenPage",
    "headline",
    "present",
    "trail",
]

_VERBS = ("CREATE", "READ", "UPDATE", "DELETE")
_RESOURCES = ("USERS", "GROUPS", "BINDINGS")

_TITLES: Mapping[str, str] = {
    Action.USER_CREATED: "Person created",
    Action.USER_UPDATED: "Person updated",
    Action.USER_REPLACED: "Person updated",
    Action.USER_DEACTIVATED: "Person deactivated",
    Action.USER_REACTIVATED: "Person reactivated",
    Action.USER_DELETED: "Person deleted",
    Action.USER_READ: "Person read",
    Action.USER_SEARCHED: "People searched",
    Action.GROUP_CREATED: "Group created",
    Action.GROUP_UPDATED: "Group updated",
    Action.GROUP_REPLACED: "Group updated",
    Action.GROUP_DELETED: "Group deleted",
    Action.GROUP_READ: "Group read",
    Action.GROUP_SEARCHED: "Groups searched",
    Action.MEMBERS_CHANGED: "Members changed",
    Action.REQUEST: "Request",
    Action.INTEGRATION_CREATED: "Integration created",
    Action.INTEGRATION_EDITED: "Settings edited",
    Action.INTEGRATION_PAUSED: "Integration paused",
    Action.INTEGRATION_REMOVED: "Integration removed",
    Action.ATTENTION_DISMISSED: "Marked as looked into",
    Action.INTEGRATION_ENABLED: "Integration enabled",
    Action.INTEGRATION_DISABLED: "Integration disabled",
    Action.TOKEN_ROTATED: "Token rotated",
    Action.TOKEN_REVOKED: "Token revoked",
}


def headline(action: str) -> str:
    """Return what an action is called; its own name where it has no other."""
    return _TITLES.get(action, action)


@dataclass(frozen=True)
class Badge:
    """A state in a word, an icon and a colour, so that none of them stands alone.

    :ivar tone: ``"good"``, ``"info"``, ``"warn"``, ``"bad"`` or ``"plain"``.
    """

    label: str
    tone: str
    icon: str


DISABLED = Badge("Disabled", "plain", "pause")
WAITING = Badge("Waiting for first request", "info", "clock")
ACTIVE = Badge("Active", "good", "check")
ATTENTION = Badge("Needs attention", "warn", "alert")


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
    state: Badge
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
            state=_state(view),
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


def trail(*steps: IntegrationView | str) -> list[tuple[str, str | None]]:
    """Return the way from the list of integrations to a page: names, and where they lead."""
    found: list[tuple[str, str | None]] = [("Provisioning", url_for("scim_console.index"))]
    for step in steps:
        if isinstance(step, str):
            found.append((step, None))
        else:
            found.append((step.name, url_for("scim_console.show", integration_id=step.id)))
    return found


def _state(view: IntegrationView) -> Badge:
    if not view.enabled:
        return DISABLED
    return WAITING if view.last_used is None else ACTIVE


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
    state: Badge
    active: bool
    created: Moment | None
    last_used: Moment | None
    expires: Moment | None

    @classmethod
    def of(cls, view: TokenView, now: datetime) -> TokenPage:
        """Present it."""
        active = view.is_active(now)
        if active and view.expires is not None:
            state = Badge("Active, expires", "warn", "clock")
        elif active:
            state = ACTIVE
        elif view.revoked is not None:
            state = Badge("Revoked", "plain", "cross")
        else:
            state = Badge("Expired", "plain", "clock")
        return cls(
            id=view.id,
            key_id=view.key_id,
            state=state,
            active=active,
            created=Moment.of(view.created, now),
            last_used=Moment.of(view.last_used, now),
            expires=Moment.of(view.expires, now),
        )


@dataclass(frozen=True)
class EntryPage:
    """An entry of the activity log on a page."""

    id: int
    title: str
    subject: str
    detail: str
    badges: Sequence[Badge]
    notes: Sequence[str]
    at: Moment | None
    facts: Sequence[tuple[str, str]]
    payload: str

    @classmethod
    def of(cls, entry: ActivityEntry, now: datetime) -> EntryPage:
        """Present it."""
        subject = entry.resource_name or entry.resource_id or ""
        if entry.actor is not None:
            subject = f"by {entry.actor}"
        return cls(
            id=entry.id,
            title=headline(entry.action),
            subject=subject,
            detail=entry.detail or "",
            badges=[_outcome(entry), *([ATTENTION] if entry.attention else ())],
            notes=list(entry.notes or ()),
            at=Moment.of(entry.at, now),
            facts=[(name, value) for name, value in _facts(entry) if value],
            payload="" if entry.payload is None else _as_json(entry.payload),
        )


@dataclass(frozen=True)
class AttentionPage:
    """The entries that need attention, as the page of an integration sums them up."""

    count: str
    several: bool
    latest: Moment | None
    url: str

    @classmethod
    def of(
        cls, counted: AttentionCount, integration_id: uuid.UUID, now: datetime
    ) -> AttentionPage | None:
        """Present them; None where there are none."""
        if not counted.count:
            return None
        return cls(
            count=f"More than {counted.count}" if counted.more else str(counted.count),
            several=counted.count > 1,
            latest=Moment.of(counted.latest, now),
            url=url_for(
                "scim_console.show_activity", integration_id=integration_id, outcome="attention"
            ),
        )


def _facts(entry: ActivityEntry) -> Iterator[tuple[str, str]]:
    yield "Time", f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield "HTTP status", "" if entry.status is None else str(entry.status)
    yield "SCIM error", entry.scim_type or ""
    yield "Duration", "" if entry.duration_ms is None else f"{entry.duration_ms:.1f} ms"
    yield entry.resource_type or "Resource", entry.resource_id or ""
    yield "Request", entry.request_id or ""


def _as_json(payload: Any) -> str:
    return json.dumps(payload, indent=2, ensure_ascii=False)
