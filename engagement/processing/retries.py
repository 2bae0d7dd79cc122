"""RetryEvents that are due: tried again, counted or moved on, buried when out of tries.

`attempts` is paid before a try and `history` written after it, so attempts without history are
tries that ended their worker. Such events are suspects: they are tried one at a time, and buried
when they have ended three workers.
"""

from collections import Counter, defaultdict
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from engagement import metrics
from engagement.causes import CAUSES, Category
from engagement.failures import Failure, classify
from engagement.models import RetryEvent
from engagement.processing import again, breaker, outage, settle, statement
from engagement.processing.deadline import deadline
from engagement.processing.isolate import Sifted, sift
from engagement.processing.statement import Outcome
from promopulse.lib import sql

ROWS = 500
LOST_WORKERS = 3
SUSPECT_PAUSE = "5 seconds"

_SUSPECT = "(cause = 'worker_lost' OR attempts > jsonb_array_length(history))"

_TAKE_DUE = f"""
UPDATE engagement_retryevent retry SET
    attempts = retry.attempts + 1,
    due_at = clock_timestamp() + CASE WHEN due.suspect THEN %(pause)s::interval ELSE
        (%(schedule)s::interval[])[least(jsonb_array_length(retry.history) + 1, %(steps)s::int)]
            * (0.8 + 0.4 * random()) END
FROM (
    SELECT id, {_SUSPECT} AS suspect FROM engagement_retryevent
    WHERE due_at <= clock_timestamp() AND {_SUSPECT} = %(suspects)s::boolean
    ORDER BY due_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
) due
WHERE retry.id = due.id
RETURNING retry.id
"""

_REFUND = """
UPDATE engagement_retryevent SET attempts = jsonb_array_length(history),
    due_at = CASE WHEN %(at_once)s::boolean THEN clock_timestamp() ELSE due_at END
WHERE id = ANY(%(rows)s::bigint[]) RETURNING id
"""


def process_due(now: datetime) -> int:
    """Try the events that are due. Gives how many there were."""
    tried = _take_and_try(ROWS, now, suspects=False)
    while suspect := _take_and_try(1, now, suspects=True):
        tried += suspect
    return tried


def _take_and_try(rows: int, now: datetime, *, suspects: bool) -> int:
    schedule = settings.RETRY_SCHEDULE
    taken = sql.fetch_all(
        _TAKE_DUE,
        {
            "schedule": schedule,
            "steps": len(schedule),
            "rows": rows,
            "suspects": suspects,
            "pause": SUSPECT_PAUSE,
        },
    )
    ids = sorted(row for (row,) in taken)
    if not ids:
        return 0
    try:
        for part, watched in again.on_contention(
            lambda: _sorted_out(ids, now), statement.RETRY_SOURCE, ids
        ):
            again.on_contention(
                partial(_try, part, now, watched=watched), statement.RETRY_SOURCE, part
            )
    except breaker.Tripped as tripped:
        _refund(ids, at_once=False)
        breaker.pause(tripped.fingerprint)
        return 0
    except Exception as error:
        if classify(error) is Failure.DEPENDENCY:
            outage.give_back(partial(_refund, ids, at_once=True))
        raise
    metrics.RETRIED.inc(len(ids))
    return len(ids)


def _refund(ids: list[int], *, at_once: bool) -> None:
    """Take the try back that was paid for: it says nothing about these events."""
    sql.fetch_all(_REFUND, {"rows": ids, "at_once": at_once})


def _try(ids: list[int], now: datetime, *, watched: bool) -> None:
    try:
        with transaction.atomic():
            with deadline():
                outcome = statement.process_retries(ids)
            _settle(ids, Sifted([outcome]), now)
    except Exception as error:
        if classify(error) is not Failure.UNKNOWN:
            raise
        with transaction.atomic():
            sifted = sift(partial(_part, ids), 1, len(ids), watched=watched)
            _settle(ids, sifted, now)
    else:
        breaker.went_well(len(ids), watched=watched)


def _part(ids: list[int], first: int, last: int) -> Outcome:
    return statement.process_retries(ids[first - 1 : last])


