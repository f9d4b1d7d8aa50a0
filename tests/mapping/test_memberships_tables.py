"""Members in tables of their own: what a row keeps, which collisions count, and who is heard."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services.signals import membership_changed

from .teams import Teams, opened


@pytest.fixture
def open_teams(database: str) -> Iterator[Callable[[str], Teams]]:
    """Return a function that opens the portal of a shape."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(opened(database, name))


def told() -> tuple[list[dict[str, Any]], Any]:
    """Return a list that fills with what ``membership_changed`` says, and its receiver."""
    heard: list[dict[str, Any]] = []

    def hear(_sender: str, **values: Any) -> None:
        heard.append(values)

    return heard, hear


def test_each_row_has_defaults_of_its_own(open_teams: Callable[[str], Teams]) -> None:
    """A default that Python makes is made once for each new row, not once for all."""
    teams = open_teams("further columns")
    teams.people("ada", "bob", "dan")
    teams.team("Red", "ada", "bob", "dan")
    rows = teams.rows()
    assert len({row.id for row in rows}) == len({row.badge for row in rows}) == 3
    assert {(row.level, row.source) for row in rows} == {(1, "directory")}
    assert all(row.added is not None for row in rows)


def test_what_a_row_keeps_stays_with_who_stays(open_teams: Callable[[str], Teams]) -> None:
    teams = open_teams("further columns")
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    table = teams.parts.rows
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.update(table).values(level=4))
    teams.change("Red", "replace", "bob", "ada")
    found = {row.user_id: row.level for row in teams.rows()}
    assert found == {teams.key("ada"): 4, teams.key("bob"): 1}


@pytest.mark.parametrize(
    ("made", "status", "kind", "word"),
    [
        ({"badge": "taken"}, 409, "uniqueness", "badge"),
        ({"level": 9}, 400, "invalidValue", "level_of_membership"),
        ({"badge": None}, 400, "invalidValue", "badge"),
    ],
)
def test_another_constraint_is_told_and_nobody_is_added(
    open_teams: Callable[[str], Teams], made: dict[str, Any], status: int, kind: str, word: str
) -> None:
    """Only the pair that is there already is forgiven, and it isn't inserted at all."""
    teams = open_teams("further columns")
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.update(teams.parts.rows).values(badge="taken"))
    teams.parts.next.update(made)
    try:
        answer = teams.change("Red", "add", "bob")
    finally:
        teams.parts.next.clear()
    assert answer.status_code == status, answer.text
    assert answer.json["scimType"] == kind
    assert "membership" in answer.json["detail"]
    assert word in answer.json["detail"]
    assert teams.names("Red") == ["ada"]
    assert teams.version("Red") == 1


