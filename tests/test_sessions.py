"""The host's session is the host's: use cases run in one of their own, on the right database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import StaticPool

from flask_scim_provisioning import Provisioning
from flask_scim_provisioning.services.integrations import create_integration

from .client import ScimClient
from .plain import SOURCES, PlainPortal, models_of, plain_portal
from .test_extension import host_models

WITH_CURRENT = [source for source in SOURCES if source != "sessionmaker"]
"""A sessionmaker has no session that the host could have left something in."""

SESSION_CLASSES: dict[str, type[Any]] = {"flask-sqlalchemy": FlaskSession}
"""What a portal's own class of sessions extends."""

BROKEN = {"displayName": "Sales", "members": [{"value": "00000000-0000-4000-8000-000000000000"}]}
"""A group that is refused after its row was written."""


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., PlainPortal]]:
    """Return a function that builds a portal on the database."""
    with ExitStack() as portals:

        def made(*arguments: Any, url: str = database_url, **options: Any) -> PlainPortal:
            portal = plain_portal(url, *arguments, **options)
            portals.callback(portal.close)
            return portal

        yield made


@pytest.fixture(params=WITH_CURRENT)
def portal(request: pytest.FixtureRequest, make: Callable[..., PlainPortal]) -> PlainPortal:
    """A portal for each way to keep a present session."""
    return make(request.param)


def pending(portal: PlainPortal, *, flush: bool = False, commit: bool = False) -> None:
    """Let the portal leave something in its session before each request, as some do.

    :param commit: whether it commits after the request.
    """

    @portal.app.before_request
    def leave_something() -> None:
        session = portal.session()
        session.add(portal.models.User(username="pending"))
        if flush:
            session.flush()

    if commit:

        @portal.app.after_request
        def keep(response: Any) -> Any:
            portal.session().commit()
            return response


def test_what_the_host_has_pending_is_not_committed(portal: PlainPortal) -> None:
    client = portal.client()
    pending(portal)
    assert client.post("/Users", {"userName": "ada"}).status_code == 201
    assert client.post("/Users", {"userName": "ADA"}).status_code == 409
    assert client.get("/Users").json["totalResults"] == 1
    assert portal.rows(portal.models.User.username) == ["ada"]


def test_what_the_host_has_pending_is_not_lost(portal: PlainPortal) -> None:
    client = portal.client()
    pending(portal, commit=True)
    assert client.post("/Users", {"userName": "ada"}).status_code == 201
    assert portal.rows(portal.models.User.username) == ["ada", "pending"]


def test_what_the_host_has_pending_survives_a_refusal(portal: PlainPortal) -> None:
    client = portal.client()
    pending(portal, commit=True)
    assert client.post("/Users", {"name": {"givenName": "Ada"}}).status_code == 400
    assert portal.rows(portal.models.User.username) == ["pending"]


def test_what_the_host_has_written_is_neither_lost_nor_committed(portal: PlainPortal) -> None:
    """SQLite has one writer; where that is the host, the request is told to come again."""
    client = portal.client()
    pending(portal, flush=True)
    answer = client.post("/Users", {"userName": "ada"})
    if portal.engine.dialect.name == "sqlite":
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "has to commit" in answer.json["detail"]
        assert portal.rows(portal.models.User.username) == []
    else:
        assert answer.status_code == 201
        assert portal.rows(portal.models.User.username) == ["ada"]


def test_what_the_host_has_written_can_be_committed_later(portal: PlainPortal) -> None:
    client = portal.client()
    pending(portal, flush=True, commit=True)
    answer = client.post("/Users", {"userName": "ada"})
    created = ["ada"] if answer.status_code == 201 else []
    assert portal.rows(portal.models.User.username) == [*created, "pending"]


def test_a_page_of_the_console_commits_nothing_of_the_host(portal: PlainPortal) -> None:
    pending(portal)
    browser = portal.app.test_client()
    page = browser.post("/provisioning/new", data={"name": "Entra", "dialect": "entra"})
    assert page.status_code < 500
    assert browser.get("/provisioning/").status_code == 200
    assert portal.rows(portal.models.User.username) == []


