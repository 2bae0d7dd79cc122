"""What always holds for promotions and their money."""

from promopulse.lib.invariants import Invariant

STATES = "every state is one its machine allows, and its timestamps agree"

INVARIANTS = [
    Invariant(
        3,
        "a budget is what its ledger says, and never over its total",
        """
        SELECT count(*) FROM promotions_budget budget
        LEFT JOIN (
            SELECT budget_id,
                sum(amount) FILTER (WHERE kind = 'fund') AS total,
                sum(CASE WHEN kind = 'reserve' THEN amount
                    WHEN kind = 'release' OR kind = 'capture' AND was_reserved THEN -amount
                    ELSE 0 END) AS reserved,
                sum(CASE kind WHEN 'capture' THEN amount WHEN 'reverse' THEN -amount
                    ELSE 0 END) AS spent
            FROM promotions_budgetentry GROUP BY budget_id
        ) ledger ON ledger.budget_id = budget.id
        WHERE budget.total <> coalesce(ledger.total, 0)
            OR budget.reserved <> coalesce(ledger.reserved, 0)
            OR budget.spent <> coalesce(ledger.spent, 0)
            OR budget.reserved < 0 OR budget.spent < 0
            OR budget.reserved + budget.spent > budget.total
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM promotions_promotion
        WHERE status NOT IN ('draft', 'active', 'ended')
            OR (activated_at IS NULL) <> (status = 'draft')
            OR (ended_at IS NULL) <> (status <> 'ended')
            OR end_at <= start_at
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM promotions_promotiontarget
        WHERE (user_id IS NULL) = (pool_id IS NULL)
        """,
    ),
]
