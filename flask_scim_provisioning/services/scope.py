"""What a use case knows of its caller."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ..dialects import Dialect
from ..models import Models
from ..scim.elements import Budget
from ..scim.limits import Limits
from .policies import Policies
from .work import Immediate, Work

__all__ = ["Origin", "Scope", "transact"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for those who look into what happened.

    :ivar path: what follows the SCIM base, with its query, as it was sent.
    :ivar address: of the client, as far as the portal's proxies tell it.
    """

    method: str | None = None
    path: str | None = field(default=None, repr=False)
    address: str | None = None
    user_agent: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Who calls, for which tenant, and what they may do: one for each request.

    :ivar permissions: ``"USERS:CREATE"`` and the like.
    :ivar policies: What the integration may do to people.
    :ivar base_url: The absolute URL of the SCIM base, without a slash at its end.
    :ivar started: ``time.perf_counter()`` at the beginning of the request.
    :ivar notes: Filled by dialects and use cases wherever leniency changed something.
    :ivar request_body: The body as it was sent; it is redacted before it is kept.
    :ivar work: The transaction of a use case, of its own or shared with others.
    :ivar limits: How much of one resource is kept.
    :ivar budget: Counts what the request costs beyond its own length.
    :ivar origin: Where the request came from.
    :ivar hidden: The names of the attributes that the schemas never return, in lower case.
    """

    session: Session = field(repr=False)
    models: Models = field(repr=False)
    tenant: str
    integration_id: uuid.UUID
    integration_name: str
    service_account_id: uuid.UUID
    permissions: frozenset[str]
    policies: Policies = field(default_factory=Policies)
    dialect: Dialect
    request_id: str
    base_url: str
    started: float = field(default_factory=time.perf_counter)
    notes: list[str] = field(default_factory=list)
    request_body: Any | None = field(default=None, repr=False)
    work: Work = field(default=Immediate(), repr=False)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    origin: Origin = field(default_factory=Origin)
    hidden: frozenset[str] = frozenset()


def transact(scope: Scope, work: Callable[[], T]) -> T:
    """Run ``work`` in a transaction of its own, or in a savepoint of the batch's.

    :raises DatabaseUnavailable: when the database is still busy after the last attempt.
    """
    return scope.work.run(scope.session, work)
