"""Writing resources: through the host's own objects, so that its defaults and events count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    RelationshipProperty,
    Session,
    lazyload,
    load_only,
)
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from sqlalchemy.orm.util import identity_key

from ...models import utcnow
from ...scim.errors import InvalidValue, MutabilityError, TemporarilyUnavailable, Uniqueness
from ..bindings.base import Keeping, Unit
from ..host.ids import moment, new_id
from ..host.keys import HostKey
from ..host.links import own_column
from ..host.viewpoint import Viewpoint
from ..resources import ACTIVE, ResourceMapping
from .hooks import calls_host, hook_for, listens, run_hook, was_active
from .host_writes import own_writes
from .pending import Pending
from .reading import Found, Unsettled
from .recall import Written
from .setters import name_of, setting
from .violations import host_rules

__all__ = [
    "delete_resource",
    "existing_entity",
    "insert_resource",
    "is_active",
    "needs_entity",
    "note_unchanged",
    "revive_resource",
    "save_changes",
    "write_external_id",
]


def _write(
    mapping: ResourceMapping, unit: Unit, entity: Any, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Write values to the host's object and return the remainders by key, None where none is."""
    remainders: dict[str, Any] = {}
    # A portal's rule for passwords may look at whose it is.
    keys = [key for key in values if key != "password"]
    if "password" in values:
        keys.append("password")
    unit = replace(unit, values=values, beside={}, scratch={})
    with unit.session.no_autoflush, setting(unit.session) as now:
        for key in keys:
            binding, value = mapping.bindings[key], values[key]
            if binding.keeping is Keeping.APART:
                continue
            if binding.keeping is Keeping.LINK:  # no code of the host's is concerned
                remainders[key] = binding.write(entity, value, unit)
                continue
            now.what = mapping.kept(f"what sets {key}", partial(name_of, mapping, key))
            with host_rules(mapping, key.rsplit(":", 1)[-1]):
                remainders[key] = binding.write(entity, value, unit)
    return {**unit.beside, **remainders}


def _flush(
    mapping: ResourceMapping, session: Session, entity: Any, *, deleting: bool = False
) -> None:
    """Send the host's changes to the database; SCIM moves the version of ``entity`` itself.

    :raises Uniqueness: when a value is taken; the database has the last word on that.
    :raises InvalidValue: when the database refuses a value, or the lack of one.
    :raises Unsettled: when the portal has changed the row since it was read.
    """
    try:
        with host_rules(mapping, deleting=deleting), own_writes(mapping, session, entity):
            session.flush()
    except (StaleDataError, ObjectDeletedError):
        # The portal has a version of its own for each row, or has deleted it meanwhile.
        raise Unsettled("The portal is changing this resource; send the request again.") from None


def existing_entity(mapping: ResourceMapping, session: Session, key: HostKey) -> Any:
    """Return the host's object with a key.

    :raises TemporarilyUnavailable: when the portal has just deleted the row.
    """
    try:
        entity = mapping.table.load(session, key)
    except SQLAlchemyError:
        raise
    except Exception:  # a value that can't be read, of an attribute that may not be wanted
        entity = _bare_entity(mapping, session, key)
    if entity is None:
        raise TemporarilyUnavailable(
            "The portal is deleting this resource; send the request again."
        )
    return entity


def needs_entity(mapping: ResourceMapping, keys: Iterable[str]) -> bool:
    """Say whether changes of some attributes need the host's object."""
    return any(
        mapping.bindings[key].keeping is not Keeping.LINK
        for key in keys
        if key in mapping.bindings and not mapping.is_apart(key)
    )


def _bare_entity(mapping: ResourceMapping, session: Session, key: HostKey) -> Any:
    """Return the host's object with nothing but its key; the rest is loaded when it is needed."""
    half_loaded = session.identity_map.get(identity_key(mapping.model, key))
    if half_loaded is not None:
        session.expunge(half_loaded)
    names = [getattr(mapping.model, name) for name in mapping.table.key_names]
    return session.get(mapping.model, key, options=[load_only(*names), lazyload("*")])


