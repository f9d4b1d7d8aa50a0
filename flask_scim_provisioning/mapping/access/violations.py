"""What the host's database or its own rules refuse, told as what it is.

The violated constraint is read from the driver's diagnostics, and its columns from the host's
metadata; where something happened says nothing of why.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from ...scim.errors import (
    InvalidValue,
    PortalConflict,
    ScimError,
    TemporarilyUnavailable,
    Uniqueness,
)
from ..resources import ResourceMapping
from ..sql.constraints import Violated, kind_of, number_of, state_of

__all__ = ["Violation", "host_rules", "refusal", "violation_of"]

logger = logging.getLogger(__name__)

_PACKAGE = str(Path(__file__).resolve().parents[2])
_RETRY_AFTER = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint of the host's that was violated, as far as the driver says which.

    :ivar table: the table that the constraint is on.
    :ivar is_key: whether it is the table's primary key.
    :ivar columns: the names of its columns, as far as they are known.
    """

    kind: Violated | None
    table: str | None = None
    constraint: str | None = None
    columns: tuple[str, ...] = ()
    is_key: bool = False


def violation_of(error: DBAPIError, metadata: sa.MetaData) -> Violation:
    """Return which constraint a database has refused something for.

    :param metadata: the host's, which knows the columns of its constraints.
    """
    cause: Any = error.orig
    kind = kind_of(error)
    if number_of(cause) is not None:
        found = _of_mysql(kind, cause, error.statement)
    elif state_of(cause) is not None:
        found = _of_postgresql(kind, getattr(cause, "diag", None))
    else:
        found = _of_sqlite(kind, cause)
    return _with_columns(found, metadata)


def _of_postgresql(kind: Violated | None, diag: Any) -> Violation:
    if diag is None:
        return Violation(kind)
    columns = (diag.column_name,) if diag.column_name else ()
    return Violation(kind, diag.table_name, diag.constraint_name, columns)


_SQLITE_KEYS = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID")


def _of_sqlite(kind: Violated | None, cause: Any) -> Violation:
    is_key = getattr(cause, "sqlite_errorname", None) in _SQLITE_KEYS
    _, _, named = str(cause).partition("failed: ")
    index = re.fullmatch(r"index '(.+)'", named)
    if index is not None:
        return Violation(kind, constraint=index[1])
    if kind is Violated.CHECK:
        return Violation(kind, constraint=named or None)
    places = [place.strip().rpartition(".") for place in named.split(",") if "." in place]
    if not places:
        return Violation(kind, is_key=is_key)
    columns = tuple(column for _, _, column in places)
    return Violation(kind, places[0][0], None, columns, is_key)


_WRITES = re.compile(
    r"\s*(?:INSERT\s+(?:IGNORE\s+)?INTO|REPLACE\s+INTO|UPDATE)\s+(?:`[^`]+`\.|\w+\.)?`?([^`\s(]+)",
    re.IGNORECASE,
)
"""The table that a statement writes to."""


def _of_mysql(kind: Violated | None, cause: Any, statement: str | None) -> Violation:
    arguments: Sequence[Any] = cause.args
    message = str(arguments[1]) if len(arguments) > 1 else str(cause)
    match kind:
        case Violated.UNIQUE:
            # The value comes first and may say anything; the key comes last.
            found = re.search(r"for key '(?:([^'.]+)\.)?([^']+)'$", message)
            table, key = (found[1], found[2]) if found else (None, None)
            if table is None and (written := _WRITES.match(statement or "")):
                table = written[1]  # MariaDB names the key alone, and every table has a PRIMARY
            return Violation(kind, table, key, is_key=key == "PRIMARY")
        case Violated.FOREIGN_KEY:
            found = re.search(r"\(`[^`]+`\.`([^`]+)`, CONSTRAINT `([^`]+)`", message)
            return Violation(kind, found[1], found[2]) if found else Violation(kind)
        case Violated.NOT_NULL:
            found = re.search(r"(?:Column|Field) '([^']+)'", message)
            return Violation(kind, columns=(found[1],) if found else ())
        case Violated.CHECK:
            found = re.search(
                r"[`']([^`']+)[`'] (?:is violated|failed for `[^`]+`\.`([^`]+)`)", message
            )
            return Violation(kind, found[2], found[1]) if found else Violation(kind)
    return Violation(kind)


