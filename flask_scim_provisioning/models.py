"""The extension's own tables, declared on the host's declarative base.

Every class here is a typed mixin: ``declare()`` joins it with the base of one host, so that the
host's migrations see the tables, several databases work in one process, and the use cases are
type-checked against the mixins. The tables know nothing of the host's own tables.
"""

import types
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import Mapped, mapped_column

NAME_LENGTH = 120
DESCRIPTION_LENGTH = 500
TENANT_LENGTH = 64
ADDRESS_LENGTH = 45  # characters of an IPv6 address that ends in an IPv4 one
TENANT = "main"
"""The tenant of every integration, unless the host has tenants."""


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant: aware on both sides, UTC in the database, with microseconds.

    SQLite and MariaDB lose the time zone, so it is converted on the way in and put back on the
    way out.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type that keeps a zone or, failing that, microseconds."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive value, because it would mean another instant on every machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("UtcDateTime needs an aware datetime: use datetime.now(UTC).")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Give the instant back, always in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utcnow() -> datetime:
    """Return the present instant, aware."""
    return datetime.now(UTC)


def case_exact_string(length: int) -> sa.String:
    """Return a string type that compares case-sensitively on every database.

    MySQL and MariaDB compare without case by default; SQLite and PostgreSQL never do.
    """
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(binary, "mysql", "mariadb")


def scim_id() -> sa.String:
    """Return the type of a resource's SCIM id: a UUID as text, so that reading converts nothing."""
    ascii_only = mysql.CHAR(36, charset="ascii", collation="ascii_bin")
    return sa.String(36).with_variant(ascii_only, "mysql", "mariadb")


class _Own:
    """What every own table has in common.

    Every index has a name of its own: a host whose naming convention has none for indexes couldn't
    create them otherwise.
    """

    if TYPE_CHECKING:
        __table__: ClassVar[sa.Table]

        def __init__(self, **values: Any) -> None: ...


