"""The extension's own tables, declared over the host's metadata.

Every class here is a typed mixin: ``declare()`` joins it with a base of the extension's own over
the metadata of one host, so that the host's migrations see the tables, several databases work in
one process, and the use cases are type-checked against the mixins. The tables know nothing of the
host's own tables, and nothing that the host's declarative base does to its models reaches them:
every column names its type, and every index its name.
"""

import types
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Mapped, mapped_column

from .column_types import (
    JsonDocument,
    UtcDateTime,
    case_exact_string,
    instant,
    milliseconds,
    scim_id,
    sha256,
)
from .constraints import foreign, index, named, unique

__all__ = [
    "DESCRIPTION_LENGTH",
    "NAME_LENGTH",
    "TENANT",
    "TENANT_LENGTH",
    "AccessToken",
    "Activity",
    "Binding",
    "Brake",
    "Conflict",
    "ExternalId",
    "Integration",
    "Models",
    "Offboarding",
    "Role",
    "ServiceAccount",
    "UtcDateTime",
    "declare",
    "own_base",
    "utcnow",
]

NAME_LENGTH = 120
DESCRIPTION_LENGTH = 500
TENANT_LENGTH = 64
ADDRESS_LENGTH = 45  # characters of an IPv6 address that ends in an IPv4 one
TENANT = "main"
"""The tenant of every integration, unless the host has tenants."""


def utcnow() -> datetime:
    """Return the present instant, aware."""
    return datetime.now(UTC)


class _Own:
    """What every own table has in common."""

    if TYPE_CHECKING:
        __table__: ClassVar[sa.Table]
        __tablename__: ClassVar[str]
        metadata: ClassVar[sa.MetaData]

        def __init__(self, **values: Any) -> None: ...


class Integration(_Own):
    """One connection of an identity provider to one tenant.

    Who removes one keeps its row, so that its history can still be read: ``removed`` says since
    when, and ``former_name`` what it was called, because its name is free for another one.
    ``draft`` says that it was never enabled, ``paused`` since when requests are put off.
    ``policies`` has those that differ from the default, by their names in ``services.policies``.
    """

    __tablename__ = "scim_integration"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(cls.metadata, cls.__tablename__, unique("tenant", "name"))

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    description: Mapped[str] = mapped_column(sa.String(DESCRIPTION_LENGTH), default="")
    type: Mapped[str] = mapped_column(sa.String(32), default="scim-2.0")
    dialect: Mapped[str] = mapped_column(sa.String(32), default="generic")
    enabled: Mapped[bool] = mapped_column(sa.Boolean(), default=True)
    created: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    updated: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    draft: Mapped[bool] = mapped_column(sa.Boolean(), default=False, server_default=sa.false())
    paused: Mapped[datetime | None] = mapped_column(instant())
    removed: Mapped[datetime | None] = mapped_column(instant())
    former_name: Mapped[str | None] = mapped_column(case_exact_string(NAME_LENGTH))
    state_since: Mapped[datetime | None] = mapped_column(instant())
    policies: Mapped[dict[str, Any] | None] = mapped_column(JsonDocument())


