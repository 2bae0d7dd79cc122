"""The limit of ingest: COPY the same rows into a table with three indexes and upsert the rollup.

Two connections, 1,000 rows a transaction, no duplicate is looked for, nothing is checked.
"""

import threading
import time
from collections import Counter
from typing import Any

import psycopg

from benchmarks.world import World

_TABLES = """
DROP TABLE IF EXISTS raw_event, raw_stat;
CREATE TABLE raw_event (id uuid PRIMARY KEY, type text, promotion_id bigint, user_id bigint,
    subscription_id bigint, occurred_at timestamptz, received_at timestamptz);
CREATE INDEX ON raw_event (promotion_id);
CREATE INDEX ON raw_event (occurred_at);
CREATE TABLE raw_stat (promotion_id bigint, type text, hour timestamptz, events bigint,
    PRIMARY KEY (promotion_id, type, hour));
"""
PRELOADED = 300_000
_PRELOAD = f"""
INSERT INTO raw_event SELECT gen_random_uuid(), 'VIEW', n % 200, n % 10000, n % 10000,
    now() - n * interval '0.2 seconds', now() FROM generate_series(1, {PRELOADED}) n;
"""
_UPSERT = """
INSERT INTO raw_stat SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (promotion_id, type, hour) DO UPDATE SET events = raw_stat.events + excluded.events
"""
ROWS = 1_000
CONNECTIONS = 2


def prepare(world: World) -> None:
    world.instance.sql(_TABLES)
    world.instance.sql(_PRELOAD)


def run(world: World, events: list[dict[str, Any]]) -> float:
    """Seconds to store the events."""
    chunks = [_ready(world, events[i : i + ROWS]) for i in range(0, len(events), ROWS)]
    threads = [
        threading.Thread(
            target=_store, args=(world.instance.env["DATABASE_URL"], chunks[number::CONNECTIONS])
        )
        for number in range(CONNECTIONS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _ready(world: World, events: list[dict[str, Any]]) -> tuple[str, list[list[Any]]]:
    """The rows as COPY's text and the rollup, made before the clock runs."""
    lines, cells = [], Counter[tuple[int, str, str]]()
    for event in events:
        user, at = event["subscription_id"], event["occurred_at"]
        promotion = world.promotion_of[user]
        row = (event["event_id"], event["type"], promotion, user, user, at, at)
        lines.append("\t".join(map(str, row)))
        cells[promotion, event["type"], f"{at[:13]}:00Z"] += 1
    keys = sorted(cells)
    columns = [list(column) for column in zip(*keys, strict=True)]
    return "\n".join(lines) + "\n", [*columns, [cells[key] for key in keys]]


def _store(url: str, chunks: list[tuple[str, list[list[Any]]]]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for text, rollup in chunks:
            with connection.transaction(), connection.cursor() as cursor:
                with cursor.copy("COPY raw_event FROM STDIN") as copy:
                    copy.write(text)
                cursor.execute(_UPSERT, rollup)
