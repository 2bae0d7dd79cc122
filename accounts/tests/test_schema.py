"""What the OpenAPI document says of every operation."""

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from promopulse.lib.errors import REASONS


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operation(schema, call):
    method, path = call.split()
    return schema["paths"][f"/api/v1/{path}"][method.lower()]


def codes(schema, call):
    """Every problem that an operation names."""
    return {
        code
        for status, response in operation(schema, call)["responses"].items()
        if int(status) >= 400
        for code in response["content"]["application/problem+json"]["examples"]
    }


def test_it_is_valid_and_complete(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "s.yml"))


def test_problems_of_an_operation(schema):
    assert codes(schema, "POST users") == {
        "malformed", "not_authenticated", "permission_denied", "email_taken", "version_conflict",
        "idempotency_in_progress", "idempotency_key_reused", "too_large", "unavailable",
        "unsupported_media_type", "validation_error",
    }  # fmt: skip
    assert codes(schema, "GET pools/{id}") == {
        "malformed", "not_authenticated", "permission_denied", "not_found", "validation_error",
        "unavailable",
    }  # fmt: skip
    assert {"invalid_credentials", "rate_limited"} < codes(schema, "POST auth/login")


def test_every_problem_has_its_example(schema):
    examples = schema["components"]["examples"]
    assert examples.keys() == REASONS.keys()
    taken = examples["email_taken"]["value"]
    assert (taken["status"], taken["type"]) == (409, "/problems/email_taken")
    assert set(taken) == set(schema["components"]["schemas"]["Problem"]["properties"])


def test_who_may_call_and_how(schema):
    pools = operation(schema, "POST pools")
    assert pools["description"].endswith("For: admin, marketer, API key with `promotions:write`.")
    assert {"ApiKey": []} in pools["security"]
    me = operation(schema, "GET auth/me")
    assert {"ApiKey": []} not in me["security"]
    assert operation(schema, "POST auth/login")["security"] == [{}]


def test_keys_where_they_are_taken(schema):
    def headers(call):
        return {
            parameter["name"]
            for parameter in operation(schema, call).get("parameters", [])
            if parameter["in"] == "header"
        }

    assert headers("POST pools") == {"Idempotency-Key"}
    assert headers("POST auth/register") == headers("PATCH pools/{id}") == set()


def test_a_delete_by_body_shows_it(schema):
    body = operation(schema, "DELETE pools/{id}/users")["requestBody"]["content"]
    assert body["application/json"]["schema"]["$ref"].endswith("/PoolUsersInRequest")
