"""What a discount gives, in plain words. Pure."""

from decimal import Decimal

from promopulse.lib import money
from promotions.discounts.models import Discount
from promotions.discounts.rules import Terms

_OF = {"cart": "the cart", "delivery": "delivery"}


def _share(percentage: Decimal) -> str:
    return f"{percentage.normalize():f} %"


def sentence(discount: Discount, currency: str) -> str:
    """`20 % off the cart, at most $500, carts from $100, 2 a customer a day`."""
    share, flat = discount.discount_percentage, discount.discount_flat
    given = _share(share) if share is not None else money.in_words(flat or Decimal(0), currency)
    parts = [f"{given} off {_OF[discount.discount_type]}"]
    if discount.max_discount_amount is not None:
        parts.append(f"at most {money.in_words(discount.max_discount_amount, currency)}")
    if discount.min_cart_value:
        parts.append(f"carts from {money.in_words(discount.min_cart_value, currency)}")
    parts.append(f"{discount.max_usage_per_customer_per_day} a customer a day")
    return ", ".join(parts)


def gift(terms: Terms) -> str:
    """No more than what is given: `20 % off the cart`, `$5 off delivery`."""
    if terms.basis_points is not None:
        given = _share(Decimal(terms.basis_points) / 100)
    else:
        given = money.in_words(money.from_minor(terms.flat or 0, terms.currency), terms.currency)
    return f"{given} off {_OF[terms.discount_type]}"
