"""The processing statement: judge, count once, roll up, in one round trip.

Ingest took the ids of its events with the inbox row (they are *reserved*), and the row is locked by
who processes it: its events cannot have been counted, and the statement does not ask. An event that
comes from a letter or a retry has no id reserved. It takes its id here, unless another sending of
it was the first.

What it locks, in this order, so that two of them never wait for each other in a circle: event ids
in sorted order, then users of promotions, then rollup rows, each sorted by its key. Aggregating
before the upsert makes one row version per cell instead of one per event. Facts are inserted in
the order in which events arrived, so that their indexes grow at the end.

Subscriptions that events name are read in one walk along the index. Most events are of users that
their promotion knows: the subscription says for which types, and is told so here, where nobody else
holds it. Who has no subscription, or one that does not know, is looked for before the insert.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from engagement.models import FACT_IDS_A_BATCH
from promopulse.lib import sql

_COLUMNS = """(i text, h bigint, t text, s bigint, u bigint, p bigint,
    o timestamptz, a numeric, m jsonb)"""


def type_bit(column: str) -> str:
    """SQL for what a type of event is in `Subscription.counted_types`."""
    return f"CASE {column} WHEN 'VIEW' THEN 1 WHEN 'CLICK' THEN 2 ELSE 4 END"


def requests(which: str) -> str:
    """SQL for the events of the waiting requests that meet a condition: bodies as `wire.encode`
    makes them. `h` is null: their digests are with their ids."""
    return f"""
    SELECT b.id AS batch, x.n, b.received_at, x.i, NULL::bigint AS h, x.t, x.s, x.u, x.p, x.o, x.a,
        CASE WHEN b.metadata IS NOT NULL THEN b.metadata->x.n::text END AS m
    FROM (
        SELECT id, received_at, sent, sent->'m' AS metadata FROM (
            SELECT id, received_at, body::jsonb AS sent FROM engagement_ingestbatch
            WHERE {which} OFFSET 0
        ) body OFFSET 0
    ) b
    CROSS JOIN LATERAL ROWS FROM (
        unnest(string_to_array(b.sent->>'i', ',')),
        unnest(string_to_array(b.sent->>'t', ',')),
        unnest(string_to_array(b.sent->>'s', ',', '')::bigint[]),
        unnest(string_to_array(b.sent->>'u', ',', '')::bigint[]),
        unnest(string_to_array(b.sent->>'p', ',', '')::bigint[]),
        unnest(string_to_array(b.sent->>'o', ',')::timestamptz[]),
        unnest(string_to_array(b.sent->>'a', ',', '')::numeric[])
    ) WITH ORDINALITY AS x(i, t, s, u, p, o, a, n)
"""


_PART = "CASE WHEN x.n BETWEEN %(first)s::int AND %(last)s::int THEN true ELSE false END"

REQUEST_SOURCE = f"{requests('id = ANY(%(rows)s::bigint[])')} WHERE {_PART}"

REPLAY_SOURCE = f"""
    SELECT b.id AS batch, x.n, b.received_at, x.i, x.h, x.t, x.s, x.u, x.p, x.o, x.a, x.m
    FROM engagement_ingestbatch b
    CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(b.body::jsonb) AS {_COLUMNS})
        WITH ORDINALITY AS x(i, h, t, s, u, p, o, a, m, n)
    WHERE b.id = ANY(%(rows)s::bigint[]) AND {_PART}
"""

RETRY_SOURCE = f"""
    SELECT r.id AS batch, 1 AS n, r.received_at, x.i, x.h, x.t, x.s, x.u, x.p, x.o, x.a, x.m
    FROM engagement_retryevent r
    CROSS JOIN LATERAL jsonb_to_record(r.payload) AS x{_COLUMNS}
    WHERE r.id = ANY(%(rows)s::bigint[])
