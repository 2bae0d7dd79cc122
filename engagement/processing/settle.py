"""What the processing statement left over: duplicates, conflicts, refused and maybe-later events.

Left-overs are few, so they are settled one by one, in the order of their event ids, inside the
same transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F

from engagement import causes
from engagement.causes import Category
from engagement.models import DeadLetterEvent, IngestBatch, ProcessedEvent, RetryEvent

Leftover = dict[str, Any]
COUNTERS = ("processed", "duplicates", "conflicts", "retrying", "dead")


def settle_inbox(leftovers: list[Leftover], now: datetime) -> dict[int, Counter[str]]:
    """Place each left-over; gives what each batch counts of them."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    ids = [one["i"] for one in leftovers]
    seen = _digests(ids)
    for one in leftovers:
        first = seen.get(one["i"])
        if first is not None:
            counts[one["batch"]]["duplicates" if first == one["h"] else "conflicts"] += 1
            continue
        seen[one["i"]] = one["h"]
        counts[one["batch"]][_undelivered(one, now)] += 1
    return counts


def _digests(ids: list[str]) -> dict[str, int]:
    """Digests of the ids that were counted, are retried or are dead already."""
    known: dict[str, int] = {}
    for model in (DeadLetterEvent, RetryEvent, ProcessedEvent):
        known.update(model.objects.filter(event_id__in=ids).values_list("event_id", "digest"))
    return known


def _undelivered(one: Leftover, now: datetime) -> str:
    """Make a RetryEvent or a dead letter; the word of the header's counter."""
    cause = causes.CAUSES[one["cause"]]
    row = _row(one, now)
    if cause.category is Category.MAYBE_LATER:
        RetryEvent.objects.create(**row, due_at=now + settings.RETRY_SCHEDULE[0])
        return "retrying"
    bury(row, now)
    return "dead"


def _row(one: Leftover, now: datetime) -> dict[str, Any]:
    """What a retrying and a dead event keep of the event."""
    sentence = causes.CAUSES[one["cause"]].sentence
    payload = {key: one[key] for key in "ihtosupam" if one[key] is not None}
    return {
        "event_id": one["i"],
        "digest": one["h"],
        "batch_id": one["batch"],
        "payload": payload,
        "type": one["t"],
        "promotion_id": one["promotion_id"],
        "user_id": one["user_id"],
        "occurred_at": one["o"],
        "received_at": one["received_at"],
        "cause": one["cause"],
        "detail": sentence,
        "attempts": 1,
        "history": [attempt(one["cause"], sentence, now)],
    }


def attempt(cause: str, detail: str, now: datetime) -> dict[str, str]:
    """One line of an event's history."""
    return {"at": now.isoformat(), "cause": cause, "detail": detail}


def bury(row: dict[str, Any], now: datetime) -> None:
    """Make a dead letter of what `_row` describes."""
    DeadLetterEvent.objects.create(
        **row, dead_at=now, fingerprint=causes.fingerprint(row["cause"], row["promotion_id"])
    )


def close_letters(event_ids: Iterable[str], now: datetime) -> None:
    """Close the letters and retries of ids that have just been counted from another sending."""
    ids = sorted(event_ids)
    moves: dict[int, Counter[str]] = defaultdict(Counter)
    letters = DeadLetterEvent.objects.select_for_update().order_by("event_id")
    for letter in letters.filter(event_id__in=ids, closed_at=None):
        moves[letter.batch_id].update(dead=-1, duplicates=1)
        letter.state, letter.closed_at = DeadLetterEvent.State.SUPERSEDED, now
        letter.save(update_fields=["state", "closed_at"])
    retries = RetryEvent.objects.select_for_update().order_by("event_id")
    for retry in retries.filter(event_id__in=ids):
        moves[retry.batch_id].update(retrying=-1, duplicates=1)
        retry.delete()
    move_counts(moves)


def move_counts(moves: dict[int, Counter[str]]) -> None:
    """Move events between the counters of processed batches, in the order of their ids."""
    for batch_id, change in sorted(moves.items()):
        IngestBatch.objects.filter(pk=batch_id).update(
            **{name: F(name) + change[name] for name in COUNTERS if change[name]}
        )
