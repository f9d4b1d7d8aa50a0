"""The own tables: on every kind of base, and with the types that the databases need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session, declarative_base

from flask_scim_provisioning.models import Models, UtcDateTime, declare, own_base


def plain() -> type:
    class Base(DeclarativeBase):
        pass

    return Base


def dataclasses() -> type:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    return Base


def named() -> type:
    """A convention without names for indexes is what many hosts have copied."""

    class Base(DeclarativeBase):
        metadata = sa.MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})

    return Base


@pytest.mark.parametrize(
    "base",
    [plain, dataclasses, named, declarative_base, lambda: SQLAlchemy().Model],
    ids=["plain", "dataclasses", "named", "legacy", "flask-sqlalchemy"],
)
def test_tables_join_the_metadata_of_any_base(base) -> None:
    declared = base()
    models = declare(own_base(declared.metadata))
    engine = sa.create_engine("sqlite://")
    declared.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(sa.insert(models.integration).values(tenant="main", name="Contoso"))
        assert session.scalar(sa.select(models.integration.enabled)) is True
    engine.dispose()


def test_a_base_has_the_tables_once() -> None:
    base = plain()
    declare(own_base(base.metadata))
    with pytest.raises(RuntimeError, match="one Provisioning"):
        declare(own_base(base.metadata))


def test_an_instant_keeps_its_zone_and_its_microseconds(session: Session, models: Models) -> None:
    instant = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    session.execute(
        sa.insert(models.integration).values(tenant="main", name="Contoso", created=instant)
    )
    found = session.scalars(sa.select(models.integration.created)).one()
    assert found == instant
    assert found.tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(sa.exc.StatementError, match="aware"):
        connection.execute(sa.select(sa.literal(datetime(2026, 1, 1), UtcDateTime)))
    engine.dispose()


def test_external_ids_compare_with_case(session: Session, models: Models, created) -> None:
    """RFC 7643 section 3.1: externalId is case-exact, which MariaDB's strings aren't."""
    ids = models.external_id
    for number, value in enumerate(("abc", "ABC")):
        session.execute(
            sa.insert(ids).values(
                integration_id=created.integration.id,
                resource_type="User",
                link_id=f"{number:036}",
                external_id=value,
            )
        )
    found = session.scalars(sa.select(ids.external_id).where(ids.external_id == "abc")).all()
    assert found == ["abc"]
