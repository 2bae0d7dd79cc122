"""Dropping headers of processed batches, and letters that are settled.

A resolved or superseded letter is counted elsewhere and goes by its own age. A discarded one is
what its batch counts as dead: it goes with the header, when everything of that batch is past its
age.

Locks: letters by event id, then headers by id, then the totals, as processing does. Nothing is
locked that processing would wait for longer than a statement takes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts import audit
from engagement.models import Pruned
from promopulse.lib import sql
from promopulse.lib.time import db_now

HEADERS = 1_000
LETTERS = 5_000

# The next headers by id, as many as hold few enough letters; one is taken whatever it holds.
_NEXT = f"""
SELECT min(id), max(id), bool_and(received_at >= %(before)s::timestamptz) FROM (
    SELECT id, received_at, sum(dead) OVER (ORDER BY id) AS letters,
        row_number() OVER (ORDER BY id) AS place
    FROM (
        SELECT id, received_at, dead FROM engagement_ingestbatch
        WHERE id > %(after)s::bigint ORDER BY id LIMIT {HEADERS}
    ) page
) chunk
WHERE place = 1 OR letters <= {LETTERS}
"""

_DISCARDED = "state = 'discarded' AND closed_at < %(before)s::timestamptz"

_HOLD_LETTERS = f"""
SELECT id FROM engagement_deadletterevent
WHERE batch_id BETWEEN %(first)s::bigint AND %(last)s::bigint AND {_DISCARDED}
ORDER BY event_id FOR UPDATE
"""

# `dead` of a replay is told by the letters of the batches its events first came with.
_IS_OLD = f"""
    batch.processed_at < %(before)s::timestamptz AND batch.retrying = 0 AND (
        batch.origin = 'replay' OR batch.dead = (
            SELECT count(*) FROM engagement_deadletterevent
            WHERE batch_id = batch.id AND {_DISCARDED}
        )
    )
"""

_DROP = f"""
WITH old AS MATERIALIZED (
    SELECT batch.id, batch.origin FROM engagement_ingestbatch batch
    WHERE batch.id BETWEEN %(first)s::bigint AND %(last)s::bigint AND {_IS_OLD}
    ORDER BY batch.id FOR UPDATE
),
letters AS (
    DELETE FROM engagement_deadletterevent letter USING old
    WHERE letter.batch_id = old.id AND old.origin = 'api' AND {_DISCARDED}
    RETURNING letter.id
),
headers AS (
    DELETE FROM engagement_ingestbatch batch USING old WHERE batch.id = old.id
    RETURNING batch.*
),
total AS (
    SELECT count(*) AS batches, coalesce(sum(accepted), 0) AS accepted,
        coalesce(sum(processed), 0) AS processed, coalesce(sum(duplicates), 0) AS duplicates,
        coalesce(sum(conflicts), 0) AS conflicts, coalesce(sum(dead), 0) AS dead
    FROM headers WHERE origin = 'api'
),
written AS (
    INSERT INTO engagement_pruned AS pruned
        (id, batches, accepted, processed, duplicates, conflicts, dead)
    SELECT 1, batches, accepted, processed, duplicates, conflicts, dead
    FROM total WHERE batches > 0
    ON CONFLICT (id) DO UPDATE SET
        batches = pruned.batches + excluded.batches,
        accepted = pruned.accepted + excluded.accepted,
        processed = pruned.processed + excluded.processed,
        duplicates = pruned.duplicates + excluded.duplicates,
        conflicts = pruned.conflicts + excluded.conflicts,
        dead = pruned.dead + excluded.dead
)
SELECT (SELECT count(*) FROM headers), (SELECT count(*) FROM letters)
"""

_COUNTED_ELSEWHERE = """
    state IN ('resolved', 'superseded') AND closed_at < %(before)s::timestamptz
"""


@dataclass
class Dropped:
    """How many headers and letters went."""

    batches: int = 0
    letters: int = 0


def age_limit(days: int) -> datetime:
    return db_now() - timedelta(days=days)


def prune_batches(before: datetime) -> Dropped:
    """Drop headers and letters that were done before this time."""
    dropped = Dropped()
    after = 0
    while True:
        first, last, young = sql.fetch_one(_NEXT, {"after": after, "before": before})
        if first is None or young:  # ids follow the time of arrival
            break
        batches, letters = _drop_chunk(first, last, before)
        dropped.batches += batches
        dropped.letters += letters
        after = last
    dropped.letters += sql.delete_in_chunks(
        "engagement_deadletterevent", _COUNTED_ELSEWHERE, {"before": before}
    )
    if dropped != Dropped():
        pruned, _ = Pruned.objects.get_or_create(pk=1)
        audit.record(
            "batches.prune",
            pruned,
            after={"before": before, "batches": dropped.batches, "letters": dropped.letters},
        )
    return dropped


@transaction.atomic
def _drop_chunk(first: int, last: int, before: datetime) -> tuple[int, int]:
    chunk = {"first": first, "last": last, "before": before}
    sql.fetch_all(_HOLD_LETTERS, chunk)
    # A statement of its own: it sees what the letters are now that nobody else can change them.
    batches, letters = sql.fetch_one(_DROP, chunk)
    return batches, letters


_COUNT = f"""
SELECT
    (SELECT count(*) FROM engagement_ingestbatch batch WHERE {_IS_OLD}),
    (SELECT count(*) FROM engagement_deadletterevent WHERE {_COUNTED_ELSEWHERE})
        + (SELECT coalesce(sum(dead), 0) FROM engagement_ingestbatch batch
            WHERE origin = 'api' AND {_IS_OLD})
"""


def count_batches(before: datetime) -> Dropped:
    """What `prune_batches` would drop now."""
    batches, letters = sql.fetch_one(_COUNT, {"before": before})
    return Dropped(batches, int(letters))
