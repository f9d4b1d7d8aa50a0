"""What can't work, refused at start-up by the name of the class and the line to change."""

from __future__ import annotations

import logging
import operator
import re
from collections.abc import Iterator
from typing import Any

import marshmallow
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import coercions, roles, visitors

from ..scim.errors import ScimError
from .access.standing import active_condition
from .bindings.base import Keeping
from .errors import MappingError
from .host.making import columns_in, dataclass_defaults
from .resources import ResourceMapping

__all__ = [
    "check",
    "check_tenants",
    "deaf_sentence",
    "is_deaf",
    "is_unguarded",
    "unguarded_sentence",
]

_log = logging.getLogger(__name__)

_MUST_BE_SEARCHED = {"User": ("userName",), "Group": ("displayName",)}


def check(mapping: ResourceMapping) -> None:
    """Refuse a declaration that can't work.

    :raises MappingError: naming the line to change.
    """
    name = mapping.schema_name
    for key in _MUST_BE_SEARCHED[mapping.table.name]:
        binding = mapping.bindings[key]
        if binding.keeping is Keeping.LINK:
            snake = "user_name" if key == "userName" else "display_name"
            raise MappingError(
                f"{name} maps no {key}, and RFC 7643 requires one: add "
                f"`{snake} = fields.Attribute({mapping.model.__name__}.<column>)`."
            )
        slot = binding.slot(None)
        if slot is None:
            raise MappingError(f"{name}: {key} needs a SQL expression, because it is searched by.")
        if not slot.searchable:
            raise MappingError(
                f"{name}: {key} is searched by, and SQL can't say what read= makes of "
                f"{slot.place}; use fields.Computed(<SQL expression>, write=<function>)."
            )
        if slot.own is not None and not slot.own.can_be_found:
            raise MappingError(
                f"{name}: {key} is searched by, and the type of {slot.place} makes another value "
                "of it each time; map a column that can be searched."
            )
    password = mapping.bindings.get("password")
    if password is not None and password.keeping is not Keeping.NOWHERE:
        raise MappingError(
            f"{name}: password would be kept as it is sent, in {password.place}; use "
            "fields.Password(<a function that keeps a hash of it>)."
        )
    _check_unknown_members(mapping)
    _check_existing(mapping)
    _check_guards(mapping)
    _check_state(mapping)
    _check_shared_columns(mapping)
    _check_defaults(mapping)
    _check_rows(mapping)
    _check_administrators(mapping)


def _check_guards(mapping: ResourceMapping) -> None:
    options = mapping.options
    if options.protected is not None and not callable(options.protected):
        raise MappingError(
            f"{mapping.schema_name}: Meta.protected is {options.protected!r}; set it to a function "
            f"that is given a {mapping.model.__name__}, and returns a sentence or None."
        )
    if options.tenant is not None and options.shared_by_tenants:
        raise MappingError(
            f"{mapping.schema_name}: Meta.tenant says whose row each is, and "
            "Meta.shared_by_tenants that they are everybody's; take one of them out."
        )


def _check_administrators(mapping: ResourceMapping) -> None:
    """A condition that isn't one would guard nobody, or everybody."""
    name, model = mapping.schema_name, mapping.model.__name__
    if mapping.table.name != "User":
        if mapping.options.administrators is not None:
            raise MappingError(
                f"{name}: Meta.administrators says which people administer the portal; set it in "
                "the schema of users."
            )
        return
    condition = mapping.administrators
    if is_unguarded(mapping):
        _log.warning("%s", unguarded_sentence(mapping))
    if condition is None:
        return
    cure = (
        f"{name}: Meta.administrators has to be a condition over {model}, such as "
        f"{model}.is_admin or {model}.role.has(Role.is_admin), or a function that returns one"
    )
    if isinstance(condition, bool | str):
        raise MappingError(f"{cure}; it is {condition!r}.")
    try:
        found: Any = coercions.expect(roles.WhereHavingRole, condition)
    except ArgumentError as error:
        raise MappingError(f"{cure}; it is {type(condition).__name__}.") from error
    if not isinstance(found, sa.ColumnElement) or not isinstance(
        found.type, sa.Boolean | sa.types.NullType
    ):
        raise MappingError(f"{cure}; {found} is no truth value: compare it with something.")
    tables = set(mapping.table.mapper.tables)
    columns = [each for each in visitors.iterate(found) if isinstance(each, sa.Column)]
    if not any(column.table in tables for column in columns):
        raise MappingError(f"{cure}; {found} says nothing of {model}.")
    froms = sa.select(*mapping.table.key.columns).select_from(mapping.model).where(found)
    if len(froms.get_final_froms()) > 1:
        raise MappingError(
            f"{cure}; {found} names other tables without saying which of their rows: write "
            f"{model}.<relationship>.has(...) or .any(...)."
        )
    try:
        active_condition(mapping, "sqlite")
    except ScimError as error:
        raise MappingError(
            f"{name}: Meta.administrators needs to know who is active, and SQL can't say it: map "
            "active to a column, or to fields.Computed(<SQL expression>, write=<function>)."
        ) from error


