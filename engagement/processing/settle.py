"""What the processing statement did not count: duplicates, conflicts, refused, later, failed.

These are few, so they are settled one by one, in the order of their event ids, inside the
transaction of the statement.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F

from engagement import causes, metrics
from engagement.causes import Category
from engagement.models import (
    FACT_IDS_A_BATCH,
    DeadLetterEvent,
    IngestBatch,
    ProcessedEvent,
    RetryEvent,
)
from promopulse.lib import sql

Counts = dict[int, Counter[str]]
COUNTERS = ("processed", "duplicates", "conflicts", "retrying", "dead")
JITTER = 0.2


def settle_inbox(
    leftovers: Iterable[dict[str, Any]], now: datetime, moves: Counts, *, replays: bool
) -> Counts:
    """Place each left-over; gives what each batch counts of them.

    Those of requests hold their ids until `set_free`; those of replays have a letter each.
    `moves` collects what changes in the headers of other batches: those are locked last.

    A left-over has the inbox's short keys, `batch`, `received_at`, the ids it resolved to and
    `cause`; `fingerprint` where it failed.
    """
    ordered = sorted(leftovers, key=lambda one: (one["i"], one["batch"], one["n"]))
    if not replays:
        _add_digests(ordered)
    counts: Counts = defaultdict(Counter)
    seen = _digests([one["i"] for one in ordered], taken=replays)
    replaying = _replaying([one["i"] for one in ordered]) if replays else {}
    for one in ordered:
        count = counts[one["batch"]]
        letter = replaying.get(one["i"])
        if letter is not None and letter.digest == one["h"]:
            count[_settle_replay(letter, one, now, moves)] += 1
            continue
        first = seen.get(one["i"])
        if first is not None:
            count["duplicates" if first == one["h"] else "conflicts"] += 1
            continue
        seen[one["i"]] = one["h"]
        count[_undelivered(one, now)] += 1
    return counts


_HELD = f"""
FROM engagement_processedevent
WHERE event_id = ANY(%(ids)s::text[]) AND fact_id / {FACT_IDS_A_BATCH} = ANY(%(rows)s::bigint[])
"""


def _held(leftovers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found = [(one["i"], one["batch"]) for one in leftovers]
    return {"ids": [event_id for event_id, _ in found], "rows": sorted({row for _, row in found})}


def _add_digests(leftovers: list[dict[str, Any]]) -> None:
    """Requests keep the digests of their events with the ids."""
    digests = dict(sql.fetch_all(f"SELECT event_id, digest {_HELD}", _held(leftovers)))
    for one in leftovers:
        one["h"] = digests[one["i"]]


def set_free(leftovers: Iterable[dict[str, Any]]) -> None:
    """Give up the ids of a request's events that were not counted: the last thing but its header,
    since who sends one of them again waits for the commit."""
    with sql.bound_cursor() as cursor:
        cursor.execute(f"DELETE {_HELD}", _held(leftovers))


# Of a row `taken` of the ids: its event is counted, and does not wait in the inbox.
COUNTED = f"""(taken.event_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM engagement_ingestbatch
    WHERE id = taken.fact_id / {FACT_IDS_A_BATCH} AND processed_at IS NULL))"""
_COUNTED = f"""
SELECT event_id FROM engagement_processedevent taken
WHERE event_id = ANY(%(ids)s::text[]) AND {COUNTED}
"""


def counted_among(ids: list[str]) -> set[str]:
    """Those of these ids that are counted. Another may still wait in the inbox, and fail there."""
    return {event_id for (event_id,) in sql.fetch_all(_COUNTED, {"ids": ids})} if ids else set()


def _digests(ids: list[str], *, taken: bool) -> dict[str, int]:
    """Digests of the ids that are retried or dead already; of those that are taken, if asked."""
    known: dict[str, int] = {}
    for model in (DeadLetterEvent, RetryEvent, *((ProcessedEvent,) if taken else ())):
        known.update(model.objects.filter(event_id__in=ids).values_list("event_id", "digest"))
    return known


def _replaying(ids: list[str]) -> dict[str, DeadLetterEvent]:
    letters = DeadLetterEvent.objects.select_for_update().order_by("event_id")
    found = letters.filter(event_id__in=ids, state=DeadLetterEvent.State.REPLAYING)
    return {letter.event_id: letter for letter in found}


def _settle_replay(
    letter: DeadLetterEvent, one: dict[str, Any], now: datetime, moves: Counts
) -> str:
    """A replayed letter that was not counted: open again, or closed if its id was counted.

    Where another sending of it waits, that one closes the letter if it is counted.
    """
    if one["cause"] is None:
        if counted_among([letter.event_id]):
            _close(letter, DeadLetterEvent.State.SUPERSEDED, now)
            moves[letter.batch_id].update(Counter(dead=-1, duplicates=1))
            return "duplicates"
        letter.state = DeadLetterEvent.State.OPEN
        letter.save(update_fields=["state"])
        return "dead"
    letter.cause, letter.detail, letter.fingerprint = why(one)
    letter.history = [*letter.history, attempt(letter.cause, letter.detail, now)]
    letter.attempts = len(letter.history)
    letter.state = DeadLetterEvent.State.OPEN
    letter.promotion_id, letter.user_id = one["promotion_id"], one["user_id"]
    letter.save()
    metrics.died(letter.cause)
    return "dead"


def _close(letter: DeadLetterEvent, state: str, now: datetime) -> None:
    letter.state, letter.closed_at = state, now
    letter.save(update_fields=["state", "closed_at"])


def why(one: dict[str, Any]) -> tuple[str, str, str]:
    """Cause, sentence and fingerprint of a left-over."""
    cause = one["cause"]
    failure = one.get("fingerprint")
    sentence = causes.CAUSES[cause].sentence
    if failure:
        return cause, f"{sentence} {failure}", failure
    return cause, sentence, causes.fingerprint(cause, one["promotion_id"])


def _undelivered(one: dict[str, Any], now: datetime) -> str:
    """Make a RetryEvent or a dead letter; the word of the header's counter."""
    cause, detail, fingerprint = why(one)
    row = {
        "event_id": one["i"],
        "digest": one["h"],
        "batch_id": one["batch"],
        "payload": {key: one[key] for key in "ihtosupam" if one.get(key) is not None},
        "type": one["t"],
        "promotion_id": one["promotion_id"],
        "user_id": one["user_id"],
        "occurred_at": one["o"],
        "received_at": one["received_at"],
        "cause": cause,
        "detail": detail,
        "fingerprint": fingerprint,
        "attempts": 1,
        "history": [attempt(cause, detail, now)],
    }
    category = causes.CAUSES[cause].category
    if category is Category.REFUSED:
        bury(row, now)
        return "dead"
    at_once = category is Category.WORKER_KILLER
    RetryEvent.objects.create(**row, due_at=now if at_once else now + pause_after(1))
    return "retrying"