@pytest.mark.parametrize("source", WITH_CURRENT)
def test_setters_of_the_host_work_with_the_session_that_they_know(
    make: Callable[..., PlainPortal], source: str
) -> None:
    """What a setter adds to ``db.session`` joins the transaction that the request is about."""

    def deactivate(user: Any, value: Any) -> None:
        user.is_active = value
        if value is False:
            portal.session().add(portal.models.Team(name=f"left: {user.username}", members=[user]))

    portal = make(source, setter=deactivate)
    client = portal.client()
    ada = client.post("/Users", {"userName": "ada"}).json["id"]
    client.post("/Users", {"userName": "grace"})
    refused = [
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "userName", "value": "grace"},
    ]
    assert client.patch(f"/Users/{ada}", refused).status_code == 409
    assert portal.rows(portal.models.Team.name) == []
    done = client.patch(f"/Users/{ada}", [{"op": "replace", "path": "active", "value": False}])
    assert done.status_code == 200, done.text
    assert portal.rows(portal.models.Team.name) == ["left: ada"]


@pytest.mark.parametrize("source", SOURCES)
def test_options_and_listeners_of_the_hosts_sessions_count(
    make: Callable[..., PlainPortal], source: str
) -> None:
    seen = []

    class Watched(SESSION_CLASSES.get(source, Session)):  # type: ignore[misc]
        pass

    @sa.event.listens_for(Watched, "before_flush")
    def see(session: Session, *_: Any) -> None:
        seen.extend(row.username for row in session.new)

    portal = make(source, session={"class_": Watched})
    assert portal.client().post("/Users", {"userName": "ada"}).status_code == 201
    assert seen == ["ada"]


def replica() -> sa.Engine:
    """An engine that nothing may be asked of."""
    engine = sa.create_engine("sqlite://")

    @sa.event.listens_for(engine, "before_cursor_execute")
    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        raise AssertionError(f"The replica was asked: {statement}")

    return engine


def use_everything(portal: PlainPortal, client: ScimClient | None = None) -> None:
    """Send requests of each kind; all of them succeed."""
    client = client or portal.client()
    ada = client.post("/Users", {"userName": "ada"}).json["id"]
    answers = [
        client.post("/Groups", {"displayName": "Sales", "members": [{"value": ada}]}),
        client.get("/Users", filter='userName eq "ada"'),
        client.get(f"/Users/{ada}"),
        client.put(f"/Users/{ada}", {"userName": "ada", "active": True}),
        client.patch(f"/Users/{ada}", [{"op": "replace", "path": "active", "value": False}]),
        client.post("/Bulk", bulk("grace")),
        client.delete(f"/Users/{ada}"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200, 204]
    assert portal.rows(portal.models.User.username) == ["ada", "grace"]
    assert portal.rows(portal.models.User.is_active) == [False, True]


def bulk(*names: str) -> dict[str, Any]:
    """Return a bulk request that creates users."""
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}
            for name in names
        ],
    }


