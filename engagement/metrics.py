"""What engagement counts and shows to Prometheus.

Counters are of the processes' lives; the database is the truth, and `manage.py audit` proves it.
Gauges are read from the database at each scrape, by index and no further than a cap.
"""

from collections import Counter as Totals
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engagement.wire import Rejected
from promopulse.lib.limits import REFUSED
from promopulse.lib.metrics import counter, histogram

ACCEPTED = counter("promopulse_events_accepted", "Events answered as accepted.")
REJECTED = counter("promopulse_events_rejected", "Events rejected at ingest, by code.", "code")
DUPLICATES = counter(
    "promopulse_events_duplicates", "Repeats of events, by where they were found.", "found"
)
CONFLICTS = counter(
    "promopulse_events_conflicts", "Known ids with other fields, by where found.", "found"
)
PROCESSED = counter("promopulse_events_processed", "Events counted.")
RETRIED = counter("promopulse_events_retried", "Tries of events that had failed before.")
DEAD = counter("promopulse_events_dead", "Events that became dead letters, by cause.", "cause")
DOORBELL_FAILURES = counter(
    "promopulse_doorbell_failures", "Rings that reached no worker; beat wakes one instead."
)
DELAY = histogram(
    "promopulse_event_delay_seconds",
    "From an event's arrival until it is in the stats.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)

_duplicates_at_ingest = DUPLICATES.labels("ingest")
_conflicts_at_ingest = CONFLICTS.labels("ingest")
_duplicates_later = DUPLICATES.labels("processing")
_conflicts_later = CONFLICTS.labels("processing")


def ingested(accepted: int, duplicates: int, rejected: list[Rejected]) -> None:
    """Count what became of one request's events."""
    if accepted:
        ACCEPTED.inc(accepted)
    if duplicates:
        _duplicates_at_ingest.inc(duplicates)
    if rejected:
        for code, events in Totals(one.code for one in rejected).items():
            REJECTED.labels(code).inc(events)
            if code == "event_conflict":
                _conflicts_at_ingest.inc(events)
            elif code == "rate_limited":
                REFUSED.labels("ingest").inc(events)


def processed(counts: Collection[Totals[str]], arrivals: Iterable[tuple[datetime, int]]) -> None:
    """Count a committed set: its batches' counts, and when those it counted arrived."""
    PROCESSED.inc(sum(count["processed"] for count in counts))
    _duplicates_later.inc(sum(count["duplicates"] for count in counts))
    _conflicts_later.inc(sum(count["conflicts"] for count in counts))
    now = datetime.now(UTC)
    DELAY.observe_many((max(0.0, (now - at).total_seconds()), n) for at, n in arrivals)


def died(cause: str) -> None:
    """Count a dead letter, once it is committed."""
    transaction.on_commit(DEAD.labels(cause).inc)


INBOX_ROWS_COUNTED = 100_000
EVENTS_COUNTED = 10_000
# A scrape must not wait behind a database in trouble.
SCRAPE_TIMEOUT = "2s"

_STATE = f"""
WITH waiting AS MATERIALIZED (
    SELECT id, accepted, received_at FROM engagement_ingestbatch
    WHERE processed_at IS NULL ORDER BY id LIMIT {INBOX_ROWS_COUNTED}
)
SELECT
    (SELECT count(*) FROM waiting),
    (SELECT coalesce(sum(accepted), 0) FROM waiting),
    (SELECT extract(epoch FROM clock_timestamp() - received_at) FROM waiting
        ORDER BY id LIMIT 1),
    (SELECT count(*) FROM (SELECT FROM engagement_retryevent LIMIT {EVENTS_COUNTED}) retrying),
    EXISTS (SELECT FROM engagement_consumption WHERE paused_at IS NOT NULL)
"""

_DEAD = f"""
SELECT cause, count(*) FROM (
    SELECT cause FROM engagement_deadletterevent WHERE state = 'open' LIMIT {EVENTS_COUNTED}
) dead GROUP BY cause
"""


class State(Collector):
    """The gauges. A database that does not answer leaves only `promopulse_database_up 0`."""

    def collect(self) -> Iterable[Any]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [SCRAPE_TIMEOUT])
                cursor.execute(_STATE)
                rows, events, oldest, retrying, paused = cursor.fetchone()
                cursor.execute(_DEAD)
                dead = cursor.fetchall()
        except (DatabaseError, InterfaceError):
            yield _gauge("database_up", "Whether the database answers.", 0)
            return
        yield _gauge("database_up", "Whether the database answers.", 1)
        yield _gauge(
            "inbox_requests",
            f"Ingest requests that wait to be counted (at most {INBOX_ROWS_COUNTED}).",
            rows,
        )
        yield _gauge("inbox_events", "Events in those requests.", events)
        yield _gauge("inbox_oldest_seconds", "For how long the oldest waits.", oldest or 0)
        yield _gauge(
            "events_retrying", f"Events that are tried again (at most {EVENTS_COUNTED}).", retrying
        )
        yield _gauge("consumption_paused", "1 while most events fail alike.", paused)
        letters = GaugeMetricFamily(
            "promopulse_dead_letters_open",
            f"Open dead letters by cause (at most {EVENTS_COUNTED} are looked at).",
            labels=["cause"],
        )
        for cause, letters_open in dead:
            letters.add_metric([cause], letters_open)
        yield letters


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"promopulse_{name}", words, value=float(value))