@transaction.atomic
def _sorted_out(ids: list[int], now: datetime) -> list[tuple[list[int], bool]]:
    """Bury those that have ended too many workers; gives the others in parts.

    Only the first part is watched by the breaker: an event that failed before and fails again says
    nothing new, and must not stop everybody's events.
    """
    fresh: list[int] = []
    failed_before: list[int] = []
    moves: settle.Counts = defaultdict(Counter)
    for pk, row in _locked(ids).items():
        if row.attempts - len(row.history) > LOST_WORKERS:
            _move_on(row, "worker_lost", "worker_lost", now, moves, dead=True)
        else:
            (failed_before if row.cause == "processing_error" else fresh).append(pk)
    settle.move_counts(moves)
    parts = [(sorted(fresh), True), (sorted(failed_before), False)]
    return [(part, watched) for part, watched in parts if part]


def _locked(ids: list[int]) -> dict[int, RetryEvent]:
    """The rows that still stand: another sending may have been counted and closed some."""
    found = RetryEvent.objects.select_for_update().filter(pk__in=ids).order_by("event_id")
    return {row.pk: row for row in found}


def _settle(ids: list[int], sifted: Sifted, now: datetime) -> None:
    rows = _locked(ids)
    moves: settle.Counts = defaultdict(Counter)
    done, waiting = [], []
    leftovers = [one for outcome in sifted.outcomes for one in outcome.leftovers]
    counted = settle.counted_among([one["i"] for one in leftovers if one["cause"] is None])
    tried = Counter[str]()
    arrived = []
    for outcome in sifted.outcomes:
        for pk in outcome.counted:
            if pk in rows:
                done.append(pk)
                moves[rows[pk].batch_id].update(Counter(retrying=-1, processed=1))
                tried["processed"] += 1
                arrived.append((rows[pk].received_at, 1))
        for one in outcome.leftovers:
            if one["batch"] in rows and one["i"] not in counted and one["cause"] is None:
                waiting.append(one["batch"])  # another sending has it, and closes this if counted
            elif one["batch"] in rows and one["cause"] is None:  # counted from another sending
                done.append(one["batch"])
                moves[rows[one["batch"]].batch_id].update(Counter(retrying=-1, duplicates=1))
                tried["duplicates"] += 1
            elif one["batch"] in rows:
                cause, _, fingerprint = settle.why(one)
                _move_on(rows[one["batch"]], cause, fingerprint, now, moves)
    for failed in sifted.failed:
        row = rows.get(ids[failed.place - 1])
        if row is not None:
            _move_on(row, "processing_error", failed.fingerprint, now, moves)
    RetryEvent.objects.filter(pk__in=done).delete()
    if waiting:
        _refund(waiting, at_once=False)
    delivered = {event_id for outcome in sifted.outcomes for event_id in outcome.delivered}
    settle.close_letters(delivered - {rows[pk].event_id for pk in done}, now, moves)
    settle.move_counts(moves)
    transaction.on_commit(lambda: metrics.processed([tried], arrived))


def _move_on(
    row: RetryEvent,
    cause: str,
    fingerprint: str,
    now: datetime,
    moves: settle.Counts,
    *,
    dead: bool = False,
) -> None:
    """Write the try down; bury the event when a rule refuses it or its tries are used up."""
    sentence = CAUSES[cause].sentence
    row.detail = f"{sentence} {fingerprint}" if cause == "processing_error" else sentence
    row.cause, row.fingerprint = cause, fingerprint
    row.history = [*row.history, settle.attempt(cause, row.detail, now)]
    row.attempts = len(row.history)
    refused = CAUSES[cause].category is Category.REFUSED
    if not (dead or refused or row.attempts > len(settings.RETRY_SCHEDULE)):
        row.save(update_fields=["cause", "detail", "fingerprint", "history", "attempts"])
        return
    kept: dict[str, Any] = {
        field.name: getattr(row, field.name)
        for field in RetryEvent._meta.fields
        if field.name not in ("id", "due_at")
    }
    row.delete()
    settle.bury(kept, now)
    moves[row.batch_id].update(Counter(retrying=-1, dead=1))
