"""One application in a process of its own, and a client that speaks to it over loopback."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["Answer", "Request", "Server"]

_ROOT = Path(__file__).resolve().parents[1]
_LONGEST_START = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request, relative to the SCIM endpoint; ``body`` is sent as it is."""

    method: str
    path: str
    body: bytes | None = None
    expected: int = 200

    @classmethod
    def of(cls, method: str, path: str, body: Mapping[str, Any], expected: int = 200) -> Self:
        """Return a request whose body is JSON."""
        return cls(method, path, json.dumps(body).encode(), expected)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took from connecting to the last byte (seconds)."""

    status: int
    content: bytes
    seconds: float

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.content)


@dataclass
class Server:
    """Gunicorn with one worker, as a context manager.

    :ivar app: ``module:factory()``, as Gunicorn takes it.
    :ivar start_seconds: from starting the process to the first answered request.
    """

    app: str
    database: str
    base: str
    token: str = field(repr=False)
    start_seconds: float = 0.0

    def __enter__(self) -> Self:
        self._port = _free_port()
        self._headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/scim+json; charset=utf-8",
        }
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--workers", "1", "--log-level", "error"),
                *("--bind", f"127.0.0.1:{self._port}", self.app),
            ],
            cwd=_ROOT,
            env={**os.environ, "BENCHMARK_DATABASE": self.database},
        )
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() > started + _LONGEST_START:
                self.__exit__()
                raise RuntimeError(f"{self.app} doesn't answer; its log is above.")
            time.sleep(0.005)
        self.start_seconds = time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def send(self, request: Request) -> Answer:
        """Send a request on a connection of its own and check its status.

        :raises RuntimeError: when the status isn't the expected one.
        """
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        connection.request(
            request.method, self.base + request.path, request.body, headers=self._headers
        )
        response = connection.getresponse()
        content = response.read()
        connection.close()
        seconds = time.perf_counter() - started
        if response.status != request.expected:
            raise RuntimeError(
                f"{self.app} answered {response.status} to {request.method} {request.path}: "
                f"{content[:500]!r}"
            )
        return Answer(response.status, content, seconds)

    def peak_mib(self) -> float:
        """Return the greatest memory that the worker has had (VmHWM), in MiB."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        worker = children.split()[0]
        for line in Path(f"/proc/{worker}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("This kernel doesn't tell VmHWM.")

    def _answers(self) -> bool:
        try:
            self.send(Request("GET", "/ServiceProviderConfig"))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
