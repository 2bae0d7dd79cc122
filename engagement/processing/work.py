"""Working on claimed inbox rows: together, apart, or one event at a time.

A row that came back twice has ended two workers. The events of a request are then moved to where
each is tried alone (`retries.py`). Those of a replay have their letters already: they are tried one
after the other, each in a transaction that takes it off the row, so that the first of those left is
the one that ended the worker.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from engagement import metrics
from engagement.failures import Failure, classify
from engagement.models import IngestBatch
from engagement.processing import again, breaker, outage, settle, statement
from engagement.processing.claim import Claim, Held, hold, release
from engagement.processing.deadline import deadline
from engagement.processing.isolate import sift
from engagement.processing.statement import Outcome
from promopulse.lib import context, sql
from promopulse.lib.time import db_now

logger = logging.getLogger(__name__)

# Claimed so often without an outcome, a row's workers have died of it.
SUSPECT_AT = 3
REQUEST_IDS_SHOWN = 50

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

# The first event of a row is settled: there is time for the next one, which has ended no worker.
_TAKE_FIRST_OFF = """
UPDATE engagement_ingestbatch batch SET
    body = CASE WHEN rest.events > 0 THEN (batch.body::jsonb - 0)::text END,
    processed_at = CASE WHEN rest.events = 0 THEN clock_timestamp() END,
    lease_token = CASE WHEN rest.events > 0 THEN batch.lease_token END,
    leased_until = CASE WHEN rest.events > 0 THEN clock_timestamp() + %(lease)s::interval END,
    attempts = %(attempts)s,
    processed = batch.processed + %(processed)s, duplicates = batch.duplicates + %(duplicates)s,
    conflicts = batch.conflicts + %(conflicts)s, retrying = batch.retrying + %(retrying)s,
    dead = batch.dead + %(dead)s
