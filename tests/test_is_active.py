"""``provisioning.is_active``: what the directory said, for a portal's own sign-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from flask_login import AnonymousUserMixin, LoginManager, UserMixin, current_user, login_user

from .client import counted
from .plain import PlainPortal, plain_portal


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., PlainPortal]]:
    """Return a function that builds a portal on the database."""
    with ExitStack() as portals:

        def made(**options: Any) -> PlainPortal:
            portal = plain_portal(database_url, "flask-sqlalchemy", **options)
            portals.callback(portal.close)
            return portal

        yield made


@pytest.fixture
def portal(make: Callable[..., PlainPortal]) -> PlainPortal:
    """A portal whose people have no column for ``active``."""
    return make(has_active=False)


def active(portal: PlainPortal, name: str) -> bool:
    """Ask as the portal does where it loads a user."""
    model = portal.models.User
    with portal.app.app_context():
        user = portal.session().scalars(sa.select(model).where(model.username == name)).one()
        return portal.provisioning.is_active(user)


def create(portal: PlainPortal, name: str, **values: Any) -> str:
    with portal.app.app_context():
        session = portal.session()
        session.add(portal.models.User(username=name, **values))
        session.commit()
    return name


def switch(client: Any, path: str, value: bool) -> None:
    assert (
        client.patch(path, [{"op": "replace", "path": "active", "value": value}]).status_code == 200
    )


@pytest.mark.parametrize("has_active", [False, True], ids=["no column", "column"])
def test_a_person_is_active_as_long_as_the_directory_says_so(
    make: Callable[..., PlainPortal], has_active: bool
) -> None:
    portal = make(has_active=has_active)
    client = portal.client()
    path = f"/Users/{client.post('/Users', {'userName': 'ada'}).json['id']}"
    assert active(portal, "ada")
    switch(client, path, False)
    assert not active(portal, "ada")
    switch(client, path, True)
    assert active(portal, "ada")
    assert client.delete(path).status_code == 204
    assert not active(portal, "ada")
    assert client.post("/Users", {"userName": "ada"}).status_code == 201
    assert active(portal, "ada")


def test_somebody_who_was_created_inactive_may_not_sign_in(portal: PlainPortal) -> None:
    portal.client().post("/Users", {"userName": "ada", "active": False})
    assert not active(portal, "ada")


def test_of_whom_no_directory_has_spoken_may_sign_in(portal: PlainPortal) -> None:
    portal.client().post("/Users", {"userName": "ada", "active": False})
    assert active(portal, create(portal, "grace"))


def test_a_column_of_the_portal_has_the_last_word(make: Callable[..., PlainPortal]) -> None:
    """Where an administrator of the portal lets somebody in again, the column says so."""
    portal = make()
    assert not active(portal, create(portal, "grace", is_active=False))
    client = portal.client()
    path = f"/Users/{client.post('/Users', {'userName': 'ada'}).json['id']}"
    client.delete(path)
    with portal.engine.begin() as connection:
        connection.execute(sa.update(portal.models.User.__table__).values(is_active=True))
    assert active(portal, "ada")


def test_it_costs_one_read_in_a_request_and_writes_nothing(portal: PlainPortal) -> None:
    portal.client().post("/Users", {"userName": "ada"})
    model = portal.models.User
    with portal.app.app_context():
        session = portal.session()
        user = session.scalars(sa.select(model)).one()
        user.visits += 1
        portal.provisioning.is_active(user)
        with counted(portal.engine) as cost:
            assert portal.provisioning.is_active(user)
        assert cost.count == 0
        assert user in session.dirty
    with portal.app.app_context():
        user = portal.session().scalars(sa.select(model)).one()
        with counted(portal.engine) as cost:
            portal.provisioning.is_active(user)
        assert cost.count == 1
        assert "host_id" in cost.statements[0]


def test_somebody_new_or_detached_can_be_asked_about(portal: PlainPortal) -> None:
    portal.client().post("/Users", {"userName": "ada", "active": False})
    model = portal.models.User
    with portal.app.app_context():
        user = portal.session().scalars(sa.select(model)).one()
        portal.session().expunge(user)
        assert not portal.provisioning.is_active(user)
        assert portal.provisioning.is_active(model(username="new"))


@pytest.mark.parametrize(
    "nobody", [None, AnonymousUserMixin(), "ada"], ids=["none", "anonymous", "text"]
)
def test_a_question_about_nobody_is_a_mistake(portal: PlainPortal, nobody: Any) -> None:
    with portal.app.app_context(), pytest.raises(TypeError, match="is_active wants a User"):
        portal.provisioning.is_active(nobody)


def test_a_portal_before_its_migration_goes_on_as_before(portal: PlainPortal) -> None:
    create(portal, "ada")
    with portal.engine.begin() as connection:
        portal.models.metadata.tables["scim_user_link"].drop(connection)
    assert active(portal, "ada")


def test_a_session_ends_at_the_next_request(portal: PlainPortal) -> None:
    """As the documentation shows it, with Flask-Login."""
    model = portal.models.User
    client = portal.client()
    path = f"/Users/{client.post('/Users', {'userName': 'ada'}).json['id']}"
    portal.app._got_first_request = False  # the portal has answered nobody but the directory
    login = LoginManager(portal.app)

    class Visitor(UserMixin):
        def __init__(self, user: Any) -> None:
            self.id = user.id

    @login.user_loader
    def load(key: str) -> Any:
        user = portal.session().get(model, int(key))
        return Visitor(user) if user and portal.provisioning.is_active(user) else None

    @portal.app.get("/sign-in")
    def sign_in() -> str:
        login_user(Visitor(portal.session().scalars(sa.select(model)).one()))
        return "ok"

    @portal.app.get("/me")
    def me() -> str:
        return str(current_user.is_authenticated)

    browser = portal.app.test_client()
    browser.get("/sign-in")
    assert browser.get("/me").text == "True"
    switch(client, path, False)
    assert browser.get("/me").text == "False"
