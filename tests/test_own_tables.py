"""The extension's own tables are its own, whatever the host does to its models and its engine."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    declared_attr,
    mapped_column,
)
from sqlalchemy.orm.decl_api import DeclarativeAttributeIntercept
from sqlalchemy.schema import CreateIndex, CreateTable

from flask_scim_provisioning.mapping.host.links import declare_link
from flask_scim_provisioning.models import declare, own_base

from .databases import drop_tables

BACKENDS = (sqlite.dialect(), postgresql.dialect(), mysql.dialect())


def type_map() -> type:
    class Base(DeclarativeBase):
        type_annotation_map: ClassVar[Any] = {
            uuid.UUID: sa.String(36),
            str: sa.Text(),
            datetime: sa.TIMESTAMP(timezone=True),
            bool: sa.Integer(),
            int: sa.BigInteger(),
            float: sa.Numeric(10, 2),
            bytes: sa.Text(),
            dict[str, Any]: sa.Text(),
        }

    return Base


def dataclasses() -> type:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    return Base


def required_columns() -> type:
    class Base(DeclarativeBase):
        __abstract__ = True
        metadata = sa.MetaData()

        created_by: Mapped[str] = mapped_column(sa.String(50))
        updated_at: Mapped[datetime] = mapped_column(
            sa.DateTime(), server_onupdate=sa.FetchedValue()
        )

    return Base


def computed_names() -> type:
    class Base(DeclarativeBase):
        @declared_attr.directive
        def __tablename__(cls) -> str:
            return "app_" + re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    return Base


def demanding_subclasses() -> type:
    class Base(DeclarativeBase):
        def __init_subclass__(cls, *, owner: str = "", **options: Any) -> None:
            if not owner:
                raise TypeError(f"{cls.__name__} names no owner")
            super().__init_subclass__(**options)

    return Base


def mapper_arguments() -> type:
    class Base(DeclarativeBase):
        @declared_attr.directive
        def __mapper_args__(cls) -> dict[str, Any]:
            return {"version_id_col": cls.__table__.c.lock_version, "eager_defaults": True}

        lock_version: Mapped[int] = mapped_column(sa.Integer())

    return Base


def table_arguments() -> type:
    class Base(DeclarativeBase):
        __table_args__: ClassVar[Any] = {"schema": "portal", "mysql_engine": "MyISAM"}

    return Base


def metaclass() -> type:
    """A base whose metaclass wants a word with each table, as SQLModel's does."""

    class Meta(DeclarativeAttributeIntercept):
        def __new__(mcs, name: str, bases: Any, namespace: Any, **options: Any) -> Any:
            if bases and "table" not in options:
                namespace["__abstract__"] = True
            return super().__new__(mcs, name, bases, namespace)

    class Base(DeclarativeBase, metaclass=Meta):
        metadata = sa.MetaData()

    return Base


BASES = [
    type_map,
    dataclasses,
    required_columns,
    computed_names,
    demanding_subclasses,
    mapper_arguments,
    table_arguments,
    metaclass,
]


def declared_over(metadata: sa.MetaData, schema: str | None = None) -> SimpleNamespace:
    """Declare a host's two tables and all of ours; return our models."""
    people = sa.Table(
        "person", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema
    )
    teams = sa.Table("team", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema)
    registry = sa.orm.registry()
    models = []
    for name, table in (("Person", people), ("Team", teams)):
        model = type(name, (), {})
        registry.map_imperatively(model, table)
        models.append(model)
    base = own_base(metadata)
    return SimpleNamespace(
        **vars(declare(base)),
        user_link=declare_link(base, models[0], "User"),
        group_link=declare_link(base, models[1], "Group"),
    )


def own_statements(metadata: sa.MetaData) -> list[str]:
    """The statements that make our tables on each kind of database."""
    found = []
    for backend in BACKENDS:
        for table in metadata.sorted_tables:
            if table.name.startswith("scim_"):
                found.append(str(CreateTable(table).compile(dialect=backend)))
                indexes = sorted(table.indexes, key=lambda each: str(each.name))
                found.extend(str(CreateIndex(each).compile(dialect=backend)) for each in indexes)
    return found


def plain_statements() -> list[str]:
    metadata = sa.MetaData()
    declared_over(metadata)
    return own_statements(metadata)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_what_a_base_does_to_its_models_is_not_done_to_our_tables(
    base: Callable[[], Any],
) -> None:
    metadata = base().metadata
    declared_over(metadata)
    assert own_statements(metadata) == plain_statements()


def by_attribute(constraint: Any, table: sa.Table) -> str:
    """A token of a convention that only the host's own tables can answer."""
    return str(table.info["owner"])


