"""What other servers failed at with Entra ID: the members of groups."""

import sqlalchemy as sa

from .speaker import Speaker

NAME = "Guides"


def removal(*members: str) -> dict[str, object]:
    """Return Entra's way to remove members."""
    return {"op": "Remove", "path": "members", "value": [{"value": each} for each in members]}


def addition(*members: str) -> dict[str, object]:
    """Return Entra's way to add members."""
    return {"op": "Add", "path": "members", "value": [{"value": each} for each in members]}


def test_entra_failure_4_removing_one_member_keeps_the_others(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, ann, bob)
    entra.operate(f"/Groups/{group}", removal(ann))
    assert entra.team(NAME) == ["bob"]
    entra.operate(f"/Groups/{group}", {"op": "Remove", "path": "members", "value": []})
    assert entra.team(NAME) == ["bob"]


def test_entra_failure_20_members_are_excluded_and_an_update_keeps_them(entra: Speaker):
    group = entra.group(NAME, entra.user("ann"))
    for path in (f"/Groups/{group}?", "/Groups?filter=displayName+eq+%22Guides%22&"):
        for written in (
            "members",
            "Members",
            "urn:ietf:params:scim:schemas:core:2.0:Group:members",
        ):
            assert '"members"' not in entra.send("GET", f"{path}excludedAttributes={written}").text
    entra.operate(f"/Groups/{group}", {"op": "Replace", "path": "externalId", "value": "g1"})
    assert entra.team(NAME) == ["ann"]


def test_entra_failure_21_a_replace_without_members_keeps_them(entra: Speaker):
    group = entra.group(NAME, entra.user("ann"))
    entra.operate(f"/Groups/{group}", {"op": "replace", "value": {"displayName": NAME}})
    assert entra.team(NAME) == ["ann"]
    answer = entra.send("PUT", f"/Groups/{group}", {"displayName": NAME, "externalId": "g1"})
    assert answer.status_code == 200
    assert entra.team(NAME) == ["ann"]


def test_entra_failure_22_changes_of_one_group_touch_only_the_rows_they_name(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group(NAME, ann)
    entra.operate(f"/Groups/{group}", removal(bob))
    # Another process adds somebody between two requests; no request writes a list that it read.
    table = entra.portal.models.team_member
    with entra.portal.engine.begin() as connection:
        team, user = entra.portal.team(NAME).id, entra.portal.user("bob").id
        connection.execute(sa.insert(table).values(team_id=team, user_id=user))
    entra.operate(f"/Groups/{group}", removal(ann))
    assert entra.team(NAME) == ["bob"]


def test_entra_failure_23_a_member_is_added_twice(entra: Speaker):
    ann = entra.user("ann")
    group = entra.group(NAME)
    entra.operate(f"/Groups/{group}", addition(ann), addition(ann, ann))
    entra.operate(f"/Groups/{group}", addition(ann))
    assert entra.team(NAME) == ["ann"]


def test_entra_failure_25_a_group_of_more_than_a_page_keeps_all(entra: Speaker):
    names = [f"user{number:03}" for number in range(250)]
    keys = entra.portal.add_users(names)
    entra.portal.add_team(NAME, keys)
    [group] = entra.read("/Groups?excludedAttributes=members")["Resources"]
    newcomer = entra.user("newcomer")
    entra.operate(f"/Groups/{group['id']}", addition(newcomer))
    assert entra.team(NAME) == ["newcomer", *names]
    assert len(entra.read(f"/Groups/{group['id']}")["members"]) == 251


def test_entra_failure_26_what_the_portal_knows_of_its_users_stays(entra: Speaker):
    ann = entra.user("ann")
    group = entra.group(NAME, ann)
    with entra.portal.engine.begin() as connection:
        connection.execute(sa.update(entra.portal.models.User).values(is_admin=True))
    entra.operate(f"/Groups/{group}", {"op": "Replace", "path": "displayName", "value": "New"})
    entra.operate(f"/Users/{ann}", {"op": "Replace", "path": "title", "value": "Guide"})
    assert entra.portal.user("ann").is_admin is True
    assert entra.team("New") == ["ann"]


def test_entra_failure_32_several_members_in_one_patch(entra: Speaker):
    names = [f"user{number}" for number in range(5)]
    members = [entra.user(name) for name in names]
    group = entra.group(NAME)
    entra.operate(f"/Groups/{group}", addition(*members))
    assert entra.team(NAME) == names