def by_statement(primary: Callable[[], Any], readers: sa.Engine) -> type[Session]:
    """The recipe of SQLAlchemy's documentation ("Custom Vertical Partitioning")."""

    class Routing(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Any:
            if self._flushing or isinstance(clause, sa.Update | sa.Delete):
                return primary()
            return readers

    return Routing


def by_flush(primary: Callable[[], Any], readers: sa.Engine) -> type[Session]:
    """An older form of it."""

    class Routing(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None) -> Any:
            return primary() if self._flushing else readers

    return Routing


@pytest.mark.parametrize("source", ["scoped", "lite"])
@pytest.mark.parametrize("recipe", [by_statement, by_flush])
def test_a_session_that_reads_from_replicas_is_led_to_the_primary(
    make: Callable[..., PlainPortal], source: str, recipe: Callable[..., type[Session]]
) -> None:
    """What was written a moment ago isn't on a replica yet, and locks there mean nothing."""
    readers = replica()
    routing = recipe(lambda: portal.engine, readers)
    portal = make(source, session={"class_": routing})
    use_everything(portal)
    readers.dispose()


def test_an_engine_with_options_of_its_own_is_looked_at_once(
    make: Callable[..., PlainPortal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some portals give an engine options whenever they choose it."""

    class Choosing(Session):
        def get_bind(self, *_: Any, **__: Any) -> Any:
            return portal.engine.execution_options(schema_translate_map=None)

    portal = make("scoped", session={"class_": Choosing})
    client = portal.client()
    monkeypatch.delattr("flask_scim_provisioning.sessions._found")
    assert client.get("/Users").status_code == 200


AUTOCOMMIT: dict[str, dict[str, Any]] = {
    "sqlite": {"isolation_level": None},
    "postgresql": {"autocommit": True},
    "mysql": {"autocommit": True},
}
"""How a driver is told to commit each statement by itself."""


@pytest.mark.parametrize("by_driver", [False, True], ids=["engine", "driver"])
@pytest.mark.parametrize("source", ["flask-sqlalchemy", "sessionmaker"])
def test_a_refusal_changes_nothing_on_an_engine_in_autocommit(
    make: Callable[..., PlainPortal], database_url: str, source: str, by_driver: bool
) -> None:
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
    if by_driver:
        backend = sa.make_url(database_url).get_backend_name()
        options = {"connect_args": AUTOCOMMIT[backend]}
    portal = make(source, engine=options)
    client = portal.client()
    assert client.post("/Groups", BROKEN).status_code == 400
    assert portal.rows(portal.models.Team.name) == []
    use_everything(portal, client)
    findings = portal.app.test_cli_runner().invoke(args=["scim", "doctor"]).output
    assert "The portal's connections are in AUTOCOMMIT" in findings
    # The host's own connections are as the host wants them.
    with portal.app.app_context(), portal.engine.connect() as connection:
        connection.execute(sa.insert(portal.models.Team).values(name="by itself"))
        assert portal.rows(portal.models.Team.name) == ["Sales", "by itself"]


@pytest.mark.parametrize("source", WITH_CURRENT)
def test_a_pool_of_one_connection_is_enough_for_the_host(
    make: Callable[..., PlainPortal], source: str
) -> None:
    portal = make(source, engine={"pool_size": 1, "max_overflow": 0, "pool_timeout": 1})

    @portal.app.before_request
    def read() -> None:
        portal.session().scalars(sa.select(portal.models.User)).all()

    use_everything(portal)


@pytest.fixture
def in_memory() -> Iterator[Callable[[str], PlainPortal]]:
    """Return a function that builds a portal as many test suites do, on one connection."""
    options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    with ExitStack() as portals:

        def made(source: str) -> PlainPortal:
            portal = plain_portal("sqlite://", source, engine=options)
            portals.callback(portal.close)
            return portal

        yield made


@pytest.mark.parametrize("source", SOURCES)
def test_a_database_in_memory_is_enough(
    in_memory: Callable[[str], PlainPortal], source: str
) -> None:
    use_everything(in_memory(source))


@pytest.mark.parametrize("source", WITH_CURRENT)
def test_what_the_host_has_written_in_memory_is_left_to_it(
    in_memory: Callable[[str], PlainPortal], source: str
) -> None:
    """There is one connection: whatever is committed or rolled back on it would be the host's."""
    portal = in_memory(source)
    client = portal.client()
    pending(portal, flush=True, commit=True)
    answer = client.post("/Users", {"userName": "ada"})
    assert answer.status_code == 503
    assert portal.rows(portal.models.User.username) == ["pending"]


@pytest.mark.parametrize("source", SOURCES)
def test_every_connection_is_given_back(make: Callable[..., PlainPortal], source: str) -> None:
    portal = make(source)
    client = portal.client()
    assert portal.engine.pool.checkedout() == 0
    assert client.get("/Users").status_code == 200
    assert client.get("/Nothing").status_code == 404
    assert client.with_token("wrong").get("/Users").status_code == 401
    assert portal.app.test_client().get("/provisioning/").status_code == 200
    listed = portal.app.test_cli_runner().invoke(args=["scim", "list"])
    assert "Contoso" in listed.output
    assert portal.engine.pool.checkedout() == 0


def test_a_context_has_one_session_until_it_ends(make: Callable[..., PlainPortal]) -> None:
    portal = make("flask-sqlalchemy")
    with portal.app.app_context():
        state = portal.app.extensions["scim_provisioning"]
        session = state.session
        assert session is state.session
        assert session is not portal.session()
        session.connection()
        assert portal.engine.pool.checkedout() == 1
    assert portal.engine.pool.checkedout() == 0


def test_users_and_groups_of_two_databases_are_refused(
    make: Callable[..., PlainPortal], database_url: str
) -> None:
    other = replica()
    models = models_of()
    maker = sessionmaker(binds={models.User: sa.create_engine(database_url), models.Team: other})
    app = Flask("portal")
    provisioning = Provisioning(session=maker, **models.schemas)
    provisioning.init_app(app, admin_required=lambda: True)
    with app.app_context(), pytest.raises(RuntimeError, match="User and Team live in two data"):
        app.extensions["scim_provisioning"].session  # noqa: B018 - reading it is the test
    other.dispose()


def test_the_bind_of_the_models_has_our_tables(database_url: str) -> None:
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)
    provisioning = Provisioning(db, **vars(host_models(db, bind="people")))
    app = Flask("portal")
    app.config.update(
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        SQLALCHEMY_BINDS={"people": database_url},
    )
    db.init_app(app)
    provisioning.init_app(app, admin_required=lambda: True)
    with app.app_context():
        db.create_all()
        state = app.extensions["scim_provisioning"]
        created = create_integration(state.session, state.models, tenant="main", name="Contoso")
        assert "scim_integration" not in sa.inspect(db.engine).get_table_names()
        assert "scim_integration" in sa.inspect(db.engines["people"]).get_table_names()
        base = f"/api/v1/main/integrations/{created.integration.id}/scim/v2"
        client = ScimClient(app, base, created.secret.reveal())
        assert client.post("/Users", {"userName": "ada"}).status_code == 201
        assert client.get("/Users").json["totalResults"] == 1
        assert client.post("/Users", {"userName": "ada"}).status_code == 409
        findings = app.test_cli_runner().invoke(args=["scim", "doctor"]).output
        assert "missing" not in findings


def test_an_update_can_be_told_in_a_session_of_the_hosts_choice(
    make: Callable[..., PlainPortal],
) -> None:
    portal = make("sessionmaker")
    client = portal.client()
    made = client.post("/Users", {"userName": "ada"})
    with Session(portal.engine) as session:
        portal.provisioning.touch(portal.models.User, session=session)
        session.commit()
    assert client.get(f"/Users/{made.json['id']}").headers["ETag"] != made.headers["ETag"]
    with portal.app.app_context(), pytest.raises(RuntimeError, match="session="):
        portal.provisioning.touch(portal.models.User)


def test_the_package_needs_no_flask_sqlalchemy() -> None:
    """A portal without it need not have it installed."""
    program = """
import sys
sys.modules["flask_sqlalchemy"] = None
import flask_scim_provisioning
from flask_scim_provisioning import Provisioning, UserSchema, fields
import flask_scim_provisioning.simulator.cli
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("arguments", [{}, {"db": 1, "session": 2}], ids=["neither", "both"])
def test_a_portal_says_where_its_sessions_come_from(arguments: dict[str, Any]) -> None:
    db = arguments.pop("db", None)
    with pytest.raises(TypeError, match="session="):
        Provisioning(db, **arguments, **models_of().schemas)
