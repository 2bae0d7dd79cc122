"""How often each promotion's discount was refused, by reason and day (UTC).

A refusal leaves no row: what was asked for is rolled back, and a row for each would let anybody who
is refused fill the disk. So each process adds refusals up in memory and writes the sums a few
seconds later, from a thread and a connection of its own: no request waits for it, no transaction
of a grant holds its locks, and a refusal counts whatever its caller rolls back. The price: a
process that is killed takes the refusals of its last seconds with it. These are counts for a
marketer to see why customers are turned away, and no ledger; nothing else reads them.
"""

import atexit
import logging
import os
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Sum

from promopulse.lib.errors import DomainError
from promotions.discounts import errors
from promotions.discounts.models import RefusalCount

logger = logging.getLogger(__name__)

# What a promotion's own rules say. Whoever is unknown or sends nonsense is not counted: that says
# nothing about a promotion, and would let strangers make rows.
_COUNTED = tuple(kind for kind in errors.OF_A_GRANT if kind is not errors.UserNotFound)
# Sums that wait while the database is away; beyond it they are dropped.
MOST_WAITING = 10_000

Key = tuple[int, date, str]
_ADD = """
INSERT INTO discounts_refusalcount AS known (promotion_id, day, code, refused)
SELECT * FROM unnest(%s::bigint[], %s::date[], %s::text[], %s::bigint[]) ORDER BY 1, 2, 3
ON CONFLICT (promotion_id, day, code) DO UPDATE SET refused = known.refused + EXCLUDED.refused
"""


class Noted:
    """The refusals of this process that are not written yet."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """A child writes none of its parent's, and has none of its threads."""
        self._lock = threading.Lock()
        self._waiting = Counter[Key]()
        self._timer: threading.Timer | None = None

    def note(self, promotion_id: int, refusal: DomainError) -> None:
        """Count a refusal of a grant; memory only."""
        if not isinstance(refusal, _COUNTED):
            return
        key = (promotion_id, datetime.now(UTC).date(), refusal.code)
        with self._lock:
            if len(self._waiting) < MOST_WAITING or key in self._waiting:
                self._waiting[key] += 1
            self._wake()

    def _wake(self) -> None:
        seconds = settings.REFUSALS_WRITTEN_AFTER
        if self._timer is None and seconds:
            atexit.unregister(self.write)
            atexit.register(self.write)
            self._timer = threading.Timer(seconds, self._on_time)
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        try:
            self.write()
        finally:
            connection.close()
            with self._lock:
                self._timer = None
                if self._waiting:
                    self._wake()

    def write(self) -> int:
        """Add what waits to the table; gives how many rows. What cannot be written waits on."""
        with self._lock:
            taken, self._waiting = self._waiting, Counter()
        if not taken:
            return 0
        try:
            _add(taken)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("refusals wait to be counted", extra={"why": str(error).strip()})
            with self._lock:
                self._waiting.update(taken)
            return 0
        return len(taken)


noted = Noted()


def _add(sums: Counter[Key]) -> None:
    columns = zip(*((*key, times) for key, times in sums.items()), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in columns])


def by_reason(promotion_id: int, days: int) -> dict[str, int]:
    """How often a promotion's discount was refused in the last days, today included; most first."""
    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    found = (
        RefusalCount.objects.filter(promotion_id=promotion_id, day__gte=since)
        .values_list("code")
        .annotate(total=Sum("refused"))
        .order_by("-total", "code")
    )
    return dict(found)
