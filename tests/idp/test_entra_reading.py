"""Entra ID reads: matching, health checks, paging (payloads P1 to P1i)."""

from .speaker import ENTERPRISE, NOBODY, Speaker

LIST = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]


def test_entra_p1_a_match_without_a_hit_is_an_empty_list(entra: Speaker):
    for path in (
        f"/Users?filter=userName+eq+%22{NOBODY}%22",
        f"/Users?filter=externalId+eq+%22{NOBODY}%22",
        f"/Groups?excludedAttributes=members&filter=displayName+eq+%22{NOBODY}%22",
    ):
        answer = entra.send("GET", path)
        assert answer.status_code == 200
        assert answer.json == {
            "schemas": LIST,
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        }
    assert entra.rows() == []


def test_entra_p1b_a_match_with_one_hit_is_the_whole_user(entra: Speaker):
    sent = {
        "externalId": "7fce0092-d52e-4f76-b727-3955bd72c939",
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "bjensen@contoso.com", "type": "work", "primary": True}],
    }
    key = entra.user(**sent)
    page = entra.read("/Users?filter=userName+eq+%22bjensen%40contoso.com%22")
    assert (page["schemas"], page["totalResults"], page["itemsPerPage"]) == (LIST, 1, 1)
    [user] = page["Resources"]
    assert user | sent == user
    assert (user["id"], user["active"]) == (key, True)
    assert user["meta"]["resourceType"] == "User"


def test_entra_p1c_an_id_is_a_resource_or_a_404(entra: Speaker):
    key = entra.user()
    assert entra.read(f"/Users/{key}")["id"] == key
    assert entra.send("GET", f"/Users/{NOBODY}").status_code == 404


def test_entra_p1d_type_and_value_are_of_one_element(entra: Speaker):
    entra.user("ann", emails=[{"type": "work", "value": "ann@contoso.com", "primary": True}])
    entra.user("bob", emails=[{"type": "work", "value": "bob@contoso.com", "primary": True}])
    query = "filter=emails%5Btype+eq+%22{}%22%5D.value+eq+%22ann%40contoso.com%22"
    assert entra.names(query.format("work")) == ["ann"]
    assert entra.names(query.format("home")) == []


def test_entra_p1e_a_group_is_read_without_its_members(entra: Speaker):
    group = entra.group("Tour Guides", entra.user())
    assert "members" not in entra.read(f"/Groups/{group}?excludedAttributes=members")
    page = entra.read("/Groups?excludedAttributes=members&filter=displayName+eq+%22Tour+Guides%22")
    assert [each["id"] for each in page["Resources"]] == [group]
    assert "members" not in page["Resources"][0]
    assert entra.team("Tour Guides") == ["bjensen@contoso.com"]


def test_entra_p1f_a_reference_check_asks_for_a_users_manager(entra: Speaker):
    boss, other = entra.user("boss"), entra.user("other")
    key = entra.user("ann", **{ENTERPRISE: {"manager": boss}})
    for manager, found in ((boss, [key]), (other, [])):
        first, second = f"id+eq+%22{key}%22", f"manager+eq+%22{manager}%22"
        for query in (f"{first}+and+{second}", f"{second}+and+{first}"):
            page = entra.read(f"/Users?filter={query}&attributes=id")
            assert [each["id"] for each in page["Resources"]] == found


def test_entra_p1g_a_reference_check_asks_for_a_groups_member(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group("Tour Guides", ann)
    for member, found in ((ann, [group]), (bob, [])):
        query = f"id+eq+%22{group}%22+and+members+eq+%22{member}%22"
        page = entra.read(f"/Groups?filter={query}&attributes=id")
        assert [each["id"] for each in page["Resources"]] == found


def test_entra_p1h_the_schemas_are_a_list(entra: Speaker):
    page = entra.read("/Schemas")
    assert page["schemas"] == LIST
    assert page["totalResults"] == len(page["Resources"]) >= 3
    [user] = [each for each in page["Resources"] if each["id"].endswith("core:2.0:User")]
    [name] = [each for each in user["attributes"] if each["name"] == "userName"]
    assert (name["mutability"], name["required"]) == ("readWrite", True)
    assert "null" not in entra.send("GET", "/Schemas").text


def test_entra_p1i_pages_echo_the_start_and_tell_the_true_total(entra: Speaker):
    names = [f"user{number:02}" for number in range(12)]
    entra.portal.add_users(names)
    found = []
    for start in (1, 6, 11):
        page = entra.read(f"/Users?startIndex={start}&count=5")
        assert (page["startIndex"], page["totalResults"]) == (start, 12)
        assert page["itemsPerPage"] == len(page["Resources"]) <= 5
        found += [each["userName"] for each in page["Resources"]]
    assert sorted(found) == names
