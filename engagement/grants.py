"""Redemptions become REDEEM events: what promotions.discounts granted, taken over into the inbox.

The outbox row is the truth: it goes in the statement that writes the inbox row, so a grant is taken
over exactly once, whoever drains beside us and wherever we die. From there it is an event like
every other, under the id `pp:redemption:<id>`, which nobody else can send and which is taken with
the inbox row.
"""

from engagement.metrics import ACCEPTED
from engagement.models import FACT_IDS_A_BATCH
from promopulse.lib import sql

GRANTS_A_BATCH = 1_000

_TAKE_OVER = f"""
WITH taken AS (
    DELETE FROM discounts_grantoutbox WHERE redemption_id IN (
        SELECT redemption_id FROM discounts_grantoutbox
        ORDER BY redemption_id LIMIT {GRANTS_A_BATCH} FOR UPDATE SKIP LOCKED)
    RETURNING redemption_id
),
told AS (
    SELECT 'pp:redemption:' || id AS event_id, row_number() OVER (ORDER BY id) AS place,
        user_id, promotion_id, amount, granted_at
    FROM discounts_redemption JOIN taken ON taken.redemption_id = id
),
batch AS (
    INSERT INTO engagement_ingestbatch (origin, client, request_id, received_at, accepted, body,
        attempts, processed, duplicates, conflicts, retrying, dead)
    SELECT 'api', '', '', clock_timestamp(), count(*),
        jsonb_build_object(
            'i', string_agg(event_id, ',' ORDER BY place),
            't', string_agg('REDEEM', ',' ORDER BY place),
            'o', string_agg(granted_at::text, ',' ORDER BY place),
            'u', string_agg(user_id::text, ',' ORDER BY place),
            'p', string_agg(promotion_id::text, ',' ORDER BY place),
            'a', string_agg(amount::text, ',' ORDER BY place))::text,
        0, 0, 0, 0, 0, 0
    FROM told HAVING count(*) > 0
    RETURNING id, accepted
),
ids AS (
    INSERT INTO engagement_processedevent (event_id, digest, fact_id)
    SELECT event_id, 0, batch.id * {FACT_IDS_A_BATCH} + place FROM told CROSS JOIN batch ORDER BY 1
)
SELECT accepted FROM batch
"""


def take_over() -> int:
    """Put grants that no event tells of yet into the inbox; gives how many."""
    (accepted,) = sql.fetch_one(_TAKE_OVER, {}) or (0,)
    if accepted:
        ACCEPTED.inc(accepted)
    return int(accepted)
