"""The state of an integration, and what is wrong with it: decided here, shown everywhere.

The list, the page of an integration, ``flask scim health``, ``flask scim doctor`` and the JSON
document ask one table of rules. Each rule looks at the facts and returns a problem, with one
sentence of reason, since when, and one thing to do; or nothing. The first problem that is more than
a piece of information makes a live integration need attention.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from ..mapping.resources import ResourceMapping
from ..models import Models, utcnow
from ..scim.remedies import REMEDIES
from . import brake, conflicts, failures, refusals, tokens
from .brake import HeldChanges
from .conflicts import Waiting
from .failures import FailureGroup, Skipped
from .integration_views import IntegrationView
from .refusals import EXPECTED, Cause, RefusedRequests
from .tokens import TokenView

__all__ = [
    "Cadence",
    "Health",
    "Problem",
    "Severity",
    "State",
    "assess",
    "assess_one",
    "cadence_of",
]


class State(enum.StrEnum):
    """Where an integration stands."""

    DRAFT = "draft"
    WAITING = "waiting"
    ACTIVE = "active"
    ATTENTION = "attention"
    PAUSED = "paused"
    DISABLED = "disabled"
    DECOMMISSIONED = "decommissioned"


class Severity(enum.StrEnum):
    """How much a problem matters: information changes no state."""

    INFO = "info"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that an administrator should know.

    :ivar code: Which rule found it.
    :ivar reason: One sentence.
    :ivar todo: The one thing to do about it.
    :ivar target: Where it is done: ``"rotate"``, ``"failures"``, ``"attention"``, ``"door"``,
        ``"enable"``, ``"guide"``, ``"inbox"``, ``"credentials"`` or ``"leavers"``.
    :ivar since: Since when; None where nobody knows.
    :ivar cause: Of the failures that it is about, if it is about failures of one cause.
    :ivar until: What is dismissed with it ends with this id; None where it can't be dismissed.
    """

    code: str
    severity: Severity
    reason: str
    todo: str
    target: str
    since: datetime | None = None
    cause: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What is to be said of one integration now.

    :ivar reason: One sentence.
    :ivar todo: The one thing to do; empty where there is nothing.
    :ivar problems: Everything that the rules have found, the worst first.
    :ivar failures: What failed and isn't solved, by cause.
    :ivar door: What was refused at the door in the last seven days, the latest first.
    """

    integration_id: uuid.UUID
    tenant: str
    name: str
    state: State
    reason: str
    since: datetime | None
    todo: str
    target: str
    last_request: datetime | None
    problems: Sequence[Problem]
    failures: Sequence[FailureGroup]
    skipped: Sequence[Skipped]
    door: Sequence[RefusedRequests]

    @property
    def needs_attention(self) -> bool:
        """Whether somebody has to do something."""
        return self.state is State.ATTENTION

    def as_json(self) -> dict[str, Any]:
        """Return it for machines; whom it concerns is left out."""
        return {
            "id": str(self.integration_id),
            "tenant": self.tenant,
            "name": self.name,
            "state": self.state.value,
            "reason": self.reason,
            "since": _iso(self.since),
            "todo": self.todo,
            "lastRequest": _iso(self.last_request),
            "problems": [
                {
                    "code": each.code,
                    "severity": each.severity.value,
                    "reason": each.reason,
                    "since": _iso(each.since),
                    "todo": each.todo,
                }
                for each in self.problems
            ],
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a provider sends requests when all is well.

    :ivar words: The end of a sentence: "Entra sends requests …".
    :ivar silence: After how long a silence is worth a question.
    """

    words: str
    silence: timedelta


_ON_EVENTS = Cadence("only when something changes", timedelta(days=42))

_CADENCES: Mapping[str, Cadence] = MappingProxyType(
    {
        # "How Application Provisioning works": incremental cycles, about every 40 minutes.
        "entra": Cadence("about every 40 minutes", timedelta(hours=4)),
        # Google Workspace Admin Help, "Monitor automated user provisioning": within a day.
        "google": Cadence("every few hours", timedelta(days=3)),
    }
)


