"""Bodies that aren't framed as they should be, that come slowly, or that somebody has read."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import request
from waitress.server import create_server
from werkzeug.serving import make_server

from tests.api.test_routing import is_scim_error
from tests.portal import Portal

from .conftest import databases

SERVERS = ("gunicorn sync", "gunicorn gthread", "waitress", "werkzeug")

BODY = json.dumps({"userName": "ada"}).encode()
WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

BROKEN = {
    "a size that is no number": b"zz\r\n%s\r\n0\r\n\r\n" % BODY,
    "a negative size": b"-1\r\n%s\r\n0\r\n\r\n" % BODY,
    "a size that is too large": b"ffffffffffffffffffff\r\n%s\r\n0\r\n\r\n" % BODY,
    "no size": b"\r\n%s\r\n0\r\n\r\n" % BODY,
    "an extension that is none": b"%x;\x01=\x02\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "no end of a chunk": b"%x\r\n%sxx0\r\n\r\n" % (len(BODY), BODY),
    "broken off in a chunk": WHOLE[:12],
    "broken off in a size": b"1",
    "broken off before the end": WHOLE[:-5],
    "nothing": b"",
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return str(request.param)


@contextmanager
def served(portal: Portal, name: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the portal, and yield the address."""
    with ExitStack() as ends:
        if name == "werkzeug":
            development = make_server("127.0.0.1", 0, portal.app, threaded=True)
            ends.callback(development.server_close)
            thread = threading.Thread(target=development.serve_forever)
            thread.start()
            ends.callback(thread.join)
            ends.callback(development.shutdown)
            yield "127.0.0.1", development.server_port
        elif name == "waitress":
            production = create_server(portal.app, host="127.0.0.1", port=0)
            thread = threading.Thread(target=production.run)
            thread.start()
            ends.callback(thread.join)
            ends.callback(production.close)
            yield "127.0.0.1", production.effective_port
        else:
            yield ends.enter_context(gunicorn(portal, name.split()[1], folder))