def test_the_portals_own_insert_at_the_same_moment_is_met_by_another_attempt(
    open_teams: Callable[[str], Teams],
) -> None:
    """The pair comes between the look and the insert: the request succeeds, and changes nothing."""
    teams = open_teams("further columns")
    teams.people("ada")
    teams.team("Red")
    table, engine = teams.parts.rows, teams.portal.engine
    if engine.dialect.name == "sqlite":
        return _check_that_writers_wait(teams)
    row = {"team_id": teams.key("Red"), "user_id": teams.key("ada")}
    others = sa.create_engine(engine.url)
    came: list[int] = []

    def first(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO membership") and not came:
            came.append(1)
            with others.begin() as connection:
                connection.execute(table.insert(), row)

    sa.event.listen(engine, "before_cursor_execute", first)
    try:
        answer = teams.change("Red", "add", "ada")
    finally:
        sa.event.remove(engine, "before_cursor_execute", first)
        others.dispose()
    assert came
    assert answer.status_code == 204, answer.text
    assert len(teams.rows()) == 1
    assert teams.version("Red") == 1
    return None


def _check_that_writers_wait(teams: Teams) -> None:
    """On SQLite nobody else writes between the look and the insert."""
    table, engine = teams.parts.rows, teams.portal.engine
    row = {"team_id": teams.key("Red"), "user_id": teams.key("ada")}
    others = sa.create_engine(engine.url, connect_args={"timeout": 0})
    came: list[int] = []

    def first(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO membership") and not came:
            came.append(1)
            with (
                pytest.raises(sa.exc.OperationalError, match="locked"),
                others.begin() as connection,
            ):
                connection.execute(table.insert(), row)

    sa.event.listen(engine, "before_cursor_execute", first)
    try:
        assert teams.change("Red", "add", "ada").status_code == 204
    finally:
        sa.event.remove(engine, "before_cursor_execute", first)
        others.dispose()
    assert came


@pytest.mark.parametrize("shape", ["plain", "no foreign keys"])
def test_who_vanishes_meanwhile_is_no_member(
    open_teams: Callable[[str], Teams], shape: str
) -> None:
    """The portal deletes a user before the request names them: told, and no row for nobody."""
    teams = open_teams(shape)
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    user = teams.portal.models.User
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.delete(user).where(user.username == "bob"))
    answer = teams.change("Red", "add", "bob")
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")
    assert len(teams.rows()) == 1


def test_a_condition_shows_and_changes_only_its_own(open_teams: Callable[[str], Teams]) -> None:
    """An owner and one who has left are no members; both rows stay as they are."""
    teams = open_teams("condition")
    teams.people("ada", "bob", "dan")
    teams.team("Red", "ada")
    table = teams.parts.rows
    left = datetime(2024, 1, 1)
    others = [
        {"team_id": teams.key("Red"), "user_id": teams.key("bob"), "role": "owner"},
        {"team_id": teams.key("Red"), "user_id": teams.key("dan"), "role": "member"},
    ]
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.insert(table), others[0])
        connection.execute(sa.insert(table), {**others[1], "left_at": left})
    assert teams.names("Red") == ["ada"]
    assert teams.groups_of("bob") == []
    found = teams.client.get("/Groups", filter=f'members eq "{teams.ids["bob"]}"').json
    assert found["totalResults"] == 0
    assert teams.change("Red", "add", "bob", "dan").status_code == 204
    assert teams.names("Red") == ["ada", "bob", "dan"]
    new = [row for row in teams.rows() if row.user_id == teams.key("bob")]
    assert sorted((row.role, row.left_at) for row in new) == [("member", None), ("owner", None)]
    assert teams.change("Red", "remove").status_code == 204
    assert teams.names("Red") == []
    kept = sorted((row.role, row.left_at) for row in teams.rows())
    assert kept == [("member", left), ("owner", None)]
    teams.change("Red", "add", "bob")
    assert teams.client.delete(f"/Users/{teams.ids['bob']}").status_code == 204
    assert sorted(row.role for row in teams.rows()) == ["member", "owner"]


def test_one_row_for_each_pair_meets_the_condition_again(
    open_teams: Callable[[str], Teams],
) -> None:
    """Where the pair is the key, who has left comes back in the row that is there."""
    teams = open_teams("condition of a unique pair")
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    table = teams.parts.rows
    left = {"left_at": datetime(2024, 1, 1), "note": "moved away"}
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.update(table).values(left))
    assert teams.names("Red") == []
    assert teams.change("Red", "add", "ada", "bob").status_code == 204
    assert teams.names("Red") == ["ada", "bob"]
    found = {row.user_id: (row.left_at, row.role, row.note) for row in teams.rows()}
    assert found == {
        teams.key("ada"): (None, "member", "moved away"),
        teams.key("bob"): (None, "member", None),
    }


def test_a_condition_on_people_leaves_the_others_out(open_teams: Callable[[str], Teams]) -> None:
    """Who can't be shown as a member can't become one, and is told as unknown."""
    teams = open_teams("condition on people")
    teams.people("ada", "bob")
    teams.team("Red", "ada", "bob")
    user = teams.portal.models.User
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.update(user).where(user.username == "bob").values(hidden=True))
    assert teams.names("Red") == ["ada"]
    assert teams.groups_of("bob") == []
    teams.team("Blue", "ada")
    answer = teams.change("Blue", "add", "bob")
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")


def test_listeners_of_an_association_object_hear_of_it(
    open_teams: Callable[[str], Teams],
) -> None:
    """Mapper events are called for each membership, and each version moves once."""
    teams = open_teams("objects that are heard")
    heard = teams.parts.heard
    heard.clear()
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    teams.change("Red", "add", "bob")
    assert heard == [("came", "ada"), ("came", "bob")]
    assert teams.version("Red") == 2
    heard.clear()
    teams.change("Red", "remove", "ada")
    assert heard == [("went", "ada")]
    assert teams.version("Red") == 3
    teams.client.delete(f"/Users/{teams.ids['bob']}")
    assert heard == [("went", "ada"), ("went", "bob")]


