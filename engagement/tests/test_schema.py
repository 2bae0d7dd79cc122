"""The ingest route stands in the OpenAPI document as it is."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from engagement.wire import EventIn

pytestmark = pytest.mark.django_db


def test_ingest_is_described_with_every_field():
    schema = SchemaGenerator().get_schema(public=True)
    operation = schema["paths"]["/api/v1/events/ingest"]["post"]
    assert {"200", "202", "400", "401", "403", "409", "413", "415", "422", "503"} <= set(
        operation["responses"]
    )
    described = schema["components"]["schemas"]["EventIn"]["properties"]
    assert set(described) == set(EventIn.__struct_fields__)
    assert "Problem" in schema["components"]["schemas"]


def test_groups_are_described_as_the_plain_list_they_are(as_role):
    path = "/api/v1/dead-letters/groups"
    operation = SchemaGenerator().get_schema(public=True)["paths"][path]["get"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert {"limit", "cursor"}.isdisjoint(one["name"] for one in operation["parameters"])
    assert as_role("ops").get(path).json() == []