class ServiceAccount(_Own):
    """The owner of an integration's tokens."""

    __tablename__ = "scim_service_account"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            unique("integration_id"),
            foreign("integration_id", "scim_integration.id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    created: Mapped[datetime] = mapped_column(instant(), default=utcnow)


class Role(_Own):
    """A named set of permissions in one tenant: ``{"USERS": ["CREATE", ...], ...}``.

    ``turn`` moves when a request takes an administrator away, so that others who read what was
    before notice it.
    """

    __tablename__ = "scim_role"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(cls.metadata, cls.__tablename__, unique("tenant", "name"))

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    name: Mapped[str] = mapped_column(case_exact_string(NAME_LENGTH))
    permissions: Mapped[dict[str, list[str]]] = mapped_column(JsonDocument())
    turn: Mapped[int] = mapped_column(sa.Integer(), default=0, server_default=sa.text("0"))


class Binding(_Own):
    """One grant: an own role to a service account, or a role of the host to a provisioned subject.

    ``host_role``, ``subject_type`` and ``subject_id`` (the SCIM id of a user or group) are empty
    for service accounts.
    """

    __tablename__ = "scim_binding"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            unique("role_id", "service_account_id"),
            foreign("role_id", "scim_role.id"),
            foreign("service_account_id", "scim_service_account.id"),
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_binding_service_account", "service_account_id"),
            index("ix_scim_binding_integration", "integration_id"),
            index("ix_scim_binding_subject", "subject_type", "subject_id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    role_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
    service_account_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
    integration_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
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
        return named(
            cls.metadata,
            cls.__tablename__,
            foreign("service_account_id", "scim_service_account.id"),
            unique("key_id"),
            index("ix_scim_access_token_service_account", "service_account_id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    service_account_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    key_id: Mapped[str] = mapped_column(case_exact_string(32))
    digest: Mapped[bytes] = mapped_column(sha256())
    created: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    expires: Mapped[datetime | None] = mapped_column(instant())
    last_used: Mapped[datetime | None] = mapped_column(instant())
    revoked: Mapped[datetime | None] = mapped_column(instant())
    label: Mapped[str | None] = mapped_column(sa.String(NAME_LENGTH))
    created_by: Mapped[str | None] = mapped_column(sa.String(255))
    revoked_by: Mapped[str | None] = mapped_column(sa.String(255))
    first_used: Mapped[datetime | None] = mapped_column(instant())
    last_used_address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    last_used_agent: Mapped[str | None] = mapped_column(sa.String(255))
    successor_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
    overlap_seconds: Mapped[int | None] = mapped_column(sa.Integer())
    retires: Mapped[datetime | None] = mapped_column(instant())


class ExternalId(_Own):
    """The ``externalId`` of one resource as one integration sees it (RFC 7643 section 3.1)."""

    __tablename__ = "scim_external_id"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            unique("integration_id", "resource_type", "link_id"),
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_external_id_link", "link_id"),
            index("ix_scim_external_id_value", "integration_id", "resource_type", "external_id"),
        )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    resource_type: Mapped[str] = mapped_column(sa.String(16))
    link_id: Mapped[str] = mapped_column(scim_id())
    external_id: Mapped[str] = mapped_column(case_exact_string(255))


_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

REFUSED = "outcome <> 'ok'"
"""What the index of refusals has; a query must say it in these words to be answered by it."""


class Activity(_Own):
    """One request that changed something or failed, or one act of an administrator.

    Its integration is there for good: one that is removed keeps its row, and so its history.
    Refusals of one kind within an hour share a row, found by ``fold``: ``at`` is
    when the first of them came, ``last_at`` the latest.
    """

    __tablename__ = "scim_activity"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        attention = ("integration_id", "attention", "id")
        refused = ("integration_id", "outcome", "id")
        return named(
            cls.metadata,
            cls.__tablename__,
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_activity_fold", "fold", is_unique=True),
            index("ix_scim_activity_page", "integration_id", "id"),
            # Few entries need attention, and few are refused.
            index("ix_scim_activity_attention", *attention, only="attention IS NOT NULL"),
            index("ix_scim_activity_refused", *refused, only=REFUSED),
            index("ix_scim_activity_tenant", "tenant", "id"),
            index("ix_scim_activity_resource", "resource_id", "id"),
            index("ix_scim_activity_name", "resource_name", "id"),
            index("ix_scim_activity_request", "request_id"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    actor: Mapped[str | None] = mapped_column(sa.String(255))
    action: Mapped[str] = mapped_column(sa.String(64))
    resource_type: Mapped[str | None] = mapped_column(sa.String(16))
    resource_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    resource_name: Mapped[str | None] = mapped_column(case_exact_string(255))
    outcome: Mapped[str] = mapped_column(sa.String(16))
    attention: Mapped[str | None] = mapped_column(sa.String(32))
    status: Mapped[int | None] = mapped_column(sa.Integer())
    scim_type: Mapped[str | None] = mapped_column(sa.String(32))
    detail: Mapped[str | None] = mapped_column(sa.String(1000))
    duration_ms: Mapped[float | None] = mapped_column(milliseconds())
    request_id: Mapped[str | None] = mapped_column(sa.String(64))
    notes: Mapped[list[str] | None] = mapped_column(JsonDocument())
    payload: Mapped[Any | None] = mapped_column(JsonDocument())
    cause: Mapped[str | None] = mapped_column(case_exact_string(64))
    changes: Mapped[Any | None] = mapped_column(JsonDocument())
    method: Mapped[str | None] = mapped_column(sa.String(16))
    path: Mapped[str | None] = mapped_column(sa.String(1000))
    address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    key_id: Mapped[str | None] = mapped_column(case_exact_string(32))
    fold: Mapped[str | None] = mapped_column(case_exact_string(64))
    count: Mapped[int] = mapped_column(sa.Integer(), default=1, server_default=sa.text("1"))
    last_at: Mapped[datetime | None] = mapped_column(instant())
    dismissed: Mapped[bool] = mapped_column(sa.Boolean(), default=False, server_default=sa.false())


class Refusal(_Own):
    """Requests that were refused before anybody knew whose they are, those of one day in a row.

    They are folded by cause, token and address, and only what exists is named: neither an unknown
    integration nor an unknown key id makes a row of its own. The rows of an integration and a day
    are limited besides, so that nobody can fill the table.
    """

    __tablename__ = "scim_refusal"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            unique("fold"),
            index("ix_scim_refusal_integration", "integration_id", "last_at"),
            index("ix_scim_refusal_tenant", "tenant", "last_at"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    fold: Mapped[str] = mapped_column(case_exact_string(64))
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    integration_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
    cause: Mapped[str] = mapped_column(sa.String(32))
    about: Mapped[datetime | None] = mapped_column(instant())
    key_id: Mapped[str | None] = mapped_column(case_exact_string(32))
    address: Mapped[str | None] = mapped_column(sa.String(ADDRESS_LENGTH))
    user_agent: Mapped[str | None] = mapped_column(sa.String(255))
    request_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    first_at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    last_at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    count: Mapped[int] = mapped_column(sa.Integer(), default=1, server_default=sa.text("1"))
    dismissed: Mapped[bool] = mapped_column(sa.Boolean(), default=False, server_default=sa.false())


class Offboarding(_Own):
    """One person who leaves, from the first request that said so to what became of the account.

    As long as it isn't done, it is found by ``fold``, so that a request that is sent again counts
    up and adds no row. ``held`` says since when the brake holds it, ``decision`` what somebody has
    decided about that. The removal of many from a group is held in a row of its own kind, and has
    none once it is done.
    """

    __tablename__ = "scim_offboarding"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_offboarding_fold", "fold", is_unique=True),
            index("ix_scim_offboarding_page", "integration_id", "id"),
            index("ix_scim_offboarding_tenant", "tenant", "id"),
            index("ix_scim_offboarding_host", "host_key"),
            # Few wait for their day, and few are held.
            index("ix_scim_offboarding_due", "due", "id", only="due IS NOT NULL"),
            index("ix_scim_offboarding_held", "integration_id", "held", only="held IS NOT NULL"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    fold: Mapped[str | None] = mapped_column(case_exact_string(64))
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    tenant: Mapped[str] = mapped_column(case_exact_string(TENANT_LENGTH))
    kind: Mapped[str] = mapped_column(sa.String(16))
    resource_id: Mapped[str] = mapped_column(case_exact_string(64))
    resource_name: Mapped[str | None] = mapped_column(case_exact_string(255))
    host_key: Mapped[str | None] = mapped_column(case_exact_string(255))
    request_id: Mapped[str | None] = mapped_column(case_exact_string(64))
    received: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    last_at: Mapped[datetime | None] = mapped_column(instant())
    count: Mapped[int] = mapped_column(sa.Integer(), default=1, server_default=sa.text("1"))
    trouble: Mapped[str | None] = mapped_column(sa.String(1000))
    held: Mapped[datetime | None] = mapped_column(instant())
    decision: Mapped[str | None] = mapped_column(sa.String(16))
    decided_by: Mapped[str | None] = mapped_column(sa.String(255))
    decided_at: Mapped[datetime | None] = mapped_column(instant())
    blocked: Mapped[datetime | None] = mapped_column(instant())
    sessions_ended: Mapped[datetime | None] = mapped_column(instant())
    hooks: Mapped[Any | None] = mapped_column(JsonDocument())
    groups_left: Mapped[int | None] = mapped_column(sa.Integer())
    unlinked: Mapped[datetime | None] = mapped_column(instant())
    deleted: Mapped[datetime | None] = mapped_column(instant())
    due: Mapped[datetime | None] = mapped_column(instant())
    due_action: Mapped[str | None] = mapped_column(sa.String(16))
    returned: Mapped[datetime | None] = mapped_column(instant())


class Brake(_Own):
    """How many people one integration has let go lately, or has removed from one group.

    ``slots`` has the numbers of the last hour, by the minute that they began with; who counts locks
    the row, so that two requests that meet are counted one after the other.
    """

    __tablename__ = "scim_brake"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_brake_fold", "fold", is_unique=True),
            index("ix_scim_brake_integration", "integration_id"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    fold: Mapped[str] = mapped_column(case_exact_string(64))
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    last_at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    count: Mapped[int] = mapped_column(sa.BigInteger(), default=0, server_default=sa.text("0"))
    slots: Mapped[dict[str, Any] | None] = mapped_column(JsonDocument())
    allowed_until: Mapped[datetime | None] = mapped_column(instant())


class Conflict(_Own):
    """A person whom a directory wants and whom the portal had before: a decision, waiting or made.

    Requests that want the same name and meet the same people share a row, found by ``fold``;
    ``link_id`` is the link of whom the name met first, and of whom an administrator chose.
    ``matches`` has all whom it met, as ``[{"id": …, "by": […], "verified": …}]``, and ``sent`` the
    values of the latest request, redacted. A decision that was carried out has no row any more.
    """

    __tablename__ = "scim_conflict"

    @orm.declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return named(
            cls.metadata,
            cls.__tablename__,
            unique("fold"),
            foreign("integration_id", "scim_integration.id"),
            index("ix_scim_conflict_page", "integration_id", "id"),
            index("ix_scim_conflict_link", "link_id"),
        )

    id: Mapped[int] = mapped_column(_BIG_KEY, primary_key=True, autoincrement=True)
    fold: Mapped[str] = mapped_column(case_exact_string(64))
    integration_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid())
    resource_type: Mapped[str] = mapped_column(sa.String(16))
    look_up: Mapped[str] = mapped_column(case_exact_string(255))
    external_id: Mapped[str | None] = mapped_column(case_exact_string(255))
    link_id: Mapped[str] = mapped_column(scim_id())
    matches: Mapped[Any] = mapped_column(JsonDocument())
    sent: Mapped[Any | None] = mapped_column(JsonDocument())
    reason: Mapped[str] = mapped_column(sa.String(32))
    decision: Mapped[str | None] = mapped_column(sa.String(16))
    decided_by: Mapped[str | None] = mapped_column(sa.String(255))
    decided_at: Mapped[datetime | None] = mapped_column(instant())
    first_at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    last_at: Mapped[datetime] = mapped_column(instant(), default=utcnow)
    count: Mapped[int] = mapped_column(sa.Integer(), default=1, server_default=sa.text("1"))


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
    offboarding: type[Offboarding]
    brake: type[Brake]
    conflict: type[Conflict]


M = TypeVar("M", bound=_Own)


def own_base(metadata: sa.MetaData) -> type[orm.DeclarativeBase]:
    """Return a declarative base of the extension's own over the host's metadata.

    What the host's base does to its models, such as a ``type_annotation_map``, dataclasses,
    ``__mapper_args__`` or columns that each model has, is for the host's models.
    """
    namespace = {"metadata": metadata, "__module__": __name__, "__abstract__": True}
    return types.new_class("ScimBase", (orm.DeclarativeBase,), exec_body=_filling(namespace))


def declare(base: type[orm.DeclarativeBase]) -> Models:
    """Declare the tables on a base of the extension's own.

    :param base: what ``own_base`` returns for the host's metadata.
    :raises RuntimeError: when the metadata has them already.
    """
    if Integration.__tablename__ in {table.name for table in base.metadata.tables.values()}:
        raise RuntimeError(
            "The SCIM tables are already declared in this metadata: make one Provisioning for each "
            "SQLAlchemy object, and register that one on every app with init_app."
        )

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
        offboarding=mapped(Offboarding),
        brake=mapped(Brake),
        conflict=mapped(Conflict),
    )


def _filling(values: Mapping[str, Any]) -> Any:
    return lambda namespace: namespace.update(values)
