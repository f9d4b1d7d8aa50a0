"""The discovery endpoints (RFC 7644 section 4)."""

from __future__ import annotations

from tests.portal import Portal

from .test_routing import is_scim_error

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def test_service_provider_config_says_what_the_service_does(portal: Portal) -> None:
    config = portal.client.get("/ServiceProviderConfig").json
    assert config["patch"] == {"supported": True}
    assert config["filter"] == {"supported": True, "maxResults": 200}
    assert config["etag"] == {"supported": True}
    assert config["bulk"] == {
        "supported": True,
        "maxOperations": 1_000,
        "maxPayloadSize": 1_048_576,
    }
    assert config["meta"]["location"].endswith(f"{portal.client.base}/ServiceProviderConfig")


def test_resource_types(portal: Portal) -> None:
    listed = portal.client.get("/ResourceTypes").json
    assert [each["id"] for each in listed["Resources"]] == ["User", "Group"]
    assert listed["totalResults"] == 2
    for each in listed["Resources"]:
        assert portal.client.get(f"/ResourceTypes/{each['id']}").json == each
    assert is_scim_error(portal.client.get("/ResourceTypes/Device"), 404)


def test_schemas(portal: Portal) -> None:
    """A ListResponse: a bare array broke Entra's setup."""
    listed = portal.client.get("/Schemas").json
    assert {each["id"] for each in listed["Resources"]} >= {USER, GROUP, ENTERPRISE}
    for each in listed["Resources"]:
        assert portal.client.get(f"/Schemas/{each['id']}").json == each
        assert None not in each.values()
    assert is_scim_error(portal.client.get("/Schemas/urn:unknown"), 404)


def test_discovery_can_t_be_filtered(portal: Portal) -> None:
    """RFC 7644 section 4: a filter SHALL be answered with 403."""
    for path in ("/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        assert is_scim_error(portal.client.get(path, filter='id eq "x"'), 403)
