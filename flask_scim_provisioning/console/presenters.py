"""What the pages show, made from what the services return: words, badges, moments."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import url_for

from ..services.activity import Action, ActivityEntry
from ..services.integrations import TYPES, IntegrationView
from ..services.tokens import TokenView
from .guides import Provider, provider_named

__all__ = [
    "Badge",
    "EntryPage",
    "IntegrationPage",
    "Moment",
    "RoleTable",
    "TokenPage",
    "headline",
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
    if distance < timedelta(minutes=1):
        return "in a moment" if ahead else "just now"
    for unit, length, below in (
        ("minute", timedelta(minutes=1), timedelta(hours=1)),
        ("hour", timedelta(hours=1), timedelta(days=1)),
        ("day", timedelta(days=1), timedelta(days=14)),
    ):
        if distance < below:
            count = distance // length
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

    title: str
    subject: str
    detail: str
    outcome: Badge
    notes: Sequence[str]
    at: Moment | None

    @classmethod
    def of(cls, entry: ActivityEntry, now: datetime) -> EntryPage:
        """Present it."""
        subject = entry.resource_name or entry.resource_id or ""
        if entry.actor is not None:
            subject = f"by {entry.actor}"
        return cls(
            title=headline(entry.action),
            subject=subject,
            detail=entry.detail or "",
            outcome=_outcome(entry),
            notes=list(entry.notes or ()),
            at=Moment.of(entry.at, now),
        )