def is_unguarded(mapping: ResourceMapping) -> bool:
    """Say whether nobody knows whom a directory must not lock out."""
    guarded = mapping.administrators is not None or mapping.table.read_only
    return mapping.table.name == "User" and not guarded


def unguarded_sentence(mapping: ResourceMapping) -> str:
    """Say what it means that nobody knows the portal's administrators, and what to do."""
    return (
        f"{mapping.schema_name} doesn't say who administers the portal, so that an identity "
        "provider may deactivate the last one: set Meta.administrators, such as `administrators = "
        f"{mapping.model.__name__}.is_admin`."
    )


def check_tenants(mapping: ResourceMapping) -> None:
    """Refuse that a portal with tenants shows each of them everybody, unless it says so.

    :raises MappingError: naming the line to add.
    """
    options = mapping.options
    if options.tenant is None and not options.shared_by_tenants:
        model = mapping.model.__name__
        raise MappingError(
            f"{mapping.schema_name}: the portal has tenants, and nothing says whose row a {model} "
            f"is, so that the token of one tenant would open all of them: add `tenant = "
            f"{model}.<column>` to class Meta, or `shared_by_tenants = True` if every tenant may "
            "see and change them all."
        )


def _check_unknown_members(mapping: ResourceMapping) -> None:
    """A misspelt choice would silently be the dialect's."""
    choice = mapping.options.unknown_members
    if choice is None:
        return
    if mapping.table.name != "Group":
        raise MappingError(
            f"{mapping.schema_name}: Meta.unknown_members says what becomes of a group's members; "
            "set it in the schema of groups."
        )
    if choice not in ("skip", "refuse"):
        raise MappingError(
            f"{mapping.schema_name}: Meta.unknown_members is {choice!r}; set it to "
            '"skip" or "refuse", or leave it out to do as the identity provider needs it.'
        )


def _check_existing(mapping: ResourceMapping) -> None:
    """What says how existing people are met is about people, and is SQL."""
    options, name = mapping.options, mapping.schema_name
    if options.on_existing not in ("adopt", "refuse"):
        raise MappingError(
            f'{name}: Meta.on_existing is {options.on_existing!r}; set it to "adopt" or "refuse".'
        )
    declared = [
        each
        for each in ("verified_email", "signs_in_by_email", "last_sign_in")
        if getattr(options, each) is not None and getattr(options, each) is not False
    ]
    if declared and mapping.table.name != "User":
        raise MappingError(
            f"{name}: Meta.{declared[0]} is about people; set it in the schema of users."
        )
    if options.last_sign_in is not None:
        mapping.table.attribute(options.last_sign_in)
    if options.verified_email is None:
        return
    try:
        coercions.expect(roles.ColumnsClauseRole, options.verified_email)
    except ArgumentError:
        raise MappingError(
            f"{name}: Meta.verified_email is {options.verified_email!r}; set it to a column or a "
            f"condition in SQL, such as {mapping.model.__name__}.email_verified."
        ) from None


def _check_state(mapping: ResourceMapping) -> None:
    """A portal that hears of nobody's leaving lets them in; there are other ways, so it is told."""
    for name in ("on_deactivate", "on_reactivate"):
        hook = getattr(mapping.options, name)
        if hook is not None and mapping.table.name == "Group":
            raise MappingError(
                f"{mapping.schema_name}: Meta.{name} is called for people, and nobody deactivates "
                "a group; set it in the schema of users."
            )
        if hook is not None and not callable(hook):
            raise MappingError(
                f"{mapping.schema_name}: Meta.{name} is {hook!r}; set it to a function that is "
                f"given a {mapping.model.__name__}."
            )
    if is_deaf(mapping):
        _log.warning("%s", deaf_sentence(mapping))


def is_deaf(mapping: ResourceMapping) -> bool:
    """Say whether nothing of the host's changes when somebody is deactivated."""
    state = mapping.state
    return (
        state is not None
        and state.keeping is Keeping.LINK
        and mapping.options.on_deactivate is None
    )


def deaf_sentence(mapping: ResourceMapping) -> str:
    """Say what that means, and what to do."""
    return (
        f"{mapping.schema_name} maps no active: that somebody is deactivated is kept and answered, "
        "and they can still sign in to this portal. Map a column, such as `active = "
        f"fields.Attribute({mapping.model.__name__}.<column>)`, or set Meta.on_deactivate."
    )


def _check_shared_columns(mapping: ResourceMapping) -> None:
    """Two values can't be kept in one column, and a client would look for the one that is lost."""
    keepers: dict[str, str] = {}
    for binding in mapping.bindings.values():
        for slot in binding.slots():
            if slot.name is None or slot.write is None:
                continue
            part = slot.attribute.name
            name = binding.attribute.name
            label = name if part == name else f"{name}.{part}"
            other = keepers.setdefault(slot.name, label)
            if other != label:
                raise MappingError(
                    f"{mapping.schema_name}: {other} and {label} are both kept in {slot.place}, "
                    "and an identity provider that sends two values would find one of them; let "
                    f'the other follow by fields.SameAs("{_snake(other.split(".")[0])}").'
                )


