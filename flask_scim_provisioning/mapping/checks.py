"""What can't work, refused at start-up by the name of the class and the line to change."""

from __future__ import annotations

import logging
import re
from typing import Any

import sqlalchemy as sa

from .bindings.base import Binding, Keeping
from .errors import MappingError
from .resources import ResourceMapping

__all__ = ["check", "deaf_sentence", "is_deaf"]

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
    _check_state(mapping)
    _check_shared_columns(mapping)
    _check_required_columns(mapping)


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


def _check_state(mapping: ResourceMapping) -> None:
    """A portal that hears of nobody's leaving lets them in; there are other ways, so it is told."""
    for name in ("on_deactivate", "on_reactivate"):
        hook = getattr(mapping.options, name)
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


def _check_required_columns(mapping: ResourceMapping) -> None:
    """Every column that can't be empty needs an attribute or a default."""
    written = {column for binding in mapping.bindings.values() for column in _columns(binding)}
    tenant = mapping.table.tenant
    owned = tenant.column if tenant is not None else None
    for column in mapping.table.mapper.local_table.columns:
        if column.nullable or column.primary_key or column in written or column is owned:
            continue
        if column.default is not None or column.server_default is not None:
            continue
        if column.computed is not None or column.identity is not None:
            continue
        raise MappingError(
            f"{mapping.schema_name}: {mapping.table.label}.{column.name} can't be empty, and no "
            "attribute is mapped to it: map one, or give the column a default."
        )


def _columns(binding: Binding) -> list[Any]:
    return [item for item in binding.expressions if isinstance(item, sa.Column)]
