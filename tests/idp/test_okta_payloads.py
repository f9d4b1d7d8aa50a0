"""Okta's numbered requests (3.1 to 3.15), of wizard apps and of catalog apps."""

import pytest

from .speaker import ENTERPRISE, ERROR, NOBODY, Speaker

UID, GID = "{uid}", "{gid}"


def test_okta_payload_3_1_the_connection_test(okta: Speaker):
    for path in ("/Users?startIndex=1&count=2", "/Groups?startIndex=1&count=100", "/Users?count=1"):
        answer = okta.send("GET", path)
        assert answer.status_code == 200
        assert answer.json == {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        }
    assert okta.rows() == []


@pytest.mark.parametrize("space", ["%20", "+"])
def test_okta_payload_3_2_does_the_user_exist(okta: Speaker, space: str):
    query = f"filter=userName{space}eq{space}%22test.user%40okta.local%22&startIndex=1&count=100"
    assert okta.names(query) == []
    okta.user("test.user@okta.local")
    assert okta.names(query) == ["test.user@okta.local"]
    assert okta.rows() == ["test.user@okta.local"]


def test_okta_payload_3_3_create_as_documented(okta: Speaker):
    sent = okta.payload("3.3")
    made = okta.post(sent)
    expected = {k: item for k, item in sent.items() if k not in ("password", "groups", "schemas")}
    assert made | expected == made
    assert "password" not in made
    row = okta.portal.user("test.user@okta.local")
    assert (row.first_name, row.last_name, row.email) == ("Test", "User", "test.user@okta.local")
    answer = okta.send("POST", "/Users", sent)
    assert (answer.status_code, answer.json["schemas"]) == (409, [ERROR])
    assert (answer.json["status"], answer.json["scimType"]) == ("409", "uniqueness")


def test_okta_payload_3_3_create_as_logged(okta: Speaker):
    made = okta.post(okta.payload("3.3", 2))
    assert (made["title"], made[ENTERPRISE]) == ("Sales Manager", {"department": "Sales"})
    assert [email["value"] for email in made["emails"]] == ["ava@example.com"]
    assert made["emails"][0]["primary"] is True
    assert okta.portal.user("ava@example.com").department == "Sales"


def test_okta_payload_3_4_read(okta: Speaker):
    key = okta.user("ann", active=False)
    user = okta.read(f"/Users/{key}")
    assert (user["id"], user["active"]) == (key, False)
    answer = okta.send("GET", f"/Users/{NOBODY}")
    assert (answer.status_code, answer.json["schemas"]) == (404, [ERROR])
    assert okta.rows() == ["ann"]


@pytest.mark.parametrize(
    ("part", "name", "parts"),
    [
        (1, "test.user@okta.local", ("Another", "User")),
        (2, "jane.doe@example.com", ("Jane", "Doe")),
        (3, "jane@test.com", ("Jane", "Smith")),
    ],
)
def test_okta_payload_3_5_a_profile_is_put(
    okta: Speaker, part: int, name: str, parts: tuple[str, str]
):
    key = okta.user("before", name={"givenName": "Mona", "familyName": "Octocat"})
    answer = okta.send("PUT", f"/Users/{key}", okta.payload("3.5", part, **{UID: key}))
    assert answer.status_code == 200
    user = answer.json
    assert (user["id"], user["userName"], "password" in user) == (key, name, False)
    assert user["name"].get("formatted") != "Mona Octocat"
    row = okta.portal.user(name)
    assert ((row.first_name, row.last_name), row.is_active) == (parts, True)
    assert okta.rows() == [name]


def test_okta_payload_3_6_a_profile_is_patched(okta: Speaker):
    email = {"value": "old@example.com", "type": "work", "primary": True}
    key = okta.user("ann", active=False, emails=[email])
    user = okta.patch(f"/Users/{key}", okta.payload("3.6", 1)).json
    assert (user["displayName"], user["title"]) == ("New Name", "Lead")
    user = okta.patch(f"/Users/{key}", okta.payload("3.6", 2, **{UID: key})).json
    assert (user["active"], user[ENTERPRISE]) == (True, {"department": "Sales"})
    user = okta.patch(f"/Users/{key}", okta.payload("3.6", 3)).json
    assert user["emails"] == [{**email, "value": "new@example.com"}]
    row = okta.portal.user("ann")
    assert (row.department, row.email) == ("Sales", "new@example.com")