def insert_resource(
    mapping: ResourceMapping,
    session: Session,
    view: Viewpoint,
    values: Mapping[str, Any],
    later: Pending | None = None,
) -> tuple[HostKey, str]:
    """Insert a host row and its link; return the row's key and the new SCIM id.

    :param later: takes the rows beside the host's, where more of them follow.
    :raises Uniqueness: when the name is taken.
    :raises InvalidValue: when the host can't keep a value, or needs one that isn't there.
    """
    table = mapping.table
    entity = table.maker.make(values, session)
    if table.tenant is not None:
        setattr(entity, table.tenant.key, view.tenants[table.tenant_parameter])
    unit = Unit(session, view)
    wanted = _wanted_of_new(mapping, entity, values)
    with session.no_autoflush:
        session.add(entity)
        hook = hook_for(mapping, entity, unit, wanted)
        remainders = _write(mapping, unit, entity, wanted)
    _flush(mapping, session, entity)
    run_hook(mapping, unit, entity, hook)
    host_key = table.key_of(entity)
    gone = values.get(ACTIVE) is False
    now, stored = moment(), _kept(remainders)
    resource_id = _insert_link(mapping, view, host_key, stored, now, later, gone=gone)
    external_id = values.get("externalId")
    write_external_id(mapping, view, resource_id, external_id, fresh=True, later=later)
    by_host = calls_host(mapping, wanted)
    view.written[resource_id] = Written(
        entity, 1, now, now, stored, external_id, is_new=True, by_host=by_host
    )
    return host_key, resource_id


def _kept(remainders: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in remainders.items() if part is not None}


