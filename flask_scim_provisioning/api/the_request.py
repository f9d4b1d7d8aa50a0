"""The present request itself: each look through Flask's proxy takes a microsecond."""

from __future__ import annotations

from typing import Any, cast

from flask import Request, request

__all__ = ["this_request"]


def this_request() -> Request:
    """Return what ``flask.request`` stands for; one request looks at it fifty times."""
    proxy: Any = request
    return cast("Request", proxy._get_current_object())  # noqa: SLF001 - Werkzeug documents it
