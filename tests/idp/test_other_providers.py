"""OneLogin, JumpCloud, Google, PingOne, authentik, Keycloak, Rippling (7.1 to 7.8)."""

from collections.abc import Callable

import pytest

from .speaker import ENTERPRISE, Speaker

Connect = Callable[[str], Speaker]
NAME = "Guides"


def test_provider_7_1_onelogin_sends_what_its_template_says(speak: Connect):
    onelogin = speak("onelogin")
    query = "filter=userName+eq+%22ann%22&"
    assert onelogin.names(query) == []
    sent = {
        "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
        "id": None,
        "userName": "ann",
        "active": "true",
        "title": "",
        "emails": {"value": "ann@example.com", "type": "work"},
        "urn:scim:schemas:extension:enterprise:2.0": {
            "department": "IT",
            "manager": {"managerId": "7"},
        },
    }
    made = onelogin.post(sent)
    assert (made["active"], made[ENTERPRISE], "title" in made) == (
        True,
        {"department": "IT"},
        False,
    )
    assert made["emails"][0]["value"] == "ann@example.com"
    headers = {"User-Agent": ""}
    path = f"/Users/{made['id']}?"
    answer = onelogin.send("PUT", path, {**sent, "active": "false"}, headers=headers)
    assert answer.status_code == 200
    row = onelogin.portal.user("ann")
    assert (row.is_active, row.department, row.email) == (False, "IT", "ann@example.com")
    assert onelogin.names(query) == ["ann"]
    assert onelogin.send("GET", "/Groups").status_code == 200
    assert onelogin.send("DELETE", path).status_code == 204


def test_provider_7_1_onelogin_patches_emails_as_an_object(speak: Connect):
    onelogin = speak("onelogin")
    key = onelogin.user("ann")
    value = {"emails": {"value": "ann@example.com"}}
    onelogin.operate(f"/Users/{key}", {"op": "replace", "value": value})
    assert onelogin.portal.user("ann").email == "ann@example.com"
    old = {"urn:scim:schemas:extension:enterprise:2.0": {"department": "IT"}}
    onelogin.operate(f"/Users/{key}", {"op": "replace", "value": old})
    assert onelogin.portal.user("ann").department == "IT"


def test_provider_7_2_jumpcloud_tests_with_a_user_and_a_group(speak: Connect):
    jumpcloud = speak("jumpcloud")
    ann, bob = jumpcloud.user("ann"), jumpcloud.user("bob")
    group = jumpcloud.group(NAME)
    both = [{"value": ann}, {"value": bob}]
    jumpcloud.operate(f"/Groups/{group}", {"op": "add", "path": "members", "value": both})
    leaving = {"op": "remove", "path": "members", "value": [{"value": ann}]}
    jumpcloud.operate(f"/Groups/{group}", leaving)
    assert jumpcloud.team(NAME) == ["bob"]
    jumpcloud.operate(
        f"/Users/{ann}",
        {"op": "replace", "path": "name.givenName", "value": "Ann"},
        {"op": "replace", "path": "active", "value": False},
    )
    row = jumpcloud.portal.user("ann")
    assert (row.first_name, row.is_active) == ("Ann", False)
    assert jumpcloud.send("DELETE", f"/Groups/{group}").status_code == 204
    assert jumpcloud.send("DELETE", f"/Users/{ann}").status_code == 204


def test_provider_7_3_google_deletes_whom_it_never_deactivated(speak: Connect):
    google = speak("google")
    assert google.send("GET", "/Users?count=1").status_code == 200
    key = google.user("ann")
    assert google.send("DELETE", f"/Users/{key}").status_code == 204
    assert google.send("GET", f"/Users/{key}").status_code == 404
    assert google.portal.user("ann").is_active is False


@pytest.mark.parametrize("attribute", ["emails", "emails.value", 'emails[type eq "work"].value'])
def test_provider_7_4_pingone_looks_people_up_by_mail(speak: Connect, attribute: str):
    pingone = speak("pingone")
    pingone.user("ann", emails=[{"value": "ann@example.com", "type": "work"}])
    pingone.user("bob", emails=[{"value": "bob@example.com", "type": "work"}])
    text = f'{attribute} eq "ann@example.com"'
    page = pingone.client.get("/Users", filter=text).json
    assert [user["userName"] for user in page["Resources"]] == ["ann"]
    assert pingone.rows() == ["ann", "bob"]


