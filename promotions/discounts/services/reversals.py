"""A redemption given back, all or part of it."""

from decimal import Decimal

from django.db import IntegrityError, transaction

from accounts import audit
from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promopulse.lib.problems import constraint_of
from promopulse.lib.refusals import heard
from promopulse.lib.sql import fetch_one
from promotions import rules as promotion_rules
from promotions.discounts import metrics
from promotions.discounts.errors import AlreadyReversed, RedemptionNotFound
from promotions.discounts.models import Redemption, Reversal

_COLUMNS = tuple(field.attname for field in Reversal._meta.concrete_fields)
_REVERSE = f"""
    INSERT INTO discounts_reversal (redemption_id, amount, reason)
    VALUES (%(redemption_id)s, %(amount)s, %(reason)s)
    RETURNING {", ".join(_COLUMNS)}
"""


def reverse(redemption_id: int, *, amount: Decimal | None = None, reason: str = "") -> Reversal:
    """Give back `amount` of a redemption, all that is left where none is named.

    The money returns to the budget, the day's use with the last of it; the order's id stays used.
    Raises RedemptionNotFound, AlreadyReversed or Invalid (more than is left).
    """
    reason = promotion_rules.text("reason", reason, promotion_rules.MAX_REASON)
    redemption = Redemption.objects.filter(pk=redemption_id).first()
    if redemption is None:
        raise RedemptionNotFound()
    if amount is not None:
        promotion_rules.check_amount("amount", amount, redemption.currency)
        if amount == 0:
            raise Invalid("amount", "More than zero is expected.", "min_value")
    with transaction.atomic():
        row = _insert({"redemption_id": redemption_id, "amount": amount, "reason": reason})
        reversal: Reversal = Reversal.from_db("default", _COLUMNS, row)
        audit.record(
            "redemption.reverse",
            redemption,
            after={"amount": money.money_text(reversal.amount, redemption.currency)},
            reason=reason,
        )
        metrics.reversed_(reversal.amount, redemption.currency)
        return reversal


def _insert(values: dict[str, object]) -> tuple[object, ...]:
    try:
        with heard(AlreadyReversed):
            row: tuple[object, ...] = fetch_one(_REVERSE, values)
            return row
    except IntegrityError as error:
        if constraint_of(error) != "discounts_redemption_reversed":
            raise
        raise Invalid("amount", "More than is left of the redemption.", "max_value") from None
