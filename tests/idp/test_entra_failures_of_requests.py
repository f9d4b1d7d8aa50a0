"""What other servers failed at with Entra ID: headers, URLs, filters, discovery."""

import pytest

from .speaker import ENTERPRISE, ERROR, NOBODY, Speaker

MAIL = "ann@contoso.com"
WORK = {"type": "work", "value": MAIL, "primary": True}


def test_entra_failure_13_a_filter_without_a_hit_is_never_a_404(entra: Speaker):
    for path in (
        "/Users?filter=userName",
        "/Users?filter=externalId",
        "/Groups?filter=displayName",
    ):
        assert entra.read(f"{path}+eq+%22{NOBODY}%22")["Resources"] == []
    assert entra.rows() == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/scim+json; charset=utf-8",
        "application/SCIM+JSON;charset=UTF-8",
        "application/json",
        "application/json; charset=utf-8",
        None,
    ],
)
def test_entra_failure_14_media_types_have_parameters(entra: Speaker, content_type: str | None):
    answer = entra.send("POST", "/Users", {"userName": "ann"}, content_type=content_type)
    assert answer.status_code == 201
    assert answer.mimetype == "application/scim+json"
    read = entra.send("GET", "/Users", headers={"Accept": "*/*"}, content_type=None)
    assert (read.status_code, entra.rows()) == (200, ["ann"])


def test_entra_failure_15_a_request_needs_no_user_agent(entra: Speaker):
    answer = entra.send("GET", "/Users", headers={"User-Agent": ""}, content_type=None)
    assert answer.status_code == 200
    assert entra.rows() == []


def test_entra_failure_16_external_ids_are_searched_and_unknown_filters_refused(entra: Speaker):
    guid = "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
    entra.user("ann", externalId=guid)
    entra.user("bob")
    assert entra.names(f"filter=externalId+eq+%22{guid}%22") == ["ann"]
    for wrong in ("shoeSize+eq+%2242%22", "userName+like+%22ann%22", "%22"):
        answer = entra.send("GET", f"/Users?filter={wrong}")
        assert (answer.status_code, answer.json["scimType"]) == (400, "invalidFilter")


def test_entra_failure_17_names_have_one_rule_of_case(entra: Speaker):
    entra.user("Ann@Contoso.com")
    for name in ("ann@contoso.com", "ANN@CONTOSO.COM"):
        assert entra.names(f"filter=userName+eq+%22{name}%22") == ["Ann@Contoso.com"]
        assert entra.send("POST", "/Users", {"userName": name}).status_code == 409
    assert entra.rows() == ["Ann@Contoso.com"]


def test_entra_failure_18_people_behind_the_first_page_are_found(entra: Speaker):
    entra.portal.add_users([f"user{number:04}" for number in range(1200)])
    assert entra.names("filter=userName+eq+%22user1199%22") == ["user1199"]
    last = "emails%5Btype+eq+%22work%22%5D.value+eq+%22user1199%40example.com%22"
    assert entra.names(f"filter={last}") == ["user1199"]


@pytest.mark.parametrize("path", [f"{ENTERPRISE}:department", "department"])
def test_entra_failure_19_an_extensions_urn_is_not_split_at_its_dots(entra: Speaker, path: str):
    key = entra.user("ann")
    entra.operate(f"/Users/{key}", {"op": "Add", "path": path, "value": "IT"})
    assert entra.portal.user("ann").department == "IT"
    assert entra.names(f"filter={path}+eq+%22IT%22") == ["ann"]
    assert entra.operate(f"/Users/{key}", {"op": "Remove", "path": path}).status_code == 200
    assert entra.portal.user("ann").department is None


def test_entra_failure_35_the_schemas_are_a_list_and_names_are_read_back(entra: Speaker):
    page = entra.read("/Schemas")
    assert isinstance(page["Resources"], list)
    key = entra.user("ann", name={"givenName": "Ann", "familyName": "Lee"})
    assert entra.read(f"/Users/{key}")["name"] == {"givenName": "Ann", "familyName": "Lee"}
    assert entra.portal.user("ann").last_name == "Lee"


