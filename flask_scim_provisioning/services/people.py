"""What happens to people without a request: accounts whose day has come, and those whom a removed
integration leaves behind. One transaction for each person, so that what fails keeps nobody else.
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..mapping.access import reading, writing
from ..mapping.access.hooks import was_active
from ..mapping.access.reading import Found
from ..mapping.bindings.base import Unit
from ..mapping.host.viewpoint import Viewpoint
from ..mapping.resources import ACTIVE, ResourceMapping
from ..models import Models, utcnow
from ..scim.errors import Forbidden, LastAdministrator, ScimError
from ..scim.projection import Projection
from . import activity, guards, offboarding
from .acting import scope_of
from .activity import Action, record_administration
from .changes import view_of
from .database_errors import kind_of_error
from .errors import IntegrationInvalid
from .integration_views import get_integration, list_integrations
from .membership import move_versions_of_groups
from .offboarding import Leaver
from .scope import Scope
from .work import run_transaction

__all__ = ["PEOPLE", "Done", "let_go", "run_due"]

logger = logging.getLogger(__name__)

_AT_ONCE = 200

PEOPLE: Mapping[str, str] = MappingProxyType(
    {
        "keep": "keep them as they are; another directory finds them, and creates none anew",
        "detach": "forget that a directory knows them, so that another one takes them over",
        "deactivate": "deactivate them, so that nobody of them can sign in any more",
    }
)
"""What becomes of the people whom a removed integration knew, and what it is called."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some people.

    :ivar done: how many it was done for.
    :ivar left: how many need nothing any more, or can't be done for a reason of their own.
    :ivar failed: by user name or id, why it wasn't done; the next run tries again.
    """

    done: int
    left: int
    failed: Mapping[str, str]


def run_due(
    session: Session, models: Models, users: ResourceMapping, *, tenant: str | None = None
) -> Done:
    """Forget or delete the accounts whose grace period is over.

    It can be run at any time and by several at once: who is done isn't done again, and who has
    come back stays. Nothing becomes of those of an integration that is paused or disabled.

    :param tenant: only this tenant's.
    """
    views = {view.id: view for view in list_integrations(session, models, tenant)}
    table, now = models.offboarding.__table__, utcnow()
    live = [key for key, view in views.items() if view.enabled and view.paused is None]
    done, left, last = 0, 0, 0
    failed: dict[str, str] = {}
    while live:
        statement = (
            sa.select(table.c.id, table.c.integration_id, table.c.resource_name)
            .where(table.c.due <= now, table.c.integration_id.in_(live), table.c.id > last)
            .order_by(table.c.id)
            .limit(_AT_ONCE)
        )
        rows = session.execute(statement).all()
        session.rollback()
        for record_id, integration_id, name in rows:
            scope = scope_of(session, models, views[integration_id])
            work = functools.partial(_do, scope, users, record_id)
            outcome = _attempt(scope, work, name or "", failed)
            done += outcome is True
            left += outcome is False
        if len(rows) < _AT_ONCE:
            break
        last = rows[-1].id
    return Done(done, left, MappingProxyType(failed))


def _attempt(
    scope: Scope, work: Callable[[], bool], name: str, failed: dict[str, str]
) -> bool | None:
    try:
        return run_transaction(scope.session, work)
    except LastAdministrator:
        return False  # somebody has to be able to sign in
    except ScimError as error:
        reason = str(error.reason or error.detail)
    except Exception as error:  # whatever the host's listeners raise concerns this person alone
        reason = kind_of_error(error)
    logger.warning("Nothing became of an account that was to go: %s", reason)
    failed[name or str(len(failed))] = reason
    return None


def _do(scope: Scope, mapping: ResourceMapping, record_id: int) -> bool:
    """Do what is due for one person; False where nothing is any more."""
    table = scope.models.offboarding.__table__
    connection = scope.session.connection()
    asked = sa.select(table.c.resource_id).where(table.c.id == record_id)
    resource_id = connection.scalar(asked.where(table.c.due.is_not(None)))
    if resource_id is None:
        return False  # another run was faster, or the person has come back
    groups_left = move_versions_of_groups(mapping, view := view_of(scope, mapping), resource_id)
    found = _locked(mapping, view, resource_id)
    row = connection.execute(
        sa.select(table.c.due, table.c.due_action, table.c.resource_name)
        .where(table.c.id == record_id)
        .with_for_update()
    ).one()
    mine = sa.update(table).where(table.c.id == record_id)
    if row.due is None:
        return False
    if found is None or _is_back(scope, mapping, view, found):
        connection.execute(mine.values(due=None))
        return False
    deletes = row.due_action == "delete"
    if deletes and "USERS:DELETE" not in scope.permissions:
        raise Forbidden("The integration's role lacks the permission USERS: delete.")
    leaves = deletes or scope.policies.leavers_groups != "keep"
    with guards.deleting(scope, mapping, view, found, was_active=False):
        writing.delete_resource(
            mapping, scope.session, view, found, deletes_row=deletes, leaves_groups=leaves
        )
    now = utcnow()
    values: dict[str, Any] = {"due": None, "deleted" if deletes else "unlinked": now}
    if leaves:
        values["groups_left"] = sa.func.coalesce(table.c.groups_left, 0) + groups_left
    connection.execute(mine.values(values))
    activity.record(
        scope,
        Action.USER_DELETED,
        resource_type=mapping.table.name,
        resource_id=resource_id,
        resource_name=row.resource_name,
        status=204,
        detail="The grace period is over.",
        changes=None if deletes else {"kept": True},
    )
    return True


def _locked(mapping: ResourceMapping, view: Viewpoint, resource_id: str) -> Found | None:
    """Return a person by the SCIM id, also one whom the directory has deleted."""
    reading.lock(mapping, resource_id, view)
    links, key = mapping.links, mapping.table.link_key
    columns = (links.c.version, links.c.stored, *key.columns)
    row = view.connection.execute(sa.select(*columns).where(links.c.id == resource_id)).first()
    if row is None:
        return None
    return Found(key.reader(2)(row), resource_id, row[0], "", "", row[1] or {}, {})


def _is_back(scope: Scope, mapping: ResourceMapping, view: Viewpoint, found: Found) -> bool:
    """Say whether the portal has let somebody in again by itself."""
    entity = writing.existing_entity(mapping, scope.session, found.host_key)
    unit = Unit(scope.session, view, stored=found.stored)
    state = mapping.state
    if state is None or not state.expressions:
        links = mapping.links
        gone = sa.select(links.c.deleted).where(links.c.id == found.id)
        if view.connection.scalar(gone) is not None:
            return False
    return was_active(mapping, entity, unit) is True


def let_go(
    session: Session,
    models: Models,
    users: ResourceMapping,
    tenant: str,
    integration_id: uuid.UUID | str,
    *,
    how: str,
    actor: str | None = None,
) -> Done:
    """Do something about the people whom an integration knows, before it is removed.

    It is repeatable: who is done isn't done again. Those whom another integration knows as well
    stay as they are, and so do those whom the portal protects, and its last administrator.

    :param how: a key of ``PEOPLE``.
    :param actor: Who does it, for the activity log.
    :raises IntegrationNotFound: when the tenant has no such integration.
    :raises IntegrationInvalid: when it is none of these.
    """
    view = get_integration(session, models, tenant, integration_id)
    if how not in PEOPLE:
        raise IntegrationInvalid("people", f"Choose one of these: {', '.join(PEOPLE)}.")
    done, left = 0, 0
    failed: dict[str, str] = {}
    work = _deactivate if how == "deactivate" else _detach
    for resource_id in [] if how == "keep" else _known(session, models, users, view.id):
        scope = scope_of(session, models, view)
        outcome = _attempt(
            scope, functools.partial(work, scope, users, resource_id), resource_id, failed
        )
        done += outcome is True
        left += outcome is False
    if how != "keep":
        run_transaction(
            session,
            lambda: record_administration(
                session,
                models,
                tenant=tenant,
                integration_id=view.id,
                action=Action.PEOPLE_LET_GO,
                actor=actor,
                now=utcnow(),
                detail=f"{how}: {done} done, {left} left as they are, {len(failed)} failed",
            ),
        )
    return Done(done, left, MappingProxyType(failed))


def _known(
    session: Session, models: Models, users: ResourceMapping, integration_id: uuid.UUID
) -> Iterator[str]:
    """Yield the ids of the people whom an integration knows, and no other one does."""
    table = models.external_id.__table__
    other = table.alias()
    shared = sa.exists().where(
        other.c.link_id == table.c.link_id,
        other.c.resource_type == users.table.name,
        other.c.integration_id != integration_id,
    )
    last = ""
    while True:
        statement = (
            sa.select(table.c.link_id)
            .where(
                table.c.integration_id == integration_id,
                table.c.resource_type == users.table.name,
                table.c.link_id > last,
                ~shared,
            )
            .order_by(table.c.link_id)
            .limit(_AT_ONCE)
        )
        ids: Sequence[str] = session.scalars(statement).all()
        session.rollback()
        yield from ids
        if len(ids) < _AT_ONCE:
            return
        last = ids[-1]


def _deactivate(scope: Scope, mapping: ResourceMapping, resource_id: str) -> bool:
    view = view_of(scope, mapping)
    found = _named(mapping, view, resource_id)
    if found is None or found.flat.get(ACTIVE) is False:
        return False
    changed = {ACTIVE: False}
    with guards.changing(scope, mapping, view, found, changed):
        writing.save_changes(mapping, scope.session, view, found, changed)
    name = found.flat.get(mapping.lookup_key)
    leaver = Leaver("deactivated", found.id, name, found.host_key)
    offboarding.left(scope, leaver, calls=view.calls)
    activity.record(
        scope,
        Action.USER_DEACTIVATED,
        resource_type=mapping.table.name,
        resource_id=found.id,
        resource_name=name,
        status=200,
        detail="The integration is being removed.",
        changes={"attributes": [ACTIVE]},
    )
    return True


def _named(mapping: ResourceMapping, view: Viewpoint, resource_id: str) -> Found | None:
    reading.lock(mapping, resource_id, view)
    wanted = Projection.inside(mapping.resource_type, [ACTIVE, mapping.lookup_key])
    return reading.fetch_one(mapping, resource_id, view, wanted)


def _detach(scope: Scope, mapping: ResourceMapping, resource_id: str) -> bool:
    """Forget that a directory knows somebody; the account stays as it is.

    Whose sessions were ended once stays known: only the link says which of them are over.
    """
    view = view_of(scope, mapping)
    reading.lock(mapping, resource_id, view)
    links = mapping.links
    detached = view.connection.execute(
        sa.delete(links).where(
            links.c.id == resource_id,
            links.c.deleted.is_(None),
            links.c.signed_out.is_(None),
        )
    )
    return detached.rowcount > 0
