"""What other servers failed at with Entra ID: booleans, managers, roles, lives of users."""

import pytest

from .speaker import ENTERPRISE, NOBODY, Speaker

WORK = {"type": "work", "value": "ann@contoso.com", "primary": True}
ROLE = 'roles[primary eq "True"]'


@pytest.mark.parametrize("text", ["False", "false", "FALSE"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_entra_failure_1_2_and_34_false_in_any_case_disables(
    entra: Speaker, method: str, text: str
):
    """Entra failures 1, 2 and 34: a string that isn't empty is true in many a language."""
    body = {"userName": "ann", "active": text, "emails": [{**WORK, "primary": "True"}]}
    if method == "POST":
        user = entra.post(body)
    else:
        path = f"/Users/{entra.user('ann')}"
        change = {"op": "Replace", "path": "active", "value": text}
        sent = body if method == "PUT" else {"Operations": [change]}
        user = entra.send(method, path, sent).json
    assert user["active"] is False
    assert entra.portal.user("ann").is_active is False
    assert method == "PATCH" or user["emails"] == [WORK]


def test_entra_failure_1_a_string_that_is_no_boolean_is_refused(entra: Speaker):
    key = entra.user("ann")
    change = {"op": "Replace", "path": "active", "value": "nope"}
    answer = entra.operate(f"/Users/{key}", change, status=400)
    assert "active" in answer.json["detail"]
    assert entra.portal.user("ann").is_active is True


@pytest.mark.parametrize("op", ["Replace", "REPLACE", "replace", "Add", "ADD"])
def test_entra_failure_3_an_op_counts_in_any_case(entra: Speaker, op: str):
    key = entra.user("ann")
    change = {"op": op, "path": "name.givenName", "value": "Ann"}
    assert entra.operate(f"/Users/{key}", change).json["name"] == {"givenName": "Ann"}
    assert entra.portal.user("ann").first_name == "Ann"


@pytest.mark.parametrize("op", ["add", "replace"])
def test_entra_failure_5_dotted_keys_are_no_names(entra: Speaker, op: str):
    key = entra.user("ann")
    change = {"op": op, "value": {"name.givenName": "Ann", "name.familyName": "Lee"}}
    user = entra.operate(f"/Users/{key}", change).json
    assert user["name"] == {"givenName": "Ann", "familyName": "Lee"}
    row = entra.portal.user("ann")
    assert (row.first_name, row.last_name) == ("Ann", "Lee")


@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_entra_failure_6_no_element_matches_and_one_is_made(entra: Speaker, op: str):
    key = entra.user("ann")
    change = {"op": op, "path": 'emails[type eq "work"].value', "value": "ann@contoso.com"}
    entra.operate(f"/Users/{key}", change)
    assert entra.portal.user("ann").email == "ann@contoso.com"


@pytest.mark.parametrize("form", ["{}", '{{"value": {}}}', '[{{"value": {}}}]'])
@pytest.mark.parametrize("path", ["manager", f"{ENTERPRISE}:manager"])
def test_entra_failure_7_and_8_any_form_of_a_manager_is_read_back_as_an_object(
    entra: Speaker, path: str, form: str
):
    """Entra failures 7 and 8: what isn't read back so is sent again every 40 minutes."""
    boss, key = entra.user("boss"), entra.user("ann")
    value = form.format(f'"{boss}"')
    body = f'{{"Operations": [{{"op": "Add", "path": "{path}", "value": {value}}}]}}'
    first = entra.patch(f"/Users/{key}", body).json
    assert first[ENTERPRISE]["manager"]["value"] == boss
    assert entra.patch(f"/Users/{key}", body).json == first
    assert entra.portal.user("ann").manager_id == entra.portal.user("boss").id


@pytest.mark.parametrize("value", ["", {"value": ""}, {"value": None}, None, []])
def test_entra_failure_9_a_manager_is_cleared_by_emptiness(entra: Speaker, value: object):
    key = entra.user("ann", **{ENTERPRISE: {"manager": entra.user("boss")}})
    change = {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": value}
    assert ENTERPRISE not in entra.operate(f"/Users/{key}", change).json
    assert entra.portal.user("ann").manager_id is None


def test_entra_failure_10_a_role_isnt_added_at_each_change(entra: Speaker):
    key = entra.user("ann")
    for value in ("user", "admin"):
        change = {"op": "Add", "path": f"{ROLE}.value", "value": value}
        roles = entra.operate(f"/Users/{key}", change).json["roles"]
        assert roles == [{"primary": True, "value": value}]
    assert entra.rows() == ["ann"]


def test_entra_failure_11_a_role_is_no_blob_of_json(entra: Speaker):
    key = entra.user("ann")
    roles = entra.patch(f"/Users/{key}", entra.payload("P35")).json["roles"]
    assert roles == [{"value": "25", "display": "Role1234"}]
    odd = {"op": "Add", "path": "roles", "value": [{"value": "{not json"}]}
    assert {"value": "{not json"} in entra.operate(f"/Users/{key}", odd).json["roles"]
    assert entra.rows() == ["ann"]


def test_entra_failure_12_the_assertive_function_takes_old_roles_away(entra: Speaker):
    key = entra.user("ann")
    entra.patch(f"/Users/{key}", entra.payload("P36"))
    one = {"op": "replace", "path": "roles", "value": [{"value": "User", "display": "User"}]}
    roles = entra.operate(f"/Users/{key}", one).json["roles"]
    assert roles == [{"value": "User", "display": "User"}]
    assert entra.rows() == ["ann"]


def test_entra_failure_24_a_patch_that_changes_nothing_is_a_success(entra: Speaker):
    key = entra.user("ann", displayName="Ann")
    before = entra.read(f"/Users/{key}")
    change = {"op": "Replace", "path": "displayName", "value": "Ann"}
    assert entra.operate(f"/Users/{key}", change).json == before


def test_entra_failure_27_a_person_who_comes_back_meets_no_conflict(entra: Speaker):
    key = entra.user("ann", externalId="e1")
    entra.send("DELETE", f"/Users/{key}")
    assert entra.names("filter=userName+eq+%22ann%22") == []
    again = entra.post({"userName": "ann", "externalId": "e1", "active": True})
    assert again["active"] is True
    assert entra.rows() == ["ann"]
    assert entra.portal.user("ann").is_active is True


def test_entra_failure_28_one_unknown_attribute_doesnt_keep_a_leaver_in(entra: Speaker):
    key = entra.user("ann")
    entra.operate(
        f"/Users/{key}",
        {"op": "Replace", "path": "favouriteColour", "value": "blue"},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": 'extension_1[type eq "x"].value', "value": "y"},
    )
    assert entra.portal.user("ann").is_active is False
    assert "unknown attribute favouriteColour" in " ".join(entra.notes())


def test_entra_failure_28_a_success_that_did_nothing_is_told_in_the_activity_log(entra: Speaker):
    """Where all that was sent is ignored, an administrator wonders what has become of it."""
    key = entra.user("ann")
    change = {"op": "Add", "path": "favouriteColour", "value": "blue"}
    entra.operate(f"/Users/{key}", change)
    (note,) = [each for each in entra.notes() if "ignored" in each]
    assert "unknown attribute favouriteColour" in note
    assert "blue" not in note
    assert entra.read(f"/Users/{key}")["meta"]["version"] == 'W/"1"'


def test_entra_failure_29_an_inactive_person_can_be_changed(entra: Speaker):
    key = entra.user("ann", active=False)
    change = {"op": "Replace", "path": "name.familyName", "value": "Lee"}
    assert entra.operate(f"/Users/{key}", change).json["active"] is False
    entra.operate(f"/Users/{key}", {"op": "Replace", "path": "active", "value": "False"})
    assert entra.portal.user("ann").last_name == "Lee"


def test_entra_failure_30_a_name_can_change_and_the_id_stays(entra: Speaker):
    key = entra.user("ann")
    change = {"op": "Replace", "path": "userName", "value": "ann.lee"}
    assert entra.operate(f"/Users/{key}", change).json["id"] == key
    assert entra.rows() == ["ann.lee"]


def test_entra_failure_31_an_external_id_can_change(entra: Speaker):
    key = entra.user("ann", externalId="ann")
    guid = "7fce0092-d52e-4f76-b727-3955bd72c939"
    entra.operate(f"/Users/{key}", {"op": "Replace", "path": "externalId", "value": guid})
    assert entra.names(f"filter=externalId+eq+%22{guid}%22") == ["ann"]
    assert entra.names("filter=externalId+eq+%22ann%22") == []
    assert entra.rows() == ["ann"]


def test_entra_failure_33_one_tenant_sends_both_forms_of_patch(entra: Speaker):
    ann, bob = entra.user("ann"), entra.user("bob")
    group = entra.group("Guides", ann, bob)
    for flag in ("?aadOptscim062020", ""):
        entra.patch(f"/Users/{ann}{flag}", entra.payload("P20"))
        assert entra.portal.user("ann").is_active is False
        entra.patch(f"/Users/{ann}{flag}", entra.payload("P11", 2))
        assert entra.portal.user("ann").is_active is True
    entra.patch(f"/Groups/{group}", entra.payload("P44", u1091=ann, u1092=NOBODY))
    assert entra.team("Guides") == ["bob"]
    named = {"7f4bc1a3-285e-48ae-8202-5accb43efb0e": bob}
    entra.patch(f"/Groups/{group}?aadOptscim062020", entra.payload("P45", **named))
    assert entra.team("Guides") == []


@pytest.mark.parametrize("phone", ["+1 (555) 010-0100 x7", " 0711/123 ", "+49\u00a0711"])
def test_entra_failure_38_a_phone_number_is_read_back_as_it_was_sent(entra: Speaker, phone: str):
    key = entra.user("ann")
    change = {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": phone}
    first = entra.operate(f"/Users/{key}", change).json
    assert first["phoneNumbers"] == [{"type": "work", "value": phone}]
    assert entra.operate(f"/Users/{key}", change).json == first
    assert entra.rows() == ["ann"]


def test_entra_failure_41_what_a_slow_post_made_can_be_found(entra: Speaker):
    made = entra.post(entra.payload("P2"))
    assert entra.send("POST", "/Users", entra.payload("P2")).status_code == 409
    for query in (
        "userName+eq+%22bjensen%40contoso.com%22",
        f"externalId+eq+%22{made['externalId']}%22",
    ):
        assert entra.names(f"filter={query}") == ["bjensen@contoso.com"]
    assert entra.rows() == ["bjensen@contoso.com"]


def test_entra_failure_45_an_attribute_at_the_wrong_level_finds_its_place(entra: Speaker):
    made = entra.post({"userName": "ann", "department": "IT", "manager": entra.user("boss")})
    assert made[ENTERPRISE]["department"] == "IT"
    row = entra.portal.user("ann")
    assert (row.department, row.manager_id) == ("IT", entra.portal.user("boss").id)


@pytest.mark.parametrize("value", ["Ann", [{"$ref": None, "value": "Ann"}]])
def test_entra_failure_46_a_scalar_may_be_wrapped(entra: Speaker, value: object):
    key = entra.user("ann")
    change = {"op": "Add", "path": "displayName", "value": value}
    assert entra.operate(f"/Users/{key}", change).json["displayName"] == "Ann"
    assert entra.rows() == ["ann"]


def test_entra_failure_47_what_microsofts_own_server_fails_at(entra: Speaker):
    key = entra.post({"id": NOBODY, "userName": "Ann@contoso.com", "emails": [WORK]})["id"]
    assert key != NOBODY
    other = {"op": "Add", "path": 'emails[type eq "home"].value', "value": "a@home"}
    emails = entra.operate(f"/Users/{key}", other).json["emails"]
    assert [email["type"] for email in emails] == ["work", "home"]
    entra.operate(f"/Users/{key}", {"op": "replace", "value": {"title": "Guide"}})
    assert entra.names("filter=title+eq+%22Guide%22") == ["Ann@contoso.com"]
    assert entra.send("POST", "/Users", {"userName": "ANN@contoso.com"}).status_code == 409
    assert entra.rows() == ["Ann@contoso.com"]
