"""Whatever way a portal keeps its members in, SCIM does the same to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .teams import SHAPES, Teams, opened

EACH_ONE = ["one team", "one team from the user", "one team that is heard"]


@pytest.fixture(params=sorted(SHAPES))
def teams(request: pytest.FixtureRequest, database: str) -> Iterator[Teams]:
    with opened(database, request.param) as found:
        found.shape = request.param  # type: ignore[attr-defined]
        yield found


def test_members_come_and_go(teams: Teams) -> None:
    """Add, remove, replace and clear; who is there already stays, and versions tell of changes."""
    ada, _, _ = teams.people("ada", "bob", "dan")
    teams.team("Red", "ada", "bob")
    assert teams.names("Red") == ["ada", "bob"]
    assert teams.version("Red") == 1
    assert teams.change("Red", "add", "bob", "dan").status_code == 204
    assert teams.names("Red") == ["ada", "bob", "dan"]
    assert teams.version("Red") == 2
    assert teams.change("Red", "add", "bob").status_code == 204
    assert teams.version("Red") == 2
    path = f'members[value eq "{ada}"]'
    one = {"op": "remove", "path": path}
    assert teams.client.patch(f"/Groups/{teams.ids['Red']}", [one]).status_code == 204
    assert teams.names("Red") == ["bob", "dan"]
    assert teams.change("Red", "replace", "ada", "bob").status_code == 204
    assert teams.names("Red") == ["ada", "bob"]
    assert teams.groups_of("ada") == ["Red"]
    assert teams.change("Red", "remove").status_code == 204
    assert teams.names("Red") == []
    assert teams.groups_of("ada") == []
    assert teams.version("Red") == 5


def test_members_are_searched(teams: Teams) -> None:
    ada, bob = teams.people("ada", "bob")
    teams.team("Red", "ada")
    teams.team("Blue", "bob")
    for text, names in (
        (f'members eq "{ada}"', ["Red"]),
        (f'members.value eq "{bob}"', ["Blue"]),
        ('members.display eq "ADA"', ["Red"]),
        ("members pr", ["Blue", "Red"]),
    ):
        found = teams.client.get("/Groups", filter=text).json["Resources"]
        assert sorted(group["displayName"] for group in found) == names, text
    found = teams.client.get("/Users", filter='groups.display eq "blue"').json["Resources"]
    assert [user["userName"] for user in found] == ["bob"]


def test_who_is_deleted_leaves_and_so_does_a_group(teams: Teams) -> None:
    teams.people("ada", "bob")
    teams.team("Red", "ada", "bob")
    assert teams.client.delete(f"/Users/{teams.ids['ada']}").status_code == 204
    assert teams.names("Red") == ["bob"]
    assert teams.client.post("/Users", {"userName": "ada"}).status_code == 201
    assert teams.names("Red") == ["bob"]
    assert teams.client.delete(f"/Groups/{teams.ids['Red']}").status_code == 204
    assert teams.groups_of("bob") == []
    teams.team("Red", "bob")
    assert teams.names("Red") == ["bob"]
