"""One connection to a SCIM server, with the headers and encodings of an identity provider."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

import requests
from urllib3.util import SKIP_HEADER

from .chaos import SETTLING, Chaos, Dropped, Moment
from .checks import (
    Problem,
    error_problems,
    list_problems,
    media_type_problems,
    resource_problems,
    sensitive_problems,
)
from .habits import Headers, RetryPolicy
from .report import Kind, Report

FLAG = "aadoptscim062020"
PAGE = 100
# What a repeated request may be answered because its first, cut-off sending was carried out.
ALREADY_DONE = {"POST": 409, "DELETE": 404}


class ObjectFailed(Exception):
    """A request about one object failed; the provider goes on with the next one."""


class Quarantined(Exception):
    """The server can't be used at all; the provider stops the job."""


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its JSON body (None without one), and what was asked."""

    request: str
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """``Resources`` of a ListResponse; objects only."""
        found = self.body.get("Resources") if isinstance(self.body, Mapping) else None
        return [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []

    @property
    def total(self) -> int:
        """``totalResults`` of a ListResponse, 0 where it is none."""
        found = self.body.get("totalResults") if isinstance(self.body, Mapping) else None
        return found if isinstance(found, int) else 0


class BearerToken(requests.auth.AuthBase):
    """The token on each request; a ``.netrc`` can't replace it and no ``repr`` shows it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on one request."""
        request.headers["Authorization"] = f"Bearer {self._wire.token}"
        return request


