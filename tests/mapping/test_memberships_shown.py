"""Members that are only shown, however they are loaded, and declarations that can't work."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import mapped_column, relationship

from flask_scim_provisioning import fields
from flask_scim_provisioning.mapping import MappingError

from . import teams as shapes
from .teams import Teams, opened, with_strategy

SHOWN = ["shown by a relationship", "shown by a select", "shown by objects"]


@pytest.mark.parametrize("shape", SHOWN)
def test_members_are_shown_and_not_changed(database: str, shape: str) -> None:
    """RFC 7643 section 7: readOnly; who is there already is done, all else is refused."""
    with opened(database, shape) as teams:
        teams.people("ada", "bob")
        body = {"displayName": "Red"}
        teams.ids["Red"] = teams.client.post("/Groups", body).json["id"]
        columns = ("team_id", "user_id") if shape != SHOWN[2] else ("team_key", "user_key")
        table = teams.parts.rows
        for name, level in (("ada", 2), ("bob", 1)):
            row: dict[str, Any] = {"level": level}
            row |= {"team_id": teams.key("Red"), "user_id": teams.key(name)}
            if shape == SHOWN[2]:
                teams.portal.add(teams.parts.Membership(**row))
            else:
                with teams.portal.engine.begin() as connection:
                    connection.execute(sa.insert(table), row)
        assert columns[0] in {column.name for column in table.columns}
        assert teams.names("Red") == ["ada"]
        assert teams.groups_of("ada") == ["Red"]
        assert teams.groups_of("bob") == []
        found = teams.client.get("/Groups", filter=f'members eq "{teams.ids["ada"]}"').json
        assert found["totalResults"] == 1
        before = teams.version("Red")
        for operation in (("add", "bob"), ("remove", "ada"), ("replace", "bob"), ("remove",)):
            answer = teams.change("Red", *operation)
            assert answer.status_code == 400, operation
            assert answer.json["scimType"] == "mutability"
            assert "read-only" in answer.json["detail"]
        assert teams.change("Red", "add", "ada").status_code == 204
        assert (teams.names("Red"), teams.version("Red")) == (["ada"], before)
        same = {"displayName": "Rot", "members": teams.values("ada")}
        assert teams.client.put(f"/Groups/{teams.ids['Red']}", same).status_code == 200
        schema = teams.client.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").json
        (said,) = [each for each in schema["attributes"] if each["name"] == "members"]
        assert said["mutability"] == "readOnly"


@pytest.mark.parametrize(
    "strategy", ["selectin", "joined", "subquery", "immediate", "raise", "dynamic", "write_only"]
)
def test_no_request_loads_a_membership_whole(database: str, strategy: str) -> None:
    """Whatever relationships load with an object: a change of a group of 20,000 reads few rows."""
    with opened(database, with_strategy(strategy)) as teams:
        ada, _ = teams.people("ada", "bob")
        teams.team("Red", "ada")
        path = f"/Groups/{teams.ids['Red']}"
        user, table = teams.portal.models.User.__table__, teams.parts.rows
        rows = [{"username": f"user{number}", "is_active": True} for number in range(20_000)]
        with teams.portal.engine.begin() as connection:
            connection.execute(sa.insert(user), rows)
            everybody = sa.select(sa.literal(teams.key("Red")), user.c.id).where(
                user.c.username.like("user%")
            )
            connection.execute(sa.insert(table).from_select(["team_id", "user_id"], everybody))
        rename = {"op": "replace", "path": "displayName", "value": "Crimson"}
        away = {"op": "replace", "path": "active", "value": False}
        requests: list[Callable[[], Any]] = [
            lambda: teams.client.get(path, excludedAttributes="members"),
            lambda: teams.change("Red", "add", "bob"),
            lambda: teams.change("Red", "remove", "bob"),
            lambda: teams.client.patch(path, [rename], query={"excludedAttributes": "members"}),
            lambda: teams.client.patch(f"/Users/{ada}", [away]),
            lambda: teams.client.delete(f"/Users/{ada}"),
        ]
        for number, send in enumerate(requests):
            with teams.portal.statements(at_most=15) as cost:
                answer = send()
            assert answer.status_code in (200, 204), answer.text
            assert cost.rows < 30, number
        with teams.portal.statements(at_most=40) as cost:
            assert teams.client.delete(path).status_code == 204
        assert cost.rows < 30
        assert teams.rows() == []


def declared(members: Callable[[SimpleNamespace], Any]) -> Callable[[], Any]:
    """Return the function that declares and starts a portal."""

    def start() -> None:
        name = members.__name__
        shapes.SHOWN[name] = members
        with opened("sqlite://", name):
            pass

    return start


def viewonly(parts: SimpleNamespace) -> Any:
    shapes._shown(parts)
    return fields.Members(parts.Team.members)


def a_select(parts: SimpleNamespace) -> Any:
    shapes._shown(parts)
    return fields.Members(sa.select(parts.rows.c.team_id, parts.rows.c.user_id))


def a_select_of_more(parts: SimpleNamespace) -> Any:
    shapes._shown(parts)
    return fields.Members(sa.select(parts.rows), read_only=True)


def unwritable(parts: SimpleNamespace) -> Any:
    parts.rows = rows = shapes._pairs(parts, sa.Column("level", sa.Integer, default=1))
    parts.team = {
        "members": relationship(
            "User",
            secondary=rows,
            secondaryjoin=lambda: sa.and_(rows.c.user_id == parts.User.id, rows.c.level > 1),
        )
    }
    parts.models()
    return fields.Members(parts.Team.members)


def no_room(parts: SimpleNamespace) -> Any:
    parts.user = {"team_id": mapped_column(sa.ForeignKey("team.id"), nullable=False)}
    parts.team = {"members": relationship("User")}
    parts.models()
    return fields.Members(parts.Team.members)


def needs_more(parts: SimpleNamespace) -> Any:
    def __init__(self: Any, user: Any, reason: str) -> None:  # noqa: N807
        self.user = user

    return shapes._object(parts, {"__init__": __init__})


def a_column(parts: SimpleNamespace) -> Any:
    shapes._shown(parts)
    return fields.Members(parts.Team.name)


MISTAKES: list[tuple[Any, tuple[str, ...]]] = [
    (viewonly, ("TeamSchema: Team.members is viewonly", "read_only=True")),
    (a_select, ("TeamSchema: members that a SELECT finds can't be changed", "read_only=True")),
    (a_select_of_more, ("TeamSchema: fields.Members(<SELECT>)", "2 columns")),
    (unwritable, ("Team.members has the condition membership.level >", "read_only=True")),
    (no_room, ("Team.members: user.team_id can't be empty", "read_only=True")),
    (needs_more, ("TeamSchema: Membership(reason=...)", "MembershipStore")),
    (a_column, ("Team.name is no manytomany relationship",)),
]


@pytest.mark.parametrize(
    ("members", "said"), MISTAKES, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_cannot_work_is_refused_at_start_up(
    members: Callable[[SimpleNamespace], Any], said: tuple[str, ...]
) -> None:
    """The message names the line, and what to write there."""
    with pytest.raises(MappingError) as raised:
        declared(members)()
    for words in said:
        assert words in str(raised.value)


@pytest.mark.parametrize(
    "shape", ["nested by a list", "nested by a condition", "nested by a parent that is heard"]
)
def test_groups_inside_groups_in_every_shape(database: str, shape: str) -> None:
    """They come and go as users do, no group is inside itself, and a deleted one is in none."""
    with opened(database, shape) as teams:
        teams.people("ada")
        for name in ("Red", "Blue", "Green"):
            teams.team(name)
        assert teams.change("Red", "add", "ada", "Blue").status_code == 204
        assert teams.change("Blue", "add", "Green").status_code == 204
        assert teams.names("Red") == ["Blue", "ada"]
        assert teams.change("Green", "add", "Red").status_code == 400
        assert teams.change("Red", "add", "Red").status_code == 400
        found = teams.client.get("/Groups", filter=f'members eq "{teams.ids["Green"]}"').json
        assert [group["displayName"] for group in found["Resources"]] == ["Blue"]
        versions = teams.version("Red"), teams.version("Blue")
        assert versions == (2, 2)
        assert teams.change("Red", "replace", "ada", "Green").status_code == 204
        assert teams.names("Red") == ["Green", "ada"]
        assert teams.client.delete(f"/Groups/{teams.ids['Green']}").status_code == 204
        assert teams.names("Red") == ["ada"]
        assert teams.client.delete(f"/Groups/{teams.ids['Red']}").status_code == 204


def test_lists_skip_who_is_not_there_any_more(database: str) -> None:
    """Numbers of nobody, and what is no number, are nobody; a change leaves them where they are."""
    with opened(database, "list of the team") as found:
        teams: Teams = found
        teams.people("ada", "bob")
        teams.team("Red", "ada")
        team = teams.portal.models.Team
        red = teams.portal.team("Red")
        red.member_ids = [teams.key("ada"), 987_654, "nobody", None, 1.5, {"a": 1}]
        teams.portal.session.commit()
        with teams.portal.engine.begin() as connection:
            connection.execute(sa.insert(team.__table__), {"name": "Odd", "member_ids": 5})
            connection.execute(sa.insert(team.__table__), {"name": "None", "member_ids": None})
        assert teams.names("Red") == ["ada"]
        listed = teams.client.get("/Groups").json["Resources"]
        assert {group["displayName"] for group in listed} == {"Red", "Odd", "None"}
        assert teams.change("Red", "add", "bob").status_code == 204
        assert teams.names("Red") == ["ada", "bob"]
        kept = teams.portal.team("Red").member_ids
        assert kept == [teams.key("ada"), 987_654, "nobody", None, 1.5, {"a": 1}, teams.key("bob")]


def test_the_portals_own_change_of_a_list_moves_the_version(database: str) -> None:
    with opened(database, "list of the team") as teams:
        teams.people("ada", "bob")
        teams.team("Red", "ada")
        red = teams.portal.team("Red")
        red.member_ids = [*red.member_ids, teams.key("bob")]
        teams.portal.session.commit()
        assert teams.names("Red") == ["ada", "bob"]
        assert teams.version("Red") == 2
