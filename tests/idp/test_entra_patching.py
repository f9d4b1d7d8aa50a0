"""Entra ID changes users, with and without the flag ``aadOptscim062020`` (P10 to P26, P38, P39)."""

import pytest

from tests.mapping.hosts import URN, open_portal, unusual

from .speaker import ENTERPRISE, NOBODY, Speaker

WORK = {"type": "work", "value": "bjensen@contoso.com", "primary": True}


def test_entra_p10_each_attribute_is_an_operation_of_its_own(entra: Speaker):
    key = entra.user(emails=[WORK])
    user = entra.patch(f"/Users/{key}", entra.payload("P10")).json
    assert (user["displayName"], user["externalId"]) == ("Pvlo", "Eqpj")
    assert (user["name"]["givenName"], user["name"]["familyName"]) == ("Gtfd", "Pkqf")
    assert user["emails"] == [{**WORK, "value": "new@contoso.com"}]
    assert user[ENTERPRISE]["employeeNumber"] == "Eqpj"
    row = entra.portal.user("bjensen@contoso.com")
    assert (row.first_name, row.last_name, row.email) == ("Gtfd", "Pkqf", "new@contoso.com")


@pytest.mark.parametrize("disable", [1, 3, 4])
def test_entra_p11_a_string_disables_and_restores(entra: Speaker, disable: int):
    key = entra.user()
    user = entra.patch(f"/Users/{key}", entra.payload("P11", disable)).json
    assert user["active"] is False
    assert entra.portal.user("bjensen@contoso.com").is_active is False
    user = entra.patch(f"/Users/{key}", entra.payload("P11", 2)).json
    assert user["active"] is True
    assert entra.portal.user("bjensen@contoso.com").is_active is True


@pytest.mark.parametrize("number", ["P12", "P25"])
def test_entra_p12_and_p25_an_add_gives_a_value_or_another_one(entra: Speaker, number: str):
    key = entra.user()
    for _ in range(2):
        assert entra.patch(f"/Users/{key}", entra.payload(number)).json["nickName"] == "Babs"
    entra.operate(f"/Users/{key}", {"op": "Add", "path": "nickName", "value": "Barb"})
    assert entra.read(f"/Users/{key}")["nickName"] == "Barb"


def test_entra_p13_a_filter_without_a_match_makes_the_element(entra: Speaker):
    key = entra.user()
    user = entra.patch(f"/Users/{key}", entra.payload("P13")).json
    assert user["phoneNumbers"] == [{"type": "mobile", "value": "+1 555 0100"}]
    assert user["addresses"] == [{"type": "work", "formatted": "Building 7", "country": "US"}]
    [email] = user["emails"]
    assert (email["type"], email["value"]) == ("work", "bjensen@contoso.com")
    assert entra.portal.user("bjensen@contoso.com").email == "bjensen@contoso.com"


def test_entra_p14_a_replace_of_what_is_missing_makes_it(entra: Speaker):
    key = entra.user()
    user = entra.patch(f"/Users/{key}", entra.payload("P14")).json
    assert user["emails"][0]["value"] == "a@contoso.com"
    assert user["addresses"] == [{"type": "work", "formatted": "HQ"}]
    assert user[ENTERPRISE] == {"department": "IT"}
    row = entra.portal.user("bjensen@contoso.com")
    assert (row.email, row.department) == ("a@contoso.com", "IT")


def test_entra_p15_further_targets_of_the_mappings(entra: Speaker):
    key = entra.user(emails=[WORK])
    user = entra.patch(f"/Users/{key}", entra.payload("P15")).json
    assert user["phoneNumbers"] == [{"type": "fax", "value": "+1 555 0199"}]
    assert user["addresses"] == [{"type": "other", "formatted": "Branch"}]
    assert user["name"]["formatted"] == "Barbara Jensen"
    assert user["preferredLanguage"] == "de"
    assert entra.portal.user("bjensen@contoso.com").email == "bjensen@contoso.com"


def test_entra_p15_an_address_of_another_type_is_read_back_beside_the_first(entra: Speaker):
    key = entra.user(emails=[WORK])
    emails = entra.patch(f"/Users/{key}", entra.payload("P15")).json["emails"]
    assert emails == [WORK, {"type": "other", "value": "alias@contoso.com"}]


def test_entra_p16_a_core_urn_before_an_unknown_attribute_is_ignored(entra: Speaker):
    key = entra.user()
    entra.patch(f"/Users/{key}", entra.payload("P16"))
    path = "urn:ietf:params:scim:schemas:core:2.0:User:nickName"
    entra.operate(f"/Users/{key}", {"op": "Add", "path": path, "value": "Babs"})
    assert entra.read(f"/Users/{key}")["nickName"] == "Babs"


def test_entra_p17_an_unknown_extension_is_ignored(entra: Speaker):
    key = entra.user()
    before = entra.read(f"/Users/{key}")
    assert entra.patch(f"/Users/{key}", entra.payload("P17")).json == before
    assert entra.rows() == ["bjensen@contoso.com"]


