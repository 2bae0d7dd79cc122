"""A redemption given back, all or part of it."""

from decimal import Decimal

from django.db import transaction

from accounts import audit
from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promopulse.lib.sql import fetch_one
from promotions import rules as promotion_rules
from promotions.discounts import metrics
from promotions.discounts.errors import AlreadyReversed, RedemptionNotFound
from promotions.discounts.models import Redemption, Reversal

_COLUMNS = tuple(field.attname for field in Reversal._meta.concrete_fields)
_REVERSE = f"""
    INSERT INTO discounts_reversal (redemption_id, amount, reason)
    VALUES (%(id)s, %(amount)s, %(reason)s)
    RETURNING {", ".join(_COLUMNS)}
"""


def reverse(redemption_id: int, *, amount: Decimal | None = None, reason: str = "") -> Reversal:
    """Give back `amount` of a redemption, all that is left where none is named.

    The money returns to the budget, the day's use with the last of it; the order's id stays used.
    Raises RedemptionNotFound, AlreadyReversed or Invalid (more than is left).
    """
    reason = promotion_rules.text("reason", reason, promotion_rules.MAX_REASON)
    with transaction.atomic():
        redemption = Redemption.objects.select_for_update().filter(pk=redemption_id).first()
        if redemption is None:
            raise RedemptionNotFound()
        amount = _what_goes_back(redemption, amount)
        audit.record(
            "redemption.reverse",
            redemption,
            after={"amount": money.money_text(amount, redemption.currency)},
            reason=reason,
        )
        # Last: it locks the budget.
        row = fetch_one(_REVERSE, {"id": redemption_id, "amount": amount, "reason": reason})
        metrics.reversed_(amount, redemption.currency)
        return Reversal.from_db("default", _COLUMNS, row)


def _what_goes_back(redemption: Redemption, amount: Decimal | None) -> Decimal:
    currency = redemption.currency
    if amount is not None:
        promotion_rules.check_amount("amount", amount, currency)
        if amount == 0:
            raise Invalid("amount", "More than zero is expected.", "min_value")
    if not redemption.left:
        raise AlreadyReversed(granted=money.money_text(redemption.amount, currency))
    if amount is not None and amount > redemption.left:
        raise Invalid("amount", "More than is left of the redemption.", "max_value")
    return redemption.left if amount is None else amount
