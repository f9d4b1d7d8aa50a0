"""Measure the portal beside the floor, in pairs: ``python -m benchmarks.run --quick``.

Both run under Gunicorn with one worker, each on its own copy of the same directory, and get each
request in turn, so that a slow minute of the machine slows both.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks import floor, ours
from benchmarks.checks import check_answers
from benchmarks.databases import drop_database, empty_database, engine_at
from benchmarks.operations import SYNC_AIM, Cycle, Directory, cycles, synchronise
from benchmarks.report import Measurement, Run, merge, print_run, render
from benchmarks.servers import Answer, Server

_HERE = Path(__file__).resolve().parent
_RESULTS = _HERE / "results.json"
_FRAGMENT = _HERE.parent / "docs" / "performance-results.md"
_FEWEST_PAIRS = 5


@dataclass(frozen=True)
class Effort:
    """How long to measure: pairs and seconds for one cycle, and the size of the initial sync."""

    pairs: int
    seconds: float
    sync_users: int
    starts: int


QUICK = Effort(pairs=60, seconds=2.0, sync_users=200, starts=1)
FULL = Effort(pairs=400, seconds=15.0, sync_users=2_000, starts=3)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds rather than minutes")
    parser.add_argument("--users", type=int, action="append", help="size; may be repeated")
    parser.add_argument("--database", default="sqlite", help="sqlite, or a PostgreSQL server's URL")
    parser.add_argument("--only", default="", help="measure operations whose name contains this")
    parser.add_argument("--save", action="store_true", help="keep the numbers for the docs")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    sizes = options.users or ([1_000] if options.quick else [1_000, 10_000, 100_000])
    runs = []
    for users in sizes:
        runs.append(measure(options.database, Directory(users), effort, options.only))
        print_run(runs[-1], SYNC_AIM)
    if options.save:
        _FRAGMENT.write_text(render(merge(_RESULTS, runs), SYNC_AIM))


def measure(database: str, directory: Directory, effort: Effort, only: str = "") -> Run:
    """Seed two databases of that size, start both applications, and time all operations."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scim-benchmark-")))
        places = []
        for module in (floor, ours):
            name = module.__name__.rpartition(".")[2]
            url = empty_database(database, folder, name)
            stack.callback(drop_database, url)
            base, token = module.seed(url, directory.users)
            analyze(url)
            places.append((f"{module.__name__}:create_app()", url, base, token))
        starts = [_start_seconds(places, turn) for turn in range(effort.starts)]
        both = tuple(stack.enter_context(Server(*place)) for place in places)
        started = _pair(server.peak_mib() for server in both)
        check_answers(*both, directory)
        measurements = []
        for cycle in cycles(directory):
            if any(only in step.name for step in cycle):
                _progress(f"{directory.users:,} users: {cycle[0].name}")
                measurements.extend(_time_cycle(both, cycle, directory, effort))
        _progress(f"{directory.users:,} users: initial sync")
        requests, seconds = _time_sync(both, effort.sync_users)
        _progress("")
        return Run(
            database="SQLite" if database == "sqlite" else "PostgreSQL",
            users=directory.users,
            measurements=tuple(measurements),
            sync_users=effort.sync_users,
            sync_requests=requests,
            sync_seconds=seconds,
            start_seconds=_pair(min(times) for times in zip(*starts, strict=True)),
            started_mib=started,
            peak_mib=_pair(server.peak_mib() for server in both),
        )


def analyze(url: str) -> None:
    """Let PostgreSQL's planner know the tables, as autovacuum does within minutes.

    SQLite has nothing of the kind, and most portals never call ANALYZE.
    """
    engine = engine_at(url)
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("ANALYZE"))
    engine.dispose()


def _start_seconds(places: list[tuple[str, str, str, str]], turn: int) -> tuple[float, float]:
    seconds = {}
    for place in places if turn % 2 == 0 else reversed(places):
        with Server(*place) as server:
            seconds[place] = round(server.start_seconds, 3)
    return _pair(seconds[place] for place in places)


def _time_cycle(
    both: tuple[Server, ...], cycle: Cycle, directory: Directory, effort: Effort
) -> Iterator[Measurement]:
    times: dict[tuple[int, int], list[float]] = {
        (id(server), step): [] for server in both for step in range(len(cycle))
    }
    ends = time.perf_counter() + effort.seconds
    for turn in range(effort.pairs):
        if turn >= _FEWEST_PAIRS and time.perf_counter() > ends:
            break
        for number, step in enumerate(cycle):
            request = step.make(directory, turn)
            for server in both if turn % 2 == 0 else both[::-1]:
                times[id(server), number].append(server.send(request).seconds)
    for number, step in enumerate(cycle):
        floor_times, ours_times = (times[id(server), number] for server in both)
        yield Measurement.of(step.name, step.members, step.aim, floor_times, ours_times)


def _time_sync(both: tuple[Server, ...], users: int) -> tuple[int, tuple[float, float]]:
    """Return the number of requests of an initial sync, and its seconds on both."""
    scripts = [synchronise(users, max(1, users // 100)) for _ in both]
    answers: list[Answer | None] = [None, None]
    seconds = [0.0, 0.0]
    requests = 0
    while True:
        order = (0, 1) if requests % 2 == 0 else (1, 0)
        try:
            for index in order:
                answer = both[index].send(scripts[index].send(answers[index]))  # type: ignore[arg-type]  # a generator's first value is None
                answers[index] = answer
                seconds[index] += answer.seconds
        except StopIteration:
            return requests, _pair(round(total, 3) for total in seconds)
        requests += 1


def _pair(values: Iterator[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<70}", end="" if text else "\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
