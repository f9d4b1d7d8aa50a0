"""The groups of a user (RFC 7643 section 4.1.2): direct, read-only, and for those who ask."""


def people_and_teams(portal):
    ada, bob = (portal.client.post("/Users", {"userName": name}).json for name in ("ada", "bob"))
    teams = [
        portal.client.post("/Groups", {"displayName": name, "members": [{"value": ada["id"]}]}).json
        for name in ("Engineering", "Sales")
    ]
    return ada, bob, teams


def test_groups_are_answered_to_those_who_ask(portal):
    ada, bob, teams = people_and_teams(portal)
    answer = portal.client.get(f"/Users/{ada['id']}?attributes=userName,groups").json
    assert answer["groups"] == [
        {
            "value": team["id"],
            "$ref": team["meta"]["location"],
            "display": team["displayName"],
            "type": "direct",
        }
        for team in teams
    ]
    assert "groups" not in portal.client.get(f"/Users/{ada['id']}").json
    assert "groups" not in portal.client.get(f"/Users/{bob['id']}?attributes=groups").json


def test_a_page_of_users_reads_their_groups_in_one_statement(portal):
    people_and_teams(portal)
    with portal.statements() as plain:
        portal.client.get("/Users?attributes=userName")
    with portal.statements() as with_groups:
        found = portal.client.get("/Users?attributes=userName,groups").json
    assert [len(user.get("groups", ())) for user in found["Resources"]] == [2, 0]
    assert with_groups.count == plain.count + 1


def test_users_are_found_by_their_groups(portal):
    _, _, teams = people_and_teams(portal)
    for query, names in (
        (f'groups eq "{teams[0]["id"]}"', ["ada"]),
        ('groups[display eq "sales" and type eq "direct"]', ["ada"]),
        ('groups.value eq "no-such-id"', []),
        ("not (groups pr)", ["bob"]),
    ):
        found = portal.client.get("/Users", filter=query).json
        assert [user["userName"] for user in found["Resources"]] == names, query


def test_a_group_that_scim_has_not_met_gets_its_id_when_it_is_first_answered(portal):
    (key,) = portal.add_users(["carol"])
    portal.add_team("Support", [key])
    found = portal.client.get("/Users?attributes=groups").json["Resources"]
    (group,) = found[0]["groups"]
    assert portal.client.get(f"/Groups/{group['value']}").json["displayName"] == "Support"


def test_groups_are_read_only(portal):
    """RFC 7643 section 4.1.2: group membership is changed through the Group resource."""
    _, bob, teams = people_and_teams(portal)
    portal.client.put(
        f"/Users/{bob['id']}", {"userName": "bob", "groups": [{"value": teams[0]["id"]}]}
    )
    answer = portal.client.get(f"/Users/{bob['id']}?attributes=groups").json
    assert "groups" not in answer
