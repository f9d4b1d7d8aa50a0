"""Trying a request out: what would be answered and written, and everything is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..mapping.resources import ResourceMapping
from ..scim.errors import InvalidSyntax, ResourceNotFound, ScimError
from ..scim.messages import read_patch_envelope
from . import directory
from .redaction import redact
from .scope import Scope
from .work import Immediate, begin_writing

__all__ = ["METHODS", "Rehearsal", "WrittenRow", "rehearse"]

METHODS = ("POST", "PUT", "PATCH", "DELETE")
"""What can be tried out."""

_STATUS = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}
_MOST_ROWS = 50
_UNSHOWN = "(not shown)"


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row of the portal's that would be written.

    :ivar act: ``"insert"``, ``"update"`` or ``"delete"``.
    :ivar values: of each attribute of the model that changes, what it was and what it would be.
    """

    act: str
    model: str
    values: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a request would have done.

    :ivar body: the resource as it would be answered; None where it would be refused, or has none.
    :ivar error: why it would be refused; None otherwise.
    :ivar rows: the portal's own rows, as its models have them.
    :ivar changes: what the activity would tell: attributes, and how many members came and went.
    :ivar notes: where leniency would change something.
    """

    status: int
    body: Mapping[str, Any] | None
    error: ScimError | None
    rows: tuple[WrittenRow, ...]
    changes: Mapping[str, Any]
    notes: tuple[str, ...]


class _TakenBack(Exception):
    """Ends the transaction, whatever was done in it."""


@dataclass(frozen=True, slots=True)
class _Unkept(Immediate):
    """The work of a use case whose transaction is taken back: nobody is told of it."""

    entries: list[Mapping[str, Any]] = field(default_factory=list, repr=False)

    def run(self, session: Session, work: Any) -> Any:  # noqa: ARG002 - the signature is Immediate's
        """Run ``work`` in the transaction that is there."""
        return work()

    def log(self, session: Session, statement: sa.Insert, row: Mapping[str, Any]) -> None:  # noqa: ARG002 - the signature is Immediate's
        """Keep what the activity would tell."""
        self.entries.append(row)

    def log_failure(
        self,
        session: Session,  # noqa: ARG002 - the signature is Immediate's
        statement: sa.Insert,  # noqa: ARG002 - the signature is Immediate's
        row: Mapping[str, Any],  # noqa: ARG002 - the signature is Immediate's
    ) -> SQLAlchemyError | None:
        """Write nothing."""
        return None

    def after_commit(self, call: Any) -> None:
        """Call nothing: there is no commit."""


def rehearse(
    scope: Scope,
    mapping: ResourceMapping,
    method: str,
    resource_id: str | None,
    data: Any,
) -> Rehearsal:
    """Carry a request out as the integration would, tell what came of it, and take it back.

    The portal's own validators, listeners and hooks run, as they would; what they do outside of
    the database stays done.

    :param scope: of the integration; its ``work`` says how long the database may be waited for.
    :param method: one of ``METHODS``.
    :param resource_id: whom it is about; None for POST.
    :param data: the body in JSON.
    :raises DatabaseUnavailable: when the database is busy.
    """
    work = _Unkept()
    rehearsed = replace(scope, work=work, request_body=data, notes=[])
    done: list[Rehearsal] = []

    def carry_out() -> None:
        work.entries.clear()
        rehearsed.notes.clear()
        begin_writing(scope.session)
        written: list[WrittenRow] = []
        body, error = None, None
        try:
            with _watched(scope.session, mapping, rehearsed.hidden, written):
                body = _carried_out(rehearsed, mapping, method, resource_id, data)
                scope.session.flush()
        except ScimError as refusal:
            refusal.detail = scope.dialect.explained(refusal)
            error, written = refusal, []
        status = _STATUS[method] if error is None else int(error.status)
        changes = (work.entries[-1].get("changes") or {}) if work.entries else {}
        notes = tuple(dict.fromkeys(rehearsed.notes))
        done[:] = [Rehearsal(status, body, error, tuple(written), changes, notes)]
        raise _TakenBack

    try:
        scope.work.run(scope.session, carry_out)
    except _TakenBack:
        return done[0]
    raise AssertionError("unreachable")


def _carried_out(
    scope: Scope, mapping: ResourceMapping, method: str, resource_id: str | None, data: Any
) -> Mapping[str, Any] | None:
    dialect, kind = scope.dialect, mapping.resource_type
    if method == "POST":
        payload = dialect.resource(_object(data), kind, scope.notes)
        return directory.create_resource(scope, mapping, payload).body
    if resource_id is None:
        raise ResourceNotFound("Say whom it is about: only POST goes without an id.")
    if method == "PUT":
        payload = dialect.resource(_object(data), kind, scope.notes)
        return directory.replace_resource(scope, mapping, resource_id, payload).body
    if method == "PATCH":
        operations = dialect.operations(read_patch_envelope(_object(data)), kind, scope.notes)
        return directory.modify_resource(scope, mapping, resource_id, operations).body
    directory.delete_resource(scope, mapping, resource_id)
    return None


def _object(data: Any) -> Any:
    if not isinstance(data, dict):
        raise InvalidSyntax("The body is no JSON object; paste what the identity provider sends.")
    return data


@contextmanager
def _watched(
    session: Session,
    mapping: ResourceMapping,
    hidden: frozenset[str],
    written: list[WrittenRow],
) -> Iterator[None]:
    """Note which of the portal's rows the block's flushes write."""
    shown = _shown_names(mapping)

    def note(flushed: Session, _context: object) -> None:
        for act, entities in (
            ("insert", flushed.new),
            ("update", flushed.dirty),
            ("delete", flushed.deleted),
        ):
            for entity in entities:
                if len(written) < _MOST_ROWS:
                    row = _row(act, entity, shown.get(type(entity), frozenset()), hidden)
                    if row.values or act == "delete":
                        written.append(row)

    sa.event.listen(session, "after_flush", note)
    try:
        yield
    finally:
        sa.event.remove(session, "after_flush", note)


def _shown_names(mapping: ResourceMapping) -> Mapping[type[Any], frozenset[str]]:
    """Return the attributes of the host's model whose values SCIM would answer, too."""
    names: set[str] = set()
    unshown: set[str] = set()
    for key, binding in mapping.bindings.items():
        (unshown if binding.attribute.hidden else names).update(mapping.names[key])
    return {mapping.model: frozenset(names - unshown)}


def _row(act: str, entity: Any, shown: frozenset[str], hidden: frozenset[str]) -> WrittenRow:
    """Return what a flush writes of an object; values that SCIM wouldn't answer aren't shown."""
    state = sa.inspect(entity)
    values = []
    for attribute in state.mapper.column_attrs if act != "delete" else ():
        history = state.attrs[attribute.key].history
        if not history.has_changes() or (act == "insert" and history.added == [None]):
            continue
        before, after = (_told(attribute.key, part, hidden) for part in history[::2][::-1])
        if attribute.key not in shown:
            before, after = (before and _UNSHOWN), (after and _UNSHOWN)
        values.append((attribute.key, before, after))
    return WrittenRow(act, type(entity).__name__, tuple(values))


def _told(name: str, part: Any, hidden: frozenset[str]) -> str:
    if not part or part[0] is None:
        return ""
    return str(redact({name: str(part[0])}, hidden)[name])
