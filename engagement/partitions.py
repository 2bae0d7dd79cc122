"""Months of `engagement_event`: this one and the next are made ahead, any other when needed.

Made apart and then attached: attaching takes a lock that readers and writers of the other months
do not feel. There is no default partition, which would have to be scanned at every attach.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from engagement.models import Event
from promopulse.lib import sql
from promopulse.lib.time import db_now
from promopulse.lib.triggers import no_truncate

TABLE = "engagement_event"
MONTHS_AHEAD = 2
_LOCK = 0x70705F6D6F6E7468  # an advisory lock key of our own: "pp_month"


def partition_name(month: date) -> str:
    return f"{TABLE}_{month:%Y_%m}"


def is_there() -> bool:
    """Whether the table itself exists: not before its migration, nor after it was taken back."""
    return TABLE in connection.introspection.table_names()


def month_after(day: date, months: int) -> date:
    """The first day of the month so many months after (or before) this day's."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def existing() -> list[date]:
    """The months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            "WHERE inhparent = to_regclass(%s) ORDER BY child.relname",
            [TABLE],
        )
        names = [name.removeprefix(f"{TABLE}_") for (name,) in cursor.fetchall()]
    return [datetime.strptime(name, "%Y_%m").replace(tzinfo=UTC).date() for name in names]


def ensure_ahead() -> None:
    """Make this month and the next ones before an event has to wait for them."""
    today = db_now().astimezone(UTC).date()
    ensure(month_after(today, months) for months in range(MONTHS_AHEAD + 1))


def ensure(months: Iterable[date]) -> None:
    """Make the partitions of these months (any day of them) where they are missing."""
    wanted = sorted({month.replace(day=1) for month in months})
    with transaction.atomic(), connection.cursor() as cursor:
        one_at_a_time(cursor)
        for month in wanted:
            cursor.execute("SELECT to_regclass(%s)", [partition_name(month)])
            if cursor.fetchone()[0] is None:
                _make(cursor, month)


def one_at_a_time(cursor: CursorWrapper) -> None:
    """Until the transaction ends nobody else makes or drops a month."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def start_of(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def _make(cursor: CursorWrapper, month: date) -> None:
    name = partition_name(month)
    cursor.execute(f'CREATE TABLE "{name}" (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)')
    # The table's triggers for rows come with the attaching, those for statements do not.
    trigger = no_truncate().get_pgid(Event)  # type: ignore[arg-type]
    cursor.execute(
        f'CREATE TRIGGER {trigger} BEFORE TRUNCATE ON "{name}" EXECUTE FUNCTION {trigger}()'
    )
    cursor.execute(
        f'ALTER TABLE {TABLE} ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)',
        [start_of(month), start_of(month_after(month, 1))],
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
