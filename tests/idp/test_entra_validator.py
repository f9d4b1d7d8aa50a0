"""The list of Microsoft's SCIM validator, each of its tests replayed as it was recorded."""

import pytest

from .speaker import ENTERPRISE, NOBODY, Speaker

Test = pytest.mark.parametrize
GROUP = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
    "displayName": "HQTWKLMCNRVA",
    "externalId": "0d8b1f4e",
}
MANAGER = f"{ENTERPRISE}:manager"


def created(entra: Speaker) -> dict[str, object]:
    """Create the validator's user."""
    return entra.post(entra.payload("P60"))


def readable(sent: dict[str, object]) -> dict[str, object]:
    """Return what has to be readable of the validator's user: booleans are no strings."""
    roles = [{**role, "primary": True} for role in sent["roles"]]  # type: ignore[attr-defined] # JSON
    return {**sent, "roles": roles}


def search(
    entra: Speaker, name: str, path: str = "/Users", more: str = ""
) -> list[dict[str, object]]:
    """Look somebody up by the matching attribute."""
    attribute = "userName" if path == "/Users" else "displayName"
    page = entra.read(f"{path}?filter={attribute}+eq+%22{name.replace('@', '%40')}%22{more}")
    assert page["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert page["totalResults"] == len(page["Resources"])
    return list(page["Resources"])


def test_entra_p60_and_validator_1_create_a_new_user(entra: Speaker):
    made = created(entra)
    sent = readable(entra.payload("P60"))
    assert made | sent == made
    assert search(entra, "shaniya@bauch.co.uk") == [made]
    row = entra.portal.user("shaniya@bauch.co.uk")
    assert (row.first_name, row.email, row.department) == (
        "Sadye",
        "camille@hermannokuneva.ca",
        "KDELNISIUEDX",
    )


def test_entra_validator_2_create_a_duplicate_user(entra: Speaker):
    created(entra)
    assert entra.send("POST", "/Users", entra.payload("P60")).status_code == 409


def test_entra_validator_3_to_5_filter_users(entra: Speaker):
    made = created(entra)
    assert search(entra, "shaniya@bauch.co.uk") == [made]
    assert search(entra, NOBODY) == []
    assert search(entra, "SHANIYA@Bauch.co.uk") == [made]


VERBOSE = {
    "displayName": "KXTWQNVHSLBA",
    "title": "PLMZRQVTYKDA",
    "preferredLanguage": "xh",
    'emails[type eq "work"].value': "lew@kuhn.info",
    "name.givenName": "Verla",
    "name.familyName": "Ebert",
    "name.formatted": "Nora",
    'addresses[type eq "work"].country': "Fiji",
    'addresses[type eq "work"].postalCode': "qx1 9zz",
    'phoneNumbers[type eq "fax"].value': "1-555",
    f"{ENTERPRISE}:costCenter": "QWERTZUIOPLK",
    "userType": "ZZTOPWERNMDS",
    "locale": "HGFDSAQWERTZ",
    "timezone": "Asia/Amman",
    "profileUrl": "MNBVCXYASDFG",
}


def value_at(user: dict[str, object], path: str) -> object:
    """Return what a path means, in the resource that is answered."""
    if path.startswith(ENTERPRISE):
        return user[ENTERPRISE][path.rpartition(":")[2]]  # type: ignore[index] # JSON
    name, _, sub = path.partition(".")
    if "[" in name:
        attribute, _, condition = name.partition("[")
        kind = condition.split('"')[1]
        [element] = [each for each in user[attribute] if each["type"] == kind]  # type: ignore[attr-defined] # JSON
        return element[sub]
    return user[name][sub] if sub else user[name]  # type: ignore[index] # JSON


def test_entra_validator_6_replace_attributes_verbose(entra: Speaker):
    key = created(entra)["id"]
    changes = [{"op": "replace", "path": path, "value": value} for path, value in VERBOSE.items()]
    entra.operate(f"/Users/{key}", *changes)
    user = entra.read(f"/Users/{key}")
    assert {path: value_at(user, path) for path in VERBOSE} == VERBOSE
    assert entra.portal.user("shaniya@bauch.co.uk").email == "lew@kuhn.info"


def test_entra_validator_7_update_the_user_name(entra: Speaker):
    made = created(entra)
    entra.patch(f"/Users/{made['id']}", entra.payload("P26"))
    assert [user["id"] for user in search(entra, "new.name@contoso.com")] == [made["id"]]
    assert entra.rows() == ["new.name@contoso.com"]


def test_entra_validator_8_disable_a_user(entra: Speaker):
    key = created(entra)["id"]
    entra.patch(f"/Users/{key}", entra.payload("P20"))
    assert entra.read(f"/Users/{key}")["active"] is False
    assert entra.portal.user("shaniya@bauch.co.uk").is_active is False


def test_entra_p61_and_validator_9_add_attributes_verbose(entra: Speaker):
    key = entra.user("minimal@contoso.com")
    sent = entra.payload("P61")
    entra.patch(f"/Users/{key}", sent)
    user = entra.read(f"/Users/{key}")
    plain = [each for each in sent["Operations"] if "True" not in each["path"]]
    assert [value_at(user, each["path"]) for each in plain] == [each["value"] for each in plain]
    assert user["roles"] == [
        {
            "primary": True,
            "display": "TQBJFQYVJCAG",
            "value": "UOYTUVLKIPND",
            "type": "VGNBBCPQEMYC",
        }
    ]
    assert entra.portal.user("minimal@contoso.com").first_name == "Terrence"


def test_entra_validator_10_to_12_add_replace_and_remove_a_manager(entra: Speaker):
    boss, other = entra.user("boss"), entra.user("other")
    key = entra.user("ann")
    for op, manager in (("add", boss), ("replace", other)):
        change = {"op": op, "path": MANAGER, "value": {"value": manager}}
        entra.operate(f"/Users/{key}", change)
        assert entra.read(f"/Users/{key}")[ENTERPRISE]["manager"]["value"] == manager
    assert entra.portal.user("ann").manager_id == entra.portal.user("other").id
    entra.patch(f"/Users/{key}", entra.payload("P33", 2))
    assert ENTERPRISE not in entra.read(f"/Users/{key}")
    assert entra.portal.user("ann").manager_id is None


def test_entra_validator_10_a_manager_who_is_nobody_is_read_back(entra: Speaker):
    key = entra.user("ann")
    entra.patch(f"/Users/{key}", entra.payload("P31"))
    manager = entra.read(f"/Users/{key}")[ENTERPRISE]["manager"]
    assert manager["value"] == "XYMKVVRYDIOO"
    assert entra.portal.user("ann").manager_id is None


@Test("path", ["/Users", "/Groups"])
def test_entra_validator_13_and_25_delete(entra: Speaker, path: str):
    made = created(entra) if path == "/Users" else entra.post(GROUP, path)
    assert entra.send("DELETE", f"{path}/{made['id']}").status_code == 204
    assert entra.send("GET", f"{path}/{made['id']}").status_code == 404


def test_entra_validator_14_to_18_read_and_filter_groups(entra: Speaker):
    made = entra.post({**GROUP, "members": [{"value": entra.user("ann")}]}, "/Groups")
    name, key = GROUP["displayName"], made["id"]
    assert "members" not in entra.read(f"/Groups/{key}?excludedAttributes=members")
    [group] = search(entra, str(name), "/Groups", "&excludedAttributes=members")
    assert (group["id"], "members" in group) == (key, False)
    assert [each["id"] for each in search(entra, str(name), "/Groups")] == [key]
    assert search(entra, NOBODY, "/Groups") == []
    assert [each["id"] for each in search(entra, str(name).lower(), "/Groups")] == [key]


def test_entra_validator_19_and_20_create_a_group_twice(entra: Speaker):
    made = entra.post(GROUP, "/Groups")
    assert (made["displayName"], made["externalId"]) == (GROUP["displayName"], GROUP["externalId"])
    assert entra.send("POST", "/Groups", GROUP).status_code == 409


@Test(("name", "value"), [("externalId", "1e9c"), ("displayName", "WERTZUIOPASD")])
def test_entra_validator_21_and_22_update_a_group(entra: Speaker, name: str, value: str):
    key = entra.post(GROUP, "/Groups")["id"]
    entra.operate(f"/Groups/{key}", {"op": "replace", "value": {name: value}})
    assert entra.read(f"/Groups/{key}")[name] == value


def test_entra_validator_23_and_24_add_and_remove_members(entra: Speaker):
    key, ann, bob = entra.post(GROUP, "/Groups")["id"], entra.user("ann"), entra.user("bob")
    both = [{"value": ann}, {"value": bob}]
    entra.operate(f"/Groups/{key}", {"op": "replace", "path": "members", "value": both})
    entra.operate(f"/Groups/{key}", {"op": "remove", "path": f'members[value eq "{ann}"]'})
    assert [each["value"] for each in entra.read(f"/Groups/{key}")["members"]] == [bob]
    assert entra.team(str(GROUP["displayName"])) == ["bob"]


def test_entra_validator_preview_operations_on_several_attributes(entra: Speaker):
    key = created(entra)["id"]
    user = entra.operate(
        f"/Users/{key}",
        {"op": "remove", "path": "preferredLanguage"},
        {"op": "add", "path": "externalId", "value": "e1"},
        {"op": "replace", "path": "displayName", "value": "New"},
    ).json
    assert "preferredLanguage" not in user
    assert (user["externalId"], user["displayName"]) == ("e1", "New")


def test_entra_validator_preview_the_last_operation_on_an_attribute_wins(entra: Speaker):
    key = created(entra)["id"]
    user = entra.operate(
        f"/Users/{key}",
        {"op": "remove", "path": "displayName"},
        {"op": "add", "path": "displayName", "value": "First"},
        {"op": "replace", "path": "displayName", "value": "Last"},
    ).json
    assert user["displayName"] == "Last"


@Test("path", ["/Users", "/Groups"])
def test_entra_validator_preview_delete_nobody_and_delete_twice(entra: Speaker, path: str):
    assert entra.send("DELETE", f"{path}/{NOBODY}").status_code == 404
    made = created(entra) if path == "/Users" else entra.post(GROUP, path)
    assert entra.send("DELETE", f"{path}/{made['id']}").status_code == 204
    assert entra.send("DELETE", f"{path}/{made['id']}").status_code == 404


def test_entra_validator_preview_add_and_remove_the_same_member(entra: Speaker):
    key = entra.post(GROUP, "/Groups")["id"]
    entra.patch(f"/Groups/{key}", entra.payload("P47", U1=entra.user("ann")))
    assert entra.team(str(GROUP["displayName"])) == []
