"""What always holds for people, keys and answers."""

from promopulse.lib.invariants import Invariant

INVARIANTS = [
    Invariant(
        8,
        "every state is one its machine allows, and its timestamps agree",
        """
        SELECT count(*) FROM accounts_user
        WHERE role NOT IN ('customer', 'marketer', 'ops', 'admin')
            OR (email IS NULL) <> (email_bidx IS NULL)
            OR (erased_at IS NOT NULL AND (email IS NOT NULL OR phone IS NOT NULL
                OR source_id IS NOT NULL OR name <> '' OR metadata <> '{}' OR is_active))
        """,
    ),
    Invariant(
        9,
        "no idempotency key has two effects",
        """
        SELECT count(*) FROM (
            SELECT FROM accounts_idempotencyrecord
            GROUP BY client, operation, key HAVING count(*) > 1
        ) doubled
        """,
    ),
]
