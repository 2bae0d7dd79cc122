"""Filters of lists are as strict as bodies."""

import pytest

from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(as_service):
    reader = as_service("read", "customers:write")
    return lambda path: reader.get(f"/api/v1/{path}")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("promotions?statsu=active", "/statsu"),
        ("promotions?status=", "/status"),
        ("promotions?status=gone", "/status"),
        ("promotions?search=", "/search"),
        ("subscriptions?user_id=1&active=true", "/active"),
        ("subscriptions?user_id=", "/user_id"),
        ("subscriptions?user_id=0", "/user_id"),
        ("subscriptions?user_id=1.0", "/user_id"),
        ("subscriptions?user_id=1&is_active=", "/is_active"),
        ("subscriptions?user_id=1&is_active=maybe", "/is_active"),
    ],
)
def test_what_is_no_filter_is_refused_and_named(get, path, pointer):
    response = get(path)
    assert response.status_code == 422, response.content
    assert response.json()["code"] == "validation_error"
    assert pointer in [error["pointer"] for error in response.json()["errors"]]


def test_what_belongs_to_the_page_is_no_filter(get):
    one = SubscriptionFactory()
    found = get(f"subscriptions?user_id={one.user_id}&is_active=true&limit=5&offset=0&format=json")
    assert [row["id"] for row in found.json()["results"]] == [one.pk]
    assert get("promotions?limit=1&offset=0&format=json").status_code == 200
