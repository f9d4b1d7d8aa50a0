"""Measure what has no floor: Bulk beside single requests, and pages by cursor at any depth.

``python -m benchmarks.protocol --users 1000000`` seeds that directory and takes minutes.
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import ours, people
from benchmarks.databases import drop_database, empty_database
from benchmarks.operations import entra_user
from benchmarks.run import analyze
from benchmarks.servers import Request, Server

__all__ = ["main"]

_FRAGMENT = Path(__file__).resolve().parent.parent / "docs" / "performance-protocol.md"

_OPERATIONS = 1_000
_ROUNDS = 3
_PAGE = 200
_TIMES = 20

BULK_AIM = 3.0
CURSOR_AIM = 1.5


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocol", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="size of the directory")
    parser.add_argument("--database", default="sqlite", help="sqlite, or a PostgreSQL server's URL")
    parser.add_argument("--save", action="store_true", help="keep the numbers for the docs")
    options = parser.parse_args(arguments)
    lines = measure(options.database, options.users)
    print("\n".join(lines))
    if options.save:
        kept = _FRAGMENT.read_text() if _FRAGMENT.exists() else ""
        _FRAGMENT.write_text(merged(kept, lines))


def measure(database: str, users: int) -> list[str]:
    """Return the report as lines of Markdown; the first one is its heading."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scim-benchmark-")))
        url = empty_database(database, folder, "protocol")
        stack.callback(drop_database, url)
        base, token = ours.seed(url, users)
        analyze(url)
        server = stack.enter_context(Server("benchmarks.ours:create_app()", url, base, token))
        depth = users * 9 // 10
        first, second, deep = time_pages(server, depth)
        rounds = [time_creations(server, turn) for turn in range(_ROUNDS)]
    single, bulk = (statistics.median(times) for times in zip(*rounds, strict=True))
    name = "SQLite" if database == "sqlite" else "PostgreSQL"
    return [
        f"### {name}, {users:,} users",
        "",
        "| | time | ratio | aim |",
        "|---|---|---|---|",
        f"| {_OPERATIONS:,} creates, one POST each | {single:.2f} s | | |",
        f"| {_OPERATIONS:,} creates in one Bulk request | {bulk:.2f} s | "
        f"{single / bulk:.1f} times as fast | {BULK_AIM:.0f} times |",
        f"| page of {_PAGE} by cursor: the first, which counts the matches | {first:.1f} ms | | |",
        f"| the second | {second:.1f} ms | {second / first:.2f} of the first | |",
        f"| at row {depth:,} | {deep:.1f} ms | {deep / first:.2f} of the first | {CURSOR_AIM} |",
        "",
    ]


def time_creations(server: Server, turn: int) -> tuple[float, float]:
    """Return the seconds of single requests and of one bulk request, which comes amid them."""
    seconds = [0.0, 0.0]
    for number in range(_OPERATIONS):
        if number == _OPERATIONS // 2:
            seconds[1] = _bulk_seconds(server, turn)
        body = entra_user(f"single.{turn}.{number}@example.com", f"single-{turn}-{number}")
        seconds[0] += server.send(Request.of("POST", "/Users", body, 201)).seconds
    return seconds[0], seconds[1]


def _bulk_seconds(server: Server, turn: int) -> float:
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": f"user-{number}",
            "data": entra_user(f"bulk.{turn}.{number}@example.com", f"bulk-{turn}-{number}"),
        }
        for number in range(_OPERATIONS)
    ]
    answer = server.send(Request.of("POST", "/Bulk", {"Operations": operations}))
    statuses = {operation["status"] for operation in answer.json()["Operations"]}
    if statuses != {"201"}:
        raise RuntimeError(f"The bulk request was answered with {sorted(statuses)}.")
    return answer.seconds


def time_pages(server: Server, depth: int) -> tuple[float, float, float]:
    """Return the milliseconds of the first page, of the second, and of the one at a row."""
    cursors = [""]
    row = 0
    while row < depth:
        page = server.send(_page(cursors[-1])).json()
        row += len(page["Resources"])
        cursors.append(page["nextCursor"])
    if page["Resources"][-1]["id"] != people.user_id(row):
        raise RuntimeError(f"Row {row:,} isn't the person who was seeded there.")
    times = [
        statistics.median(server.send(_page(cursor)).seconds for _ in range(_TIMES))
        for cursor in (cursors[0], cursors[1], cursors[-1])
    ]
    return times[0] * 1000, times[1] * 1000, times[2] * 1000


def _page(cursor: str) -> Request:
    return Request("GET", f"/Users?cursor={cursor}&count={_PAGE}")


def merged(kept: str, lines: list[str]) -> str:
    """Return the fragment of the docs with these numbers in place of earlier ones of their kind."""
    parts = [part for part in kept.split("### ") if part.strip()]
    heading = lines[0].removeprefix("### ")
    others = [f"### {part}" for part in parts if part.partition("\n")[0] != heading]
    return "".join([*others, "\n".join(lines) + "\n"])


if __name__ == "__main__":
    main()
