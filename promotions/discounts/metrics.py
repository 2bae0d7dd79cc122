"""What discounts count and show to Prometheus.

Counters are of the processes' lives; the ledger is the truth, and `manage.py audit` proves it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from promopulse.lib.errors import DomainError
from promopulse.lib.metrics import counter
from promopulse.lib.sql import after_commit
from promotions.discounts.refused import noted

GRANTED = counter("promopulse_discounts_granted", "Discounts granted, by how.", "how")
GRANTED_MONEY = counter(
    "promopulse_discounts_granted_amount", "Money granted, by currency.", "currency"
)
REFUSED = counter("promopulse_discounts_refused", "Discounts refused, by reason.", "code")
REVERSED = counter("promopulse_discounts_reversed", "Redemptions given back, whole or in part.")
REVERSED_MONEY = counter(
    "promopulse_discounts_reversed_amount", "Money given back, by currency.", "currency"
)

BUDGETS_SHOWN = 1_000
SCRAPE_TIMEOUT = "2s"

_LEFT = f"""
    SELECT budget.promotion_id, promotion.currency,
        budget.total - budget.reserved - budget.spent
    FROM promotions_budget budget JOIN promotions_promotion promotion
        ON promotion.id = budget.promotion_id
    WHERE promotion.status = 'active' AND promotion.end_at > clock_timestamp()
    ORDER BY promotion.end_at, promotion.id LIMIT {BUDGETS_SHOWN}
"""


def granted(how: str, amount: Decimal, currency: str) -> None:
    """Count a grant, once it is committed. `how`: apply, reserve or capture."""

    def count() -> None:
        GRANTED.labels(how).inc()
        if how != "reserve":
            GRANTED_MONEY.labels(currency).inc(float(amount))

    after_commit(count)


def reversed_(amount: Decimal, currency: str) -> None:
    """Count a reversal, once it is committed."""

    def count() -> None:
        REVERSED.inc()
        REVERSED_MONEY.labels(currency).inc(float(amount))

    after_commit(count)


@contextmanager
def counting_refusals(promotion_id: int | None = None) -> Iterator[None]:
    """Count why a discount was refused; of a promotion that is named also for its own page."""
    try:
        yield
    except DomainError as refusal:
        REFUSED.labels(refusal.code).inc()
        if promotion_id is not None:
            noted.note(promotion_id, refusal)
        raise


class Budgets(Collector):
    """Money left of each active promotion's budget. Nothing while the database is away."""

    def collect(self) -> Iterable[Any]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [SCRAPE_TIMEOUT])
                cursor.execute(_LEFT)
                rows = cursor.fetchall()
        except (DatabaseError, InterfaceError):
            return
        left = GaugeMetricFamily(
            "promopulse_budget_left",
            f"Money not yet promised, of at most {BUDGETS_SHOWN} promotions, first to end first.",
            labels=["promotion", "currency"],
        )
        for promotion_id, currency, amount in rows:
            left.add_metric([str(promotion_id), currency], float(amount))
        yield left
