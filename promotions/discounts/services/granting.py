"""A discount granted at once."""

from decimal import Decimal

from accounts.idempotency import Claim
from promotions.discounts import metrics
from promotions.discounts.errors import OF_A_GRANT
from promotions.discounts.models import Redemption
from promotions.discounts.services.asking import asked
from promotions.discounts.services.effects import Effect

# One statement: its trigger judges and prices, takes the day and the money, and writes ledger and
# outbox.
SQL = """
    INSERT INTO discounts_redemption
        (promotion_id, user_id, order_id, currency, cart_value, delivery_charge)
    SELECT %(promotion_id)s::bigint, %(user_id)s::bigint, %(order_id)s::varchar,
        %(currency)s::varchar, %(cart_value)s::numeric, %(delivery_charge)s::numeric
    WHERE {free}
"""
_GRANT = Effect("grant", Redemption, SQL, status=201, refusals=OF_A_GRANT)


def grant(
    *,
    promotion_id: int,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal = Decimal(0),
    currency: str | None = None,
    order_id: str | None = None,
    claim: Claim | None = None,
) -> Redemption:
    """Give a promotion's discount on a cart: all of it, or what the budget has left.

    `currency` None is the promotion's. The row is exact by itself; callers that write more wrap it
    in their transaction, and take it last: it locks the promotion's budget. `claim` is the
    Idempotency-Key that the same statement notes it under.
    Raises CampaignNotFound, UserNotFound, Invalid, NotOurs, or one of errors.OF_A_GRANT.
    """
    with metrics.counting_refusals(promotion_id):
        row = asked(
            promotion_id=promotion_id,
            user_id=user_id,
            cart_value=cart_value,
            delivery_charge=delivery_charge,
            currency=currency,
        )
        redemption = _GRANT.patiently(row | {"order_id": order_id or None}, claim)
    assert redemption is not None  # an insert gives its row or refuses
    metrics.granted("apply", redemption.amount, redemption.currency)
    return redemption