def test_before_flush_of_the_hosts_session_sees_memberships(
    open_teams: Callable[[str], Teams],
) -> None:
    teams = open_teams("objects")
    teams.people("ada")
    teams.team("Red")
    seen: list[str] = []

    def look(session: Any, _context: Any, _instances: Any) -> None:
        seen.extend(f"+{type(each).__name__}" for each in session.new)
        seen.extend(f"-{type(each).__name__}" for each in session.deleted)

    session = teams.portal.db.session
    sa.event.listen(session, "before_flush", look)
    try:
        teams.change("Red", "add", "ada")
        teams.change("Red", "remove", "ada")
    finally:
        sa.event.remove(session, "before_flush", look)
    assert seen == ["+Membership", "-Membership"]


def test_a_constructor_of_the_association_object_is_called(
    open_teams: Callable[[str], Teams],
) -> None:
    teams = open_teams("objects with a constructor")
    teams.people("ada", "bob")
    teams.team("Red", "ada", "bob")
    assert sorted(row.badge for row in teams.rows()) == ["Red/ada", "Red/bob"]


def test_a_rule_of_the_association_object_refuses(open_teams: Callable[[str], Teams]) -> None:
    """A validator that raises ValueError is a 400, and nobody of the request comes in."""
    teams = open_teams("objects that are validated")
    teams.people("ada", "eve")
    teams.team("Red")
    answer = teams.change("Red", "add", "ada", "eve")
    assert answer.status_code == 400, answer.text
    assert answer.json["scimType"] == "invalidValue"
    assert "nobody's colleague" not in answer.text
    assert teams.rows() == []


def test_rows_of_an_association_object_go_with_it(open_teams: Callable[[str], Teams]) -> None:
    """What its relationships delete with it is deleted."""
    teams = open_teams("objects with rows of their own")
    teams.people("ada", "bob")
    teams.team("Red", "ada", "bob")
    remark, membership = teams.parts.Remark, teams.parts.Membership
    for (key,) in teams.rows(membership.id):
        teams.portal.add(remark(membership_id=key))
    assert teams.change("Red", "remove", "ada").status_code == 204
    assert len(teams.rows(remark.id)) == 1
    assert teams.client.delete(f"/Groups/{teams.ids['Red']}").status_code == 204
    assert teams.rows(remark.id) == []


@pytest.mark.parametrize("shape", ["plain", "objects", "objects that are heard"])
def test_many_members_cost_a_few_statements(open_teams: Callable[[str], Teams], shape: str) -> None:
    """Adding and removing 1,500 is as many statements as their batches, never one for each."""
    teams = open_teams(shape)
    user = teams.portal.models.User
    users = teams.portal.app.extensions["scim_provisioning"].mappings["Users"]
    with teams.portal.engine.begin() as connection:
        rows = [{"username": f"user{number}", "is_active": True} for number in range(1_500)]
        connection.execute(sa.insert(user.__table__), rows)
        keys = connection.scalars(sa.select(user.__table__.c.id)).all()
        users.table.make_links(connection, keys)
        ids = list(connection.scalars(sa.select(users.links.c.id)))
    teams.team("Red")
    path = f"/Groups/{teams.ids['Red']}"
    value = [{"value": each} for each in ids]
    with teams.portal.statements(at_most=25):
        answer = teams.client.patch(path, [{"op": "add", "path": "members", "value": value}])
        assert answer.status_code == 204
    assert len(teams.rows()) == 1_500
    with teams.portal.statements(at_most=25):
        answer = teams.client.patch(path, [{"op": "remove", "path": "members", "value": value}])
        assert answer.status_code == 204
    assert teams.rows() == []


def test_keys_are_told_as_the_portal_has_them(open_teams: Callable[[str], Teams]) -> None:
    teams = open_teams("uuid keys")
    teams.people("ada")
    teams.team("Red")
    heard, hear = told()
    with membership_changed.connected_to(hear):
        teams.change("Red", "add", "ada")
    (said,) = heard
    assert said["added"] == [teams.key("ada")]
    assert isinstance(said["added"][0], uuid.UUID)
