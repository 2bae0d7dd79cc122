"""What a discount gives, in plain words. Pure."""

from decimal import Decimal

from promopulse.lib import money
from promotions.discounts.models import Discount

_OF = {"cart": "the cart", "delivery": "delivery"}


def _amount(value: Decimal, currency: str) -> str:
    """`1,200 EUR` or `19.90 EUR`: whole amounts without their zeros."""
    shown = Decimal(money.money_text(value, currency))
    whole = shown == shown.to_integral_value()
    return f"{int(shown):,} {currency}" if whole else f"{shown:,} {currency}"


def _share(percentage: Decimal) -> str:
    return f"{percentage.normalize():f} %"


def sentence(discount: Discount, currency: str) -> str:
    """`20 % off the cart, at most 500 EUR, carts from 100 EUR, 2 a customer a day`."""
    share, flat = discount.discount_percentage, discount.discount_flat
    given = _share(share) if share is not None else _amount(flat or Decimal(0), currency)
    parts = [f"{given} off {_OF[discount.discount_type]}"]
    if discount.max_discount_amount is not None:
        parts.append(f"at most {_amount(discount.max_discount_amount, currency)}")
    if discount.min_cart_value:
        parts.append(f"carts from {_amount(discount.min_cart_value, currency)}")
    parts.append(f"{discount.max_usage_per_customer_per_day} a customer a day")
    return ", ".join(parts)
