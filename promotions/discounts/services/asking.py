"""From what a door was given to the row that asks for a discount."""

import time
from decimal import Decimal
from typing import Any

from promopulse.lib.direct import M, RowStatement
from promopulse.lib.errors import DomainError
from promopulse.lib.refusals import heard
from promotions import rules as promotion_rules
from promotions.discounts import catalogue, errors
from promotions.discounts.errors import CampaignNotFound, ConcurrentRedemption
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


# Seconds to let others finish who hold what is overdue; after the last one they are named.
PATIENCE = (0.0, 0.002, 0.01, 0.05, 0.2)


def take(insert: RowStatement[M], row: dict[str, Any]) -> M:
    """Insert what was asked for; gives the row its trigger made of it.

    Where others are at what is overdue, and money or the day lacks just that, it steps back to the
    end of the budget's queue: nothing is held meanwhile, and those who were before it are done.
    Raises one of errors.OF_A_GRANT.
    """
    for pause in PATIENCE:
        try:
            return _take(insert, row)
        except ConcurrentRedemption:
            time.sleep(pause)
    return _take(insert, row)


def _take(insert: RowStatement[M], row: dict[str, Any]) -> M:
    with heard(*errors.OF_A_GRANT):
        taken = insert.fetch(row)
    if taken is None:
        raise LookupError("an insert gives its row")
    return taken


def _absent(promotion_id: int) -> DomainError:
    """Why an active promotion with a discount is not there."""
    discount = (
        Discount.objects.select_related("promotion").filter(promotion_id=promotion_id).first()
    )
    return not_active(discount.promotion) if discount else CampaignNotFound()
