"""Months of `engagement_event`. A partition is made the first time an event needs it.

Made apart and then attached: attaching takes a lock that readers and writers of the other months
do not feel. There is no default partition, which would have to be scanned at every attach.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import connection, transaction

from promopulse.lib import sql

TABLE = "engagement_event"
_LOCK = 0x70705F6D6F6E7468  # an advisory lock key of our own: "pp_month"


def partition_name(month: date) -> str:
    return f"{TABLE}_{month:%Y_%m}"


def ensure(months: Iterable[date]) -> None:
    """Make the partitions of these months (any day of them) where they are missing."""
    wanted = sorted({month.replace(day=1) for month in months})
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for month in wanted:
            cursor.execute("SELECT to_regclass(%s)", [partition_name(month)])
            if cursor.fetchone()[0] is None:
                _make(cursor, month)


def _make(cursor: object, month: date) -> None:
    name = partition_name(month)
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    following = (month.year + month.month // 12, month.month % 12 + 1)
    end = datetime(*following, 1, tzinfo=UTC)
    cursor.execute(  # type: ignore[attr-defined]
        f'CREATE TABLE "{name}" (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)'
    )
    cursor.execute(  # type: ignore[attr-defined]
        f'ALTER TABLE {TABLE} ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)', [start, end]
    )


def ensure_for(source: str, rows: list[int]) -> None:
    """Make the partitions that events may be counted in. `source` and `rows` as in `statement`."""
    months = sql.fetch_all(
        f"""
        SELECT DISTINCT date_trunc('month', source.o, 'UTC')
        FROM ({source}) source
        LEFT JOIN subscriptions_subscription sub ON sub.id = source.s
        JOIN promotions_promotion promotion
            ON promotion.id = coalesce(sub.promotion_id, source.p)
        WHERE source.o >= promotion.start_at AND source.o < promotion.end_at
        """,
        {"rows": rows, "first": 1, "last": 2**31 - 1},
    )
    ensure(month.date() for (month,) in months)
