"""What coupons count and show to Prometheus. The database is the truth; `audit` proves it."""

from collections.abc import Iterable
from typing import Any

import prometheus_client
from django.db import DatabaseError, InterfaceError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from promopulse.lib.metrics import counter

ASSIGNED = counter("promopulse_coupons_assigned", "Coupons given to users.")
LOCKED = counter("promopulse_coupons_locked", "Coupons held at a checkout.")
REDEEMED = counter("promopulse_coupons_redeemed", "Uses of coupons.")
REVERSED = counter("promopulse_coupons_reversed", "Uses that were given back.")
REFUSED = counter(
    "promopulse_coupons_refused", "Refused actions, by action and problem code.", "action", "code"
)

# A scrape shows the books that were made last, no more than these.
BOOKS_SHOWN = 100
SCRAPE_TIMEOUT = "2s"

_LEFT = f"""
SELECT book.id, coalesce(sum(tally.unassigned), 0) FROM (
    SELECT id FROM coupons_couponbook
    WHERE is_active AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ORDER BY id DESC LIMIT {BOOKS_SHOWN}
) book
LEFT JOIN coupons_booktally tally ON tally.book_id = book.id
GROUP BY book.id
"""


def counted(what: prometheus_client.Counter, number: int = 1) -> None:
    """Count something once it is committed."""
    transaction.on_commit(lambda: what.inc(number))


class Books(Collector):
    """The gauges: what is left of each book."""

    def collect(self) -> Iterable[Any]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [SCRAPE_TIMEOUT])
                cursor.execute(_LEFT)
                rows = cursor.fetchall()
        except (DatabaseError, InterfaceError):
            return
        left = GaugeMetricFamily(
            "promopulse_coupons_left",
            f"Unassigned codes of each active book (the last {BOOKS_SHOWN}).",
            labels=["book"],
        )
        for book_id, number in rows:
            left.add_metric([str(book_id)], float(number))
        yield left