class Wire:
    """Sends requests as one identity provider does, and checks what every answer must satisfy.

    :param endpoint: the base URL as the administrator pastes it; a trailing slash and a feature
        flag in its query are taken off.
    :param token: the bearer token.
    :param report: where requests and surprises are recorded.
    :param timeout: seconds for one answer (Okta's limit is 60).
    :param chaos: which connections are dropped on purpose.
    :raises ValueError: the endpoint is no HTTP URL.
    """

    def __init__(
        self,
        endpoint: str,
        token: str,
        report: Report,
        headers: Headers,
        retry: RetryPolicy,
        timeout: float = 60.0,
        chaos: Chaos | None = None,
    ) -> None:
        self.base, self.flags = split_endpoint(endpoint)
        self.report = report
        self.headers = headers
        self.retry = retry
        self.timeout = timeout
        self.chaos = chaos
        self.token = token
        self._local = threading.local()

    def get(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        expect: Collection[int] = (200,),
        subject: str = "",
    ) -> Answer:
        """Send a GET; see :meth:`call`."""
        return self.call("GET", path, query=query, expect=expect, subject=subject)

    def resource(
        self,
        method: str,
        path: str,
        resource_type: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        expect: Collection[int] = (200,),
        expected_id: str | None = None,
        subject: str = "",
    ) -> Answer:
        """Send a request whose 200 or 201 is one resource, and check that resource.

        :raises ObjectFailed: another status came, or no usable resource.
        """
        answer = self.call(method, path, body, query=query, expect=expect, subject=subject)
        if answer.status in (200, 201):
            problems = list(resource_problems(answer.body, resource_type, expected_id))
            self._surprises(problems, answer.request, subject)
            if any(kind is Kind.MISSING_ID for kind, _ in problems) or not answer.body:
                raise ObjectFailed(answer.request)
        return answer

    def listing(
        self,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        subject: str = "",
    ) -> Answer:
        """Send a GET whose answer is a ListResponse, and check its shape."""
        asked = dict(query or {})
        answer = self.get(path, asked, subject=subject)
        start, count = int(asked.get("startIndex", 1)), asked.get("count")
        problems = list_problems(answer.body, start, None if count is None else int(count))
        self._surprises(problems, answer.request, subject)
        return answer

    def pages(
        self, path: str, query: Mapping[str, str | int] | None = None
    ) -> list[dict[str, Any]]:
        """Every resource of an endpoint, read in pages of 100 as both providers do.

        Pages move while somebody else creates or deletes; a list that does not fit together is
        read once more, and is a surprise only when it still does not.
        """
        found, problems = self._read_pages(path, query or {})
        if problems:
            found, problems = self._read_pages(path, query or {})
        self._surprises(problems, f"GET {path}", "")
        return list(found.values())

    def _read_pages(
        self, path: str, query: Mapping[str, str | int]
    ) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
        start, total = 1, 0
        found: dict[str, dict[str, Any]] = {}
        problems: list[Problem] = []
        while True:
            answer = self.listing(path, {**query, "startIndex": start, "count": PAGE})
            for resource in answer.resources:
                scim_id = str(resource.get("id"))
                if scim_id in found:
                    detail = f"{scim_id!r} came twice: the order is not stable"
                    problems.append((Kind.LIST, detail))
                found[scim_id] = resource
            start, total = start + len(answer.resources), answer.total
            if not answer.resources or start > total:
                break
        if len(found) != total:
            detail = f"totalResults is {total}, the pages held {len(found)}"
            problems.append((Kind.LIST, detail))
        return found, problems

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
        expect: Collection[int] = (200,),
        subject: str = "",
    ) -> Answer:
        """Send one request, and record what an identity provider minds.

        It is sent again after 429, after 503 with ``Retry-After``, and when the connection was
        dropped. Then a POST may be answered 409 and a DELETE 404, for the first one may have been
        carried out.

        :raises ObjectFailed: the status is none of ``expect``, or there was no answer.
        :raises Quarantined: the server answers 401: the token is refused.
        """
        request, attempt = f"{method} {path}", 1
        moments: set[Moment] = set()
        while True:
            try:
                response = self._send(method, path, query, body, subject)
            except Dropped as drop:
                moments.add(drop.moment)
                continue
            if not _is_throttled(response) or response.status_code in expect:
                break
            if attempt == self.retry.attempts or not self._wait(response, attempt, request):
                break
            attempt += 1
        if Moment.WAITING in moments and method != "GET":
            time.sleep(SETTLING)
        done = ALREADY_DONE.get(method) if moments - {Moment.BEFORE} else None
        if done is not None and done == response.status_code and done not in expect:
            self.report.found_done()
            expect = {*expect, done}
        return self._judge(response, request, expect, subject)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        subject: str,
    ) -> requests.Response:
        headers = dict(self.headers.always)
        data = None
        if body is not None:
            headers.update(self.headers.with_body)
            data = json.dumps(body, ensure_ascii=False).encode()
        drop = self.chaos.draw() if self.chaos is not None else None
        if drop is not None and drop.moment is Moment.BEFORE:
            self.report.dropped(drop.moment)
            raise Dropped(drop.moment)
        waiting = drop is not None and drop.moment is Moment.WAITING
        started = time.perf_counter()
        try:
            response = self._session().request(
                method,
                self.base + path + self.encode(query),
                data=data,
                headers=headers,
                timeout=(self.timeout, drop.patience if drop and waiting else self.timeout),
                allow_redirects=False,
                stream=drop is not None,
            )
        except requests.RequestException as error:
            if drop is not None:
                self.report.dropped(drop.moment)
                raise Dropped(drop.moment) from error
            self.report.answered(method, 0, time.perf_counter() - started)
            self.report.surprise(
                Kind.NO_ANSWER, type(error).__name__, request=f"{method} {path}", subject=subject
            )
            raise ObjectFailed(f"{method} {path}") from error
        if drop is not None:
            # Closed without reading, the connection can't be used for another request.
            response.close()
            self.report.dropped(drop.moment)
            raise Dropped(drop.moment)
        self.report.answered(method, response.status_code, time.perf_counter() - started)
        return response

    def encode(self, query: Mapping[str, str | int] | None) -> str:
        """The query string in the provider's own encoding, with its question mark."""
        if not query:
            return ""
        encode = quote_plus if self.headers.blank_as_plus else _quote
        return "?" + "&".join(f"{name}={encode(str(value))}" for name, value in query.items())

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = BearerToken(self)
            session.headers.clear()
            # urllib3 adds headers of its own unless it is told not to.
            session.headers.update(dict.fromkeys(self.headers.absent, SKIP_HEADER))
            self._local.session = session
        return session

    def _wait(self, response: requests.Response, attempt: int, request: str) -> bool:
        asked = response.headers.get("Retry-After", "")
        self.report.throttled()
        if asked.isascii() and asked.isdigit():
            seconds = float(asked) * (2 ** (attempt - 1) if self.retry.doubling else 1)
            usable = True
        else:
            seconds, usable = min(self.retry.without, 1.0), False
            detail = f"Retry-After should be whole seconds, got {asked or 'none'}; the provider"
            detail += f" would wait {self.retry.without:.0f} s"
            self.report.surprise(Kind.THROTTLING, detail, request=request)
        if usable and seconds > self.retry.patience:
            return False
        time.sleep(seconds)
        return True

    def _judge(
        self, response: requests.Response, request: str, expect: Collection[int], subject: str
    ) -> Answer:
        status, problems = response.status_code, list[Problem]()
        body: Any = None
        if response.content:
            try:
                body = response.json()
            except ValueError:
                problems.append((Kind.BODY, f"the {status} is no JSON"))
            problems += media_type_problems(response.headers.get("Content-Type"))
        if status == 204 and response.content:
            problems.append((Kind.BODY, "a 204 has no body"))
        if status >= 400:
            problems += error_problems(status, body)
        elif status != 204 and not response.content:
            problems.append((Kind.BODY, f"the {status} has no body"))
        problems += sensitive_problems(body, self.token)
        if status not in expect:
            wanted = " or ".join(str(code) for code in sorted(expect))
            kind = Kind.SERVER_ERROR if status >= 500 else Kind.STATUS
            problems.append((kind, f"expected {wanted}, got {status}{_detail(body)}"))
        self._surprises(problems, request, subject)
        if status not in expect:
            if status == 401:
                raise Quarantined(f"{request} was answered {status}{_detail(body)}")
            raise ObjectFailed(request)
        return Answer(request, status, body, response.headers)

    def _surprises(
        self, problems: Iterator[Problem] | Sequence[Problem], request: str, subject: str
    ) -> None:
        for kind, detail in problems:
            self.report.surprise(kind, detail, request=request, subject=subject)


def split_endpoint(endpoint: str) -> tuple[str, frozenset[str]]:
    """The base URL without trailing slash and query, and the feature flags of the query.

    ``https://host/scim/?aadOptscim062020`` is how administrators are told to write it.

    :raises ValueError: the endpoint is no HTTP URL.
    """
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("The endpoint must be the http or https URL of the SCIM service.")
    flags = frozenset(name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")), flags


def _is_throttled(response: requests.Response) -> bool:
    return response.status_code == 429 or (
        response.status_code == 503 and "Retry-After" in response.headers
    )


def literal(value: str) -> str:
    """A string as a filter literal (RFC 7644 section 3.4.2.2: a JSON string)."""
    return json.dumps(value, ensure_ascii=False)


def _quote(value: str) -> str:
    return quote(value, safe="")


def _detail(body: Any) -> str:
    detail = body.get("detail") if isinstance(body, Mapping) else None
    return f": {str(detail)[:200]}" if detail else ""
