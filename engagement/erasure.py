"""Erasing what clients said about a person beside their events. Events, counts and ids stay.

An event may be in the inbox, retried, dead or a fact, and moves between them meanwhile: from the
inbox to the other three, from a retry to a letter or a fact, from a letter back to the inbox. So
the three that move are emptied until nothing is found; then everybody who still holds what was
there before is waited for; last come the facts, month by month.

Facts are append-only. This is the one service that may change one, and it only takes metadata away.
"""

from typing import Any

from django.db import connection, transaction

from engagement import partitions
from engagement.processing.statement import requests
from promopulse.lib import sql
from subscriptions.models import Subscription

PASSES = 5

# Whose an event is: as it was resolved, or as it says itself.
_THEIRS = """(
    {resolved}
    {event}->>'u' = %(user_id)s::bigint::text
    OR {event}->>'s' = ANY(%(subscriptions)s::text[])
)"""
_THEIR_PAYLOAD = _THEIRS.format(resolved="user_id = %(user_id)s::bigint OR", event="payload")
_THEIR_EVENT = _THEIRS.format(resolved="", event="sent.event")

# Events of a request that carry metadata of theirs.
_THEIR_REQUEST = """m IS NOT NULL AND (
    u = %(user_id)s::bigint OR s = ANY(%(subscriptions)s::bigint[])
)"""

_IN_INBOX = f"""
SELECT batch FROM ({requests("processed_at IS NULL AND origin = 'api'")}) event
WHERE {_THEIR_REQUEST}
UNION
SELECT id FROM engagement_ingestbatch batch
WHERE processed_at IS NULL AND origin = 'replay' AND EXISTS (
    SELECT FROM jsonb_array_elements(batch.body::jsonb) AS sent(event)
    WHERE sent.event ? 'm' AND {_THEIR_EVENT}
)
ORDER BY 1
"""

# Waits for who is processing the row; then there is no body any more.
_EMPTY_REQUEST = f"""
UPDATE engagement_ingestbatch batch SET body = jsonb_set(batch.body::jsonb, '{{m}}',
    (batch.body::jsonb->'m') - ARRAY(
        SELECT n::text FROM ({requests("id = %(row)s::bigint")}) event WHERE {_THEIR_REQUEST})
)::text
WHERE id = %(row)s::bigint AND processed_at IS NULL AND origin = 'api'
RETURNING id
"""

_EMPTY_REPLAY = f"""
UPDATE engagement_ingestbatch batch SET body = (
    SELECT jsonb_agg(
        CASE WHEN {_THEIR_EVENT} THEN sent.event - 'm' ELSE sent.event END ORDER BY sent.n)
    FROM jsonb_array_elements(batch.body::jsonb) WITH ORDINALITY AS sent(event, n)
)::text
WHERE id = %(row)s::bigint AND processed_at IS NULL AND origin = 'replay'
RETURNING id
"""

_UNDELIVERED = f"SELECT id FROM {{table}} WHERE payload ? 'm' AND {_THEIR_PAYLOAD}"

_EMPTY_UNDELIVERED = f"""
WITH held AS MATERIALIZED (
    {_UNDELIVERED} ORDER BY event_id FOR UPDATE
)
UPDATE {{table}} row SET payload = row.payload - 'm' FROM held WHERE row.id = held.id
RETURNING row.id
"""

_RETRIES, _LETTERS = "engagement_retryevent", "engagement_deadletterevent"


def count_metadata(user_id: int) -> dict[str, int]:
    """What `erase_metadata` would take away now."""
    whose = _whose(user_id)
    (events,) = sql.fetch_one(
        "SELECT count(*) FROM engagement_event "
        "WHERE user_id = %(user_id)s::bigint AND metadata IS NOT NULL",
        {"user_id": user_id},
    )
    return {
        "waiting": len(sql.fetch_all(_IN_INBOX, whose)),
        "retrying": len(sql.fetch_all(_UNDELIVERED.format(table=_RETRIES), whose)),
        "letters": len(sql.fetch_all(_UNDELIVERED.format(table=_LETTERS), whose)),
        "events": int(events),
    }


def erase_metadata(user_id: int) -> dict[str, int]:
    """Take the metadata of the user's events away, wherever they are; gives how many had some.

    Those in the inbox are counted as requests. May be run again.
    """
    whose = _whose(user_id)
    found = {"waiting": 0, "retrying": 0, "letters": 0}
    for _ in range(PASSES):
        # Letters first: a replay that starts after this carries nothing any more.
        emptied = {
            "letters": _empty(_LETTERS, whose),
            "waiting": _empty_inbox(whose),
            "retrying": _empty(_RETRIES, whose),
        }
        if not any(emptied.values()):
            break
        found = {name: found[name] + emptied[name] for name in found}
    _wait_for_writers()
    return {**found, "events": _empty_facts(user_id)}


def _whose(user_id: int) -> dict[str, Any]:
    subscriptions = Subscription.objects.filter(user_id=user_id).values_list("pk", flat=True)
    return {"user_id": user_id, "subscriptions": [str(pk) for pk in subscriptions]}


def _empty(table: str, whose: dict[str, Any]) -> int:
    return len(sql.fetch_all(_EMPTY_UNDELIVERED.format(table=table), whose))


def _empty_inbox(whose: dict[str, Any]) -> int:
    rows = [row for (row,) in sql.fetch_all(_IN_INBOX, whose)]
    return sum(
        len(sql.fetch_all(empty, {**whose, "row": row}))
        for row in rows
        for empty in (_EMPTY_REQUEST, _EMPTY_REPLAY)
    )


@transaction.atomic
def _wait_for_writers() -> None:
    """Until every transaction that may have read a payload before us has ended."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {partitions.TABLE} IN SHARE MODE")


def _empty_facts(user_id: int) -> int:
    """Month by month, each in a transaction, through the index by user."""
    emptied = 0
    for month in partitions.existing():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {partitions.TABLE} SET metadata = NULL "
                "WHERE user_id = %s AND occurred_at >= %s AND occurred_at < %s "
                "AND metadata IS NOT NULL",
                [
                    user_id,
                    partitions.start_of(month),
                    partitions.start_of(partitions.month_after(month, 1)),
                ],
            )
            emptied += cursor.rowcount
    return emptied
