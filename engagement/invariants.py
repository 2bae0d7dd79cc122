"""What always holds for events: nothing accepted is lost, nothing is counted twice."""

from engagement.models import FACT_IDS_A_BATCH
from engagement.pruning import KEPT_SINCE
from engagement.rebuild import FALSE_HINTS
from promopulse.lib.invariants import Invariant

ACCOUNTED = "accepted = processed + duplicates and conflicts + waiting + retrying + dead"
ROLLUPS = "every count equals its facts; every fact was counted once"
STATES = "every state is one its machine allows, and its timestamps agree"

# A letter that was settled by its replay or by another sending is counted there.
_DEAD = "state IN ('open', 'replaying', 'discarded')"

INVARIANTS = [
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT count(*) FROM engagement_ingestbatch
        WHERE (processed_at IS NULL) <> (body IS NOT NULL)
            OR (processed_at IS NOT NULL
                AND accepted <> processed + duplicates + conflicts + retrying + dead)
        """,
    ),
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT count(*) FROM (
            SELECT id, retrying FROM engagement_ingestbatch
            WHERE origin = 'api' AND retrying > 0
        ) batch
        FULL JOIN (
            SELECT batch_id, count(*) AS rows FROM engagement_retryevent GROUP BY batch_id
        ) retry ON retry.batch_id = batch.id
        WHERE batch.retrying IS DISTINCT FROM retry.rows
        """,
    ),
    Invariant(
        1,
        ACCOUNTED,
        f"""
        SELECT count(*) FROM (
            SELECT id, dead FROM engagement_ingestbatch WHERE origin = 'api' AND dead > 0
        ) batch
        FULL JOIN (
            SELECT batch_id, count(*) AS rows FROM engagement_deadletterevent
            WHERE {_DEAD} GROUP BY batch_id
        ) letter ON letter.batch_id = batch.id
        WHERE batch.dead IS DISTINCT FROM letter.rows
        """,
    ),
    # An event that waits holds its id already, but for those that are replayed.
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT abs(
            (SELECT coalesce(sum(
                    CASE WHEN processed_at IS NULL THEN accepted ELSE processed END), 0)
                FROM engagement_ingestbatch WHERE origin = 'api')
            + (SELECT coalesce(sum(processed), 0) FROM engagement_pruned)
            - (SELECT count(*) FROM engagement_processedevent)
        )
        """,
    ),
    Invariant(
        1,
        ACCOUNTED,
        f"""
        SELECT count(*) FROM (
            SELECT FROM engagement_ingestbatch batch
            LEFT JOIN engagement_processedevent taken
                ON taken.fact_id / {FACT_IDS_A_BATCH} = batch.id
            WHERE batch.processed_at IS NULL AND batch.origin = 'api'
            GROUP BY batch.id HAVING batch.accepted <> count(taken.event_id)
        ) wrong
        """,
    ),
    # Every grant is waiting to be taken over, waiting in the inbox, or counted.
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT abs(
            (SELECT count(*) FROM discounts_redemption)
            - (SELECT count(*) FROM discounts_grantoutbox)
            - (SELECT count(*) FROM (
                SELECT event_id FROM engagement_processedevent
                    WHERE starts_with(event_id, 'pp:redemption:')
                UNION
                SELECT event_id FROM engagement_retryevent
                    WHERE starts_with(event_id, 'pp:redemption:')
                UNION
                SELECT event_id FROM engagement_deadletterevent
                    WHERE starts_with(event_id, 'pp:redemption:')
            ) told)
        )
        """,
    ),
    # A letter that is being replayed waits in the inbox: none may be stuck without its event there.
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT count(*) FROM (
            SELECT event_id FROM engagement_deadletterevent WHERE state = 'replaying'
            EXCEPT
            SELECT (sent.event->>'i') COLLATE "C" FROM engagement_ingestbatch batch
            CROSS JOIN LATERAL jsonb_array_elements(batch.body::jsonb) AS sent(event)
            WHERE batch.processed_at IS NULL AND batch.origin = 'replay'
        ) stuck
        """,
    ),
    Invariant(
        1,
        ACCOUNTED,
        """
        SELECT count(*) FROM engagement_pruned
        WHERE accepted <> processed + duplicates + conflicts + dead
        """,
    ),
    Invariant(
        2,
        ROLLUPS,
        f"""
        SELECT count(*) FROM (
            SELECT promotion_id, type, date_trunc('hour', occurred_at, 'UTC') AS hour,
                count(*) AS events, coalesce(sum(amount), 0) AS amount
            FROM engagement_event WHERE occurred_at >= {KEPT_SINCE} GROUP BY 1, 2, 3
        ) fact
        FULL JOIN (
            SELECT * FROM engagement_eventstat WHERE hour >= {KEPT_SINCE}
        ) stat USING (promotion_id, type, hour)
        WHERE fact.events IS DISTINCT FROM stat.events
            OR fact.amount IS DISTINCT FROM stat.amount
        """,
    ),
    # Where the facts are gone, the ids that were counted still tell how many there were.
    Invariant(
        2,
        ROLLUPS,
        f"""
        SELECT abs(
            (SELECT count(*) FROM engagement_processedevent)
            - (SELECT coalesce(sum(accepted), 0) FROM engagement_ingestbatch
                WHERE processed_at IS NULL AND origin = 'api')
            - (SELECT count(*) FROM engagement_event WHERE occurred_at >= {KEPT_SINCE})
            - (SELECT coalesce(sum(events), 0) FROM engagement_eventstat
                WHERE hour < {KEPT_SINCE})
        )
        """,
    ),
    Invariant(
        2,
        ROLLUPS,
        """
        SELECT count(*) FROM (
            SELECT promotion_id, type, sum(new_users) AS users
            FROM engagement_eventstat GROUP BY 1, 2
        ) stat
        FULL JOIN (
            SELECT promotion_id, type, count(*) AS users
            FROM engagement_promotionuser GROUP BY 1, 2
        ) known USING (promotion_id, type)
        WHERE stat.users IS DISTINCT FROM known.users
        """,
    ),
    Invariant(
        2,
        ROLLUPS,
        f"""
        SELECT count(*) FROM (
            SELECT promotion_id, type, user_id FROM engagement_event
            WHERE occurred_at >= {KEPT_SINCE} GROUP BY 1, 2, 3
        ) fact
        FULL JOIN engagement_promotionuser known USING (promotion_id, type, user_id)
        WHERE known.id IS NULL
            OR (fact.user_id IS NULL AND known.first_hour >= {KEPT_SINCE})
        """,
    ),
    Invariant(
        2,
        ROLLUPS,
        f"SELECT count(*) FROM ({FALSE_HINTS.format(users='engagement_promotionuser')}) hint",
    ),
    Invariant(
        2,
        ROLLUPS,
        """
        SELECT count(*) FROM (
            SELECT event_id, count(*) AS rows, min(id) AS fact_id
            FROM engagement_event GROUP BY event_id
        ) fact
        LEFT JOIN engagement_processedevent processed USING (event_id)
        WHERE processed.fact_id IS DISTINCT FROM fact.fact_id OR fact.rows > 1
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT count(*) FROM engagement_deadletterevent
        WHERE state NOT IN ('open', 'replaying', 'resolved', 'superseded', 'discarded')
            OR (closed_at IS NULL) <> (state IN ('open', 'replaying'))
        """,
    ),
    Invariant(
        8,
        STATES,
        """
        SELECT (SELECT count(*) FROM engagement_event WHERE type NOT IN ('VIEW','CLICK','REDEEM'))
            + (SELECT count(*) FROM engagement_eventstat
                WHERE type NOT IN ('VIEW','CLICK','REDEEM') OR events < 1 OR new_users < 0)
        """,
    ),
]