FROM (
    SELECT id, jsonb_array_length(body::jsonb) - 1 AS events FROM engagement_ingestbatch
    WHERE id = %(row)s
) rest
WHERE batch.id = rest.id
RETURNING batch.id
"""

_EVENTS = """
SELECT to_jsonb(event) FROM ({source}) event
WHERE %(places)s::int[] IS NULL OR n = ANY(%(places)s::int[])
"""


def process(taken: Claim) -> int:
    """Process claimed rows. Gives the events handled.

    Raises failures of what we depend on, after giving the rows back; pauses consumption and gives
    0 when most events fail alike.
    """
    try:
        if taken.attempts >= SUSPECT_AT:
            return _suspected(taken)
        return again.on_contention(lambda: _try(taken), _source(taken), taken.rows)
    except breaker.Tripped as tripped:
        release(taken)
        breaker.pause(tripped.fingerprint)
        return 0
    except Exception as error:
        if classify(error) is Failure.DEPENDENCY:
            outage.give_back(partial(release, taken))
        raise


def _try(taken: Claim) -> int:
    try:
        handled = _in_transaction(taken, partial(_together, taken), _finish)
    except Exception as error:
        if classify(error) is not Failure.UNKNOWN:
            raise
        logger.warning("a set failed, trying its events apart", exc_info=error)
        return _in_transaction(taken, partial(_apart, taken), _finish)
    breaker.went_well(handled)
    return handled


# What a set came to: outcomes of the statement, and left-overs that it never saw.
_Result = tuple[list[Outcome], list[dict[str, Any]]]


def _together(taken: Claim, rows: dict[int, Held]) -> _Result:
    with deadline():
        return [_statement(taken)(list(rows))], []


def _apart(taken: Claim, rows: dict[int, Held]) -> _Result:
    outcomes, failed = [], []
    for row, held in rows.items():
        act = partial(_statement(taken), [row])
        # Dead letters that fail again say nothing new: they must not stop everybody's events.
        sifted = sift(act, 1, held.events, watched=not taken.replays)
        outcomes += sifted.outcomes
        how = {one.place: one.fingerprint for one in sifted.failed}
        failed += [
            {**event, "cause": "processing_error", "fingerprint": how[event["n"]]}
            for event in (_events(taken, row, list(how)) if how else [])
        ]
    return outcomes, failed


def _statement(taken: Claim) -> Callable[..., Outcome]:
    return statement.process_replays if taken.replays else statement.process_requests


def _source(taken: Claim) -> str:
    return statement.REPLAY_SOURCE if taken.replays else statement.REQUEST_SOURCE


def _suspected(taken: Claim) -> int:
    """Work on a row that has ended workers. It was claimed alone."""
    logger.error("events suspected of ending their worker", extra={"rows": taken.rows})
    if not taken.replays:
        return _in_transaction(taken, partial(_lost, taken, places=None), _finish)
    handled = 0
    while done := _first_alone(taken):
        handled += done
        taken = replace(taken, attempts=SUSPECT_AT)
    return handled


def _first_alone(taken: Claim) -> int:
    """Settle the first event of a replay; one that ended its worker alone is not tried again."""
    guilty = taken.attempts > SUSPECT_AT
    act = partial(_lost, taken, places=[1]) if guilty else partial(_first_apart, taken)
    return again.on_contention(
        lambda: _in_transaction(taken, act, _take_first_off), _source(taken), taken.rows
    )


def _first_apart(taken: Claim, rows: dict[int, Held]) -> _Result:
    return _apart(taken, {row: held._replace(events=1) for row, held in rows.items()})


def _lost(taken: Claim, rows: dict[int, Held], *, places: list[int] | None) -> _Result:
    """Leave every event untried, or those at these places: one of them ends its worker."""
    left = [event for row in rows for event in _events(taken, row, places)]
    return [], [{**event, "cause": "worker_lost"} for event in left]


def _events(taken: Claim, row: int, places: list[int] | None) -> list[dict[str, Any]]:
    """Events of an inbox row as left-overs: what they say, nothing resolved."""
    params = {"rows": [row], "first": 1, "last": statement.LAST, "places": places}
    found = sql.fetch_all(_EVENTS.format(source=_source(taken)), params)
    said = [statement.decode(event) for (event,) in found]
    return [{**event, "promotion_id": event["p"], "user_id": event["u"]} for event in said]


def _in_transaction(
    taken: Claim,
    act: Callable[[dict[int, Held]], _Result],
    finish: Callable[[list[int], settle.Counts], None],
) -> int:
    with transaction.atomic():
        rows = hold(taken)
        if not rows:
            return 0
        # Every log line from here on says whose work it is about, an error's too.
        context.request_ids.set(_request_ids(rows))
        now = db_now()
        outcomes, unseen = act(rows)
        leftovers = [one for outcome in outcomes for one in outcome.leftovers]
        moves: settle.Counts = defaultdict(Counter)
        left = [*leftovers, *unseen]
        counts = settle.settle_inbox(left, now, moves, replays=taken.replays)
        for outcome in outcomes:
            settle.close_letters(outcome.delivered, now, moves, rows)
            for row, counted in outcome.counted.items():
                counts[row]["processed"] += counted
        settle.move_counts(moves)
        if left and not taken.replays:
            settle.set_free(left)
        finish(list(rows), counts)
    handled = sum(sum(count.values()) for count in counts.values())
    logger.info("inbox processed", extra={"rows": len(rows), "events": handled})
    arrived = [
        (held.received_at, counts[row]["processed"])
        for row, held in rows.items()
        if held.origin == IngestBatch.Origin.API
    ]
    metrics.processed(counts.values(), arrived)
    return handled


def _request_ids(rows: dict[int, Held]) -> tuple[str, ...]:
    found = {held.request_id for held in rows.values()} - {""}
    return tuple(sorted(found)[:REQUEST_IDS_SHOWN])


def _finish(rows: list[int], counts: settle.Counts) -> None:
    params: dict[str, list[int]] = {"ids": rows}
    for name in settle.COUNTERS:
        params[name] = [counts[row][name] if row in counts else 0 for row in rows]
    with sql.bound_cursor() as cursor:
        cursor.execute(_FINISH, params)


def _take_first_off(rows: list[int], counts: settle.Counts) -> None:
    for row in rows:
        sql.fetch_all(
            _TAKE_FIRST_OFF,
            {
                "row": row,
                "lease": settings.INBOX_LEASE,
                "attempts": SUSPECT_AT,
                **{name: counts[row][name] for name in settle.COUNTERS},
            },
        )
