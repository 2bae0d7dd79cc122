"""RetryEvents that are due: tried again, counted or moved on, buried when out of tries."""

from collections import Counter, defaultdict
from datetime import datetime

from django.conf import settings
from django.db import transaction

from engagement.causes import CAUSES, Category
from engagement.models import RetryEvent
from engagement.processing import again, settle, statement
from promopulse.lib import sql

ROWS = 500

# The try is paid for before it is made: one that kills its worker comes back later, not at once.
_TAKE_DUE = """
UPDATE engagement_retryevent retry SET
    attempts = retry.attempts + 1,
    due_at = clock_timestamp()
        + (%(schedule)s::interval[])[least(retry.attempts + 1, %(steps)s::int)]
FROM (
    SELECT id FROM engagement_retryevent WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
) due
WHERE retry.id = due.id
RETURNING retry.id
"""


def process_due(now: datetime) -> int:
    """Try the events that are due. Gives how many there were."""
    schedule = settings.RETRY_SCHEDULE
    taken = sql.fetch_all(_TAKE_DUE, {"schedule": schedule, "steps": len(schedule), "rows": ROWS})
    if taken:
        ids = [row for (row,) in taken]
        again.on_conflict(lambda: _process(ids, now), statement.RETRY_SOURCE, ids)
    return len(taken)


@transaction.atomic
def _process(ids: list[int], now: datetime) -> None:
    rows = {
        row.pk: row
        for row in RetryEvent.objects.select_for_update().filter(pk__in=ids).order_by("event_id")
    }
    outcome = statement.process_retries(sorted(rows))
    moves: dict[int, Counter[str]] = defaultdict(Counter)
    settled = []
    for pk in outcome.counted:
        settled.append(pk)
        moves[rows[pk].batch_id].update(retrying=-1, processed=1)
    for one in outcome.leftovers:
        row = rows[one["batch"]]
        word = _settle(row, one["cause"], now)
        if word != "retrying":
            settled.append(row.pk)
            moves[row.batch_id].update(Counter({"retrying": -1, word: 1}))
    RetryEvent.objects.filter(pk__in=settled).delete()
    settle.close_letters(set(outcome.delivered) - {rows[pk].event_id for pk in settled}, now)
    settle.move_counts(moves)


def _settle(row: RetryEvent, cause: str | None, now: datetime) -> str:
    """What became of a retry that was not counted: the word of its header's counter."""
    if cause is None:  # counted meanwhile, from another sending
        return "duplicates"
    sentence = CAUSES[cause].sentence
    row.cause, row.detail = cause, sentence
    row.history = [*row.history, settle.attempt(cause, sentence, now)]
    out_of_tries = row.attempts > len(settings.RETRY_SCHEDULE)
    if CAUSES[cause].category is Category.MAYBE_LATER and not out_of_tries:
        row.save(update_fields=["cause", "detail", "history"])
        return "retrying"
    names = [field.name for field in RetryEvent._meta.fields if field.name not in ("id", "due_at")]
    settle.bury({name: getattr(row, name) for name in names}, now)
    return "dead"
