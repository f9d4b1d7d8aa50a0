"""What a simulation did, how long it took, and everything that was not as it should be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_KEPT = 500
SHOWN_PER_KIND = 5


class Kind(StrEnum):
    """What kind of surprise it was."""

    STATUS = "unexpected status"
    SERVER_ERROR = "server error"
    NO_ANSWER = "no answer"
    CONTENT_TYPE = "wrong content type"
    BODY = "wrong body"
    ERROR_BODY = "error that is no SCIM error"
    LIST = "wrong list"
    MISSING_ID = "missing id"
    READ_BACK = "read back differently"
    MEMBERS = "wrong members"
    EXTRA = "resource nobody asked for"
    MISSING = "resource missing"
    SENSITIVE = "sensitive value returned"
    MATCH = "wrong match"
    BYSTANDER = "somebody else changed"
    THROTTLING = "throttled without a usable Retry-After"


@dataclass(frozen=True)
class Surprise:
    """One answer that an identity provider would stumble over.

    ``request`` is the method and path, ``subject`` whom it was about, ``detail`` says what was
    expected and what came.
    """

    step: str
    kind: Kind
    detail: str
    request: str = ""
    subject: str = ""

    def as_json(self) -> dict[str, str]:
        """The surprise as a JSON object."""
        return {
            "step": self.step,
            "kind": self.kind.value,
            "request": self.request,
            "subject": self.subject,
            "detail": self.detail,
        }


@dataclass
class Step:
    """One step of a cycle: its requests and their times."""

    name: str
    seconds: float = 0.0
    surprises: int = 0
    throttled: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    done_before: int = 0
    durations: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """How many requests the step sent."""
        return len(self.durations)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The duration in milliseconds below which ``share`` of the requests stayed."""
        if not self.durations:
            return 0.0
        ordered = sorted(self.durations)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    def as_json(self) -> dict[str, Any]:
        """The step as a JSON object; times in seconds and milliseconds."""
        return {
            "name": self.name,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(self.rate, 1),
            "median_ms": round(self.percentile(0.5), 1),
            "p95_ms": round(self.percentile(0.95), 1),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "methods": dict(sorted(self.methods.items())),
            "throttled": self.throttled,
            "dropped": dict(sorted(self.dropped.items())),
            "done_before": self.done_before,
            "surprises": self.surprises,
        }


