"""The discount that a slightly fuller cart would have: what to add, and what it then gives."""

from dataclasses import dataclass
from decimal import Decimal

from promopulse.lib import money
from promotions.discounts import offers
from promotions.discounts.errors import MinCartValueNotMet
from promotions.discounts.offers import Offer, Offers

# Of those missed by the least, so many are asked whether nothing else is against them.
_ASKED = 3


@dataclass(frozen=True)
class Missed:
    """`missing` is what the cart lacks, in the offer's currency; `offer` is what it then has."""

    missing: Decimal
    offer: Offer


def nearest_missed(
    found: Offers,
    *,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal,
    currency: str,
) -> Missed | None:
    """Of the campaigns that want a fuller cart than this one, the nearest that would then apply.

    `found` is what was available with its ineligible ones; one query for each that is asked.
    """
    wanted = sorted(
        (money.from_minor(one.terms.min_cart, currency), one.terms.promotion_id)
        for one in found.ineligible
        if isinstance(one.refusal, MinCartValueNotMet) and one.terms.currency == currency
    )
    for value, promotion_id in wanted[:_ASKED]:
        fuller = offers.available(
            user_id=user_id,
            cart_value=value,
            delivery_charge=delivery_charge,
            currency=currency,
            limit=len(found.ineligible) + len(found.cart) + len(found.delivery),
        )
        for offer in (*fuller.cart, *fuller.delivery):
            if offer.terms.promotion_id == promotion_id:
                return Missed(value - cart_value, offer)
    return None