class Integration(_Own):
    """One connection of an identity provider to one tenant.

    Who removes one keeps its row, so that its history can still be read: ``removed`` says since
    when, and ``former_name`` what it was called, because its name is free for another one.
    ``draft`` says that it was never enabled, ``paused`` since when requests are put off.
    """

    __tablename__ = "scim_integration"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (sa.UniqueConstraint("tenant", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    description: Mapped[str] = mapped_column(sa.String(DESCRIPTION_LENGTH), default="")
    type: Mapped[str] = mapped_column(sa.String(32), default="scim-2.0")
    dialect: Mapped[str] = mapped_column(sa.String(32), default="generic")
    enabled: Mapped[bool] = mapped_column(default=True)
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    updated: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    draft: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    paused: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed: Mapped[datetime | None] = mapped_column(UtcDateTime)
    former_name: Mapped[str | None] = mapped_column(case_exact_string(NAME_LENGTH))
    state_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ServiceAccount(_Own):
    """The owner of an integration's tokens."""

    __tablename__ = "scim_service_account"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    integration_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("scim_integration.id", ondelete="CASCADE"), unique=True
    )
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class Role(_Own):
    """A named set of permissions in one tenant: ``{"USERS": ["CREATE", ...], ...}``."""

    __tablename__ = "scim_role"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (sa.UniqueConstraint("tenant", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    permissions: Mapped[dict[str, list[str]]] = mapped_column(sa.JSON)


class Binding(_Own):
    """One grant: an own role to a service account, or a role of the host to a provisioned subject.

    ``host_role``, ``subject_type`` and ``subject_id`` (the SCIM id of a user or group) are empty
    for service accounts.
    """

    __tablename__ = "scim_binding"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            sa.UniqueConstraint("role_id", "service_account_id"),
            sa.Index("ix_scim_binding_service_account", "service_account_id"),
            sa.Index("ix_scim_binding_integration", "integration_id"),
            sa.Index("ix_scim_binding_subject", "subject_type", "subject_id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    role_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("scim_role.id", ondelete="CASCADE")
    )
    service_account_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("scim_service_account.id", ondelete="CASCADE")
    )
    integration_id: Mapped[uuid.UUID | None] = mapped_column(
        sa.ForeignKey("scim_integration.id", ondelete="CASCADE")
    )
    host_role: Mapped[str | None] = mapped_column(sa.String(255))
    subject_type: Mapped[str | None] = mapped_column(sa.String(16))
    subject_id: Mapped[str | None] = mapped_column(scim_id())


class AccessToken(_Own):
    """A bearer token; of its secret only the SHA-256 is kept.

    One that another has replaced knows it as ``successor_id``. It ends ``overlap_seconds`` after
    the other was first used, at ``retires``, and later as long as it is still used itself.
    """

    __tablename__ = "scim_access_token"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (sa.Index("ix_scim_access_token_service_account", "service_account_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    service_account_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("scim_service_account.id", ondelete="CASCADE")
    )
    key_id: Mapped[str] = mapped_column(case_exact_string(32), unique=True)
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    expires: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked: Mapped[datetime | None] = mapped_column(UtcDateTime)
    label: Mapped[str | None] = mapped_column(sa.String(NAME_LENGTH))
    created_by: Mapped[str | None] = mapped_column(sa.String(255))
    revoked_by: Mapped[str | None] = mapped_column(sa.String(255))
    first_used: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    last_used_agent: Mapped[str | None] = mapped_column(sa.String(255))
    successor_id: Mapped[uuid.UUID | None] = mapped_column()
    overlap_seconds: Mapped[int | None] = mapped_column()
    retires: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ExternalId(_Own):
    """The ``externalId`` of one resource as one integration sees it (RFC 7643 section 3.1)."""

    __tablename__ = "scim_external_id"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            sa.UniqueConstraint("integration_id", "resource_type", "link_id"),
            sa.Index("ix_scim_external_id_link", "link_id"),
            sa.Index("ix_scim_external_id_value", "integration_id", "resource_type", "external_id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    integration_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("scim_integration.id", ondelete="CASCADE")
    )
    resource_type: Mapped[str] = mapped_column(sa.String(16))
    link_id: Mapped[str] = mapped_column(scim_id())
    external_id: Mapped[str] = mapped_column(case_exact_string(255))


_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

REFUSED = "outcome <> 'ok'"
"""What the index of refusals has; a query must say it in these words to be answered by it."""


class Activity(_Own):
    """One request that changed something or failed, or one act of an administrator.

    It refers to its integration without a foreign key: what happened is true whatever becomes of
    the integration. Refusals of one kind within an hour share a row, found by ``fold``: ``at`` is
    when the first of them came, ``last_at`` the latest.
    """

    __tablename__ = "scim_activity"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        # Few entries need attention, and few are refused: where a database can, the indexes for
        # them have only those.
        needed, refused = sa.text("attention IS NOT NULL"), sa.text(REFUSED)
        return (
            sa.UniqueConstraint("fold"),
            sa.Index("ix_scim_activity_page", "integration_id", "id"),
            sa.Index(
                "ix_scim_activity_attention",
                "integration_id",
                "attention",
                "id",
                postgresql_where=needed,
                sqlite_where=needed,
            ),
            sa.Index(
                "ix_scim_activity_refused",
                "integration_id",
                "outcome",
                "id",
                postgresql_where=refused,
                sqlite_where=refused,
            ),
            sa.Index("ix_scim_activity_tenant", "tenant", "id"),
            sa.Index("ix_scim_activity_resource", "resource_id", "id"),
            sa.Index("ix_scim_activity_name", "resource_name", "id"),
            sa.Index("ix_scim_activity_request", "request_id"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    integration_id: Mapped[uuid.UUID] = mapped_column()
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    actor: Mapped[str | None] = mapped_column(sa.String(255))
    action: Mapped[str] = mapped_column(sa.String(64))
    resource_type: Mapped[str | None] = mapped_column(sa.String(16))
    resource_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    resource_name: Mapped[str | None] = mapped_column(case_exact_string(255))
    outcome: Mapped[str] = mapped_column(sa.String(16))
    attention: Mapped[str | None] = mapped_column(sa.String(32))
    status: Mapped[int | None] = mapped_column()
    scim_type: Mapped[str | None] = mapped_column(sa.String(32))
    detail: Mapped[str | None] = mapped_column(sa.String(1000))
    duration_ms: Mapped[float | None] = mapped_column(sa.Float(53))
    request_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    notes: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    payload: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    cause: Mapped[str | None] = mapped_column(case_exact_string(64))
    changes: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    method: Mapped[str | None] = mapped_column(sa.String(16))
    path: Mapped[str | None] = mapped_column(sa.String(1000))
    address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    key_id: Mapped[str | None] = mapped_column(case_exact_string(32))
    fold: Mapped[str | None] = mapped_column(case_exact_string(64))
    count: Mapped[int] = mapped_column(default=1, server_default=sa.text("1"))
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    dismissed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


class Refusal(_Own):
    """Requests that were refused before anybody knew whose they are, those of one day in a row.

    They are folded by cause, token and address, and only what exists is named: neither an unknown
    integration nor an unknown key id makes a row of its own. The rows of an integration and a day
    are limited besides, so that nobody can fill the table.
    """

    __tablename__ = "scim_refusal"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            sa.UniqueConstraint("fold"),
            sa.Index("ix_scim_refusal_integration", "integration_id", "last_at"),
            sa.Index("ix_scim_refusal_tenant", "tenant", "last_at"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    fold: Mapped[str] = mapped_column(case_exact_string(64))
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    integration_id: Mapped[uuid.UUID | None] = mapped_column()
    cause: Mapped[str] = mapped_column(sa.String(32))
    about: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key_id: Mapped[str | None] = mapped_column(case_exact_string(32))
    address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    user_agent: Mapped[str | None] = mapped_column(sa.String(255))
    request_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    first_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    count: Mapped[int] = mapped_column(default=1, server_default=sa.text("1"))
    dismissed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


# Identity is what tells two declarations apart, and it hashes at once: statements are cached by it.
@dataclass(frozen=True, eq=False)
class Models:
    """The mapped classes of one declarative base."""

    integration: type[Integration]
    service_account: type[ServiceAccount]
    role: type[Role]
    binding: type[Binding]
    access_token: type[AccessToken]
    external_id: type[ExternalId]
    activity: type[Activity]
    refusal: type[Refusal]


M = TypeVar("M", bound=_Own)


def declare(base: type[Any]) -> Models:
    """Declare the tables on a host's declarative base (``db.Model``, or any other).

    :param base: A class made by ``DeclarativeBase``, ``declarative_base()`` or Flask-SQLAlchemy.
    :raises RuntimeError: when the base has them already.
    """
    if Integration.__tablename__ in {table.name for table in base.metadata.tables.values()}:
        raise RuntimeError(
            "The SCIM tables are already declared on this base: make one Provisioning for each "
            "SQLAlchemy object, and register that one on every app with init_app."
        )
    base = plain_base(base)

    def mapped(mixin: type[M]) -> type[M]:
        name = f"Scim{mixin.__name__}"
        namespace = {"__module__": __name__, "__doc__": mixin.__doc__}
        made = types.new_class(name, (mixin, base), exec_body=_filling(namespace))
        return cast("type[M]", made)

    return Models(
        integration=mapped(Integration),
        service_account=mapped(ServiceAccount),
        role=mapped(Role),
        binding=mapped(Binding),
        access_token=mapped(AccessToken),
        external_id=mapped(ExternalId),
        activity=mapped(Activity),
        refusal=mapped(Refusal),
    )


def plain_base(base: type[Any]) -> type[Any]:
    """Return ``base``, or one over the same metadata where ``base`` makes dataclasses.

    A mixin without dataclass fields can't become a dataclass; the tables are what the host's
    migrations and binds see, and those belong to the metadata.
    """
    if orm.MappedAsDataclass not in base.__mro__:
        return base
    namespace = {"metadata": base.metadata, "__module__": __name__}
    return types.new_class("ScimBase", (orm.DeclarativeBase,), exec_body=_filling(namespace))


def _filling(values: Mapping[str, Any]) -> Any:
    return lambda namespace: namespace.update(values)
