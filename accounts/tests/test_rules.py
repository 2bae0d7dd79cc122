"""Which fields of a user somebody may set."""

import pytest

from accounts.rules import forbidden_at_creation, forbidden_in_a_change

STAFF_AND_SERVICES = ["marketer", "ops", None]


@pytest.mark.parametrize("role", STAFF_AND_SERVICES)
@pytest.mark.parametrize(
    ("fields", "forbidden"),
    [
        ({"name": "A", "email": "a@b.co", "phone": "1", "source_id": "x"}, []),
        ({"role": "customer"}, []),
        ({"role": "marketer"}, ["role"]),
        ({"role": "admin", "password": "12345678"}, ["password", "role"]),
    ],
)
def test_creation(role, fields, forbidden):
    assert forbidden_at_creation(role, fields) == forbidden
    assert forbidden_at_creation("admin", fields) == []


@pytest.mark.parametrize("role", STAFF_AND_SERVICES)
@pytest.mark.parametrize(
    ("target", "fields", "forbidden"),
    [
        ("customer", {"name": "A", "phone": "1", "source_id": "x", "role": "customer"}, []),
        ("customer", {"email": "a@b.co"}, ["email"]),
        ("customer", {"role": "ops"}, ["role"]),
        ("customer", {"password": "12345678", "is_active": False}, ["is_active", "password"]),
        ("marketer", {"name": "A"}, ["name"]),
        ("admin", {"role": "customer"}, ["role"]),
    ],
)
def test_a_change_of_somebody_else(role, target, fields, forbidden):
    assert forbidden_in_a_change(role, target, False, fields) == forbidden
    assert forbidden_in_a_change("admin", target, False, fields) == []


@pytest.mark.parametrize("role", ["customer", "marketer", "ops"])
def test_a_change_of_oneself(role):
    own = {"name": "A", "email": "a@b.co", "phone": "1", "role": role}
    assert forbidden_in_a_change(role, role, True, own) == []
    for field in ("password", "is_active", "source_id"):
        assert forbidden_in_a_change(role, role, True, {field: "x"}) == [field]
    assert forbidden_in_a_change(role, role, True, {"role": "admin"}) == ["role"]