def cadence_of(dialect: str) -> Cadence:
    """Return how often the identity provider of a dialect sends requests; Okta only on events."""
    return _CADENCES.get(dialect, _ON_EVENTS)


@dataclass(frozen=True, slots=True)
class _Facts:
    view: IntegrationView
    tokens: Sequence[TokenView]
    failures: Sequence[FailureGroup]
    skipped: Sequence[Skipped]
    door: Sequence[RefusedRequests]
    held: HeldChanges | None
    waiting: Waiting | None
    now: datetime

    @property
    def live(self) -> bool:
        return self.view.enabled and self.view.paused is None

    @property
    def active(self) -> list[TokenView]:
        return [token for token in self.tokens if token.is_active(self.now)]


Rule = Callable[[_Facts], Problem | None]


def in_words(count: timedelta) -> str:
    """Return a time in words, rounded down to what people say: "3 days", "5 hours"."""
    for unit, length in (
        ("week", timedelta(weeks=1)),
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        number = count // length
        if number >= 2 or (number == 1 and unit != "week"):
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def _no_token(facts: _Facts) -> Problem | None:
    if not facts.live or facts.active:
        return None
    ended = [token.ends for token in facts.tokens if token.ends is not None]
    if ended:
        since = max(ended)
        reason = (
            f"The only token expired {in_words(facts.now - since)} ago: every request is refused."
        )
        if facts.now - since < timedelta(minutes=1):
            reason = "The only token has just expired: every request is refused."
        if len(facts.tokens) > 1:
            reason = reason.replace("The only token", "The last token")
    else:
        since = None
        reason = "No token is valid: every request is refused."
    return Problem(
        "no-token",
        Severity.BAD,
        reason,
        "Make a new token, and paste it into the identity provider.",
        "rotate",
        since,
    )


_EXPIRY_WARNING = timedelta(days=30)


def _token_expires(facts: _Facts) -> Problem | None:
    ends = [token.ends for token in facts.active]
    if not ends or None in ends:
        return None
    last = max(end for end in ends if end is not None)
    left = last - facts.now
    if left > _EXPIRY_WARNING:
        return None
    token = "The only token" if len(ends) == 1 else "The last token"
    return Problem(
        "token-expires",
        Severity.WARNING,
        f"{token} expires in {in_words(left)}; from then on every request is refused.",
        "Rotate the token before, and paste the new one into the identity provider.",
        "rotate",
        last - _EXPIRY_WARNING,
    )


def _old_token_in_use(facts: _Facts) -> Problem | None:
    newest = {token.id: token for token in facts.active}
    for token in facts.active:
        successor = newest.get(token.successor_id) if token.successor_id else None
        if successor is None or token.last_used is None or successor.first_used is None:
            continue
        if token.last_used > successor.first_used + timedelta(hours=1):
            return Problem(
                "old-token-used",
                Severity.WARNING,
                f"The old token {token.key_id} is still used, although the new one is in use since "
                f"{in_words(facts.now - successor.first_used)}: two jobs may send requests.",
                "Paste the new token wherever the old one is used, then revoke the old one.",
                "credentials",
                successor.first_used,
            )
    return None


def _old_token_idle(facts: _Facts) -> Problem | None:
    newest = {token.id: token for token in facts.active}
    for token in facts.active:
        successor = newest.get(token.successor_id) if token.successor_id else None
        if successor is None:
            continue
        if successor.first_used is None:
            return Problem(
                "new-token-unused",
                Severity.INFO,
                f"The new token {successor.key_id} has not been used yet; the old one goes on "
                "working.",
                "Paste the new token into the identity provider, and test the connection.",
                "credentials",
                successor.created,
            )
        if token.last_used is None or token.last_used <= successor.first_used:
            return Problem(
                "old-token-idle",
                Severity.INFO,
                f"The new token {successor.key_id} is in use since "
                f"{in_words(facts.now - successor.first_used)}; the old one isn't used any more.",
                f"Revoke the old token {token.key_id}.",
                "credentials",
                successor.first_used,
            )
    return None


_OWN_KEY = frozenset(
    {
        Cause.EXPIRED,
        Cause.REVOKED,
        Cause.OTHER_INTEGRATION,
        Cause.WRONG_ADDRESS,
        Cause.WRONG_SECRET,
    }
)


def _refused_at_the_door(facts: _Facts) -> Problem | None:
    current = [
        row
        for row in facts.door
        if not row.dismissed and Cause(row.cause) not in EXPECTED and _is_current(row, facts)
    ]
    if not current:
        return None
    by_cause: dict[str, int] = {}
    for row in current:
        by_cause[row.cause] = by_cause.get(row.cause, 0) + row.count
    cause = max(by_cause, key=lambda each: by_cause[each])
    count = sum(by_cause.values())
    about = next((row.about for row in current if row.cause == cause and row.about), None)
    when = "" if about is None else f" on {about.astimezone(UTC):%-d %B %Y}"
    mostly = "" if len(by_cause) == 1 else "mostly "
    return Problem(
        "refused-at-the-door",
        Severity.BAD if Cause(cause) in _OWN_KEY or not _works(facts) else Severity.WARNING,
        f"{_requests(count)} refused at the door, {mostly}{refusals.TITLES[cause]}{when}.",
        refusals.REMEDIES[cause],
        "door",
        min(row.first_at for row in current),
        cause,
        max(row.id for row in current),
    )


def _is_current(row: RefusedRequests, facts: _Facts) -> bool:
    last = facts.view.last_used
    if last is None or row.last_at > last:
        return True
    # The identity provider works, and somebody uses a token of ours that opens nothing.
    return Cause(row.cause) in _OWN_KEY and row.last_at > facts.now - timedelta(days=1)


def _works(facts: _Facts) -> bool:
    return facts.view.last_used is not None


def _strangers(facts: _Facts) -> Problem | None:
    others = [
        row
        for row in facts.door
        if not row.dismissed and Cause(row.cause) not in EXPECTED and not _is_current(row, facts)
    ]
    if not others:
        return None
    count = sum(row.count for row in others)
    return Problem(
        "others-at-the-door",
        Severity.INFO,
        f"{_requests(count)} refused at the door in the last seven days; the identity provider "
        "has worked since.",
        "Look who it was; there is nothing to repair.",
        "door",
        min(row.first_at for row in others),
        None,
        max(row.id for row in others),
    )


def _still_called(facts: _Facts) -> Problem | None:
    rows = [
        row
        for row in facts.door
        if not row.dismissed
        and Cause(row.cause) in EXPECTED
        and row.last_at >= facts.view.state_since
    ]
    if not rows or facts.live:
        return None
    count = sum(row.count for row in rows)
    paused = facts.view.paused is not None
    return Problem(
        "still-called",
        Severity.INFO if paused else Severity.WARNING,
        f"{_requests(count)} {'put off' if paused else 'refused'} since then; the identity "
        f"provider {'tries again by itself' if paused else 'counts them as errors'}.",
        "Resume the integration."
        if paused
        else "Enable the integration, or stop the job in the identity provider.",
        "enable",
        min(row.first_at for row in rows),
    )


def _requests(count: int) -> str:
    return f"{count:,} request{' was' if count == 1 else 's were'}"


def _failures(facts: _Facts) -> Problem | None:
    if not facts.failures:
        return None
    total = sum(group.requests for group in facts.failures)
    most = max(facts.failures, key=lambda group: (group.subject_count, group.requests))
    broken = any(group.outcome == "failed" for group in facts.failures)
    more = "more than " if any(group.more for group in facts.failures) else ""
    mostly = "mostly for" if len(facts.failures) > 1 else "for"
    detail = (most.detail or f"status {most.status}").rstrip(".")
    reason = f"{more}{_requests(total)} {'refused or failed' if broken else 'refused'}"
    people = f" for {most.subject_count} {_kind(most)}" if most.subject_count else ""
    return Problem(
        "failures",
        Severity.BAD if broken else Severity.WARNING,
        f"{reason[:1].upper()}{reason[1:]}, {mostly} this reason{people}: {detail}.",
        REMEDIES.get(most.error, REMEDIES["InternalError"]).replace("`", ""),
        "failures",
        min(group.since for group in facts.failures),
        most.cause,
        most.latest_id,
    )


def _kind(group: FailureGroup) -> str:
    kinds = {subject.resource_type for subject in group.subjects}
    many = group.subject_count != 1
    if kinds == {"User"}:
        return "people" if many else "person"
    if kinds == {"Group"}:
        return "groups" if many else "group"
    return "resources" if many else "resource"


def _skipped(facts: _Facts) -> Problem | None:
    if not facts.skipped:
        return None
    count = len(facts.skipped)
    changes = "1 change of a group" if count == 1 else f"{count} changes of groups"
    if count >= 100:
        changes = "More than 99 changes of groups"
    return Problem(
        "unknown-members",
        Severity.WARNING,
        f"{changes} named people whom the portal doesn't know; they were left out, and the others "
        "added.",
        "Make sure that the identity provider provisions them, then have it send the group again.",
        "attention",
        min(each.at for each in facts.skipped),
        None,
        max(each.entry_id for each in facts.skipped),
    )


def _decisions(facts: _Facts) -> Problem | None:
    if facts.waiting is None:
        return None
    count = facts.waiting.count
    waits = "1 decision waits" if count == 1 else f"{count:,} decisions wait"
    return Problem(
        "decisions",
        Severity.WARNING,
        f"{waits}: the identity provider wants people whom the portal had before.",
        "Decide in the inbox; the next attempt of the identity provider does it.",
        "inbox",
        facts.waiting.since,
    )


def _silent(facts: _Facts) -> Problem | None:
    last, cadence = facts.view.last_used, cadence_of(facts.view.dialect)
    if not facts.live or last is None or not facts.active:
        return None
    silence = facts.now - max(last, facts.view.state_since)
    if silence < cadence.silence:
        return None
    return Problem(
        "silent",
        Severity.WARNING,
        f"No request for {in_words(silence)}; this identity provider sends requests "
        f"{cadence.words}.",
        "Look whether the job in the identity provider is stopped or in quarantine.",
        "guide",
        last,
    )


def _no_role(facts: _Facts) -> Problem | None:
    if facts.view.role is not None:
        return None
    return Problem(
        "no-role",
        Severity.BAD,
        "The service account has no role, so that it may do nothing.",
        "Bind the role SCIMProvisioner to it, or create the integration anew.",
        "guide",
        None,
    )


def _held(facts: _Facts) -> Problem | None:
    found = facts.held
    if found is None:
        return None
    who = [
        f"{count:,} {one if count == 1 else many}"
        for count, one, many in (
            (found.people, "person", "people"),
            (found.groups, "removal from a group", "removals from groups"),
        )
        if count
    ]
    return Problem(
        "held-changes",
        Severity.BAD,
        f"The brake holds {' and '.join(who)}: the directory lets more go than the policy allows.",
        "Look whether that is meant, and release or reject it.",
        "leavers",
        found.since,
    )


RULES: tuple[Rule, ...] = (
    _no_token,
    _no_role,
    _held,
    _failures,
    _refused_at_the_door,
    _token_expires,
    _old_token_in_use,
    _skipped,
    _decisions,
    _silent,
    _still_called,
    _old_token_idle,
    _strangers,
)
"""The worst first; a live integration needs attention for the first that is no information."""

_ROWS_AT_THE_DOOR = 8 * refusals.ROWS_A_DAY

_ORDER = {Severity.BAD: 0, Severity.WARNING: 1, Severity.INFO: 2}


def assess(
    session: Session,
    models: Models,
    mappings: Mapping[str, ResourceMapping],
    views: Sequence[IntegrationView],
    now: datetime | None = None,
) -> Sequence[Health]:
    """Return the health of integrations, in their order; in as many statements as for one.

    :param mappings: ``"Users"`` and ``"Groups"`` to their mappings, to know who came later.
    """
    if not views:
        return []
    moment = now or utcnow()
    ids = [view.id for view in views]
    of_door: dict[uuid.UUID | None, list[RefusedRequests]] = {}
    for row in refusals.recent(
        session, models, integration_ids=ids, limit=_ROWS_AT_THE_DOOR * len(ids)
    ):
        of_door.setdefault(row.integration_id, []).append(row)
    of_tokens = tokens.live_tokens(session, models, ids)
    of_failures = failures.open_failures(session, models, ids, moment)
    of_brake = brake.waiting(session, models, ids)
    of_waiting = conflicts.waiting(session, models, mappings.get("Users"), ids)
    of_skips = failures.open_skips(session, models, mappings, ids)
    return [
        _health(
            _Facts(
                view,
                of_tokens.get(view.id, ()),
                of_failures.get(view.id, ()),
                of_skips.get(view.id, ()),
                of_door.get(view.id, ()),
                of_brake.get(view.id),
                of_waiting.get(view.id),
                moment,
            )
        )
        for view in views
    ]


def assess_one(
    session: Session,
    models: Models,
    mappings: Mapping[str, ResourceMapping],
    view: IntegrationView,
    now: datetime | None = None,
) -> Health:
    """Return the health of one integration."""
    return assess(session, models, mappings, [view], now)[0]


def _health(facts: _Facts) -> Health:
    view = facts.view
    problems = [problem for rule in RULES if (problem := rule(facts)) is not None]
    problems.sort(key=lambda problem: _ORDER[problem.severity])
    worst = next((each for each in problems if each.severity is not Severity.INFO), None)
    state, reason, since, todo, target = _state(facts, worst)
    return Health(
        integration_id=view.id,
        tenant=view.tenant,
        name=view.name,
        state=state,
        reason=reason,
        since=since,
        todo=todo,
        target=target,
        last_request=view.last_used,
        problems=problems,
        failures=facts.failures,
        skipped=facts.skipped,
        door=facts.door,
    )


def _state(facts: _Facts, worst: Problem | None) -> tuple[State, str, datetime | None, str, str]:
    view = facts.view
    if view.draft:
        return (
            State.DRAFT,
            "It was never enabled: every request gets the answer 403.",
            view.created,
            "Enable it when the identity provider is set up.",
            "enable",
        )
    if not view.enabled:
        return (
            State.DISABLED,
            "It is disabled: every request gets the answer 403, and nothing is changed.",
            view.state_since,
            "Enable it to let requests in again.",
            "enable",
        )
    if view.paused is not None:
        return (
            State.PAUSED,
            "It is paused: every request gets the answer 503, and the identity provider tries "
            "again later.",
            view.paused,
            "Resume it to let requests in again.",
            "enable",
        )
    if worst is not None:
        return State.ATTENTION, worst.reason, worst.since, worst.todo, worst.target
    if view.last_used is None:
        return (
            State.WAITING,
            "No request has come yet.",
            view.state_since,
            "Follow the setup guide, and test the connection in the identity provider.",
            "guide",
        )
    return (
        State.ACTIVE,
        f"Requests are answered; this identity provider sends them "
        f"{cadence_of(view.dialect).words}.",
        view.state_since,
        "",
        "",
    )
