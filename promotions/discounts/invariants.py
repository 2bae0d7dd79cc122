"""What always holds for discounts: money, days and orders agree with the rows they are for."""

from promopulse.lib.invariants import Invariant

LEDGER = "every movement of a budget is that of one reservation, redemption or reversal"
REVERSALS = "reversals never exceed their redemption"
AMOUNTS = "no grant is above its price, and no price above the value it is taken from"
DAYS = "a daily use is what was reserved or redeemed that day, never above the limit"
STATES = "every state is one its machine allows, and its timestamps agree"
ONCE = "no idempotency key with two effects; no order id redeemed twice in a promotion"

# What the ledger should say, by the rows that move money.
_MOVED = """
    SELECT 'reserve' AS kind, id AS subject_id, promotion_id, amount, false AS was_reserved
        FROM discounts_reservation
    UNION ALL SELECT 'release', id, promotion_id, amount, false
        FROM discounts_reservation WHERE state IN ('released', 'expired')
    UNION ALL SELECT 'capture', id, promotion_id, amount, reservation_id IS NOT NULL
        FROM discounts_redemption
    UNION ALL SELECT 'reverse', reversal.id, redemption.promotion_id, reversal.amount, false
        FROM discounts_reversal reversal
        JOIN discounts_redemption redemption ON redemption.id = reversal.redemption_id
"""

INVARIANTS = [
    Invariant(
        3,
        LEDGER,
        f"""
        SELECT count(*) FROM (
            SELECT moved.*, budget.id AS budget_id FROM ({_MOVED}) moved
            JOIN promotions_budget budget USING (promotion_id)
        ) moved
        FULL JOIN (SELECT * FROM promotions_budgetentry WHERE kind <> 'fund') entry
            USING (kind, subject_id, budget_id, amount, was_reserved)
        WHERE moved.promotion_id IS NULL OR entry.id IS NULL
        """,
    ),
    Invariant(
        3,
        LEDGER,
        """
        SELECT count(*) FROM (
            SELECT kind, subject_id FROM promotions_budgetentry WHERE kind <> 'fund'
            GROUP BY kind, subject_id HAVING count(*) > 1
        ) twice
        """,
    ),
    Invariant(
        4,
        REVERSALS,
        """
        SELECT count(*) FROM discounts_redemption redemption
        LEFT JOIN (
            SELECT redemption_id, sum(amount) AS amount FROM discounts_reversal
            GROUP BY redemption_id
        ) reversal ON reversal.redemption_id = redemption.id
        WHERE redemption.reversed <> coalesce(reversal.amount, 0)
            OR redemption.reversed > redemption.amount
        """,
    ),
    Invariant(
        4,
        AMOUNTS,
        """
        SELECT count(*) FROM (
            SELECT amount, wanted, original_amount, limited_by FROM discounts_reservation
            UNION ALL SELECT amount, wanted, original_amount, limited_by FROM discounts_redemption
        ) given
        WHERE amount <= 0 OR amount > wanted OR wanted > original_amount
            OR (amount < wanted) <> (limited_by = 'budget')
        """,
    ),
    Invariant(
        5,
        DAYS,
        """
        SELECT count(*) FROM (
            SELECT promotion_id, user_id, local_day, count(*) AS uses FROM (
                SELECT promotion_id, user_id, local_day FROM discounts_reservation
                    WHERE state = 'open'
                UNION ALL SELECT promotion_id, user_id, local_day FROM discounts_redemption
                    WHERE reversed < amount
            ) taken GROUP BY 1, 2, 3
        ) taken
        FULL JOIN discounts_dailyuse today ON today.promotion_id = taken.promotion_id
            AND today.user_id = taken.user_id AND today.day = taken.local_day
        LEFT JOIN discounts_discount discount
            ON discount.promotion_id = coalesce(today.promotion_id, taken.promotion_id)
        WHERE coalesce(today.used, 0) <> coalesce(taken.uses, 0)
            OR today.used > discount.max_usage_per_customer_per_day
            OR today.most <> discount.max_usage_per_customer_per_day
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM discounts_reservation held
        LEFT JOIN discounts_redemption redemption ON redemption.reservation_id = held.id
        WHERE held.state NOT IN ('open', 'captured', 'released', 'expired')
            OR (held.state = 'open') <> (held.closed_at IS NULL)
            OR (held.state = 'captured') <> (redemption.id IS NOT NULL)
        """,
    ),
    Invariant(
        9,
        ONCE,
        """
        SELECT count(*) FROM (
            SELECT promotion_id, order_id FROM discounts_redemption WHERE order_id IS NOT NULL
            GROUP BY promotion_id, order_id HAVING count(*) > 1
        ) twice
        """,
    ),
]
