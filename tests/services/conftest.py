"""A database with the extension's own tables, and a plain session: the use cases need no app."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session

from flask_scim_provisioning.dialects import dialect_named
from flask_scim_provisioning.models import Models, declare, own_base
from flask_scim_provisioning.services.integrations import CreatedIntegration, create_integration
from flask_scim_provisioning.services.scope import Scope

from ..databases import make_tables


class Base(DeclarativeBase):
    """A host's base without Flask."""


@pytest.fixture(scope="session")
def models() -> Models:
    """The own tables, declared once."""
    return declare(own_base(Base.metadata))


@pytest.fixture
def engine(database: str, models: Models) -> Iterator[sa.Engine]:
    """A database with empty tables."""
    engine = sa.create_engine(database)
    make_tables(engine, Base.metadata)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session as a host has it."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def other_session(engine: sa.Engine) -> Iterator[Session]:
    """What another worker has."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def create(session: Session, models: Models) -> Callable[..., CreatedIntegration]:
    """Create an integration; every value has a default."""

    def make(**values: Any) -> CreatedIntegration:
        defaults = {"tenant": "main", "name": "Contoso", "dialect": "entra"}
        return create_integration(session, models, **defaults | values)

    return make


@pytest.fixture
def created(create: Callable[..., CreatedIntegration]) -> CreatedIntegration:
    """One integration of the tenant "main"."""
    return create()


@pytest.fixture
def make_scope(
    session: Session, models: Models, created: CreatedIntegration
) -> Callable[..., Scope]:
    """Return a function that makes the scope of one request."""

    def make(**values: Any) -> Scope:
        view = created.integration
        defaults: dict[str, Any] = {
            "session": session,
            "models": models,
            "tenant": view.tenant,
            "integration_id": view.id,
            "integration_name": view.name,
            "service_account_id": view.service_account_id,
            "permissions": frozenset({"USERS:READ"}),
            "dialect": dialect_named("generic"),
            "request_id": uuid.uuid4().hex,
            "base_url": "https://portal.example.com/scim/v2",
        }
        return Scope(**defaults | values)

    return make
