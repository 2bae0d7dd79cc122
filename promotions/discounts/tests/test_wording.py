"""A discount in plain words."""

from decimal import Decimal

import pytest

from promotions.discounts.models import Discount
from promotions.discounts.wording import sentence


@pytest.mark.parametrize(
    ("terms", "currency", "words"),
    [
        (
            {
                "discount_percentage": Decimal("20.00"),
                "max_discount_amount": Decimal(500),
                "min_cart_value": Decimal(1100),
                "max_usage_per_customer_per_day": 2,
            },
            "USD",
            "20 % off the cart, at most $500, carts from $1,100, 2 a customer a day",
        ),
        (
            {"discount_type": "delivery", "discount_flat": Decimal("4.9")},
            "EUR",
            "€4.90 off delivery, 1 a customer a day",
        ),
        ({"discount_percentage": Decimal("7.50")}, "JPY", "7.5 % off the cart, 1 a customer a day"),
        ({"discount_flat": Decimal("0.125")}, "KWD", "KWD 0.125 off the cart, 1 a customer a day"),
    ],
)
def test_sentences(terms, currency, words):
    assert sentence(Discount(**{"discount_type": "cart"} | terms), currency) == words