@pytest.mark.parametrize("part", [1, 2])
def test_okta_payload_3_7_a_patch_deactivates_and_reactivates(okta: Speaker, part: int):
    key = okta.user("ann")
    sent = okta.payload("3.7", part, **{UID: key})
    assert okta.patch(f"/Users/{key}", sent).json["active"] is False
    assert okta.portal.user("ann").is_active is False
    sent["Operations"][0]["value"]["active"] = True
    assert okta.patch(f"/Users/{key}", sent).json["active"] is True
    assert okta.portal.user("ann").is_active is True


def test_okta_payload_3_7_a_put_of_our_own_answer_deactivates(okta: Speaker):
    key = okta.user("octocat@github.com", title="Cat", **{ENTERPRISE: {"department": "Zoo"}})
    okta.send("PUT", f"/Users/{key}", okta.payload("3.7", 3))
    assert okta.portal.user("octocat@github.com").is_active is False
    ours = okta.read(f"/Users/{key}")
    answer = okta.send("PUT", f"/Users/{key}", {**ours, "active": True})
    assert answer.json["active"] is True
    assert (answer.json["title"], answer.json[ENTERPRISE]) == ("Cat", {"department": "Zoo"})
    assert okta.portal.user("octocat@github.com").is_active is True


def test_okta_payload_3_8_a_password_is_taken_and_not_answered(okta: Speaker):
    key = okta.user("ann")
    answer = okta.patch(f"/Users/{key}", okta.payload("3.8"))
    assert "password" not in answer.json
    assert "n3w-secret" not in answer.text + okta.send("GET", f"/Users/{key}").text
    assert okta.rows() == ["ann"]


def test_okta_payload_3_9_an_import_reads_page_after_page(okta: Speaker):
    names = [f"user{number:03}" for number in range(102)]
    okta.portal.add_users(names)
    first = okta.read("/Users?startIndex=1&count=100")
    second = okta.read("/Users?startIndex=101&count=100")
    beyond = okta.read("/Users?startIndex=201&count=100")
    pages = [(p["totalResults"], p["startIndex"], p["itemsPerPage"]) for p in (first, second)]
    assert pages == [(102, 1, 100), (102, 101, 2)]
    assert (beyond["itemsPerPage"], beyond["Resources"]) == (0, [])
    found = [user["userName"] for page in (first, second) for user in page["Resources"]]
    assert sorted(found) == names


def test_okta_payload_3_10_a_group_is_looked_up_and_created(okta: Speaker):
    query = "filter=displayName%20eq%20%22Test%20SCIMv2%22&startIndex=1&count=100"
    assert okta.names(query, "/Groups") == []
    made = okta.post(okta.payload("3.10", 1), "/Groups")
    assert made["displayName"] == "Test SCIMv2"
    assert okta.names(query, "/Groups") == ["Test SCIMv2"]
    assert okta.team("Test SCIMv2") == []


def test_okta_payload_3_10_a_group_is_created_with_members(okta: Speaker):
    steve, bob = okta.user("steve@ad.oktatest.com"), okta.user("bob@ad.oktatest.com")
    names = {"85467bb36e1c4f8991750501bf491962": steve, "2fabb15c24a2440c93a0214599603bcb": bob}
    made = okta.post(okta.payload("3.10", 2, **names), "/Groups")
    assert {member["value"] for member in made["members"]} == {steve, bob}
    assert okta.team("Example Group") == ["bob@ad.oktatest.com", "steve@ad.oktatest.com"]