@pytest.mark.parametrize(
    "written", ['emails[type eq "work"].value eq "{}"', 'emails[type eq "work"] eq "{}"']
)
def test_entra_failure_36_a_value_path_is_compared(entra: Speaker, written: str):
    entra.user("ann", emails=[WORK])
    entra.user("bob", emails=[{**WORK, "value": "bob@contoso.com"}])
    text = written.format(MAIL).replace("@", "%40").replace(" ", "+").replace('"', "%22")
    assert entra.names(f"filter={text}") == ["ann"]


def test_entra_failure_37_a_core_attribute_may_have_its_urn(entra: Speaker):
    key = entra.user("ann")
    path = "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName"
    entra.operate(f"/Users/{key}", {"op": "Replace", "path": path, "value": "Ann"})
    assert entra.portal.user("ann").first_name == "Ann"


def test_entra_failure_39_random_values_of_the_validator_are_taken(entra: Speaker):
    made = entra.post(entra.payload("P60"))
    sent = entra.payload("P60")
    for name in ("locale", "profileUrl", "preferredLanguage", "timezone", "userType"):
        assert made[name] == sent[name]
    assert made["addresses"][0]["country"] == "Belize"
    assert made["roles"][0]["primary"] is True
    assert entra.rows() == ["shaniya@bauch.co.uk"]


def test_entra_failure_40_no_operations_are_no_error(entra: Speaker):
    group, key = entra.group("Guides", entra.user("ann")), entra.user("bob")
    entra.patch(f"/Users/{key}", entra.payload("P19"))
    entra.patch(f"/Groups/{group}", entra.payload("P19"))
    assert entra.team("Guides") == ["ann"]


def test_entra_failure_40b_types_are_published_and_untyped_ones_taken(entra: Speaker):
    [user] = [
        each for each in entra.read("/Schemas")["Resources"] if each["id"].endswith("core:2.0:User")
    ]
    for attribute in user["attributes"]:
        if attribute["name"] in ("emails", "phoneNumbers", "addresses"):
            [kind] = [sub for sub in attribute["subAttributes"] if sub["name"] == "type"]
            assert "work" in kind["canonicalValues"]
    key = entra.user("ann")
    path = 'phoneNumbers[type eq "untyped"].value'
    phones = entra.operate(f"/Users/{key}", {"op": "add", "path": path, "value": "1"}).json
    assert phones["phoneNumbers"] == [{"type": "untyped", "value": "1"}]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Bearer Bearer"])
def test_entra_failure_42_a_token_works_again_and_again(entra: Speaker, scheme: str):
    token = entra.client.token
    assert token is not None
    assert len(token) < 512
    for _ in range(2):
        answer = entra.send("GET", "/Users", headers={"Authorization": f"{scheme} {token}"})
        assert answer.status_code == 200


def test_entra_failure_43_a_group_that_the_portal_deleted_is_a_404(entra: Speaker):
    group = entra.group("Guides")
    entra.portal.session.delete(entra.portal.team("Guides"))
    entra.portal.session.commit()
    change = {"op": "Replace", "path": "displayName", "value": "New"}
    answer = entra.operate(f"/Groups/{group}", change, status=404)
    assert answer.json["schemas"] == [ERROR]
    assert "restart the provisioning job" in answer.json["detail"]


@pytest.mark.parametrize(
    "path", ["/Users/?filter=userName+eq+%22ann%22", "//Users", "/Users/", "//Users/", "/Users?"]
)
def test_entra_failure_44_slashes_too_many_are_no_404(entra: Speaker, path: str):
    entra.user("ann")
    answer = entra.send("GET", path)
    assert answer.status_code == 200, answer.headers
    assert [each["userName"] for each in answer.json["Resources"]] == ["ann"]
