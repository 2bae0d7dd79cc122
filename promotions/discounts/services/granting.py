"""A discount granted at once."""

from decimal import Decimal

from promopulse.lib.direct import RowStatement
from promotions.discounts import metrics
from promotions.discounts.models import Redemption
from promotions.discounts.services.asking import asked, take

# One statement: its trigger judges and prices, takes the day and the money, and writes ledger and
# outbox.
_GRANT = RowStatement(
    "grant",
    Redemption,
    """
    INSERT INTO discounts_redemption
        (promotion_id, user_id, order_id, currency, cart_value, delivery_charge)
    VALUES (%(promotion_id)s, %(user_id)s, %(order_id)s, %(currency)s, %(cart_value)s,
        %(delivery_charge)s)
    RETURNING {row}
    """,
)


def grant(
    *,
    promotion_id: int,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal = Decimal(0),
    currency: str | None = None,
    order_id: str | None = None,
) -> Redemption:
    """Give a promotion's discount on a cart: all of it, or what the budget has left.

    `currency` None is the promotion's. The row is exact by itself; callers that write more wrap it
    in their transaction, and take it last: it locks the promotion's budget.
    Raises CampaignNotFound, UserNotFound, Invalid, or one of errors.OF_A_GRANT.
    """
    with metrics.counting_refusals(promotion_id):
        row = asked(
            promotion_id=promotion_id,
            user_id=user_id,
            cart_value=cart_value,
            delivery_charge=delivery_charge,
            currency=currency,
        )
        redemption = take(_GRANT, row | {"order_id": order_id or None})
    metrics.granted("apply", redemption.amount, redemption.currency)
    return redemption