"""

LAST = 2**31 - 1

# A CASE around the range and a column for `fine` keep the planner from guessing that next to no
# rows are left, for which it would join row by row: quadratic, seconds instead of milliseconds.

# Each event is judged by its own time, against the rows as they are now.
_PROCESS = """
WITH source AS ({source}),
named AS MATERIALIZED (
    SELECT id, user_id, promotion_id, deactivated_at, counted_types
    FROM subscriptions_subscription WHERE id = ANY(ARRAY({subscriptions}))
),
resolved AS (
    SELECT source.batch, source.n, source.received_at, source.i, source.h, source.t, source.o,
        source.a, source.m, source.s, source.u, source.p,
        sub.id AS subscription_id,
        coalesce(sub.user_id, source.u) AS user_id,
        coalesce(sub.promotion_id, source.p) AS promotion_id,
        coalesce(sub.counted_types & {type_bit}, 0) > 0 AS known,
        CASE
            WHEN starts_with(source.i, 'pp:') THEN NULL  -- a grant of ours: judged when it was made
            WHEN source.s IS NOT NULL AND sub.id IS NULL THEN 'unknown_subscription'
            WHEN source.u <> sub.user_id OR source.p <> sub.promotion_id
                THEN 'subscription_mismatch'
            WHEN sub.id IS NULL AND person.id IS NULL THEN 'unknown_user'
            WHEN promotion.id IS NULL THEN 'unknown_promotion'
            WHEN promotion.status = 'draft' THEN 'promotion_not_active'
            WHEN source.o < promotion.start_at THEN 'promotion_not_started'
            WHEN source.o >= promotion.end_at THEN 'promotion_expired'
            WHEN source.o >= promotion.ended_at THEN 'promotion_ended'
            WHEN source.o >= sub.deactivated_at THEN 'subscription_inactive'
        END AS cause
    FROM source
    LEFT JOIN named ON named.id = source.s
    LEFT JOIN LATERAL (
        SELECT id, user_id, promotion_id, deactivated_at, counted_types
        FROM subscriptions_subscription
        -- Always by the user: all of a promotion would be read for each event.
        WHERE source.s IS NULL AND user_id = source.u AND promotion_id + 0 = source.p OFFSET 0
    ) pair ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(named.id, pair.id) AS id,
            coalesce(named.user_id, pair.user_id) AS user_id,
            coalesce(named.promotion_id, pair.promotion_id) AS promotion_id,
            coalesce(named.deactivated_at, pair.deactivated_at) AS deactivated_at,
            coalesce(named.counted_types, pair.counted_types) AS counted_types
    ) sub
    LEFT JOIN LATERAL (
        SELECT id FROM accounts_user WHERE sub.id IS NULL AND id = source.u OFFSET 0
    ) person ON true
    LEFT JOIN promotions_promotion promotion
        ON promotion.id = coalesce(sub.promotion_id, source.p)
),
judged AS MATERIALIZED (
    SELECT resolved.*, cause IS NULL AS fine,
        date_bin('1 hour', o, '2000-01-01T00:00Z') AS hour, {fact_id} AS id
    FROM resolved
),
{good},
batches AS MATERIALIZED (SELECT batch, count(*) AS counted FROM good GROUP BY batch),
strangers AS MATERIALIZED (
    SELECT promotion_id, t, user_id, hour, subscription_id FROM good WHERE NOT known
),
newcomers AS (
    INSERT INTO engagement_promotionuser (promotion_id, type, user_id, first_hour)
    SELECT DISTINCT ON (promotion_id, t, user_id) promotion_id, t, user_id, hour
    FROM strangers
    WHERE NOT EXISTS (
        SELECT FROM engagement_promotionuser one WHERE one.promotion_id = strangers.promotion_id
            AND one.type = strangers.t AND one.user_id = strangers.user_id OFFSET 0)
    ORDER BY promotion_id, t, user_id, hour
    ON CONFLICT (promotion_id, type, user_id) DO NOTHING
    RETURNING promotion_id, type, first_hour
),
cells AS (
    SELECT promotion_id, t AS type, hour, count(*) AS events, coalesce(sum(a), 0) AS amount
    FROM good GROUP BY 1, 2, 3
),
rollup AS (
    INSERT INTO engagement_eventstat AS stat
        (promotion_id, type, hour, events, new_users, amount)
    SELECT promotion_id, type, hour, cells.events, coalesce(fresh.users, 0), cells.amount
    FROM cells LEFT JOIN (
        SELECT promotion_id, type, first_hour AS hour, count(*) AS users
        FROM newcomers GROUP BY 1, 2, 3
    ) fresh USING (promotion_id, type, hour)
    ORDER BY promotion_id, type, hour
    ON CONFLICT (promotion_id, type, hour) DO UPDATE SET
        events = stat.events + excluded.events,
        new_users = stat.new_users + excluded.new_users,
        amount = stat.amount + excluded.amount
),
-- What nothing here reads is done after all else, the last first: thus facts before the rollup,
-- whose rows everybody wants and which are held until the commit.
unaware AS MATERIALIZED (
    SELECT sub.place, news.types FROM (
        SELECT subscription_id, bit_or({type_bit}) AS types FROM strangers GROUP BY 1
    ) news
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM subscriptions_subscription WHERE id = news.subscription_id
        FOR NO KEY UPDATE SKIP LOCKED
    ) sub
),
told AS (
    UPDATE subscriptions_subscription sub SET counted_types = sub.counted_types | unaware.types
    FROM unaware WHERE sub.ctid = unaware.place
),
facts AS (
    INSERT INTO engagement_event (id, event_id, type, promotion_id, user_id, subscription_id,
        occurred_at, received_at, amount, metadata)
    SELECT id, i, t, promotion_id, user_id, subscription_id, o, received_at, a, m
    FROM good
)
SELECT
    -- Ids are locked before anything else.
    (SELECT sum(counted) FROM batches),
    (SELECT jsonb_agg(event_id) FROM (
        SELECT event_id FROM engagement_deadletterevent JOIN good ON event_id = good.i
            WHERE closed_at IS NULL
        UNION
        SELECT event_id FROM engagement_retryevent JOIN good ON event_id = good.i
    ) undelivered),
    (SELECT jsonb_object_agg(batch, counted) FROM batches),
    CASE WHEN coalesce((SELECT sum(counted) FROM batches), 0) < (SELECT count(*) FROM judged) THEN (
        SELECT jsonb_agg(to_jsonb(judged) - '{{fine,hour,id,known}}'::text[]
            ORDER BY i, batch, n)
        FROM judged WHERE NOT EXISTS (
            SELECT FROM good WHERE good.batch = judged.batch AND good.n = judged.n)
    ) END