class Report:
    """The record of one run; safe to write from several threads.

    :param provider: ``entra`` or ``okta``.
    :param endpoint: the base URL, without anything secret.
    """

    def __init__(self, provider: str, endpoint: str) -> None:
        self.provider = provider
        self.endpoint = endpoint
        self.steps: list[Step] = []
        self.surprises: list[Surprise] = []
        self.notes: list[str] = []
        self.counts: Counter[str] = Counter()
        self.stopped: str | None = None
        self._totals: Counter[Kind] = Counter()
        self._lock = threading.Lock()

    @property
    def ok(self) -> bool:
        """Whether there was no surprise and the run went to its end."""
        return not self._totals and self.stopped is None

    @property
    def total_surprises(self) -> int:
        """All surprises, those too that were counted only."""
        return sum(self._totals.values())

    @property
    def requests(self) -> int:
        """All requests of all steps."""
        return sum(step.requests for step in self.steps)

    @property
    def seconds(self) -> float:
        """The time of all steps."""
        return sum(step.seconds for step in self.steps)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Open a step; what is recorded inside belongs to it."""
        step = Step(name)
        self.steps.append(step)
        started = time.perf_counter()
        try:
            yield step
        finally:
            step.seconds = time.perf_counter() - started

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Record one request; ``status`` 0 means that no answer came."""
        with self._lock:
            step = self._current()
            step.durations.append(seconds)
            step.statuses[status] += 1
            step.methods[method] += 1

    def throttled(self) -> None:
        """Record that a request had to be sent again because of 429 or 503."""
        with self._lock:
            self._current().throttled += 1

    def dropped(self, moment: str) -> None:
        """Record a connection that was dropped on purpose; ``moment`` says when."""
        with self._lock:
            self._current().dropped[moment] += 1

    def found_done(self) -> None:
        """Record a repeated request whose first, cut-off sending had been carried out."""
        with self._lock:
            self._current().done_before += 1

    def surprise(self, kind: Kind, detail: str, *, request: str = "", subject: str = "") -> None:
        """Record a surprise; the first ones are kept, the others counted."""
        with self._lock:
            step = self._current()
            step.surprises += 1
            self._totals[kind] += 1
            if len(self.surprises) < MAX_KEPT:
                self.surprises.append(Surprise(step.name, kind, detail, request, subject))

    def note(self, text: str) -> None:
        """Record something worth knowing that is no fault; a repeated text is kept once."""
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)

    def count(self, what: str, number: int) -> None:
        """Add to what the run leaves behind; a run may consist of several jobs."""
        self.counts[what] += number

    def _current(self) -> Step:
        if not self.steps:
            self.steps.append(Step("start"))
        return self.steps[-1]

    def as_json(self) -> dict[str, Any]:
        """The whole report as a JSON object."""
        return {
            "provider": self.provider,
            "endpoint": self.endpoint,
            "ok": self.ok,
            "stopped": self.stopped,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(self.requests / self.seconds, 1) if self.seconds else 0.0,
            "counts": self.counts,
            "steps": [step.as_json() for step in self.steps],
            "surprises": [surprise.as_json() for surprise in self.surprises],
            "surprises_by_kind": {kind.value: count for kind, count in self._totals.items()},
            "total_surprises": self.total_surprises,
            "notes": self.notes,
        }

    def as_text(self) -> str:
        """The whole report as lines for a terminal."""
        width = max([len(step.name) for step in self.steps] + [4])
        lines = [
            f"{self.provider} -> {self.endpoint}",
            "",
            f"{'step':<{width}}  requests  seconds    req/s   median ms   p95 ms  surprises",
        ]
        lines += [
            f"{step.name:<{width}}  {step.requests:>8}  {step.seconds:>7.2f}  {step.rate:>7.1f}"
            f"  {step.percentile(0.5):>10.1f}  {step.percentile(0.95):>7.1f}  {step.surprises:>9}"
            for step in self.steps
        ]
        rate = self.requests / self.seconds if self.seconds else 0.0
        lines += ["", f"{self.requests} requests in {self.seconds:.1f} s ({rate:.0f} per second)"]
        throttled = sum(step.throttled for step in self.steps)
        if throttled:
            lines.append(f"{throttled} requests were sent again after 429 or 503")
        lines += self._drop_lines()
        if self.counts:
            lines.append(", ".join(f"{count} {what}" for what, count in self.counts.items()))
        lines += [f"Note: {note}" for note in self.notes]
        lines += ["", *self._surprise_lines()]
        if self.stopped is not None:
            lines.append(f"Stopped: {self.stopped}")
        return "\n".join(lines)

    def _drop_lines(self) -> list[str]:
        moments = sum((step.dropped for step in self.steps), Counter[str]())
        if not moments:
            return []
        listed = ", ".join(f"{count} {moment}" for moment, count in sorted(moments.items()))
        lines = [f"{moments.total()} connections were dropped on purpose: {listed}"]
        done = sum(step.done_before for step in self.steps)
        lines.append(f"{done} repeated requests found their work done already")
        return lines

    def _surprise_lines(self) -> list[str]:
        if not self._totals:
            return ["No surprises."]
        lines = [f"{self.total_surprises} surprises:"]
        for kind, count in self._totals.most_common():
            lines.append(f"  {kind.value} ({count})")
            shown = [s for s in self.surprises if s.kind is kind][:SHOWN_PER_KIND]
            for surprise in shown:
                about = " ".join(part for part in (surprise.request, surprise.subject) if part)
                lines.append(f"    [{surprise.step}] {about}: {surprise.detail}")
            if count > len(shown):
                lines.append(f"    and {count - len(shown)} more")
        return lines
