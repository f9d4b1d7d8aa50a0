"""Double the size of each kind of request: ``python -m benchmarks.curves`` prints what it costs.

One process, SQLite, CPU time. A request that costs what it is long has the ratio 2 or less; one
that is refused for a limit says which. Nothing that is read (``SCIM_MAX_BODY_BYTES``) may cost more
than :data:`MOST_SECONDS`.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from benchmarks import ours

MOST_SECONDS = 2.0
LARGEST_BODY = 2_000_000
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_NOISE = 0.05
"""Below these seconds a ratio says nothing."""

Body = Callable[[int, "Portal"], tuple[str, str, Any]]
"""Returns method, path and body of a request of a size."""


class Portal:
    """A portal in this process, with a few people, and what requests are made of."""

    def __init__(self, app: Flask, base: str, token: str) -> None:
        self.client = app.test_client()
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}"}
        self._numbers = itertools.count()
        self.people = [
            str(each["id"]) for each in self.get("/Users?count=200&attributes=id")["Resources"]
        ]

    def get(self, path: str) -> Any:
        """Return what a GET answers."""
        return self.client.get(self._base + path, headers=self._headers).json

    def send(self, method: str, path: str, body: str | None) -> tuple[float, Any]:
        """Return the seconds of CPU that a request took, and its answer."""
        started = time.process_time()
        answer = self.client.open(
            self._base + path,
            method=method,
            data=body,
            headers=self._headers,
            content_type="application/scim+json",
        )
        return time.process_time() - started, answer

    def user(self, **more: Any) -> str:
        """Create a user and return the path of it."""
        name = f"curve{next(self._numbers)}-{uuid.uuid4()}"
        return self._made("/Users", {"userName": name, **more})

    def group(self) -> str:
        """Create a group and return the path of it."""
        name = f"curve{next(self._numbers)}-{uuid.uuid4()}"
        members = [{"value": each} for each in self.people[:100]]
        return self._made("/Groups", {"displayName": name, "members": members})

    def _made(self, endpoint: str, resource: Mapping[str, Any]) -> str:
        _, answer = self.send("POST", endpoint, json.dumps(resource))
        return f"{endpoint}/{answer.json['id']}"


def patch(path: str, operations: list[Any]) -> tuple[str, str, Any]:
    """Return a PATCH."""
    return "PATCH", path, {"schemas": [PATCH_OP], "Operations": operations}


def phones(count: int) -> list[dict[str, Any]]:
    """Return as many telephone numbers."""
    return [{"value": f"+49 30 {number:07}", "type": "work"} for number in range(count)]


def one_each(op: str, path: str, values: list[Any]) -> list[Any]:
    """Return an operation for each value."""
    return [{"op": op, "path": path, "value": value} for value in values]


def removals(path: str, count: int) -> list[Any]:
    """Return as many removals by a filter."""
    return [{"op": "remove", "path": path.format(f"{n:07}")} for n in range(count)]


def alternating(count: int, portal: Portal) -> tuple[str, str, Any]:
    """Members who come and go in turn."""
    operations: list[Any] = []
    for number in range(count):
        member = portal.people[number // 2 % len(portal.people)]
        if number % 2:
            operations.append({"op": "remove", "path": f'members[value eq "{member}"]'})
        else:
            operations.append({"op": "add", "path": "members", "value": [{"value": member}]})
    return patch(portal.group(), operations)


def spelled(name: str, count: int) -> list[str]:
    """Return a name in as many spellings, which differ in case."""
    letters = [index for index, letter in enumerate(name) if letter.isalpha()]
    found = []
    for number in range(min(count, 2 ** len(letters))):
        upper = {index for bit, index in enumerate(letters) if number >> bit & 1}
        found.append("".join(c.upper() if i in upper else c.lower() for i, c in enumerate(name)))
    return found


def bulk(operations: list[Any]) -> tuple[str, str, Any]:
    """Return a bulk request."""
    return "POST", "/Bulk", {"schemas": [BULK], "Operations": operations}


def search(**parameters: Any) -> tuple[str, str, Any]:
    """Return a search by POST."""
    return "POST", "/Users/.search", {"schemas": [SEARCH], "count": 1, **parameters}


def chain(count: int, _portal: Portal) -> tuple[str, str, Any]:
    """Groups of which each is to be a member of the one before."""
    return bulk(
        [
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": f"g{n}",
                "data": {
                    "displayName": f"chain {uuid.uuid4()}",
                    "members": [{"value": f"bulkId:g{(n + 1) % count}"}],
                },
            }
            for n in range(count)
        ]
    )


def name() -> str:
    """Return a new user name."""
    return f"curve-{uuid.uuid4()}"


@dataclass(frozen=True)
class Curve:
    """One kind of request.

    :ivar first: the size that it begins with.
    :ivar of: makes it of a size.
    """

    title: str
    first: int
    of: Body


URN = "urn:scim:schemas:extension:enterprise:2.0"
CURVES = (
    Curve("PATCH, one number added again and again", 500, lambda n, p: patch(
        p.user(), one_each("add", "phoneNumbers", phones(1) * n))),
    Curve("PATCH, numbers added one by one", 500, lambda n, p: patch(
        p.user(), one_each("add", "phoneNumbers", phones(n)))),
    Curve("PATCH, numbers added at once", 500, lambda n, p: patch(
        p.user(), one_each("add", "phoneNumbers", [phones(n)]))),
    Curve("PATCH, removals by value", 500, lambda n, p: patch(
        p.user(phoneNumbers=phones(min(n, 2_000))),
        removals('phoneNumbers[value eq "+49 30 {}"]', n))),
    Curve("PATCH, removals by a filter without index", 500, lambda n, p: patch(
        p.user(phoneNumbers=phones(min(n, 2_000))), removals('phoneNumbers[value ew "{}"]', n))),
    Curve("PATCH, one removal that lists values", 500, lambda n, p: patch(
        p.user(phoneNumbers=phones(min(n, 2_000))),
        one_each("remove", "phoneNumbers", [phones(n)]))),
    Curve("PATCH, one element altered again and again", 500, lambda n, p: patch(
        p.user(phoneNumbers=phones(2_000)),
        one_each("replace", 'phoneNumbers[value eq "+49 30 0000007"].display', ["x"] * n))),
    Curve("PATCH, all elements altered again and again", 50, lambda n, p: patch(
        p.user(phoneNumbers=phones(2_000)), one_each("replace", "phoneNumbers.type", ["x"] * n))),
    Curve("PATCH, a title set again and again", 500, lambda n, p: patch(
        p.user(), one_each("replace", "title", ["x"] * n))),
    Curve("PATCH, the shortest operations", 500, lambda n, p: patch(
        p.user(), [{"op": "add", "path": "id", "value": 1}] * n)),
    Curve("PATCH, a name in parts", 500, lambda n, p: patch(
        p.user(), one_each("replace", "name", [{"givenName": f"a{i}"} for i in range(n)]))),
    Curve("PATCH, unknown paths", 500, lambda n, p: patch(
        p.user(), one_each("replace", "shoe[", list(range(n))))),
    Curve("PATCH, long paths that can't be read", 4, lambda n, p: patch(
        p.user(), one_each("replace", 'emails[value eq "' + "eq ' " * 1_600, ["x"] * n))),
    Curve("PATCH, long filters in paths", 4, lambda n, p: patch(
        p.user(phoneNumbers=phones(500)), one_each(
            "remove", "phoneNumbers[" + " or ".join(['value ew "1"'] * 90) + "]", ["x"] * n))),
    Curve("PATCH without a path, unknown attributes", 1_000, lambda n, p: patch(
        p.user(), [{"op": "add", "value": {f"unknown{i}": 1 for i in range(n)}}])),
    Curve("PATCH without a path, known ones in all spellings", 1_000, lambda n, p: patch(
        p.user(), [{"op": "add", "value": dict.fromkeys(spelled("preferredLanguage", n), "x")}])),
    Curve("PATCH, an object with unknown parts", 1_000, lambda n, p: patch(
        p.user(), one_each("add", "name", [{f"unknown{i}": 1 for i in range(n)}]))),
    Curve("PATCH, members come and go", 500, alternating),
    Curve("PATCH, members added at once", 500, lambda n, p: patch(
        p.group(), one_each("add", "members",
                            [[{"value": p.people[i % len(p.people)]} for i in range(n)]]))),
    Curve("PATCH, unknown members added one by one", 500, lambda n, p: patch(
        p.group(), one_each("add", "members", [[{"value": str(uuid.uuid4())}] for _ in range(n)]))),
    Curve("PATCH, members found by their names", 5, lambda n, p: patch(
        p.group(), removals('members[display sw "{}"]', n))),
    Curve("POST, unknown attributes", 1_000, lambda n, _: (
        "POST", "/Users", {"userName": name(), **{f"unknown{i}": 1 for i in range(n)}})),
    Curve("POST, an enterprise attribute in all spellings", 1_000, lambda n, _: (
        "POST", "/Users", {"userName": name(), **dict.fromkeys(spelled("employeeNumber", n), "x"),
                           **{f"unknown{i}": 1 for i in range(n)}})),
    Curve("POST, an old URN in all spellings", 1_000, lambda n, _: (
        "POST", "/Users", {"userName": name(), **dict.fromkeys(spelled(URN, n), None)})),
    Curve("POST, telephone numbers", 500, lambda n, _: (
        "POST", "/Users", {"userName": name(), "phoneNumbers": phones(n)})),
    Curve("POST, schemas", 1_000, lambda n, _: (
        "POST", "/Users", {"userName": name(), "schemas": [f"urn:x:{i}" for i in range(n)]})),
    Curve("POST, a long title", 10_000, lambda n, _: (
        "POST", "/Users", {"userName": name(), "title": "x" * n})),
    Curve("POST, members", 500, lambda n, p: (
        "POST", "/Groups", {"displayName": name(), "members": [
            {"value": p.people[i % len(p.people)]} for i in range(n)]})),
    Curve("Search, names of attributes", 1_000, lambda n, _: search(
        attributes=[f"unknown{i}" for i in range(n)])),
    Curve("Search, one attribute many times", 1_000, lambda n, _: search(
        attributes=["userName"] * n)),
    Curve("Search, attributes in all spellings", 1_000, lambda n, _: search(
        attributes=spelled("preferredLanguage", n))),
    Curve("Search, alternatives", 5, lambda n, _: search(
        filter=" or ".join(f'title eq "{i}"' for i in range(n)))),
    Curve("Search, alternatives among elements", 5, lambda n, _: search(
        filter=" or ".join(f'phoneNumbers.value co "{i}"' for i in range(n)))),
    Curve("Search, negations", 2, lambda n, _: search(
        filter="not (" * n + "title pr" + ")" * n)),
    Curve("Search, a long value", 1_000, lambda n, _: search(filter=f'userName eq "{"x" * n}"')),
    Curve("Search, a long value that can't be read", 1_000, lambda n, _: search(
        filter=f"title eq {'eq ' * n}")),
    Curve("Bulk, changes of one user", 50, lambda n, p: bulk(
        [{"method": "PATCH", "path": path, "data": {"Operations": [
            {"op": "replace", "path": "title", "value": f"{i}"}]}}
         for path in [p.user()] for i in range(n)])),
    Curve("Bulk, changes of one user who has much", 50, lambda n, p: bulk(
        [{"method": "PATCH", "path": path, "data": {"Operations": [
            {"op": "replace", "path": "title", "value": f"{i}"}]}}
         for path in [p.user(phoneNumbers=phones(2_000))] for i in range(n)])),
    Curve("Bulk, creations", 50, lambda n, _: bulk(
        [{"method": "POST", "path": "/Users", "bulkId": f"u{i}", "data": {"userName": name()}}
         for i in range(n)])),
    Curve("Bulk, operations that fail", 50, lambda n, _: bulk(
        [{"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"} for _ in range(n)])),
    Curve("Bulk, groups in a circle", 50, chain),
)  # fmt: skip


def measure(curve: Curve, portal: Portal) -> Iterator[tuple[int, int, float, float | None, Any]]:
    """Yield size, bytes, seconds, the ratio to the size before, and the answer."""
    size, before = curve.first, None
    while True:
        method, path, body = curve.of(size, portal)
        text = json.dumps(body)
        if len(text) > LARGEST_BODY:
            return
        seconds, answer = portal.send(method, path, text)
        ratio = seconds / before if before is not None and before > _NOISE else None
        yield size, len(text), seconds, ratio, answer
        if answer.status_code == 413 and answer.json["detail"].startswith("The body is larger"):
            return
        before = seconds
        size *= 2


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, measure, report; fail where a request costs too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curves", description=__doc__)
    parser.add_argument("--only", default="", help="measure what has this in its title")
    parser.add_argument("--dialect", default="entra", help="the identity provider")
    options = parser.parse_args(arguments)
    slow = []
    with tempfile.TemporaryDirectory() as directory:
        database = f"sqlite:///{Path(directory) / 'curves.sqlite3'}"
        base, token = ours.seed(database, 1_000)
        os.environ["BENCHMARK_DATABASE"] = database
        app = ours.create_app()
        models = app.extensions["scim_provisioning"].models
        with app.app_context(), ours.db.engine.begin() as connection:
            table = models.integration.__table__
            connection.execute(sa.update(table).values(dialect=options.dialect))
        portal = Portal(app, base, token)
        for curve in CURVES:
            if options.only.lower() not in curve.title.lower():
                continue
            print(f"\n{curve.title}")
            for size, length, seconds, ratio, answer in measure(curve, portal):
                grown = "" if ratio is None else f"x{ratio:.1f}"
                said = answer.json.get("detail", "") if answer.status_code >= 400 else ""
                print(
                    f"{size:>9,} {length:>10,} bytes {seconds:>7.3f} s {grown:>6}"
                    f"  {answer.status_code} {said[:90]}",
                    flush=True,
                )
                if seconds > MOST_SECONDS:
                    slow.append(f"{curve.title}: {length:,} bytes took {seconds:.1f} s")
    if slow:
        sys.exit("\n".join(["", *slow]))


if __name__ == "__main__":
    main()