"""

_RESERVED = {
    # Read off the bodies: the events are then needed only once, and not kept.
    "subscriptions": """
        SELECT unnest(string_to_array(body::jsonb->>'s', ',', '')::bigint[])
        FROM engagement_ingestbatch WHERE id = ANY(%(rows)s::bigint[])""",
    "fact_id": f"batch * {FACT_IDS_A_BATCH} + n",
    "good": "good AS NOT MATERIALIZED (SELECT * FROM judged WHERE fine)",
}
_NOT_RESERVED = {
    "subscriptions": "SELECT s FROM source WHERE s IS NOT NULL",
    # Of its own, and as new as those of a batch that arrives now.
    "fact_id": f"""CASE WHEN cause IS NULL
            THEN nextval('engagement_ingestbatch_id_seq') * {FACT_IDS_A_BATCH} END""",
    "good": """first AS MATERIALIZED (
    SELECT DISTINCT ON (i) * FROM judged WHERE fine ORDER BY i, batch, n
),
taken AS (
    INSERT INTO engagement_processedevent (event_id, digest, fact_id)
    SELECT i, h, id FROM first ORDER BY i COLLATE "C"
    ON CONFLICT (event_id) DO NOTHING RETURNING fact_id
),
good AS MATERIALIZED (
    SELECT first.* FROM first JOIN taken ON taken.fact_id = first.id
)""",
}

# Plans are made by what was known when the tables were last analyzed. One for a table that was
# small then must not read it whole for each event once it has grown: an OFFSET 0 keeps a look for
# one row what it is. Nor is it worth remembering what was found: the events of a set are of people
# as different as they are.
NO_WHOLE_TABLES = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_memoize', 'off', true)
"""

_FROM_REQUESTS = _PROCESS.format(source=REQUEST_SOURCE, type_bit=type_bit("t"), **_RESERVED)
_FROM_LETTERS = _PROCESS.format(source=REPLAY_SOURCE, type_bit=type_bit("t"), **_NOT_RESERVED)
_FROM_RETRIES = _PROCESS.format(source=RETRY_SOURCE, type_bit=type_bit("t"), **_NOT_RESERVED)


@dataclass(frozen=True)
class Outcome:
    """What one run of the statement did."""

    counted: dict[int, int]  # events counted, per inbox row or RetryEvent
    delivered: list[str]  # ids among them that stood as retrying or dead
    leftovers: list[dict[str, Any]]
    """Events with their short keys, resolved ids, and `cause`: why one was refused, or None when
    its id was taken before."""


def process_requests(rows: list[int], first: int = 1, last: int = LAST) -> Outcome:
    """Count the events of these inbox rows, or only the `first` to `last` of each."""
    return _run(_FROM_REQUESTS, {"rows": rows, "first": first, "last": last})


def process_replays(rows: list[int], first: int = 1, last: int = LAST) -> Outcome:
    """The same for inbox rows that are replays of dead letters."""
    return _run(_FROM_LETTERS, {"rows": rows, "first": first, "last": last})


def process_retries(rows: list[int]) -> Outcome:
    """Count these RetryEvents; `batch` is the RetryEvent's id."""
    return _run(_FROM_RETRIES, {"rows": rows})


def decode(text: str | None) -> Any:
    """A jsonb value of a raw statement: Django leaves those as text."""
    return msgspec.json.decode(text or "null")


def _run(statement: str, params: dict[str, Any]) -> Outcome:
    sql.fetch_one(NO_WHOLE_TABLES, {})
    _, *found = sql.fetch_one(statement, params)
    delivered, counted, leftovers = map(decode, found)
    return Outcome(
        {int(batch): n for batch, n in (counted or {}).items()}, delivered or [], leftovers or []
    )
