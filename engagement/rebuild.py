"""Rebuilding the rollups from the facts, and telling how far they had drifted.

Months whose facts were pruned keep their counts: a rebuild begins after them.
"""

from dataclasses import dataclass

from django.db import connection, transaction

from engagement.processing.statement import type_bit
from engagement.pruning import KEPT_SINCE

# In the order in which the processing statement names them, which is that of PostgreSQL's locks: it
# is waited for, never deadlocked with.
_STOP_COUNTING = """
LOCK TABLE engagement_promotionuser, engagement_eventstat, engagement_event
    IN SHARE ROW EXCLUSIVE MODE
"""

# A user who was counted in a pruned month stays counted there.
_COMPUTE = f"""
CREATE TEMPORARY TABLE rebuilt_user ON COMMIT DROP AS
    SELECT promotion_id, type, user_id,
        date_trunc('hour', min(occurred_at), 'UTC') AS first_hour
    FROM engagement_event event
    WHERE occurred_at >= {KEPT_SINCE} AND NOT EXISTS (
        SELECT FROM engagement_promotionuser known
        WHERE known.promotion_id = event.promotion_id AND known.type = event.type
            AND known.user_id = event.user_id AND known.first_hour < {KEPT_SINCE})
    GROUP BY 1, 2, 3;
CREATE TEMPORARY TABLE rebuilt_stat ON COMMIT DROP AS
    SELECT promotion_id, type, hour, cells.events, coalesce(users.n, 0) AS new_users, cells.amount
    FROM (
        SELECT promotion_id, type, date_trunc('hour', occurred_at, 'UTC') AS hour,
            count(*) AS events, coalesce(sum(amount), 0) AS amount
        FROM engagement_event WHERE occurred_at >= {KEPT_SINCE} GROUP BY 1, 2, 3
    ) cells
    LEFT JOIN (
        SELECT promotion_id, type, first_hour AS hour, count(*) AS n
        FROM rebuilt_user GROUP BY 1, 2, 3
    ) users USING (promotion_id, type, hour);
"""

# Subscriptions that say of a type that their user is among `users`, who is not: the events of such
# a user would never be looked at for it. `types` is what they may say.
FALSE_HINTS = f"""
SELECT sub.id, sub.counted_types & coalesce(known.types, 0) AS types
FROM subscriptions_subscription sub
LEFT JOIN (
    SELECT promotion_id, user_id,
        bit_or({type_bit("type")}) AS types
    FROM {{users}} GROUP BY 1, 2
) known USING (promotion_id, user_id)
WHERE sub.counted_types & ~coalesce(known.types, 0) <> 0
"""
_USERS_AFTERWARDS = f"""(
    SELECT promotion_id, type, user_id FROM rebuilt_user
    UNION ALL
    SELECT promotion_id, type, user_id FROM engagement_promotionuser
    WHERE first_hour < {KEPT_SINCE}) one"""

# A user's first hour depends on the order of arrival, so drift of users is judged by their sum.
_DRIFT = f"""
SELECT
    (SELECT count(*) FROM
        (SELECT * FROM engagement_eventstat WHERE hour >= {KEPT_SINCE}) old
        FULL JOIN rebuilt_stat new USING (promotion_id, type, hour)
        WHERE old.events IS DISTINCT FROM new.events OR old.amount IS DISTINCT FROM new.amount),
    (SELECT count(*) FROM
        (SELECT promotion_id, type, sum(new_users) AS users FROM engagement_eventstat
            WHERE hour >= {KEPT_SINCE} GROUP BY 1, 2) old
        FULL JOIN (SELECT promotion_id, type, sum(new_users) AS users FROM rebuilt_stat
            GROUP BY 1, 2) new USING (promotion_id, type)
        WHERE old.users IS DISTINCT FROM new.users),
    (SELECT count(*) FROM
        (SELECT * FROM engagement_promotionuser WHERE first_hour >= {KEPT_SINCE}) old
        FULL JOIN rebuilt_user new USING (promotion_id, type, user_id)
        WHERE old.user_id IS NULL OR new.user_id IS NULL)
    + (SELECT count(*) FROM ({FALSE_HINTS.format(users=_USERS_AFTERWARDS)}) hint)
"""

_REPLACE = f"""
DELETE FROM engagement_eventstat WHERE hour >= {KEPT_SINCE};
DELETE FROM engagement_promotionuser WHERE first_hour >= {KEPT_SINCE};
INSERT INTO engagement_eventstat (promotion_id, type, hour, events, new_users, amount)
    SELECT promotion_id, type, hour, events, new_users, amount FROM rebuilt_stat
    ORDER BY promotion_id, type, hour;
INSERT INTO engagement_promotionuser (promotion_id, type, user_id, first_hour)
    SELECT promotion_id, type, user_id, first_hour FROM rebuilt_user
    ORDER BY promotion_id, type, user_id;
UPDATE subscriptions_subscription sub SET counted_types = hint.types
    FROM ({FALSE_HINTS.format(users="engagement_promotionuser")}) hint WHERE sub.id = hint.id;
"""


@dataclass(frozen=True)
class Drift:
    """How many rows differed from what the facts say.

    Among `users` are subscriptions that claim their user is a unique user who is not.
    """

    cells: int
    user_totals: int
    users: int

    @property
    def total(self) -> int:
        return self.cells + self.user_totals + self.users


def rebuild(*, check_only: bool) -> Drift:
    """Compare the rollups with the facts and, unless only checking, make them equal.

    Counting waits while this runs; ingest does not.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STOP_COUNTING)
        cursor.execute(_COMPUTE)
        cursor.execute(_DRIFT)
        drift = Drift(*cursor.fetchone())
        if drift.total and not check_only:
            cursor.execute(_REPLACE)
    return drift