def test_provider_7_5_authentik_sends_the_group_back_without_a_path(speak: Connect):
    authentik = speak("authentik")
    config = authentik.read("/ServiceProviderConfig")
    assert config["patch"] == {"supported": True}
    ann, bob = authentik.user("ann"), authentik.user("bob")
    again = authentik.send("POST", "/Users", {"userName": "ann"})
    assert (again.status_code, again.json["scimType"]) == (409, "uniqueness")
    assert authentik.names("filter=userName+eq+ann") == ["ann"]
    group = authentik.post({"displayName": NAME, "externalId": "g1"}, "/Groups")["id"]
    whole = {"externalId": "g1", "displayName": NAME, "id": group, "schemas": [], "meta": {}}
    authentik.operate(f"/Groups/{group}", {"op": "replace", "value": whole})
    for member in (ann, bob):
        add = {"op": "add", "path": "members", "value": [{"value": member}]}
        authentik.operate(f"/Groups/{group}", add)
    leaving = {"op": "remove", "path": "members", "value": [{"value": ann}]}
    authentik.operate(f"/Groups/{group}", leaving)
    assert authentik.team(NAME) == ["bob"]
    assert authentik.read("/Groups?startIndex=1")["totalResults"] == 1
    answer = authentik.send("PUT", f"/Groups/{group}", {"displayName": NAME, "externalId": "g1"})
    assert answer.status_code == 200
    assert authentik.team(NAME) == ["bob"]


def test_provider_7_6_keycloak_sends_strings_and_references(speak: Connect):
    keycloak = speak("keycloak")
    key = keycloak.user("ann", emails=[{"value": "ann@example.com"}])
    change = {"op": "replace", "path": "active", "value": "false"}
    keycloak.operate(f"/Users/{key}", change)
    assert keycloak.portal.user("ann").is_active is False
    member = {"value": key, "$ref": f"Users/{key}"}
    group = keycloak.post({"displayName": NAME, "members": [member]}, "/Groups")["id"]
    assert keycloak.team(NAME) == ["ann"]
    keycloak.operate(f"/Groups/{group}", {"op": "remove", "path": "members", "value": None})
    assert keycloak.team(NAME) == []


def test_provider_7_6_keycloak_sends_json_in_a_string(speak: Connect):
    keycloak = speak("keycloak")
    key = keycloak.user("ann")
    value = '{"active": "false", "name": {"givenName": "Ann"}}'
    keycloak.operate(f"/Users/{key}", {"op": "replace", "value": value})
    row = keycloak.portal.user("ann")
    assert (row.is_active, row.first_name) == (False, "Ann")
    for text in ("no json", '"text"', "[1]"):
        answer = keycloak.operate(f"/Users/{key}", {"op": "replace", "value": text}, status=400)
        assert answer.json["scimType"] == "invalidValue"


def test_provider_7_7_rippling_reads_the_configuration_first(speak: Connect):
    rippling = speak("generic")
    assert rippling.send("GET", "/ServiceProviderConfig").status_code == 200
    rippling.user("ann", externalId="r1")
    again = rippling.send("POST", "/Users", {"userName": "ann", "externalId": "r1"})
    assert again.status_code == 409
    assert rippling.rows() == ["ann"]


# Handling that can't be confused with anything is for all providers.
@pytest.mark.parametrize("provider", ["generic", "entra", "okta", "onelogin", "authentik"])
def test_provider_7_8_the_one_table_for_the_parser(speak: Connect, provider: str):
    client = speak(provider)
    ann, bob = client.user("ann"), client.user("bob")
    group = client.group(NAME, ann, bob)
    path = f"/Groups/{group}"
    client.operate(f"/Users/{ann}", {"op": "replace", "value": {"active": "False"}})
    assert client.portal.user("ann").is_active is False
    client.operate(path, {"op": "remove", "path": f'members[value eq "{ann}"]'})
    assert client.team(NAME) == ["bob"]
    both = [{"value": ann}, {"value": bob}]
    client.operate(path, {"op": "add", "path": "members", "value": both})
    assert client.team(NAME) == ["ann", "bob"]
    client.operate(path, {"op": "remove", "path": "members", "value": [{"value": bob}]})
    assert client.team(NAME) == ["ann"]
    client.operate(path, {"op": "replace", "path": "members", "value": []})
    assert client.team(NAME) == []
    client.operate(path, {"op": "add", "path": "members", "value": both})
    client.operate(path, {"op": "remove", "path": "members"})
    assert client.team(NAME) == []
    assert client.names("filter=userName+eq+ann&") == ["ann"]
    json = client.send("POST", "/Users", {"userName": "eve"}, content_type="application/json")
    assert json.status_code == 201