def test_okta_payload_3_11_a_group_is_put_as_a_whole(okta: Speaker):
    ann, bob, pete = (okta.user(name) for name in ("ann", "bob", "pete"))
    group = okta.group("Before", ann)
    names = {
        GID: group,
        "978dc5c3d4aa4014a3678e9d30ef093a": bob,
        "54c76a50f48c42e38c10f350f8e6055e": pete,
    }
    sent = okta.payload("3.11", **names)
    answer = okta.send("PUT", f"/Groups/{group}", sent)
    assert (answer.status_code, answer.json["displayName"]) == (200, "SCIM_test1")
    assert okta.team("SCIM_test1") == ["bob", "pete"]
    sent["members"] = [{"value": bob, "display": None}]
    assert okta.send("PUT", f"/Groups/{group}", sent).status_code == 200
    assert okta.team("SCIM_test1") == ["bob"]
    okta.send("PUT", f"/Groups/{group}", {**sent, "members": []})
    assert okta.team("SCIM_test1") == []


def test_okta_payload_3_12_a_group_is_patched(okta: Speaker):
    one, two, three, four = (okta.user(name) for name in ("one", "two", "three", "four"))
    group = okta.group("Test SCIMv2", one, two)
    own = {"abf4dd94-a4c0-4f67-89c9-76b03340cb9b": group}
    okta.patch(f"/Groups/{group}", okta.payload("3.12", 1, **own))
    assert okta.team("Test SCIMv2") == ["one", "two"]
    sent = okta.payload(
        "3.12",
        2,
        **{'"addUser1"': f'"{three}"', '"addUser2"': f'"{four}"'},
        removeUser1=one,
        removeUser2=two,
    )
    okta.patch(f"/Groups/{group}", sent)
    assert okta.team("Test SCIMv2") == ["four", "three"]
    names = {
        "23a35c27-23d3-4c03-b4c5-6443c09e7173": one,
        "89bb1940-b905-4575-9e7f-6f887cfb368e": two,
    }
    okta.patch(f"/Groups/{group}", okta.payload("3.12", 3, **names))
    assert okta.team("Test SCIMv2") == ["one", "two"]
    okta.patch(f"/Groups/{group}", okta.payload("3.12", 4))
    assert okta.team("Test SCIMv2") == []
    okta.patch(f"/Groups/{group}", okta.payload("3.12", 5, **{UID: four}))
    assert okta.team("Test SCIMv2") == ["four"]


def test_okta_payload_3_13_groups_are_read_listed_and_deleted(okta: Speaker):
    ann = okta.user("ann")
    group = okta.group("Guides", ann)
    [member] = okta.read(f"/Groups/{group}")["members"]
    assert (member["value"], member["display"]) == (ann, "ann")
    [listed] = okta.read("/Groups?startIndex=1&count=100")["Resources"]
    assert [each["value"] for each in listed["members"]] == [ann]
    answer = okta.send("DELETE", f"/Groups/{group}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert okta.portal.user("ann").is_active is True


def test_okta_payload_3_14_an_error_names_the_attribute(okta: Speaker):
    answer = okta.send("POST", "/Users", {"userName": "ann", "phoneNumbers": [{"value": 7}]})
    assert answer.status_code == 400
    assert answer.json["schemas"] == [ERROR]
    assert (answer.json["status"], answer.json["scimType"]) == ("400", "invalidValue")
    assert "phoneNumbers.value" in answer.json["detail"]
    assert okta.rows() == []


def test_okta_payload_3_15_a_block_of_scim_1_1_on_a_group_is_ignored(okta: Speaker):
    made = okta.post(okta.payload("3.15", 2), "/Groups")
    assert made["displayName"] == "Old Group"
    assert okta.portal.team("Old Group") is not None


def test_okta_payload_3_15_a_bare_object_as_patch_is_refused_with_what_to_send(okta: Speaker):
    key = okta.user("ann")
    answer = okta.patch(f"/Users/{key}", okta.payload("3.15", 1, **{UID: key}), 400)
    assert answer.json["scimType"] == "invalidSyntax"
    assert "PatchOp" in answer.json["detail"]
    assert okta.portal.user("ann").is_active is True
