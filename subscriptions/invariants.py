"""What always holds for subscriptions."""

from promopulse.lib.invariants import Invariant

INVARIANTS = [
    Invariant(
        8,
        "every state is one its machine allows, and its timestamps agree",
        """
        SELECT count(*) FROM subscriptions_subscription
        WHERE is_active <> (deactivated_at IS NULL)
        """,
    ),
]
