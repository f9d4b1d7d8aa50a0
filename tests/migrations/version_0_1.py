"""The tables of version 0.1, as portals have them; nothing here changes any more."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

__all__ = ["declare_0_1"]

_EMBEDDED: Any = ("sqlite", "postgresql")
_MYSQL: Any = ("mysql", "mariadb")


def _instant() -> Any:
    return (
        sa.DateTime()
        .with_variant(sa.DateTime(timezone=True), "postgresql")
        .with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    )


def _exact(length: int) -> Any:
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def _scim_id() -> Any:
    ascii_only = mysql.CHAR(36, charset="ascii", collation="ascii_bin")
    return sa.String(36).with_variant(ascii_only, "mysql", "mariadb")


def _parent(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="CASCADE")


def _link(metadata: sa.MetaData, resource: str, host: str) -> None:
    jsonb = postgresql.JSONB(none_as_null=True)
    prefix = f"ix_scim_{resource}_link"
    marks = []
    for column, whole in (("deleted", "gone"), ("others", "more")):
        marked = sa.text(f"{column} IS NOT NULL")
        where = {"sqlite_where": marked, "postgresql_where": marked}
        few = sa.Index(f"{prefix}_{column}", "host_id", **where)  # type: ignore[arg-type]
        marks.append(few.ddl_if(dialect=_EMBEDDED))
        every = sa.Index(f"{prefix}_{whole}", column, "host_id")
        marks.append(every.ddl_if(dialect=_MYSQL))
    sa.Table(
        f"scim_{resource}_link",
        metadata,
        sa.Column("host_id", sa.Integer, _parent(host), unique=True, nullable=False),
        sa.Column("id", _scim_id(), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", _instant(), nullable=False),
        sa.Column("last_modified", _instant(), nullable=False),
        sa.Column("deleted", _instant()),
        sa.Column("stored", sa.JSON(none_as_null=True).with_variant(jsonb, "postgresql")),
        sa.Column("others", sa.Boolean),
        *marks,
    )


def declare_0_1(metadata: sa.MetaData, *, users: str, groups: str) -> None:
    """Declare the nine tables beside a host's two, whose keys are integers.

    :param users: the table of the host's users, which is in the metadata.
    :param groups: that of its groups.
    """
    sa.Table(
        "scim_integration",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("dialect", sa.String(32), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created", _instant(), nullable=False),
        sa.Column("updated", _instant(), nullable=False),
        sa.UniqueConstraint("tenant", "name"),
    )
    sa.Table(
        "scim_service_account",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "integration_id", sa.Uuid, _parent("scim_integration"), unique=True, nullable=False
        ),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("created", _instant(), nullable=False),
    )
    sa.Table(
        "scim_role",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.UniqueConstraint("tenant", "name"),
    )
    sa.Table(
        "scim_binding",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("role_id", sa.Uuid, _parent("scim_role")),
        sa.Column("service_account_id", sa.Uuid, _parent("scim_service_account")),
        sa.Column("integration_id", sa.Uuid, _parent("scim_integration")),
        sa.Column("host_role", sa.String(255)),
        sa.Column("subject_type", sa.String(16)),
        sa.Column("subject_id", _scim_id()),
        sa.UniqueConstraint("role_id", "service_account_id"),
        sa.Index("ix_scim_binding_service_account", "service_account_id"),
        sa.Index("ix_scim_binding_integration", "integration_id"),
        sa.Index("ix_scim_binding_subject", "subject_type", "subject_id"),
    )
    sa.Table(
        "scim_access_token",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("service_account_id", sa.Uuid, _parent("scim_service_account"), nullable=False),
        sa.Column("key_id", _exact(32), unique=True, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created", _instant(), nullable=False),
        sa.Column("expires", _instant()),
        sa.Column("last_used", _instant()),
        sa.Column("revoked", _instant()),
        sa.Index("ix_scim_access_token_service_account", "service_account_id"),
    )
    sa.Table(
        "scim_external_id",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("integration_id", sa.Uuid, _parent("scim_integration"), nullable=False),
        sa.Column("resource_type", sa.String(16), nullable=False),
        sa.Column("link_id", _scim_id(), nullable=False),
        sa.Column("external_id", _exact(255), nullable=False),
        sa.UniqueConstraint("integration_id", "resource_type", "link_id"),
        sa.Index("ix_scim_external_id_link", "link_id"),
        sa.Index("ix_scim_external_id_value", "integration_id", "resource_type", "external_id"),
    )
    attention = sa.text("attention IS NOT NULL")
    sa.Table(
        "scim_activity",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("integration_id", sa.Uuid, _parent("scim_integration"), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(255)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("resource_type", sa.String(16)),
        sa.Column("resource_id", sa.String(64)),
        sa.Column("resource_name", sa.String(255)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("attention", sa.String(32)),
        sa.Column("status", sa.Integer),
        sa.Column("scim_type", sa.String(32)),
        sa.Column("detail", sa.String(1000)),
        sa.Column("duration_ms", sa.Float(53)),
        sa.Column("request_id", sa.String(64)),
        sa.Column("notes", sa.JSON(none_as_null=True)),
        sa.Column("payload", sa.JSON(none_as_null=True)),
        sa.Index("ix_scim_activity_page", "integration_id", "id"),
        sa.Index(
            "ix_scim_activity_attention",
            "integration_id",
            "attention",
            "id",
            sqlite_where=attention,
            postgresql_where=attention,
        ),
    )
    _link(metadata, "user", users)
    _link(metadata, "group", groups)
