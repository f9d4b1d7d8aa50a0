"""The discovery documents (RFC 7644 section 4), as a client library reads them."""

import json

import pytest
from scim2_models import ResourceType as TheirResourceType
from scim2_models import Schema as TheirSchema
from scim2_models import ServiceProviderConfig

from flask_scim_provisioning.scim import urns
from flask_scim_provisioning.scim.discovery import (
    BulkLimits,
    Pagination,
    resource_type_document,
    schema_document,
    service_provider_config,
)

from .strategies import ENTERPRISE, GROUPS, USERS

BASE = "https://portal.example/api/v1/main/integrations/1/scim/v2"
SCHEMAS = [*USERS.schemas, *GROUPS.schemas]


def documents():
    yield service_provider_config(BASE, max_results=200)
    for resource_type in (USERS, GROUPS):
        yield resource_type_document(resource_type, BASE)
    for schema in SCHEMAS:
        yield schema_document(schema, BASE)


def nulls(value):
    if isinstance(value, dict):
        return any(nulls(item) for item in value.values())
    if isinstance(value, list):
        return any(nulls(item) for item in value)
    return value is None


def test_no_document_has_a_null():
    """Entra's documentation of /Schemas: no null values."""
    assert not any(nulls(document) for document in documents())
    json.dumps(list(documents()))


def test_what_the_service_says_of_itself():
    config = service_provider_config(
        BASE, max_results=200, documentation_uri="https://docs.example"
    )
    read = ServiceProviderConfig.model_validate(config)
    assert (read.patch.supported, read.etag.supported, read.sort.supported) == (True, True, True)
    assert (read.filter.supported, read.filter.max_results) == (True, 200)
    assert (read.bulk.supported, read.change_password.supported) == (False, False)
    assert [scheme.type for scheme in read.authentication_schemes] == ["oauthbearertoken"]
    assert read.authentication_schemes[0].primary is True
    assert read.meta.location == f"{BASE}/ServiceProviderConfig"


def test_bulk_has_its_limits():
    config = service_provider_config(BASE, max_results=1, bulk=BulkLimits(1000, 1_048_576))
    assert config["bulk"] == {
        "supported": True,
        "maxOperations": 1000,
        "maxPayloadSize": 1_048_576,
    }


def test_pagination_by_cursor_and_by_index():
    """RFC 9865 section 4."""
    config = service_provider_config(
        BASE, max_results=200, pagination=Pagination(True, 100, 200, cursor_timeout=3600)
    )
    read = ServiceProviderConfig.model_validate(config).pagination
    assert (read.cursor, read.index, read.default_pagination_method) == (True, True, "index")
    assert (read.default_page_size, read.max_page_size, read.cursor_timeout) == (100, 200, 3600)
    without = Pagination(False, 100, 200, cursor_timeout=3600).as_json()
    assert without["cursor"] is False
    assert "cursorTimeout" not in without


def test_a_resource_type_names_its_schemas():
    read = TheirResourceType.model_validate(resource_type_document(USERS, BASE))
    assert (read.id, read.endpoint, read.schema_) == ("User", "/Users", urns.USER)
    assert [extension.schema_ for extension in read.schema_extensions] == [ENTERPRISE]
    assert "schemaExtensions" not in resource_type_document(GROUPS, BASE)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_a_client_reads_the_schema_as_it_is(schema):
    document = schema_document(schema, BASE)
    read = TheirSchema.model_validate(document)
    assert [attribute.name for attribute in read.attributes] == [
        attribute.name for attribute in schema.attributes
    ]
    assert read.model_dump()["attributes"] == document["attributes"]
    assert document["meta"]["location"] == f"{BASE}/Schemas/{schema.id}"