def _snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def _check_defaults(mapping: ResourceMapping) -> None:
    """A default of Marshmallow's would be given to existing rows too, by each PUT."""
    for name, field in mapping.schema.fields.items():
        if field.load_default is not marshmallow.missing:
            raise MappingError(
                f"{mapping.schema_name}.{name}: load_default= would be written to existing rows as "
                f"well; take it out, and write Meta.defaults = {{{mapping.model.__name__}"
                ".<attribute>: <value>} for new rows."
            )


def _check_rows(mapping: ResourceMapping) -> None:
    """Rows are made of tables; of anything else there is only reading."""
    table = mapping.table
    if table.read_only:
        if table.maker.knows_best or mapping.options.defaults:
            raise MappingError(
                f"{mapping.schema_name}: Meta.read_only makes no new rows; take Meta.factory and "
                "Meta.defaults out."
            )
        return
    mapper = table.mapper
    kept = mapper.local_table
    if not isinstance(kept, sa.Table | sa.Join):
        raise MappingError(
            f"{mapping.schema_name}: {mapping.model.__name__} is mapped to a "
            f"{type(kept).__name__}, which can't be written to; add `read_only = True` to class "
            "Meta, or map the table."
        )
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is None:
        column = mapper.polymorphic_on
        if not getattr(column, "nullable", True) and column not in _written(mapping):
            raise MappingError(
                f"{mapping.schema_name}: {mapping.model.__name__} has no polymorphic_identity, so "
                "that a new row would be nothing; give it one in __mapper_args__, or map one of "
                "its subclasses."
            )
    _check_required_columns(mapping)


def _check_required_columns(mapping: ResourceMapping) -> None:
    """Every column that can't be empty needs an attribute or a default."""
    mapper, maker = mapping.table.mapper, mapping.table.maker
    if maker.knows_best:
        return
    filled = _written(mapping) | _filled_by_the_mapper(mapper)
    tables: Any = mapper.tables
    for column in (column for table in tables for column in table.columns):
        if column.nullable or column in filled or _fills_itself(column):
            continue
        name = mapping.table.name_of(column)
        if name is not None and (maker.sets(name) or _has_dataclass_default(mapper, name)):
            continue
        model = mapping.model.__name__
        default = f"Meta.defaults = {{{model}.{name}: <value or function>}}"
        raise MappingError(
            f"{mapping.schema_name}: {column.table.name}.{column.name} can't be empty, and no "
            "attribute is mapped to it: map one, or give the column a default"
            + (f", or write {default}." if name is not None else ".")
        )


def _written(mapping: ResourceMapping) -> set[sa.Column[Any]]:
    """Return the columns that a new resource gives a value, or that the team does."""
    written: set[sa.Column[Any]] = set(mapping.table.maker.fills)
    for binding in mapping.bindings.values():
        if binding.writable():
            written.update(columns_in(binding.expressions))
    tenant = mapping.table.tenant
    if tenant is not None and tenant.column is not None:
        written.add(tenant.column)
    # A column of a subclass's table and the one of its base's that is joined to it are one.
    for pair in _joined_columns(mapping.table.mapper):
        if written.intersection(pair):
            written.update(pair)
    return written


def _filled_by_the_mapper(mapper: Mapper[Any]) -> set[sa.Column[Any]]:
    filled: set[Any] = {mapper.version_id_col}
    if mapper.polymorphic_identity is not None:
        filled.add(mapper.polymorphic_on)
    filled.update(own for own, _base in _joined_columns(mapper))
    return filled


def _joined_columns(mapper: Mapper[Any]) -> Iterator[tuple[sa.Column[Any], sa.Column[Any]]]:
    """Return the columns of subclasses' tables, and those of their bases' that they equal."""
    for each in mapper.iterate_to_root():
        if each.concrete:
            return
        if each.inherit_condition is None:
            continue
        for part in visitors.iterate(each.inherit_condition):
            if isinstance(part, sa.BinaryExpression) and part.operator is operator.eq:
                left, right = part.left, part.right
                if isinstance(left, sa.Column) and isinstance(right, sa.Column):
                    yield (left, right) if left.table is each.local_table else (right, left)


def _fills_itself(column: sa.Column[Any]) -> bool:
    if column.default is not None or column.server_default is not None:
        return True
    if column.computed is not None or column.identity is not None:
        return True
    table = column.table
    return isinstance(table, sa.Table) and table.autoincrement_column is column


def _has_dataclass_default(mapper: Mapper[Any], name: str) -> bool:
    return any(name == each for each, _value in dataclass_defaults(mapper))