def _wanted_of_new(
    mapping: ResourceMapping, entity: Any, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is written to a new object; what it has stays where nothing is sent."""
    has = {name for name, value in sa.inspect(entity).dict.items() if value is not None}

    def is_set(key: str) -> bool:
        names = mapping.names[key]
        return bool(names) and names <= has

    wanted = {
        key: value
        for key, value in (dict.fromkeys(mapping.required_keys) | dict(values)).items()
        if value is not None or not is_set(key)
    }
    active = mapping.state.slot(None) if mapping.state is not None else None
    if wanted.get(ACTIVE) is None and active is not None and not active.defaulted:
        wanted.update({} if is_set(ACTIVE) else {ACTIVE: True})
    return wanted


def _insert(view: Viewpoint, later: Pending | None, statement: Any, row: dict[str, Any]) -> None:
    if later is None:
        view.connection.execute(statement, row)
    else:
        later.add(view.connection, statement, row)


def _insert_link(
    mapping: ResourceMapping,
    view: Viewpoint,
    host_key: HostKey,
    stored: dict[str, Any],
    now: datetime,
    later: Pending | None = None,
    signed_out: datetime | None = None,
    *,
    gone: bool,
) -> str:
    resource_id = new_id()
    _insert(
        view,
        later,
        mapping.kept("insert link", lambda: sa.insert(mapping.links)),
        {
            "id": resource_id,
            **mapping.table.link_values(host_key),
            "version": 1,
            "created": now,
            "last_modified": now,
            "deleted": None,
            "stored": stored or None,
            "others": mapping.has_others(stored),
            "signed_out": signed_out,
            "deactivated": now if gone else None,
        },
    )
    return resource_id


def revive_resource(
    mapping: ResourceMapping,
    session: Session,
    view: Viewpoint,
    host_key: HostKey,
    values: Mapping[str, Any],
) -> str:
    """Take over a host row that has no link, or one that SCIM had deleted; return its new id.

    :raises Uniqueness: when somebody else takes it over at the same time.
    """
    entity = existing_entity(mapping, session, host_key)
    unit = Unit(session, view)
    hook = hook_for(mapping, entity, unit, values)
    remainders = _write(mapping, unit, entity, values)
    _flush(mapping, session, entity)
    run_hook(mapping, unit, entity, hook)
    links, link_key = mapping.links, mapping.table.link_key
    # Only a link that SCIM has deleted: one that appeared meanwhile belongs to who made it.
    forget = mapping.kept(
        "forget deleted link",
        lambda: sa.delete(links).where(link_key.equals("host_key"), links.c.deleted.is_not(None)),
    )
    forgotten = view.connection.execute(forget, link_key.parameters("host_key", host_key)).rowcount
    # Who had left comes back without the sessions of before.
    ended = utcnow() if forgotten or values.get(ACTIVE) is False else None
    try:
        stored, now, gone = _kept(remainders), moment(), values.get(ACTIVE) is False
        resource_id = _insert_link(
            mapping, view, host_key, stored, now, signed_out=ended, gone=gone
        )
    except IntegrityError:
        raise Uniqueness(
            f"{mapping.lookup_key} is already in use by another {mapping.table.name}; "
            "match the existing one instead of creating a new one."
        ) from None
    write_external_id(mapping, view, resource_id, values.get("externalId"), fresh=True)
    return resource_id


def write_external_id(
    mapping: ResourceMapping,
    view: Viewpoint,
    resource_id: str,
    value: str | None,
    *,
    fresh: bool = False,
    later: Pending | None = None,
) -> None:
    """Keep the ``externalId`` of a resource for the calling integration; None forgets it.

    :param fresh: the resource is new, so there is none to replace.
    :param later: takes the row of a new resource, where more of them follow.
    :raises InvalidValue: when it is longer than 255 characters.
    """
    if not mapping.is_apart("externalId"):
        return
    if value is not None and len(value) > 255:
        raise InvalidValue("externalId has at most 255 characters here; map a shorter value.")
    table = mapping.models.external_id.__table__
    if not fresh:
        forget = mapping.kept(
            "forget external id",
            lambda: sa.delete(table).where(
                table.c.integration_id == sa.bindparam("integration"),
                table.c.resource_type == mapping.table.name,
                table.c.link_id == sa.bindparam("link"),
            ),
        )
        parameters = {"integration": view.integration, "link": resource_id}
        view.connection.execute(forget, parameters)
    if value is not None:
        _insert(
            view,
            later,
            mapping.kept("insert external id", lambda: sa.insert(table)),
            {
                "integration_id": view.integration,
                "resource_type": mapping.table.name,
                "link_id": resource_id,
                "external_id": value,
            },
        )


def _forget_external_ids(mapping: ResourceMapping, view: Viewpoint, resource_id: str) -> None:
    """Forget what every integration calls a resource that is gone."""
    table = mapping.models.external_id.__table__
    view.connection.execute(
        sa.delete(table).where(
            table.c.resource_type == mapping.table.name, table.c.link_id == resource_id
        )
    )


def save_changes(
    mapping: ResourceMapping,
    session: Session,
    view: Viewpoint,
    found: Found,
    values: Mapping[str, Any],
) -> None:
    """Write changed values of one resource, and move its version.

    :param values: new values by key; None clears. Members are written by ``services.membership``.
    :raises Uniqueness: when a value is taken.
    :raises InvalidValue: when the host can't keep a value.
    :raises MutabilityError: when the host's key would be another.
    """
    inner = {key: value for key, value in values.items() if not mapping.is_apart(key)}
    remainders: dict[str, Any]
    in_host = any(mapping.bindings[key].keeping is not Keeping.LINK for key in inner)
    entity = found.entity
    if in_host or (ACTIVE in inner and listens(mapping)):
        if entity is None:
            entity = existing_entity(mapping, session, found.host_key)
        unit = Unit(session, view, stored=found.stored)
        hook = hook_for(mapping, entity, unit, inner)
        remainders = _write(mapping, unit, entity, inner)
        if mapping.table.key_of(entity) != found.host_key:
            # What refers to the row would have to follow, in tables that nobody here knows.
            raise MutabilityError(
                f"This portal knows a {mapping.table.name} by what was to be changed, and can't "
                "change that; create a new one and delete this one instead."
            )
        _flush(mapping, session, entity)
        run_hook(mapping, unit, entity, hook)
    else:
        remainders = dict(inner)
    if "externalId" in values and mapping.is_apart("externalId"):
        write_external_id(mapping, view, found.id, values["externalId"])
    stored, now = _kept({**found.stored, **remainders}), moment()
    _move_version(mapping, view, found, stored, now, values.get(ACTIVE))
    if entity is not None:
        view.written[found.id] = Written(
            entity,
            found.version + 1,
            found.created,
            now,
            stored,
            values.get("externalId", found.flat.get("externalId")),
            found.named,
            by_host=calls_host(mapping, values),
        )


def note_unchanged(view: Viewpoint, found: Found) -> None:
    """Note that nothing of a resource was written: it is as it was found."""
    if found.entity is not None:
        view.written[found.id] = Written(
            found.entity,
            found.version,
            found.created,
            found.last_modified,
            found.stored,
            found.flat.get("externalId"),
            found.named,
        )


def _move_version(
    mapping: ResourceMapping,
    view: Viewpoint,
    found: Found,
    stored: dict[str, Any],
    now: datetime,
    active: bool | None,
) -> None:
    links = mapping.links
    values: dict[str, Any] = {"link_id": found.id, "now": now}
    statement: sa.Update
    if active is not None:
        # Whoever is deactivated has no session from before, and it was a directory that wanted it.
        gone = None if active else utcnow()
        ended: dict[str, Any] = {} if active else {"signed_out": sa.bindparam("gone")}
        values |= {"kept": stored or None, "more": mapping.has_others(stored), "gone": gone}
        statement = mapping.kept(
            f"move version, active {active}",
            lambda: (
                sa.update(links)
                .where(links.c.id == sa.bindparam("link_id"))
                .values(
                    version=links.c.version + 1,
                    last_modified=sa.bindparam("now"),
                    stored=sa.bindparam("kept"),
                    others=sa.bindparam("more"),
                    deactivated=sa.bindparam("gone"),
                    **ended,
                )
            ),
        )
    elif stored == found.stored:
        statement = mapping.kept(
            "move version",
            lambda: (
                sa.update(links)
                .where(links.c.id == sa.bindparam("link_id"))
                .values(version=links.c.version + 1, last_modified=sa.bindparam("now"))
            ),
        )
    else:
        values["kept"] = stored or None
        values["more"] = mapping.has_others(stored)
        statement = mapping.kept(
            "move version and store",
            lambda: (
                sa.update(links)
                .where(links.c.id == sa.bindparam("link_id"))
                .values(
                    version=links.c.version + 1,
                    last_modified=sa.bindparam("now"),
                    stored=sa.bindparam("kept"),
                    others=sa.bindparam("more"),
                )
            ),
        )
    view.connection.execute(statement, values)


def is_active(
    mapping: ResourceMapping, session: Session, view: Viewpoint, host_key: HostKey
) -> bool:
    """Say whether somebody whom SCIM doesn't know is active, as the portal keeps it."""
    entity = existing_entity(mapping, session, host_key)
    return was_active(mapping, entity, Unit(session, view)) is not False


def delete_resource(
    mapping: ResourceMapping,
    session: Session,
    view: Viewpoint,
    found: Found,
    *,
    deletes_row: bool | None = None,
    leaves_groups: bool = True,
) -> None:
    """Delete the host's row, or deactivate it and hide it from SCIM.

    :param deletes_row: which of the two; None is as the team says. Groups are deleted, and their
        members stay, be they users or groups; users are deactivated and stay in the host's table.
    :param leaves_groups: whether memberships end where the row stays.
    """
    if deletes_row is None:
        deletes_row = mapping.deletes_rows
    entity = existing_entity(mapping, session, found.host_key)
    unit = Unit(session, view, stored=found.stored)
    hook = hook_for(mapping, entity, unit, {ACTIVE: False})
    if mapping.memberships is not None and (deletes_row or leaves_groups):
        mapping.memberships.leave_all(view, mapping.table.name, found.host_key)
    if deletes_row:
        # While the row is there: what it owns is found by it.
        run_hook(mapping, unit, entity, hook)
        _forget_external_ids(mapping, view, found.id)
        links = mapping.links
        view.connection.execute(sa.delete(links).where(links.c.id == found.id))
        with host_rules(mapping, deleting=True):
            _delete_row(session, entity)
        _flush(mapping, session, entity, deleting=True)
        return
    state = mapping.state
    if state is not None and (state.expressions or hook is not None):
        _write(mapping, unit, entity, {ACTIVE: False})
        _flush(mapping, session, entity)
        run_hook(mapping, unit, entity, hook)
    _forget_external_ids(mapping, view, found.id)
    links = mapping.links
    view.connection.execute(
        sa.update(links)
        .where(links.c.id == found.id)
        .values(deleted=moment(), stored=None, others=None, signed_out=utcnow())
    )


def _delete_row(session: Session, entity: Any) -> None:
    """Delete the host's row as its mapper does it.

    What was loaded of its collections may have changed since, by statements; the members of a group
    have left it by now, so that none is loaded here.
    """
    state: InstanceState[Any] = sa.inspect(entity)
    mapper = state.mapper
    old = [
        prop.key
        for prop in mapper.relationships
        if prop.key in state.dict and not state.attrs[prop.key].history.has_changes()
    ]
    if old:
        session.expire(entity, old)
    if not any(_cant_be_loaded(prop) for prop in mapper.relationships):
        session.delete(entity)
        return
    # SQLAlchemy's own delete() wants to read such a collection, and raises that it can't.
    identity = state.identity or ()
    session.flush()
    session.expunge(entity)
    tables: Any = dict.fromkeys(each.local_table for each in _line(mapper))
    for table in tables:
        (line,) = [each for each in _line(mapper) if each.local_table is table and not each.single]
        named = zip(line.primary_key, identity, strict=True)
        conditions = [own_column(line, column) == value for column, value in named]
        session.connection().execute(sa.delete(table).where(*conditions))


def _line(mapper: Mapper[Any]) -> Iterator[Mapper[Any]]:
    """Return a mapper and those above it that rows of its own are kept by, the lowest first."""
    for each in mapper.iterate_to_root():
        yield each
        if each.concrete:
            return


def _cant_be_loaded(prop: RelationshipProperty[Any]) -> bool:
    return prop.lazy == "write_only" and not prop.passive_deletes and not prop.viewonly
