"""Who is calling, where the integration doesn't say.

An integration that was created without naming its identity provider is strict, because a client
that keeps to the RFC must not be second-guessed. Entra and Okta can be told from their requests.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .base import Dialect
from .entra import Entra
from .okta import Okta

__all__ = ["recognised_by_body", "recognised_by_headers"]

_ENTRA, _OKTA = Entra(), Okta()


def recognised_by_headers(header: Callable[[str], str | None]) -> Dialect | None:
    """Return the dialect of a provider that names itself.

    Source: Entra sends ``ADSCIMVersion`` with every request, and no ``User-Agent``; Okta's is
    ``Okta SCIM Client 1.0.0``, unchanged for years, and its test suite is run by Runscope, now
    BlazeMeter, which look for ``members[].display`` before anybody has named the provider.

    :param header: returns the request's header of a name, or None.
    """
    if header("ADSCIMVersion") is not None:
        return _ENTRA
    if (header("User-Agent") or "").lower().startswith(("okta", "runscope", "blazemeter")):
        return _OKTA
    return None


def recognised_by_body(body: Any) -> Dialect | None:
    """Return Entra's dialect where an operation begins with a capital letter.

    Source: Entra, ``Add``, ``Replace`` and ``Remove`` unless the tenant URL has the flag
    ``aadOptscim062020``. No client that keeps to RFC 7644 section 3.5.2 writes them so.
    """
    operations = body.get("Operations") if isinstance(body, Mapping) else None
    if not isinstance(operations, list):
        return None
    for operation in operations:
        op = operation.get("op") if isinstance(operation, Mapping) else None
        if op in ("Add", "Replace", "Remove"):
            return _ENTRA
    return None
