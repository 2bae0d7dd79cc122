"""`discounts/available` over HTTP: shapes, who may ask for whom, limits."""

import pytest

from accounts.tests.factories import UserFactory
from promotions.discounts.tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/discounts/available"


def test_the_answer(as_service):
    user = UserFactory()
    campaign = CampaignFactory(name="Tenth", discount={"max_discount_amount": 8})
    dear = CampaignFactory(name="Dear", discount={"min_cart_value": 500})
    asked = {"customer_id": user.pk, "cart_value": 100, "include_ineligible": True}
    answer = as_service("discounts:apply").post(URL, asked, format="json")
    assert answer.status_code == 200
    offer = {
        "campaign_id": campaign.pk,
        "campaign_name": "Tenth",
        "discount_type": "cart",
        "discount_amount": "8.00",
        "original_value": "100.00",
        "final_value": "92.00",
        "currency": "USD",
        "limited_by": "cap",
        "message": "You save 8.00 USD",
    }
    assert answer.json() == {
        "cart_discounts": [offer],
        "delivery_discounts": [],
        "best_cart_discount": offer,
        "best_delivery_discount": None,
        "ineligible": [
            {
                "campaign_id": dear.pk,
                "campaign_name": "Dear",
                "discount_type": "cart",
                "code": "min_cart_value_not_met",
                "detail": "The cart needs 400.00 more to reach 500.00.",
                "params": {"required": "500.00", "actual": "100.00", "missing": "400.00"},
            }
        ],
    }
    del asked["include_ineligible"]
    assert "ineligible" not in as_service("discounts:apply").post(URL, asked, format="json").json()


def test_customers_ask_for_themselves(as_role):
    client = as_role("customer")
    CampaignFactory(is_targeted=True, users=[UserFactory()])
    asked = {"customer_id": client.user.pk, "cart_value": "10", "include_ineligible": True}
    assert client.post(URL, asked, format="json").json()["ineligible"] == []
    other = asked | {"customer_id": UserFactory().pk}
    assert client.post(URL, other, format="json").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cart_value", "-1"),
        ("cart_value", "NaN"),
        ("cart_value", "1.0001"),
        ("cart_value", None),
        ("delivery_charge", "1e400"),
        ("currency", "usd!"),
        ("limit", 0),
        ("limit", 1001),
        ("customer_id", "x"),
        ("colour", "red"),
    ],
)
def test_nonsense_is_named(as_service, field, value):
    asked = {"customer_id": UserFactory().pk, "cart_value": "10", field: value}
    answer = as_service("discounts:apply").post(URL, asked, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"


def test_asking_is_limited(as_role, settings, rate_limits):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"available": "2/minute"}
    client = as_role("customer")
    asked = {"customer_id": client.user.pk, "cart_value": "10"}
    answers = [client.post(URL, asked, format="json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Limit"] == "2"
