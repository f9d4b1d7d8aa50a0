"""An integration that names no identity provider follows who is calling."""

import pytest

PATH = 'phoneNumbers[type eq "mobile"].value'


def patched(portal, op, headers):
    user = portal.client.post("/Users", {"userName": "ada"}).json
    operation = {"op": op, "path": PATH, "value": "+44 20"}
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    }
    return portal.client.request("PATCH", f"/Users/{user['id']}", body, headers=headers)


@pytest.mark.parametrize(
    ("op", "headers"),
    [
        ("replace", {"ADSCIMVersion": "6.0"}),
        ("replace", {"User-Agent": "Okta SCIM Client 1.0.0"}),
        ("Replace", {}),
    ],
    ids=["Entra's header", "Okta's user agent", "Entra's capital letter"],
)
def test_entra_and_okta_are_recognised(portal, op, headers):
    """Both expect an element that isn't there to be created (Entra: P13; Okta: profile PATCH)."""
    answer = patched(portal, op, headers)
    assert answer.status_code == 200, answer.text
    assert answer.json["phoneNumbers"] == [{"type": "mobile", "value": "+44 20"}]


def test_everybody_else_is_answered_by_the_rfc(portal):
    """RFC 7644 section 3.5.2.3: a value filter without a match fails with "noTarget"."""
    answer = patched(portal, "replace", {"User-Agent": "somebody"})
    assert (answer.status_code, answer.json["scimType"]) == (400, "noTarget")


@pytest.mark.portal(dialect="okta")
def test_an_integration_that_names_its_provider_keeps_to_it(portal):
    user = portal.client.post("/Users", {"userName": "ada"}, headers={"ADSCIMVersion": "6.0"}).json
    group = portal.client.post("/Groups", {"displayName": "E", "members": [{"value": user["id"]}]})
    answer = portal.client.get(f"/Groups/{group.json['id']}", headers={"ADSCIMVersion": "6.0"})
    assert answer.json["members"][0]["display"] == "ada"