def test_entra_p17_the_values_of_a_custom_attribute_are_added(database: str):
    custom = f"{URN}:languages"
    portal = open_portal(database, unusual(), dialect="entra")
    entra = Speaker(portal, portal.client, "entra")
    documented = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:codes"
    sent = entra.payload("P17", **{documented: custom})
    key = entra.user(**{URN: {"languages": ["de", "fr"]}})
    for _ in range(2):
        entra.patch(f"/Users/{key}", sent)
        assert entra.read(f"/Users/{key}")[URN]["languages"] == ["de", "fr", "1"]
    gone = {"op": "Remove", "path": custom, "value": [{"value": "1"}, {"value": "de"}]}
    entra.operate(f"/Users/{key}", gone)
    assert entra.read(f"/Users/{key}")[URN]["languages"] == ["fr"]
    portal.close()


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_entra_p18_a_value_is_cleared(entra: Speaker, part: int):
    phones = [{"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}]
    key = entra.user(title="Guide", phoneNumbers=phones, **{ENTERPRISE: {"department": "IT"}})
    user = entra.patch(f"/Users/{key}", entra.payload("P18", part)).json
    assert "title" not in user
    cleared = part in (1, 4)
    assert user["phoneNumbers"] == (phones[1:] if cleared else phones)
    department = entra.portal.user("bjensen@contoso.com").department
    assert department == (None if part == 4 else "IT")


def test_entra_p19_no_operations_change_nothing(entra: Speaker):
    key = entra.user()
    before = entra.read(f"/Users/{key}")
    assert entra.patch(f"/Users/{key}", entra.payload("P19")).json == before


def test_entra_p20_a_boolean_disables(entra: Speaker):
    key = entra.user()
    assert entra.patch(f"/Users/{key}", entra.payload("P20")).json["active"] is False
    assert entra.portal.user("bjensen@contoso.com").is_active is False


def test_entra_p21_dotted_and_qualified_keys_are_paths(entra: Speaker):
    key = entra.user(emails=[WORK])
    user = entra.patch(f"/Users/{key}", entra.payload("P21")).json
    assert user["displayName"] == "Bjfe"
    assert user["name"] == {"givenName": "Kkom", "familyName": "Unua"}
    assert user["emails"][0]["value"] == "TestMhvaes@contoso.com"
    assert user[ENTERPRISE] == {"employeeNumber": "Aklq"}
    row = entra.portal.user("bjensen@contoso.com")
    assert (row.first_name, row.last_name) == ("Kkom", "Unua")


def test_entra_p22_dotted_keys_of_an_add_are_paths(entra: Speaker):
    key = entra.user()
    user = entra.patch(f"/Users/{key}", entra.payload("P22")).json
    assert (user["displayName"], user["title"]) == ("John Doe", "Engineer")
    assert user["name"] == {"givenName": "John", "familyName": "Doe", "formatted": "John Doe"}
    assert not [name for name in user if name.startswith("name.")]
    assert entra.portal.user("bjensen@contoso.com").first_name == "John"


def test_entra_p23_a_dotted_key_into_a_list_makes_an_element(entra: Speaker):
    key = entra.user()
    [email] = entra.patch(f"/Users/{key}", entra.payload("P23")).json["emails"]
    assert email["value"] == "x@y"
    assert entra.portal.user("bjensen@contoso.com").email == "x@y"


def test_entra_p24_a_whole_extension_is_a_key(entra: Speaker):
    key = entra.user(**{ENTERPRISE: {"employeeNumber": "7"}})
    user = entra.patch(f"/Users/{key}", entra.payload("P24")).json
    assert user[ENTERPRISE] == {"employeeNumber": "7", "department": "Ops"}
    assert entra.portal.user("bjensen@contoso.com").department == "Ops"


@pytest.mark.parametrize(
    ("number", "name"), [("P26", "new.name@contoso.com"), ("P38", "renamed@contoso.com")]
)
def test_entra_p26_and_p38_a_rename_keeps_the_id(entra: Speaker, number: str, name: str):
    key = entra.user()
    assert entra.patch(f"/Users/{key}", entra.payload(number)).json["userName"] == name
    assert entra.read(f"/Users/{key}")["userName"] == name
    assert entra.rows() == [name]


def test_entra_p39_a_deleted_user_is_gone(entra: Speaker):
    key = entra.user()
    answer = entra.send("DELETE", f"/Users/{key}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert entra.send("GET", f"/Users/{key}").status_code == 404
    assert entra.names("filter=userName+eq+%22bjensen%40contoso.com%22") == []
    assert entra.send("DELETE", f"/Users/{key}").status_code == 404
    assert entra.send("DELETE", f"/Users/{NOBODY}").status_code == 404
    assert entra.portal.user("bjensen@contoso.com").is_active is False
