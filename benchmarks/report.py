"""The measured numbers as a table for people, as JSON, and as a part of the documentation."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Measurement", "Run", "merge", "print_run", "render"]


@dataclass(frozen=True)
class Measurement:
    """The medians of one operation, in milliseconds."""

    name: str
    members: int | None
    aim: float | None
    floor_ms: float
    ours_ms: float
    pairs: int

    @classmethod
    def of(
        cls,
        name: str,
        members: int | None,
        aim: float | None,
        floor: list[float],
        ours: list[float],
    ) -> "Measurement":
        """Return the medians of paired times, given in seconds."""
        floor_ms, ours_ms = (1000 * statistics.median(times) for times in (floor, ours))
        return cls(name, members, aim, round(floor_ms, 3), round(ours_ms, 3), len(floor))

    @property
    def ratio(self) -> float:
        """How many times the floor's time ours takes."""
        return self.ours_ms / self.floor_ms

    @property
    def verdict(self) -> str:
        """What the ratio means beside the aim."""
        if self.aim is None:
            return ""
        if self.ratio <= self.aim:
            return "reached"
        return "within twice" if self.ratio <= 2 * self.aim else "MISSED"


@dataclass(frozen=True)
class Run:
    """All the numbers of one database and one size; pairs are ``[floor, ours]``."""

    database: str
    users: int
    measurements: tuple[Measurement, ...]
    sync_users: int
    sync_requests: int
    sync_seconds: tuple[float, float]
    start_seconds: tuple[float, float]
    started_mib: tuple[float, float]
    peak_mib: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """Return the numbers with their ratios."""
        numbers = asdict(self)
        for row, measurement in zip(numbers["measurements"], self.measurements, strict=True):
            row["ratio"] = round(measurement.ratio, 2)
        return numbers


_COLUMNS = ("operation", "members", "floor ms", "ours ms", "ratio", "aim", "")


def _rows(run: Run, sync_aim: float) -> list[tuple[str, ...]]:
    rows = [
        (
            measured.name,
            f"{measured.members:,}" if measured.members else "",
            f"{measured.floor_ms:.2f}",
            f"{measured.ours_ms:.2f}",
            f"{measured.ratio:.2f}x",
            f"{measured.aim}x" if measured.aim else "",
            measured.verdict,
        )
        for measured in run.measurements
    ]
    floor, ours = (1000 * seconds / run.sync_requests for seconds in run.sync_seconds)
    sync = Measurement("", None, sync_aim, floor, ours, run.sync_requests)
    name = f"initial sync of {run.sync_users:,} users, a request"
    numbers = (f"{floor:.2f}", f"{ours:.2f}", f"{sync.ratio:.2f}x", f"{sync_aim}x", sync.verdict)
    return [*rows, (name, "", *numbers)]


def _summary(run: Run) -> list[str]:
    """Return what isn't a ratio of times."""
    grown = run.peak_mib[1] - run.peak_mib[0]
    rate = [run.sync_requests / seconds for seconds in run.sync_seconds]
    lines = [
        f"Initial sync: {run.sync_requests:,} requests, {rate[0]:.0f} and {rate[1]:.0f} a second.",
        f"Peak memory: {run.peak_mib[0]:.0f} and {run.peak_mib[1]:.0f} MiB "
        f"(floor {grown:+.0f} MiB; the aim is +15).",
        f"After start: {run.started_mib[0]:.0f} and {run.started_mib[1]:.0f} MiB; "
        f"start-up {run.start_seconds[0]:.2f} and {run.start_seconds[1]:.2f} s.",
    ]
    changes = [m for m in run.measurements if m.name == "add 1 member"]
    if len(changes) > 1:
        first, last = changes[0], changes[-1]
        lines.append(
            f"Adding one member to a group of {last.members:,} takes "
            f"{last.ours_ms / first.ours_ms:.2f} times as long as to a group of {first.members}."
        )
    return lines


def print_run(run: Run, sync_aim: float) -> None:
    """Print the table of one run."""
    rows = [_COLUMNS, *_rows(run, sync_aim)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    print(f"\n{run.database}, {run.users:,} users (floor beside ours)\n")
    for row in rows:
        name, *numbers, verdict = row
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        print("  ".join([name.ljust(widths[0]), *cells, verdict]).rstrip())
    print()
    for line in _summary(run):
        print(line)


def merge(path: Path, runs: list[Run]) -> list[Run]:
    """Replace the runs of the same database and size in a JSON file; return all of them."""
    kept = {}
    if path.exists():
        for numbers in json.loads(path.read_text()):
            run = _from_json(numbers)
            kept[run.database, run.users] = run
    kept |= {(run.database, run.users): run for run in runs}
    everything = sorted(kept.values(), key=lambda run: (run.database != "SQLite", run.users))
    path.write_text(json.dumps([run.as_json() for run in everything], indent=1) + "\n")
    return everything


def _from_json(numbers: dict[str, Any]) -> Run:
    rows = [{k: v for k, v in row.items() if k != "ratio"} for row in numbers.pop("measurements")]
    measurements = tuple(Measurement(**row) for row in rows)
    pairs = {key: tuple(value) for key, value in numbers.items() if isinstance(value, list)}
    return Run(**{**numbers, **pairs}, measurements=measurements)


def render(runs: list[Run], sync_aim: float) -> str:
    """Return the runs as Markdown."""
    parts = ["<!-- Written by `python -m benchmarks.run --save`; don't edit. -->\n"]
    for run in runs:
        parts.append(f"## {run.database}, {run.users:,} users\n")
        parts.append("| operation | members | floor ms | ours ms | ratio | aim | |")
        parts.append("|---|--:|--:|--:|--:|--:|---|")
        parts.extend(f"| {' | '.join(row)} |" for row in _rows(run, sync_aim))
        parts.append("")
        parts.extend(f"- {line}" for line in _summary(run))
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
