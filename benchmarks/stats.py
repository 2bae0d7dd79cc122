"""Reading a promotion's stats: as fast at ten million events as at a hundred thousand.

Stats are read from the rollups alone, so the rollups of that many events are made, over the same
30 days; the facts are not.
"""

import time
from statistics import median

from benchmarks.report import Row
from benchmarks.world import READER, World

PROMOTION = 1
READS = 60

_ROLLUP = """
DELETE FROM engagement_eventstat;
INSERT INTO engagement_eventstat (promotion_id, type, hour, events, new_users, amount)
SELECT p, t, date_trunc('hour', now()) - h * interval '1 hour', greatest(1, {events} / 432000),
    0, 0
FROM generate_series(1, 200) p, unnest(ARRAY['VIEW', 'CLICK', 'REDEEM']) t,
    generate_series(0, {hours}) h
WHERE p = 1 OR random() < {events} / 432000.0;
"""


def run(world: World, *, passes: int, events: int) -> list[Row]:
    ratios, small, large = [], 0.0, 0.0
    for _ in range(passes):
        small = _read(world, 100_000)
        large = _read(world, 10_000_000)
        ratios.append(small / large)
    world.instance.sql("DELETE FROM engagement_eventstat")
    return [
        Row(
            "stats, 10,000,000 events (100,000 / ours)",
            limit=f"{small * 1000:.1f} ms",
            ours=f"{large * 1000:.1f} ms",
            ratios=ratios,
            goal=0.67,
        )
    ]


def _read(world: World, events: int) -> float:
    """Median seconds of the HTTP request."""
    world.instance.sql(_ROLLUP.format(events=events, hours=30 * 24 - 1))
    world.instance.sql("VACUUM ANALYZE engagement_eventstat")
    seconds = []
    for _ in range(READS):
        started = time.perf_counter()
        status, _answer = world.instance.request(
            "GET", f"/api/v1/promotions/{PROMOTION}/stats", key=READER
        )
        seconds.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"stats answered {status}")
    return median(seconds)
