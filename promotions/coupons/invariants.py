"""What always holds for coupons: uses, counts per user and state, moves."""

from promopulse.lib.invariants import Invariant

USES = "a coupon's uses are its redemptions not reversed, never above its maximum"
COUNTS = "what a user has of a book is its rows, never above the book's limits; so are its counts"
STATES = "every state is one its machine allows, and its timestamps agree"

INVARIANTS = [
    Invariant(
        6,
        USES,
        """
        SELECT count(*) FROM coupons_coupon coupon
        LEFT JOIN (
            SELECT redemption.coupon_id, count(*) AS used
            FROM coupons_couponredemption redemption
            LEFT JOIN coupons_couponreversal reversal ON reversal.redemption_id = redemption.id
            WHERE reversal.id IS NULL GROUP BY redemption.coupon_id
        ) uses ON uses.coupon_id = coupon.id
        WHERE coupon.uses <> coalesce(uses.used, 0) OR coupon.uses > coupon.max_redemptions
        """,
    ),
    Invariant(
        7,
        COUNTS,
        """
        SELECT count(*) FROM (
            SELECT 1 FROM (
            SELECT book_id, assigned_to_id AS user_id, count(*) AS assigned, 0 AS redeemed
                FROM coupons_coupon coupon JOIN coupons_couponbook book ON book.id = book_id
                WHERE assigned_to_id IS NOT NULL AND max_assignments_per_user IS NOT NULL
                GROUP BY 1, 2
            UNION ALL
            SELECT redemption.book_id, redemption.user_id, 0, count(*)
                FROM coupons_couponredemption redemption
                LEFT JOIN coupons_couponreversal reversal
                    ON reversal.redemption_id = redemption.id
                WHERE reversal.id IS NULL GROUP BY 1, 2
            UNION ALL
            SELECT book_id, user_id, -assigned, -redeemed FROM coupons_bookuser
        ) counted
        JOIN coupons_couponbook book ON book.id = counted.book_id
        GROUP BY counted.book_id, counted.user_id, book.id
        HAVING sum(assigned) <> 0 OR sum(redeemed) <> 0
            OR -min(assigned) > book.max_assignments_per_user
            OR -min(redeemed) > book.max_redemptions_per_user
        ) wrong
        """,
    ),
    Invariant(
        7,
        COUNTS,
        """
        SELECT count(*) FROM (
            SELECT book_id, state FROM (
                SELECT book_id, state, count(*) AS n FROM coupons_coupon GROUP BY 1, 2
                UNION ALL
                SELECT book_id, counts.state, -counts.n FROM coupons_booktally
                CROSS JOIN LATERAL (VALUES ('UNASSIGNED', unassigned), ('ASSIGNED', assigned),
                    ('LOCKED', locked), ('REDEEMED', redeemed), ('EXPIRED', expired)
                ) AS counts (state, n)
            ) counted GROUP BY book_id, state HAVING sum(n) <> 0
        ) wrong
        """,
    ),
    Invariant(
        7,
        COUNTS,
        """
        SELECT count(*) FROM coupons_codebatch batch
        LEFT JOIN (SELECT batch_id, count(*) AS n FROM coupons_coupon GROUP BY 1) made
            ON made.batch_id = batch.id
        WHERE batch.done <> coalesce(made.n, 0) OR batch.done > batch.total
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM coupons_coupon coupon
        LEFT JOIN coupons_couponbook book ON book.id = coupon.book_id
        LEFT JOIN accounts_user holder ON holder.id = coupon.assigned_to_id
        WHERE book.id IS NULL OR (assigned_to_id IS NOT NULL AND holder.id IS NULL)
            OR state NOT IN ('UNASSIGNED', 'ASSIGNED', 'LOCKED', 'REDEEMED', 'EXPIRED')
            OR (state = 'UNASSIGNED' AND assigned_to_id IS NOT NULL)
            OR (state IN ('ASSIGNED', 'LOCKED') AND assigned_to_id IS NULL)
            OR (assigned_to_id IS NULL) <> (assigned_at IS NULL)
            OR (state = 'LOCKED') <> (locked_until IS NOT NULL)
            OR (state = 'LOCKED') <> (lock_token_hash IS NOT NULL)
            OR (state = 'REDEEMED') <> (redeemed_at IS NOT NULL)
            OR (state = 'REDEEMED') <> (uses = max_redemptions)
            OR (state = 'EXPIRED' AND coalesce(book.expires_at, 'infinity') > clock_timestamp())
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM coupons_distribution distribution
        LEFT JOIN (
            SELECT distribution_id, count(*) AS n FROM coupons_coupon
            WHERE distribution_id IS NOT NULL GROUP BY 1
        ) given ON given.distribution_id = distribution.id
        WHERE coalesce(given.n, 0)
            <> CASE WHEN undone_at IS NULL THEN assigned ELSE 0 END
        """,
    ),
]