def _with_columns(found: Violation, metadata: sa.MetaData) -> Violation:
    """Look a constraint up in the metadata, by its name."""
    if found.columns or found.constraint is None:
        return found
    for table in metadata.tables.values():
        if found.table is not None and table.name != found.table:
            continue
        keys = (f"{table.name}_pkey", table.primary_key.name)
        if found.constraint in keys or (found.is_key and table.name == found.table):
            columns = tuple(column.name for column in table.primary_key.columns)
            return replace(found, table=table.name, columns=columns, is_key=True)
        for named, columns in _named_columns(table):
            if found.constraint == named:
                return replace(found, table=table.name, columns=columns)
    return found


def _named_columns(table: sa.Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the columns of each constraint and index, by the name that a database knows."""
    for constraint in table.constraints:
        if isinstance(constraint, sa.CheckConstraint):
            names = _columns_of_text(table, str(constraint.sqltext))
        elif isinstance(constraint, sa.schema.ColumnCollectionConstraint):
            names = tuple(column.name for column in constraint.columns)
        else:
            continue
        suffix = "fkey" if isinstance(constraint, sa.ForeignKeyConstraint) else "key"
        if constraint.name is not None:
            yield str(constraint.name), names
        else:
            # What PostgreSQL calls one without a name; MySQL calls it like its first column.
            yield "_".join((table.name, *names, suffix)), names
            yield names[0] if names else "", names
    for index in table.indexes:
        asked = " ".join(str(expression) for expression in index.expressions)
        yield str(index.name), _columns_of_text(table, asked)


def _columns_of_text(table: sa.Table, text: str) -> tuple[str, ...]:
    """Return the columns that the SQL of a check or an index names."""
    return tuple(
        column.name for column in table.columns if re.search(rf"\b{re.escape(column.name)}\b", text)
    )


def refusal(mapping: ResourceMapping, error: DBAPIError, *, deleting: bool = False) -> ScimError:
    """Return what an identity provider is told about a constraint of the host's database.

    :param deleting: whether a row was to be deleted.
    """
    found = violation_of(error, mapping.links.metadata)
    kind = mapping.table.name
    attributes = _attributes_of(mapping, found)
    named = ", ".join(attributes)
    match found.kind:
        case Violated.FOREIGN_KEY if deleting:
            return PortalConflict(
                f"This {kind} is still in use in this portal{_where(found)}, which keeps it from "
                "being deleted; the portal's team can let it be deactivated instead."
            )
        case Violated.UNIQUE if named:
            return Uniqueness(
                f"{named} is already in use by another {kind}; give it another value, or match the "
                "existing one instead of creating a new one."
            )
        case Violated.UNIQUE if found.is_key and _is_counted(mapping, found):
            return _key_is_taken(mapping, found)
        case Violated.NOT_NULL | Violated.CHECK | Violated.FOREIGN_KEY if named:
            return InvalidValue(
                f"This portal's database refuses {named}: a value is missing, out of its range or "
                "names nothing that is there; correct the attribute mapping of the identity "
                "provider."
            )
    return PortalConflict(
        f"A rule of this portal's own database refuses the {kind}{_where(found)}, and no attribute "
        "is mapped to what it asks for; the portal's team has to mend that, and the request can be "
        "sent again then."
    )


def _is_counted(mapping: ResourceMapping, found: Violation) -> bool:
    """Say whether a database numbers the rows of a table itself; somebody chooses a text."""
    tables = mapping.links.metadata.tables.values()
    own: Any = mapping.table.mapper.local_table
    table = next((each for each in tables if each.name == found.table), own)
    return any(isinstance(column.type, sa.Integer) for column in table.primary_key)


def _key_is_taken(mapping: ResourceMapping, found: Violation) -> ScimError:
    table = found.table or mapping.table.label
    logger.error(
        "A new row of %s was given a primary key that another row has: its sequence is behind the "
        "table, as after an import. `flask scim doctor` tells how to mend it.",
        table,
    )
    return TemporarilyUnavailable(
        f"This portal gives new rows of {table} numbers that are taken already; its team has to "
        "set the counter right (flask scim doctor tells how), and the request can be sent again.",
        retry_after=_RETRY_AFTER,
    )


def _where(found: Violation) -> str:
    """Return where a constraint is, for the portal's team; names of columns are no secrets."""
    if found.table and found.columns:
        return f" ({found.table}: {', '.join(found.columns)})"
    place = found.table or found.constraint
    return f" ({place})" if place else ""


def _attributes_of(mapping: ResourceMapping, found: Violation) -> list[str]:
    """Return the SCIM names of what a constraint is about, in the order of the schema."""
    if not found.columns:
        return []
    names: list[str] = []
    for key, binding in mapping.bindings.items():
        columns = list(_columns_in(binding.expressions))
        for rows in binding.watched():
            columns += _columns_in(rows.columns)
        about = any(
            column.name in found.columns and (found.table in (None, _table_of(column)))
            for column in columns
        )
        if about and key not in ("id", "meta", "groups", "members"):
            names.append(key.rsplit(":", 1)[-1])
    return names


def _columns_in(expressions: Iterable[sa.ColumnElement[Any]]) -> Iterator[sa.Column[Any]]:
    for expression in expressions:
        if isinstance(expression, sa.Column):
            yield expression


def _table_of(column: sa.Column[Any]) -> str | None:
    return getattr(column.table, "name", None)


@contextmanager
def host_rules(
    mapping: ResourceMapping, path: str | None = None, *, deleting: bool = False
) -> Iterator[None]:
    """Tell what the host's own rules refuse as what it is: validators, setters, types, constraints.

    Their sentences are shown where the team says so, by ``Meta.show_host_messages``: they may quote
    values, and the identity provider's log is read by others than the portal's.

    :param path: the attribute that is written, where it is one.
    :raises InvalidValue: when a rule refuses a value.
    :raises Uniqueness: when a value is taken; the database has the last word on that.
    :raises PortalConflict: when it is nothing that a client has sent.
    """
    try:
        yield
    except IntegrityError as error:
        raise refusal(mapping, error, deleting=deleting) from None
    except DataError:
        # What a column has no room for, and nobody has foreseen.
        raise InvalidValue(
            "This portal's database refuses a value: it is too large or too long; correct the "
            "attribute mapping of the identity provider."
        ) from None
    except DBAPIError as error:
        # Drivers of MySQL's and MariaDB's call a violated constraint an operational error.
        if number_of(error.orig) is None or kind_of(error) is None:
            raise
        raise refusal(mapping, error, deleting=deleting) from None
    except StatementError as error:
        # What a column's own type makes of a value, before the database sees it.
        if error.orig is None or not _is_of_host(error.orig):
            raise
        raise _refused_by_rule(mapping, path, error.orig) from None
    except (ValueError, AssertionError, TypeError, LookupError, AttributeError) as error:
        if not _is_of_host(error):
            raise
        raise _refused_by_rule(mapping, path, error) from None


def _is_of_host(error: BaseException) -> bool:
    """Say whether a rule of the host's has raised it, and no code of the extension's own."""
    if isinstance(error, ValueError | AssertionError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and not frames[-1].filename.startswith(_PACKAGE)


def _refused_by_rule(
    mapping: ResourceMapping, path: str | None, error: BaseException
) -> InvalidValue:
    what = path or mapping.table.name
    if not isinstance(error, ValueError | AssertionError):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        logger.warning(
            "The portal's own rule for %s failed with %s in %s, line %s.",
            what,
            type(error).__name__,
            frame.name,
            frame.lineno,
        )
    elif mapping.options.show_host_messages and str(error):
        return InvalidValue(f"{what}: {error}")
    return InvalidValue(
        f"{what}: a rule of this portal refuses the value; correct the attribute mapping of the "
        "identity provider, or ask the portal's team what it takes."
    )
