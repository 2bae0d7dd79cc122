"""How the traffic is doing now: the last hour by minutes, and what waits in the queue."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import redis

from engagement import doorbell
from promopulse.lib import sql

# Of so many requests at most: at a high rate that is less than an hour.
REQUESTS_LOOKED_AT = 20_000
WAITING_COUNTED = 10_000
MINUTES = 60

_HOUR = f"""
WITH latest AS MATERIALIZED (
    SELECT received_at, processed_at, accepted, processed, retrying + dead AS failed
    FROM engagement_ingestbatch ORDER BY id DESC LIMIT {REQUESTS_LOOKED_AT}
), recent AS (
    SELECT *, floor(extract(epoch FROM %(now)s::timestamptz - received_at) / 60)::int AS ago
    FROM latest
    WHERE received_at > %(now)s::timestamptz - interval '{MINUTES} min'
        AND received_at <= %(now)s::timestamptz
)
SELECT ago, sum(accepted), sum(processed), sum(failed),
    (SELECT percentile_cont(0.95) WITHIN GROUP
        (ORDER BY extract(epoch FROM processed_at - received_at)) FROM recent),
    (SELECT count(*) = {REQUESTS_LOOKED_AT} AND min(received_at)
        > %(now)s::timestamptz - interval '{MINUTES} min' FROM latest)
FROM recent GROUP BY ago
"""


@dataclass(frozen=True)
class Hour:
    """Events of each minute, the oldest first. `delay` is the p95 in seconds from acceptance to
    counted, None without events; `partial`: there were too many requests to look at the hour."""

    accepted: list[int]
    processed: list[int]
    failed: list[int]
    delay: float | None
    partial: bool


def last_hour(now: datetime) -> Hour:
    columns: list[list[int]] = [[0] * MINUTES for _ in range(3)]
    delay, partial = None, False
    for ago, *sums, p95, cut in sql.fetch_all(_HOUR, {"now": now}):
        delay, partial = p95, cut
        if ago < MINUTES:
            for column, number in zip(columns, sums, strict=True):
                column[MINUTES - 1 - ago] = int(number)
    accepted, processed, failed = columns
    return Hour(accepted, processed, failed, None if delay is None else float(delay), partial)


_QUEUE = f"""
WITH waiting AS MATERIALIZED (
    SELECT received_at FROM engagement_ingestbatch
    WHERE processed_at IS NULL AND received_at <= %(now)s::timestamptz
    ORDER BY id LIMIT {WAITING_COUNTED}
)
SELECT (SELECT count(*) FROM waiting),
    (SELECT extract(epoch FROM %(now)s::timestamptz - min(received_at)) FROM waiting),
    (SELECT count(*) FROM (SELECT FROM engagement_retryevent LIMIT {WAITING_COUNTED}) retrying),
    (SELECT paused_at FROM engagement_consumption WHERE paused_at IS NOT NULL),
    (SELECT count(*) FROM (
        SELECT FROM engagement_deadletterevent
        WHERE state = 'open' AND dead_at > %(now)s::timestamptz - interval '1 day'
        LIMIT {WAITING_COUNTED}
    ) dead)
"""


@dataclass(frozen=True)
class Queue:
    """What waits: requests, for how many seconds the oldest, events being retried, letters that
    died within a day. Counts end at 10,000. `worker`: whether one left word; None: nobody knows."""

    waiting: int
    oldest: float
    retrying: int
    paused_at: datetime | None
    dead: int
    worker: bool | None


def queue(now: datetime) -> Queue:
    waiting, oldest, retrying, paused_at, dead = sql.fetch_one(_QUEUE, {"now": now})
    try:
        worker: bool | None = doorbell.is_worker_alive()
    except redis.RedisError:
        worker = None
    return Queue(waiting, float(oldest or 0), retrying, paused_at, dead, worker)


_DAYS = """
SELECT (stat.hour AT TIME ZONE 'UTC')::date, promotion.currency, sum(stat.events), sum(stat.amount)
FROM engagement_eventstat stat
LEFT JOIN promotions_promotion promotion ON promotion.id = stat.promotion_id
WHERE stat.type = 'REDEEM' AND stat.hour >= %(since)s::timestamptz
    AND stat.hour < %(until)s::timestamptz
GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Days:
    """Redemptions of each UTC day, the oldest first, and their value by currency."""

    days: list[date]
    redemptions: list[int]
    value: dict[str, list[Decimal]]


def redemptions(now: datetime, days: int) -> Days:
    """From the hourly counts, of the last so many days, today among them."""
    today = now.date()
    named = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
    place = {day: number for number, day in enumerate(named)}
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    counts = [0] * days
    value: dict[str, list[Decimal]] = {}
    params: dict[str, Any] = {
        "since": midnight - timedelta(days=days - 1),
        "until": midnight + timedelta(days=1),
    }
    for day, currency, events, amount in sql.fetch_all(_DAYS, params):
        counts[place[day]] += int(events)
        if amount and currency:
            value.setdefault(currency, [Decimal(0)] * days)[place[day]] += amount
    return Days(named, counts, value)


def is_quiet() -> bool:
    """Whether no event was ever counted."""
    return not sql.fetch_one("SELECT EXISTS (SELECT FROM engagement_eventstat)", {})[0]
