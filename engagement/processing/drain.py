"""Draining the inbox: claim, process, again, until nothing waits."""

import logging
import time
from collections import Counter

from django.db import transaction

from engagement import doorbell
from engagement.models import IngestBatch
from engagement.processing import again, retries, settle, statement
from engagement.processing.claim import Claim, claim, hold
from promopulse.lib import sql
from promopulse.lib.time import db_now

logger = logging.getLogger(__name__)

RUN_SECONDS = 30.0
# Between two looks while little arrives: fewer, fuller transactions for a delay nobody notices.
PAUSE_SECONDS = 0.02

_FINISH = """
UPDATE engagement_ingestbatch batch SET
    body = NULL, lease_token = NULL, leased_until = NULL, processed_at = clock_timestamp(),
    processed = done.processed, duplicates = done.duplicates, conflicts = done.conflicts,
    retrying = done.retrying, dead = done.dead
FROM unnest(%(ids)s::bigint[], %(processed)s::int[], %(duplicates)s::int[], %(conflicts)s::int[],
    %(retrying)s::int[], %(dead)s::int[])
    AS done(id, processed, duplicates, conflicts, retrying, dead)
WHERE batch.id = done.id
"""


def drain() -> int:
    """Process what waits in the inbox and the retries that are due. Gives the events handled.

    Safe to lose, repeat or run beside itself: the rows are the truth. Raises database errors.
    """
    deadline = time.monotonic() + RUN_SECONDS
    handled = 0
    answered = helped = False
    while time.monotonic() < deadline:
        taken = claim()
        if taken is not None:
            handled += process(taken)
            answered = False
            if not taken.more:
                time.sleep(PAUSE_SECONDS)
            elif not helped:
                doorbell.call_help()
                helped = True
            continue
        handled += retries.process_due(db_now())
        if answered:
            return handled
        # From here on a new ring sends a new message; what came before it is in the next look.
        doorbell.answer()
        answered = True
    doorbell.answer()
    doorbell.ring()
    return handled


def process(taken: Claim) -> int:
    """Process claimed rows in one transaction. Gives the events they held."""
    return again.on_conflict(lambda: _process(taken), statement.INBOX_SOURCE, taken.rows)


def _process(taken: Claim) -> int:
    with transaction.atomic():
        rows = hold(taken)
        if not rows:
            return 0
        now = db_now()
        outcome = statement.process_inbox(rows)
        counts = settle.settle_inbox(outcome.leftovers, now)
        settle.close_letters(outcome.delivered, now)
        for row, counted in outcome.counted.items():
            counts[row]["processed"] = counted
        _finish(rows, counts)
    handled = sum(sum(count.values()) for count in counts.values())
    _log(rows, handled)
    return handled


def _finish(rows: list[int], counts: dict[int, Counter[str]]) -> None:
    params: dict[str, list[int]] = {"ids": rows}
    for name in settle.COUNTERS:
        params[name] = [counts[row][name] if row in counts else 0 for row in rows]
    with sql.prepared_cursor() as cursor:
        cursor.execute(_FINISH, params, prepare=True)


def _log(rows: list[int], handled: int) -> None:
    if logger.isEnabledFor(logging.INFO):
        ids = IngestBatch.objects.filter(pk__in=rows).values_list("request_id", flat=True)
        logger.info(
            "inbox processed",
            extra={"rows": len(rows), "events": handled, "request_ids": sorted(set(ids))[:50]},
        )