@contextmanager
def gunicorn(portal: Portal, worker: str, folder: Path) -> Iterator[tuple[str, int]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = portal.engine.url.render_as_string(hide_password=False)
        arguments = ["-b", f"fd://{listener.fileno()}", "-k", worker, "--log-level", "warning"]
        with (folder / "gunicorn.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *arguments, "tests.abuse.served:create_app()"],
                env=os.environ | {"SCIM_TEST_SERVED_URL": url},
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield listener.getsockname()
        finally:
            process.terminate()
            process.wait(20)


def spoken(address: tuple[str, int], sent: bytes) -> list[tuple[int, str, bytes]]:
    """Send bytes and no more, and return the answers: status, media type and body."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65_536):
            received += part
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(headers.get("content-length", len(rest)))
        status = int(lines[0].split()[1])
        answers.append((status, headers.get("content-type", ""), rest[:length]))
        received = rest[length:]
    return answers


def head(portal: Portal, framing: str) -> bytes:
    return (
        f"POST {portal.client.base}/Users HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {portal.client.token}\r\n"
        f"Content-Type: application/scim+json\r\n{framing}\r\n\r\n"
    ).encode()


@databases("sqlite")
def test_a_body_that_is_not_framed_is_a_400(portal: Portal, server: str, tmp_path: Path) -> None:
    """RFC 9112 sections 6.3 and 8: an incomplete message is answered with 400, and then closed."""
    chunked = head(portal, "Transfer-Encoding: chunked")
    short = head(portal, f"Content-Length: {len(BODY)}") + BODY[:-5]
    broken = {name: chunked + body for name, body in BROKEN.items()} | {"too short": short}
    with served(portal, server, tmp_path) as address:
        for name, sent in broken.items():
            answers = spoken(address, sent)
            # Some servers hang up on what broke off, or answer it by themselves.
            statuses = [status for status, _, _ in answers]
            refusal = 413 if name == "a size that is too large" and 413 in statuses else 400
            assert statuses in ([], [refusal]), (name, answers)
            for _, kind, body in answers:
                if "scim" in kind and refusal == 400:
                    assert json.loads(body)["scimType"] == "invalidSyntax", name
        extended = b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
        assert portal.user("ada") is None
        # The development server knows no extensions, and says so in the same way.
        expected = 400 if server == "werkzeug" else 201
        assert [status for status, _, _ in spoken(address, chunked + extended)] == [expected]
        answers = spoken(address, chunked + WHOLE.replace(b"ada", b"bob"))
        assert [status for status, _, _ in answers] == [201]


class Slow:
    """A body that comes when it is let go."""

    def __init__(self, body: bytes, asked: threading.Semaphore, go: threading.Event) -> None:
        self.rest, self.asked, self.go = body, asked, go

    def read(self, size: int = -1) -> bytes:
        self.asked.release()
        assert self.go.wait(30)
        part, self.rest = self.rest, b""
        return part


def streamed(stream: Slow, length: int) -> dict[str, Any]:
    """Return the environment of a request with this body."""
    return {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}


SMALL = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 1}


@pytest.mark.portal(config={"SQLALCHEMY_ENGINE_OPTIONS": SMALL})
def test_slow_bodies_hold_no_connection(portal: Portal) -> None:
    """Whoever has a token may have many connections to the server, and the database has few."""
    portal.session.close()
    asked, go = threading.Semaphore(0), threading.Event()

    def send(number: int) -> int:
        body = json.dumps({"userName": f"user{number}"}).encode()
        answer = portal.app.test_client().post(
            f"{portal.client.base}/Users",
            environ_overrides=streamed(Slow(body, asked, go), len(body)),
            content_type="application/scim+json",
            headers={"Authorization": f"Bearer {portal.client.token}"},
        )
        return answer.status_code

    with ThreadPoolExecutor(5) as threads:
        slow = [threads.submit(send, number) for number in range(5)]
        try:
            for _ in slow:
                assert asked.acquire(timeout=30)
            assert portal.engine.pool.checkedout() == 0
            assert portal.client.get("/Users").status_code == 200
        finally:
            go.set()
        done = [each.result() for each in slow]
    assert set(done) <= {201, 503}
    assert 201 in done


@databases("sqlite")
def test_no_body_is_read_for_who_has_no_token(portal: Portal) -> None:
    asked, go = threading.Semaphore(0), threading.Event()
    go.set()
    answer = portal.app.test_client().post(
        f"{portal.client.base}/Users",
        environ_overrides=streamed(Slow(BODY, asked, go), len(BODY)),
        headers={"Authorization": "Bearer nobodys"},
    )
    assert is_scim_error(answer, 401)
    assert not asked.acquire(blocking=False)


@databases("sqlite")
def test_what_is_wrong_with_a_body_is_told_to_who_has_a_token(portal: Portal) -> None:
    """Its size and its type aren't looked at before the token, as far as anybody can see."""
    other, _ = portal.connect("other")
    stranger = portal.client.with_token(other.token)
    for content_type, body in (("text/plain", BODY), ("application/json", b"{")):
        assert is_scim_error(stranger.post("/Users", body, content_type=content_type), 401)
    assert is_scim_error(portal.client.post("/Nothing", b"{"), 404)


def before_requests(portal: Portal, hook: Callable[[], object]) -> None:
    """Let the portal do something before each request."""

    @portal.app.before_request
    def before() -> None:
        hook()


HOOKS = {
    "get_data": lambda: request.get_data(cache=True),
    "get_json": lambda: request.get_json(),
    "get_json silently": lambda: request.get_json(silent=True, force=True),
    "form": lambda: request.form,
    "data": lambda: request.data,
    "values": lambda: request.values,
}


@databases("sqlite")
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("content_type", ["application/json", "application/scim+json", None])
def test_a_body_that_a_hook_has_read(portal: Portal, hook: Any, content_type: str | None) -> None:
    """A request loader looks for an API key, or somebody logs what comes in."""
    if hook is HOOKS["get_json"] and content_type is None:
        hook = HOOKS["get_data"]  # it answers 415 by itself
    before_requests(portal, hook)
    answer = portal.client.post("/Users", {"userName": "ada"}, content_type=content_type)
    assert answer.status_code == 201


@databases("sqlite")
def test_a_body_that_a_hook_has_read_and_not_kept(portal: Portal) -> None:
    """It is no fault of the client's, and is there for us to read once more."""
    before_requests(portal, lambda: request.stream.read())
    assert portal.client.post("/Users", {"userName": "ada"}).status_code == 201
    assert portal.user("ada") is not None


@databases("sqlite")
def test_a_body_that_is_gone_before_the_portal_sees_it(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no fault of the client's; the log tells the portal's team what to change."""

    @portal.app.url_value_preprocessor
    def swallow(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
        request.stream.read()

    answer = portal.client.post("/Users", {"userName": "ada"})
    assert is_scim_error(answer, 500)
    assert "request.get_data()" in caplog.text


@databases("sqlite")
@pytest.mark.portal(config={"SCIM_MAX_BODY_BYTES": 100})
def test_a_body_that_a_hook_has_read_is_no_larger(portal: Portal) -> None:
    before_requests(portal, lambda: request.get_data())
    big = json.dumps({"userName": "x" * 200}).encode()
    answer = portal.app.test_client().post(
        f"{portal.client.base}/Users",
        input_stream=io.BytesIO(big),
        headers={"Authorization": f"Bearer {portal.client.token}", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert is_scim_error(answer, 413)
