"""Dropping whole months of facts. Their counts, and the ids that were counted, stay.

Locks: the making of months, then the table itself, exclusively, for some milliseconds. Who has to
wait for an audit or a rebuild gives up at once and comes back, since behind a waiting exclusive
lock everybody else would wait too.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date

from django.db import OperationalError, connection, transaction

from accounts import audit
from engagement import partitions
from engagement.failures import sqlstate
from engagement.models import Pruned
from engagement.pruning import KEPT_SINCE
from promopulse.lib import sql
from promopulse.lib.time import db_now

logger = logging.getLogger(__name__)

TRIES = 40
LOCK_TIMEOUT = "200ms"
PAUSE_SECONDS = 0.5
_LOCK_NOT_AVAILABLE = "55P03"


class EventsInUse(Exception):
    """Somebody reads all events for longer than we wait: an audit, a rebuild, a backup."""


class CountsDisagree(Exception):
    """The counts of a month are not those of its facts; without the facts nobody could tell."""

    def __init__(self, month: date) -> None:
        self.month = month
        super().__init__(f"the counts of {month:%Y-%m} are not those of its events")


@dataclass(frozen=True)
class Month:
    """A month of facts that is past its age."""

    first: date
    events: int


def first_kept(months: int) -> date:
    """The first month that is kept when this one and so many before it are."""
    return partitions.month_after(db_now().astimezone(UTC).date(), -months)


def past_their_age(months: int) -> list[date]:
    """The months before those that are kept, oldest first."""
    limit = first_kept(months)
    return [month for month in partitions.existing() if month < limit]


def count_events(month: date) -> int:
    (events,) = sql.fetch_one(f"SELECT count(*) FROM {partitions.partition_name(month)}", {})
    return int(events)


def prune_months(months: int) -> Iterator[Month]:
    """Drop the months past their age, oldest first, each in a transaction; gives each.

    Raises CountsDisagree before anything of that month is dropped, and EventsInUse.
    """
    for first in past_their_age(months):
        month = Month(first, _checked_events(first))
        _drop_when_free(month)
        yield month


def _drop_when_free(month: Month) -> None:
    for _ in range(TRIES):
        try:
            _drop(month)
            return
        except OperationalError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
            time.sleep(PAUSE_SECONDS)
    raise EventsInUse()


@transaction.atomic
def _drop(month: Month) -> None:
    name = partitions.partition_name(month.first)
    before = partitions.start_of(partitions.month_after(month.first, 1))
    told = {"month": f"{month.first:%Y-%m}", "events": month.events}
    with connection.cursor() as cursor:
        partitions.one_at_a_time(cursor)
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f'ALTER TABLE {partitions.TABLE} DETACH PARTITION "{name}"')
        cursor.execute(f'DROP TABLE "{name}"')
    pruned, _ = Pruned.objects.select_for_update().get_or_create(pk=1)
    pruned.events_pruned_before = max(before, pruned.events_pruned_before or before)
    pruned.save(update_fields=["events_pruned_before"])
    audit.record("events.prune", pruned, after=told)
    logger.warning("month of events dropped", extra=told)


# What came late to a month that was dropped before is only a part of what is counted.
_CHECK = f"""
SELECT coalesce(sum(fact.events), 0), count(*) FILTER (WHERE CASE
    WHEN %(start)s::timestamptz >= {KEPT_SINCE}
    THEN fact.events IS DISTINCT FROM stat.events OR fact.amount IS DISTINCT FROM stat.amount
    ELSE fact.events > coalesce(stat.events, 0) END)
FROM (
    SELECT promotion_id, type, date_trunc('hour', occurred_at, 'UTC') AS hour,
        count(*) AS events, coalesce(sum(amount), 0) AS amount
    FROM engagement_event
    WHERE occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
    GROUP BY 1, 2, 3
) fact
FULL JOIN (
    SELECT promotion_id, type, hour, events, amount FROM engagement_eventstat
    WHERE hour >= %(start)s::timestamptz AND hour < %(end)s::timestamptz
) stat USING (promotion_id, type, hour)
"""


def _checked_events(month: date) -> int:
    """How many events the month holds, when they are what is counted."""
    limits = {
        "start": partitions.start_of(month),
        "end": partitions.start_of(partitions.month_after(month, 1)),
    }
    events, wrong_cells = sql.fetch_one(_CHECK, limits)
    if wrong_cells:
        raise CountsDisagree(month)
    return int(events)
