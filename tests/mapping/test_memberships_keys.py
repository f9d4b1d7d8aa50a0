"""One team for each user, by a foreign key: adding moves, and both teams are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from flask_scim_provisioning.services.activity import recent
from flask_scim_provisioning.services.signals import membership_changed

from .teams import Teams, opened

ONE_TEAM = ["one team", "one team from the user", "one team that is heard"]


@pytest.fixture(params=ONE_TEAM)
def teams(request: pytest.FixtureRequest, database: str) -> Iterator[Teams]:
    with opened(database, request.param) as found:
        yield found


def latest(teams: Teams) -> Any:
    state = teams.portal.app.extensions["scim_provisioning"]
    return recent(teams.portal.session, state.models, teams.portal.integration.id)[0]


def test_who_is_added_is_moved_and_both_teams_are_told(teams: Teams) -> None:
    """The signal, the versions, the note and the mark of the activity: nothing goes unseen."""
    teams.people("ada", "bob", "dan")
    teams.team("Red", "ada", "bob")
    teams.team("Blue", "dan")
    heard: list[dict[str, Any]] = []

    def hear(_sender: str, **values: Any) -> None:
        heard.append(values)

    with membership_changed.connected_to(hear):
        assert teams.change("Blue", "add", "ada").status_code == 204
    assert (teams.names("Red"), teams.names("Blue")) == (["bob"], ["ada", "dan"])
    assert (teams.version("Red"), teams.version("Blue")) == (2, 2)
    ada = teams.key("ada")
    said = {each["resource_id"]: (each["added"], each["removed"]) for each in heard}
    assert said == {teams.ids["Blue"]: ([ada], []), teams.ids["Red"]: ([], [ada])}
    assert {each["host_id"] for each in heard} == {teams.key("Red"), teams.key("Blue")}
    entry = latest(teams)
    assert (entry.outcome, entry.attention) == ("ok", "members.moved")
    (note,) = entry.notes
    assert note.startswith("1 member(s) moved here from other groups")
    assert teams.ids["Red"] in note


def test_who_is_in_no_team_is_only_added(teams: Teams) -> None:
    teams.people("ada")
    teams.team("Red")
    teams.change("Red", "add", "ada")
    entry = latest(teams)
    assert (entry.attention, entry.notes) == (None, None)


def test_a_new_team_takes_its_members_from_others(teams: Teams) -> None:
    """POST and PUT move as PATCH does."""
    teams.people("ada", "bob")
    teams.team("Red", "ada")
    teams.team("Blue", "ada")
    assert (teams.names("Red"), teams.names("Blue")) == ([], ["ada"])
    assert latest(teams).attention == "members.moved"
    assert (teams.version("Red"), teams.version("Blue")) == (2, 1)
    body = {"displayName": "Red", "members": teams.values("ada", "bob")}
    assert teams.client.put(f"/Groups/{teams.ids['Red']}", body).status_code == 200
    assert (teams.names("Red"), teams.names("Blue")) == (["ada", "bob"], [])
    assert (teams.version("Red"), teams.version("Blue")) == (3, 2)


def test_removing_from_another_team_changes_nothing(teams: Teams) -> None:
    teams.people("ada")
    teams.team("Red", "ada")
    teams.team("Blue")
    assert teams.change("Blue", "remove", "ada").status_code == 204
    assert teams.names("Red") == ["ada"]
    assert (teams.version("Red"), teams.version("Blue")) == (1, 1)


def test_a_team_that_scim_has_not_met_is_told_too(teams: Teams) -> None:
    user, team = teams.portal.models.User, teams.portal.models.Team
    old = teams.portal.add(team(name="Old"))
    teams.people("ada")
    with teams.portal.engine.begin() as connection:
        connection.execute(sa.update(user.__table__).values(team_id=old.id))
    teams.team("Red")
    heard: list[dict[str, Any]] = []

    def hear(_sender: str, **values: Any) -> None:
        heard.append(values)

    with membership_changed.connected_to(hear):
        teams.change("Red", "add", "ada")
    left = next(each for each in heard if each["removed"])
    assert left["host_id"] == old.id
    assert teams.client.get(f"/Groups/{left['resource_id']}").json["displayName"] == "Old"


def test_listeners_of_the_user_hear_who_is_moved(database: str) -> None:
    with opened(database, "one team that is heard") as teams:
        teams.people("ada")
        teams.team("Red", "ada")
        heard = teams.parts.heard
        heard.clear()
        teams.team("Blue", "ada")
        teams.change("Blue", "remove", "ada")
        assert heard == [("ada", "Blue"), ("ada", None)]


@pytest.mark.parametrize("shape", ["one team", "one team that is heard"])
def test_a_few_statements_move_many(database: str, shape: str) -> None:
    with opened(database, shape) as teams:
        names = [f"user{number}" for number in range(60)]
        teams.people(*names)
        teams.team("Red", *names)
        teams.team("Blue")
        with teams.portal.statements(at_most=25):
            assert teams.change("Blue", "add", *names).status_code == 204
        assert len(teams.names("Blue")) == 60
        assert teams.names("Red") == []