def attempt(cause: str, detail: str, now: datetime) -> dict[str, str]:
    """One line of an event's history."""
    return {"at": now.isoformat(), "cause": cause, "detail": detail}


def pause_after(attempts: int) -> timedelta:
    """How long to wait after this many attempts, give or take a fifth."""
    schedule: list[timedelta] = settings.RETRY_SCHEDULE
    pause = schedule[min(attempts, len(schedule)) - 1]
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def bury(row: dict[str, Any], now: datetime) -> None:
    """Make a dead letter."""
    DeadLetterEvent.objects.create(**row, dead_at=now)
    metrics.died(row["cause"])


_CARRIED = """
SELECT sent.event->>'i' FROM engagement_ingestbatch batch
CROSS JOIN LATERAL jsonb_array_elements(batch.body::jsonb) AS sent(event)
WHERE batch.id = ANY(%(rows)s::bigint[]) AND batch.origin = 'replay'
"""


def close_letters(
    event_ids: Iterable[str], now: datetime, moves: Counts, rows: Iterable[int] = ()
) -> None:
    """Close the letters and retries of ids that have just been counted, from these inbox rows.

    One whose replay was counted is resolved. Any other was counted from another sending, even
    while its replay waits, and is a duplicate of that: it must not be counted a second time.
    """
    ids = sorted(event_ids)
    if not ids:
        return
    locked = DeadLetterEvent.objects.select_for_update().order_by("event_id")
    letters = list(locked.filter(event_id__in=ids, closed_at=None))
    replaying = any(letter.state == DeadLetterEvent.State.REPLAYING for letter in letters)
    carried = sql.fetch_all(_CARRIED, {"rows": list(rows)}) if replaying else []
    replayed = {event_id for (event_id,) in carried}
    for letter in letters:
        if letter.state == DeadLetterEvent.State.REPLAYING and letter.event_id in replayed:
            moves[letter.batch_id].update(Counter(dead=-1, processed=1))
            _close(letter, DeadLetterEvent.State.RESOLVED, now)
        else:
            moves[letter.batch_id].update(Counter(dead=-1, duplicates=1))
            _close(letter, DeadLetterEvent.State.SUPERSEDED, now)
    retries = RetryEvent.objects.select_for_update().order_by("event_id")
    for retry in retries.filter(event_id__in=ids):
        moves[retry.batch_id].update(Counter(retrying=-1, duplicates=1))
        retry.delete()


def move_counts(moves: Counts) -> None:
    """Move events between the counters of processed batches, in the order of their ids."""
    for batch_id, change in sorted(moves.items()):
        IngestBatch.objects.filter(pk=batch_id).update(
            **{name: F(name) + change[name] for name in COUNTERS if change[name]}
        )
