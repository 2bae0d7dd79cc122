"""From what a door was given to the row that asks for a discount."""

from decimal import Decimal
from typing import Any

from promopulse.lib.errors import DomainError
from promotions import rules as promotion_rules
from promotions.discounts import catalogue
from promotions.discounts.errors import CampaignNotFound
from promotions.discounts.models import Discount
from promotions.errors import not_active


def asked(
    *,
    promotion_id: int,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal,
    currency: str | None,
) -> dict[str, Any]:
    """The columns of a reservation or redemption that is to be judged by its trigger.

    Raises CampaignNotFound, Invalid, or why the promotion is not active.
    """
    terms = catalogue.terms_of(promotion_id)
    if terms is None:
        raise _absent(promotion_id)
    used = currency or terms.currency
    promotion_rules.check_amount("cart_value", cart_value, used)
    promotion_rules.check_amount("delivery_charge", delivery_charge, used)
    return {
        "promotion_id": promotion_id,
        "user_id": user_id,
        "currency": used,
        "cart_value": cart_value,
        "delivery_charge": delivery_charge,
    }


def _absent(promotion_id: int) -> DomainError:
    """Why an active promotion with a discount is not there."""
    discount = (
        Discount.objects.select_related("promotion").filter(promotion_id=promotion_id).first()
    )
    return not_active(discount.promotion) if discount else CampaignNotFound()
