"""Bulk (RFC 7644 section 3.7): the use cases of ``directory``, many of them in one transaction.

One that fails takes nothing with it: each has a savepoint of its own, which plain creations share
until one of them fails. What they tell the activity log is written at the end, at once, and signals
are sent after the commit. Where the transaction itself ends early, nothing was done: all of it is
repeated, or refused as a whole.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from ..mapping.access import searching
from ..mapping.resources import ResourceMapping
from ..scim.bulk import (
    BulkOperation,
    BulkRequest,
    BulkResult,
    Step,
    postpone,
    references,
    resolve,
    schedule,
)
from ..scim.errors import (
    EndpointNotFound,
    InternalError,
    ScimError,
    UnresolvedReference,
    shown,
)
from ..scim.messages import read_patch_envelope
from ..scim.versions import Preconditions
from . import activity, directory, offboarding
from .activity import Action
from .answers import Resource
from .bulk_order import in_order_of_names, is_plain, lock_links, require_enabled
from .changes import view_of
from .database_errors import kind_of_error, traceback_of
from .scope import Scope, transact
from .subjects import name_in
from .work import Batch, begin_writing, ends_transaction, savepoint

__all__ = ["run_bulk"]

logger = logging.getLogger(__name__)

_WORDS = {"POST": "created", "PUT": "replaced", "PATCH": "updated", "DELETE": "deleted"}
_STATUS = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}


def run_bulk(
    scope: Scope, mappings: Mapping[str, ResourceMapping], request: BulkRequest
) -> list[BulkResult]:
    """Carry out the operations of a bulk request, and return what became of each.

    They run in the order in which they were sent, except that one that refers to a ``bulkId`` waits
    for it. After ``failOnErrors`` errors the rest isn't carried out, and has no result.

    :param mappings: by endpoint, without its slash.
    :raises DatabaseUnavailable: when the database can't do all of it; then nothing was changed.
    :raises IntegrationDisabled: when it was disabled meanwhile; then nothing was changed either.
    :raises Unauthorized: when the integration was removed meanwhile, the same.
    """
    steps = schedule(request.operations)
    if request.fail_on_errors is None:
        steps = list(in_order_of_names(steps, mappings))

    def work() -> tuple[list[BulkResult], Batch]:
        batch = Batch()
        scope.budget.renew()  # this may be another attempt
        begin_writing(scope.session)
        run = _Run(replace(scope, work=batch), batch, mappings, request.fail_on_errors)
        # PostgreSQL itself refuses to go on after a transaction has failed; the others begin a new
        # one, and the savepoint isn't there any more when it is released.
        backend = scope.session.connection().dialect.name
        with nullcontext() if backend == "postgresql" else savepoint(scope.session):
            lock_links(scope, mappings, request.operations)
            run.look_names_up(request.operations)
            results = run.all(steps)
            require_enabled(scope, locked=True)
            run.gather()
            batch.write(scope.session)
        return results, batch

    results, batch = scope.work.run(scope.session, work)
    for announce in batch.announcements:
        announce()
    return results


_TOGETHER = 100
"""How many creations share a savepoint at most."""

_ENABLED_EVERY = 1.0
"""How often a long request finds out whether it was disabled meanwhile (seconds)."""


@dataclass(slots=True)
class _Run:
    """One attempt at all operations.

    :ivar batch: the scope's, for its end.
    :ivar told: what each operation leaves for that end, by its number.
    :ivar ids: the id of each resource that was created, by its ``bulkId``.
    :ivar later: the PATCH that completes a resource, where references had to wait.
    """

    scope: Scope
    batch: Batch
    mappings: Mapping[str, ResourceMapping]
    fail_on_errors: int | None
    told: list[tuple[int, Batch]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    later: list[tuple[BulkResult, Any]] = field(default_factory=list)
    errors: int = 0
    asked: float = field(default_factory=time.perf_counter)

    def gather(self) -> None:
        """Leave for the end what the operations have told, in their order in the request."""
        for _, told in sorted(self.told, key=lambda each: each[0]):
            self.batch.entries.extend(told.entries)
            self.batch.announcements.extend(told.announcements)

    def _scope_of(self, operation: BulkOperation, *, together: bool = False) -> Scope:
        own = replace(self.batch, entries=[], announcements=[], together=together)
        self.told.append((operation.number, own))
        return replace(
            self.scope,
            started=time.perf_counter(),
            notes=[],
            request_body=operation.data,
            work=own,
        )

    def look_names_up(self, operations: Iterable[BulkOperation]) -> None:
        """Look up at once which of the names of those who are created are free."""
        names: dict[str, list[str]] = {}
        for operation in operations:
            mapping = self.mappings.get(operation.endpoint)
            if operation.method != "POST" or mapping is None or operation.fault is not None:
                continue
            name = operation.data.get(mapping.lookup_key)
            if isinstance(name, str):
                names.setdefault(operation.endpoint, []).append(name)
        for endpoint, wanted in names.items():
            mapping = self.mappings[endpoint]
            free = searching.free_names(mapping, wanted, view_of(self.scope, mapping))
            self.batch.free[mapping.endpoint] = free

    def all(self, steps: list[Step]) -> list[BulkResult]:
        """Carry out the steps, then what had to wait for all of them."""
        results: dict[int, BulkResult] = {}
        waiting = deque(steps)
        while waiting and not self._is_enough():
            if time.perf_counter() - self.asked > _ENABLED_EVERY:
                require_enabled(self.scope)
                self.asked = time.perf_counter()
            group = list(itertools.takewhile(is_plain, itertools.islice(waiting, _TOGETHER)))
            done = self._together(group) if len(group) > 1 else []
            for _ in done:
                waiting.popleft()
            for step in [] if done else group or [waiting[0]]:
                if not self._is_enough():
                    waiting.popleft()
                    done.append(self._one(step))
            results.update((result.operation.number, result) for result in done)
        for result, patch in self.later:
            results[result.operation.number] = self._complete(result, patch)
        return list(results.values())

    def _is_enough(self) -> bool:
        return self.fail_on_errors is not None and self.errors >= self.fail_on_errors

    def _together(self, group: list[Step]) -> list[BulkResult]:
        """Create resources in one savepoint; should one of them fail, nothing is done.

        What a savepoint for each would leave is left, with a third of the statements: where one
        fails, all of them are carried out again, each in its own.
        """
        batch = self.batch
        batch.settle()
        told, ids = len(self.told), dict(self.ids)
        free = {endpoint: set(names) for endpoint, names in batch.free.items()}

        def work() -> list[BulkResult]:
            return [
                self._done(
                    step.operation,
                    self._carried_out(
                        self._scope_of(step.operation, together=True), step.operation, None
                    ),
                )
                for step in group
            ]

        try:
            return transact(self.scope, work)
        except Exception as error:
            if ends_transaction(error):
                raise
            # Which one it was, and why, is found out when each is carried out by itself.
            logger.debug("Request %s: a group of creations failed.", self.scope.request_id)
        del self.told[told:]
        batch.free.update(free)
        self.ids = ids
        return []

    def _one(self, step: Step) -> BulkResult:
        operation, patch = step.operation, None
        if step.postponed:
            now, patch = postpone(operation.data, step.postponed)
            operation = replace(operation, data=now)
        result = self._guarded(operation, operation.resource_id)
        if result.error is None and patch is not None:
            self.later.append((result, patch))
        return result

    def _complete(self, result: BulkResult, patch: Any) -> BulkResult:
        """Add the references that had to wait to a resource that was created without them."""
        operation = result.operation
        added = self._guarded(
            replace(operation, method="PATCH", data=patch, version=None),
            self.ids[operation.bulk_id or ""],
        )
        if added.error is None:
            return replace(result, version=added.version)
        return replace(result, status=added.status, version=None, error=added.error)

    def _guarded(self, operation: BulkOperation, resource_id: str | None) -> BulkResult:
        scope = self._scope_of(operation)
        try:
            resource = self._carried_out(scope, operation, resource_id)
        except Exception as error:
            if ends_transaction(error):
                raise
            if isinstance(error, ScimError):
                return self._refused(scope, operation, error)
            logger.error(
                "Request %s: operation %d failed with %s:\n%s",
                scope.request_id,
                operation.number,
                kind_of_error(error),
                traceback_of(error),
            )
        else:
            return self._done(operation, resource)
        return self._refused(scope, operation, InternalError())

    def _done(self, operation: BulkOperation, resource: Resource) -> BulkResult:
        if operation.method == "POST" and operation.bulk_id:
            self.ids[operation.bulk_id] = resource.id
        deleted = operation.method == "DELETE"
        return BulkResult(
            operation,
            _STATUS[operation.method or ""],
            resource.location,
            None if deleted else resource.version,
        )

    def _refused(self, scope: Scope, operation: BulkOperation, error: ScimError) -> BulkResult:
        self.errors += 1
        error.detail = scope.dialect.explained(error)
        mapping = self.mappings.get(operation.endpoint)
        kind = mapping.resource_type.name if mapping is not None else None
        action = Action.REQUEST
        if kind is not None and operation.method in _WORDS:
            action = Action(f"{kind.lower()}.{_WORDS[operation.method]}")
        found = resolve(operation.resource_id, self.ids, "value")
        offboarding.note_trouble(scope, error)
        activity.record_failure(
            scope,
            action,
            status=int(error.status),
            scim_type=error.scim_type,
            detail=error.detail,
            cause=activity.cause_of(error, error.detail),
            resource_type=kind,
            resource_id=found,
            resource_name=None if mapping is None else name_in(operation.data, mapping),
        )
        location = None
        # What was never created is nowhere.
        if mapping is not None and found is not None and not references({"value": found}):
            location = f"{scope.base_url}{mapping.endpoint}/{found}"
        return BulkResult(operation, int(error.status), location, error=error)

    def _carried_out(
        self, scope: Scope, operation: BulkOperation, resource_id: str | None
    ) -> Resource:
        if operation.fault is not None:
            raise operation.fault
        mapping = self.mappings.get(operation.endpoint)
        if mapping is None:
            raise EndpointNotFound
        self._require_known(operation)
        data = resolve(operation.data, self.ids) if operation.references else operation.data
        conditions = Preconditions(if_match=operation.version)
        if operation.method == "POST":
            payload = scope.dialect.resource(data, mapping.resource_type, scope.notes)
            return directory.create_resource(scope, mapping, payload, wants_body=False)
        # What this request has created is looked for by its id.
        self.batch.settle()
        found = resolve(resource_id, self.ids, "value")
        if operation.method == "PUT":
            payload = scope.dialect.resource(data, mapping.resource_type, scope.notes)
            return directory.replace_resource(
                scope, mapping, found, payload, conditions, wants_body=False
            )
        if operation.method == "PATCH":
            sent = read_patch_envelope(data)
            changes = scope.dialect.operations(sent, mapping.resource_type, scope.notes)
            return directory.modify_resource(
                scope, mapping, found, changes, conditions, wants_body=False
            )
        directory.delete_resource(scope, mapping, found, conditions)
        return Resource(found, {}, 0, f"{scope.base_url}{mapping.endpoint}/{found}", changed=True)

    def _require_known(self, operation: BulkOperation) -> None:
        """Refuse what refers to a resource that wasn't created.

        RFC 7644 section 3.7.1: a reference that can't be resolved is answered with 409.
        """
        unknown = sorted(operation.references - self.ids.keys())
        if unknown:
            raise UnresolvedReference(
                f"No operation of this request has created the bulkId {shown(unknown[0])}; correct "
                "the operation that should, and send both again."
            )