CONVENTIONS: dict[str, dict[str, Any]] = {
    "without-indexes": {
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
    "everything": {
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
    "explicit-names-only": {
        "ix": "%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(constraint_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(constraint_name)s",
    },
    "functions": {
        "owner": by_attribute,
        "ix": "ix_%(owner)s_%(constraint_name)s",
        "uq": "uq_%(owner)s_%(column_0_name)s",
        "fk": "fk_%(owner)s_%(column_0_name)s",
    },
}


def without_names(statement: str) -> str:
    return re.sub(
        r"CONSTRAINT \S+ |(?<=CREATE INDEX )\S+|(?<=CREATE UNIQUE INDEX )\S+", "", statement
    )


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
def test_a_naming_convention_names_what_it_can_and_changes_nothing(convention: Any) -> None:
    metadata = sa.MetaData(naming_convention=convention)
    declared_over(metadata)
    found = own_statements(metadata)
    plain = plain_statements()
    assert [without_names(each) for each in found] == [without_names(each) for each in plain]
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    engine.dispose()


def test_what_a_convention_cannot_name_gets_a_name_of_ours() -> None:
    """A convention that asks for explicit names would refuse the table otherwise."""
    metadata = sa.MetaData(naming_convention=CONVENTIONS["functions"])
    own = declared_over(metadata)
    names = {str(each.name) for each in own.binding.__table__.constraints if each.name}
    names |= {str(each.name) for each in own.binding.__table__.indexes}
    assert names == {
        "uq_scim_binding_role_id_service_account_id",
        "fk_scim_binding_role_id",
        "fk_scim_binding_service_account_id",
        "fk_scim_binding_integration_id",
        "ix_scim_binding_service_account",
        "ix_scim_binding_integration",
        "ix_scim_binding_subject",
    }


def test_migrations_find_only_plain_data_in_our_tables() -> None:
    metadata = sa.MetaData()
    declared_over(metadata)
    own = [table for table in metadata.sorted_tables if table.name.startswith("scim_")]
    assert len(own) == 13
    assert [table.info for table in own] == [{}] * 13
    assert [column.info for table in own for column in table.columns if column.info] == []


def test_no_index_of_ours_belongs_to_one_kind_of_database() -> None:
    """Migration tools render every index that they find, whatever its ``ddl_if`` says."""
    metadata = sa.MetaData()
    declared_over(metadata)
    for table in metadata.sorted_tables:
        if table.name.startswith("scim_"):
            conditional = [each.name for each in table.indexes if each._ddl_if is not None]
            assert conditional == []


@pytest.fixture
def schema_engine(server_databases: Callable[[str], str]) -> Any:
    """A PostgreSQL database with a schema of the portal's."""
    url = server_databases("postgresql")
    drop_tables(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS portal CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA portal")
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA portal CASCADE")
    engine.dispose()
    drop_tables(url)


def test_our_tables_live_in_the_schema_of_the_metadata(schema_engine: sa.Engine) -> None:
    metadata = sa.MetaData(schema="portal")
    own = declared_over(metadata)
    metadata.create_all(schema_engine)
    names = set(sa.inspect(schema_engine).get_table_names(schema="portal"))
    assert len({name for name in names if name.startswith("scim_")}) == 13
    with Session(schema_engine) as session:
        session.execute(sa.insert(own.integration).values(tenant="main", name="Contoso"))
        assert session.scalar(sa.select(own.integration.name)) == "Contoso"


def test_models_in_a_schema_of_their_own_can_be_referred_to(schema_engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    own = declared_over(metadata, schema="portal")
    metadata.create_all(schema_engine)
    person = metadata.tables["portal.person"]
    with Session(schema_engine) as session:
        session.execute(sa.insert(person).values(id=1))
        session.execute(sa.insert(own.user_link).values(host_id=1))
        session.execute(sa.delete(person))
        assert session.scalars(sa.select(own.user_link.id)).all() == []


def of_decimals(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def refusing(value: Any) -> Any:
    raise AssertionError("The host's JSON is for the host's columns.")


JSON_OPTIONS: dict[str, dict[str, Any]] = {
    "decimals": {"json_deserializer": of_decimals},
    "bytes": {"json_serializer": lambda value: json.dumps(value).encode()},
    "sorted": {"json_serializer": lambda value: json.dumps(value, sort_keys=True, indent=1)},
    "utf-16": {
        "json_serializer": lambda value: json.dumps(value, ensure_ascii=False).encode("latin-1")
    },
    "refusing": {"json_serializer": refusing, "json_deserializer": refusing},
}


@pytest.mark.parametrize("options", JSON_OPTIONS.values(), ids=JSON_OPTIONS)
def test_our_json_is_not_written_and_read_by_the_functions_of_the_host(
    database_url: str, options: dict[str, Any]
) -> None:
    metadata = sa.MetaData()
    own = declared_over(metadata)
    engine = sa.create_engine(database_url, **options)
    metadata.create_all(engine)
    document = {"z": 1.5, "a": ["é", 10**15, None, True], "": {"x": "\u2028"}}
    integration = uuid.uuid4()
    with Session(engine) as session:
        session.execute(
            sa.insert(own.integration).values(id=integration, tenant="main", name="Contoso")
        )
        session.execute(
            sa.insert(own.role), [{"tenant": "main", "name": "R", "permissions": document}]
        )
        session.execute(
            sa.insert(own.activity).values(
                integration_id=integration, tenant="main", action="a", outcome="ok", payload=1.5
            )
        )
        session.execute(sa.insert(metadata.tables["person"]).values(id=1))
        session.execute(sa.insert(own.user_link).values(host_id=1, stored=document))
        session.commit()
        permissions = session.scalars(sa.select(own.role.permissions)).one()
        stored = session.scalars(sa.select(own.user_link.stored)).one()
        entry = session.execute(sa.select(own.activity.payload, own.activity.notes)).one()
    assert permissions == stored == document
    assert list(permissions) == list(document)
    assert type(permissions["z"]) is type(stored["z"]) is float
    assert tuple(entry) == (1.5, None)
    with engine.connect() as connection:
        empty = sa.text("SELECT count(*) FROM scim_activity WHERE notes IS NULL")
        assert connection.execute(empty).scalar_one() == 1
    engine.dispose()
